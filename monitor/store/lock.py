"""One agent a data directory: an advisory lock that the kernel releases when its holder dies.

`flock` belongs to the open file, so `kill -9` frees it at once and a stale pid inside the file means nothing.
"""

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from monitor.errors import StoreError, StoreFull, StoreLocked

LOCK_NAME: Final = "agent.lock"


class DataDirLock:
    """The right to write in `data_dir`, held from construction until `release`.

    Args:
        data_dir: the data directory; made (mode 0700) when it does not exist.

    Raises:
        StoreLocked: another process holds it; `pid` says which, None when it could not be read.
        StoreFull: the directory cannot be made or written.
    """

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / LOCK_NAME
        self._fd: int | None = _open(self.path)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = read_pid(self.path)
            self._close()
            whose = f"process {pid}" if pid else "another process"
            raise StoreLocked(
                f"{data_dir} is already watched by {whose}.",
                pid=pid,
                hint="Run `watchkeeper status` to see it, `watchkeeper down` to end it, or choose another --data-dir.",
            ) from None
        except OSError as error:
            self._close()
            raise StoreError(
                f"{self.path} cannot be locked: {error.strerror}.",
                hint="Choose a data directory on a file system that supports locks.",
            ) from error
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            self._close()
            raise _not_writable(self.path, error) from error

    def release(self) -> None:
        """Let another agent in; idempotent. The file stays: removing it would race with the next holder."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            self._close()

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def read_pid(path: Path) -> int | None:
    """The pid written in a lock file, None when there is none. Says nothing about whether it is held."""
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _not_writable(path, error) from error


def _not_writable(path: Path, error: OSError) -> StoreFull:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreFull(f"No space is left for {path.parent}.", hint="Free some space, or choose another --data-dir.")
    return StoreFull(
        f"{path.parent} is not writable: {error.strerror}.",
        hint="Give your user write access to it, or choose another --data-dir.",
    )
