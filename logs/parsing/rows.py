"""Records of one file as columns: the shape in which they travel from the parser to the store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final

import pyarrow as pa

from logs.core.record import LogRecord

_US: Final = pa.timestamp("us")


@dataclass(slots=True)
class Rows:
    """Parallel lists, one entry a record, in file order. `end` is the offset behind the record's last byte.

    `raw` is None where `prefix + message` is the original.
    """

    pos: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    line_no: list[int] = field(default_factory=list)
    ts: list[int] = field(default_factory=list)
    ts_from: list[str] = field(default_factory=list)
    level: list[int] = field(default_factory=list)
    logger: list[str | None] = field(default_factory=list)
    pid: list[int | None] = field(default_factory=list)
    prefix: list[str] = field(default_factory=list)
    message: list[str] = field(default_factory=list)
    raw: list[str | None] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    fields: list[str | None] = field(default_factory=list)
    format: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pos)

    def part(self, begin: int, end: int) -> "Rows":
        """The records with numbers `begin` to `end`."""
        return Rows(*(getattr(self, name)[begin:end] for name in self.__slots__))

    def extend(self, other: "Rows") -> None:
        """Add the records of `other` behind these."""
        for name in self.__slots__:
            getattr(self, name).extend(getattr(other, name))

    def shorten(self, limit: int) -> int:
        """Cut records longer than `limit` bytes; returns how many bytes went."""
        lost = 0
        for number, (pos, end) in enumerate(zip(self.pos, self.end, strict=True)):
            if end - pos > limit and len(self.message[number]) > limit:
                lost += end - pos - limit
                self.message[number] = self.message[number][:limit]
                raw = self.raw[number]
                self.raw[number] = raw[:limit] if raw is not None else None
        return lost

    def records(self, owner: "Owner") -> Iterator[LogRecord]:
        """The records one by one, for live subscribers."""
        number = len(self)
        line_no = self.line_no if owner.numbered else repeat(None, number)
        runs = owner.runs if owner.runs is not None else repeat(owner.run, number)
        columns = (
            self.ts,
            self.ts_from,
            self.level,
            repeat(owner.source, number),
            self.logger,
            self.pid,
            runs,
            self.prefix,
            self.message,
        )
        rest = (self.raw, self.lines, self.fields, self.format)
        return map(LogRecord._make, zip(repeat(owner.file_id, number), self.pos, line_no, *columns, *rest, strict=True))

    def table(self, owner: "Owner", host: str, ingested: int) -> pa.Table:
        """The rows of `log_records`; columns in which nothing stands are left out."""
        return owned(self.columns(), owner, host, ingested)

    def columns(self) -> pa.Table:
        """Like `table`, without what all records of a file share."""
        columns: dict[str, pa.Array] = {
            "pos": pa.array(self.pos, pa.int64()),
            "ts": pa.array(self.ts, pa.int64()).view(_US),
            "ts_from": _text(self.ts_from),
            "level": pa.array(self.level, pa.uint8()),
            "prefix": pa.array(self.prefix, pa.string()),
            "message": pa.array(self.message, pa.string()),
            "lines": pa.array(self.lines, pa.int32()),
            "format": _text(self.format),
            "line_no": pa.array(self.line_no, pa.int64()),
        }
        if _any(self.pid):
            columns["pid"] = pa.array(self.pid, pa.int32())
        for name, values in (("logger", self.logger), ("raw", self.raw), ("fields", self.fields)):
            if _any(values):
                columns[name] = _text(values) if name == "logger" else pa.array(values, pa.string())
        return pa.table(columns)


def owned(columns: pa.Table, owner: "Owner", host: str, ingested: int) -> pa.Table:
    """The columns of records with those that all of them share."""
    number = columns.num_rows
    shared: dict[str, pa.Array] = {
        "host": same_text(host, number),
        "file_id": pa.repeat(pa.scalar(owner.file_id, pa.int64()), number),
        "ingested": pa.repeat(pa.scalar(ingested, pa.int64()), number).view(_US),
        "source": same_text(owner.source, number),
    }
    if owner.runs is not None:
        shared["run"] = pa.array(owner.runs, pa.int64())
    elif owner.run is not None:
        shared["run"] = pa.repeat(pa.scalar(owner.run, pa.int64()), number)
    if not owner.numbered:
        columns = columns.drop_columns("line_no")
    return pa.table({**shared, **{name: columns.column(name) for name in columns.column_names}})


@dataclass(frozen=True, slots=True)
class Owner:
    """What all records of a batch share: the file, its source and, where one program alone writes it, the run; else `runs` has one a record."""

    file_id: int
    source: str
    run: int | None = None
    runs: list[int | None] | None = None
    numbered: bool = True


def _any(values: Sequence[object]) -> bool:
    return values.count(None) < len(values)


def same_text(value: str, number: int) -> pa.Array:
    """A column of one text."""
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), number), pa.array([value], pa.string()))


def _text(values: Sequence[str | None]) -> pa.Array:
    """Texts of which there are few."""
    if values and values.count(values[0]) == len(values) and values[0] is not None:
        return same_text(values[0], len(values))
    return pa.array(values, pa.string()).dictionary_encode()
