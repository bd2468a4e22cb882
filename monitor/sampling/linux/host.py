"""One reading of a Linux machine, from files of `/proc` that stay open."""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from monitor.metrics.catalogue import HostReading
from monitor.sampling.core.background import Background
from monitor.sampling.core.rates import DeviceCounters, DeviceMeter, busy_share, cpu_shares, totals
from monitor.sampling.linux.devices import Devices
from monitor.sampling.linux.disk_space import SpaceWatch
from monitor.sampling.linux.interfaces import Interfaces
from monitor.sampling.linux.memory import ARC, memory_figures, parse_kstat
from monitor.sampling.linux.parse import (
    ProcStat,
    parse_diskstats,
    parse_keyed,
    parse_mounts,
    parse_net_dev,
    parse_pressure,
    parse_proc_stat,
)
from monitor.sampling.linux.procfiles import KeptFiles, read_file, reason
from monitor.sampling.linux.sensors import EVERY_S, read_temperatures

T = TypeVar("T")
_PRESSURE: Final = {
    "psi_cpu_some": ("pressure/cpu", b"some"),
    "psi_mem_some": ("pressure/memory", b"some"),
    "psi_mem_full": ("pressure/memory", b"full"),
    "psi_io_some": ("pressure/io", b"some"),
    "psi_io_full": ("pressure/io", b"full"),
}
_COUNTERS: Final = {"ctx_switches": b"ctxt", "forks": b"processes"}
"""Lines of `/proc/stat` that only grow, of which the rate is wanted."""
_ARC_ROUND: Final = 60
"""Readings between two checks whether there is a cache of ZFS."""
_SLEPT_NS: Final = 500_000_000
_STALL_FILES: Final = frozenset(path for path, _ in _PRESSURE.values())
_SIZE: Final = 65_536
_MAYBE_MORE: Final = 3_500
"""The kernel returns long tables about a page at a time; a shorter answer is complete."""


class HostTable:
    """Reads the machine; keeps what is needed to make rates.

    Args:
        files: keeps descriptors open.
        errors: counts what could not be read.
        root: `/proc`, or a copy of one.
        sys: `/sys`, or a copy of one.
        boot_ns: the clock that goes on while the machine sleeps.
    """

    def __init__(
        self,
        files: KeptFiles,
        errors: Counter[str],
        *,
        root: str = "/proc",
        sys: str = "/sys",
        boot_ns: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME),
    ) -> None:
        self._files = files
        self._errors = errors
        self._root = root
        self._fds: dict[str, int | None] = {}
        self._devices = Devices(sys)
        self._interfaces = Interfaces(sys, root)
        self._disks = DeviceMeter()
        self._nics = DeviceMeter()
        self._stat: ProcStat | None = None
        self._stalls: dict[str, int] = {}
        self._last_ns: int | None = None
        self._boot_ns = boot_ns
        self._asleep_ns = 0
        self._arc_due = 0
        self._has_arc = False
        self._space = SpaceWatch(lambda: self._parsed("self/mounts", parse_mounts) or [], errors)
        self._sensors = Background(lambda: read_temperatures(sys), EVERY_S, name="sensors")
        self._temperatures: dict[str, float] | None = None

    def read(self, mono_ns: int) -> HostReading:
        """See `Reader.read_host`."""
        elapsed_s = None if self._last_ns is None else max((mono_ns - self._last_ns) / 1e9, 1e-6)
        self._last_ns = mono_ns
        before, self._asleep_ns = self._asleep_ns, self._boot_ns() - mono_ns
        slept = self._asleep_ns - before > _SLEPT_NS
        return HostReading(
            **self._cpu(elapsed_s, slept=slept),
            **self._load(),
            **self._memory(),
            **self._pressure(elapsed_s),
            **self._disk(elapsed_s),
            **self._network(elapsed_s),
            temperatures=self._heat(),
            space=self._space.poll(mono_ns),
        )

    def close(self) -> None:
        """Close every kept file."""
        for fd in self._fds.values():
            if fd is not None:
                self._files.close(fd)
        self._fds.clear()

    def _cpu(self, elapsed_s: float | None, *, slept: bool) -> dict[str, Any]:
        stat = self._parsed("stat", parse_proc_stat)
        last, self._stat = self._stat, stat
        if stat is None:
            return {}
        found: dict[str, Any] = {"procs_running": stat.numbers.get(b"procs_running")}
        shares = cpu_shares(last.total, stat.total) if last is not None else None
        if last is None or shares is None or elapsed_s is None:
            return found
        found |= {
            "cpu_pct": shares.busy,
            "cpu_user": shares.user,
            "cpu_system": shares.system,
            "cpu_iowait": shares.iowait,
            "cpu_steal": shares.steal,
        }
        if len(last.cores) == len(stat.cores):
            found["per_core"] = [busy_share(old, new) for old, new in zip(last.cores, stat.cores, strict=True)]
        if not slept:
            found |= _rates(last.numbers, stat.numbers, elapsed_s)
        return found

    def _load(self) -> dict[str, Any]:
        raw = self._raw("loadavg")
        words = raw.split() if raw else []
        if len(words) < 3:
            return {}
        return {"load1": float(words[0]), "load5": float(words[1]), "load15": float(words[2])}

    def _memory(self) -> dict[str, Any]:
        table = self._parsed("meminfo", parse_keyed)
        return memory_figures(table, self._arc()) if table else {}

    def _arc(self) -> dict[bytes, int] | None:
        """The cache of ZFS. Whether there is one, and whether it is in the memory that meminfo describes, is checked now and then."""
        if self._arc_due <= 0:
            self._arc_due = _ARC_ROUND
            mounts = self._parsed("self/mounts", parse_mounts) or []
            contained = any(
                mount.path == "/proc/meminfo" for mount in mounts
            )  # of a container; the cache is the machine's
            self._has_arc = not contained and Path(f"{self._root}/{ARC}").exists()
            if self._has_arc and self._fds.get(ARC, 0) is None:
                del self._fds[ARC]  # it was unreadable before
        self._arc_due -= 1
        return self._parsed(ARC, parse_kstat) if self._has_arc else None

    def _pressure(self, elapsed_s: float | None) -> dict[str, Any]:
        """Percent of the last interval in which some or all tasks waited."""
        found: dict[str, Any] = {}
        tables = {path: self._parsed(path, parse_pressure) for path in _STALL_FILES}
        for name, (path, kind) in _PRESSURE.items():
            total = (tables[path] or {}).get(kind)
            if total is None:
                continue
            last = self._stalls.get(name)
            self._stalls[name] = total
            if last is not None and elapsed_s is not None:
                found[name] = min(max((total - last) / (elapsed_s * 10_000), 0.0), 100.0)
        return found

    def _disk(self, elapsed_s: float | None) -> dict[str, Any]:
        table = self._parsed("diskstats", parse_diskstats)
        if table is None:
            return {}
        disks = {name: counters for name, counters in table.items() if self._devices.is_disk(name)}
        rates = self._disks.rates(disks, elapsed_s)
        total = totals(rates, self._devices.counted_disks(frozenset(disks)))
        return {
            "disk_read_bps": total.read_bps,
            "disk_write_bps": total.write_bps,
            "disk_read_ops": total.read_ops,
            "disk_write_ops": total.write_ops,
            "disks": None if elapsed_s is None else rates,
        }

    def _network(self, elapsed_s: float | None) -> dict[str, Any]:
        table: Mapping[str, DeviceCounters] | None = self._parsed("net/dev", parse_net_dev)
        if table is None:
            return {}
        rates = self._nics.rates(table, elapsed_s)
        total = totals(rates, self._interfaces.counted(frozenset(table)))
        return {
            "net_rx_bps": total.read_bps,
            "net_tx_bps": total.write_bps,
            "nics": None if elapsed_s is None else rates,
        }

    def _heat(self) -> dict[str, float] | None:
        found = self._sensors.poll()
        if found is not None:
            self._temperatures = found or None
        elif self._sensors.hangs_for_s() > 5 * EVERY_S:
            self._temperatures = None
        return self._temperatures

    def _parsed(self, name: str, parse: Callable[[bytes], T]) -> T | None:
        raw = self._raw(name)
        if raw is None:
            return None
        try:
            return parse(raw)
        except (ValueError, IndexError):
            self._errors[f"{name}:unparsable"] += 1
            return None

    def _raw(self, name: str) -> bytes | None:
        """The content of a file; None if it does not exist (pressure, in many containers) or is unreadable."""
        fd = self._fds.get(name, -1)
        if fd is None:
            return None
        path = f"{self._root}/{name}"
        try:
            if fd < 0:
                fd = self._fds[name] = self._files.open(path)
            if fd < 0:
                return read_file(path, _SIZE)
            raw = os.pread(fd, _SIZE, 0)
            if len(raw) >= _MAYBE_MORE:
                while more := os.pread(fd, _SIZE, len(raw)):
                    raw += more
        except OSError as error:
            self._fds[name] = None
            self._errors[reason(name, error)] += 1
            return None
        return raw


def _rates(before: Mapping[bytes, int], now: Mapping[bytes, int], elapsed_s: float) -> dict[str, float]:
    """Rates of the counters of `/proc/stat`; none of one that went back."""
    return {
        name: (now[line] - before[line]) / elapsed_s
        for name, line in _COUNTERS.items()
        if line in now and line in before and now[line] >= before[line]
    }
