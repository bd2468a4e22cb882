"""How many calls are answered at the same time, and how many may wait for their turn."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ai.core.errors import BackendOverloaded
from ai.gateway.link.messages import Limits


class Gate:
    """First come, first served.

    Args:
        limits: returns those in force.
    """

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._queue: deque[asyncio.Future[None]] = deque()
        self.active = 0
        self.refused = 0

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        return len(self._queue)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and keep it.

        Raises:
            BackendOverloaded: too many wait already.
        """
        limits = self._limits()
        if self.active >= limits.concurrency or self._queue:
            await self._wait(limits)
        else:
            self.active += 1
        try:
            yield
        finally:
            self.active -= 1
            self._call_next()

    async def _wait(self, limits: Limits) -> None:
        if len(self._queue) >= limits.queue:
            self.refused += 1
            raise BackendOverloaded(
                f"The gateway's queue is full (under way: {self.active}, waiting: {len(self._queue)}).",
                hint="Try again in a moment.",
            )
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine in self._queue:
                self._queue.remove(mine)
            elif not mine.cancelled():  # called, and cancelled in the same moment: the turn goes on to the next
                self.active -= 1
                self._call_next()
            raise

    def _call_next(self) -> None:
        while self._queue and self.active < self._limits().concurrency:
            mine = self._queue.popleft()
            if not mine.done():
                self.active += 1
                mine.set_result(None)
