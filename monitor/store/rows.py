"""The sampler's messages as rows of the store.

Per-process columns go from the frame's buffers into Arrow without a copy; only the validity bits of *not available* values are made.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from monitor.metrics import catalogue, messages
from monitor.store.interface import Append, Change, Upsert
from monitor.store.lives import Births, life_changes, times

DEVICE_EVERY: Final = 5
"""Seconds between two stored readings of disks, network interfaces and temperatures."""
_US: Final = pa.timestamp("us")
_NUMPY: Final[dict[catalogue.Code, np.dtype[Any]]] = {
    "q": np.dtype(np.int64),
    "i": np.dtype(np.int32),
    "b": np.dtype(np.int8),
    "f": np.dtype(np.float32),
    "d": np.dtype(np.float64),
}
_ARROW: Final[dict[catalogue.Code, pa.DataType]] = {
    "q": pa.int64(),
    "i": pa.int32(),
    "b": pa.int8(),
    "f": pa.float32(),
    "d": pa.float64(),
}
_STORED: Final = tuple((name, code) for name, code in catalogue.RUN_COLUMNS.items() if name != "pid")
_DIGITS: Final = {metric.name: metric.digits for metric in catalogue.RUN if metric.digits is not None}
_NEVER_NULL: Final = frozenset({"run"})
_GPU_TEXTS: Final = ("uuid", "name", "error")


def hello_changes(host: messages.HostInfo, now: int) -> list[Change]:
    """The host and its boot, at `now` (µs)."""
    row = {
        "host": pa.array([host.host]),
        "boot_id": pa.array([host.boot_id]),
        "boot_ts": times([host.boot_ts]),
        "kernel": pa.array([host.kernel]),
        "platform": pa.array([host.platform]),
        "cpu_count": pa.array([host.cpu_count], pa.int32()),
        "mem_total": pa.array([host.mem_total], pa.int64()),
        "clock_tick_hz": pa.array([host.clock_tick_hz], pa.int32()),
        "first_seen": times([now]),
        "last_seen": times([now]),
    }
    return [Upsert("hosts", pa.table(row), ("host", "boot_id"), keep=("first_seen",))]


def tick_changes(
    host: str,
    boot_id: str,
    tick: messages.Tick,
    *,
    watch_cpu_pct: float | None = None,
    watch_rss: int | None = None,
    births: Births | None = None,
) -> list[Change]:
    """All changes of one sample, for one `Store.write`: its readings, and what began and ended.

    Args:
        host: the host's id.
        boot_id: of its present boot.
        tick: the sweep.
        watch_cpu_pct: CPU of agent and sampler, percent of one core, if known.
        watch_rss: memory of agent and sampler in bytes, if known.
        births: the runs that this agent has stored; without it, every run is looked up in the store.
    """
    return [
        *reading_changes(host, tick, watch_cpu_pct=watch_cpu_pct, watch_rss=watch_rss),
        *life_changes(host, boot_id, tick, births),
    ]


def reading_changes(
    host: str, tick: messages.Tick, *, watch_cpu_pct: float | None = None, watch_rss: int | None = None
) -> list[Change]:
    """The readings of one sample; `tick_changes` says what the arguments are."""
    changes: list[Change] = [_host_sample(host, tick, watch_cpu_pct, watch_rss)]
    if tick.runs.run:
        changes.append(Append("run_samples", run_table(host, tick.ts, tick.runs)))
    if tick.seq % DEVICE_EVERY == 0:
        changes += _devices(host, tick)
    if tick.host.space:
        changes.append(_space(host, tick.ts, tick.host.space))
    changes += _gpus(host, tick)
    return changes


def run_table(host: str, ts: int, runs: catalogue.RunColumns) -> pa.Table:
    """One row per process, in the columns of `run_samples`."""
    count = len(runs.run) // 8
    columns: dict[str, pa.Array] = {
        "host": pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), pa.array([host])),
        "ts": pa.array(np.full(count, ts, np.int64)).view(_US),
    }
    for name, code in _STORED:
        buffer = getattr(runs, name)
        if name in _DIGITS:
            buffer = np.frombuffer(buffer, _NUMPY[code]).round(_DIGITS[name]).tobytes()
        columns[name] = column(buffer, code, nullable=name not in _NEVER_NULL)
    return pa.table(columns)


def column(buffer: bytes, code: catalogue.Code, *, nullable: bool = True) -> pa.Array:
    """An Arrow array over the buffer of a message; -1 and NaN become NULL.

    Args:
        buffer: native-endian values.
        code: their `array` typecode.
        nullable: whether the sentinels mean *not available* here.
    """
    values = np.frombuffer(buffer, _NUMPY[code])
    validity = None
    nulls = 0
    if nullable:
        valid = values == values if code in "fd" else values != -1  # noqa: PLR0124 - NaN is not itself
        nulls = len(values) - int(np.count_nonzero(valid))
        if nulls:
            validity = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(_ARROW[code], len(values), [validity, pa.py_buffer(buffer)], nulls)


def _host_sample(host: str, tick: messages.Tick, watch_cpu_pct: float | None, watch_rss: int | None) -> Append:
    reading = tick.host
    added = catalogue.AddedReading(
        temp_max_c=max(reading.temperatures.values(), default=None) if reading.temperatures else None,
        lag_ms=tick.quality.lag_ms,
        sweep_ms=tick.quality.sweep_ms,
        watch_cpu_pct=watch_cpu_pct,
        watch_rss=watch_rss,
    )
    row: dict[str, pa.Array] = {
        "host": pa.array([host]),
        "ts": times([tick.ts]),
        "seq": pa.array([tick.seq], pa.int64()),
        "per_core": pa.array([reading.per_core], pa.list_(pa.float32())),
    }
    row |= {metric.name: _figures([reading], metric) for metric in catalogue.LIVE}
    row |= {metric.name: _figures([added], metric) for metric in catalogue.ADDED}
    return Append("host_samples", pa.table(row))


def _figures(readings: Sequence[object], metric: catalogue.Metric) -> pa.Array:
    """One metric of readings as a column; NaN becomes NULL."""
    return pa.array([getattr(reading, metric.name) for reading in readings], _ARROW[metric.code], from_pandas=True)


def _devices(host: str, tick: messages.Tick) -> list[Change]:
    rates = [("disk", device) for device in tick.host.disks or []] + [
        ("nic", device) for device in tick.host.nics or []
    ]
    temperatures = tick.host.temperatures or {}
    count = len(rates) + len(temperatures)
    if not count:
        return []
    blank = [None] * len(temperatures)
    table = pa.table(
        {
            "host": pa.array([host] * count),
            "ts": times([tick.ts] * count),
            "kind": pa.array([kind for kind, _ in rates] + ["core_temp"] * len(temperatures)),
            "name": pa.array([device.name for _, device in rates] + list(temperatures)),
            "read_bps": pa.array([device.read_bps for _, device in rates] + blank, pa.float32(), from_pandas=True),
            "write_bps": pa.array([device.write_bps for _, device in rates] + blank, pa.float32(), from_pandas=True),
            "read_ops": pa.array([device.read_ops for _, device in rates] + blank, pa.float32(), from_pandas=True),
            "write_ops": pa.array([device.write_ops for _, device in rates] + blank, pa.float32(), from_pandas=True),
            "busy_pct": pa.array([device.busy_pct for _, device in rates] + blank, pa.float32(), from_pandas=True),
            "value": pa.array(
                [device.errors for _, device in rates] + list(temperatures.values()), pa.float32(), from_pandas=True
            ),
        }
    )
    return [Append("device_samples", table)]


def _space(host: str, ts: int, space: Sequence[catalogue.DiskSpace]) -> Append:
    columns: dict[str, pa.Array] = {"host": pa.array([host] * len(space)), "ts": times([ts] * len(space))}
    for name in ("mount", "device", "fstype"):
        columns[name] = pa.array([getattr(disk, name) for disk in space], pa.string())
    for name in ("total", "used", "free"):
        columns[name] = pa.array([getattr(disk, name) for disk in space], pa.int64())
    return Append("disk_space", pa.table(columns))


def _gpus(host: str, tick: messages.Tick) -> list[Change]:
    """The readings of this moment. What a driver said before it stopped to answer is no reading of now: the time is a gap."""
    changes: list[Change] = []
    if not tick.gpu.fresh:
        return changes
    if gpus := tick.gpu.gpus:
        columns: dict[str, pa.Array] = {
            "host": pa.array([host] * len(gpus)),
            "ts": times([tick.ts] * len(gpus)),
            "gpu": pa.array([gpu.index for gpu in gpus], pa.int32()),
            "throttle": pa.array(
                [None if gpu.throttle is None else ",".join(gpu.throttle) for gpu in gpus], pa.string()
            ),
        }
        for name in _GPU_TEXTS:
            columns[name] = pa.array([getattr(gpu, name) for gpu in gpus], pa.string())
        for metric in catalogue.GPU:
            columns[metric.name] = _figures(gpus, metric)
        changes.append(Append("gpu_samples", pa.table(columns)))
    if users := tick.gpu.processes:
        table = pa.table(
            {
                "host": pa.array([host] * len(users)),
                "ts": times([tick.ts] * len(users)),
                "gpu": pa.array([user.gpu for user in users], pa.int32()),
                "pid": pa.array([user.pid for user in users], pa.int32()),
                "run": pa.array([user.run for user in users], pa.int64()),
                "mem_bytes": pa.array([user.mem_bytes for user in users], pa.int64()),
            }
        )
        changes.append(Append("gpu_run_samples", table))
    return changes
