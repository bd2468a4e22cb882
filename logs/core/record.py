"""One log record: an entry, however many lines it has."""

from typing import Any, NamedTuple

import msgspec

from logs.core.levels import NAMES


class LogRecord(NamedTuple):
    """One record, as stored and as sent to live subscribers.

    `pos` is the byte offset of its first byte; `prefix + message` is the original text when `raw` is None (an original with
    colour codes or broken bytes has them in `raw`). `ts_from`: `line`, `previous`, `start` (the line
    says how long after the start of its program it was written), `mtime` or `ingest`. `fields` is JSON text.
    """

    file_id: int
    pos: int
    line_no: int | None
    ts: int
    ts_from: str
    level: int
    source: str
    logger: str | None
    pid: int | None
    run: int | None
    prefix: str | None
    message: str
    raw: str | None
    lines: int
    fields: str | None
    format: str

    @property
    def id(self) -> str:
        """`<file_id>:<pos>`."""
        return f"{self.file_id}:{self.pos}"

    def original(self) -> str:
        """The whole text as it was written, secrets masked."""
        return self.raw if self.raw is not None else (self.prefix or "") + self.message


def record_json(record: LogRecord) -> dict[str, Any]:
    """The record as the API gives it in lists: identities as decimal strings, the level as a word or None."""
    return {
        "id": record.id,
        "ts": record.ts,
        "level": NAMES.get(record.level),
        "source": record.source,
        "logger": record.logger,
        "pid": record.pid,
        "run": None if record.run is None else str(record.run),
        "message": record.message,
        "lines": record.lines,
        "format": record.format,
        "file_id": str(record.file_id),
        "pos": record.pos,
        "line_no": record.line_no,
    }


def record_detail(record: LogRecord, path: str | None) -> dict[str, Any]:
    """The record with its fields, its original and the file it stands in."""
    fields = msgspec.json.decode(record.fields) if record.fields else {}
    return {**record_json(record), "fields": fields, "raw": record.original(), "path": path}
