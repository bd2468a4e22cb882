"""Exit codes and signals in words."""

import signal
from typing import Final

FAULTS: Final = frozenset(
    number
    for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGSYS", "SIGTRAP")
    if (number := getattr(signal, name, None)) is not None
)
"""Signals with which the kernel, or a program itself, ends what went wrong. Nobody sends them to end a process in order."""


def asked_for(by: str, exit_signal: int | None, *, out_of_memory: bool = False) -> str | None:
    """Who asked for an end, in words; None if it crashed instead, or nobody asked (`by` is empty)."""
    return None if not by or out_of_memory or exit_signal in FAULTS else by


def failed(exit_code: int | None, exit_signal: int | None, asked: str | None) -> bool | None:
    """Whether an end is a failure; None if nobody knows. What somebody asked for is none, whatever its code: see `asked_for`.

    Every place that shows, colours, counts or tells ends goes by this; SQL has it as `wk_failed`.
    """
    if asked is not None:
        return False
    return None if exit_code is None and exit_signal is None else bool(exit_code or exit_signal)


def ended_with(
    exit_code: int | None,
    exit_signal: int | None,
    *,
    out_of_memory: bool = False,
    memory_group: str | None = None,
    memory_limit: int | None = None,
    asked: str | None = None,
) -> str | None:
    """How a process ended, in a few words; None if that is not known.

    >>> ended_with(None, 9)
    'killed by SIGKILL (signal 9)'

    Args:
        exit_code: None if unknown, or if a signal ended it.
        exit_signal: the number of that signal.
        out_of_memory: whether the kernel did it to free memory.
        memory_group: the control group whose limit was reached; empty for the machine, None if unknown.
        memory_limit: of that group, bytes.
        asked: who asked for it, in words.
    """
    if asked is not None:
        return f"{ended_with(exit_code, exit_signal) or 'exit code unknown'}, {asked}"
    if exit_signal is not None:
        why = f": {_memory(memory_group, memory_limit)}" if out_of_memory else ""
        return f"killed by {signal_name(exit_signal)} (signal {exit_signal}){why}"
    return None if exit_code is None else f"exit code {exit_code}"


def _memory(group: str | None, limit: int | None) -> str:
    if not group:
        return "out of memory"
    return "out of memory of its control group" + ("" if limit is None else f", limit {size_words(limit)}")


def size_words(size: int) -> str:
    """Bytes in powers of 1024: `512 MiB`, `1.5 GiB`."""
    if size < 1 << 30:
        return f"{size / (1 << 20):,.1f} MiB".replace(".0 ", " ")
    return f"{size / (1 << 30):,.1f} GiB".replace(".0 ", " ")


def signal_name(number: int) -> str:
    """`SIGKILL` for 9; `SIGRTMIN+3` for one of the real-time signals."""
    try:
        return signal.Signals(number).name
    except ValueError:
        first = getattr(signal, "SIGRTMIN", None)
        return f"SIGRTMIN+{number - first}" if first is not None and first < number <= 64 else "an unknown signal"
