"""What a person asks of a service happens, at whatever moment it is asked: the last wish decides."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.services.folder import FOLDER, ServiceFolder, boot_id
from monitor.services.shim import tree
from monitor.services.supervisor import Supervisor
from monitor.services.units import UnknownService
from tests.examples import examples
from tests.integration.monitor.services.conftest import SLEEP, Watch, becomes
from tests.waiting import wait_until, wait_until_async

LOYAL = f'''{sys.executable} -S -c "import signal,time; signal.signal(15, lambda *_: None); open('deaf','w'); time.sleep(1000)"'''
WISHES: dict[str, Callable[[Supervisor], Any]] = {
    "start": lambda one: one.start("web"),
    "restart": lambda one: one.restart("web"),
}


@pytest.mark.parametrize("wish", WISHES)
def test_a_start_counts_though_the_agent_has_not_heard_that_the_service_ended(watch: Watch, wish: str) -> None:
    """Its shim has gone already, and the news of it still wait: what was asked for happens."""
    gate = watch.file.with_name("gate")
    watch.write({"name": "web", "command": f"sh -c 'until [ -e {gate} ]; do sleep 0.01; done; rm {gate}'"})
    folder = ServiceFolder(watch.data / FOLDER / "web")

    async def work() -> None:
        async with watch.supervisor() as one:
            before = (await becomes(one, "web", "running")).pid
            gate.touch()
            # the loop stands still: no message is read meanwhile
            wait_until(lambda: (folder.state() or {})["state"] == "exited")
            assert one.service("web").state == "running"
            found = await WISHES[wish](one)
            assert (found.state, found.pid != before) == ("running", True)

    asyncio.run(work())


@pytest.mark.parametrize("wish", WISHES)
def test_a_start_counts_though_the_shim_has_not_heard_that_the_process_ended(watch: Watch, wish: str) -> None:
    """The shim looks for ends before it obeys."""
    watch.write({"name": "web", "command": SLEEP, "restart": "never"})

    async def work() -> None:
        async with watch.supervisor() as one:
            before = (await becomes(one, "web", "running")).pid
            (shim,) = one.shims()
            os.kill(shim, signal.SIGSTOP)
            try:
                os.kill(before, signal.SIGKILL)
                wait_until(lambda: tree.start_tick(before) is None, "it has ended")
                asking = asyncio.ensure_future(WISHES[wish](one))
                await asyncio.sleep(0)
            finally:
                os.kill(shim, signal.SIGCONT)
            await asking
            await wait_until_async(lambda: one.service("web").pid not in {None, before})
            await becomes(one, "web", "running")

    asyncio.run(work())


def test_a_start_ends_a_pause_and_a_stop_that_is_under_way(watch: Watch) -> None:
    """What waits to be started again starts now; what is being stopped runs again, also with the next agent."""
    watch.write(
        {"name": "ends", "command": "sh -c 'exit 3'", "backoff_s": 1000.0, "backoff_max_s": 2000.0},
        {"name": "loyal", "command": LOYAL, "directory": str(watch.file.parent), "stop_grace_s": 1.0},
    )

    async def work() -> None:
        async with watch.supervisor() as one:
            before = (await becomes(one, "ends", "backoff")).restarts
            await one.start("ends")
            await wait_until_async(lambda: one.service("ends").restarts > before)
            pid = (await becomes(one, "loyal", "running")).pid
            await wait_until_async((watch.file.parent / "deaf").exists)
            stopping = asyncio.ensure_future(one.stop("loyal"))
            await becomes(one, "loyal", "stopping")
            await one.start("loyal")
            await wait_until_async(lambda: one.service("loyal").pid not in {None, pid})
            assert (await stopping).state != "stopped"
            assert not one.folder("loyal").was_stopped

    asyncio.run(work())


def test_a_service_that_comes_back_while_it_is_being_removed_runs(watch: Watch) -> None:
    """And one that came back after it was gone, whatever a person had done to it before."""
    loyal = {"name": "web", "command": LOYAL, "directory": str(watch.file.parent), "stop_grace_s": 0.5}
    watch.write(loyal)

    async def work() -> None:
        async with watch.supervisor() as one:
            pid = (await becomes(one, "web", "running")).pid
            await wait_until_async((watch.file.parent / "deaf").exists)
            await one.save("web", None)
            await becomes(one, "web", "stopping")
            await one.save("web", loyal)
            await wait_until_async(lambda: one.service("web").pid not in {None, pid})
            await one.stop("web")
            await one.save("web", None)
            assert one.services() == []
            await one.save("web", {**loyal, "command": SLEEP})
            await becomes(one, "web", "running")

    asyncio.run(work())


def test_a_start_of_what_a_shim_of_an_earlier_version_keeps_is_for_nothing(watch: Watch) -> None:
    """It does not say what it heard. Its service is up, and is not started again when it ends by itself later."""
    watch.write({"name": "web", "command": SLEEP, "restart": "never"})
    folder = ServiceFolder(watch.data / FOLDER / "web")
    folder.path.mkdir(parents=True)
    told = {"state": "running", "reason": "", "since": 1, "pid": None, "start_tick": None, "started": 1, "exit_code": None, "exit_signal": None, "restarts": 0, "boot": boot_id(), "shim": 0}  # fmt: skip
    heard: list[str] = []

    async def work() -> None:
        def say(state: str) -> bytes:
            line = json.dumps({**told, "state": state}).encode() + b"\n"
            (folder.path / "state.json").write_bytes(line)
            return line

        async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(say("running"))
            heard.append(json.loads(await reader.readline())["do"])
            await over.wait()
            writer.write(say("exited"))
            writer.close()

        over = asyncio.Event()
        say("running")
        with contextlib.chdir(folder.path):  # the path of a socket has room for 107 bytes only
            server = await asyncio.start_unix_server(keep, "control")
        async with watch.supervisor() as one:
            await becomes(one, "web", "running")
            assert (await one.start("web")).state == "running"
            await wait_until_async(lambda: heard == ["start"])
            server.close()
            (folder.path / "control").unlink()
            over.set()
            await wait_until_async(lambda: not one.shims(), "its end is heard")
            assert one.service("web").state == "exited"

    asyncio.run(work())


async def _ask(one: Supervisor, wish: str, table: dict[str, Any]) -> None:
    if wish in {"add", "remove"}:
        await one.save("web", table if wish == "add" else None)
        return
    if wish == "end":
        path = one.folder("web").path / "state.json"
        state = json.loads(path.read_bytes()) if path.exists() else {}
        if state.get("pid") and tree.start_tick(state["pid"]) == state["start_tick"]:
            os.kill(state["pid"], signal.SIGKILL)
        return
    await getattr(one, wish)("web")


def _after(wish: str, *, there: bool, up: bool) -> tuple[bool, bool]:
    """Whether the service is in the settings, and up, once a wish is fulfilled."""
    if wish == "remove":
        return False, False
    if wish == "end" or (wish == "add" and there):
        return there, up
    return True, wish != "stop"


@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wishes=st.lists(
        st.tuples(
            st.sampled_from(["start", "stop", "restart", "end", "remove", "add"]), st.sampled_from([0, 1, 5, 200])
        ),
        min_size=1,
        max_size=6,
    )
)
def test_the_last_wish_decides(tmp_path_factory: pytest.TempPathFactory, wishes: list[tuple[str, int]]) -> None:
    """Whatever is asked for, however fast one after the other, and while its process ends: in the end the service is as the last wish says.

    `wishes` has each wish and how often the loop turns before the next one.
    """
    watch = Watch(tmp_path_factory.mktemp("wishes", numbered=True))
    table = {
        "name": "web",
        "command": SLEEP,
        "restart": "always",
        "backoff_s": 0.01,
        "crash_limit": 100,
        "directory": "/",
    }
    watch.write(table)

    async def work() -> None:
        async with watch.supervisor() as one:
            await becomes(one, "web", "running")
            there, up, asked = True, True, []
            for wish, turns in wishes:
                if not there and wish != "add":
                    continue
                asked.append(asyncio.ensure_future(_ask(one, wish, table)))
                if wish in {"add", "remove"}:
                    await asked[-1]  # the settings file is written by one after the other
                there, up = _after(wish, there=there, up=up)
                for _ in range(turns):
                    await asyncio.sleep(0.0005)
            for done in await asyncio.gather(*asked, return_exceptions=True):
                assert done is None or isinstance(done, UnknownService), done
            if not there:
                await wait_until_async(lambda: not one.services(), lambda: str(one.services()))
                return
            await becomes(one, "web", "running" if up else "stopped")
            assert one.folder("web").was_stopped != up

    try:
        asyncio.run(work())
    finally:
        watch.end()
    assert one_at_a_time([event["event"] for event in ServiceFolder(watch.data / FOLDER / "web").events()])


def one_at_a_time(events: list[str]) -> bool:
    """Whether each process that ran ended before the next one did."""
    told = [event for event in events if event in {"running", "ended"}]
    return all(event != "running" or before == "ended" for before, event in pairwise(told))
