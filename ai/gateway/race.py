"""Engines that are asked for the same answer: whichever begins first gives it, and the others give nothing."""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from ai.core.errors import BackendError
from ai.gateway.answer import Answer
from ai.gateway.apis.figures import Meter
from ai.gateway.apis.routes import Asked, Route
from ai.gateway.apis.texts import AnswerText
from ai.gateway.routing import Target


class Overtaken(BackendError):
    """Another engine had begun to answer before."""

    outage = False


@dataclass(frozen=True, slots=True)
class Question:
    """What a program asks, and the codings that it reads."""

    route: Route
    asked: Asked
    accept: str


@dataclass(slots=True, eq=False)
class Attempt:
    """One engine that is asked.

    Attributes:
        last_one: nobody else is left to ask.
        probes: it failed before, and is tried again.
        loads: it has to load its model first.
        since: when it was asked; by `time.perf_counter`.
        seen: when it was asked, or showed that it lives.
        looks: how often it was looked whether it lives.
        doubted: it was silent for longer than it should be, or did not answer such a look.
    """

    target: Target
    last_one: bool
    probes: bool
    loads: bool = False
    since: float = field(default_factory=time.perf_counter)
    seen: float = 0.0
    looks: int = 0
    doubted: bool = False
    answer: Answer | None = None
    meter: Meter | None = None
    said: AnswerText | None = None
    task: "asyncio.Task[BackendError | None] | None" = None

    def __post_init__(self) -> None:
        self.seen = self.since

    @property
    def stirs(self) -> bool:
        """Whether it has begun to say something, though it may be nothing to the program."""
        return self.answer is not None and self.answer.stirs

    async def result(self) -> BackendError | None:
        """How it ended, as soon as it has."""
        return None if self.task is None else await self.task

    def looked_at(self, *, lives: bool) -> None:
        """A look at it is over."""
        self.doubted = not lives and not self.stirs
        self.seen, self.looks = time.perf_counter(), self.looks + 1


class Race:
    """Belongs to one call."""

    def __init__(self) -> None:
        self._begun: asyncio.Future[Attempt] = asyncio.get_running_loop().create_future()
        self.running: list[Attempt] = []

    @property
    def winner(self) -> Attempt | None:
        """The one whose answer the program gets."""
        return self._begun.result() if self._begun.done() else None

    def start(self, attempt: Attempt, work: "Coroutine[object, object, BackendError | None]") -> None:
        """Ask an engine."""
        attempt.task = asyncio.get_running_loop().create_task(work)
        self.running.append(attempt)

    def claim(self, attempt: Attempt) -> None:
        """Called before the first byte of its answer goes to the program.

        Raises:
            Overtaken: there are bytes of another one already.
        """
        if self._begun.done():
            raise Overtaken("another engine was faster")
        self._begun.set_result(attempt)

    async def moved(self, limit_s: float | None, look: "asyncio.Task[int] | None" = None) -> None:
        """Wait until one begins its answer or gives up, or a look at one is over; at most so long."""
        tasks: set[asyncio.Future[Any]] = {attempt.task for attempt in self.running if attempt.task is not None}
        tasks |= {self._begun} if look is None else {self._begun, look}
        await asyncio.wait(tasks, timeout=limit_s, return_when="FIRST_COMPLETED")

    def failed(self) -> Iterator[tuple[Attempt, BackendError]]:
        """Those that gave up since the last time, with the reason.

        Raises:
            BadRequest: it cannot be asked of an engine.
        """
        for attempt in list(self.running):
            if attempt.task is not None and attempt.task.done():
                self.running.remove(attempt)
                yield attempt, attempt.task.result() or BackendError("it gave no answer")

    def losers(self) -> list[Attempt]:
        """Those that were asked in vain and have not said anything yet; the race knows them no longer."""
        losers = [attempt for attempt in self.running if attempt is not self.winner]
        self.running = [attempt for attempt in self.running if attempt is self.winner]
        return losers

    def end(self) -> None:
        """Ask no further."""
        for attempt in self.running:
            if attempt.task is not None:
                attempt.task.cancel()
