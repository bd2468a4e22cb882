"""Analyses that are followed: what the rules find is there at once, what an engine makes of the posting follows."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from ai.analysis import JobAnalyzer
from ai.core.errors import AiError
from ai.shapes.posting import FollowedAnalysis

_KEPT: Final = 20


class Analyses:
    """Belongs to the event loop it is used in.

    Args:
        analyzer: the one that asks the engines.
        chosen: which engine would be asked first; empty where none can be.
    """

    def __init__(self, analyzer: Callable[[], Awaitable[JobAnalyzer]], chosen: Callable[[], Awaitable[str]]) -> None:
        self._analyzer, self._chosen = analyzer, chosen
        self._known: dict[str, FollowedAnalysis] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, text: str) -> FollowedAnalysis:
        """What the rules find; where an engine can be asked, its answer follows.

        Raises:
            InputError: the text is longer than any posting.
        """
        rules, asked = await JobAnalyzer().analyze(text), await self._chosen()
        started, state = time.time_ns() // 1000, "asking" if asked else "done"
        found = FollowedAnalysis(id=uuid.uuid4().hex[:12], state=state, asked=asked, started=started, rules=rules)
        self._known[found.id] = found
        if asked:
            self._tasks[found.id] = asyncio.create_task(self._ask(found, text), name=f"analysis {found.id}")
        over = [key for key, one in self._known.items() if one.state != "asking"]
        for key in itertools.islice(over, max(0, len(self._known) - _KEPT)):
            del self._known[key]
        return found

    def state(self, analysis: str) -> FollowedAnalysis | None:
        """How far it is; None for one that is not kept."""
        return self._known.get(analysis)

    async def cancel(self, analysis: str) -> bool:
        """Ask no further, which frees the engine; whether one was being asked. What the rules found stays."""
        task = self._tasks.get(analysis)
        if task is None:
            return False
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return True

    async def close(self) -> None:
        """Ask no further."""
        for analysis in list(self._tasks):
            await self.cancel(analysis)

    async def _ask(self, found: FollowedAnalysis, text: str) -> None:
        over: dict[str, object] = {"state": "cancelled"}
        try:
            over = {"state": "done", "result": await (await self._analyzer()).analyze(text)}
        except AiError:
            over = {"state": "done"}  # what the rules found stands
        finally:
            self._known[found.id] = found.model_copy(update=over)
            del self._tasks[found.id]
