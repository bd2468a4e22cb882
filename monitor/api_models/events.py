"""Events of processes: that one began, changed its state, completed, failed or stopped; and alerts."""

from typing import Annotated, Any, Literal

from pydantic import Field

from monitor.api_models.actions import Asked
from monitor.api_models.base import Shape

EventType = Literal["START", "STOP", "STATUS_CHANGE", "ERROR", "COMPLETE", "NEW_PATTERN", "ALERT"]
"""STOP is an end that somebody asked for, or of which nobody knows how it went. NEW_PATTERN: a log source wrote something that it never wrote before. ALERT: an alert
fires."""


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


class AlertCulprit(Shape):
    """A process that had most of what an alert is about when it fired; `figure` names the reading."""

    run: str
    pid: int
    title: str
    figure: str
    value: float


class AlertRecord(Shape):
    """A log record that belongs to an alert: one that it counted, or a warning or an error of that time."""

    id: str
    ts: int
    level: str | None
    source: str
    message: str


class Alert(Shape):
    """One time that a rule fired.

    Attributes:
        kind: what the rule watches: `metric`, `records` or `fails`.
        subject: which file system, GPU or process; empty for the machine.
        started: µs; `ended` is None while it fires, `why` says then what ended it.
        message: what is wrong, in words.
        value: of the metric when it fired; `worst` so far; `unit` of both.
        count: how many records or failures there were.
        run: the process that it is about, if it is about one; `pid` of it.
        query: the log query of the rule.
        culprits: the processes that had most when it fired.
        records: records that it counted, or warnings and errors just before it fired.
        notified: what became of the notification: empty for none, `sent`, or why it failed.
        acknowledged: when somebody took note, `acknowledged_by` who.
    """

    id: str
    rule: str
    kind: Literal["metric", "records", "fails"]
    subject: str = ""
    started: int
    ended: int | None = None
    why: str = ""
    message: str
    value: float | None = None
    worst: float | None = None
    unit: str = ""
    count: int = 1
    run: str | None = None
    pid: int | None = None
    query: str = ""
    culprits: list[AlertCulprit] = Field(default_factory=list)
    records: list[AlertRecord] = Field(default_factory=list)
    notified: str = ""
    acknowledged: int | None = None
    acknowledged_by: str = ""


class Alerts(Shape):
    """Alerts, those that fire first, then the newest. `total` counts all that match, `firing` those that fire now."""

    total: int
    firing: int
    alerts: list[Alert]


AlertState = Literal["ok", "pending", "firing", "unknown", "off"]


class AlertRuleInfo(Shape):
    """One rule: its settings, whether it comes with Watchkeeper, and how it stands.

    `state` is `ok`, `pending` (beyond its threshold, not long enough), `firing`, `unknown` (there is no reading) or `off`; `now` is the present value in
    words, `trouble` why it cannot be watched.
    """

    name: str
    settings: dict[str, Any]
    told: str
    built_in: bool
    state: AlertState
    now: str = ""
    trouble: str = ""


class AlertMetricInfo(Shape):
    """A metric that rules can watch; `of` says what the key of that name chooses."""

    name: str
    label: str
    unit: str
    of: str


class Notifications(Shape):
    """Where notifications go, in words, and how that went."""

    to: list[str] = Field(default_factory=list)
    sent: int = 0
    failed: int = 0
    trouble: str = ""


class AlertRules(Shape):
    """All rules, what they can watch, and where notifications go. `read_only`: the settings forbid changes here."""

    rules: list[AlertRuleInfo]
    metrics: list[AlertMetricInfo]
    notifications: Notifications
    read_only: bool


class AlertRuleChange(Asked):
    """Settings of a rule to change; null restores a default."""

    settings: dict[str, Any] = Field(max_length=50)
