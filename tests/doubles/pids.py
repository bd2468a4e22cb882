"""Processes under a chosen pid, by the kernel's own `ns_last_pid`; root on Linux only."""

import os
import time
from pathlib import Path

from monitor.sampling.linux.parse import parse_stat

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
PROGRAMS = (["/bin/sleep", "600"], ["/usr/bin/tail", "-f", "/dev/null"])
ATTEMPTS = 200
"""On a machine that spawns much the pid is often taken by somebody else between two lines."""


def can_be_forced() -> bool:
    """Whether pids can be chosen here."""
    return os.access(LAST_PID, os.W_OK)


def spawn_as(pid: int | None, argv: list[str]) -> int:
    """Start a program under a chosen pid; None takes any.

    Raises:
        ProcessLookupError: others were always faster.
    """
    for _ in range(ATTEMPTS):
        before = LAST_PID.read_text(encoding="ascii")
        if pid is not None:
            LAST_PID.write_text(str(pid - 1), encoding="ascii")
        made = os.posix_spawn(argv[0], argv, {})
        if (
            pid is not None
        ):  # else what others start would soon have the pids again that they have just had, within one tick of the clock
            LAST_PID.write_text(before, encoding="ascii")
        if pid in (None, made):
            while _words(made) != argv:
                time.sleep(
                    0.0005
                )  # the kernel lets us go on a moment before the new program has its name and its words
            return made
        end(made)
    raise ProcessLookupError(f"pid {pid} could not be had: the machine spawns too much")


def end(pid: int) -> None:
    """Kill a child and reap it."""
    os.kill(pid, 9)
    os.waitpid(pid, 0)


def start_tick(pid: int) -> int:
    """When it started, as the kernel tells it."""
    return parse_stat(Path(f"/proc/{pid}/stat").read_bytes()).start_tick


def wait_for_next_tick(tick: int, hz: int) -> None:
    """Two runs are told apart by their start, which the kernel gives in hundredths of a second."""
    while time.clock_gettime(time.CLOCK_BOOTTIME) * hz < tick + 2:
        time.sleep(0.001)


def _words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="ascii").rstrip("\0").split("\0")
