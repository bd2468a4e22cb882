"""Rules that hold a reading against its usual: what is told, and what is chance."""

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.api_models.jobs import RecentCounts, WorkerSummary
from monitor.config.alerts import AlertRule
from monitor.health.rates import Rates
from monitor.health.readings import Value
from monitor.health.states import Level
from monitor.health.usual import Usual
from monitor.health.watched import MOST_USUAL, Watched
from monitor.health.words import fired
from tests.doubles.ticks import BEGIN_US
from tests.unit.monitor.test_alert_storms import Machine, record

FEWER = AlertRule(name="fewer", metric="job.per_minute", change="-50 %", for_s=120)  # type: ignore[arg-type]


def turns(rule: AlertRule, values: list[float]) -> list[tuple[int, str]]:
    """What a rule says of a value every ten seconds, with the second."""
    usual, level = Usual(rule), Level(rule)
    found = [(at * 10, level.step(usual.change(value, at * 10.0), at * 10.0)) for at, value in enumerate(values)]
    return [(at, turn) for at, turn in found if turn is not None]


def rates(seed: int, seconds: int, mean: float) -> list[float]:
    """Counts a minute, every ten seconds, as chance makes them."""
    rng = random.Random(seed)
    return [max(0.0, rng.gauss(mean, math.sqrt(mean))) for _ in range(seconds // 10)]


@pytest.mark.parametrize("mean", [40.0, 200.0])
def test_half_as_many_jobs_are_told_and_chance_is_not(mean: float) -> None:
    """Twelve hours as ever, then half of it for 20 minutes: it fires in the time the rule says, and is over after it."""
    before, during, after = rates(1, 43_200, mean), rates(2, 1200, mean * 0.4), rates(3, 3600, mean)
    (fires, first), (over, second) = turns(FEWER, before + during + after)
    assert (first, second) == ("fires", "over")
    assert 43_200 + 120 <= fires <= 43_200 + 600
    assert 44_400 < over <= 44_400 + 300


@given(st.integers(0, 10_000), st.sampled_from([0.2, 3.0, 30.0]), st.sampled_from([-50.0, 100.0, 300.0]))
def test_what_strays_by_chance_is_usual(seed: int, mean: float, change: float) -> None:
    """Few errors a minute are none in most minutes: one more is no change of +300 %."""
    assert turns(FEWER.model_copy(update={"change": change}), rates(seed, 14_400, mean)) == []


def test_nothing_is_unusual_before_half_an_hour_is_known() -> None:
    """Nor after a hole of days, which is longer than the past that counts."""
    usual = Usual(FEWER)
    said = [usual.change(100.0, at * 10.0) for at in range(240)]
    assert set(said[:180]) == {None}
    assert said[-1] is None or said[-1] == 0
    assert usual.change(1.0, 400_000.0) is None


def test_one_reading_is_not_what_is_now() -> None:
    """The mean of the last minute is held against the usual: a single reading beyond it, or back, turns nothing."""
    usual = Usual(FEWER)
    for at in range(7200):
        usual.change(50.0, float(at))
    assert usual.change(0.0, 7200.0) == 0.0
    for at in range(7201, 7260):
        usual.change(0.0 if at != 7230 else 50.0, float(at))
    assert usual.change(0.0, 7260.0) == pytest.approx(-100 * 59 / 60)


def test_a_spike_of_minutes_does_not_become_usual() -> None:
    """The middle stays where it was, and what is wrong for a day is usual then."""
    usual = Usual(FEWER)
    for at in range(0, 7200, 10):
        usual.change(1000.0 if 3600 <= at < 4200 else 50.0, float(at))
    assert [usual.change(10.0, float(at)) for at in range(7200, 7260, 10)][-1] == pytest.approx(-80.0)
    for at in range(7200, 7200 + 86_400, 10):
        last = usual.change(10.0, float(at))
    assert last == 0.0


def worker(name: str, per_minute: float) -> WorkerSummary:
    """A worker as the jobs' service has it."""
    none = RecentCounts(done=0, failed=0, interrupted=0, asked=0)
    known = {
        "runs": 1,
        "living": 1,
        "in_flight": 0,
        "stuck": 0,
        "untold": 0,
        "repeated": 0,
        "damaged": 0,
        "last_event": 1,
    }
    empty = dict.fromkeys(("p50_s", "p99_s", "stuck_after_s", "slowest", "reason", "asked"))
    return WorkerSummary(worker=name, counts=none, recent=none, per_minute=per_minute, **known, **empty)


def test_the_rates_of_workers_and_logs_are_watched_on_their_whole_way() -> None:
    """Each worker by itself, the sources of a rule together; the alert says how far from what."""
    machine = Machine(
        FEWER.model_copy(update={"for_s": 0.0, "clear_s": 0.0}),
        AlertRule(name="errors", metric="log.warnings", of="a.log", above=3, for_s=0),
    )
    ask = machine.rates.ask
    for second in range(3000):
        machine.workers[:] = [worker("mail", 60.0 if second < 2900 else 6.0), worker("thumbs", 60.0)]
        ask(second)
        machine.sample(1.0)
    (alert,) = machine.firing("fewer")
    assert alert.subject == "job mail"
    assert alert.message == "job mail: jobs done a minute, 51 % below the usual of 24 h"
    assert machine.firing("errors") == []
    machine.read(*["failed"] * 4)
    machine.sample(1.0)
    assert machine.firing("errors")[0].message == "a.log: warnings and errors in logs, a minute at 4, above 3"
    for _ in range(130):
        machine.sample(1.0)
    assert machine.firing("errors") == []


def test_what_no_rule_wants_is_not_asked() -> None:
    """The store is not asked for jobs where no rule is about them."""
    asked: list[int] = []
    one = Rates(lambda now, _since: asked.append(now) or [])  # type: ignore[func-returns-value]
    one.want(["cpu_pct", "log.errors"])
    one.ask(5)
    one.want(["job.stuck"])
    one.ask(6)
    assert asked == [6]


DAY = 86_400
MONDAY = 1_699_833_600


def by_minute(value: Callable[[int], float], days: int) -> list[tuple[int, float]]:
    """Minutes before now, in seconds, with a value that depends on the minute since then."""
    return [(before * 60, value(before)) for before in range(days * 1440, 0, -1)]


def held(usual: Usual, value: float, local: float | None = MONDAY) -> float | None:
    """What is said of a value that stays for two minutes."""
    return [
        usual.change(value, 1_000_000.0 + second, None if local is None else local + second) for second in range(120)
    ][-1]


def test_the_past_is_known_at_once() -> None:
    """An agent that starts again need not learn for half an hour; what it learned since is newer than what it is told."""
    usual = Usual(FEWER)
    usual.remember(by_minute(lambda _: 100.0, 1), 1_000_000.0, MONDAY)
    assert held(usual, 20.0) == pytest.approx(-80.0)
    busy = Usual(FEWER)
    for second in range(0, 14_400, 10):
        busy.change(50.0, 985_600.0 + second, MONDAY - 14_400 + second)
    busy.remember(by_minute(lambda before: 50.0 if before > 240 else 1000.0, 1), 1_000_000.0, MONDAY)
    assert held(busy, 50.0) == 0.0


@pytest.mark.parametrize("days", [5, 14])
def test_the_time_of_day_counts_once_days_are_known(days: int) -> None:
    """A nightly job is usual at its hour, and missing at its hour it is not; the same values at another hour, or with the days switched off, are a change."""
    rule = AlertRule(name="busy", metric="cpu_pct", change=100)
    fewer = rule.model_copy(update={"change": -50.0})

    def load(before: int) -> float:
        return 90.0 if before % 1440 in range(1430, 1440) or before % 1440 < 20 else 10.0

    def past(rule: AlertRule, shift: int = 0) -> Usual:
        usual = Usual(rule)
        usual.remember(
            by_minute(lambda before: load(before + shift) if before > 30 else 10.0, days), 1_000_000.0, MONDAY
        )
        return usual

    assert held(past(rule), 90.0) == 0.0
    assert held(past(fewer), 10.0) == pytest.approx(-88.9, abs=0.1)
    assert held(past(rule, 600), 90.0) == pytest.approx(800.0)
    assert held(past(rule.model_copy(update={"usual_days": 0})), 90.0) == pytest.approx(800.0)
    assert held(past(rule), 90.0, local=None) == pytest.approx(800.0)


def test_what_was_so_on_two_of_the_last_days_is_usual() -> None:
    """A Saturday like the last one is none; a day on which something was wrong does not make that usual."""
    weekend = {1, 2, 8, 9}
    usual = Usual(FEWER)
    usual.remember(by_minute(lambda before: 20.0 if before // 1440 in weekend else 100.0, 14), 1_000_000.0, MONDAY)
    assert held(usual, 20.0) == 0.0
    wrong = Usual(FEWER)
    wrong.remember(by_minute(lambda before: 20.0 if before // 1440 == 3 else 100.0, 14), 1_000_000.0, MONDAY)
    assert held(wrong, 20.0) == pytest.approx(-80.0)


def test_only_so_many_have_a_usual_and_those_that_are_gone_have_none() -> None:
    """Workers with names of their own come and go; the store is asked for the past once in a while."""
    watched = Watched(FEWER.model_copy(update={"usual_h": 1.0}))
    asked = 0
    for hour in range(60):
        watched.now = [Value(f"w{hour}-{number}", "", 1.0) for number in range(5)]
        watched.against_usual(hour * 3600.0, BEGIN_US)
        asked += watched.wants_past(hour * 3600.0) + watched.wants_past(hour * 3600.0 + 60)
        assert len(watched.usual) <= MOST_USUAL
    assert asked == 60
    watched.now = [Value("w", "", 1.0)]
    watched.against_usual(200 * 3600.0, BEGIN_US)
    assert set(watched.usual) == {"w"}
    watched.remember(
        {"w": [(BEGIN_US // 1_000_000 - before * 60, 5.0) for before in range(100, 0, -1)]}, 200 * 3600.0, BEGIN_US
    )
    watched.now = [Value("w", "", 5.0)]
    watched.against_usual(200 * 3600.0 + 1, BEGIN_US)
    assert watched.now[0].value == 0.0


def test_sources_that_went_silent_make_room() -> None:
    """Thousands of sources that ever were leave the count of those that write as it is."""
    counted = Rates(lambda _now, _since: [])
    counted.want(["log.records"])
    for number in range(3000):
        counted.count([record(BEGIN_US, number, "x")._replace(source=f"s{number}")], number * 10.0)
    assert counted.figures("log.records", "s2999", 29_990.0) == [("", "s2999", 1.0)]


def test_an_alert_says_of_which_time_the_usual_is() -> None:
    """Of so many hours, or of this time of day."""
    usual = Usual(FEWER)
    usual.remember(by_minute(lambda _: 100.0, 1), 1_000_000.0, MONDAY)
    days = Usual(FEWER)
    days.remember(by_minute(lambda _: 100.0, 7), 1_000_000.0, MONDAY)
    held(usual, 1.0)
    held(days, 1.0)
    assert (usual.of, days.of) == ("24 h", "this time of day")
    assert fired(FEWER, "job mail", -99.0, days.of) == "job mail: jobs done a minute, 99 % below the usual of this time of day for 2 min"  # fmt: skip
