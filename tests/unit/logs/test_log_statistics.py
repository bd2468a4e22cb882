"""Judgements on counts: chance is not taken for a change, bursts are not either, and a real change is found."""

import random

from hypothesis import given
from hypothesis import strategies as st

from logs.analytics.statistics import are_greater, dispersion, is_bursting, not_by_chance, p_value

counts = st.integers(0, 10_000)
hours = st.floats(0.01, 1_000)


@given(counts, counts, hours, hours, st.floats(1, 50))
def test_a_p_value_is_one_and_depends_on_no_direction(
    before: int, after: int, first: float, second: float, spread: float
) -> None:
    """It lies between 0 and 1, and is the same when the ranges change places."""
    found = p_value(before, after, first, second, spread)
    assert 0 <= found <= 1
    assert abs(found - p_value(after, before, second, first, spread)) < 1e-9


def test_rates_are_compared_and_small_counts_say_nothing() -> None:
    """Ranges of different lengths with the same rate do not differ; one record more does not matter; ten times as many do."""
    assert p_value(100, 2_400, 1, 24) > 0.5
    assert p_value(0, 1, 24, 24) > 0.05
    assert p_value(1, 4, 24, 24) > 0.05
    assert p_value(10, 100, 24, 24) < 1e-6


def test_of_many_that_did_not_change_hardly_any_is_picked() -> None:
    """Two hundred patterns with steady rates, and with bursts, twenty times: fewer than one in a thousand judgements is wrong."""
    chance, wrong, judged = random.Random(2), 0, 0
    for _ in range(20):
        values = []
        for _ in range(200):
            rate, size = chance.choice((0.2, 3, 40)), chance.choice((1, 1, 8))
            both = [[size * sum(chance.random() < rate / 50 for _ in range(50)) for _ in range(24)] for _ in range(2)]
            spread = max(map(dispersion, both))
            values.append(p_value(sum(both[0]), sum(both[1]), 24, 24, spread))
        wrong += sum(not_by_chance(values))
        judged += len(values)
    assert wrong <= judged / 1000


def test_what_changed_is_picked_among_many_that_did_not() -> None:
    """One in a hundred that tripled is found, and it alone."""
    values = [p_value(100 + n % 7, 100 - n % 5, 24, 24) for n in range(99)] + [p_value(50, 150, 24, 24)]
    assert not_by_chance(values) == [False] * 99 + [True]
    assert not_by_chance([]) == []


def test_a_burst_is_far_more_at_the_end_than_before() -> None:
    """Steady, waving and rare patterns do not burst, whatever their rate; ten times as much at the end does, and so does what begins there in numbers."""
    assert is_bursting([5] * 42 + [50] * 6)
    assert is_bursting([0] * 42 + [10, 20, 30, 20, 10, 10])
    assert not is_bursting([5] * 48)
    assert not is_bursting([0, 60] * 24)
    assert not is_bursting([0] * 47 + [3])
    assert not is_bursting([])
    chance = random.Random(1)
    assert not any(is_bursting([sum(chance.random() < 0.1 for _ in range(100)) for _ in range(48)]) for _ in range(200))


def test_values_are_greater_by_their_ranks() -> None:
    """A shift is seen; a few outliers, the same values and too few of them are not."""
    before = [10.0 + n % 7 for n in range(90)]
    assert are_greater(before, [value * 1.5 for value in before[:30]])
    assert not are_greater(before, [*before[:28], 900.0, 900.0])
    assert not are_greater(before, [value / 2 for value in before[:30]])
    assert not are_greater(before, [99.0] * 9)
