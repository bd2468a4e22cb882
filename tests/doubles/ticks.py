"""Sweeps of a small machine, for tests that need no sampler."""

from array import array
from collections.abc import Mapping, Sequence

from monitor.metrics.catalogue import RUN_COLUMNS, GpuReading, HostReading, RunColumns
from monitor.metrics.messages import GpuProcess, GpuState, Quality, RunInfo, Tick

BEGIN_US = 1_700_000_000_000_000


def tick(
    seq: int,
    *,
    host: HostReading | None = None,
    gpus: Sequence[GpuReading] = (),
    held: Sequence[GpuProcess] = (),
    hung: bool = False,
    step_us: int = 0,
    cpu: Mapping[int, float] | None = None,
    rss: Mapping[int, int] | None = None,
    born: Sequence[RunInfo] = (),
) -> Tick:
    """The sweep `seq` seconds after the beginning, its wall clock moved by `step_us`.
    `cpu`: run → its usage in %, for all processes of the sweep; `rss`: the same for their memory in bytes.
    With `hung` the driver of the GPUs does not answer, so that their readings are old.
    """
    state = "stale" if hung else "ok" if gpus else "none"
    return Tick(
        seq=seq,
        ts=BEGIN_US + seq * 1_000_000 + step_us,
        mono_ns=seq * 1_000_000_000,
        host=host or HostReading(cpu_pct=float(seq)),
        gpu=GpuState(state, "", 9.0 if hung else 0.0, list(gpus), list(held), fresh=not hung),
        runs=_columns(cpu or dict.fromkeys(rss or {}, 0.0), rss or {}),
        born=list(born),
        gone=[],
        quality=Quality(seq + 1, seq + 1, 0.0, 1.0, 0.0, 0, {}),
    )


def _columns(cpu: Mapping[int, float], rss: Mapping[int, int]) -> RunColumns:
    """The columns of a sweep: nothing but CPU usage and memory is known."""
    values = {name: array(code, [0] * len(cpu)) for name, code in RUN_COLUMNS.items()}
    values["run"], values["cpu_pct"] = array("q", cpu), array("f", cpu.values())
    values["rss"] = array("q", [rss.get(run, 0) for run in cpu])
    return RunColumns(**{name: column.tobytes() for name, column in values.items()})
