"""Templates of log records in the store, and as `logs.patterns.book` knows them."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pyarrow as pa

from logs.patterns.book import Template
from monitor.store.interface import Upsert
from monitor.store.lives import times


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


def stored_templates(rows: pa.Table) -> list[Template]:
    """The rows of the query `log_templates`."""
    names = Template.__slots__
    return [
        Template(**{**{name: row[name] for name in names}, "words": tuple(msgspec.json.decode(row["words"]))})
        for row in rows.select(list(names)).to_pylist()
    ]
