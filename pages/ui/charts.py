"""What the charts show: panels of lines, each line one metric with the colour of its meaning."""

from collections.abc import Sequence
from typing import Final, Literal, NotRequired, TypedDict

Hue = Literal["cpu", "mem", "io", "gpu", "bad", "ok", "warn", "neutral"]
Unit = Literal["%", "bytes", "rate", "count", "°C", "W", "MHz", ""]


class Line(TypedDict):
    """One metric of a panel."""

    metric: str
    label: str
    hue: Hue
    area: NotRequired[bool]
    dashed: NotRequired[bool]


class Panel(TypedDict):
    """One chart. `max` fixes its top; `least` and `ceiling` bound it where the readings set it."""

    title: str
    unit: Unit
    series: Sequence[Line]
    max: NotRequired[float]
    least: NotRequired[float]
    ceiling: NotRequired[float]
    height: NotRequired[int]


CPU: Final = Panel(
    title="CPU",
    unit="%",
    max=100,
    series=[
        Line(metric="cpu_pct", label="all", hue="cpu", area=True),
        Line(metric="cpu_user", label="user", hue="mem"),
        Line(metric="cpu_system", label="system", hue="neutral"),
        Line(metric="cpu_iowait", label="iowait", hue="io"),
    ],
)
CPU_MODES: Final = Panel(
    title="CPU by mode",
    unit="%",
    max=100,
    series=[*CPU["series"], Line(metric="cpu_steal", label="steal", hue="bad", dashed=True)],
)
MEMORY: Final = Panel(
    title="Memory",
    unit="bytes",
    least=2**30,
    series=[
        Line(metric="mem_used", label="used", hue="mem", area=True),
        Line(metric="mem_cached", label="cache", hue="neutral"),
        Line(metric="swap_used", label="swap", hue="bad", dashed=True),
    ],
)
DISK: Final = Panel(
    title="Disk",
    unit="rate",
    least=1e6,
    series=[
        Line(metric="disk_read_bps", label="read", hue="cpu"),
        Line(metric="disk_write_bps", label="write", hue="io", area=True),
    ],
)
NETWORK: Final = Panel(
    title="Network",
    unit="rate",
    least=1e5,
    series=[
        Line(metric="net_rx_bps", label="received", hue="cpu", area=True),
        Line(metric="net_tx_bps", label="sent", hue="io"),
    ],
)
LOAD: Final = Panel(
    title="Load",
    unit="",
    least=1,
    series=[
        Line(metric="load1", label="1 min", hue="cpu", area=True),
        Line(metric="load5", label="5 min", hue="mem"),
        Line(metric="load15", label="15 min", hue="neutral"),
    ],
)
PRESSURE: Final = Panel(
    title="Pressure: share of time that work waits",
    unit="%",
    least=5,
    ceiling=100,
    series=[
        Line(metric="psi_cpu_some", label="CPU", hue="cpu"),
        Line(metric="psi_mem_some", label="memory", hue="mem"),
        Line(metric="psi_mem_full", label="memory, all", hue="mem", dashed=True),
        Line(metric="psi_io_some", label="IO", hue="io"),
        Line(metric="psi_io_full", label="IO, all", hue="io", dashed=True),
    ],
)
OPERATIONS: Final = Panel(
    title="Disk operations a second",
    unit="count",
    least=50,
    series=[
        Line(metric="disk_read_ops", label="reads", hue="cpu"),
        Line(metric="disk_write_ops", label="writes", hue="io", area=True),
    ],
)
PROCESSES: Final = Panel(
    title="Processes",
    unit="count",
    least=10,
    series=[
        Line(metric="procs_total", label="all", hue="cpu"),
        Line(metric="procs_running", label="running", hue="ok", area=True),
    ],
)
SWITCHES: Final = Panel(
    title="Context switches a second",
    unit="count",
    least=1000,
    series=[Line(metric="ctx_switches", label="switches", hue="cpu", area=True)],
)

OVERVIEW: Final = [CPU, MEMORY, DISK, NETWORK]
HOST: Final = [CPU_MODES, LOAD, MEMORY, PRESSURE, DISK, OPERATIONS, NETWORK, PROCESSES, SWITCHES]

RUN: Final = [
    Panel(
        title="CPU, percent of one core",
        unit="%",
        least=10,
        series=[Line(metric="cpu_pct", label="CPU", hue="cpu", area=True)],
    ),
    Panel(
        title="Memory", unit="bytes", least=2**20, series=[Line(metric="rss", label="resident", hue="mem", area=True)]
    ),
    Panel(
        title="Reads and writes",
        unit="rate",
        least=1e4,
        series=[
            Line(metric="read_bps", label="read", hue="cpu"),
            Line(metric="write_bps", label="write", hue="io", area=True),
        ],
    ),
    Panel(
        title="Threads and open files",
        unit="count",
        least=4,
        series=[
            Line(metric="threads", label="threads", hue="neutral"),
            Line(metric="fds", label="files", hue="io"),
        ],
    ),
]


def gpu_panels(index: int, name: str) -> list[Panel]:
    """The charts of one GPU."""
    at = f"gpu{index}."
    return [
        Panel(
            title=f"GPU {index} · {name}",
            unit="%",
            max=100,
            series=[
                Line(metric=f"{at}util_pct", label="busy", hue="gpu", area=True),
                Line(metric=f"{at}mem_util_pct", label="memory bus", hue="neutral"),
            ],
        ),
        Panel(
            title=f"GPU {index} memory",
            unit="bytes",
            least=2**30,
            series=[Line(metric=f"{at}mem_used", label="used", hue="gpu", area=True)],
        ),
        Panel(
            title=f"GPU {index} power",
            unit="W",
            least=50,
            series=[
                Line(metric=f"{at}power_w", label="power", hue="io", area=True),
                Line(metric=f"{at}power_limit_w", label="limit", hue="neutral", dashed=True),
            ],
        ),
        Panel(
            title=f"GPU {index} temperature",
            unit="°C",
            least=60,
            series=[Line(metric=f"{at}temp_c", label="temperature", hue="bad", area=True)],
        ),
        Panel(
            title=f"GPU {index} clocks",
            unit="MHz",
            least=500,
            series=[
                Line(metric=f"{at}clock_sm_mhz", label="cores", hue="gpu"),
                Line(metric=f"{at}clock_mem_mhz", label="memory", hue="neutral"),
            ],
        ),
    ]
