"""Every metric of the machine, of each GPU and of each process, defined once.

A metric is a field of a reading with its `Metric` beside it. The message between sampler and agent, the columns of the store and
of its tiers, the API's answer, the live frame, the minutes in memory, the lines of the charts and the OpenMetrics name follow
from that one line. To add a metric of the machine, add its field here, set it in the reader (`monitor/sampling`), and give its
chart a look (`pages/ui/charts.py`); a store that exists gets the new columns when it is opened next.

    >>> [metric.name for metric in HOST if metric.chart == "disk"]
    ['disk_read_bps', 'disk_write_bps']

Sizes are bytes, rates are per second, percentages of CPU of the machine count all cores together as 100, those of a process one
core. `None` means *not available*: a gap, never zero.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

Unit = Literal["%", "bytes", "bytes/s", "/s", "count", "load", "s", "ms", "°C", "W", "MHz", "J"]
Code = Literal["b", "i", "q", "f", "d"]
"""How a figure is held: the typecode of an `array`. 8, 32 or 64 bits of integer; 32 or 64 bits of float."""
Subject = Literal["host", "gpu", "process"]
STATISTICS: Final = ("min", "avg", "max", "last")
"""What a coarser tier keeps of every metric of the machine and of the GPUs, per minute and per hour."""
_COLUMN: Final[dict[Code, str]] = {"b": "TINYINT", "i": "INTEGER", "q": "BIGINT", "f": "REAL", "d": "DOUBLE"}
_TIER_COLUMN: Final[dict[Code, str]] = {"b": "REAL", "i": "REAL", "q": "DOUBLE", "f": "REAL", "d": "DOUBLE"}
_OPENMETRICS: Final[dict[Unit, tuple[str, str]]] = {
    "%": ("_pct", "_percent"),
    "bytes": ("_bytes", "_bytes"),
    "bytes/s": ("_bps", "_bytes_per_second"),
    "/s": ("", "_per_second"),
    "count": ("_total", ""),
    "load": ("", ""),
    "s": ("_s", "_seconds"),
    "ms": ("_ms", "_milliseconds"),
    "°C": ("_c", "_celsius"),
    "W": ("_w", "_watts"),
    "MHz": ("_mhz", "_megahertz"),
    "J": ("_j", "_joules"),
}
"""For each unit, the suffix of our names and that of OpenMetrics."""


@dataclass(frozen=True, slots=True)
class Column:
    """One figure that is kept: its name and `per` what it is read come from where it is declared."""

    code: Code
    name: str = ""
    per: Subject = "host"

    @property
    def sql_type(self) -> str:
        """The type of its column in the table of samples."""
        return _COLUMN[self.code]

    @property
    def tier_type(self) -> str:
        """The type of its columns in the coarser tiers."""
        return _TIER_COLUMN[self.code]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Column):
    """One metric.

    Attributes:
        label: its name on a chart.
        unit: of the figure.
        chart: which chart it is drawn on, empty for none.
        counter: whether it only grows, as a total does; all others go up and down.
        digits: decimal places that the store keeps of it, None for all: what is beyond them is noise of the clock.
    """

    label: str
    unit: Unit
    chart: str = ""
    counter: bool = False
    digits: int | None = None

    @property
    def openmetrics(self) -> str:
        """The name for Prometheus: prefix, unit and `_total` as OpenMetrics wants them."""
        ours, theirs = _OPENMETRICS[self.unit]
        return f"watchkeeper_{self.per}_{self.name.removesuffix(ours)}{theirs}{'_total' if self.counter else ''}"


def _metric(
    code: Code, unit: Unit, label: str, chart: str = "", *, counter: bool = False, digits: int | None = None
) -> Metric:
    return Metric(code, label=label, unit=unit, chart=chart, counter=counter, digits=digits)


# --- the machine


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Space on one mounted file system, bytes. `free` is what an ordinary user can use.

    `files` is how many files it can hold and `files_free` how many more; 0 and 0 if it has no such limit.
    """

    mount: str
    device: str
    fstype: str
    total: int
    used: int
    free: int
    read_only: bool = False
    files: int = 0
    files_free: int = 0


@dataclass(frozen=True, slots=True)
class DeviceRates:
    """I/O of one disk (`busy_pct` of the time) or one network interface (`busy_pct` None)."""

    name: str
    read_bps: float
    write_bps: float
    read_ops: float
    write_ops: float
    busy_pct: float | None = None
    errors: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReading:
    """One reading of the whole machine. The last minutes of its metrics are kept in memory, where the live charts begin."""

    cpu_pct: Annotated[float | None, _metric("f", "%", "all", "cpu")] = None
    cpu_user: Annotated[float | None, _metric("f", "%", "user", "cpu")] = None
    cpu_system: Annotated[float | None, _metric("f", "%", "system", "cpu")] = None
    cpu_iowait: Annotated[float | None, _metric("f", "%", "iowait", "cpu")] = None
    cpu_steal: Annotated[float | None, _metric("f", "%", "steal", "cpu")] = None
    cpu_short: Annotated[float | None, _metric("f", "%", "short lives", "cpu")] = None
    load1: Annotated[float | None, _metric("f", "load", "1 min", "load")] = None
    load5: Annotated[float | None, _metric("f", "load", "5 min", "load")] = None
    load15: Annotated[float | None, _metric("f", "load", "15 min", "load")] = None
    mem_total: Annotated[int | None, _metric("q", "bytes", "total")] = None
    mem_used: Annotated[int | None, _metric("q", "bytes", "used", "memory")] = None
    mem_available: Annotated[int | None, _metric("q", "bytes", "available")] = None
    mem_cached: Annotated[int | None, _metric("q", "bytes", "cache", "memory")] = None
    swap_total: Annotated[int | None, _metric("q", "bytes", "swap, total")] = None
    swap_used: Annotated[int | None, _metric("q", "bytes", "swap", "memory")] = None
    psi_cpu_some: Annotated[float | None, _metric("f", "%", "CPU", "pressure")] = None
    psi_mem_some: Annotated[float | None, _metric("f", "%", "memory", "pressure")] = None
    psi_mem_full: Annotated[float | None, _metric("f", "%", "memory, all", "pressure")] = None
    psi_io_some: Annotated[float | None, _metric("f", "%", "IO", "pressure")] = None
    psi_io_full: Annotated[float | None, _metric("f", "%", "IO, all", "pressure")] = None
    disk_read_bps: Annotated[float | None, _metric("f", "bytes/s", "read", "disk")] = None
    disk_write_bps: Annotated[float | None, _metric("f", "bytes/s", "write", "disk")] = None
    disk_read_ops: Annotated[float | None, _metric("f", "/s", "reads", "operations")] = None
    disk_write_ops: Annotated[float | None, _metric("f", "/s", "writes", "operations")] = None
    net_rx_bps: Annotated[float | None, _metric("f", "bytes/s", "received", "network")] = None
    net_tx_bps: Annotated[float | None, _metric("f", "bytes/s", "sent", "network")] = None
    procs_total: Annotated[int | None, _metric("i", "count", "all", "processes")] = None
    procs_running: Annotated[int | None, _metric("i", "count", "running", "processes")] = None
    ctx_switches: Annotated[float | None, _metric("f", "/s", "switches", "switches")] = None
    forks: Annotated[float | None, _metric("f", "/s", "forks", "forks")] = None
    per_core: list[float | None] | None = None
    temperatures: dict[str, float] | None = None
    disks: list[DeviceRates] | None = None
    nics: list[DeviceRates] | None = None
    space: list[DiskSpace] | None = None
    """From the sampler only on the ticks that measured it (every 10 s); from the API the newest known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedReading:
    """What the agent adds to a reading of the machine before it is stored. `watch` covers agent and sampler."""

    temp_max_c: Annotated[float | None, _metric("f", "°C", "highest temperature")]
    lag_ms: Annotated[float | None, _metric("f", "ms", "sample late by")]
    sweep_ms: Annotated[float | None, _metric("f", "ms", "sample took")]
    watch_cpu_pct: Annotated[float | None, _metric("f", "%", "Watchkeeper, CPU")]
    watch_rss: Annotated[int | None, _metric("q", "bytes", "Watchkeeper, memory")]


# --- GPUs


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU. `error` names what failed when a whole GPU could not be read."""

    index: int
    uuid: str
    name: str
    util_pct: Annotated[float | None, _metric("f", "%", "busy", "busy")] = None
    mem_util_pct: Annotated[float | None, _metric("f", "%", "memory bus", "busy")] = None
    mem_total: Annotated[int | None, _metric("q", "bytes", "total")] = None
    mem_used: Annotated[int | None, _metric("q", "bytes", "used", "memory")] = None
    power_w: Annotated[float | None, _metric("f", "W", "power", "power")] = None
    power_limit_w: Annotated[float | None, _metric("f", "W", "limit", "power")] = None
    temp_c: Annotated[float | None, _metric("f", "°C", "temperature", "temperature")] = None
    clock_sm_mhz: Annotated[int | None, _metric("i", "MHz", "cores", "clocks")] = None
    clock_mem_mhz: Annotated[int | None, _metric("i", "MHz", "memory", "clocks")] = None
    throttle: list[str] | None = None
    energy_j: Annotated[float | None, _metric("d", "J", "energy", counter=True)] = None
    error: str | None = None


# --- processes


class RunColumns(msgspec.Struct, frozen=True):
    """Readings of all processes of one sweep: native-endian `array` buffers of equal length.

    `status` holds the kernel's one-letter state as its ASCII code. Counters are totals since the process began. -1 in an integer
    column and NaN in a float column mean *not available*.
    """

    run: Annotated[bytes, Column("q")]
    pid: Annotated[bytes, Column("i")]
    ppid: Annotated[bytes, Column("i")]
    status: Annotated[bytes, Column("b")]
    cpu_pct: Annotated[bytes, _metric("f", "%", "CPU", "cpu", digits=1)]
    cpu_user_s: Annotated[bytes, _metric("d", "s", "CPU, user", counter=True)]
    cpu_system_s: Annotated[bytes, _metric("d", "s", "CPU, system", counter=True)]
    rss: Annotated[bytes, _metric("q", "bytes", "resident", "memory")]
    vms: Annotated[bytes, _metric("q", "bytes", "virtual")]
    threads: Annotated[bytes, _metric("i", "count", "threads", "handles")]
    nice: Annotated[bytes, _metric("f", "count", "nice")]
    read_bytes: Annotated[bytes, _metric("q", "bytes", "read, total", counter=True)]
    write_bytes: Annotated[bytes, _metric("q", "bytes", "written, total", counter=True)]
    read_bps: Annotated[bytes, _metric("f", "bytes/s", "read", "io", digits=0)]
    write_bps: Annotated[bytes, _metric("f", "bytes/s", "write", "io", digits=0)]
    fds: Annotated[bytes, _metric("i", "count", "files", "handles")]
    ctx_voluntary: Annotated[bytes, _metric("q", "count", "switches, voluntary", counter=True)]
    ctx_involuntary: Annotated[bytes, _metric("q", "count", "switches, involuntary", counter=True)]
    minor_faults: Annotated[bytes, _metric("q", "count", "page faults, minor", counter=True)]
    major_faults: Annotated[bytes, _metric("q", "count", "page faults, major", counter=True)]


def _declared(reading: type, per: Subject) -> tuple[Column, ...]:
    """The columns that a reading declares, in its order."""
    return tuple(
        dataclasses.replace(note, name=name, per=per)
        for name, kind in reading.__annotations__.items()
        for note in getattr(kind, "__metadata__", ())
        if isinstance(note, Column)
    )


def _metrics(reading: type, per: Subject) -> tuple[Metric, ...]:
    return tuple(column for column in _declared(reading, per) if isinstance(column, Metric))


LIVE: Final = _metrics(HostReading, "host")
"""Metrics of the machine as the sampler reads them: in the live frame, and for some minutes in memory."""
ADDED: Final = _metrics(AddedReading, "host")
"""Metrics that the agent adds to them."""
HOST: Final = LIVE + ADDED
"""All metrics of the machine that are stored."""
GPU: Final = _metrics(GpuReading, "gpu")
"""Metrics of one GPU."""
RUN: Final = _metrics(RunColumns, "process")
"""Metrics of one process."""
RUN_MINUTES: Final = tuple(metric for metric in RUN if metric.chart)
"""Those of them that are kept for each minute, of the processes that are worth it."""
RUN_GPU: Final = (Metric("q", "gpu_mem", "process", label="GPU memory", unit="bytes", chart="gpu"),)
"""Metrics of one process that come from the GPUs it uses: of all of them together, and none where it uses none."""
RUN_COLUMNS: Final[dict[str, Code]] = {column.name: column.code for column in _declared(RunColumns, "process")}
"""The columns of one sweep of processes, name → `array` typecode, in the order of `RunColumns`."""


def names(metrics: Iterable[Metric]) -> tuple[str, ...]:
    """The names alone."""
    return tuple(metric.name for metric in metrics)
