"""What a process costs: CPU as percent of one core between two looks, and memory."""

import os
import time
from pathlib import Path


class OwnCost:
    """This process's own CPU and memory."""

    def __init__(self) -> None:
        self._cpu, self._at = time.process_time(), time.monotonic()
        self.cpu_pct: float | None = None
        self.rss: int | None = None

    def measure(self) -> None:
        """Look again; `cpu_pct` is of the time since the last look."""
        cpu, at = time.process_time(), time.monotonic()
        if at - self._at >= 0.5:
            self.cpu_pct = round(100 * (cpu - self._cpu) / (at - self._at), 2)
            self._cpu, self._at = cpu, at
        self.rss = _rss()


class ReportedCost:
    """CPU percent of another process that reports its own CPU seconds."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self.cpu_pct: float | None = None
        self.rss: int | None = None

    def report(self, cpu_s: float, rss: int, mono_s: float) -> None:
        """Take in what the process says of itself at `mono_s`."""
        if self._last is not None and cpu_s >= self._last[0] and mono_s > self._last[1]:
            self.cpu_pct = round(100 * (cpu_s - self._last[0]) / (mono_s - self._last[1]), 2)
        self._last, self.rss = (cpu_s, mono_s), rss

    def forget(self) -> None:
        """The process is another one now."""
        self._last = self.cpu_pct = self.rss = None


def _rss() -> int | None:
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import psutil

        return int(psutil.Process().memory_info().rss)
