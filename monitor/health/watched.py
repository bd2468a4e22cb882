"""One rule as it is watched: how it stands by subject, and what was counted."""

import fnmatch
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from logs import LogFilter, LogRecord
from monitor.api_models.events import Alert, AlertRuleInfo, AlertState, ProcessEvent
from monitor.config.alerts import AlertRule
from monitor.health.history import MESSAGE_CHARS
from monitor.health.past import Minutes
from monitor.health.readings import Value
from monitor.health.states import Allowance, Level, Occurrences
from monitor.health.usual import Usual
from monitor.health.words import in_unit, told

ALSO: Final = 3
"""So many others that failed are named beside the newest."""
KEPT_OPEN: Final = 1000
SERVICE: Final = "service "
"""How the events of services name them."""
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
    failures: dict[str, "Failure"] = field(default_factory=dict)
    """Of a rule about failures: by process or service, how it failed last; the newest last."""

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

    def says(self, one: "LogRecord | Failure", mask: Callable[[str], str]) -> str:
        """What an alert says of a record or failure."""
        often = f"{self.rule.count} times: " if self.rule.count > 1 else ""
        said = often + mask(one.message.split("\n", 1)[0])[:MESSAGE_CHARS]
        if not isinstance(one, Failure):
            return said
        others = [
            name
            for name, known in self.failures.items()
            if known is not one and known.at >= one.at - self.rule.within_s
        ]
        more = f" and {len(others) - ALSO} more" if len(others) > ALSO else ""
        return f"{said}; also {mask(', '.join(reversed(others[-ALSO:])))}{more}" if others else said

    def failures_since(self, at: float) -> list["Failure"]:
        """Those that are not settled, the newest last."""
        return [one for one in self.failures.values() if one.at >= at]

    def failed(self, event: ProcessEvent, at: float) -> "Failure":
        """Something failed, at a moment of a clock that only goes forward."""
        said = f"{event.process_name}: {event.details.get('message', 'failed')}"
        failure = Failure(said, None if event.run is None else int(event.run), event.pid, at)
        self.failures.pop(event.process_name, None)
        self.failures[event.process_name] = failure
        if len(self.failures) > KEPT_OPEN:
            del self.failures[next(iter(self.failures))]
        return failure

    def recall(self, alert: Alert, at: float) -> None:
        """Take up the service whose failure fires since before the agent started."""
        name, found, _ = alert.message.rpartition(" times: ")[2].partition(": ")
        if found and name.startswith(SERVICE):
            run = None if alert.run is None else int(alert.run)
            self.failures[name] = Failure(alert.message.partition("; also ")[0], run, alert.pid, at)


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, in words, and whose it is."""

    message: str
    run: int | None
    pid: int | None
    at: float


def is_about(wanted: str, event: ProcessEvent) -> bool:
    """Whether an event is of what a rule about failures watches: a part of its name or command; with `*` all of it."""
    wanted = wanted.casefold()
    names = (event.process_name.casefold(), str(event.details.get("command", "")).casefold())
    return any(fnmatch.fnmatchcase(one, wanted) if "*" in wanted else wanted in one for one in names)


def standing(rule: AlertRule, watched: Watched | None, at: float, *, built_in: bool, firing: bool) -> AlertRuleInfo:
    """How a rule stands, for the API; `watched` is None if it is off."""
    about: Mapping[str, Any] = {"name": rule.name, "settings": rule.model_dump(exclude_unset=True), "told": told(rule)}
    if watched is None:
        return AlertRuleInfo(**about, built_in=built_in, state="off")
    known = [one.value for one in watched.now if one.value is not None]
    pending = any(level.pending_since is not None for level in watched.levels.values())
    unknown = (rule.metric is not None and not known) or watched.trouble
    state: AlertState = "firing" if firing else "pending" if pending else "unknown" if unknown else "ok"
    now = in_unit((max if rule.rising else min)(known), rule.unit) if known and rule.metric else ""
    trouble = watched.trouble or (watched.allowance.full if watched.allowance.left(at) <= 0 else "")
    return AlertRuleInfo(**about, built_in=built_in, state=state, now=now, trouble=trouble)


def _local(now: int) -> float:
    """What a clock on the wall shows, in seconds."""
    seconds = now / 1e6
    return seconds + (time.localtime(seconds).tm_gmtoff or 0)


def same_watch(rule: AlertRule) -> AlertRule:
    """A rule without what does not change what it watches."""
    return rule.model_copy(update={"notify": True, "enabled": True})
