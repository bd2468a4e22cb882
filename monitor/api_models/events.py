"""Events of processes: that one began, changed its state, completed, failed or stopped."""

from typing import Annotated, Any, Literal

from pydantic import Field

from monitor.api_models.base import Shape

EventType = Literal["START", "STOP", "STATUS_CHANGE", "ERROR", "COMPLETE", "NEW_PATTERN"]
"""STOP is an end of which nobody knows how it went. NEW_PATTERN: a log source wrote something that it never wrote before."""


class Performance(Shape):
    """Readings of a process at the moment of an event; `cpu_pct` is percent of one core, `cpu_seconds` all that it used so far."""

    cpu_pct: float | None = None
    cpu_seconds: float | None = None
    rss: int | None = None
    threads: int | None = None
    read_bps: float | None = None
    write_bps: float | None = None
    fds: int | None = None


class ProcessEvent(Shape):
    """One event. `timestamp` is in µs since the epoch; `details` has `message`, the event in words, and what else is known.

    Of NEW_PATTERN, `process_name` is the log source, and `details` have `pattern` (its number), `pattern_id`, `level`, `example`, and `count` where several are told
    together.

    `origin` says who tells it: Watchkeeper itself (`watch`), or a program that reports of itself or of others (`program`).
    """

    timestamp: int = Field(ge=0, le=4_102_444_800_000_000)
    process_name: str = Field(min_length=1, max_length=300)
    event_type: EventType
    details: dict[str, Any] = Field(default_factory=dict)
    performance: Performance | None = None
    pid: int | None = Field(default=None, ge=0)
    run: Annotated[str | None, Field(pattern=r"^\d{1,20}$")] = None
    origin: Literal["watch", "program"] = "watch"


class ProcessEvents(Shape):
    """Events, the newest first. `total` counts all that match, `left_out` those that came too fast to be recorded since the agent started."""

    total: int
    left_out: int
    events: list[ProcessEvent]


class EventAccepted(Shape):
    """An event that was recorded, with what the agent added to it."""

    event: ProcessEvent
