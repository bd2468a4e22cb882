"""What waits to be written. Of log records, live ones never wait behind old ones, and each kind keeps its order."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

from monitor.store.interface import Change, Store

ROWS_A_COMMIT: Final = 122_880
"""The row group of the store: a batch of exactly this size is written to its final place at once. A few rows more or less cost twice the
time and three times the memory, because they pass through the write-ahead log and are merged later."""
BULK_WAITS_S: Final = 10.0
"""How long rows of old files wait for a whole batch. At the end of a file they do not wait."""
_BYTES_WAITING: Final = 48 << 20


@dataclass(slots=True, eq=False)
class Samples:
    """Rows of samples. `build` creates them on the writer's thread. Rows about lives of processes are stored as soon as somebody asks for those that are
    `over`, in their order, and without the readings that wait beside them. `fate` is what became of them.
    """

    build: Callable[[], Sequence[Change]]
    count: int
    since: float
    lives: Literal["begun", "over", ""] = ""
    fate: Literal["waiting", "stored", "lost"] = "waiting"


@dataclass(slots=True, eq=False)
class Commit:
    """Rows that a caller waits for."""

    changes: Sequence[Change]
    done: "Future[None]" = field(default_factory=Future)


@dataclass(slots=True, eq=False)
class MaintenanceTask:
    """A maintenance task for the writer's thread, such as retention. If `kept`, it runs again after the store was full."""

    run: Callable[[Store], None]
    kept: bool = False


@dataclass(slots=True)
class Work:
    """What the writer's thread does in one turn."""

    commits: list[Commit]
    records: list[Any]
    samples: list[Samples]
    maintenance: MaintenanceTask | None

    @property
    def kinds(self) -> int:
        """How many kinds of rows there are."""
        return bool(self.commits) + bool(self.records) + bool(self.samples)


class Batch(Protocol):
    """Rows that are written together."""

    @property
    def rows(self) -> int:
        """The number of records."""
        ...

    @property
    def bytes(self) -> int:
        """Their size in memory."""
        ...

    @property
    def bulk(self) -> bool:
        """Whether they are from the older part of a file, and may wait for more of it."""
        ...


T = TypeVar("T", bound=Batch)


class _Lane(Generic[T]):
    """Batches in their order. `put_count` and `done_count` count all that were ever put and finished."""

    def __init__(self, most_rows: int) -> None:
        self.queue: deque[T] = deque()
        self.most_rows = most_rows
        self.rows = 0
        self.bytes = 0
        self.since = 0.0
        self.put_count = 0
        self.done_count = 0

    def put(self, batch: T, now: float) -> None:
        if not self.queue:
            self.since = now
        self.queue.append(batch)
        self.put_count += 1
        self._count(batch, 1)

    def take(self, most: int, now: float) -> list[T]:
        """As many rows as one commit should have, and what belongs to the last of them, from `most` batches at most."""
        taken: list[T] = []
        rows = 0
        while self.queue and rows < self.most_rows and len(taken) < most:
            batch = self.queue.popleft()
            self._count(batch, -1)
            taken.append(batch)
            rows += batch.rows
        self.since = now
        return taken

    def put_back(self, taken: list[T]) -> None:
        for batch in reversed(taken):
            self.queue.appendleft(batch)
            self._count(batch, 1)

    def _count(self, batch: T, sign: int) -> None:
        self.rows += sign * batch.rows
        self.bytes += sign * batch.bytes


class RecordLanes(Generic[T]):
    """The two lanes, live and bulk. The owner locks them.

    Args:
        linger_s: how long the first live batch after a pause waits for more; while more keep coming, writes are at least four times as far apart, for each
            costs some milliseconds whatever its size.
        clock: monotonic seconds.
        rows_a_commit: as many rows are written at once while more wait.
    """

    def __init__(self, linger_s: float, clock: Callable[[], float], rows_a_commit: int = ROWS_A_COMMIT) -> None:
        self._linger_s, self._clock, self._rows_a_commit = linger_s, clock, rows_a_commit
        self._live, self._bulk = _Lane[T](rows_a_commit), _Lane[T](rows_a_commit)
        self._last_was_live = False
        self._last = float("-inf")

    def __bool__(self) -> bool:
        return bool(self._live.queue or self._bulk.queue)

    def put(self, batch: T) -> None:
        """Add a batch at the end of its lane."""
        (self._bulk if batch.bulk else self._live).put(batch, self._clock())

    def put_back(self, taken: list[T]) -> None:
        """Put batches back where they were."""
        if taken:
            (self._bulk if taken[0].bulk else self._live).put_back(taken)

    def done(self, taken: list[T]) -> None:
        """Mark batches as written."""
        (self._bulk if taken[0].bulk else self._live).done_count += len(taken)
        self._last = self._clock()

    @property
    def marks(self) -> tuple[int, int]:
        """How much was put so far, a count for each lane: what `reached` is asked with later."""
        return self._live.put_count, self._bulk.put_count

    def reached(self, marks: tuple[int, int]) -> bool:
        """Whether all that was put when `marks` were taken is written."""
        return self._live.done_count >= marks[0] and self._bulk.done_count >= marks[1]

    @property
    def full(self) -> bool:
        """Whether the readers should pause."""
        rows, size = self._live.rows + self._bulk.rows, self._live.bytes + self._bulk.bytes
        return rows >= 2 * self._rows_a_commit or size >= _BYTES_WAITING

    @property
    def lacking(self) -> int:
        """How many rows of old files are missing for a whole batch."""
        return self._rows_a_commit - self._bulk.rows % self._rows_a_commit

    def due(self) -> float:
        """The time at which something must be written; infinite if nothing waits."""
        if max(self._live.rows, self._bulk.rows) >= self._rows_a_commit or self.full:
            return float("-inf")
        live = max(self._live.since + self._linger_s, self._last + 4 * self._linger_s)
        bulk = self._bulk.since + BULK_WAITS_S
        return min(live if self._live.queue else float("inf"), bulk if self._bulk.queue else float("inf"))

    def take(self, *, everything: bool, most: int) -> list[T]:
        """The next batches, of one kind, `most` at most. `everything`: what is old need not wait for more of it."""
        bulk = self._bulk
        ready = bulk.queue and (
            everything or bulk.rows >= self._rows_a_commit or self._clock() >= bulk.since + BULK_WAITS_S
        )
        live = not ready or (bool(self._live.queue) and not self._last_was_live)
        self._last_was_live = live
        return (self._live if live else bulk).take(most, self._clock())
