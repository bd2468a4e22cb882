"""How many threads generate follows what other programs leave free: at once fewer, more after a while, and never to and fro."""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.worker.spare import Cores, Follower, Moment, Threads, others

ROOM = st.floats(-4, 64, allow_nan=False)
LOOK = st.floats(0.05, 2)
CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]


@given(st.integers(1, 32), st.lists(st.tuples(ROOM, LOOK), max_size=60))
def test_at_least_one_and_at_most_what_was_measured(most: int, looks: list[tuple[float, float]]) -> None:
    """Whatever others do; and after each look no thread is left without most of a core."""
    threads = Threads(most, most)
    for room, seconds in looks:
        threads = threads.after(room, seconds)
        assert 1 <= threads.now <= most
        assert threads.now == 1 or threads.now - 1 + 0.6 <= room + 1e-9


@given(st.integers(1, 16), st.integers(1, 16), st.floats(0, 16))
def test_what_stays_as_it_is_settles(most: int, now: int, room: float) -> None:
    """One change at most while others use as much as before, within half a minute; all threads on free cores, one where none is free."""
    threads, seen = Threads(min(now, most), most), [min(now, most)]
    for _ in range(150):
        threads = threads.after(room, 0.2)
        seen.append(threads.now)
    assert sum(before != after for before, after in pairwise(seen)) <= 1
    if room >= most:
        assert threads.now == most
    if room < 1.6:
        assert threads.now == 1


def test_free_cores_are_used_at_the_next_look() -> None:
    """Who asks has often just computed something itself."""
    assert Threads(1, 2).after(2.0, 0.2).now == 2


def test_a_neighbour_that_comes_and_goes_does_not_make_it_change_each_time() -> None:
    """Each rise that was in vain doubles what it waits for, to some seconds; a calm time forgets that."""
    threads, rises = Threads(2, 2), 0
    for look in range(600):
        later = threads.after(1.0 if look % 4 == 0 else 2.0, 0.2)
        rises, threads = rises + (later.now > threads.now), later
    assert rises <= 6
    for _ in range(200):
        threads = threads.after(2.0, 0.2)
    assert threads.now == 2
    assert threads.after(1.0, 0.2).after(2.0, 0.2).now == 2


class Machine:
    """Two cores of which this process uses what it is told, and others too."""

    def __init__(self) -> None:
        self.at = self.mine = self.used = 0.0

    def own(self) -> tuple[float, float]:
        """As `Cores` tells it."""
        return self.mine, self.at

    def moment(self) -> Moment:
        """As `Cores` tells it."""
        return Moment(self.at, self.used, self.mine)

    def room(self, before: Moment, after: Moment) -> float:
        """As `Cores` tells it."""
        return 2 - others(before, after)

    def spend(self, mine: float, theirs: float, seconds: float = 0.2) -> None:
        """So many cores of each for a while."""
        self.at, self.mine, self.used = (
            self.at + seconds,
            self.mine + mine * seconds,
            self.used + (mine + theirs) * seconds,
        )


def test_an_engine_that_is_asked_by_turns_takes_no_thread_away() -> None:
    """A benchmark asks two engines one after the other: whatever part of a look each turn begins and ends in, both find all cores free."""
    for first in (0.02, 0.1, 0.18):
        machine = Machine()
        follower = Follower(machine, 2)
        for turn in range(40):
            mine = turn % 2 == 0
            for look in range(5):
                before = first if look == 0 else 0.0  # the other one ends in this look
                machine.spend(*((0.0, 1.9) if mine else (1.9, 0.0)), before)
                machine.spend(*((1.9, 0.0) if mine else (0.0, 1.9)), 0.2 - before)
                follower.look()
                assert follower.threads.now == 2


def test_a_neighbour_that_stays_takes_one_and_who_ends_gives_it_back() -> None:
    """Also where it came while nothing was generated, and stayed for long; the first answer after it ended has all threads after two looks."""
    machine = Machine()
    follower = Follower(machine, 2)

    def looks(mine: float, theirs: float, count: int) -> int:
        for _ in range(count):
            machine.spend(mine, theirs)
            follower.look()
        return follower.threads.now

    assert looks(1.9, 0.0, 5) == 2
    assert looks(1.0, 1.0, 3) == 1
    assert looks(1.0, 0.0, 3) == 2
    assert looks(0.0, 1.5, 40) == 2, "eight seconds: somebody's turn"
    assert looks(0.0, 1.5, 30) == 1
    assert looks(0.9, 0.0, 2) == 2
    assert looks(0.0, 1.5, 75) == 1
    assert looks(0.0, 0.0, 10) == 2


def machine(place: Path, busy: int = 0, steal: int = 0, group: str = "0::/", **files: str) -> Any:
    """What a kernel shows: the first CPU of ours busy and taken by a hypervisor for so many ticks, another one busy all the time."""
    (place / "proc" / "self").mkdir(parents=True, exist_ok=True)
    rows = [
        f"cpu{CPUS[0]} {busy} 0 0 1000 5 0 0 {steal} 0 0",
        f"cpu{max(CPUS) + 1} {99999 + busy * 7} 0 0 0 0 0 0 0 0 0",
    ]
    rows[1:1] = [f"cpu{number} 0 0 0 1000 0 0 0 0 0 0" for number in CPUS[1:]]
    (place / "proc" / "stat").write_text("cpu  1 2 3 4 5 6 7 8 9 10\n" + "\n".join(rows) + "\nintr 1 2 3\n")
    (place / "proc" / "self" / "cgroup").write_text(group + "\n")
    for name, text in files.items():
        path = place / "cg" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Cores(place / "proc", place / "cg")


@given(busy=st.integers(0, 500), steal=st.integers(0, 500))
def test_what_others_and_the_hypervisor_take_of_the_cpus_that_may_be_used_is_not_free(
    tmp_path_factory: pytest.TempPathFactory, busy: int, steal: int
) -> None:
    """CPUs of others do not count."""
    place = tmp_path_factory.mktemp("m")
    before = machine(place).moment()
    cores = machine(place, busy, steal)
    read = cores.moment()
    after = Moment(before.at + 1.0, read.used, before.own, read.groups)
    assert others(before, after) == pytest.approx((busy + steal) / os.sysconf("SC_CLK_TCK"))
    assert cores.room(before, after) == pytest.approx(len(CPUS) - others(before, after))
    assert others(before, Moment(before.at + 1.0, read.used, before.own + 99)) == 0.0


@pytest.mark.parametrize(
    ("group", "files", "later"),
    [
        ("0::/a/b", {"a__cpu_dot_max": "150000 100000", "a__cpu_dot_stat": "usage_usec 1000000\n", "a__b__cpu_dot_max": "max 100000"}, {"a__cpu_dot_stat": "usage_usec 1400000\n"}),
        ("0::/elsewhere", {"cpu_dot_max": "150000 100000", "cpu_dot_stat": "nr 1\nusage_usec 1000000\n"}, {"cpu_dot_stat": "nr 1\nusage_usec 1400000\n"}),
        (
            "3:cpu,cpuacct:/a", {"cpu,cpuacct__a__cpu_dot_cfs_quota_us": "150000", "cpu,cpuacct__a__cpu_dot_cfs_period_us": "100000", "cpu,cpuacct__a__cpuacct_dot_usage": "1000000000"},
            {"cpu,cpuacct__a__cpuacct_dot_usage": "1400000000"},
        ),
    ],
    ids=["version 2", "inside a container", "version 1"],
)  # fmt: skip
def test_a_quota_is_shared_with_its_group(
    tmp_path: Path, group: str, files: dict[str, str], later: dict[str, str]
) -> None:
    """Of one and a half cores others of the group used 0.4, however many CPUs there are."""
    cores = machine(tmp_path, group=group, **files)
    before = cores.moment()
    machine(tmp_path, group=group, **later)
    read = cores.moment()
    after = Moment(before.at + 1.0, read.used, before.own, read.groups)
    assert cores.room(before, after) == pytest.approx(min(1.1, len(CPUS)))


@pytest.mark.parametrize("files", [{"cpu_dot_max": "max 100000"}, {"cpu_dot_max": "150000 100000"}, {}], ids=["none", "use not shown", "no groups"])  # fmt: skip
def test_without_a_quota_that_can_be_followed_all_cpus_count(tmp_path: Path, files: dict[str, str]) -> None:
    """A container may show the quota and not what was used of it."""
    cores = machine(tmp_path, group="0::/", **files)
    before = cores.moment()
    assert cores.room(before, Moment(before.at + 1.0, before.used, before.own, before.groups)) == len(CPUS)


def test_where_the_kernel_does_not_say_it_is_refused(tmp_path: Path) -> None:
    """Then the number of threads stays."""
    with pytest.raises(OSError, match="stat"):
        Cores(tmp_path, tmp_path)
