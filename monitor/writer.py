"""The one thread that writes to the store.

Samples are queued and committed together, at most `batch_s` old, since a transaction costs more than its rows: alone,
a tick of 430 processes takes 16 ms of CPU, in fives 8 ms. Log batches are committed before `commit` returns, so
that what a tailer counts as read is in the store; samples that wait go in with them. When the store is full, samples wait in a bounded backlog: what then
falls out of it is counted, and `state` says so until a write goes through again.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa

from monitor.errors import StoreError, StoreFull
from monitor.store.interface import Change, Store

log = logging.getLogger("watchkeeper.writer")
StoreState = Literal["ok", "full", "readonly"]
RETRY_S: Final = 1.0
COALESCE: Final = 64
"""Log batches committed in one transaction at most."""


WRONG: Final = (
    StoreError, pa.ArrowException, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError,
)  # fmt: skip
"""What rows that cannot be built or stored raise: the engine, Arrow, or Python while it makes columns of a sweep."""


@dataclass(slots=True, eq=False)
class Samples:
    """Rows of samples, built on the writer's thread by `build`."""

    build: Callable[[], Sequence[Change]]
    count: int
    since: float


@dataclass(slots=True, eq=False)
class Commit:
    """Rows someone waits for."""

    changes: Sequence[Change]
    done: "Future[None]" = field(default_factory=Future)


@dataclass(slots=True, eq=False)
class Errand:
    """Something else to do with the store on the writer's thread, such as retention; `kept` is done again when the store was full."""

    run: Callable[[Store], None]
    kept: bool = False


class StoreWriter:
    """Owns all writing; `start` it, hand it rows from any thread, `stop` it.

    Args:
        store: where to write.
        data_dir: whose permissions tell a full store from a read-only one.
        backlog: samples kept at most while the store takes none.
        queue_limit: log batches that may wait at most; a further `commit` waits for room.
        batch_s: how long a sample may wait for others; what a `kill -9` can cost.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        store: Store,
        *,
        data_dir: Path,
        backlog: int = 600,
        queue_limit: int = 256,
        batch_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._data_dir, self._clock = store, data_dir, clock
        self._backlog_limit, self._queue_limit, self._batch_s = backlog, queue_limit, batch_s
        self._samples: deque[Samples] = deque()
        self._commits: deque[Commit] = deque()
        self._errands: deque[Errand] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._retry_at = 0.0
        self.state: StoreState = "ok"
        self.message = ""
        self.stored = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Write what waits, end the thread; answers whether it ended in time."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Samples not yet stored."""
        return sum(item.count for item in list(self._samples))

    def samples(self, build: Callable[[], Sequence[Change]], *, count: int = 1) -> None:
        """Queue rows of `count` samples; never blocks. `build` runs on the writer's thread."""
        with self._wake:
            self._samples.append(Samples(build, count, self._clock()))
            while len(self._samples) > self._backlog_limit:
                self.dropped += self._samples.popleft().count
            self._wake.notify_all()

    def commit(self, changes: Sequence[Change]) -> None:
        """Commit rows and return when they are in the store. Not for the event loop.

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

    def errand(self, run: Callable[[Store], None], *, kept: bool = False) -> None:
        """Do something with the store on the writer's thread, when nothing waits to be written; `kept`: again, when the store was full."""
        with self._wake:
            self._errands.append(Errand(run, kept))
            self._wake.notify_all()

    def note(self, changes: Sequence[Change]) -> None:
        """Queue rows that nobody waits for and that must not fall out of the backlog, such as what tells of a loss; never blocks."""
        self.errand(lambda store: store.write(changes), kept=True)

    # --- on the writer's thread

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(self._something_to_do, timeout=self._until_due())
                stopping = self._stopping
                commits = [self._commits.popleft() for _ in range(min(len(self._commits), COALESCE))]
                healthy = self._clock() >= self._retry_at
                due = stopping or (healthy and (self._sample_due() or bool(commits)))
                samples = list(self._samples) if due else []
                errand = self._errands.popleft() if self._errand_due() and not commits and not samples else None
                self._wake.notify_all()
            try:
                self._write(commits, samples)
                if errand is not None:
                    self._do(errand)
            except Exception as error:
                log.exception("the store's writer met an error nobody thought of, and goes on")
                self._retry_at = self._clock() + RETRY_S
                for item in commits:
                    if not item.done.done():
                        item.done.set_exception(_meant(error))
                if stopping and not self._commits:
                    return  # a note that waits behind what fails would be tried for ever
            if stopping and not self._commits and not self._notes_left():
                return

    def _notes_left(self) -> bool:
        """Whether something that must not be lost can still be written."""
        return self.state == "ok" and any(errand.kept for errand in self._errands)

    def _write(self, commits: list[Commit], samples: list[Samples]) -> None:
        if commits and samples and self._write_together(commits, samples):
            return
        if commits:
            self._write_commits(commits)
        if samples:
            self._write_samples(samples)

    def _sample_due(self) -> bool:
        now = self._clock()
        return bool(self._samples) and now >= self._retry_at and now >= self._samples[0].since + self._batch_s

    def _errand_due(self) -> bool:
        return bool(self._errands) and (not self._errands[0].kept or self._clock() >= self._retry_at)

    def _something_to_do(self) -> bool:
        return self._stopping or self._sample_due() or bool(self._commits) or self._errand_due()

    def _until_due(self) -> float:
        """Seconds to sleep at most: until the oldest sample is due, or a while."""
        if not self._samples:
            return RETRY_S
        now = self._clock()
        return min(RETRY_S, max(0.01, self._samples[0].since + self._batch_s - now, self._retry_at - now))

    def _write_together(self, commits: list[Commit], samples: list[Samples]) -> bool:
        """Rows that someone waits for and samples in one transaction; False, with nothing written, when that fails."""
        try:
            changes = [change for item in commits for change in item.changes]
            changes += [change for item in samples for change in item.build()]
            self._store.write(changes)
        except WRONG:  # each kind is written again by itself, and fails there by name
            return False
        self._healthy()
        self._finished(samples, stored=True)
        for item in commits:
            item.done.set_result(None)
        return True

    def _write_commits(self, commits: list[Commit]) -> None:
        """All in one transaction; when that fails, each by itself, so that one wrong batch harms no other."""
        try:
            self._store.write([change for item in commits for change in item.changes])
        except StoreFull as error:
            self._full(error)
            for item in commits:
                item.done.set_exception(StoreFull(error.message, hint=error.hint))
        except WRONG as error:  # it goes to whoever waits for the rows
            if len(commits) == 1:
                commits[0].done.set_exception(_meant(error))
            else:
                for item in commits:
                    self._write_commits([item])
        else:
            self._healthy()
            for item in commits:
                item.done.set_result(None)

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
        """Write one by one; what cannot be written is dropped and counted."""
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
                if any(item is waiting for waiting in self._samples):
                    self._samples.remove(item)
                    if stored:
                        self.stored += item.count
                    else:
                        self.dropped += item.count
                elif stored:
                    self.stored += item.count
                    self.dropped -= item.count

    def _full(self, error: StoreFull) -> None:
        if self.state == "ok":
            log.warning("the store takes no rows: %s", error.message)
        self.state = "full" if os.access(self._data_dir, os.W_OK) else "readonly"
        self.message = f"{error.message}; {error.hint}" if error.hint else error.message
        self._retry_at = self._clock() + RETRY_S

    def _healthy(self) -> None:
        if self.state != "ok":
            log.warning("the store takes rows again; %d samples were dropped so far", self.dropped)
        self.state, self.message, self._retry_at = "ok", "", 0.0

    def _do(self, errand: Errand) -> None:
        try:
            errand.run(self._store)
        except StoreFull as error:
            self._full(error)
            if errand.kept:
                with self._wake:
                    self._errands.appendleft(errand)
        except WRONG:
            log.exception("upkeep of the store failed")


def _meant(error: Exception) -> StoreError:
    """What the one who waits for the rows is told, whatever found them wrong."""
    if isinstance(error, StoreError):
        return error
    meant = StoreError(f"The rows cannot be stored: {error}")
    meant.__cause__ = error
    return meant
