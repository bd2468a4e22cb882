"""The shim of one service: starts it, keeps it running by `policy`, writes its output, and answers on a socket.

Its folder has `spec.json` (what to run; written by the agent), `state.json` (where the service stands), `events.jsonl` (every change), `control` (the
socket) and `lock`, which the one shim of the service holds. Commands are lines of JSON: `{"do": "stop", "by": "…", "id": "…"}`; `restart` and `start` read
`spec.json` again. The state has the `id` of the command that was heard last, whatever came of it. The shim ends when the service is over.
"""

import json
import os
import random
import select
import signal
import time

from monitor.services.shim import policy, spawn, tree
from monitor.services.shim.claim import Claim
from monitor.services.shim.control import ENDED, STATE, Control, Events
from monitor.services.shim.output import BLOCK, Lines, Output, Parts

TYPE_CHECKING = False  # typing takes memory, and each service has a shim
if TYPE_CHECKING:
    from typing import Any

MARK = "WATCHKEEPER_SERVICE_RUN"
"""Environment variable of all processes of a service, by which they are found if the shim is lost."""
PROBE_S = (0.05, 1.0)
"""First and longest pause between two probes."""
LOSS_S = 1.0
"""How often a loss of output that grows is told."""
COMMAND_CHARS = 4096
LEFT = "what it left in the background was ended, as a service stays in the foreground"


class Busy(Exception):
    """Another shim runs this service."""


class Shim:
    """One service.

    Args:
        folder: the service's folder.

    Raises:
        Busy: another shim has it.
        Elsewhere: a shim of another data directory runs the same service of the same settings file.
        OSError, ValueError: the folder cannot be used, or `spec.json` is not what the agent writes.
    """

    def __init__(self, folder: str) -> None:
        import fcntl  # not on Windows, where nothing starts a shim

        os.chdir(folder)
        self._lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy from error
        self._read_spec()
        self._claim = Claim(self.spec.get("claim", ""), os.getcwd())
        before = _told_before()
        self._parts = Parts(before.get("output", []) if before.get("boot") == self.spec["boot"] else [])
        self._output = Output(
            self.spec["output"], self.spec["output_bytes"], self.spec["output_kept"], self._begun, before.get("account")
        )
        spawn.prctl(spawn.PR_SET_CHILD_SUBREAPER, 1)
        spawn.name_process(f"shim {os.path.basename(folder)}")
        self._woken = _wake_on_signals()
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        if self._claim.fileno() >= 0:
            self._poll.register(self._claim.fileno(), select.POLLIN)
        self._control, self._events = Control(self._poll), Events()
        self._pipes: set[int] = set()
        self._main: int | None = None
        self._main_tick: int | None = None
        self._program: dict[str, object] = {}
        """What the main process was started as: the settings may be others when it ends."""
        self._started_us = self._since_us = _now_us()
        self._probe: spawn.Probe | None = None
        self._probe_at: float | None = None
        self._probe_pause = PROBE_S[0]
        self._probed = ""
        self._answer = ""
        """Why it is not ready yet, or answered its last liveness check not."""
        self._unanswered = 0
        self._lines: Lines | None = None
        self._lost, self._loss_due, self._trouble = 0, 0.0, ""
        """Bytes of output that were lost, as far as that was told, and when a greater number may be told."""
        self._told: tuple[object, ...] = ()
        self._heard = ""
        self._why = self._last_why = ""
        """Why it is being ended from here, and why its last process was; empty while it is not, and for ends of its own."""
        self._asked = False
        """Whether somebody wants that, and it is not for a failure."""
        self.life, self._actions = policy.begin()
        self._tell()

    def _read_spec(self) -> None:
        with open("spec.json", encoding="utf-8") as file:
            self.spec = json.load(file)
        self.rules = policy.Rules(**self.spec["rules"])
        self._environment = {
            "PYTHONUNBUFFERED": "1",
            **os.environ,
            **self.spec["environment"],
            MARK: self.spec["mark"],
        }

    # --- the loop

    def run(self) -> None:
        """Keep the service until it is over."""
        self._act(self._actions)
        while self.life.state not in policy.OVER:
            for descriptor, _ in self._poll.poll(self._timeout_ms()):
                if descriptor == self._woken:
                    self._signalled()
                elif self._control.owns(descriptor):
                    for command in self._control.heard(descriptor):
                        self._obey(command)
                elif descriptor in self._pipes:
                    self._read(descriptor)
                elif descriptor == self._claim.fileno():
                    self._claim.asked()
            self._look_at_clock()
        self._drain()
        self._output.close()
        self._claim.close()
        self._control.close(self._lock)

    def _timeout_ms(self) -> int | None:
        loss = self._loss_due if (self._output.lost, self._output.error) != (self._lost, self._trouble) else None
        times = (
            self.life.timer,
            None if self._probe else self._probe_at,
            self._probe.due if self._probe else None,
            loss,
        )
        due = [at for at in times if at is not None]
        return max(0, int((min(due) - time.monotonic()) * 1000) + 1) if due else None

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        if now >= self._loss_due and (self._output.lost != self._lost or self._output.error != self._trouble):
            self._trouble = self._output.error
            self._lost, self._loss_due = self._output.lost, now + LOSS_S
            self._tell()
        if self.life.timer is not None and now >= self.life.timer:
            self._happen(policy.DUE, why=self._answer)
        if self._probe is not None and now >= self._probe.due:
            self._probe.kill()
        if self._probe is None and self._probe_at is not None and now >= self._probe_at:
            self._ask()

    def _obey(self, command: dict[str, object]) -> None:
        if command.get("do") not in {policy.STOP, policy.RESTART, policy.START}:
            return
        if command.get("id", "") == self._heard != "":
            return  # sent once more by an agent that lost the connection
        self._reap()  # what ended before the command came is over: a start is not for nothing
        self._heard = str(command.get("id", ""))
        if command["do"] == policy.RESTART or (
            command["do"] == policy.START and self.life.state in {policy.BACKOFF, policy.STOPPING}
        ):
            try:
                self._read_spec()
            except (OSError, ValueError) as error:
                self._happen(policy.STOP, why=f"its settings cannot be read: {error}")
                return
        self._happen(str(command["do"]), why=str(command.get("by", "")))

    # --- what happens

    def _happen(self, event: str, *, code: int | None = None, why: str = "") -> None:
        if event == policy.ENDED:
            late = f"; it did not end within {self.rules.stop_grace_s:g} s" if self._why and self.life.killed else ""
            facts = {"pid": self._main, "code": code, "started": self._started_us, "tick": self._main_tick}
            self._last_why, self._why = self._why + late, ""
            self._events.note(ENDED, **facts, **self._program, why=self._last_why, asked=self._asked)
            self._asked = False
            self._main = self._main_tick = None
            if code == 0 and tree.descendants(os.getpid(), without=self._probe.pid if self._probe else 0):
                why = LEFT
        jitter = random.uniform(-1, 1)  # noqa: S311 - no secret
        before = self.life.state
        self.life, actions = policy.step(
            self.life, event, time.monotonic(), self.rules, code=code, why=why, jitter=jitter
        )
        if self.life.state != before:
            self._since_us = _now_us()
            if self.life.state == policy.STOPPING and event != policy.ENDED:
                self._why, self._asked = self.life.reason, self.life.then in {policy.STOP, policy.RESTART}
        if self.life.state not in {before, policy.STARTING}:
            self._probe_at = self._lines = None
            self._unanswered = 0
            if self.life.state == policy.RUNNING and self.spec["liveness"]:
                self._probe_at = time.monotonic() + self.spec["liveness"][2]
        self._act(actions)
        self._look_whether_gone()
        self._tell()

    def _act(self, actions: list[str]) -> None:
        for action in actions:
            if action == policy.SPAWN:
                self._spawn()
            elif action == policy.SIGNAL:
                self._signal()
            else:
                for pid in tree.descendants(os.getpid()):
                    tree.send(pid, signal.SIGKILL)

    def _spawn(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        place = self._output.next_writer()
        self._started_us = _now_us()
        pid, trouble = spawn.start(self.spec["command"], self.spec["directory"], self._environment, writing)
        os.close(writing)
        self._pipes.add(reading)
        self._poll.register(reading, select.POLLIN)
        if trouble:
            self._happen(policy.UNSTARTABLE, why=f"cannot be started: {trouble}")
            return
        self._main, self._main_tick = pid, tree.start_tick(pid, ended=True)
        self._program = {
            "boot": self.spec["boot"],
            "parent": os.getpid(),
            "command": _cut(self.spec["command"]),
            "directory": self.spec["directory"],
        }
        self._parts.writer(pid, self._main_tick, self._started_us, place)
        if self.spec["ready"]:
            kind, what = self.spec["ready"]
            self._lines = Lines(what) if kind == "log" else None
            self._answer = f"no line of its output matches {what}" if kind == "log" else ""
            self._probe_at, self._probe_pause = (None if kind == "log" else time.monotonic()), PROBE_S[0]
        self._happen(policy.BEGUN)

    def _signal(self) -> None:
        """Send the stop signal: to the main process, which may end its own children in order; once it is gone, to what it left behind."""
        below = tree.descendants(os.getpid()) if self._main is None else [self._main]
        for pid in below:
            tree.send(pid, self.spec["stop_signal"])

    def _look_whether_gone(self) -> None:
        if self.life.state == policy.STOPPING and self._main is None and not tree.descendants(os.getpid()):
            self._drain()
            self._happen(policy.GONE)

    def _signalled(self) -> None:
        """Signals have come: SIGTERM stops the service; children have ended."""
        if signal.SIGTERM in os.read(self._woken, 4096):
            self._happen(policy.STOP, why="its shim was ended")
        self._reap()
        self._look_whether_gone()
        self._tell()

    def _reap(self) -> None:
        """Ask for the children that have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            code = os.waitstatus_to_exitcode(status)
            if pid == self._main:
                self._happen(policy.ENDED, code=code)
            elif self._probe is not None and pid == self._probe.pid:
                why, self._probe = self._probe.ended(code), None
                self._answered(why)

    # --- readiness and liveness

    def _ask(self) -> None:
        """Ask once whether it is ready or, once it runs, whether it still works."""
        self._probe_at, self._probed = None, f"{self.life.state} {self._main}"
        if self.life.state == policy.STARTING:
            (kind, what), limit = self.spec["ready"], self.spec["probe_timeout_s"]
        else:
            kind, what, _, limit, _ = self.spec["liveness"]
        self._probe = spawn.probe(kind, what, self.spec["directory"], self._environment, limit)

    def _answered(self, why: str) -> None:
        """A check was answered: well, or `why` not."""
        if self._probed != f"{self.life.state} {self._main}":
            return  # it was asked of an earlier process, or before it was ready
        if self.life.state == policy.STARTING:
            if not why:
                self._happen(policy.READY)
                return
            self._answer = f"{self._check('ready')}: {why}"
            self._probe_at = time.monotonic() + self._probe_pause
            self._probe_pause = min(self._probe_pause * 1.5, PROBE_S[1])
        elif self.life.state == policy.RUNNING and self.spec["liveness"]:
            self._lives(why)

    def _lives(self, why: str) -> None:
        """A liveness check was answered, or was not: so many in a row that are not, and it counts as failed."""
        _, _, every, _, failures = self.spec["liveness"]
        self._unanswered = self._unanswered + 1 if why else 0
        self._probe_at = time.monotonic() + every
        if self._unanswered >= failures:
            times = "" if failures == 1 else f" {failures} times in a row"
            self._happen(policy.DEAF, why=f"liveness check failed{times}: {self._check('liveness')}: {why}")

    def _check(self, which: str) -> str:
        """How a check is called; an agent of an earlier version did not say it."""
        called: str = self.spec.get("checks", {}).get(which) or self.spec[which][0]
        return called

    # --- output and state

    def _read(self, descriptor: int) -> bool:
        """Read one block; answers whether there may be more. A pipe that nobody writes to any more is closed."""
        try:
            data = os.read(descriptor, BLOCK)
        except BlockingIOError:
            return False
        if not data:
            self._poll.unregister(descriptor)
            os.close(descriptor)
            self._pipes.discard(descriptor)
            return False
        self._output.write(data)
        if self._lines is not None and self._lines.found_in(data):
            self._happen(policy.READY)
        return True

    def _drain(self) -> None:
        """Read what the processes that are gone have left in their pipes."""
        for descriptor in list(self._pipes):
            while self._read(descriptor):
                pass

    def _begun(self, inode: int) -> None:
        """A file of the output is begun. Who reads it finds out whose it is before there is anything in it."""
        self._parts.file(inode)
        self._tell()

    def _tell(self) -> None:
        life = self.life
        parts = self._parts.all
        now = (
            life.state, life.reason, life.restarts, self._main, self._output.error, self._lost, self._unanswered, parts, self._heard,
        )  # fmt: skip
        if now == self._told:
            return
        changed, self._told = now[:3] != self._told[:3], now
        facts = {"pid": self._main, "code": life.exit_code, "signal": life.exit_signal, "restarts": life.restarts}
        if changed:
            self._events.note(life.state, reason=life.reason, **facts)
        pause = None if life.state != policy.BACKOFF or life.timer is None else life.timer - time.monotonic()
        self._control.tell(
            {
                "state": life.state,
                "reason": life.reason,
                "since": self._since_us,
                "pid": self._main,
                "start_tick": self._main_tick,
                "started": self._started_us,
                "exit_code": life.exit_code,
                "exit_signal": life.exit_signal,
                "ended_for": self._last_why,
                "restarts": life.restarts,
                "unanswered": self._unanswered,
                "heard": self._heard,
                "next_start": None if pause is None else _now_us() + int(pause * 1e6),
                "seq": self._events.seq,
                "shim": os.getpid(),
                "mark": self.spec["mark"],
                "spec": self.spec["hash"],
                "boot": self.spec["boot"],
                "output": parts,
                "account": self._output.account.told,
                "output_lost": self._output.lost,
                "output_error": self._output.error,
            }
        )


def _told_before() -> "dict[str, Any]":
    """What the shim before this one said last; the parts of its output are those of one boot."""
    try:
        with open(STATE, encoding="utf-8") as file:
            before: dict[str, Any] = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return before


def _cut(words: list[str]) -> list[str]:
    """The first words of a command, as many as are kept: no word in parts, as half a secret is not known for one."""
    kept: list[str] = []
    for word in words:
        if sum(map(len, kept)) + len(word) > COMMAND_CHARS:
            return [*kept, "…"]
        kept.append(word)
    return kept


def _wake_on_signals() -> int:
    """A descriptor that gets the number of each signal that comes. The terminal's end and Ctrl-C are not for the shim."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    return reading


def _now_us() -> int:
    return time.time_ns() // 1000
