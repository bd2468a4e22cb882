"""The tiers of history: which table holds which resolution, and which readings go into the coarser ones."""

from dataclasses import dataclass
from typing import Final

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

HOST_METRICS: Final = (
    "cpu_pct", "cpu_user", "cpu_system", "cpu_iowait", "cpu_steal", "load1", "load5", "load15",
    "mem_total", "mem_used", "mem_available", "mem_cached", "swap_total", "swap_used",
    "psi_cpu_some", "psi_mem_some", "psi_mem_full", "psi_io_some", "psi_io_full",
    "disk_read_bps", "disk_write_bps", "disk_read_ops", "disk_write_ops", "net_rx_bps", "net_tx_bps",
    "procs_total", "procs_running", "ctx_switches", "temp_max_c", "lag_ms", "sweep_ms", "watch_cpu_pct", "watch_rss",
)  # fmt: skip
GPU_METRICS: Final = (
    "util_pct", "mem_util_pct", "mem_total", "mem_used", "power_w", "power_limit_w", "temp_c",
    "clock_sm_mhz", "clock_mem_mhz", "energy_j",
)  # fmt: skip
RUN_METRICS: Final = (
    "cpu_pct", "cpu_user_s", "cpu_system_s", "rss", "vms", "threads", "read_bytes", "write_bytes", "read_bps", "write_bps",
    "fds", "ctx_voluntary", "ctx_involuntary", "minor_faults", "major_faults",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tier:
    """`table` holds one row per `width` µs, made from `source` by the query `query`."""

    source: str
    table: str
    query: str
    width: int
    metrics: tuple[str, ...]


TIERS: Final = (
    Tier("host_samples", "host_samples_1m", "rollup_host_1m", MINUTE, HOST_METRICS),
    Tier("host_samples_1m", "host_samples_1h", "rollup_host_1h", HOUR, HOST_METRICS),
    Tier("gpu_samples", "gpu_samples_1m", "rollup_gpu_1m", MINUTE, GPU_METRICS),
    Tier("gpu_samples_1m", "gpu_samples_1h", "rollup_gpu_1h", HOUR, GPU_METRICS),
)
"""In the order in which they are made: a minute tier before the hour tier that reads it."""
