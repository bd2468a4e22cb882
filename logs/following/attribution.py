"""Whose line is it: the run that a record belongs to."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from logs.core.timestamps import SECOND
from logs.parsing.rows import Owner, Rows
from logs.storing.checkpoint import FileState
from logs.storing.sink import PastWriter

_FRESH_US: Final = 60 * SECOND
_EARLY_US: Final = 20_000
_SEARCH_US: Final = SECOND // 4
_PAST: Final = 8
_STEPS: Final = 64
_STARTERS: Final = frozenset(
    {"sh", "bash", "dash", "zsh", "fish", "timeout", "nohup", "env", "nice", "ionice", "setsid", "stdbuf", "sudo", "su", "xargs", "make", "script", "tini", "dumb-init"}
)  # fmt: skip
"""Programs that start others and say nothing themselves."""
_COLLECTORS: Final = frozenset(
    {"rsyslogd", "syslog-ng", "syslogd", "systemd-journal", "journald", "vector", "fluent-bit", "dockerd", "containerd"}
)
"""Programs that write other programs' lines."""
Times = npt.NDArray[np.int64]


class Writers:
    """The processes that hold one file open for writing.

    A line that names a pid belongs to that process, while the line is fresh (an old pid may be another process by now) and the process is a holder, comes from
    one, or sends its lines to one. All other lines belong to the holder at their time; where several hold the file, to the one that the others come from,
    shells aside.

    Args:
        run_of_pid: the run that has this pid now.
        now: the clock, µs.
        holders: who holds the file now; asked when the last writer has ended and lines still come. None: nobody knows.
        past: who wrote the file when it was last read; lines from before the first known holder may be its own.
    """

    def __init__(
        self,
        run_of_pid: Callable[[int], int | None],
        now: Callable[[], int],
        holders: Callable[[], Sequence[int]] | None = None,
        past: PastWriter | None = None,
    ) -> None:
        self._past = past
        self._holders = holders
        self._writer: int | None = None
        self._search_at = self._alive_at = 0
        self._run_of_pid = run_of_pid
        self._now = now
        self._pids: frozenset[int] = frozenset()
        self._since: list[int] = []
        self._runs: list[int | None] = []
        self._settled = False
        self._collects = False
        self._retry_at = 0
        self._named: dict[int, tuple[int, int | None, int]] = {}
        self.runs: frozenset[int] = frozenset()

    @property
    def pids(self) -> frozenset[int]:
        """The processes that hold the file open."""
        return self._pids

    def hold(self, key: tuple[int, int]) -> bool:
        """Whether a process that is known to write the file, which is `(device, inode)`, has it open still."""
        return any(_has_open(pid, *key) for pid in self._pids)

    def update(self, pids: Sequence[int]) -> None:
        """The processes that hold the file open now; none keeps the last ones, whose last lines may not be read yet."""
        found = frozenset(pids)
        if not found or (found == self._pids and self._settled):
            return
        self._pids = found
        self._look_up()

    def _look_up(self) -> None:
        """Who of the holders writes, since when; the holders before keep the lines of their time."""
        runs = {pid: self._run_of_pid(pid) for pid in self._pids}
        self.runs = frozenset(run for run in runs.values() if run is not None)
        self._collects = any(_name_of(pid) in _COLLECTORS for pid in self._pids)
        self._retry_at = self._now() + SECOND
        writer = _writer_of(self._pids)
        run = runs.get(writer) if writer is not None else None
        self._settled = writer is None or run is not None
        self._writer = writer
        since = start_of(writer) if writer is not None else self._now()
        while self._since and self._since[-1] >= since:
            self._since.pop()
            self._runs.pop()
        self._since, self._runs = [*self._since[-_PAST:], since], [*self._runs[-_PAST:], run]

    def _look_again(self, newest: int) -> None:
        """A run that was not known yet may be by now; a writer that has ended may have a successor, when a line is newer than its last sign of life."""
        now = self._now()
        if self._pids and not self._settled and now >= self._retry_at:
            self._look_up()
        if self._writer is None or self._holders is None or newest <= self._alive_at:
            return
        if start_of(self._writer):
            self._alive_at = now
        elif now >= self._search_at:
            self._search_at = now + _SEARCH_US
            self.update(self._holders())

    def owner(self, rows: Rows, state: FileState, *, numbered: bool) -> Owner:
        """Who the records belong to."""
        times = np.array(rows.ts, np.int64)
        runs = self._at(times, rows.pid)
        if len(set(runs)) == 1:
            return Owner(state.file_id, state.source, runs[0], numbered=numbered)
        return Owner(state.file_id, state.source, runs=runs or None, numbered=numbered)

    def attribute(self, table: pa.Table) -> pa.Table:
        """Rows as `Rows.table` makes them without runs, with the runs that they belong to."""
        times = np.asarray(table.column("ts").cast(pa.int64()))
        oldest = self._now() - _FRESH_US
        fresh = "pid" in table.column_names and len(times) > 0 and int(times.max()) >= oldest
        if not fresh and not self._pids and self._past is None:
            return table
        runs = self._at(times, table.column("pid").to_pylist() if fresh else None)
        if not any(run is not None for run in runs):
            return table
        return table.append_column("run", pa.array(runs, pa.int64()))

    def _at(self, times: Times, pids: Sequence[int | None] | None) -> list[int | None]:
        """The run of each line, by its time and the pid it names."""
        latest = np.where(times % SECOND == 0, times + SECOND - 1, times)  # of a time without a fraction
        self._look_again(int(latest.max()) if len(latest) else 0)
        places = np.searchsorted(np.array(self._since, np.int64), latest, "right")
        known: list[int | None] = [None, *self._runs]
        runs = [known[place] for place in places.tolist()]
        if self._past is not None:
            self._recall(self._past, runs, places, times, pids)
        if pids is None or not any(pids):
            return runs
        oldest = self._now() - _FRESH_US
        for number, pid in enumerate(pids):
            if pid is not None and (ts := int(times[number])) >= oldest:
                run, since = self._of_named(pid)
                if run is not None and (ts if ts % SECOND else ts + SECOND - 1) >= since:
                    runs[number] = run
        return runs

    @staticmethod
    def _recall(
        past: PastWriter, runs: list[int | None], places: Times, times: Times, pids: Sequence[int | None] | None
    ) -> None:
        """Lines from before the first known holder, up to its end, belong to the one who wrote before, unless they name another."""
        for number in np.flatnonzero((places == 0) & (times <= past.until)).tolist():
            if pids is None or pids[number] in {None, past.pid}:
                runs[number] = past.run

    def _of_named(self, pid: int) -> tuple[int | None, int]:
        """The run and the start of the process that a line names; no run when it has nothing to do with the file."""
        looked, run, since = self._named.get(pid, (0, None, 0))
        now = self._now()
        if looked + (SECOND if run is None else 10 * SECOND) <= now:
            if len(self._named) > 1000:
                self._named.clear()
            run = self._run_of_pid(pid) if self._concerned(pid) else None
            since = start_of(pid) if run is not None else 0
            self._named[pid] = (now, run, since)
        return run, since

    def _concerned(self, pid: int) -> bool:
        if not self._pids or self._collects or pid in self._pids:
            return True
        return any(parent in self._pids for parent in _ancestors(pid))


def _writer_of(pids: frozenset[int]) -> int | None:
    """The holder that speaks for all: the one that all others come from, or what it runs where it only starts others; None when there is no such one."""
    if len(pids) == 1:
        return next(iter(pids))
    above = {pid: [parent for parent in _ancestors(pid) if parent in pids] for pid in pids}
    tops = [pid for pid, parents in above.items() if not parents]
    while len(tops) == 1:
        top = tops[0]
        below = [pid for pid, parents in above.items() if parents and parents[0] == top]
        if len(below) != 1 or _name_of(top) not in _STARTERS:
            return top
        tops = below
    return None


def _ancestors(pid: int) -> list[int]:
    """Parents of a process, the nearest first."""
    found: list[int] = []
    for _ in range(_STEPS):
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                pid = int(stat.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
        if pid <= 1:
            break
        found.append(pid)
    return found


def _name_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", "rb") as comm:
            return comm.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


def holders_of(dev: int, inode: int) -> list[int]:
    """The processes that have this file open for writing."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        if _has_open(int(name), dev, inode):
            found.append(int(name))
    return found


def _has_open(pid: int, dev: int, inode: int) -> bool:
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return any(_leads_to(entry.path, dev, inode) for entry in entries)
    except OSError:  # it ended, or it is another user's
        return False


def _leads_to(link: str, dev: int, inode: int) -> bool:
    """Whether an entry of `/proc/<pid>/fd` is this file, open for writing (then its owner may write the link)."""
    try:
        status = os.stat(link)
        return (status.st_dev, status.st_ino) == (dev, inode) and bool(os.lstat(link).st_mode & 0o200)
    except OSError:
        return False


def start_of(pid: int) -> int:
    """When the process began, µs since the epoch, a moment early (ticks round); 0 when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
            ticks, state = int(fields[19]), fields[0]
    except (OSError, ValueError, IndexError):
        return 0
    if state in {b"Z", b"X"}:
        return 0
    age = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000 - ticks * SECOND // os.sysconf("SC_CLK_TCK")
    return time.time_ns() // 1000 - age - _EARLY_US
