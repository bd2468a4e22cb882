"""Matches exits to runs: to those that a sweep knows, and to those that lived between two sweeps."""

import dataclasses
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from monitor.lifecycle.exits import Exit, ExitSource, Program
from monitor.lifecycle.taskstats import Usage, UsageSource
from monitor.metrics.messages import RunInfo
from monitor.sampling.core.reader import Ending
from monitor.sampling.linux.describe import Describer
from monitor.sampling.linux.oom import KernelLog, OomKills
from monitor.sampling.linux.parse import Stat, parse_stat
from monitor.sampling.linux.procfiles import read_file

MOST_BRIEF: Final = 5_000
"""How many short lives one sweep tells of; those beyond are counted."""
WORTH_S: Final = 0.01
"""A process that began no program of its own and ended well is told of if it used so much CPU time."""
_SHORT_OF: Final = 0.2
"""A process that was killed at most this share of its limit of CPU time before it (or `_SHORT_S`) has reached it: there the kernel counts whole ticks, which on a busy
machine were a tenth more than the time that it tells.
"""
_SHORT_S: Final = 0.4
UNSEEN: Final = "(not seen)"
"""The name of a program that ended before its name could be read."""
LATE_LOOKS, LATE_S = 3, 0.001
"""How often, and after which pause, it is looked for the exit of a process that is gone already."""
SOON_NS: Final = 3_000_000_000
"""For so long after its end it is looked whether the parent of a zombie has asked for it; then at each sweep."""


class Life(Protocol):
    """A run as the sweep keeps it: its description, its last stat line, the CPU time that it may use (s, None without a limit), and its exit once that is known."""

    info: RunInfo
    cpu_limit_s: int | None
    stat: bytes
    exit: Exit | None


def asleep_ns() -> int:
    """How long the machine slept since its boot: the monotonic clock leaves it out, start ticks do not."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()


class Settled(NamedTuple):
    """What is over: lives that no sweep saw, how they and the runs that are gone ended, and runs whose program is known better now."""

    brief: list[RunInfo]
    ends: list[Ending]
    named: list[RunInfo]


class Ends:
    """Finds out how runs ended.

    Args:
        source: tells exits; None if nobody does.
        describer: describes short lives.
        errors: counts what was lost.
        used: tells what processes used in their lives; None if nobody does.
        root: `/proc`, or a copy of it.
        asleep_ns: how long the machine slept since its boot, ns.
        uid: who asks; the kernel shows codes of others' processes to root alone. None is the user of this process.
        most_brief: lives that no sweep saw, told at most between two sweeps.
    """

    def __init__(
        self,
        source: ExitSource | None,
        describer: Describer,
        errors: Counter[str],
        *,
        used: UsageSource | None = None,
        root: str = "/proc",
        asleep_ns: Callable[[], int] = asleep_ns,
        uid: int | None = None,
        most_brief: int = MOST_BRIEF,
    ) -> None:
        self._source = source
        self._asleep_ns = asleep_ns
        self._used = used
        self._short_s = 0.0
        self._told = 0
        self._swept_ns = 0
        self._strangers: list[Exit] = []
        """Exits of processes that no sweep saw and that have not been told."""
        self._exited: dict[int, Life] = {}
        """Runs that ended just now, and that their parents have not asked for yet."""
        self._root = root
        self.short_cpu_s: float | None = None
        """CPU time of the processes that no sweep saw and that ended since the last one, seconds; None if nobody tells."""
        self._log = KernelLog() if root == "/proc" else None
        self._oom = OomKills(root, self._log)
        self._describer = describer
        self._errors = errors
        self._uid = os.geteuid() if uid is None else uid
        self._most_brief = most_brief

    def watch(self, pid: int) -> None:
        """A process was found."""
        if self._source is not None:
            self._source.watch(pid)

    def close(self) -> None:
        """Stop watching."""
        if self._source is not None:
            self._source.close()
        if self._used is not None:
            self._used.close()
        if self._log is not None:
            self._log.close()

    def settle(self, dead: Iterable[Life], living: Mapping[str, Life]) -> Settled:
        """At a sweep: the lives between the last one and this one, and the endings of all that are gone.

        Args:
            dead: known runs that this sweep found gone.
            living: known runs by pid.
        """
        gone = {life.info.pid: life for life in dead}
        named = self._hear(living, gone)
        since = time.monotonic_ns() - SOON_NS
        self._exited = {
            pid: life for pid, life in self._exited.items()
            if living.get(str(pid)) is life and life.exit is not None and life.exit.mono_ns > since
        }  # fmt: skip
        strangers, self._strangers = self._strangers, []
        settled = self._tell(list(gone.values()), strangers, named)
        self.short_cpu_s, self._short_s = (None if self._used is None else self._short_s), 0.0
        self._told, self._swept_ns = 0, time.monotonic_ns()
        return settled

    def listen(self, on_end: Callable[[], None]) -> None:
        """Have this called, from another thread, at the first end that `hear` has not taken yet."""
        if self._source is not None:
            self._source.on_exit = on_end

    def hear(self, living: Mapping[str, Life], dead: Iterable[Life] = ()) -> tuple[list[RunInfo], list[int]]:
        """Between two sweeps, or in one: take what was told. Answers the runs whose program is known better now, and the pids of those that may be gone.

        Args:
            living: known runs by pid.
            dead: those that a sweep which goes on found gone.
        """
        named = self._hear(living, {life.info.pid: life for life in dead})
        return named, [pid for pid, life in self._exited.items() if living.get(str(pid)) is life]

    def settle_soon(self, dead: Sequence[Life], named: list[RunInfo]) -> Settled:
        """Between two sweeps, or in one: the endings of these, and the lives that no sweep saw. A zombie waits, for a sweep may see it yet."""
        for life in dead:
            self._exited.pop(life.info.pid, None)
        over: list[Exit] = []
        wait: list[Exit] = []
        for end in self._strangers:
            (wait if self._lingers(end) else over).append(end)
        self._strangers = wait
        return self._tell(dead, over, named)

    @property
    def unsettled(self) -> bool:
        """Whether some that ended just now are about to be gone."""
        return bool(self._strangers or self._exited) or (self._source is not None and self._source.pending)

    def _hear(self, living: Mapping[str, Life], gone: Mapping[int, Life]) -> list[RunInfo]:
        """Take the exits that were told: each belongs to a run that is known, or to a stranger."""
        hz, asleep_ns = self._describer.host.clock_tick_hz, self._asleep_ns()
        strangers, self._strangers = self._strangers, []
        named: list[RunInfo] = []
        for end in (*strangers, *self._exits(gone)):
            life, at = gone.get(end.pid), living.get(str(end.pid))
            if life is not None and life.exit is None:
                life.exit = end
            elif at is not None and at.info.start_tick <= _tick(end.mono_ns, hz, asleep_ns) and _is_its_end(at, end):
                life, at.exit = at, end  # a zombie, until its parent asks for it
                self._exited[end.pid] = at
            else:
                self._strangers.append(end)
                continue
            if (info := self._better(life.info, end.program)) is not None:
                life.info = info
                named.append(info)
        return named

    def _tell(self, dead: Sequence[Life], strangers: Sequence[Exit], named: list[RunInfo]) -> Settled:
        brief: list[RunInfo] = []
        endings: list[Ending] = []
        hz, asleep_ns = self._describer.host.clock_tick_hz, self._asleep_ns()
        self._read_used()
        for end in strangers:
            stat = _stat(end, _tick(_began(end), hz, asleep_ns))
            used = self._usage(end, stat.start_tick)
            if used is not None:
                self._short_s += used.cpu_s
                if stat.comm == UNSEEN.encode():
                    began_ns = end.mono_ns - round(used.lived_s * 1e9)
                    stat = _stat(end, _tick(began_ns, hz, asleep_ns), used.name or stat.comm)
            if (info := self._brief(end, stat, used)) is None:
                continue
            if self._told < self._most_brief:
                self._told += 1
                brief.append(info)
                endings.append(
                    _with_usage(Ending(info.run, end.mono_ns, end.status, self._name, parent=end.parent), used)
                )
            else:
                self._errors["brief:dropped"] += 1
        pids = {info.run: info.pid for info in (*(life.info for life in dead), *brief)}
        return Settled(brief, self._oom.mark([*map(self._ending, dead), *endings], pids), named)

    def _lingers(self, end: Exit) -> bool:
        """Whether a process that ended is still there, as a zombie."""
        try:
            stat = parse_stat(read_file(f"{self._root}/{end.pid}/stat", 1_024))
        except (OSError, ValueError, IndexError):
            return False
        return stat.start_tick <= _tick(end.mono_ns, self._describer.host.clock_tick_hz, self._asleep_ns())

    def _better(self, info: RunInfo, program: Program | None) -> RunInfo | None:
        """The run as it was when it began its last program, where no sweep saw that: it began since, or was first seen as a zombie."""
        if program is None or not program.cmdline or info.kernel_thread:
            return None
        if info.cmdline and program.began_ns <= self._swept_ns:
            return None
        stat = parse_stat(program.stat)
        if stat.start_tick != info.start_tick:
            return None
        found = self._describer.describe(info.pid, stat, program.uid, program.cmdline, gone=program)
        same = found.cmdline == info.cmdline
        better = msgspec.structs.replace(
            found,
            exe=info.exe if same else None,
            cgroup=found.cgroup or info.cgroup,
            cwd=found.cwd or info.cwd,
            member=found.member or (info.member if same else None),
        )
        return better if better != info else None

    @property
    def _name(self) -> str:
        return "poll" if self._source is None else self._source.name

    def _exits(self, gone: Mapping[int, Life]) -> list[Exit]:
        """What was told. The kernel lets a parent wake up before it tells of its child's end: where it is held up between the two (another task, or another
        machine that shares the processor), the child is gone from `/proc` and its exit comes a moment later.
        """
        if self._source is None:
            return []
        lost, found = self._source.lost, self._source.drain()
        missing = {pid for pid, life in gone.items() if life.exit is None} - {end.pid for end in found}
        for _ in range(LATE_LOOKS if missing else 0):
            time.sleep(LATE_S)
            found += (more := self._source.drain())
            missing -= {end.pid for end in more}
            if not missing:
                break
        if self._source.lost > lost:
            self._errors["exits:lost"] += self._source.lost - lost
        return found

    def _ending(self, life: Life) -> Ending:
        told = life.exit
        used = None if told is None else self._usage(told, life.info.start_tick)
        if told is not None and told.status is not None:
            ending = Ending(life.info.run, told.mono_ns, told.status, self._name, parent=told.parent)
        else:
            status = self._of_zombie(life)
            source = "zombie" if status is not None else "poll" if told is None else self._name
            ending = Ending(life.info.run, None if told is None else told.mono_ns, status, source)
        read_s = _cpu_s(life.stat, self._describer.host.clock_tick_hz)
        ending = _with_usage(ending, used)
        if read_s is not None:
            ending = dataclasses.replace(ending, cpu_s=max(ending.cpu_s or 0.0, read_s))
        return _by_limit(ending, life.cpu_limit_s)

    def _read_used(self) -> None:
        """Take the records of what processes used: those of all exits that were told are there."""
        if self._used is None:
            return
        lost = self._used.lost
        self._used.read()
        if self._used.lost > lost:
            self._errors["usage:lost"] += self._used.lost - lost

    def _usage(self, end: Exit, start_tick: int) -> Usage | None:
        if self._used is None:
            return None
        began_s = start_tick / self._describer.host.clock_tick_hz - self._asleep_ns() / 1e9
        return self._used.take(end.pid, end.mono_ns / 1e9 - began_s)

    def _of_zombie(self, life: Life) -> int | None:
        """The status in the last stat line of a zombie. To those who may not see it the kernel says 0."""
        end = life.stat.rfind(b")")
        field = life.stat[end + 2 :].split()
        if end < 0 or field[0] not in (b"Z", b"X") or len(field) < 50:
            return None
        status = int(field[49])
        return status if status or self._uid in {0, life.info.uid} else None

    def _brief(self, end: Exit, stat: Stat, used: Usage | None) -> RunInfo | None:
        """A life between two sweeps. One that began no program of its own, ended well and used next to nothing is a part of its parent."""
        program = end.program
        idle = used is None or used.cpu_s < WORTH_S
        own = program is not None and program.began_ns != end.mono_ns
        if program is None and used is None and end.status and self._used is not None:
            self._errors["brief:unknown"] += 1
        if (program is None and used is None) or (end.status == 0 and idle and not own):
            return None
        uid = -1 if program is None else program.uid
        if uid < 0 and used is not None:
            uid = used.uid
        seen = program or Program(end.mono_ns)
        return self._describer.describe(end.pid, stat, uid, seen.cmdline, gone=seen)


def _began(end: Exit) -> int:
    return end.mono_ns if end.program is None else end.program.began_ns


def _with_usage(ending: Ending, used: Usage | None) -> Ending:
    if used is None:
        return ending
    return dataclasses.replace(
        ending,
        cpu_s=used.cpu_s,
        peak_rss=used.peak_rss,
        read_bytes=used.read_bytes,
        write_bytes=used.write_bytes,
    )


def _by_limit(ending: Ending, limit_s: int | None) -> Ending:
    """With the limit of CPU time, if it was killed with that used up: where it is the soft limit too, as `ulimit -t` makes it, no other signal comes before."""
    killed = ending.status is not None and ending.status & 0x7F == signal.SIGKILL
    if limit_s is None or not killed or (ending.cpu_s or 0.0) < limit_s - max(_SHORT_S, _SHORT_OF * limit_s):
        return ending
    return dataclasses.replace(ending, cpu_limit_s=limit_s)


def _cpu_s(stat: bytes, hz: int) -> float | None:
    """The CPU time of a stat line, seconds."""
    end = stat.rfind(b")")
    field = stat[end + 2 :].split(b" ", 14)
    return (int(field[11]) + int(field[12])) / hz if end >= 0 and len(field) > 13 else None


def _is_its_end(life: Life, end: Exit) -> bool:
    """Whether this is the end of a run of which one was told before: a thread that begins a program ends the main thread under its pid."""
    if life.exit is None:
        return True
    stat = b"" if end.program is None else end.program.stat
    return bool(stat) and parse_stat(stat).start_tick == life.info.start_tick


def _stat(end: Exit, start_tick: int, name: bytes = UNSEEN.encode()) -> Stat:
    """What was read when the program began; without it, what the exit tells."""
    if end.program is not None and end.program.stat:
        return parse_stat(end.program.stat)
    return Stat(name, ord("X"), end.parent, 0, 0, 0, 0, 0, 0, 1, start_tick, 0, 0)


def _tick(mono_ns: int, hz: int, asleep_ns: int) -> int:
    return (mono_ns + asleep_ns) * hz // 1_000_000_000
