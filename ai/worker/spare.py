"""How many cores other programs leave free, and how many threads that is worth: what a worker follows while it generates.

Threads of one token meet at every layer. Where one of them shares its core with another program, all wait for it: two threads beside a busy loop
give half of what one gives, on free cores 1.3 to 1.6 times as much.
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ai.core.control_groups import ROOT, Quota, quotas

_KEEP: Final = 0.6
"""Part of its last core that a thread needs to stay …"""
_RISE: Final = 0.8
"""… and that must be free for it to begin: between the two, nothing changes."""
_FIRST_S: Final = 0.1
"""How long there must be room before a thread begins; twice as long after each time that it had to end soon after."""
_MOST_S: Final = 8.0
_SOON_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Threads:
    """How many threads generate now, of `most`; `after` says how many do from then on.

    Attributes:
        now: at least one.
        most: as measured for the machine, or as asked for.
        calm_s: for how long there has been room for more, or for all.
        patience_s: how long there must be room for more before more generate.
        risen_s: seconds since the last rise.
    """

    now: int
    most: int
    calm_s: float = 0.0
    patience_s: float = _FIRST_S
    risen_s: float = _SOON_S

    def after(self, room: float, seconds: float) -> "Threads":
        """After a look at the last `seconds`, in which other programs left `room` cores free.

        At once fewer, where the last thread has no core of its own; more only when there has been room for a while, so that it does not change to and fro.
        """
        risen_s = self.risen_s + seconds
        stay, rise = (max(1, min(self.most, int(room + 1 - part))) for part in (_KEEP, _RISE))
        if stay < self.now:
            patience_s = min(2 * self.patience_s, _MOST_S) if risen_s < _SOON_S else self.patience_s
            return replace(self, now=stay, calm_s=0.0, patience_s=patience_s, risen_s=risen_s)
        calm_s = self.calm_s + seconds if rise > self.now or rise == self.most else 0.0
        patience_s = _FIRST_S if calm_s > 2 * _MOST_S else self.patience_s
        if rise > self.now and calm_s >= patience_s:
            return replace(self, now=rise, calm_s=calm_s, patience_s=patience_s, risen_s=0.0)
        return replace(self, calm_s=calm_s, patience_s=patience_s, risen_s=risen_s)


@dataclass(frozen=True, slots=True)
class Moment:
    """CPU seconds spent until `at` (monotonic): of all programs on the CPUs this process may use (what a hypervisor took from them included), of this process,
    and of each group of processes with a quota that it belongs to.
    """

    at: float
    used: float
    own: float
    groups: tuple[float, ...] = ()


class Cores:
    """The cores this process may use.

    Args:
        proc, groups: where the kernel shows them; for tests.

    Raises:
        OSError, ValueError: this platform does not say what other programs use.
    """

    def __init__(self, proc: Path = Path("/proc"), groups: Path = ROOT) -> None:
        self._stat = proc / "stat"
        allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
        self._names = frozenset(f"cpu{number}" for number in allowed)
        self._quotas = [one for one in quotas(proc / "self" / "cgroup", groups) if _readable(one)]
        self.count = len(allowed)
        self.moment()

    def moment(self) -> Moment:
        """Now.

        Raises:
            OSError, ValueError: it cannot be read.
        """
        used, found = 0, False
        with self._stat.open(encoding="ascii") as lines:
            for line in lines:
                if not line.startswith("cpu"):
                    break  # the counters of interrupts that follow are long
                name, *fields = line.split()
                if name in self._names:
                    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields[:8])
                    used, found = used + user + nice + system + irq + softirq + steal, True
        if not found:
            raise ValueError("the kernel shows none of the CPUs that may be used")
        groups = tuple(quota.used_s() for quota in self._quotas)
        return Moment(time.monotonic(), used / os.sysconf("SC_CLK_TCK"), time.process_time(), groups)

    def room(self, before: Moment, after: Moment) -> float:
        """Cores that others left free between two moments; a quota that this process shares counts as so many cores."""
        limits = [quota.cores for quota in self._quotas]
        pairs = zip((self.count, *limits), (before.used, *before.groups), (after.used, *after.groups), strict=True)
        return min(cores - others(before, after, then, now) for cores, then, now in pairs)


def others(before: Moment, after: Moment, then: float | None = None, now: float | None = None) -> float:
    """Cores that other programs used between two moments."""
    spent = (after.used if now is None else now) - (before.used if then is None else then)
    return max(spent - (after.own - before.own), 0.0) / max(after.at - before.at, 1e-6)


def _readable(quota: Quota) -> bool:
    try:
        quota.used_s()
    except (OSError, ValueError, StopIteration):
        return False  # what the group used is not shown: its quota cannot be followed
    return True
