"""What happened in a range of time: the runs that used most, and their records, events, jobs and actions."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from logs import LogFilter, record_json
from logs.query import search
from monitor.api.runs.detail import finite, outcome_of, titled
from monitor.api_models.actions import Actions
from monitor.api_models.activity import ActiveEvents, ActiveRecords, ActiveRun, Activity
from monitor.api_models.jobs import Jobs
from monitor.api_models.logs import LogHistogram, Record
from monitor.core.exit_words import failed
from monitor.jobs.view import JobView
from monitor.store.actions import stored_actions
from monitor.store.interface import Store
from monitor.store.process_events import stored_events
from monitor.store.series import bucket_width

BUSIEST: Final = 8
CANDIDATES: Final = 400
CURVE_POINTS: Final = 60
OTHERWISE: Final = (("rss_change", 32 << 20), ("bytes_read", 16 << 20), ("bytes_written", 16 << 20))
"""What else makes a run one of those involved, and the least of it, in bytes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A range of time in µs, the runs (those that used most, if none is given), and how much to answer."""

    start: int
    end: int
    runs: tuple[int, ...] = ()
    limit: int = 200
    records: int = 20
    buckets: int = 120


def activity(store: Store, host: str, wanted: Wanted, jobs: JobView, now: int) -> Activity:
    """What happened. Where no sample of that time is stored any more, and no run is given, it is about all runs.

    Args:
        store: the history.
        host: whose.
        wanted: which time, and which runs.
        jobs: answers about jobs.
        now: µs since the epoch.

    Raises:
        QueryError: the store took too long.
    """
    began = time.monotonic()
    rows = _used(store, host, wanted)
    runs = wanted.runs or tuple(row["run"] for row in rows)
    width = bucket_width(wanted.start, wanted.end, CURVE_POINTS)
    curves = _curves(store, wanted, [row["run"] for row in rows], width)
    of: dict[str, Any] = {"runs": list(runs)} if runs else {}
    span = {"since": wanted.start, "until": wanted.end, **of}
    events = stored_events(store, host, span, limit=wanted.limit)
    actions = stored_actions(store, host, span, limit=wanted.limit)
    return Activity(
        **{"from": wanted.start, "to": wanted.end},
        cpu_bucket_us=width,
        runs=[_run(row, curves.get(row["run"], [])) for row in titled(rows)],
        records=_records(store, wanted, runs),
        events=ActiveEvents(total=events[0], events=events[1]),
        jobs=_jobs(jobs, wanted, of, now),
        actions=Actions(total=actions[0], actions=actions[1]),
        elapsed_ms=round((time.monotonic() - began) * 1000, 1),
    )


def _used(store: Store, host: str, wanted: Wanted) -> list[dict[str, Any]]:
    """What the runs used. Of all runs those that used most CPU, and those of which the memory, the reads or the writes stand out."""
    times = {"start": wanted.start, "end": wanted.end}
    which: dict[str, Any] = {"runs": list(wanted.runs)} if wanted.runs else {}
    rows: list[dict[str, Any]] = store.query("runs_busiest", host=host, limit=CANDIDATES, **times, **which).to_pylist()
    if wanted.runs:
        return rows
    chosen = {row["run"]: row for row in rows[:BUSIEST] if finite(row["cpu_s"])}
    for key, least in OTHERWISE:
        most = max(rows, key=lambda row: row[key] or 0, default=None)
        if most is not None and (most[key] or 0) >= least:
            chosen.setdefault(most["run"], most)
    return list(chosen.values())


def _curves(store: Store, wanted: Wanted, runs: Sequence[int], width: int) -> dict[int, list[float | None]]:
    """By run, its CPU over time."""
    first = wanted.start - wanted.start % width
    curves: dict[int, list[float | None]] = {run: [None] * -(-(wanted.end - first) // width) for run in runs}
    if not runs:
        return curves
    found = store.query("runs_curves", runs=list(runs), start=wanted.start, end=wanted.end, width=width)
    for row in found.to_pylist():
        value = finite(row["cpu_pct"])
        curves[row["run"]][(row["bucket"] - first) // width] = None if value is None else round(value, 1)
    return curves


def _run(row: Mapping[str, Any], curve: list[float | None]) -> ActiveRun:
    over = row["end_ts"] is not None
    return ActiveRun(
        run=str(row["run"]),
        pid=row["pid"],
        user=row["user_name"],
        title=row["title"],
        cmdline=(row["cmdline"] or "")[:300],
        started=row["start_ts"],
        ended=row["end_ts"],
        outcome=outcome_of(row) if over else None,
        failed=failed(row["exit_code"], row["exit_signal"], row["asked"]) if over else None,
        asked=row["asked"],
        cpu_seconds=finite(row["cpu_s"]),
        cpu_max=finite(row["cpu_max"]),
        cpu=curve,
        **{name: row[name] for name in ("rss_max", "rss_change", "bytes_read", "bytes_written")},
    )


def _records(store: Store, wanted: Wanted, runs: Sequence[int]) -> ActiveRecords:
    one = runs[0] if len(runs) == 1 else None
    chosen = LogFilter(run=one, runs=() if one else tuple(runs), since=wanted.start, until=wanted.end)
    histogram = search.histogram(store, chosen, wanted.buckets)
    found = search.search(store, chosen, limit=wanted.records).records if histogram["total"] and wanted.records else []
    newest = [Record.model_validate(record_json(one)) for one in found]
    return ActiveRecords(histogram=LogHistogram.model_validate(histogram), newest=newest)


def _jobs(view: JobView, wanted: Wanted, of: Mapping[str, Any], now: int) -> Jobs:
    """Those at work in the range: the ones in flight, then the ones that are over, the newest first."""
    which = {**of, "began": wanted.end, "limit": wanted.limit}
    running = view.running(now, **which)
    over = view.over(**which, since=wanted.start)
    return Jobs(total=running.total + over.total, jobs=[*running.jobs, *over.jobs][: wanted.limit])
