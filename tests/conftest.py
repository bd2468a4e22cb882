"""What tests share: real agents on real data directories, free ports, and the promise that nothing is left running."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from monitor.client import Client
from monitor.errors import AgentError

ROOT = Path(__file__).resolve().parents[1]
MARK = "WATCHKEEPER_TEST_SESSION"

# A busy machine makes no test wrong: examples have no stop-watch.
settings.register_profile("watchkeeper", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("watchkeeper")


def wait_for(true: Callable[[], Any], *, seconds: float = 15.0, what: str = "the condition") -> Any:
    """Poll until `true()` is truthy, and answer it; a condition with a deadline, never a sleep."""
    deadline = time.monotonic() + seconds
    while True:
        found = true()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@pytest.fixture(name="wait_for", scope="session")
def wait_for_fixture() -> Callable[..., Any]:
    """The poller."""
    return wait_for


@pytest.fixture
def free_port() -> int:
    """A TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _marked(mark: str) -> list[int]:
    """Processes that carry the session's mark in their environment, other than this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environ = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
            except OSError:
                continue
            if f"{MARK}={mark}".encode() in environ and state != "Z":
                found.append(int(entry.name))
    return found


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """Every process that a test starts is gone when the tests are."""
    mark = uuid.uuid4().hex
    os.environ[MARK] = mark
    yield
    if not Path("/proc/self/environ").exists():
        return
    deadline = time.monotonic() + 10
    while (left := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    names = []
    for pid in left:
        try:
            names.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    assert not names, f"still running: {names}"


class RunningAgent:
    """A real agent process on a data directory of its own."""

    def __init__(self, data_dir: Path, config: Path, *, options: list[str], environ: dict[str, str]) -> None:
        self.data_dir, self.config = data_dir, config
        self._options, self._environ = options, environ
        self.process: subprocess.Popen[bytes] | None = None
        self.client: Client | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def api(self) -> Client:
        """A client of it."""
        assert self.client is not None
        return self.client

    def start(self, *, wait: bool = True) -> "RunningAgent":
        """Start it, and wait until it answers with a sample."""
        base = [sys.executable, "-m", "monitor", "agent", "--quiet", "--parent", str(os.getpid())]
        where = ["--data-dir", str(self.data_dir), "--config", str(self.config)]
        out = (self.data_dir.parent / "agent.out").open("ab")
        with out:
            self.process = subprocess.Popen(
                [*base, *where, *self._options], cwd=ROOT, env={**os.environ, **self._environ}, stdout=out, stderr=out
            )
        if wait:
            self.wait()
        return self

    def wait(self) -> None:
        """Wait until it answers with a sample."""

        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.words()
            if self.client is None:
                self.client = Client.of(self.data_dir, timeout_s=20)
            try:
                return bool(self.client.get_json("/v1/status")["samples"]["received"] >= 1)
            except AgentError:
                self.client.close()
                self.client = None
                return False

        wait_for(ready, seconds=40, what="the agent answers with a sample")

    def words(self) -> str:
        """What it wrote."""
        log = self.data_dir / "agent.log"
        own = log.read_text("utf-8", "replace") if log.exists() else ""
        return own + (self.data_dir.parent / "agent.out").read_text("utf-8", "replace")

    def kill(self) -> None:
        """SIGKILL, as by the kernel."""
        self._end(signal.SIGKILL)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; answers its exit code."""
        return self._end(number)

    def _end(self, number: signal.Signals) -> int:
        if self.client is not None:
            self.client.close()
            self.client = None
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture(scope="session")
def make_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningAgent]]:
    """Builds agents: `make_agent(settings="[store]…", options=[…], data_dir=…)`; ends those still running."""
    made: list[RunningAgent] = []

    def make(
        settings: str = "",
        *,
        options: list[str] | None = None,
        environ: dict[str, str] | None = None,
        data_dir: Path | None = None,
        start: bool = True,
    ) -> RunningAgent:
        base = tmp_path_factory.mktemp("a")
        config = base / "watchkeeper.toml"
        config.write_text(
            settings or "[logs]\ndiscover = false\njournal = false\n[engines]\nollama_url = ''\n", "utf-8"
        )
        data = data_dir or base / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        agent = RunningAgent(data, config, options=options or [], environ=environ or {})
        made.append(agent)
        return agent.start() if start else agent

    yield make
    for agent in made:
        if agent.process is not None and agent.process.poll() is None:
            agent.stop()
        elif agent.client is not None:
            agent.client.close()


@pytest.fixture(scope="session")
def running_agent(make_agent: Callable[..., RunningAgent], tmp_path_factory: pytest.TempPathFactory) -> RunningAgent:
    """One agent that many tests ask; it follows `logs/*.log` of `running_agent.logs_dir`."""
    logs_dir = tmp_path_factory.mktemp("logs")
    agent = make_agent(
        f"# kept\n[logs]\ndiscover = false\njournal = false\nglobs = [{json.dumps(str(logs_dir / '*.log'))}]\n"
        "[engines]\nollama_url = ''\n"
    )
    agent.logs_dir = logs_dir
    return agent
