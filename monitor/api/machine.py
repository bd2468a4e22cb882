"""Readings of the machine and its GPUs."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from monitor import models
from monitor.api.answers import blocking, json_answer, series_answer, series_json
from monitor.api.context import Context
from monitor.api.parameters import FromTime, Points, ToTime
from monitor.store import series
from monitor.wire import GpuState

Metrics = Annotated[str, Query(description="Names of readings, separated by commas.", max_length=2000)]


def gpu_json(state: GpuState) -> dict[str, Any]:
    """The state of the GPUs; runs as decimal strings."""
    whole: dict[str, Any] = msgspec.to_builtins(state)
    for use in whole["processes"]:
        use["run"] = None if use["run"] is None else str(use["run"])
    return whole


def routes(context: Context) -> APIRouter:
    """`/v1/host/*` and `/v1/gpu/*`."""
    router = APIRouter(prefix="/v1", tags=["machine"])

    @router.get("/host/latest", response_model=models.HostLatest, summary="The newest reading")
    async def latest() -> Response:
        """Everything is null before the first sample."""
        tick = context.world.tick
        if tick is None:
            return json_answer({"ts": None, "host": None, "gpu": None, "quality": None})
        host = msgspec.structs.replace(tick.host, space=context.world.space)
        return json_answer({"ts": tick.ts, "host": host, "gpu": gpu_json(tick.gpu), "quality": tick.quality})

    @router.get("/host/series", response_model=models.Series, summary="Readings of the machine over time (Arrow too)")
    async def host_series(
        request: Request, metrics: Metrics, start: FromTime, end: ToTime, points: Points = 600
    ) -> Response:
        """At most `points` buckets with average, least and greatest; a bucket without samples is null."""
        names = [name.strip() for name in metrics.split(",") if name.strip()]
        answer = await blocking(
            request,
            lambda: series.host_series(
                context.store, host=context.host(), metrics=names, start=start, end=end, points=points
            ),
        )
        return series_answer(request, answer)

    @router.get("/gpu/series", response_model=models.GpuSeries, summary="Readings of every GPU over time")
    async def gpu_series(request: Request, start: FromTime, end: ToTime, points: Points = 600) -> Response:
        """The same, for each GPU."""
        gpus = await blocking(
            request,
            lambda: series.gpu_series(context.store, host=context.host(), start=start, end=end, points=points),
        )
        rows = [{"index": gpu.index, "uuid": gpu.uuid, "name": gpu.name, **series_json(gpu.series)} for gpu in gpus]
        return json_answer({"bucket_us": gpus[0].series.bucket_us if gpus else None, "gpus": rows})

    return router
