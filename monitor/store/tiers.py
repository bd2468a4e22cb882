"""The tiers of history: which table has which resolution, and its columns from the catalogue."""

from dataclasses import dataclass
from typing import Final, Literal

from monitor.metrics.catalogue import GPU, HOST, RUN, RUN_MINUTES, STATISTICS, Metric

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Tier:
    """`table` has one row per `width` µs, built from `source`; for GPUs, one row per GPU, for processes one row per run.

    It is built in steps of `step` µs (`width` if 0), and of `most` µs at a time (everything if 0). `worth`: how many of the runs that used most
    CPU time in their lives are in it, and how many of the largest; 0 for no choice.
    """

    source: str
    table: str
    width: int
    metrics: tuple[Metric, ...]
    key: Literal["", "gpu", "run"] = ""
    step: int = 0
    most: int = 0
    worth: int = 0

    @property
    def coarser(self) -> bool:
        """Whether the source is itself a tier."""
        return self.width > MINUTE


TIERS: Final = (
    Tier("host_samples", "host_samples_1m", MINUTE, HOST),
    Tier("host_samples_1m", "host_samples_1h", HOUR, HOST),
    Tier("gpu_samples", "gpu_samples_1m", MINUTE, GPU, key="gpu"),
    Tier("gpu_samples_1m", "gpu_samples_1h", HOUR, GPU, key="gpu"),
    Tier("run_samples", "run_samples_1m", MINUTE, RUN_MINUTES, key="run", step=10 * MINUTE, most=HOUR, worth=30),
)
"""In the order in which they are built: a minute tier before the hour tier that reads it."""


def columns() -> dict[str, dict[str, str]]:
    """By table, the columns that hold metrics, and the SQL type of each."""
    raw = {"host_samples": HOST, "gpu_samples": GPU, "run_samples": RUN}
    found = {table: {metric.name: metric.sql_type for metric in metrics} for table, metrics in raw.items()}
    for tier in TIERS:
        found[tier.table] = {
            f"{metric.name}_{statistic}": metric.tier_type for metric in tier.metrics for statistic in STATISTICS
        }
    return found
