"""What the agent does beside answering, for as long as it runs."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

log = logging.getLogger("watchkeeper.chores")
AGAIN_S: Final = 5.0
Chore = Callable[[], Coroutine[Any, Any, None]]


class Chores:
    """Tasks of an event loop. One that fails is told of in the log and begins again: a watch that half works must not go on in silence.

    Args:
        again_s: how long after its failure a chore begins again.
    """

    def __init__(self, *, again_s: float = AGAIN_S) -> None:
        self._again_s = again_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False

    def begin(self, chore: Chore) -> None:
        """Do it until it returns."""
        if self._ending:
            return
        task = asyncio.create_task(chore(), name=chore.__name__)
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, chore))

    async def end(self) -> None:
        """Cancel all and wait until they have ended; one that was just woken may miss the first cancellation."""
        self._ending = True
        for _ in range(3):
            waiting = set(self._tasks)
            if not waiting:
                return
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting, timeout=0.3)

    def _ended(self, task: "asyncio.Task[None]", chore: Chore) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.error("%s failed and begins again in %g s", task.get_name(), self._again_s, exc_info=error)
            asyncio.get_running_loop().call_later(self._again_s, self.begin, chore)
