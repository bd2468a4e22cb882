"""Rows of `events` about the watch itself: GAP, CLOCK_STEP, LOST."""

import json
from typing import Any

import pyarrow as pa

from monitor.store.interface import Append

SUBJECT = "watch"


def watch_event(host: str, ts: int, kind: str, message: str, **details: Any) -> Append:
    """One event of the watch at `ts` (µs)."""
    row = {
        "host": pa.array([host]),
        "ts": pa.array([ts], pa.timestamp("us")),
        "kind": pa.array([kind]),
        "subject": pa.array([SUBJECT]),
        "name": pa.array(["watchkeeper"]),
        "message": pa.array([message]),
        "details": pa.array([json.dumps(details)]),
    }
    return Append("events", pa.table(row))
