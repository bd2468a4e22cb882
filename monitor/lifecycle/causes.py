"""Why a process ended: the most likely cause that the evidence allows, in words. What is not known is said to be unknown."""

import signal
from dataclasses import dataclass
from typing import Final, Literal

from monitor.core.exit_words import ended_with, signal_name, size_words

Cause = Literal[
    "running", "completed", "exit_code", "exception", "terminated", "killed", "segfault", "aborted", "memory_machine", "memory_group",
    "memory", "cpu_limit", "parent_gone", "stopped", "signal", "unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of an end.

    Attributes:
        ended: whether it ended.
        exit_code: None if a signal ended it, or nobody told.
        exit_signal: the number of that signal.
        seen: whether the end itself was seen.
        rebooted: whether the machine has begun anew since.
        out_of_memory: whether the kernel ended it to free memory.
        memory_group: the control group whose limit was reached; empty for the machine, None if that is not known.
        memory_limit: of that group, bytes.
        cpu_limit_s: the CPU time that it was allowed, if the kernel killed it because it had used that.
        exception: the uncaught exception that it logged at its end, in one line.
        asked: who asked for it from Watchkeeper just before, as `stopped by Ada`.
        ended_for: the service that it was, and why Watchkeeper ended it.
        timed_out_by: its parent, if that ended it because its time was over.
        sent_by: a command that sends signals, was run at that moment, and names the process, as `pkill -f train.py (7)`.
        time_over_s: the time that it gives what it runs, if it is a `timeout` that kills and that time was over.
        parent: the name of its parent, if that ended at the same moment or just before, and not by the same signal.
    """

    ended: bool = True
    exit_code: int | None = None
    exit_signal: int | None = None
    seen: bool = True
    rebooted: bool = False
    out_of_memory: bool = False
    memory_group: str | None = None
    memory_limit: int | None = None
    cpu_limit_s: int | None = None
    exception: str | None = None
    asked: str | None = None
    ended_for: str | None = None
    timed_out_by: str | None = None
    sent_by: str | None = None
    time_over_s: float | None = None
    parent: str | None = None


_MEANINGS: Final[dict[str, tuple[Cause, str]]] = {
    "SIGTERM": ("terminated", "It was asked to stop"),
    "SIGKILL": ("killed", "It was killed at once, without a chance to react"),
    "SIGSEGV": ("segfault", "It crashed: it used memory that it does not have"),
    "SIGBUS": ("segfault", "It crashed: memory that it used could not be read, such as a file that was shortened"),
    "SIGABRT": ("aborted", "It gave itself up: an assertion failed, or an error in native code was not handled"),
    "SIGXCPU": ("cpu_limit", "It used up the CPU time that its limit allows"),
    "SIGXFSZ": ("signal", "It wrote a file that is larger than its limit allows"),
    "SIGINT": ("terminated", "It was interrupted, as by Ctrl-C"),
    "SIGQUIT": ("terminated", "It was interrupted, as by Ctrl-\\"),
    "SIGHUP": ("terminated", "Its terminal or connection was closed"),
    "SIGPIPE": ("signal", "It wrote to a pipe or connection that nobody reads any more"),
    "SIGFPE": ("signal", "It crashed: a calculation was impossible, such as a division by zero"),
    "SIGILL": ("signal", "It crashed: its code has an instruction that this processor does not know"),
    "SIGALRM": ("signal", "A timer that it had set ran out, and it did not expect that"),
    "SIGSYS": ("signal", "It asked the kernel for something that it may not"),
    "SIGTRAP": (
        "signal",
        "It crashed: its code stopped itself where it must not get to, or met a breakpoint without a debugger",
    ),
    "SIGUSR1": ("signal", "It got a signal that programs agree upon, and does not handle it"),
    "SIGUSR2": ("signal", "It got a signal that programs agree upon, and does not handle it"),
    "SIGVTALRM": ("signal", "A timer that it had set ran out, and it did not expect that"),
    "SIGPROF": ("signal", "A timer for measuring it ran out, and it did not expect that"),
    "SIGIO": ("signal", "It was told that a file or connection is ready, and did not expect that"),
    "SIGPWR": ("signal", "It was told that power fails"),
}
_PASSED_ON: Final = frozenset({"SIGTERM", "SIGKILL", "SIGHUP", "SIGINT"})
"""Signals that a process gets because its parent ended."""
_SHELLS: Final = 128


def cause_of(known: Evidence) -> tuple[Cause, str]:
    """The cause, and one sentence that says it."""
    if not known.ended:
        return "running", "It still runs."
    if known.out_of_memory:
        return _memory(known)
    if known.asked is not None or known.ended_for is not None:
        return _stopped(known)
    if known.cpu_limit_s is not None:
        return (
            "cpu_limit",
            f"It used up the {known.cpu_limit_s} s of CPU time that its limit allows ({_by_signal(known)}).",
        )
    if known.exit_signal is not None:
        return _signalled(known, signal_name(known.exit_signal))
    return _coded(known, known.exit_code)


def _stopped(known: Evidence) -> tuple[Cause, str]:
    said = _by_signal(known) or ended_with(known.exit_code, None) or "how it ended is not known"
    if known.ended_for is not None:
        return "stopped", f"Watchkeeper ended it with its service {known.ended_for} ({said})."
    return "stopped", f"Watchkeeper ended it: {known.asked} ({said})."


def _coded(known: Evidence, code: int | None) -> tuple[Cause, str]:
    if code is None:
        if known.seen:
            return "unknown", "It ended; how is not known."
        if known.rebooted:
            return (
                "unknown",
                "It ended with the machine, which has begun anew since, or before that while Watchkeeper did not look.",
            )
        return "unknown", "It ended while Watchkeeper did not look."
    if code == 0:
        return "completed", "It completed, with exit code 0."
    if known.exception is not None:
        return "exception", f"It failed with {known.exception} (exit code {code})."
    return "exit_code", f"It ended itself with exit code {code}{_meaning(code)}."


def _memory(known: Evidence) -> tuple[Cause, str]:
    if known.memory_group is None:
        return "memory", "The kernel killed it because memory ran out."
    if not known.memory_group:
        return "memory_machine", "The kernel killed it because the machine ran out of memory."
    limit = "" if known.memory_limit is None else f" of {size_words(known.memory_limit)}"
    return (
        "memory_group",
        f"The kernel killed it because its control group {known.memory_group} reached its memory limit{limit}.",
    )


def _signalled(known: Evidence, name: str) -> tuple[Cause, str]:
    cause, words = _MEANINGS.get(name, ("signal", "A signal ended it"))
    said = f"({_by_signal(known)})"
    if known.time_over_s is not None:
        return cause, f"Its time of {known.time_over_s:g} s was over: it killed what it ran, and itself {said}."
    if known.sent_by is not None:
        return cause, f"{words} {said}. {known.sent_by} was run at that moment, and names it."
    if known.parent is not None and name in _PASSED_ON:
        return "parent_gone", f"Its parent {known.parent} ended at that moment, and it was ended too {said}."
    if known.timed_out_by is not None:
        return cause, f"Its parent {known.timed_out_by} ended it, as its time was over {said}."
    if cause == "aborted" and known.exception is not None:
        return cause, f"{words}: {known.exception} {said}."
    return cause, f"{words} {said}."


def _by_signal(known: Evidence) -> str:
    return "" if known.exit_signal is None else f"{signal_name(known.exit_signal)}, signal {known.exit_signal}"


def _meaning(code: int) -> str:
    """What a code stands for by the custom of shells and of `timeout`; empty for all others."""
    if code == 124:
        return ": a command took longer than it was allowed to"
    if code == 126:
        return ": a command could not be executed"
    if code == 127:
        return ": a command was not found"
    number = code - _SHELLS
    if 0 < number < 65 and number in {one.value for one in signal.Signals}:
        return f": a command that it ran, or it itself, was ended by {signal_name(number)}"
    return ""
