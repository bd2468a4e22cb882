"""Evidence for a time range: readings compared with the time before, the busiest processes, and the records."""

from collections.abc import Callable
from typing import Any, Final

from logs import LogFilter, record_json
from logs.core.levels import WARN
from logs.query import search
from monitor.api.ai.evidence import Evidence, Item, item_of
from monitor.core.exit_words import ended_with
from monitor.metrics.history import OneGpuSeries, Series
from monitor.store.interface import Store
from monitor.store.series import gpu_series, host_series

RECORDS: Final = 24
PROCESSES: Final = 6
READINGS: Final = 8
BEFORE_US: Final = 300_000_000
"""Minimum length of the time before that is compared with."""
_POINTS: Final = 240
_RUNS: Final = 400
Form = Callable[[float], str]


def _percent(value: float) -> str:
    return f"{value:.0f} %"


def _plain(value: float) -> str:
    return f"{value:.1f}"


def _size(value: float) -> str:
    return f"{value / 2**30:.1f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"


def _rate(value: float) -> str:
    return f"{value / 1e6:.1f} MB/s" if value >= 1e5 else f"{value / 1e3:.1f} kB/s"


READ: Final[dict[str, tuple[str, Form, float]]] = {
    "cpu_pct": ("CPU of all cores", _percent, 5),
    "cpu_iowait": ("CPU waiting for disks", _percent, 3),
    "cpu_steal": ("CPU taken by other virtual machines", _percent, 3),
    "load1": ("load (tasks that want to run)", _plain, 0.5),
    "mem_used": ("memory in use", _size, 256 * 2**20),
    "swap_used": ("swap in use", _size, 64 * 2**20),
    "psi_cpu_some": ("share of time that tasks wait for CPU", _percent, 5),
    "psi_mem_some": ("share of time that tasks wait for memory", _percent, 2),
    "psi_io_some": ("share of time that tasks wait for disks", _percent, 5),
    "disk_read_bps": ("reads from disks", _rate, 5e6),
    "disk_write_bps": ("writes to disks", _rate, 5e6),
    "net_rx_bps": ("received from the network", _rate, 1e6),
    "net_tx_bps": ("sent to the network", _rate, 1e6),
    "procs_total": ("number of processes", _plain, 20),
    "temp_max_c": ("highest temperature, °C", _plain, 5),
}
"""Reading → its words, its form, and the least change that is worth a word."""


def spike(store: Store, *, host: str, start: int, end: int) -> Evidence:
    """Records first, then processes, then readings, each kind bounded: what fits a small model's context is taken from the end.

    Args:
        store: to read from.
        host: of the readings.
        start: µs.
        end: µs.

    Raises:
        QueryError: the time cannot be, or the questions took too long.
    """
    records, matched = _records(store, start, end)
    items = [*records, *_processes(store, host, start, end), *_readings(store, host, start, end)]
    return Evidence(items, matched, (start, end), "What did the machine do in this time, and what is the likely cause?")


def _records(store: Store, start: int, end: int) -> tuple[list[Item], int]:
    """Warnings and errors; without any, the newest records of any level."""
    for least in (WARN, 0):
        wanted = LogFilter(least=least, since=start, until=end)
        page = search.search(store, wanted, limit=RECORDS)
        if page.records:
            matched = len(page.records) if page.older is None else int(search.count(store, wanted)["count"])
            return [item_of(record_json(record)) for record in page.records], matched
    return [], 0


def _processes(store: Store, host: str, start: int, end: int) -> list[Item]:
    """The processes that used most CPU, and those whose memory changed most, that read most and wrote most; the busiest last."""
    rows = store.query("runs_busiest", host=host, start=start, end=end, limit=_RUNS).to_pylist()
    chosen: dict[int, dict[str, Any]] = {}
    for key, least in (("rss_change", 64 * 2**20), ("bytes_read", 16 * 2**20), ("bytes_written", 16 * 2**20)):
        top = max(rows, key=lambda row: row[key] or 0, default=None)
        if top and (top[key] or 0) >= least:
            chosen[top["run"]] = top
    for row in rows:
        if len(chosen) >= PROCESSES:
            break
        if (row["cpu_s"] or 0) >= 0.05:
            chosen.setdefault(row["run"], row)
    ordered = sorted(chosen.values(), key=lambda row: row["cpu_s"] or 0)
    return [Item(f"run:{row['run']}", "process", _process(row, start, end)) for row in ordered]


def _process(row: dict[str, Any], start: int, end: int) -> str:
    share = 100 * (row["cpu_s"] or 0) / ((end - start) / 1e6)
    said = [
        f"process {row['name']} (pid {row['pid']}) used {row['cpu_s'] or 0:.1f} s of CPU, {share:.0f} % of one core"
    ]
    if row["rss_max"]:
        said.append(f"up to {_size(row['rss_max'])} of memory")
    for key, words in (("bytes_read", "read"), ("bytes_written", "wrote")):
        if (row[key] or 0) >= 2**20:
            said.append(f"{words} {_size(row[key])}")
    if row["start_ts"] and start <= row["start_ts"] < end:
        said.append("began in this time")
    if row["end_ts"] and start <= row["end_ts"] < end:
        how = ended_with(row["exit_code"], row["exit_signal"], asked=row["asked"])
        said.append("ended in this time" + (f": {how}" if how else ""))
    command = " ".join((row["cmdline"] or "").split())[:80]
    return ", ".join(said) + (f"; command: {command}" if command and command != row["name"] else "")


def _readings(store: Store, host: str, start: int, end: int) -> list[Item]:
    """The readings that changed most against the time before, largest change last. CPU and memory are always included."""
    earlier = start - max(end - start, BEFORE_US)
    now = host_series(store, host=host, metrics=list(READ), start=start, end=end, points=_POINTS)
    before = host_series(store, host=host, metrics=list(READ), start=earlier, end=start, points=_POINTS)
    told: list[tuple[float, Item]] = []
    for metric, (words, form, least) in READ.items():
        mean, top, at = _figures(now, metric)
        if mean is None or top is None:
            continue
        was, _, _ = _figures(before, metric)
        change = 0.0 if was is None else max(abs(mean - was), abs(top - was)) / least
        if change < 1 and metric not in {"cpu_pct", "mem_used"}:
            continue
        compared = (
            f"; {form(was)} on average in the time before" if was is not None else "; no readings of the time before"
        )
        text = f"reading: {words}: {form(mean)} on average, at most {form(top)}{compared}"
        told.append((change, Item(f"reading:{metric}", "reading", text, at)))
    told.sort(key=lambda pair: pair[0])
    return [*_holes(now, start), *_gpus(store, host, start, end), *(item for _, item in told[-READINGS:])]


def _figures(series: Series | OneGpuSeries, metric: str) -> tuple[float | None, float | None, int | None]:
    """Mean, maximum, and the time of the maximum (µs)."""
    means = [value for value in series.series[metric].avg if value is not None]
    tops = [(value, at) for value, at in zip(series.series[metric].max, series.ts, strict=True) if value is not None]
    if not means or not tops:
        return None, None, None
    top, at = max(tops)
    return sum(means) / len(means), top, at


def _holes(series: Series, start: int) -> list[Item]:
    """Time without samples, which is a finding too."""
    lost = sum(high - low for low, high in series.gaps) / 1e6
    if lost < 2:
        return []
    return [Item("reading:gap", "reading", f"reading: no samples for {lost:.0f} s of this time", start)]


def _gpus(store: Store, host: str, start: int, end: int) -> list[Item]:
    items = []
    for gpu in gpu_series(store, host=host, start=start, end=end, points=_POINTS).gpus:
        said = []
        for metric, words, form in (
            ("util_pct", "busy", _percent),
            ("mem_used", "memory", _size),
            ("temp_c", "°C", _plain),
        ):
            mean, top, _ = _figures(gpu, metric)
            if mean is not None and top is not None:
                said.append(f"{words} {form(mean)} on average, at most {form(top)}")
        if said:
            items.append(
                Item(f"reading:gpu{gpu.index}", "reading", f"reading: GPU {gpu.index}: {'; '.join(said)}", start)
            )
    return items
