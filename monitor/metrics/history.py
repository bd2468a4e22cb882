"""Metrics over time, as the store answers them and the API hands them on."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Statistics:
    """One metric over the buckets of a series; a bucket without samples is None."""

    avg: list[float | None]
    min: list[float | None]
    max: list[float | None]


@dataclass(frozen=True, slots=True)
class Series:
    """Metrics over time: `series[metric].avg[i]` is about `[ts[i], ts[i] + bucket_us)`. `gaps` are spans without samples. Times in µs."""

    ts: list[int]
    bucket_us: int
    series: dict[str, Statistics]
    gaps: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OneGpuSeries:
    """One GPU's metrics over time."""

    index: int
    uuid: str | None
    name: str | None
    ts: list[int]
    series: dict[str, Statistics]


@dataclass(frozen=True, slots=True)
class GpuSeries:
    """Every GPU's metrics over time, in the same buckets."""

    bucket_us: int
    gpus: list[OneGpuSeries]
