"""Engines and machines so slow that there is no time for pairs: the benchmark ends in its time, with the reason, and measures those that can be."""

import asyncio
from collections.abc import Callable

from ai.benchmark import AIBackendBenchmark, BenchmarkPlan, BenchmarkReport, Contender, Progress
from ai.benchmark.watch import NoMeter, Watch
from ai.core.types import LoadSpec
from tests.doubles.scripted_backend import Script, ScriptedBackend
from tests.integration.ai.test_benchmark_run import Quiet, engine

PLAN = BenchmarkPlan(max_tokens=6, max_blocks=10, budget_s=0.6, verdict_s=0.6, batches=[], prompts=["summary"])


def slow(name: str, slowdown: Callable[[int], float] | None = None, per_token: float = 0.05) -> ScriptedBackend:
    """An engine that really takes its time: 0.3 s for an answer of six tokens, times the factor of the call."""
    return ScriptedBackend(name, Script(ttft=per_token, per_token=per_token, tokens=64, slowdown=slowdown))


def run(
    engines: list[ScriptedBackend],
    plan: BenchmarkPlan = PLAN,
    events: list[Progress] | None = None,
    watch: Watch | None = None,
) -> BenchmarkReport:
    """A whole benchmark."""
    contenders = [Contender(one, LoadSpec("m")) for one in engines]
    bench = AIBackendBenchmark(contenders, plan, watch=watch or Quiet(), meter=NoMeter())
    return asyncio.run(bench.run(on_progress=(events if events is not None else []).append))


def test_a_pair_that_takes_all_of_the_time_is_given_up_and_the_report_says_what_it_needs() -> None:
    """The first answers were quick, then the machine became so slow that not one pair ended."""
    engines = [slow("old", lambda call: 1.0 if call == 0 else 1000.0), slow("new", lambda _: 0.1)]
    report = run(engines)
    assert report.state == "done"
    assert report.flags == {"out of time": 1}
    assert "8 pairs would take more than" in report.sentence
    assert "--seconds" in report.sentence
    assert report.stopped_because in report.sentence
    assert engines[0].closed_early == 1  # its slot is free again
    first = report.contenders[0].metrics["generation"]
    assert first.value is not None
    assert "there was no time for a pair" in first.note


def test_a_machine_that_others_keep_busy_is_named_as_the_reason() -> None:
    """What was cut off says what the machine did meanwhile, too: to wait may be better than to give more time."""
    busy = Quiet()
    busy.disturb = True
    engines = [slow("old", lambda call: 1.0 if call == 0 else 1000.0), slow("new", lambda _: 0.1)]
    report = run(engines, watch=busy)
    assert report.flags["out of time"] == 1
    assert "8 pairs would take more than" in report.sentence
    assert "Measure again when it is quiet" in report.sentence


def test_what_the_warm_up_shows_to_be_hopeless_is_told_before_the_first_pair() -> None:
    """And a few figures are measured in the time there is."""
    events: list[Progress] = []
    report = run([slow("old"), slow("new")], events=events)
    first = next(e for e in events if e.phase == "pairs")
    assert "8 pairs would take about" in first.message
    assert first.left_s is not None
    assert first.left_s <= 5 / 3 * PLAN.verdict_s
    assert "8 pairs would take" in report.sentence
    assert all(c.metrics["generation"].value for c in report.contenders)


def test_an_engine_that_does_not_finish_its_first_answer_takes_no_time_from_the_others() -> None:
    """Each is asked, and the quick ones are compared; the slow one is named with what it would need."""
    plan = PLAN.model_copy(update={"budget_s": 3.0, "verdict_s": 3.0})
    report = run([slow("mud", per_token=20.0), engine("old", 4.0), engine("new")], plan)
    (comparison,) = report.comparisons
    assert (comparison.candidate, comparison.reference, comparison.kind) == ("new", "old", "faster")
    mud = report.contenders[0]
    assert "8 pairs would take" in mud.unusable
    assert mud.unusable in report.sentence


def test_an_answer_that_takes_long_is_told_at_once() -> None:
    """Not only with its pair."""
    events: list[Progress] = []
    plan = PLAN.model_copy(update={"budget_s": 60.0, "verdict_s": None, "max_blocks": 8})
    cancel = asyncio.Event()

    def note(progress: Progress) -> None:
        events.append(progress)
        if "answered" in progress.message:
            cancel.set()

    engines = [slow("old", lambda call: 4.0 if call else 0.1), slow("new", lambda _: 0.1)]
    bench = AIBackendBenchmark([Contender(one, LoadSpec("m")) for one in engines], plan, watch=Quiet(), meter=NoMeter())
    report = asyncio.run(bench.run(on_progress=note, cancel=cancel))
    told = next(e for e in events if "answered" in e.message)
    assert told.message == "Pair 1 of at most 8: old answered"
    assert any(s.backend == "old" and s.block == 0 for e in events for s in e.samples)
    assert report.state == "cancelled"
