"""Work on what is already there: ingest jobs that a person asked for, and backfills of big files. One thread does one after the other."""

import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from logs.core import fingerprint
from logs.core.errors import LogsError
from logs.core.supervised_thread import SupervisedThread
from logs.core.timestamps import TimeReader
from logs.following.attribution import Writers
from logs.following.follower import Follower
from logs.following.surroundings import Surroundings
from logs.following.tail import FileTail
from logs.ingest.bulk_reader import Changes, Reader
from logs.ingest.pool import Pool
from logs.parsing.boundaries import boundary_before, numbers_at
from logs.parsing.charset import HEAD, UTF8, charset_of
from logs.parsing.parse import chronology_between
from logs.parsing.parser import BlockParser, ReadState, Undated
from logs.storing.checkpoint import DONE, LIVE, FileState
from logs.storing.delivery import Delivery

_FLUSH_S: Final = 600.0
_LOOK_S: Final = 0.02
_REST_S: Final = 0.5
"""How long nobody writes on before a line without an end counts as whole."""
_COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh", b"PK\x03\x04")
"""How gzip, zstd, xz, bzip2 and zip begin: their bytes are no lines."""
T = TypeVar("T")


class OnFollower(Protocol):
    """Does something on the thread that the follower belongs to, and returns or raises what it did."""

    def __call__(self, work: Callable[[], T], /) -> T:
        """Wait for it; a `LogsError` when the thread has ended."""
        ...


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
        on_follower: does something on the thread that the follower belongs to.
    """

    def __init__(self, around: Surroundings, follower: Follower, on_follower: OnFollower) -> None:
        self.around = around
        self._follower = follower
        self._on_follower = on_follower
        self._jobs: dict[str, Job] = {}
        self._queue: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: SupervisedThread | None = None
        self._fills: dict[int, Writers] = {}
        self.backfilling: dict[int, FileState] = {}
        self.errors: dict[str, str] = {}
        self.pool: Pool | None = None

    def start(self) -> None:
        """Begin to work."""
        self._thread = SupervisedThread("logs-bulk", self._run, stopping=self._stopping, report=self._report)
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
            self.around.registry.named(format)
        job = Job(list(dict.fromkeys(os.path.realpath(path) for path in paths)), format, time.monotonic())
        for path in job.paths:
            try:
                fd = fingerprint.open_regular(path)
            except OSError as error:
                raise LogsError(
                    f"{path} cannot be read: {error.strerror}.", hint="Give files that the agent's user may read."
                ) from error
            head = fingerprint.read_at(fd, 8, 0)
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
            if self._thread is not None:
                self._thread.well()
            if not self._queue:
                self._rest()

    def _report(self, error: str) -> None:
        if error:
            self.errors["logs-bulk"] = error
        else:
            self.errors.pop("logs-bulk", None)

    def _do(self, job: Job) -> None:
        try:
            for path in job.paths:
                self._ingest_file(job, path)
            self._stored()
            job.state = "done"
        except (LogsError, OSError) as error:
            job.state, job.error = "failed", str(error)
        except Exception:
            job.state, job.error = "failed", "The ingest ended by an error of the program; the agent's log has more."
            raise
        finally:
            job.seconds = time.monotonic() - job.began

    def _stored(self) -> None:
        self.around.settle(_FLUSH_S)

    def _ingest_file(self, job: Job, path: str) -> None:
        fd = fingerprint.open_regular(path)
        try:
            status = os.fstat(fd)
            self._stored()
            tail, state = self._on_follower(lambda: self._known(fd, status, path))
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
            ended, why, lines = self._on_follower(lambda: self._progress(tail, size))
            if lines is not None:
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

    def _progress(self, tail: FileTail, size: int) -> tuple[bool, str | None, int | None]:
        """Whether a file is followed no longer, why, and its lines: None before all of `size` bytes is read. On the follower's thread."""
        ended = self._follower.tails.get((tail.state.dev, tail.state.inode)) is not tail
        why = self._follower.errors.get(tail.path)
        return ended, why, tail.lines if ended or tail.holds_to(size) else None

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

    def _known(self, fd: int, status: os.stat_result, path: str) -> tuple[FileTail | None, FileState]:
        """Who follows the file, and its state. On the follower's thread."""
        tail = self._follower.tails.get((status.st_dev, status.st_ino))
        return tail, tail.state if tail is not None else self._state_for(fd, status, path)

    def _state_for(self, fd: int, status: os.stat_result, path: str) -> FileState:
        follower, now = self._follower, self.around.now()
        known = follower.known(fd, status, path)
        if known is not None:
            return known
        source = follower.names.name(path)
        head_hash, head_len = fingerprint.head_of(fd)
        state = FileState(
            fingerprint.new_file_id(self.around.host, path, status.st_dev, status.st_ino, now, 0), source, path, status.st_dev, status.st_ino,
            head_hash=head_hash, head_len=head_len, state=DONE, size=status.st_size, first_seen=now,
        )  # fmt: skip
        follower.remember(state)
        self.around.sink.put(Delivery(state, source=follower.new_source(source, "ingested", "ingest")))
        return state

    def _read(self, job: Job, fd: int, status: os.stat_result, state: FileState) -> None:
        before, parser, end = job.bytes, None, self._whole_lines(fd, status, state.stored_to)
        if not state.stored_to and status.st_size > self.around.settings.big_file_bytes:
            parser = self._read_newest(job, fd, status, state, end)
        if state.waiting:  # as the watch, too, begins with the newest part of a big file
            self._fills.setdefault(state.file_id, Writers(self.around.run_of_pid, self.around.now))
            self._fill(state, job, parser)
            self._filled(state)
        begin = state.stored_to
        if begin >= end:
            job.lines += state.lines
            job.records += state.records
            job.bytes = before + end
            return
        parser = parser or self._parser(fd, status, state, job.format)
        read = ReadState(line_no=state.lines + 1)
        if begin and self.around.stored.positions_behind(state.file_id, begin):
            begin = self._drop_open(state, begin)
        reader = self._reader(fd, state, parser, Writers(self.around.run_of_pid, self.around.now), status)
        reader.progress = lambda position: job.advance(before + position)
        lines, records = state.lines, state.records
        reached = reader.straight(begin, end, read, ended=True, changes=_checkpoint(fd, end))
        job.lines += lines + reader.lines
        job.records += records + reader.records
        job.added += reader.records
        job.bytes = before + reached
        if reached < end:
            raise _stopped()

    def _whole_lines(self, fd: int, status: os.stat_result, begin: int) -> int:
        """Where the file ends, behind `begin`; before a line that is being written: half of one would be read as more of the record before."""
        end = status.st_size
        longest = self.around.settings.max_record_bytes & ~3  # from where characters of any width begin
        first = max(0, (end & ~3) - longest)
        held = fingerprint.read_at(fd, end - first, first)
        whole = charset_of(fingerprint.read_at(fd, HEAD, 0)).last_end(held)
        if whole == len(held) or not max(0, begin - first) < whole:
            return end
        rested = self.around.now() // 1000 - status.st_mtime_ns // 1_000_000
        deadline = time.monotonic() + _REST_S - max(0, rested) / 1000
        while time.monotonic() < deadline and not self._stopping.wait(_LOOK_S):
            if os.fstat(fd).st_size > end:
                return first + whole
        return end

    def _read_newest(self, job: Job, fd: int, status: os.stat_result, state: FileState, end: int) -> BlockParser:
        """Read the newest part of a big file, so that it can be seen at once; the rest waits below it. Answers what knows how the file is read."""
        parser = self._parser(fd, status, state, job.format)
        start = boundary_before(fd, parser, end, 0, self.around.settings.first_bytes) if parser.charset is UTF8 else 0
        if not start:
            return parser
        reader = self._reader(fd, state, parser, Writers(self.around.run_of_pid, self.around.now), status)
        reader.pool, reader.numbered = None, False
        checkpoint = _checkpoint(fd, end)

        def unnumbered(position: int, line_no: int) -> dict[str, Any]:
            return {**checkpoint(position, line_no), "lines": 0, "backfill_from": start}

        reached = reader.straight(start, end, ReadState(line_no=1), ended=True, changes=unnumbered)
        job.added += reader.records
        self._stored()
        if reached < end:
            raise _stopped()
        return parser

    def _drop_open(self, state: FileState, begin: int) -> int:
        """Rows ahead of the checkpoint are the open record's: it is read again, so they go."""
        positions = self.around.stored.positions_behind(state.file_id, begin)
        self.around.sink.put(Delivery(state, counts={"records": -len(positions)}, dropped=positions))
        self._stored()
        return begin

    def _parser(self, fd: int, status: os.stat_result, state: FileState, forced: str | None) -> BlockParser:
        mtime = status.st_mtime_ns // 1000
        registry = self.around.registry
        formats, order, _ = self.around.said_of(state.path)
        formats = registry.named(forced) if forced else formats
        parser = BlockParser(registry, TimeReader(lambda: mtime), self.around.mask, formats, order)
        parser.charset = charset_of(fingerprint.read_at(fd, HEAD, 0))
        if state.reading:
            parser.go_on(state.reading)
        if state.format and not parser.settled:
            parser.prefer(state.format)
        if not parser.settled:
            parser.learn(fingerprint.read_at(fd, 65536, 0))
        if parser.lacks:
            alone = BlockParser(registry, TimeReader(lambda: mtime), str, formats, order)
            alone.take(parser.shape)
            parser.chronology = chronology_between(fd, 0, alone, mtime)
        return parser

    def _reader(
        self, fd: int, state: FileState, parser: BlockParser, writers: Writers, status: os.stat_result
    ) -> Reader:
        around = self.around
        return Reader(
            fd, state, parser, around.sink, writers, around.host, around.now, self._stopping.is_set, around.settings.max_record_bytes,
            Undated(status.st_mtime_ns // 1000, "mtime"), pool=self._pool_for(max(state.backfill_from, status.st_size - state.stored_to)),
            piece_bytes=around.settings.piece_bytes,
        )  # fmt: skip

    def _pool_for(self, size: int) -> Pool | None:
        """Processes that parse so many bytes; None where they would not pay, or cannot mask as this process does."""
        masker = self.around.masker
        if size < self.around.settings.pool_bytes or masker is None:
            return None
        if self.pool is None:
            self.pool = Pool(masker.extra)
        return self.pool

    def _rest(self) -> None:
        """Nothing is left to do: the processes go."""
        pool, self.pool = self.pool, None
        if pool is not None:
            pool.close()

    def _fill(self, state: FileState, job: Job | None = None, parser: BlockParser | None = None) -> None:
        writers = self._fills.pop(state.file_id, None)
        if writers is None:  # done already
            return
        try:
            fd = fingerprint.open_regular(state.path)
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
            # Once the follower answers it has read the newest part: people wait for that, before all cores are busy with the older one
            self._on_follower(lambda: None)
            self._stored()
            parser = parser or self._parser(fd, status, state, None if job is None else job.format)
            reader = self._reader(fd, state, parser, writers, status)
            begin = state.backfill_from
            if job is not None:
                top = job.bytes + state.stored_to
                reader.progress = lambda position: job.advance(top - position)
            if not reader.count_lines(begin):
                return
            self._number(fd, state, begin, reader.line_no_at(begin) - 1)
            if reader.backwards(self.around.settings.chunk_bytes):
                self.around.sink.put(Delivery(state, changes={"state": LIVE if job is None else DONE}, bulk=True))
                self._stored()
            if job is not None:
                job.added += reader.records
        except OSError as error:
            self.errors[state.path] = f"The older part of {state.path} cannot be read: {error.strerror}."
        except LogsError as error:
            self.errors[state.path] = f"The older part of {state.path} could not be parsed: {error.message}"
        finally:
            os.close(fd)
            self.backfilling.pop(state.file_id, None)

    def _number(self, fd: int, state: FileState, begin: int, before: int) -> None:
        """Give the part of a file that was read before its older part its line numbers: `before` lines end before offset `begin`."""
        followed = self._on_follower(lambda: self._follower.number(fd, state, begin, before))
        self._stored()  # what was read without numbers
        positions = self.around.stored.unnumbered(state.file_id)
        changes = {}
        if not followed:
            changes["lines"] = (
                numbers_at(fd, begin, before, [state.stored_to - 1])[0] if state.stored_to > begin else before
            )
        if positions or changes:
            numbers = dict(zip(positions, numbers_at(fd, begin, before, positions), strict=True))
            self.around.sink.put(Delivery(state, changes=changes, numbers=numbers))


def _checkpoint(fd: int, end: int) -> Changes:
    """What is said of a file of `end` bytes that is read forwards."""
    head_hash, head_len = fingerprint.head_of(fd)

    def said(position: int, line_no: int) -> dict[str, Any]:
        return {
            "stored_to": position, "lines": line_no - 1, "marker_hash": fingerprint.marker_of(fd, position), "size": end, "state": DONE,
            "head_hash": head_hash, "head_len": head_len,
        }  # fmt: skip

    return said


def _stopped() -> LogsError:
    return LogsError("The ingest was stopped.", hint="Ingest the file again: it goes on where it stopped.")
