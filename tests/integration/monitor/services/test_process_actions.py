"""Actions on real processes: the right one, only where allowed, each in the audit table; and the gate of every route that changes something."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import httpx
import pytest

from monitor.api.app import create_app
from monitor.api_models.actions import Action
from monitor.client.client import Refused
from monitor.core.endpoint import start_tick_of
from monitor.core.errors import ActionRefused
from monitor.lifecycle.acting import renice, send_signal
from tests.waiting import patient, wait_until

READY = "import signal, sys, time\nsignal.signal(signal.SIGUSR1, lambda *_: print('got USR1', flush=True))\nprint('ready', flush=True)\nwhile True: time.sleep(100)"  # fmt: skip


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[str]]:
    """A process to act on."""
    process = subprocess.Popen([sys.executable, "-S", "-c", READY], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait(patient(10))
    process.stdout.close()


def run_of(agent: Any, pid: int) -> str:
    """The run of a process, once it was sampled."""

    def look() -> str | None:
        return next((one.run for one in agent.api.processes().processes if one.pid == pid), None)

    return str(wait_until(look, f"process {pid} is sampled", seconds=30))


@pytest.mark.parametrize(("action", "number"), [("stop", signal.SIGTERM), ("kill", signal.SIGKILL)])
def test_stop_and_kill_end_the_process_that_was_named(
    running_agent: Any, victim: subprocess.Popen[str], action: str, number: int
) -> None:
    """By SIGTERM and SIGKILL; who asked is in the audit table, and among the events of the run."""
    run = run_of(running_agent, victim.pid)
    done = running_agent.api.services.act_on(run, action, by="Ada")
    assert (done.pid, done.said) == (victim.pid, f"{signal.Signals(number).name} sent")
    assert victim.wait(patient(10)) == -number
    found = wait_until(lambda: running_agent.api.services.actions({"run": run}).actions)
    assert [(one.actor, one.action, one.pid, one.outcome) for one in found] == [
        ("Ada", f"process {action}", victim.pid, "done")
    ]
    events = wait_until(lambda: running_agent.api.events({"run": run, "q": f"process {action} by Ada"}).events)
    assert events[0].pid == victim.pid
    with pytest.raises(Refused, match=r"not running|has ended") as caught:
        running_agent.api.services.act_on(run, action, by="Bob")
    assert caught.value.status == 409
    [told] = refused(running_agent, {"run": run})
    assert (told.actor, told.action, told.pid, told.target) == ("Bob", f"process {action}", victim.pid, found[0].target)
    assert "not running" in told.outcome or "has ended" in told.outcome


def test_one_whose_parent_does_not_ask_has_ended(running_agent: Any, victim: subprocess.Popen[str]) -> None:
    """Killed, and not asked for by its parent, it does not run any more; once it was asked for, it is told how it ended."""
    run = run_of(running_agent, victim.pid)
    assert running_agent.api.run_ending(run).why == "It still runs."
    running_agent.api.services.act_on(run, "kill", by="Ada")
    wait_until(lambda: "stays as a zombie" in running_agent.api.run_ending(run).why, "it is a zombie")
    assert victim.wait(patient(10)) == -9
    assert wait_until(lambda: running_agent.api.run_ending(run).cause == "stopped", "its end is known")


def test_signals_and_priorities(running_agent: Any, victim: subprocess.Popen[str]) -> None:
    """A signal arrives; a priority is set; a wrong one is refused with what is allowed, and is audited too."""
    run = run_of(running_agent, victim.pid)
    running_agent.api.services.act_on(run, "signal", signal="usr1")
    assert victim.stdout is not None
    assert victim.stdout.readline() == "got USR1\n"
    assert running_agent.api.services.act_on(run, "renice", nice=15).said == "priority set to 15"
    assert os.getpriority(os.PRIO_PROCESS, victim.pid) == 15
    for wrong, words in (({"signal": "SEGV"}, "there is no signal SEGV"), ({}, "there is no signal given")):
        with pytest.raises(Refused, match=words):
            running_agent.api.services.act_on(run, "signal", **wrong)
    with pytest.raises(Refused, match="needs a priority"):
        running_agent.api.services.act_on(run, "renice")
    assert victim.poll() is None
    outcomes = wait_until(
        lambda: found if len(found := running_agent.api.services.actions({"run": run}).actions) == 5 else None
    )
    assert sorted(one.outcome == "done" for one in outcomes) == [False, False, False, True, True]


def refused(agent: Any, filters: dict[str, str]) -> list[Action]:
    """The refusals in the audit table, once there are any."""

    def look() -> list[Action]:
        return [one for one in agent.api.services.actions(filters).actions if one.outcome.startswith("refused: ")]

    return list(wait_until(look, "it is in the audit table"))


def test_another_process_with_the_same_pid_is_never_hit(victim: subprocess.Popen[str]) -> None:
    """A pid whose start is not the one that was meant gets no signal and no priority."""
    tick = start_tick_of(victim.pid)
    assert tick is not None
    for act in (
        lambda: send_signal(victim.pid, tick - 1, "KILL"),
        lambda: renice(victim.pid, tick - 1, 19),
        lambda: send_signal(2**22 - 7, tick, "KILL"),
    ):
        with pytest.raises(ActionRefused, match="has ended meanwhile"):
            act()
    assert victim.poll() is None
    assert os.getpriority(os.PRIO_PROCESS, victim.pid) == os.getpriority(os.PRIO_PROCESS, 0)


def test_watchkeeper_and_the_system_are_protected(running_agent: Any) -> None:
    """The agent, its sampler and process 1."""
    status = running_agent.api.status()
    for pid in (status.agent.pid, status.sampler.pid, 1):
        run = run_of(running_agent, pid)
        with pytest.raises(Refused, match=r"is part of Watchkeeper|belongs to the system") as caught:
            running_agent.api.services.act_on(run, "kill", by="Eve")
        assert caught.value.status == 409
        [told] = refused(running_agent, {"run": run})
        assert (told.actor, told.action, told.pid) == ("Eve", "process kill", pid)
        assert caught.value.message in told.outcome
        assert running_agent.api.run(run).untouchable == caught.value.message


def test_read_only_forbids_it(running_agent: Any, victim: subprocess.Popen[str]) -> None:
    """403, and the process lives on."""
    run = run_of(running_agent, victim.pid)
    running_agent.api.save_settings({"actions.read_only": True})
    try:
        with pytest.raises(Refused, match="switched off") as caught:
            running_agent.api.services.act_on(run, "kill", by="Eve")
        assert caught.value.status == 403
        assert running_agent.api.run(run).untouchable == "actions on services, processes and models are switched off"
        for action in ("stop", "start", "restart"):
            with pytest.raises(Refused, match="switched off"):
                getattr(running_agent.api.services, action)("mailer", by="Eve")
        with pytest.raises(Refused, match="switched off"):
            running_agent.api.services.remove("mailer", by="Eve")
    finally:
        running_agent.api.save_settings({"actions.read_only": None})
    assert victim.poll() is None
    assert running_agent.api.run(run).untouchable is None
    [told] = refused(running_agent, {"run": run})
    assert (told.actor, told.action, told.pid) == ("Eve", "process kill", victim.pid)
    assert "switched off" in told.outcome
    wanted = {("Eve", f"service {action}") for action in ("stop", "start", "restart", "remove")}
    wait_until(
        lambda: {(one.actor, one.action) for one in refused(running_agent, {"target": "mailer"})} == wanted,
        "those on services are there too",
    )
    events = running_agent.api.events({"run": run, "q": "refused"}).events
    assert [event.event_type for event in events] == ["STATUS_CHANGE"]


def test_a_loop_of_refused_requests_is_counted(running_agent: Any) -> None:
    """Who asks for the same again and again is told once."""
    for _ in range(30):
        with pytest.raises(Refused):
            running_agent.api.services.stop("no-such-one", by="Mallory")
    [told] = refused(running_agent, {"target": "no-such-one"})
    assert (told.actor, told.action) == ("Mallory", "service stop")


HARMLESS = {
    ("POST", "/v1/actions/refused"): "records what the dashboard refused",
    ("POST", "/v1/engines/refresh"): "asks engines whether they are there",
    ("POST", "/v1/events"): "records what a program tells",
    ("POST", "/v1/logs/ingest"): "reads files into the store",
    ("POST", "/v1/query"): "reads the store",
    ("PUT", "/v1/settings"): "must stay possible, to end read-only mode",
    ("POST", "/v1/shutdown"): "ends the agent itself; `watchkeeper down`",
}
"""Routes that change something, but not a service or a process; whole families besides: `OTHERS`."""
OTHERS = ("/v1/ai/", "/v1/gateway", "/v1/logs/")
"""Model engines but for the models of servers, the gateway's keys, and how logs are read."""
MODELS = "/v1/ai/models"


def must_pass(path: str) -> bool:
    """Whether a route that changes something has to pass the gate."""
    return path.startswith(MODELS) or not path.startswith(OTHERS)


def test_every_route_that_acts_passes_the_gate() -> None:
    """Each route with another method than GET is refused in read-only mode, which the audit is told with who asked, or is known to touch no service and
    no process.
    """
    context = MagicMock(token=None)
    context.snapshot.runs = {}
    context.store.query.return_value.num_rows = 0
    context.settings.return_value.actions.read_only = True
    app = create_app(context, "0")
    listed = {
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()  # type: ignore[attr-defined]
        for method in methods
        if method not in {"get", "head"}
    }

    async def refused() -> set[tuple[str, str]]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
            acting = [one for one in listed - HARMLESS.keys() if must_pass(one[1])]
            gated = set()
            for one in acting:
                context.audit.undone.reset_mock()
                answer = await client.request(*one, json={"by": "Eve"})
                if answer.status_code == 403 and "switched off" in answer.text:
                    [told] = context.audit.undone.call_args_list
                    assert (told.kwargs["actor"], told.kwargs["outcome"][:9]) == ("Eve", "refused: "), one
                    assert told.args[0], one
                    gated.add(one)
        return gated

    gated = asyncio.run(refused())
    assert gated >= {("POST", f"/v1/services/{{name}}/{action}") for action in ("start", "stop", "restart")}
    assert gated >= {("PUT", "/v1/services/{name}"), ("DELETE", "/v1/services/{name}"), ("POST", "/v1/runs/{run}/act")}
    open_ = {one for one in listed - gated - HARMLESS.keys() if must_pass(one[1])}
    assert open_ == set(), "add the gate, or say above why it needs none"
