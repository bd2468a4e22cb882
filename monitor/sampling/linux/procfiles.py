"""Opens and reads files of `/proc`, with a budget for those that stay open."""

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
    """A short name for the error counts, such as `io:EACCES`."""
    return f"{what}:{errno.errorcode.get(error.errno or 0, 'EUNKNOWN')}"


def read_file(path: str, limit: int = 65_536) -> bytes:
    """The first `limit` bytes of a file. `/proc` returns about a page at a time.

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
    """Opens files to keep, until the budget is used up. After that, callers read by path.

    Args:
        limit: how many to keep open at most; None takes what the system allows, after raising the soft limit.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._free = allowed_files() if limit is None else limit

    def open(self, path: str) -> int:
        """A descriptor to keep, or -1 if the budget is used up.

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

    def reserve(self) -> int:
        """Give a third of what is left to somebody else; returns how many descriptors that are."""
        given = self._free // 3
        self._free -= given
        return given

    def close(self, fd: int) -> None:
        """Give one back; -1 is ignored."""
        if fd >= 0:
            os.close(fd)
            self._free += 1


def allowed_files() -> int:
    """Raise the soft limit of open files to the hard one; returns how many files to keep open."""
    if sys.platform == "win32":
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return (_WANTED if soft == resource.RLIM_INFINITY else soft) - _SPARE
