"""Runs that somebody asks for before a sweep has told of them, and after their end.

A line or a job may be the first thing that is heard of a process, and it may be over before the next sample. Its number follows from its pid
and its start tick, so it is known at once. What no sample tells of later is stored as it was met: what names a run leads to one.
"""

import threading
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

from logs.redaction.masker import Masker
from monitor.core.endpoint import start_tick_of
from monitor.live.snapshot import Snapshot
from monitor.metrics.messages import Hello, Lives, RunInfo, Tick
from monitor.sampling.linux.describe import Describer
from monitor.sampling.linux.users import Users
from monitor.store.lives import ToldLife

KEPT_US: Final = 60_000_000
"""For so long after its end a process is found by its pid."""
MOST: Final = 2_000
"""So many processes are met between two samples; those beyond have no run until a sample tells of them."""
PATIENCE: Final = 3
"""Samples that may still tell of a process that is gone."""


class Newcomers:
    """Safe from any thread; `take` and `untold` are called on the event loop.

    Args:
        snapshot: what the samples told.
        masker: hides secrets of command lines.
    """

    def __init__(self, snapshot: Snapshot, masker: Masker) -> None:
        self._snapshot, self._masker = snapshot, masker
        self._describer: Describer | None = None
        self._lock = threading.Lock()
        self._met: dict[tuple[int, int], RunInfo] = {}
        """By pid and start tick: those that no sample told of yet."""
        self._gone_for: dict[int, tuple[int, int]] = {}
        """By run: for how many samples it is gone, and when the first of them was."""
        self._left: dict[int, int] = {}
        self._leaving: deque[tuple[int, int, int]] = deque()
        self._told: deque[list[ToldLife]] = deque([[]])
        """What others told of lives, by the sample before which they did, the newest last."""

    def greet(self, hello: Hello) -> None:
        """A sampler has started. Without one that reads `/proc`, runs are not known by their start ticks."""
        known = Describer("/proc", hello.host, Users(), self._masker, Counter()) if hello.reader == "procfs" else None
        self._describer = known

    def run_of_pid(self, pid: int) -> int | None:
        """The run that has this pid now."""
        known = self._snapshot.run_of_pid(pid)
        if self._describer is None:
            return known
        tick = start_tick_of(pid)
        if tick is None:  # it is gone, which a sample is to tell of
            return known
        info = None if known is None else self._snapshot.runs.get(known)
        return known if info is not None and info.start_tick == tick else self._meet(pid, tick)

    def run_that_had(self, pid: int) -> int | None:
        """The run that has this pid, or had it in the last minute."""
        found = self.run_of_pid(pid)
        if found is None:
            with self._lock:
                found = self._left.get(pid)
        return found

    def run_of(self, pid: int, tick: int | None) -> int | None:
        """The run of the process that began at this tick, also once it has ended; without a tick as `run_that_had`."""
        describer = self._describer
        if tick is None or describer is None:
            return self.run_that_had(pid)
        return self.run_of_pid(pid) if start_tick_of(pid) == tick else describer.key(pid, tick)

    def take(self, told: Tick | Lives) -> None:
        """A message of the sampler, before the snapshot has it: these are known, and those have left."""
        left = [(info.pid, info.run) for info in told.brief]
        left += [(info.pid, info.run) for run in told.gone if (info := self._snapshot.runs.get(run)) is not None]
        with self._lock:
            for info in (*told.born, *told.brief):
                self._met.pop((info.pid, info.start_tick), None)
                self._gone_for.pop(info.run, None)
            self._remember(left, told.ts)

    def untold(self, ts: int) -> list[tuple[RunInfo, int]]:
        """At each sample: those that are gone, and that none has told of meanwhile; each with the first sample after its end (µs)."""
        with self._lock:
            met = list(self._met.values())
        gone = [info for info in met if start_tick_of(info.pid) != info.start_tick]
        over = []
        with self._lock:
            for info in gone:
                if (key := (info.pid, info.start_tick)) in self._met:
                    samples, first = self._gone_for.get(info.run, (0, ts))
                    self._gone_for[info.run] = samples + 1, first
                    if samples == 0:
                        self._remember([(info.pid, info.run)], ts)
                    if samples >= PATIENCE:
                        del self._met[key], self._gone_for[info.run]
                        over.append((info, first))
        return over

    def tell(self, lives: Sequence[ToldLife]) -> None:
        """Another than the sampler knows of lives that are over."""
        with self._lock:
            self._told[-1] += lives

    def told(self) -> list[ToldLife]:
        """At each sample: what others told of, once no sample will tell more."""
        with self._lock:
            self._told.append([])
            return self._told.popleft() if len(self._told) > PATIENCE else []

    def _meet(self, pid: int, tick: int) -> int | None:
        with self._lock:
            met, full = self._met.get((pid, tick)), len(self._met) >= MOST
        if met is not None or full or self._describer is None:
            return None if met is None else met.run
        found = self._describer.now(pid)
        if found is None or found.start_tick != tick:
            return None
        with self._lock:
            if found.run not in self._snapshot.runs:
                self._met[pid, tick] = found
        return found.run

    def _remember(self, left: list[tuple[int, int]], ts: int) -> None:
        """The lock is held."""
        for pid, run in left:
            self._left[pid] = run
            self._leaving.append((ts, pid, run))
        while self._leaving and self._leaving[0][0] < ts - KEPT_US:
            _, pid, run = self._leaving.popleft()
            if self._left.get(pid) == run:
                del self._left[pid]
