"""Sorts readings of processes by run once they are some minutes old. They then take about two thirds of the space.

On arrival, the readings of one second are together, and neighbours have nothing in common. The readings of one run hardly
change from second to second. A window is copied in order and its old rows are deleted, in one transaction.
"""

from typing import Final

import duckdb

from monitor.store.duckdb.engine import transaction
from monitor.store.tiers import MINUTE, SECOND

WINDOW: Final = 10 * MINUTE
GRACE: Final = 30 * SECOND
"""How late a sample may arrive and still be sorted."""
MOST_ROWS: Final = 400_000
"""Rows to sort at once: as many as certainly fit into the engine's memory."""
_COUNT: Final = (
    "SELECT count(*), max(rowid) FROM run_samples WHERE ts >= make_timestamp($start) AND ts < make_timestamp($end)"
)
_COPY: Final = """
INSERT INTO run_samples
SELECT * FROM run_samples WHERE ts >= make_timestamp($start) AND ts < make_timestamp($end) ORDER BY run, ts
"""
_DROP: Final = (
    "DELETE FROM run_samples WHERE ts >= make_timestamp($start) AND ts < make_timestamp($end) AND rowid <= $last"
)


class Settling:
    """Sorts windows one after another, from the one in which this object was created."""

    def __init__(self) -> None:
        self._done: int | None = None

    def run(self, connection: duckdb.DuckDBPyConnection, now: int) -> int:
        """Sort what is old enough at `now` (µs); returns the number of rows.

        Raises:
            duckdb.Error: the engine refused; the rows are as they were.
        """
        end = now - GRACE
        end -= end % WINDOW
        if self._done is None or end < self._done:
            self._done = end
        start, self._done = max(self._done, end - WINDOW), end  # after a sleep of the machine only the newest window
        if start >= end:
            return 0
        row = connection.execute(_COUNT, _bounds(start, end)).fetchone()
        parts = -(-int(row[0]) // MOST_ROWS) if row else 0
        width = (end - start) // max(parts, 1) + 1
        return sum(_settle(connection, low, min(low + width, end)) for low in range(start, end, width) if parts)


def _settle(connection: duckdb.DuckDBPyConnection, start: int, end: int) -> int:
    bounds = _bounds(start, end)
    with transaction(connection):
        row = connection.execute(_COUNT, bounds).fetchone()
        count, last = (int(row[0]), row[1]) if row else (0, None)
        if last is not None:
            connection.execute(_COPY, bounds)
            connection.execute(_DROP, {**bounds, "last": last})
    return count


def _bounds(start: int, end: int) -> dict[str, int]:
    return {"start": start, "end": end}
