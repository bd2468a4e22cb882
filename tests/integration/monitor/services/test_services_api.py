"""Services through the agent: API, command line, logs, audit, and an agent that is killed."""

import contextlib
import json
import os
import re
import resource
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.client.client import Client, Refused
from monitor.core.errors import AgentError, ConfigError
from monitor.core.this_process import MOST_FILES
from monitor.services.folder import FOLDER, ServiceFolder
from monitor.services.shim import policy, tree
from tests.doubles.alone import ALONE
from tests.doubles.forked import COMMANDS
from tests.waiting import wait_until

TALKS = "import os, time; print(f'INFO speaks as {os.getpid()} {os.environ.get(\"COLOUR\")}', flush=True); time.sleep(1000)"  # fmt: skip
SETTINGS = f"""
{ALONE}[[service]]
name = "talker-1"
command = [{json.dumps(sys.executable)}, "-S", "-c", {json.dumps(TALKS)}]
environment = {{ COLOUR = "s3cret" }}
"""


@pytest.fixture(scope="module")
def agent(make_agent: Callable[..., Any]) -> Iterator[Any]:
    """An agent with one service; all services end with the module."""
    one = make_agent(SETTINGS)
    yield one
    if one.client is None:
        one.start()
    one.api.save_settings({"actions.read_only": None})
    for service in one.api.services.all().services:
        one.api.services.stop(service.name)
    for path in (one.data_dir / FOLDER).iterdir():
        folder = ServiceFolder(path)
        state = folder.state()
        assert state is None or state["state"] in policy.OVER
        assert folder.end_leftovers() == 0
        assert state is None or wait_until(lambda shim=state["shim"]: tree.start_tick(shim) is None)


def cli(agent: Any, *words: str, code: int = 0) -> Any:
    """What a command prints as JSON."""
    environ = {**os.environ, "WATCHKEEPER_DATA_DIR": str(agent.data_dir), "WATCHKEEPER_CONFIG": str(agent.config)}
    done = COMMANDS.run([*words[:2], "--json", *words[2:]], environ)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def running(api: Client, name: str) -> Any:
    """The service, once it runs and its run is known."""
    found = {}

    def look() -> bool:
        found[0] = api.services.one(name).service
        return found[0].state == "running" and found[0].run is not None

    wait_until(look, lambda: str(found), seconds=30)
    return found[0]


def test_the_output_of_a_service_is_a_source_and_belongs_to_its_run(agent: Any) -> None:
    """Named as the service; a restart's lines belong to the next run; the files are followed although they lie in the data directory."""
    first = running(agent.api, "talker-1")

    def records() -> list[tuple[str, str | None]]:
        found = agent.api.log_records({"source": "talker-1"}).records
        return [(record.message.split()[2], record.run) for record in found if record.message.startswith("speaks")]

    assert agent.api.services.restart("talker-1").pid != first.pid
    second = running(agent.api, "talker-1")
    assert second.run != first.run

    both = {str(first.pid): first.run, str(second.pid): second.run}
    wait_until(
        lambda: both.keys() <= dict(records()).keys(), lambda: str(agent.api.log_records({}).records), seconds=30
    )
    pids = [pid for pid, _ in records()]
    assert pids.index(str(first.pid)) < pids.index(str(second.pid))
    assert all(dict(records())[pid] == run for pid, run in both.items())
    (source,) = [one for one in agent.api.log_sources().sources if one.source == "talker-1"]
    assert source.path == str(agent.data_dir / FOLDER / "talker-1" / "output.log")


BRIEF = """
import os, pathlib, sys
done, goal = pathlib.Path(sys.argv[1]), int(sys.argv[2])
print(os.getpid(), "begins", flush=True)
print("Traceback (most recent call last):\\n  File", os.getpid(), "in work\\nValueError: of", os.getpid(), flush=True)
print(os.getpid(), "goes on and", end=" ", flush=True)
with done.open("a") as file: file.write("x")
sys.exit(done.stat().st_size < goal)
"""


def test_lines_without_a_time_belong_to_the_life_that_wrote_them(agent: Any, tmp_path: Path) -> None:
    """Of lives of a moment, one right after the other, with lines that look like those of one record, while the agent is there and while it is not."""

    def lines() -> dict[str, set[str | None]]:
        found: dict[str, set[str | None]] = {}
        for record in agent.api.log_records({"source": "brief", "limit": "500"}).records:
            pids = {word for word in record.message.split() if word.isdecimal()}
            assert len(pids) < 2, record.message
            for pid in pids:  # none where the beginning of a record was read before its rest was written
                found.setdefault(pid, set()).add(record.run)
        return found

    def ended() -> bool:
        state = ServiceFolder(agent.data_dir / FOLDER / "brief").state()
        return state is not None and state["state"] == "exited"

    done = tmp_path / "done"
    settings = {
        "name": "brief",
        "command": [sys.executable, "-S", "-c", BRIEF, str(done), "12"],
        "autostart": False,
        "crash_limit": 100,
        "backoff_s": 0.001,
        "backoff_max_s": 0.02,
        "output_mb": 0.001,
        "output_kept": 50,
    }
    agent.api.services.save("brief", settings)
    done.touch()  # twelve lives in the first second: most of it is rotated before it is followed for the first time
    agent.api.services.start("brief")
    wait_until(lambda: agent.api.services.one("brief").service.state == "exited" and len(lines()) == 12, lambda: f"{len(lines())} lives", seconds=60)  # fmt: skip
    done.unlink()
    agent.api.services.start("brief")
    wait_until(done.exists, seconds=30)
    agent.kill()
    wait_until(ended, seconds=60)
    agent.start()
    wait_until(lambda: len(lines()) == 24, lambda: f"{len(lines())} of 24", seconds=30)
    found = lines()
    assert all(len(runs) == 1 for runs in found.values()), found
    assert len({run for runs in found.values() for run in runs} - {None}) == 24, found

    def lives() -> dict[str, tuple[int, int | None]]:
        ended = agent.api.ended_runs({"q": str(done)}).runs
        return {one.run: (one.pid, one.exit_code) for one in ended if one.exit_code is not None}

    wait_until(lambda: len(lives()) == 24, lambda: f"{len(lives())} of 24 are ended runs", seconds=30)
    assert {str(pid): {run} for run, (pid, _) in lives().items()} == found
    assert sorted(code or 0 for _, code in lives().values()) == [0, 0, *[1] * 22]
    agent.api.services.remove("brief")


def test_a_service_leads_to_its_own_output_where_another_log_has_its_name(agent: Any, tmp_path: Path) -> None:
    """That of a program that was followed before keeps the name; the service says what its source is called instead."""
    other = tmp_path / "twin.log"
    other.write_text("INFO somebody else's line\n")
    agent.api.ingest([str(other)])
    wait_until(lambda: agent.api.log_records({"source": "twin"}).records)
    cli(agent, "service", "add", "twin", "--restart", "never", "--", "echo", "INFO its own line")
    records = wait_until(lambda: cli(agent, "service", "logs", "twin")["records"], seconds=30)
    assert [one["message"] for one in records] == ["its own line"]
    assert agent.api.services.one("twin").service.source == "service/twin"


def test_secrets_of_a_service_are_not_told(agent: Any) -> None:
    """Its settings name its variables, without their values; the output is masked as any log."""
    detail = agent.api.services.one("talker-1")
    assert detail.settings["environment"] == {"COLOUR": None}
    assert "s3cret" not in detail.model_dump_json()
    assert [event.event for event in detail.events][:2] == ["starting", "running"]
    secret = "hunter2-9f8e7d6c"
    check = {"command": f"false --token {secret}", "timeout_s": 0.3}
    agent.api.services.save("picky", {"command": ["sleep", "99"], "restart": "never", "ready": check})
    failed = wait_until(lambda: (one := agent.api.services.one("picky")).service.state == "failed" and one)
    assert re.fullmatch(r"not ready within 0.3 s: command false --token \S+: exit code 1", failed.service.reason)
    assert secret not in failed.model_dump_json()
    agent.api.services.save("picky", {"restart": "never"})
    assert agent.config.read_text("utf-8").count(secret) == 1, "what is hidden is kept"
    agent.api.services.remove("picky")


def test_a_name_that_is_taken_is_replaced_only_where_that_is_asked_for(agent: Any, tmp_path: Path) -> None:
    """A second service of a name is refused by command line and API, and the first one goes on; `--replace` changes it."""
    added = cli(agent, "service", "add", "cup", "--directory", str(tmp_path), "--", sys.executable, "-S", "-c", TALKS)
    command = ("service", "add", "cup", "--data-dir", str(agent.data_dir))
    refused = COMMANDS.run([*command, "--", "sleep", "600"], os.environ)
    assert (refused.returncode, "there is a service cup already" in refused.stderr) == (2, True)
    with pytest.raises(Refused, match="there is a service cup already"):
        agent.api.services.save("cup", {"command": "sleep 600"}, new=True)
    assert agent.api.services.one("cup").service.pid == added["pid"]
    same = cli(agent, "service", "add", "cup", "--replace", "--directory", str(tmp_path), "--", sys.executable, "-S", "-c", TALKS)  # fmt: skip
    assert (same["pid"], same["changed"]) == (added["pid"], False)


def test_add_start_stop_restart_and_logs_on_the_command_line(agent: Any, tmp_path: Path) -> None:
    """Each is one command; every action is in the audit table with who asked, and among the events."""
    added = cli(agent, "service", "add", "box", "--env", "COLOUR=red", "--directory", str(tmp_path), "--", sys.executable, "-S", "-c", TALKS)  # fmt: skip
    assert (added["state"], added["directory"]) == ("running", str(tmp_path))
    assert shlex.split(added["command"]) == [sys.executable, "-S", "-c", TALKS]
    assert "[[service]]" in agent.config.read_text("utf-8")
    again = cli(agent, "service", "restart", "box")["services"][0]
    assert (again["state"], again["restarts"], again["pid"] != added["pid"]) == ("running", 1, True)
    stopped = cli(agent, "service", "stop", "box")["services"][0]
    assert (stopped["state"], stopped["run"], stopped["last_run"]) == ("stopped", None, again["run"])
    assert tree.start_tick(again["pid"]) is None
    assert cli(agent, "service", "start", "box")["services"][0]["state"] == "running"
    names = [one["name"] for one in cli(agent, "service", "list")["services"]]
    assert names == sorted(names)
    assert {"box", "talker-1"} <= set(names)
    wait_until(lambda: len(cli(agent, "service", "logs", "box")["records"]) == 3, seconds=30)

    def audit() -> list[tuple[str, str]]:
        return [(one.action, one.outcome) for one in agent.api.services.actions({"target": "box"}).actions]

    expected = ["service add", "service restart", "service start", "service stop"]
    wait_until(lambda: sorted(action for action, _ in audit()) == expected, lambda: str(audit()))
    events = wait_until(lambda: agent.api.events({"q": "service stop"}).events)
    assert events[0].process_name == "box"
    agent.api.services.save("late", {"command": "true", "depends_on": ["box"], "autostart": False})
    with pytest.raises(Refused, match="box cannot be removed: late depends on it"):
        agent.api.services.remove("box", by="ada")
    assert cli(agent, "service", "remove", "box", "late") == {"removed": ["box", "late"]}
    assert "box" not in {one["name"] for one in cli(agent, "service", "list")["services"]}
    assert agent.api.services.actions({"run": again["run"]}).actions[0].action == "service stop"
    why = "Watchkeeper ended it with its service box: stopped by "
    wait_until(lambda: agent.api.run_ending(again["run"]).why.startswith(why), "the reason of its end is stored")
    asked = agent.api.services.actions({"target": "box"}).actions
    assert {one.action for one in asked} == {*expected, "service remove"}
    assert all(one.actor for one in asked)


def test_what_became_of_a_service_is_told_of_its_process(agent: Any) -> None:
    """A failure is an event of the process that failed, on whose page it stands."""
    agent.api.services.save("fails", {"command": "sh -c 'echo no database; exit 3'", "restart": "never"})
    found = wait_until(
        lambda: next((e for e in agent.api.events({"q": "service fails"}).events if e.event_type == "ERROR"), None)
    )
    service = agent.api.services.one("fails").service
    assert (found.run, service.run) == (service.last_run, None)
    agent.api.services.save("fails", {"command": "sleep 1000"})
    agent.api.services.start("fails")
    agent.api.services.save("fails", {"command": "sh -c 'exit 3'"})
    for action in ("restart", "start"):  # the command line says what became of it, and not only that it began
        assert cli(agent, "service", action, "fails", code=1)["services"][0]["state"] == "failed"
    agent.api.services.remove("fails")


CRASH = "print('ready'); raise ValueError('no database at db, password=' + 'hunter22secret')"


def test_a_service_that_crashes_says_its_last_error(agent: Any) -> None:
    """In the list, on the command line, and in each event of the loop; of one that only prints, the last line; of one that was ended, nothing."""
    words = [sys.executable, "-S", "-c", CRASH]
    fast = {"restart": "always", "crash_limit": 3, "backoff_s": 0.1}
    agent.api.services.save("loops", {"command": words, **fast})
    agent.api.services.save("prints", {"command": "sh -c 'echo starting; echo no settings; exit 3'", "restart": "never"})  # fmt: skip
    agent.api.services.save("ended", {"command": "sh -c 'echo ERROR: it goes on; exec sleep 1000'"})

    def states() -> dict[str, tuple[str, str | None]]:
        return {one.name: (one.state, one.last_error) for one in agent.api.services.all().services}

    wait_until(lambda: (states()["loops"][0], states()["prints"][0]) == ("failed", "failed"), lambda: str(states()))
    running(agent.api, "ended")
    agent.api.services.stop("ended")
    said = states()["loops"][1]
    assert said is not None
    assert said.startswith("ValueError: no database at db, password=")
    assert "hunter22" not in said
    assert states()["prints"] == ("failed", "no settings")
    assert states()["ended"] == ("stopped", None)
    listed = {one["name"]: one for one in cli(agent, "service", "list")["services"]}
    assert listed["loops"]["last_error"] == said
    failed = cli(agent, "service", "start", "prints", code=1)["services"][0]
    assert (failed["state"], failed["last_error"]) == ("failed", "no settings")

    def told() -> list[str]:
        found = agent.api.events({"q": "service loops"}).events
        return [str(one.details["message"]) for one in found if one.event_type in {"STATUS_CHANGE", "ERROR"}]

    wait_until(lambda: any("failed 3 times" in one for one in told()), lambda: str(told()))
    assert all(said in words for words in told()), told()
    for name in ("loops", "prints", "ended"):
        agent.api.services.remove(name)


def test_an_unknown_service_is_not_found(agent: Any) -> None:
    """404 with a hint."""
    with pytest.raises(Refused, match="there is no service none") as caught:
        agent.api.services.start("none")
    for name in ("a/b", ".."):
        with pytest.raises(ConfigError, match="is no name"):
            agent.api.services.start(name)
    assert caught.value.status == 404


def test_wrong_settings_are_named(agent: Any) -> None:
    """One sentence per key, and nothing is written."""
    before = agent.config.read_text("utf-8")
    with pytest.raises(Refused) as caught:
        agent.api.services.save("bad", {"command": "x", "restart": "often", "schedule": "now"})
    assert sorted(caught.value.problems) == ["service.bad.restart", "service.bad.schedule"]
    assert agent.config.read_text("utf-8") == before


def test_a_change_keeps_what_is_not_given(agent: Any) -> None:
    """Variables without a value keep theirs; a removed service is gone from file and list."""
    agent.api.services.save("kept", {"command": "sleep 1000", "autostart": False, "environment": {"A": "1", "B": "2"}})
    agent.api.services.save("kept", {"restart": "always", "environment": {"A": None, "C": "3"}})
    text = agent.config.read_text("utf-8")
    assert 'A = "1"' in text
    assert 'C = "3"' in text
    assert 'B = "2"' not in text
    assert agent.api.services.one("kept").settings["command"] == "sleep 1000"
    agent.api.services.remove("kept")
    assert "kept" not in {one.name for one in agent.api.services.all().services}


def test_read_only_forbids_every_action(agent: Any) -> None:
    """403 for each, and the list says so."""
    agent.api.save_settings({"actions.read_only": True})
    try:
        services = agent.api.services
        assert services.all().read_only
        for act in (
            lambda: services.start("talker-1"),
            lambda: services.stop("talker-1"),
            lambda: services.restart("talker-1"),
            lambda: services.save("talker-1", {"restart": "never"}),
            lambda: services.remove("talker-1"),
        ):
            with pytest.raises(Refused, match="switched off") as caught:
                act()
            assert caught.value.status == 403
    finally:
        agent.api.save_settings({"actions.read_only": None})


def test_the_agent_opens_as_many_files_as_it_may_and_its_services_do_not(agent: Any) -> None:
    """A service has the limit that the agent was started with: a program that waits with `select` breaks with more than 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    service = running(agent.api, "talker-1")
    assert resource.prlimit(service.pid, resource.RLIMIT_NOFILE) == (soft, hard)
    may = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    assert resource.prlimit(agent.api.status().agent.pid, resource.RLIMIT_NOFILE) == (max(soft, may), hard)


def test_a_killed_agent_costs_no_service(agent: Any) -> None:
    """The next agent has them all: the same process, no restart, and what it says meanwhile is read."""
    before = running(agent.api, "talker-1")
    agent.kill()
    assert tree.start_tick(before.pid) is not None
    agent.start()
    after = running(agent.api, "talker-1")
    assert (after.pid, after.restarts, after.run) == (before.pid, before.restarts, before.run)
    os.kill(after.pid, signal.SIGKILL)
    wait_until(lambda: agent.api.services.one("talker-1").service.pid not in {None, before.pid}, seconds=30)


NOTES = "import os, signal, sys, time; f = open(sys.argv[1], 'a'); f.write('x'); f.close()\n"
"""Notes in a file that it was started."""


def test_the_next_agent_knows_each_state(agent: Any, tmp_path: Path) -> None:
    """Killed while services are in every state there is: the next one has each in the same, of the same process, and has started nothing twice."""
    rest, deaf = "time.sleep(1000)", "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(1000)"  # fmt: skip
    slow = {"ready": {"log": "never said", "timeout_s": 600}}
    wanted: dict[str, tuple[str, str, dict[str, Any]]] = {
        "st-ready": ("starting", rest, slow),
        "st-runs": ("running", rest, {}),
        "st-pause": ("backoff", "sys.exit(3)", {"restart": "always", "backoff_s": 500, "backoff_max_s": 500}),
        "st-stops": ("stopping", deaf, {"stop_grace_s": 100, "ready": {"log": "deaf", "timeout_s": 60}}),
        "st-cron": ("scheduled", rest, {"schedule": "0 0 1 1 *"}),
        "st-waits": ("waiting", rest, {"depends_on": ["st-ready"]}),
        "st-done": ("exited", "sys.exit(0)", {"restart": "never"}),
        "st-fails": ("failed", "sys.exit(5)", {"restart": "never"}),
        "st-off": ("stopped", rest, {}),
    }
    for name, (_, program, others) in wanted.items():
        words = [sys.executable, "-S", "-c", NOTES + program, str(tmp_path / name)]
        agent.api.services.save(name, {"command": words, **others})

    def now() -> dict[str, Any]:
        found = {one.name: one for one in agent.api.services.all().services}
        return {name: (one.state, one.pid, one.restarts, one.run) for name, one in found.items() if name in wanted}

    def known() -> dict[str, Any]:
        """Once each process is known by its run, too."""
        found = now()
        return found if all(pid is None or run is not None for _, pid, _, run in found.values()) else {}

    running(agent.api, "st-stops")
    running(agent.api, "st-off")
    agent.api.services.stop("st-off")

    def stop() -> None:
        """Its answer would come once the service is gone."""
        with contextlib.suppress(AgentError), Client.of(agent.data_dir) as other:
            other.services.stop("st-stops")

    asking = threading.Thread(target=stop)
    asking.start()
    states = {name: state for name, (state, *_) in wanted.items()}
    before = wait_until(
        lambda: (found := known()) and {name: one[0] for name, one in found.items()} == states and found,
        lambda: f"{states}, not {now()}",
        seconds=60,
    )
    started = {name: (tmp_path / name).stat().st_size for name in wanted if (tmp_path / name).exists()}
    agent.kill()
    asking.join()
    agent.start()
    first = now()
    assert {name: one[:3] for name, one in first.items()} == {name: one[:3] for name, one in before.items()}
    wait_until(lambda: known() == before, lambda: f"{before}, not {now()}")
    assert {name: (tmp_path / name).stat().st_size for name in wanted if (tmp_path / name).exists()} == started
    os.kill(before["st-stops"][1], signal.SIGKILL)
    wait_until(lambda: now()["st-stops"][0] == "stopped", lambda: str(now()))
    for name in reversed(wanted):
        agent.api.services.remove(name)
