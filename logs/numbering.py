"""Line numbers of a file whose newest part was read first: they are known when the lines before it have been counted."""

import os
from collections.abc import Sequence
from typing import Final

import numpy as np

from logs import identity

_BLOCK: Final = 4 << 20


def numbers_at(fd: int, begin: int, before: int, positions: Sequence[int]) -> list[int]:
    """The numbers of the lines that hold these positions (ascending, none before `begin`), when `before` lines end before offset `begin`.

    Raises:
        OSError: the file cannot be read.
    """
    numbers: list[int] = []
    wanted = np.asarray(positions, np.int64)
    offset, counted, size = begin, before, os.fstat(fd).st_size
    while len(numbers) < len(wanted):
        data = identity.read_at(fd, min(_BLOCK, max(0, size - offset)), offset)
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + offset
        last = offset + len(data) if data else int(wanted[-1]) + 1
        part = wanted[len(numbers) : int(np.searchsorted(wanted, last))]
        numbers.extend((counted + 1 + np.searchsorted(ends, part)).tolist())
        counted += len(ends)
        offset = last
    return numbers
