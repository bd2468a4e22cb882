"""What is usual: the middle of a reading over the last hours or, once enough days are known, of this time of day; and how far it strays from it by itself."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.config.alerts import METRICS, AlertRule

ENOUGH: Final = 30
"""Minutes that must be known before anything is called unusual."""
DAYS_ENOUGH: Final = 4
"""Days that must be known before the time of day counts."""
AROUND: Final = 5
"""Minutes before and after this time of day that count, and how many of them must be known of a day."""
MANY_DAYS: Final = 6
"""From so many days on, the one that had least and the one that had most do not count: something may have been wrong on them."""
RECENT_S: Final = 300.0
"""The newest part of the past is left out, besides the time until a rule fires: what is wrong now is not usual."""
SPREADS: Final = 3.0
_SCALE: Final = 1.4826
"""Of a normal distribution, the standard deviation is so many times the median of the deviations."""
_SHARE: Final = 0.02
_DAY: Final = 1440


class _Known:
    """What is usual now: a value, how far it strays by itself, and the least and the most that is no change."""

    __slots__ = ("by_day", "least", "most", "strays", "usual")

    def __init__(self, usual: float, strays: float, span: tuple[float, float], *, by_day: bool) -> None:
        self.usual, self.strays, self.by_day = usual, strays, by_day
        self.least, self.most = span

    def change(self, value: float) -> float:
        """How far a value is from it, in percent of it."""
        away = value - self.usual
        if abs(away) <= SPREADS * self.strays or self.least <= value <= self.most:
            return 0.0
        return 100 * away / max(abs(self.usual), self.strays)


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
        self._known: _Known | None = None
        self._days = _Days(rule.usual_days) if rule.usual_days else None
        self.last = 0.0
        """When there was a reading, by the clock that only goes forward."""
        self._hours = f"{rule.usual_h:g} h"
        self.has_past = False
        """Whether its past was looked for."""

    @property
    def of(self) -> str:
        """Of which time the usual is, in words."""
        return "this time of day" if self._known is not None and self._known.by_day else self._hours

    def remember(self, past: Iterable[tuple[float, float]], at: float, local: float) -> None:
        """Take up what is known of the past.

        Args:
            past: when minutes began, in seconds before now, and the mean of each; in order of time.
            at: now, in seconds of a clock that only goes forward.
            local: now, as a clock on the wall has it, in seconds.
        """
        learned, first = list(self._minutes), self._minutes[0][0] if self._minutes else int(at // 60)
        self._minutes.clear()
        for before, value in past:
            if (minute := int((at - before) // 60)) < first:
                self._minutes.append((minute, value))
                if self._days is not None:
                    self._days.put(int((local - before) // 60), value)
        self._minutes += learned
        self._known = None
        self._minute = 0

    def change(self, value: float | None, at: float, local: float | None = None) -> float | None:
        """How far the mean of the last minute is from the usual, in percent of it: 0 if it strays so far by itself. None while too little is known.

        Args:
            value: the reading now; None: not known.
            at: seconds of a clock that only goes forward.
            local: the same moment, as a clock on the wall has it, in seconds; None: the time of day does not count.
        """
        if value is None:
            return None
        minute, self.last = int(at // 60), at
        if minute != self._minute:
            if self._now:
                mean = self._sum / len(self._now)
                self._minutes.append((self._minute or minute - 1, mean))
                if local is not None and self._days is not None:
                    self._days.put(int(local // 60) - 1, mean)
            self._minute = minute
            self._known = self._look(minute, local)
        self._now.append((at, value))
        while self._now[0][0] <= at - 60:
            self._now.popleft()
        self._sum = sum(one for _, one in self._now)
        return None if self._known is None else self._known.change(self._sum / len(self._now))

    def _look(self, now: int, local: float | None) -> _Known | None:
        """The usual value, and how far it strays: never nothing, as a count has chance in it."""
        days = [] if local is None or self._days is None else list(self._days.at(int(local // 60)))
        if len(days) >= DAYS_ENOUGH:
            known, middles = np.concatenate(days), np.sort([np.median(day) for day in days])
            inner = middles[1:-1] if len(days) >= MANY_DAYS else middles
            usual, least, most, by_day = float(np.median(middles)), float(inner[0]), float(inner[-1]), True
        else:
            known = np.array(
                [value for minute, value in self._minutes if self._left_out <= now - minute <= self._within]
            )
            if len(known) < ENOUGH:
                return None
            usual = least = most = float(np.median(known))
            by_day = False
        strays = _SCALE * float(np.median(np.abs(known - usual)))
        if self._counted:
            chance = max(1.0, abs(usual) * self._counted) ** 0.5 / self._counted
        else:
            chance = _SHARE * float(np.max(np.abs(known)))
        return _Known(usual, max(strays, chance) or 1.0, (least, most), by_day=by_day)


class _Days:
    """Values of the last days by the minute, as a clock on the wall has it."""

    def __init__(self, days: int) -> None:
        self._count = days
        self._values: npt.NDArray[np.float32] | None = None
        self._newest = 0

    def put(self, minute: int, value: float) -> None:
        """The value of a minute; what is older than the days is not kept."""
        if self._values is None:  # some kB, for who has a past
            self._values = np.full((self._count * _DAY + 2 * AROUND + 1), np.nan, np.float32)
            self._newest = minute
        size = len(self._values)
        for passed in range(max(self._newest + 1, minute - size + 1), minute + 1):
            self._values[passed % size] = np.nan
        self._newest = max(self._newest, minute)
        if minute > self._newest - size:
            self._values[minute % size] = value

    def at(self, minute: int) -> Iterator[npt.NDArray[np.float32]]:
        """What is known of earlier days at the time of day of a minute, each day by itself."""
        if self._values is None:
            return
        size = len(self._values)
        for day in range(1, self._count + 1):
            places = np.arange(minute - day * _DAY - AROUND, minute - day * _DAY + AROUND + 1)
            day_values = self._values[places[(places > self._newest - size) & (places <= self._newest)] % size]
            known = day_values[~np.isnan(day_values)]
            if len(known) >= AROUND:
                yield known
