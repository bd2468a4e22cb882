"""Builds the coarser tiers up to the last whole minute and hour, so that raw rows can expire."""

from collections.abc import Sequence
from typing import Final

import duckdb
import pyarrow.compute as pc

from monitor.metrics.catalogue import names
from monitor.store.duckdb.engine import transaction
from monitor.store.duckdb.sql_templates import Statements
from monitor.store.interface import Append, Change, ParamValue
from monitor.store.tiers import DAY, SECOND, TIERS, Tier

GRACE: Final = 5 * SECOND
"""How late a sample may arrive while its minute is still open."""


class Rollups:
    """Builds the tiers, from where it stopped or from a late sample (clock set back).

    Args:
        statements: the query files.
    """

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._newest: dict[str, int] = {}
        self._late: dict[str, int] = {}

    def note(self, changes: Sequence[Change]) -> None:
        """Remember samples that are older than what is built: their minutes are built again."""
        sources = {tier.source for tier in TIERS}
        for change in changes:
            if not isinstance(change, Append) or change.table not in sources or not change.rows.num_rows:
                continue
            bounds = pc.min_max(change.rows["ts"].cast("timestamp[us]").cast("int64")).as_py()
            oldest, newest = bounds["min"], bounds["max"]
            known = self._newest.get(change.table, oldest)
            if oldest < known:
                self._late[change.table] = min(oldest, self._late.get(change.table, oldest))
            self._newest[change.table] = max(newest, known)

    def run(self, connection: duckdb.DuckDBPyConnection, now: int) -> int:
        """Complete every tier; returns the number of new rows.

        Raises:
            duckdb.Error: the engine refused; the tier is as it was.
        """
        made = 0
        late, rest = dict(self._late), dict[str, int]()
        for tier in TIERS:
            made += self._complete(connection, tier, now, late, rest)
        self._late = rest
        return made

    def _complete(
        self,
        connection: duckdb.DuckDBPyConnection,
        tier: Tier,
        now: int,
        late: dict[str, int],
        rest: dict[str, int],
    ) -> int:
        """One tier. Where late samples go on beyond what is built at a time, `rest` gets what is left of them."""
        until = now + DAY  # what a wrong clock wrote beyond it must not end the tier
        first, newest = _bounds(connection, tier.source, until)
        if first is None or newest is None:
            return 0
        done = _bounds(connection, tier.table, until)[1]
        start = first if done is None else done + tier.width
        if (behind := late.get(tier.source)) is not None:
            start = min(start, max(behind, first))
            late[tier.table] = start - start % tier.width
        start -= start % tier.width
        end = max(newest, now - GRACE)
        end -= end % (tier.step or tier.width)
        if tier.most and start < end:
            start = _next(connection, tier.source, start, end)
            start -= start % tier.width
            if start + tier.most < end:
                end = start + tier.most - (start + tier.most) % tier.step
                if behind is not None:
                    rest[tier.source] = end
        if start >= end:
            return 0
        wanted: dict[str, ParamValue] = {"source": tier.source, "metrics": names(tier.metrics), "width": tier.width}
        wanted |= {"gpu": tier.key == "gpu", "run": tier.key == "run", "worth": tier.worth or None, "step": tier.step}
        wanted |= {"coarser": tier.coarser, "start": start, "end": end}
        select, bound = self._statements.render("rollup", wanted)
        with transaction(connection):
            connection.execute(
                f"DELETE FROM {tier.table} WHERE ts >= make_timestamp($start) AND ts < make_timestamp($end)",  # noqa: S608 - our own names
                {"start": start, "end": end},
            )
            connection.execute(f"INSERT INTO {tier.table} BY NAME {select}", bound)
            rows = connection.execute(
                f"SELECT count(*) FROM {tier.table} WHERE ts >= make_timestamp($start)",  # noqa: S608 - our own names
                {"start": start},
            ).fetchall()
        return int(rows[0][0])


def _bounds(connection: duckdb.DuckDBPyConnection, table: str, until: int) -> tuple[int | None, int | None]:
    """The oldest and newest time of a table up to `until`, µs."""
    sql = f"SELECT epoch_us(min(ts)), epoch_us(max(ts)) FROM {table} WHERE ts <= make_timestamp($until)"  # noqa: S608 - our own names
    row = connection.execute(sql, {"until": until}).fetchone()
    return (None, None) if row is None else (row[0], row[1])


def _next(connection: duckdb.DuckDBPyConnection, table: str, start: int, end: int) -> int:
    """The oldest time of a table in `[start, end)`, µs; `end` without any."""
    sql = f"SELECT epoch_us(min(ts)) FROM {table} WHERE ts >= make_timestamp($start) AND ts < make_timestamp($end)"  # noqa: S608 - our own names
    row = connection.execute(sql, {"start": start, "end": end}).fetchone()
    return end if row is None or row[0] is None else int(row[0])
