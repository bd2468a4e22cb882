"""The desk: states, answers by rules when no engine can, plans of memory, what past benchmarks mean, the plan's claim."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ai.analysis import GivenRecord, NoAnswer
from ai.benchmark import BenchmarkPlan, BenchmarkReport, ContenderReport, Metric
from ai.benchmark.model import SampleRow
from ai.errors import BackendDown, ModelMissing
from ai.service.candidates import candidates
from ai.service.config import AiConfig, parse_models
from ai.service.desk import AiDesk
from ai.service.errors import TooSlow
from ai.service.hypothesis import answer_hypothesis
from ai.service.records import NoRecords
from ai.service.standings import standings
from ai.service.thread import AiThread
from tests.ai.kit import workers

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
    "label": "llama.cpp, embedded",
    "kind": "embedded",
    "state": "ready",
    "address": "",
    "models": [],
}
SERVED = {
    "name": "ollama", "label": "Ollama", "kind": "server", "state": "ready", "address": "http://127.0.0.1:1",
    "models": [{"name": "nomic-embed-text"}, {"name": "small"}, {"name": "big", "loaded": True}],
}  # fmt: skip


def _desk(engines: Sequence[Mapping[str, Any]], **settings: Any) -> tuple[AiDesk, NoRecords]:
    records = NoRecords()

    async def found() -> Sequence[Mapping[str, Any]]:
        return engines

    return AiDesk(lambda: AiConfig(**settings), found, records=records), records


def test_without_an_engine_rules_answer() -> None:
    """An analysis is answered, and says by whom."""

    async def run() -> None:
        desk, _ = _desk([DOWN])
        result = await desk.analyze("Senior Python Developer at Acme GmbH, Berlin. 70,000 EUR per year.")
        assert result.backend == "rules"
        assert (await desk.policy())["sentence"].startswith("No backend is configured")
        with pytest.raises(NoAnswer):
            await desk.explain([GivenRecord(id="1:1", text="it failed")])
        await desk.close()

    asyncio.run(run())


def test_a_dead_engine_is_noted_and_rules_answer() -> None:
    """A server that is gone meanwhile costs an attempt, which is kept as a call."""

    async def run() -> None:
        desk, records = _desk([SERVED], answer_s=5.0)
        many = await desk.analyze_many(["Data Engineer in Paris", "Nurse in Rome"], concurrency=2)
        assert [r.backend for r in many] == ["rules", "rules"]
        assert {c.backend for c in records.calls} == {"ollama"}
        assert records.calls[0].outcome == "BackendDown"
        row = (await desk.backends())["backends"][0]
        assert row["usable"]
        assert row["model"] == "big"
        assert row["breaker"] == "open"
        await desk.close()

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
        desk, _ = _desk([LLAMA])
        plan = await desk.memory_plan("", context=2048, parallel=1, kv_type="f16")
        assert plan["fits"]
        assert plan["path"] == str(demo_path)
        huge = await desk.memory_plan(str(demo_path), context=1_000_000, parallel=4000, kv_type="f16")
        assert not huge["fits"]
        assert huge["remedy"]
        with pytest.raises(ModelMissing):
            await desk.memory_plan("nothing-such", context=2048, parallel=1, kv_type="f16")
        by_default = await desk.memory_plan("")
        (row,) = (await desk.backends())["backends"]
        assert by_default["total"] == row["memory_predicted"]
        assert {name: by_default[name] for name in ("context", "parallel", "kv_type")} == row["memory_predicted_for"]
        assert workers() == before
        await desk.close()

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
    """It says that it was not tested here, and why."""
    found = answer_hypothesis(_report(llamacpp=("llamacpp", 10.0, 1), ollama=("ollama", 10.0, 1)))
    assert found.answer == "not tested"
    assert "Not tested here" in found.sentence
    assert "ExLlamaV2 was not measured here" in found.sentence
    assert answer_hypothesis(None).answer == "not tested"


def test_standings_come_from_the_newest_report() -> None:
    """The reference's own rate is its speed, in tokens a second."""
    found = standings([_report(llamacpp=("llamacpp", 80.0, 1)), _report(llamacpp=("llamacpp", 10.0, 1))])
    speed = found["llamacpp"].speed
    assert speed is not None
    assert speed.estimate == 80.0


def test_the_thread_ends_with_its_desk() -> None:
    """Nothing runs before the first question; afterwards the thread is gone and refuses."""

    async def none() -> Sequence[Mapping[str, Any]]:
        return []

    thread = AiThread(lambda: AiDesk(AiConfig, none, records=NoRecords()))
    assert thread.stop()

    thread = AiThread(lambda: AiDesk(AiConfig, none, records=NoRecords()))
    assert thread.desk is None
    whole = asyncio.run(thread.call(lambda desk: desk.backends(), deadline_s=20))
    assert whole["backends"] == []
    assert thread.stop(10)
    with pytest.raises(TooSlow, match="ending"):
        asyncio.run(thread.call(lambda desk: desk.backends(), deadline_s=20))


def test_a_desk_that_cannot_be_made_is_told_and_tried_again() -> None:
    """Whoever asks gets the reason, not a broken promise; the next question makes another attempt."""
    reasons = [BackendDown("no room for it")]

    async def none() -> Sequence[Mapping[str, Any]]:
        return []

    def make() -> AiDesk:
        if reasons:
            raise reasons.pop()
        return AiDesk(AiConfig, none, records=NoRecords())

    thread = AiThread(make)
    with pytest.raises(BackendDown, match="no room"):
        asyncio.run(thread.call(lambda desk: desk.backends(), deadline_s=20))
    assert asyncio.run(thread.call(lambda desk: desk.backends(), deadline_s=20))["backends"] == []
    assert thread.stop(10)


def test_the_thread_ends_also_when_its_desk_does_not_close_in_order() -> None:
    """A desk that fails while it closes says so, and leaves no thread behind."""

    class Stuck(AiDesk):
        async def close(self) -> None:
            await super().close()
            raise BackendDown("it would not end")

    async def none() -> Sequence[Mapping[str, Any]]:
        return []

    thread = AiThread(lambda: Stuck(AiConfig, none, records=NoRecords()))
    asyncio.run(thread.call(lambda desk: desk.backends(), deadline_s=20))
    with pytest.raises(BackendDown):
        thread.stop(10)
    assert "ai" not in {running.name for running in threading.enumerate()}
