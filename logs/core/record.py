"""One log record: an entry, however many lines it has."""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from logs.core import access
from logs.core.levels import NAMES

_CODE: Final = re.compile(
    r"\x1b\[([\d;:]*)m|\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\^_=>78cDEHM]|[()][A-Z0-9])|\x1b|[\x01-\x08\x0e\x0f]"
)
"""A colour of a terminal, or any other code of one."""
_BACK: Final = frozenset({"", "0", "00"})
_MOST: Final = 2000
"""Characters of an original in which a list of records looks for colours."""
_MOST_FIELDS: Final = 20_000
"""Characters of the fields that a list of records has: a stack fits in, a whole document does not."""


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

    @property
    def line(self) -> str:
        """The whole text without the codes of a terminal, as far as it is shown."""
        return (self.prefix or "") + self.message

    def original(self) -> str:
        """The whole text as it was written, secrets masked."""
        return self.raw if self.raw is not None else (self.prefix or "") + self.message


def coloured(record: LogRecord) -> str | None:
    """The first line of the message with the colours that it was written in, as a terminal's codes; None where it has none, or is not in the original as it is."""
    raw = record.raw
    if raw is None or "\x1b[" not in raw:
        return None
    before, plain = len(record.prefix or ""), record.message.split("\n", 1)[0]
    standing: list[str] = []
    parts: list[str] = []
    found = 0
    for piece, colour in _pieces(raw[: before + _MOST]):
        text = piece[before:].split("\n", 1)[0]
        before = max(before - len(piece), 0)
        if plain[found : found + len(text)] != text:
            return None
        found += len(text)
        if text:
            parts.append(text)
        if found == len(plain) and not before:
            break
        if colour is not None and parts:
            parts.append(f"\x1b[{colour}m")
        elif colour is not None:
            standing = [] if colour in _BACK else [*standing, f"\x1b[{colour}m"]
    return "".join(standing + parts) if standing or any(part.startswith("\x1b") for part in parts) else None


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """Each text between two codes, and the colour that is set behind it; None where the code sets none."""
    begin = 0
    for match in _CODE.finditer(text):
        yield text[begin : match.start()], match[1]
        begin = match.end()
    yield text[begin:], None


def record_json(record: LogRecord) -> dict[str, Any]:
    """The record as the API gives it in lists: identities as decimal strings, the level as a word or None, and its fields where it has any (all but very long ones)."""
    colours = coloured(record)
    text = record.fields
    fields = shown_fields(record) if text is None or len(text) <= _MOST_FIELDS else None
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
        **({} if colours is None else {"coloured": colours}),
        **({"fields": fields} if fields else {}),
    }


def record_detail(record: LogRecord, path: str | None) -> dict[str, Any]:
    """The record with its fields, its original and the file it stands in."""
    return {**record_json(record), "fields": shown_fields(record), "raw": record.original(), "path": path}


def shown_fields(record: LogRecord) -> Any:
    """The fields of a record, and what its line says as one of an access log."""
    own = msgspec.json.decode(record.fields) if record.fields else {}
    found = access.fields(record.line)
    return found | own if found and isinstance(own, dict) else own
