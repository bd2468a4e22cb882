"""`watchkeeper up`: starts the agent and the dashboard, restarts what crashes, and stops what it started, but nothing else.

Each child has a session of its own, so Ctrl-C in the terminal reaches the launcher only. Children get the launcher's pid and end when
it ends, for whatever reason.
"""

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from monitor.client.client import Client
from monitor.config.settings import Settings
from monitor.core.endpoint import alive, is_loopback, start_tick_of, write_private
from monitor.core.errors import AgentError, MonitorError, StoreError
from monitor.core.paths import ROOT, DataFiles, make_data_dir
from monitor.launcher.child import Child
from monitor.launcher.running import agent_pid, free_port, healthy, read_dashboard, read_json

TERM_S: Final = 1.2
"""Time that children have between SIGTERM and SIGKILL."""
AGENT_START_S: Final = 60.0
DASHBOARD_START_S: Final = 60.0
LEAST_FREE: Final = 1024 * 1024
"""With less on the disk nothing works: an agent cannot even say where it listens."""
_RAISED: Final = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit)\b")
"""The last line of a traceback; libraries may write more as the process ends."""
Say = Callable[..., None]


class Launcher:
    """One `watchkeeper up`.

    Args:
        settings: the settings in force, including command-line options.
        data_dir: the data directory; it exists.
        config: the settings file, passed on to the children.
        say: called as `say(event, text, **facts)` to inform a person (`text`) or a program (`facts`).
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
        """The dashboard's address for a browser on this machine."""
        host = self._host if is_loopback(self._host) else "127.0.0.1" if self._host in {"0.0.0.0", "::"} else self._host  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    def run(self) -> int:
        """Start the children, watch over them and stop them; returns the exit code."""
        self.settings.check_sign_in()
        running = read_dashboard(self.data_dir)
        if running is not None and healthy(running["url"]):
            self.say("running", f"Watchkeeper is already running at {running['url']}", **running)
            self._browse(str(running["url"]))
            return 0
        handlers = {number: signal.signal(number, self._end) for number in _signals()}
        try:
            self._port = free_port(self._host, self._port)
            self._begin_dashboard()  # it takes longest to start, and needs the agent only when a page is opened
            self._start_agent()
            self._await_dashboard()
            if not self._ending:
                self._write_board()
                self.say("ready", f"Watchkeeper is running at {self.url}   (Ctrl-C stops it)", url=self.url)
                self._browse(self.url)
            return self._supervise()
        finally:
            self._stop()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self._ending = True

    # --- the agent

    def _start_agent(self) -> None:
        """Attach to a running agent, or start one and wait until it answers."""
        pid = agent_pid(self.data_dir)
        if pid is not None:
            self.say("attached", f"using the running agent (process {pid})", pid=pid)
            return
        command = [sys.executable, "-m", "monitor", "agent", "--quiet", *self._common()]
        self._agent = Child("agent", command, cwd=ROOT, errors=self.data_dir / "agent.err")
        self._agent.start()
        deadline = time.monotonic() + AGENT_START_S
        while not self._ending and agent_pid(self.data_dir) is None:
            code = self._agent.poll()
            if code is not None:
                if agent_pid(self.data_dir) is not None:  # another launcher was faster
                    self._agent = None
                    return
                raise failed("the agent", code, self._agent.last_words(), self._files.agent_log)
            if time.monotonic() > deadline:
                raise MonitorError("the agent did not answer in time", hint=f"see {self._files.agent_log}")
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
        """Wait until its pages open without delay."""
        deadline = time.monotonic() + DASHBOARD_START_S
        while not self._ending and self._dashboard is not None and not healthy(self.url):
            code = self._dashboard.poll()
            if code is not None:
                raise failed("the dashboard", code, self._dashboard.last_words(), self._files.dashboard_log)
            if time.monotonic() > deadline:
                raise MonitorError("the dashboard did not answer in time", hint=f"see {self._files.dashboard_log}")
            time.sleep(0.05)

    def _write_board(self) -> None:
        """Say where the dashboard is, who watches over it, and whether that process restarts the agent too."""
        pid = self._pid()
        board = {
            "pid": pid,
            "started": None if pid is None else start_tick_of(pid),
            "url": self.url,
            "launcher": os.getpid(),
            "launcher_started": start_tick_of(os.getpid()),
            "restarts_agent": self._agent is not None,
        }
        write_private(self._files.dashboard, board)

    def _pid(self) -> int | None:
        return self._dashboard.pid if self._dashboard else None

    def _browse(self, url: str) -> None:
        if self.settings.dashboard.open_browser:
            import threading
            import webbrowser

            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    # --- while it runs

    def _supervise(self) -> int:
        """Restart what crashes, with growing pauses. Stop on a signal, or when somebody stopped the agent."""
        while not self._ending:
            if not self._watch_over_agent():
                self.say("ended", "the agent was stopped; stopping the dashboard")
                return 0
            if self._dashboard is not None and self._restarted(self._dashboard):
                self._write_board()
            time.sleep(0.1)
        return 0

    def _watch_over_agent(self) -> bool:
        """False when the agent was stopped: it then removes its address."""
        if self._agent is not None:
            if self._agent.poll() == 0:
                return False
            if self._restarted(self._agent) and not self._files.dashboard.exists():  # the data directory was removed
                self._write_board()
            return True
        return self._files.endpoint.exists()

    def _restarted(self, child: Child) -> bool:
        """Restart a crashed child once its pause is over."""
        if child.poll() is None:
            child.settled()
            return False
        if child.given_up(passes=short_of_space(child.poll(), self.data_dir)):
            log = self._files.agent_log if child is self._agent else self._files.dashboard_log
            raise failed(f"the {child.name}", child.poll() or 0, child.last_words(), log)
        if not child.noticed:
            self.say("warning", f"the {child.name} ended ({child.ending()}); restarting it", name=child.name)
        if not child.due():
            return False
        make_data_dir(self.data_dir)  # it may be what was removed
        child.start()
        return True

    def _stop(self) -> None:
        """Send SIGTERM, later SIGKILL; returns when all children are gone."""
        children = [child for child in (self._dashboard, self._agent) if child is not None]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + TERM_S
        for child in children:
            child.wait(deadline)
        if self._dashboard is not None:
            board = read_json(self._files.dashboard)
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
            launcher.say("ready", f"Watchkeeper is running at {board['url']}   (`watchkeeper down` stops it)", **board)
            return 0
        code = child.poll()
        if code is not None:
            raise failed("the launcher", code, child.last_words(), launcher.data_dir / "launcher.err")
        time.sleep(0.05)
    raise MonitorError("the dashboard did not answer in time", hint="run `watchkeeper status`")


def end_watch(data_dir: Path, *, timeout_s: float = 10.0) -> dict[str, Any]:
    """Ask the agent to stop, and wait until it and the dashboard of its launcher are gone.

    Raises:
        AgentUnreachable: no agent is running.
        AgentError: it did not stop in time.
    """
    board = read_dashboard(data_dir)
    with Client.of(data_dir, timeout_s=5) as client:
        pid = client.shutdown()
        began = start_tick_of(pid)
    deadline = time.monotonic() + timeout_s
    while (began is not None and alive(pid, began)) or (
        board is not None
        and read_json(DataFiles(data_dir).dashboard) is not None
        and alive(board["pid"], board["started"])
    ):
        if time.monotonic() > deadline:
            raise AgentError(f"the agent (process {pid}) did not stop in time", hint=f"run: kill {pid}")
        time.sleep(0.02)
    return {"agent": {"pid": pid}, "dashboard": {"pid": board["pid"] if board else None}}


def short_of_space(code: int | None, data_dir: Path) -> bool:
    """Whether a child ended with this code for want of space on the disk, as far as can be told."""
    try:
        return code == StoreError.exit_code or shutil.disk_usage(data_dir).free < LEAST_FREE
    except OSError:
        return False


def failed(what: str, code: int, words: str, log: Path) -> MonitorError:
    """The error for a child that did not start, from what it wrote."""
    said = [line for line in words.splitlines() if line.strip()]
    errors = [line.partition(": ")[2] for line in said if line.startswith(("error:", "watchkeeper:"))]
    hints = [line.partition(": ")[2] for line in said if line.startswith("hint:")]
    raised = [line.strip() for line in said if _RAISED.match(line)]
    reason = next((found[-1] for found in (errors, raised, said) if found), f"exit code {code}")
    found = MonitorError(f"{what} did not start: {reason}", hint=hints[-1] if hints else f"see {log}")
    found.exit_code = code if code in {2, 3, 4, 5} else 1
    return found


def _signals() -> tuple[signal.Signals, ...]:
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))
