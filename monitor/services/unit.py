"""One service as the agent knows it: its settings, its shim's last word, and what somebody asked for."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from logs import Generations, Holder
from monitor.api_models.events import EventType
from monitor.api_models.services import Service, State
from monitor.config.services import ServiceSettings, next_run
from monitor.core.exit_words import ended_with, failed
from monitor.services.folder import ServiceFolder, active, hash_of
from monitor.services.link import Link, Wish

log = logging.getLogger("watchkeeper.services")
LOST = "its supervising process was lost; how it ended is unknown"
_UP = frozenset({"starting", "running", "stopping"})
UNKNOWN_GRACE_S = 60.0
"""Of a service that is no longer in the settings."""
RunOf = Callable[[int, int | None], int | None]
"""The run of a process by its pid and, where that is known, its start tick; also once it has ended."""


@dataclass(eq=False)
class Unit:
    """One service.

    Attributes:
        settings: None once it was removed from the settings while it runs.
        state: what its shim said last; None if it was not started in this boot.
        link: the connection to its shim; None without one.
        requested: whether it is to be started as soon as what it depends on is ready. With a shim: if that ends before it has heard of the wish.
        wish: what somebody asked for last, until its shim has heard it.
        launching: whether its shim is being started.
        trouble: why its shim could not be started.
        due: next run of its schedule, seconds since the epoch.
        leaving: whether it was removed, and stopped for that.
        told: the number of the last event of its shim that told of an end, as far as others know of it.
    """

    folder: ServiceFolder
    settings: ServiceSettings | None
    state: dict[str, Any] | None = None
    link: Link | None = None
    requested: bool = False
    wish: Wish | None = None
    launching: bool = False
    trouble: str = ""
    due: float | None = None
    lost: bool = False
    leaving: bool = False
    told: int = 0
    _kept_waiting: bool | None = None
    _lives: tuple[object, list[Holder]] = field(default=(None, []), repr=False)
    _files: tuple[object, Generations | None] = field(default=(None, None), repr=False)

    @property
    def name(self) -> str:
        """Its name."""
        return self.folder.name

    @property
    def word(self) -> State:
        """Its state in a word."""
        known: State = (self.state or {}).get("state", "stopped")
        if self.link is not None:
            return known if self.state else "starting"
        if self.requested and not self.launching:
            return "waiting"
        if self.trouble or self.lost:
            return "failed"
        if self.launching or active(self.state):
            return "starting"  # or its shim was not heard yet, or is lost and being replaced
        return known if self.due is None else "scheduled"

    @property
    def life(self) -> tuple[str, int | None, int | None]:
        """Its state in a word, its main process, and when the last one began: what is another, others are told of."""
        state = self.state or {}
        return self.word, state.get("pid"), state.get("started")

    @property
    def stands(self) -> str:
        """Its state as its shim said it last, and why."""
        state = self.state or {}
        return f"{state.get('state', 'stopped')}{f' ({why})' if (why := state.get('reason')) else ''}"

    @property
    def grace_s(self) -> float:
        """How long it may take to end after it was asked to."""
        return self.settings.stop_grace_s if self.settings else UNKNOWN_GRACE_S

    @property
    def satisfied(self) -> bool:
        """Whether services that depend on it may start: it is ready, or has done its work."""
        return self.word in {"running", "exited"}

    @property
    def is_up(self) -> bool:
        """Whether its shim keeps it still. One that has said that it is over is only about to go: a start waits for that."""
        return self.link is not None and (self.state is None or active(self.state))

    def is_renamed(self, other: "Unit") -> bool:
        """Whether this is what another was, which is removed and being stopped: the two would want the same port."""
        return self.settings is not None and self.settings.words == other.folder.command

    def lives(self, run_of: RunOf) -> list[Holder]:
        """The last processes that it was, up to the one whose output may stand in its file already; the same list as long as nothing changed. From any thread.

        The shim says in a file what it started before it writes any of its output; its message may still be on the way.
        """
        seen, known = self._lives
        if (now := self.folder.state_version()) != seen or any(life.run is None for life in known):
            known = _lives(self.folder.state() or {}, run_of)
            self._lives = now, known
        return known

    def files(self) -> Generations | None:
        """Where in its output each file begins; None of a shim of an earlier version. From any thread."""
        seen, known = self._files
        if (now := self.folder.state_version()) != seen:
            known = _files(self.folder.state() or {})
            self._files = now, known
        return known

    def plan(self, now: float) -> None:
        """Find the next run of its schedule after `now`, seconds since the epoch."""
        schedule = self.settings.schedule if self.settings and not self.folder.was_stopped else ""
        self.due = next_run(schedule, datetime.fromtimestamp(now).astimezone()).timestamp() if schedule else None

    def run_now(self, run_of: RunOf) -> int | None:
        """The run of its main process; None while there is none."""
        state = self.state or {}
        return run_of(pid, state.get("start_tick")) if self.link and (pid := state.get("pid")) else None

    def shim_now(self, run_of: RunOf) -> int | None:
        """The run of its shim; None while there is none."""
        return run_of(pid, None) if self.link and (pid := (self.state or {}).get("shim")) else None

    def shown(self, *, mask: Callable[[Sequence[str]], str], run_of: RunOf, waits: str, needed_by: list[str]) -> Service:  # fmt: skip
        """It as the API shows it."""
        state, settings = self.state or {}, self.settings
        word, pid = self.word, state.get("pid") if self.link else None
        run = self.run_now(run_of)
        reason = LOST if self.lost else self.trouble or (waits if word == "waiting" else state.get("reason", ""))
        began = self.settings is not None and state.get("spec") not in {None, hash_of(self.settings)}
        over = [life for life in self.lives(run_of) if run is None or life.run != run]
        ended = max(over, key=lambda life: life.since, default=None)
        ended_run = None if ended is None else ended.run
        last_run = ended_run if run is None else run
        return Service(
            name=self.name,
            state=word,
            reason="" if word == "scheduled" else reason,
            since=state.get("since"),
            pid=pid,
            run=None if run is None else str(run),
            last_run=None if last_run is None else str(last_run),
            ended_run=None if ended_run is None else str(ended_run),
            started=state.get("started"),
            restarts=state.get("restarts", 0),
            unanswered=state.get("unanswered", 0) if word == "running" else 0,
            exit_code=state.get("exit_code"),
            exit_signal=state.get("exit_signal"),
            ended_with=_ended(state, reason),
            next_start=state.get("next_start") if word == "backoff" else None,
            next_run=None if self.due is None else int(self.due * 1e6),
            schedule=settings.schedule if settings else "",
            restart=settings.restart if settings else "",
            autostart=settings.autostart if settings else False,
            command=_command(settings, mask) if settings else "",
            directory=settings.directory if settings else "",
            depends_on=settings.depends_on if settings else [],
            needed_by=needed_by,
            configured=settings is not None,
            changed=self.link is not None and began,
            source=self.name,
            output=str(self.folder.output),
            output_lost=state.get("output_lost", 0),
        )

    def hear(self, state: dict[str, Any]) -> None:
        """Take what its shim says."""
        self.state = state
        if self.wish is None or state.get("heard") != self.wish.id:
            return
        if self.wish.do != "stop" and not active(state):
            return  # too late: it starts once the shim has gone
        self.wish = None
        self.requested = False

    def keep_waiting(self) -> None:
        """Write down whether it waits for what it depends on, so that the next agent knows it."""
        waits = self.word == "waiting"
        if waits != self._kept_waiting:
            self._kept_waiting = waits
            try:
                self.folder.keep_waiting(waits)
            except OSError as error:
                log.warning("that service %s waits cannot be written down: %s", self.name, error)

    def take_up_waiting(self, *, again: bool) -> None:
        """Wait on, where the agent before this one was told to start it, if this one begins `again`."""
        if again and self.link is None and self.settings is not None and not self.folder.was_stopped:
            self.requested = self.requested or self.folder.waits

    def is_due(self, now: float) -> bool:
        """Whether the time of its next run has come."""
        return self.due is not None and now >= self.due


def _ended(state: dict[str, Any], reason: str) -> str | None:
    """How it ended last and, where that was its shim's doing and `reason` does not say so, why."""
    said, why = ended_with(state.get("exit_code"), state.get("exit_signal")), state.get("ended_for", "")
    return f"{why}; {said}" if why and not (reason and why.startswith(reason)) else said


def _command(settings: ServiceSettings, mask: Callable[[Sequence[str]], str]) -> str:
    """As it is set; with secrets hidden, its words."""
    shown = mask(settings.words)
    return settings.line if shown == " ".join(settings.words) else shown


def events_between(before: Service, now: Service, said: str = "") -> Iterator[tuple[EventType, str, Service]]:
    """The events that lead from one look at a service to the next, in words, each with the service as it was then. States that only pass are none.

    `said` is what it said before it failed.
    """
    last = f": {said}" if said else ""
    ends = _ends(now) - _ends(before)  # a loop may be faster than the looks
    ended = f"ended {ends} times" if ends > 1 else "ended"
    if ends > 0 and now.state in {"starting", "running"}:  # at once, so that no state tells it
        yield "STATUS_CHANGE", f"{ended}: {now.ended_with or 'how is unknown'}{last}; is started again", before
    if now.state == "scheduled" and (now.started != before.started or before.state in _UP):
        bad = failed(now.exit_code, now.exit_signal, None)  # its run was over before anybody looked
        yield (
            ("ERROR" if bad else "COMPLETE"),
            f"{'failed' if bad else 'ended'}: {now.ended_with or 'how is unknown'}{last}",
            now,
        )
    why = f": {now.reason}" if now.reason else ""
    events: dict[str, tuple[EventType, str]] = {
        "running": ("START", f"restarted ({now.restarts})" if now.restarts else "started"),
        "backoff": ("STATUS_CHANGE", f"{ended}{why}{last}; starts again after a pause"),
        "stopped": ("STOP", f"stopped{why}"),
        "exited": ("COMPLETE", f"ended{why}"),
        "failed": ("ERROR", f"{now.reason if now.reason.startswith('failed') else f'failed{why}'}{last}"),
    }
    if now.state in events:
        yield *events[now.state], now


def _ends(service: Service) -> int:
    """How many of its processes are over since its shim began."""
    return service.restarts + (service.state in {"backoff", "failed", "stopped", "exited"})


def _lives(state: dict[str, Any], run_of: RunOf) -> list[Holder]:
    """The processes that a shim says it started, with the parts of its output that they wrote; of a shim of an earlier version the one that runs."""
    found: dict[int, Holder] = {}
    for _, pid, tick, began, inode, offset in state.get("output", []):
        life = found.get(began) or Holder(pid, run_of(pid, tick), began, "", 0)
        found[began] = replace(life, wrote=(*life.wrote, (inode, offset)))
    pid, began = state.get("pid"), state.get("started")
    if pid and began and began not in found:
        found[began] = Holder(pid, run_of(pid, state.get("start_tick")), began, "", 0)
    return list(found.values())


def _files(state: dict[str, Any]) -> Generations | None:
    account = state.get("account")
    if account is None:
        return None
    return Generations([(inode, begin) for inode, begin in account["files"]], account["gone"], account["since"])
