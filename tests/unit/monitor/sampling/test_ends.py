"""Which run an exit belongs to."""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest

from logs.redaction.masker import Masker
from monitor.lifecycle.exits import Exit, Program
from monitor.lifecycle.taskstats import Usage
from monitor.metrics.messages import HostInfo, RunInfo
from monitor.sampling.core.reader import Ending
from monitor.sampling.linux import ends as ends_module
from monitor.sampling.linux.describe import Describer
from monitor.sampling.linux.ends import SOON_NS, UNSEEN, Ends
from monitor.sampling.linux.users import Users

HZ = 100
TICK_NS = 1_000_000_000 // HZ
READ_S = 2 / HZ
"""The CPU time in such a line."""
INFO = HostInfo("h", "b", 1_700_000_000_000_000, "6.1", "Linux", 2, 1 << 34, HZ)
STAT = "{pid} ({name}) {state} 77 77 77 0 -1 0 1 0 0 0 1 1 0 0 20 0 1 0 {tick} 4096 1 " + "0 " * 27 + "{status} \n"


def stat(pid: int, tick: int, *, name: str = "job", state: str = "S", status: int = 0) -> bytes:
    """A whole stat line."""
    return STAT.format(pid=pid, tick=tick, name=name, state=state, status=status).encode()


@dataclass
class Slot:
    """A run as the sweep keeps it."""

    info: RunInfo
    stat: bytes
    exit: Exit | None = None
    cpu_limit_s: int | None = None


class Source:
    """Tells what the test says."""

    name = "told"

    def __init__(self) -> None:
        self.lost = self.loses = 0
        self.pending = False
        self.on_exit = lambda: None
        self.waiting: list[Exit] = []
        self.late: list[list[Exit]] = []
        self.watched: list[int] = []

    def watch(self, pid: int) -> None:
        """Remember it."""
        self.watched.append(pid)

    def drain(self) -> list[Exit]:
        """All that waits."""
        self.lost += self.loses
        found, self.waiting = self.waiting, self.late.pop(0) if self.late else []
        return found

    def close(self) -> None:
        """Nothing to close."""


class Used:
    """The kernel's records, as the test says: by pid, those of its lives."""

    def __init__(self, lives: dict[int, list[Usage]]) -> None:
        self.lost = 0
        self.lives = lives

    def read(self) -> None:
        """One record is lost meanwhile."""
        self.lost += 1

    def take(self, pid: int, lived_s: float) -> Usage | None:
        """That of a life of that length."""
        return next((one for one in self.lives.get(pid, []) if abs(one.lived_s - lived_s) < 0.1), None)

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def source() -> Source:
    """Exits to be told."""
    return Source()


@pytest.fixture
def errors() -> Counter[str]:
    """What was lost."""
    return Counter()


Make = Callable[..., Ends]


@pytest.fixture
def make(source: Source, errors: Counter[str]) -> Make:
    """Makes finders of ends, of a machine that never slept."""
    describer = Describer("/nowhere", INFO, Users("/nowhere"), Masker(), errors)
    return lambda **more: Ends(source, describer, errors, asleep_ns=lambda: 0, **more)


@pytest.fixture
def ends(make: Make) -> Ends:
    """That of root."""
    return make(uid=0)


def slot(pid: int, tick: int, **more: str | int) -> Slot:
    """A run that began at a tick."""
    info = RunInfo(pid * 1000 + tick, pid, tick, 1, 0, "root", "job", "job --x", None, None, 0, False)
    return Slot(info, stat(pid, tick, **more))  # type: ignore[arg-type]


def test_a_known_run_gets_its_code_and_time(ends: Ends, source: Source) -> None:
    """The exit told since the last sweep is the end of the run that is gone."""
    source.waiting = [Exit(5, 700 * TICK_NS, 3 << 8)]
    gone = slot(5, 100)
    assert ends.settle([gone], {}) == ([], [Ending(gone.info.run, 700 * TICK_NS, 3 << 8, "told", cpu_s=READ_S)], [])


def test_an_exit_that_is_told_after_its_process_is_gone_is_its_end(make: Make, source: Source) -> None:
    """A parent may wake up before the kernel has told of its child: it has its code and what it used in all, and is not told again as another life."""
    ends, gone = make(uid=0, used=Used({5: [Usage(0.4, 7, None, None, 6.0)]})), slot(5, 100)
    source.late = [[Exit(6, 650 * TICK_NS, 9)], [Exit(5, 700 * TICK_NS, 3 << 8)]]
    brief, [end, *_], _ = ends.settle([gone], {})
    assert (end.run, end.status, end.mono_ns, end.cpu_s) == (gone.info.run, 3 << 8, 700 * TICK_NS, 0.4)
    assert brief == []


@pytest.mark.parametrize(
    ("limit_s", "status", "told"),
    [(1, 9, 1), (1, 9 | 0x80, 1), (50, 9, None), (None, 9, None), (1, 15, None), (1, 0, None)],
)
def test_a_kill_at_the_limit_of_cpu_time_is_known(
    ends: Ends, source: Source, limit_s: int | None, status: int, told: int | None
) -> None:
    """One that used what it was allowed was killed for it; one that was killed before, or ended otherwise, was not."""
    source.waiting = [Exit(5, 700 * TICK_NS, status)]
    gone = slot(5, 100)
    gone.stat, gone.cpu_limit_s = gone.stat.replace(b" 1 1 0 0 20 ", b" 60 35 0 0 20 "), limit_s
    assert [one.cpu_limit_s for one in ends.settle([gone], {}).ends] == [told]


def test_a_zombie_keeps_its_exit_until_it_is_gone(ends: Ends, source: Source) -> None:
    """Its end is when it ended, not when its parent asked for it; the pid's next life is another run."""
    zombie = slot(5, 100)
    source.waiting = [Exit(5, 700 * TICK_NS, 9)]
    assert ends.settle([], {"5": zombie}) == ([], [], [])
    source.waiting = [Exit(5, 990 * TICK_NS, 0, Program(985 * TICK_NS, stat(5, 985), b"true\0", 0), 77)]
    brief, found, _ = ends.settle([zombie], {})
    assert found[0] == Ending(zombie.info.run, 700 * TICK_NS, 9, "told", cpu_s=READ_S)
    assert [(info.start_tick, info.name, info.cmdline, info.ppid) for info in brief] == [(985, "job", "true", 77)]
    assert found[1] == Ending(brief[0].run, 990 * TICK_NS, 0, "told", parent=77)


def test_an_exit_from_before_a_living_run_is_not_its_own(ends: Ends, source: Source) -> None:
    """A short life had the pid before the run that has it now."""
    living = slot(5, 800)
    source.waiting = [Exit(5, 750 * TICK_NS, 256, Program(749 * TICK_NS, stat(5, 749), b"", 0))]
    brief, found, _ = ends.settle([], {"5": living})
    assert (len(brief), found[0].run, living.exit) == (1, brief[0].run, None)


def test_of_a_program_that_was_not_seen_its_end_is_told(ends: Ends, source: Source) -> None:
    """It was over before its name was read: pid, parent, times and code are known, the name is not invented."""
    source.waiting = [Exit(5, 750 * TICK_NS, 256, Program(749 * TICK_NS), 66)]
    [info], [end], _ = ends.settle([], {})
    assert (info.pid, info.ppid, info.name, info.cmdline, info.start_tick, info.uid) == (5, 66, UNSEEN, "", 749, -1)
    assert (end.run, end.status) == (info.run, 256)


@pytest.mark.parametrize("used", [None, Used({})])
def test_parts_of_a_script_are_no_lives_unless_they_fail(
    make: Make, source: Source, errors: Counter[str], used: Used | None
) -> None:
    """A fork that began no program of its own and ended well is left out; one that was killed is told. Where its record should be there and is not, that is a loss."""
    ends, at = make(uid=0, used=used), 750 * TICK_NS
    source.waiting = [
        Exit(5, at, 0, Program(at, stat(5, 749))),
        Exit(6, at, 9, Program(at, stat(6, 749))),
        Exit(7, at, 9),
    ]
    brief, *_ = ends.settle([], {})
    assert ([info.pid for info in brief], errors["brief:unknown"]) == ([6], 0 if used is None else 1)


def test_what_was_used_goes_to_its_own_life(source: Source, errors: Counter[str]) -> None:
    """A known run, a short life with the same pid, and a part of a script that used CPU: each gets its record, and the short ones are summed."""
    used = Used({5: [Usage(0.3, 7 << 20, 4096, 8192, 6.0), Usage(0.05, 1 << 20, 0, 0, 0.5)], 6: [Usage(0.02, 2, None, None, 0.2)]})  # fmt: skip
    describer = Describer("/nowhere", INFO, Users("/nowhere"), Masker(), errors)
    ends = Ends(source, describer, errors, used=used, asleep_ns=lambda: 0)
    gone = slot(5, 100)
    source.waiting = [
        Exit(5, 700 * TICK_NS, 0),
        Exit(5, 770 * TICK_NS, 0, Program(725 * TICK_NS, stat(5, 720), b"true\0", 0)),
        Exit(6, 760 * TICK_NS, 0, Program(760 * TICK_NS, stat(6, 740))),
        Exit(7, 760 * TICK_NS, 0, Program(760 * TICK_NS, stat(7, 740))),
    ]
    brief, found, _ = ends.settle([gone], {})
    assert [info.pid for info in brief] == [5, 6]
    assert [(one.cpu_s, one.peak_rss, one.read_bytes, one.write_bytes) for one in found] == [
        (0.3, 7 << 20, 4096, 8192),
        (0.05, 1 << 20, 0, 0),
        (0.02, 2, None, None),
    ]
    assert ends.short_cpu_s == pytest.approx(0.07)
    assert errors == {"usage:lost": 1}
    ends.settle([], {})
    assert ends.short_cpu_s == 0


def test_a_program_that_no_sweep_saw_names_its_run(ends: Ends, source: Source) -> None:
    """Of a zombie that a sweep found without a command line, and of one that began another program since: as it was when that began."""
    zombie, other, same = slot(5, 100), slot(6, 100), slot(7, 100)
    zombie.info = msgspec.structs.replace(zombie.info, cmdline="")
    began = time.monotonic_ns() + SOON_NS
    ends.settle([], {})
    source.waiting = [
        Exit(5, 700 * TICK_NS, 0, Program(600 * TICK_NS, stat(5, 100, name="make"), b"make\0all\0", 0, b"0::/user.slice\n")),
        Exit(6, began, 0, Program(began, stat(6, 100, name="cc"), b"cc\0a.c\0", 0)),
        Exit(7, 700 * TICK_NS, 0, Program(600 * TICK_NS, stat(7, 100), b"job\0--old\0", 0)),
    ]  # fmt: skip
    *_, named = ends.settle([zombie, other, same], {})
    assert [(one.run, one.name, one.cmdline, one.cgroup) for one in named] == [
        (zombie.info.run, "make", "make all", "/user.slice"),
        (other.info.run, "cc", "cc a.c", None),
    ]
    assert same.info.cmdline == "job --x"


def test_what_the_kernel_kept_of_a_life_names_it(source: Source, errors: Counter[str]) -> None:
    """It was over before `/proc` could be read: its record has its name, its user and how long it lived. Nobody invents a command line."""
    used = Used({5: [Usage(0.0, 1, 0, 0, 0.05, b"true", 0)], 6: [Usage(0.0, 1, 0, 0, 0.0, b"sh", 0)]})
    describer = Describer("/nowhere", INFO, Users("/nowhere"), Masker(), errors)
    ends = Ends(source, describer, errors, used=used, asleep_ns=lambda: 0)
    source.waiting = [Exit(5, 750 * TICK_NS, 0, Program(749 * TICK_NS), 66), Exit(6, 750 * TICK_NS, 9)]
    brief, *_ = ends.settle([], {})
    assert [(one.name, one.cmdline, one.uid, one.ppid, one.start_tick) for one in brief] == [
        ("true", "", 0, 66, 745),
        ("sh", "", 0, 0, 750),
    ]


def test_between_two_sweeps_only_what_is_gone_is_told(ends: Ends, source: Source) -> None:
    """A known run ends once its parent has asked for it, a stranger unless its pid is still there; nothing is told twice."""
    known, me, nobody = slot(5, 100), os.getpid(), 1 << 30
    source.waiting = [
        Exit(5, 700 * TICK_NS, 3 << 8),
        Exit(nobody, 750 * TICK_NS, 9, Program(1, stat(nobody, 749))),
        Exit(me, time.clock_gettime_ns(time.CLOCK_BOOTTIME), 9, Program(1, stat(me, 749))),
    ]
    assert ends.hear({"5": known}) == ([], [5])
    brief, found, _ = ends.settle_soon([], [])
    assert ([info.pid for info in brief], [end.status for end in found], ends.unsettled) == ([nobody], [9], True)
    assert ends.hear({"5": known}) == ([], [5])
    assert ends.settle_soon([known], [])[1] == [Ending(known.info.run, 700 * TICK_NS, 3 << 8, "told", cpu_s=READ_S)]
    brief, found, _ = ends.settle([], {})
    assert [info.pid for info in brief] == [me]
    assert (ends.settle([], {}), ends.unsettled) == (([], [], []), False)


def test_a_thread_that_begins_a_program_does_not_end_its_process(ends: Ends, source: Source) -> None:
    """The kernel then tells an end of the main thread under the pid of the process, which goes on: its own end comes later."""
    going = slot(5, 100)
    source.waiting = [Exit(5, 700 * TICK_NS, 0)]
    assert ends.hear({"5": going}) == ([], [5])
    source.waiting = [Exit(5, 800 * TICK_NS, 9, Program(700 * TICK_NS, stat(5, 100), b"job\0--x\0", 0))]
    ends.hear({"5": going})
    [end] = ends.settle_soon([going], [])[1]
    assert (end.mono_ns, end.status) == (800 * TICK_NS, 9)


def test_without_a_word_the_last_line_of_a_zombie_speaks(ends: Ends, make: Make) -> None:
    """Its status stands in its stat; to those who may not see it the kernel writes 0, which is then no code."""
    seen = slot(5, 100, state="Z", status=7 << 8)
    assert ends.settle([seen], {})[1] == [Ending(seen.info.run, None, 7 << 8, "zombie", cpu_s=READ_S)]
    hidden = slot(5, 100, state="Z", status=0)
    assert make(uid=4711).settle([hidden], {})[1] == [Ending(hidden.info.run, None, None, "poll", cpu_s=READ_S)]


def test_nothing_is_invented(ends: Ends) -> None:
    """A run that is gone without a word has no code, and used what was read of it last."""
    gone = slot(5, 100)
    assert ends.settle([gone], {})[1] == [Ending(gone.info.run, None, None, "poll", cpu_s=READ_S)]
    assert ends.short_cpu_s is None


def test_losses_are_counted(make: Make, source: Source, errors: Counter[str]) -> None:
    """What the kernel dropped, and short lives beyond what one sweep tells."""
    ends = make(most_brief=2)
    source.waiting = [Exit(pid, 750 * TICK_NS, 9, Program(1, stat(pid, 749))) for pid in range(5)]
    source.loses = 3
    brief, found, _ = ends.settle([], {})
    assert len(brief) == len(found) == 2
    assert errors == {"brief:dropped": 3, "exits:lost": 3}


def test_sleep_of_the_machine_is_in_start_ticks() -> None:
    """The monotonic clock stops while the machine sleeps, start ticks go on."""
    asleep = ends_module.asleep_ns()
    expected = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    assert abs(asleep / 1e9 - expected) < 1
