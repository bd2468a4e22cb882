"""Running processes, and one life of one process.

Plain dataclasses, which pydantic checks as it does models: a list of some hundreds is built and written out in a quarter of the time.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from monitor.api_models.base import Shape


@dataclass(slots=True, kw_only=True)
class Process:
    """One running process; `run` identifies this life of it, the pid does not. `cpu_pct` is percent of one core."""

    run: str
    pid: int
    name: str
    title: Annotated[str, Field(description="What tells it from others of the same program.")] = ""
    cmdline: str
    kernel_thread: bool
    mine: Annotated[bool, Field(description="Whether it belongs to the user of the agent.")]
    ppid: int | None = None
    user: str | None = None
    uid: int | None = None
    status: str | None = None
    start_ts: int | None = None
    cpu_pct: float | None = None
    cpu_seconds: float | None = None
    rss: int | None = None
    vms: int | None = None
    threads: int | None = None
    nice: int | None = None
    read_bps: float | None = None
    write_bps: float | None = None
    read_bytes: int | None = None
    write_bytes: int | None = None
    fds: int | None = None
    ctx_voluntary: int | None = None
    ctx_involuntary: int | None = None
    gpu_mem: int | None = None
    growth_10m: Annotated[
        int | None, Field(description="Growth of memory over ten minutes, bytes a minute; null while it is not known.")
    ] = None
    growth_1h: Annotated[int | None, Field(description="The same over an hour.")] = None
    unit: Annotated[str | None, Field(description="The container, unit or session that it belongs to.")] = None
    member: Annotated[
        str | None, Field(description="Which of several equal processes it is, such as `rank 3`; from its environment.")
    ] = None


class MemoryOutlook(Shape):
    """The running process that would fill memory first if it went on to grow as it did.

    `per_minute`: its growth over the last `window_s` seconds, bytes a minute. `room`: bytes that are left for it: of the machine,
    or of the control group `group`, whose limit comes first. `full_in_s`: seconds until they are used. `told` says so in words.
    """

    run: str
    pid: int
    title: str
    per_minute: int
    window_s: int
    room: int
    group: str | None
    full_in_s: int
    told: str


class Processes(Shape):
    """All running processes at one moment. `outlook` is None if no process grows steadily, or memory lasts for more than a week."""

    ts: int | None
    processes: list[Process]
    outlook: MemoryOutlook | None = None


@dataclass(slots=True, kw_only=True)
class PastProcess(Process):
    """One process as it was at a past moment. `cpu_minute` is the mean of the minute before, `spark` its samples; `exit_code`, `signal` and `outcome` say how it ended later; `failed` and `asked` as of an ended run."""

    cpu_minute: float | None = None
    spark: list[float] = field(default_factory=list)
    end_ts: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    outcome: str | None = None
    failed: bool | None = None
    asked: str | None = None


class HostThen(Shape):
    """Readings of the machine at a past moment, by metric. They are means over `width_us` from `ts` on; 0 is a single sample."""

    ts: int
    width_us: int
    readings: dict[str, float | None]


class PastProcesses(Shape):
    """All processes at a past moment.

    `resolution`: `sample` (the readings of the sample at `ts`), `minute` (no sample is stored any more: those that lived
    then, with the means of the minute from `ts` on where they were kept), `lives` (the same without readings) or `none` (nothing is
    known of that time). `gap`: no sample was taken where one was due, so `ts` is not the second that was `asked` for.
    """

    asked: int
    ts: int | None
    resolution: Literal["sample", "minute", "lives", "none"]
    gap: bool
    host: HostThen | None
    processes: list[PastProcess]


class Moment(Shape):
    """A time in µs since the epoch."""

    ts: int


@dataclass(slots=True, kw_only=True)
class ProcessGroup:
    """A container, a unit of systemd, a session, or another control group, with the sums of its processes.

    Limits are None where there is none or it cannot be read. `memory` is what the kernel charges to the group, page cache
    included; `memory_limit_hits` how often it was at its limit; `cpu_limit` in cores; `throttled_pct` of its periods.
    """

    kind: Literal["container", "unit", "session", "group"] | None
    name: str
    cgroup: str | None
    processes: int = 0
    cpu_pct: float = 0.0
    rss: int = 0
    threads: int = 0
    read_bps: float = 0.0
    write_bps: float = 0.0
    gpu_mem: int | None = None
    memory: int | None = None
    memory_limit: int | None = None
    memory_limit_hits: int | None = None
    oom_kills: int | None = None
    cpu_limit: float | None = None
    throttled_pct: float | None = None


class ProcessGroups(Shape):
    """All groups of the newest sample."""

    ts: int | None
    groups: list[ProcessGroup]


class EndedRun(Shape):
    """One run that has ended. `outcome` says how, in words; `failed` is None if that is not known. `asked`: who asked for the end, which is no failure then. `out_of_memory`: the kernel killed it
    to free memory.
    """

    run: str
    pid: int
    ppid: int | None
    user: str | None
    name: str
    title: str
    cmdline: str
    member: str | None = None
    started: int | None
    ended: int
    exit_code: int | None
    signal: int | None
    outcome: str
    failed: bool | None
    asked: str | None = None
    out_of_memory: bool = False
    peak_rss: int | None
    cpu_seconds: float | None
    bytes_read: int | None = None
    bytes_written: int | None = None


class EndedRuns(Shape):
    """The newest ends that match, and how many match in all; `shorter`: those that would, had they lived long enough. Times are in µs since the epoch."""

    total: int
    runs: list[EndedRun]
    shorter: int = 0


class Life(Shape):
    """When a run lived, and how it ended: `ended`, `exit_code`, `signal` and `outcome` are None while it runs, `failed` where that is not known. `asked` as of an ended run."""

    run: str
    pid: int
    user: str | None
    title: str
    cmdline: str
    member: str | None = None
    started: int | None
    ended: int | None
    exit_code: int | None = None
    signal: int | None = None
    outcome: str | None
    failed: bool | None
    asked: str | None = None


class Lives(Shape):
    """The runs that lived in a range of time, those that lived longest in it first, and how many there are in all."""

    start: int = Field(alias="from")
    end: int = Field(alias="to")
    total: int
    runs: list[Life]

    model_config = ConfigDict(populate_by_name=True)


class RunRef(Shape):
    """The name of a run, for a link to it."""

    run: str
    pid: int
    name: str
    cmdline: str
    member: str | None = None


class Connection(Shape):
    """One connection, or one port that a process listens on (`remote` is None). An address is `10.0.0.1:80` or `[::1]:80`.

    Bytes are those since the connection began; None where they are not known.
    """

    protocol: Literal["tcp", "udp"]
    local: str
    remote: str | None
    state: str
    sent_bytes: int | None
    received_bytes: int | None


class Connections(Shape):
    """What a running process is connected to, as it is now.

    `listening` are ports, `connections` have another side; `total` counts both, those that were left out too. `local_sockets` are its
    other sockets: between processes of this machine, or of the kernel. `note` says what is missing and why, `traffic` which bytes are known.
    """

    listening: list[Connection]
    connections: list[Connection]
    total: int
    local_sockets: int
    note: str | None
    traffic: str


class RunLogFile(Shape):
    """A log file that a run holds open, or that holds records of it."""

    path: str
    source: str
    size: int | None
    stored_to: int | None
    state: str | None


@dataclass(slots=True, kw_only=True)
class Run(Process):
    """One life of one process, running or ended. After its end, the readings are the last ones."""

    exe: str | None = None
    cwd: str | None = None
    cgroup: str | None = None
    boot_id: str = ""
    start_tick: int | None = None
    end_ts: int | None = None
    exit_code: int | None = None
    exit_signal: int | None = None
    asked: str | None = None
    end_source: str | None = None
    ended_with: str | None = None
    peak_rss: int | None = None
    untouchable: Annotated[
        str | None, Field(description="Why nobody may act on it now, in words; null if operators may.")
    ] = None
    parent: RunRef | None = None
    ancestors: Annotated[list[RunRef], Field(description="Those above the parent, the nearest first.")] = field(
        default_factory=list
    )
    children: list[RunRef] = field(default_factory=list)
    log_files: list[RunLogFile] = field(default_factory=list)
