"""The clocks of the sampling loop, in one object so that a test can turn them."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on three clocks, nanoseconds: `mono` rests while the machine sleeps, `boot` does not, `wall` may be set."""

    mono_ns: int
    boot_ns: int
    wall_ns: int


class Clock:
    """The machine's own clocks."""

    def now(self) -> Instant:
        """The present moment."""
        mono = time.monotonic_ns()
        boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else mono
        return Instant(mono, boot, time.time_ns())

    def cpu_s(self) -> float:
        """CPU time of this process so far, seconds."""
        return time.process_time()
