"""Opening and reading files of `/proc`, with a budget for those that are kept open."""

import errno
import os
import sys
from typing import Final

if sys.platform != "win32":
    import resource

_SPARE: Final = 64
_WANTED: Final = 65_536
_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_GONE: Final = frozenset({errno.ENOENT, errno.ESRCH})


def is_gone(error: OSError) -> bool:
    """Whether the process ended before it could be read."""
    return error.errno in _GONE


def reason(what: str, error: OSError) -> str:
    """A short word for the counts of errors, for example `io:EACCES`."""
    return f"{what}:{errno.errorcode.get(error.errno or 0, 'EUNKNOWN')}"


def read_file(path: str, limit: int = 65_536) -> bytes:
    """The first `limit` bytes of a file; `/proc` hands out at most a page or so at a time.

    Raises:
        OSError: it cannot be opened or read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        first = os.read(fd, limit)
        if len(first) < 4096:
            return first
        parts, size = [first], len(first)
        while size < limit and (part := os.read(fd, limit - size)):
            parts.append(part)
            size += len(part)
        return b"".join(parts)
    finally:
        os.close(fd)


class KeptFiles:
    """Opens files to be kept, until the budget is used up; after that callers read by path.

    Args:
        limit: how many to keep open at most; None takes what the system allows, after raising the soft limit.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._free = allowed_files() if limit is None else limit

    def open(self, path: str) -> int:
        """A descriptor to be kept, or -1 when no more may be kept.

        Raises:
            OSError: the file cannot be opened.
        """
        if self._free <= 0:
            return -1
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _FULL:
                self._free = 0
                return -1
            raise
        self._free -= 1
        return fd

    def close(self, fd: int) -> None:
        """Give one back; -1 is ignored."""
        if fd >= 0:
            os.close(fd)
            self._free += 1


def allowed_files() -> int:
    """Raise the soft limit of open files as far as the hard one allows, and say how many may be kept."""
    if sys.platform == "win32":
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return (_WANTED if soft == resource.RLIM_INFINITY else soft) - _SPARE
