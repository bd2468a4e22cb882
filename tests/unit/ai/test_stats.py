"""Estimates, intervals and tests for counts."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.statistics.intervals import (
    bootstrap_interval,
    hodges_lehmann,
    percentile,
    signed_rank_cdf,
    signed_rank_p,
    t_interval,
    t_quantile,
)
from ai.statistics.paired import compare_paired, paired_permutation, wilson

values_strategy = st.lists(st.floats(-50, 50, allow_nan=False), min_size=1, max_size=25)


@given(values_strategy, st.floats(-10, 10))
def test_hodges_lehmann_moves_with_the_data(values: list[float], shift: float) -> None:
    """Adding a constant to every value adds it to the estimate and both bounds."""
    before, after = hodges_lehmann(values), hodges_lehmann([v + shift for v in values])
    assert after.estimate == pytest.approx(before.estimate + shift, abs=1e-6)
    assert math.isinf(before.low) or after.low == pytest.approx(before.low + shift, abs=1e-6)


@given(values_strategy)
def test_hodges_lehmann_is_symmetric(values: list[float]) -> None:
    """Turning the signs around turns the interval around: no engine is favoured by its name."""
    a, b = hodges_lehmann(values), hodges_lehmann([-v for v in values])
    assert (a.low, a.estimate, a.high) == pytest.approx((-b.high, -b.estimate, -b.low), abs=1e-9)


@given(values_strategy, st.floats(0.5, 0.999))
def test_intervals_hold_their_estimate(values: list[float], level: float) -> None:
    """Every interval contains the estimate it is drawn around."""
    for interval in (hodges_lehmann(values, level), t_interval(values, level)):
        assert interval.low - 1e-9 <= interval.estimate <= interval.high + 1e-9


@given(st.lists(st.integers(-40, 40), min_size=6, max_size=70), st.sampled_from([0.0, 0.0137]), st.floats(0.001, 0.2))
def test_interval_and_test_agree(whole: list[int], apart: float, error: float) -> None:
    """The interval leaves zero out exactly when the signed-rank p-value is at most its error, ties and zeros included."""
    values = [w + apart * i for i, w in enumerate(whole, 1)]
    interval = hodges_lehmann(values, 1 - error)
    assert (interval.low > 0 or interval.high < 0) == (signed_rank_p(values) <= error)


def test_ties_with_zero_make_no_winner() -> None:
    """Six values of ten are exactly zero and four are not: nothing is shown, however these are."""
    assert signed_rank_p([0.0] * 6 + [0.5] * 4) > 0.5


def test_signed_rank_distribution_matches_published_tables() -> None:
    """Critical values of Wilcoxon's table: n=8, T=3 → 0.0195 one-sided; n=10, T=8 → 0.0244."""
    assert signed_rank_cdf(8, 3) == pytest.approx(5 / 256)
    assert signed_rank_cdf(10, 8) == pytest.approx(0.0244, abs=5e-5)
    assert signed_rank_cdf(61, 945) == pytest.approx(0.5, abs=0.005)


def test_too_few_values_say_nothing() -> None:
    """Three values can never exclude "no difference" at 95 %: the interval is the whole line."""
    interval = hodges_lehmann([1.0, 1.1, 1.2])
    assert (interval.low, interval.high) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("p", "df", "expected"), [(0.975, 1, 12.7062), (0.975, 10, 2.2281), (0.995, 30, 2.7500), (0.95, 200, 1.6525)]
)
def test_t_quantiles_match_published_tables(p: float, df: int, expected: float) -> None:
    """Student's quantiles agree with the printed ones."""
    assert t_quantile(p, df) == pytest.approx(expected, abs=2e-4)


@given(values_strategy, st.floats(0, 100))
def test_percentiles_stay_within_the_data(values: list[float], q: float) -> None:
    """A percentile lies between the least and the greatest value, and grows with q."""
    assert min(values) <= percentile(values, q) <= max(values)
    assert percentile(values, q / 2) <= percentile(values, q) + 1e-9


def test_percentile_is_the_common_definition() -> None:
    """The 50th of 1..4 is 2.5 and the 90th of 1..11 is 10, as numpy's default."""
    assert percentile([4, 1, 3, 2], 50) == 2.5
    assert percentile(list(range(1, 12)), 90) == 10


def test_bootstrap_is_repeatable_and_covers_the_mean() -> None:
    """The same seed gives the same bounds, and they hold the sample's mean."""
    draw = random.Random(4)
    values = [draw.gauss(5, 1) for _ in range(40)]
    a, b = bootstrap_interval(values, seed=3, rounds=400), bootstrap_interval(values, seed=3, rounds=400)
    assert a == b
    assert a.low < statistics.fmean(values) < a.high


@given(st.integers(0, 60), st.integers(0, 60))
def test_wilson_holds_the_share(successes: int, extra: int) -> None:
    """Wilson's bounds lie within 0 and 1 and hold the observed share, also at 0 of n and n of n."""
    trials = successes + extra
    interval = wilson(successes, trials)
    assert 0 <= interval.low <= interval.high <= 1
    if trials:
        assert interval.low - 1e-12 <= successes / trials <= interval.high + 1e-12


def test_wilson_matches_a_published_value() -> None:
    """8 of 10: 0.490 to 0.943."""
    interval = wilson(8, 10)
    assert (interval.low, interval.high) == pytest.approx((0.4902, 0.9433), abs=5e-4)


def test_permutation_counts_all_patterns_of_few_items() -> None:
    """Five differences of one sign are reached by 2 of 32 sign patterns."""
    assert paired_permutation([1, 2, 3, 4, 5]) == pytest.approx(2 / 32)
    assert paired_permutation([0, 0, 0]) == 1


def test_permutation_of_many_items_is_never_zero() -> None:
    """A random permutation p-value counts the observed pattern itself."""
    p = paired_permutation([1.0] * 40, rounds=200)
    assert 0 < p <= 2 / 201


def test_paired_comparison_sees_a_steady_difference() -> None:
    """A small difference on every item is shown; the same scores are not."""
    scores = [0.5 + 0.01 * i for i in range(30)]
    assert compare_paired([s + 0.02 for s in scores], scores).shown
    assert not compare_paired(scores, scores).shown
