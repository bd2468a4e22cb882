"""Places in a file: where a record begins, so that a file or a block may be cut there, and which line stands at an offset."""

import os
from collections.abc import Sequence
from typing import Final

import numpy as np

from logs.core import fingerprint
from logs.parsing.grouping import outlines
from logs.parsing.parser import BlockParser

_STEP: Final = 4 << 20
_SEARCH_LIMIT: Final = 64 << 20


def record_boundary(data: bytes, parser: BlockParser) -> int:
    """The offset of the last line in `data` that surely begins a record; 0 when none but the first does."""
    charset = parser.charset
    end = charset.last_end(data)
    for _ in range(10_000):
        start = charset.last_end(data, max(end - 1, 0))
        if start <= 0:
            return 0
        if parser.begins(data[start:end]) and not _amid_cut_lines(data, start, parser):
            if parser.shape.outline:
                return _first_outlined(data, start, parser)
            return _first_blank(data, start, parser, parser.own_blanks(data[start:end]))
        end = start
    return 0


def _first_outlined(data: bytes, start: int, parser: BlockParser) -> int:
    """Where the lines begin that say what the record at offset `start` belongs to; `start` where there are none."""
    at = start
    for depth in range(parser.shape.outline - 1, -1, -1):
        before = parser.charset.last_end(data, max(at - 1, 0))
        if before >= at or not outlines(parser.lines_of(data[before:at])[0], depth):
            break
        at = before
    return at


def _first_blank(data: bytes, start: int, parser: BlockParser, most: int) -> int:
    """Where the blank lines before offset `start` begin, `most` at most; `start` where there are none, or nothing before them."""
    at = start
    while at > 0:
        if not most:
            return at
        most -= 1
        before = parser.charset.last_end(data, max(at - 1, 0))
        if not parser.blank(data[before:at]):
            return at
        at = before
    return start


def _amid_cut_lines(data: bytes, start: int, parser: BlockParser) -> bool:
    """Whether one of the lines before `start` goes on somewhere behind it: those of several streams may be mixed."""
    for _ in range(parser.mixed):
        before = parser.charset.last_end(data, max(start - 1, 0))
        if parser.cut(data[before:start]):
            return True
        if before <= 0:
            return False
        start = before
    return False


def boundary_before(fd: int, parser: BlockParser, high: int, low: int, chunk: int) -> int:
    """An offset at about `high - chunk` where a record with a time of its own begins; `low` when there is none above it."""
    size = chunk
    while high - size > low:
        found = _first_record(fd, parser, high - size, min(high, high - size + min(size, 4 * _STEP)))
        if found is not None and found < high:
            return found
        if size > _SEARCH_LIMIT:
            break
        size *= 2
    return low


def _first_record(fd: int, parser: BlockParser, begin: int, end: int) -> int | None:
    """The first line that begins a dated record (any record, where the format has no times) and lies in (begin, end)."""
    dated = parser.primary is not None and parser.primary.dated
    data = fingerprint.read_at(fd, min(end - begin, 1 << 16), begin)
    at = data.find(b"\n") + 1
    cut = parser.mixed == 1
    """Whether the line before may go on in the next one."""
    while True:
        stop = data.find(b"\n", at) + 1 if at else 0
        if not stop:
            if begin + len(data) >= end or len(data) > _SEARCH_LIMIT:
                return None
            more = fingerprint.read_at(fd, min(end - begin - len(data), len(data)), begin + len(data))
            if not more:
                return None
            data += more
            at = at or data.find(b"\n") + 1
            continue
        line = data[at:stop]
        if not cut and (parser.begins_dated(line) if dated else parser.starts_alone(line)):
            return begin + at
        cut = parser.mixed == 1 and parser.cut(line)
        at = stop


def numbers_at(fd: int, begin: int, before: int, positions: Sequence[int]) -> list[int]:
    """The numbers of the lines that hold these positions (ascending, none before `begin`), when `before` lines end before offset `begin`.

    Raises:
        OSError: the file cannot be read.
    """
    numbers: list[int] = []
    wanted = np.asarray(positions, np.int64)
    offset, counted, size = begin, before, os.fstat(fd).st_size
    while len(numbers) < len(wanted):
        data = fingerprint.read_at(fd, min(_STEP, max(0, size - offset)), offset)
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + offset
        last = offset + len(data) if data else int(wanted[-1]) + 1
        part = wanted[len(numbers) : int(np.searchsorted(wanted, last))]
        numbers.extend((counted + 1 + np.searchsorted(ends, part)).tolist())
        counted += len(ends)
        offset = last
    return numbers
