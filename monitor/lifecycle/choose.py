"""Which sources of exits, and of what ended processes used, this machine grants."""

from collections.abc import Callable
from typing import Final

from monitor.lifecycle.connector import ProcConnector
from monitor.lifecycle.exits import ExitSource
from monitor.lifecycle.pidfd import PidfdWatch
from monitor.lifecycle.taskstats import Taskstats

_REFUSED: Final = (OSError, AttributeError)
"""This kernel, name space or user gets none; this Python knows none."""


def open_exits(limit: Callable[[], int]) -> ExitSource | None:
    """The best source that there is here; None without any.

    Args:
        limit: reserves descriptors for it; returns how many it may keep.
    """
    sources: tuple[Callable[[], ExitSource], ...] = (ProcConnector, lambda: PidfdWatch(limit()))
    for source in sources:
        try:
            return source()
        except _REFUSED:
            continue
    return None


def open_usage() -> Taskstats | None:
    """The kernel's records of what processes used in their lives; None where it gives none."""
    try:
        return Taskstats()
    except _REFUSED:
        return None
