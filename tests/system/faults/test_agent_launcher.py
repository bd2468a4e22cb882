"""`watchkeeper`: starts both, attaches, announces, restarts, and ends everything it started."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.client.client import Client
from monitor.core.endpoint import read_endpoint
from monitor.launcher.child import Child
from monitor.launcher.launcher import failed
from monitor.launcher.running import healthy
from tests.doubles.alone import ALONE
from tests.doubles.forked import COMMANDS
from tests.examples import sizes
from tests.waiting import patient, wait_until

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.timeout(180)


def end_with_the_tests() -> None:
    """In the child: SIGTERM when the tests are killed, where the system can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, int(signal.SIGTERM))  # PR_SET_PDEATHSIG


class Up:
    """A running `watchkeeper up`."""

    def __init__(self, base: Path, *options: str) -> None:
        self.data_dir = base / "data"
        self.out = base / "up.out"
        config = base / "w.toml"
        config.write_text(ALONE, "utf-8")
        command = [sys.executable, "-m", "monitor", "up", "--no-browser", "--port", "0", "--json"]
        where = ["--data-dir", str(self.data_dir), "--config", str(config)]
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, *where, *options],
                cwd=ROOT,
                stdout=out,
                stderr=out,
                preexec_fn=end_with_the_tests,  # noqa: PLW1509 - the tests have no thread at this point
            )

    def event(self, name: str) -> dict[str, Any] | None:
        """The event of this name that it told, if it did."""
        for line in self.out.read_text("utf-8").splitlines():
            if line.startswith("{") and json.loads(line).get("event") == name:
                return dict(json.loads(line))
        return None

    def ready(self) -> dict[str, Any] | None:
        """Whether its dashboard is up."""
        assert self.process.poll() is None or self.event("ready"), self.out.read_text("utf-8")
        return self.event("ready")

    def pids(self) -> dict[str, int]:
        """Agent, sampler and dashboard."""
        with Client.of(self.data_dir) as client:
            status = client.status()
        board = json.loads((self.data_dir / "dashboard.json").read_text("utf-8"))
        assert status.sampler.pid is not None
        return {"agent": status.agent.pid, "sampler": status.sampler.pid, "dashboard": board["pid"]}


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """A launcher whose dashboard answers."""
    launcher = Up(tmp_path)
    wait_until(launcher.ready, "the dashboard answers", seconds=90)
    yield launcher
    if launcher.process.poll() is None:
        launcher.process.terminate()
    launcher.process.wait(patient(20))


def gone(pid: int) -> bool:
    """Whether a process is no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def ends_all(up: Up, number: signal.Signals) -> None:
    """A signal ends agent, sampler and dashboard; no socket or address is left."""
    pids = up.pids()
    up.process.send_signal(number)
    assert up.process.wait(patient(15)) == 0
    assert [name for name, pid in pids.items() if name != "sampler" and not gone(pid)] == []
    wait_until(lambda: gone(pids["sampler"]))
    left = {p.name for p in up.data_dir.iterdir()}
    assert not left & {"agent.sock", "agent.json", "dashboard.json"}


def test_nothing_outlives_a_killed_launcher(up: Up) -> None:
    """Kill -9 of the launcher: its children notice and end."""
    pids = up.pids()
    up.process.kill()
    wait_until(lambda: all(gone(pid) for pid in pids.values()), "the children end", seconds=20)


@pytest.mark.parametrize("number", sizes(signal.SIGINT, signal.SIGHUP))
def test_what_is_killed_is_started_again(up: Up, number: signal.Signals) -> None:
    """A dashboard, at the same address, while the agent goes on sampling; then the agent, on the same data, and once more when its directory
    was removed: nobody could reach what it goes on recording. Ctrl-C or a closed terminal ends the new ones.
    """
    pids = up.pids()
    url = up.ready()["url"]
    assert healthy(url)
    os.kill(pids["dashboard"], signal.SIGKILL)
    with Client.of(up.data_dir) as client:
        before = client.status().samples.received
        wait_until(lambda: client.status().samples.received > before)
    wait_until(lambda: up.pids()["dashboard"] != pids["dashboard"], seconds=30)

    wait_until(lambda: healthy(url), "the dashboard is back", seconds=60)
    assert up.pids()["agent"] == pids["agent"]
    os.kill(pids["agent"], signal.SIGKILL)

    def another() -> bool:
        endpoint = read_endpoint(up.data_dir)
        return endpoint.pid not in {None, pids["agent"]}

    wait_until(another, "another agent runs", seconds=40)
    second = read_endpoint(up.data_dir).pid
    assert second is not None
    up.data_dir.rename(up.data_dir.with_name("moved"))
    wait_until(lambda: gone(second), "the agent without a directory ends", seconds=30)
    wait_until((up.data_dir / "dashboard.json").exists, "all begins anew", seconds=40)
    wait_until((up.data_dir / "agent.json").exists, "the third agent answers", seconds=40)
    ends_all(up, number)


def test_it_attaches_and_leaves_the_agent(running_agent: Any, tmp_path: Path) -> None:
    """A launcher on a watched data directory uses the running agent, and leaves it when it ends."""
    base = running_agent.data_dir.parent
    config = base / "w.toml"
    had = config.exists()
    launcher = Up(base)
    try:
        wait_until(launcher.ready, "the dashboard answers", seconds=90)
        assert launcher.event("attached")["pid"] == running_agent.pid
        second = COMMANDS.run(["--no-browser", "--data-dir", str(launcher.data_dir)], os.environ)
        assert second.returncode == 0, second.stderr
        assert launcher.ready()["url"] in second.stdout
    finally:
        launcher.process.send_signal(signal.SIGINT)
        launcher.process.wait(patient(20))
        if not had:
            config.unlink()
    assert running_agent.api.status().agent.pid == running_agent.pid


def test_detached_it_goes_on_until_down(tmp_path: Path) -> None:
    """`up --detach` returns once the dashboard answers and says where; `down` ends all of it."""
    config = tmp_path / "w.toml"
    config.write_text(ALONE, "utf-8")
    base = [sys.executable, "-m", "monitor"]
    where = ["--data-dir", str(tmp_path / "d")]
    options = ["--detach", "--no-browser", "--port", "0", "--json", "--config", str(config)]
    with (tmp_path / "out").open("wb") as out:  # no pipe: what goes on in the background must not hold the caller's
        assert (
            subprocess.run(
                [*base, "up", *options, *where], cwd=ROOT, stdout=out, timeout=patient(150), check=False
            ).returncode
            == 0
        )
    told = json.loads((tmp_path / "out").read_text("utf-8").splitlines()[-1])
    try:
        assert told["event"] == "ready"
        assert healthy(told["url"])
        board = json.loads((tmp_path / "d/dashboard.json").read_text("utf-8"))
    finally:
        agent = read_endpoint(tmp_path / "d").pid
        done = COMMANDS.run(["down", "--json", *where], os.environ)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["agent"]["pid"] == agent
    wait_until(lambda: gone(board["pid"]) and gone(board["launcher"]), "dashboard and launcher end")
    assert not (tmp_path / "d/agent.json").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("loading\nerror: no space is left\nhint: free some\n", "no space is left"),
        (
            'Traceback (most recent call last):\n  File "x", line 1\nMemoryError\nnanobind: leaked 3 types!\nSee https://x.example\n',
            "MemoryError",
        ),
        ("a.b.FooError: bad luck\n\n", "a.b.FooError: bad luck"),
        ("Killed\n", "Killed"),
        ("", "exit code 1"),
    ],
)
def test_the_reason_of_a_failed_start_is_the_error(tmp_path: Path, words: str, reason: str) -> None:
    """Whatever else a process writes as it ends."""
    assert failed("the agent", 1, words, tmp_path / "agent.log").message == f"the agent did not start: {reason}"


def test_a_child_is_given_up_after_five_failures_that_do_not_pass(tmp_path: Path) -> None:
    """One that ends for want of space is started for as long as that lasts, and then once more."""
    child = Child("agent", ["/bin/sh", "-c", "exit 4"], cwd=tmp_path, errors=tmp_path / "err")

    def given_up(*, passes: bool) -> bool:
        child.start()
        child.wait(time.monotonic() + 60)
        answer = child.given_up(passes=passes)
        child.due()
        return answer

    assert [given_up(passes=passes) for passes in (*[False] * 4, *[True] * 4, False)] == [False] * 8 + [True]


def test_a_taken_port_and_an_open_door_are_refused(tmp_path: Path) -> None:
    """A port in use names another; an address others can reach needs a sign-in. Nothing is left running."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        for options, word in ((["--port", port], "in use"), (["--host", "0.0.0.0"], "sign-in")):
            done = COMMANDS.run(["up", "--no-browser", "--data-dir", str(tmp_path / "d"), *options], os.environ)
            assert done.returncode == 2, done.stderr
            assert word in done.stderr
            assert "hint: " in done.stderr
    assert not (tmp_path / "d/agent.json").exists()
