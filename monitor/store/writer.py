"""The only thread that writes to the store, with the only back-off for a store that is full or broken.

What comes in by different lanes leaves in common transactions, since a transaction costs more than its rows:

- `samples` are queued and committed together, at most `batch_s` old: alone, a tick of 430 processes takes 16 ms of CPU, in fives 8 ms. While the store
  is full they wait in a bounded backlog; what falls out of it is counted.
- `put` takes batches of log records with the checkpoint of their file, live and bulk (`record_lanes`). What the store refuses is kept and tried again;
  meanwhile `room` says no, readers stop reading, and the files themselves are the buffer. What it refuses for another reason than room is tried in
  halves: too much for its memory at once is not too much in two parts.
- `commit` returns when its rows are in the store, or raises; `note` takes rows that nobody waits for and that must not be lost.
- `maintenance` is work on the store for when nothing waits, and so is what the store puts off (`tidying`).
"""

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa

from monitor.core.errors import StoreError, StoreFull
from monitor.core.this_process import ahead
from monitor.store.interface import Change, Store
from monitor.store.record_lanes import ROWS_A_COMMIT, Commit, MaintenanceTask, RecordLanes, Samples, Work
from monitor.store.tidying import Tidying

log = logging.getLogger("watchkeeper.writer")
StoreState = Literal["ok", "full", "readonly"]
RETRY_S: Final = 1.0
BACK_OFF_S: Final = (RETRY_S, 2.0, 5.0)
"""Pauses after the first failure, the second, and every further one."""
ITEMS_A_SAMPLE: Final = 8
"""The backlog holds this many ends of processes for each sample."""
HURRY_S: Final = 0.5
"""How long one who asks for ends of processes waits for the store at most: then what is stored must do."""
COALESCE: Final = 64
"""Maximum number of commits in one transaction."""
MOST_BATCHES: Final = 1 << 16
"""More batches of records than ever wait."""


WRONG: Final = (
    StoreError, pa.ArrowException, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError,
)  # fmt: skip
"""Errors of rows that cannot be built or stored: from the engine, from Arrow, or from Python."""

Combine = Callable[[list[Any]], tuple[Sequence[Change], Callable[[], None]]]
"""Batches of records as changes, and what is to be done once they are stored."""


class StoreWriter:
    """Owns all writing. `start` it, give it rows from any thread, `stop` it.

    Args:
        store: where to write.
        data_dir: whose permissions tell a full store from a read-only one.
        backlog: samples kept at most while the store takes none.
        queue_limit: commits that may wait at most; a further `commit` waits for room.
        batch_s: how long a sample may wait for others; what a `kill -9` can cost.
        linger_s: how long live log records wait for others; see `RecordLanes`.
        clock: monotonic seconds.
        rows_a_commit: of log records while more wait; see `ROWS_A_COMMIT`.
    """

    def __init__(
        self,
        store: Store,
        *,
        data_dir: Path,
        backlog: int = 600,
        queue_limit: int = 256,
        batch_s: float = 2.0,
        linger_s: float = 0.25,
        clock: Callable[[], float] = time.monotonic,
        rows_a_commit: int = ROWS_A_COMMIT,
    ) -> None:
        self._store, self._data_dir, self._clock = store, data_dir, clock
        self._backlog_limit, self._queue_limit, self._batch_s = backlog, queue_limit, batch_s
        self._samples: deque[Samples] = deque()
        self._commits: deque[Commit] = deque()
        self._maintenance: deque[MaintenanceTask] = deque()
        self._records: RecordLanes[Any] = RecordLanes(linger_s, clock, rows_a_commit)
        self._combine: Combine | None = None
        self._flushing = 0
        self._hurried = False
        self._most = MOST_BATCHES
        self._refused = 0
        self._wake = threading.Condition()
        self._stopping = False
        self._retry_at = 0.0
        self._records_retry_at = 0.0
        self._tidying = Tidying(clock)
        self.state: StoreState = "ok"
        self.message = ""
        self.records_error: str | None = None
        """Why log records cannot be stored now; None when they can."""
        self.stored = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Write what is queued and end the thread; returns whether it ended in time.

        Records that the store does not take stay behind: their file's checkpoint does not move, so they are read again at the next start.
        """
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def waiting_commits(self) -> int:
        """Commits not yet begun, whose callers wait."""
        return len(self._commits)

    # --- samples

    @property
    def waiting(self) -> int:
        """Samples not yet stored."""
        return sum(item.count for item in list(self._samples))

    def samples(
        self, build: Callable[[], Sequence[Change]], *, count: int = 1, lives: Literal["begun", "over", ""] = ""
    ) -> Samples:
        """Queue rows of `count` samples. Never blocks. `build` runs on the writer's thread. Those about `lives` are stored when `hurry` is called.

        The answer tells what becomes of them: they are stored, or lost, since the store took none for long.
        """
        item = Samples(build, count, self._clock(), lives)
        with self._wake:
            self._samples.append(item)
            while self.waiting > self._backlog_limit or len(self._samples) > ITEMS_A_SAMPLE * self._backlog_limit:
                left = self._samples.popleft()
                left.fate = "lost"
                self.dropped += left.count
            if not lives:  # ends between two samples are due with the next, or when somebody asks
                self._wake.notify_all()
        return item

    def hurry(self, timeout_s: float = HURRY_S) -> None:
        """Store now what is asked for and waits for others: ends of processes. Without any, and where the store takes none, it returns at once.

        So an end is there for those who ask as soon as it is known, and costs no transaction of its own while nobody asks. Readings of
        samples, which are ten times as many rows, wait on. Not for the event loop.
        """
        with self._wake:
            asked = next((item for item in reversed(self._samples) if item.lives == "over"), None)
            if asked is None or self._stopping or self.state != "ok":
                return
            self._hurried = True
            self._wake.notify_all()
            self._wake.wait_for(lambda: self._stopping or asked not in self._samples or self.state != "ok", timeout_s)

    # --- log records

    def accept_records(self, combine: Combine) -> None:
        """Say how batches of records become changes; once, before the first `put`."""
        self._combine = combine

    def put(self, batch: Any) -> None:
        """Queue a batch of log records behind its like; never blocks."""
        with self._wake:
            self._records.put(batch)
            self._wake.notify_all()

    def room(self) -> bool:
        """Whether readers of logs may go on reading."""
        return not self._records.full and self.records_error is None

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until there is space in the queue; returns False if there is still none."""
        with self._wake:
            return self._wake.wait_for(self.room, timeout_s)

    def lacking(self) -> int:
        """How many rows of old files would make a batch that the store takes at once: a good place to cut."""
        with self._wake:
            return self._records.lacking

    def flush(self, timeout_s: float) -> bool:
        """Wait until all records put so far are stored; False when that takes longer, or the writer has ended."""
        with self._wake:
            marks = self._records.marks
            self._flushing += 1
            self._wake.notify_all()
            try:
                self._wake.wait_for(lambda: self._records.reached(marks) or self._stopping, timeout_s)
                if self._stopping:  # what waits is being written for the last time
                    self._wake.wait_for(
                        lambda: self._records.reached(marks) or not self._thread.is_alive(), min(timeout_s, RETRY_S)
                    )
                return self._records.reached(marks)
            finally:
                self._flushing -= 1

    # --- rows of others

    def commit(self, changes: Sequence[Change]) -> None:
        """Store rows, and return when they are stored. Not for the event loop.

        Raises:
            StoreFull: nothing was written; keep the rows and try again.
            StoreError: the rows are wrong, or the writer has ended.
        """
        item = Commit(changes)
        with self._wake:
            while len(self._commits) >= self._queue_limit and not self._stopping:
                self._wake.wait(1.0)
            if self._stopping:
                raise StoreError("the agent is ending", hint="")
            self._commits.append(item)
            self._wake.notify_all()
        while True:  # without a deadline: rows given up here could be stored all the same, and then come twice
            try:
                return item.done.result(RETRY_S)
            except TimeoutError:
                if not self._thread.is_alive() and not item.done.done():
                    raise StoreError("the store's writer has ended", hint="") from None

    def note(self, changes: Sequence[Change]) -> None:
        """Queue rows that must not be dropped, such as a report of a loss. Never blocks."""
        self._enqueue(MaintenanceTask(lambda store: store.write(changes), kept=True))

    def maintenance(self, run: Callable[[Store], None], *, kept: bool = False) -> None:
        """Run a maintenance task on the writer's thread, when no rows are waiting; one that is `kept` again if the store takes nothing."""
        self._enqueue(MaintenanceTask(run, kept=kept))

    def _enqueue(self, task: MaintenanceTask) -> None:
        with self._wake:
            self._maintenance.append(task)
            self._wake.notify_all()

    # --- on the writer's thread

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(self._something_to_do, timeout=self._until_due())
                stopping = self._stopping
                work = self._take()
                self._wake.notify_all()
            self._write(work)
            if work.maintenance is not None:
                self._do(work.maintenance)
            if stopping and not self._commits and not self._records_left() and not self._notes_left():
                return

    def _take(self) -> Work:
        """What is to be done now, out of the queues; called with the lock."""
        now = self._clock()
        commits = [self._commits.popleft() for _ in range(min(len(self._commits), COALESCE))]
        records = (
            self._records.take(everything=self._urgent(), most=self._most)
            if self._records_due() or (commits and self._records and now >= self._records_retry_at)
            else []
        )
        whole = self._stopping or (now >= self._retry_at and (self._sample_late() or bool(commits) or bool(records)))
        samples = [item for item in self._samples if whole or item.lives] if whole or self._sample_due() else []
        self._hurried = self._hurried and not samples
        nothing = not commits and not records and not samples
        task = self._maintenance.popleft() if nothing and self._maintenance_due() else None
        if nothing and task is None and not self._stopping and now >= self._tidying.at:
            task = MaintenanceTask(self._tidying.run)
        return Work(commits, records, samples, task)

    def _urgent(self) -> bool:
        """Whether all records that wait are to be written now."""
        return self._stopping or self._flushing > 0 or self._records.full

    def _records_left(self) -> bool:
        """Whether records wait that the store may still take."""
        return bool(self._records) and self._combine is not None and self.records_error is None

    def _notes_left(self) -> bool:
        """Whether something that must not be lost can still be written."""
        return self.state == "ok" and any(task.kept for task in self._maintenance)

    def _write(self, work: Work) -> None:
        # Rows of samples are built in Python: while another program has this thread's core, all others of the agent wait for it
        with ahead() if work.samples and not work.records else contextlib.nullcontext():
            if work.kinds > 1 and self._write_together(work):
                return
            if work.commits:
                self._write_commits(work.commits)
            if work.records:
                self._write_records(work.records)
            if work.samples:
                self._write_samples(work.samples)

    def _sample_due(self) -> bool:
        hurried = self._hurried and any(item.lives for item in self._samples)
        return self._clock() >= self._retry_at and (hurried or self._sample_late())

    def _sample_late(self) -> bool:
        return bool(self._samples) and self._clock() >= self._samples[0].since + self._batch_s

    def _records_due(self) -> bool:
        now = self._clock()
        if not self._records or self._combine is None:
            return False
        return self._stopping or (now >= self._records_retry_at and (self._urgent() or now >= self._records.due()))

    def _maintenance_due(self) -> bool:
        return bool(self._maintenance) and (not self._maintenance[0].kept or self._clock() >= self._retry_at)

    def _something_to_do(self) -> bool:
        return (
            self._stopping
            or self._sample_due()
            or bool(self._commits)
            or self._records_due()
            or self._maintenance_due()
            or self._clock() >= self._tidying.at
        )

    def _until_due(self) -> float:
        """Maximum time to sleep, in seconds: until the oldest sample or batch of records is due."""
        now = self._clock()
        due = min(RETRY_S, self._tidying.at - now)
        if self._samples:
            due = min(due, max(self._samples[0].since + self._batch_s, self._retry_at) - now)
        if self._records:
            due = min(due, max(self._records.due(), self._records_retry_at) - now)
        return max(0.005, due)

    def _write_together(self, work: Work) -> bool:
        """Write all kinds in one transaction; returns False if that fails and nothing was written."""
        try:
            changes = [change for item in work.commits for change in item.changes]
            changes += [change for item in work.samples for change in item.build()]
            of_records, stored = self._changes_of(work.records)
            self._store.write([*changes, *of_records])
        except Exception:  # noqa: BLE001 - each kind is written again by itself, and fails there by name
            return False
        self._healthy()
        self._finished(work.samples, stored=True)
        if work.records:
            self._records_stored(work.records, stored)
        for item in work.commits:
            item.done.set_result(None)
        return True

    def _changes_of(self, records: list[Any]) -> tuple[Sequence[Change], Callable[[], None]]:
        return self._combine(records) if records and self._combine is not None else ((), lambda: None)

    def _write_commits(self, commits: list[Commit]) -> None:
        """Write all in one transaction. If that fails, write each alone, so that a wrong batch affects no other."""
        try:
            self._store.write([change for item in commits for change in item.changes])
        except StoreFull as error:
            self._full(error)
            for item in commits:
                item.done.set_exception(StoreFull(error.message, hint=error.hint))
        except Exception as error:  # it goes to whoever waits for the rows
            if len(commits) == 1:
                if not isinstance(error, WRONG):
                    log.exception("rows could not be stored")
                commits[0].done.set_exception(_meant(error))
            else:
                for item in commits:
                    self._write_commits([item])
        else:
            self._healthy()
            for item in commits:
                item.done.set_result(None)

    def _write_records(self, records: list[Any]) -> None:
        """Write all in one transaction. If that fails, they are kept and tried again, and the status shows the reason."""
        try:
            changes, stored = self._changes_of(records)
            self._store.write(changes)
        except StoreFull as error:
            self._full(error)
            self._records_refused(records, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the records are kept and the reason is shown
            if len(records) > 1:
                with self._wake:
                    self._most = len(records) // 2
                    self._records.put_back(records)
                    self._records_retry_at = self._clock()
            else:
                self._records_refused(records, error)
        else:
            self._healthy()
            self._records_stored(records, stored)

    def _records_refused(self, records: list[Any], error: Exception) -> None:
        with self._wake:
            self.records_error = f"{error} {len(records)} batches of log records wait."
            self._records.put_back(records)
            self._records_retry_at = self._retry_at or self._clock() + BACK_OFF_S[-1]

    def _records_stored(self, records: list[Any], stored: Callable[[], None]) -> None:
        try:
            stored()
        except Exception:  # they are in the store all the same
            log.exception("what was to be done after log records were stored failed")
        with self._wake:
            self._records.done(records)
            self._tidying.stored(bulk=any(batch.bulk for batch in records))
            self._most = min(2 * self._most, MOST_BATCHES)
            self.records_error, self._records_retry_at = None, 0.0
            self._wake.notify_all()

    def _write_samples(self, items: list[Samples]) -> None:
        try:
            self._store.write([change for item in items for change in item.build()])
        except StoreFull as error:
            self._full(error)
            return
        except Exception:  # whatever it is: one by one it is seen which sample it is
            log.exception("samples could not be stored")
            self._isolate(items)
            return
        self._healthy()
        self._finished(items, stored=True)

    def _isolate(self, items: list[Samples]) -> None:
        """Write one by one. What cannot be written is dropped and counted."""
        for item in items:
            try:
                self._store.write(list(item.build()))
            except StoreFull as error:
                self._full(error)
                return
            except Exception:  # it is counted, and harms no other
                log.exception("a sample could not be stored and is dropped")
                self._finished([item], stored=False)
            else:
                self._finished([item], stored=True)

    def _finished(self, items: list[Samples], *, stored: bool) -> None:
        """Take items out of the queue; those that already fell out of a full backlog were counted there."""
        with self._wake:
            for item in items:
                item.fate = "stored" if stored else "lost"
                if any(item is waiting for waiting in self._samples):
                    self._samples.remove(item)
                    if stored:
                        self.stored += item.count
                    else:
                        self.dropped += item.count
                elif stored:
                    self.stored += item.count
                    self.dropped -= item.count
            self._hurried = self._hurried and any(item.lives == "over" for item in self._samples)
            self._wake.notify_all()

    def _full(self, error: StoreFull) -> None:
        if self.state == "ok":
            log.warning("the store takes no rows: %s", error.message)
        self.state = "full" if os.access(self._data_dir, os.W_OK) else "readonly"
        self.message = f"{error.message}; {error.hint}" if error.hint else error.message
        self._retry_at = self._clock() + BACK_OFF_S[min(self._refused, len(BACK_OFF_S) - 1)]
        self._refused += 1

    def _healthy(self) -> None:
        if self.state != "ok":
            log.warning("the store takes rows again; %d samples were dropped so far", self.dropped)
            self._records_retry_at = 0.0
        self.state, self.message, self._retry_at, self._refused = "ok", "", 0.0, 0

    def _do(self, task: MaintenanceTask) -> None:
        try:
            task.run(self._store)
        except StoreFull as error:
            self._full(error)
            if task.kept:
                with self._wake:
                    self._maintenance.appendleft(task)
        except Exception:  # the agent keeps running without this maintenance task
            log.exception("upkeep of the store failed")


def _meant(error: Exception) -> StoreError:
    """What the one who waits for the rows is told, whatever found them wrong."""
    if isinstance(error, StoreError):
        return error
    meant = StoreError(f"the rows cannot be stored: {error}")
    meant.__cause__ = error
    return meant
