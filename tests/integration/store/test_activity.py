"""What happened in a range of time: the runs involved, and their records, events, jobs and actions, from a real store."""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest

from monitor.api.runs.activity import Wanted, activity
from monitor.api_models.actions import Action
from monitor.api_models.activity import Activity
from monitor.api_models.events import ProcessEvent
from monitor.jobs.view import JobView
from monitor.metrics import messages
from monitor.store.actions import action_rows
from monitor.store.interface import Append, Store
from monitor.store.lives import Births
from monitor.store.process_events import event_rows
from monitor.store.rows import tick_changes
from tests.integration.store.conftest import START

SECOND = 1_000_000
BUSY, IDLE, WRITER = 1, 2, 3
SPIKE = (START + 60 * SECOND, START + 90 * SECOND)


def _times(seconds: Sequence[float]) -> pa.Array:
    return pa.array([START + round(at * SECOND) for at in seconds], pa.int64()).view(pa.timestamp("us"))


def _records(run: int, seconds: Sequence[float], level: int = 20) -> Append:
    count = len(seconds)
    columns = {"host": ["h"] * count, "file_id": [run] * count, "pos": [int(at * 10) for at in seconds], "ts": _times(seconds)}  # fmt: skip
    columns |= {"ingested": columns["ts"], "level": pa.array([level] * count, pa.uint8()), "source": ["app"] * count}
    return Append("log_records", pa.table({**columns, "run": [run] * count, "message": ["m"] * count, "lines": [1] * count}))  # fmt: skip


def _event(run: int, second: float) -> ProcessEvent:
    return ProcessEvent(timestamp=START + int(second * SECOND), process_name="p", event_type="ERROR", details={"message": f"of {run}"}, run=str(run))  # fmt: skip


@pytest.fixture
def ask(store: Store, make_tick: Callable[..., messages.Tick]) -> Callable[..., Activity]:
    """Two minutes in which one process is busy from 60 s to 90 s, another writes 300 MB then, and a third sleeps. Each logs, reports and suffers."""
    births, changes = Births(), []
    names = {BUSY: "spin", IDLE: "sleep", WRITER: "dd"}
    for seq in range(120):
        done = min(30, max(0, seq - 59))
        born = [messages.RunInfo(run, 10 + run, 70, 1, 0, "root", name, name, None, "/", START, False) for run, name in names.items()] if seq == 0 else []  # fmt: skip
        more = {"cpu_user_s": [done * 0.9, 0, 0], "write_bytes": [0, 0, done * 10_000_000], "cpu_pct": [90.0 * (0 < done < 30), 0, 0]}  # fmt: skip
        changes += tick_changes("h", "b", make_tick(seq, runs=list(names), born=born, **more), births=births)
    for run in names:
        changes += [_records(run, [10, 70, 80]), _records(run, [75], 40)]
        changes += [event_rows("h", [_event(run, 20), _event(run, 65)])]
        told = {"actor": "ada", "action": "process renice", "target": "p", "run": str(run), "outcome": "done"}
        changes += [action_rows("h", Action(ts=START + at * SECOND, **told)) for at in (5, 62)]
    # One job over before the spike, one at work across it, one over within it, one begun after it.
    for run in names:
        jobs = {"host": ["h"] * 4, "ts": _times([50, 100, 70, 110]), "worker": ["w"] * 4, "worker_run": [f"w{run}"] * 4, "seq": [1, 2, 3, 4],
                "job": ["before", "across", "within", "after"], "started": _times([40, 55, 69, 95]), "seconds": [1.0] * 4, "outcome": ["done"] * 4, "run": [run] * 4}  # fmt: skip
        changes.append(Append("jobs", pa.table(jobs)))
    store.write(changes)
    view = JobView(store, lambda: "h", lambda: (3.0, 1.0))

    def asked(*runs: int, span: tuple[int, int] = SPIKE) -> Activity:
        return activity(store, "h", Wanted(*span, runs, buckets=30), view, START + 120 * SECOND)

    return asked


def test_without_runs_it_is_about_those_that_used_most(ask: Callable[..., Activity]) -> None:
    """The busy one comes first, with its curve; the one that wrote is there for that; everything else is theirs alone."""
    found = ask()
    busy = found.runs[0]
    assert busy.title == "spin"
    assert busy.cpu_seconds == pytest.approx(26.1, abs=1)
    assert max(value or 0 for value in busy.cpu) == 90.0
    writer = next(run for run in found.runs if run.title == "dd")
    assert writer.bytes_written == pytest.approx(290e6, abs=11e6)
    involved = {run.run for run in found.runs}
    assert {event.run for event in found.events.events} == involved
    assert {action.run for action in found.actions.actions} == involved
    assert found.records.histogram.total == 3 * len(involved)


def test_one_run_alone_in_a_range(ask: Callable[..., Activity]) -> None:
    """Records, events, jobs and actions of that run in that range: jobs that were at work in it, begun before or not."""
    found = ask(IDLE)
    assert [run.title for run in found.runs] == ["sleep"]
    assert found.records.histogram.total == 3
    assert sum(found.records.histogram.levels["error"]) == 1
    assert [record.ts for record in found.records.newest] == [START + at * SECOND for at in (70, 75, 80)]
    assert [(event.run, event.timestamp) for event in found.events.events] == [(str(IDLE), START + 65 * SECOND)]
    assert found.events.total == 1
    assert {job.job for job in found.jobs.jobs} == {"across", "within"}
    assert found.jobs.total == 2
    assert [action.ts for action in found.actions.actions] == [START + 62 * SECOND]


def test_alerts_of_the_machine_are_on_the_axis_of_each_run(store: Store, ask: Callable[..., Activity]) -> None:
    """Those that name another process are not."""
    told = {"process_name": "alert memory full", "event_type": "ALERT", "details": {"message": "3 % available"}}
    alerts = [ProcessEvent(timestamp=START + 70 * SECOND, run=run, **told) for run in (None, str(BUSY))]
    store.write([event_rows("h", alerts)])
    found = ask(IDLE).events.events
    assert [(event.event_type, event.run) for event in found] == [("ALERT", None), ("ERROR", str(IDLE))]


def test_a_time_without_samples_has_what_else_is_known(store: Store, ask: Callable[..., Activity]) -> None:
    """A record of a time of which no sample is kept is found: then it is about all runs."""
    store.write([_records(IDLE, [4000])])
    found = ask(span=(START + 3990 * SECOND, START + 4010 * SECOND))
    assert (found.runs, found.records.histogram.total) == ([], 1)


def test_a_time_of_which_nothing_is_known(ask: Callable[..., Activity]) -> None:
    """Nothing is made up, and what is given is still asked for."""
    span = (START + 5000 * SECOND, START + 5060 * SECOND)
    for runs in ((), (BUSY,)):
        found = ask(*runs, span=span)
        assert (found.runs, found.records.histogram.total, found.events.total, found.jobs.total) == ([], 0, 0, 0)
