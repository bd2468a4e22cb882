"""Deadlines, cancellation and measured times, the same for every engine."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from ai.core.arrival import Arrivals
from ai.core.errors import BackendTimeout, Cancelled, Phase
from ai.core.types import Chunk, Deadlines, Event, Figure, Timings


class Clock:
    """The measured times of one call: when it was sent, its first and its last piece."""

    def __init__(self) -> None:
        self.sent_ns = time.perf_counter_ns()
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._arrivals = Arrivals()

    def mark(self, at_ns: int | None = None, characters: int = 1, counted: float | None = None) -> int:
        """The time of a non-empty piece: now, or the one given. `counted`: tokens so far, where the server says so."""
        now = time.perf_counter_ns() if at_ns is None else at_ns
        self.first_ns = self.first_ns or now
        self.last_ns = now
        self._arrivals.add(now, characters, counted)
        return now

    def finish(self, at_ns: int | None = None) -> None:
        """The engine said that it is done. The token that ends an answer has no text, but took its time; what takes far longer than a token is no part of it."""
        now = time.perf_counter_ns() if at_ns is None else at_ns
        if self.last_ns is None or not self._arrivals.is_late(now):
            self.last_ns = now

    def timings(self, ended_ns: int) -> Timings:
        """The measured times; what the engine reports is put beside them with `dataclasses.replace`."""
        first, last = self.first_ns, self.last_ns
        return Timings(
            ttft=None if first is None else Figure((first - self.sent_ns) / 1e9, "measured"),
            total=Figure((ended_ns - self.sent_ns) / 1e9, "measured"),
            generation_measured=None if first is None or last is None else Figure((last - first) / 1e9, "measured"),
            arrival=self._arrivals.summary(),
        )


class Pacer:
    """Waits for each event of a stream no longer than allowed.

    The waiting happens in the caller's task, so that what is inside the stream (a connection) is entered and left
    in one task; one small task watches the cancel event and ends the wait that is under way.
    """

    def __init__(self, name: str, deadlines: Deadlines, cancel: asyncio.Event | None) -> None:
        self._name = name
        self._deadlines = deadlines
        self._cancel = cancel
        self._waiting: asyncio.Timeout | None = None
        self._begun = time.perf_counter()

    def left(self) -> Deadlines:
        """The deadlines of what else is to be asked for the same call."""
        return replace(self._deadlines, total_s=self._left_s())

    def _left_s(self) -> float:
        return max(self._deadlines.total_s - (time.perf_counter() - self._begun), 0.0)

    async def run(self, source: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """The events of `source`.

        Raises:
            BackendTimeout: a deadline passed; the source is closed.
            Cancelled: the cancel event was set; the source is closed.
        """
        watcher = asyncio.create_task(self._watch(self._cancel)) if self._cancel is not None else None
        phase: Phase = "first token"
        try:
            async with aclosing(source):
                while (event := await self._next(source, phase)) is not None:
                    yield event
                    phase = "between tokens" if isinstance(event, Chunk) else phase
        finally:
            if watcher is not None:
                watcher.cancel()
                await asyncio.gather(watcher, return_exceptions=True)

    async def _next(self, source: AsyncGenerator[Event, None], phase: Phase) -> Event | None:
        if self._cancel is not None and self._cancel.is_set():
            raise self._cancelled()
        allowed = self._deadlines.first_token_s if phase == "first token" else self._deadlines.between_tokens_s
        left = self._left_s()
        whole: Phase = "total"
        if left <= allowed:
            phase, allowed = whole, left
        try:
            async with asyncio.timeout(allowed) as self._waiting:
                return await anext(source, None)
        except TimeoutError as error:
            if self._cancel is not None and self._cancel.is_set():
                raise self._cancelled() from error
            raise late(self._name, phase, time.perf_counter() - self._begun) from error
        finally:
            self._waiting = None

    async def _watch(self, cancel: asyncio.Event) -> None:
        await cancel.wait()
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def _cancelled(self) -> Cancelled:
        return Cancelled(f"The request to {self._name} was cancelled.", backend=self._name)


def late(name: str, phase: Phase, waited_s: float) -> BackendTimeout:
    """The error for a deadline that passed."""
    what = {
        "first token": "did not begin to answer",
        "between tokens": "stopped in the middle of its answer",
        "total": "did not finish its answer",
        "connect": "could not be reached",
        "load": "did not load the model",
        "health": "did not say whether it is well",
    }[phase]
    return BackendTimeout(
        f"{name} {what} within {waited_s:.1f} s.",
        backend=name,
        phase=phase,
        waited_s=waited_s,
        hint="It may be overloaded or hang: look at its log, or give it a longer deadline.",
    )
