"""A pid that is given again is another run, at once, every time."""

import sys
from pathlib import Path
from typing import Any

import pytest

from logs.redaction.masker import Masker
from monitor.sampling.linux.reader import ProcfsReader
from tests.doubles.pids import PROGRAMS, can_be_forced, end, spawn_as, start_tick, wait_for_next_tick

ROUNDS = 200

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux" or not can_be_forced(), reason="pids can be forced only by root on Linux"
    ),
    pytest.mark.forces_pids,
]


@pytest.mark.parametrize("max_files", [None, 0], ids=["kept-files", "by-path"])
def test_reused_pids_are_never_merged_and_never_missed(max_files: Any, sweep_once: Any, row: Any) -> None:
    """Each sweep shows the process that has the pid now, by its own name, and tells the end of the one before."""
    reader = ProcfsReader(Masker(), max_files=max_files)
    rounds = ROUNDS if max_files is None else ROUNDS // 4
    pid = spawn_as(None, PROGRAMS[0])
    runs: list[int] = []
    try:
        after = sweep_once(reader).by_pid[pid]
        while len(runs) < rounds:
            before, tick = after, start_tick(pid)
            end(pid)
            wait_for_next_tick(tick, reader.info.clock_tick_hz)
            program = PROGRAMS[len(runs) % 2]
            try:
                spawn_as(pid, program)
            except ProcessLookupError:  # another program of this machine has it now
                pid = spawn_as(None, program)
                after = sweep_once(reader).by_pid[pid]
                continue
            sweep = sweep_once(reader)
            after = sweep.by_pid[pid]
            assert after != before
            assert before in sweep.gone
            assert row(sweep.columns, pid)["run"] == after
            [info] = [info for info in sweep.born if info.run == after]
            assert info.start_tick == start_tick(pid)
            assert info.name == Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
            runs.append(after)
    finally:
        end(pid)
        reader.close()
    assert len(set(runs)) == rounds
