"""Lives of processes as rows: runs that began, changed or ended, and the events that tell of it."""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from monitor import wire
from monitor.store.interface import Append, Change, Upsert

_US: Final = pa.timestamp("us")
FRESH_US: Final = 30_000_000
"""A run that began longer ago than this is looked for in the store before it is written."""


def times(values: Sequence[int | None]) -> pa.Array:
    """Microseconds since the epoch as the store's times."""
    return pa.array(values, pa.int64()).view(_US)


class Births:
    """Tells runs that cannot be in the store yet: they are added without looking for them, which costs a fifth.

    New is what began while this watch ran, not long ago, and was not written by it. One value belongs to one life of
    the agent, and to the thread that builds rows; a sweep built twice, because its first write failed, is looked for.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        self._recent: set[int] = set()
        self._older: set[int] = set()
        self._turned = 0

    def split(self, tick: wire.Tick) -> tuple[list[wire.RunInfo], list[wire.RunInfo]]:
        """The born runs of a sweep that are new, and those that may be known."""
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


def life_changes(host: str, boot_id: str, tick: wire.Tick, births: Births | None = None) -> list[Change]:
    """Runs that began, changed or ended, and the clock's steps. A run that began twice (exec, restart of the watch) is one."""
    changes: list[Change] = []
    new, known = births.split(tick) if births else ([], tick.born)
    if new:
        changes += [Append("runs", _born(host, boot_id, tick.ts, new)), Append("events", _starts(host, new))]
    if known:
        changes.append(Upsert("runs", _born(host, boot_id, tick.ts, known), ("run",), keep=("first_seen",)))
        changes.append(Upsert("events", _starts(host, known), ("kind", "run")))
    if gone := tick.gone:
        ended = {
            "run": pa.array(gone, pa.int64()),
            "host": pa.array([host] * len(gone)),
            "boot_id": pa.array([boot_id] * len(gone)),
            "end_ts": times([tick.ts] * len(gone)),
            "end_source": pa.array(["poll"] * len(gone)),
        }
        changes.append(Upsert("runs", pa.table(ended), ("run",)))
        stops = _events(host, [tick.ts] * len(gone), "STOP", gone, [None] * len(gone), [None] * len(gone))
        changes.append(Append("events", stops))
    if tick.clock_step_s:
        text = f"The clock moved by {tick.clock_step_s:+.3f} s."
        changes.append(
            Append("events", _events(host, [tick.ts], "CLOCK_STEP", [None], [None], [text], subject="watch"))
        )
    return changes


def _starts(host: str, born: Sequence[wire.RunInfo]) -> pa.Table:
    return _events(
        host,
        [run.start_ts for run in born],
        "START",
        [run.run for run in born],
        [run.name for run in born],
        [_text(run.cmdline) for run in born],
    )


def _born(host: str, boot_id: str, ts: int, born: Sequence[wire.RunInfo]) -> pa.Table:
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
            "kernel_thread": pa.array([run.kernel_thread for run in born]),
            "start_ts": times([run.start_ts for run in born]),
            "first_seen": times([ts] * count),
            "end_ts": times([None] * count),
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
    """Text that Arrow can hold: lone surrogates (bytes that were not UTF-8) become U+FFFD."""
    return None if value is None else value.encode("utf-8", "replace").decode("utf-8")


def _signed32(uid: int) -> int:
    """A user id in 32 signed bits; 4294967294 (nobody of old NFS) becomes -2, as `ls -n` of 32-bit systems has it."""
    return uid - (1 << 32) if uid >= 1 << 31 else uid
