"""The picture of now, in memory: the newest reading of the machine, its GPUs and every process, and the last minutes.

Changed only by the agent's event loop; `run_of_pid` may be asked from any thread. Rows are prepared lazily: without a
reader a tick costs little more than keeping it.
"""

import math
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from monitor.paths import own_uid
from monitor.store.tiers import GPU_METRICS
from monitor.titles import title_of
from monitor.wire import RUN_COLUMNS, DiskSpace, GpuReading, Hello, HostInfo, RunColumns, RunInfo, Tick

HISTORY_METRICS: Final = (
    "cpu_pct",
    "cpu_user",
    "cpu_system",
    "cpu_iowait",
    "cpu_steal",
    "load1",
    "load5",
    "load15",
    "mem_total",
    "mem_used",
    "mem_available",
    "mem_cached",
    "swap_total",
    "swap_used",
    "psi_cpu_some",
    "psi_mem_some",
    "psi_mem_full",
    "psi_io_some",
    "psi_io_full",
    "disk_read_bps",
    "disk_write_bps",
    "disk_read_ops",
    "disk_write_ops",
    "net_rx_bps",
    "net_tx_bps",
    "procs_total",
    "procs_running",
    "ctx_switches",
)
"""Metrics of the machine whose last minutes are kept in memory: every one that a live chart shows, because the store is up
to 2 s behind, and a chart that took its beginning from there would have a seam where no sample is missing."""
WHOLE: Final = 100.0
"""Readings from here on travel without a fraction in the history: nobody sees it, and it is half of the bytes."""

LIVE_COLUMNS: Final = (
    "run",
    "cpu_pct",
    "rss",
    "threads",
    "read_bps",
    "write_bps",
    "fds",
    "status",
    "gpu_mem",
)
STATUS_WORDS: Final = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting for disk",
    "Z": "zombie",
    "T": "stopped",
    "t": "traced",
    "I": "idle",
    "X": "dead",
    "x": "dead",
    "K": "wakekill",
    "W": "waking",
    "P": "parked",
}


def status_word(code: int) -> str | None:
    """The kernel's one-letter state (as its ASCII code) in a word; None when not known."""
    return STATUS_WORDS.get(chr(code)) if 0 < code < 128 else None


class Columns:
    """The columns of one sweep, decoded: `columns.rss[i]` is the i-th process's memory."""

    __slots__ = tuple(RUN_COLUMNS)

    def __init__(self, runs: RunColumns) -> None:
        for name, code in RUN_COLUMNS.items():
            column = array(code)
            column.frombytes(getattr(runs, name))
            setattr(self, name, column)

    def column(self, name: str) -> Sequence[Any]:
        """One column by name."""
        found: Sequence[Any] = getattr(self, name)
        return found


@dataclass(frozen=True, slots=True)
class Moment:
    """One remembered second of the machine, in the order of `HISTORY_METRICS`; all None where samples are missing."""

    ts: int
    mono_ns: int
    values: tuple[float | int | None, ...]
    gpus: tuple[GpuReading, ...] = ()


STORED_WITHIN_TICKS: Final = 10
"""Sweeps wait up to two seconds for each other before they are stored, and for the store."""
BLANK: Final = (None,) * len(HISTORY_METRICS)


class World:
    """What is known of the machine now.

    Args:
        uid: whose processes are "mine".
        history_s: seconds kept in memory.
    """

    def __init__(self, *, uid: int | None = None, history_s: int = 600) -> None:
        self.uid = own_uid() if uid is None else uid
        self.hello: Hello | None = None
        self.tick: Tick | None = None
        self.runs: dict[int, RunInfo] = {}
        self.space: list[DiskSpace] | None = None
        self.history: deque[Moment] = deque(maxlen=history_s)
        self._pids: dict[int, int] = {}
        self._left: deque[frozenset[int]] = deque(maxlen=STORED_WITHIN_TICKS)
        self._seq: int | None = None
        self._columns: tuple[Tick, Columns] | None = None

    @property
    def host(self) -> HostInfo | None:
        """The machine, once the sampler said which."""
        return self.hello.host if self.hello else None

    def greet(self, hello: Hello) -> None:
        """A sampler began; what the one before knew of processes is told anew by the first tick."""
        self.hello = hello
        self.runs = {}
        self._pids = {}
        self._seq = None

    def accept(self, tick: Tick) -> None:
        """Take in one sweep."""
        for run in tick.gone:
            info = self.runs.pop(run, None)
            if info is not None and self._pids.get(info.pid) == run:
                del self._pids[info.pid]
        self._left.append(frozenset(tick.gone))
        for info in tick.born:
            self.runs[info.run] = info
            self._pids[info.pid] = info.run
        if tick.host.space is not None:
            self.space = tick.host.space
        before, self.tick = self.tick, tick
        if before is not None and self._seq is not None and tick.seq > self._seq + 1:
            self.history.append(Moment((before.ts + tick.ts) // 2, (before.mono_ns + tick.mono_ns) // 2, BLANK))
        self._seq = tick.seq
        values = tuple(getattr(tick.host, metric) for metric in HISTORY_METRICS)
        self.history.append(Moment(tick.ts, tick.mono_ns, values, tuple(tick.gpu.gpus)))

    def recall(self, earlier: Sequence[Moment]) -> None:
        """Put moments that an earlier life stored before those of this one."""
        self.history = deque([*earlier, *self.history], maxlen=self.history.maxlen)

    @property
    def columns(self) -> Columns | None:
        """The newest sweep, decoded once."""
        if self.tick is None:
            return None
        if self._columns is None or self._columns[0] is not self.tick:
            self._columns = (self.tick, Columns(self.tick.runs))
        return self._columns[1]

    def run_of_pid(self, pid: int) -> int | None:
        """The run that has this pid now; safe from any thread."""
        return self._pids.get(pid)

    def has_just_left(self, run: int) -> bool:
        """Whether the run ended in the last ticks, so that the store may not know of it yet; safe from any thread."""
        return any(run in gone for gone in tuple(self._left))

    def gpu_memory(self) -> dict[int, int]:
        """Bytes of GPU memory by run, over all GPUs."""
        totals: dict[int, int] = {}
        if self.tick is not None:
            for use in self.tick.gpu.processes:
                run = use.run if use.run is not None else self._pids.get(use.pid)
                if run is not None and use.mem_bytes is not None:
                    totals[run] = totals.get(run, 0) + use.mem_bytes
        return totals

    def mine(self, info: RunInfo) -> bool:
        """Whether the process belongs to the user who runs the agent."""
        return info.uid == self.uid and not info.kernel_thread

    def history_since(self, seconds: int) -> dict[str, Any]:
        """`{"ts": […], "series": {metric: […]}}` of the last `seconds`, from memory; a GPU's metric is `gpu0.util_pct`.

        Times ascend: what was before the clock was set back is left out.
        """
        kept: list[Moment] = []
        if self.history and seconds > 0:
            since = self.history[-1].mono_ns - seconds * 1_000_000_000
            for moment in reversed(self.history):
                if moment.mono_ns <= since or (kept and moment.ts >= kept[-1].ts):
                    break
                kept.append(moment)
            kept.reverse()
        series = {metric: [_short(m.values[i]) for m in kept] for i, metric in enumerate(HISTORY_METRICS)}
        for index in sorted({gpu.index for m in kept for gpu in m.gpus}):
            readings = [next((gpu for gpu in m.gpus if gpu.index == index), None) for m in kept]
            for metric in GPU_METRICS:
                series[f"gpu{index}.{metric}"] = [None if one is None else getattr(one, metric) for one in readings]
        return {"ts": [m.ts for m in kept], "series": series}


def _short(value: float | None) -> float | int | None:
    """A reading as precise as a picture of it can be."""
    return value if value is None or isinstance(value, int) else round(value) if value >= WHOLE else round(value, 2)


class ProcessRow(msgspec.Struct, frozen=True):
    """One process as the API gives it."""

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
    mine: bool


def known(value: int) -> int | None:
    """An integer reading; -1 means not available."""
    return None if value < 0 else value


def number(value: float, digits: int = 1) -> float | None:
    """A float reading, rounded so that noise does not travel; NaN means not available."""
    return None if math.isnan(value) else round(value, digits)


def process_rows(world: World, only: int | None = None) -> list[ProcessRow]:
    """Every process of the newest sweep, or the one run asked for."""
    c = world.columns
    if c is None:
        return []
    memory = world.gpu_memory()
    runs = c.column("run")
    rows = []
    for i in range(len(runs)) if only is None else (i for i, run in enumerate(runs) if run == only):
        info = world.runs.get(runs[i])
        if info is None:
            continue
        rows.append(
            ProcessRow(
                run=str(info.run),
                pid=info.pid,
                ppid=known(c.column("ppid")[i]),
                user=info.user,
                uid=known(info.uid),
                name=info.name,
                cmdline=info.cmdline,
                status=status_word(c.column("status")[i]),
                start_ts=info.start_ts,
                cpu_pct=number(c.column("cpu_pct")[i]),
                rss=known(c.column("rss")[i]),
                vms=known(c.column("vms")[i]),
                threads=known(c.column("threads")[i]),
                read_bps=number(c.column("read_bps")[i], 0),
                write_bps=number(c.column("write_bps")[i], 0),
                read_bytes=known(c.column("read_bytes")[i]),
                write_bytes=known(c.column("write_bytes")[i]),
                fds=known(c.column("fds")[i]),
                ctx_voluntary=known(c.column("ctx_voluntary")[i]),
                ctx_involuntary=known(c.column("ctx_involuntary")[i]),
                gpu_mem=memory.get(info.run),
                kernel_thread=info.kernel_thread,
                mine=world.mine(info),
            )
        )
    return rows


LiveRow = tuple[
    str, float | None, int | None, int | None, float | None, float | None, int | None, str | None, int | None
]


def live_rows(world: World) -> dict[int, LiveRow]:
    """By run, what the live table shows of it, in the order of `LIVE_COLUMNS`."""
    c = world.columns
    if c is None:
        return {}
    memory = world.gpu_memory()
    names = ("run", "cpu_pct", "rss", "threads", "read_bps", "write_bps", "fds", "status")
    return {
        run: (
            str(run),
            number(cpu),
            known(rss),
            known(threads),
            number(read, 0),
            number(write, 0),
            known(fds),
            status_word(status),
            memory.get(run),
        )
        for run, cpu, rss, threads, read, write, fds, status in zip(*(c.column(n) for n in names), strict=True)
        if run in world.runs
    }


def born_row(world: World, info: RunInfo) -> dict[str, Any]:
    """What seldom changes about a run, for the live table."""
    return {
        "run": str(info.run),
        "pid": info.pid,
        "ppid": info.ppid,
        "user": info.user,
        "name": info.name,
        "title": title_of(info.name, info.cmdline),
        "cmdline": info.cmdline,
        "start_ts": info.start_ts,
        "mine": world.mine(info),
        "kernel_thread": info.kernel_thread,
    }
