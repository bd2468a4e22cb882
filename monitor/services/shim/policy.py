"""The states of a service, and the one function that leads from each to the next.

    starting ──ready──► running ──┐
       ▲  │ exited                │ exited
       │  └──────► stopping ◄─────┘◄── stop, restart, no sign of life
       │               │ nothing of it is left
       │               ├──► stopped    a person or a signal asked for it
       │               ├──► exited     ended well, and is not restarted
       │               ├──► failed     ended badly and is not restarted, or ended too often
       └── backoff ◄───┘    ended, and is started again after a pause

A start by hand ends a pause, and turns a stop that is under way into a restart.

Pure: no clock, no process. Times are seconds of a monotonic clock. Standard library only, as the shim stays small.
"""

import signal

STARTING, RUNNING, BACKOFF, STOPPING = "starting", "running", "backoff", "stopping"
STOPPED, EXITED, FAILED = "stopped", "exited", "failed"
ACTIVE = (STARTING, RUNNING, BACKOFF, STOPPING)
OVER = (STOPPED, EXITED, FAILED)

SPAWN, SIGNAL, KILL = "spawn", "signal", "kill"
"""What the shim has to do: start the command, send the stop signal to what runs, kill what runs."""

BEGUN, UNSTARTABLE, READY, DEAF, ENDED, GONE, DUE, STOP, RESTART, START = (
    "begun", "unstartable", "ready", "deaf", "ended", "gone", "due", "stop", "restart", "start",
)  # fmt: skip
"""What happens: the command was started, or could not be; it is ready; it answers its liveness check no more; its main process ended; none of its processes
is left; the timer is due; somebody wants it stopped, restarted, or up.
"""
AGAIN_S = 1.0
"""Pause between two attempts to kill what does not end."""
JITTER = 0.2


class Rules:
    """The part of a service's settings that decides when it is restarted.

    Args:
        restart: `never`, `on-failure` or `always`.
        backoff_s: pause before the second restart in a row; it doubles with each further one. The first restart is immediate.
        backoff_max_s: longest pause.
        stable_s: after running so long, the next restart is a first one again.
        crash_limit: so many ends within `crash_window_s` seconds end the attempts.
        stop_grace_s: time between the stop signal and SIGKILL.
        ready_timeout_s: time to become ready; None if starting is enough.
    """

    __slots__ = ("backoff_max_s", "backoff_s", "crash_limit", "crash_window_s", "ready_timeout_s", "restart", "stable_s", "stop_grace_s")  # fmt: skip

    def __init__(
        self,
        *,
        restart: str = "on-failure",
        backoff_s: float = 0.5,
        backoff_max_s: float = 60.0,
        stable_s: float = 10.0,
        crash_limit: int = 5,
        crash_window_s: float = 30.0,
        stop_grace_s: float = 10.0,
        ready_timeout_s: float | None = None,
    ) -> None:
        self.restart, self.stable_s, self.stop_grace_s = restart, stable_s, stop_grace_s
        self.backoff_s, self.backoff_max_s = backoff_s, backoff_max_s
        self.crash_limit, self.crash_window_s = crash_limit, crash_window_s
        self.ready_timeout_s = ready_timeout_s


class Life:
    """Where a service stands.

    Attributes:
        state: one of `ACTIVE` or `OVER`.
        reason: why it is in this state, in words; empty if that goes without saying.
        timer: when `DUE` is to happen; None for never.
        then: in `stopping`, what follows: `stop`, `restart`, or `decide` (by the rules).
        exit_code: of the last end of the main process; None if it was ended by `exit_signal`, or has not ended yet.
        restarts: how often it was started again, by rule or by hand.
        in_a_row: restarts by rule since it last ran for `stable_s`.
        ends: when it ended within the last `crash_window_s`.
        began: when the command was last started.
        left: that its main process ended well and left others behind, in words; else empty.
    """

    __slots__ = ("began", "ends", "exit_code", "exit_signal", "in_a_row", "killed", "left", "reason", "restarts", "state", "then", "timer", "trouble")  # fmt: skip

    def __init__(self) -> None:
        self.state, self.reason, self.then, self.trouble = STARTING, "", "", ""
        self.timer: float | None = None
        self.exit_code: int | None = None
        self.exit_signal: int | None = None
        self.restarts = self.in_a_row = 0
        self.ends: tuple[float, ...] = ()
        self.began = 0.0
        self.killed = False
        self.left = ""

    def copy(self) -> "Life":
        """The same once more."""
        other = Life()
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        return other


def begin() -> tuple[Life, list[str]]:
    """The start of a service."""
    return Life(), [SPAWN]


def step(
    life: Life, event: str, now: float, rules: Rules, *, code: int | None = None, why: str = "", jitter: float = 0.0
) -> tuple[Life, list[str]]:
    """What an event leads to: where the service stands then, and what has to be done. An event that means nothing in a state changes nothing.

    Args:
        life: where it stands; it is not changed.
        event: what happened.
        now: when.
        rules: of this service.
        code: with `ENDED`, the exit code, or the negative number of the signal.
        why: with `UNSTARTABLE` and `DEAF`, the reason; with `DUE`, why it is not ready yet; with `STOP`, who asked; with `ENDED`, what it left behind.
        jitter: a random number from -1 to 1.
    """
    after = life.copy()
    if life.state in OVER:
        return after, []
    if event == START and life.state in {STARTING, RUNNING}:
        return after, []
    if event in {STOP, RESTART, START}:
        return after, _asked(after, event, now, rules, why=why)
    if life.state == STOPPING:
        return after, _stopping(after, event, now, rules, code=code, jitter=jitter)
    if life.state == BACKOFF:
        return after, _again(after) if event == DUE else []
    return after, _up(after, event, now, rules, code=code, why=why)


def _asked(life: Life, event: str, now: float, rules: Rules, *, why: str) -> list[str]:
    """Somebody wants it stopped, or up once more. The last wish counts."""
    if life.state == BACKOFF:
        if event != STOP:
            life.in_a_row, life.ends = 0, ()
            return _again(life)
        _over(life, STOPPED, why)
        return []
    began = life.state != STOPPING
    life.then, life.reason = STOP if event == STOP else RESTART, why
    if not began:
        return []
    life.state, life.timer, life.killed = STOPPING, now + rules.stop_grace_s, False
    return [SIGNAL]


def _up(life: Life, event: str, now: float, rules: Rules, *, code: int | None, why: str) -> list[str]:
    """Starting or running."""
    starting = life.state == STARTING
    if event == BEGUN and starting:
        life.began, life.reason = now, ""
        life.timer = None if rules.ready_timeout_s is None else now + rules.ready_timeout_s
        if rules.ready_timeout_s is None:
            life.state = RUNNING
    elif event == UNSTARTABLE and starting:
        _over(life, FAILED, why)
    elif event == READY and starting:
        life.state, life.timer = RUNNING, None
    elif event == DUE and starting and life.timer is not None:
        return _useless(life, f"not ready within {rules.ready_timeout_s:g} s{f': {why}' if why else ''}", now, rules)
    elif event == DEAF and not starting:
        return _useless(life, why, now, rules)
    elif event == ENDED:
        _note_end(life, code)
        life.left = why if code == 0 else ""
        life.state, life.then, life.timer, life.killed = STOPPING, "decide", now + rules.stop_grace_s, False
        life.reason = "its main process ended; ending what it left behind"
        return [SIGNAL]
    return []


def _useless(life: Life, trouble: str, now: float, rules: Rules) -> list[str]:
    """It runs but does not work: it is stopped, and that counts as a failure."""
    life.trouble = life.reason = trouble
    life.state, life.then, life.timer, life.killed = STOPPING, "decide", now + rules.stop_grace_s, False
    return [SIGNAL]


def _stopping(life: Life, event: str, now: float, rules: Rules, *, code: int | None, jitter: float) -> list[str]:
    if event == ENDED:
        _note_end(life, code)
        return [SIGNAL]
    if event == DUE:
        life.killed, life.timer = True, now + AGAIN_S
        return [KILL]
    if event != GONE:
        return []
    if life.then == STOP:
        _over(life, STOPPED, life.reason)
        return []
    if life.then == RESTART:
        life.in_a_row, life.ends, life.trouble = 0, (), ""
        return _again(life)
    return _decide(life, now, rules, jitter)


def _decide(life: Life, now: float, rules: Rules, jitter: float) -> list[str]:
    """It ended by itself: is it started again, and when?"""
    how = life.trouble or _how(life)
    failed = bool(life.trouble or life.exit_code or life.exit_signal)
    life.trouble = ""
    if life.left:
        how, life.left = f"{how}; {life.left}", ""
    if not (rules.restart == "always" or (rules.restart == "on-failure" and failed)):
        _over(life, FAILED if failed else EXITED, how)
        return []
    if now - life.began >= rules.stable_s:
        life.in_a_row = 0
    life.ends = (*(at for at in life.ends if now - at < rules.crash_window_s), now)
    if len(life.ends) >= rules.crash_limit:
        verb = "failed" if failed else "ended"
        _over(life, FAILED, f"{verb} {len(life.ends)} times in {max(1.0, now - life.ends[0]):.0f} s: {how}")
        return []
    life.in_a_row += 1
    if life.in_a_row == 1:
        life.reason = how
        return _again(life)
    pause = min(rules.backoff_s * 2.0 ** min(life.in_a_row - 2, 60), rules.backoff_max_s) * (1 + JITTER * jitter)
    life.state, life.timer, life.reason = BACKOFF, now + pause, how
    return []


def _again(life: Life) -> list[str]:
    life.state, life.timer, life.then = STARTING, None, ""
    life.restarts += 1
    return [SPAWN]


def _over(life: Life, state: str, reason: str) -> None:
    life.state, life.reason, life.timer, life.then = state, reason, None, ""


def _note_end(life: Life, code: int | None) -> None:
    life.exit_code = code if code is not None and code >= 0 else None
    life.exit_signal = -code if code is not None and code < 0 else None


def _how(life: Life) -> str:
    return how(life.exit_code if life.exit_signal is None else -life.exit_signal)


def how(code: int | None) -> str:
    """How a process ended, in words: its exit code, the negative number of a signal, or None if that is not known."""
    if code is None or code >= 0:
        return "exit code unknown" if code is None else f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "an unknown signal"
    return f"killed by {name} (signal {-code})"
