"""The time of a benchmark: promised by what was measured, never a second left for minutes, and ended early where more of it would not help."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.benchmark import Contender, Progress
from ai.benchmark.contender import Phase
from ai.benchmark.pace import Pace, time_for_pairs, too_slow
from ai.core.types import LoadSpec
from ai.service.benchmarks.contenders import LineUp
from ai.service.benchmarks.progress import Job
from ai.service.benchmarks.remaining import QualityTime, overdue
from ai.service.context.config import AiConfig
from ai.shapes.benchmark import BenchmarkRequest
from ai.shapes.report import BenchmarkPlan, SampleRow
from tests.doubles.scripted_backend import ScriptedBackend

STANDARD = AiConfig().benchmark_plan(BenchmarkRequest())


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def pairs(plan: BenchmarkPlan, taken: dict[str, float], elapsed_s: float = 0.0) -> tuple[Pace, float, str, list[str]]:
    """Blocks that take so long each, until the pace says that it is enough: the pace, the time, why, and the prompts."""
    clock = Clock()
    pace, asked = Pace(plan, elapsed_s=elapsed_s, clock=clock), list[str]()
    for block in range(plan.max_blocks):
        asked.append(pace.prompt(block))
        clock.now += taken[asked[-1]]
        pace.block_done(asked[-1], 0.0)
        assert pace.left_s() >= 0
        if why := pace.is_up():
            return pace, clock.now - 100.0, why, asked
    raise AssertionError


def test_the_verdict_is_due_from_the_start_loads_included() -> None:
    """A minute of loading leaves half a minute, and never less than a third of the whole."""
    for elapsed, most in ((0.0, 90.0), (60.0, 30.0), (500.0, 30.0)):
        _, took, why, asked = pairs(STANDARD, {"summary": 3.0, "posting": 3.0}, elapsed)
        assert took <= most
        assert why in {"the time is up", "the planned number of pairs is done"}
        assert len(asked) >= 8


def usable(plan: BenchmarkPlan, each: float, good: list[bool]) -> tuple[int, float, str]:
    """Blocks that take so long each, of which these give pairs that can be used: blocks, seconds, and why it was over."""
    clock = Clock()
    pace = Pace(plan, clock=clock)
    for block, _ in enumerate(good):
        clock.now += each
        pace.block_done(pace.prompt(block), 0.0, sum(good[: block + 1]))
        assert pace.planned >= block + 1
        if why := pace.is_up():
            return block + 1, clock.now - 100.0, why
    raise AssertionError


def test_pairs_that_cannot_be_used_are_made_up_for_while_there_is_time() -> None:
    """Two of ten quick pairs are lost: more follow until eight can be used. Where few can be used at all, more would not help."""
    quick = AiConfig().benchmark_plan(BenchmarkRequest(depth="quick"))
    some = [False, True, True, False, True, True, False] + [True] * 20
    assert usable(quick, 4.0, some)[0] == 11
    assert usable(quick, 4.0, [True] * 20)[0] == quick.max_blocks
    assert usable(quick, 4.0, [False] * 20)[0] == quick.max_blocks
    blocks, took, _ = usable(quick, 7.0, some)
    assert took <= 75, "never beyond the latest moment"
    assert blocks < 11


def test_the_shortest_prompt_alone_is_repeated_where_both_would_give_no_verdict() -> None:
    """And the report says so."""
    pace, took, _, asked = pairs(STANDARD, {"summary": 5.0, "posting": 30.0})
    assert asked[:3] == ["summary", "posting", "summary"]
    assert set(asked[2:]) == {"summary"}
    assert len(asked) >= 8
    assert took <= 90
    assert "too few pairs" in pace.notes[0]


def test_a_slow_machine_takes_up_to_two_and_a_half_minutes_for_a_verdict() -> None:
    """Eight pairs, and not one more; what came before the pairs is counted."""
    for elapsed, each in ((0.0, (18.0, 19.0)), (30.0, (14.0, 15.0))):
        _, took, _, asked = pairs(STANDARD, dict(zip(("summary", "posting"), each, strict=True)), elapsed)
        assert len(asked) >= 8
        assert took + elapsed <= 150


def test_what_cannot_give_a_verdict_ends_early_and_says_how_much_time_it_needs() -> None:
    """A few pairs for figures, not the whole time for nothing."""
    for each, done in ((27.0, 3), (60.0, 1)):
        _, took, why, asked = pairs(STANDARD, {"summary": each, "posting": each})
        assert (len(asked), took) == (done, done * each)
        minutes = -(-8 * int(each) // 60)
        assert f"8 pairs would take about {minutes} min" in why
        assert f"--seconds {60 * minutes}" in why


@given(st.floats(0, 1000), st.lists(st.floats(0.01, 400), min_size=2, max_size=400), st.floats(0.01, 100))
def test_a_verdict_or_a_reason_comes_within_two_and_a_half_minutes(
    elapsed: float, answers: list[float], warm: float
) -> None:
    """Whatever each answer takes: none goes on when the time is up, and what was lacking is said in words."""
    clock = Clock()
    pace = Pace(STANDARD, elapsed_s=elapsed, answers_s={"a": warm, "b": warm}, clock=clock)
    limit, why, taken = time_for_pairs(STANDARD, elapsed), "", iter(answers)
    for block in range(STANDARD.max_blocks):
        for _ in range(4):
            left = pace.answer_s(0.0)
            clock.now += max(min(next(taken, 1.0), left), 0.0)
        why = pace.cut_off(0.0) if pace.answer_s(0.0) <= 0 else ""
        if not why:
            pace.block_done(pace.prompt(block), 0.0)
            why = pace.is_up()
        if why:
            break
    assert clock.now - 100.0 <= limit + 1e-6
    assert limit <= max(150.0 - elapsed, 50.0)
    assert why in {"the time is up", "the planned number of pairs is done"} or why == pace.short
    if pace.short:
        assert "8 pairs would take" in pace.short


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 400), min_size=1), st.floats(0, 200))
def test_only_engines_that_keep_the_others_from_a_verdict_are_left_out(
    answers: dict[str, float], elapsed: float
) -> None:
    """The slowest ones, no more than needed, and never so many that nothing is left to compare."""
    gone = too_slow(STANDARD, elapsed, answers)
    stay = [name for name in answers if name not in gone]
    assert len(stay) >= min(2, len(answers))
    if gone:
        assert max(answers[name] for name in stay) <= min(answers[name] for name in gone)
        one_more = [*stay, min(gone, key=lambda name: answers[name])]
        assert not any(too_slow(STANDARD, elapsed, {name: answers[name] for name in stay}))
        pace = Pace(STANDARD, elapsed_s=elapsed, answers_s={name: answers[name] for name in one_more})
        assert pace.hopeless


def test_time_that_a_person_gave_is_kept() -> None:
    """Neither more nor less, and no prompt is dropped."""
    plan = AiConfig().benchmark_plan(BenchmarkRequest(budget_s=40))
    assert plan.verdict_s is None
    _, took, why, asked = pairs(plan, {"summary": 6.0, "posting": 10.0}, elapsed_s=1000)
    assert took <= 40
    assert "8 pairs would take about 2 min" in why
    assert asked[:4] == ["summary", "posting", "summary", "posting"]


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_the_time_left_grows_with_the_waiting(expected: float, since: float) -> None:
    """A step that takes longer than expected is never said to end in a second."""
    left = overdue(expected, since)
    assert left >= since / 2
    assert left >= expected - since
    assert left <= max(expected, since)


@given(st.lists(st.floats(0.1, 60), min_size=1, max_size=12), st.floats(1, 200), st.floats(1, 200))
def test_the_time_of_postings_follows_from_those_that_were_answered(
    taken: list[float], mine: float, theirs: float
) -> None:
    """And for a back end that has not begun from its speed against the one that has."""
    time = QualityTime(rates={"a": mine, "b": theirs})
    at = 5.0
    time.begin("a", at)
    for seconds in taken:
        at += seconds
        time.posting_done("a", at)
    mean = sum(taken) / len(taken)
    assert time.posting_s("a") == pytest.approx(mean)
    assert time.posting_s("b") == pytest.approx(mean * mine / theirs)
    assert time.left_s(["a", "b"], len(taken) + 2) == pytest.approx(2 * mean + (len(taken) + 2) * mean * mine / theirs)
    time.begin("b", at)
    assert time.left_s(["a", "b"], 3) == pytest.approx(3 * time.posting_s("b"))
    assert time.affordable(["a", "b"], 120) == max(1, int(120 / (time.posting_s("a") + time.posting_s("b"))))


def test_a_slow_engine_answers_as_many_postings_as_its_share_of_the_time_allows() -> None:
    """The first one left most of the time; what is promised never exceeds the share."""
    time = QualityTime(rates={"a": 100.0, "b": 100.0})
    time.begin("a", 0.0)
    time.posting_done("a", 10.0)
    time.begin("b", 10.0)
    assert time.share_s(120) == 110
    time.posting_done("b", 54.0)
    assert time.share_left_s(120) == 66
    assert time.posting_s("b") == 44  # one more fits, two do not
    time.posting_done("b", 98.0)
    assert time.share_left_s(120) == 22
    time.begin("c", 98.0)
    assert time.share_s(120) == 60


def test_nothing_is_promised_before_anything_was_measured() -> None:
    """A load may take a second or minutes: nobody knows yet."""
    job = Job("b", LineUp("engines", ()), STANDARD, 6, 0)
    assert (job.left_s(), job.verdict_left_s()) == (None, None)


def step(phase: Phase, left_s: float | None, *samples: SampleRow, verdict: str = "") -> Progress:
    """What a benchmark tells."""
    return Progress(phase=phase, message="m", done=1, total=30, left_s=left_s, samples=list(samples), verdict=verdict)


def answer(name: str, seconds: float) -> SampleRow:
    """A measurement of the warm-up."""
    return SampleRow(ts=0, block=-1, position=0, backend=name, prompt="p", total_s=seconds)


@given(
    st.lists(st.floats(0.01, 60), min_size=1, max_size=6),
    st.lists(st.floats(0, 300), max_size=12),
    st.lists(st.floats(0, 300), max_size=6),
)
def test_the_time_left_never_grows(warm: list[float], before: list[float], after: list[float]) -> None:
    """Whatever the warm-up, the pairs and the batches turn out to take: that to the verdict, and that in all."""
    names = [Contender(ScriptedBackend(name), LoadSpec("m")) for name in ("a", "b")]
    job = Job("b", LineUp("engines", tuple(names)), STANDARD, 6, 0)
    steps = [step("warm-up", None, answer("ab"[at % 2], seconds)) for at, seconds in enumerate(warm)]
    steps += [step("pairs", left) for left in before]
    steps += [step("batches", left, verdict="A is faster.") for left in after]
    told: dict[str, list[float]] = {"verdict": [], "end": []}
    for one in steps:
        job.note(one)
        for what, seconds in (("verdict", job.verdict_left_s()), ("end", job.left_s())):
            if seconds is not None:
                told[what].append(seconds)
    assert all(later <= sooner for left in told.values() for sooner, later in pairwise(left))
    assert told["verdict"][0] == pytest.approx(150, abs=1)  # one engine alone says nothing of the other
