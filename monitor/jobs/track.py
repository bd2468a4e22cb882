"""Report the jobs of a worker to Watchkeeper. Standard library only, Python 3.8 or later: copy this file beside any program.

    from track import track

    with track("scraper") as worker:
        for page in pages:
            with worker.job(page.url):
                fetch(page)          # an exception makes it a failed job, and goes on its way

Events are appended to a file of this process in the spool folder (`spool_folder`), one JSON line each; Watchkeeper's agent reads it
when it runs. A job takes two events of a few microseconds. Nothing here raises into the worker, waits for the agent, or writes without
bounds: while nobody reads, a process keeps `MOST_BYTES` at most, and beyond that only counts. A process that is killed loses nothing
that it had reported, and its unfinished jobs are closed by the agent with the reason. After a fork, the child is a worker of its own.

    logging.getLogger().addHandler(worker.log_handler())    # warnings and errors stay with the job they were logged in
    job = worker.begin("invoice 17")                        # without `with`, as callbacks need it
    job.done()                                              # or job.failed("no such customer")

Lines for programs in other languages (`docs/jobs.md`): `{"e": "done", "worker": "backup", "job": "monday", "s": 12.5}`.
"""

# ruff: noqa: SLF001 - a worker, its jobs and its handler are one thing

from __future__ import annotations

import atexit
import contextlib
import contextvars
import itertools
import logging
import os
import re
import sys
import threading
import time
import uuid
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: the agent then goes by the pid
    fcntl = None  # type: ignore[assignment]

SPOOL = ""
"""The spool folder, where it is not the usual one; `watchkeeper track --write` fills it in."""
SEGMENT_BYTES = 8 << 20
"""A file of this size is followed by the next one, so that the agent can delete what it has read."""
MOST_BYTES = 256 << 20
"""What one process keeps at most while nobody reads."""
SPOOL_BYTES = 1 << 30
SPOOL_FILES = 5_000
"""A spool folder that holds this much already takes no further process."""
AGAIN_S = 5.0
"""Time between two tries to open the spool folder, or to find room in it."""
ID_CHARS, TEXT_CHARS, COMMAND_WORDS = 200, 2_000, 50
_APART = re.compile(
    rb"([A-Z0-9_]*(?:RANK|SIZE|WORKER|TASK|PROC|TRAINER|INSTANCE|SHARD|REPLICA|PARTITION|INDEX|SEQ|DEVICES|POOL_ID|UNIQUE_ID)[A-Z0-9_]*)=([0-9]{1,6})"
)

_inside: contextvars.ContextVar[Job | None] = contextvars.ContextVar("watchkeeper_job", default=None)
_workers: set[Worker] = set()


def track(name: str, *, spool: str | None = None) -> Worker:
    """A worker of this name. Use it as a context, or keep it for the life of the process.

    Args:
        name: what the worker is called on the page; those of the same name are counted together.
        spool: where events go; usually `spool_folder()`.
    """
    return Worker(name, spool)


def spool_folder() -> Path:
    """`WATCHKEEPER_JOBS`, else what was written into this file, else `jobs` in Watchkeeper's data directory."""
    said = os.environ.get("WATCHKEEPER_JOBS") or SPOOL
    if said:
        return Path(said).expanduser()
    data = os.environ.get("WATCHKEEPER_DATA_DIR")
    if not data and sys.platform == "win32":
        data = os.path.join(os.environ.get("LOCALAPPDATA", "~"), "watchkeeper")  # noqa: PTH118 - text until it is whole
    elif not data and sys.platform == "darwin":
        data = "~/Library/Application Support/watchkeeper"
    elif not data:
        data = os.path.join(os.environ.get("XDG_DATA_HOME") or "~/.local/share", "watchkeeper")  # noqa: PTH118
    return Path(data).expanduser() / "jobs"


class Job:
    """One job at work. As a context it is done at the end, or failed with the exception that leaves it."""

    __slots__ = ("_before", "_name", "_run", "_since", "_worker", "id", "number", "over")

    def __init__(self, worker: Worker, job_id: object) -> None:
        self._worker, self.id = worker, job_id
        self._run, self._name, self._since = "", b"", 0.0
        self.number, self.over = -1, False
        """`number` is that of its first event; -1 while there is none. `over` says that it was reported done or failed."""

    def __enter__(self) -> Job:  # noqa: PYI034 - typing.Self is newer than Python 3.8
        """Begin."""
        self._worker._begin(self)
        self._before = _inside.set(self)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """End; the exception goes on."""
        with contextlib.suppress(ValueError):  # entered in one context, left in another (asyncio): nothing to set back
            _inside.reset(self._before)
        self._worker._end(self, "done" if error is None else "failed", error)

    def done(self) -> None:
        """It succeeded. What is said of a job that is over is ignored."""
        self._worker._end(self, "done", None)

    def failed(self, error: object = None) -> None:
        """It failed.

        Args:
            error: an exception, or text.
        """
        self._worker._end(self, "failed", error)


class Worker:
    """One process of a worker. Safe to use from any thread; see `track`."""

    def __init__(self, name: str, spool: str | None = None) -> None:
        self.name = name
        self.errors = 0
        """How often an event could not be written, for whatever reason. The job was still counted."""
        self._folder = None if spool is None else Path(spool)
        self._lock = threading.RLock()
        self._reset()
        _workers.add(self)

    def _reset(self) -> None:
        """Begin as another process: after the start and after a fork."""
        self._run = uuid.uuid4().hex
        self._fd = -1
        self._numbers = itertools.count(1)  # also a signal's handler that reports gets a number of its own
        self._size, self._segment, self._try_at, self._second = 0, 0, 0.0, 0
        self._whole, self._full, self._closed = True, False, False
        self._missed = [0, 0]  # done, failed
        self._late: list[tuple[Any, ...]] = []  # never more than were at work when the disk became full
        self._trouble = True

    def __enter__(self) -> Worker:  # noqa: PYI034
        """Say that the worker runs, before its first job."""
        try:
            with self._lock:
                self._ready()
        except Exception:  # noqa: BLE001 - nothing here may disturb the worker
            self.errors += 1
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Say that the worker stops."""
        self.stop(None if isinstance(error, SystemExit) else error)

    def job(self, job_id: object = "") -> Job:
        """A job to use as a context. The id may repeat; it is what a person sees."""
        return Job(self, job_id)

    def begin(self, job_id: object = "") -> Job:
        """A job that has begun; call its `done` or `failed`."""
        job = Job(self, job_id)
        self._begin(job)
        return job

    def log_handler(self, level: int = logging.WARNING) -> logging.Handler:
        """A handler for `logging` that keeps records with the job in which they were logged; others it leaves alone."""
        return _Handler(self, level)

    def stop(self, error: object = None) -> None:
        """Say that the worker stops. Jobs that are still open are then closed by the agent. Idempotent."""
        try:
            with self._lock:
                if not self._closed:
                    self._try_at = 0.0
                    if self._ready() or self._fd >= 0:
                        self._catch_up()
                self._closed = True
                if self._fd >= 0:
                    try:
                        self._tell(self._fd, b'"e":"stop"%s', _reason(error))
                    finally:
                        fd, self._fd = self._fd, -1
                        os.close(fd)
        except Exception:  # noqa: BLE001
            self.errors += 1
        _workers.discard(self)

    # --- events

    def _begin(self, job: Job) -> None:
        job._since = time.perf_counter()
        try:
            with self._lock:
                job._run = self._run
                if not self._trouble or self._ready():
                    job._name = _text(job.id, ID_CHARS)
                    job.number = self._tell(self._fd, b'"e":"begin","job":%s', job._name)
        except Exception:  # noqa: BLE001
            self.errors += 1

    def _end(self, job: Job, outcome: str, error: object) -> None:
        if job.over or job._run != self._run:  # the parent's, before a fork: the parent ends it
            return
        job.over = True
        seconds = time.perf_counter() - job._since
        with self._lock:
            if job.number < 0:
                self._missed[outcome == "failed"] += 1
                self._trouble = True
                return
            words = (outcome.encode(), job.number, job._name, seconds, _reason(error))
            event = (b'"e":"%s","of":%d,"job":%s,"s":%.6f%s', *words)
            try:
                if self._fd >= 0:
                    self._tell(self._fd, *event)
                    return
            except Exception:  # noqa: BLE001
                self.errors += 1
            self._late.append(event)
            self._trouble = True

    def _log(self, job: Job, level: str, logger: str, text: str) -> None:
        with self._lock:
            if job.number >= 0 and self._fd >= 0 and not self._full:
                words = (job.number, _text(level, 20), _text(logger, 100), _text(text, TEXT_CHARS))
                self._tell(self._fd, b'"e":"log","of":%d,"level":%s,"logger":%s,"text":%s', *words)

    # --- files; called with the lock

    def _tell(self, fd: int, form: bytes, *words: object) -> int:
        """Append one event, and return its number."""
        number, now = next(self._numbers), _now()
        if now // 1_000_000 != self._second:
            self._second = now // 1_000_000
            fd = self._kept(fd)
        line = b'{"n":%d,"t":%d,' % (number, now) + form % words + b"}\n"
        if not self._whole:  # what was cut is not the begin of this
            line = b"\n" + line
        left = len(line) - os.write(fd, line)
        self._whole = left == 0
        if left > 1:  # without its end of line it is still an event
            raise OSError("the disk is full")
        self._size += len(line)
        if self._size >= SEGMENT_BYTES and not self._full and fd == self._fd:
            self._turn()
        return number

    def _kept(self, fd: int) -> int:
        """The file, or another one with all that it had, where somebody has deleted it: what the agent reads twice counts once."""
        if fd != self._fd or os.fstat(fd).st_nlink:
            return fd
        whole = self._whole
        try:
            self._open()
        except OSError:
            self.errors += 1
            return fd
        try:
            os.lseek(fd, 0, os.SEEK_SET)
            while True:
                data = os.read(fd, 1 << 20)
                if not data:
                    break
                self._size += os.write(self._fd, data)
        finally:
            os.close(fd)
        self._whole = whole
        return self._fd

    def _ready(self) -> bool:
        """Whether jobs may begin in the file. Looks for the folder, or for room, once in a while."""
        if not self._closed and time.monotonic() >= self._try_at:
            self._try_at = time.monotonic() + AGAIN_S
            if self._fd < 0:
                self._open()
            elif self._full and _size(self._where(), self._stem()) < MOST_BYTES:
                self._full = False
                self._turn()
            if not self._full:
                self._catch_up()
        return self._fd >= 0 and not self._full

    def _catch_up(self) -> None:
        """Write what was only kept: ends of jobs whose begin is written, and the number of the others."""
        while self._late:
            self._tell(self._fd, *self._late[-1])
            self._late.pop()
        if any(self._missed):
            done, failed = self._missed
            self._tell(self._fd, b'"e":"missed","done":%d,"failed":%d', done, failed)
            self._missed = [self._missed[0] - done, self._missed[1] - failed]
        self._trouble = bool(self._full or self._late or any(self._missed))

    def _turn(self) -> None:
        """Go on in the next file, or let no job begin in one while too much waits to be read."""
        self._size = SEGMENT_BYTES // 2  # where there is no next file, it is tried again later
        try:
            if _size(self._where(), self._stem()) >= MOST_BYTES:
                self._full = self._trouble = True
                self._try_at = time.monotonic() + AGAIN_S
                return
            before = self._fd
            self._open()
            os.close(before)
        except OSError:
            self.errors += 1

    def _where(self) -> Path:
        return self._folder or spool_folder()

    def _stem(self) -> str:
        name = "".join(c if c.isalnum() and c.isascii() else "_" for c in self.name)[:40]
        return f"{name}-{os.getpid()}-{self._run[:12]}"

    def _open(self) -> None:
        """Open the next file. It appears under its name with a first line and, where possible, with a lock that ends with us."""
        if self._segment == 0:
            _make_private(self._where())
            if _size(self._where()) >= SPOOL_BYTES or len(os.listdir(self._where())) >= SPOOL_FILES:  # noqa: PTH208
                raise OSError("the spool folder is full")
        path = self._where() / f"{self._stem()}-{self._segment:05}.jsonl"
        coming = path.with_suffix(".new")
        fd = os.open(str(coming), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = _write_whole(fd, _first_line(self.name, self._run))
            coming.replace(path)
        except OSError:
            os.close(fd)
            with contextlib.suppress(OSError):
                coming.unlink()
            raise
        self._fd, self._size, self._whole = fd, size, True
        self._segment += 1


class _Handler(logging.Handler):
    def __init__(self, worker: Worker, level: int) -> None:
        super().__init__(level)
        self._worker = worker

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record with its job."""
        try:
            job = _inside.get()
            if job is not None and job._worker is self._worker:
                self._worker._log(job, record.levelname.lower(), record.name, self.format(record))
        except Exception:  # noqa: BLE001
            self._worker.errors += 1


def _now() -> int:
    return time.time_ns() // 1000


def _text(value: object, most: int) -> bytes:
    """A JSON string."""
    text = value if isinstance(value, str) else str(value)
    if len(text) > most:
        text = text[: most - 1] + "\u2026"
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no JSON
    return quoted(text).encode("ascii")


def _reason(error: object) -> bytes:
    """The end of an event: `ValueError: …` of an exception, else the text; nothing without either."""
    if error is None:
        return b""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception may be anything
        text = ""
    if isinstance(error, BaseException):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return b',"error":%s' % _text(text, TEXT_CHARS)


def _size(folder: Path, stem: str = "") -> int:
    """Bytes of the files in the spool folder whose names begin with `stem`."""
    total = 0
    for entry in os.scandir(folder):
        if entry.name.startswith(stem):
            with contextlib.suppress(OSError):  # just read to its end, and deleted
                total += entry.stat().st_size
    return total


def _first_line(name: str, run: str) -> bytes:
    """Who writes the file: the process by pid, boot and start tick, as a pid alone comes back."""
    who = [b',"pid":%d' % os.getpid()]
    with contextlib.suppress(OSError, ValueError, IndexError):  # no Linux
        tick = int(Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()[19])
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        who += [b',"tick":%d,"boot":%s' % (tick, _text(boot, 80))]
        who.append(b',"pidns":%d' % int(os.readlink("/proc/self/ns/pid").strip("pid:[]")))  # noqa: PTH115
    with contextlib.suppress(OSError):  # its folder was removed
        who.append(b',"cwd":%s' % _text(os.getcwd(), TEXT_CHARS))  # noqa: PTH109 - as it is
    given = getattr(sys, "orig_argv", None) or [sys.executable, *sys.argv]
    command = list(given[:COMMAND_WORDS]) if sum(map(len, given[:COMMAND_WORDS])) < TEXT_CHARS else list(given[:1])
    who.append(b',"command":[%s]' % b",".join(_text(word, TEXT_CHARS) for word in command))
    with contextlib.suppress(OSError):  # no Linux
        own, parents = _numbers("self"), {}
        with contextlib.suppress(OSError):  # another user's
            parents = _numbers(str(os.getppid())) if own else {}
        if own:
            same = b",".join(b'"%s"' % name for name in own if parents.get(name) == own[name])
            who.append(b',"numbers":{%s}' % b",".join(b'"%s":%d' % one for one in own.items()))
            who.append(b',"inherited":[%s]' % same)
    if fcntl is not None:
        who.append(b',"locked":true')
    words = (_now(), _text(name, ID_CHARS), _text(run, 80), b"".join(who))
    return b'{"n":0,"t":%d,"e":"start","worker":%s,"run":%s%s}\n' % words


def _numbers(process: str) -> dict[bytes, int]:
    """The small numbers that a process began with and by which workers of one command are told apart, such as `RANK`; nothing else of its environment."""
    found = (_APART.fullmatch(one) for one in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"))
    return {one[1]: int(one[2]) for one in found if one}


def _write_whole(fd: int, line: bytes) -> int:
    if os.write(fd, line) != len(line):
        raise OSError("the disk is full")
    return len(line)


def _make_private(folder: Path) -> None:
    """Create the spool folder and the data directory above it, for their owner only."""
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def _at_exit() -> None:
    for worker in list(_workers):
        worker.stop()


def _after_fork() -> None:
    """In the child: the files are the parent's, and so is the count."""
    for worker in list(_workers):
        worker._lock = threading.RLock()  # another thread may have held it
        if worker._fd >= 0:
            os.close(worker._fd)
        worker._reset()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
