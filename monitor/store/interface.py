"""The interface of a store, for any engine.

The agent is the only writer. Rows are Arrow tables with the column names of `schema/*.sql`; missing columns are NULL. All rows of one
`write` are committed in one transaction, such as the records of a file and its checkpoint.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import pyarrow as pa

from logs.query.tree import Node

if TYPE_CHECKING:  # the process that runs a person's SQL takes this module, and no model of the API
    from monitor.api_models.status import ArchiveStatus

ParamValue = str | int | float | bool | bytes | None | Sequence[str] | Sequence[int] | Node
"""A value to bind, or the conditions of a log query."""


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
    """Columns that are set for a new row and never changed later (`first_seen`)."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Rows to remove by key."""

    table: str
    rows: pa.Table
    keys: tuple[str, ...]


Change = Append | Upsert | Delete


@dataclass(frozen=True, slots=True)
class ArchiveRule:
    """What becomes of older log records: dropped, or (`keep`) archived for `days`, as long as the files have room in `limit_bytes`."""

    keep: bool = False
    limit_bytes: int = 4096 * 1024 * 1024
    days: float = 365


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """Location and size of the store, and what happened when it was opened."""

    engine: str
    version: str
    schema_version: int
    path: str
    size_bytes: int
    limit_bytes: int
    archive: "ArchiveStatus"
    notices: tuple[str, ...] = ()
    """Notices for a person: a damaged file was set aside, a migration was done."""
    rows: Mapping[str, int] = field(default_factory=dict)


class Stop:
    """Cancels queries when nobody waits for their answer any more. Usable from any thread."""

    def __init__(self) -> None:
        self._said = threading.Event()
        self._lock = threading.Lock()
        self._actions: list[Callable[[], None]] = []

    @property
    def said(self) -> bool:
        """Whether `say` was called."""
        return self._said.is_set()

    def say(self) -> None:
        """Cancel running and later queries. Call it again if needed: an engine may miss it just before a query starts."""
        self._said.set()
        with self._lock:
            for action in self._actions:
                action()

    @contextmanager
    def ends(self, action: Callable[[], None]) -> Iterator[None]:
        """Within this block, `say` also calls `action`."""
        with self._lock:
            self._actions.append(action)
        try:
            yield
        finally:
            with self._lock:
                self._actions.remove(action)


class Answer(Protocol):
    """An answer on its way."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The bytes, once. The iterator must be used up or closed."""
        ...

    def close(self) -> None:
        """Give the answer up. Idempotent."""
        ...


class Store(Protocol):
    """The history of one or more hosts."""

    def write(self, changes: Sequence[Change]) -> None:
        """Commit all changes or none. Call it from one thread only.

        Raises:
            StoreFull: nothing was written; the caller keeps the rows and tries again.
        """
        ...

    def query(self, name: str, *, deadline_s: float = 10.0, **params: ParamValue) -> pa.Table:
        """Run `queries/<name>.sql`; safe from any thread. Sections `-- :if p is given` … `-- :endif` of the
        file are kept only when parameter `p` is given, and neither None nor False. If records of an archive are part of the answer,
        its schema's metadata say so (`archived_files`).

        Raises:
            QueryError: unknown name or parameter, or the deadline passed (the query is then cancelled).
        """
        ...

    def select(self, sql: str, *, limit: int = 10_000, deadline_s: float = 30.0) -> pa.Table:
        """Run read-only ad-hoc SQL: one SELECT, without access to files, network or settings.

        Raises:
            QueryError: not one SELECT, wrong, or too slow.
        """
        ...

    def answer(self, sql: str, *, limit: int, form: Literal["json", "arrow"], deadline_s: float = 30.0) -> "Answer":
        """`select` as bytes: an Arrow stream, or JSON `{"columns", "rows", "truncated"}`. The query runs in a process of its own.

        Raises:
            QueryError: not one SELECT, wrong, too slow, or it takes too much memory.
        """
        ...

    def until(self, stop: Stop) -> "Store":
        """The same store for a caller that may go away. When `stop.say()` is called, its queries are cancelled and further ones refused (`QueryError`)."""
        ...

    def enforce_limit(self) -> int:
        """Drop the oldest raw rows until the store is within its size limit; returns their number."""
        ...

    def tidy(self) -> bool:
        """Do a small piece of work that was put off (it takes less than a second), so that later questions are answered sooner; returns whether there is more.
        Call it from the thread that writes, when nothing waits to be written.

        Raises:
            StoreError: it could not be done; a later call tries again.
        """
        ...

    def info(self) -> StoreInfo:
        """Size, version, notices."""
        ...

    def close(self) -> None:
        """Flush and release the file; idempotent."""
        ...
