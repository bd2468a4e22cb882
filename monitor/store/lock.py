"""One agent a data directory: an advisory lock that the kernel releases when its holder dies.

The lock belongs to the open file, so `kill -9` frees it at once and a stale pid inside the file means nothing.
"""

import errno
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from monitor.errors import StoreError, StoreFull, StoreLocked

LOCK_NAME: Final = "agent.lock"
WINDOWS_BYTE: Final = 1 << 20
_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


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
            _take(self._fd)
        except (BlockingIOError, PermissionError):
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


def _take(fd: int) -> None:
    """Lock an open file for this process.

    Raises:
        BlockingIOError, PermissionError: another process holds it.
        OSError: the file system has no locks.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(fd, WINDOWS_BYTE, os.SEEK_SET)  # there a locked byte cannot be read, and the pid must be
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, _FLAGS, 0o600)
    except OSError as error:
        raise _not_writable(path, error) from error


def _not_writable(path: Path, error: OSError) -> StoreFull:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreFull(f"No space is left for {path.parent}.", hint="Free some space, or choose another --data-dir.")
    return StoreFull(
        f"{path.parent} is not writable: {error.strerror}.",
        hint="Give your user write access to it, or choose another --data-dir.",
    )
