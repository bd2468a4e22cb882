"""The service on a thread of its own: engines are asked and measured without holding up the agent's event loop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from ai.core.errors import TooSlow

if TYPE_CHECKING:
    from ai.service.service import AiService

T = TypeVar("T")


class AiThread:
    """Runs an `AiService` in an event loop on a thread, which starts at the first question.

    Args:
        make: makes the service, on that thread.
    """

    def __init__(self, make: "Callable[[], AiService]") -> None:
        self._make = make
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._service: AiService | None = None
        self._stopped = False

    @property
    def service(self) -> "AiService | None":
        """The service, once something was asked."""
        return self._service

    async def call(self, question: "Callable[[AiService], Awaitable[T]]", *, deadline_s: float) -> T:
        """Ask the service from another event loop.

        Raises:
            TooSlow: the deadline passed; the question is then cancelled.
        """
        loop = await asyncio.to_thread(self._begin)

        async def ask() -> T:
            assert self._service is not None  # noqa: S101 - `_begin` made it
            return await question(self._service)

        future = asyncio.run_coroutine_threadsafe(ask(), loop)
        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise TooSlow(f"No answer within {deadline_s:g} s.", hint="Try again, or look at the engines.") from error

    def stop(self, timeout_s: float = 2.0) -> bool:
        """End every worker and the thread; whether that was done in time."""
        with self._lock:
            self._stopped = True
            thread, loop, service = self._thread, self._loop, self._service
        if thread is None or loop is None or service is None:
            return True
        closing = asyncio.run_coroutine_threadsafe(service.close(), loop)
        try:
            closing.result(timeout_s)
        except TimeoutError:
            closing.cancel()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(timeout_s)
        return closing.done() and not closing.cancelled() and not thread.is_alive()

    def _begin(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._stopped:
                raise TooSlow("The agent is ending.", hint="")
            if self._loop is None:
                ready: Future[asyncio.AbstractEventLoop] = Future()
                self._thread = threading.Thread(target=self._live, args=(ready,), name="ai", daemon=True)
                self._thread.start()
                self._loop = ready.result()  # or why there is none; the next question tries again
            return self._loop

    def _live(self, ready: "Future[asyncio.AbstractEventLoop]") -> None:
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            try:
                self._service = self._make()
            except BaseException as error:  # noqa: BLE001 - it goes to whoever asks
                ready.set_exception(error)
                return
            ready.set_result(loop)
            loop.run_forever()
