"""The agent itself: its status, its settings, its shutdown, and subscriptions of the live socket."""

from typing import Any, Literal

from pydantic import Field

from monitor.api_models.base import Shape
from monitor.api_models.machine import DiskOutlook
from monitor.metrics.messages import HostInfo


class AgentStatus(Shape):
    """CPU and memory of the agent."""

    pid: int
    rss: int | None
    cpu_pct: float | None


class SamplerStatus(Shape):
    """The sampler process."""

    pid: int | None
    state: Literal["running", "starting", "down"]
    reader: str | None
    rss: int | None
    cpu_pct: float | None
    restarts: int
    message: str = Field(default="", description="Why it is not running; empty if it is.")
    exits: str | None = Field(
        default=None,
        description="Who tells how processes end: `connector` (the kernel, of every process), `pidfd`, or `poll` (nobody).",
    )
    usage: str | None = Field(
        default=None,
        description="Who tells what a process used in its life: `taskstats` (the kernel, of every process) or `sweep` (the last reading).",
    )
    ends_lost: dict[str, int] = Field(
        default_factory=dict,
        description="What was lost of the ends of processes since the sampler started, by reason: `exits:lost`, `usage:lost`, `brief:unknown`, `brief:dropped`.",
    )


class ArchiveStatus(Shape):
    """Older log records in compressed files. `kept`: whether further ones are added; times are µs, null without records."""

    kept: bool = False
    files: int = 0
    records: int = 0
    size_bytes: int = 0
    limit_bytes: int = 0
    first_ts: int | None = None
    last_ts: int | None = None
    trouble: str = Field(default="", description="Why records could not be archived; empty if they could.")


class StoreStatus(Shape):
    """The store. `full`: rows wait for space. `readonly`: its directory is not writable."""

    engine: str
    schema_version: int
    size_bytes: int
    limit_bytes: int
    state: Literal["ok", "full", "readonly"]
    message: str
    notices: list[str]
    archive: ArchiveStatus = Field(default_factory=ArchiveStatus)


class SampleStatus(Shape):
    """Samples expected, received, missed, stored and dropped since the agent started."""

    expected: int
    received: int
    missed: int
    stored: int
    dropped: int
    last_ts: int | None
    lag_ms: float | None
    interval_s: float


class LogStatus(Shape):
    """Counts of log sources, files and records."""

    sources: int = 0
    files: int = 0
    records: int = 0
    backfilling: int = 0
    missed_bytes: int = 0
    dropped: int = 0
    discover: bool = Field(default=True, description="Whether files are found by the processes that write them.")
    waiting: str = Field(default="", description="Why records cannot be stored now; empty if they can.")
    errors: list[str] = Field(default_factory=list)


class GpuStatus(Shape):
    """Count and state of the GPUs."""

    state: str
    message: str
    age_s: float | None
    count: int


class LiveStatus(Shape):
    """Subscribers of the live socket."""

    subscribers: int
    dropped: int


class Status(Shape):
    """The status of the agent and its parts."""

    version: str
    now: int
    started: int
    host: HostInfo | None
    agent: AgentStatus
    sampler: SamplerStatus
    socket: str
    data_dir: str
    store: StoreStatus
    samples: SampleStatus
    logs: LogStatus
    gpu: GpuStatus
    live: LiveStatus
    config: str | None = None
    warnings: list[str] = Field(default_factory=list)
    filling: list[DiskOutlook] = Field(default_factory=list)


class SettingInfo(Shape):
    """One setting: its value, and where it comes from."""

    key: str
    value: Any
    default: Any
    origin: Literal["default", "file", "environment", "option"]
    description: str
    unit: str
    editable: bool
    restart: bool


class SettingsInfo(Shape):
    """All settings, and the file they are kept in."""

    path: str | None
    settings: list[SettingInfo]
    restart_needed: list[str] = Field(default=[], description="Keys whose saved value takes effect at the next start.")


class ShutdownAnswer(Shape):
    """The process that is stopping."""

    pid: int


class Subscription(Shape):
    """A subscription of `/v1/live`.

    `logs` holds the filters of the log API, or null for none; frames of records carry `logs_tag` back, so that those of an
    earlier filter are known. `logs_columns` names fields whose values come with each record.
    """

    host: bool = True
    processes: bool = False
    status: bool = True
    events: bool = False
    jobs: bool = False
    logs: dict[str, Any] | None = None
    logs_tag: int = 0
    logs_columns: list[str] = Field(default_factory=list, max_length=12)
    history_s: int = Field(default=300, ge=0, le=3600)


class SubscribeMessage(Shape):
    """The message with a subscription: the first of a connection, and any that replaces it."""

    subscribe: Subscription
