"""The blocks of log records: numbers their rows when they are written, and makes the filter of each block once it is full.

Filters are made from the stored rows, one block at a time, when the writer has nothing else to do. So reading logs costs no more time than without them, and rows of
an older version, or of an agent that was killed, get theirs in the same way.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import duckdb
import pyarrow as pa

from logs.index.grams import SCHEME, Texts, filter_of
from logs.index.needles import NAMES
from monitor.store.duckdb.log_filters import LogFilters, checksum
from monitor.store.interface import Append, Change, Delete, Upsert

ROWS: Final = 122_880
"""Rows of a block: as many as a row group of the store has, so that passing over a block is passing over a row group."""
TABLE: Final = "log_records"
_TEXT_COLUMNS: Final = frozenset({"message", "fields", "prefix", "raw"})
_ROWS_AT_ONCE: Final = 16_384
_ALL: Final = "SELECT block, count(*) FROM log_records GROUP BY block"
_LAST: Final = "SELECT coalesce(max(block), 0) FROM log_blocks"
_SEARCHED: Final = """
SELECT raw, CASE WHEN raw IS NULL OR prefix <> '' THEN concat(prefix, message) END AS line,
  CASE WHEN raw IS NULL AND ({apart}) THEN NULL ELSE message END AS message, CAST(fields AS TEXT) AS fields FROM {rows}
UNION ALL SELECT NULL, * FROM (SELECT DISTINCT {names} FROM {rows})
"""
_APART: Final = "coalesce(prefix, '') = '' OR suffix(prefix, ' ') OR regexp_matches(prefix, '[^[:word:].@/-]$')"
"""Of a record without an original, whether a name at the beginning of its message is one in the whole line too: else the message is looked at by itself."""
_WITH_PAIRS: Final = frozenset({"line", "message", "fields"})
_NUMBER: Final = """
UPDATE log_records SET block = $block
WHERE block = 0 AND rowid < $rows * (1 + (SELECT min(rowid) FROM log_records WHERE block = 0) // $rows)
"""
_UNUSED: Final = "DELETE FROM log_blocks WHERE block NOT IN (SELECT DISTINCT block FROM log_records) RETURNING block"


class LogBlocks:
    """Numbers blocks, and makes their filters. The store's writer uses it, and nobody else.

    Args:
        filters: where made filters go.
        rows: of a block.
    """

    def __init__(self, filters: LogFilters, rows: int = ROWS) -> None:
        self._filters, self._rows = filters, rows
        self._begun = False
        self._next = 1
        self._open = 0
        self._open_rows = 0
        self._full: deque[int] = deque()
        self._unnumbered = False

    def begin(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Find out which blocks there are, once. The newest goes on if it has room and never had a filter.

        Raises:
            duckdb.Error: the engine failed.
        """
        if self._begun:
            return
        self._filters.load(connection)
        rows = dict(connection.execute(_ALL).fetchall())
        self._unnumbered = bool(rows.pop(0, 0))
        last = connection.execute(_LAST).fetchone()
        filtered = int(last[0]) if last else 0
        self._next = max([*rows, filtered]) + 1
        without = sorted(rows.keys() - self._filters.stored(connection))
        newest = without[-1] if without else 0
        if newest > filtered and newest == self._next - 1 and rows[newest] < self._rows // 2:
            self._open = without.pop()
            self._open_rows = rows[self._open]
        else:
            self._open = self._new()
        self._full.extend(without)
        self._begun = True

    def numbered(self, changes: Sequence[Change]) -> list[Change]:
        """The changes, with the block of each record whose text they write."""
        added = sum(change.rows.num_rows for change in changes if _is_added(change))
        block = self._open
        if added >= self._rows // 2:  # the rows of an old file: they are neighbours, and stay so
            block = self._new()
            self._full.append(block)
        else:
            self._open_rows += added
        done = [_with_block(change, block if isinstance(change, Append) else self._open) for change in changes]
        if self._open_rows >= self._rows:
            self._full.append(self._open)
            self._open, self._open_rows = self._new(), 0
        return done

    def _new(self) -> int:
        self._next += 1
        return self._next - 1

    @property
    def due(self) -> bool:
        """Whether there is something to make."""
        return not self._begun or bool(self._full) or self._unnumbered

    def next_full(self, connection: duckdb.DuckDBPyConnection) -> int | None:
        """The next block without a filter; None without one. Rows that belong to none get one. Call it while nobody writes.

        Raises:
            duckdb.Error: the engine failed.
        """
        self.begin(connection)
        if not self._full and self._unnumbered:
            block = self._new()
            row = connection.execute(_NUMBER, {"block": block, "rows": self._rows}).fetchone()
            if row and row[0]:
                self._full.append(block)
            else:
                self._unnumbered = False
        return self._full.popleft() if self._full else None

    def put_back(self, block: int) -> None:
        """Its filter could not be made."""
        self._full.append(block)


def searched(rows: str) -> str:
    """SQL for the texts of records in which something is looked for; names that many of them have come once. `rows` is what stands behind FROM."""
    names = ", ".join(f"concat('{name}=', {name})" for name in NAMES)
    return _SEARCHED.format(rows=rows, names=names, apart=_APART)


def made_filter(connection: duckdb.DuckDBPyConnection, block: int) -> bytes | None:
    """The filter of a block; None of one without rows.

    Raises:
        duckdb.Error: the engine failed, or was interrupted.
    """
    return filter_of_rows(connection.sql(searched("log_records WHERE block = $block"), params={"block": block}))


def filter_of_rows(found: duckdb.DuckDBPyRelation) -> bytes | None:
    """The filter of rows with the columns that `searched` gives; None without rows.

    Raises:
        duckdb.Error: the engine failed, or was interrupted.
    """
    with found.to_arrow_reader(_ROWS_AT_ONCE) as reader:
        rows = 0

        def texts() -> Iterator[Texts]:
            nonlocal rows
            for batch in reader:
                rows += batch.num_rows
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    yield Texts(column, name in _WITH_PAIRS)

        bits = filter_of(texts())
    return bits if rows else None


def filter_row(block: int, bits: bytes) -> Upsert:
    """The change that stores a filter."""
    row = {
        "block": pa.array([block], pa.int64()),
        "scheme": pa.array([SCHEME], pa.int32()),
        "checksum": pa.array([checksum(bits)], pa.int64()),
        "bits": pa.array([bits], pa.binary()),
    }
    return Upsert("log_blocks", pa.table(row), ("block",))


def drop_unused(connection: duckdb.DuckDBPyConnection) -> list[int]:
    """Drop the filters of blocks that have no rows any more; returns their numbers.

    Raises:
        duckdb.Error: the engine failed.
    """
    return [block for (block,) in connection.execute(_UNUSED).fetchall()]


def _is_added(change: Change) -> bool:
    return isinstance(change, Append) and change.table == TABLE


def _with_block(change: Change, block: int) -> Change:
    """A change that writes texts of records says which block they belong to from now on."""
    if change.table != TABLE or isinstance(change, Delete) or not _TEXT_COLUMNS & set(change.rows.column_names):
        return change
    numbers = pa.repeat(pa.scalar(block, pa.int64()), change.rows.num_rows)
    return replace(change, rows=change.rows.append_column("block", numbers))
