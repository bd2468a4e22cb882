"""`watchkeeper`: starts the watch and the dashboard, or attaches to a watch that runs; ends what it started, and only that.

Children live in sessions of their own, so that the terminal's Ctrl-C reaches the launcher alone; they are told its pid and end
when it ends, however that happens.
"""

import errno
import json
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from monitor.children import Child
from monitor.client import Client
from monitor.endpoint import write_private
from monitor.errors import AgentError, AgentUnreachable, ConfigError, MonitorError
from monitor.loopback import is_loopback
from monitor.paths import ROOT, DataFiles
from monitor.settings import Settings

TERM_S: Final = 1.2
"""Time children have between SIGTERM and SIGKILL."""
AGENT_START_S: Final = 60.0
DASHBOARD_START_S: Final = 60.0
MAX_FAILURES: Final = 5
Say = Callable[..., None]


class Launcher:
    """One `watchkeeper up`.

    Args:
        settings: those in force, options included.
        data_dir: where everything is kept; it exists.
        config: the file of settings, passed on to the children.
        say: `say(event, text, **facts)`: what a person (or a program) should know.
    """

    def __init__(self, settings: Settings, *, data_dir: Path, config: Path, say: Say) -> None:
        self.settings, self.data_dir, self.config, self.say = settings, data_dir, config, say
        self._files = DataFiles(data_dir)
        self._agent: Child | None = None
        self._dashboard: Child | None = None
        self._ending = False
        self._host, self._port = settings.dashboard.host, settings.dashboard.port

    @property
    def url(self) -> str:
        """The dashboard's address, as a browser on this machine reaches it."""
        host = self._host if is_loopback(self._host) else "127.0.0.1" if self._host in {"0.0.0.0", "::"} else self._host  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    def run(self) -> int:
        """Start, tell, watch over the children, end them; answers the exit code."""
        self._refuse_open_doors()
        running = read_dashboard(self.data_dir)
        if running is not None and healthy(running["url"]):
            self.say("running", f"Watchkeeper runs already: {running['url']}", **running)
            self._browse(str(running["url"]))
            return 0
        handlers = {number: signal.signal(number, self._end) for number in _signals()}
        try:
            self._port = free_port(self._host, self._port)
            self._begin_dashboard()  # most of its start is its own: it needs no agent before somebody looks
            self._start_agent()
            self._await_dashboard()
            if not self._ending:
                write_private(self._files.dashboard, {"pid": self._pid(), "url": self.url, "launcher": os.getpid()})
                self.say("ready", f"Watchkeeper keeps watch: {self.url}   (Ctrl-C ends it)", url=self.url)
                self._browse(self.url)
            return self._supervise()
        finally:
            self._stop()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self._ending = True

    def _refuse_open_doors(self) -> None:
        if not is_loopback(self._host) and self.settings.auth.mode == "none":
            raise ConfigError(
                f"{self._host} can be reached from other machines, and no sign-in is configured",
                hint="set auth.mode to password (`watchkeeper password NAME` makes an entry), or leave --host out",
            )

    # --- the agent

    def _start_agent(self) -> None:
        """Attach to a running agent, or start one and wait until it answers."""
        pid = agent_pid(self.data_dir)
        if pid is not None:
            self.say("attached", f"attached to the running watch (agent {pid})", pid=pid)
            return
        command = [sys.executable, "-m", "monitor", "agent", "--quiet", *self._common()]
        self._agent = Child("agent", command, cwd=ROOT, errors=self.data_dir / "agent.err")
        self._agent.start()
        deadline = time.monotonic() + AGENT_START_S
        while not self._ending and agent_pid(self.data_dir) is None:
            code = self._agent.poll()
            if code is not None:
                if agent_pid(self.data_dir) is not None:  # another launcher was quicker
                    self._agent = None
                    return
                raise failed("the agent", code, self._agent.last_words(), self._files.agent_log)
            if time.monotonic() > deadline:
                raise MonitorError("the agent did not answer in time", hint=f"{self._files.agent_log} says more")
            time.sleep(0.03)

    def _common(self) -> list[str]:
        return ["--data-dir", str(self.data_dir), "--config", str(self.config), "--parent", str(os.getpid())]

    # --- the dashboard

    def _begin_dashboard(self) -> None:
        address = ["--host", self._host, "--port", str(self._port)]
        command = [sys.executable, str(ROOT / "app.py"), *address, *self._common()]
        self._dashboard = Child("dashboard", command, cwd=ROOT, errors=self._files.dashboard_log)
        self._dashboard.start()

    def _await_dashboard(self) -> None:
        """Wait until its pages can be opened, and at once."""
        deadline = time.monotonic() + DASHBOARD_START_S
        while not self._ending and self._dashboard is not None and not healthy(self.url):
            code = self._dashboard.poll()
            if code is not None:
                raise failed("the dashboard", code, self._dashboard.last_words(), self._files.dashboard_log)
            if time.monotonic() > deadline:
                raise MonitorError(
                    "the dashboard did not answer in time", hint=f"{self._files.dashboard_log} says more"
                )
            time.sleep(0.05)

    def _pid(self) -> int | None:
        return self._dashboard.pid if self._dashboard else None

    def _browse(self, url: str) -> None:
        if self.settings.dashboard.open_browser:
            import threading
            import webbrowser

            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    # --- while it runs

    def _supervise(self) -> int:
        """Restart what crashes, with growing pauses; end when asked to, or when the watch was ended on purpose."""
        while not self._ending:
            if not self._watch_over_agent():
                self.say("ended", "the watch was ended; so does the dashboard")
                return 0
            if self._dashboard is not None and self._restarted(self._dashboard):
                write_private(self._files.dashboard, {"pid": self._pid(), "url": self.url, "launcher": os.getpid()})
            time.sleep(0.1)
        return 0

    def _watch_over_agent(self) -> bool:
        """False when the agent has ended on purpose: it then took its address away."""
        if self._agent is not None:
            if self._agent.poll() == 0:
                return False
            self._restarted(self._agent)
            return True
        return self._files.endpoint.exists()

    def _restarted(self, child: Child) -> bool:
        """Start a child that crashed again, when its pause is over."""
        if child.poll() is None:
            child.settled()
            return False
        if child.failures >= MAX_FAILURES:
            log = self._files.agent_log if child is self._agent else self._files.dashboard_log
            raise failed(f"the {child.name}", child.poll() or 0, child.last_words(), log)
        if not child.noticed:
            self.say("warning", f"the {child.name} ended ({child.ending()}); starting it again", name=child.name)
        if not child.due():
            return False
        child.start()
        return True

    def _stop(self) -> None:
        """SIGTERM to all, SIGKILL after a while; returns when they are gone."""
        children = [child for child in (self._dashboard, self._agent) if child is not None]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + TERM_S
        for child in children:
            child.wait(deadline)
        if self._dashboard is not None:
            board = _read(self._files.dashboard)
            if board is not None and board.get("launcher") == os.getpid():
                self._files.dashboard.unlink(missing_ok=True)


def detached(launcher: Launcher) -> int:
    """Start `watchkeeper up` in the background and wait until its dashboard answers."""
    running = read_dashboard(launcher.data_dir)
    if running is not None and healthy(running["url"]):
        return launcher.run()
    options = [
        "--host",
        launcher.settings.dashboard.host,
        "--port",
        str(launcher.settings.dashboard.port),
        "--no-browser",
    ]
    where = ["--data-dir", str(launcher.data_dir), "--config", str(launcher.config)]
    where = where if launcher.config.exists() else where[:2]
    child = Child(
        "launcher",
        [sys.executable, "-m", "monitor", "up", *options, *where],
        cwd=ROOT,
        errors=launcher.data_dir / "launcher.err",
    )
    child.start()
    deadline = time.monotonic() + AGENT_START_S + DASHBOARD_START_S
    while time.monotonic() < deadline:
        board = read_dashboard(launcher.data_dir)
        if board is not None and healthy(board["url"]):
            launcher.say("ready", f"Watchkeeper keeps watch: {board['url']}   (`watchkeeper down` ends it)", **board)
            return 0
        code = child.poll()
        if code is not None:
            raise failed("the launcher", code, child.last_words(), launcher.data_dir / "launcher.err")
        time.sleep(0.05)
    raise MonitorError("the dashboard did not answer in time", hint="`watchkeeper status` says more")


def end_watch(data_dir: Path, *, timeout_s: float = 10.0) -> dict[str, Any]:
    """Ask the agent to end and wait until it, and the dashboard of its launcher, are gone.

    Raises:
        AgentUnreachable: none runs.
    """
    board = read_dashboard(data_dir)
    with Client.of(data_dir, timeout_s=5) as client:
        pid = client.shutdown()
    deadline = time.monotonic() + timeout_s
    while alive(pid) or (
        board is not None and _read(DataFiles(data_dir).dashboard) is not None and alive(board["pid"])
    ):
        if time.monotonic() > deadline:
            raise AgentError(f"the agent {pid} was asked to end and still runs", hint=f"end it with: kill {pid}")
        time.sleep(0.02)
    return {"agent": {"pid": pid}, "dashboard": {"pid": board["pid"] if board else None}}


def agent_pid(data_dir: Path) -> int | None:
    """The pid of the agent that answers for this data directory; None when none does."""
    try:
        with Client.of(data_dir, timeout_s=2) as client:
            pid = client.get_json("/v1/status")["agent"]["pid"]
    except (AgentUnreachable, AgentError):
        return None
    return int(pid)


def read_dashboard(data_dir: Path) -> dict[str, Any] | None:
    """`{"pid", "url"}` of the running dashboard, None when there is none."""
    board = _read(DataFiles(data_dir).dashboard)
    if board is None or not isinstance(board.get("pid"), int) or not alive(board["pid"]):
        return None
    return {"pid": board["pid"], "url": board.get("url")}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def alive(pid: int) -> bool:
    """Whether a process with this pid exists and is no zombie."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except (PermissionError, FileNotFoundError, IndexError):
        return Path(f"/proc/{pid}").exists() or not Path("/proc/self").exists()
    return state != "Z"


def healthy(url: str) -> bool:
    """Whether a dashboard answers at `url`."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def free_port(host: str, port: int) -> int:
    """The port to use: the one asked for, or a free one for 0.

    Raises:
        ConfigError: it is taken, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"port {port} of {host} is in use by another program",
                    hint=f"take another one: watchkeeper --port {port + 1 if port < 65535 else 0} (0 finds a free one)",
                ) from error
            raise ConfigError(
                f"{host}:{port} cannot be bound: {error.strerror or error}", hint="use 127.0.0.1, or a port above 1023"
            ) from error
        return int(probe.getsockname()[1])


def failed(what: str, code: int, words: str, log: Path) -> MonitorError:
    """A child that did not come up, in the words it left behind."""
    said = [line for line in words.splitlines() if line.strip()]
    errors = [line.partition(": ")[2] for line in said if line.startswith(("error:", "watchkeeper:"))]
    hints = [line.partition(": ")[2] for line in said if line.startswith("hint:")]
    reason = errors[-1] if errors else said[-1] if said else f"exit code {code}"
    found = MonitorError(f"{what} did not start: {reason}", hint=hints[-1] if hints else f"{log} says more")
    found.exit_code = code if code in {2, 3, 4, 5} else 1
    return found


def _signals() -> tuple[signal.Signals, ...]:
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))
