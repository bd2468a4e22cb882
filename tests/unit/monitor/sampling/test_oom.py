"""Which of the killed processes the kernel killed because memory ran out."""

from pathlib import Path

import pytest

from monitor.sampling.core.reader import Ending
from monitor.sampling.linux.oom import KernelLog, OomKills

KILLED = Ending(1, 5, 9, "connector")
TERMINATED = Ending(2, 5, 15, "connector")
ENDED = Ending(3, 5, 0, "connector")


def count(root: Path, kills: int) -> None:
    """The kernel's count."""
    (root / "vmstat").write_text(f"nr_free_pages 5\npgfault 9\noom_kill {kills}\nunevictable 0\n", encoding="ascii")


def marked(oom: OomKills, *endings: Ending) -> list[int]:
    """The runs that the kernel killed."""
    return [ending.run for ending in oom.mark(endings) if ending.out_of_memory]


def test_a_kill_that_the_kernel_counted_is_its_own(tmp_path: Path) -> None:
    """One process was killed, and the count rose by one."""
    count(tmp_path, 4)
    oom = OomKills(str(tmp_path))
    count(tmp_path, 5)
    assert marked(oom, TERMINATED, KILLED, ENDED) == [1]
    assert marked(oom, KILLED) == []  # the next one is somebody's kill -9


def test_of_two_kills_of_which_one_was_the_kernels_none_is_marked(tmp_path: Path) -> None:
    """Nothing is guessed."""
    count(tmp_path, 4)
    oom = OomKills(str(tmp_path))
    count(tmp_path, 5)
    assert marked(oom, KILLED, Ending(7, 5, 9, "connector")) == []


@pytest.mark.parametrize("text", [None, "pgfault 1\n"])
def test_kernels_that_do_not_count(tmp_path: Path, text: str | None) -> None:
    """Without a count nothing is known."""
    if text is not None:
        (tmp_path / "vmstat").write_text(text, encoding="ascii")
    oom = OomKills(str(tmp_path))
    assert marked(oom, KILLED) == []


LOGGED = b"""6,900,1,-;python invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
6,901,1,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/job,task_memcg=/job/a,task=python,pid=41,uid=0
6,902,1,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=py,thon,pid=42,uid=0
3,903,1,-;Memory cgroup out of memory: Killed process 41 (python) total-vm:9kB, anon-rss:1kB
3,904,1,-;Memory cgroup out of memory: Killed process 44 (python) total-vm:9kB, anon-rss:1kB
"""


def test_the_kernels_log_says_whose_memory_it_was(tmp_path: Path) -> None:
    """By pid, so that a kill beside it stays one; the group's limit is read, the machine's memory has none, and of a storm only that it was memory."""
    count(tmp_path, 4)
    path = tmp_path / "kmsg"
    path.touch()
    (tmp_path / "memory" / "job").mkdir(parents=True)
    (tmp_path / "memory" / "job" / "memory.limit_in_bytes").write_text("16777216\n")
    oom = OomKills(str(tmp_path), KernelLog(str(path)), str(tmp_path))
    with path.open("ab") as log:
        log.write(LOGGED)
    endings = [Ending(run, 5, 9, "connector") for run in (1, 2, 3, 4)]
    pids = {1: 41, 2: 42, 3: 43, 4: 44}
    found = oom.mark(endings, pids)
    assert [(one.out_of_memory, one.memory_group, one.memory_limit) for one in found] == [
        (True, "/job", 16 << 20),
        (True, "", None),
        (False, None, None),
        (True, None, None),
    ]
    assert not any(one.out_of_memory for one in oom.mark(endings, pids))  # told once
