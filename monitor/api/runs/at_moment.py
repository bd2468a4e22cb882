"""All processes at a past moment, from the store."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from monitor.api.runs.detail import outcome_of, titled
from monitor.api_models.processes import HostThen, PastProcess, PastProcesses
from monitor.core.exit_words import failed
from monitor.core.paths import own_uid
from monitor.core.units import unit_name
from monitor.live.snapshot import status_word
from monitor.metrics.catalogue import HOST, names
from monitor.store.interface import Store
from monitor.store.tiers import MINUTE, SECOND

FAR: Final = 90 * SECOND
"""How far away a sample may be to stand for a moment: more than the longest time between two samples."""
LATE: Final = 2.5
"""Times between two samples after which one is missing."""
_DIGITS: Final = {"cpu_pct": 1, "cpu_seconds": 2, "nice": 0, "read_bps": 0, "write_bps": 0}


def processes_at(store: Store, host: str, at: int, interval_s: float) -> PastProcesses:
    """All processes at `at` µs.

    Args:
        store: the history.
        host: whose processes.
        at: the moment; the nearest sample before it counts, else the nearest after it.
        interval_s: time between two samples.
    """
    (near,) = store.query("samples_near", host=host, at=at, far=FAR).to_pylist()
    ts = near["after"] if near["before"] is None else near["before"]
    then = _host(store, host, at)
    if ts is None:
        return _of_minute(store, host, at, then)
    curves = _curves(store, host, ts, interval_s)
    rows = store.query("runs_at", host=host, ts=ts).to_pylist()
    return PastProcesses(
        asked=at,
        ts=ts,
        resolution="sample",
        gap=abs(at - ts) > LATE * interval_s * SECOND,
        host=then,
        processes=[_process(row, curves.get(row["run"], ())) for row in titled(rows)],
    )


def _of_minute(store: Store, host: str, at: int, then: HostThen | None) -> PastProcesses:
    """Those that lived then; with the means of the minute where these were kept, and without readings elsewhere."""
    minute = at - at % MINUTE
    rows = store.query("runs_alive", host=host, at=at, minute=minute).to_pylist()
    kept = any(row["samples"] is not None for row in rows)
    return PastProcesses(
        asked=at,
        ts=minute if kept else None,
        resolution="minute" if kept else "lives" if rows else "none",
        gap=True,
        host=then,
        processes=[_process(row, (), minute=True) for row in titled(rows)],
    )


def _host(store: Store, host: str, at: int) -> HostThen | None:
    rows = store.query("host_at", host=host, at=at, far=FAR, metrics=names(HOST)).to_pylist()
    if not rows:
        return None
    width, ts = rows[0].pop("width"), rows[0].pop("seen")
    return HostThen(ts=ts, width_us=width, readings={name: _number(value, 3) for name, value in rows[0].items()})


def _curves(store: Store, host: str, ts: int, interval_s: float) -> dict[int, list[float]]:
    """By run, its CPU in each sample of the minute up to `ts`, in % of one core; only of those that used any."""
    steps = max(1, min(60, round(60 / interval_s)))
    curves: dict[int, list[float]] = {}
    for row in store.query("runs_at_cpu", host=host, start=ts - MINUTE + SECOND, end=ts).to_pylist():
        curve = curves.setdefault(row["run"], [0.0] * steps)
        curve[max(0, steps - 1 - round((ts - row["ts"]) / (interval_s * SECOND)))] = round(row["cpu_pct"], 1)
    return curves


def _process(row: Mapping[str, Any], curve: Sequence[float], *, minute: bool = False) -> PastProcess:
    code = row.get("status_code")
    readings = {name: _number(row.get(name), _DIGITS.get(name)) for name in _READINGS}
    return PastProcess(
        run=str(row["run"]),
        pid=row["pid"],
        ppid=row["ppid"],
        user=row["user_name"],
        uid=row["uid"],
        name=row["name"],
        title=row["title"],
        cmdline=row["cmdline"] or "",
        member=row["member"],
        unit=unit_name(row["cgroup"]),
        kernel_thread=bool(row["kernel_thread"]),
        mine=row["uid"] == own_uid() and not row["kernel_thread"],
        status=None if code is None else status_word(code),
        start_ts=row["start_ts"],
        cpu_minute=readings["cpu_pct"] if minute else round(sum(curve) / len(curve), 1) if curve else 0.0,
        spark=list(curve),
        end_ts=row["end_ts"],
        exit_code=row["exit_code"],
        signal=row["exit_signal"],
        asked=row["asked"],
        failed=failed(row["exit_code"], row["exit_signal"], row["asked"]),
        outcome=None if row["end_ts"] is None else outcome_of(row),
        **readings,
    )


_READINGS: Final = (
    *(
        "cpu_pct",
        "rss",
        "vms",
        "threads",
        "nice",
        "cpu_seconds",
        "read_bps",
        "write_bps",
        "read_bytes",
        "write_bytes",
        "fds",
    ),
    *("ctx_voluntary", "ctx_involuntary", "gpu_mem"),
)


def _number(value: Any, digits: int | None = None) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return round(value, digits or None) if digits is not None else value
