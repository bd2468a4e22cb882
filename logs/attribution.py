"""Whose line is it: the run that a record belongs to."""

import os
from collections.abc import Callable, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from logs.checkpoint import FileState
from logs.rows import Owner, Rows
from logs.times import SECOND

_FRESH_US: Final = 60 * SECOND


class Writers:
    """The processes that hold one file open for writing.

    A single writer owns what was written since it started. Where there are more, the pid in the line decides, while it is fresh: an old pid may be
    another process by now.
    """

    def __init__(self, run_of_pid: Callable[[int], int | None], now: Callable[[], int]) -> None:
        self._run_of_pid = run_of_pid
        self._now = now
        self._pids: frozenset[int] = frozenset()
        self._run: int | None = None
        self._since = 0
        self._retry_at = 0
        self.runs: frozenset[int] = frozenset()

    def update(self, pids: Sequence[int]) -> None:
        """The processes that hold the file open now; none keeps the last ones, whose last lines may not be read yet."""
        found = frozenset(pids)
        if not found or (found == self._pids and self._run is not None):
            return
        self._pids = found
        self._look_up()

    def _look_up(self) -> None:
        runs = {pid: self._run_of_pid(pid) for pid in self._pids}
        self.runs = frozenset(run for run in runs.values() if run is not None)
        alone = len(runs) == 1
        self._run = next(iter(runs.values())) if alone else None
        self._since = start_of(next(iter(runs))) if alone else 0
        self._retry_at = self._now() + SECOND

    def owner(self, rows: Rows, state: FileState, *, numbered: bool) -> Owner:
        """Who the records belong to."""
        if len(self._pids) == 1 and self._run is None and self._now() >= self._retry_at:
            self._look_up()
        if self._run is not None:
            run, since = self._run, self._since
            if not rows or min(rows.ts) >= since:
                return Owner(state.file_id, state.source, run, numbered=numbered)
            return Owner(
                state.file_id, state.source, runs=[run if ts >= since else None for ts in rows.ts], numbered=numbered
            )
        if not any(rows.pid):
            return Owner(state.file_id, state.source, numbered=numbered)
        fresh = self._now() - _FRESH_US
        known = {pid: self._run_of_pid(pid) for pid in set(rows.pid) if pid is not None}
        runs = [
            known[pid] if pid is not None and ts >= fresh else None for pid, ts in zip(rows.pid, rows.ts, strict=True)
        ]
        return Owner(state.file_id, state.source, runs=runs, numbered=numbered)

    def attribute(self, table: pa.Table) -> pa.Table:
        """Rows as `Rows.table` makes them without runs, with the runs that they belong to."""
        if len(self._pids) == 1 and self._run is None and self._now() >= self._retry_at:
            self._look_up()
        times = table.column("ts").cast(pa.int64())
        if self._run is not None:
            mine = pc.greater_equal(times, self._since)
            runs = pc.if_else(mine, pa.scalar(self._run, pa.int64()), pa.scalar(None, pa.int64()))
        else:
            if "pid" not in table.column_names:
                return table
            fresh = pc.greater_equal(times, self._now() - _FRESH_US)
            pids = pc.if_else(fresh, table.column("pid"), pa.scalar(None, pa.int32()))
            known = {pid: self._run_of_pid(pid) for pid in pc.unique(pids).to_pylist() if pid is not None}
            if not any(run is not None for run in known.values()):
                return table
            runs = pa.array([known.get(pid) for pid in pids.to_pylist()], pa.int64())
        return table.append_column("run", runs)


def start_of(pid: int) -> int:
    """When the process began, µs since the epoch, a second early (ticks and clocks round); 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat, open("/proc/stat", "rb") as boot:  # noqa: PTH123 - the kernel's files, opened often
            ticks = int(stat.read().rpartition(b")")[2].split()[19])
            boot_s = next(int(line.split()[1]) for line in boot if line.startswith(b"btime"))
    except (OSError, ValueError, IndexError, StopIteration):
        return 0
    return boot_s * SECOND + ticks * SECOND // os.sysconf("SC_CLK_TCK") - SECOND
