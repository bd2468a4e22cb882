"""Big files: newest first, and the same records as a straight read."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from logs import LogSettings
from monitor.store.interface import Append, Change, Store
from tests.doubles.gated_store import GatedStore
from tests.doubles.log_watch import LogWatch
from tests.waiting import wait_until

Start = Callable[..., Any]


class Noted(GatedStore):
    """It notes where in their file the records of each batch begin."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.first: list[int] = []

    def write(self, changes: Sequence[Change]) -> None:
        """As the store does."""
        super().write(changes)
        added = [one.rows for one in changes if isinstance(one, Append) and one.table == "log_records"]
        self.first += [min(rows.column("pos").to_pylist()) for rows in added if rows.num_rows]


def mixed_log(seed: int, size: int) -> bytes:
    """Lines of many kinds: records, tracebacks, blank lines, prints, JSON, colours, broken bytes, a long line."""
    rng = random.Random(seed)
    parts: list[bytes] = []
    total, second = 0, 0
    while total < size:
        second += rng.random() < 0.3
        stamp = f"2026-03-01 {10 + second // 3600 % 12:02d}:{second // 60 % 60:02d}:{second % 60:02d},{rng.randrange(1000):03d}"
        kind = rng.random()
        if kind < 0.7:
            part = f"{stamp} - app.part - {rng.choice(['INFO', 'DEBUG', 'WARNING'])} - did {rng.randrange(10**6)}\n".encode()
        elif kind < 0.8:
            frames = "".join(f'  File "a{n}.py", line {n}, in f\n    call()\n' for n in range(rng.randrange(1, 9)))
            part = f"{stamp} - app - ERROR - failed\nTraceback (most recent call last):\n{frames}ValueError: no {rng.randrange(99)}\n".encode()
        elif kind < 0.86:
            part = f"epoch {rng.randrange(99)} loss 0.{rng.randrange(99)}\n".encode()
        elif kind < 0.9:
            part = b'{"time": "2026-03-01T10:00:00Z", "level": "warn", "msg": "json %d"}\n' % rng.randrange(99)
        elif kind < 0.93:
            part = b"\n" * rng.randrange(1, 3)
        elif kind < 0.96:
            part = f"{stamp} - app - INFO - \x1b[31mred {rng.randrange(99)}\x1b[0m\r\n".encode()
        elif kind < 0.99:
            part = f"{stamp} - app - INFO - ".encode() + b"\xff\xfe broken \x00 bytes\n"
        else:
            part = f"{stamp} - app - INFO - {'long ' * rng.randrange(1, 4000)}\n".encode()
        parts.append(part)
        total += len(part)
    return b"".join(parts)


def comparable(watch: Any) -> list[tuple[Any, ...]]:
    """Records without their file's number."""
    return [record._replace(file_id=0)[:] for record in watch.in_file_order()]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_newest_first_gives_the_same_records_as_a_straight_read(start: Start, tmp_path: Path, seed: int) -> None:
    """Whatever way a file is read (backwards in chunks, forwards, or as it grows), its records are the same."""
    path = tmp_path / "app.log"
    path.write_bytes(mixed_log(seed, 120_000))
    backwards = start(
        (str(path),), name="one", big_file_bytes=50_000, first_bytes=10_000, chunk_bytes=20_000 + seed * 7_777
    )
    forwards = start((), name="two")
    ingested = start((), name="four", big_file_bytes=50_000, first_bytes=10_000, chunk_bytes=20_000 + seed * 7_777)
    tailed = start((str(path),), name="three", big_file_bytes=1 << 30)
    assert forwards.ingest(path)["state"] == "done"
    expected = comparable(forwards)
    job = ingested.ingest(path)
    assert (job["state"], job["records"], job["added"]) == ("done", len(expected), len(expected))
    assert (job["lines"], job["bytes"]) == (path.read_bytes().count(b"\n"), path.stat().st_size)
    assert comparable(ingested) == expected
    wait_until(lambda: tailed.service.flush(5) and len(tailed.records()) >= len(expected))
    wait_until(
        lambda: (
            backwards.service.flush(5)
            and not backwards.service.health()["backfilling"]
            and len(backwards.records()) >= len(expected)
        )
    )
    assert comparable(tailed) == expected
    assert comparable(backwards) == expected
    assert all(source.progress is None for source in backwards.service.sources())


def test_the_newest_records_come_first(start: Start, tmp_path: Path) -> None:
    """Before the older part is read, the newest records are there, and the progress says so."""
    path = tmp_path / "app.log"
    path.write_bytes(b"".join(b"2026-03-01 10:00:00,%03d INFO a: n=%d\n" % (n % 1000, n) for n in range(20_000)))
    watch = start((), big_file_bytes=50_000, first_bytes=10_000)
    watch.service.end_bulk()  # nothing is backfilled
    watch.service.configure(replace(watch.service.settings, globs=(str(path),)))
    wait_until(lambda: "n=19999" in watch.messages())
    source = next(source for source in watch.service.sources() if source.source == "app")
    assert source.state == "backfilling"
    assert 0 < source.progress < 0.1
    assert "n=0" not in watch.messages()


@pytest.mark.parametrize("end", [b"\n", b""], ids=["whole", "no line end"])
def test_an_ingest_shows_the_newest_records_first(start: Start, tmp_path: Path, end: bytes) -> None:
    """Of a big file a person sees the end at once; what it grew by is read on, each line once and with its number."""
    path = tmp_path / "app.log"

    def write(first: int, last: int) -> None:
        with path.open("ab") as file:
            file.writelines(b"2026-03-01 10:00:00,%03d INFO a: n=%d\n" % (n % 1000, n) for n in range(first, last))

    write(0, 20_000)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1 + len(end))
    stores: list[Noted] = []

    def noted(store: Store) -> Noted:
        stores.append(Noted(store))
        return stores[0]

    watch = start((), in_store=noted, big_file_bytes=50_000, first_bytes=10_000, chunk_bytes=20_000)
    assert watch.ingest(path)["lines"] == 20_000
    assert stores[0].first[0] > path.stat().st_size - 20_000
    assert [record.line_no for record in watch.in_file_order()] == list(range(1, 20_001))
    again = watch.ingest(path)
    assert (again["lines"], again["records"], again["added"]) == (20_000, 20_000, 0)
    if end:
        write(20_000, 20_100)
        grown = watch.ingest(path)
        assert (grown["lines"], grown["added"]) == (20_100, 100)
        assert [record.line_no for record in watch.in_file_order()] == list(range(1, 20_101))


def test_lines_are_numbered_after_the_backfill(start: Start, stop: Callable[[Any], None], tmp_path: Path) -> None:
    """Every record knows its line number, the newest part's and what is written later too, also after a restart in between."""
    path = tmp_path / "app.log"

    def write(first: int, last: int) -> None:
        with path.open("ab") as file:
            file.writelines(b"2026-03-01 10:00:00,%03d INFO a: n=%d\n\n" % (n % 1000, n) for n in range(first, last))

    def numbered(watch: Any, count: int) -> bool:
        return [record.line_no for record in watch.in_file_order()] == [1 + 2 * n for n in range(count)]

    write(0, 5000)
    watch = start((str(path),), big_file_bytes=50_000, first_bytes=10_000)
    watch.service.end_bulk()  # nothing is backfilled, nothing counted
    write(5000, 5010)
    wait_until(lambda: "n=5009" in watch.messages())
    stop(watch)
    write(5010, 5020)
    again = start((str(path),), big_file_bytes=50_000, first_bytes=10_000)
    wait_until(lambda: numbered(again, 5020))
    write(5020, 5030)
    wait_until(lambda: numbered(again, 5030))
    stop(again)
    write(5030, 5040)
    last = start((str(path),), big_file_bytes=50_000, first_bytes=10_000)
    wait_until(lambda: numbered(last, 5040))


def test_a_file_that_grows_faster_than_it_is_read_says_so(store: Store, tmp_path: Path) -> None:
    """It is being read, with how much of it is, until it is live again."""
    path, shown, go_on = tmp_path / "app.log", threading.Event(), threading.Event()

    def hold(records: list[Any]) -> None:
        if len(records) > 1:
            shown.set()
            assert go_on.wait(60)

    settings = LogSettings(discover=False, journal=False, poll_s=0.02, globs=(str(path),), big_file_bytes=200_000)
    watch = LogWatch(store, settings, host="h", run_of_pid={}.get, mask=str, on_records=hold)
    line = "2026-03-01 10:00:00,000 INFO seq: n=%d" + 100 * " ." + "\n"
    path.write_text(line % 0)
    watch.start()
    try:
        wait_until(lambda: watch.health()["records"] == 1)
        with watch.unwatched(), path.open("a") as file:
            file.writelines(line % number for number in range(1, 16_000))
        assert shown.wait(60)
        source = watch.sources()[0]
        assert (source.source, source.state, watch.health()["backfilling"]) == ("app", "backfilling", 1)
        assert source.progress is not None
        assert 0.25 < source.progress < 0.6
        go_on.set()
        wait_until(lambda: watch.sources()[0].stored_to == path.stat().st_size)
        assert (watch.sources()[0].state, watch.sources()[0].progress) == ("live", None)
    finally:
        go_on.set()
        watch.stop()
