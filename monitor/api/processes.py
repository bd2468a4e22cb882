"""Running processes, and one life of one process."""

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from logs import parse_past, parse_range
from monitor.api.acting.actions import untouchable
from monitor.api.http.answers import asked, blocking, json_answer, rows_answer, series_answer
from monitor.api.http.context import Context
from monitor.api.http.errors import NotFound
from monitor.api.http.parameters import (
    ActivityFilter,
    EndedFilter,
    FromTime,
    LivesFilter,
    PastTime,
    Points,
    RunPart,
    ToTime,
    Zone,
    run_number,
    zone_of,
)
from monitor.api.http.turns import Turns
from monitor.api.jobs import job_view
from monitor.api.runs import detail as run_detail
from monitor.api.runs.activity import Wanted, activity
from monitor.api.runs.at_moment import processes_at
from monitor.api.runs.connections import connections_of
from monitor.api.runs.ending import run_ending
from monitor.api_models.activity import Activity
from monitor.api_models.endings import RunEnding
from monitor.api_models.processes import (
    Connections,
    EndedRuns,
    Lives,
    Moment,
    PastProcesses,
    Processes,
    Run,
    RunLogFile,
)
from monitor.core.errors import QueryError
from monitor.core.paths import own_uid
from monitor.live.snapshot import process_rows
from monitor.metrics.catalogue import RUN, RUN_GPU
from monitor.metrics.history import Series
from monitor.store import series

CHARTED = [metric.name for metric in (*RUN, *RUN_GPU) if metric.chart]
STORED_S = 5.0
_ACTIVITIES, _ACTIVITIES_WAITING = 2, 40
Metrics = Annotated[
    str, Query(description="Names of readings, separated by commas; empty: those with a chart.", max_length=200)
]


async def _stored(request: Request, context: Context, run: int, *, new: bool = False) -> dict[str, Any] | None:
    """What the store knows about a run. Waits for one that has just ended and is about to be stored; if `new`, also for one that has just begun."""

    def coming() -> bool:
        return context.snapshot.has_just_left(run) or (new and run in context.snapshot.runs)

    deadline = time.monotonic() + STORED_S
    await blocking(request, context.store_ends)
    found = await blocking(request, lambda: run_detail.stored_run(context.store, run))
    while found is None and coming() and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        found = await blocking(request, lambda: run_detail.stored_run(context.store, run))
    return found


def routes(context: Context) -> APIRouter:
    """`/v1/processes` and `/v1/runs/*`."""
    router = APIRouter(prefix="/v1", tags=["processes"])
    _add_processes(router, context)
    _add_lists(router, context)
    _add_activity(router, context)
    _add_runs(router, context)
    return router


def _add_processes(router: APIRouter, context: Context) -> None:
    """All processes: now, and at a past moment."""

    @router.get("/processes", response_model=Processes, summary="All running processes (JSON or Arrow)")
    async def processes(request: Request) -> Response:
        """From the newest sample."""
        tick = context.snapshot.tick
        rows = process_rows(context.snapshot)
        return rows_answer(
            request, {"ts": tick.ts if tick else None, "processes": rows, "outlook": context.snapshot.outlook}, rows
        )

    @router.get("/processes/at", response_model=PastProcesses, summary="All processes at a past moment")
    async def at_moment(request: Request, at: PastTime, zone: Zone = "") -> Response:
        """The readings of the sample at that moment, at or before it. Where none is stored any more, those that lived then."""
        moment = parse_past(at, context.now(), zone_of(zone))
        host, interval_s = context.host(), context.settings().sampling.interval_s
        return json_answer(await blocking(request, lambda: processes_at(context.store, host, moment, interval_s)))

    @router.get("/moment", response_model=Moment, summary="A time as people type it, in µs")
    async def moment(at: PastTime, zone: Zone = "") -> Response:
        """Reads `03:12`, `-2h` or `yesterday 14:00`. A clock alone that is still to come today was yesterday."""
        return json_answer(Moment(ts=parse_past(at, context.now(), zone_of(zone))))


def _add_lists(router: APIRouter, context: Context) -> None:
    """Runs that have ended, and runs that lived in a range of time."""

    @router.get("/runs", response_model=EndedRuns, summary="Runs that have ended, the newest first")
    async def ended(request: Request, wanted: Annotated[EndedFilter, Query()]) -> Response:
        """A run is here within a tenth of a second after its end; where nobody tells of ends, after the next sample."""
        now, host = context.now(), context.host()
        since, until = parse_range(wanted.since, wanted.until, now)
        filters = {
            "q": wanted.q or None,
            "since": since,
            "until": until,
            "uid": own_uid() if wanted.mine else None,
            "failed": 1 if wanted.failed else None,
            "lived": round(wanted.lived_s * 1e6) or None,
            "limit": wanted.limit,
        }
        return json_answer(
            await blocking(
                request,
                lambda: context.with_coming(
                    lambda coming, every: run_detail.ended_runs(context.store, host, filters, coming, every=every),
                    since,
                ),
            )
        )

    @router.get("/lives", response_model=Lives, summary="Runs that lived in a range of time")
    async def lives(
        request: Request, start: FromTime, end: ToTime, wanted: Annotated[LivesFilter, Query()]
    ) -> Response:
        """Those that lived longest in it first; kernel threads are left out."""
        now, host = context.now(), context.host()
        filters = {
            "q": wanted.q or None,
            "uid": own_uid() if wanted.mine else None,
            "lived": round(wanted.lived_s * 1e6) or None,
            "now": now if wanted.lived_s else None,
            "limit": wanted.limit,
        }
        last = max(start, end)
        return json_answer(
            await blocking(
                request, lambda: context.with_ends(lambda: run_detail.lives(context.store, host, start, last, filters))
            )
        )


def _add_activity(router: APIRouter, context: Context) -> None:
    """What happened in a range of time."""
    turns, view = Turns("views of a time range", running=_ACTIVITIES, waiting=_ACTIVITIES_WAITING), job_view(context)

    @router.get("/activity", response_model=Activity, summary="The runs involved in a range of time, and what they did")
    async def of_range(
        request: Request, start: FromTime, end: ToTime, wanted: Annotated[ActivityFilter, Query()]
    ) -> Response:
        """Metrics, records, events, jobs and actions: of the runs given or, without any, of those that used most."""
        if end <= start:
            raise QueryError("the time range is empty", hint="give `from` before `to`")
        runs = tuple(dict.fromkeys(run_number(word.strip()) for word in wanted.run.split(","))) if wanted.run else ()
        what = Wanted(start, end, runs, limit=wanted.limit, records=wanted.records, buckets=wanted.buckets)
        host, now = context.host(), context.now()
        return json_answer(
            await asked(request, context.store, lambda store: activity(store, host, what, view, now), turns)
        )


def _unless_zombie(context: Context, run: int, found: RunEnding) -> RunEnding:
    """Why it ended; of one that its parent has not asked for yet no more is told."""
    if found.cause != "running" or all(one.status != "zombie" for one in process_rows(context.snapshot, run)):
        return found
    return found.model_copy(update={"why": "It has ended, and stays as a zombie until its parent asks how."})


def _add_runs(router: APIRouter, context: Context) -> None:
    """One life of one process."""

    @router.get("/runs/{run}", response_model=Run, summary="One life of one process")
    async def one(request: Request, run: RunPart) -> Response:
        """Running or ended. After its end, the readings are the last ones."""
        number = run_number(run)
        now = process_rows(context.snapshot, number)
        stored = await _stored(request, context, number)
        whole = run_detail.merge(number, context.snapshot, now[0] if now else None, stored)
        if whole is None:
            raise NotFound(f"there is no run {run}", hint="it may have been removed to keep the store within its limit")
        if now:
            above, whole.children = run_detail.relatives(context.snapshot, number)
            info = context.snapshot.runs.get(number)
            whole.untouchable = None if info is None else untouchable(context, info)
        else:
            above, whole.children = await blocking(request, lambda: run_detail.stored_relatives(context.store, number))
        whole.parent, whole.ancestors = (above[0], above[1:]) if above else (None, [])
        service = context.logs()
        if service is not None:
            whole.log_files = [
                RunLogFile(**file) for file in await blocking(request, lambda: service.files_of_run(number))
            ]
        return json_answer(whole)

    @router.get(
        "/runs/{run}/connections", response_model=Connections, summary="Connections and listening ports of a process"
    )
    async def connections(request: Request, run: RunPart) -> Response:
        """Of a running process, as they are now; read when asked, within two seconds."""
        info = context.snapshot.runs.get(run_number(run))
        found = None if info is None else await blocking(request, lambda: connections_of(info.pid, info.start_tick))
        if found is None:
            raise NotFound(f"no process of run {run} is running", hint="only a running process has connections")
        return json_answer(found)

    @router.get("/runs/{run}/end", response_model=RunEnding, summary="Why a run ended")
    async def ending(request: Request, run: RunPart) -> Response:
        """The cause in a sentence, and what led to it: the last error, the final minute, and earlier runs of the command."""
        number = run_number(run)
        await _stored(request, context, number, new=True)
        found = await blocking(request, lambda: run_ending(context.store, number))
        if found is None:
            raise NotFound(f"there is no run {run}", hint="it may have been removed to keep the store within its limit")
        return json_answer(_unless_zombie(context, number, found))

    @router.get("/runs/{run}/series", response_model=Series, summary="Readings of a run over time (JSON or Arrow)")
    async def run_series(  # noqa: PLR0917 - one parameter each of the request's
        request: Request, run: RunPart, start: FromTime, end: ToTime, points: Points = 600, metrics: Metrics = ""
    ) -> Response:
        """Like the series of the machine."""
        number = run_number(run)
        names = [name.strip() for name in metrics.split(",") if name.strip()] or CHARTED
        answer = await blocking(
            request,
            lambda: series.run_series(context.store, run=number, metrics=names, start=start, end=end, points=points),
        )
        return series_answer(request, answer)
