"""Watches the sampler's messages for events of the processes that are of interest, and records them and those of programs.

An event goes to the store, to the live subscribers and to `process_events.log`. A process is announced once it has lived for a
moment (`events.least_s`): what is over sooner is the work of a script, and no news. Everything here is on the event loop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from monitor.api_models.events import EventType, Performance, ProcessEvent
from monitor.config.sections import EventSettings
from monitor.core.process_title import title_of
from monitor.lifecycle.events import ProcessEventTracker
from monitor.lifecycle.failures import RecentFailures
from monitor.lifecycle.interest import Interest, is_failed_script, is_fault, is_part_of, is_watchkeeper
from monitor.live.event_log import EventLog
from monitor.live.hub import Hub
from monitor.live.snapshot import Columns, Snapshot, known, number, status_word
from monitor.metrics.messages import Lives, RunEnd, RunInfo, Tick
from monitor.store.process_events import event_rows
from monitor.store.writer import StoreWriter

MOST_AT_ONCE: Final = 100
"""Events of one sample; those beyond are counted. A fork bomb must not fill the store."""
COMMAND_CHARS: Final = 500
_ODD: Final = {ord("T"): 1.5, ord("t"): 1.5, ord("Z"): 5.0, ord("D"): 30.0}
"""States that are worth telling, and for how many seconds a process must be in one: shorter waits for a disk are ordinary."""
_CODES: Final = np.array(list(_ODD), np.int8)


@dataclass(slots=True)
class _Odd:
    """A process in such a state, since when (µs), and whether that was told."""

    code: int
    since: int
    told: bool = False


class ProcessEvents:
    """The source of all events.

    Args:
        snapshot: the state before the sample that is looked at.
        hub: the live subscribers.
        writer: the queue of the store.
        file: `process_events.log`.
        settings: those in force.
        own_pids: Watchkeeper's own processes; they and their children are no news.
        engine_of: the model engine that a run serves, in words; the end of one is always told.
        engine_ended: called at that end with the run, how it ended (None: not known), and when, in µs.
        began: called with each process that begins, or begins another program.
        told: gets all events.
        host: the machine's name in the store.
        mask: hides secrets in what programs tell.
    """

    def __init__(
        self,
        *,
        snapshot: Snapshot,
        hub: Hub,
        writer: StoreWriter,
        file: EventLog,
        settings: Callable[[], EventSettings],
        own_pids: Callable[[], set[int]],
        host: Callable[[], str],
        mask: Callable[[str], str],
        engine_of: Callable[[int], str | None] = lambda _run: None,
        engine_ended: Callable[[int, str | None, int], None] = lambda _run, _said, _ts: None,
        began: Callable[[RunInfo], None] = lambda _info: None,
        told: Callable[[Sequence[ProcessEvent]], None] = lambda _events: None,
    ) -> None:
        self._engine_of, self._engine_ended, self._began, self._told = engine_of, engine_ended, began, told
        self._mask = mask
        self._snapshot, self._hub, self._writer, self._file = snapshot, hub, writer, file
        self._settings, self._own_pids, self._host = settings, own_pids, host
        self._tracker = ProcessEventTracker(self._collect)
        self._batch: list[ProcessEvent] = []
        self._most, self._early = MOST_AT_ONCE, 0
        self._interest: tuple[EventSettings, Interest] | None = None
        self._first: int | None = None
        self._ours: set[int] = set()
        self._waiting: dict[int, RunInfo] = {}
        """Runs that are announced once they have lived long enough."""
        self._announced: dict[int, RunInfo] = {}
        self._odd: dict[int, _Odd] = {}
        self.left_out = 0
        self.failures = RecentFailures()

    def masked(self, text: str) -> str:
        """A text of a program, its secrets hidden."""
        return self._mask(text)

    def accept(self, event: ProcessEvent) -> ProcessEvent:
        """Record an event that a program tells. Returns it with the run and the readings of its process, as far as they are known."""
        run = event.run or (None if event.pid is None else self._snapshot.run_of_pid(event.pid))
        performance = event.performance or (None if run is None else _performance(self._snapshot.columns, int(run)))
        told = {"run": None if run is None else str(run), "performance": performance, "origin": "program"}
        told |= {"process_name": self.masked(event.process_name), "details": _masked(event.details, self._mask)}
        whole = event.model_copy(update=told)
        self._collect(whole)
        self._flush()
        return whole

    def tell(
        self,
        name: str,
        kind: EventType,
        message: str,
        *,
        pid: int | None = None,
        run: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        """Record an event that another part of the agent saw: what a person did, what became of a service."""
        run = self._snapshot.run_of_pid(pid) if run is None and pid is not None else run
        performance = None if run is None else _performance(self._snapshot.columns, run)
        told = {key: value for key, value in (details or {}).items() if value not in {None, ""}}
        self._tracker.log(name, kind, message, pid=pid, run=run, details=told, performance=performance)
        self._flush()

    def take(self, tick: Tick) -> None:
        """Find the events of a sample, before the snapshot accepts it."""
        if self._first is None:
            self._first = tick.ts
        settings, interest = self._wanted()
        self._early = 0
        self._missed(tick)
        self._ends(tick, interest, settings.least_s)
        self._births(tick, interest)
        self._announce(tick, interest, settings.least_s)
        self._states(tick, interest)
        self._flush()

    def take_early(self, lives: Lives) -> None:
        """Find the events of what ended between two samples, before the snapshot accepts it."""
        settings, interest = self._wanted()
        self._most = MOST_AT_ONCE - self._early
        self._ends(lives, interest, settings.least_s)
        self._early += len(self._batch)
        self._flush(gather=True)
        self._most = MOST_AT_ONCE

    def _wanted(self) -> tuple[EventSettings, Interest]:
        settings = self._settings()
        if self._interest is None or self._interest[0] is not settings:
            made = Interest(self._snapshot.uid, own=settings.own, patterns=settings.patterns, exclude=settings.exclude)
            self._interest = (settings, made)
        return self._interest

    # --- what a sample tells

    def _missed(self, tick: Tick) -> None:
        """After a restart of the sampler, the first sample has all processes: those that are not in it ended unseen."""
        if self._snapshot.runs:
            return
        there = {info.run for info in tick.born}
        for run in [run for run in self._announced if run not in there]:
            self._ended(self._announced.pop(run), None, tick.ts)
        self._waiting = {run: info for run, info in self._waiting.items() if run in there}
        self._odd.clear()

    def _ends(self, tick: Tick | Lives, interest: Interest, least_s: float) -> None:
        told = {end.run: end for end in tick.ends}
        named = {info.run: info for info in tick.born}
        for run in tick.gone:
            info, end = named.get(run) or self._snapshot.runs.get(run), told.get(run)
            self._waiting.pop(run, None)
            self._odd.pop(run, None)
            announced = self._announced.pop(run, None) is not None
            if info is None:
                continue
            if announced or self._is_news(info, end, tick.ts, interest, least_s):
                if not announced:
                    self._begun(info, end, tick.ts, interest, least_s)
                self._ended(info, end, tick.ts)
            self._ours.discard(info.pid)
        for info in tick.brief:
            end = told.get(info.run)
            if self._is_news(info, end, tick.ts, interest, least_s):
                self._begun(info, end, tick.ts, interest, least_s)
                self._ended(info, end, tick.ts)

    def _is_news(self, info: RunInfo, end: RunEnd | None, now: int, interest: Interest, least_s: float) -> bool:
        """Whether the end of a process that was not announced is told: it was there before the watch began, a fault ended it, or a script failed at once."""
        if self._engine_of(info.run) is not None:
            return True
        ours = info.pid in self._ours or info.ppid in self._ours or is_watchkeeper(info)
        if ours or not interest.wanted(info):
            return False
        if interest.named(info) or is_fault(end):
            return True
        if is_failed_script(info, end) and not self._is_part(info):
            return True
        lived = ((now if end is None else end.ts) - info.start_ts) / 1e6
        return lived >= least_s and not self._is_part(info)

    def _births(self, tick: Tick, interest: Interest) -> None:
        own = self._own_pids()
        for info in tick.born:
            self._began(info)
            if own & {info.pid, info.ppid} or info.ppid in self._ours or is_watchkeeper(info):
                self._ours.add(info.pid)
                continue
            before = self._snapshot.runs.get(info.run)
            if before is not None and info.run in self._announced:
                self._announced[info.run] = info
                self._became(before, info, tick.ts)
            elif (before is not None and info.run in self._waiting) or (
                (before is None or info.cmdline != before.cmdline)
                and info.start_ts >= (self._first or 0)
                and info.run not in self._announced
                and interest.wanted(info)
            ):
                self._waiting[info.run] = info

    def _announce(self, tick: Tick, interest: Interest, least_s: float) -> None:
        due = [
            info for info in self._waiting.values() if tick.ts - info.start_ts >= least_s * 1e6 or interest.named(info)
        ]
        for info in due:
            del self._waiting[info.run]
            if not interest.wanted(info) or (self._is_part(info) and not interest.named(info)):
                continue
            self._announced[info.run] = info
            self._started(info)

    def _begun(self, info: RunInfo, end: RunEnd | None, now: int, interest: Interest, least_s: float) -> None:
        """Tell when a process began that ended before it was announced: it lived long enough, but no sample saw it so old."""
        lived = ((now if end is None else end.ts) - info.start_ts) / 1e6
        if info.start_ts >= (self._first or 0) and (lived >= least_s or interest.named(info)):
            self._started(info)

    def _started(self, info: RunInfo) -> None:
        parent = self._parent(info)
        told: dict[str, Any] = {
            "user": info.user,
            "parent": parent and title_of(parent.name, parent.cmdline, parent.member),
        }
        self._tracker.log_process_start(
            title_of(info.name, info.cmdline, info.member), **self._about(info, told), timestamp=info.start_ts
        )

    def _became(self, before: RunInfo, info: RunInfo, ts: int) -> None:
        was, now = title_of(before.name, before.cmdline), title_of(info.name, info.cmdline)
        if was != now:
            words = f"began another program; it was {was}"
            self._status(info, words, ts)

    def _states(self, tick: Tick, interest: Interest) -> None:
        """Tell of processes that are stopped, traced, dead but not reaped, or stuck in the kernel, and that they are no longer."""
        codes = np.frombuffer(tick.runs.status, np.int8)
        runs = np.frombuffer(tick.runs.run, np.int64)
        odd = np.flatnonzero(np.isin(codes, _CODES))
        now = {int(runs[i]): int(codes[i]) for i in odd}
        for run, seen in list(self._odd.items()):
            if now.get(run) != seen.code:
                del self._odd[run]
                info = self._snapshot.runs.get(run)
                if seen.told and info is not None and run not in now:
                    word, lasted = status_word(seen.code), (tick.ts - seen.since) / 1e6
                    self._status(info, f"running again after {lasted:,.0f} s ({word})", tick.ts)
        for run, code in now.items():
            seen = self._odd.setdefault(run, _Odd(code, tick.ts))
            info = self._snapshot.runs.get(run)
            if seen.told or info is None or tick.ts - seen.since < _ODD[code] * 1e6:
                continue
            if info.pid not in self._ours and interest.wanted(info):
                seen.told = True
                self._status(info, status_word(code) or "unknown", seen.since)

    def _status(self, info: RunInfo, status: str, ts: int) -> None:
        self._tracker.log_process_status(
            title_of(info.name, info.cmdline, info.member), status, **self._about(info), timestamp=ts
        )

    def _ended(self, info: RunInfo, end: RunEnd | None, now: int) -> None:
        ts = now if end is None else end.ts
        told: dict[str, Any] = {"lived_s": round((ts - info.start_ts) / 1e6, 3)}
        engine = self._engine_of(info.run)
        if engine is not None:
            said = None if end is None else end.said()
            told |= {"engine": engine, "message": f"model engine {engine} {said or 'ended, exit code unknown'}"}
            self._engine_ended(info.run, said, ts)
        more = self._about(info, told)
        self._tracker.log_process_completion(
            title_of(info.name, info.cmdline, info.member),
            exit_code=None if end is None else end.exit_code,
            signal=None if end is None else end.exit_signal,
            out_of_memory=end is not None and end.out_of_memory,
            memory_group=None if end is None else end.memory_group,
            memory_limit=None if end is None else end.memory_limit,
            asked=None if end is None else end.asked,
            timestamp=ts,
            **more,
        )

    # --- about a process

    def _about(self, info: RunInfo, told: dict[str, Any] | None = None) -> dict[str, Any]:
        """What every event of a process has."""
        details = {"command": info.cmdline[:COMMAND_CHARS], **(told or {})}
        performance = _performance(self._snapshot.columns, info.run)
        return {"details": details, "performance": performance, "pid": info.pid, "run": info.run}

    def _parent(self, info: RunInfo) -> RunInfo | None:
        run = self._snapshot.run_of_pid(info.ppid)
        return None if run is None else self._snapshot.runs.get(run)

    def _is_part(self, info: RunInfo) -> bool:
        return is_part_of(info, self._parent(info))

    # --- handing on

    def _collect(self, event: ProcessEvent) -> None:
        if len(self._batch) < self._most:
            self._batch.append(event)
        else:
            self.left_out += 1

    def _flush(self, *, gather: bool = False) -> None:
        """Hand the events on. If `gather`, their rows wait for those of the next sample, or for somebody who asks: a storm of short
        lives brings some twenty times a second.
        """
        events, self._batch = self._batch, []
        if not events:
            return
        host = self._host()
        if gather:
            self._writer.samples(lambda: [event_rows(host, events)], count=0, lives="over")
        else:
            self._writer.note([event_rows(host, events)])
        self.publish(events)

    def publish(self, events: Sequence[ProcessEvent]) -> None:
        """Tell of events that are stored, or on their way there."""
        self._writer.maintenance(lambda _store: self._file.write(events))
        self._hub.publish_events(list(events))
        self.failures.take(events)
        self._told(events)


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    """What a program tells, with secrets in texts hidden."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {name: _masked(one, mask) for name, one in value.items()}
    return [_masked(one, mask) for one in value] if isinstance(value, list) else value


def _performance(columns: Columns | None, run: int) -> Performance | None:
    """The newest readings of a run; None without any."""
    runs = () if columns is None else columns.column("run")
    place = next((i for i, number_ in enumerate(runs) if number_ == run), None)
    if columns is None or place is None:
        return None
    at = {name: columns.column(name)[place] for name in _READ}
    used = number(at["cpu_user_s"] + at["cpu_system_s"], 2)
    return Performance(
        cpu_pct=number(at["cpu_pct"]),
        cpu_seconds=used,
        rss=known(at["rss"]),
        threads=known(at["threads"]),
        read_bps=number(at["read_bps"], 0),
        write_bps=number(at["write_bps"], 0),
        fds=known(at["fds"]),
    )


_READ: Final = ("cpu_pct", "cpu_user_s", "cpu_system_s", "rss", "threads", "read_bps", "write_bps", "fds")
