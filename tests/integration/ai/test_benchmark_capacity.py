"""Plans without pairs: requests at the same time and a second, lengths of prompts and answers, thoughts before the answer; on scripted engines."""

import asyncio
from pathlib import Path

import pytest

from ai.benchmark import (
    AIBackendBenchmark,
    BenchmarkPlan,
    BenchmarkReport,
    Contender,
    Length,
    OwnPrompt,
    Slo,
    from_json,
    to_csv,
    to_html,
    to_json,
)
from ai.core.errors import InputError
from ai.core.types import LoadSpec
from ai.service.benchmarks.contenders import line_up
from ai.service.context.config import AiConfig
from ai.shapes.benchmark import BenchmarkRequest
from tests.doubles.scripted_backend import Script, ScriptedBackend
from tests.integration.ai.test_service_benchmark import Bench

TWO_SLOTS = Script(ttft=0.05, per_token=0.005, tokens=8, slots=2, on_paper=False)
"""Two requests at the same time, each in about 90 ms: about 22 a second."""


def _run(plan: BenchmarkPlan, **scripts: Script) -> BenchmarkReport:
    engines = [Contender(ScriptedBackend(name, script), LoadSpec("m")) for name, script in scripts.items()]
    return asyncio.run(AIBackendBenchmark(engines, plan).run())


def _plan(**more: object) -> BenchmarkPlan:
    given = {"pairs": False, "batches": [], "max_tokens": 8, "level_s": 0.6, "warmup": 1, "budget_s": 60, **more}
    return BenchmarkPlan.model_validate(given)


def test_requests_at_the_same_time_rise_until_the_slots_are_full() -> None:
    """More at once than slots give no more tokens, and wait; the report says both, without a verdict or a figure of pairs."""
    report = _run(_plan(batches=[1, 2, 8]), one=TWO_SLOTS)
    one, two, eight = report.contenders[0].batches
    assert [row.batch for row in (one, two, eight)] == [1, 2, 8]
    assert (two.tokens_per_s or 0) > 1.3 * (one.tokens_per_s or 0)
    assert (eight.tokens_per_s or 0) < 1.7 * (two.tokens_per_s or 0)
    assert (eight.total_p95_s or 0) > 2 * (one.total_p50_s or 0)
    assert eight.requests >= 8
    assert report.comparisons == report.self_checks == []
    assert report.state == "done"
    assert "gives at most" in report.sentence
    assert "generation" not in report.contenders[0].metrics


def test_rates_rise_until_an_engine_does_not_keep_up() -> None:
    """A rate far above what the slots answer is not kept up with, and higher ones are left out; goodput is by the target that was set."""
    report = _run(_plan(rates=[3, 300, 900], level_s=1.0, slo=Slo(first_token_s=0.5)), one=TWO_SLOTS)
    low, high = report.contenders[0].rates
    assert low.kept_up
    assert not high.kept_up
    assert high.good < high.requests
    assert "did not keep up with 300 requests a second" in " ".join(report.notes)
    assert "0.5 s to the first token" in report.sentence
    strict = _run(_plan(rates=[4], slo=Slo(total_s=0.001)), one=TWO_SLOTS)
    assert strict.contenders[0].rates[0].good == 0
    assert "holds none of the rates" in strict.sentence


def test_lengths_are_measured_as_a_table() -> None:
    """Reading alone, generating alone, and both, on each engine: rates with their deviation, tokens as counted, the warm prompt beside the cold one."""
    lengths = [Length(prompt=100), Length(answer=8), Length(prompt=50, answer=8)]
    slow, fast = Script(ttft=0.02, per_token=0.01), Script(ttft=0.01, per_token=0.005)
    report = _run(_plan(lengths=lengths, repeats=3), slow=slow, fast=fast)
    for contender, rate in zip(report.contenders, (100, 200), strict=True):
        read, make, both = contender.lengths
        assert [row.test for row in (read, make, both)] == ["pp100", "tg8", "pp50+tg8"]
        assert read.prompt_tokens == 100
        assert read.prompt_rate == pytest.approx(50 * rate, rel=0.02)
        assert read.warm_first_token_s is not None
        assert read.rate is None
        assert make.rate == pytest.approx(rate, rel=0.15)
        assert (both.n, both.prompt_rate is not None, both.rate is not None) == (3, True, True)
    assert "generates up to" in report.sentence


def test_a_thinking_model_is_measured_to_its_answer() -> None:
    """The first token may be a thought; the first token of the answer comes later, also where thoughts fill the short answers."""
    plan = BenchmarkPlan(max_blocks=8, batches=[], max_tokens=16, budget_s=30)
    thinks = Script(ttft=0.01, per_token=0.002, reasoning_tokens=10, tokens=256, on_paper=True)
    report = _run(plan, thinks=thinks)
    metrics = report.contenders[0].metrics
    assert (metrics["first_answer"].value or 0) > (metrics["first_token"].value or 0) + 0.01
    level = _run(_plan(batches=[2]), thinks=thinks).contenders[0].batches[0]
    assert (level.first_answer_p95_s or 0) > (level.ttft_p95_s or 0) + 0.01
    marked = Script(ttft=0.01, per_token=0.002, on_paper=True, answer="<think> so and so </think> The answer is this.")
    metrics = _run(plan.model_copy(update={"max_tokens": 3}), marked=marked).contenders[0].metrics
    assert metrics["first_answer"].value is not None
    assert "first_answer" not in _run(plan, plain=Script(tokens=256, on_paper=True)).contenders[0].metrics


def test_own_prompts_are_sent() -> None:
    """A prompt of the user's own takes the place of the program's."""
    asked: list[str] = []

    def answer(request: object) -> str:
        asked.append(request.messages[0].content)  # type: ignore[attr-defined]
        return "yes it is so and no other way at all"

    plan = _plan(batches=[2], prompts=["mine"], texts=[OwnPrompt(name="mine", text="Say why ships float.")])
    _run(plan, one=Script(answer=answer))
    measured = [text for text in asked if "Say why ships float." in text]
    assert len(measured) == len(asked)
    assert len(set(asked)) == len(asked)


def test_exports_have_levels_and_lengths() -> None:
    """JSON comes back the same; CSV and HTML say which level a measurement belongs to."""
    report = _run(
        _plan(batches=[1], rates=[10], lengths=[Length(answer=4)], repeats=1), one=Script(ttft=0.002, per_token=0.001)
    )
    assert from_json(to_json(report)) == report
    table = to_csv(report)
    assert all(level in table for level in ("1 at once", "10/s", "tg4"))
    page = to_html(report)
    assert all(words in page for words in ("Lengths", "Requests a second", "tg4"))


def test_settings_and_models_are_contenders(tmp_path: Path) -> None:
    """Every combination of settings is one contender of the embedded engine; servers are refused with the reason. Own prompts get the context they need."""
    config = AiConfig()
    wanted = BenchmarkRequest(
        plan="lengths", threads=[1, 2], flash_attention=[True, False], lengths=[Length(prompt=5000)]
    )
    plan = config.benchmark_plan(wanted)
    bench = Bench(tmp_path, one=Script())
    with pytest.raises(InputError, match="embedded engine alone"):
        line_up(bench.candidates, wanted, plan)
    embedded = [type(c)("llamacpp", "llamacpp", "L", "", "m", "m", None, c.make) for c in bench.candidates]
    lined = line_up(embedded, wanted, plan)
    assert lined is not None
    assert lined.names == [
        "llamacpp, 1 thread, flash attention", "llamacpp, 1 thread, no flash attention",
        "llamacpp, 2 threads, flash attention", "llamacpp, 2 threads, no flash attention",
    ]  # fmt: skip
    spec = lined.contenders[3].spec
    assert (spec.threads, spec.flash_attention) == (2, False)
    assert spec.context > 5000


def test_a_load_plan_says_nothing_of_speed(tmp_path: Path) -> None:
    """In the history it is a benchmark like others; the figures of an engine and the choice among them stay those of pairs."""

    async def run() -> None:
        bench = Bench(tmp_path, one=Script(ttft=0.002, per_token=0.001), two=Script(ttft=0.002, per_token=0.001))
        await bench.service.start(BenchmarkRequest(plan="load", batches=[1, 2], level_s=0.1, max_tokens=4))
        report = await bench.service.wait()
        assert report is not None
        assert bench.service.state().verdict == report.sentence
        assert [s.step for s in bench.service.state().steps] == ["load", "warm-up", "batches"]
        assert len(report.contenders[1].batches) == 2

    asyncio.run(run())
