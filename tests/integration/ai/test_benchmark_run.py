"""Whole benchmarks on scripted engines."""

import asyncio
import json
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ai.benchmark import (
    AIBackendBenchmark,
    BenchmarkPlan,
    BenchmarkReport,
    Contender,
    Progress,
    Slo,
    agreement,
    append_log,
    change_marks,
    compare_runs,
    from_json,
    replay_plan,
    to_csv,
    to_html,
    to_json,
)
from ai.benchmark.reporting.report import overall
from ai.benchmark.samples.guards import Readings
from ai.benchmark.schedule import build_request
from ai.benchmark.watch import NoMeter
from ai.core.protocol import Backend
from ai.core.types import Capabilities, LoadReport, LoadSpec
from ai.shapes.report import Metric, QualityRow
from tests.doubles.scripted_backend import Script, ScriptedBackend


class Quiet:
    """A machine on which nothing else runs; `disturb` makes neighbours busy."""

    def __init__(self) -> None:
        self.disturb = False
        self._busy = 0.0

    def read(self, engine_pids: Sequence[int] = ()) -> Readings:  # noqa: ARG002 - as the protocol has it
        """Now."""
        now = time.monotonic()
        self._busy += 5.0 if self.disturb else 0.0
        return Readings(now, now, now, 2, busy_s=self._busy, own_s=0.0)


class Meter:
    """Ten joules at every reading."""

    source = "a made-up meter"

    def __init__(self) -> None:
        self._sum = 0.0

    def read_j(self) -> float:
        """Joules so far."""
        self._sum += 10
        return self._sum


def engine(name: str, factor: float = 1.0, **script: object) -> ScriptedBackend:
    """An engine of 6 ms to the first token and 3 ms a token, times the factor; told, not waited for: a busy machine changes nothing."""
    given = {
        "ttft": 0.006 * factor,
        "per_token": 0.003 * factor,
        "tokens": 64,
        "memory": 50_000_000,
        "on_paper": True,
    } | script
    return ScriptedBackend(name, Script(**given))


PLAN = BenchmarkPlan(max_tokens=6, max_blocks=10, budget_s=30, batches=[], prompts=["summary"])


def run(engines: Sequence[ScriptedBackend], plan: BenchmarkPlan = PLAN, **more: object) -> BenchmarkReport:
    """A whole benchmark."""
    contenders = [Contender(e, LoadSpec("m", parallel=2)) for e in engines]
    events: list[Progress] = more.pop("events", [])
    given = {"watch": Quiet(), "meter": NoMeter()} | more
    return asyncio.run(AIBackendBenchmark(contenders, plan, **given).run(on_progress=events.append))


@pytest.fixture(scope="module")
def four_times() -> BenchmarkReport:
    """A benchmark of an engine four times as fast as the reference, with batches."""
    plan = PLAN.model_copy(update={"batches": [1, 2, 4], "max_blocks": 24, "slo": Slo(first_token_s=5, per_token_s=5)})
    return run([engine("old", 4.0, load=0.01), engine("new")], plan)


def test_the_faster_engine_is_found(four_times: BenchmarkReport) -> None:
    """An engine four times as fast is called faster, with an interval above 1 and the plan's confidence."""
    (comparison,) = four_times.comparisons
    assert comparison.kind == "faster"
    assert comparison.low is not None
    assert comparison.low > 1
    assert comparison.confidence == 0.95
    assert comparison.sentence in four_times.sentence
    assert four_times.stopped_because == "the verdict is settled"


def test_every_figure_says_where_it_is_from(four_times: BenchmarkReport) -> None:
    """All figures of the set are there, each reported, measured, estimated, or said to be not measurable."""
    wanted = {"load_cold", "load_warm", "first_token", "per_token", "total", "generation", "generation_reported", "prompt", "memory", "memory_peak", "vram", "energy"}  # fmt: skip
    for contender in four_times.contenders:
        assert wanted <= contender.metrics.keys()
        for metric in contender.metrics.values():
            assert metric.origin in {"reported", "measured", "estimated"}
            assert metric.value is not None or metric.note or metric.n == 0
    energy = four_times.contenders[0].metrics["energy"]
    assert energy.value is None
    assert "not measurable" in energy.note
    first = four_times.contenders[0].metrics["first_token"]
    assert first.value is not None
    assert first.p50 is not None
    assert first.p95 is not None
    assert first.value >= 0.012
    assert first.p95 >= first.p50
    assert four_times.contenders[0].metrics["load_cold"].value >= 0.01


def test_an_engine_that_keeps_what_it_read_is_compared_by_how_fast_it_generates() -> None:
    """Its times to the first token are shown with what they are worth, and no ratio is made of them."""
    keeper = engine("keeper", 4.0)
    keeper.fault = "cached"
    report = run([keeper, engine("new")], PLAN.model_copy(update={"max_blocks": 24}))
    (comparison,) = report.comparisons
    assert (comparison.kind, comparison.comparable) == ("faster", True)
    assert {row.measure for row in comparison.others} == {"generation"}
    figures = report.contenders[0].metrics
    assert figures["first_token"].value
    assert "cache" in figures["first_token"].note
    assert figures["generation"].note == ""
    assert report.contenders[0].flagged == 0
    about = PLAN.model_copy(update={"measure": "first_token"})
    assert run([keeper, engine("new")], about).comparisons[0].blocks == 0


def test_without_a_pair_that_can_be_used_the_report_says_why() -> None:
    """Not "no difference", but that nothing could be compared, and what was wrong with which engine's measurements."""
    cutter = engine("cutter")
    cutter.fault = "truncate"
    report = run([cutter, engine("new")])
    (comparison,) = report.comparisons
    assert (comparison.kind, comparison.high, comparison.blocks) == ("not shown", None, 0)
    assert comparison.sentence.startswith("new and cutter could not be compared: none of 10 blocks gave a pair")
    assert "prompt truncated (20 of 20 of cutter)" in report.sentence
    assert "no interval yet" not in report.sentence
    assert not agreement(report, report).agrees


def test_an_engine_that_does_not_count_its_tokens_has_no_speed_in_tokens() -> None:
    """Neither by itself nor with several requests at once; no longer plan would help, and none is advised."""
    report = run([engine("mute", reports=False), engine("new")], PLAN.model_copy(update={"batches": [1]}))
    assert "How fast mute generates cannot be told" in report.sentence
    assert not re.search("longer plan|give them the time|would take about", report.sentence)
    mute, new = (row.batches[0] for row in report.contenders)
    assert (mute.tokens_per_s, new.tokens_per_s is not None) == (None, True)
    assert "does not count" in mute.note


def test_what_an_engine_said_stands_in_the_report() -> None:
    """An engine that is too busy for every request: that it is, not only that it failed."""
    busy = engine("busy")
    busy.fault = "overloaded"
    report = run([busy, engine("new")])
    assert "The engine said: busy has a full queue" in report.sentence


def test_slots_are_said_with_the_memory_they_take() -> None:
    """Pairs are of single requests, so engines with other slots are comparable; what they hold is said to be for so many requests."""
    contenders = [
        Contender(engine("one", 4.0), LoadSpec("m", parallel=1)),
        Contender(engine("four"), LoadSpec("m", parallel=4)),
    ]
    plan = PLAN.model_copy(update={"max_blocks": 24})
    report = asyncio.run(AIBackendBenchmark(contenders, plan, watch=Quiet(), meter=NoMeter()).run())
    assert report.comparisons[0].comparable
    held = [Metric(value=value, unit="bytes", origin="measured") for value in (100e6, 150e6)]
    rows = [
        row.model_copy(update={"metrics": row.metrics | {"memory_peak": peak}})
        for row, peak in zip(report.contenders, held, strict=True)
    ]
    said = overall(report.model_copy(update={"contenders": rows}))
    assert "four takes 50 % more memory at its peak, ready for 4 requests at the same time against 1." in said


def test_the_html_report_has_figures_that_can_be_read(four_times: BenchmarkReport) -> None:
    """Sizes in MiB or GiB and short times in milliseconds, bounds in the same unit."""
    first, *rest = four_times.contenders
    held = Metric(value=3 * 1024**3, unit="bytes", origin="measured", note="of <its> process")
    time_to = Metric(value=0.0125, unit="s", origin="measured", n=9, low=0.012, high=0.0134, p95=0.013)
    metrics = {"memory_peak": held, "first_token": time_to, "load_cold": Metric(value=1.5, unit="s", origin="measured")}
    page = to_html(four_times.model_copy(update={"contenders": [first.model_copy(update={"metrics": metrics}), *rest]}))
    for words in ("3 GiB", "of &lt;its&gt; process", "12.5 ms", "12 – 13.4", ">13<", "1.5 s"):
        assert words in page


def test_batches_tell_throughput_and_goodput(four_times: BenchmarkReport) -> None:
    """Each batch size has tokens a second and good requests; more requests than slots is said."""
    rows = four_times.contenders[0].batches
    assert [r.batch for r in rows] == [1, 2, 4]
    assert all(r.tokens_per_s and r.good == r.requests for r in rows)
    assert "queue" in rows[2].note
    assert rows[0].note == ""


def test_order_is_interleaved_and_prompts_begin_differently(four_times: BenchmarkReport) -> None:
    """Each block is a palindrome of both engines, and no two requests begin with the same words."""
    pairs = [s for s in four_times.samples if s.block == 0]
    names = [s.backend for s in sorted(pairs, key=lambda s: s.position)]
    assert names == names[::-1]
    heads = {build_request("summary", f"{i}", 8).messages[0].content.split(".")[0] for i in range(200)}
    assert len(heads) == 200
    assert not build_request("summary", "x", 8).reuse_prompt


def test_a_report_comes_back_from_json(four_times: BenchmarkReport) -> None:
    """JSON holds everything."""
    assert from_json(to_json(four_times)) == four_times


def test_csv_has_a_line_for_every_measurement(four_times: BenchmarkReport) -> None:
    """Used or not, every measurement is in the CSV."""
    lines = to_csv(four_times).strip().split("\n")
    assert len(lines) == len(four_times.samples) + 1
    assert lines[0].startswith("benchmark,ts,block")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.references += [
            v or "" for k, v in attrs if k in {"src", "href", "xlink:href", "action"} or k.startswith("on")
        ]


def test_html_refers_to_nothing_and_escapes_everything(four_times: BenchmarkReport) -> None:
    """The report has no script, no reference, and names that are markup stay text."""
    nasty = "<img src=x onerror=alert(1)>"
    contenders = [four_times.contenders[0].model_copy(update={"name": nasty}), *four_times.contenders[1:]]
    comparisons = [c.model_copy(update={"candidate": nasty, "sentence": nasty}) for c in four_times.comparisons]
    samples = [s.model_copy(update={"error": nasty}) for s in four_times.samples]
    page = to_html(four_times.model_copy(update={"contenders": contenders, "comparisons": comparisons, "samples": samples, "sentence": nasty, "notes": [nasty]}))  # fmt: skip
    parser = _Links()
    parser.feed(page)
    assert not parser.references
    assert not parser.tags & {"script", "img", "link", "iframe", "object"}
    assert "http://" not in page.replace("http-equiv", "")
    assert "https://" not in page


def test_the_log_has_a_line_each_and_rotates(four_times: BenchmarkReport, tmp_path: Path) -> None:
    """Each benchmark is one line of JSON; a full log is turned over and only so many are kept."""
    path = append_log(four_times, tmp_path)
    append_log(four_times, tmp_path)
    lines = path.read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [four_times.id] * 2
    for _ in range(8):
        append_log(four_times, tmp_path, limit=len(lines[0]) + 10, keep=3)
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, f"{path.name}.1", f"{path.name}.2"]


def test_equal_engines_are_not_ranked() -> None:
    """The same engine under two names gets no winner, and the check of each against itself is reported."""
    strict = PLAN.model_copy(update={"alpha": 0.002})  # so strict that ten blocks of chance cannot reach it
    report = run([engine("a", jitter=0.2, seed=1), engine("b", jitter=0.2, seed=2)], strict)
    assert report.comparisons[0].kind == "not shown"
    assert [c.backend for c in report.self_checks] == ["a", "b"]


def test_three_engines_share_the_error() -> None:
    """All candidates are compared with the reference in the same blocks."""
    plan = PLAN.model_copy(update={"max_blocks": 20, "max_tokens": 4})
    report = run([engine("a", 4.0), engine("b", 1.0), engine("c", 4.0)], plan)
    kinds = {c.candidate: c.kind for c in report.comparisons}
    assert kinds["b"] == "faster"
    assert all(len({s.backend for s in report.samples if s.block == n}) == 3 for n in range(report.blocks))


class Started(ScriptedBackend):
    """A server whose context was chosen by who started it."""

    def capabilities(self) -> Capabilities:
        """Not this one."""
        return replace(super().capabilities(), sets_context=False)

    async def ensure_loaded(self, spec: LoadSpec, *, deadline_s: float = 120.0) -> LoadReport:
        """With its own context."""
        return replace(await super().ensure_loaded(spec, deadline_s=deadline_s), context=4096)


def test_a_server_is_measured_with_the_context_it_was_started_with() -> None:
    """Whatever would have been asked for: no measurement is left out for it, and the report says so."""
    slow, fast = engine("slow", 4.0).script, engine("fast").script
    contenders = [
        Contender(Started(name, script), LoadSpec("m", context=2048)) for name, script in (("a", slow), ("b", fast))
    ]
    report = asyncio.run(AIBackendBenchmark(contenders, PLAN, watch=Quiet(), meter=NoMeter()).run())
    assert report.comparisons[0].kind == "faster"
    assert "context mismatch" not in report.flags
    assert "a was measured with a context of 4096 tokens, as its server was started with." in report.notes


def test_an_engine_that_is_down_is_left_out_and_named() -> None:
    """A benchmark goes on without an unusable engine, and says why it is missing."""
    dead = engine("dead")
    dead.fault = "down"
    report = run([engine("a"), dead])
    assert report.contenders[1].unusable
    assert "dead could not be measured" in report.sentence
    assert report.reference == "a"
    alone = run([dead])
    assert (alone.state, alone.reference) == ("failed", None)


@pytest.mark.parametrize(("fault", "flag"), [("cached", "prompt cache hit"), ("truncate", "prompt truncated"), ("cut", "failed"), ("overloaded", "failed")])  # fmt: skip
def test_faults_of_an_engine_are_flagged_and_kept(fault: str, flag: str) -> None:
    """Samples that a fault spoiled are kept with their flag and left out of a verdict that it touches."""
    bad = engine("bad", faults=dict.fromkeys((3, 5, 6), fault), on_paper=True)
    report = run([engine("good", on_paper=True), bad])
    spoiled = [s for s in report.samples if flag in s.flags]
    assert len(spoiled) == 3
    assert all(s.backend == "bad" and s.used == (fault == "cached") for s in spoiled)
    assert report.flags[flag] >= 2
    assert report.contenders[1].flagged == sum(
        s.block >= 0 and not s.used for s in report.samples if s.backend == "bad"
    )


def test_a_machine_that_is_always_busy_still_gets_an_honest_answer() -> None:
    """When every pair is under neighbour load they are compared nevertheless, and the report says so."""
    watch = Quiet()
    watch.disturb = True
    report = run(
        [engine("old", 3.0, tokens=64, on_paper=False), engine("new", on_paper=False)],
        PLAN.model_copy(update={"max_tokens": 24}),
        watch=watch,
    )
    assert report.flags["neighbour load"] > 20
    assert any("busy throughout" in note for note in report.notes)
    assert report.comparisons[0].kind == "faster"


def test_cancelling_keeps_what_was_measured() -> None:
    """A cancelled benchmark ends at once and reports the blocks it has."""

    async def work() -> BenchmarkReport:
        cancel = asyncio.Event()
        events: list[Progress] = []

        def watch_it(event: Progress) -> None:
            events.append(event)
            if event.phase == "pairs" and event.done == 3:
                cancel.set()

        contenders = [Contender(engine(n), LoadSpec("m")) for n in "ab"]
        benchmark = AIBackendBenchmark(contenders, PLAN, watch=Quiet(), meter=NoMeter())
        return await benchmark.run(on_progress=watch_it, cancel=cancel)

    report = asyncio.run(work())
    assert report.state == "cancelled"
    assert report.blocks == 3
    assert "Cancelled after 3 blocks" in report.sentence


def test_progress_tells_the_time_left_and_every_measurement_once() -> None:
    """Events have phases in order, an estimate of the time left, and each measurement exactly once."""
    events: list[Progress] = []
    report = run([engine("a", 2.0), engine("b")], PLAN, events=events)
    phases = list(dict.fromkeys(e.phase for e in events))
    assert phases == ["load", "warm-up", "pairs", "done"]
    assert next(e.message for e in events if e.phase == "pairs").startswith("The first pair")
    pairs = [e for e in events if e.message.startswith("Pairs")]
    assert all(e.left_s is not None and e.left_s >= 0 for e in pairs)
    assert len(pairs) == report.blocks
    disturbed = {s.block for s in report.samples if s.paired and not s.used}
    assert len(pairs[-1].ratios["b"]) == report.blocks - len(disturbed)
    assert (events[-2].verdict, pairs[-1].verdict) == (report.sentence, "")
    told = [s for e in events for s in e.samples]
    assert told == report.samples


def test_energy_is_counted_per_token_when_there_is_a_meter() -> None:
    """A meter's joules are divided by the tokens made, after taking off what the idle machine takes."""
    report = run([engine("a")], PLAN.model_copy(update={"max_blocks": 8}), meter=Meter())
    energy = report.contenders[0].metrics["energy"]
    assert energy.value is not None
    assert 0 <= energy.value <= 10 / 6
    assert energy.note == "a made-up meter"


def test_quality_stands_in_the_same_verdict() -> None:
    """The sentence gives both F1 values and whether a difference is shown."""

    async def quality(backend: Backend, _: LoadSpec) -> QualityRow:
        items = [0.8 + (0.1 if backend.name == "new" else 0) * (i % 2) for i in range(40)]
        f1 = sum(items) / 40
        return QualityRow(items=40, parse_rate=1, schema_valid_rate=1, f1_micro=f1, f1_macro=f1, f1_low=f1, f1_high=f1, evidence_rate=1, null_when_absent=1, per_item=items)  # fmt: skip

    report = run([engine("old", 5.0), engine("new")], PLAN.model_copy(update={"max_blocks": 24}), quality=quality)
    assert "F1 0.85 against 0.80 on 40 postings, a difference is shown." in report.sentence


def on_paper(name: str, factor: float = 1.0, *, seed: int) -> ScriptedBackend:
    """As `engine`, a few percent up and down from call to call, with times that no load of the machine moves: two benchmarks see the same engine."""
    return engine(name, factor, on_paper=True, jitter=0.05, seed=seed)


def test_a_replay_agrees_and_a_change_is_marked() -> None:
    """A repetition with the same plan agrees; an engine that became eight times slower is marked and explained."""
    plan = PLAN.model_copy(update={"max_blocks": 24})
    first = run([on_paper("old", 4.0, seed=1), on_paper("new", seed=2)], plan)
    again_plan = replay_plan(first)
    assert again_plan.replay_of == first.id
    again = run([on_paper("old", 4.0, seed=3), on_paper("new", seed=4)], again_plan)
    assert [s.rate for s in again.samples] != [s.rate for s in first.samples]
    assert agreement(first, again).agrees
    assert agreement(first, again).same_setup
    assert [c for c in compare_runs(first, again) if c.changed] == []
    slower = run([on_paper("old", 4.0, seed=5), on_paper("new", 8.0, seed=6)], plan)
    changed = [c for c in compare_runs(first, slower) if c.changed]
    assert {(c.backend, c.figure) for c in changed} == {("new", "generation"), ("new", "first_token"), ("new", "total")}
    assert all(1 / 9 < c.ratio.estimate < 1 / 7 for c in changed)
    assert not agreement(first, slower).agrees
    marks = change_marks([first, slower])
    assert marks[first.id] == []
    assert {c.backend for c in marks[slower.id]} == {"new"}


def test_contenders_need_different_names() -> None:
    """Two engines under one name cannot be told apart."""
    with pytest.raises(ValueError, match="names must differ"):
        AIBackendBenchmark([Contender(engine("a"), LoadSpec("m"))] * 2)


def test_a_machine_that_is_never_quiet_still_gives_figures() -> None:
    """Too few pairs for a verdict, all of them disturbed: the figures are there, and the report says what they are worth."""
    quiet = Quiet()
    quiet.disturb = True
    report = run(
        [engine("a", 5.0, on_paper=False), engine("b", 8.0, on_paper=False)],
        PLAN.model_copy(update={"max_blocks": 8, "budget_s": 1.0}),
        watch=quiet,
    )
    assert report.blocks < 8
    assert report.comparisons[0].kind == "not shown"
    assert all(c.metrics["generation"].value for c in report.contenders)
    assert sum("of a and b. The figures are those of a busy machine" in note for note in report.notes) == 1
    assert re.search(
        r"busy during (\d+) of \1 measurements. (None of \d pairs|The only pair) can(not)? be used", report.sentence
    ), report.sentence
    assert not any(c.batches for c in report.contenders)  # minutes of the same disturbance
    assert any("at the same time were left out" in note for note in report.notes)
