"""The file that a process's standard output goes to: rotated by size, without losing a line."""

import os
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 5_000_000
KEPT: Final = 3
"""Older files that are kept: `x.log.1` is the newest of them."""


def rotate(path: Path, most_bytes: int = MOST_BYTES) -> bool:
    """Rename `path` to `path.1`, and so on, if it is larger than `most_bytes`; returns whether it was.

    Raises:
        OSError: a file cannot be renamed.
    """
    if not path.exists() or path.stat().st_size <= most_bytes:
        return False
    names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, KEPT + 1))]
    for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
        if newer.exists():
            newer.replace(older)
    return True


def open_log(path: Path) -> int:
    """A descriptor that appends to `path`, which only its owner can read. A large file is rotated before."""
    rotate(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def rotate_output(path: Path, most_bytes: int = MOST_BYTES) -> bool:
    """Rotate `path` if this process's standard error goes there, and go on in a new file; returns whether it did.

    Raises:
        OSError: the file cannot be rotated.
    """
    ours = os.fstat(2)
    if not path.exists() or not os.path.samestat(path.stat(), ours) or not rotate(path, most_bytes):
        return False
    descriptor = open_log(path)
    for stream in (1, 2):
        if os.path.samestat(os.fstat(stream), ours):
            os.dup2(descriptor, stream)
    os.close(descriptor)
    return True
