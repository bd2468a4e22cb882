"""When an alert begins and is over: by value with hysteresis, by count within a time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.alerts import AlertRule
from monitor.health.states import Level, Occurrences

BUSY = AlertRule(name="busy", metric="cpu_pct", above=90, for_s=10, clear_s=10)
LOW = AlertRule(name="low", metric="mem.available_pct", below=10, clear=20, for_s=5, clear_s=5)
TWICE = AlertRule(name="twice", records="x", count=2, within_s=10)


def turns(rule: AlertRule, values: list[float | None]) -> list[tuple[int, str]]:
    """What a value that is read once a second leads to, and when."""
    level = Level(rule)
    return [(at, turn) for at, value in enumerate(values) if (turn := level.step(value, at)) is not None]


@pytest.mark.parametrize("for_s", [0, 3, 10, 60])
@pytest.mark.parametrize("seed", range(20))
def test_a_signal_around_the_threshold_is_told_at_most_once_in_an_hour(seed: int, for_s: float) -> None:
    """±1 % around it, once a second."""
    noise = random.Random(seed)
    rule = BUSY.model_copy(update={"for_s": for_s})
    found = turns(rule, [90 * (1 + noise.uniform(-0.01, 0.01)) for _ in range(3600)])
    assert len(found) <= 1
    assert [turn for _, turn in found] in ([], ["fires"])


def test_a_step_fires_after_its_time_and_is_over_after_its_time() -> None:
    """Not a second sooner or later."""
    assert turns(BUSY, [50] * 20 + [95] * 30 + [50] * 30) == [(30, "fires"), (60, "over")]
    assert turns(LOW, [50] * 5 + [5] * 10 + [15] * 100 + [25] * 10) == [(10, "fires"), (120, "over")]


def test_a_spike_does_not_fire() -> None:
    """Nor do many, with a moment between them."""
    assert turns(BUSY, ([95] * 9 + [50]) * 30) == []


def test_what_is_not_known_is_neither_high_nor_low() -> None:
    """It breaks what was about to begin, and ends nothing."""
    assert turns(BUSY, [95] * 9 + [None] + [95] * 9) == []
    assert turns(BUSY, [95] * 11 + [None] * 100) == [(10, "fires")]


def test_a_hole_between_samples_proves_nothing() -> None:
    """A machine that slept was not busy meanwhile."""
    level = Level(BUSY)
    assert [level.step(95, at) for at in (0, 1, 3600, 3601, 3609, 3610)] == [None] * 5 + ["fires"]


def test_an_alert_goes_on_after_a_restart() -> None:
    """It does not fire again, and is over when its value is."""
    level = Level(BUSY, firing=True)
    assert [turn for at in range(30) if (turn := level.step(95 if at < 10 else 50, at))] == ["over"]


@given(st.lists(st.one_of(st.none(), st.floats(0, 200)), max_size=200), st.integers(0, 20), st.integers(0, 20))
def test_turns_alternate_and_are_true(values: list[float | None], for_s: int, clear_s: int) -> None:
    """Each firing has its time beyond the threshold behind it, each end its time on the other side."""
    rule = BUSY.model_copy(update={"for_s": float(for_s), "clear_s": float(clear_s)})
    found = turns(rule, values)
    assert [turn for _, turn in found] == ["fires", "over"] * (len(found) // 2) + ["fires"] * (len(found) % 2)
    for at, turn in found:
        span = values[at - (for_s if turn == "fires" else clear_s) : at + 1]
        assert all(value is not None and (value > 90 if turn == "fires" else value < 85.5) for value in span)


def test_things_are_counted_within_their_time() -> None:
    """And it is over when none has happened for as long."""
    seen = Occurrences(TWICE)
    assert [seen.happened(at) for at in (0, 11, 20, 25)] == [None, None, "fires", None]
    assert [seen.look(at) for at in (34, 35)] == [None, "over"]
    assert seen.happened(36) is None


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 60))
def test_it_fires_when_so_many_happened_in_the_time(pauses: list[int], count: int, within: int) -> None:
    """The first time that this is so, and never before."""
    seen = Occurrences(AlertRule(name="n", fails="x", count=count, within_s=within))
    times = [sum(pauses[: n + 1]) for n in range(len(pauses))]
    first = next((n for n in range(count - 1, len(times)) if times[n] - times[n - count + 1] <= within), None)
    assert next((n for n, at in enumerate(times) if seen.happened(at) == "fires"), None) == first
