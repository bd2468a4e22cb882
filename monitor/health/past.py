"""What the store knows of the past of the readings that rules hold against their usual, by the minute."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.config.alerts import AlertRule
from monitor.health.rates import LATELY_US, LEAST
from monitor.metrics.catalogue import GPU, HOST, names
from monitor.metrics.history import Statistics
from monitor.store.interface import Store
from monitor.store.series import MOST_POINTS, gpu_series, host_series
from monitor.store.tiers import DAY, HOUR, MINUTE

Line = list[tuple[int, float]]
"""When minutes began, seconds since the epoch, and the mean of each; in order of time."""
Minutes = dict[str, Line]
"""By subject (see `Value`)."""
_PART: Final = MOST_POINTS // 1440 * DAY
"""So much is read at once."""
_SHARES: Final = {
    "mem.used_pct": ("mem_used", "mem_total"),
    "mem.available_pct": ("mem_available", "mem_total"),
    "swap.used_pct": ("swap_used", "swap_total"),
    "gpu.mem_pct": ("mem_used", "mem_total"),
}
_LATELY: Final = LATELY_US // MINUTE
_JOBS: Final = {"job.per_minute": "n", "job.failed_per_minute": "failed", "job.p50_s": "p50"}


def past(
    store: Store, host: str, rule: AlertRule, now: int, stuck_after_s: Mapping[str, float] = MappingProxyType({})
) -> Minutes:
    """The past that a rule with `change` needs, up to `now` (µs); empty where the store does not keep it.

    Args:
        store: the history.
        host: the machine.
        rule: what is watched.
        now: µs since the epoch.
        stuck_after_s: by worker, how many seconds its jobs may take before they are stuck, as it is now: nobody has kept how it was.

    Raises:
        StoreError, QueryError: the store cannot be read.
    """
    return _Past(store, host, rule, now, stuck_after_s).read()


class _Past:
    def __init__(self, store: Store, host: str, rule: AlertRule, now: int, stuck_after_s: Mapping[str, float]) -> None:
        self._store, self._host, self._rule, self._now = store, host, rule, now
        self._stuck_after_s = stuck_after_s
        self._metric = rule.metric or ""
        start = now - max(int(rule.usual_h * HOUR), rule.usual_days * DAY) - HOUR
        self._start = start - start % MINUTE

    def read(self) -> Minutes:
        part, _, name = self._metric.partition(".")
        if part == "job":
            return self._jobs(_JOBS[self._metric]) if self._metric in _JOBS else self._flights()
        if part == "log":
            return self._logs()
        if part == "disk" and name:
            return self._disks(name)
        wanted = _SHARES.get(self._metric) or (name or part,)
        if part == "gpu":
            return self._gpus(wanted) if set(wanted) <= set(names(GPU)) else {}
        return {"": self._machine(wanted)} if set(wanted) <= set(names(HOST)) else {}

    def _machine(self, wanted: Sequence[str]) -> Line:
        found: Line = []
        for low, high, points in self._parts():
            series = host_series(self._store, host=self._host, metrics=wanted, start=low, end=high, points=points)
            found += _line(series.ts, series.series, wanted)
        return found

    def _gpus(self, wanted: Sequence[str]) -> Minutes:
        found: Minutes = {}
        for low, high, points in self._parts():
            for gpu in gpu_series(self._store, host=self._host, start=low, end=high, points=points).gpus:
                if self._rule.of.strip() in {"", str(gpu.index)}:
                    found.setdefault(f"gpu{gpu.index}", []).extend(_line(gpu.ts, gpu.series, wanted))
        return found

    def _disks(self, name: str) -> Minutes:
        found: Minutes = {}
        span = {"start": self._start, "end": self._now, "width": MINUTE}
        for row in self._store.query("disk_growth", host=self._host, **span).to_pylist():
            there = row["used"] + row["free"]
            if self._rule.of in {"", row["mount"]} and there:
                value = row["free"] if name == "free" else 100 * row["used"] / there
                found.setdefault(row["mount"], []).append((row["bucket"] // 1_000_000, float(value)))
        return found

    def _logs(self) -> Minutes:
        span = {"start": self._start, "end": self._now, "width": MINUTE}
        level = LEAST[self._metric]
        counts = self._store.query("log_minutes", host=self._host, level=level, of=self._rule.of, **span)
        line = self._counted(counts["bucket"].to_numpy(), counts["n"].to_numpy())
        return {"": self._known(line, self._start)}

    def _jobs(self, column: str) -> Minutes:
        span = {"start": self._start, "end": self._now, "width": MINUTE}
        table = self._store.query("job_minutes", host=self._host, of=self._rule.of, **span)
        workers, buckets = np.array(table["worker"].to_pylist()), table["bucket"].to_numpy()
        values = table[column].to_numpy()
        found: Minutes = {}
        for worker in dict.fromkeys(workers.tolist()):
            when, what = buckets[workers == worker], values[workers == worker]
            if column == "p50":
                known = zip(when.tolist(), what.tolist(), strict=True)
                found[worker] = [(ts // 1_000_000, value) for ts, value in known if not np.isnan(value)]
                continue
            line = self._counted(when, what)
            sums = np.convolve(line, np.ones(_LATELY))[: len(line)] / _LATELY
            found[worker] = self._known(sums, int(when[0]) + LATELY_US)
        return found

    def _flights(self) -> Minutes:
        """Jobs in flight, or the stuck ones among them: those that are so for longer than their worker's jobs may take."""
        found: Minutes = {}
        for worker, (since, line) in self._in_flight(self._rule.of).items():
            values = line
            if self._metric == "job.stuck":
                after_s = self._stuck_after_s.get(worker)
                stuck = {} if after_s is None else self._in_flight(worker, after_s)
                values = stuck[worker][1] if worker in stuck else np.zeros(len(line))
            found[worker] = self._known(values, since)
        return found

    def _in_flight(self, of: str, after_s: float = 0.0) -> dict[str, tuple[int, npt.NDArray[np.float64]]]:
        """By worker: its first minute (µs), and how many jobs were in flight in the mean of each minute, counted from so long after their begin on."""
        span = {"start": self._start, "end": self._now, "width": MINUTE, "after": round(after_s * 1e6)}
        table = self._store.query("job_flight", host=self._host, of=of, **span)
        workers, buckets = np.array(table["worker"].to_pylist()), table["bucket"].to_numpy()
        found = {}
        for worker in dict.fromkeys(workers.tolist()):
            mine = workers == worker
            changes = self._counted(buckets[mine], table["n"].to_numpy()[mine])
            later = self._counted(buckets[mine], table["later"].to_numpy()[mine])
            found[worker] = int(buckets[mine][0]), np.cumsum(changes) - later / MINUTE
        return found

    def _counted(self, buckets: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """One number for each minute: what is not there is 0."""
        line = np.zeros((self._now - self._start) // MINUTE + 1)
        line[(buckets - self._start) // MINUTE] = counts
        return line

    def _known(self, line: npt.NDArray[np.float64], since: int) -> Line:
        """Those minutes of it, since one (µs), in which there were samples: in others nobody counted."""
        watched = [ts for ts, _ in self._machine(("procs_total",)) if ts * 1_000_000 >= since]
        return [(ts, float(line[(ts * 1_000_000 - self._start) // MINUTE])) for ts in watched]

    def _parts(self) -> Iterator[tuple[int, int, int]]:
        for low in range(self._start, self._now, _PART):
            high = min(low + _PART, self._now)
            yield low, high, (high - low) // MINUTE + 2


def _line(when: Sequence[int], values: dict[str, Statistics], wanted: Sequence[str]) -> Line:
    """A reading, or how much of the second one the first is, in percent."""
    found = values[wanted[0]].avg
    if len(wanted) > 1:
        pairs = zip(found, values[wanted[1]].avg, strict=True)
        found = [None if part is None or not whole else 100 * part / whole for part, whole in pairs]
    return [(ts // 1_000_000, float(value)) for ts, value in zip(when, found, strict=True) if value is not None]
