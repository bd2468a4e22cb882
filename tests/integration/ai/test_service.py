"""The service: states, answers by rules when no engine can, plans of memory, what past benchmarks mean, the plan's claim."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ai.analysis import NoAnswer
from ai.benchmark import BenchmarkPlan, BenchmarkReport, ContenderReport, Metric
from ai.core.errors import BackendDown, ModelMissing, TooSlow
from ai.discovery.address import parse_models
from ai.explain import EvidenceRecord
from ai.service.benchmarks.hypothesis import answer_hypothesis
from ai.service.benchmarks.scores import scores
from ai.service.context.candidates import candidates
from ai.service.context.config import AiConfig
from ai.service.context.records import NoRecords
from ai.service.service import AiService
from ai.service.thread import AiThread
from ai.shapes.engines import PredictedFor
from ai.shapes.report import Comparison, SampleRow
from tests.doubles.ai_kit import workers

DOWN = {
    "name": "ollama",
    "label": "Ollama",
    "kind": "server",
    "state": "down",
    "address": "http://127.0.0.1:1",
    "models": [],
}
LLAMA = {
    "name": "llamacpp",
    "label": "llama.cpp (embedded)",
    "kind": "embedded",
    "state": "ready",
    "address": "",
    "models": [],
}
SERVED = {
    "name": "ollama", "label": "Ollama", "kind": "server", "state": "ready", "address": "http://127.0.0.1:1",
    "models": [{"name": "nomic-embed-text"}, {"name": "small"}, {"name": "big", "loaded": True}],
}  # fmt: skip


def _service(engines: Sequence[Mapping[str, Any]], **settings: Any) -> tuple[AiService, NoRecords]:
    records = NoRecords()

    async def found() -> Sequence[Mapping[str, Any]]:
        return engines

    return AiService(lambda: AiConfig(**settings), found, records=records, mask=str), records


def test_without_an_engine_rules_answer() -> None:
    """An analysis is answered, and says by whom."""

    async def run() -> None:
        service, _ = _service([DOWN])
        result = await service.analyze("Senior Python Developer at Acme GmbH, Berlin. 70,000 EUR per year.")
        assert result.backend == "rules"
        assert (await service.policy()).sentence.startswith("No backend is configured")
        with pytest.raises(NoAnswer):
            await service.explain([EvidenceRecord(id="1:1", text="it failed")])
        await service.close()

    asyncio.run(run())


def test_a_dead_engine_is_noted_and_rules_answer() -> None:
    """A server that is gone meanwhile costs an attempt, which is kept as a call."""

    async def run() -> None:
        service, records = _service([SERVED], answer_s=5.0)
        many = await service.analyze_many(["Data Engineer in Paris", "Nurse in Rome"], concurrency=2)
        assert [r.backend for r in many] == ["rules", "rules"]
        assert {c.backend for c in records.calls} == {"ollama"}
        assert records.calls[0].outcome == "BackendDown"
        row = (await service.backends()).backends[0]
        assert row.usable
        assert row.model == "big"
        assert row.breaker == "open"
        await service.close()

    asyncio.run(run())


def test_the_model_in_use_follows_the_settings() -> None:
    """The one named in the settings, else one in memory, never one for embeddings."""
    assert candidates([SERVED], AiConfig())[0].model == "big"
    assert candidates([SERVED], AiConfig(models=parse_models(("ollama=small",))))[0].model == "small"
    only = SERVED | {"models": [{"name": "nomic-embed-text"}]}
    assert candidates([only], AiConfig()) == []


def test_memory_is_planned_before_loading(demo_path: Path) -> None:
    """The model in use by an empty name; what cannot fit comes with a remedy; nothing is loaded."""

    async def run() -> None:
        before = workers()
        service, _ = _service([LLAMA])
        plan = await service.memory_plan("", context=2048, parallel=1, kv_type="f16")
        assert plan.fits
        assert plan.path == str(demo_path)
        huge = await service.memory_plan(str(demo_path), context=1_000_000, parallel=4000, kv_type="f16")
        assert not huge.fits
        assert huge.remedy
        with pytest.raises(ModelMissing):
            await service.memory_plan("nothing-such", context=2048, parallel=1, kv_type="f16")
        by_default = await service.memory_plan("")
        (row,) = (await service.backends()).backends
        assert by_default.total == row.memory_predicted
        assert row.memory_predicted_for == PredictedFor(
            context=by_default.context, parallel=by_default.parallel, kv_type=by_default.kv_type
        )
        assert workers() == before
        await service.close()

    asyncio.run(run())


def _report(**engines: tuple[str, float, int]) -> BenchmarkReport:
    """Ten clean pairs of engines: name → (kind, tokens a second, bytes)."""
    samples = [
        SampleRow(
            ts=0,
            block=block,
            position=place,
            backend=name,
            prompt="summary",
            rate=rate * (1 + block / 1000),
            total_s=1.0,
        )
        for block in range(10)
        for name, (_, rate, _) in engines.items()
        for place in range(2)
    ]
    contenders = [
        ContenderReport(
            name=name, engine=kind,
            metrics={
                "generation": Metric(value=rate, unit="tokens/s", origin="measured", low=rate, high=rate),
                "memory_peak": Metric(value=held, unit="bytes", origin="measured"),
            },
        )
        for name, (kind, rate, held) in engines.items()
    ]  # fmt: skip
    return BenchmarkReport(
        id="r", started=0, ended=1, state="done", plan=BenchmarkPlan(), reference=next(iter(engines)), contenders=contenders, samples=samples, sentence="s"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "answer", "words"),
    [
        (25.0, "reached", "holds here"),
        (13.1, "not reached", "not reached here"),
        (45.0, "exceeded", "More than the claimed"),
    ],
)
def test_the_claim_is_answered_with_its_interval(rate: float, answer: str, words: str) -> None:
    """ExLlamaV2 against Ollama: the ratio's interval against 2 to 3, and the memory against 30 to 50 % less."""
    found = answer_hypothesis(_report(ollama=("ollama", 10.0, 1000), exl=("exllamav2", rate, 600)))
    assert found.answer == answer
    assert words in found.sentence
    assert "95 % between" in found.sentence
    assert "40 % less memory (as claimed)" in found.sentence
    assert found.low is not None
    assert found.estimate == pytest.approx(rate / 10.0, rel=0.01)


def test_the_claim_is_not_answered_without_both_engines() -> None:
    """Nothing is said of it."""
    found = answer_hypothesis(_report(llamacpp=("llamacpp", 10.0, 1), ollama=("ollama", 10.0, 1)))
    assert found.answer == "not tested"
    assert not found.sentence


def _judged(kind: str, rate: float, *, equivalent: bool = False, state: str = "done") -> BenchmarkReport:
    """A report on `one` (the reference, of this rate) and `two`, with this verdict."""
    report = _report(one=("ollama", rate, 1), two=("openai", 1.5 * rate, 1))
    said = Comparison(
        candidate="two", reference="one", kind=kind, estimate=1.5, low=1.4, high=1.6, confidence=0.95, p_value=0.01, blocks=10,
        equivalent=equivalent, comparable=True, sentence="s",
    )  # fmt: skip
    return report.model_copy(update={"comparisons": [said], "state": state})


def test_scores_come_from_the_newest_verdict() -> None:
    """The reference's own rate is its speed, in tokens a second; a run without a verdict changes nothing."""
    found = scores([_judged("not shown", 9.0, state="cancelled"), _judged("faster", 80.0), _judged("slower", 10.0)])
    assert {name: s.speed and s.speed.estimate for name, s in found.items()} == {"one": 80.0, "two": 120.0}


@pytest.mark.parametrize("state", ["done", "cancelled"])
def test_no_verdict_is_no_score(state: str) -> None:
    """What remained open, and an engine measured by itself, have no speed; two that are equally fast have none either."""
    assert all(s.speed is None for s in scores([_judged("not shown", 9.0, state=state)]).values())
    assert all(s.speed is None for s in scores([_report(one=("ollama", 9.0, 1))]).values())
    newest_equal = [_judged("not shown", 9.0, equivalent=True), _judged("faster", 9.0)]
    assert all(s.speed is None for s in scores(newest_equal).values())


def test_the_thread_ends_with_its_desk() -> None:
    """Nothing runs before the first question; afterwards the thread is gone and refuses."""

    async def none() -> Sequence[Mapping[str, Any]]:
        return []

    thread = AiThread(lambda: AiService(AiConfig, none, records=NoRecords(), mask=str))
    assert thread.stop()

    thread = AiThread(lambda: AiService(AiConfig, none, records=NoRecords(), mask=str))
    assert thread.service is None
    whole = asyncio.run(thread.call(lambda service: service.backends(), deadline_s=20))
    assert whole.backends == []
    assert thread.stop(10)
    with pytest.raises(TooSlow, match="ending"):
        asyncio.run(thread.call(lambda service: service.backends(), deadline_s=20))


def test_a_desk_that_cannot_be_made_is_told_and_tried_again() -> None:
    """Whoever asks gets the reason, not a broken promise; the next question makes another attempt."""
    reasons = [BackendDown("no room for it")]

    async def none() -> Sequence[Mapping[str, Any]]:
        return []

    def make() -> AiService:
        if reasons:
            raise reasons.pop()
        return AiService(AiConfig, none, records=NoRecords(), mask=str)

    thread = AiThread(make)
    with pytest.raises(BackendDown, match="no room"):
        asyncio.run(thread.call(lambda service: service.backends(), deadline_s=20))
    assert asyncio.run(thread.call(lambda service: service.backends(), deadline_s=20)).backends == []
    assert thread.stop(10)


def test_the_thread_ends_also_when_its_desk_does_not_close_in_order() -> None:
    """A service that fails while it closes says so, and leaves no thread behind."""

    class Stuck(AiService):
        async def close(self) -> None:
            await super().close()
            raise BackendDown("it would not end")

    async def none() -> Sequence[Mapping[str, Any]]:
        return []

    thread = AiThread(lambda: Stuck(AiConfig, none, records=NoRecords(), mask=str))
    asyncio.run(thread.call(lambda service: service.backends(), deadline_s=20))
    with pytest.raises(BackendDown):
        thread.stop(10)
    assert "ai" not in {running.name for running in threading.enumerate()}
