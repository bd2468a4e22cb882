"""Alerts as rows of the store, and back."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from logs import LogRecord
from logs.core.levels import NAMES
from monitor.api_models.events import Alert, AlertRecord
from monitor.store.interface import Store, Upsert
from monitor.store.lives import times

MESSAGE_CHARS: Final = 500
"""So much of a message is kept."""


def alert_rows(host: str, alerts: Mapping[str, Alert]) -> Upsert:
    """The rows of alerts, by what they are about (as a machine knows it; see `Value.subject`). Rows with the same id replace each other."""
    found = list(alerts.values())
    runs = [sorted({int(run) for run in (one.run, *(culprit.run for culprit in one.culprits)) if run}) for one in found]
    table = pa.table(
        {
            "host": pa.array([host] * len(found)),
            "id": pa.array([one.id for one in found]),
            "ts": times([one.started for one in found]),
            "ended": times([one.ended for one in found]),
            "rule": pa.array([one.rule for one in found]),
            "subject": pa.array(list(alerts)),
            "runs": pa.array(runs, pa.list_(pa.int64())),
            "details": pa.array([one.model_dump_json() for one in found]),
        }
    )
    return Upsert("alerts", table, ("host", "id"))


def stored_alerts(
    store: Store, host: str, filters: Mapping[str, Any], *, limit: int
) -> tuple[int, Sequence[tuple[str, Alert]]]:
    """How many alerts match, and the first of them with what they are about. Filters: `open`, `since`, `until` (µs), `rule`, `run`, `id`; None leaves one out."""
    given = {name: value for name, value in filters.items() if value is not None}
    rows = store.query("alerts", host=host, limit=limit, **given).to_pylist()
    found = [(row["subject"], Alert.model_validate_json(row["details"])) for row in rows]
    return (rows[0]["total"] if rows else 0), found


def passes(alert: Alert, filters: Mapping[str, Any]) -> bool:
    """As the store would say (see `stored_alerts`)."""
    run, since, until = filters.get("run"), filters.get("since"), filters.get("until")
    runs = {alert.run, *(one.run for one in alert.culprits)}
    return (
        (filters.get("rule") in {None, alert.rule})
        and (run is None or str(run) in runs)
        and (since is None or alert.ended is None or alert.ended >= since)
        and (until is None or alert.started < until)
        and not (filters.get("open") and alert.ended is not None)
    )


def shown_record(record: LogRecord) -> AlertRecord:
    """A record as an alert keeps it."""
    return AlertRecord(
        id=record.id,
        ts=record.ts,
        level=NAMES.get(record.level),
        source=record.source,
        message=record.message[:MESSAGE_CHARS],
    )
