"""The benchmark and the analyzer on the real embedded model."""

from dataclasses import replace

import pytest

from ai.analysis import BackendAsker, JobAnalyzer
from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.backends.ollama.backend import OllamaBackend
from ai.benchmark import AIBackendBenchmark, BenchmarkPlan, Contender
from ai.core.types import LoadSpec
from ai.service.context.ollama_plan import plan_of_ollama
from tests.doubles.ai_kit import CONTEXT, LoopThread
from tests.doubles.ollama_double import NAME, serve
from tests.examples import sizes
from tests.waiting import patient

SPEC = LoadSpec("demo", context=CONTEXT, parallel=2, threads=1)
POSTING = "Senior Python Engineer\nAcme Ltd is hiring in London. Python and SQL. £70,000 - £85,000 per year."


@pytest.mark.timeout(250)  # a busy machine may take a minute; a quiet one takes seconds
@pytest.mark.parametrize(("seconds", "least"), sizes((3.0, 1), (90.0, 17)))
def test_a_real_engine_is_measured(llama: LlamaCppBackend, engine_loop: LoopThread, seconds: float, least: int) -> None:
    """Every figure of a real engine is there: cached prompts, truncation and wrong counts are never seen, its own times agree with ours."""
    plan = BenchmarkPlan(
        prompts=["summary"], max_tokens=4, max_blocks=8, warmup=1, batches=[2], cold_load=False, budget_s=seconds
    )
    report = engine_loop.run(AIBackendBenchmark([Contender(llama, SPEC)], plan).run(), timeout=patient(240))
    (contender,) = report.contenders
    assert contender.load is not None
    assert contender.load.weights
    assert contender.load.context == CONTEXT
    assert contender.metrics["memory_peak"].value is not None
    assert not report.flags.keys() & {
        "prompt cache hit",
        "prompt truncated",
        "wrong token count",
        "unexpected stop",
        "usage missing",
        "failed",
    }
    answered = [s for s in report.samples if s.batch == 1 and "out of time" not in s.flags]
    assert len(answered) >= least
    assert all(s.completion_tokens == 4 and s.ttft_s for s in answered)
    # four tokens that came in one bunch, on a busy machine, have no rate of their own
    assert len(answered) < 4 or any(s.rate for s in answered)
    assert [row.batch for row in contender.batches] == [2]
    assert "generates" in report.sentence or "was measured" in report.sentence


@pytest.mark.timeout(250)  # a busy machine may take a minute; a quiet one takes seconds
@pytest.mark.slow  # `test_a_real_engine_is_measured` is the short form; two engines are compared in test_benchmark_run.py, too
def test_the_same_model_behind_two_engines_is_compared(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """Ollama's client and server's form against the embedded engine, on one file: what is alike is known to be, and pairs come of it, or it is said that
    other programs kept the machine busy.
    """
    plan = BenchmarkPlan(prompts=["summary"], max_tokens=8, max_blocks=8, warmup=1, batches=[])
    with serve() as (url, _):
        other = engine_loop.run(_made(url))
        predicted = plan_of_ollama(url, NAME, default_context=SPEC.context)
        assert predicted is not None
        mine = Contender(other, replace(SPEC, model=NAME, parallel=1), predicted.total, in_memory=False)
        contenders = [mine, Contender(llama, SPEC)]
        report = engine_loop.run(AIBackendBenchmark(contenders, plan).run(), timeout=patient(240))
        engine_loop.run(other.close())
    (comparison,) = report.comparisons
    assert (comparison.because, comparison.unknown) == ([], [])  # both were sent the same text
    assert comparison.blocks >= 4 or ("neighbour load" in report.flags and "busy" in report.sentence), report.sentence
    assert not report.flags.keys() & {"unexpected stop", "wrong token count", "prompt truncated", "failed"}
    assert report.contenders[0].metrics["generation"].value
    assert report.contenders[0].metrics["memory_predicted"].value == predicted.total


async def _made(url: str) -> OllamaBackend:
    return OllamaBackend(url)


@pytest.mark.timeout(250)  # a busy machine may take a minute; a quiet one takes seconds
@pytest.mark.slow  # scripted answers: test_analysis_analyzer.py; the same model, given a second: test_ai_api.py
def test_a_real_model_analyses_a_posting(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """The tiny model's answer follows the schema, and whatever it says that the posting does not is not in the result."""
    result = engine_loop.run(JobAnalyzer(BackendAsker(llama, SPEC)).analyze(POSTING), timeout=patient(240))
    assert result.provenance.how in {"model", "model, repaired", "rules"}
    assert [attempt.backend for attempt in result.provenance.attempts] == ["llamacpp"]
    held = set(result.provenance.fields.values()) - {"rules"}
    assert result.backend == (
        "llamacpp" if held else "rules"
    )  # named only where something it said stands in the posting
    assert held <= {"llamacpp"}
    assert result.title
    assert result.salary is not None
    assert all(POSTING[e.start : e.end] == e.text for e in result.evidence)
