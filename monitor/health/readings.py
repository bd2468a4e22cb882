"""The values that rules watch, out of the newest sample: of the machine, of each file system, GPU and process."""

import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Final

from monitor.api_models.events import AlertCulprit
from monitor.config.alerts import METRICS, AlertRule
from monitor.core.process_title import title_of
from monitor.health.rates import Rates
from monitor.live.snapshot import Snapshot
from monitor.metrics.catalogue import DiskSpace, HostReading
from monitor.metrics.messages import RunInfo


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a metric: whose it is (empty: the machine's), in which words, and the run it belongs to."""

    subject: str
    name: str
    value: float | None
    run: int | None = None
    pid: int | None = None


def values(
    rule: AlertRule, snapshot: Snapshot, rates: Rates, at: float, kept: Container[str] = ()
) -> tuple[list[Value], Container[str]]:
    """The present values of a rule's metric, and all whose they are. No values where there is nothing of the kind, such as a GPU.

    There may be thousands of processes: of those that are neither beyond the threshold nor among `kept`, only the nearest to it is there.
    `at` is now, in seconds of a clock that only goes forward.
    """
    if (rule.metric or "").startswith("process."):
        return _of_processes(rule, snapshot, kept)
    if (rule.metric or "").startswith(("job.", "log.")):
        found = [Value(*one) for one in rates.figures(rule.metric or "", rule.of, at)]
    else:
        found = _of_machine(rule, snapshot)
    return found, {one.subject for one in found}


def _of_machine(rule: AlertRule, snapshot: Snapshot) -> list[Value]:
    metric = rule.metric or ""
    tick = snapshot.tick
    if tick is None:
        return []
    part, _, name = metric.partition(".")
    if part == "disk" and name:
        spaces = [space for space in snapshot.space or [] if not space.read_only and space.total > 0]
        chosen = [space for space in spaces if rule.of == space.mount or not rule.of]
        return [Value(space.mount, space.mount, _DISK[name](space)) for space in chosen]
    if part == "gpu":
        gpus = tick.gpu.gpus if tick.gpu.fresh else []
        return [
            Value(f"gpu{gpu.index}", f"GPU {gpu.index}", _share(gpu.mem_used, gpu.mem_total) if name == "mem_pct" else getattr(gpu, name))
            for gpu in gpus
            if not rule.of or rule.of.strip() == str(gpu.index)
        ]  # fmt: skip
    value = _MACHINE[metric](tick.host) if metric in _MACHINE else getattr(tick.host, metric)
    return [Value("", "", value)]


def _of_processes(rule: AlertRule, snapshot: Snapshot, kept: Container[str]) -> tuple[list[Value], Container[str]]:
    columns, wanted, name = snapshot.columns, rule.of.casefold(), (rule.metric or "").partition(".")[2]
    if columns is None:
        return [], ()
    figures = columns.column(name) if name != "growth_1h" else None
    missing = METRICS[f"process.{name}"].unit != "%"
    sign = 1.0 if rule.above is not None else -1.0
    limit, found, there = sign * rule.threshold, list[Value](), set[str]()
    nearest: tuple[float, int, RunInfo] | None = None
    for place, run in enumerate(columns.column("run")):
        info = snapshot.runs.get(run)
        if info is None or wanted not in f"{info.name} {info.cmdline}".casefold():
            continue
        value = snapshot.growth.of(run)[1] if figures is None else figures[place]
        known = None if value is None or math.isnan(value) or (value == -1 and missing) else float(value)
        subject = str(run)
        there.add(subject)
        if (known is not None and sign * known > limit) or subject in kept:
            found.append(Value(subject, title_of(info.name, info.cmdline, info.member), known, run=run, pid=info.pid))
        elif known is not None and (nearest is None or sign * known > nearest[0]):
            nearest = sign * known, run, info
    if nearest is not None:
        value, run, info = sign * nearest[0], nearest[1], nearest[2]
        found.append(Value(str(run), title_of(info.name, info.cmdline, info.member), value, run=run, pid=info.pid))
    return found, there


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole


def _used(space: DiskSpace) -> float:
    """As `df` counts: what is reserved for the administrator is not free, and belongs to nobody."""
    there = space.used + space.free
    return 100 * space.used / there if there else 0.0


_DISK: Final[Mapping[str, Callable[[DiskSpace], float]]] = {"used_pct": _used, "free": lambda space: space.free}
_MACHINE: Final[Mapping[str, Callable[[HostReading], float | None]]] = {
    "mem.used_pct": lambda host: _share(host.mem_used, host.mem_total),
    "mem.available_pct": lambda host: _share(host.mem_available, host.mem_total),
    "swap.used_pct": lambda host: _share(host.swap_used, host.swap_total),
}
CULPRITS: Final = 5
_BY: Final = {
    "mem": "rss",
    "swap": "rss",
    "psi_mem": "rss",
    "disk": "write_bps",
    "psi_io": "write_bps",
    "procs": "threads",
}
"""What makes a process a culprit, by the beginning of the metric; otherwise CPU."""


def culprits(metric: str, snapshot: Snapshot) -> list[AlertCulprit]:
    """The processes that have most of what a metric of the machine is about, the greatest first."""
    columns = snapshot.columns
    if columns is None:
        return []
    figure = next((by for start, by in _BY.items() if metric.startswith(start)), "cpu_pct")
    if metric.startswith("gpu"):
        figure, pairs = "gpu_mem", [(float(value), run) for run, value in snapshot.gpu_memory().items()]
    else:
        pairs = list(zip(map(float, columns.column(figure)), columns.column("run"), strict=True))
    found = []
    for value, run in sorted((pair for pair in pairs if pair[0] > 0), reverse=True)[: CULPRITS * 3]:
        info = snapshot.runs.get(run)
        if info is not None and not info.kernel_thread:
            title = title_of(info.name, info.cmdline, info.member)
            found.append(AlertCulprit(run=str(run), pid=info.pid, title=title, figure=figure, value=round(value, 1)))
    return found[:CULPRITS]
