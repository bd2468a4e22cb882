"""The filters of blocks of log records in memory, and the condition that lets a query pass over blocks.

A filter is of a block that gets no more rows, so it is right for every state of the store in which the block has rows. What is not known here is read: a filter
that is missing or damaged costs time, and changes no answer.
"""

import threading
import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

import duckdb

from logs.index.grams import SCHEME, Test
from monitor.store.log_conditions import Sql

MOST_BYTES: Final = 64 << 20
"""Filters that are kept in memory, the newest first; further ones are read for each query."""
_MOST_RANGES: Final = 48
"""Ranges of blocks in one condition: where there would be more, some blocks are read for nothing."""
_AT_ONCE: Final = 64
_READ: Final = "SELECT block, scheme, checksum, bits FROM log_blocks WHERE block < $before ORDER BY block DESC"
_NUMBERS: Final = "SELECT block FROM log_blocks WHERE block < $before AND scheme = $scheme"
_NONE_BEFORE: Final = 1 << 62


class LogFilters:
    """The filters of a store; safe from any thread.

    Args:
        most_bytes: of filters in memory.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: dict[int, bytes] = {}
        self._bytes = 0
        self._from = _NONE_BEFORE
        """Filters of blocks from here on are in memory."""
        self._loaded = False

    def load(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read what is stored, once.

        Raises:
            duckdb.Error: the engine failed.
        """
        if self._loaded:
            return
        found: dict[int, bytes] = {}
        room, begin = self._most_bytes, _NONE_BEFORE
        for block, bits in _stored(connection, _NONE_BEFORE):
            if room < len(bits):
                break
            room, begin = room - len(bits), block
            found[block] = bits
        else:
            begin = 0
        with self._lock:
            if not self._loaded:
                self._kept = found | self._kept
                self._bytes = sum(map(len, self._kept.values()))
                self._from, self._loaded = begin, True

    def stored(self, connection: duckdb.DuckDBPyConnection) -> set[int]:
        """The blocks that have a filter.

        Raises:
            duckdb.Error: the engine failed.
        """
        self.load(connection)
        with self._lock:
            kept, begin = set(self._kept), self._from
        return kept | {
            block for (block,) in connection.execute(_NUMBERS, {"before": begin, "scheme": SCHEME}).fetchall()
        }

    def add(self, block: int, bits: bytes) -> None:
        """One that was stored."""
        with self._lock:
            self._kept[block] = bits
            self._bytes += len(bits)
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                oldest = min(self._kept)
                self._bytes -= len(self._kept.pop(oldest))
                self._from = max(self._from, oldest + 1)

    def drop(self, blocks: Iterable[int]) -> None:
        """These have no rows any more."""
        with self._lock:
            for block in blocks:
                self._bytes -= len(self._kept.pop(block, b""))

    def condition(self, connection: duckdb.DuckDBPyConnection, test: Test | None) -> Sql | None:
        """What the block of a record must satisfy; None where every block may have what is looked for.

        Args:
            connection: of the query, for filters that are not in memory.
            test: of what is looked for.

        Raises:
            duckdb.Error: the engine failed, or was interrupted.
        """
        if test is None:
            return None
        self.load(connection)
        with self._lock:
            kept, begin = dict(self._kept), self._from
        without = [block for block, bits in kept.items() if not test(bits)]
        if begin:
            without += [block for block, bits in _stored(connection, begin) if block not in kept and not test(bits)]
        return _outside(without) if without else None


def checksum(bits: bytes) -> int:
    """What is stored with a filter, to know it by."""
    return zlib.crc32(bits)


def _stored(connection: duckdb.DuckDBPyConnection, before: int) -> Iterator[tuple[int, bytes]]:
    """The whole filters of blocks before one, the newest first."""
    found = connection.execute(_READ, {"before": before})
    while rows := found.fetchmany(_AT_ONCE):
        for block, scheme, known_by, bits in rows:
            if scheme == SCHEME and checksum(bits) == known_by:
                yield block, bits


def _outside(blocks: list[int]) -> Sql:
    """A condition that passes over these blocks and no other."""
    runs: list[tuple[int, int]] = []
    for block in sorted(blocks):
        if runs and block == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], block)
        else:
            runs.append((block, block))
    longest = sorted(runs, key=lambda run: run[0] - run[1])[:_MOST_RANGES]
    edges = sorted(longest)
    between = [f"(block > {end} AND block < {begin})" for (_, end), (begin, _) in pairwise(edges)]
    return Sql("(" + " OR ".join([f"block < {edges[0][0]}", *between, f"block > {edges[-1][1]}"]) + ")")
