"""What is kept how long, and what goes first when the byte limit is reached.

The limit is on the files. A checkpoint writes new blocks before it frees the old ones (measured: up to as much again as is in use, in a
small store), and freed blocks are used again before the file grows. So rows are dropped as soon as what is in use, with the write-ahead
log, leaves less than that headroom below the limit; the file then stays under the limit without being rewritten.

Ages are reckoned by the wall clock, which may be wrong: a machine can start years ahead and be corrected minutes later. So nothing
goes by its age until the watch has known this time for some hours, and rows from the future are the first to make room.
"""

from dataclasses import dataclass
from typing import Final

import duckdb

from monitor.store.engine import Engine
from monitor.store.tiers import DAY, HOUR, MINUTE

HEADROOM: Final = 0.15
SMALL_HEADROOM: Final = (0.55, 200 * 1024 * 1024)
"""What a checkpoint may need: this share of the limit, in a small store up to that many bytes."""
TARGET: Final = 0.85
"""How much of the bytes allowed in use is left after dropping."""
LEAST_LIMIT: Final = 16 * 1024 * 1024
DROP_ORDER: Final = (
    "run_samples",
    "gpu_run_samples",
    "device_samples",
    "gpu_samples",
    "disk_space",
    "log_records",
    "ai_calls",
    "host_samples",
    "benchmark_samples",
    "events",
    "gpu_samples_1m",
    "host_samples_1m",
    "benchmark_runs",
)
"""Who gives first. Passes keep the newest day, then the newest hour, then the newest minute of each table."""
_AGED_BY: Final = {"log_records": "ingested", "benchmark_runs": "started"}
"""What tells a table's age: a log file of last year that is read today is kept as long as today's lines."""
_TIME: Final = {"benchmark_runs": "started"}
"""The time of a row, where it is not `ts`."""
PASSES: Final = (DAY, HOUR, MINUTE)
WORTH: Final = 0.05
"""A table that holds a smaller share of the values is spared until the last pass: its rows would be lost for nothing."""
KNOWN_AFTER: Final = 6 * HOUR
"""A reading this old, by the clock, and no older than `KNOWN_SINCE`, shows that the clock did not just jump here."""
KNOWN_SINCE: Final = 2 * DAY
_SLICES: Final = 6
"""A table gives a sixth of its time at once."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How long rows are kept, in days."""

    raw_days: float = 7
    log_days: float = 30
    minute_days: float = 90
    hour_days: float = 730

    def of(self, table: str) -> int:
        """The age at which rows of `table` go, µs."""
        days = {
            "log_records": self.log_days,
            "host_samples_1m": self.minute_days,
            "gpu_samples_1m": self.minute_days,
            "events": self.minute_days,
            "benchmark_samples": self.minute_days,
            "benchmark_runs": self.hour_days,
            "host_samples_1h": self.hour_days,
            "gpu_samples_1h": self.hour_days,
        }.get(table, self.raw_days)
        return int(days * DAY)


class Retention:
    """Drops what is too old, and what is too much.

    Args:
        limit_bytes: the most that the files may take; at least 16 MiB.
        ages: how long rows are kept.
    """

    def __init__(self, *, limit_bytes: int, ages: Ages) -> None:
        self.limit_bytes = max(limit_bytes, LEAST_LIMIT)
        self.tight_bytes = self.limit_bytes - _headroom(self.limit_bytes)
        self._ages = ages

    def drop_old(self, engine: Engine, now: int) -> int:
        """Drop rows past their age, by whole hours; returns how many. None while the clock is not known to be right."""
        gone = 0
        if not _is_known(engine.connection, now):
            return gone
        for table in (*DROP_ORDER, "host_samples_1h", "gpu_samples_1h"):
            cut = now - self._ages.of(table)
            cut -= cut % HOUR
            gone += _delete_before(engine.connection, table, cut, by=_AGED_BY.get(table, "ts"))
        cut = now - self._ages.of("events")
        sql = "DELETE FROM runs WHERE end_ts < make_timestamp($cut)"
        row = engine.connection.execute(sql, {"cut": cut}).fetchone()
        gone += int(row[0]) if row else 0
        return gone

    def drop_excess(self, engine: Engine, now: int, *, coming: int = 0) -> int:
        """Drop the oldest rows until the files hold little enough; returns how many.

        Args:
            engine: the store.
            now: µs since the epoch; rows more than a day later go first, unless this time is news itself.
            coming: bytes about to be written.
        """
        if engine.used_bytes() + coming <= self.tight_bytes:
            return 0
        target = max(int(self.tight_bytes * TARGET) - coming, self.tight_bytes // 3)
        gone = 0
        with engine.exclusive():  # a reader's snapshot would keep the deleted rows' blocks
            engine.connection.execute("CHECKPOINT")
            if _is_known(engine.connection, now):
                gone += sum(_delete_after(engine.connection, table, now + DAY) for table in DROP_ORDER)
                engine.connection.execute("CHECKPOINT")
            for keep in PASSES:
                weights = _weights(engine.connection)
                for table in DROP_ORDER:
                    if keep > PASSES[-1] and weights.get(table, 0.0) < WORTH:
                        continue
                    while engine.used_bytes() > target:
                        rows = _drop_slice(engine.connection, table, keep, now)
                        if not rows:
                            break
                        gone += rows
                        engine.connection.execute("CHECKPOINT")
        return gone


def _headroom(limit: int) -> int:
    share, most = SMALL_HEADROOM
    return int(max(limit * HEADROOM, min(limit * share, most)))


def _weights(connection: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Each table's share of all values in the store."""
    sql = "SELECT table_name, estimated_size * column_count FROM duckdb_tables() WHERE NOT internal"
    values = {str(table): float(count) for table, count in connection.execute(sql).fetchall()}
    total = sum(values.values()) or 1.0
    return {table: count / total for table, count in values.items()}


def _is_known(connection: duckdb.DuckDBPyConnection, now: int) -> bool:
    """Whether the host was read in the days before `now`, but not only in its last hours."""
    known = "ts >= make_timestamp($since) AND ts <= make_timestamp($until) LIMIT 1"
    bounds = {"since": now - KNOWN_SINCE, "until": now - KNOWN_AFTER}
    return any(
        connection.execute(f"SELECT 1 FROM {table} WHERE {known}", bounds).fetchone() is not None  # noqa: S608 - our own names
        for table in ("host_samples", "host_samples_1m")
    )


def _drop_slice(connection: duckdb.DuckDBPyConnection, table: str, keep: int, now: int) -> int:
    """Drop the oldest slice of a table, but nothing of the newest `keep` µs before now; returns how many rows."""
    time = _TIME.get(table, "ts")
    bounds = (
        f"epoch_us(min({time})), epoch_us(max({time})), epoch_us(max({time}) FILTER ({time} <= make_timestamp($now)))"
    )
    row = connection.execute(f"SELECT {bounds} FROM {table}", {"now": now}).fetchone()  # noqa: S608 - our own names
    if row is None or row[0] is None:
        return 0
    first, last = int(row[0]), int(row[1] if row[2] is None else row[2])
    cut = min(first + max((last - first) // _SLICES, MINUTE), last - keep)
    cut -= cut % MINUTE
    return _delete_before(connection, table, cut, by=time) if cut > first else 0


def _delete_after(connection: duckdb.DuckDBPyConnection, table: str, cut: int) -> int:
    time = _TIME.get(table, "ts")
    row = connection.execute(f"DELETE FROM {table} WHERE {time} > make_timestamp($cut)", {"cut": cut}).fetchone()  # noqa: S608 - our own names
    return int(row[0]) if row else 0


def _delete_before(connection: duckdb.DuckDBPyConnection, table: str, cut: int, *, by: str = "ts") -> int:
    old = f"FROM {table} WHERE {by} < make_timestamp($cut)"  # our own names
    if connection.execute(f"SELECT 1 {old} LIMIT 1", {"cut": cut}).fetchone() is None:
        return 0
    row = connection.execute(f"DELETE {old}", {"cut": cut}).fetchone()
    return int(row[0]) if row else 0
