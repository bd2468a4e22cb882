"""A piece of a file as work that any process can do: bytes and what is known about them in, rows of the store out."""

from collections.abc import Callable

import msgspec
import pyarrow as pa

from logs.formats import Registry
from logs.parser import BlockParser, ReadState, Undated
from logs.rows import Owner
from logs.times import TimeReader


class Chunk(msgspec.Struct, frozen=True):
    """What is known about the bytes of a piece: it begins at offset `base`, with the line `line_no`, where a record with a time of its own begins.

    `primary` is the format's place in the registry, `forced` the name of the only format tried. Times are µs.
    """

    base: int
    line_no: int
    primary: int
    forced: str | None
    mtime: int
    file_id: int
    source: str
    host: str
    ingested: int
    limit: int
    """Bytes of the longest record."""


class Answer(msgspec.Struct, frozen=True):
    """What came out besides the rows: the format that the next piece is most likely of, the bytes cut off, the last record's time."""

    primary: int
    lost: int
    last_ts: int | None
    error: str | None = None


class ChunkParser:
    """Parses pieces of any files, one after the other.

    Args:
        mask: hides secrets in a text.
    """

    def __init__(self, mask: Callable[[str], str]) -> None:
        self._mask = mask
        self._registry = Registry()
        self._mtime = 0
        self._times = TimeReader(lambda: self._mtime)

    def parse(self, chunk: Chunk, data: bytes) -> tuple[pa.Table, Answer]:
        """The rows of `data`, without the runs they belong to.

        Raises:
            LogsError: the forced format is unknown.
        """
        if self._mtime != chunk.mtime:
            self._mtime = chunk.mtime
            self._times = TimeReader(lambda: self._mtime)
        registry = self._registry
        forced = registry.named(chunk.forced) if chunk.forced is not None else None
        parser = BlockParser(registry, self._times, self._mask, forced)
        if forced is None:
            parser.take(registry.at(chunk.primary))
        rows = parser.parse(data, chunk.base, ReadState(line_no=chunk.line_no), Undated(chunk.mtime, "mtime"))
        lost = rows.shorten(chunk.limit)
        table = rows.table(Owner(chunk.file_id, chunk.source), chunk.host, chunk.ingested)
        return table, Answer(registry.place(parser.primary), lost, rows.ts[-1] if rows.ts else None)
