"""Engines in workers of this program, lent to calls that come from outside: loaded, and in use until they are given back."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from ai.backends.worker_backend import WorkerBackend
from ai.core.errors import BackendDown
from ai.service.pool import PooledEngine


@dataclass(frozen=True, slots=True)
class LentEngine:
    """Where a loaded worker listens, and its key."""

    socket: str
    key: str = field(repr=False)


class Lending:
    """Belongs to the event loop of the pool.

    Args:
        engines: returns the engines in use, by name.
        load_s: returns how long a load may take, seconds.
    """

    def __init__(self, engines: Callable[[], Mapping[str, PooledEngine]], load_s: Callable[[], float]) -> None:
        self._engines, self._load_s = engines, load_s
        self._lent: dict[str, AsyncExitStack] = {}

    async def lend(self, call: str, name: str) -> LentEngine:
        """Load an engine, if need be, and keep it from being unloaded for idleness until the call gives it back.

        Raises:
            BackendError: it cannot be loaded, or there is none of that name.
        """
        pooled = self._engines().get(name)
        if pooled is None or not isinstance(pooled.backend, WorkerBackend):
            raise BackendDown(f"There is no engine {name} any more.", backend=name)
        stack = AsyncExitStack()
        await stack.enter_async_context(pooled.backend.supervisor.lease())
        try:
            await pooled.backend.ensure_loaded(pooled.spec, deadline_s=self._load_s())
        except BaseException:
            await stack.aclose()
            raise
        running = pooled.backend.supervisor.running
        if running is None:
            await stack.aclose()
            raise BackendDown(f"The worker of {name} ended.", backend=name)
        self._lent[call] = stack
        return LentEngine(running.socket, running.key)

    async def give_back(self, call: str) -> None:
        """The call is over; one that holds nothing may say so, too."""
        stack = self._lent.pop(call, None)
        if stack is not None:
            await stack.aclose()

    async def give_all_back(self) -> None:
        """Whoever borrowed is gone."""
        stacks, self._lent = list(self._lent.values()), {}
        await asyncio.gather(*(stack.aclose() for stack in stacks))
