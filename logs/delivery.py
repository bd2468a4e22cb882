"""What readers hand over to be stored, and the queues in which it waits."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from logs.checkpoint import FileState
from monitor.store.interface import Change

ROWS_A_COMMIT: Final = 122_880
"""As many as the store puts together: exactly such a batch goes to its place at once. One with some rows more or less costs twice the time and three times the
memory, because the odd rows pass through the write-ahead log and are put together later."""
BULK_WAITS_S: Final = 10.0
"""How long rows of old files wait for others until they are such a batch; at a file's end they wait no longer."""
_ROWS_WAITING: Final = 2 * ROWS_A_COMMIT
_BYTES_WAITING: Final = 48 << 20


@dataclass(slots=True)
class Delivery:
    """Records of one file and how its checkpoint moves with them.

    `changes` are set on `state` when the commit is made. `replaces`: the first row takes the place of a stored one with the same position. `bulk`: of a file's
    past, which may wait for more of it; it keeps its order among its like only.
    """

    state: FileState
    table: pa.Table | None = None
    replaces: bool = False
    changes: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    extra: list[Change] = field(default_factory=list)
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


class _Lane:
    """Deliveries in their order."""

    def __init__(self) -> None:
        self.queue: deque[Delivery] = deque()
        self.rows = 0
        self.bytes = 0
        self.since = 0.0

    def put(self, delivery: Delivery) -> None:
        if not self.queue:
            self.since = time.monotonic()
        self.queue.append(delivery)
        self._count(delivery, 1)

    def take(self, most: int) -> list[Delivery]:
        """As many rows as one commit should have, and what belongs to the last of them, from `most` deliveries at most."""
        batch: list[Delivery] = []
        rows = 0
        while self.queue and rows < ROWS_A_COMMIT and len(batch) < most:
            delivery = self.queue.popleft()
            self._count(delivery, -1)
            batch.append(delivery)
            rows += delivery.rows
        self.since = time.monotonic()
        return batch

    def put_back(self, batch: list[Delivery]) -> None:
        for delivery in reversed(batch):
            self.queue.appendleft(delivery)
            self._count(delivery, 1)

    def _count(self, delivery: Delivery, sign: int) -> None:
        self.rows += sign * delivery.rows
        self.bytes += sign * delivery.bytes


class Waiting:
    """Deliveries of live files and of old ones; the former never wait behind the latter. Its owner locks."""

    def __init__(self) -> None:
        self._live, self._bulk = _Lane(), _Lane()
        self._last_was_live = False

    def __bool__(self) -> bool:
        return bool(self._live.queue or self._bulk.queue)

    def put(self, delivery: Delivery) -> None:
        """Add a delivery behind its like."""
        (self._bulk if delivery.bulk else self._live).put(delivery)

    def put_back(self, batch: list[Delivery]) -> None:
        """Put a batch back where it was taken."""
        (self._bulk if batch and batch[0].bulk else self._live).put_back(batch)

    @property
    def full(self) -> bool:
        """Whether readers should pause."""
        rows, size = self._live.rows + self._bulk.rows, self._live.bytes + self._bulk.bytes
        return rows >= _ROWS_WAITING or size >= _BYTES_WAITING

    @property
    def lacking(self) -> int:
        """How many more rows of old files make a whole batch of what waits."""
        return ROWS_A_COMMIT - self._bulk.rows % ROWS_A_COMMIT

    @property
    def whole(self) -> bool:
        """Whether a whole batch waits."""
        return max(self._live.rows, self._bulk.rows) >= ROWS_A_COMMIT

    def due(self, live_due: float) -> float:
        """When something must be taken (monotonic seconds), if what is live must at `live_due`."""
        bulk = self._bulk.since + BULK_WAITS_S if self._bulk.queue else float("inf")
        return min(bulk, live_due if self._live.queue else float("inf"))

    def take(self, *, everything: bool, most: int) -> list[Delivery]:
        """The next batch, of one kind, of `most` deliveries at most. `everything`: what is old need not wait for more of it."""
        bulk = self._bulk
        ready = bulk.queue and (
            everything or bulk.rows >= ROWS_A_COMMIT or time.monotonic() >= bulk.since + BULK_WAITS_S
        )
        live = not ready or (bool(self._live.queue) and not self._last_was_live)
        self._last_was_live = live
        return (self._live if live else bulk).take(most)
