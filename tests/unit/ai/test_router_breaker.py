"""The circuit breaker, the policy and the drift detector, with a clock moved by hand."""

import math
import random

import pytest

from ai.core.errors import BackendDown, BackendOverloaded, ContextOverflow, ModelMissing
from ai.router import BreakerPolicy, CircuitBreaker, DriftDetector, Policy, Score, choose
from ai.router.drift import LEARN
from ai.statistics.intervals import Interval


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


def test_a_full_queue_is_a_state_of_its_own_and_soon_tried_again() -> None:
    """Two refusals in a row, then two seconds, and never longer than an outage's first pause; an outage afterwards is one."""
    clock = Clock()
    breaker = CircuitBreaker(BreakerPolicy(), clock)
    breaker.failed(BackendOverloaded("full"))
    assert (breaker.state, breaker.allows()) == ("closed", True)
    breaker.failed(BackendOverloaded("full"))
    assert (breaker.state, breaker.allows(), breaker.retry_in_s()) == ("busy", False, 2.0)
    pauses = []
    for _ in range(6):
        clock.now += breaker.retry_in_s()
        assert breaker.begin_probe()
        breaker.failed(BackendOverloaded("still full"))
        pauses.append(breaker.retry_in_s())
    assert pauses == [4.0, 8.0, 15.0, 15.0, 15.0, 15.0]
    clock.now += 15
    assert breaker.begin_probe()
    breaker.failed(BackendDown("away"))
    assert breaker.state == "open"
    clock.now += breaker.retry_in_s()
    assert breaker.begin_probe()
    breaker.succeeded()
    assert breaker.state == "closed"


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
    scores = {
        "fast": Score(quality=0.4, speed=_speed(4, 5, 6)),
        "good": Score(quality=0.8, speed=_speed(0.9, 1, 1.1)),
    }
    choice = choose(scores, Policy(quality_floor=0.6))
    assert choice.order == ("good",)
    assert "below the floor" in choice.excluded["fast"]
    assert "falls back to rules" in choice.sentence


def test_the_latency_target_comes_before_speed() -> None:
    """Among good engines those that answer in time come first."""
    scores = {
        "quick": Score(speed=_speed(1, 1, 1), latency_s=1.0),
        "strong": Score(speed=_speed(2, 2, 2), latency_s=9.0),
    }
    assert choose(scores, Policy(latency_target_s=3)).chosen == "quick"
    assert choose(scores, Policy()).chosen == "strong"


def test_speed_is_judged_by_the_lower_end_of_its_interval() -> None:
    """A high estimate with a wide interval does not win."""
    scores = {"sure": Score(speed=_speed(1.2, 1.25, 1.3)), "unsure": Score(speed=_speed(0.7, 1.8, 4.5))}
    assert choose(scores, Policy()).order == ("sure", "unsure")


def test_a_verdict_orders_only_those_it_is_about() -> None:
    """The configured order holds, but for those that a benchmark told apart; the reason says no more than that."""
    scores = {"slow": Score(speed=_speed(60, 66, 70)), "other": Score(), "fast": Score(speed=_speed(190, 200, 210))}
    choice = choose(scores, Policy(preferred=("slow", "other", "fast")))
    assert choice.order == ("fast", "other", "slow")
    assert "the highest lower end of those that a benchmark told apart" in choice.sentence
    choice = choose(scores, Policy(preferred=("other", "slow", "fast")))
    assert choice.order == ("other", "fast", "slow")
    assert "tokens/s" not in choice.sentence
    assert "no benchmark has shown another to be faster" in choice.sentence


def test_without_a_verdict_the_one_in_use_stays() -> None:
    """That another was measured against a third tells nothing of the two."""
    scores = {"new": Score(speed=_speed(9, 9, 9)), "old": Score()}
    assert choose(scores, Policy(preferred=("new", "old")), incumbent="old").chosen == "old"


@pytest.mark.parametrize(("low", "winner"), [(1.04, "old"), (1.06, "new")])
def test_the_incumbent_stays_unless_clearly_beaten(low: float, winner: str) -> None:
    """The challenger must be five percent faster even at the lower end of its interval."""
    scores = {"old": Score(speed=_speed(1, 1, 1)), "new": Score(speed=_speed(low, 1.3, 1.5))}
    choice = choose(scores, Policy(), incumbent="old")
    assert choice.chosen == winner
    assert choice.sentence.startswith(f"{winner} is used because")


def test_remote_engines_need_permission_and_nothing_measured_is_said() -> None:
    """Text stays on this machine unless allowed; without measurements the configured order holds and is named."""
    scores = {"b": Score(), "a": Score(), "cloud": Score(remote=True)}
    choice = choose(scores, Policy(preferred=("b", "a")))
    assert choice.order == ("b", "a")
    assert "not allowed" in choice.excluded["cloud"]
    assert "no benchmark has shown another to be faster" in choice.sentence
    assert "cloud" in choose(scores, Policy(allow_remote=True)).order
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
