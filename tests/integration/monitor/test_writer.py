"""The store-writing thread, over a real store."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from monitor.core.errors import StoreError, StoreFull
from monitor.store.duckdb import open_store
from monitor.store.interface import Append, Change, Store
from monitor.store.writer import StoreWriter
from tests.waiting import patient, wait_until


class Watched:
    """A real store that remembers how many transactions it made, and can be told to have no room."""

    def __init__(self, store: Store) -> None:
        self.store, self.writes, self.full = store, 0, False
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def write(self, changes: Sequence[Change]) -> None:
        """One transaction once the gate is open, or no room."""
        self.entered.set()
        assert self.gate.wait(patient(20))
        if self.full:
            raise StoreFull("no room", hint="make some")
        self.store.write(changes)
        self.writes += 1

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


class Clock:
    """Monotonic seconds that move when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time now."""
        return self.now


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """A store in a folder of its own."""
    store = open_store(tmp_path, limit_bytes=100_000_000, now=lambda: 1_700_000_000_000_000)
    yield Watched(store)
    store.close()


def row(second: int) -> Change:
    """One reading of the host."""
    at = pa.array([1_700_000_000_000_000 + second * 1_000_000], pa.timestamp("us"))
    return Append("host_samples", pa.table({"host": ["h"], "ts": at}))


def event(text: str) -> Change:
    """One event."""
    at = pa.array([1_700_000_000_000_000], pa.timestamp("us"))
    return Append(
        "events", pa.table({"host": ["h"], "ts": at, "kind": ["GAP"], "subject": ["watch"], "message": [text]})
    )


def stored(watched: Watched) -> tuple[int, int]:
    """Rows of samples and of events."""
    table = watched.store.select("SELECT (SELECT count(*) FROM host_samples) AS s, (SELECT count(*) FROM events) AS e")
    return table["s"][0].as_py(), table["e"][0].as_py()


def writer_of(watched: Watched, tmp_path: Path, **options: object) -> StoreWriter:
    """A started writer."""
    writer = StoreWriter(watched, data_dir=tmp_path, **options)
    writer.start()
    return writer


def test_samples_wait_for_each_other(watched: Watched, tmp_path: Path) -> None:
    """Samples that come within the batch time make one transaction."""
    writer = writer_of(watched, tmp_path, batch_s=60.0)
    for second in range(5):
        writer.samples(lambda second=second: [row(second)])
    assert writer.waiting == 5
    assert writer.stop(patient(5))
    assert (watched.writes, stored(watched), writer.stored) == (1, (5, 0), 5)


def test_samples_are_written_when_they_are_old_enough(watched: Watched, tmp_path: Path) -> None:
    """A sample alone is stored after the batch time."""
    clock = Clock()
    writer = writer_of(watched, tmp_path, batch_s=2.0, clock=clock)
    writer.samples(lambda: [row(0)])
    clock.now += 2.5
    wait_until(lambda: writer.stored == 1, "the sample is stored")
    assert writer.stop(patient(5))


def test_a_commit_takes_waiting_samples_along(watched: Watched, tmp_path: Path) -> None:
    """Rows someone waits for and samples that wait go in by one transaction."""
    writer = writer_of(watched, tmp_path, batch_s=60.0)
    writer.samples(lambda: [row(0)])
    writer.commit([event("one")])
    assert (watched.writes, stored(watched)) == (1, (1, 1))
    assert writer.stop(patient(5))


def test_ends_are_stored_for_those_who_ask(watched: Watched, tmp_path: Path) -> None:
    """They wait like samples, until somebody asks, who waits for no readings; who asks when none waits, or when the store is full, is not kept."""
    writer = writer_of(watched, tmp_path, batch_s=600.0)
    writer.samples(lambda: [row(0)])
    writer.samples(lambda: [event("begun")], count=0, lives="begun")
    writer.hurry(patient(20))
    assert (watched.writes, writer.waiting) == (0, 1)
    writer.samples(lambda: [event("end")], count=0, lives="over")
    writer.hurry(patient(20))
    assert (watched.writes, stored(watched), writer.waiting) == (1, (0, 2), 1)
    watched.full = True
    with pytest.raises(StoreFull):
        writer.commit([row(1)])
    writer.samples(lambda: [event("late")], count=0, lives="over")
    wait_until(lambda: writer.state != "ok" or writer.hurry(0.1), "the store is known to be full")
    writer.hurry(600)
    watched.full = False
    assert writer.stop(patient(5))
    assert stored(watched) == (1, 3)


def test_a_wrong_batch_harms_no_other(watched: Watched, tmp_path: Path) -> None:
    """A commit for a table that does not exist fails by itself; the samples beside it are stored."""
    writer = writer_of(watched, tmp_path, batch_s=60.0)
    writer.samples(lambda: [row(0)])
    with pytest.raises(StoreError):
        writer.commit([Append("nowhere", pa.table({"a": [1]}))])
    assert writer.stop(patient(5))
    assert stored(watched) == (1, 0)


def test_a_wrong_commit_harms_none_that_came_with_it(watched: Watched, tmp_path: Path) -> None:
    """Of commits that wait together each is stored or refused by itself."""
    writer = writer_of(watched, tmp_path, batch_s=60.0)
    watched.gate.clear()
    with ThreadPoolExecutor(4) as askers:
        first = askers.submit(writer.commit, [event("first")])
        assert watched.entered.wait(patient(20))
        right = [askers.submit(writer.commit, [event(text)]) for text in ("one", "two")]
        wrong = askers.submit(writer.commit, [Append("nowhere", pa.table({"a": [1]}))])
        wait_until(lambda: writer.waiting_commits == 3, "three commits wait together")
        watched.gate.set()
        assert [done.result(patient(20)) for done in (first, *right)] == [None, None, None]
        assert isinstance(wrong.exception(20), StoreError)
    assert writer.stop(patient(5))
    assert stored(watched) == (0, 3)


def test_samples_that_fell_out_while_they_were_written_are_stored_not_dropped(watched: Watched, tmp_path: Path) -> None:
    """What a full backlog gave up while it was on its way into the store is counted as what became of it."""
    writer = writer_of(watched, tmp_path, batch_s=0.0, backlog=2)
    watched.gate.clear()
    writer.samples(lambda: [row(0)])
    assert watched.entered.wait(patient(20))
    for second in range(1, 4):
        writer.samples(lambda second=second: [row(second)])
    assert writer.dropped == 2
    watched.gate.set()
    assert writer.stop(patient(5))
    assert (writer.stored, writer.dropped, stored(watched)) == (3, 1, (3, 0))


def test_rows_that_are_none_are_refused_as_every_wrong_row_is(watched: Watched, tmp_path: Path) -> None:
    """Whatever finds rows wrong, whoever waits for them hears of a `StoreError`, and the writer writes on."""
    writer = writer_of(watched, tmp_path, batch_s=60.0)
    with pytest.raises(StoreError, match="cannot be stored"):
        writer.commit([Append("events", None)])
    writer.commit([event("one")])
    assert writer.stop(patient(5))
    assert stored(watched) == (0, 1)


def test_a_full_store_keeps_a_bounded_backlog(watched: Watched, tmp_path: Path) -> None:
    """Without room samples wait up to the bound, the rest is counted, and all that waited is stored later."""
    clock = Clock()
    watched.full = True
    writer = writer_of(watched, tmp_path, batch_s=0.0, backlog=3, clock=clock)
    with pytest.raises(StoreFull):
        writer.commit([event("refused")])
    for second in range(5):
        writer.samples(lambda second=second: [row(second)])
    assert (writer.state, writer.dropped, writer.waiting) == ("full", 2, 3)
    watched.full = False
    clock.now += 5
    wait_until(lambda: writer.stored == 3, "the backlog is stored")
    assert writer.state == "ok"
    assert writer.stop(patient(5))
    assert stored(watched) == (3, 0)


def test_what_tells_of_a_loss_outlives_a_full_store(watched: Watched, tmp_path: Path) -> None:
    """A note waits behind no backlog and falls out of none: it is stored when there is room, or at the end."""
    clock = Clock()
    writer = writer_of(watched, tmp_path, backlog=2, batch_s=0.0, clock=clock)
    watched.full = True
    writer.note([event("lost")])
    for second in range(10):
        writer.samples(lambda second=second: [row(second)])
    wait_until(lambda: writer.state == "full")
    assert writer.dropped >= 7
    watched.full = False
    clock.now += 2
    wait_until(lambda: stored(watched)[1] == 1)
    writer.note([event("lost again")])
    assert writer.stop(20)
    assert stored(watched)[1] == 2


def test_an_error_nobody_thought_of_ends_no_watch(
    watched: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever waits for rows is told, the log has the traceback, and the next rows are stored."""
    writer = writer_of(watched, tmp_path)

    class Odd:
        """Rows that break in a way that rows do not."""

        table = "events"

        @property
        def rows(self) -> str:
            raise RuntimeError("unheard of")

    with pytest.raises(StoreError, match="unheard of"):
        writer.commit([Odd()])  # type: ignore[list-item] # that is the point
    writer.commit([event("later")])
    assert stored(watched)[1] == 1
    assert "RuntimeError" in caplog.text
    writer.stop(20)


def test_a_sample_that_breaks_in_an_unheard_of_way_harms_no_other(watched: Watched, tmp_path: Path) -> None:
    """It is dropped and counted; the samples and the notes beside it are stored, and the writer ends in time."""

    def broken() -> Sequence[Change]:
        raise RuntimeError("unheard of")

    writer = writer_of(watched, tmp_path, batch_s=60.0)
    writer.samples(lambda: [row(0)])
    writer.samples(broken)
    writer.samples(lambda: [row(1)])
    writer.note([event("lost")])
    assert writer.stop(20)
    assert (stored(watched), writer.stored, writer.dropped) == ((2, 1), 2, 1)
