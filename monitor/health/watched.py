"""One rule as it is watched: how it stands by subject, and what was counted."""

import time
from dataclasses import dataclass, field, replace
from typing import Final

from logs import LogFilter
from monitor.config.alerts import AlertRule
from monitor.health.past import Minutes
from monitor.health.readings import Value
from monitor.health.states import Allowance, Level, Occurrences
from monitor.health.usual import Usual

KEPT_OPEN: Final = 1000
MOST_USUAL: Final = 200
"""So many subjects of a rule have a usual; of those beyond it is not known."""
ASK_S: Final = 300.0
"""Subjects that came later have their past after so long at most."""


@dataclass(slots=True)
class Watched:
    """One rule and how it stands, by subject."""

    rule: AlertRule
    levels: dict[str, Level] = field(default_factory=dict)
    now: list[Value] = field(default_factory=list)
    occurrences: Occurrences | None = None
    filter: LogFilter | None = None
    since: int = 0
    """Records of an earlier time (µs since the epoch) were there before the rule."""
    trouble: str = ""
    allowance: Allowance = field(default_factory=Allowance)
    seen: dict[str, None] = field(default_factory=dict)
    """Records that were counted, the newest last."""

    usual: dict[str, Usual] = field(default_factory=dict)
    """With `change`, what is usual for each subject that was there lately."""
    new: bool = True
    """Whether there is a subject whose past was not looked for in the store."""
    asked: float = -ASK_S
    """When the store was asked for the past."""

    def against_usual(self, at: float, now: int) -> None:
        """Hold the present values against what is usual, where the rule is about that.

        Args:
            at: seconds of a clock that only goes forward.
            now: the same moment, µs since the epoch.
        """
        if self.rule.change is None:
            return
        local = _local(now)
        for place, one in enumerate(self.now):
            usual = self.usual.get(one.subject)
            if usual is None and len(self.usual) >= MOST_USUAL:
                self._forget(at)
            if usual is None and len(self.usual) < MOST_USUAL:
                usual = self.usual[one.subject] = Usual(self.rule)
                self.new = True
            self.now[place] = replace(one, value=None if usual is None else usual.change(one.value, at, local))
        if at - self.asked >= ASK_S:
            self._forget(at)

    def usual_of(self, subject: str) -> str:
        """Of which time its usual is, in words; empty without one."""
        return self.usual[subject].of if subject in self.usual else ""

    def wants_past(self, at: float) -> bool:
        """Whether the store is to be asked for the past of what is watched, which takes it a moment."""
        if self.rule.change is None or not self.new or not self.usual or at - self.asked < ASK_S:
            return False
        self.new, self.asked = False, at
        return True

    def remember(self, past: Minutes, at: float, now: int) -> None:
        """Take up the past of those that have just come; as `against_usual`."""
        for subject, usual in self.usual.items():
            if not usual.has_past and subject in past:
                usual.remember([(now / 1e6 - ts, value) for ts, value in past[subject]], at, _local(now))
            usual.has_past = True

    def _forget(self, at: float) -> None:
        """Leave out those that are gone for long."""
        since = at - max(self.rule.usual_h * 3600, 86_400)
        self.usual = {subject: one for subject, one in self.usual.items() if one.last >= since}

    def is_new(self, record: str) -> bool:
        """Whether a record was not counted yet. From now on it was."""
        if record in self.seen:
            return False
        self.seen[record] = None
        if len(self.seen) > KEPT_OPEN:
            del self.seen[next(iter(self.seen))]
        return True


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, in words, and whose it is."""

    message: str
    run: int | None
    pid: int | None


def _local(now: int) -> float:
    """What a clock on the wall shows, in seconds."""
    seconds = now / 1e6
    return seconds + (time.localtime(seconds).tm_gmtoff or 0)


def same_watch(rule: AlertRule) -> AlertRule:
    """A rule without what does not change what it watches."""
    return rule.model_copy(update={"notify": True, "enabled": True})
