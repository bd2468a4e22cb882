"""What happened in a range of time: the runs involved, and their records, events, jobs and actions."""

from pydantic import ConfigDict, Field

from monitor.api_models.actions import Actions
from monitor.api_models.base import Shape
from monitor.api_models.events import ProcessEvent
from monitor.api_models.jobs import Jobs
from monitor.api_models.logs import LogHistogram, Record


class ActiveRun(Shape):
    """What a run used in the range. Sizes are bytes; `cpu` is percent of one core, the greatest reading of each bucket."""

    run: str
    pid: int
    user: str | None
    title: str
    cmdline: str
    started: int | None
    ended: int | None
    outcome: str | None = Field(description="How it ended, in words; None while it runs.")
    failed: bool | None
    asked: str | None = Field(description="Who asked for its end, in words, so that it is no failure.")
    cpu_seconds: float | None
    cpu_max: float | None
    rss_max: int | None
    rss_change: int | None = Field(description="Between its least and its greatest memory.")
    bytes_read: int | None
    bytes_written: int | None
    cpu: list[float | None] = Field(description="One value a bucket of `cpu_bucket_us`; None without a sample.")


class ActiveEvents(Shape):
    """The newest events, and how many there are in all."""

    total: int
    events: list[ProcessEvent]


class ActiveRecords(Shape):
    """Records over time by level, and the newest ones, the newest last."""

    histogram: LogHistogram
    newest: list[Record]


class Activity(Shape):
    """What happened in a range of time. Jobs are those that were at work in it; alone `runs` is about what was measured."""

    model_config = ConfigDict(populate_by_name=True)

    start: int = Field(alias="from")
    end: int = Field(alias="to")
    cpu_bucket_us: int
    runs: list[ActiveRun] = Field(description="Those that used most, the busiest first.")
    records: ActiveRecords
    events: ActiveEvents
    jobs: Jobs
    actions: Actions
    elapsed_ms: float
