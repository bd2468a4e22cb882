"""Alerts: watches the rules, keeps what fires, and tells of it.

A rule with a metric is looked at with each sample. Records are matched on the threads that read them, or looked up in the store where the query
needs it; failures come as events. Everything else is on the event loop. An alert is stored when it fires and when it is over, so that an agent that
starts again goes on with what fires and tells nothing twice.
"""

import asyncio
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from logs import LogFilter, LogRecord
from logs.core.levels import WARN
from logs.index.batches import Batch, LiveQuery
from logs.query import search
from monitor.api_models.events import (
    Alert,
    AlertMetricInfo,
    AlertRecord,
    AlertRules,
    ProcessEvent,
)
from monitor.config.alerts import BUILT_IN, METRICS, TOLD_ANYWAY, AlertRule, in_force
from monitor.core.errors import REPORTED
from monitor.health.history import alert_rows, passes, shown_record, stored_alerts
from monitor.health.notify import BEING_SENT, SENT, Notifier
from monitor.health.past import past
from monitor.health.rates import Rates
from monitor.health.readings import Value, culprits, values
from monitor.health.states import Level, Occurrences
from monitor.health.watched import KEPT_OPEN, SERVICE, Failure, Watched, is_about, same_watch, standing
from monitor.health.words import fired, in_unit
from monitor.live.process_events import ProcessEvents
from monitor.live.snapshot import Snapshot
from monitor.metrics.messages import Tick
from monitor.store.interface import Store
from monitor.store.writer import StoreWriter

log = logging.getLogger("watchkeeper.alerts")
LOOK_S: Final = 5.0
"""How often it is looked whether something is over, and the store is asked for records."""
PREFIX: Final = "alert "
RECORDS: Final = 5
RECENT_US: Final = 600_000_000
"""A record older than this is history that is being read, and no news."""
_GONE: Final = {"process": "the process ended", "disk": "the file system is gone"}


class Alerts:
    """The rules of one agent.

    Args:
        snapshot: the newest sample.
        events: takes an event when an alert fires and when it is over.
        store: the history.
        writer: the queue of the store.
        notifier: sends notifications.
        rates: counts jobs and log records.
        host: the machine's name in the store.
        mask: hides secrets in what is told.
        changed: called when an alert fires, changes or is over.
        on_loop: runs a function on the event loop, from another thread.
        over: whether it is notified that an alert is over.
        now: microseconds since the epoch.
        clock: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        *,
        snapshot: Snapshot,
        events: ProcessEvents,
        store: Store,
        writer: StoreWriter,
        notifier: Notifier,
        rates: Rates,
        host: Callable[[], str],
        mask: Callable[[str], str],
        changed: Callable[[], None],
        on_loop: Callable[..., object],
        over: Callable[[], bool],
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._snapshot, self._events, self._store, self._writer = snapshot, events, store, writer
        self.notifier, self._host, self._mask, self._changed, self._on_loop = notifier, host, mask, changed, on_loop
        self._over, self._now, self._clock, self._rates = over, now, clock, rates
        self._rules: dict[str, Watched] = {}
        self._open: dict[tuple[str, str], Alert] = {}
        """What fires, by rule and subject."""
        self._ended: deque[Alert] = deque(maxlen=100)
        """What was over last: the store may not know it yet."""
        self._lock = threading.Lock()
        self._matchers: tuple[tuple[str, LiveQuery], ...] = ()
        self._recent: deque[LogRecord] = deque(maxlen=200)
        """Warnings and errors, the newest last."""

    # --- rules

    def recall(self) -> None:
        """Take up what fired when an earlier agent ended, and tell what that one could not. Blocking; once, before the rules are applied.

        Raises:
            StoreError: the store cannot be read.
        """
        _, found = stored_alerts(self._store, self._host(), {"open": True}, limit=KEPT_OPEN)
        self._open = {(alert.rule, subject): alert for subject, alert in found}
        for key, alert in self._open.items():
            if alert.notified == BEING_SENT and self.notifier.wanted:
                self._send(key, alert)

    def apply(self, rules: Sequence[AlertRule]) -> None:
        """Watch these rules, and those built in whose names they do not have. What fires by a rule that is gone, off or another one is over."""
        wanted = {rule.name: rule for rule in in_force(rules) if rule.enabled}
        for key, alert in list(self._open.items()):
            rule, before = wanted.get(key[0]), self._rules.get(key[0])
            if (
                rule is None
                or rule.kind != alert.kind
                or (before is not None and same_watch(before.rule) != same_watch(rule))
            ):
                self._end(key, "the rule was changed" if rule is not None else "the rule was removed or switched off")
        kept = {
            name: old
            for name, old in self._rules.items()
            if name in wanted and same_watch(old.rule) == same_watch(wanted[name])
        }
        self._rules = {name: kept.get(name) or self._watched(rule) for name, rule in wanted.items()}
        for name, rule in wanted.items():
            self._rules[name].rule = rule
        self._match()
        self._changed()

    def _watched(self, rule: AlertRule) -> Watched:
        """A rule that is looked at from now on, going on with what fires."""
        watched = Watched(rule, since=self._now())
        subjects = [subject for name, subject in self._open if name == rule.name]
        if rule.metric is not None:
            watched.levels = {subject: Level(rule, firing=True) for subject in subjects}
            return watched
        watched.occurrences = Occurrences(rule, firing=bool(subjects), at=self._clock())
        for subject in subjects:
            for record in self._open[rule.name, subject].records:
                watched.is_new(record.id)
            watched.recall(self._open[rule.name, subject], self._clock())
        if rule.records is not None:
            try:
                watched.filter = LogFilter.parse(
                    {"query": rule.records}, self._now(), self._snapshot.name_of, self._snapshot.paths_of
                )
            except REPORTED as error:
                watched.trouble = error.message
        return watched

    def _match(self) -> None:
        found = [
            (name, LiveQuery(one.filter))
            for name, one in self._rules.items()
            if one.filter is not None and one.filter.streams
        ]
        with self._lock:
            self._matchers = tuple(found)
        self._rates.want([one.rule.metric for one in self._rules.values() if one.rule.metric is not None])

    # --- what comes in

    def take(self, tick: Tick) -> None:
        """Look at the rules with metrics, once the snapshot has accepted a sample."""
        at = tick.mono_ns / 1e9
        for watched in self._rules.values():
            if watched.rule.metric is None:
                continue
            watched.now, there = values(watched.rule, self._snapshot, self._rates, self._clock(), watched.levels)
            watched.against_usual(at, tick.ts)
            for one in watched.now:
                level = watched.levels.setdefault(one.subject, Level(watched.rule))
                self._step(watched, level, one, at)
                if one.run is not None and not level.firing and level.pending_since is None:
                    del watched.levels[one.subject]  # most processes have nothing that would have to be kept
            for subject in [subject for subject in watched.levels if subject not in there]:
                self._vanished(watched, subject, at)

    def _step(self, watched: Watched, level: Level, one: Value, at: float) -> None:
        rule, turn, key = watched.rule, level.step(one.value, at), (watched.rule.name, one.subject)
        if turn == "over":
            self._end(key, f"{in_unit(one.value, rule.unit)} now")
        elif level.firing and one.value is not None and key not in self._open:
            if level.beyond(one.value) and watched.allowance.take(at):
                self._begin_level(key, watched, one)
        elif level.firing and one.value is not None:
            alert = self._open[key]
            worse = max if rule.rising else min
            if alert.worst is None or worse(alert.worst, one.value) != alert.worst:
                self._open[key] = alert.model_copy(update={"worst": one.value})

    def _begin_level(self, key: tuple[str, str], watched: Watched, one: Value) -> None:
        rule = watched.rule
        self._fire(
            key,
            watched,
            subject=one.name,
            message=fired(rule, one.name, one.value, watched.usual_of(one.subject)),
            value=one.value,
            worst=one.value,
            unit=rule.unit,
            run=None if one.run is None else str(one.run),
            pid=one.pid,
            culprits=[] if one.run is not None else culprits(rule.metric or "", self._snapshot),
            records=self._errors_before(one.run, int(rule.for_s * 1e6)),
        )

    def _vanished(self, watched: Watched, subject: str, at: float) -> None:
        """Something has no reading any more: a process or a file system that is gone, or a GPU that may only not answer."""
        why = _GONE.get((watched.rule.metric or "").partition(".")[0])
        if why is not None and (self._snapshot.space is not None or why != _GONE["disk"]):
            watched.levels.pop(subject)
            self._end((watched.rule.name, subject), why)
            return
        level = watched.levels[subject]
        level.step(None, at)
        if not level.firing:  # there may have been thousands
            del watched.levels[subject]

    def offer(self, records: Sequence[LogRecord]) -> None:
        """Look at new records, from any thread."""
        with self._lock:
            matchers = self._matchers
            self._recent.extend(record for record in records if record.level >= WARN)
        least = self._now() - RECENT_US
        fresh = [record for record in records if record.ts >= least]
        self._rates.count(fresh, self._clock())
        if not matchers:
            return
        batch = Batch(fresh)
        found = {name: matching for name, one in matchers if (matching := batch.matching(one))}
        if found:
            self._on_loop(self._take_records, found)

    def _take_records(self, found: Mapping[str, Sequence[LogRecord]]) -> None:
        for name, records in found.items():
            watched = self._rules.get(name)
            if watched is None or watched.rule.records is None:
                continue
            new = [record for record in records if watched.is_new(record.id)]
            if len(new) < len(records) and (name, "") in self._open:
                self._grown((name, ""), {record.id: record for record in records})
            self._happened(watched, new)

    def _grown(self, key: tuple[str, str], found: Mapping[str, LogRecord]) -> None:
        """Records that were counted may have more lines now, as a traceback that is being written has."""
        alert = self._open[key]
        records = [shown_record(found[one.id]) if one.id in found else one for one in alert.records]
        self._open[key] = alert.model_copy(update={"records": records})

    def take_events(self, events: Sequence[ProcessEvent]) -> None:
        """Look at events of processes and services for failures."""
        wanted = [event for event in events if event.origin == "watch" and event.event_type in {"ERROR", "STOP"}]
        for watched in list(self._rules.values()):
            fails = watched.rule.fails
            failed = [event for event in wanted if fails and event.event_type == "ERROR" and is_about(fails, event)]
            self._happened(watched, [watched.failed(event, self._clock()) for event in failed])
            for event in wanted if fails else ():
                if event.event_type == "STOP":
                    self._settled(watched, event)

    def _settled(self, watched: Watched, event: ProcessEvent) -> None:
        """Somebody stopped a service, or removed it from the settings: that it failed before is settled."""
        key = watched.rule.name, ""
        if not event.process_name.startswith(SERVICE) or watched.failures.pop(event.process_name, None) is None:
            return
        if left := watched.failures_since(self._clock() - watched.rule.within_s):
            self._say(watched, key, left[-1])
            return
        watched.occurrences = Occurrences(watched.rule)
        self._end(key, f"{event.process_name} {event.details.get('message', 'is stopped')}")

    def _say(self, watched: Watched, key: tuple[str, str], one: Failure) -> None:
        """The failure that is the newest is what the alert says."""
        if (alert := self._open.get(key)) is not None and alert.message != (message := watched.says(one, self._mask)):
            run = None if one.run is None else str(one.run)
            self._open[key] = alert.model_copy(update={"message": message, "run": run, "pid": one.pid})
            self._keep(key, self._open[key])

    def _happened(self, watched: Watched, found: Sequence[LogRecord | Failure]) -> None:
        """Count what happened, the newest last. There may be thousands in a second."""
        counted, key, later, at = watched.occurrences, (watched.rule.name, ""), 0, self._clock()
        if counted is None:
            return
        for one in found:
            counted.happened(at)
            if key in self._open:
                later += 1
            elif counted.firing and watched.allowance.take(at):
                self._begin(watched, key, one)
        if later:
            alert = self._open[key]
            shown = [shown_record(one) for one in found[-later:][-RECORDS:] if isinstance(one, LogRecord)]
            self._open[key] = alert.model_copy(
                update={"count": alert.count + later, "records": (alert.records + shown)[-RECORDS:]}
            )
            if isinstance(found[-1], Failure):
                self._say(watched, key, found[-1])

    def _begin(self, watched: Watched, key: tuple[str, str], one: LogRecord | Failure) -> None:
        rule = watched.rule
        self._fire(
            key,
            watched,
            message=watched.says(one, self._mask),
            count=rule.count,
            records=[shown_record(one)] if isinstance(one, LogRecord) else self._errors_before(one.run, RECENT_US),
            query=rule.records or "",
            run=None if one.run is None else str(one.run),
            pid=one.pid,
        )

    async def keep_looking(self) -> None:
        """Look, and ask the store for records that no live record can be tried for, for as long as the agent runs."""
        while True:
            await asyncio.sleep(LOOK_S)
            for watched in list(self._rules.values()):
                if watched.filter is not None and not watched.filter.streams:
                    await self._ask(watched)
                if watched.wants_past(self._clock()):
                    await self._remember(watched)
            try:
                await asyncio.to_thread(self._rates.ask, self._now())
            except REPORTED as error:
                log.warning("jobs cannot be looked at: %s", error.message)
            self.look()

    async def _remember(self, watched: Watched) -> None:
        """Read the past of what a rule holds against its usual."""
        now = self._now()
        try:
            limits = self._rates.stuck_after_s
            found = await asyncio.to_thread(past, self._store, self._host(), watched.rule, now, limits)
        except REPORTED as error:
            log.warning("what is usual for the alert %s cannot be read: %s", watched.rule.name, error.message)
            return
        watched.remember(found, self._clock(), now)

    def look(self) -> None:
        """Find out what is over because it did not happen again."""
        for watched in self._rules.values():
            if watched.occurrences is not None and watched.occurrences.look(self._clock()) == "over":
                self._end((watched.rule.name, ""), "nothing more of it")

    async def _ask(self, watched: Watched) -> None:
        """Records that the store has found since it was last asked."""
        rule, now = watched.rule, self._now()
        first = not watched.seen
        since = now - min(RECENT_US, int(max(rule.within_s, 30.0) * 1e6))
        try:
            given = {"query": rule.records or "", "since": str(since)}
            wanted = LogFilter.parse(given, now, self._snapshot.name_of, self._snapshot.paths_of)
            page = await asyncio.to_thread(search.search, self._store, wanted, limit=50)
        except REPORTED as error:
            watched.trouble = error.message
            return
        watched.trouble = ""
        new = [record for record in page.records if watched.is_new(record.id)]
        if first:
            watched.is_new("")
            new = [record for record in new if record.ts >= watched.since]  # what was there before the rule is no news
        new.sort(key=lambda one: one.ts)
        self._happened(watched, new)

    # --- what goes out

    def _fire(self, key: tuple[str, str], watched: Watched, **about: Any) -> None:
        rule = watched.rule
        about["message"] += f" ({watched.allowance.full})" if watched.allowance.full else ""
        alert = Alert(id=uuid.uuid4().hex, rule=rule.name, kind=rule.kind, started=self._now(), **about)
        if rule.notify and self.notifier.wanted:
            alert = alert.model_copy(update={"notified": BEING_SENT})
        self._open[key] = alert
        log.warning("alert %s: %s", rule.name, alert.message)
        details = {"rule": rule.name, "alert": alert.id, "subject": alert.subject}
        run = None if alert.run is None else int(alert.run)
        self._events.tell(f"{PREFIX}{rule.name}", "ALERT", alert.message, pid=alert.pid, run=run, details=details)
        self._keep(key, alert)
        if alert.notified:
            self._send(key, alert)

    def _send(self, key: tuple[str, str], alert: Alert) -> None:
        self.notifier.send(self._notice(alert), partial(self._on_loop, self._notified, key, alert.id))

    def _end(self, key: tuple[str, str], why: str) -> None:
        alert = self._open.pop(key, None)
        if alert is None:
            return
        alert = alert.model_copy(update={"ended": self._now(), "why": why})
        self._ended.append(alert)
        log.info("alert %s is over: %s", alert.rule, why)
        run = None if alert.run is None else int(alert.run)
        details = {"rule": alert.rule, "alert": alert.id}
        self._events.tell(
            f"{PREFIX}{alert.rule}", "STATUS_CHANGE", f"over: {why}", pid=alert.pid, run=run, details=details
        )
        self._keep(key, alert)
        self._tell_end(alert)

    def _keep(self, key: tuple[str, str], alert: Alert) -> None:
        self._writer.note([alert_rows(self._host(), {key[1]: alert})])
        self._changed()

    def _notified(self, key: tuple[str, str], id: str, said: str) -> None:  # noqa: A002 - the field's name
        if (alert := self._open.get(key)) is not None and alert.id == id:
            self._open[key] = alert.model_copy(update={"notified": said})
            self._keep(key, self._open[key])
            return
        for place, alert in enumerate(self._ended):
            if alert.id == id:  # it was over before it was told
                self._ended[place] = told = alert.model_copy(update={"notified": said})
                self._keep(key, told)
                self._tell_end(told)

    def _tell_end(self, alert: Alert) -> None:
        if self._over() and alert.notified == SENT:
            self.notifier.send(self._notice(alert), lambda _said: None)

    def _notice(self, alert: Alert) -> dict[str, Any]:
        """What a notification says."""
        state = "firing" if alert.ended is None else "over"
        head = f"{self._host()}: {alert.rule}" + (" is over" if alert.ended is not None else "")
        said = alert.message if alert.ended is None else f"{alert.message} ({alert.why})"
        return {
            "message": f"{head}: {said}",
            "state": state,
            "host": self._host(),
            "alert": alert.model_dump(mode="json"),
        }

    def _errors_before(self, run: int | None, within_us: int) -> list[AlertRecord]:
        """The newest warnings and errors, of a run if one is given."""
        with self._lock:
            recent = tuple(self._recent)
        least = self._now() - max(within_us, 60_000_000)
        found = [record for record in recent if record.ts >= least and (run is None or record.run == run)]
        return [shown_record(record) for record in found[-RECORDS:]]

    # --- what is asked

    def firing(self) -> list[Alert]:
        """What fires now, the newest first."""
        return sorted(self._open.values(), key=lambda alert: alert.started, reverse=True)

    def brief(self) -> list[dict[str, Any]]:
        """What fires and nobody took note of, for the status of the pages."""
        return [
            {"rule": alert.rule, "message": alert.message, "started": alert.started}
            for alert in self.firing()
            if alert.acknowledged is None and alert.rule not in TOLD_ANYWAY
        ]

    def present(self, stored: Sequence[Alert], filters: Mapping[str, Any]) -> list[Alert]:
        """The alerts of the store as they are now, with those that are on their way there: those that fire first, then the newest.

        Args:
            stored: what the store answered.
            filters: those of `stored_alerts`.
        """
        newest = {alert.id: alert for alert in (*self._ended, *self._open.values())}
        found = {alert.id: alert for alert in stored} | {one.id: one for one in newest.values() if passes(one, filters)}
        shown = [alert for alert in found.values() if not (filters.get("open") and newest.get(alert.id, alert).ended)]
        return sorted(shown, key=lambda one: (one.ended is None, one.started), reverse=True)

    def acknowledge(self, id: str, by: str) -> Alert | None:  # noqa: A002 - the field's name
        """Somebody took note of an alert that fires: it leaves the status, until it fires anew. None if it does not fire."""
        for key, alert in self._open.items():
            if alert.id == id:
                noted = alert.model_copy(update={"acknowledged": self._now(), "acknowledged_by": by})
                self._open[key] = noted
                self._keep(key, noted)
                return noted
        return None

    def rules(self, given: Sequence[AlertRule], *, read_only: bool) -> AlertRules:
        """All rules and how they stand."""
        built_in, own = {rule.name for rule in BUILT_IN}, {rule.name for rule in given}
        firing, at = {name for name, _ in self._open}, self._clock()
        infos = [
            standing(
                rule, self._rules.get(rule.name), at,
                built_in=rule.name in built_in and rule.name not in own, firing=rule.name in firing,
            )
            for rule in in_force(given)
        ]  # fmt: skip
        metrics = [
            AlertMetricInfo(name=one.name, label=one.label, unit=one.unit, of=one.of) for one in METRICS.values()
        ]
        return AlertRules(rules=infos, metrics=metrics, notifications=self.notifier.about(), read_only=read_only)
