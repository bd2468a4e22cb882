"""What is measured in turn: who is the fastest, whatever else the machine does."""

import itertools
from collections.abc import Callable

import pytest

from ai.worker.engines.turns import in_turn


class Clock:
    """Time that passes only while something is measured."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """In place of the machine's."""
    return Clock()


def taking(clock: Clock, seconds: Callable[[str, int], float], seen: list[str]) -> Callable[[str], float]:
    """A measurement that takes `seconds(name, turn of all)`."""
    numbers = itertools.count()

    def measure(name: str) -> float:
        took = seconds(name, next(numbers))
        clock.now += took
        seen.append(name)
        return took

    return measure


def test_a_single_disturbed_reading_decides_nothing(clock: Clock) -> None:
    """The faster one wins though its first reading took four times as long."""
    usual = {"one": 0.4, "two": 0.25}
    found = in_turn(
        ["one", "two"], taking(clock, lambda name, n: usual[name] * (4 if n == 1 else 1), []), 2.0, clock=clock
    )
    assert found == pytest.approx(usual)


def test_what_lasts_touches_both_sides(clock: Clock) -> None:
    """The machine gets slower and slower; the ratio stays."""
    usual = {"one": 0.1, "two": 0.05}
    found = in_turn(["one", "two"], taking(clock, lambda name, n: usual[name] * (1 + n // 2), []), 3.0, clock=clock)
    assert found["one"] / found["two"] == pytest.approx(2, rel=0.01)


def test_what_is_far_behind_gets_no_more_of_the_time(clock: Clock) -> None:
    """Two turns, the first candidate always; the others are measured in changing order."""
    usual, seen = {"first": 1.0, "fast": 0.2, "slow": 2.0}, []  # type: tuple[dict[str, float], list[str]]
    found = in_turn(list(usual), taking(clock, lambda name, _n: usual[name], seen), 12.0, hopeless=1.3, clock=clock)
    assert found == pytest.approx(usual)
    assert seen[:6] == ["first", "fast", "slow", "slow", "fast", "first"]
    assert seen.count("slow") == 2
    assert seen.count("first") == seen.count("fast") > 2


def test_it_ends_when_a_reading_takes_longer_than_all_the_time(clock: Clock) -> None:
    """What must be measured is, once; what could not be is left out."""
    found = in_turn(["one", "two", "three"], taking(clock, lambda _name, _n: 9.0, []), 2.0, surely=2, clock=clock)
    assert found == {"one": 9.0, "two": 9.0}
