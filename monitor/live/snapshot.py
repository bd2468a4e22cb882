"""The snapshot: the newest reading of the machine, its GPUs and every process, and the last minutes, in memory.

Only the agent's event loop changes it. Rows are built when somebody asks for them, so a tick costs little without readers.
"""

import math
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from monitor.api_models.processes import MemoryOutlook, Process
from monitor.core.paths import own_uid
from monitor.core.process_title import Titles, folder_of, title_of
from monitor.core.units import unit_name
from monitor.live.growth import Growth, Reading
from monitor.live.outlook import memory_outlook
from monitor.metrics.catalogue import GPU, LIVE, RUN_COLUMNS, DiskSpace, GpuReading, RunColumns, names
from monitor.metrics.messages import Hello, HostInfo, Lives, RunInfo, Tick

HISTORY_METRICS: Final = names(LIVE)
"""Metrics of the machine whose last minutes are kept in memory. The store is up to 2 s behind, so a chart that began with its
data would show a gap although no sample is missing."""
WHOLE: Final = 100.0
"""Readings from here on are sent without a fraction in the history. It is invisible, and half of the bytes."""

CPU_TICKS: Final = 60
"""How many samples of each process's CPU usage are kept, for the curve beside its name."""
LIVE_COLUMNS: Final = (
    "run",
    "cpu_pct",
    "cpu_seconds",
    "rss",
    "threads",
    "nice",
    "read_bps",
    "write_bps",
    "fds",
    "status",
    "gpu_mem",
    "growth_10m",
    "growth_1h",
)
STATUS_WORDS: Final = {
    "R": "running",
    "S": "sleeping",
    "D": "uninterruptible wait",
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
    """The word for the kernel's one-letter state (an ASCII code); None if unknown."""
    return STATUS_WORDS.get(chr(code)) if 0 < code < 128 else None


class Columns:
    """The decoded columns of one sample: `columns.rss[i]` is the memory of the i-th process."""

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
    """One second of the machine's history, in the order of `HISTORY_METRICS`; all None where samples are missing."""

    ts: int
    mono_ns: int
    values: tuple[float | int | None, ...]
    gpus: tuple[GpuReading, ...] = ()


STORED_WITHIN_TICKS: Final = 10
"""Samples are collected for up to two seconds before they are stored."""
BLANK: Final = (None,) * len(HISTORY_METRICS)


class Snapshot:
    """The present state of the machine.

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
        self.titles = Titles()
        self.growth = Growth()
        self.outlook: MemoryOutlook | None = None
        self.history: deque[Moment] = deque(maxlen=history_s)
        self.paths_of: Callable[[str], Sequence[str]] = lambda _source: ()
        """The files of a source of log records; safe from any thread."""
        self._pids: dict[int, int] = {}
        self._left: deque[set[int]] = deque([set()], maxlen=STORED_WITHIN_TICKS)
        self.born: list[RunInfo] = []
        """Runs that began or changed since the sample before the newest one."""
        self.gone: list[int] = []
        """Runs that ended since then."""
        self._born_early: list[RunInfo] = []
        self._gone_early: list[int] = []
        self._seq: int | None = None
        self._columns: tuple[Tick, Columns] | None = None
        self._cpu: deque[tuple[bytes, bytes]] = deque(maxlen=CPU_TICKS)

    @property
    def host(self) -> HostInfo | None:
        """The machine; None until a sampler has started."""
        return self.hello.host if self.hello else None

    def greet(self, hello: Hello) -> None:
        """A sampler has started. Its first tick describes all processes again."""
        self.hello = hello
        self.runs = {}
        self.titles = Titles()
        self._pids = {}
        self._seq = None

    def accept(self, tick: Tick) -> None:
        """Apply one sample."""
        self.born, self.gone = [*self._born_early, *tick.born], [*self._gone_early, *tick.gone]
        self._born_early, self._gone_early = [], []
        self._left.append(set())
        self.born += self._turn_over(tick)
        if self.growth.take(tick):
            self.outlook = memory_outlook(self.growth, self.runs, tick.host)
        if tick.host.space is not None:
            self.space = tick.host.space
        self._cpu.append((tick.runs.run, tick.runs.cpu_pct))
        before, self.tick = self.tick, tick
        if before is not None and self._seq is not None and tick.seq > self._seq + 1:
            self.history.append(Moment((before.ts + tick.ts) // 2, (before.mono_ns + tick.mono_ns) // 2, BLANK))
        self._seq = tick.seq
        values = tuple(getattr(tick.host, metric) for metric in HISTORY_METRICS)
        self.history.append(Moment(tick.ts, tick.mono_ns, values, tuple(tick.gpu.gpus) if tick.gpu.fresh else ()))

    def accept_early(self, lives: Lives) -> None:
        """Apply what ended between two samples; pages learn it with the next one."""
        self._born_early += lives.born
        self._gone_early += lives.gone
        self._born_early += self._turn_over(lives)

    def _turn_over(self, told: Tick | Lives) -> list[RunInfo]:
        """Take what began and ended; answers the others whose title is another now."""
        for info in told.born:
            self.runs[info.run] = info
            self._pids[info.pid] = info.run
        for run in told.gone:
            left = self.runs.pop(run, None)
            if left is not None and self._pids.get(left.pid) == run:
                del self._pids[left.pid]
        self._left[-1].update(told.gone, (info.run for info in told.brief))
        titles = [
            (info.run, title_of(info.name, info.cmdline, info.member), folder_of(info.name, info.cmdline, info.cwd))
            for info in told.born
            if info.run in self.runs
        ]
        changed = self.titles.renew(titles, told.gone) - {run for run, _, _ in titles}
        return [self.runs[run] for run in changed if run in self.runs]

    def recall(self, earlier: Sequence[Moment]) -> None:
        """Insert the history of an earlier agent before that of this one."""
        self.history = deque([*earlier, *self.history], maxlen=self.history.maxlen)

    def recall_memory(self, earlier: Sequence[Reading]) -> None:
        """Insert the memory of processes as an earlier agent read it before what this one read."""
        self.growth.recall(earlier)
        if self.tick is not None:
            self.outlook = memory_outlook(self.growth, self.runs, self.tick.host)

    @property
    def columns(self) -> Columns | None:
        """The newest sample, decoded once."""
        if self.tick is None:
            return None
        if self._columns is None or self._columns[0] is not self.tick:
            self._columns = (self.tick, Columns(self.tick.runs))
        return self._columns[1]

    def run_of_pid(self, pid: int) -> int | None:
        """The run that has this pid now. Safe from any thread."""
        return self._pids.get(pid)

    def name_of(self, run: int) -> tuple[int, str] | None:
        """The PID of a run that lives, with its name and command line. Safe from any thread."""
        info = self.runs.get(run)
        return None if info is None else (info.pid, f"{info.name} {info.cmdline}")

    def has_just_left(self, run: int) -> bool:
        """Whether the run ended so recently that the store may not know it. Safe from any thread."""
        return any(run in gone for gone in tuple(self._left))

    def gpu_memory(self) -> dict[int, int]:
        """Bytes of GPU memory by run, over all GPUs; nothing while their driver does not answer."""
        totals: dict[int, int] = {}
        if self.tick is not None and self.tick.gpu.fresh:
            for use in self.tick.gpu.processes:
                run = use.run if use.run is not None else self._pids.get(use.pid)
                if run is not None and use.mem_bytes is not None:
                    totals[run] = totals.get(run, 0) + use.mem_bytes
        return totals

    def mine(self, info: RunInfo) -> bool:
        """Whether the process belongs to the user who runs the agent."""
        return info.uid == self.uid and not info.kernel_thread

    def cpu_curves(self) -> dict[str, list[float | None]]:
        """The last `CPU_TICKS` readings of each running process that used CPU meanwhile, in % of one core; None where it was not measured."""
        if not self._cpu:
            return {}
        runs = np.concatenate([np.frombuffer(run, np.int64) for run, _ in self._cpu])
        cpu = np.concatenate([np.frombuffer(cpu, np.float32) for _, cpu in self._cpu])
        ticks = np.repeat(np.arange(len(self._cpu)), [len(cpu) // 4 for _, cpu in self._cpu])
        known, place = np.unique(runs, return_inverse=True)
        curves = np.full((len(known), len(self._cpu)), np.nan)
        curves[place, ticks] = cpu
        used = np.flatnonzero((curves > 0).any(axis=1))  # not a number is never greater
        return {
            str(run): [None if math.isnan(value) else round(value, 1) for value in curve]
            for run, curve in zip(known[used].tolist(), curves[used].tolist(), strict=True)
            if run in self.runs
        }

    def history_since(self, seconds: int) -> dict[str, Any]:
        """`{"ts": […], "series": {metric: […]}}` of the last `seconds`. A GPU's metric is `gpu0.util_pct`.

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
            for metric in names(GPU):
                series[f"gpu{index}.{metric}"] = [None if one is None else getattr(one, metric) for one in readings]
        return {"ts": [m.ts for m in kept], "series": series}


def _short(value: float | None) -> float | int | None:
    """A reading, rounded to what a chart can show."""
    return value if value is None or isinstance(value, int) else round(value) if value >= WHOLE else round(value, 2)


def known(value: int) -> int | None:
    """An integer reading; -1 means not available."""
    return None if value < 0 else value


def number(value: float, digits: int = 1) -> float | None:
    """A float reading, rounded so that noise is not sent; NaN means not available."""
    return None if math.isnan(value) else round(value, digits)


def whole(value: float) -> int | None:
    """A float reading that is a whole number; NaN means not available."""
    return None if math.isnan(value) else int(value)


def process_rows(snapshot: Snapshot, only: int | None = None) -> list[Process]:
    """Every process of the newest sample, or only the given run."""
    c = snapshot.columns
    if c is None:
        return []
    memory = snapshot.gpu_memory()
    runs = c.column("run")
    rows = []
    for i in range(len(runs)) if only is None else (i for i, run in enumerate(runs) if run == only):
        info = snapshot.runs.get(runs[i])
        if info is None:
            continue
        short, long = snapshot.growth.of(info.run)
        rows.append(
            Process(
                run=str(info.run),
                pid=info.pid,
                ppid=known(c.column("ppid")[i]),
                user=info.user,
                uid=known(info.uid),
                name=info.name,
                title=title_shown(snapshot, info),
                cmdline=info.cmdline,
                member=info.member,
                status=status_word(c.column("status")[i]),
                start_ts=info.start_ts,
                cpu_pct=number(c.column("cpu_pct")[i]),
                cpu_seconds=number(c.column("cpu_user_s")[i] + c.column("cpu_system_s")[i], 2),
                rss=known(c.column("rss")[i]),
                vms=known(c.column("vms")[i]),
                threads=known(c.column("threads")[i]),
                nice=whole(c.column("nice")[i]),
                read_bps=number(c.column("read_bps")[i], 0),
                write_bps=number(c.column("write_bps")[i], 0),
                read_bytes=known(c.column("read_bytes")[i]),
                write_bytes=known(c.column("write_bytes")[i]),
                fds=known(c.column("fds")[i]),
                ctx_voluntary=known(c.column("ctx_voluntary")[i]),
                ctx_involuntary=known(c.column("ctx_involuntary")[i]),
                gpu_mem=memory.get(info.run),
                growth_10m=short,
                growth_1h=long,
                unit=unit_name(info.cgroup),
                kernel_thread=info.kernel_thread,
                mine=snapshot.mine(info),
            )
        )
    return rows


def title_shown(snapshot: Snapshot, info: RunInfo) -> str:
    """The title of a run as lists of the present show it."""
    return snapshot.titles.of(info.run) or title_of(info.name, info.cmdline, info.member)


LiveRow = tuple[str | float | int | None, ...]


def live_rows(snapshot: Snapshot) -> dict[int, LiveRow]:
    """The row of the live table for each run, in the order of `LIVE_COLUMNS`."""
    c = snapshot.columns
    if c is None:
        return {}
    memory = snapshot.gpu_memory()
    names = (
        "run",
        "cpu_pct",
        "cpu_user_s",
        "cpu_system_s",
        "rss",
        "threads",
        "nice",
        "read_bps",
        "write_bps",
        "fds",
        "status",
    )
    return {
        run: (
            str(run),
            number(cpu),
            number(user + system, 1),
            known(rss),
            known(threads),
            whole(nice),
            number(read, 0),
            number(write, 0),
            known(fds),
            status_word(status),
            memory.get(run),
            *snapshot.growth.of(run),
        )
        for run, cpu, user, system, rss, threads, nice, read, write, fds, status in zip(
            *(c.column(n) for n in names), strict=True
        )
        if run in snapshot.runs
    }


def born_row(snapshot: Snapshot, info: RunInfo) -> dict[str, Any]:
    """What rarely changes about a run, for the live table."""
    return {
        "run": str(info.run),
        "pid": info.pid,
        "ppid": info.ppid,
        "user": info.user,
        "name": info.name,
        "title": title_shown(snapshot, info),
        "cmdline": info.cmdline,
        "unit": unit_name(info.cgroup),
        "start_ts": info.start_ts,
        "mine": snapshot.mine(info),
        "kernel_thread": info.kernel_thread,
    }
