"""Whether a backend has become slower than it was when it was measured: a one-sided CUSUM on log times.

The first calls (or a benchmark) set the level and its spread; afterwards each call's standardised excess over half a
standard deviation adds up, and past the threshold an alarm proposes a new benchmark. One wild call counts for three
standard deviations at most. With independent noise a shift by one deviation is found after about 13 calls, and a
false alarm comes once in several thousand.
"""

import math
import statistics
from dataclasses import dataclass
from typing import Final

LEARN: Final = 30
_SLACK: Final = 0.5
_THRESHOLD: Final = 7.0
_CLIP: Final = 3.0
_LEAST_DEVIATION: Final = 0.05


@dataclass(frozen=True, slots=True)
class DriftAlarm:
    """A backend's figure has moved: `factor` times what it was (above 1 = slower)."""

    backend: str
    figure: str
    factor: float
    calls: int

    def sentence(self) -> str:
        """What happened and what to do."""
        return (
            f"{self.backend} takes {self.factor:.2f} times as long ({self.figure}) as when it was measured, seen over its last "
            f"{self.calls} calls; measure again."
        )


class DriftDetector:
    """Watches one figure (seconds, smaller is better) of one backend."""

    def __init__(self, backend: str, figure: str) -> None:
        self._backend = backend
        self._figure = figure
        self._learning: list[float] = []
        self._level = 0.0
        self._deviation = 0.0
        self._sum = 0.0
        self._since: list[float] = []

    @property
    def ready(self) -> bool:
        """Whether the level is known."""
        return self._deviation > 0

    def add(self, seconds: float) -> DriftAlarm | None:
        """Add one call; an alarm when the sum passes the threshold (the detector then learns a new level)."""
        if not 0 < seconds < math.inf:
            return None
        value = math.log(seconds)
        if not self.ready:
            self._learn(value)
            return None
        excess = min(max((value - self._level) / self._deviation, -_CLIP), _CLIP) - _SLACK
        self._sum = max(0.0, self._sum + excess)
        self._since = [*self._since, value] if self._sum > 0 else []
        if self._sum <= _THRESHOLD:
            return None
        factor = math.exp(statistics.median(self._since) - self._level)
        alarm = DriftAlarm(self._backend, self._figure, factor, len(self._since))
        self._deviation = 0.0
        self._restart()
        return alarm

    def _learn(self, value: float) -> None:
        self._learning.append(value)
        if len(self._learning) < LEARN:
            return
        self._level = statistics.fmean(self._learning)
        self._deviation = max(1.1 * statistics.stdev(self._learning), _LEAST_DEVIATION)
        self._restart()

    def _restart(self) -> None:
        self._sum = 0.0
        self._since = []
        self._learning = []
