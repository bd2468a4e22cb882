"""Jobs as the API shows them, from the store."""

from collections.abc import Callable
from typing import Any, Final

from monitor.api_models.jobs import (
    Job,
    JobCounts,
    JobDetail,
    JobError,
    JobErrors,
    JobRecord,
    Jobs,
    RecentCounts,
    WorkerSummary,
)
from monitor.store.interface import Store

DAY_US: Final = 86_400_000_000
LATELY_US: Final = 300_000_000
"""The rate is that of the last five minutes, or of a younger worker's life."""
YOUNGEST_US: Final = 10_000_000
"""A rate over less says nothing."""
ENOUGH: Final = 20
"""So many jobs must be done in a day before one can be called stuck."""
USUAL_US: Final = 30_000_000
"""How long it is remembered what jobs usually take."""
MOST_RUNNING: Final = 10_000
MOST_RECORDS: Final = 200
MOST_ERRORS: Final = 20_000
"""Different errors that are looked at."""
FEW_ERRORS: Final = 3
"""So many errors of one form stand for themselves: `HTTP 404` and `HTTP 500`."""
RECURS: Final = 4
"""Errors that differ in a value, but recur so often, are different errors all the same."""


class JobView:
    """Answers questions about jobs. Safe to use from any thread.

    Args:
        store: what is stored.
        host: the machine's name in it.
        limits: factor and least time, as they are now: a job is stuck when it takes `factor` times as long as 99 % of those of its worker
            in the last day, and at least so many seconds.
    """

    def __init__(self, store: Store, host: Callable[[], str], limits: Callable[[], tuple[float, float]]) -> None:
        self._store, self._host, self._limits = store, host, limits
        self._usual: tuple[int, dict[str, float]] | None = None

    def workers(self, now: int, since: int) -> list[WorkerSummary]:
        """All workers; durations and `recent` are of the jobs that ended since `since` (µs)."""
        times = {"since": min(since, now), "lately": now - LATELY_US}
        rows = self._store.query("job_summary", host=self._host(), **times).to_pylist()
        stuck: dict[str, int] = {}
        for job in self.running(now, limit=MOST_RUNNING).jobs if any(row["in_flight"] for row in rows) else ():
            stuck[job.worker] = stuck.get(job.worker, 0) + job.stuck
        after = self._stuck_after(now)
        return [_worker(row, after.get(row["worker"]), stuck.get(row["worker"], 0), now) for row in rows]

    def over(self, **filters: Any) -> Jobs:
        """Jobs that are over. Filters: `worker`, `failed`, `run`, `runs`, `began` (before), `since`, `until` (µs), `q`, `error` (as `errors` tells
        it), `slowest`, `limit`; None leaves one out.
        """
        given = {name: value for name, value in filters.items() if value is not None}
        rows = self._store.query("jobs_over", host=self._host(), **given).to_pylist()
        return Jobs(total=rows[0]["total"] if rows else 0, jobs=[_over(row) for row in rows])

    def errors(self, limit: int, **filters: Any) -> JobErrors:
        """The errors of jobs that are over, `limit` at most. Filters: as of `over`."""
        given = {name: value for name, value in filters.items() if value is not None}
        rows = self._store.query("job_errors", host=self._host(), **given, limit=MOST_ERRORS).to_pylist()
        forms: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            forms.setdefault(row["form"], []).append(row)
        found: list[JobError] = []
        for form, alike in forms.items():
            apart = len(alike) <= FEW_ERRORS or sum(row["jobs"] for row in alike) >= RECURS * len(alike)
            found.extend([_error(row["line"], [row]) for row in alike] if apart else [_error(form, alike)])
        found.sort(key=lambda error: (-error.jobs, -error.last))
        return JobErrors(total=sum(error.jobs for error in found), errors=found[:limit])

    def running(self, now: int, **filters: Any) -> Jobs:
        """Jobs in flight, the longest first. Filters: `worker`, `run`, `runs`, `began` (before, µs), `q`, `limit`."""
        given = {name: value for name, value in filters.items() if value is not None}
        rows = self._store.query("jobs_running", host=self._host(), **given).to_pylist()
        after = self._stuck_after(now)
        jobs = []
        for row in rows:
            seconds = max(0.0, (now - row["started"]) / 1e6)
            limit = after.get(row["worker"])
            stuck = limit is not None and seconds > limit
            jobs.append(Job(**_known(row), state="running", seconds=seconds, stuck=stuck))
        return Jobs(total=rows[0]["total"] if rows else 0, jobs=jobs)

    def one(self, worker_run: str, seq: int, now: int) -> JobDetail | None:
        """A job with what was logged in it; None if there is no such job."""
        which: dict[str, Any] = {"worker_run": worker_run, "seq": seq, "limit": 1}
        found = self.over(**which).jobs or self.running(now, **which).jobs
        if not found:
            return None
        rows = self._store.query("job_records", host=self._host(), **{**which, "limit": MOST_RECORDS}).to_pylist()
        return JobDetail(job=found[0], records=[JobRecord(**row) for row in rows])

    def _stuck_after(self, now: int) -> dict[str, float]:
        """By worker, how many seconds a job may take before it is stuck; none where too few are known."""
        usual = self._usual
        if usual is None or not 0 <= now - usual[0] < USUAL_US:
            rows = self._store.query("job_usual", host=self._host(), since=now - DAY_US).to_pylist()
            usual = now, {row["worker"]: row["p99"] for row in rows if row["n"] >= ENOUGH}
            self._usual = usual
        factor, least = self._limits()
        return {worker: max(least, factor * p99) for worker, p99 in usual[1].items()}


def _worker(row: dict[str, Any], limit: float | None, stuck: int, now: int) -> WorkerSummary:
    slowest = None
    over_us = LATELY_US if row["began"] is None else min(LATELY_US, max(YOUNGEST_US, now - row["began"]))
    if row["slowest_s"] is not None:
        known = _known({**row, "run": row["run"] or None, "pid": None})
        slowest = Job(**known, state=row["outcome"], ended=row["ended"], seconds=row["slowest_s"])
    return WorkerSummary(
        worker=row["worker"],
        runs=row["runs"],
        living=row["living"],
        counts=JobCounts(done=row["done"], failed=row["failed"], interrupted=row["interrupted"]),
        recent=RecentCounts(**{name: row[f"recent_{name}"] for name in ("done", "failed", "interrupted", "asked")}),
        in_flight=row["in_flight"],
        stuck=stuck,
        per_minute=round(row["lately"] / (over_us / 60e6), 1),
        p50_s=row["p50"],
        p99_s=row["p99"],
        stuck_after_s=limit,
        slowest=slowest,
        last_event=row["last_event"],
        reason=None if row["living"] else _with(row["reason"], row["asked"]),
        asked=None if row["living"] else row["asked"],
        **{name: row[name] for name in ("untold", "repeated", "damaged")},
    )


def _known(row: dict[str, Any]) -> dict[str, Any]:
    run = None if row["run"] is None else str(row["run"])
    return {**{name: row[name] for name in ("worker_run", "seq", "worker", "job", "started", "pid")}, "run": run}


def _error(error: str, rows: list[dict[str, Any]]) -> JobError:
    """One error of the rows of `job_errors`, which have it in common."""
    newest = max(rows, key=lambda row: int(row["last"]))
    return JobError(
        error=error,
        jobs=sum(row["jobs"] for row in rows),
        workers=max(*(row["workers"] for row in rows), len({row["worker"] for row in rows})),
        first=min(row["first"] for row in rows),
        last=newest["last"],
        newest=Job(
            **_known(newest),
            state=newest["outcome"],
            ended=newest["last"],
            seconds=newest["seconds"],
            error=newest["error"] or None,
        ),
    )


def _over(row: dict[str, Any]) -> Job:
    told = {name: row[name] for name in ("ended", "seconds", "asked")}
    return Job(**_known(row), state=row["outcome"], error=_with(row["error"], row["asked"]), **told)


def _with(why: str | None, asked: str | None) -> str | None:
    """Why something ended; who asked for it comes first, as a narrow column shows the beginning."""
    return why if asked is None else "; ".join(filter(None, (asked, (why or "").removesuffix(f", {asked}"))))
