"""Readings that are counted here: log records a minute, as they are read, and jobs, as their service has stored them."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

from logs import LogRecord
from logs.core.levels import ERROR, WARN
from monitor.api_models.jobs import WorkerSummary

Figure = tuple[str, str, float | None]
"""Whose it is, in which words, and the value."""
MINUTE: Final = 60
LATELY_US: Final = 300_000_000
"""Jobs are counted over the last five minutes."""
_MOST_SOURCES: Final = 2000
LEAST: Final = {"log.records": 0, "log.warnings": WARN, "log.errors": ERROR}
_OF_JOBS: Final[dict[str, Callable[[WorkerSummary], float | None]]] = {
    "job.per_minute": lambda one: one.per_minute,
    "job.failed_per_minute": lambda one: one.recent.failed * 60e6 / LATELY_US,
    "job.in_flight": lambda one: float(one.in_flight),
    "job.stuck": lambda one: float(one.stuck),
    "job.p50_s": lambda one: one.p50_s,
}


class _Minute:
    """What happened within the last minute, by the second."""

    __slots__ = ("_counts", "_last")

    def __init__(self) -> None:
        self._counts, self._last = [0] * MINUTE, 0

    def add(self, number: int, second: int) -> None:
        self._forget(second)
        self._counts[second % MINUTE] += number

    def sum(self, second: int) -> int:
        self._forget(second)
        return sum(self._counts)

    def _forget(self, second: int) -> None:
        for gone in range(max(self._last + 1, second - MINUTE + 1), second + 1):
            self._counts[gone % MINUTE] = 0
        self._last = max(self._last, second)


class Rates:
    """The figures of jobs and logs that rules want.

    Args:
        workers: all workers at a moment (µs), with what ended since another; blocking.
    """

    def __init__(self, workers: Callable[[int, int], list[WorkerSummary]]) -> None:
        self._workers, self._wanted = workers, frozenset[str]()
        self._lock = threading.Lock()
        self._minutes: dict[tuple[str, str], _Minute] = {}
        self._jobs: list[WorkerSummary] = []

    def want(self, metrics: Sequence[str]) -> None:
        """Count these from now on, and nothing else."""
        self._wanted = frozenset(metrics)
        with self._lock:
            self._minutes = {key: one for key, one in self._minutes.items() if key[0] in self._wanted}

    def count(self, records: Sequence[LogRecord], at: float) -> None:
        """Count records that were read at a moment, in seconds of a clock that only goes forward. From any thread."""
        for metric, least in LEAST.items():
            if metric not in self._wanted:
                continue
            found: dict[str, int] = {}
            for record in records:
                if record.level >= least:
                    found[record.source] = found.get(record.source, 0) + 1
            with self._lock:
                if (
                    len(self._minutes) + len(found) > _MOST_SOURCES
                ):  # those that wrote nothing for a minute count nothing
                    self._minutes = {key: one for key, one in self._minutes.items() if one.sum(int(at))}
                for source, number in found.items():
                    key = (metric, source if len(self._minutes) < _MOST_SOURCES else "")
                    self._minutes.setdefault(key, _Minute()).add(number, int(at))

    def ask(self, now: int) -> None:
        """Look at the jobs, if a rule wants them. Blocking.

        Raises:
            StoreError: the store cannot be read.
        """
        if self._wanted & _OF_JOBS.keys():
            self._jobs = self._workers(now, now - LATELY_US)

    @property
    def stuck_after_s(self) -> dict[str, float]:
        """By worker, how many seconds its jobs may take before they are stuck, of those where it is known."""
        return {one.worker: one.stuck_after_s for one in self._jobs if one.stuck_after_s is not None}

    def figures(self, metric: str, of: str, at: float) -> list[Figure]:
        """The values of a metric: of logs the sum over the sources that have `of` in their names, of jobs one for each worker that has."""
        wanted = of.casefold()
        if metric in _OF_JOBS:
            value = _OF_JOBS[metric]
            return [
                (one.worker, f"job {one.worker}", value(one)) for one in self._jobs if wanted in one.worker.casefold()
            ]
        with self._lock:
            found = [
                one.sum(int(at))
                for key, one in self._minutes.items()
                if key[0] == metric and wanted in key[1].casefold()
            ]
        return [("", of, float(sum(found)))]
