"""The failures that the status strip names: jobs, faults and services; not what somebody typed."""

import signal
from typing import Any

import pytest

from monitor.api_models.events import EventType, ProcessEvent
from monitor.lifecycle.failures import RecentFailures

S = 1_000_000
NOW = 1_790_000_000 * S


def event(name: str, *, ago_s: float = 1, kind: EventType = "ERROR", **details: Any) -> ProcessEvent:
    """An end of a process."""
    told = {"message": "exit code 1", "command": name, **details}
    at = NOW - int(ago_s * S)
    return ProcessEvent(timestamp=at, process_name=name, event_type=kind, details=told, run="7")


def names(*events: ProcessEvent, but: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    """Which programs are told, and how often each failed."""
    failures = RecentFailures()
    failures.take(events)
    return [(one.name, one.times) for one in failures.brief(NOW, but=but)]


def test_each_program_once_the_newest_first() -> None:
    """A program that fails again and again is one line with a count, its newest failure first."""
    found = names(
        event("python a.py", ago_s=60), event("python b.py", ago_s=30), event("/usr/bin/python3 a.py", ago_s=9)
    )
    assert found == [("/usr/bin/python3 a.py", 1), ("python b.py", 1), ("python a.py", 1)]
    assert names(event("python a.py", ago_s=60), event("python a.py", ago_s=5)) == [("python a.py", 2)]


def test_what_is_old_is_no_news() -> None:
    """After ten minutes a failure is history."""
    assert names(event("python a.py", ago_s=601), event("python b.py", ago_s=599)) == [("python b.py", 1)]


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (event("grep needle", exit_code=1), False),
        (event("pytest -q", exit_code=1), False),
        (event("/usr/bin/train --all", signal=9), True),
        (event("/usr/bin/train --all", signal=11), True),
        (event("python train.py", signal=int(signal.SIGINT)), False),
        (event("service web", command=""), True),
        (event("python a.py", kind="STOP", asked="stopped by Ada"), False),
        (event("python a.py", kind="COMPLETE"), False),
    ],
)
def test_jobs_and_faults_are_told_and_commands_are_not(one: ProcessEvent, *, told: bool) -> None:
    """A search that finds nothing ends with code 1, too, and Ctrl-C is no crash."""
    assert bool(names(one)) is told


def test_a_service_that_is_told_elsewhere_is_not_told_twice() -> None:
    """The strip has a line for services that are down."""
    both = (event("service web", command=""), event("service db", command=""))
    assert names(*both, but=("web",)) == [("service db", 1)]
