"""Running processes, and one life of one process."""

import asyncio
import time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from monitor import models, runs
from monitor.api.answers import blocking, json_answer, rows_answer, series_answer
from monitor.api.context import Context
from monitor.api.errors import NotFound
from monitor.api.parameters import FromTime, Points, RunPart, ToTime, run_number
from monitor.store import series
from monitor.world import process_rows

RUN_METRICS = ("cpu_pct", "rss", "threads", "read_bps", "write_bps", "fds")
STORED_S = 5.0
Metrics = Annotated[str, Query(description="Names of readings, separated by commas; empty: all.", max_length=200)]


async def _stored(request: Request, context: Context, run: int) -> dict[str, Any] | None:
    """What the store knows of a run; one that came and went just now is waited for, since it is about to be stored."""
    deadline = time.monotonic() + STORED_S
    found = await blocking(request, lambda: runs.stored_run(context.store, run))
    while found is None and context.world.has_just_left(run) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        found = await blocking(request, lambda: runs.stored_run(context.store, run))
    return found


def routes(context: Context) -> APIRouter:
    """`/v1/processes` and `/v1/runs/*`."""
    router = APIRouter(prefix="/v1", tags=["processes"])

    @router.get("/processes", response_model=models.Processes, summary="All running processes (Arrow too)")
    async def processes(request: Request) -> Response:
        """As of the newest sample."""
        tick = context.world.tick
        rows = process_rows(context.world)
        return rows_answer(request, {"ts": tick.ts if tick else None, "processes": rows}, rows)

    @router.get("/runs/{run}", response_model=models.Run, summary="One life of one process")
    async def one(request: Request, run: RunPart) -> Response:
        """Running or ended; of an ended one the readings are the last."""
        number = run_number(run)
        now = process_rows(context.world, number)
        stored = await _stored(request, context, number)
        whole = runs.merge(number, context.world, msgspec.to_builtins(now[0]) if now else None, stored)
        if whole is None:
            raise NotFound(f"there is no run {run}", hint="it may have been removed to keep the store within its limit")
        if now:
            relatives = runs.relatives(context.world, number)
        else:
            relatives = await blocking(request, lambda: runs.stored_relatives(context.store, number))
        service = context.logs()
        files: list[dict[str, Any]] = []
        if service is not None:
            files = await blocking(request, lambda: service.files_of_run(number))
        return json_answer({**whole, **relatives, "log_files": files})

    @router.get("/runs/{run}/series", response_model=models.Series, summary="Readings of a run over time (Arrow too)")
    async def run_series(  # noqa: PLR0917 - one parameter each of the request's
        request: Request, run: RunPart, start: FromTime, end: ToTime, points: Points = 600, metrics: Metrics = ""
    ) -> Response:
        """Like the series of the machine."""
        number = run_number(run)
        names = [name.strip() for name in metrics.split(",") if name.strip()] or list(RUN_METRICS)
        answer = await blocking(
            request,
            lambda: series.run_series(context.store, run=number, metrics=names, start=start, end=end, points=points),
        )
        return series_answer(request, answer)

    return router
