"""CPU (percent of one core) and memory of Watchkeeper's own processes."""

import os
import time
from pathlib import Path


class OwnCost:
    """CPU and memory of this process."""

    def __init__(self) -> None:
        self._cpu, self._at = time.process_time(), time.monotonic()
        self.cpu_pct: float | None = None
        self.rss: int | None = None

    def measure(self) -> None:
        """Measure; `cpu_pct` covers the time since the last measurement."""
        cpu, at = time.process_time(), time.monotonic()
        if at - self._at >= 0.5:
            self.cpu_pct = round(100 * (cpu - self._cpu) / (at - self._at), 2)
            self._cpu, self._at = cpu, at
        self.rss = _rss()


class ReportedCost:
    """CPU and memory of another process that reports its CPU seconds."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self.cpu_pct: float | None = None
        self.rss: int | None = None

    def report(self, cpu_s: float, rss: int, mono_s: float) -> None:
        """Use what the process reported at `mono_s`."""
        if self._last is not None and cpu_s >= self._last[0] and mono_s > self._last[1]:
            self.cpu_pct = round(100 * (cpu_s - self._last[0]) / (mono_s - self._last[1]), 2)
        self._last, self.rss = (cpu_s, mono_s), rss

    def forget(self) -> None:
        """Start again, because the process was replaced."""
        self._last = self.cpu_pct = self.rss = None


def _rss() -> int | None:
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import psutil

        return int(psutil.Process().memory_info().rss)
