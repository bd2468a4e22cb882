"""Changes to rows, as SQL: what `Append`, `Upsert` and `Delete` mean to DuckDB."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import duckdb  # noqa: TID251 - monitor/store is where the engine is known
import pyarrow as pa

from monitor.errors import StoreError
from monitor.store.interface import Append, Change, Delete, Upsert

_VIEW: Final = "wk_incoming"
Columns = Mapping[str, tuple[str, ...]]
"""Table name → its columns."""


def table_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """Every table of the store and its columns."""
    found: dict[str, list[str]] = {}
    sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'main' ORDER BY ordinal_position"
    for table, column in connection.execute(sql).fetchall():
        found.setdefault(table, []).append(column)
    return {table: tuple(columns) for table, columns in found.items()}


def apply(connection: duckdb.DuckDBPyConnection, changes: Sequence[Change], columns: Columns) -> None:
    """Run the changes inside the transaction that the connection is in.

    Raises:
        StoreError: a table or a column does not exist.
        duckdb.Error: the engine refused.
    """
    for change in merge_appends(changes):
        _check(change, columns)
        if not change.rows.num_rows:
            continue
        rows = change.rows if isinstance(change, Append) else _last_of_each(change.rows, change.keys)
        connection.register(_VIEW, rows)
        try:
            connection.execute(_sql(change))
        finally:
            connection.unregister(_VIEW)


def merge_appends(changes: Iterable[Change]) -> list[Change]:
    """The same changes with the appends to one table joined: a statement costs more than its rows.

    An append moves forward to the one before it only when nothing between them changes the same table.
    """
    merged: list[Change] = []
    places: dict[str, int] = {}
    groups: dict[int, list[pa.Table]] = {}
    for change in changes:
        place = places.get(change.table)
        if isinstance(change, Append) and place is not None and groups[place][0].schema.equals(change.rows.schema):
            groups[place].append(change.rows)
            continue
        if isinstance(change, Append):
            places[change.table] = len(merged)
            groups[len(merged)] = [change.rows]
        else:
            places.pop(change.table, None)
        merged.append(change)
    for index, tables in groups.items():
        if len(tables) > 1:
            merged[index] = Append(merged[index].table, pa.concat_tables(tables))
    return merged


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
    return f"{head}{update} WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({given})"  # noqa: S608 the arguments are named at every call; SQL names are our own


def _check(change: Change, columns: Columns) -> None:
    known = columns.get(change.table)
    if known is None:
        raise StoreError(f"The store has no table {change.table!r}.")
    if isinstance(change, Append):
        wanted = set(change.rows.column_names)
    else:
        if not change.keys:
            raise StoreError(f"A change to {change.table} names no key.")
        if missing := set(change.keys) - set(change.rows.column_names):
            raise StoreError(f"The rows for {change.table} lack their key {', '.join(sorted(missing))}.")
        wanted = set(change.rows.column_names) if isinstance(change, Upsert) else set(change.keys)
    if unknown := wanted - set(known):
        raise StoreError(f"Table {change.table} has no column {', '.join(sorted(unknown))}.")


def _last_of_each(rows: pa.Table, keys: tuple[str, ...]) -> pa.Table:
    """The rows without those that a later one of the same key replaces."""
    if rows.num_rows < 2:
        return rows
    place = "wk_place"
    numbered = rows.select(list(keys)).append_column(place, pa.array(range(rows.num_rows), pa.int64()))
    last = numbered.group_by(list(keys), use_threads=False).aggregate([(place, "max")])
    if last.num_rows == rows.num_rows:
        return rows
    return rows.take(last[f"{place}_max"].combine_chunks().sort())
