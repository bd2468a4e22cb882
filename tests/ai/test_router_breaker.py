"""The circuit breaker, the policy and the drift detector, with a clock moved by hand."""

import math
import random

import pytest

from ai.benchmark.stats import Interval
from ai.errors import BackendDown, BackendOverloaded, ContextOverflow, ModelMissing
from ai.router import BreakerPolicy, CircuitBreaker, DriftDetector, Policy, Standing, choose
from ai.router.drift import LEARN


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_it_opens_probes_once_and_closes() -> None:
    """Closed, open for the cool-down, half-open with one probe, closed after its success."""
    clock = Clock()
    breaker = CircuitBreaker(BreakerPolicy(cool_down_s=10), clock)
    assert breaker.state == "closed"
    breaker.failed(BackendDown("away"))
    assert (breaker.state, breaker.allows(), breaker.begin_probe()) == ("open", False, False)
    clock.now = 10
    assert breaker.state == "half-open"
    assert breaker.begin_probe()
    assert not breaker.begin_probe()
    breaker.succeeded()
    assert (breaker.state, breaker.allows(), breaker.probes) == ("closed", True, 1)


def test_a_failed_probe_doubles_the_cool_down_to_a_limit() -> None:
    """There is at most one probe a cool-down, and a long outage is probed ever more seldom."""
    clock = Clock()
    breaker = CircuitBreaker(BreakerPolicy(cool_down_s=10, longest_s=40), clock)
    breaker.failed(BackendDown("away"))
    times = []
    for second in range(300):
        clock.now = float(second)
        if breaker.begin_probe():
            times.append(second)
            breaker.failed(BackendDown("still away"))
    assert times == [10, 30, 70, 110, 150, 190, 230, 270]


def test_a_probe_that_is_refused_shows_a_living_engine() -> None:
    """An engine that answers a probe with a refusal of its own is asked again at once; a refusal while closed changes nothing."""
    clock = Clock()
    breaker = CircuitBreaker(BreakerPolicy(cool_down_s=10), clock)
    breaker.failed(ContextOverflow("too long"))
    assert breaker.allows()
    breaker.failed(BackendDown("away"))
    clock.now = 10
    assert breaker.begin_probe()
    breaker.failed(ModelMissing("no such model"))
    assert (breaker.state, breaker.allows(), breaker.reason) == ("closed", True, "")


def test_lesser_failures_weigh_less_and_success_forgives() -> None:
    """Two overloads in a row open it, one does not, and a success between them starts anew."""
    breaker = CircuitBreaker(BreakerPolicy(), Clock())
    breaker.failed(BackendOverloaded("full"))
    assert breaker.allows()
    breaker.succeeded()
    breaker.failed(BackendOverloaded("full"))
    assert breaker.allows()
    breaker.failed(BackendOverloaded("full"))
    assert not breaker.allows()


def test_what_is_no_outage_never_opens_it() -> None:
    """A prompt that is too long and a missing model say nothing about the engine's health."""
    breaker = CircuitBreaker(BreakerPolicy(), Clock())
    for _ in range(20):
        breaker.failed(ContextOverflow("too long"))
        breaker.failed(ModelMissing("not there"))
    assert breaker.allows()


def _speed(low: float, estimate: float, high: float) -> Interval:
    return Interval(estimate, low, high, 0.95, "signed-rank")


def test_quality_comes_before_speed() -> None:
    """A fast engine below the floor is never used, not even as a fallback, and the reason is given."""
    standings = {
        "fast": Standing(quality=0.4, speed=_speed(4, 5, 6)),
        "good": Standing(quality=0.8, speed=_speed(0.9, 1, 1.1)),
    }
    choice = choose(standings, Policy(quality_floor=0.6))
    assert choice.order == ("good",)
    assert "below the floor" in choice.excluded["fast"]
    assert "falls back to rules" in choice.sentence


def test_the_latency_target_comes_before_speed() -> None:
    """Among good engines those that answer in time come first."""
    standings = {
        "quick": Standing(speed=_speed(1, 1, 1), latency_s=1.0),
        "strong": Standing(speed=_speed(2, 2, 2), latency_s=9.0),
    }
    assert choose(standings, Policy(latency_target_s=3)).chosen == "quick"
    assert choose(standings, Policy()).chosen == "strong"


def test_speed_is_judged_by_the_lower_end_of_its_interval() -> None:
    """A high estimate with a wide interval does not win."""
    standings = {"sure": Standing(speed=_speed(1.2, 1.25, 1.3)), "unsure": Standing(speed=_speed(0.7, 1.8, 4.5))}
    assert choose(standings, Policy()).order == ("sure", "unsure")


@pytest.mark.parametrize(("low", "winner"), [(1.04, "old"), (1.06, "new")])
def test_the_incumbent_stays_unless_clearly_beaten(low: float, winner: str) -> None:
    """The challenger must be five percent faster even at the lower end of its interval."""
    standings = {"old": Standing(speed=_speed(1, 1, 1)), "new": Standing(speed=_speed(low, 1.3, 1.5))}
    choice = choose(standings, Policy(), incumbent="old")
    assert choice.chosen == winner
    assert choice.sentence.startswith(f"{winner} is used because")


def test_remote_engines_need_permission_and_nothing_measured_is_said() -> None:
    """Text stays on this machine unless allowed; without measurements the configured order holds and is named."""
    standings = {"b": Standing(), "a": Standing(), "cloud": Standing(remote=True)}
    choice = choose(standings, Policy(preferred=("b", "a")))
    assert choice.order == ("b", "a")
    assert "not allowed" in choice.excluded["cloud"]
    assert "nothing is measured" in choice.sentence
    assert "cloud" in choose(standings, Policy(allow_remote=True)).order
    assert choose({}, Policy()).chosen is None


def _calls_until_alarm(factor: float, seed: int, limit: int, deviation: float = 0.2) -> int | None:
    draw = random.Random(seed)
    detector = DriftDetector("a", "time a token")
    for _ in range(LEARN):
        assert detector.add(0.02 * math.exp(draw.gauss(0, deviation))) is None
    for number in range(1, limit + 1):
        if detector.add(0.02 * factor * math.exp(draw.gauss(0, deviation))) is not None:
            return number
    return None


def test_a_slowdown_of_a_third_is_seen_within_thirty_calls() -> None:
    """An engine that becomes 1.3 times slower raises an alarm within 30 calls nearly always."""
    found = [_calls_until_alarm(1.3, seed, 30) for seed in range(200)]
    assert sum(f is not None for f in found) >= 190


def test_false_alarms_are_rare() -> None:
    """Over 100,000 calls without change there is less than one alarm in a thousand calls."""
    alarms = sum(_calls_until_alarm(1.0, seed, 1000) is not None for seed in range(100))
    assert alarms <= 60, "each of the 100 stretches has 1,000 calls"


def test_an_alarm_proposes_to_measure_again() -> None:
    """The sentence names the backend, the factor and what to do; one wild call alone raises none."""
    detector = DriftDetector("ollama", "time a token")
    for i in range(30):
        assert detector.add(0.02 * (1 + 0.01 * (i % 3))) is None
    assert detector.ready
    assert detector.add(60.0) is None
    alarm = next(a for _ in range(30) if (a := detector.add(0.03)) is not None)
    assert "measure again" in alarm.sentence()
    assert alarm.factor > 1.3
    assert detector.add(float("nan")) is None
