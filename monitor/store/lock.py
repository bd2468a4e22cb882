"""One agent per data directory: an advisory lock that the kernel releases when its holder dies.

The lock belongs to the open file, so `kill -9` frees it at once and a stale pid inside the file means nothing.

`filelock` would take the lock as well, but where a file system has none it falls back on a marker file, which outlives a killed holder; here
that is an error. It also leaves to its caller what this module is mostly about: whose lock it is, and why the directory cannot be written.
"""

import errno
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from monitor.core.errors import StoreError, StoreFull, StoreLocked

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
        self._kept: dict[Path, tuple[int, int]] = {}
        self._fd: int | None = _open(self.path)
        try:
            _take(self._fd)
        except (BlockingIOError, PermissionError):
            pid = read_pid(self.path)
            self._close()
            whose = f"process {pid}" if pid else "another process"
            raise StoreLocked(
                f"{data_dir} is already in use by {whose}",
                pid=pid,
                hint="run `watchkeeper status` to see it, `watchkeeper down` to stop it, or choose another --data-dir",
            ) from None
        except OSError as error:
            self._close()
            raise StoreError(
                f"{self.path} cannot be locked: {error.strerror}",
                hint="choose a data directory on a file system that supports locks",
            ) from error
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            self._close()
            raise _not_writable(self.path, error) from error
        self.keep(self.path)

    def keep(self, path: Path) -> None:
        """Name a file that must stay where it is while the lock is held, in addition to the lock itself."""
        self._kept[path] = _identity(path)

    def lost(self) -> Path | None:
        """The first file that was removed, or replaced by another one; None while all are there.

        What is written to such a file is lost when its writer ends, and whoever comes next takes the directory for free.
        """
        return next((path for path, known in self._kept.items() if not _is_there(path, known)), None)

    def release(self) -> None:
        """Release the lock; idempotent. The file stays, because removing it would race with the next holder."""
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
    """The pid in a lock file; None without one. It does not say whether the lock is held."""
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _identity(path: Path) -> tuple[int, int]:
    info = path.stat()
    return info.st_dev, info.st_ino


def _is_there(path: Path, known: tuple[int, int]) -> bool:
    try:
        return _identity(path) == known
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # a file system that does not answer now may do so again
        return True


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
        return StoreFull(
            f"no space is left for {path.parent}", hint="free some disk space, or choose another --data-dir"
        )
    return StoreFull(
        f"{path.parent} is not writable: {error.strerror}",
        hint="give your user write access to it, or choose another --data-dir",
    )
