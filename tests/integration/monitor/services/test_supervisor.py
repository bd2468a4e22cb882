"""The supervisor: starts services in order and on time, adopts what runs already, and never starts one twice."""

import asyncio
import json
import os
import resource
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

import pytest

from monitor.core.errors import MonitorError
from monitor.services.folder import FOLDER, ServiceFolder
from monitor.services.shim import tree
from monitor.services.shim.claim import PREFIX
from monitor.services.units import UnknownService
from tests.integration.monitor.services.conftest import SLEEP, Watch, becomes
from tests.waiting import wait_until, wait_until_async


def run(work: Awaitable[None]) -> None:
    """Run a test's coroutine."""

    async def whole() -> None:
        await work

    asyncio.run(whole())


def test_services_survive_the_agent(watch: Watch) -> None:
    """The next supervisor adopts all of them: same processes, no restart; one that ended meanwhile has its exit code; one that was killed has been
    restarted by its shim.
    """
    gate = watch.file.with_name("gate")
    ends = f"{sys.executable} -S -c 'import os,time\nwhile not os.path.exists(\"{gate}\"): time.sleep(.01)\nraise SystemExit(4)'"
    watch.write(
        *({"name": f"s{n}", "command": SLEEP} for n in range(4)),
        {"name": "ends", "command": ends, "restart": "never"},
    )

    async def work() -> None:
        async with watch.supervisor() as one:
            before = {name: (await becomes(one, name, "running")).pid for name in ("s0", "s1", "s2", "s3", "ends")}
        gate.touch()
        await wait_until_async(lambda: tree.start_tick(before["ends"]) is None)
        os.kill(before["s3"], signal.SIGKILL)
        async with watch.supervisor() as one:
            for name in ("s0", "s1", "s2"):
                found = await becomes(one, name, "running")
                assert (found.pid, found.restarts, found.run) == (before[name], 0, str(before[name] * 10))
            await wait_until_async(lambda: one.service("s3").pid not in {None, before["s3"]})
            again = await becomes(one, "s3", "running")
            assert (again.pid != before["s3"], again.restarts, again.ended_with) == (True, 1, "killed by SIGKILL (signal 9)")  # fmt: skip
            ended = await becomes(one, "ends", "failed")
            assert (ended.exit_code, ended.reason) == (4, "exit code 4")

    run(work())


def test_a_service_runs_once_for_all_data_directories_of_a_settings_file(watch: Watch, tmp_path: Path) -> None:
    """The second agent says who has it, and starts it once that one is gone, however it ended: by a stop, or with its shim killed."""
    watch.write({"name": "one", "command": SLEEP})
    other = Watch(tmp_path)
    other.data = tmp_path / "other"

    async def work() -> None:
        async with watch.supervisor() as first, other.supervisor() as second:
            await wait_until_async(
                lambda: {first.service("one").state, second.service("one").state} == {"running", "failed"}
            )
            has, hasnt = (first, second) if first.service("one").state == "running" else (second, first)
            folder = (watch if has is first else other).data
            for _ in range(2):  # who asks again has the same answer
                said = await hasnt.start("one")
                assert said.reason.startswith("it runs already, kept by process ")
                assert f"for the data directory {folder}. Stop it there first" in said.reason
                assert said.last_error is None
            assert has.service("one").restarts == 0
            await has.stop("one")
            assert (await hasnt.start("one")).state == "running"
            assert (await has.start("one")).state == "failed"
            await hasnt.stop("one")
            pid = (await has.start("one")).pid
            (shim,) = has.shims()
            os.kill(shim, signal.SIGKILL)
            await wait_until_async(lambda: has.service("one").pid not in {None, pid})
            assert (await hasnt.start("one")).state == "failed"

    try:
        run(work())
    finally:
        other.end()


TAKES: Final = """
import os, socket, sys
os.setuid(65534)
taken = socket.socket(socket.AF_UNIX)
taken.bind(sys.argv[1].replace("@", "\\0"))
taken.listen()
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can be somebody else")
def test_a_name_that_somebody_else_took_keeps_no_service_from_running(watch: Watch) -> None:
    """The names are those of all users of the machine."""
    watch.write({"name": "one", "command": SLEEP})

    async def work() -> None:
        async with watch.supervisor() as supervisor:
            await becomes(supervisor, "one", "running")
            await supervisor.stop("one")
            name = json.loads((watch.data / FOLDER / "one" / "spec.json").read_text())["claim"]
            await wait_until_async(lambda: not supervisor.shims())
            taker = await asyncio.create_subprocess_exec(
                sys.executable, "-c", TAKES, PREFIX.replace("\0", "@") + name, stdin=PIPE, stdout=PIPE
            )
            try:
                assert taker.stdout is not None
                assert await taker.stdout.readline() == b"taken\n"
                assert (await supervisor.start("one")).state == "running"
            finally:
                await taker.communicate(b"")

    run(work())


def test_what_was_so_before_does_not_happen_again(watch: Watch) -> None:
    """The next supervisor meets one service after another; that one failed long ago is no news."""
    fails = {"name": "z", "command": "sh -c 'exit 3'", "restart": "never"}
    watch.write(*({"name": f"s{n}", "command": SLEEP} for n in range(3)), fails)

    async def work() -> None:
        for _ in range(2):
            async with watch.supervisor() as one:
                for name in ("s0", "s1", "s2"):
                    await becomes(one, name, "running")
                await becomes(one, "z", "failed")
            happened, watch.happened = watch.happened, []
            news.append([name for name, state in happened if state == "failed"])

    news: list[list[str]] = []
    run(work())
    assert news == [["z"], []]


def test_a_hundred_starts_at_once_are_one_process(watch: Watch) -> None:
    """Whoever asks, and however often."""
    watch.write({"name": "web", "command": SLEEP, "autostart": False})

    async def work() -> None:
        async with watch.supervisor() as one:
            assert one.service("web").state == "stopped"
            answers = await asyncio.gather(*(one.start("web") for _ in range(100)))
            assert {(answer.state, answer.pid) for answer in answers} == {("running", one.service("web").pid)}
            stops = await asyncio.gather(*(one.stop("web") for _ in range(20)))
            assert {answer.state for answer in stops} == {"stopped"}

    run(work())
    events = ServiceFolder(watch.data / FOLDER / "web").events()
    assert [event["event"] for event in events] == ["starting", "running", "stopping", "ended", "stopped"]


def test_what_a_person_stopped_stays_stopped(watch: Watch) -> None:
    """Also with the next agent, until somebody starts it."""
    watch.write({"name": "web", "command": SLEEP})

    async def work() -> None:
        async with watch.supervisor() as one:
            await becomes(one, "web", "running")
            stopped = await one.stop("web", "Ada")
            assert (stopped.state, stopped.reason, stopped.pid) == ("stopped", "stopped by Ada", None)
        async with watch.supervisor() as one:
            await wait_until_async(lambda: watch.lists == 2)
            assert one.service("web").state == "stopped"
            assert (await one.start("web")).state == "running"
        async with watch.supervisor() as one:
            await becomes(one, "web", "running")

    run(work())


def test_dependencies_start_first_and_are_waited_for(watch: Watch) -> None:
    """A service waits until what it needs is ready, and says so; a start of it starts them."""
    gate = watch.file.with_name("gate")
    watch.write(
        {"name": "db", "command": SLEEP, "ready": {"command": f"test -e {gate}"}},
        {"name": "setup", "command": "true", "restart": "never"},
        {"name": "api", "command": SLEEP, "depends_on": ["db", "setup"]},
    )

    async def work() -> None:
        async with watch.supervisor() as one:
            await becomes(one, "db", "starting")
            await becomes(one, "setup", "exited")
            waiting = await becomes(one, "api", "waiting")
            assert waiting.reason == "waits for db (starting)"
            assert one.service("db").needed_by == ["api"]
            gate.touch()
            await becomes(one, "api", "running")
            for name in ("api", "db"):
                await one.stop(name)
            assert (await one.start("api")).state == "running"
            assert one.service("db").state == "running"

    run(work())


def test_a_start_that_waits_outlives_the_agent(watch: Watch) -> None:
    """The next one starts what was to be started once its dependency is ready; not what was stopped or removed while it waited."""
    gate = watch.file.with_name("gate")
    ran = {"command": "true", "restart": "never", "depends_on": ["db"]}
    services = [{"name": name, **ran, "autostart": False} for name in ("waits", "stopped", "removed")]
    watch.write({"name": "db", "command": SLEEP, "ready": {"command": f"test -e {gate}"}}, *services)

    async def work() -> None:
        async with watch.supervisor() as one:
            await becomes(one, "db", "starting")
            await asyncio.gather(*(one.start(name) for name in ("waits", "stopped", "removed")))
            await wait_until_async(lambda: all(one.folder(name).waits for name in ("waits", "stopped", "removed")))
            await one.stop("stopped")
            await one.save("removed", None)
            await one.save("removed", services[2])
        async with watch.supervisor() as one:
            await becomes(one, "waits", "waiting")
            gate.touch()
            await becomes(one, "waits", "exited")
            assert {one.service(name).state for name in ("stopped", "removed")} == {"stopped"}
        async with watch.supervisor() as one:
            await becomes(one, "db", "running")
            assert not one.folder("waits").waits
        assert [event["event"] for event in one.folder("waits").events()].count("starting") == 1

    run(work())


def test_a_service_that_is_renamed_while_it_runs_is_one_process(watch: Watch) -> None:
    """The new name waits until the process of the old one has gone: both would want the same port."""
    slow = "import signal,time; signal.signal(15, lambda *_: (time.sleep(.5), exit(0))); print('on', flush=True); time.sleep(1000)"
    command = [sys.executable, "-S", "-c", slow]
    watch.write({"name": "old", "command": command, "ready": {"log": "on"}})

    async def work() -> None:
        async with watch.supervisor() as one:
            before = (await becomes(one, "old", "running")).pid
            assert before is not None
            await one.save("old", {"name": "new", "command": command, "ready": {"log": "on"}})
            waiting = await becomes(one, "new", "waiting")
            assert waiting.reason.startswith("waits for old (")
            assert (await becomes(one, "new", "running")).pid != before
            assert tree.start_tick(before) is None
            assert {service.name for service in one.services()} == {"new"}

    run(work())


def test_a_schedule_starts_a_service_at_its_time(watch: Watch) -> None:
    """Once for each time; a run that goes on is not doubled; after a stop it is not started."""
    log = watch.file.with_name("runs")
    watch.write({"name": "job", "command": f"sh -c 'echo run >> {log}'", "restart": "never", "schedule": "*/5 * * * *"})

    async def work() -> None:
        async with watch.supervisor() as one:
            first = (await becomes(one, "job", "scheduled")).next_run
            assert first is not None
            assert 0 < first / 1e6 - watch.now <= 300
            for number in (1, 2):
                due = one.service("job").next_run
                assert due is not None
                watch.now = due / 1e6 + 1
                await wait_until_async(
                    lambda number=number: log.exists() and log.read_text() == "run\n" * number,
                    lambda: f"{log.exists() and log.read_text()!r} {one.service('job')} at {watch.now}",
                )
                found = await becomes(one, "job", "scheduled")
                assert found.next_run == due + 300_000_000
                assert found.exit_code == 0
            assert len(set(watch.runs["job"])) == 2  # each was told of, however short
            await one.stop("job")
            assert (one.service("job").state, one.service("job").next_run) == ("exited", None)

    run(work())


def test_a_lost_shim_is_replaced(watch: Watch) -> None:
    """What is left of the service is ended, and it runs again once; where it is not to be restarted, its end is unknown."""
    watch.write({"name": "web", "command": SLEEP}, {"name": "once", "command": SLEEP, "restart": "never"})

    async def work() -> None:
        async with watch.supervisor() as one:
            before = {name: (await becomes(one, name, "running")).pid for name in ("web", "once")}
            for name in before:
                os.kill(json.loads((watch.data / FOLDER / name / "state.json").read_bytes())["shim"], signal.SIGKILL)
            await wait_until_async(lambda: one.service("web").pid not in {None, before["web"]})
            assert all(tree.start_tick(pid) is None for pid in before.values())
            lost = await becomes(one, "once", "failed")
            assert "unknown" in lost.reason

    run(work())


def test_a_folder_that_takes_nothing_is_told_and_nothing_is_lost(watch: Watch) -> None:
    """A restart with other settings is refused in words, one with the same goes on; how a service ended is what its shim said, whatever its file says."""
    watch.write({"name": "s0", "command": SLEEP, "directory": "/"})
    folder = ServiceFolder(watch.data / FOLDER / "s0")

    async def work() -> None:
        async with watch.supervisor() as one:
            first = await becomes(one, "s0", "running")
            spec = (folder.path / "spec.json").stat()
            again = await one.restart("s0", "Ada")
            assert again.pid not in {None, first.pid}
            assert (folder.path / "spec.json").stat() == spec, "nothing had to be written"
            for name in ("spec.json", "state.json"):
                (folder.path / name).unlink()
                (folder.path / name).mkdir()
            with pytest.raises(MonitorError, match=r"settings of service s0 cannot be written to .*s0: Is a directory"):
                await one.restart("s0", "Ada")
            assert one.service("s0").pid == again.pid
            ended = await one.stop("s0", "Ada")
            assert (ended.state, ended.reason, ended.exit_signal) == ("stopped", "stopped by Ada", signal.SIGTERM)
            for name in ("spec.json", "state.json"):
                (folder.path / name).rmdir()

    run(work())


def test_the_settings_file_is_followed(watch: Watch) -> None:
    """A new service starts, a changed one says so and takes its settings at a restart, a removed one stops; a wrong file changes nothing and is told."""
    watch.write({"name": "a", "command": SLEEP}, {"name": "b", "command": SLEEP})

    async def work() -> None:
        async with watch.supervisor() as one:
            pid = (await becomes(one, "a", "running")).pid
            await becomes(one, "b", "running")
            watch.write({"name": "a", "command": SLEEP, "stop_grace_s": 1.0}, {"name": "c", "command": SLEEP})
            await one.read_again()
            await becomes(one, "c", "running")
            await wait_until_async(lambda: [s.name for s in one.services()] == ["a", "c"])
            assert (one.service("a").pid, one.service("a").changed) == (pid, True)
            assert not (await one.restart("a")).changed
            assert one.service("a").pid != pid
            watch.file.write_text("[[service]]\nname = 'x'\n", "utf-8")
            await one.read_again()
            assert "service x: command" in one.trouble
            assert {s.name for s in one.services()} == {"a", "c"}
            with pytest.raises(UnknownService, match="there is no service b"):
                await one.start("b")

    run(work())


def test_a_service_removed_while_no_agent_ran_can_be_stopped(watch: Watch) -> None:
    """It is shown as not in the settings, and gone once it is stopped."""
    watch.write({"name": "old", "command": SLEEP})

    async def work() -> None:
        async with watch.supervisor() as one:
            pid = (await becomes(one, "old", "running")).pid
        watch.write()
        async with watch.supervisor() as one:
            found = await wait_until_async(lambda: next(iter(one.services()), None))
            assert (found.name, found.configured) == ("old", False)
            with pytest.raises(UnknownService):
                await one.stop("old")
            assert one.services() == []
            assert tree.start_tick(pid) is None

    run(work())


def test_a_long_data_directory_is_no_trouble(watch: Watch, tmp_path: Path) -> None:
    """The path of its sockets is longer than the system's 107 bytes."""
    watch.data = tmp_path / ("d" * 120) / "data"
    watch.data.mkdir(parents=True)
    watch.write({"name": "web", "command": SLEEP})

    async def work() -> None:
        async with watch.supervisor() as one:
            await becomes(one, "web", "running")

    run(work())


def test_a_stop_or_removal_while_a_service_is_being_started_counts(watch: Watch) -> None:
    """Its process does not outlive it."""
    watch.write({"name": "a", "command": SLEEP}, {"name": "b", "command": SLEEP})

    async def work() -> None:
        async with watch.supervisor() as one:
            await wait_until_async(lambda: {s.state for s in one.services()} == {"starting"})
            stopping = asyncio.create_task(one.stop("a"))
            await one.save("b", None)
            assert (await stopping).state == "stopped"
            await wait_until_async(lambda: [s.name for s in one.services()] == ["a"])
            assert one.service("a").state == "stopped"
        for name in ("a", "b"):
            state = ServiceFolder(watch.data / FOLDER / name).state()
            assert state is None or state["state"] == "stopped"

    run(work())


@pytest.mark.slow
def test_twenty_services_survive_a_hundred_agents(watch: Watch) -> None:
    """The long form: each supervisor adopts all twenty, none is started twice or again."""
    watch.write(*({"name": f"s{number}", "command": SLEEP} for number in range(20)))

    async def work() -> None:
        first: dict[str, int | None] = {}
        for _ in range(100):
            async with watch.supervisor() as one:
                await wait_until_async(lambda one=one: {s.state for s in one.services()} == {"running"}, seconds=60)
                found = {s.name: s.pid for s in one.services()}
                first = first or found
                assert found == first
                assert {s.restarts for s in one.services()} == {0}

    run(work())


def test_a_service_gets_the_limit_of_open_files_that_is_said(watch: Watch) -> None:
    """And may raise it itself: the hard limit stays. Its shim has the same."""
    watch.write({"name": "web", "command": SLEEP})
    few = min(300, resource.getrlimit(resource.RLIMIT_NOFILE)[0])

    async def work() -> None:
        async with watch.supervisor(open_files=few) as one:
            service = await becomes(one, "web", "running")
            for pid in (service.pid, *one.shims()):
                assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (
                    few,
                    resource.getrlimit(resource.RLIMIT_NOFILE)[1],
                )

    run(work())


def test_output_belongs_to_the_life_that_wrote_it(watch: Watch, tmp_path: Path) -> None:
    """The last processes of a service are known to who reads its output, also once they have ended."""
    stop = tmp_path / "stop"
    command = f"/bin/sh -c 'while [ ! -e {stop} ]; do sleep 0.01; done; rm {stop}'"
    watch.write({"name": "brief", "command": command, "restart": "never"})

    async def work() -> None:
        async with watch.supervisor() as one:
            pids = []
            for _ in range(2):
                await one.start("brief")
                await wait_until_async(lambda: one.service("brief").state == "running")
                stop.touch()
                await wait_until_async(lambda: one.service("brief").state == "exited")
                pids.append([life.pid for life in one.writers_of(one.service("brief").output) or ()])
            lives = one.writers_of(one.service("brief").output) or ()
            assert [life.run for life in lives] == [life.pid * 10 for life in lives]
            assert [life.since for life in lives] == sorted(life.since for life in lives)
            assert len(pids[0]) == 1
            assert pids[1][:1] == pids[0]
            assert len(pids[1]) == 2
            assert one.writers_of("/some/other/output.log") is None
            await one.save("brief", None)
            await wait_until_async(lambda: watch.happened[-1] == ("brief", "stopped"))  # what was told of it is settled

    asyncio.run(work())


def test_a_life_is_known_before_the_news_of_it(watch: Watch) -> None:
    """Its lines may be read while the message that it began waits for an agent that is busy."""
    watch.write({"name": "phoenix", "command": "sleep 1000", "restart": "always", "backoff_s": 0.01})

    async def work() -> None:
        async with watch.supervisor() as one:
            await one.start("phoenix")
            output = one.service("phoenix").output
            (first,) = one.writers_of(output) or ()
            os.kill(first.pid, signal.SIGKILL)
            # the loop stands still: no message is read meanwhile
            wait_until(lambda: len(one.writers_of(output) or ()) > 1, "the next life is known")
            assert one.service("phoenix").pid == first.pid
            await one.stop("phoenix")

    asyncio.run(work())
