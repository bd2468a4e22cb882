"""What was lost is counted, and stands among the events."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from logs.redaction.masker import Masker
from monitor.api.runs.detail import ended_runs
from monitor.config.sections import EventSettings
from monitor.live.asked import Asked
from monitor.live.event_log import EventLog
from monitor.live.hub import Hub
from monitor.live.ingest import Ingest
from monitor.live.newcomers import Newcomers
from monitor.live.process_events import ProcessEvents
from monitor.live.sample_counter import SampleCounter
from monitor.live.self_cost import OwnCost, ReportedCost
from monitor.live.snapshot import Snapshot
from monitor.live.unstored import UnstoredEnds
from monitor.metrics.messages import ENDS_LOST, Hello, HostInfo, Lives, RunEnd, RunInfo
from monitor.store.duckdb import open_store
from monitor.store.writer import StoreWriter
from tests.doubles.gated_store import GatedStore
from tests.doubles.stored import stored
from tests.doubles.ticks import BEGIN_US, tick
from tests.waiting import patient, wait_until

SECOND = 1_000_000_000
HELLO = Hello(1, 1, 1.0, "procfs", HostInfo("h", "boot", 1, "kernel", "platform", 2, 3, 100))


def test_missed_samples_are_told_by_their_numbers() -> None:
    """Sweeps that a sampler left out are a hole between the two that came."""
    sample_counter = SampleCounter(1.0)
    assert sample_counter.take(tick(3)) is None
    assert sample_counter.take(tick(4)) is None
    hole = sample_counter.take(tick(8))
    assert hole is not None
    assert (hole.start, hole.end, hole.missed) == (tick(4).ts, tick(8).ts, 3)
    assert (sample_counter.received, sample_counter.expected(8 * SECOND)) == (3, 6)


def test_the_time_without_a_sampler_is_missed() -> None:
    """A new sampler counts anew, whatever its numbers: how much was missed is told by the time."""
    sample_counter = SampleCounter(1.0)
    sample_counter.take(tick(1))
    sample_counter.restarted()
    hole = sample_counter.take(msgspec.structs.replace(tick(5), mono_ns=11 * SECOND))
    assert hole is not None
    assert hole.missed == 9
    sample_counter.restarted()
    assert sample_counter.take(msgspec.structs.replace(tick(99), mono_ns=12 * SECOND)) is None


def test_a_sample_that_is_late_is_not_yet_missed() -> None:
    """What is due grows only when a whole interval has passed without a sample."""
    sample_counter = SampleCounter(1.0)
    assert sample_counter.expected(99 * SECOND) == 0
    sample_counter.take(tick(0))
    assert [sample_counter.expected(int(after * SECOND)) for after in (0.5, 1.9, 2.1, 4.0)] == [1, 1, 2, 4]


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[GatedStore]:
    """A store in a folder of its own."""
    store = open_store(tmp_path, limit_bytes=100_000_000, now=lambda: BEGIN_US)
    yield GatedStore(store)
    store.close()


def ingest_of(writer: StoreWriter, unstored: UnstoredEnds, tmp_path: Path) -> Ingest:
    """One that has heard of its sampler."""
    snapshot = Snapshot()
    hub = Hub(snapshot, lambda _columns: dict, dict)
    ingest = Ingest(
        snapshot=snapshot,
        sample_counter=SampleCounter(1.0),
        costs=(OwnCost(), ReportedCost()),
        hub=hub,
        writer=writer,
        events=ProcessEvents(
            snapshot=snapshot,
            hub=hub,
            writer=writer,
            file=EventLog(tmp_path / "process_events.log"),
            settings=EventSettings,
            own_pids=set,
            host=lambda: "h",
            mask=str,
        ),
        newcomers=Newcomers(snapshot, Masker()),
        unstored=unstored,
        asked=Asked(snapshot),
        on_loop=lambda run, *given: run(*given),
        greeted=lambda _: None,
        now=lambda: time.time_ns() // 1000,
        masked=" ".join,
    )
    ingest.accept(HELLO)
    return ingest


def over(run: int, seq: int) -> Lives:
    """A run that was over before a sweep saw it."""
    info = RunInfo(run, run, run, 1, 0, "ada", "job", "job", None, None, BEGIN_US, kernel_thread=False)
    return Lives(tick(seq).ts, [], [], [info], [RunEnd(run, tick(seq).ts, 3, None, "connector")])


def test_what_found_no_room_is_an_event_once_there_is_room(gated: GatedStore, tmp_path: Path) -> None:
    """A full store loses the samples that find no place in the backlog, and the ends of processes among them; how many stands among the events, once."""
    writer = StoreWriter(gated, data_dir=tmp_path, backlog=3, batch_s=0.0)
    writer.start()
    unstored = UnstoredEnds()
    ingest = ingest_of(writer, unstored, tmp_path)
    ingest.accept(tick(0))
    wait_until(lambda: writer.stored == 1, "the first sample is stored")
    gated.full = True
    ingest.accept(over(7, 0))
    ingest.accept(tick(1))
    wait_until(lambda: writer.state == "full", "the writer notices")
    for seq in range(2, 8):
        ingest.accept(tick(seq))
    assert writer.dropped == 4
    gated.full = False
    wait_until(lambda: writer.state == "ok", "the backlog is stored")
    for seq in (8, 9):
        ingest.accept(tick(seq))
    assert writer.stop(patient(5))
    sql = "SELECT message FROM events WHERE kind = 'LOST'"
    assert [row["message"] for row in stored(gated.store, f"{sql} ORDER BY 1")] == [
        "4 samples could not be stored",
        "ends of processes that could not be stored: 1",
    ]
    assert stored(gated.store, "SELECT count(*) AS n FROM host_samples") == [{"n": 6}]


def test_an_end_is_found_at_once_while_the_store_is_held_shut(gated: GatedStore, tmp_path: Path) -> None:
    """Who asks for ended runs waits for no transaction; stored or on its way there, a run is there once."""
    writer = StoreWriter(gated, data_dir=tmp_path, batch_s=0.0)
    writer.start()
    unstored = UnstoredEnds()
    ingest = ingest_of(writer, unstored, tmp_path)
    gated.gate.clear()
    gated.entered.clear()
    ingest.accept(tick(0))
    assert gated.entered.wait(patient(20))
    for run in (7, 8):
        ingest.accept(over(run, 0))
        found = ended_runs(gated, "h", {"limit": 10}, unstored.ended())
        assert (found.total, [(one.pid, one.outcome) for one in found.runs][-1]) == (run - 6, (run, "exit code 3"))
    gated.gate.set()
    assert writer.stop(patient(5))
    assert unstored.ended() == []
    assert ended_runs(gated, "h", {"limit": 10}) == found


def test_ends_that_the_kernel_had_to_drop_are_events(gated: GatedStore, tmp_path: Path) -> None:
    """Each time that they grew, also behind a sampler that counts anew; other readings that failed are none."""
    writer = StoreWriter(gated, data_dir=tmp_path, batch_s=0.0)
    writer.start()
    ingest = ingest_of(writer, UnstoredEnds(), tmp_path)
    for seq, errors in enumerate(
        ({}, {"exits:lost": 2, "stat:gone": 9}, {"exits:lost": 2}, {"exits:lost": 1}, {"exits:lost": 4})
    ):
        one = tick(seq)
        ingest.accept(msgspec.structs.replace(one, quality=dataclasses.replace(one.quality, errors=errors)))
    assert writer.stop(patient(5))
    told = stored(gated.store, "SELECT message FROM events WHERE kind = 'LOST' ORDER BY ts")
    assert [row["message"] for row in told] == [f"{ENDS_LOST['exits:lost']}: {n}" for n in (2, 1, 3)]
