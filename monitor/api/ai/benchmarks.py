"""Benchmarks: started, followed, cancelled, repeated, compared, exported, and their fastest settings adopted."""

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from ai.core.errors import BenchmarkBusy, NoEngine, NothingToUse
from monitor.api.ai.asking import Asking, refused
from monitor.api.http.answers import json_answer
from monitor.api_models import ai as ai_models

if TYPE_CHECKING:
    from ai.service.service import AiService

_MEDIA: Final = {"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}


def add_benchmarks(router: APIRouter, asking: Asking) -> None:
    """The benchmark that runs, and those of the past."""
    _running(router, asking)
    _history(router, asking)


def _running(router: APIRouter, asking: Asking) -> None:
    async def begin(wanted: ai_models.BenchmarkRequest, replayed: ai_models.BenchmarkReport | None = None) -> Response:
        try:
            started = await asking.ask_of_newest(lambda service: service.benchmarks.start(wanted, replayed))
        except (BenchmarkBusy, NoEngine) as error:
            return refused(error, 409)
        return json_answer(ai_models.BenchmarkStarted(id=started), status=202)

    @router.post("/benchmark", response_model=ai_models.BenchmarkStarted, status_code=202, summary="Start a benchmark")
    async def start(wanted: ai_models.BenchmarkRequest) -> Response:
        """One at a time: 409 while one is running, or if no engine can be measured."""
        return await begin(wanted)

    @router.get("/benchmark", response_model=ai_models.Benchmark, summary="Progress of the benchmark")
    async def state() -> Response:
        """Steps, time left, and the ratios of the pairs so far."""

        async def look(service: "AiService") -> ai_models.Benchmark:
            return service.benchmarks.state()

        return json_answer(await asking.ask(look))

    @router.post("/benchmark/cancel", response_model=ai_models.Cancelled, summary="Cancel the benchmark")
    async def cancel() -> Response:
        """What was measured is kept."""

        async def end(service: "AiService") -> bool:
            return service.benchmarks.cancel()

        return json_answer(ai_models.Cancelled(cancelled=await asking.ask(end)))

    @router.post(
        "/benchmarks/{benchmark}/replay",
        response_model=ai_models.BenchmarkStarted,
        status_code=202,
        summary="Repeat a benchmark",
    )
    async def replay(benchmark: str) -> Response:
        """With the same engines, prompts, order and seed. The notes say whether the results agree."""
        report = await asking.report(benchmark)
        kind = str(report.host.get("kind", "engines"))
        named = bool(report.plan.models or report.plan.settings)  # then the plan says who is measured
        items = max((c.quality.items for c in report.contenders if c.quality), default=0)
        names = [c.name for c in report.contenders] if kind == "engines" else [report.contenders[0].name]
        given = {
            "kind": "auto" if kind == "variants" else kind,
            "backends": None if named else names,
            "postings": items,
        }
        wanted = ai_models.BenchmarkRequest.model_validate(given)
        return await begin(wanted, report)


def _history(router: APIRouter, asking: Asking) -> None:
    @router.get("/benchmarks", response_model=ai_models.History, summary="Benchmarks, newest first")
    async def history(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Response:
        """Each with what changed against the previous one."""
        return json_answer(await asking.ask(lambda service: service.history.history(limit)))

    @router.get("/benchmarks/{benchmark}", response_model=ai_models.FullReport, summary="Report of a benchmark")
    async def one(benchmark: str) -> Response:
        """Figures, comparisons, measurements, and the answer to the hypothesis."""
        report = await asking.report(benchmark)
        return json_answer(await asking.ask(lambda service: service.history.whole(report)))

    @router.get("/benchmarks/{benchmark}/export", summary="Report of a benchmark as a file: json, csv or html")
    async def export(
        benchmark: str, form: Annotated[str, Query(alias="format", pattern="^(json|csv|html)$")] = "json"
    ) -> Response:
        """The HTML report is a single file."""
        report = await asking.report(benchmark)
        from ai.benchmark import to_csv, to_html, to_json

        text = {"json": to_json, "csv": to_csv, "html": to_html}[form](report)
        name = f'attachment; filename="benchmark-{report.id}.{form}"'
        return Response(text, media_type=_MEDIA[form], headers={"Content-Disposition": name})

    @router.post(
        "/benchmarks/{benchmark}/use", response_model=ai_models.InUse, summary="Apply the settings that won a benchmark"
    )
    async def use(benchmark: str) -> Response:
        """From now on the model loads with these settings; 409 if no other settings were shown to be faster."""
        report = await asking.report(benchmark)
        try:
            return json_answer(await asking.ask(lambda service: service.history.use(report)))
        except NothingToUse as error:
            return refused(error, 409)

    @router.post(
        "/backends/{backend}/reset", response_model=ai_models.InUse, summary="Return an engine to its default settings"
    )
    async def reset(backend: str) -> Response:
        """Undoes `use`."""
        try:
            return json_answer(await asking.ask(lambda service: service.history.reset(backend[:200])))
        except NothingToUse as error:
            return refused(error, 404)

    @router.get("/compare", response_model=ai_models.Compared, summary="Compare two benchmarks")
    async def compare(a: str, b: str) -> Response:
        """What changed from `a` to `b`."""
        before, after = await asking.report(a), await asking.report(b)
        return json_answer(await asking.ask(lambda service: service.history.compare(before, after)))
