"""What tests share: real agents on real data directories, free ports, and the promise that nothing is left running."""

import atexit
import contextlib
import fcntl
import functools
import gc
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from monitor.client.client import Client
from monitor.core.errors import AgentError
from tests.doubles.alone import ALONE, ENGINES, LOGS
from tests.doubles.forked import AGENTS, MARK, Forked, gathering
from tests.waiting import CORES, patient, wait_until

ROOT = Path(__file__).resolve().parents[1]
LONG_ONES = (
    "tests/system/test_wheel.py", "tests/system/browser/test_browser_ai.py", "tests/system/", "tests/unit/ai/test_router_hybrid.py",
    "tests/integration/ai/", "tests/integration/",
)  # fmt: skip

# Where an environment forbids compiled files, each process that a test starts would compile all that it imports again:
# an agent twice the CPU seconds of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Each client that a test makes would load the list of certificate authorities again: 20 ms of a core.
ssl.create_default_context = functools.cache(ssl.create_default_context)

# A busy machine makes no test wrong: examples have no stop-watch. `--hypothesis-profile full` tries more of them.
settings.register_profile("full", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("usual", settings.get_profile("full"), max_examples=25)
settings.load_profile("usual")


def pytest_configure() -> None:
    """All workers fork from the same processes, which end with this one."""
    gathering()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Four workers more than cores, as tests wait much of their time; none for one file, which begins sooner without."""
    one_file = len(config.args) == 1 and ".py" in config.args[0]
    return 0 if one_file else CORES + 4


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Browser tests that are not asked for are not imported: Playwright alone takes each worker a second."""
    return True if collection_path.name == "browser" and "not browser" in config.option.markexpr else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported and collected stays until the end: to look it over for garbage, even once, would take a second of each worker.

    What tests make is looked over less often than usual, which saves 2 to 6 % of the time of unit tests.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    atexit.register(
        gc.unfreeze
    )  # pytest's own last look passes over it; at the very end it is taken apart, else extension modules complain that it leaks
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long forms have half an hour. Whole programs and real models first, unit tests last: at the end, no core waits for a long file that was begun late."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1800))  # a long form takes minutes
    items.sort(
        key=lambda item: next((n for n, place in enumerate(LONG_ONES) if item.nodeid.startswith(place)), len(LONG_ONES))
    )


@pytest.fixture
def free_port() -> int:
    """A TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _marked(mark: str) -> dict[int, str]:
    """The command lines of processes that carry the session's mark in their environment, other than this one."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environ = (entry / "environ").read_bytes()
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                state = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
            except OSError:
                continue
            if f"{MARK}={mark}".encode() in environ and state != "Z":
                found[int(entry.name)] = words
    return found


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """Every process that a test starts is gone when the tests are."""
    mark = uuid.uuid4().hex
    os.environ[MARK] = mark
    yield
    if not Path("/proc/self/environ").exists():
        return
    wait_until(lambda: not _marked(mark), lambda: f"gone are {_marked(mark)}", seconds=10)


class RunningAgent:
    """A real agent process on a data directory of its own. `parent` is the process it ends with; without one it need not import anything."""

    def __init__(
        self, data_dir: Path, config: Path, *, options: list[str], environ: dict[str, str], parent: int | None
    ) -> None:
        self.data_dir, self.config = data_dir, config
        self._options, self._environ, self._parent = options, environ, parent
        self.process: subprocess.Popen[bytes] | Forked | None = None
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
        ends_with = ["--parent", str(self._parent or AGENTS.pid)]
        where = ["--data-dir", str(self.data_dir), "--config", str(self.config)]
        command = ["agent", "--quiet", *ends_with, *where, *self._options]
        environ = {**os.environ, **self._environ}
        out = self.data_dir.parent / "agent.out"
        if self._parent is None:
            self.process = AGENTS.start(command, environ, [Path(os.devnull), out, out])
        else:
            with out.open("ab") as said:
                whole = [sys.executable, "-m", "monitor", *command]
                self.process = subprocess.Popen(whole, cwd=ROOT, env=environ, stdout=said, stderr=said)
        if wait:
            self.wait()
        return self

    def wait(self) -> None:
        """Wait until it answers with a sample."""

        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.words()
            if self.client is None:
                self.client = Client.of(self.data_dir, timeout_s=patient(20))
            try:
                return bool(self.client.get_json("/v1/status")["samples"]["received"] >= 1)
            except AgentError:
                self.client.close()
                self.client = None
                return False

        wait_until(ready, "the agent answers with a sample", seconds=40)

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
        return self.process.wait(patient(20))


def empty_store() -> Path:
    """The file of an empty store, made once for all tests: an agent that begins with a copy does without making its tables, 0.06 s of a core."""
    path = gathering() / "watchkeeper.duckdb"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            from monitor.store.duckdb import open_store

            folder = path.with_suffix("")
            open_store(folder, limit_bytes=1 << 28, now=lambda: time.time_ns() // 1000).close()
            (folder / path.name).rename(path)
    return path


@contextlib.contextmanager
def agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningAgent]]:
    """A builder of agents; those that still run at the end are ended."""
    made: list[RunningAgent] = []

    def make(
        settings: str = "",
        *,
        options: list[str] | None = None,
        environ: dict[str, str] | None = None,
        data_dir: Path | None = None,
        parent: int | None = None,
        start: bool = True,
    ) -> RunningAgent:
        base = tmp_path_factory.mktemp("a")
        config = base / "watchkeeper.toml"
        config.write_text(settings or ALONE, "utf-8")
        data = data_dir or base / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        if data_dir is None:
            shutil.copy(empty_store(), data)
        agent = RunningAgent(data, config, options=options or [], environ=environ or {}, parent=parent)
        made.append(agent)
        return agent.start() if start else agent

    yield make
    for agent in made:
        if agent.process is not None and agent.process.poll() is None:
            agent.stop()
        elif agent.client is not None:
            agent.client.close()


@pytest.fixture(scope="module")
def make_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningAgent]]:
    """Builds agents: `make_agent(settings="[store]…", options=[…], data_dir=…)`; ends those still running with their module.

    Left until the end of all tests, ten of them would take half a core.
    """
    with agents(tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="module")
def running_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """One agent that the tests of a module ask; it follows `logs/*.log` of `running_agent.logs_dir`."""
    logs_dir = tmp_path_factory.mktemp("logs")
    with agents(tmp_path_factory) as make:
        agent = make(f"# kept\n{LOGS}globs = [{json.dumps(str(logs_dir / '*.log'))}]\n{ENGINES}")
        agent.logs_dir = logs_dir
        yield agent


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine is in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
