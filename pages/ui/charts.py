"""What the charts show: panels of lines. The catalogue says which metrics a chart has, their names and their unit; this module says how they look."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal, NotRequired, TypedDict, Unpack

from monitor.metrics import catalogue

Hue = Literal["cpu", "mem", "io", "gpu", "bad", "ok", "warn", "neutral"]
Unit = Literal["%", "bytes", "rate", "count", "°C", "W", "MHz", ""]
UNITS: Final[dict[catalogue.Unit, Unit]] = {
    "%": "%", "bytes": "bytes", "bytes/s": "rate", "/s": "count", "count": "count", "load": "", "°C": "°C", "W": "W", "MHz": "MHz",
}  # fmt: skip
"""How an axis writes a unit of the catalogue."""


class Look(TypedDict):
    """How a line looks: the colour of its meaning, filled below, dashed."""

    hue: Hue
    area: NotRequired[bool]
    dashed: NotRequired[bool]


class Line(Look):
    """One metric of a panel."""

    metric: str
    label: str


class Bounds(TypedDict, total=False):
    """The axis of a panel: `max` fixes its top; `least` and `ceiling` bound it where the readings set it. `height` is in pixels. An `optional` panel
    is hidden where there are no readings.
    """

    max: float
    least: float
    ceiling: float
    height: int
    optional: bool


class Panel(Bounds):
    """One chart."""

    title: str
    unit: Unit
    series: Sequence[Line]


def panel(
    chart: str,
    title: str,
    looks: Mapping[str, Look],
    *,
    of: Iterable[catalogue.Metric] = catalogue.HOST,
    prefix: str = "",
    without: Collection[str] = (),
    **bounds: Unpack[Bounds],
) -> Panel:
    """One chart of the catalogue.

    Args:
        chart: its name in the catalogue.
        title: its heading.
        looks: by metric.
        of: whose metrics.
        prefix: before the names of the metrics, where one of several is meant.
        without: metrics left out.
        bounds: of its axis.
    """
    shown = [metric for metric in of if metric.chart == chart and metric.name not in without]
    lines = [Line(metric=prefix + metric.name, label=metric.label, **looks[metric.name]) for metric in shown]
    return Panel(title=title, unit=UNITS[shown[0].unit], series=lines, **bounds)


_CPU: Final[dict[str, Look]] = {
    "cpu_pct": Look(hue="cpu", area=True),
    "cpu_user": Look(hue="mem"),
    "cpu_system": Look(hue="neutral"),
    "cpu_iowait": Look(hue="io"),
    "cpu_steal": Look(hue="bad", dashed=True),
    "cpu_short": Look(hue="ok", dashed=True),
}
CPU: Final = panel("cpu", "CPU", _CPU, without={"cpu_steal", "cpu_short"}, max=100)
CPU_MODES: Final = panel("cpu", "CPU by mode", _CPU, max=100)
MEMORY: Final = panel(
    "memory",
    "Memory",
    {
        "mem_used": Look(hue="mem", area=True),
        "mem_cached": Look(hue="neutral"),
        "swap_used": Look(hue="bad", dashed=True),
    },
    least=2**30,
)
DISK: Final = panel(
    "disk", "Disk", {"disk_read_bps": Look(hue="cpu"), "disk_write_bps": Look(hue="io", area=True)}, least=1e6
)
NETWORK: Final = panel(
    "network", "Network", {"net_rx_bps": Look(hue="cpu", area=True), "net_tx_bps": Look(hue="io")}, least=1e5
)
LOAD: Final = panel(
    "load",
    "Load",
    {"load1": Look(hue="cpu", area=True), "load5": Look(hue="mem"), "load15": Look(hue="neutral")},
    least=1,
)
PRESSURE: Final = panel(
    "pressure",
    "Pressure: share of time that tasks wait",
    {
        "psi_cpu_some": Look(hue="cpu"),
        "psi_mem_some": Look(hue="mem"),
        "psi_mem_full": Look(hue="mem", dashed=True),
        "psi_io_some": Look(hue="io"),
        "psi_io_full": Look(hue="io", dashed=True),
    },
    least=5,
    ceiling=100,
)
OPERATIONS: Final = panel(
    "operations",
    "Disk operations per second",
    {"disk_read_ops": Look(hue="cpu"), "disk_write_ops": Look(hue="io", area=True)},
    least=50,
)
PROCESSES: Final = panel(
    "processes", "Processes", {"procs_total": Look(hue="cpu"), "procs_running": Look(hue="ok", area=True)}, least=10
)
SWITCHES: Final = panel(
    "switches", "Context switches per second", {"ctx_switches": Look(hue="cpu", area=True)}, least=1000
)
FORKS: Final = panel("forks", "New processes a second", {"forks": Look(hue="ok", area=True)}, least=10)

OVERVIEW: Final = [CPU, MEMORY, DISK, NETWORK]
HOST: Final = [CPU_MODES, LOAD, MEMORY, PRESSURE, DISK, OPERATIONS, NETWORK, PROCESSES, SWITCHES, FORKS]

LANE_PX: Final = 74
"""Height of a chart that shares one time axis with those above and below it."""


def _of_run(chart: str, title: str, looks: Mapping[str, Look], **bounds: Unpack[Bounds]) -> Panel:
    of = (*catalogue.RUN, *catalogue.RUN_GPU)
    bounds.setdefault("height", LANE_PX)
    return panel(chart, title, looks, of=of, **bounds)


RUN: Final = [
    _of_run("cpu", "CPU, % of one core", {"cpu_pct": Look(hue="cpu", area=True)}, least=10),
    _of_run("memory", "Memory", {"rss": Look(hue="mem", area=True)}, least=2**20),
    _of_run("io", "Reads and writes", {"read_bps": Look(hue="cpu"), "write_bps": Look(hue="io", area=True)}, least=1e4),
    _of_run("gpu", "GPU memory", {"gpu_mem": Look(hue="gpu", area=True)}, least=2**20, optional=True),
    _of_run("handles", "Threads and open files", {"threads": Look(hue="neutral"), "fds": Look(hue="io")}, least=4),
]


def gpu_panels(index: int, name: str) -> list[Panel]:
    """The charts of one GPU."""

    def one(chart: str, title: str, looks: Mapping[str, Look], **bounds: Unpack[Bounds]) -> Panel:
        return panel(chart, f"GPU {index} {title}", looks, of=catalogue.GPU, prefix=f"gpu{index}.", **bounds)

    return [
        one(
            "busy", f"· {name}", {"util_pct": Look(hue="gpu", area=True), "mem_util_pct": Look(hue="neutral")}, max=100
        ),
        one("memory", "memory", {"mem_used": Look(hue="gpu", area=True)}, least=2**30),
        one(
            "power",
            "power",
            {"power_w": Look(hue="io", area=True), "power_limit_w": Look(hue="neutral", dashed=True)},
            least=50,
        ),
        one("temperature", "temperature", {"temp_c": Look(hue="bad", area=True)}, least=60),
        one("clocks", "clocks", {"clock_sm_mhz": Look(hue="gpu"), "clock_mem_mhz": Look(hue="neutral")}, least=500),
    ]
