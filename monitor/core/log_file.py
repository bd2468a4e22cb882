"""The program's own log files: JSON lines, in files that are rotated by size and once a day, without losing a line; older ones are compressed."""

import gzip
import json
import logging
import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import BaseRotatingHandler
from pathlib import Path
from types import TracebackType
from typing import Final

MOST_BYTES: Final = 5_000_000
KEPT: Final = 7
"""Older files that are kept: `x.log.1.gz` is the newest of them. With one a day at least, that is a week or less."""
_DAY_S: Final = 86_400
_BUSY: Final = threading.Lock()
"""Held while files get other names or are compressed."""


def rotate(path: Path, most_bytes: int = MOST_BYTES, *, since: float | None = None, now: float | None = None) -> bool:
    """Rename `path` to `path.1`, and so on, if it is larger than `most_bytes` or of an earlier day (UTC); returns whether it was. It is then compressed in a thread.

    Args:
        path: of the file; nothing that still writes to it may hold it open.
        most_bytes: that a file may have.
        since: when the file was begun or last seen empty, in seconds since the epoch; None: when it was last written.
        now: the time.

    Raises:
        OSError: a file cannot be renamed.
    """
    if not _due(path, most_bytes, since, time.time() if now is None else now):
        return False
    _shift(path)
    _pack_soon(path)
    return True


def _shift(path: Path) -> None:
    with _BUSY:
        for number in range(KEPT, 0, -1):
            newer = path if number == 1 else _older(path, number - 1)
            for suffix in ("", ".gz"):
                with suppress(FileNotFoundError):
                    _named(newer, suffix).replace(_named(_older(path, number), suffix))


def _pack_soon(path: Path) -> None:
    threading.Thread(target=pack, args=(path,), name="pack-log", daemon=True).start()


def _due(path: Path, most_bytes: int, since: float | None, now: float) -> bool:
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    begun = status.st_mtime if since is None else since
    return status.st_size > most_bytes or (status.st_size > 0 and begun // _DAY_S < now // _DAY_S)


def _older(path: Path, number: int) -> Path:
    return _named(path, f".{number}")


def _named(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def pack(path: Path) -> None:
    """Compress the older files of `path`: the last one, and those where a process was ended meanwhile. What cannot be compressed stays as it is."""
    with _BUSY, suppress(OSError):
        for number in range(1, KEPT + 1):
            plain = _older(path, number)
            if not plain.exists():
                continue
            part = _named(plain, ".part")
            with (
                plain.open("rb") as source,
                os.fdopen(os.open(part, _NEW, 0o600), "wb") as out,
                gzip.open(out, "wb") as to,
            ):
                shutil.copyfileobj(source, to)
            part.replace(_named(plain, ".gz"))
            plain.unlink()


_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def open_log(path: Path) -> int:
    """A descriptor that appends to `path`, which only its owner can read. A large file, or one of an earlier day, is rotated before."""
    rotate(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def is_output(path: Path) -> bool:
    """Whether this process's standard error goes to `path`."""
    return path.exists() and os.path.samestat(path.stat(), os.fstat(2))


def rotate_output(path: Path, most_bytes: int = MOST_BYTES, *, since: float | None = None) -> bool:
    """Rotate `path` if this process's standard error goes there, and go on in a new file; returns whether it did.

    Raises:
        OSError: the file cannot be rotated.
    """
    if not is_output(path) or not _due(path, most_bytes, since, time.time()):
        return False
    ours = os.fstat(2)
    _shift(path)
    descriptor = open_log(path)
    for stream in (1, 2):
        if os.path.samestat(os.fstat(stream), ours):
            os.dup2(descriptor, stream)
    os.close(descriptor)
    _pack_soon(path)  # nothing is written to the older file any more
    return True


class JsonLines(logging.Formatter):
    """A log record as one line of JSON; its time is ISO 8601 in UTC. The traceback of an exception is part of the message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "thread": record.threadName,
            "message": super().format(record),
        }
        return json.dumps(line, ensure_ascii=False)


class LogFile(BaseRotatingHandler):
    """Writes JSON lines to one file, which is rotated as `rotate` says.

    Args:
        path: of the file; only its owner can read it.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        os.close(open_log(path))
        self._path, self._most_bytes, self._since = path, most_bytes, time.time()
        super().__init__(path, "a", encoding="utf-8", errors="replace")
        self.setFormatter(JsonLines())

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - logging's name
        """Whether the file is due before this record."""
        return _due(self._path, self._most_bytes, self._since, record.created)

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Go on in a new file; in the same one where that cannot be."""
        self._since = time.time()
        if self.stream is not None:
            self.stream.close()
        with suppress(OSError):
            _shift(self._path)
        os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        self.stream = self._open()
        _pack_soon(self._path)


def say_json_lines() -> None:
    """Let all that logs to this process's output log JSON lines, uncaught exceptions and warnings included. Call it again for loggers that got handlers of their own since."""
    if isinstance(
        logging.lastResort, logging.Handler
    ):  # of loggers that pass nothing on and have no handler, as uvicorn's
        logging.lastResort.setFormatter(JsonLines())
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
        logging.captureWarnings(capture=True)
        sys.excepthook = _log_uncaught
        threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    for logger in (root, *root.manager.loggerDict.values()):
        for handler in logger.handlers if isinstance(logger, logging.Logger) else ():
            if type(handler) is logging.StreamHandler and not isinstance(handler.formatter, JsonLines):
                handler.setFormatter(JsonLines())


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    error = kind() if error is None else error
    logging.getLogger("watchkeeper").critical("uncaught exception", exc_info=(kind, error, trace))
