"""Takes turns: so many requests run at a time, so many wait, and any further one hears at once that the agent is busy."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from monitor.core.errors import Busy


class Turns:
    """A place where requests of one kind run, a few at a time, each on a thread of `threads`. Use it in the event loop: `async with turns:`.

    Args:
        name: what runs here, in the plural.
        running: how many run at a time.
        waiting: how many wait.
    """

    def __init__(self, name: str, *, running: int, waiting: int) -> None:
        self._name, self._places, self._most = name, asyncio.Semaphore(running), running + waiting
        self._taken = 0
        self.threads = ThreadPoolExecutor(running, thread_name_prefix=name.replace(" ", "-"))

    async def __aenter__(self) -> None:
        """Wait for a place.

        Raises:
            Busy: too many wait already.
        """
        if self._taken >= self._most:
            raise Busy(
                f"the agent is busy: {self._taken} {self._name} are running or waiting",
                hint="try again in a few seconds",
            )
        self._taken += 1
        try:
            await self._places.acquire()
        except BaseException:
            self._taken -= 1
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the place to the next one."""
        self._places.release()
        self._taken -= 1
