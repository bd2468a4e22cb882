"""Jobs and the workers that report them. Times are in µs since the epoch, durations in seconds."""

from typing import Literal

from pydantic import Field

from monitor.api_models.base import Shape

JobState = Literal["running", "done", "failed", "interrupted"]


class Job(Shape):
    """One job. `worker_run` and `seq` identify it; `run` is the run of its process, None if that is unknown."""

    worker_run: str
    seq: int
    worker: str
    job: str = Field(description="What the worker calls it.")
    state: JobState = Field(description="`interrupted`: its worker ended first.")
    started: int | None
    ended: int | None = None
    seconds: float | None = Field(description="How long it took, or has been at work.")
    error: str | None = None
    asked: str | None = Field(
        default=None, description="Who asked for the end of its worker that interrupted it, in words: it is no failure."
    )
    run: str | None
    pid: int | None
    stuck: bool = Field(default=False, description="At work for much longer than such jobs take.")


class Jobs(Shape):
    """The jobs that match, and how many match in all."""

    total: int
    jobs: list[Job]


class JobError(Shape):
    """Jobs that failed with the same error; `…` in it stands for what differs. `error` of a filter takes it as it is."""

    error: str = Field(description="Its first line; empty where the worker told none.")
    jobs: int
    workers: int = Field(description="How many workers had it, at least.")
    first: int
    last: int
    newest: Job


class JobErrors(Shape):
    """The errors of the jobs that match, those of most jobs first; `total` counts these jobs."""

    total: int
    errors: list[JobError]


class JobRecord(Shape):
    """What a worker logged in a job."""

    at: int
    level: str
    logger: str
    message: str


class JobDetail(Shape):
    """A job, and what was logged in it."""

    job: Job
    records: list[JobRecord]


class JobCounts(Shape):
    """Jobs that are over."""

    done: int
    failed: int
    interrupted: int


class RecentCounts(JobCounts):
    """Jobs that were over since a time."""

    asked: int = Field(description="Of those that were interrupted, how many by an end that somebody asked for.")


class JobNews(Shape):
    """What changed in the last round: jobs that are over (`failed` of them failed or were interrupted), jobs in flight now, and whose they are."""

    over: int
    failed: int
    in_flight: int
    workers: list[str]


class WorkerSummary(Shape):
    """All runs of a worker together."""

    worker: str
    runs: int = Field(description="How many runs are known; `living` of them have not ended.")
    living: int
    counts: JobCounts = Field(description="All that is known, for as long as runs are kept.")
    recent: RecentCounts = Field(description="Since the time that was asked for.")
    in_flight: int
    stuck: int
    per_minute: float = Field(description="Jobs that ended a minute, in the last five minutes.")
    p50_s: float | None = Field(
        description="Median duration since the time that was asked for; `p99_s` the 99th percentile."
    )
    p99_s: float | None
    stuck_after_s: float | None = Field(description="From when on a job is stuck; None while too few are known.")
    slowest: Job | None = Field(description="The slowest since the time that was asked for.")
    last_event: int
    reason: str | None = Field(description="Why its newest run ended; None while one lives.")
    asked: str | None = Field(description="Who asked for that end, in words; None if nobody did, and while one lives.")
    untold: int = Field(description="Jobs that were only counted, as the worker had no room for their events.")
    repeated: int = Field(description="Events that came again, and were not counted.")
    damaged: int = Field(description="Lines that were no event.")


class Workers(Shape):
    """The workers of this machine, those with the newest events first.

    `spool` is the folder that is read; `trouble` says why jobs cannot be read or stored now, empty if they can.
    """

    now: int
    since: int
    spool: str
    trouble: str
    workers: list[WorkerSummary]
