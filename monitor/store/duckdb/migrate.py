"""Schema versions: numbered files applied forwards, each in a transaction of its own. Columns of metrics that the catalogue has gained
since are added without a version: an older program passes over them.

`meta` holds one row: the schema version, when the store was made, by which version of the program, and a digest of the shared
functions, so that they are written again only when they changed.
"""

import hashlib
import re
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from monitor.core.errors import StoreTooNew
from monitor.store import tiers
from monitor.store.duckdb.changes import columns_of
from monitor.store.duckdb.engine import transaction

SCHEMA: Final = Path(__file__).parents[1] / "schema"
_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_TABLE = re.compile(r"^CREATE TABLE (\w+)", re.MULTILINE)
_META = """
CREATE TABLE IF NOT EXISTS meta (
    schema_version INTEGER NOT NULL, created TIMESTAMP NOT NULL, app_version TEXT NOT NULL, functions TEXT NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration; its number is the version that it leads to."""

    version: int
    name: str
    sql: str


def migrations(folder: Path = SCHEMA) -> list[Migration]:
    """All migrations, in order."""
    found = [
        Migration(int(match.group(1)), path.stem, path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.sql"))
        if (match := _FILE.fullmatch(path.name))
    ]
    return sorted(found, key=lambda step: step.version)


def schema_version(connection: duckdb.DuckDBPyConnection) -> int:
    """The store's version, 0 for a new file."""
    try:  # a look into the list of tables takes 7 ms of each start
        row = connection.execute("SELECT max(schema_version) FROM meta").fetchone()
    except duckdb.CatalogException:
        return 0
    return int(row[0]) if row and row[0] is not None else 0


def migrate(
    connection: duckdb.DuckDBPyConnection, *, app_version: str, now_us: int, folder: Path = SCHEMA
) -> list[Migration]:
    """Migrate the store to the newest version; returns the migrations that ran.

    Raises:
        StoreTooNew: a newer program wrote it; nothing was changed.
        duckdb.Error: a step failed; the steps before it stay, it left nothing.
    """
    steps = migrations(folder)
    newest = steps[-1].version if steps else 0
    have = schema_version(connection)
    if have > newest:
        raise StoreTooNew(
            f"the store has schema version {have}; this Watchkeeper {app_version} knows {newest}",
            hint="install the newer Watchkeeper again, or choose another --data-dir; the file was not touched",
        )
    functions = (folder / "functions_duckdb.sql").read_text(encoding="utf-8")
    digest = hashlib.blake2b(functions.encode(), digest_size=8).hexdigest()
    done = [step for step in steps if step.version > have]
    # A new store is made in one transaction: a commit takes as long as all of its tables.
    whole, each = (transaction, _part) if not have else (_part, transaction)
    with whole(connection):
        for step in done:
            with each(connection):
                if step.version == steps[0].version:
                    connection.execute(_META)
                    created = datetime.fromtimestamp(now_us / 1e6, UTC).replace(tzinfo=None)
                    connection.execute("INSERT INTO meta VALUES (0, ?, ?, '')", [created, app_version])
                connection.execute(step.sql)
                if have or step is done[-1]:
                    connection.execute(
                        "UPDATE meta SET schema_version = ?, app_version = ?", [step.version, app_version]
                    )
        row = connection.execute("SELECT functions FROM meta").fetchone()
        if row is None or row[0] != digest:
            with each(connection):
                connection.execute(functions)
                connection.execute("UPDATE meta SET functions = ?", [digest])
        with each(connection):
            _add_columns(connection, {table for step in steps for table in _TABLE.findall(step.sql)})
    return done


def _part(_connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
    """A part of a transaction, or a frame around several."""
    return nullcontext()


def _add_columns(connection: duckdb.DuckDBPyConnection, made: AbstractSet[str]) -> None:
    """Add a column for every new metric of the catalogue to the tables that the migrations have made; NULL in existing rows."""
    wanted = {table: columns for table, columns in tiers.columns().items() if table in made}
    there = columns_of(connection, wanted)
    for table, columns in wanted.items():
        for name, kind in columns.items():
            if name not in there[table]:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
