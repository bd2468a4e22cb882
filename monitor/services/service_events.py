"""Events of services: each says what a service that failed said last."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from monitor.api_models.events import EventType
from monitor.api_models.services import Service
from monitor.services.unit import events_between


class Tell(Protocol):
    """Takes an event."""

    def __call__(self, name: str, kind: EventType, message: str, /, *, pid: int | None, run: int | None) -> None:
        """Of what has this name."""
        ...


class ServiceEvents:
    """Tells of services that came into another state, in the order in which they did. On the event loop.

    Args:
        tell: answers what takes the events.
        last_words: what a service said before it failed; blocking.
    """

    def __init__(self, tell: Callable[[], Tell], last_words: Callable[[Service], str | None]) -> None:
        self._tell, self._last_words = tell, last_words
        self._telling: asyncio.Task[None] | None = None

    def became(self, before: Service, service: Service) -> None:
        """A service came into another state, or was started again so soon that it came into no other."""
        self._telling = asyncio.create_task(self._became(before, service, self._telling))

    async def _became(self, before: Service, service: Service, earlier: asyncio.Task[None] | None) -> None:
        said = await asyncio.to_thread(self._last_words, service)
        if earlier is not None:
            await asyncio.wait({earlier})
        for kind, words, one in events_between(before, service, said or ""):
            self._tell()(f"service {one.name}", kind, words, pid=one.pid, run=int(one.last_run or 0) or None)
