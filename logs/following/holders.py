"""Which processes hold a file open for writing, read from `/proc`."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from logs.core.timestamps import SECOND

_EARLY_US: Final = 20_000
_TICK_US: Final = 10_000
_STEPS: Final = 64
_AT_ONCE_NS: Final = 1_000_000
_REMEMBERED_US: Final = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Holder:
    """A process as it was when it was seen to write a file. It may have ended by the time its lines are read.

    Args:
        pid: its number.
        run: its run; None while that is not known.
        since: when it began, µs, a moment early (ticks round).
        name: its program.
        parent: its parent's pid.
        wrote: where it began to write, as (inode, offset), in the order of time, if whoever started it knows; its part ends where the next one begins.
        output: whether the file is its standard output or error: one that has it otherwise may only have opened it for that one.
    """

    pid: int
    run: int | None
    since: int
    name: str
    parent: int
    wrote: tuple[tuple[int, int], ...] = ()
    output: bool = False


class Seen:
    """Who was seen to write which file in the last minute, by `(device, inode)`."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], dict[int, tuple[Holder, int]]] = {}

    def note(self, key: tuple[int, int], holder: Holder) -> None:
        """This one writes it now."""
        self._seen.setdefault(key, {})[holder.pid] = (holder, time.time_ns() // 1000)

    def forget(self) -> None:
        """Forget whom nobody has seen for long."""
        old = time.time_ns() // 1000 - _REMEMBERED_US
        self._seen = {
            key: young
            for key, seen in self._seen.items()
            if (young := {pid: (held, at) for pid, (held, at) in seen.items() if at >= old})
        }

    def groups(self, key: tuple[int, int]) -> list[list[Holder]]:
        """Those who wrote a file, one group after the other: in a group are those who had it at the same time."""
        found: list[list[Holder]] = []
        until = 0
        for held, at in sorted(self._seen.get(key, {}).values(), key=lambda one: one[0].since):
            if found and held.since + _EARLY_US + _TICK_US < until:
                found[-1].append(held)
            else:
                found.append([held])
            until = max(until, at)
        return found


def holder_of(pid: int, run_of_pid: Callable[[int], int | None]) -> Holder | None:
    """This process, which holds a file; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            before, _, after = stat.read().rpartition(b")")
        fields = after.split()
        if fields[0] in {b"Z", b"X"}:
            return None
        name = before.partition(b"(")[2].decode("utf-8", "replace")
        return Holder(pid, run_of_pid(pid), _began(int(fields[19])), name, int(fields[1]))
    except (OSError, ValueError, IndexError):
        return None


def holders_of(dev: int, inode: int, run_of_pid: Callable[[int], int | None]) -> list[Holder]:
    """The processes that have this file open for writing."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    found = [(pid, holder_of(pid, run_of_pid)) for pid in pids if has_open(pid, dev, inode)]
    return [replace(held, output=_is_output(pid, dev, inode)) for pid, held in found if held is not None]


def has_open(pid: int, dev: int, inode: int) -> bool:
    """Whether a process has this file open for writing."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return any(_leads_to(entry.path, dev, inode) for entry in entries)
    except OSError:  # it ended, or it is another user's
        return False


def _is_output(pid: int, dev: int, inode: int) -> bool:
    """Whether a file is a process's standard output or error."""
    return any(_leads_to(f"/proc/{pid}/fd/{number}", dev, inode) for number in (1, 2))


def _leads_to(link: str, dev: int, inode: int) -> bool:
    """Whether an entry of `/proc/<pid>/fd` is this file, open for writing (then its owner may write the link)."""
    try:
        status = os.stat(link)
        return (status.st_dev, status.st_ino) == (dev, inode) and bool(os.lstat(link).st_mode & 0o200)
    except OSError:
        return False


def ancestors_of(pid: int) -> list[int]:
    """Parents of a process, the nearest first."""
    found: list[int] = []
    for _ in range(_STEPS):
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                pid = int(stat.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
        if pid <= 1:
            break
        found.append(pid)
    return found


def start_of(pid: int) -> int:
    """When the process began, µs since the epoch, a moment early (ticks round); 0 when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
            ticks, state = int(fields[19]), fields[0]
    except (OSError, ValueError, IndexError):
        return 0
    return 0 if state in {b"Z", b"X"} else _began(ticks)


def _began(ticks: int) -> int:
    return _boot() + ticks * SECOND // os.sysconf("SC_CLK_TCK") - _EARLY_US


def _boot() -> int:
    """When the machine began, µs since the epoch. Two clocks are read, and who waits for a core between them reads them again."""
    for _ in range(_STEPS):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        now = time.time_ns()
        if time.clock_gettime_ns(time.CLOCK_BOOTTIME) - before < _AT_ONCE_NS:
            break
    return (now - before) // 1000
