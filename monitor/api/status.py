"""How the watch itself does, and its end."""

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from monitor import models
from monitor.api.answers import json_answer
from monitor.api.context import Context


def routes(context: Context) -> APIRouter:
    """`/v1/status` and `/v1/shutdown`."""
    router = APIRouter(prefix="/v1", tags=["watch"])

    @router.get("/status", response_model=models.Status, summary="Whether the watch itself is well")
    async def status() -> Response:
        """Processes, store, samples, logs, GPUs and subscribers of the agent, in numbers."""
        return json_answer(await asyncio.to_thread(context.status))

    @router.post("/shutdown", response_model=models.ShutdownAnswer, summary="End the agent")
    async def shutdown() -> Response:
        """Answer first, then flush and end; the socket vanishes within a second."""
        answer = json_answer({"pid": context.about()["pid"]})
        context.shutdown()
        return answer

    return router
