"""Counts samples: how many were expected, how many arrived, and where the gaps are."""

from dataclasses import dataclass

from monitor.metrics.messages import Tick


@dataclass(frozen=True, slots=True)
class Hole:
    """Samples that did not arrive, between two that did (times in µs)."""

    start: int
    end: int
    missed: int


class SampleCounter:
    """Counts expected samples on the monotonic clock, across restarts of the sampler.

    Args:
        interval_s: time between two samples.
    """

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.received = 0
        self.last_ts: int | None = None
        self.lag_ms: float | None = None
        self._due = 0
        self._last_mono: int | None = None
        self._last_seq: int | None = None

    def restarted(self) -> None:
        """The sampler restarted: its `seq` starts again, and the time in between counts as missed."""
        self._last_seq = None

    def take(self, tick: Tick) -> Hole | None:
        """Count a sample; returns the gap before it, if there is one."""
        steps = 1
        if self._last_mono is not None:
            if self._last_seq is not None and tick.seq > self._last_seq:
                steps = tick.seq - self._last_seq
            else:
                steps = max(1, round((tick.mono_ns - self._last_mono) / 1e9 / self.interval_s))
        hole = Hole(self.last_ts, tick.ts, steps - 1) if steps > 1 and self.last_ts is not None else None
        self._due += steps
        self.received += 1
        self.last_ts, self.lag_ms = tick.ts, tick.quality.lag_ms
        self._last_mono, self._last_seq = tick.mono_ns, tick.seq
        return hole

    def expected(self, mono_ns: int) -> int:
        """Samples expected until now. A sample that is late by less than an interval does not count yet."""
        if self._last_mono is None:
            return self._due
        overdue = (mono_ns - self._last_mono) / 1e9 / self.interval_s - 1.0
        return self._due + max(0, int(overdue))
