"""The audit table: what people did to services and processes, as rows of the store and back."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from monitor.api_models.actions import Action
from monitor.store.interface import Append, Store
from monitor.store.lives import times


def action_rows(host: str, action: Action) -> Append:
    """The row of one action."""
    row = {
        "host": pa.array([host]),
        "ts": times([action.ts]),
        "actor": pa.array([action.actor]),
        "action": pa.array([action.action]),
        "target": pa.array([action.target]),
        "pid": pa.array([action.pid], pa.int32()),
        "run": pa.array([None if action.run is None else int(action.run)], pa.int64()),
        "outcome": pa.array([action.outcome]),
        "details": pa.array([json.dumps(action.details)]),
    }
    return Append("actions", pa.table(row))


def stored_actions(store: Store, host: str, filters: Mapping[str, Any], *, limit: int) -> tuple[int, list[Action]]:
    """How many actions match, and the newest of them. Filters: `since`, `until`, `run`, `runs`, `target`; None leaves one out."""
    given = {name: value for name, value in filters.items() if value is not None}
    rows = store.query("actions", host=host, limit=limit, **given).to_pylist()
    return (rows[0]["total"] if rows else 0), [_action(row) for row in rows]


def _action(row: Mapping[str, Any]) -> Action:
    known = {name: row[name] for name in ("ts", "actor", "action", "target", "pid", "outcome")}
    return Action(**known, run=None if row["run"] is None else str(row["run"]), details=json.loads(row["details"]))
