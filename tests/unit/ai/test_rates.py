"""Rates count tokens: how an answer arrived, how long answers must be, and verdicts that contradict themselves."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.benchmark.reporting.contradiction import contradiction
from ai.benchmark.reporting.figures import log_ratios
from ai.benchmark.samples.length import long_enough
from ai.core.arrival import LEAST_BUNCHES, Arrivals
from ai.shapes.report import RatioInterval, SampleRow
from ai.statistics.intervals import hodges_lehmann
from ai.statistics.sequential import SequentialPlan, decide

MS = 1_000_000


@given(
    st.lists(st.integers(1, 16), min_size=LEAST_BUNCHES + 1, max_size=30),
    st.integers(2, 200),
    st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_a_steady_engine_has_its_rate_however_its_tokens_are_sent(
    sizes: list[int], each_ms: int, split: list[bool]
) -> None:
    """Tokens of one length at one pace, in events of any size, an event perhaps in several pieces: the exact rate."""
    arrivals, at, total = Arrivals(), 0, 0
    for size, pieces in zip(sizes, split, strict=False):
        at, total = at + size * each_ms * MS, total + size
        parts = [size - 1, 1] if pieces and size > 1 else [size]
        for part in parts:
            arrivals.add(at, 5 * part, None)
    found = arrivals.summary()
    assert found is not None
    if found.held_back(total):
        return  # sizes that differ very much may look like a stream that was held back: no rate, never a wrong one
    span_s = (at - sizes[0] * each_ms * MS) / 1e9 - found.first_s
    one_each = found.pieces >= min(0.85 * total, total - 1.5)
    assert found.later_tokens(total) / span_s == pytest.approx(1e3 / each_ms, rel=0.35 if one_each else 1e-9)


def test_a_stream_in_one_bunch_is_held_back() -> None:
    """Whatever small gaps lie between its pieces."""
    draw, arrivals, at = random.Random(1), Arrivals(), 0
    for _ in range(64):
        at += int(draw.uniform(0, 0.2) * MS)
        arrivals.add(at, 5, None)
    found = arrivals.summary()
    assert found is not None
    assert found.held_back(64)
    assert Arrivals().summary() is None


def row(
    name: str, block: int, *, first_s: float, each_s: float, tokens: int = 32, rate: float | None = None
) -> SampleRow:
    """A measurement of an engine that makes a token every `each_s`."""
    total = first_s + (tokens - 1) * each_s
    return SampleRow(
        ts=0, block=block, position=0, backend=name, prompt="p", total_s=total, ttft_s=first_s, rate=rate or 1 / each_s,
        completion_tokens=tokens, bunches=tokens,
    )  # fmt: skip


def judged(a: dict[str, float], b: dict[str, float]) -> tuple[str, str]:
    """The verdict on generation of `b` against `a`, and what contradicts it."""
    samples = [row(n, k, **given) for k in range(12) for n, given in (("a", a), ("b", b)) for _ in range(2)]
    verdict = decide(log_ratios(samples, "b", "a", "generation"), 0.05, SequentialPlan())
    total = hodges_lehmann(log_ratios(samples, "b", "a", "total")).exp()
    assert math.isfinite(total.high)
    ratio = RatioInterval(
        measure="total", method="m", estimate=total.estimate, low=total.low, high=total.high, level=0.95
    )
    return verdict.kind, contradiction(verdict, [ratio], samples, "b", "a")


EVEN = {"first_s": 0.05, "each_s": 0.01}


@pytest.mark.parametrize(
    ("a", "b", "kind", "contradicts"),
    [
        (EVEN, EVEN | {"rate": 143.0}, "faster", True),
        (EVEN | {"rate": 143.0}, EVEN, "slower", True),
        (EVEN, EVEN | {"rate": 70_000.0}, "faster", True),
        (EVEN, EVEN | {"each_s": 0.0066}, "faster", False),
        (EVEN, EVEN | {"each_s": 0.015}, "slower", False),
        (EVEN, EVEN, "not shown", False),
        ({"first_s": 2.0, "each_s": 0.001}, {"first_s": 2.0, "each_s": 0.0007}, "faster", False),
    ],
)
def test_a_gain_that_does_not_arrive_is_no_gain(
    a: dict[str, float], b: dict[str, float], kind: str, *, contradicts: bool
) -> None:
    """Generation against the time of whole answers: a faster engine is done sooner, unless it hardly generates."""
    verdict, why = judged(a, b)
    assert (verdict, bool(why)) == (kind, contradicts)
    assert not contradicts or "No winner is named" in why


@pytest.mark.parametrize(
    ("bunches", "each_s", "tokens", "wanted"),
    [
        (32, 0.01, 32, 32),
        (2, 0.01, 32, 80),
        (1, 0.01, 32, 32),
        (2, 0.2, 32, 32),
        (32, 0.001, 32, 150),
        (4, 0.001, 4, 4),
    ],
)
def test_answers_are_long_enough_to_tell_a_rate(bunches: int, each_s: float, tokens: int, wanted: int) -> None:
    """More tokens for engines that send many at once or are very fast, not where that takes long or would not help."""
    sample = row("a", -1, first_s=0.0, each_s=each_s, tokens=tokens)
    sample = sample.model_copy(update={"bunches": bunches, "rate": sample.rate if bunches >= LEAST_BUNCHES else None})
    assert long_enough([sample], tokens) == wanted


def test_a_slow_contender_keeps_the_answers_short() -> None:
    """The fast ones would lose their pairs."""
    slow, fast = row("a", -1, first_s=0.1, each_s=0.05), row("b", -1, first_s=0.1, each_s=0.002)
    assert long_enough([slow, fast], 32) == 32
    assert long_enough([fast], 32) > 32
    assert all(a <= b for a, b in pairwise([32, long_enough([fast], 32)]))
