"""Log records on their way into a real store: by lanes, in order, with their checkpoint, whatever the store refuses."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from logs.storing.checkpoint import FileState
from logs.storing.delivery import Delivery, Loss, NewSource
from monitor.store.interface import Append, Change, Store
from monitor.store.log_records import LogRecords
from monitor.store.writer import StoreWriter
from tests.doubles.gated_store import GatedStore
from tests.doubles.stored import stored
from tests.waiting import wait_until

NOW = 1_700_000_000_000_000


class Scene:
    """A store that can be told what to do, its writer, and what was committed."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = GatedStore(store)
        self.commits: list[list[Any]] = []
        self.store.write = self._noted(self.store.write)
        self.writer = StoreWriter(self.store, data_dir=folder, linger_s=0.01, batch_s=60.0)
        self.records = LogRecords(self.store, self.writer, "h", lambda: NOW)
        self.writer.start()

    def _noted(self, write: Callable[[Sequence[Change]], None]) -> Callable[[Sequence[Change]], None]:
        def noted(changes: Sequence[Change]) -> None:
            write(changes)
            rows = [c.rows for c in changes if isinstance(c, Append) and c.table == "log_records"]
            if positions := [pos for table in rows for pos in table.column("pos").to_pylist()]:
                self.commits.append(positions)

        return noted

    def put(self, pos: int, state: FileState | None = None, **more: Any) -> FileState:
        """Put a record of a file."""
        state = state or FileState(pos, "s", "/s", 1, pos)
        self.records.put(Delivery(state, record(state.file_id, pos), **more))
        return state


def record(file_id: int, pos: int) -> pa.Table:
    """One record."""
    return pa.table(
        {
            "host": ["h"],
            "ts": pa.array([NOW], pa.timestamp("us")),
            "ts_from": ["line"],
            "level": pa.array([30], pa.uint8()),
            "lines": pa.array([1], pa.int32()),
            "source": ["s"],
            "message": [f"at {pos}"],
            "file_id": pa.array([file_id], pa.int64()),
            "pos": pa.array([pos], pa.int64()),
            "ingested": pa.array([NOW], pa.timestamp("us")),
        }
    )


@pytest.fixture
def scene(store: Store, tmp_path: Path) -> Iterator[Scene]:
    """A writer over an empty store."""
    made = Scene(store, tmp_path)
    yield made
    made.store.full = False
    made.writer.stop(20)


def test_live_records_do_not_wait_for_old_ones(scene: Scene) -> None:
    """Records of old files wait for more of their like; what is live is stored meanwhile, and a flush stores all."""
    scene.put(1, bulk=True)
    scene.put(2)
    wait_until(lambda: scene.commits, "the live record is stored")
    scene.put(3, bulk=True)
    scene.put(4)
    wait_until(lambda: len(scene.commits) > 1, "the next live record is stored")
    assert scene.commits == [[2], [4]]
    assert scene.records.flush(20)
    assert scene.commits == [[2], [4], [1, 3]]


def test_the_checkpoint_moves_when_the_records_are_stored(scene: Scene) -> None:
    """A file's state is as before while the store is busy, and as delivered once it took the records; it is read back alike."""
    scene.store.gate.clear()
    state = scene.put(7, changes={"stored_to": 40, "format": "plain"}, counts={"records": 1, "bytes": 40})
    assert scene.store.entered.wait(20)
    assert (state.stored_to, state.records) == (0, 0)
    scene.store.gate.set()
    assert scene.records.flush(20)
    assert (state.stored_to, state.records, state.bytes, state.updated) == (40, 1, 40, NOW)
    assert scene.records.files() == [state]
    assert scene.records.positions_behind(7, 0) == [7]


def test_further_rows_go_in_with_the_records(scene: Scene) -> None:
    """A new source, a loss, dropped rows and line numbers are stored with the delivery that tells them."""
    state = scene.put(1)
    scene.put(2, state)
    scene.put(3, state, source=NewSource("s", "file", "open", NOW), loss=Loss("s", NOW, "ten bytes were lost"))
    assert scene.records.flush(20)
    scene.put(4, state, dropped=[3], numbers={1: 11, 2: 12})
    assert scene.records.flush(20)
    assert scene.records.sources() == {"s": "open"}
    assert scene.records.positions_behind(1, 0) == [1, 2, 4]
    assert scene.records.unnumbered(1) == [4]
    lost = stored(scene.store, "SELECT subject, message FROM events WHERE kind = 'LOST'")
    assert lost == [{"subject": "log:s", "message": "ten bytes were lost"}]


def test_what_is_dropped_and_read_again_is_there_once(scene: Scene) -> None:
    """A record that is dropped and one that takes its position come by the same transaction."""
    state = scene.put(5)
    assert scene.records.flush(20)
    scene.store.gate.clear()
    scene.put(9, state)  # keeps the writer busy, so that the next two go together
    assert scene.store.entered.wait(20)
    scene.records.put(Delivery(state, dropped=[5]))
    scene.put(5, state)
    scene.store.gate.set()
    assert scene.records.flush(20)
    assert scene.records.positions_behind(5, 0) == [5, 9]


def test_a_full_store_makes_readers_wait(scene: Scene) -> None:
    """While there is no room, records wait, readers are told to, and samples and records have one reason and one back-off."""
    scene.store.full = True
    state = scene.put(1, changes={"stored_to": 9})
    wait_until(lambda: scene.records.error, "the store says that it is full")
    assert "The disk is full." in str(scene.records.error)
    assert (scene.writer.state, scene.records.room(), scene.records.flush(0.05)) == ("full", False, False)
    assert state.stored_to == 0
    scene.store.full = False
    assert scene.records.wait_for_room(20)
    assert (scene.records.error, scene.writer.state, state.stored_to) == (None, "ok", 9)


def test_rows_that_do_not_fit_together_are_stored_apart(scene: Scene) -> None:
    """Records that cannot be put into one table go in one batch after the other; nothing is stopped by them."""
    scene.store.gate.clear()
    scene.put(1)
    assert scene.store.entered.wait(20)
    other = FileState(3, "s", "/s", 1, 3)
    odd = record(3, 3).set_column(0, "host", pa.array([b"\xff"], pa.binary()))
    scene.put(2)
    scene.records.put(Delivery(other, odd))
    scene.put(4)
    scene.store.gate.set()
    assert scene.put(5) is not None
    scene.records.flush(0.5)
    stored = {pos for positions in scene.commits for pos in positions}
    assert {1, 2} <= stored


def test_rows_that_no_table_takes_are_told_of(scene: Scene) -> None:
    """Records that cannot be stored stop nothing in silence: the error is shown, readers wait, samples are stored all the same."""
    scene.records.put(Delivery(FileState(1, "s", "/s", 1, 1), pa.table({"nowhere": [1], "pos": [1]})))
    wait_until(lambda: scene.records.error, "the error is shown")
    assert "1 batches of log records wait" in str(scene.records.error)
    assert not scene.records.room()
    at = pa.array([NOW], pa.timestamp("us"))
    scene.writer.samples(lambda: [Append("host_samples", pa.table({"host": ["h"], "ts": at}))])
    assert scene.writer.stop(20)
    assert scene.writer.stored == 1


def test_a_flush_ends_when_the_writer_does(scene: Scene) -> None:
    """Whoever waits for records that the store never takes hears of it when the writer ends, and not later."""
    scene.store.full = True
    scene.put(1)
    assert scene.writer.stop(20)
    assert not scene.records.flush(600)


def test_records_take_waiting_samples_along(scene: Scene) -> None:
    """Samples that would wait for more go in by the transaction of the records that are written meanwhile."""
    at = pa.array([NOW], pa.timestamp("us"))
    scene.store.gate.clear()
    scene.put(1)
    assert scene.store.entered.wait(20)
    scene.writer.samples(lambda: [Append("host_samples", pa.table({"host": ["h"], "ts": at}))])
    scene.put(2)
    scene.store.gate.set()
    assert scene.records.flush(20)
    assert (scene.store.writes, scene.writer.stored, scene.commits) == (2, 1, [[1], [2]])
