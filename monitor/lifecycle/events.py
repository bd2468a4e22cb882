"""`ProcessEventTracker`: says that a process began, how it fares, and how it ended.

    from watchkeeper import ProcessEventTracker

    events = ProcessEventTracker()
    events.log_process_start("nightly import", details={"files": 12})
    events.log_process_status("nightly import", "half done")
    events.log_process_completion("nightly import", exit_code=0)

In a program, each event goes to the running agent, which stores it, shows it, and writes it to `process_events.log`. The agent uses
the same class for what it sees itself.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from monitor.api_models.events import EventType, Performance, ProcessEvent
from monitor.core.exit_words import ended_with, failed
from monitor.lifecycle.delivery import AgentDelivery

__all__ = ["Performance", "ProcessEvent", "ProcessEventTracker"]


class Deliver(Protocol):
    """Takes events on."""

    def __call__(self, event: ProcessEvent, /) -> None:
        """Take one; raises nothing."""
        ...


def _now_us() -> int:
    return time.time_ns() // 1000


class ProcessEventTracker:
    """Makes events and hands them on.

    Args:
        deliver: takes each event; without it, they go to the agent of the data directory (`WATCHKEEPER_DATA_DIR`, or the default).
            An agent that is away costs nothing but the event: see `AgentDelivery`.
        now: microseconds since the epoch.
    """

    def __init__(self, deliver: Deliver | None = None, *, now: Callable[[], int] = _now_us) -> None:
        self.deliver: Deliver = AgentDelivery() if deliver is None else deliver
        self._now, self._own = now, deliver is None

    def log_process_start(self, process_name: str, **more: Any) -> ProcessEvent:
        """It has begun. For `more` see `log`."""
        return self.log(process_name, "START", "started", **more)

    def log_process_status(self, process_name: str, status: str, **more: Any) -> ProcessEvent:
        """Its state changed to `status`, in words. For `more` see `log`."""
        return self.log(process_name, "STATUS_CHANGE", status, **more)

    def log_process_completion(
        self,
        process_name: str,
        *,
        exit_code: int | None = None,
        signal: int | None = None,
        out_of_memory: bool = False,
        memory_group: str | None = None,
        memory_limit: int | None = None,
        error: str | None = None,
        asked: str | None = None,
        details: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> ProcessEvent:
        """It has ended: COMPLETE with exit code 0, ERROR with another one, a signal or an `error` in words, STOP if none is known or somebody asked for it.

        Args:
            process_name: its name.
            exit_code: None if unknown, or if a signal ended it.
            signal: the number of the signal that ended it.
            out_of_memory: whether the kernel ended it to free memory.
            memory_group: the control group whose limit was reached; empty for the machine, None if unknown.
            memory_limit: of that group, bytes.
            error: what went wrong, in words.
            asked: who asked for the end, in words, as `stopped by Ada`.
            details: more about it.
            **more: see `log`.
        """
        known = {
            "exit_code": exit_code, "signal": signal, "out_of_memory": out_of_memory or None, "memory_group": memory_group, "memory_limit": memory_limit,
            "error": error, "asked": asked,
        }  # fmt: skip
        bad = failed(exit_code, signal, asked) or out_of_memory or error is not None
        kind: EventType = "ERROR" if bad else "STOP" if asked is not None or exit_code is None else "COMPLETE"
        said = ended_with(
            exit_code,
            signal,
            out_of_memory=out_of_memory,
            memory_group=memory_group,
            memory_limit=memory_limit,
            asked=asked,
        )
        message = ": ".join(part for part in (said, error) if part) or "ended, exit code unknown"
        found = {name: value for name, value in known.items() if value is not None}
        return self.log(process_name, kind, message, details={**found, **(details or {})}, **more)

    def log(
        self,
        process_name: str,
        event_type: EventType,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        performance: Performance | None = None,
        pid: int | None = None,
        run: int | None = None,
        timestamp: int | None = None,
    ) -> ProcessEvent:
        """Make an event of any kind, hand it on, and return it.

        Args:
            process_name: of the process or job.
            event_type: START, STOP, STATUS_CHANGE, ERROR or COMPLETE.
            message: the event in words.
            details: more about it; values that JSON knows.
            performance: readings at this moment; without them, the agent adds those of the process.
            pid: of the process; this one without it.
            run: this life of the process, if it is known.
            timestamp: µs since the epoch; now without it.

        Raises:
            pydantic.ValidationError: a value is of the wrong type or too long.
        """
        event = ProcessEvent(
            timestamp=self._now() if timestamp is None else timestamp,
            process_name=process_name,
            event_type=event_type,
            details={"message": message, **(details or {})},
            performance=performance,
            pid=os.getpid() if pid is None and self._own else pid,
            run=None if run is None else str(run),
            origin="program" if self._own else "watch",
        )
        self.deliver(event)
        return event
