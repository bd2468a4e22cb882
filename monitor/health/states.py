"""When an alert begins and when it is over. Two small machines without a clock of their own.

A `Level` follows one value against a threshold. It fires after the value was beyond it for a time without a break, and is over only when
the value has been behind a second, nearer threshold for a time (hysteresis): a value that swings around the threshold is told once.
`Occurrences` counts things that happen, such as records; it is over when none has happened for a time.
"""

from collections import deque
from typing import Final, Literal

from monitor.config.alerts import AlertRule

Turn = Literal["fires", "over"]
BREAK_S = 30.0
"""Longer without a reading, and nobody knows what the value was meanwhile: what was about to begin begins anew."""


class Level:
    """One value of a rule.

    >>> level = Level(AlertRule(name="busy", metric="cpu_pct", above=90, for_s=2, clear_s=2))
    >>> [level.step(value, second) for second, value in enumerate([95, 95, 95, 89, 80, 80, 80])]
    [None, None, 'fires', None, None, None, 'over']

    Args:
        rule: with a metric.
        firing: whether it fired before, as after a restart.
    """

    def __init__(self, rule: AlertRule, *, firing: bool = False) -> None:
        self._rule, self.firing = rule, firing
        self._up = rule.rising
        self._since: float | None = None
        """Since when the value has been where the other state begins."""
        self._last: float | None = None

    def step(self, value: float | None, at: float) -> Turn | None:
        """The value at a moment, in seconds of a clock that only goes forward; None: not known. Says whether the alert fires or is over now."""
        broken = self._last is not None and at - self._last > BREAK_S
        self._last = at
        if value is None or broken:
            self._since = None
        if value is None or not self._turns(value):
            self._since = None
            return None
        if self._since is None:
            self._since = at
        if at - self._since < (self._rule.clear_s if self.firing else self._rule.for_s):
            return None
        self._since, self.firing = None, not self.firing
        return "fires" if self.firing else "over"

    def _turns(self, value: float) -> bool:
        """Whether the value is where the other state begins."""
        if self.firing:
            return value < self._rule.over_at if self._up else value > self._rule.over_at
        return self.beyond(value)

    def beyond(self, value: float) -> bool:
        """Whether the value is beyond the threshold."""
        return value > self._rule.threshold if self._up else value < self._rule.threshold

    @property
    def pending_since(self) -> float | None:
        """Since when the value is beyond the threshold, while it has not fired."""
        return None if self.firing else self._since


class Occurrences:
    """What a rule counts.

    >>> seen = Occurrences(AlertRule(name="twice", fails="job", count=2, within_s=10))
    >>> [seen.happened(0), seen.happened(5), seen.happened(6), seen.look(12), seen.look(16)]
    [None, 'fires', None, None, 'over']
    """

    def __init__(self, rule: AlertRule, *, firing: bool = False, at: float = 0.0) -> None:
        self._rule, self.firing = rule, firing
        self._times: deque[float] = deque([at] if firing else [], maxlen=rule.count)

    def happened(self, at: float) -> Turn | None:
        """It happened once more, at a moment of a clock that only goes forward."""
        self._times.append(at)
        if self.firing or len(self._times) < self._rule.count or at - self._times[0] > self._rule.within_s:
            return None
        self.firing = True
        return "fires"

    def look(self, at: float) -> Turn | None:
        """Whether it is over by now."""
        if not self.firing or at - self._times[-1] < self._rule.within_s:
            return None
        self.firing = False
        self._times.clear()
        return "over"


class Allowance:
    """How many alerts a rule may begin: one that fires and ends all the time would fill the store and tell somebody a thousand times.

    >>> allowance = Allowance()
    >>> [allowance.take(second) for second in range(21)].count(True), allowance.left(21), allowance.left(3605)
    (20, 0, 6)
    """

    MOST: Final = 20
    WITHIN_S: Final = 3600.0

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=self.MOST)

    def left(self, at: float) -> int:
        """How many more, at a moment of a clock that only goes forward."""
        return self.MOST - sum(at - one < self.WITHIN_S for one in self._times)

    def take(self, at: float) -> bool:
        """Take one. False: there is none."""
        if len(self._times) == self.MOST and at - self._times[0] < self.WITHIN_S:
            return False
        self._times.append(at)
        return True

    @property
    def full(self) -> str:
        """In words that these were all, or empty."""
        used = len(self._times) == self.MOST and self._times[-1] - self._times[0] < self.WITHIN_S
        return f"{self.MOST} alerts of this rule within an hour; more are left out for now" if used else ""
