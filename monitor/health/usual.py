"""What is usual: the middle of a reading over the last hours, and how far it strays from it by itself."""

from collections import deque
from typing import Final

import numpy as np

from monitor.config.alerts import METRICS, AlertRule

ENOUGH: Final = 30
"""Minutes that must be known before anything is called unusual."""
RECENT_S: Final = 300.0
"""The newest part of the past is left out, besides the time until a rule fires: what is wrong now is not usual."""
SPREADS: Final = 3.0
_SCALE: Final = 1.4826
"""Of a normal distribution, the standard deviation is so many times the median of the deviations."""
_SHARE: Final = 0.02


class Usual:
    """The past of one reading, by the minute, in memory. Robust: neither an outage nor a spike of some minutes moves it.

    >>> usual = Usual(AlertRule(name="fewer", metric="job.per_minute", change=-50))
    >>> [usual.change(100.0, second) for second in range(0, 7200, 60)][-1]
    0.0
    >>> usual.change(40.0, 7260)
    -60.0

    Args:
        rule: with `change`.
    """

    def __init__(self, rule: AlertRule) -> None:
        self._left_out = (RECENT_S + rule.for_s) / 60
        self._minutes: deque[tuple[int, float]] = deque(maxlen=int(rule.usual_h * 60 + self._left_out) + 2)
        self._within = rule.usual_h * 60 + self._left_out
        self._counted = METRICS[rule.metric or ""].counted_min
        self._minute = 0
        self._now: deque[tuple[float, float]] = deque()
        """The readings of the last minute."""
        self._sum = 0.0
        self._known: tuple[float, float] | None = None

    def change(self, value: float | None, at: float) -> float | None:
        """How far the mean of the last minute is from the usual, in percent of it: 0 if it strays so far by itself. None while too little is known.

        Args:
            value: the reading now; None: not known.
            at: seconds of a clock that only goes forward.
        """
        if value is None:
            return None
        minute = int(at // 60)
        if minute != self._minute:
            if self._now:
                self._minutes.append((self._minute, self._sum / len(self._now)))
            self._minute = minute
            self._known = self._look(minute)
        self._now.append((at, value))
        while self._now[0][0] <= at - 60:
            self._now.popleft()
        self._sum = sum(one for _, one in self._now)
        if self._known is None:
            return None
        usual, spread = self._known
        away = self._sum / len(self._now) - usual
        return 0.0 if abs(away) <= SPREADS * spread else 100 * away / max(abs(usual), spread)

    def _look(self, now: int) -> tuple[float, float] | None:
        """The usual value, and how far it strays: never nothing, as a count has chance in it."""
        known = np.array([value for minute, value in self._minutes if self._left_out <= now - minute <= self._within])
        if len(known) < ENOUGH:
            return None
        usual = float(np.median(known))
        strays = _SCALE * float(np.median(np.abs(known - usual)))
        if self._counted:
            least = max(1.0, abs(usual) * self._counted) ** 0.5 / self._counted
        else:
            least = _SHARE * float(np.max(np.abs(known)))
        return usual, max(strays, least) or 1.0
