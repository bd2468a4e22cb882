"""Counts the jobs of one run of a worker from its events, each once: whatever comes twice, late or in another order.

    begin ──► in flight ──► done | failed
                    └─────► interrupted (the run ended first)

An end says all about its job, so it counts alone; its begin only adds to what is in flight, and nothing when it comes later than the end.
So in flight is never negative, and begun = done + failed + interrupted + in flight always.
"""

import math
from dataclasses import dataclass, field
from typing import Final, Literal

from monitor.jobs.lines import NAME_CHARS, TEXT_CHARS, Line, job_id, time_of
from monitor.jobs.ranges import Ranges

Outcome = Literal["done", "failed", "interrupted"]
DAY_S: Final = 86_400.0
LONGEST_S: Final = 366 * DAY_S
"""A job that says it took longer is wrong."""


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that has begun. `started` is None where its end was seen first: then it is not in flight, and its begin is expected."""

    seq: int
    job: str
    started: int | None


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """A job that is over. Times in µs; `seconds` and `started` are None where nobody said."""

    seq: int
    job: str
    started: int | None
    ended: int
    seconds: float | None
    outcome: Outcome
    error: str | None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What a worker logged in a job; `seq` is that of the job."""

    seq: int
    ts: int
    level: str
    logger: str
    text: str


Counted = FinishedJob | JobRecord | None


@dataclass(slots=True)
class RunCounter:
    """One run of a worker: usually the life of one process.

    Attributes:
        worker_run: what the worker calls this run.
        worker: its name.
        pid, tick, boot: its process, where it said so: `tick` is the start tick of `/proc/PID/stat`.
        locked: whether the worker holds a lock on its file while it lives.
        process: the run of the process (`run_key`); None if unknown.
        done, failed, interrupted: jobs that are over.
        untold: of those, how many the worker only counted, as it had no room for their events.
        repeated: events that came again. `damaged`: lines that are no event.
        stopped: when the worker said that it stops. `ended`: when nothing more can come.
        reason: why it ended, in words.
    """

    worker_run: str
    worker: str
    started: int
    last_event: int
    pid: int | None = None
    tick: int | None = None
    boot: str | None = None
    locked: bool = False
    process: int | None = None
    done: int = 0
    failed: int = 0
    interrupted: int = 0
    untold: int = 0
    repeated: int = 0
    damaged: int = 0
    stopped: int | None = None
    stop_error: str | None = None
    ended: int | None = None
    reason: str | None = None
    seen: Ranges = field(default_factory=Ranges)
    open: dict[int, OpenJob] = field(default_factory=dict)
    """In flight, by the number of the begin; those with `started` None are expected begins."""
    changed: set[int] = field(default_factory=set)
    """Numbers whose place in `open` changed since the caller last cleared this."""
    _expected: int = 0
    _heard: bool = False
    """Whether any event was counted; before that, `last_event` is when the file was read."""

    def __post_init__(self) -> None:
        self._heard = len(self.seen) > 0
        self._expected = sum(job.started is None for job in self.open.values())

    @property
    def in_flight(self) -> int:
        """Jobs that have begun and are not over."""
        return len(self.open) - self._expected

    @property
    def begun(self) -> int:
        """All jobs."""
        return self.done + self.failed + self.interrupted + self.in_flight

    def apply(self, line: Line, number: int, now: int, *, ids: bool = False) -> Counted:
        """Count an event, if it is new.

        Args:
            line: the event.
            number: its number in the run.
            now: when it was read, µs, for an event that does not say when it happened.
            ids: whether an end without `of` belongs to the oldest open job of the same name. Right only where the order is certain.

        Returns:
            the job that is over now, or the record.
        """
        if not self.seen.add(number):
            self.repeated += line.e != "start"  # each file of a run begins with it
            return None
        ts = time_of(line, now)
        self.last_event = max(self.last_event, ts) if self._heard else ts
        self._heard = True
        self.ended = None
        match line.e:
            case "start":
                self._describe(line, ts)
            case "begin":
                self._begin(number, line, ts)
            case "done" | "failed":
                return self._end(line, number, ts, "done" if line.e == "done" else "failed", ids=ids)
            case "missed":
                self.done, self.failed = self.done + line.done, self.failed + line.failed
                self.untold += line.done + line.failed
            case "stop":
                self.stopped, self.stop_error = ts, line.error and line.error[:TEXT_CHARS]
            case "log" if line.of is not None:
                text = (line.text or "")[:TEXT_CHARS]
                return JobRecord(line.of, ts, (line.level or "info")[:20], (line.logger or "")[:100], text)
        return None

    def interrupt(self, ended: int, reason: str, *, known: bool = True) -> list[FinishedJob]:
        """The run has ended at `ended` (µs), or later if that is not known: close what is still open, and return those jobs."""
        closed = []
        for job in [job for job in self.open.values() if job.started is not None]:
            del self.open[job.seq]
            self.changed.add(job.seq)
            lasted = max(0.0, (ended - (job.started or 0)) / 1e6) if known else None
            closed.append(FinishedJob(job.seq, job.job, job.started, ended, lasted, "interrupted", reason))
        self.interrupted += len(closed)
        self.ended, self.reason = ended, reason
        return closed

    def _describe(self, line: Line, ts: int) -> None:
        self.started = ts
        self.worker = (line.worker or self.worker)[:NAME_CHARS]
        boot = line.boot and line.boot[:NAME_CHARS]
        self.pid, self.tick, self.boot, self.locked = line.pid, line.tick, boot, line.locked

    def _begin(self, number: int, line: Line, ts: int) -> None:
        self.changed.add(number)
        if self.open.pop(number, None) is not None:  # its end came first
            self._expected -= 1
        else:
            self.open[number] = OpenJob(number, job_id(line), ts)

    def _end(self, line: Line, number: int, ts: int, outcome: Outcome, *, ids: bool) -> FinishedJob | None:
        name = job_id(line)
        seq = line.of
        if seq is None and ids:
            seq = next((job.seq for job in self.open.values() if job.job == name), None)
        begun = None
        if seq is not None:
            begun = self.open.get(seq)
            if (begun is None and seq in self.seen) or (begun is not None and begun.started is None):
                self.repeated += 1  # it is over already
                return None
            self.changed.add(seq)
            if begun is not None:
                del self.open[seq]
            else:
                self.open[seq] = OpenJob(seq, name, None)
                self._expected += 1
        if outcome == "done":
            self.done += 1
        else:
            self.failed += 1
        started = begun.started if begun is not None else None
        seconds = _seconds(line.s)
        if seconds is None and started is not None:
            seconds = max(0.0, (ts - started) / 1e6)
        if started is None and seconds is not None:
            started = ts - round(seconds * 1e6)
        error = None if line.error is None else line.error[:TEXT_CHARS]
        name = name or (begun.job if begun is not None else "")
        return FinishedJob(number if seq is None else seq, name, started, ts, seconds, outcome, error)


def _seconds(value: float | None) -> float | None:
    """A duration as a worker said it; None if that cannot be."""
    return float(value) if value is not None and math.isfinite(value) and 0 <= value <= LONGEST_S else None
