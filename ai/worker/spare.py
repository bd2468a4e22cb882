"""How many cores other programs leave free, and how many threads that is worth: what a worker follows while it generates.

Threads of one token meet at every layer. Where one of them shares its core with another program, all wait for it: two threads beside a busy loop
give half of what one gives, on free cores 1.3 to 1.6 times as much.
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from ai.core.control_groups import ROOT, Quota, quotas

_KEEP: Final = 0.6
"""Part of its last core that a thread needs to stay …"""
_RISE: Final = 0.8
"""… and that must be free for it to begin: between the two, nothing changes."""
_FIRST_S: Final = 0.1
"""How long there must be room before a thread begins; twice as long after each time that it had to end soon after."""
_MOST_S: Final = 8.0
_SOON_S: Final = 5.0
_LASTS_S: Final = 10.0
"""For how long others must compute meanwhile before the next answer begins with fewer threads: who takes turns with it ends when it begins."""
_IDLE_S: Final = 1.0
"""Between two looks at others while it does not compute."""
_COMPUTES: Final = 0.05
"""Cores that it uses at least when it computes."""


@dataclass(frozen=True, slots=True)
class Threads:
    """How many threads generate now, of `most`; `after` says how many do from then on.

    Attributes:
        now: at least one.
        most: as measured for the machine, or as asked for.
        calm_s: for how long there has been room for more, or for all.
        patience_s: how long there must be room for more before more generate.
        risen_s: seconds since the last rise.
        busy_s: for how long others have left too few cores while this process did not compute.
    """

    now: int
    most: int
    calm_s: float = 0.0
    patience_s: float = _FIRST_S
    risen_s: float = _SOON_S
    busy_s: float = 0.0

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

    def meanwhile(self, room: float, seconds: float) -> "Threads":
        """The same after `seconds` in which this process did not compute.

        Fewer only where others computed for long: an engine that is asked by turns (a benchmark does it) takes all cores until this one is asked again, and
        leaves them then.
        """
        later = self.after(room, seconds)
        if later.now >= self.now:
            return replace(later, busy_s=0.0)
        busy_s = self.busy_s + seconds
        now = later.now if busy_s >= _LASTS_S else self.now
        return replace(self, now=now, calm_s=0.0, risen_s=self.risen_s + seconds, busy_s=busy_s)


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

    def own(self) -> tuple[float, float]:
        """CPU seconds of this process, and when (monotonic)."""
        return time.process_time(), time.monotonic()

    def room(self, before: Moment, after: Moment) -> float:
        """Cores that others left free between two moments; a quota that this process shares counts as so many cores."""
        limits = [quota.cores for quota in self._quotas]
        pairs = zip((self.count, *limits), (before.used, *before.groups), (after.used, *after.groups), strict=True)
        return min(cores - others(before, after, then, now) for cores, then, now in pairs)


class Machine(Protocol):
    """What a follower asks of `Cores`."""

    def own(self) -> tuple[float, float]:
        """CPU seconds of this process, and when (monotonic)."""
        ...

    def moment(self) -> Moment:
        """Now."""
        ...

    def room(self, before: Moment, after: Moment) -> float:
        """Cores that others left free between two moments."""
        ...


class Follower:
    """How many threads generate, look by look.

    Only times in which this process computed from the beginning to the end tell what its threads have beside others. So the time in which it began is left
    out, and for fewer threads the time in which it ended, too: there others compute who waited for it.

    Args:
        cores: of this machine.
        most: threads that generate on free cores.
    """

    def __init__(self, cores: Machine, most: int) -> None:
        self._cores = cores
        self.threads = Threads(most, most)
        self.computes = False
        self._since = cores.moment()
        self._own, self._at = cores.own()
        self._doubt: tuple[float, float] | None = None

    def look(self) -> None:
        """Look at what others used; to be called some times a second.

        Raises:
            OSError, ValueError: it cannot be read.
        """
        own, at = self._cores.own()
        computes = own - self._own > _COMPUTES * (at - self._at)
        changes, self.computes = computes != self.computes, computes
        self._own, self._at = own, at
        if changes:
            self._since, self._doubt = self._cores.moment(), None
            self.threads = replace(self.threads, busy_s=0.0)
        elif computes:
            if self._doubt is not None:
                self.threads, self._doubt = self.threads.after(*self._doubt), None
            seen = self._seen()
            later = self.threads.after(*seen)
            if later.now < self.threads.now:
                self._doubt = seen
            else:
                self.threads = later
        elif at - self._since.at >= _IDLE_S:
            self.threads = self.threads.meanwhile(*self._seen())

    def _seen(self) -> tuple[float, float]:
        before, self._since = self._since, self._cores.moment()
        return self._cores.room(before, self._since), self._since.at - before.at


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
