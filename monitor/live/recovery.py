"""Recovery after a restart: runs that ended meanwhile, the gap in the samples, and the last minutes for the charts."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import pyarrow as pa

from monitor.api_models.events import ProcessEvent
from monitor.lifecycle.failures import MOST, WITHIN_US
from monitor.live.growth import LONG_S, STEP_S, Reading
from monitor.live.snapshot import BLANK, HISTORY_METRICS, Moment
from monitor.store.interface import Append, Change, Store, Upsert
from monitor.store.lives import UNSEEN
from monitor.store.process_events import stored_events

GAP_US: Final = 2_500_000
"""A shorter pause between two agents does not count as a gap."""
US: Final = 1_000_000
RECALL_US: Final = 600 * US


def watch_event(host: str, ts: int, kind: str, message: str, **details: Any) -> Append:
    """A row of `events` about Watchkeeper itself at `ts` (µs): GAP, CLOCK_STEP, LOST."""
    row = {
        "host": pa.array([host]),
        "ts": pa.array([ts], pa.timestamp("us")),
        "kind": pa.array([kind]),
        "subject": pa.array(["watch"]),
        "name": pa.array(["watchkeeper"]),
        "message": pa.array([message]),
        "details": pa.array([json.dumps(details)]),
    }
    return Append("events", pa.table(row))


class Recovery:
    """Completes what was stored before this agent, or this sampler, started.

    Run it on the writer's thread.

    Args:
        host: the ID of the host.
        first: time of the first sample, µs.
        first_mono_ns: the same time on the monotonic clock.
        living: runs in that sample; all other runs of this host have ended.
    """

    def __init__(self, host: str, *, first: int, first_mono_ns: int, living: Iterable[int]) -> None:
        self._host, self._first, self._mono = host, first, first_mono_ns
        self._living = set(living)

    def close(self, store: Store, *, gap: bool) -> int:
        """End the runs that no longer exist, at the time of the last stored sample; returns their number.

        Args:
            store: the store to complete.
            gap: whether to record the pause as an event.

        Raises:
            StoreError: nothing was written.
        """
        last = self._last_seen(store)
        if last is None:
            return 0
        rows = [row for row in store.query("runs_open", host=self._host).to_pylist() if row["run"] not in self._living]
        changes = self._ends(rows, last)
        if gap and self._first - last > GAP_US:
            seconds = (self._first - last) / 1e6
            details = {"from": last, "to": self._first, "missed": round(seconds) - 1}
            changes.append(
                watch_event(self._host, self._first, "GAP", f"the agent was not running for {seconds:.0f} s", **details)
            )
        store.write(changes)
        return len(rows)

    def recall(self, store: Store, tell: Callable[[list[Moment]], None]) -> None:
        """Pass the readings of the last minutes before the start to `tell`, with nulls for gaps."""
        start = self._first - RECALL_US
        table = store.query("host_recent", host=self._host, metrics=HISTORY_METRICS, start=start, end=self._first)
        if not table.num_rows:
            return
        columns = [table[name].to_pylist() for name in HISTORY_METRICS]
        moments: list[Moment] = []
        before = None
        for ts, *values in [*zip(table["seen"].to_pylist(), *columns, strict=True), (self._first, *BLANK)]:
            if before is not None and ts - before > GAP_US:
                moments += [self._moment(before + 1_000_000, BLANK), self._moment(ts - 1_000_000, BLANK)]
            if ts < self._first:
                moments.append(self._moment(ts, tuple(values)))
            before = ts
        tell(moments)

    def recall_memory(self, store: Store) -> list[Reading]:
        """The memory of all processes in the last hour before the start, for their growth."""
        table = store.query(
            "runs_memory", host=self._host, start=self._first - LONG_S * US, end=self._first, width=STEP_S * US
        )
        if not table.num_rows:
            return []
        when, runs, rss = (table[name].to_numpy() for name in ("bucket", "run", "rss"))
        buckets, starts = np.unique(when, return_index=True)
        parts = zip(np.split(runs, starts[1:]), np.split(rss, starts[1:]), strict=True)
        mono_s = self._mono / 1e9
        return [
            Reading(mono_s - (self._first - int(ts)) / US + STEP_S / 2, run, memory)
            for ts, (run, memory) in zip(buckets, parts, strict=True)
        ]

    def recall_failures(self, store: Store) -> list[ProcessEvent]:
        """The failures that were still told of when the earlier agent ended."""
        wanted = {"kinds": ["ERROR"], "since": self._first - WITHIN_US, "until": self._first}
        return stored_events(store, self._host, wanted, limit=MOST)[1]

    def _moment(self, ts: int, values: tuple[float | int | None, ...]) -> Moment:
        return Moment(ts, self._mono - (self._first - ts) * 1000, values)

    def _last_seen(self, store: Store) -> int | None:
        (row,) = store.query("host_last", host=self._host, end=self._first).to_pylist()
        return None if row["seen"] is None else int(row["seen"])

    def _ends(self, rows: list[dict[str, int | None]], last: int) -> list[Change]:
        if not rows:
            return []
        count = len(rows)
        ends = pa.array([max(last, row["seen"] or last) for row in rows], pa.int64()).view(pa.timestamp("us"))
        runs, host = pa.array([row["run"] for row in rows], pa.int64()), pa.array([self._host] * count)
        ended = {"run": runs, "host": host, "end_ts": ends, "end_source": pa.array([UNSEEN] * count)}
        stops = {
            "host": host,
            "ts": ends,
            "kind": pa.array(["STOP"] * count),
            "subject": pa.array(["run"] * count),
            "run": runs,
            "message": pa.array(["It ended while the agent was not running."] * count),
        }
        return [Upsert("runs", pa.table(ended), ("run",)), Append("events", pa.table(stops))]
