"""Orders, looks and verdicts, and how often they are wrong."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.benchmark.schedule import block_order, williams_square
from ai.statistics.sequential import Look, SequentialPlan, decide_many, settled
from tests.doubles.benchmark_simulation import Noise, simulate

_NOISES = {
    "independent": Noise(),
    "lasting": Noise(memory=0.9),
    "very lasting": Noise(memory=0.98, deviation=0.6),
    "bursts": Noise(memory=0.8, burst=0.05),
    "drift": Noise(memory=0.5, drift=0.01),
}


@pytest.mark.parametrize("noise", _NOISES.values(), ids=_NOISES)
def test_an_engine_against_itself_wins_in_at_most_five_percent(noise: Noise) -> None:
    """A against A yields a verdict in no more runs than 5 % and chance allow, whatever the noise does in time."""
    rates = simulate(1.0, noise, SequentialPlan(max_blocks=28), runs=300)
    wrong = round((rates.faster + rates.slower) * rates.runs)
    assert wrong <= 27, "300 runs at 5 % give more than 27 in less than 1 of 500 cases"


def test_equal_engines_that_vary_from_call_to_call_name_hardly_ever_a_winner() -> None:
    """Calls that differ by 15 %: a winner in less than one of 200 benchmarks, since it must be faster by more than the margin; 1.5 times is found."""
    noise, plan = Noise(deviation=0.0, white=0.15), SequentialPlan(max_blocks=30)
    equal = simulate(1.0, noise, plan, runs=600)
    winners = round((equal.faster + equal.slower) * equal.runs)
    assert winners <= 5, (
        "at 0.2 % more than 5 of 600 come in one of 1,000 cases, at the 2.6 % of leaving 1 out there are 16"
    )
    assert simulate(1.5, noise, plan, runs=100).faster >= 0.95
    assert simulate(1.3, noise, plan, runs=100).faster >= 0.95


@pytest.mark.parametrize("noise", _NOISES.values(), ids=_NOISES)
def test_a_true_gap_of_1_3_is_found_in_time(noise: Noise) -> None:
    """A candidate 1.3 times as fast is found at least 80 % of the time within 28 blocks, and never called slower."""
    rates = simulate(1.3, noise, SequentialPlan(max_blocks=28), runs=100)
    assert rates.faster >= 0.8
    assert rates.slower == 0


@given(st.integers(8, 300), st.floats(0.001, 0.2))
def test_the_looks_never_spend_more_than_alpha(blocks: int, alpha: float) -> None:
    """The shares of all looks are positive and add up to alpha; a last look takes exactly what is left."""
    plan = SequentialPlan(blocks, alpha)
    assert all(look.alpha > 0 for look in plan.looks)
    assert sum(look.alpha for look in plan.looks) == pytest.approx(alpha)
    early = plan.looks[0].blocks + 1
    spent = sum(look.alpha for look in plan.looks if look.blocks < early)
    assert plan.last_look(early).alpha + spent == pytest.approx(alpha)


@given(st.integers(1, 9))
def test_each_backend_takes_each_place_equally_often(n: int) -> None:
    """A Williams square balances places, and who follows whom."""
    rows = williams_square(n)
    assert all(sorted(row) == list(range(n)) for row in rows)
    for place in range(n):
        assert len(set(Counter(row[place] for row in rows).values())) == 1
    follows = Counter((a, b) for row in rows for a, b in pairwise(row))
    assert len(set(follows.values())) <= 1


def test_blocks_are_palindromes_and_both_orders_come() -> None:
    """Two backends come as ABBA or BAAB, by a seeded coin that shows both sides."""
    orders = Counter("".join(block_order(["a", "b"], block, 7)) for block in range(200))
    assert set(orders) == {"abba", "baab"}
    assert 70 <= orders["abba"] <= 130
    assert [block_order(["a", "b", "c"], i, 1) for i in range(9)] == [
        block_order(["a", "b", "c"], i, 1) for i in range(9)
    ]


def test_holm_lets_no_weaker_claim_pass_after_a_stronger_one_failed() -> None:
    """With several candidates, one that shows nothing stops all with larger p-values."""
    clear = [0.3 + 0.001 * i for i in range(12)]
    flat = [0.1 * (-1) ** i for i in range(12)]
    verdicts = decide_many({"x": flat, "y": clear, "z": flat}, Look(12, 0.05), SequentialPlan(12))
    assert (verdicts["x"].kind, verdicts["y"].kind, verdicts["z"].kind) == ("not shown", "faster", "not shown")
    assert verdicts["y"].interval.low > 1


def test_three_weak_claims_make_no_strong_one() -> None:
    """Each of three would be shown alone at 5 %, none at a third of it: Holm lets none pass, not even the last, whose share alone is all of it."""
    weak = [0.1 * i for i in range(1, 11)]
    candidates = {name: [*weak[at:], *(-v for v in weak[:at])] for at, name in ((3, "a"), (3, "b"), (3, "c"))}
    alone = SequentialPlan(10).decide(candidates["c"], Look(10, 0.05))
    assert (alone.kind, 0.05 / 3 < alone.p_value <= 0.05) == ("faster", True)
    verdicts = decide_many(candidates, Look(10, 0.05), SequentialPlan(10))
    assert {verdict.kind for verdict in verdicts.values()} == {"not shown"}
    assert all(verdict.interval.low <= 1 for verdict in verdicts.values())


def test_equality_within_the_margin_ends_the_measuring() -> None:
    """When the whole interval is within five percent, nothing more is measured and the sentence says so."""
    plan = SequentialPlan(40)
    verdict = plan.decide([0.004 * (-1) ** i for i in range(12)], Look(12, 0.05))
    assert verdict.equivalent
    assert settled(verdict, plan)
    assert "equally fast" in verdict.sentence("b", "a")
    sure = plan.decide([0.01 + 0.0001 * i for i in range(12)], Look(12, 0.05))
    assert (sure.kind, sure.equivalent, sure.interval.low > 1) == ("not shown", True, True)
    assert "equally fast" in sure.sentence("b", "a")
    small = plan.decide([0.006 * i - 0.05 for i in range(31)], Look(31, 0.05))
    assert (small.kind, small.equivalent, small.interval.low > 1, settled(small, plan)) == (
        "not shown",
        False,
        True,
        False,
    )
    assert "too little" in small.sentence("b", "a")


def test_a_difference_that_may_be_below_the_margin_names_no_winner() -> None:
    """An interval that leaves 1 out and reaches into the margin says what it seems to be, either way."""
    plan = SequentialPlan(40)
    values = [0.025 * i - 0.07 for i in range(16)]
    seems = plan.decide(values, Look(16, 0.05))
    assert (seems.kind, seems.interval.low > 1, settled(seems, plan)) == ("not shown", True, False)
    assert seems.sentence("b", "a").startswith("No winner is named: b seems to have 1.12× the speed of a")
    slow = plan.decide([-v for v in values], Look(16, 0.05))
    assert (slow.kind, slow.interval.high < 1) == ("not shown", True)
    assert "less than 5 %" in slow.sentence("b", "a")


def test_the_sentence_says_what_is_shown() -> None:
    """Faster and slower are said with their interval; nothing shown is not called equal."""
    plan = SequentialPlan(40)
    faster = plan.decide([0.27 + 0.002 * i for i in range(12)], Look(12, 0.05))
    assert faster.sentence("exl", "ollama").startswith("exl is 1.3")
    assert "95 % between" in faster.sentence("exl", "ollama")
    unsure = plan.decide([0.5 * (-1) ** i for i in range(12)], Look(12, 0.05))
    assert "No difference" in unsure.sentence("exl", "ollama")
    assert plan.decide([], Look(0, 0.05)).kind == "not shown"
