"""One rule as it is watched: how it stands by subject, and what was counted."""

from dataclasses import dataclass, field, replace
from typing import Final

from logs import LogFilter
from monitor.config.alerts import AlertRule
from monitor.health.readings import Value
from monitor.health.states import Allowance, Level, Occurrences
from monitor.health.usual import Usual

KEPT_OPEN: Final = 1000


@dataclass(slots=True)
class Watched:
    """One rule and how it stands, by subject."""

    rule: AlertRule
    levels: dict[str, Level] = field(default_factory=dict)
    now: list[Value] = field(default_factory=list)
    occurrences: Occurrences | None = None
    filter: LogFilter | None = None
    trouble: str = ""
    allowance: Allowance = field(default_factory=Allowance)
    seen: dict[str, None] = field(default_factory=dict)
    """Records that were counted, the newest last."""

    usual: dict[str, Usual] = field(default_factory=dict)
    """With `change`, what is usual for each subject; those that are gone go with the rule."""

    def against_usual(self, at: float) -> None:
        """Hold the present values against what is usual, where the rule is about that. `at`: seconds of a clock that only goes forward."""
        if self.rule.change is None:
            return
        for place, one in enumerate(self.now):
            usual = self.usual.setdefault(one.subject, Usual(self.rule))
            self.now[place] = replace(one, value=usual.change(one.value, at))

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


def same_watch(rule: AlertRule) -> AlertRule:
    """A rule without what does not change what it watches."""
    return rule.model_copy(update={"notify": True, "enabled": True})
