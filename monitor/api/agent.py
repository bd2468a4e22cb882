"""The agent itself: status, engines, ad-hoc SQL, shutdown."""

import asyncio
from typing import Final, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from monitor.api.http.answers import ARROW, asked, json_answer, wants_arrow
from monitor.api.http.context import Context
from monitor.api.http.turns import Turns
from monitor.api_models.base import QueryAnswer, QueryRequest
from monitor.api_models.machine import Engines
from monitor.api_models.status import ShutdownAnswer, Status

_QUERIES: Final = 2
"""Each is a process that may take as much memory as the store."""
_QUERIES_WAITING: Final = 8


def routes(context: Context) -> APIRouter:
    """`/v1/alive`, `/v1/status`, `/v1/engines`, `/v1/query` and `/v1/shutdown`."""
    router = APIRouter(prefix="/v1")
    queries = Turns("SQL queries", running=_QUERIES, waiting=_QUERIES_WAITING)

    @router.get("/alive", tags=["agent"], summary="Whether the agent answers")
    async def alive() -> Response:
        """Nothing, at once: asks neither the store nor a thread."""
        return Response(b"{}", media_type="application/json")

    @router.get("/status", tags=["agent"], response_model=Status, summary="Status of the agent")
    async def status() -> Response:
        """Processes, store, samples, logs, GPUs and subscribers."""
        return json_answer(await asyncio.to_thread(context.status))

    @router.post("/shutdown", tags=["agent"], response_model=ShutdownAnswer, summary="Stop the agent")
    async def shutdown() -> Response:
        """Answers, stores what is pending, and stops. The socket disappears within a second."""
        answer = json_answer(ShutdownAnswer(pid=context.about()["pid"]))
        context.shutdown()
        return answer

    @router.get("/engines", tags=["engines"], response_model=Engines, summary="Model engines at their last check")
    async def engines() -> Response:
        """Each with its state and models, or why it cannot be used and how to fix that."""
        return json_answer(context.engines.newest())

    @router.post("/engines/refresh", tags=["engines"], response_model=Engines, summary="Check the model engines now")
    async def refresh() -> Response:
        """Checks every engine, each with a deadline."""
        return json_answer(await context.engines.refresh())

    @router.post(
        "/query",
        tags=["query"],
        response_model=QueryAnswer,
        summary="Run a read-only SELECT on the store (JSON or Arrow)",
    )
    async def query(request: Request, question: QueryRequest) -> Response:
        """No access to files, network or settings; stops after 30 s. Times are ISO 8601, runs are decimal strings."""
        form: Literal["arrow", "json"] = "arrow" if wants_arrow(request) else "json"
        answer = await asked(
            request,
            context.store,
            lambda store: context.with_ends(lambda: store.answer(question.sql, limit=question.limit, form=form)),
            queries,
        )
        media = ARROW if form == "arrow" else "application/json"
        return StreamingResponse(answer.chunks(), media_type=media, headers={"Content-Length": str(answer.size)})

    return router
