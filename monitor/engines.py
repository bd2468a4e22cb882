"""The model engines as last looked at; looks again every so often, and when asked."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from monitor.settings import EngineSettings


class EngineWatch:
    """Asks the engines and remembers their answers.

    Args:
        settings: where to look, asked anew each time.
        look: asks the engines; one dictionary each, see `docs/design.md` §7.
        on_change: called when a state or a model list differs from the last.
    """

    def __init__(
        self,
        settings: Callable[[], EngineSettings],
        look: Callable[[EngineSettings], Awaitable[list[dict[str, Any]]]],
        on_change: Callable[[], None],
    ) -> None:
        self._settings, self._ask, self._on_change = settings, look, on_change
        self._checked: int | None = None
        self._engines: list[dict[str, Any]] = []
        self._looking: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def newest(self) -> dict[str, Any]:
        """`{"checked": µs | None, "engines": […]}`."""
        return {"checked": self._checked, "engines": self._engines}

    def brief(self) -> list[dict[str, Any]]:
        """Name, state and one sentence of each, for the status strip."""
        return [
            {"name": e["name"], "label": e["label"], "state": e["state"], "detail": e["detail"]} for e in self._engines
        ]

    async def refresh(self) -> dict[str, Any]:
        """Look now; those who ask meanwhile share one look."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)
        return self.newest()

    def again(self) -> None:
        """The settings changed: look soon."""
        self._wake.set()

    async def keep_looking(self) -> None:
        """Look every `check_s`, for as long as the agent runs."""
        while True:
            self._wake.clear()
            await self.refresh()
            try:
                async with asyncio.timeout(self._settings().check_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        found = await self._ask(self._settings())
        before = [(e["name"], e["address"], e["state"], e["models"]) for e in self._engines]
        self._engines, self._checked = found, time.time_ns() // 1000
        if before != [(e["name"], e["address"], e["state"], e["models"]) for e in found]:
            self._on_change()
