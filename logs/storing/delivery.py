"""What readers hand over to be stored: records of one file, and how its checkpoint moves with them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from logs.storing.checkpoint import FileState


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source that is heard of for the first time (`since`, µs)."""

    name: str
    kind: str
    found_by: str
    since: int


@dataclass(frozen=True, slots=True)
class Loss:
    """A sentence about what was lost of a source, and when it was noticed (µs)."""

    source: str
    at: int
    message: str


@dataclass(slots=True)
class Delivery:
    """Records of one file and how its checkpoint moves with them.

    `changes` are set on `state`, and `counts` added to it, when the records are stored. `replaces`: the first row takes the place of a stored one with the same
    position. `dropped`: positions of stored rows that go. `numbers`: line numbers of rows that were stored without, by position. `bulk`: of a file's past,
    which may wait for more of it; it keeps its order among its like only. `done` is called once all is stored.
    """

    state: FileState
    table: pa.Table | None = None
    replaces: bool = False
    changes: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    source: NewSource | None = None
    loss: Loss | None = None
    dropped: list[int] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    done: Callable[[], None] | None = None
    bulk: bool = False

    @property
    def rows(self) -> int:
        """How many records."""
        return self.table.num_rows if self.table is not None else 0

    @property
    def bytes(self) -> int:
        """What they take in memory."""
        return self.table.nbytes if self.table is not None else 0


def emptied(state: FileState, missed: int, at: int) -> Delivery:
    """The file was emptied (seen at `at`, µs) before these bytes, at least, were read."""
    read = f"{state.path} was truncated after {state.stored_to} bytes were read"
    loss = Loss(state.source, at, f"{read}; at least {missed} more bytes were lost with it.")
    return Delivery(state, counts={"missed_bytes": missed, "emptied_bytes": missed}, loss=loss)


def rotated(state: FileState, missed: int, at: int, said: int | None = None) -> Delivery:
    """So many bytes of a log were rotated away before they were read, as was seen at `at` (µs). An event says it, or `said` for others too."""
    said = missed if said is None else said
    loss = Loss(state.source, at, f"{said} bytes of {state.path} were rotated away before they were read.")
    counts = {"missed_bytes": missed, "rotated_bytes": missed}
    return Delivery(state, counts=counts, loss=loss if said else None)
