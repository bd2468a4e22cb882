"""The machine while a benchmark runs: readings before and after each measurement, and energy."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from ai.benchmark.gpu import GpuHints, others_on_gpu
from ai.benchmark.samples.guards import Readings

_TICK: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Watch(Protocol):
    """Gives readings of the machine."""

    def read(self, engine_pids: Sequence[int] = ()) -> Readings:
        """Now; `engine_pids` are the processes being measured."""
        ...


class ProcWatch:
    """Readings from `/proc`; whatever cannot be read is None. One benchmark has one: it knows the contenders it was asked about.

    Args:
        gpu: hints about the GPUs, from the part that reads NVML; None without one.
        proc: where the kernel's files are.
    """

    def __init__(self, gpu: Callable[[], GpuHints | None] | None = None, proc: Path = Path("/proc")) -> None:
        self._gpu = gpu
        self._proc = proc
        self._cpus = os.cpu_count() or 1
        self._contenders: set[int] = {os.getpid()}

    def read(self, engine_pids: Sequence[int] = ()) -> Readings:
        """Now."""
        self._contenders |= set(engine_pids)
        busy, steal = self._cpu()
        hints = self._gpu() if self._gpu is not None else None
        boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        own = [self._process_s(pid) for pid in {os.getpid(), *engine_pids}]
        return Readings(
            wall_s=time.time(),
            mono_s=time.monotonic(),
            boot_s=time.clock_gettime(boot),
            cpus=self._cpus,
            busy_s=busy,
            own_s=sum(s for s in own if s is not None) if engine_pids else None,
            steal_s=steal,
            swap_pages=self._swap_pages(),
            io_stall_s=self._io_stall(),
            throttle=hints.throttle if hints else (),
            gpu_others=others_on_gpu(hints.holders, engine_pids, self._contenders) if hints else None,
            engine_pids=tuple(engine_pids),
        )

    def _text(self, name: str) -> str | None:
        try:
            return (self._proc / name).read_text(encoding="ascii", errors="replace")
        except OSError:
            return None  # not in this kernel, or not readable for this user: shown as not available

    def _cpu(self) -> tuple[float | None, float | None]:
        text = self._text("stat")
        if text is None or not text.startswith("cpu "):
            return None, None
        fields = [int(part) for part in text.split("\n", 1)[0].split()[1:9]]
        user, nice, system, _idle, _iowait, irq, softirq, steal = (fields + [0] * 8)[:8]
        return (user + nice + system + irq + softirq) / _TICK, steal / _TICK

    def _process_s(self, pid: int) -> float | None:
        text = self._text(f"{pid}/stat")
        if text is None:
            return None
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def _swap_pages(self) -> int | None:
        text = self._text("vmstat")
        if text is None:
            return None
        rows = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
        return int(rows.get("pswpin", 0)) + int(rows.get("pswpout", 0))

    def _io_stall(self) -> float | None:
        text = self._text("pressure/io")
        full = next((line for line in (text or "").splitlines() if line.startswith("full")), None)
        return None if full is None else int(full.rpartition("total=")[2]) / 1e6


class EnergyMeter(Protocol):
    """Counts energy."""

    def read_j(self) -> float | None:
        """Joules since some fixed moment; None when not measurable."""
        ...

    @property
    def source(self) -> str:
        """What is counted."""
        ...


class NoMeter:
    """Nothing can be measured; `why` says so on the page."""

    source = "not measurable: no energy counter can be read on this machine"

    def read_j(self) -> float | None:
        """Never anything."""
        return None


class RaplMeter:
    """Energy of the processor packages from the kernel's powercap counters, which wrap around."""

    source = "RAPL (processor packages)"

    def __init__(self, folder: Path = Path("/sys/class/powercap")) -> None:
        self._zones = [zone for zone in sorted(folder.glob("intel-rapl:*")) if zone.name.count(":") == 1]
        self._last: dict[Path, int] = {}
        self._sum = 0.0

    def readable(self) -> bool:
        """Whether there is a counter we may read."""
        return self.read_j() is not None

    def read_j(self) -> float | None:
        """Joules since the first reading."""
        if not self._zones:
            return None
        for zone in self._zones:
            try:
                now = int((zone / "energy_uj").read_text(encoding="ascii"))
                before = self._last.get(zone, now)
                if now < before:
                    now_full = now + int((zone / "max_energy_range_uj").read_text(encoding="ascii"))
                else:
                    now_full = now
            except (OSError, ValueError):
                return None  # the counter is not readable for this user: not measurable
            self._sum += (now_full - before) / 1e6
            self._last[zone] = now
        return self._sum


class GpuMeter:
    """Energy of the GPUs, from the part that reads NVML."""

    source = "NVML (all GPUs)"

    def __init__(self, gpu: Callable[[], GpuHints | None]) -> None:
        self._gpu = gpu

    def read_j(self) -> float | None:
        """Joules since the driver was loaded."""
        hints = self._gpu()
        return hints.energy_j if hints is not None else None


def best_meter(gpu: Callable[[], GpuHints | None] | None = None) -> EnergyMeter:
    """The GPUs' counter when there is one, else the processor's, else none."""
    if gpu is not None and (meter := GpuMeter(gpu)).read_j() is not None:
        return meter
    rapl = RaplMeter()
    return rapl if rapl.readable() else NoMeter()
