"""Background tasks of the agent, and the end of the ground it stands on."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from monitor.core.errors import StoreError

log = logging.getLogger("watchkeeper.agent")
AGAIN_S: Final = 5.0
LOOK_S: Final = 2.0
Work = Callable[[], Coroutine[Any, Any, None]]


class Background:
    """Tasks of an event loop. A task that fails is logged and restarted, so the agent never silently does only half its work.

    Args:
        again_s: time between a failure and the restart.
    """

    def __init__(self, *, again_s: float = AGAIN_S) -> None:
        self._again_s = again_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False

    def begin(self, work: Work) -> None:
        """Start a task. It runs until it returns."""
        if self._ending:
            return
        task = asyncio.create_task(work(), name=work.__name__)
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, work))

    async def end(self) -> None:
        """Cancel all tasks and wait for them. A task that was just woken may miss the first cancellation, so this tries three times."""
        self._ending = True
        for _ in range(3):
            waiting = set(self._tasks)
            if not waiting:
                return
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting, timeout=0.3)

    def _ended(self, ended: "asyncio.Task[None]", work: Work) -> None:
        self._tasks.discard(ended)
        if ended.cancelled():
            return
        error = ended.exception()
        if error is not None:
            log.error("%s failed; restarting it in %g s", ended.get_name(), self._again_s, exc_info=error)
            asyncio.get_running_loop().call_later(self._again_s, self.begin, work)


def after(ready: asyncio.Event, work: Work) -> Work:
    """Work that begins once something else is done, which a start is to come to first."""

    async def begin() -> None:
        await ready.wait()
        await work()

    begin.__name__ = work.__name__
    return begin


async def until_lost(lost: Callable[[], Path | None]) -> StoreError:
    """Wait until a file that the agent needs was removed or replaced; what to tell then. Nothing could be reached or kept any more."""
    while True:
        path = await asyncio.to_thread(lost)
        if path is not None:
            return StoreError(
                f"{path} was removed or replaced while the agent ran, so the agent ends",
                hint="start it again; before you move its files, stop it with `watchkeeper down`",
            )
        await asyncio.sleep(LOOK_S)
