"""Templates of log records in the store, and as `logs.patterns.book` knows them."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
import pyarrow as pa

from logs.core.levels import NAMES
from logs.patterns.book import Template
from logs.patterns.news import PatternNews
from monitor.api_models.events import ProcessEvent
from monitor.store.interface import Upsert
from monitor.store.lives import times

_LONGEST: Final = 500


def template_rows(templates: Iterable[Template], host: str) -> Upsert:
    """The change that stores these templates."""
    rows = list(templates)
    columns: dict[str, Any] = {
        "host": pa.repeat(pa.scalar(host, pa.string()), len(rows)),
        "number": pa.array([row.number for row in rows], pa.int64()),
        "pattern": pa.array([row.pattern for row in rows], pa.int64()),
        "words": pa.array([msgspec.json.encode(row.words).decode() for row in rows], pa.string()),
        "level": pa.array([row.level for row in rows], pa.uint8()),
        "learned": pa.array([row.learned for row in rows], pa.bool_()),
    }
    for name in ("id", "text", "example", "source"):
        columns[name] = pa.array([getattr(row, name) for row in rows], pa.string())
    for name in ("first_seen", "last_seen", "noticed"):
        columns[name] = times([getattr(row, name) for row in rows])
    return Upsert("log_templates", pa.table(columns), ("host", "number"))


def pattern_event(news: PatternNews) -> ProcessEvent:
    """The event that tells of new patterns."""
    one = news.template
    said = "new log pattern: " if news.count == 1 else f"{news.count} new log patterns, such as: "
    details: dict[str, Any] = {
        "message": f"{said}{one.text}"[:_LONGEST],
        "pattern": one.number,
        "pattern_id": one.id,
        "level": NAMES.get(one.level),
        "example": one.example[:_LONGEST],
    }
    if news.count > 1:
        details["count"] = news.count
    return ProcessEvent(
        timestamp=news.at, process_name=news.source[:300] or "log", event_type="NEW_PATTERN", details=details
    )


def stored_templates(rows: pa.Table) -> list[Template]:
    """The rows of the query `log_templates`."""
    names = Template.__slots__
    return [
        Template(**{**{name: row[name] for name in names}, "words": tuple(msgspec.json.decode(row["words"]))})
        for row in rows.select(list(names)).to_pylist()
    ]
