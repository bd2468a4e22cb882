"""Events of processes as rows of the store, and back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from monitor.api_models.events import Performance, ProcessEvent
from monitor.store.interface import Append, Store
from monitor.store.lives import times

SUBJECT = "process"
"""What tells these events from those of every run that are kept for its own page (`run`), and from those of the watch."""


def event_rows(host: str, events: Sequence[ProcessEvent]) -> Append:
    """One row an event."""
    count = len(events)
    return Append(
        "events",
        pa.table(
            {
                "host": pa.array([host] * count),
                "ts": times([event.timestamp for event in events]),
                "kind": pa.array([event.event_type for event in events]),
                "subject": pa.array([SUBJECT] * count),
                "run": pa.array([None if event.run is None else int(event.run) for event in events], pa.int64()),
                "name": pa.array([_text(event.process_name) for event in events]),
                "message": pa.array([_text(str(event.details.get("message", ""))) for event in events]),
                "details": pa.array([_text(_json(event)) for event in events]),
            }
        ),
    )


def stored_events(store: Store, host: str, filters: Mapping[str, Any], *, limit: int) -> tuple[int, list[ProcessEvent]]:
    """How many events match, and the newest of them. Filters: `q`, `kinds`, `pattern_levels`, `since`, `until`, `run`, `runs`; None leaves one out.

    With `runs`, alerts of the machine are among them: they are about everybody who ran then.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    rows = store.query("process_events", host=host, limit=limit, **given).to_pylist()
    return (rows[0]["total"] if rows else 0), [_event(row) for row in rows]


def _event(row: Mapping[str, Any]) -> ProcessEvent:
    kept = json.loads(row["details"])
    return ProcessEvent(
        timestamp=row["ts"],
        process_name=row["name"],
        event_type=row["kind"],
        details=kept["details"],
        performance=None if kept["performance"] is None else Performance(**kept["performance"]),
        pid=kept["pid"],
        run=None if row["run"] is None else str(row["run"]),
        origin=kept["origin"],
    )


def _json(event: ProcessEvent) -> str:
    return json.dumps(event.model_dump(include={"details", "performance", "pid", "origin"}), default=str)


def _text(value: str) -> str:
    """Text for Arrow: lone surrogates (bytes that were not UTF-8) become U+FFFD."""
    return value.encode("utf-8", "replace").decode("utf-8")
