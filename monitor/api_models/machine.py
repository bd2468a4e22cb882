"""The machine: its newest reading, its GPUs, and the model engines found on it. The shapes of one engine are those of `ai`."""

from ai.core.types import Engine, EngineEnd, EngineModel, EngineProcess
from monitor.api_models.base import Shape
from monitor.metrics.catalogue import GpuReading, HostReading
from monitor.metrics.messages import Quality

__all__ = ["Engine", "EngineEnd", "EngineModel", "EngineProcess", "Engines", "GpuProcess", "GpuState", "HostLatest"]


class GpuProcess(Shape):
    """Memory one process holds on one GPU. Unlike the sampler's, it names the run as decimal digits: JavaScript has no integers of 63 bits."""

    gpu: int
    pid: int
    run: str | None = None
    mem_bytes: int | None = None


class GpuState(Shape):
    """The state of the GPUs: `ok`, `none` (no driver or no device), `stale` (a call hangs), `error`."""

    state: str
    message: str
    age_s: float
    gpus: list[GpuReading]
    processes: list[GpuProcess]


class HostLatest(Shape):
    """The newest reading; all values are None before the first."""

    ts: int | None = None
    host: HostReading | None = None
    gpu: GpuState | None = None
    quality: Quality | None = None


class Engines(Shape):
    """All engines, and the time of the check."""

    checked: int | None
    engines: list[Engine]


class DiskOutlook(Shape):
    """When a file system would be full if it went on as in the last hours (`window_s`): `per_day` bytes more, `free` bytes left. `told` says it."""

    mount: str
    free: int
    per_day: int
    window_s: int
    full_in_s: int
    told: str
