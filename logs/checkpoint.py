"""How far each file is read: the rows of `log_files`, written in the same transaction as the records."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Final

import pyarrow as pa

from monitor.store.interface import Store, Upsert

LIVE: Final = "live"
BACKFILLING: Final = "backfilling"
DONE: Final = "done"
GONE: Final = "gone"
ERROR: Final = "error"


@dataclass(slots=True)
class FileState:
    """One generation of one file (a truncation begins a new one).

    Bytes `[backfill_to, backfill_from)` still wait for the backfill; from there to `stored_to` everything is stored. `marker_hash` is of the bytes before `stored_to`.
    """

    file_id: int
    source: str
    path: str
    dev: int
    inode: int
    head_hash: str | None = None
    head_len: int = 0
    marker_hash: str | None = None
    format: str | None = None
    state: str = LIVE
    generation: int = 0
    size: int = 0
    stored_to: int = 0
    backfill_from: int = 0
    backfill_to: int = 0
    lines: int = 0
    records: int = 0
    bytes: int = 0
    truncations: int = 0
    missed_bytes: int = 0
    error: str | None = None
    first_seen: int = 0
    updated: int = 0

    @property
    def waiting(self) -> int:
        """Bytes that the backfill has still to read."""
        return self.backfill_from - self.backfill_to


_TYPES: Final[dict[str, pa.DataType]] = {
    **dict.fromkeys(("source", "path", "head_hash", "marker_hash", "format", "state", "error"), pa.string()),
    **dict.fromkeys(("head_len", "generation", "truncations"), pa.int32()),
    **dict.fromkeys(("first_seen", "updated"), pa.timestamp("us")),
}


def upsert(states: Iterable[FileState], host: str) -> Upsert:
    """The change that stores these states."""
    rows = list(states)
    columns: dict[str, Any] = {"host": pa.repeat(pa.scalar(host, pa.string()), len(rows))}
    for column in fields(FileState):
        kind = _TYPES.get(column.name, pa.int64())
        columns[column.name] = pa.array([getattr(row, column.name) for row in rows], kind)
    return Upsert("log_files", pa.table(columns), ("file_id",))


def load(store: Store, host: str) -> list[FileState]:
    """All states of this host, as stored.

    Raises:
        StoreError: the store cannot be asked.
    """
    names = [column.name for column in fields(FileState)]
    result = []
    for row in store.query("log_files", host=host).to_pylist():
        values = {name: row[name] for name in names}
        for name, value in values.items():
            if value is None and name not in {"head_hash", "marker_hash", "format", "error"}:
                values[name] = 0
        result.append(FileState(**values))
    return result
