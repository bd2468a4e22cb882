"""Whose line is it: the run that a record belongs to."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from logs.core.timestamps import SECOND
from logs.following.holders import Holder, ancestors_of, has_open, start_of
from logs.parsing.rows import Owner, Rows
from logs.storing.checkpoint import FileState
from logs.storing.sink import PastWriter

_FRESH_US: Final = 60 * SECOND
_SEARCH_US: Final = SECOND // 4
_PAST: Final = 8
_STARTERS: Final = frozenset(
    {"sh", "bash", "dash", "zsh", "fish", "timeout", "nohup", "env", "nice", "ionice", "setsid", "stdbuf", "sudo", "su", "xargs", "make", "script", "tini", "dumb-init"}
)  # fmt: skip
"""Programs that start others and say nothing themselves."""
_COLLECTORS: Final = frozenset(
    {"rsyslogd", "syslog-ng", "syslogd", "systemd-journal", "journald", "vector", "fluent-bit", "dockerd", "containerd"}
)
"""Programs that write other programs' lines."""
Numbers = npt.NDArray[np.int64]


class Writers:
    """The processes that write one file: those that hold it open, or those that somebody says.

    A line that names a pid belongs to that process, while the line is fresh (an old pid may be another process by now) and the process is a holder, comes from
    one, or sends its lines to one. All other lines belong to the holder at their time; where several hold the file, to the one that the others come from,
    shells aside. Where it is said which parts of the file a process wrote, its lines are those that begin there, whatever their time.

    Args:
        run_of_pid: the run that has this pid, or had it until a moment ago.
        now: the clock, µs.
        look: finds out who writes the file now, updates this, and says whether that was easy; called when the last writer has ended and lines still come. None:
            nobody knows.
        past: who wrote the file when it was last read; lines from before the first known holder may be its own.
        said: those who wrote the file, one after the other, the same list as long as nothing changes; None: nobody says.
        key: the file's `(device, inode)`.
    """

    def __init__(
        self,
        run_of_pid: Callable[[int], int | None],
        now: Callable[[], int],
        look: "Callable[[Writers], bool] | None" = None,
        past: PastWriter | None = None,
        *,
        said: Callable[[], Sequence[Holder] | None] = lambda: None,
        key: tuple[int, int] = (0, 0),
    ) -> None:
        self._said, self.key = said, key
        self._heirs: list[Holder] = []
        self._former = (0, 0)
        self._heard: Sequence[Holder] | None = None
        self._begins: list[int] = []
        """Where the parts of the file begin whose writers are known, ascending; `_lives` has those."""
        self._lives: list[Holder] = []
        self._past = past
        self._look = look
        self._writer: int | None = None
        self._search_at = self._alive_at = 0
        self._run_of_pid = run_of_pid
        self._now = now
        self._holders: dict[int, Holder] = {}
        self._since: list[int] = []
        self._runs: list[int | None] = []
        self._over: int | None = None
        """One that has ended, though a look that began before may still tell of it."""
        self._outputs = False
        """Whether the writer had the file as its standard output."""
        self._settled = False
        self._collects = False
        self._retry_at = 0
        self._named: dict[int, tuple[int, int | None, int]] = {}
        self.runs: frozenset[int] = frozenset()

    @property
    def pids(self) -> frozenset[int]:
        """The processes that hold the file open."""
        return frozenset(self._holders)

    def hold(self, key: tuple[int, int]) -> bool:
        """Whether a process that is known to write the file, which is `(device, inode)`, has it open still."""
        return any(has_open(pid, *key) for pid in self._holders)

    def update(self, holders: Sequence[Holder]) -> None:
        """The processes that hold the file open now; none keeps the last ones, whose last lines may not be read yet."""
        found = {holder.pid: holder for holder in holders if holder.pid != self._over}
        same = {(h.pid, h.run) for h in holders} == {(h.pid, h.run) for h in self._holders.values()}
        if not found or (same and self._settled):
            return
        self._holders = found
        self._look_up()

    def join(self, holders: Sequence[Holder]) -> None:
        """These processes were seen to hold the file, besides those that are known and still run."""
        known = {holder.pid: holder for holder in holders}
        self.update([*(old for pid, old in self._holders.items() if pid not in known and start_of(pid)), *holders])

    @property
    def living(self) -> list[Holder]:
        """Who writes the file, or is to, and still runs."""
        return [held for held in [*self._holders.values()] or self._heirs if start_of(held.pid)]

    def inherit(self, before: "Writers", *, gone: bool) -> None:
        """The file took the place of one that others wrote: they will write this, once they have opened it; or did, if the file is `gone` from there again."""
        if gone:
            self.update(before.living)
        else:
            self._heirs, self._former = before.living, before.key

    def succeed(self, groups: Sequence[Sequence[Holder]]) -> None:
        """These wrote the file, one group after the other; the last one may still."""
        newest = self._since[-1] if self._since else 0
        for group in groups:
            if group and min(held.since for held in group) > newest:
                self.update(group)

    def hear(self) -> None:
        """Ask who is said to write the file; before any line is attributed that was written until now."""
        lives = self._said()
        if lives is None or lives is self._heard:
            return
        self._heard = lives
        parts = sorted(
            (begin, number) for number, life in enumerate(lives) for inode, begin in life.wrote if inode == self.key[1]
        )
        self._begins, self._lives = [begin for begin, _ in parts], [lives[number] for _, number in parts]
        self.succeed([[life] for life in lives])

    def begins(self, begin: int, end: int) -> list[tuple[int, int]]:
        """Where in `[begin, end)` of the file another process began to write, and when it started, µs."""
        self.hear()
        between = slice(bisect_left(self._begins, begin), bisect_left(self._begins, end))
        return list(
            {at: life.since for at, life in zip(self._begins[between], self._lives[between], strict=True)}.items()
        )

    def _look_up(self) -> None:
        """Who of the holders writes, since when; the holders before keep the lines of their time."""
        runs = {pid: self._run_of_pid(pid) if held.run is None else held.run for pid, held in self._holders.items()}
        self.runs = frozenset(run for run in runs.values() if run is not None)
        self._collects = any(held.name in _COLLECTORS for held in self._holders.values())
        self._retry_at = self._now() + SECOND
        writer = _writer_of(self._holders)
        run = runs.get(writer) if writer is not None else None
        self._settled = writer is None or run is not None
        before, self._writer = self._writer, writer
        since = self._holders[writer].since if writer is not None else self._now()
        if writer is not None and self._outputs and not self._holders[writer].output and since < self._since[-1]:
            since = self._now()  # it only opened the file for one that has ended: that one's lines stay its own
            self._over = before
        self._outputs = writer is not None and self._holders[writer].output
        while self._since and self._since[-1] >= since:
            self._since.pop()
            self._runs.pop()
        self._since, self._runs = [*self._since[-_PAST:], since], [*self._runs[-_PAST:], run]

    def _look_again(self, newest: int) -> None:
        """A run that was not known yet may be by now; a writer that has ended may have a successor, when a line is newer than its last sign of life."""
        now = self._now()
        if not self._holders and self._heirs:
            # one that has neither the old file any more nor this one may have closed this already, too
            came = [one for one in self._heirs if has_open(one.pid, *self.key) or not has_open(one.pid, *self._former)]
            self.update(came)
        if self._holders and not self._settled and now >= self._retry_at:
            self._look_up()
        if self._writer is None or self._look is None or newest <= self._alive_at:
            return
        if start_of(self._writer):
            self._alive_at = now
        elif now >= self._search_at:
            self._search_at = now if self._look(self) else now + _SEARCH_US

    def owner(self, rows: Rows, state: FileState, *, numbered: bool) -> Owner:
        """Who the records belong to."""
        runs = self._runs_of(np.array(rows.ts, np.int64), rows.pid, np.array(rows.pos, np.int64))
        if len(set(runs)) == 1:
            return Owner(state.file_id, state.source, runs[0], numbered=numbered)
        return Owner(state.file_id, state.source, runs=runs or None, numbered=numbered)

    def attribute(self, table: pa.Table) -> pa.Table:
        """Rows as `Rows.table` makes them without runs, with the runs that they belong to."""
        self.hear()
        times = np.asarray(table.column("ts").cast(pa.int64()))
        oldest = self._now() - _FRESH_US
        fresh = "pid" in table.column_names and len(times) > 0 and int(times.max()) >= oldest
        if not fresh and not self._holders and not self._heirs and self._past is None:
            return table
        pids = table.column("pid").to_pylist() if fresh else None
        runs = self._runs_of(times, pids, np.asarray(table.column("pos")))
        if not any(run is not None for run in runs):
            return table
        return table.append_column("run", pa.array(runs, pa.int64()))

    def _runs_of(self, times: Numbers, pids: Sequence[int | None] | None, positions: Numbers) -> list[int | None]:
        """The run of each line: of whoever wrote its part of the file, else by its time and the pid it names."""
        self.hear()
        places = np.searchsorted(np.array(self._begins, np.int64), positions, "right")
        if len(places) and places.min() > 0:
            return [self._lives[place - 1].run for place in places.tolist()]
        runs = self._at(times, pids)
        return [self._lives[place - 1].run if place else run for place, run in zip(places.tolist(), runs, strict=True)]

    def _at(self, times: Numbers, pids: Sequence[int | None] | None) -> list[int | None]:
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
        past: PastWriter, runs: list[int | None], places: Numbers, times: Numbers, pids: Sequence[int | None] | None
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
        if not self._holders or self._collects or pid in self._holders:
            return True
        return any(parent in self._holders for parent in ancestors_of(pid))


def _writer_of(holders: Mapping[int, Holder]) -> int | None:
    """The holder that speaks for all; what opened the file only for the output of another does not."""
    outputs = {pid: held for pid, held in holders.items() if held.output}
    found = _first_of(outputs) if outputs else None
    return found if found is not None else _first_of(holders)


def _first_of(holders: Mapping[int, Holder]) -> int | None:
    """The holder that speaks for all: the one that all others come from, or what it runs where it only starts others; None when there is no such one."""
    if len(holders) == 1:
        return next(iter(holders))
    above = {pid: [parent for parent in _above(held) if parent in holders] for pid, held in holders.items()}
    tops = [pid for pid, parents in above.items() if not parents]
    while len(tops) == 1:
        top = tops[0]
        below = [pid for pid, parents in above.items() if parents and parents[0] == top]
        if len(below) != 1 or holders[top].name not in _STARTERS:
            return top
        tops = below
    return None


def _above(held: Holder) -> list[int]:
    """Where a holder comes from, the nearest first; of one that is gone, as far as that was seen."""
    return ancestors_of(held.pid) or [held.parent]
