"""Exports the records of a filter as JSON lines or CSV: the newest ones up to a limit, oldest first. Times are ISO 8601, UTC, to the microsecond."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from monitor.api_models.logs import Record
from monitor.client.client import Client

MOST: Final = 100_000
"""Most records in one file."""
PAGE: Final = 2000
COLUMNS: Final = ("id", "ts", "level", "source", "logger", "pid", "run", "line_no", "message")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def json_lines(client: Client, filters: Mapping[str, Any], most: int = MOST) -> bytes:
    """One JSON object per line.

    Raises:
        AgentUnreachable, AgentRefused: see `monitor.client.client`.
    """
    pages = [
        b"".join(
            json.dumps(_values(record), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
            + b"\n"
            for record in page
        )
        for page in _pages(client, filters, most)
    ]
    return b"".join(reversed(pages))


def csv_text(client: Client, filters: Mapping[str, Any], most: int = MOST) -> bytes:
    """CSV with a header row. A cell that a spreadsheet would run as a formula gets a leading apostrophe.

    Raises:
        AgentUnreachable, AgentRefused: see `monitor.client.client`.
    """
    head = io.StringIO(newline="")
    csv.writer(head).writerow(COLUMNS)
    pages = [_rows(page) for page in _pages(client, filters, most)]
    return (head.getvalue() + "".join(reversed(pages))).encode("utf-8", "surrogatepass")


def _pages(client: Client, filters: Mapping[str, Any], most: int) -> Iterator[list[Record]]:
    """Pages from the newest to the oldest, each oldest first, `most` records in all."""
    before: str | None = None
    left = most
    while left > 0:
        page = client.log_records(dict(filters), limit=min(PAGE, left), before=before)
        if page.records:
            yield page.records
        left -= len(page.records)
        before = page.older
        if before is None or not page.records:
            return


def _rows(page: list[Record]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for record in page:
        values = _values(record)
        writer.writerow([_cell(values[name]) for name in COLUMNS])
    return out.getvalue()


def _values(record: Record) -> dict[str, Any]:
    """The values of a record, with its time in ISO 8601."""
    moment = _EPOCH + timedelta(microseconds=record.ts)
    return record.model_dump(mode="json") | {"ts": moment.isoformat(timespec="microseconds")}


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
