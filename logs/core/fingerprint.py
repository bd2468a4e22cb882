"""Is this the file we read before, and does it still hold what we read?

A path and an inode are not an identity: files are renamed, copied, truncated, and inodes come back. A file is the one we know when device and inode are the same
*and* its first bytes hash as they did *and* the bytes just before our position do. So a file that was emptied and has grown past our position is noticed.
"""

import errno
import hashlib
import os
import stat
from typing import Final

HEAD: Final = 1024
MARKER: Final = 64


def digest(data: bytes) -> str:
    """A short hash of some bytes."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Up to `size` bytes at `offset`, fewer only at the end of the file."""
    parts, left = [], size
    while left > 0:
        data = os.pread(fd, left, offset)
        if not data:
            break
        parts.append(data)
        offset, left = offset + len(data), left - len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def head_of(fd: int, length: int = HEAD) -> tuple[str, int]:
    """Hash and length of the file's first bytes."""
    data = read_at(fd, length, 0)
    return digest(data), len(data)


def marker_of(fd: int, position: int) -> str:
    """Hash of the bytes just before `position`."""
    start = max(0, position - MARKER)
    return digest(read_at(fd, position - start, start))


def holds(fd: int, *, head_hash: str | None, head_len: int, marker_hash: str | None, position: int) -> bool:
    """Whether the open file still begins and goes on to `position` as remembered."""
    if os.fstat(fd).st_size < position:
        return False
    if head_hash is not None and head_of(fd, head_len) != (head_hash, head_len):
        return False
    return marker_hash is None or marker_of(fd, position) == marker_hash


def new_file_id(host: str, path: str, dev: int, inode: int, now: int, generation: int) -> int:  # noqa: PLR0917 - all that makes a file this one
    """A number for one generation of one file: 63 bits."""
    text = f"{host}\0{path}\0{dev}\0{inode}\0{now}\0{generation}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def open_regular(path: str) -> int:
    """A descriptor of the regular file at `path`, never waiting for a FIFO or a device.

    Raises:
        OSError: it cannot be opened, or it is no regular file.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return fd
