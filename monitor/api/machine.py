"""Readings of the machine and its GPUs."""

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from monitor.api.http.answers import blocking, json_answer, series_answer
from monitor.api.http.context import Context
from monitor.api.http.parameters import FromTime, Points, ToTime
from monitor.api_models.machine import GpuProcess, GpuState, HostLatest
from monitor.metrics import messages
from monitor.metrics.history import GpuSeries, Series
from monitor.store import series

Metrics = Annotated[str, Query(description="Names of readings, separated by commas.", max_length=2000)]


def gpu_state(state: messages.GpuState) -> GpuState:
    """The state of the GPUs; runs as decimal strings."""
    users = [
        GpuProcess(gpu=use.gpu, pid=use.pid, run=None if use.run is None else str(use.run), mem_bytes=use.mem_bytes)
        for use in state.processes
    ]
    return GpuState(state=state.state, message=state.message, age_s=state.age_s, gpus=state.gpus, processes=users)


def routes(context: Context) -> APIRouter:
    """`/v1/host/*` and `/v1/gpu/*`."""
    router = APIRouter(prefix="/v1", tags=["machine"])

    @router.get("/host/latest", response_model=HostLatest, summary="Newest reading of the machine")
    async def latest() -> Response:
        """All values are null before the first sample."""
        tick = context.snapshot.tick
        if tick is None:
            return json_answer(HostLatest())
        host = dataclasses.replace(tick.host, space=context.snapshot.space)
        return json_answer(HostLatest(ts=tick.ts, host=host, gpu=gpu_state(tick.gpu), quality=tick.quality))

    @router.get("/host/series", response_model=Series, summary="Readings of the machine over time (JSON or Arrow)")
    async def host_series(
        request: Request, metrics: Metrics, start: FromTime, end: ToTime, points: Points = 600
    ) -> Response:
        """At most `points` buckets with average, minimum and maximum. A bucket without samples is null."""
        names = [name.strip() for name in metrics.split(",") if name.strip()]
        answer = await blocking(
            request,
            lambda: series.host_series(
                context.store, host=context.host(), metrics=names, start=start, end=end, points=points
            ),
        )
        return series_answer(request, answer)

    @router.get("/gpu/series", response_model=GpuSeries, summary="Readings of every GPU over time")
    async def gpu_series(request: Request, start: FromTime, end: ToTime, points: Points = 600) -> Response:
        """Like the series of the machine, for each GPU."""
        answer = await blocking(
            request,
            lambda: series.gpu_series(context.store, host=context.host(), start=start, end=end, points=points),
        )
        return json_answer(answer)

    return router
