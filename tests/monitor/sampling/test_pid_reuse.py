"""A pid that is given again is another run, at once, every time."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from monitor.masking import Masker
from monitor.sampling.parse import parse_stat
from monitor.sampling.procfs import ProcfsReader

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
PROGRAMS = (["/bin/sleep", "600"], ["/usr/bin/tail", "-f", "/dev/null"])
ROUNDS = 200

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not os.access(LAST_PID, os.W_OK), reason="pids can be forced only by root on Linux"
)


def _spawn_as(pid: int | None, argv: list[str]) -> int:
    """Start a program under a chosen pid; None takes any."""
    for _ in range(200):
        if pid is not None:
            LAST_PID.write_text(str(pid - 1), encoding="ascii")
        made = os.posix_spawn(argv[0], argv, {})
        if pid in (None, made):
            name = argv[0].rpartition("/")[2]
            while Path(f"/proc/{made}/comm").read_text(encoding="ascii").strip() != name:
                time.sleep(0.0005)  # the kernel lets us go on a moment before the new program has its name
            return made
        _end(made)
    pytest.fail("the pid could not be forced: the machine spawns too much")


def _end(pid: int) -> None:
    os.kill(pid, 9)
    os.waitpid(pid, 0)


def _start_tick(pid: int) -> int:
    return parse_stat(Path(f"/proc/{pid}/stat").read_bytes()).start_tick


def _wait_for_next_tick(tick: int, hz: int) -> None:
    """Two runs are told apart by their start, which the kernel gives in hundredths of a second."""
    while time.clock_gettime(time.CLOCK_BOOTTIME) * hz < tick + 2:
        time.sleep(0.001)


@pytest.mark.parametrize("max_files", [None, 0], ids=["kept-files", "by-path"])
def test_reused_pids_are_never_merged_and_never_missed(max_files: Any, sweep_once: Any, row: Any) -> None:
    """Each sweep shows the process that has the pid now, by its own name, and tells the end of the one before."""
    reader = ProcfsReader(Masker(), max_files=max_files)
    rounds = ROUNDS if max_files is None else ROUNDS // 4
    pid = _spawn_as(None, PROGRAMS[0])
    runs: list[int] = []
    try:
        after = sweep_once(reader).by_pid[pid]
        for number in range(rounds):
            before, tick = after, _start_tick(pid)
            _end(pid)
            _wait_for_next_tick(tick, reader.info.clock_tick_hz)
            argv = PROGRAMS[number % 2]
            _spawn_as(pid, argv)
            sweep = sweep_once(reader)
            after = sweep.by_pid[pid]
            assert after != before
            assert before in sweep.gone
            assert row(sweep.columns, pid)["run"] == after
            [info] = [info for info in sweep.born if info.run == after]
            assert info.start_tick == _start_tick(pid)
            assert info.name == Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
            runs.append(after)
    finally:
        _end(pid)
        reader.close()
    assert len(set(runs)) == rounds
