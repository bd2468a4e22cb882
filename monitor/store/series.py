"""Readings over time for charts: in a given number of buckets, from the tier that fits, with gaps.

A bucket starts at a multiple of its width since the epoch, so that a moving chart does not flicker. The first bucket may begin
before the range and the last end after it; both count all their samples. A bucket without samples is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitor.core.errors import QueryError
from monitor.metrics.catalogue import GPU, HOST, RUN, RUN_GPU, RUN_MINUTES, names
from monitor.metrics.history import GpuSeries, OneGpuSeries, Series, Statistics
from monitor.store.interface import Store
from monitor.store.tiers import DAY, HOUR, MINUTE, SECOND

STEPS: Final = (
    *(n * SECOND for n in (1, 2, 5, 10, 15, 20, 30)),
    *(n * MINUTE for n in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(n * HOUR for n in (1, 2, 3, 4, 6, 8, 12)),
    *(n * DAY for n in (1, 2, 4, 7, 14, 28, 56, 112, 224, 448)),
)
"""Round bucket widths, µs."""
TOLERANCE: Final = SECOND // 2
"""How late the next sample may be before samples count as missing: 500 ms."""
MOST_POINTS: Final = 10_000
EDGES: Final = 2
"""The first and the last minute of a run need not be whole minutes of the machine."""
Minutes = npt.NDArray[np.int64]
"""When minutes begin, µs, ascending."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The buckets of an answer, and the tier that fills them. Its parameters are empty for raw rows."""

    ts: list[int]
    width: int
    start: int
    end: int
    tier: dict[str, int]


def host_series(store: Store, *, host: str, metrics: Sequence[str], start: int, end: int, points: int) -> Series:
    """Readings of the host over `[start, end)` µs in at most `points` buckets.

    Raises:
        QueryError: an unknown metric, an empty range, or too slow.
    """
    chosen = _metrics(metrics, names(HOST))
    marks = _marks(store, "host_samples", host)
    plan = _plan(start, end, points, marks)
    table = store.query(
        "series",
        samples="host_samples",
        host=host,
        metrics=chosen,
        start=plan.start,
        end=plan.end,
        width=plan.width,
        **plan.tier,
    )
    gaps = store.query("gaps_host", host=host, start=plan.start, end=plan.end, tolerance=TOLERANCE, **plan.tier)
    found = [(max(low, start), min(high, end)) for low, high in _pairs(gaps) if high > start and low < end]
    return Series(
        plan.ts, plan.width, _fill(table, plan, chosen), _with_head(found, table, plan, marks, start=start, end=end)
    )


def run_series(store: Store, *, run: int, metrics: Sequence[str], start: int, end: int, points: int) -> Series:
    """Readings of one run, like `host_series`. What is older than the raw rows comes from its minutes, if it was worth keeping them.

    Memory on GPUs, and what no chart shows, is known from raw rows only.
    """
    chosen = _metrics(metrics, (*names(RUN), *names(RUN_GPU)))
    of_gpus = [name for name in chosen if name in names(RUN_GPU)]
    own = [name for name in chosen if name not in of_gpus]
    minutes = np.sort(store.query("run_minutes", run=run)["ts"].to_numpy())
    marks = _marks_of_run(store, run, minutes, start, end)
    plan = _plan(start, end, points, {name: marks[name] for name in ("raw_first", "minute_first")})
    split = _split(plan, marks)
    span = {"run": run, "start": plan.start, "end": plan.end, "width": plan.width}
    kept = [name for name in own if name in names(RUN_MINUTES)]
    raw_only = [name for name in own if name not in kept]
    values: dict[str, Statistics] = {}
    if kept:
        stored = True if split > plan.start else None
        values |= _fill(store.query("series_run", metrics=kept, split=split, minutes=stored, **span), plan, kept)
    if raw_only:
        values |= _fill(store.query("series_run", metrics=raw_only, split=plan.start, **span), plan, raw_only)
    if of_gpus:
        values |= _fill(store.query("series_run_gpu", **span), plan, of_gpus)
    gaps = _gaps_of_run(store, run, minutes[(minutes >= start) & (minutes < split)], max(split, start), end)
    return Series(plan.ts, plan.width, {name: values[name] for name in chosen}, gaps)


def _marks_of_run(store: Store, run: int, minutes: Minutes, start: int, end: int) -> dict[str, int | None]:
    """Where its minutes begin and end, µs, how many there are in the range, how many the machine has while it lived then, and since when single samples
    are stored.
    """
    first, last = (int(minutes[0]), int(minutes[-1])) if len(minutes) else (None, None)
    (marks,) = store.query("series_marks_run", run=run, start=start, end=max(end, start), minute_last=last).to_pylist()
    here = int(np.count_nonzero((minutes >= start) & (minutes < end)))
    return {"there": 0, **marks, "minute_first": first, "minute_last": last, "here": here}


def _gaps_of_run(store: Store, run: int, minutes: Minutes, split: int, end: int) -> list[tuple[int, int]]:
    """Where minutes are missing between these, which ascend, and single samples from `split` on. To find the former in SQL would cost as much as the line."""
    places = np.flatnonzero(np.diff(minutes) > MINUTE + TOLERANCE)
    found = [(int(minutes[place]) + MINUTE, int(minutes[place + 1])) for place in places]
    if split < end:
        before = int(minutes[-1]) + MINUTE if len(minutes) else None
        found += _pairs(store.query("gaps_run", run=run, start=split, end=end, before=before, tolerance=TOLERANCE))
    return found


def _split(plan: _Plan, marks: dict[str, int | None]) -> int:
    """Up to when a run's minutes are read, µs. They stand for the samples where they are complete, and where there are no samples any more."""
    last, raw = marks["minute_last"], marks["raw_first"]
    if plan.width < MINUTE or last is None:
        return plan.start
    upto = last + MINUTE
    if (marks["here"] or 0) < (marks["there"] or 0) - EDGES and raw is not None:
        upto = min(upto, raw + -raw % MINUTE)
    return min(max(upto, plan.start), plan.end)


def gpu_series(store: Store, *, host: str, start: int, end: int, points: int) -> GpuSeries:
    """Readings of every GPU, like `host_series`."""
    plan = _plan(start, end, points, _marks(store, "gpu_samples", host))
    metrics = names(GPU)
    table = store.query(
        "series",
        samples="gpu_samples",
        gpu=True,
        host=host,
        metrics=metrics,
        start=plan.start,
        end=plan.end,
        width=plan.width,
        **plan.tier,
    )
    gpus = []
    for index in sorted(set(table["gpu"].to_pylist())):
        rows = table.filter(pc.equal(table["gpu"], index))
        uuid, name = rows["uuid"][-1].as_py(), rows["name"][-1].as_py()
        gpus.append(OneGpuSeries(index, uuid, name, plan.ts, _fill(rows, plan, metrics)))
    return GpuSeries(plan.width, gpus)


def bucket_width(start: int, end: int, points: int, least: int = SECOND) -> int:
    """The smallest round width of at least `least` µs with which the range has at most `points` buckets."""
    for width in STEPS:
        if width >= least and _count(start, end, width) <= points:
            return width
    widest = STEPS[-1]
    while _count(start, end, widest) > points and widest < end - start:
        widest *= 2
    return widest


def _count(start: int, end: int, width: int) -> int:
    return -(-end // width) - start // width


def _plan(start: int, end: int, points: int, marks: dict[str, int | None]) -> _Plan:
    if end <= start or start < 0:
        raise QueryError("the time range is empty", hint="give `from` before `to`")
    if not 1 <= points <= MOST_POINTS:
        raise QueryError(f"{points} points were asked for", hint=f"ask for 1 to {MOST_POINTS}")
    width = bucket_width(start, end, points, _least(start, marks))
    first = start - start % width
    ts = list(range(first, end, width))
    return _Plan(ts, width, first, first + len(ts) * width, _tier(first, width, marks))


def _least(start: int, marks: dict[str, int | None]) -> int:
    """The narrowest width that the rows at `start` allow: finer rows may be gone there. Where a coarser tier merely begins with the bucket of the
    finer one's first row, as in a young store, it holds nothing more.
    """
    least = SECOND
    for finer, coarser, width in (("raw_first", "minute_first", MINUTE), ("minute_first", "hour_first", HOUR)):
        low, high = marks.get(finer), marks.get(coarser)
        if high is not None and (low is None or (start < low - width and high + width <= low)):
            least = width
    return least


def _tier(start: int, width: int, marks: dict[str, int | None]) -> dict[str, int]:
    minute, hour = marks.get("minute_last"), marks.get("hour_last")
    tail = start if minute is None else minute + MINUTE
    if width >= HOUR and hour is not None:
        return {"tier_1h": True, "middle": hour + HOUR, "tail": tail}
    if width >= MINUTE and minute is not None:
        return {"tier_1m": True, "tail": tail}
    return {"tail": start}


def _marks(store: Store, samples: str, host: str) -> dict[str, int | None]:
    (row,) = store.query("series_marks", samples=samples, host=host).to_pylist()
    return dict(row)


def _metrics(metrics: Sequence[str], known: Sequence[str]) -> list[str]:
    if unknown := [name for name in metrics if name not in known]:
        raise QueryError(f"there is no reading named {', '.join(unknown)}", hint=f"known: {', '.join(known)}")
    if not metrics:
        raise QueryError("no reading was asked for", hint=f"known: {', '.join(known)}")
    return list(dict.fromkeys(metrics))


def _fill(table: pa.Table, plan: _Plan, metrics: Sequence[str]) -> dict[str, Statistics]:
    places = [(bucket - plan.start) // plan.width for bucket in table["bucket"].to_pylist()]
    values: dict[str, Statistics] = {}
    for metric in metrics:
        lines: list[list[float | None]] = []
        for kind in ("avg", "min", "max"):
            line: list[float | None] = [None] * len(plan.ts)
            for place, value in zip(places, table[f"{metric}_{kind}"].to_pylist(), strict=True):
                line[place] = value
            lines.append(line)
        values[metric] = Statistics(*lines)
    return values


def _pairs(table: pa.Table) -> list[tuple[int, int]]:
    return list(zip(table["gap_start"].to_pylist(), table["gap_end"].to_pylist(), strict=True))


def _with_head(
    gaps: list[tuple[int, int]], table: pa.Table, plan: _Plan, marks: dict[str, int | None], *, start: int, end: int
) -> list[tuple[int, int]]:
    """The gaps, including one that started before the range: no sample at its start although the agent was running."""
    firsts = [at for name in ("raw_first", "minute_first", "hour_first") if (at := marks.get(name)) is not None]
    lasts = [at for name in ("raw_last", "minute_last", "hour_last") if (at := marks.get(name)) is not None]
    if not firsts or min(firsts) >= plan.start:
        return gaps
    if not table.num_rows:
        return [(start, min(end, max(lasts)))] if max(lasts) > start else gaps
    first = int(table["bucket"][0].as_py())
    return [(start, first), *gaps] if first > plan.start and first > start else gaps
