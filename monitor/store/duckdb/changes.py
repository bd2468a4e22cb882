"""`Append`, `Upsert` and `Delete` as SQL for DuckDB."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import duckdb
import pyarrow as pa

from monitor.core.errors import StoreError
from monitor.store.interface import Append, Change, Delete, Upsert

_VIEW: Final = "wk_incoming"
FEW: Final = 200
"""Maximum number of rows whose keys are compared to find out whether two changes can swap."""
SORTED: Final = {"run_samples": ("run", "ts")}
"""Tables whose rows are sorted in this order when several batches are written together: similar neighbours take less space."""


class Columns:
    """The columns of the tables that are written to, each looked up once: a list of all takes 20 ms of each start."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, table: str) -> tuple[str, ...] | None:
        """The columns in their order; None if there is no such table, which ends the connection's transaction."""
        if table not in self._known:
            try:
                self._known |= columns_of(self._connection, [table])
            except duckdb.CatalogException:
                return None
        return self._known[table]


def columns_of(connection: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The columns of these tables, in their order.

    Raises:
        duckdb.CatalogException: there is no such table.
    """
    found: dict[str, list[str]] = {table: [] for table in tables}
    quoted = [table.replace("'", "''") for table in found]
    sql = " UNION ALL ".join(f"SELECT '{table}', name FROM pragma_table_info('{table}')" for table in quoted)  # noqa: S608 - quoted
    for table, column in connection.execute(sql).fetchall() if sql else ():
        found[table].append(column)
    return {table: tuple(columns) for table, columns in found.items()}


def apply(connection: duckdb.DuckDBPyConnection, changes: Sequence[Change], columns: Columns) -> None:
    """Run the changes in the current transaction of the connection.

    Raises:
        StoreError: a table or a column does not exist.
        duckdb.Error: the engine refused.
    """
    for change in merge(changes):
        _check(change, columns)
        if not change.rows.num_rows:
            continue
        rows = change.rows if isinstance(change, Append) else _last_of_each(change.rows, change.keys)
        connection.register(_VIEW, rows)
        connection.execute(_sql(change))
        connection.unregister(_VIEW)


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Release the rows of a failed `apply`. Call it after the rollback: in a broken transaction it would fail and hide the first error.

    Raises:
        duckdb.Error: the engine has to be opened anew.
    """
    connection.unregister(_VIEW)


def merge(changes: Iterable[Change]) -> list[Change]:
    """The changes, with those of one kind to one table joined: a statement costs more than its rows.

    A change moves forward to the one before it of its kind unless one of another kind between them touches the same rows.
    """
    groups: list[list[Change]] = []
    for change in changes:
        for group in reversed(groups):
            if _alike(group[0], change):
                group.append(change)
                break
            if group[0].table == change.table and any(_touch(other, change) for other in group):
                groups.append([change])
                break
        else:
            groups.append([change])
    return [group[0] if len(group) == 1 else _joined(group) for group in groups]


def _joined(group: Sequence[Change]) -> Change:
    rows = pa.concat_tables([change.rows for change in group])
    order = SORTED.get(group[0].table)
    return replace(group[0], rows=rows.sort_by([(name, "ascending") for name in order]) if order else rows)


def _alike(one: Change, other: Change) -> bool:
    """Whether both fit into one statement: same kind, table, columns and keys."""
    if type(one) is not type(other) or one.table != other.table or not one.rows.schema.equals(other.rows.schema):
        return False
    if isinstance(one, Upsert) and isinstance(other, Upsert):
        return one.keys == other.keys and one.keep == other.keep
    return isinstance(one, Append) or (isinstance(other, Delete) and one.keys == other.keys)


def _touch(one: Change, other: Change) -> bool:
    """Whether the order of two changes to one table matters. If finding out is expensive, it does."""
    keys = [change.keys for change in (one, other) if not isinstance(change, Append)]
    if not keys:
        return False
    key = keys[0]
    if len(key) != 1 or any(other_key != key for other_key in keys) or one.rows.num_rows > FEW:
        return True
    name = key[0]
    if name not in one.rows.column_names or name not in other.rows.column_names or other.rows.num_rows > FEW:
        return True
    return not set(one.rows[name].to_pylist()).isdisjoint(other.rows[name].to_pylist())


def _sql(change: Change) -> str:
    table = f'"{change.table}"'
    if isinstance(change, Append):
        return f"INSERT INTO {table} BY NAME SELECT * FROM {_VIEW}"  # noqa: S608 - names were checked against the catalogue
    match = " AND ".join(f't."{key}" IS NOT DISTINCT FROM s."{key}"' for key in change.keys)
    head = f"MERGE INTO {table} AS t USING {_VIEW} AS s ON {match}"
    if isinstance(change, Delete):
        return f"{head} WHEN MATCHED THEN DELETE"
    names = change.rows.column_names
    fixed = {*change.keys, *change.keep}
    setters = ", ".join(f'"{name}" = s."{name}"' for name in names if name not in fixed)
    update = f" WHEN MATCHED THEN UPDATE SET {setters}" if setters else ""
    listed = ", ".join(f'"{name}"' for name in names)
    given = ", ".join(f's."{name}"' for name in names)
    return f"{head}{update} WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({given})"  # noqa: S608 - names were checked against the catalogue


def _check(change: Change, columns: Columns) -> None:
    known = columns.of(change.table)
    if known is None:
        raise StoreError(f"the store has no table {change.table!r}")
    if isinstance(change, Append):
        wanted = set(change.rows.column_names)
    else:
        if not change.keys:
            raise StoreError(f"a change to {change.table} names no key")
        if missing := set(change.keys) - set(change.rows.column_names):
            raise StoreError(f"the rows for {change.table} lack their key {', '.join(sorted(missing))}")
        wanted = set(change.rows.column_names) if isinstance(change, Upsert) else set(change.keys)
    if unknown := wanted - set(known):
        raise StoreError(f"table {change.table} has no column {', '.join(sorted(unknown))}")


def _last_of_each(rows: pa.Table, keys: tuple[str, ...]) -> pa.Table:
    """The rows without those that a later row with the same key replaces."""
    if rows.num_rows < 2:
        return rows
    place = "wk_place"
    numbered = rows.select(list(keys)).append_column(place, pa.array(range(rows.num_rows), pa.int64()))
    last = numbered.group_by(list(keys), use_threads=False).aggregate([(place, "max")])
    if last.num_rows == rows.num_rows:
        return rows
    return rows.take(last[f"{place}_max"].combine_chunks().sort())
