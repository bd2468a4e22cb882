"""Rows about lives of processes: runs that started, changed or ended, and their events."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from monitor.core.exit_words import asked_for
from monitor.metrics import messages
from monitor.store.interface import Append, Change, Store, Upsert

_US: Final = pa.timestamp("us")
UNSEEN: Final = "unseen"
"""Source of the end of a run that ended while no agent ran: it was last seen then."""
UNTOLD_US: Final = 120_000_000
"""Lines of a run that no sample told of are not older than this."""
FRESH_US: Final = 30_000_000
"""A run that started longer ago than this is looked up in the store before it is written."""


def times(values: Sequence[int | None]) -> pa.Array:
    """Microseconds since the epoch as timestamps of the store."""
    return pa.array(values, pa.int64()).view(_US)


@dataclass(frozen=True, slots=True)
class ToldLife:
    """A life that is over, as another than the sampler tells it: the shim that was its parent, or the process itself. What that one does not say is None.

    Attributes:
        words: its command; empty if nobody says.
        started, ended: µs since the epoch.
        source: who tells, as `end_source` has it; `UNSEEN` where the end itself is not known, only that it was later.
        ended_for: why this one ended it, in words; empty if it did not.
        asked: whether a person wanted that; else it had failed.
    """

    boot_id: str
    pid: int
    start_tick: int
    words: tuple[str, ...]
    cwd: str | None
    started: int | None
    ended: int
    exit_code: int | None
    exit_signal: int | None
    source: str
    ppid: int | None = None
    uid: int | None = None
    user: str | None = None
    ended_for: str = ""
    asked: bool = False
    member: str | None = None


class Births:
    """Finds the runs that cannot be in the store yet. Adding them without a lookup costs a fifth.

    New is what began while this watch ran, not long ago, and was not written by it. One value belongs to one life of
    the agent, and to the thread that builds rows; a sweep built twice, because its first write failed, is looked for.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        self._recent: set[int] = set()
        self._older: set[int] = set()
        self._turned = 0

    def split(self, tick: messages.Tick | messages.Lives) -> tuple[list[messages.RunInfo], list[messages.RunInfo]]:
        """The started runs of a sample: those that are new, and those that may be stored already."""
        if self._first is None or tick.clock_step_s:
            self._first = tick.ts
        if abs(tick.ts - self._turned) > 2 * FRESH_US:
            self._recent, self._older, self._turned = set(), self._recent, tick.ts
        since = max(self._first, tick.ts - FRESH_US)
        new = [
            run
            for run in tick.born
            if run.start_ts > since and run.run not in self._recent and run.run not in self._older
        ]
        self._recent.update(run.run for run in tick.born)
        fresh = {run.run for run in new}
        return new, [run for run in tick.born if run.run not in fresh]


class EarlyLives:
    """What ended between two samples. It is gathered until the writer takes it: a table for each message would cost three times as much."""

    def __init__(self, first: messages.Lives) -> None:
        self._all, self._taken, self._lock = [first], False, threading.Lock()

    def add(self, lives: messages.Lives) -> bool:
        """Take one more; answers False once the writer has taken what there was."""
        with self._lock:
            if not self._taken:
                self._all.append(lives)
            return not self._taken

    def whole(self) -> messages.Lives:
        """All of it, as one; the same each time."""
        with self._lock:
            self._taken = True
        return messages.Lives(
            self._all[0].ts,
            [info for one in self._all for info in one.born],
            [run for one in self._all for run in one.gone],
            [info for one in self._all for info in one.brief],
            [end for one in self._all for end in one.ends],
        )


def life_changes(
    host: str, boot_id: str, tick: messages.Tick | messages.Lives, births: Births | None = None
) -> list[Change]:
    """Runs that started, changed or ended, and steps of the clock. A run that started twice (exec, restart of the agent) is one.

    A life between two sweeps is one row, and an event only if it did not end well: scripts begin hundreds of them a minute.
    """
    changes: list[Change] = []
    told = {end.run: end for end in tick.ends}
    if brief := [run for run in tick.brief if run.run in told]:
        ends = [told[run.run] for run in brief]
        changes += [
            Append("runs", _born(host, boot_id, tick.ts, brief, ends)),
        ]
        if failed := [(end, run.name) for end, run in zip(ends, brief, strict=True) if end.exit_code != 0]:
            stops, names = zip(*failed, strict=True)
            changes.append(Append("events", _stops(host, stops, names)))
    new, known = births.split(tick) if births else ([], tick.born)
    if new:
        changes += [Append("runs", _born(host, boot_id, tick.ts, new)), Append("events", _starts(host, new))]
    if known:
        changes.append(Upsert("runs", _born(host, boot_id, tick.ts, known), ("run",), keep=("first_seen",)))
        changes.append(Upsert("events", _starts(host, known), ("subject", "kind", "run")))
    if gone := tick.gone:
        ends = [told.get(run) or messages.RunEnd(run, tick.ts, None, None, "poll") for run in gone]
        ended = {
            "run": pa.array(gone, pa.int64()),
            "host": pa.array([host] * len(gone)),
            "boot_id": pa.array([boot_id] * len(gone)),
            **_end_columns(ends),
        }
        changes.append(Upsert("runs", pa.table(ended), ("run",)))
        changes.append(Append("events", _stops(host, ends, [None] * len(gone))))
    if tick.clock_step_s:
        text = f"The clock moved by {tick.clock_step_s:+.3f} s."
        changes.append(
            Append("events", _events(host, [tick.ts], "CLOCK_STEP", [None], [None], [text], subject="watch"))
        )
    return changes


def ended_row(info: messages.RunInfo, end: messages.RunEnd) -> dict[str, Any]:
    """What the query `runs_ended` answers about a run once it is stored; and its `cgroup` and, if the kernel killed it to free memory,
    how it ended in words (`out_of_memory`, else None). Times are µs since the epoch.
    """
    return {
        "run": info.run,
        "pid": info.pid,
        "ppid": info.ppid,
        "uid": _signed32(info.uid),
        "user_name": _text(info.user),
        "name": _text(info.name),
        "cmdline": _text(info.cmdline),
        "cwd": _text(info.cwd),
        "member": info.member,
        "cgroup": _text(info.cgroup),
        "start_ts": info.start_ts,
        "end_ts": end.ts,
        "exit_code": end.exit_code,
        "exit_signal": end.exit_signal,
        "end_source": end.source,
        "peak_rss": end.peak_rss,
        "cpu_seconds": end.cpu_s,
        "bytes_read": end.read_bytes,
        "bytes_written": end.write_bytes,
        "asked": end.asked,
        "out_of_memory": end.said() if end.out_of_memory else None,
    }


def store_untold(store: Store, host: str, boot_id: str, ts: int, gone: Sequence[tuple[messages.RunInfo, int]]) -> None:
    """Store those runs that were met between two samples, are gone, and wrote lines; no sample told of them, and how they ended nobody knows.

    The others only had a file open, as what a shell splits off for a moment has: they are a part of their parents.

    Args:
        store: the history.
        host: the machine.
        boot_id: its boot.
        ts: now, µs.
        gone: the runs, each with the first sample after its end.

    Raises:
        StoreError: the store does not answer, or takes nothing.
    """
    numbers = [run.run for run, _ in gone]
    named = set(store.query("runs_with_records", runs=numbers, since=ts - UNTOLD_US)["run"].to_pylist())
    if (wrote := [one for one in gone if one[0].run in named]) and (
        known := _known(store, [run.run for run, _ in wrote])
    ):
        wrote = [one for one in wrote if one[0].run not in known]  # somebody else has told of it meanwhile
    if wrote:
        ends = [messages.RunEnd(run.run, over, None, None, "poll") for run, over in wrote]
        store.write([Append("runs", _born(host, boot_id, ts, [run for run, _ in wrote], ends))])


def store_told(
    store: Store, host: messages.HostInfo, lives: Sequence[ToldLife], command: Callable[[Sequence[str]], str]
) -> None:
    """Store lives that no sampler told of, and how those ended of which it only told that they did.

    Args:
        store: the history.
        host: the machine.
        lives: those that are over, told long enough ago that the sampler has said what it knows.
        command: a command as it is shown.

    Raises:
        StoreError: the store does not answer, or takes nothing.
    """
    told = {messages.run_key(host.host, life.boot_id, life.pid, life.start_tick): life for life in lives}
    known = _known(store, list(told))
    new = {run: life for run, life in told.items() if run not in known}
    better = {run: told[run] for run, row in known.items() if _is_better(told[run], row)}
    changes: list[Change] = []
    if new:
        changes.append(Append("runs", _told_rows(host, new, command)))
    if better:
        ends = _end_columns([_end_of(run, life) for run, life in better.items()])
        told_ends = {name: ends[name] for name in ("end_ts", "exit_code", "exit_signal", "end_source", "asked")}
        whose = {"run": pa.array(list(better), pa.int64()), "host": pa.array([host.host] * len(better))}
        changes.append(Upsert("runs", pa.table(whose | told_ends), ("run",)))
    stops = better | {run: life for run, life in new.items() if life.exit_code or life.exit_signal}
    if stops:
        table = _stops(host.host, [_end_of(run, life) for run, life in stops.items()], [None] * len(stops))
        changes.append(Upsert("events", table, ("subject", "kind", "run")))
    if changes:
        store.write(changes)


def reasons(host: str, lives: Sequence[ToldLife]) -> list[Change]:
    """Why those were ended that somebody ended on purpose, for `run_ending`. Told twice, it is one."""
    asked = [life for life in lives if life.ended_for]
    if not asked:
        return []
    runs = [messages.run_key(host, life.boot_id, life.pid, life.start_tick) for life in asked]
    table = _events(
        host, [life.ended for life in asked], "ENDED_FOR", runs, [None] * len(asked), [life.ended_for for life in asked]
    )
    return [Upsert("events", table, ("subject", "kind", "run"))]


def _known(store: Store, runs: Sequence[int]) -> dict[int, dict[str, Any]]:
    return {row["run"]: row for row in store.query("runs_known", runs=runs).to_pylist()}


def _is_better(life: ToldLife, row: dict[str, Any]) -> bool:
    """Whether this tells how a run ended, and what is stored does not."""
    tells = life.exit_code is not None or life.exit_signal is not None
    return (tells and row["exit_code"] is None and row["exit_signal"] is None) or (life.asked and row["asked"] is None)


def _end_of(run: int, life: ToldLife) -> messages.RunEnd:
    asked = asked_for(life.ended_for.partition(": ")[2], life.exit_signal) if life.asked else None
    return messages.RunEnd(run, life.ended, life.exit_code, life.exit_signal, life.source, asked=asked)


def _told_rows(
    host: messages.HostInfo, lives: dict[int, ToldLife], command: Callable[[Sequence[str]], str]
) -> pa.Table:
    """The rows of lives; those of this boot began when their start tick says so."""
    found = list(lives.values())
    since = [
        life.started
        if life.started is not None or life.boot_id != host.boot_id
        else host.boot_ts + life.start_tick * 1_000_000 // host.clock_tick_hz
        for life in found
    ]
    return pa.table(
        {
            "run": pa.array(list(lives), pa.int64()),
            "host": pa.array([host.host] * len(found)),
            "boot_id": pa.array([life.boot_id for life in found]),
            "pid": pa.array([life.pid for life in found], pa.int32()),
            "start_tick": pa.array([life.start_tick for life in found], pa.int64()),
            "ppid": pa.array([life.ppid for life in found], pa.int32()),
            "uid": pa.array([None if life.uid is None else _signed32(life.uid) for life in found], pa.int32()),
            "user_name": pa.array([_text(life.user) for life in found], pa.string()),
            "name": pa.array([_text(_name(life.words)) for life in found]),
            "cmdline": pa.array([_text(command(life.words)) for life in found]),
            "cwd": pa.array([_text(life.cwd) for life in found], pa.string()),
            "member": pa.array([life.member for life in found], pa.string()),
            "kernel_thread": pa.array([False] * len(found)),
            "start_ts": times(since),
            "first_seen": times(since),
            **_end_columns([_end_of(run, life) for run, life in lives.items()]),
        }
    )


def _name(words: Sequence[str]) -> str:
    """The name that the kernel gives a program."""
    return words[0].rpartition("/")[2][:15] if words else "unknown"


def _starts(host: str, born: Sequence[messages.RunInfo]) -> pa.Table:
    return _events(
        host,
        [run.start_ts for run in born],
        "START",
        [run.run for run in born],
        [run.name for run in born],
        [_text(run.cmdline) for run in born],
    )


def _stops(host: str, ends: Sequence[messages.RunEnd], names: Sequence[str | None]) -> pa.Table:
    said = [end.said() for end in ends]
    table = _events(host, [end.ts for end in ends], "STOP", [end.run for end in ends], names, said)
    return table.append_column("details", pa.array([_end_details(end) for end in ends], pa.string()))


def _end_details(end: messages.RunEnd) -> str | None:
    """What is evidence of its cause, as JSON: whose memory ran out, how much CPU time it was allowed, whose child it was as a signal ended it; None without."""
    found: dict[str, Any] = {}
    if end.out_of_memory:
        found = {"out_of_memory": True, "memory_group": end.memory_group, "memory_limit": end.memory_limit}
    elif end.cpu_limit_s is not None:
        found = {"cpu_limit_s": end.cpu_limit_s}
    if end.exit_signal is not None and end.parent:
        found["parent"] = end.parent
    return json.dumps(found) if found else None


def _end_columns(ends: Sequence[messages.RunEnd | None]) -> dict[str, pa.Array]:
    return {
        "end_ts": times([None if end is None else end.ts for end in ends]),
        "exit_code": pa.array([None if end is None else end.exit_code for end in ends], pa.int32()),
        "exit_signal": pa.array([None if end is None else end.exit_signal for end in ends], pa.int32()),
        "end_source": pa.array([None if end is None else end.source for end in ends], pa.string()),
        "peak_rss": pa.array([None if end is None else end.peak_rss for end in ends], pa.int64()),
        "cpu_seconds": pa.array([None if end is None else end.cpu_s for end in ends], pa.float64()),
        "read_bytes": pa.array([None if end is None else end.read_bytes for end in ends], pa.int64()),
        "write_bytes": pa.array([None if end is None else end.write_bytes for end in ends], pa.int64()),
        "asked": pa.array([None if end is None else _text(end.asked) for end in ends], pa.string()),
    }


def _born(
    host: str,
    boot_id: str,
    ts: int,
    born: Sequence[messages.RunInfo],
    ends: Sequence[messages.RunEnd] = (),
) -> pa.Table:
    """The rows of runs, with their ends where they are over."""
    count = len(born)
    return pa.table(
        {
            "run": pa.array([run.run for run in born], pa.int64()),
            "host": pa.array([host] * count),
            "boot_id": pa.array([boot_id] * count),
            "pid": pa.array([run.pid for run in born], pa.int32()),
            "start_tick": pa.array([run.start_tick for run in born], pa.int64()),
            "ppid": pa.array([run.ppid for run in born], pa.int32()),
            "uid": pa.array([_signed32(run.uid) for run in born], pa.int32()),
            "user_name": pa.array([_text(run.user) for run in born]),
            "name": pa.array([_text(run.name) for run in born]),
            "cmdline": pa.array([_text(run.cmdline) for run in born]),
            "exe": pa.array([_text(run.exe) for run in born], pa.string()),
            "cgroup": pa.array([_text(run.cgroup) for run in born], pa.string()),
            "cwd": pa.array([_text(run.cwd) for run in born], pa.string()),
            "member": pa.array([run.member for run in born], pa.string()),
            "kernel_thread": pa.array([run.kernel_thread for run in born]),
            "start_ts": times([run.start_ts for run in born]),
            "first_seen": times([ts] * count),
            **_end_columns(ends or [None] * count),
        }
    )


def _events(  # noqa: PLR0917 - in the order of the columns
    host: str,
    at: Sequence[int],
    kind: str,
    runs: Sequence[int | None],
    names: Sequence[str | None],
    messages: Sequence[str | None],
    *,
    subject: str = "run",
) -> pa.Table:
    count = len(at)
    return pa.table(
        {
            "host": pa.array([host] * count),
            "ts": times(at),
            "kind": pa.array([kind] * count),
            "subject": pa.array([subject] * count),
            "run": pa.array(runs, pa.int64()),
            "name": pa.array([_text(name) for name in names], pa.string()),
            "message": pa.array(messages, pa.string()),
        }
    )


def _text(value: str | None) -> str | None:
    """Text for Arrow: lone surrogates (bytes that were not UTF-8) become U+FFFD."""
    return None if value is None else value.encode("utf-8", "replace").decode("utf-8")


def _signed32(uid: int) -> int:
    """A user ID in 32 signed bits; 4294967294 (nobody of old NFS) becomes -2, as in `ls -n` on 32-bit systems."""
    return uid - (1 << 32) if uid >= 1 << 31 else uid
