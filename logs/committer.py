"""One thread that hands rows and checkpoints to the store, in order, each commit in one transaction.

Readers put deliveries into it and go on. What the store refuses (a full disk) is kept and tried again; meanwhile `room` says no, readers stop reading, and
the files themselves are the buffer. What it refuses for another reason is tried again in halves: too much for its memory at once is not too much in two parts.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import pyarrow as pa

from logs.checkpoint import FileState, upsert
from logs.delivery import Delivery, Waiting
from monitor.errors import StoreFull
from monitor.store.interface import Append, Change, Upsert

_LINGERS_APART: Final = 4
_MOST_DELIVERIES: Final = 1 << 16
"""More than ever wait."""
_BACK_OFF_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0)


class Committer:
    """See the module.

    Args:
        commit: stores all changes or raises `StoreFull` (or another `StoreError`) having stored none.
        linger_s: how long the first commit after a pause waits for more rows; while rows keep coming, commits are at least four times as far apart, for each
            costs some milliseconds whatever its size.
    """

    def __init__(
        self, commit: Callable[[Sequence[Change]], None], host: str, linger_s: float, now: Callable[[], int]
    ) -> None:
        self._commit = commit
        self._host = host
        self._linger_s = linger_s
        self._now = now
        self._waiting = Waiting()
        self._changed = threading.Condition()
        self._busy = False
        self._stopping = False
        self._hurry = 0
        self._thread: threading.Thread | None = None
        self.error: str | None = None

    def start(self) -> None:
        """Begin to commit."""
        self._thread = threading.Thread(target=self._run, name="logs-commit", daemon=True)
        self._thread.start()

    def stop(self, deadline_s: float) -> bool:
        """Commit what waits and end; False when the store did not take it in time (it is read again at the next start)."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(deadline_s)
        return not self._waiting

    def put(self, delivery: Delivery, *, hurry: bool = False) -> None:
        """Take a delivery over; `hurry`: commit it without waiting for more."""
        with self._changed:
            self._waiting.put(delivery)
            self._hurry += hurry
            self._changed.notify_all()

    def room(self) -> bool:
        """Whether readers may go on reading."""
        return not self._waiting.full and self.error is None

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until there is room; False when there is still none."""
        with self._changed:
            return self._changed.wait_for(self.room, timeout_s)

    def lacking(self) -> int:
        """How many rows of old files would make a batch that the store takes at once: a good place to cut."""
        with self._changed:
            return self._waiting.lacking

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything put so far is committed."""
        with self._changed:
            self._hurry += 1
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout_s)

    def _run(self) -> None:
        failures, last, most = 0, -math.inf, _MOST_DELIVERIES
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                self._linger(last)
                batch = self._waiting.take(everything=self._urgent(), most=most)
                self._hurry = self._hurry if self._waiting else 0
                self._busy = True
            try:
                self._write(batch)
                failures, most = 0, min(2 * most, _MOST_DELIVERIES)
            except Exception as error:  # noqa: BLE001 - whatever it is, what was read is kept, tried again and told of
                if len(batch) > 1 and not isinstance(error, StoreFull):
                    most = len(batch) // 2
                    with self._changed:
                        self._waiting.put_back(batch)
                        self._hurry += 1  # they have waited for others already
                    continue
                failures += 1
                with self._changed:
                    self.error = f"{error} {len(batch)} batches of log records wait."
                    self._waiting.put_back(batch)
                    self._busy = False
                    if self._stopping:
                        return
                    self._changed.wait_for(lambda: self._stopping, _BACK_OFF_S[min(failures - 1, len(_BACK_OFF_S) - 1)])
                continue
            last = time.monotonic()
            with self._changed:
                self.error, self._busy = None, False
                self._changed.notify_all()
            for delivery in batch:
                if delivery.done is not None:
                    delivery.done()

    def _urgent(self) -> bool:
        """Whether all that waits is to be committed now."""
        return bool(self._stopping or self._hurry or not self.room())

    def _linger(self, last: float) -> None:
        """Wait for more to commit together, after a commit at `last`."""
        began = time.monotonic()
        live_due = max(began + self._linger_s, last + _LINGERS_APART * self._linger_s)
        while not (self._urgent() or self._waiting.whole):
            left = self._waiting.due(live_due) - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)

    def _write(self, batch: list[Delivery]) -> None:
        appended: list[pa.Table] = []
        replaced: dict[tuple[int, int], pa.Table] = {}
        extra: list[Change] = []
        after: dict[int, FileState] = {}
        for delivery in batch:
            state = after.get(delivery.state.file_id) or _copy(delivery.state)
            after[state.file_id] = state
            for name, value in delivery.changes.items():
                setattr(state, name, value)
            for name, number in delivery.counts.items():
                setattr(state, name, getattr(state, name) + number)
            state.updated = self._now()
            extra.extend(delivery.extra)
            table = delivery.table
            if table is not None and delivery.replaces:
                first = table.slice(0, 1)
                replaced[(state.file_id, first.column("pos")[0].as_py())] = first
                table = table.slice(1)
            if table is not None and table.num_rows:
                appended.append(table)
        changes: list[Change] = []
        if appended:
            changes.append(Append("log_records", _joined(appended)))
        if replaced:
            changes.append(Upsert("log_records", _joined(list(replaced.values())), ("file_id", "pos")))
        changes.append(upsert(after.values(), self._host))
        self._commit([*changes, *extra])
        for delivery in batch:
            _assign(delivery.state, after[delivery.state.file_id])


def _joined(tables: list[pa.Table]) -> pa.Table:
    """One table of all rows; a column that one of them lacks is NULL there."""
    return pa.concat_tables(tables, promote_options="default")


def _copy(state: FileState) -> FileState:
    return FileState(*(getattr(state, name) for name in FileState.__slots__))


def _assign(state: FileState, values: FileState) -> None:
    for name in FileState.__slots__:
        setattr(state, name, getattr(values, name))
