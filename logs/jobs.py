"""Work on what is already there: ingest jobs that a person asked for, and backfills of big files. One thread does one after the other."""

import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pyarrow as pa

from logs import identity
from logs.attribution import Writers
from logs.bulk import Reader
from logs.charset import charset_of
from logs.checkpoint import DONE, LIVE, FileState
from logs.delivery import Delivery
from logs.errors import LogsError
from logs.follower import Follower, Surroundings, source_row
from logs.lasting import Lasting
from logs.parser import BlockParser, ReadState, Undated
from logs.pool import Pool
from logs.tail import FileTail
from logs.times import TimeReader
from monitor.errors import MonitorError, StoreError
from monitor.store.interface import Append, Delete

_CHUNK: Final = 4 << 20
_FLUSH_S: Final = 600.0
_LOOK_S: Final = 0.02
_COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh", b"PK\x03\x04")
"""How gzip, zstd, xz, bzip2 and zip begin: their bytes are no lines."""
POOL_BYTES: Final = 24 << 20
"""From this size on, starting processes costs less than they save."""


@dataclass(slots=True)
class Job:
    """One ingest: what was asked, and how far it is.

    `lines`, `records` and `bytes` are those of the files, whoever read them first: this job, an earlier one, or the watch that follows a file. `added` are the
    records that this job itself stored.
    """

    paths: list[str]
    format: str | None
    began: float
    state: str = "running"
    lines: int = 0
    records: int = 0
    added: int = 0
    bytes: int = 0
    total: int = 0
    seconds: float = 0.0
    error: str | None = None

    def advance(self, position: int) -> None:
        """Say how far the file that is being read is."""
        self.bytes = position

    def json(self) -> dict[str, Any]:
        """As the API gives it."""
        progress = 1.0 if self.state == "done" else (min(1.0, self.bytes / self.total) if self.total else 0.0)
        seconds = self.seconds if self.state != "running" else time.monotonic() - self.began
        return {
            "state": self.state, "lines": self.lines, "records": self.records, "added": self.added, "bytes": self.bytes, "seconds": round(seconds, 6),
            "progress": round(progress, 4), "error": self.error,
        }  # fmt: skip


class Jobs:
    """See the module.

    Args:
        follower: knows which files are followed already.
        lock: held while the follower's states are looked at or changed.
    """

    def __init__(self, around: Surroundings, follower: Follower, lock: threading.RLock) -> None:
        self._around = around
        self._follower = follower
        self._lock = lock
        self._jobs: dict[str, Job] = {}
        self._queue: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: Lasting | None = None
        self._fills: dict[int, Writers] = {}
        self.backfilling: dict[int, FileState] = {}
        self.errors: dict[str, str] = {}
        self.pool: Pool | None = None

    def start(self) -> None:
        """Begin to work."""
        self._thread = Lasting(
            "logs-bulk", self._run, stopping=self._stopping, tell=partial(self.errors.__setitem__, "logs-bulk")
        )
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """End at the next block; backfills go on at the next start."""
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(deadline_s)

    def ingest(self, paths: Sequence[str], format: str | None) -> str:  # noqa: A002
        """Begin a job; returns its id.

        Raises:
            LogsError: no path, a path that is no readable file or a compressed one, or an unknown format.
        """
        if not paths:
            raise LogsError("There is nothing to ingest.", hint="Give the paths of log files.")
        if format is not None:
            self._around.registry.named(format)
        job = Job(list(dict.fromkeys(os.path.realpath(path) for path in paths)), format, time.monotonic())
        for path in job.paths:
            try:
                fd = identity.open_regular(path)
            except OSError as error:
                raise LogsError(
                    f"{path} cannot be read: {error.strerror}.", hint="Give files that the agent's user may read."
                ) from error
            head = identity.read_at(fd, 8, 0)
            job.total += os.fstat(fd).st_size
            os.close(fd)
            if head.startswith(_COMPRESSED):
                raise LogsError(f"{path} is compressed.", hint="Unpack it first; `logs parse` reads .gz and .zst.")
        name = secrets.token_hex(6)
        self._jobs[name] = job
        self._enqueue(lambda: self._do(job), first=True)
        return name

    def state(self, name: str) -> dict[str, Any]:
        """How far a job is.

        Raises:
            LogsError: there is no such job.
        """
        job = self._jobs.get(name)
        if job is None:
            raise LogsError(f"There is no ingest job {name!r}.", hint="Jobs are forgotten when the agent ends.")
        return job.json()

    def backfill(self, state: FileState, writers: Writers) -> None:
        """Read the older part of a big file, when its turn comes."""
        self.backfilling[state.file_id] = state
        self._fills[state.file_id] = writers
        self._enqueue(lambda: self._fill(state))

    def _enqueue(self, work: Callable[[], None], *, first: bool = False) -> None:
        with self._changed:
            if first:
                self._queue.appendleft(work)
            else:
                self._queue.append(work)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._stopping.is_set())
                if self._stopping.is_set():
                    self._rest()
                    return
                work = self._queue.popleft()
            work()
            if not self._queue:
                self._rest()

    def _do(self, job: Job) -> None:
        try:
            for path in job.paths:
                self._ingest_file(job, path)
            self._stored()
            job.state = "done"
        except (MonitorError, OSError) as error:
            job.state, job.error = "failed", str(error)
        except Exception:
            job.state, job.error = "failed", "The ingest ended by an error of the program; the agent's log has more."
            raise
        finally:
            job.seconds = time.monotonic() - job.began

    def _stored(self) -> None:
        if not self._around.committer.flush(_FLUSH_S):
            raise LogsError(
                self._around.committer.error or "The store did not take the records in time.",
                hint="See `watchkeeper status`.",
            )

    def _ingest_file(self, job: Job, path: str) -> None:
        fd = identity.open_regular(path)
        try:
            status = os.fstat(fd)
            self._around.committer.flush(_FLUSH_S)
            with self._lock:
                tail = self._follower.tails.get((status.st_dev, status.st_ino))
                state = tail.state if tail is not None else self._state_for(fd, status, path)
            if tail is None:
                self._read(job, fd, status, state)
                return
        finally:
            os.close(fd)
        self._wait_for(job, tail, status.st_size)

    def _wait_for(self, job: Job, tail: FileTail, size: int) -> None:
        """The file is followed: what it held when it was looked at is stored by others, older part included."""
        if tail.state.waiting:
            self._fills.setdefault(tail.state.file_id, tail.writers)  # it may have been tried, and given up
            self._fill(tail.state)  # before its turn: somebody waits for it
        deadline = time.monotonic() + _FLUSH_S
        while True:
            with self._lock:
                ended = self._follower.tails.get((tail.state.dev, tail.state.inode)) is not tail
                why = self._follower.errors.get(tail.path)
                if ended or tail.holds_to(size):
                    lines = tail.lines
                    break
            if time.monotonic() > deadline or self._stopping.wait(_LOOK_S):
                raise LogsError(
                    f"{tail.path} is followed, and was not read to its end in time.",
                    hint="`watchkeeper logs sources` says how far it is.",
                )
        if ended and why is not None:
            raise LogsError(why, hint="`watchkeeper logs sources` says which files are read.")
        self._filled(tail.state)
        job.lines += lines
        job.records += tail.state.records
        job.bytes += size

    def _filled(self, state: FileState) -> None:
        """What was put is stored, the older part included.

        Raises:
            LogsError: the older part could not be read, or not to its beginning.
        """
        self._stored()
        if state.waiting:
            raise LogsError(
                self.errors.get(state.path, f"The older part of {state.path} was not read to its beginning."),
                hint="Ingest the file again: it goes on where it stopped.",
            )

    def _state_for(self, fd: int, status: os.stat_result, path: str) -> FileState:
        follower, now = self._follower, self._around.now()
        known = follower.known(fd, status)
        if known is not None:
            return known
        source = follower.names.name(path)
        head_hash, head_len = identity.head_of(fd)
        state = FileState(
            identity.new_file_id(self._around.host, path, status.st_dev, status.st_ino, now, 0), source, path, status.st_dev, status.st_ino,
            head_hash=head_hash, head_len=head_len, state=DONE, size=status.st_size, first_seen=now,
        )  # fmt: skip
        follower.remember(state)
        extra = (
            []
            if source in follower.found_by
            else [Append("log_sources", source_row(source, self._around.host, "ingested", now, "ingest"))]
        )
        follower.found_by.setdefault(source, "ingest")
        self._around.committer.put(Delivery(state, extra=list(extra)))
        return state

    def _read(self, job: Job, fd: int, status: os.stat_result, state: FileState) -> None:
        if state.waiting:  # the watch once began with its newest part, and does not follow it any more
            self._fills.setdefault(state.file_id, Writers(self._around.run_of_pid, self._around.now))
            self._fill(state)
            self._filled(state)
        begin, end = state.stored_to, status.st_size
        if begin >= end:
            job.lines += state.lines
            job.records += state.records
            job.bytes += end
            return
        parser = self._parser(fd, status, state, job.format)
        read = ReadState(line_no=state.lines + 1)
        if begin and self._around.rows_behind(state.file_id, begin):
            begin = self._drop_open(state, begin)
        reader = self._reader(fd, state, parser, Writers(self._around.run_of_pid, self._around.now), status)

        def checkpoint(position: int, line_no: int) -> dict[str, Any]:
            return {
                "stored_to": position, "lines": line_no - 1, "marker_hash": identity.marker_of(fd, position), "size": end, "state": DONE,
                "head_hash": head[0], "head_len": head[1],
            }  # fmt: skip

        head = identity.head_of(fd)
        base = job.bytes + begin
        reader.progress = lambda position: job.advance(base + position - begin)
        lines, records = state.lines, state.records
        reached = reader.straight(begin, end, read, ended=True, changes=checkpoint)
        job.lines += lines + reader.lines
        job.records += records + reader.records
        job.added += reader.records
        job.bytes = base + reached - begin
        if reached < end:
            raise LogsError("The ingest was stopped.", hint="Ingest the file again: it goes on where it stopped.")

    def _drop_open(self, state: FileState, begin: int) -> int:
        """Rows ahead of the checkpoint are the open record's: it is read again, so they go."""
        positions = self._around.positions_behind(state.file_id, begin)
        rows = pa.table(
            {"file_id": pa.array([state.file_id] * len(positions), pa.int64()), "pos": pa.array(positions, pa.int64())}
        )
        self._around.committer.put(
            Delivery(
                state, counts={"records": -len(positions)}, extra=[Delete("log_records", rows, ("file_id", "pos"))]
            )
        )
        self._around.committer.flush(_FLUSH_S)
        return begin

    def _parser(self, fd: int, status: os.stat_result, state: FileState, forced: str | None) -> BlockParser:
        mtime = status.st_mtime_ns // 1000
        registry = self._around.registry
        formats = registry.named(forced) if forced else self._around.forced.of(state.path)
        parser = BlockParser(registry, TimeReader(lambda: mtime), self._around.mask, formats)
        parser.charset = charset_of(identity.read_at(fd, 2, 0))
        if state.format:
            parser.prefer(state.format)
        if not parser.settled:
            parser.learn(identity.read_at(fd, 65536, 0))
        return parser

    def _reader(
        self, fd: int, state: FileState, parser: BlockParser, writers: Writers, status: os.stat_result
    ) -> Reader:
        around = self._around
        return Reader(
            fd, state, parser, around.committer, writers, around.host, around.now, self._stopping.is_set, around.settings.max_record_bytes,
            Undated(status.st_mtime_ns // 1000, "mtime"), pool=self._pool_for(max(state.backfill_from, status.st_size - state.stored_to)),
        )  # fmt: skip

    def _pool_for(self, size: int) -> Pool | None:
        """Processes that parse so many bytes; None where they would not pay, or cannot mask as this process does."""
        masker = self._around.masker
        if size < POOL_BYTES or masker is None:
            return None
        if self.pool is None:
            self.pool = Pool(masker.extra)
        return self.pool

    def _rest(self) -> None:
        """Nothing is left to do: the processes go."""
        pool, self.pool = self.pool, None
        if pool is not None:
            pool.close()

    def _fill(self, state: FileState) -> None:
        writers = self._fills.pop(state.file_id, None)
        if writers is None:  # done already
            return
        try:
            fd = identity.open_regular(state.path)
        except OSError as error:
            self.errors[state.path] = f"The older part of {state.path} cannot be read: {error.strerror}."
            self.backfilling.pop(state.file_id, None)
            return
        try:
            status = os.fstat(fd)
            if (status.st_dev, status.st_ino) != (state.dev, state.inode):
                self.errors[state.path] = (
                    f"The older part of {state.path} went away before it was read: {state.waiting} bytes."
                )
                return
            self._around.committer.flush(_FLUSH_S)
            reader = self._reader(fd, state, self._parser(fd, status, state, None), writers, status)
            begin = state.backfill_from
            if not reader.count_lines(begin):
                return
            with self._lock:
                self._follower.number(fd, state, begin, reader.line_no_at(begin) - 1)
            if reader.backwards(_CHUNK):
                self._around.committer.put(Delivery(state, changes={"state": LIVE}, bulk=True))
                self._around.committer.flush(_FLUSH_S)
        except OSError as error:
            self.errors[state.path] = f"The older part of {state.path} cannot be read: {error.strerror}."
        except (LogsError, StoreError) as error:
            self.errors[state.path] = f"The older part of {state.path} could not be parsed: {error.message}"
        finally:
            os.close(fd)
            self.backfilling.pop(state.file_id, None)
