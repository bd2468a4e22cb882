"""What was lost is counted, and stands among the events."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from monitor.account import SampleAccount
from monitor.costs import OwnCost, ReportedCost
from monitor.errors import StoreFull
from monitor.intake import Intake
from monitor.live import Hub
from monitor.store import Store, open_store
from monitor.store.interface import Change
from monitor.wire import Hello, HostInfo
from monitor.world import World
from monitor.writer import StoreWriter
from tests.monitor.ticks import BEGIN_US, tick

SECOND = 1_000_000_000
HELLO = Hello(1, 1, 1.0, "procfs", HostInfo("h", "boot", 1, "kernel", "platform", 2, 3, 100))


def test_missed_samples_are_told_by_their_numbers() -> None:
    """Sweeps that a sampler left out are a hole between the two that came."""
    account = SampleAccount(1.0)
    assert account.take(tick(3)) is None
    assert account.take(tick(4)) is None
    hole = account.take(tick(8))
    assert hole is not None
    assert (hole.start, hole.end, hole.missed) == (tick(4).ts, tick(8).ts, 3)
    assert (account.received, account.expected(8 * SECOND)) == (3, 6)


def test_the_time_without_a_sampler_is_missed() -> None:
    """A new sampler counts anew, whatever its numbers: how much was missed is told by the time."""
    account = SampleAccount(1.0)
    account.take(tick(1))
    account.restarted()
    hole = account.take(msgspec.structs.replace(tick(5), mono_ns=11 * SECOND))
    assert hole is not None
    assert hole.missed == 9
    account.restarted()
    assert account.take(msgspec.structs.replace(tick(99), mono_ns=12 * SECOND)) is None


def test_a_sample_that_is_late_is_not_yet_missed() -> None:
    """What is due grows only when a whole interval has passed without a sample."""
    account = SampleAccount(1.0)
    assert account.expected(99 * SECOND) == 0
    account.take(tick(0))
    assert [account.expected(int(after * SECOND)) for after in (0.5, 1.9, 2.1, 4.0)] == [1, 1, 2, 4]


class Room:
    """A real store that can be told to have no room."""

    def __init__(self, store: Store) -> None:
        self.store, self.full = store, False

    def write(self, changes: Sequence[Change]) -> None:
        """As the store does, or no room."""
        if self.full:
            raise StoreFull("no room", hint="make some")
        self.store.write(changes)

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A store in a folder of its own."""
    store = open_store(tmp_path, limit_bytes=100_000_000, now=lambda: BEGIN_US)
    yield Room(store)
    store.close()


def test_samples_without_room_are_an_event_once_there_is_room(
    room: Room, tmp_path: Path, wait_for: Callable[..., object]
) -> None:
    """A full store loses the samples that find no place in the backlog; how many stands among the events, once."""
    writer = StoreWriter(room, data_dir=tmp_path, backlog=3, batch_s=0.0)
    world = World()
    intake = Intake(
        world=world,
        account=SampleAccount(1.0),
        costs=(OwnCost(), ReportedCost()),
        hub=Hub(world, dict, dict),
        writer=writer,
        on_loop=lambda run, *given: run(*given),
        greeted=lambda _: None,
        now=lambda: time.time_ns() // 1000,
    )
    writer.start()
    intake.accept(HELLO)
    intake.accept(tick(0))
    wait_for(lambda: writer.stored == 1, what="the first sample is stored")
    room.full = True
    intake.accept(tick(1))
    wait_for(lambda: writer.state == "full", what="the writer notices")
    for seq in range(2, 8):
        intake.accept(tick(seq))
    assert writer.dropped == 4
    room.full = False
    wait_for(lambda: writer.state == "ok", what="the backlog is stored")
    for seq in (8, 9):
        intake.accept(tick(seq))
    assert writer.stop()
    sql = "SELECT message FROM events WHERE kind = 'LOST'"
    assert [row["message"] for row in room.store.select(sql).to_pylist()] == ["4 samples found no room"]
    assert room.store.select("SELECT count(*) AS n FROM host_samples").to_pylist() == [{"n": 6}]
