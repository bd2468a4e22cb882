"""Which killed processes the kernel killed because memory ran out, and whose memory that was.

Sources: mm/oom_kill.c (`dump_oom_summary`), Documentation/ABI/testing/dev-kmsg. The log needs the right to read `/dev/kmsg`.
"""

import dataclasses
import os
import re
import signal
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from monitor.core.cgroups import limits_of
from monitor.sampling.core.reader import Ending
from monitor.sampling.linux.procfiles import read_file

_COUNTER: Final = b"\noom_kill "
_SUMMARY: Final = re.compile(
    rb"oom-kill:constraint=(\w+),[^\n]*?(?:oom_memcg=([^,\n]*),|global_oom,)[^\n]*task=[^\n]*,pid=(\d+),uid=\d+"
)
"""A program may call itself `x,pid=1`: the last pid of the line counts."""
_KILLED: Final = re.compile(rb"(Memory cgroup out|Out) of memory[^\n]*: Killed process (\d+) ")
"""The kernel writes this of every such kill, the line above only of some in a storm."""
_KEPT: Final = 1_000
_READ: Final = 8_192
_MOST: Final = 10_000
"""Messages of one look. A kernel that writes more loses what is older."""


class KernelLog:
    """Reads what the kernel has logged since this object was made.

    Args:
        path: the kernel's log.
    """

    def __init__(self, path: str = "/dev/kmsg") -> None:
        self._groups: OrderedDict[int, str | None] = OrderedDict()
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._fd, 0, os.SEEK_END)
        except OSError:  # not allowed, or none: the kernel's counters are left
            self._fd = -1

    @property
    def readable(self) -> bool:
        """Whether the log is there: then it has every such kill."""
        return self._fd >= 0

    def take(self, pid: int) -> tuple[bool, str | None]:
        """Whether this process was killed to free memory, and the control group whose limit was reached: empty for the machine, None if unknown."""
        self._read()
        return pid in self._groups, self._groups.pop(pid, None)

    def close(self) -> None:
        """Close the log; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> None:
        for _ in range(_MOST if self._fd >= 0 else 0):
            try:
                message = os.read(self._fd, _READ)
            except BrokenPipeError:  # older messages were overwritten: go on with what there is
                continue
            except OSError:  # nothing more
                return
            if not message:
                return
            for found in _SUMMARY.finditer(message):
                group = (found[2] or b"").decode("utf-8", "replace") if found[1] == b"CONSTRAINT_MEMCG" else ""
                self._groups[int(found[3])] = group
            for found in _KILLED.finditer(message):
                self._groups.setdefault(int(found[2]), "" if found[1] == b"Out" else None)
            while len(self._groups) > _KEPT:
                self._groups.popitem(last=False)


class OomKills:
    """Reads the kernel's log; where that is not allowed, compares its count of such kills with the processes that were killed.

    Args:
        root: `/proc`, or a copy of it.
        log: the kernel's log; none without it.
        groups: where control groups are.
    """

    def __init__(self, root: str = "/proc", log: KernelLog | None = None, groups: str = "/sys/fs/cgroup") -> None:
        self._log, self._groups = log, groups
        self._path = f"{root}/vmstat"
        self._seen = self._count()

    def mark(self, endings: Sequence[Ending], pids: Mapping[int, int] | None = None) -> list[Ending]:
        """The endings, marked where the kernel did it.

        Without its log, if it killed fewer than were killed, nobody knows which: none is marked.

        Args:
            endings: all of one sweep.
            pids: by run.
        """
        killed = {
            ending.run for ending in endings if ending.status is not None and ending.status & 0x7F == signal.SIGKILL
        }
        if not killed:
            return list(endings)
        count = self._count()
        kills = 0 if count is None or self._seen is None else count - self._seen
        self._seen = count
        if self._log is not None and self._log.readable:
            told = {run: self._log.take(pid) for run, pid in (pids or {}).items() if run in killed}
            logged = {run: group for run, (known, group) in told.items() if known}
            return [self._marked(one, logged[one.run]) if one.run in logged else one for one in endings]
        return [self._marked(one, None) if one.run in killed and kills >= len(killed) else one for one in endings]

    def _marked(self, ending: Ending, group: str | None) -> Ending:
        limit = limits_of(group, self._groups).memory_limit if group else None
        return dataclasses.replace(ending, out_of_memory=True, memory_group=group, memory_limit=limit)

    def _count(self) -> int | None:
        """Kills since the boot; None where the kernel does not count them (before 4.13)."""
        try:
            raw = read_file(self._path)
        except OSError:  # hidden from this process
            return None
        _, found, rest = raw.partition(_COUNTER)
        number = rest.split(b"\n", 1)[0]
        return int(number) if found and number.isdigit() else None
