"""How long rows are kept, and which are dropped first at the size limit.

The limit is on the files. A checkpoint writes new blocks before it frees the old ones (measured: up to as much again as is in use, in a
small store), and freed blocks are used again before the file grows. So rows are dropped as soon as what is in use, with the write-ahead
log, leaves less than that headroom below the limit; the file then stays under the limit without being rewritten.

Ages are reckoned by the wall clock, which may be wrong: a machine can start years ahead and be corrected minutes later. So nothing
is dropped by age until the agent has known this time for some hours, and rows from the future are dropped first.
"""

from dataclasses import dataclass
from typing import Final

import duckdb

from monitor.store.duckdb.engine import Engine
from monitor.store.duckdb.log_archive import LogArchive
from monitor.store.tiers import DAY, HOUR, MINUTE

HEADROOM: Final = 0.15
SMALL_HEADROOM: Final = (0.55, 200 * 1024 * 1024)
"""Space that a checkpoint may need: this share of the limit, and in a small store up to that many bytes."""
TARGET: Final = 0.85
"""Share of the allowed bytes that is left after dropping rows."""
LEAST_LIMIT: Final = 16 * 1024 * 1024
DROP_ORDER: Final = (
    "run_samples",
    "gpu_run_samples",
    "device_samples",
    "gpu_samples",
    "disk_space",
    "log_records",
    "job_records",
    "jobs",
    "ai_calls",
    "gateway_calls",
    "host_samples",
    "benchmark_samples",
    "events",
    "run_samples_1m",
    "gpu_samples_1m",
    "host_samples_1m",
    "alerts",
    "actions",
    "benchmark_runs",
)
"""The order in which tables give up rows. Passes keep the newest day, then hour, then minute of each table."""
_AGED_BY: Final = {"log_records": "ingested", "benchmark_runs": "started"}
"""The column for the age of rows: an old log file that is read today is kept as long as today's lines."""
_TIME: Final = {"benchmark_runs": "started"}
"""The time column of tables that have no `ts`."""
PASSES: Final = (DAY, HOUR, MINUTE)
WORTH: Final = 0.05
"""A table with a smaller share of the values is spared until the last pass: dropping its rows would gain nothing."""
BRIEF: Final = "end_ts - start_ts < INTERVAL 2 SECOND"
"""Runs that lived about as long as the time between two sweeps."""
BRIEF_KEPT: Final = 200_000
"""How many of them are kept: a busy script begins a million a day, of which nobody asks for the old ones."""
KNOWN_AFTER: Final = 6 * HOUR
"""A reading this old, by the clock, and no older than `KNOWN_SINCE`, shows that the clock did not just jump here."""
KNOWN_SINCE: Final = 2 * DAY
_SLICES: Final = 6
"""A table gives up a sixth of its time range at once."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How long rows are kept, in days."""

    raw_days: float = 7
    log_days: float = 30
    minute_days: float = 90
    hour_days: float = 730

    def of(self, table: str) -> int:
        """The age at which rows of `table` are dropped, µs."""
        days = {
            "log_records": self.log_days,
            "host_samples_1m": self.minute_days,
            "gpu_samples_1m": self.minute_days,
            "run_samples_1m": self.minute_days,
            "events": self.minute_days,
            "jobs": self.minute_days,
            "alerts": self.hour_days,
            "actions": self.hour_days,
            "job_records": self.log_days,
            "benchmark_samples": self.minute_days,
            "benchmark_runs": self.hour_days,
            "host_samples_1h": self.hour_days,
            "gpu_samples_1h": self.hour_days,
        }.get(table, self.raw_days)
        return int(days * DAY)


class Retention:
    """Drops rows that are too old or exceed the size limit.

    Args:
        limit_bytes: the most that the files may take; at least 16 MiB.
        ages: how long rows are kept.
        archive: where older log records go, if its rule keeps them.
    """

    def __init__(self, *, limit_bytes: int, ages: Ages, archive: LogArchive) -> None:
        self._archive = archive
        self.limit_bytes = max(limit_bytes, LEAST_LIMIT)
        self.tight_bytes = self.limit_bytes - _headroom(self.limit_bytes)
        self._ages = ages

    def drop_old(self, engine: Engine, now: int) -> int:
        """Drop expired rows, by whole hours; returns their number. Drops none by age while the clock is not known to be right."""
        gone = _drop_brief(engine.connection)
        if not _is_known(engine.connection, now):
            return gone
        for table in (*DROP_ORDER, "host_samples_1h", "gpu_samples_1h"):
            if table == "log_records" and self._archive.rule.keep:
                continue
            cut = now - self._ages.of(table)
            cut -= cut % HOUR
            gone += _delete_before(engine.connection, table, cut, by=_AGED_BY.get(table, "ts"))
        cut = now - self._ages.of("events")
        for sql in (
            "DELETE FROM runs WHERE end_ts < make_timestamp($cut)",
            "DELETE FROM job_workers WHERE ended < make_timestamp($cut)",
        ):
            row = engine.connection.execute(sql, {"cut": cut}).fetchone()
            gone += int(row[0]) if row else 0
        return gone

    def put_away(self, engine: Engine, now: int) -> int:
        """Archive some of the log records that are too old, by whole days; returns their number. It archives none while the clock is not known to be right."""
        if not self._archive.rule.keep or not _is_known(engine.connection, now):
            return 0
        cut = now - self._ages.of("log_records")
        return self._archive.put_away(engine, f"ingested < make_timestamp({cut - cut % DAY})")

    def trim(self, engine: Engine, now: int) -> int:
        """Drop the oldest files of the archive beyond its limits; returns how many records they held."""
        return self._archive.trim(engine, now if _is_known(engine.connection, now) else None)

    def drop_excess(self, engine: Engine, now: int, *, coming: int = 0) -> int:
        """Drop the oldest rows until the files are within the limit; returns the number of rows.

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
                gone += sum(self._drop_after(engine, table, now + DAY) for table in DROP_ORDER)
                engine.connection.execute("CHECKPOINT")
            for keep in PASSES:
                weights = _weights(engine.connection)
                for table in DROP_ORDER:
                    if keep > PASSES[-1] and weights.get(table, 0.0) < WORTH:
                        continue
                    while engine.used_bytes() > target:
                        rows = self._drop_slice(engine, table, keep, now)
                        if not rows:
                            break
                        gone += rows
                        engine.connection.execute("CHECKPOINT")
        return gone + self.trim(engine, now)

    def _drop_after(self, engine: Engine, table: str, cut: int) -> int:
        """Drop the rows after a time, or archive some of them."""
        if table == "log_records" and self._archive.rule.keep:
            return self._archive.put_away(engine, f"ts > make_timestamp({cut})")
        return _delete_after(engine.connection, table, cut)

    def _drop_slice(self, engine: Engine, table: str, keep: int, now: int) -> int:
        """Drop the oldest slice of a table, but nothing of the newest `keep` µs; returns the number of rows. Log records are archived instead, where that is set."""
        cut = _slice_end(engine.connection, table, keep, now)
        if cut is None:
            return 0
        if table == "log_records" and self._archive.rule.keep:
            return self._archive.put_away(engine, f"ts < make_timestamp({cut})")
        return _delete_before(engine.connection, table, cut, by=_TIME.get(table, "ts"))


def _headroom(limit: int) -> int:
    share, most = SMALL_HEADROOM
    return int(max(limit * HEADROOM, min(limit * share, most)))


def _weights(connection: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """The share of each table in all stored values."""
    sql = "SELECT table_name, estimated_size * column_count FROM duckdb_tables() WHERE NOT internal"
    values = {str(table): float(count) for table, count in connection.execute(sql).fetchall()}
    total = sum(values.values()) or 1.0
    return {table: count / total for table, count in values.items()}


def _is_known(connection: duckdb.DuckDBPyConnection, now: int) -> bool:
    """Whether the host was sampled in the days before `now`, and not only in the last hours."""
    known = "ts >= make_timestamp($since) AND ts <= make_timestamp($until) LIMIT 1"
    bounds = {"since": now - KNOWN_SINCE, "until": now - KNOWN_AFTER}
    return any(
        connection.execute(f"SELECT 1 FROM {table} WHERE {known}", bounds).fetchone() is not None  # noqa: S608 - our own names
        for table in ("host_samples", "host_samples_1m")
    )


def _slice_end(connection: duckdb.DuckDBPyConnection, table: str, keep: int, now: int) -> int | None:
    """Where the oldest slice of a table ends, µs; None if it has nothing but the newest `keep` µs."""
    time = _TIME.get(table, "ts")
    bounds = (
        f"epoch_us(min({time})), epoch_us(max({time})), epoch_us(max({time}) FILTER ({time} <= make_timestamp($now)))"
    )
    row = connection.execute(f"SELECT {bounds} FROM {table}", {"now": now}).fetchone()  # noqa: S608 - our own names
    if row is None or row[0] is None:
        return None
    first, last = int(row[0]), int(row[1] if row[2] is None else row[2])
    cut = min(first + max((last - first) // _SLICES, MINUTE), last - keep)
    cut -= cut % MINUTE
    return cut if cut > first else None


def _drop_brief(connection: duckdb.DuckDBPyConnection) -> int:
    """Drop the oldest short lives beyond `BRIEF_KEPT`."""
    sql = f"SELECT end_ts FROM runs WHERE {BRIEF} ORDER BY end_ts DESC LIMIT 1 OFFSET {BRIEF_KEPT}"  # noqa: S608 - our own text
    row = connection.execute(sql).fetchone()
    if row is None:
        return 0
    gone = connection.execute(f"DELETE FROM runs WHERE {BRIEF} AND end_ts <= $cut", {"cut": row[0]}).fetchone()  # noqa: S608 - our own text
    return int(gone[0]) if gone else 0


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
