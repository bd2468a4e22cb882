"""The programs that failed in the last minutes, for the status strip of the dashboard."""

import signal
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from monitor.api_models.events import ProcessEvent
from monitor.core.process_title import runs_script

WITHIN_US: Final = 600_000_000
MOST: Final = 1000
"""Failures that are kept; of a storm, the newest."""
_BY_HAND: Final = {
    number for name in ("SIGINT", "SIGHUP", "SIGPIPE") if (number := getattr(signal, name, None)) is not None
}
"""Ctrl-C, a terminal that was closed, and the end of a pipe's reader: ordinary ends of what somebody typed."""


class FailedProgram(NamedTuple):
    """A program, its newest failure (in words, µs, and the run if it is known), and how often it failed."""

    name: str
    message: str
    ts: int
    run: str | None
    times: int


class RecentFailures:
    """Keeps the failures of jobs, of what a fault or a signal ended, and of services. A command that somebody typed and that found nothing (`grep`, `pytest`) is none.

    Use it on one thread; `brief` may be called on any.
    """

    def __init__(self) -> None:
        self._kept: deque[ProcessEvent] = deque(maxlen=MOST)

    def take(self, events: Iterable[ProcessEvent]) -> None:
        """Keep those of the events that are failures."""
        self._kept.extend(one for one in events if one.event_type == "ERROR" and _is_news(one))

    def brief(self, now: int, *, but: Iterable[str] = ()) -> "list[FailedProgram]":
        """The programs that failed in the ten minutes before a time (µs), the one that failed last first.

        Args:
            now: the time.
            but: services that are told elsewhere.
        """
        left_out = {f"service {name}" for name in but}
        found: dict[str, FailedProgram] = {}
        for one in sorted(self._kept.copy(), key=lambda event: -event.timestamp):
            if now - one.timestamp >= WITHIN_US or one.process_name in left_out:
                continue
            before = found.get(one.process_name)
            if before is None:
                said = str(one.details.get("message", ""))
                found[one.process_name] = FailedProgram(one.process_name, said, one.timestamp, one.run, 1)
            else:
                found[one.process_name] = before._replace(times=before.times + 1)
        return list(found.values())


def _is_news(event: ProcessEvent) -> bool:
    details = event.details
    command = str(details.get("command", ""))
    if details.get("signal") is not None:
        return details["signal"] not in _BY_HAND
    if details.get("out_of_memory") or event.origin == "program" or not command:
        return True
    return runs_script(command.split(" ", maxsplit=1)[0].rpartition("/")[2], command)
