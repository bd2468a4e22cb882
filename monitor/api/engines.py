"""The model engines found here."""

from fastapi import APIRouter
from starlette.responses import Response

from monitor import models
from monitor.api.answers import json_answer
from monitor.api.context import Context


def routes(context: Context) -> APIRouter:
    """`/v1/engines`."""
    router = APIRouter(prefix="/v1/engines", tags=["engines"])

    @router.get("", response_model=models.Engines, summary="The engines, as last looked at")
    async def engines() -> Response:
        """Each with its real state and models, or the reason it cannot be used and the remedy."""
        return json_answer(context.engines.newest())

    @router.post("/refresh", response_model=models.Engines, summary="Look at the engines now")
    async def refresh() -> Response:
        """Ask every engine, each with a deadline."""
        return json_answer(await context.engines.refresh())

    return router
