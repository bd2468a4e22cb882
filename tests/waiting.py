"""Waiting on conditions: one poller for all tests, and deadlines that know how busy the machine is.

All seconds here are those of a calm machine. While more is ready to run than there are cores, the clock of a deadline
goes slower by as much, so that a condition is given the same work done, not the same time.
"""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
What = str | Callable[[], str]
"""The name of a condition; as a function it is asked at the deadline, and can say how things stood then."""

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
SLOWEST = 20.0
"""Beyond this a machine counts as broken, not as busy."""
FIRST_POLL_S, LAST_POLL_S = 0.002, 0.05
IDLE, LONGEST_POLL_S = 4, 0.5
"""A condition that takes long to ask (a query, a command) is asked less often: who waits sleeps this many times as long as it takes, within a limit."""


def slowness() -> float:
    """How many times as long things take now as on a calm machine, from 1 to `SLOWEST`."""
    try:
        ready = float(Path("/proc/loadavg").read_text("ascii").split()[3].partition("/")[0])
    except OSError:  # no Linux
        ready = 0.0
    return min(max(1.0, ready / CORES, os.getloadavg()[0] / CORES), SLOWEST)


def patient(seconds: float) -> float:
    """A limit for a clock that is not ours (a client's, `subprocess`'s): wider, as the machine may only get busy later."""
    return seconds * (1 + slowness())


class Deadline:
    """A point in time that moves away while the machine is busy."""

    def __init__(self, seconds: float) -> None:
        self._left, self._read = seconds, time.monotonic()

    @property
    def passed(self) -> bool:
        """Whether it lies behind us."""
        now = time.monotonic()
        self._left -= (now - self._read) / slowness()
        self._read = now
        return self._left < 0


def wait_until(condition: Callable[[], T], what: What = "", seconds: float = 15.0) -> T:
    """Ask `condition` until it answers something true, and return that; fail naming `what` after the deadline."""
    deadline, pause, began = Deadline(seconds), FIRST_POLL_S, time.monotonic()
    while not (found := condition()):
        if deadline.passed:
            raise AssertionError(_late(condition, what, seconds))
        time.sleep(_longer(pause, began))
        pause, began = min(pause * 1.5, LAST_POLL_S), time.monotonic()
    return found


def _longer(pause: float, began: float) -> float:
    """The pause after a condition that was asked from `began` to now."""
    return max(pause, min(IDLE * (time.monotonic() - began), LONGEST_POLL_S))


async def wait_until_async(condition: Callable[[], T | Awaitable[T]], what: What = "", seconds: float = 15.0) -> T:
    """`wait_until` on an event loop, which goes on meanwhile; the condition may be awaitable."""
    deadline, pause = Deadline(seconds), FIRST_POLL_S
    while True:
        began = time.monotonic()
        found: Any = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if deadline.passed:
            raise AssertionError(_late(condition, what, seconds))
        await asyncio.sleep(_longer(pause, began))
        pause = min(pause * 1.5, LAST_POLL_S)


def _late(condition: Callable[[], object], what: What, seconds: float) -> str:
    """What is said of a condition that never held: its name, or its text."""
    said = what() if callable(what) else what
    if not said:
        try:
            said = " ".join(inspect.getsource(condition).split())
        except (OSError, TypeError):
            said = repr(condition)
    return f"not within {seconds:g} s of a calm machine: {said}"
