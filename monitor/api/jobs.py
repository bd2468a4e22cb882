"""Jobs, and the workers that report them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from logs import parse_range, parse_time
from monitor.api.http.answers import blocking, json_answer
from monitor.api.http.context import Context
from monitor.api.http.errors import NotFound
from monitor.api.http.parameters import run_number
from monitor.api_models.jobs import JobDetail, JobErrors, Jobs, Workers
from monitor.jobs.view import JobView

HOUR_US = 3_600_000_000
Since = Annotated[
    str | None,
    Query(description="Count what ended at or after; a time as for log records. Default: an hour ago.", max_length=60),
]

WorkerRun = Annotated[str, Query(description="What the worker calls its run.", max_length=500)]
Seq = Annotated[int, Query(description="Number of the job's first event in the run.", ge=0, le=2**62)]


class JobFilter(BaseModel):
    """Which jobs."""

    worker: str | None = Field(None, description="Name of a worker.", max_length=200)
    running: bool = Field(default=False, description="Those in flight instead of those that are over.")
    failed: bool = Field(
        default=False, description="Only those that failed or were interrupted, unless somebody asked for that."
    )
    slowest: bool = Field(default=False, description="The slowest first instead of the newest.")
    run: str | None = Field(None, description="Those of a run of a process.", max_length=30)
    q: str | None = Field(None, description="Text in the name of the job or in its error.", max_length=500)
    error: str | None = Field(None, description="Those with this error, as `/v1/jobs/errors` tells it.", max_length=600)
    since: str | None = Field(None, description="Ended at or after; a time as for log records.", max_length=60)
    until: str | None = Field(None, description="Ended before.", max_length=60)
    limit: int = Field(200, description="Jobs at most.", ge=1, le=10_000)


def job_view(context: Context) -> JobView:
    """Answers about jobs, with the settings as they are when it is asked."""

    def limits() -> tuple[float, float]:
        wanted = context.settings().jobs
        return wanted.stuck_factor, wanted.stuck_least_s

    return JobView(context.store, context.host, limits)


def chosen(wanted: JobFilter) -> dict[str, str | int | None]:
    """The filters that hold for jobs in flight too."""
    return {
        "worker": wanted.worker or None,
        "run": run_number(wanted.run) if wanted.run else None,
        "q": wanted.q or None,
    }


def of_over(wanted: JobFilter, now: int) -> dict[str, Any]:
    """The filters that hold only for jobs that are over."""
    since, until = parse_range(wanted.since, wanted.until, now)
    return {"since": since, "until": until, "failed": wanted.failed or None, "error": wanted.error or None}


def routes(context: Context) -> APIRouter:
    """`/v1/jobs*`."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
    view = job_view(context)

    @router.get("", response_model=Jobs, summary="Jobs that are over, the newest first, or those in flight")
    async def jobs(request: Request, wanted: Annotated[JobFilter, Query()]) -> Response:
        """What a worker reports is here a second or two later."""
        now = context.now()
        common = {**chosen(wanted), "limit": wanted.limit}
        if wanted.running:
            return json_answer(await blocking(request, lambda: view.running(now, **common)))
        more = {**of_over(wanted, now), "slowest": wanted.slowest or None}
        return json_answer(await blocking(request, lambda: view.over(**common, **more)))

    @router.get("/errors", response_model=JobErrors, summary="With which errors jobs failed, and how many with each")
    async def errors(request: Request, wanted: Annotated[JobFilter, Query()]) -> Response:
        """Errors that differ in a value only, such as a number or a path, count together; `…` stands for the value."""
        filters = {**chosen(wanted), **of_over(wanted, context.now()), "failed": True}
        return json_answer(await blocking(request, lambda: view.errors(wanted.limit, **filters)))

    @router.get("/workers", response_model=Workers, summary="The workers: counts, rate, durations, what is in flight")
    async def workers(request: Request, since: Since = None) -> Response:
        """Counters are exact; durations are those of the jobs that ended since the time."""
        now = context.now()
        start = parse_time(since, now) if since else now - HOUR_US
        found = await blocking(request, lambda: view.workers(now, start))
        spool, trouble = context.jobs()
        return json_answer(Workers(now=now, since=start, spool=spool, trouble=trouble, workers=found))

    @router.get("/one", response_model=JobDetail, summary="One job, with what was logged in it")
    async def one(request: Request, worker_run: WorkerRun, seq: Seq) -> Response:
        """Running or over."""
        found = await blocking(request, lambda: view.one(worker_run, seq, context.now()))
        if found is None:
            raise NotFound("there is no such job", hint="`watchkeeper jobs --json` lists them with worker_run and seq")
        return json_answer(found)

    return router
