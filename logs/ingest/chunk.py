"""A piece of a file as work that any process can do: bytes and what is known about them in, rows of the store out."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pyarrow as pa

from logs.core.format_spec import FormatSpec
from logs.core.timestamps import TimeReader
from logs.parsing.assembly import FROM_LINES, ReadState, Undated, segments
from logs.parsing.chronology import Chronology, may_be_twice
from logs.parsing.columns import HeaderColumns, HeaderReader, Lines, plain_lines, reader_of
from logs.parsing.formats import Format, RegexFormat, Registry
from logs.parsing.formats.user import UserFormat
from logs.parsing.parser import BlockParser
from logs.parsing.reader.layout import Layout
from logs.parsing.rows import Owner, Rows, owned, same_text
from logs.parsing.shape import Shape
from logs.redaction.line_mask import LineMask

_DENSE = 4
"""One line in so many may be read by itself; where there are more, columns do not pay."""


_READERS = 256


class Chunk(msgspec.Struct, frozen=True):
    """What is known about the bytes of a piece: it begins at offset `base`, with the line `line_no`, where a record with a time of its own begins.

    `shape` says how the file is read, `forced` the name of the only format tried. Times are µs.
    """

    base: int
    line_no: int
    shape: Shape
    forced: str | None
    mtime: int
    file_id: int
    source: str
    host: str
    ingested: int
    limit: int
    """Bytes of the longest record."""
    own: FormatSpec | None = None
    """The forced format, where a person described it."""
    chronology: Chronology | None = None
    """On which days the file was written, where its times do not say it."""


class Answer(msgspec.Struct, frozen=True):
    """What came out besides the rows: how the next piece is most likely read, the bytes cut off, the last record's time."""

    shape: Shape
    lost: int
    last_ts: int | None
    error: str | None = None


class ChunkParser:
    """Parses pieces of any files, one after the other.

    Args:
        mask: hides secrets in a text.
        by_columns: read lines of one form together where that pays; the rows are the same without, and take longer.
    """

    def __init__(self, mask: LineMask, *, by_columns: bool = True) -> None:
        self._mask, self._by_columns = mask, by_columns
        self._registry = Registry()
        self._mtime = 0
        self._times = TimeReader(lambda: self._mtime)
        self._readers: dict[Layout | RegexFormat, HeaderReader | None] = {}
        self._own: UserFormat | None = None

    def parse(self, chunk: Chunk, data: bytes) -> tuple[pa.Table, Answer]:
        """The rows of `data`, without the runs they belong to.

        Raises:
            LogsError: the forced format is unknown.
        """
        if self._mtime != chunk.mtime:
            self._mtime = chunk.mtime
            self._times = TimeReader(lambda: self._mtime)
        registry = self._registry
        forced = self._forced(chunk)
        parser = BlockParser(registry, self._times, self._mask, forced, chunk.shape.order)
        if forced is None:
            parser.take(chunk.shape)
            parser.restamp(data)
        undated = Undated(chunk.mtime, "mtime")
        parser.chronology = chunk.chronology
        together = self._by_columns and chunk.chronology is None
        found = self._by_column(parser, chunk, data, undated) if together else None
        columns, lost = found if found is not None else _by_row(parser, chunk, data, undated)
        last = columns.num_rows and columns.column("ts_from")[-1].as_py() in FROM_LINES
        last_ts = columns.column("ts")[-1].cast(pa.int64()).as_py() if last else None
        table = owned(columns, Owner(chunk.file_id, chunk.source), chunk.host, chunk.ingested)
        return table, Answer(parser.shape, lost, last_ts)

    def _forced(self, chunk: Chunk) -> list[Format] | None:
        if chunk.own is None:
            return self._registry.named(chunk.forced) if chunk.forced is not None else None
        if self._own is None or self._own.spec != chunk.own:
            self._own = UserFormat(chunk.own)
        return [self._own]

    def _by_column(
        self, parser: BlockParser, chunk: Chunk, data: bytes, undated: Undated
    ) -> tuple[pa.Table, int] | None:
        """The columns of `data` and how many bytes were cut; None where columns would not pay, or not say the same."""
        reader = self._reader(parser)
        lines = plain_lines(data) if reader is not None else None
        suspects = self._mask.suspects(data, lines.ends) if lines is not None else None
        if reader is None or lines is None or suspects is None:
            return None
        groups, alone = reader.found(lines)
        alone[suspects] = False
        alone[lines.ends - lines.starts >= chunk.limit] = False
        others = np.flatnonzero(~alone)
        if len(others) * _DENSE > len(alone):
            return None
        apart = segments(others.tolist())
        for first, last in apart:
            alone[first:last] = False
        headers = reader.columns(lines, groups, alone, self._times)
        if headers is None or (len(headers.ts) and may_be_twice(int(headers.ts.min()), int(headers.ts.max()))):
            return None
        rows = _apart(parser, chunk, lines, headers, apart, undated, self._mask if suspects else str)
        lost = rows.shorten(chunk.limit)
        return _merged(_table(headers, chunk, lines, reader.format.name), rows), lost

    def _reader(self, parser: BlockParser) -> HeaderReader | None:
        fmt, shape = parser.primary, parser.shape
        if not isinstance(fmt, RegexFormat) or fmt.wraps or shape.outline:
            return None
        key = shape.layouts[0] if shape.learned else fmt  # of equal layouts each parser has a format of its own
        if key not in self._readers:
            if len(self._readers) > _READERS:
                self._readers.clear()
            self._readers[key] = reader_of(fmt)
        return self._readers[key]


def _by_row(parser: BlockParser, chunk: Chunk, data: bytes, undated: Undated) -> tuple[pa.Table, int]:
    rows = parser.parse(data, chunk.base, ReadState(line_no=chunk.line_no), undated)
    lost = rows.shorten(chunk.limit)
    return rows.columns(), lost


def _apart(  # noqa: PLR0917 - one block and what is known about it
    parser: BlockParser,
    chunk: Chunk,
    lines: Lines,
    headers: HeaderColumns,
    parts: Sequence[tuple[int, int]],
    undated: Undated,
    mask: Callable[[str], str],
) -> Rows:
    """The records of some runs of lines, each run read line by line."""
    rows, done = Rows(), 0
    for first, last in parts:
        before = int(np.searchsorted(headers.number, first)) - 1
        previous = _lent(rows)
        if before >= 0 and headers.number[before] >= done:
            previous = int(headers.ts[before])
        text = mask(lines.data[lines.starts[first] : lines.ends[last - 1]].decode())
        end = len(lines.data) if last == len(lines.starts) else int(lines.starts[last])
        starts = (lines.starts[first:last] + chunk.base).tolist()
        state = ReadState(chunk.line_no + first, previous)
        rows.extend(parser.by_line(text, text, starts, chunk.base + end, state, undated))
        done = last
    return rows


def _lent(rows: Rows) -> int | None:
    """The time that the last record may lend to a line without one."""
    return rows.ts[-1] if rows.ts and rows.ts_from[-1] in FROM_LINES else None


def _table(headers: HeaderColumns, chunk: Chunk, lines: Lines, name: str) -> pa.Table:
    count = len(headers.number)
    columns = {
        "pos": pa.array(lines.starts[headers.number] + chunk.base),
        "ts": pa.array(headers.ts).view(pa.timestamp("us")),
        "ts_from": same_text("line", count),
        "level": pa.array(headers.level),
        "prefix": headers.prefix,
        "message": headers.message,
        "lines": pa.array(np.ones(count, np.int32)),
        "format": same_text(name, count),
        "line_no": pa.array(headers.number + chunk.line_no),
    }
    named = (("logger", headers.logger), ("pid", headers.pid))
    return pa.table(columns | {column: values for column, values in named if values is not None})


def _merged(table: pa.Table, rows: Rows) -> pa.Table:
    """Both, in file order."""
    if not rows:
        return table
    both = pa.concat_tables([table, rows.columns()], promote_options="default").combine_chunks()
    return both.take(pa.array(np.argsort(np.asarray(both.column("pos")), kind="stable")))
