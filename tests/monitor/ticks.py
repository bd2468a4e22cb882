"""Sweeps of a small machine, for tests that need no sampler."""

from collections.abc import Sequence

from monitor.wire import RUN_COLUMNS, GpuReading, GpuState, HostReading, Quality, RunColumns, Tick

BEGIN_US = 1_700_000_000_000_000


def tick(seq: int, *, host: HostReading | None = None, gpus: Sequence[GpuReading] = (), step_us: int = 0) -> Tick:
    """The sweep `seq` seconds after the beginning, its wall clock moved by `step_us`."""
    return Tick(
        seq=seq,
        ts=BEGIN_US + seq * 1_000_000 + step_us,
        mono_ns=seq * 1_000_000_000,
        host=host or HostReading(cpu_pct=float(seq)),
        gpu=GpuState("ok" if gpus else "none", "", 0.0, list(gpus), []),
        runs=RunColumns(**dict.fromkeys(RUN_COLUMNS, b"")),
        born=[],
        gone=[],
        quality=Quality(seq + 1, seq + 1, 0.0, 1.0, 0.0, 0, {}),
    )
