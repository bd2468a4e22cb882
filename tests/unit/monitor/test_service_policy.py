"""The states of a service: which event leads where, and what holds whatever happens."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.api_models.services import Service
from monitor.services.shim import policy
from monitor.services.shim.policy import (
    ACTIVE,
    BACKOFF,
    BEGUN,
    DEAF,
    DUE,
    ENDED,
    EXITED,
    FAILED,
    GONE,
    KILL,
    OVER,
    READY,
    RESTART,
    RUNNING,
    SIGNAL,
    SPAWN,
    STARTING,
    STOP,
    STOPPED,
    STOPPING,
    UNSTARTABLE,
    Life,
    Rules,
    step,
)
from monitor.services.unit import events_between


def ended(life: Life, rules: Rules, now: float, code: int) -> tuple[Life, list[str]]:
    """The main process ends with a code, and leaves nothing behind."""
    life, _ = step(life, ENDED, now, rules, code=code)
    return step(life, GONE, now, rules)


def running(rules: Rules, now: float = 0.0) -> Life:
    """A service that runs."""
    life, actions = policy.begin()
    assert actions == [SPAWN]
    life, _ = step(life, BEGUN, now, rules)
    return life if rules.ready_timeout_s is None else step(life, READY, now, rules)[0]


@pytest.mark.parametrize(
    ("restart", "code", "state"),
    [
        ("never", 0, EXITED),
        ("never", 1, FAILED),
        ("never", -9, FAILED),
        ("on-failure", 0, EXITED),
        ("on-failure", 1, STARTING),
        ("on-failure", -9, STARTING),
        ("always", 0, STARTING),
        ("always", 1, STARTING),
    ],
)
def test_the_rule_decides_what_an_end_leads_to(restart: str, code: int, state: str) -> None:
    """Never, on failure, always; the first restart is immediate."""
    rules = Rules(restart=restart)
    life, actions = ended(running(rules), rules, 100.0, code)
    assert (life.state, actions) == (state, [SPAWN] if state == STARTING else [])
    assert (life.exit_code, life.exit_signal) == ((None, -code) if code < 0 else (code, None))


@pytest.mark.parametrize(("code", "reason"), [(0, "exit code 0; it left some"), (1, "exit code 1")])
def test_what_was_left_in_the_background_is_said(code: int, reason: str) -> None:
    """Of a main process that ended well, as one does that goes to the background; what a crash leaves behind is no news. It is said once."""
    rules = Rules(restart="never")
    life, _ = step(running(rules), ENDED, 1.0, rules, code=code, why="it left some")
    life, _ = step(life, GONE, 1.0, rules)
    assert (life.reason, life.left) == (reason, "")


def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_stable_time() -> None:
    """0, 0.5, 1, 2, 4, 4 s with the longest at 4 s; after 10 s of running the next restart is immediate again."""
    rules = Rules(restart="always", backoff_s=0.5, backoff_max_s=4.0, crash_limit=100, stable_s=10.0)
    life, now, pauses = running(rules), 0.0, []
    for _ in range(6):
        life, actions = ended(life, rules, now, 1)
        if life.state == BACKOFF:
            assert life.timer is not None
            pauses.append(life.timer - now)
            now = life.timer
            life, actions = step(life, DUE, now, rules)
        else:
            pauses.append(0.0)
        assert actions == [SPAWN]
        life, _ = step(life, BEGUN, now, rules)
    assert pauses == [0.0, 0.5, 1.0, 2.0, 4.0, 4.0]
    life, actions = ended(life, rules, now + 10.0, 1)
    assert (life.state, actions) == (STARTING, [SPAWN])


def test_a_crash_loop_ends_with_a_reason() -> None:
    """The fifth failure within 30 s is the last one, and says how often it failed, in what time, and how."""
    rules = Rules(backoff_s=1.0)
    life, now = running(rules), 0.0
    while life.state in ACTIVE:
        life, _ = ended(life, rules, now, 1)
        if life.state == BACKOFF:
            assert life.timer is not None
            now = life.timer
            life, _ = step(life, DUE, now, rules)
        life, _ = step(life, BEGUN, now, rules)
    assert (life.state, life.reason, life.restarts) == (FAILED, "failed 5 times in 7 s: exit code 1", 4)


def test_ends_that_are_far_apart_are_no_crash_loop() -> None:
    """A service that fails once a minute is started again each time."""
    rules = Rules(crash_window_s=30.0, crash_limit=2)
    life = running(rules)
    for minute in range(1, 50):
        life, actions = ended(life, rules, 60.0 * minute, 1)
        assert actions == [SPAWN]
        life, _ = step(life, BEGUN, 60.0 * minute, rules)


def test_a_stop_signals_first_and_kills_after_the_grace() -> None:
    """The signal, then SIGKILL once a second until nothing is left."""
    rules = Rules(stop_grace_s=3.0)
    life, actions = step(running(rules), STOP, 10.0, rules, why="stopped by hand")
    assert (life.state, life.timer, actions) == (STOPPING, 13.0, [SIGNAL])
    life, actions = step(life, ENDED, 11.0, rules, code=0)
    assert (life.state, actions) == (STOPPING, [SIGNAL]), "what it left behind is signalled too"
    for at in (13.0, 14.0, 15.0):
        life, actions = step(life, DUE, at, rules)
        assert (actions, life.timer) == ([KILL], at + 1)
    life, actions = step(life, GONE, 15.1, rules)
    assert (life.state, life.reason, actions) == (STOPPED, "stopped by hand", [])


def test_what_is_not_ready_in_time_counts_as_failed() -> None:
    """It is stopped, and started again by the rule; the reason says what was missing."""
    rules = Rules(ready_timeout_s=5.0, crash_limit=1)
    life, _ = step(policy.begin()[0], BEGUN, 0.0, rules)
    assert (life.state, life.timer) == (STARTING, 5.0)
    life, actions = step(life, DUE, 5.0, rules, why="port 80: connection refused")
    assert (life.state, actions) == (STOPPING, [SIGNAL])
    life, _ = step(life, ENDED, 5.1, rules, code=-15)
    life, _ = step(life, GONE, 5.1, rules)
    missing = "not ready within 5 s: port 80: connection refused"
    assert (life.state, life.reason) == (FAILED, f"failed 1 times in 1 s: {missing}")


@pytest.mark.parametrize(("restart", "after"), [("never", FAILED), ("on-failure", STARTING), ("always", STARTING)])
def test_what_answers_no_more_is_stopped_and_counts_as_failed(restart: str, after: str) -> None:
    """However its process then ends, also with 0; the rule decides what follows. Before it runs, the check means nothing."""
    rules = Rules(restart=restart, ready_timeout_s=5.0)
    starting, _ = step(policy.begin()[0], BEGUN, 0.0, rules)
    assert step(starting, DEAF, 1.0, rules, why="no")[0].state == STARTING
    life, actions = step(running(rules), DEAF, 60.0, rules, why="liveness check failed: port 80")
    assert (life.state, life.timer, actions) == (STOPPING, 60.0 + rules.stop_grace_s, [SIGNAL])
    life, _ = step(life, DEAF, 60.1, rules, why="again")
    life, _ = step(life, ENDED, 60.2, rules, code=0)
    life, _ = step(life, GONE, 60.2, rules)
    assert (life.state, life.reason) == (after, "liveness check failed: port 80")


def test_the_last_wish_counts() -> None:
    """A stop during a restart stops; a restart during a stop restarts; a stop during a pause stops at once."""
    rules = Rules(restart="always")
    life, _ = step(running(rules), RESTART, 0.0, rules)
    life, _ = step(life, STOP, 0.1, rules)
    life, _ = step(life, ENDED, 0.2, rules, code=0)
    assert step(life, GONE, 0.2, rules)[0].state == STOPPED
    life, _ = step(running(rules), STOP, 0.0, rules)
    life, _ = step(life, RESTART, 0.1, rules)
    life, _ = step(life, ENDED, 0.2, rules, code=0)
    assert step(life, GONE, 0.2, rules)[1] == [SPAWN]
    life, _ = ended(step(ended(running(rules), rules, 0.0, 1)[0], BEGUN, 0.0, rules)[0], rules, 0.0, 1)
    assert life.state == BACKOFF
    assert step(life, STOP, 0.1, rules)[0].state == STOPPED


EVENTS = st.sampled_from([BEGUN, UNSTARTABLE, READY, DEAF, ENDED, GONE, DUE, STOP, RESTART])
RULES = st.builds(
    Rules,
    restart=st.sampled_from(["never", "on-failure", "always"]),
    backoff_s=st.floats(0, 5),
    backoff_max_s=st.floats(5, 60),
    stable_s=st.floats(0, 20),
    crash_limit=st.integers(1, 6),
    crash_window_s=st.floats(1, 60),
    stop_grace_s=st.floats(0, 10),
    ready_timeout_s=st.none() | st.floats(0.1, 60),
)


@given(RULES, st.lists(st.tuples(EVENTS, st.floats(0, 30), st.sampled_from([0, 1, -9]), st.floats(-1, 1)), max_size=60))
def test_what_holds_whatever_happens(rules: Rules, happened: list[tuple[str, float, int, float]]) -> None:
    """Events come as the shim sends them: an end only while the main process is there, `gone` only once it is not. Then there is never a second main
    process; after a stop nothing starts without a restart; what is over stays over; timers are where they belong, and pauses within their bounds.
    """
    life, actions = policy.begin()
    states, now, main, left, stopped = [life.state], 0.0, True, True, False
    for event, later, code, jitter in happened:
        impossible = {BEGUN: life.state != STARTING, UNSTARTABLE: life.state != STARTING, ENDED: not main, GONE: main}
        if impossible.get(event, False):
            continue
        now += later
        if event == DUE and (life.timer is None or now < life.timer):
            continue
        main = main and event not in {ENDED, UNSTARTABLE}
        left = left and event != GONE
        before = life.copy()
        life, actions = step(life, event, now, rules, code=code, why="why", jitter=jitter)
        if before.state in OVER:
            assert (life.state, actions) == (before.state, [])
            continue
        stopped = event == STOP or (stopped and event != RESTART)
        if SPAWN in actions:
            assert not main, "two main processes"
            assert not stopped or event == RESTART, "started although it was stopped"
            main = left = True
        assert life.state in ACTIVE + OVER
        assert (life.timer is not None) >= (life.state in {BACKOFF, STOPPING})
        assert life.timer is None or life.state in {BACKOFF, STOPPING, STARTING}
        assert life.state != FAILED or life.reason
        assert life.restarts - before.restarts == (SPAWN in actions)
        if life.state == BACKOFF and before.state != BACKOFF:
            assert life.timer is not None
            assert 0 <= life.timer - now <= rules.backoff_max_s * 1.2
        if life.state in OVER:
            assert not main, "over, but its main process is there"
        assert len(life.ends) <= rules.crash_limit
        states.append(life.state)
    assert (RUNNING, STARTING) not in set(pairwise(states)), "what runs is stopped before it starts again"


NOW = {"since": 1, "last_run": "8", "exit_code": None, "schedule": "", "restart": "always", "autostart": True, "directory": "/", "depends_on": [], "needed_by": [], "configured": True, "changed": False, "source": "web", "output": "", "command": "web", "started": 1, "exit_signal": 9, "next_start": None, "next_run": None, "run": "8"}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (("running", 7, 0, ""), ("running", 8, 1, ""), [("STATUS_CHANGE", "ended: killed by SIGKILL (signal 9); is started again", 7), ("START", "restarted (1)", 8)]),
        (("running", 7, 0, ""), ("starting", 8, 1, ""), [("STATUS_CHANGE", "ended: killed by SIGKILL (signal 9); is started again", 7)]),
        (("starting", 8, 1, ""), ("running", 8, 1, ""), [("START", "restarted (1)", 8)]),
        (("running", 8, 1, ""), ("backoff", None, 1, "exit code 3"), [("STATUS_CHANGE", "ended: exit code 3; starts again after a pause", None)]),
        (("backoff", None, 1, "exit code 3"), ("running", 9, 2, ""), [("START", "restarted (2)", 9)]),
        (("running", 9, 2, ""), ("failed", None, 2, "failed 5 times in 9 s: exit code 3"), [("ERROR", "failed 5 times in 9 s: exit code 3", None)]),
        (("running", 8, 1, ""), ("backoff", None, 3, "exit code 3"), [("STATUS_CHANGE", "ended 3 times: exit code 3; starts again after a pause", None)]),
        (("backoff", None, 1, "exit code 3"), ("starting", 9, 3, ""), [("STATUS_CHANGE", "ended: killed by SIGKILL (signal 9); is started again", None)]),
        (("running", 9, 0, ""), ("stopping", 9, 0, "stopped by ada"), []),
        (("running", 9, 0, ""), ("scheduled", None, 0, ""), [("ERROR", "failed: killed by SIGKILL (signal 9)", None)]),
        (("failed", None, 0, "exit code 3"), ("scheduled", None, 0, ""), []),
        (("scheduled", None, 0, ""), ("scheduled", None, 0, ""), []),
    ],
)  # fmt: skip
def test_each_end_of_a_service_is_an_event_once(
    before: tuple[str, int | None, int, str], now: tuple[str, int | None, int, str], told: list[object]
) -> None:
    """Also one that is started again so soon that no state tells it; it is told of the process that ended."""

    def looked(state: str, pid: int | None, restarts: int, reason: str) -> Service:
        more = {"state": state, "pid": pid, "restarts": restarts, "reason": reason, "name": "web"}
        return Service.model_validate({**NOW, **more, "ended_with": "killed by SIGKILL (signal 9)"})

    found = events_between(looked(*before), looked(*now))
    assert [(kind, words, one.pid) for kind, words, one in found] == told
    if told == [] and before[0] == now[0] == "scheduled":  # and once more, a run that nobody saw between the two looks
        again = looked(*now).model_copy(update={"started": 2})
        assert [kind for kind, *_ in events_between(looked(*before), again)] == ["ERROR"]
        well = again.model_copy(update={"exit_signal": None, "exit_code": 0})
        assert [kind for kind, *_ in events_between(looked(*before), well)] == ["COMPLETE"]
