"""What a store can do, whatever engine is behind it.

The agent is the only writer. Rows travel as Arrow tables whose columns are named as in
`schema/*.sql`; a table may lack columns, which then are NULL. All rows handed to one `write` are committed in one
transaction: a file's records and its checkpoint go in together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from monitor.store.stop import Stop

ParamValue = str | int | float | bool | bytes | None | Sequence[str] | Sequence[int]


@dataclass(frozen=True, slots=True)
class Append:
    """Rows to add to `table`."""

    table: str
    rows: pa.Table


@dataclass(frozen=True, slots=True)
class Upsert:
    """Rows that replace those of equal `keys`; other columns of an existing row stay as they are
    when the table given lacks them. Among rows of equal keys the last one counts.
    """

    table: str
    rows: pa.Table
    keys: tuple[str, ...]
    keep: tuple[str, ...] = ()
    """Columns that are set when the row is new and never changed after (`first_seen`)."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Rows to remove by key."""

    table: str
    rows: pa.Table
    keys: tuple[str, ...]


Change = Append | Upsert | Delete


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """Where the store is, how big, and what happened when it was opened."""

    engine: str
    version: str
    schema_version: int
    path: str
    size_bytes: int
    limit_bytes: int
    notices: tuple[str, ...] = ()
    """What a person should know: a damaged file set aside, a migration done."""
    rows: Mapping[str, int] = field(default_factory=dict)


class Store(Protocol):
    """One host's (or many hosts') history."""

    def write(self, changes: Sequence[Change]) -> None:
        """Commit all changes or none. Called from one thread.

        Raises:
            StoreFull: nothing was written; the caller keeps the rows and tries again.
        """
        ...

    def query(self, name: str, *, deadline_s: float = 10.0, **params: ParamValue) -> pa.Table:
        """Run `queries/<name>.sql`; safe from any thread. Sections `-- :if p` … `-- :end` of the file
        are kept only when parameter `p` is given and not None.

        Raises:
            QueryError: unknown name or parameter, or the deadline passed (the query is then cancelled).
        """
        ...

    def select(self, sql: str, *, limit: int = 10_000, deadline_s: float = 30.0) -> pa.Table:
        """Run a person's own read-only SQL: one SELECT, no files, no network, no settings.

        Raises:
            QueryError: not one SELECT, wrong, or too slow.
        """
        ...

    def until(self, stop: Stop) -> "Store":
        """The same store for someone who may go away: when `stop` is said, their queries are cancelled and further ones refused (`QueryError`)."""
        ...

    def enforce_limit(self) -> int:
        """Drop the oldest raw rows until the byte limit holds; returns how many rows went."""
        ...

    def info(self) -> StoreInfo:
        """Size, version, notices."""
        ...

    def close(self) -> None:
        """Flush and release the file; idempotent."""
        ...
