"""One reading of the machine with psutil, for systems without `/proc`."""

import os
import platform
from collections import Counter
from typing import Any

import psutil

from monitor.metrics.catalogue import DiskSpace, HostReading
from monitor.sampling.core.background import Background
from monitor.sampling.core.rates import CpuTimes, DeviceCounters, DeviceMeter, busy_share, cpu_shares, totals
from monitor.sampling.linux.devices import Devices
from monitor.sampling.linux.disk_space import SpaceWatch
from monitor.sampling.linux.interfaces import Interfaces
from monitor.sampling.linux.parse import Mount
from monitor.sampling.linux.sensors import EVERY_S

_MICRO = 1_000_000


class PortableHost:
    """Reads the machine, and keeps what rates need. Pressure is specific to Linux and not available.

    Args:
        errors: counts what could not be read.
    """

    def __init__(self, errors: Counter[str]) -> None:
        self._errors = errors
        self._devices = Devices()
        self._interfaces = Interfaces()
        self._disks = DeviceMeter()
        self._nics = DeviceMeter()
        self._cpu_before: tuple[CpuTimes, list[CpuTimes], int] | None = None
        self._last_ns: int | None = None
        self._space = SpaceWatch(_mounts, errors, _space)
        self._sensors = Background(_temperatures, EVERY_S, name="sensors")
        self._heat: dict[str, float] | None = None

    def read(self, mono_ns: int) -> HostReading:
        """See `reader.Reader.read_host`."""
        elapsed_s = None if self._last_ns is None else max((mono_ns - self._last_ns) / 1e9, 1e-6)
        self._last_ns = mono_ns
        self._heat = self._sensors.poll() or self._heat
        return HostReading(
            **self._cpu(elapsed_s),
            **self._load(),
            **self._memory(),
            **self._disk(elapsed_s),
            **self._network(elapsed_s),
            temperatures=self._heat,
            space=self._space.poll(mono_ns),
        )

    def _cpu(self, elapsed_s: float | None) -> dict[str, Any]:
        total, cores = _times(psutil.cpu_times()), [_times(one) for one in psutil.cpu_times(percpu=True)]
        switches = psutil.cpu_stats().ctx_switches
        last, self._cpu_before = self._cpu_before, (total, cores, switches)
        if last is None or elapsed_s is None:
            return {}
        shares = cpu_shares(last[0], total)
        if shares is None:
            return {}
        has_iowait = hasattr(psutil.cpu_times(), "iowait")
        return {
            "cpu_pct": shares.busy,
            "cpu_user": shares.user,
            "cpu_system": shares.system,
            "cpu_iowait": shares.iowait if has_iowait else None,
            "cpu_steal": shares.steal if has_iowait else None,
            "per_core": [busy_share(old, new) for old, new in zip(last[1], cores, strict=False)],
            "ctx_switches": max(switches - last[2], 0) / elapsed_s,
        }

    def _load(self) -> dict[str, Any]:
        one, five, fifteen = psutil.getloadavg()
        return {"load1": one, "load5": five, "load15": fifteen}

    def _memory(self) -> dict[str, Any]:
        memory = psutil.virtual_memory()
        found: dict[str, Any] = {
            "mem_total": memory.total,
            "mem_available": memory.available,
            "mem_used": max(memory.total - memory.available, 0),
            "mem_cached": getattr(memory, "cached", None),
        }
        try:
            swap = psutil.swap_memory()
        except (OSError, RuntimeError):  # systems that keep no account of swap
            self._errors["swap:EUNKNOWN"] += 1
            return found
        return found | {"swap_total": swap.total, "swap_used": swap.used}

    def _disk(self, elapsed_s: float | None) -> dict[str, Any]:
        table = {
            name: DeviceCounters(
                io.read_bytes, io.write_bytes, io.read_count, io.write_count, busy_ms=getattr(io, "busy_time", None)
            )
            for name, io in (psutil.disk_io_counters(perdisk=True, nowrap=False) or {}).items()
            if self._devices.is_disk(name)
        }
        rates = self._disks.rates(table, elapsed_s)
        total = totals(rates, self._devices.counted_disks(frozenset(table)))
        return {
            "disk_read_bps": total.read_bps,
            "disk_write_bps": total.write_bps,
            "disk_read_ops": total.read_ops,
            "disk_write_ops": total.write_ops,
            "disks": None if elapsed_s is None else rates,
        }

    def _network(self, elapsed_s: float | None) -> dict[str, Any]:
        table = {
            name: DeviceCounters(
                io.bytes_recv, io.bytes_sent, io.packets_recv, io.packets_sent, errors=io.errin + io.errout
            )
            for name, io in (psutil.net_io_counters(pernic=True, nowrap=False) or {}).items()
        }
        rates = self._nics.rates(table, elapsed_s)
        total = totals(rates, self._interfaces.counted(frozenset(table)))
        return {
            "net_rx_bps": total.read_bps,
            "net_tx_bps": total.write_bps,
            "nics": None if elapsed_s is None else rates,
        }


def _times(found: Any) -> CpuTimes:
    """Seconds as whole microseconds; guest time is inside `user`, as in the kernel's own table."""
    value = {name: int(getattr(found, name, 0.0) * _MICRO) for name in CpuTimes.__slots__}
    if platform.system() == "Windows":
        value["irq"] = int(getattr(found, "interrupt", 0.0) * _MICRO)
    return CpuTimes(**value)


def _mounts() -> list[Mount]:
    return [Mount(part.device, part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=False)]


def _space(mount: Mount) -> DiskSpace | None:
    found = psutil.disk_usage(mount.path)
    if found.total == 0:
        return None
    path = os.fsencode(mount.path).decode("utf-8", "replace")
    return DiskSpace(path, mount.device, mount.fstype, found.total, found.used, found.free)


def _temperatures() -> dict[str, float]:
    if not hasattr(psutil, "sensors_temperatures"):
        return {}
    found: dict[str, float] = {}
    for chip, sensors in psutil.sensors_temperatures().items():
        for number, sensor in enumerate(sensors, 1):
            found[f"{chip} {sensor.label or f'temp{number}'}"] = float(sensor.current)
    return found
