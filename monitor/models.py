"""The shapes of the agent's API, as `docs/design.md` §4 and §5 give them: what the agent documents in its OpenAPI, and
what `monitor.client` answers.

Times are integer microseconds since the epoch, UTC; sizes bytes; rates per second. `None` means *not available*.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Level = Literal["trace", "debug", "info", "warn", "error", "fatal"]
LEVELS: tuple[Level, ...] = ("trace", "debug", "info", "warn", "error", "fatal")


class Shape(BaseModel):
    """A part of an answer; fields that a newer agent adds are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ErrorBody(Shape):
    """What went wrong, in one sentence, and what to do about it."""

    kind: str = Field(description="Class of the error.")
    message: str
    hint: str = ""
    problems: dict[str, str] = Field(
        default={}, description="One sentence a wrong key, where several can be wrong at once."
    )


class ErrorAnswer(Shape):
    """Every error's body."""

    error: ErrorBody


# --- the machine


class HostInfo(Shape):
    """A machine and one boot of it."""

    host: str
    boot_id: str
    boot_ts: int
    kernel: str
    platform: str
    cpu_count: int
    mem_total: int
    clock_tick_hz: int


class DiskSpace(Shape):
    """Room on one mounted file system, bytes."""

    mount: str
    device: str
    fstype: str
    total: int
    used: int
    free: int


class DeviceRates(Shape):
    """IO of one disk (`busy_pct` of the time) or one network interface (`busy_pct` None)."""

    name: str
    read_bps: float | None = None
    write_bps: float | None = None
    read_ops: float | None = None
    write_ops: float | None = None
    busy_pct: float | None = None
    errors: float | None = None


class HostReading(Shape):
    """One reading of the whole machine; CPU values are percent of all cores together (0 to 100)."""

    cpu_pct: float | None = None
    cpu_user: float | None = None
    cpu_system: float | None = None
    cpu_iowait: float | None = None
    cpu_steal: float | None = None
    per_core: list[float | None] | None = None
    load1: float | None = None
    load5: float | None = None
    load15: float | None = None
    mem_total: int | None = None
    mem_used: int | None = None
    mem_available: int | None = None
    mem_cached: int | None = None
    swap_total: int | None = None
    swap_used: int | None = None
    psi_cpu_some: float | None = None
    psi_mem_some: float | None = None
    psi_mem_full: float | None = None
    psi_io_some: float | None = None
    psi_io_full: float | None = None
    disk_read_bps: float | None = None
    disk_write_bps: float | None = None
    disk_read_ops: float | None = None
    disk_write_ops: float | None = None
    net_rx_bps: float | None = None
    net_tx_bps: float | None = None
    procs_total: int | None = None
    procs_running: int | None = None
    ctx_switches: float | None = None
    temperatures: dict[str, float] | None = None
    disks: list[DeviceRates] | None = None
    nics: list[DeviceRates] | None = None
    space: list[DiskSpace] | None = Field(default=None, description="The newest known room on each file system.")


class GpuReading(Shape):
    """One GPU. `error` names what failed when a whole GPU could not be read."""

    index: int
    uuid: str
    name: str
    util_pct: float | None = None
    mem_util_pct: float | None = None
    mem_total: int | None = None
    mem_used: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temp_c: float | None = None
    clock_sm_mhz: int | None = None
    clock_mem_mhz: int | None = None
    throttle: list[str] | None = None
    energy_j: float | None = None
    error: str | None = None


class GpuProcess(Shape):
    """Memory one process holds on one GPU."""

    gpu: int
    pid: int
    run: str | None = None
    mem_bytes: int | None = None


class GpuState(Shape):
    """What is known of the GPUs: `ok`, `none` (no driver or no device), `stale` (a call hangs), `error`."""

    state: str
    message: str
    age_s: float
    gpus: list[GpuReading]
    processes: list[GpuProcess]


class Quality(Shape):
    """How well the sampler itself does; counts are since it began."""

    expected: int
    taken: int
    lag_ms: float | None
    sweep_ms: float | None
    cpu_s: float | None
    rss: int | None
    errors: dict[str, int]


class HostLatest(Shape):
    """The newest reading; everything is None before the first."""

    ts: int | None
    host: HostReading | None
    gpu: GpuState | None
    quality: Quality | None


class Statistics(Shape):
    """One metric over the buckets of a series; a bucket without samples is None."""

    avg: list[float | None]
    min: list[float | None]
    max: list[float | None]


class Series(Shape):
    """Metrics over time: at most `points` buckets of `bucket_us`; `gaps` are spans without samples."""

    ts: list[int]
    bucket_us: int
    series: dict[str, Statistics]
    gaps: list[tuple[int, int]] = []


class OneGpuSeries(Shape):
    """One GPU's metrics over time."""

    index: int
    uuid: str | None
    name: str | None
    ts: list[int]
    series: dict[str, Statistics]


class GpuSeries(Shape):
    """Every GPU's metrics over time."""

    bucket_us: int | None = None
    gpus: list[OneGpuSeries]


# --- processes


class Process(Shape):
    """One running process; `run` identifies this life of it, the pid does not. `cpu_pct` is percent of one core."""

    run: str
    pid: int
    ppid: int | None
    user: str | None
    uid: int | None
    name: str
    cmdline: str
    status: str | None
    start_ts: int | None
    cpu_pct: float | None
    rss: int | None
    vms: int | None
    threads: int | None
    read_bps: float | None
    write_bps: float | None
    read_bytes: int | None
    write_bytes: int | None
    fds: int | None
    ctx_voluntary: int | None
    ctx_involuntary: int | None
    gpu_mem: int | None
    kernel_thread: bool
    mine: bool = Field(description="Whether it belongs to the user who runs the agent.")


class Processes(Shape):
    """All running processes at one moment."""

    ts: int | None
    processes: list[Process]


class RunRef(Shape):
    """Enough of a run to name it and to link to it."""

    run: str
    pid: int
    name: str
    cmdline: str


class RunLogFile(Shape):
    """A log file that a run holds open."""

    path: str
    source: str
    size: int | None
    stored_to: int | None
    state: str | None


class Run(Process):
    """One life of one process, running or ended; of an ended one the readings are the last."""

    exe: str | None
    cgroup: str | None
    boot_id: str
    start_tick: int
    end_ts: int | None
    exit_code: int | None
    exit_signal: int | None
    end_source: str | None = None
    peak_rss: int | None = None
    cpu_seconds: float | None = None
    parent: RunRef | None
    children: list[RunRef]
    log_files: list[RunLogFile]


# --- log records


class Record(Shape):
    """One log record, however many lines; `id` is `<file_id>:<pos>`."""

    id: str
    ts: int
    level: str | None
    source: str
    logger: str | None
    pid: int | None
    run: str | None
    message: str
    lines: int
    format: str | None
    file_id: str
    pos: int
    line_no: int | None


class RecordDetail(Record):
    """A record with its fields, its whole original, and the file it lies in."""

    fields: dict[str, Any] | None
    raw: str
    path: str | None


class LogPage(Shape):
    """Records of a filter, oldest first, with cursors to the older and newer ones."""

    records: list[Record]
    older: str | None
    newer: str | None
    elapsed_ms: float
    scanned: int | None = None


class LogContext(Shape):
    """The neighbours of a record in its file."""

    records: list[Record]


class LogCount(Shape):
    """How many records a filter matches."""

    count: int
    elapsed_ms: float


class LogHistogram(Shape):
    """Records over time by level."""

    model_config = ConfigDict(populate_by_name=True)

    bucket_us: int
    start: int | None = Field(default=None, alias="from")
    end: int | None = Field(default=None, alias="to")
    ts: list[int]
    levels: dict[str, list[int]]
    total: int
    elapsed_ms: float


class SourceCount(Shape):
    """How many records of a filter come from one source."""

    source: str
    count: int


class LogFacets(Shape):
    """Counts by level and by source."""

    levels: dict[str, int]
    sources: list[SourceCount]


class LogSource(Shape):
    """Where records come from, and how far it is read."""

    source: str
    kind: str
    path: str | None
    files: int
    size: int | None
    stored_to: int | None
    records: int
    state: str
    progress: float | None
    format: str | None
    found_by: str | None
    error: str | None
    last_ts: int | None
    missed_bytes: int
    truncations: int


class LogSources(Shape):
    """All sources."""

    sources: list[LogSource]


class ErrorTrend(Shape):
    """Errors per minute, as the mean of the ten minutes before, from a time (µs) on in equal steps (µs)."""

    model_config = ConfigDict(populate_by_name=True)

    start: int = Field(alias="from")
    step_us: int
    per_minute: list[float]


class LogErrors(Shape):
    """How many errors there are, and the newest."""

    per_minute: list[int] | float | None
    last_10_min: int
    trend: ErrorTrend
    newest: Record | None
    recent: list[Record]


class IngestRequest(Shape):
    """Files to read into the store."""

    paths: list[str] = Field(min_length=1, max_length=1000, description="Absolute paths of files.")
    format: str | None = Field(default=None, description="Name of a format to force; found unaided when null.")


class IngestStarted(Shape):
    """The job that reads the files."""

    job: str


class IngestJob(Shape):
    """How far a job is. Lines, records and bytes are those of the files, whoever read them first; `added` are the records that this job stored."""

    state: Literal["running", "done", "failed"]
    lines: int
    records: int
    added: int
    bytes: int
    seconds: float
    progress: float | None
    error: str | None


# --- engines, settings, query


class EngineModel(Shape):
    """A model that an engine has."""

    model_config = ConfigDict(protected_namespaces=())

    name: str
    size: int | None = None
    loaded: bool | None = None
    quantization: str | None = None
    context: int | None = None


class Engine(Shape):
    """A model engine and its real state; `remedy` says what to do, empty when it is ready."""

    name: str
    label: str
    kind: str
    state: str
    address: str | None
    version: str | None
    models: list[EngineModel]
    detail: str
    remedy: str
    checked: int
    latency_ms: float | None = None


class Engines(Shape):
    """All engines looked for, and when."""

    checked: int | None
    engines: list[Engine]


class SettingInfo(Shape):
    """One setting: its value in force and where it came from."""

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


class QueryRequest(Shape):
    """A person's own read-only SQL."""

    sql: str = Field(min_length=1, max_length=100_000)
    limit: int = Field(default=1000, ge=1, le=100_000)


class QueryAnswer(Shape):
    """Rows; `truncated` when there were more than the limit."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool


class ShutdownAnswer(Shape):
    """The process that now ends."""

    pid: int


# --- status


class AgentStatus(Shape):
    """The agent's own cost."""

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


class StoreStatus(Shape):
    """The store: `full` when rows wait for room, `readonly` when its directory cannot be written."""

    engine: str
    schema_version: int
    size_bytes: int
    limit_bytes: int
    state: Literal["ok", "full", "readonly"]
    message: str
    notices: list[str]


class SampleStatus(Shape):
    """Samples due, received from the sampler, missed, stored and dropped since the agent began."""

    expected: int
    received: int
    missed: int
    stored: int
    dropped: int
    last_ts: int | None
    lag_ms: float | None
    interval_s: float


class LogStatus(Shape):
    """Log sources in numbers."""

    sources: int
    files: int
    records: int
    backfilling: int
    missed_bytes: int
    dropped: int = 0
    waiting: str = ""
    errors: list[str]


class GpuStatus(Shape):
    """GPUs in numbers."""

    state: str
    message: str
    age_s: float | None
    count: int


class LiveStatus(Shape):
    """The live socket."""

    subscribers: int
    dropped: int


class Status(Shape):
    """Everything one needs to know whether the watch itself is well."""

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
    warnings: list[str] = []


# --- the live socket


class Subscription(Shape):
    """What a subscriber of `/v1/live` wants.

    `logs` holds the filters of the log API, or null for none; frames of records carry `logs_tag` back, so that those of an
    earlier filter are known.
    """

    host: bool = True
    processes: bool = False
    status: bool = True
    logs: dict[str, Any] | None = None
    logs_tag: int = 0
    history_s: int = Field(default=300, ge=0, le=3600)


class SubscribeMessage(Shape):
    """The message a subscriber sends, at first and whenever it wants something else."""

    subscribe: Subscription
