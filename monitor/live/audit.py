"""The audit: every action of a person on a service or process goes to the store, and to the events on the time axis; so does one that was refused."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from monitor.api_models.actions import REFUSED, Action
from monitor.live.process_events import ProcessEvents
from monitor.store.actions import action_rows
from monitor.store.writer import StoreWriter

log = logging.getLogger("watchkeeper.audit")
DONE = "done"
WINDOW_S: Final = 60.0
"""Equal refusals of such a time are one row, and a second that counts them."""
MOST_AN_HOUR: Final = 200
"""So many rows about refusals in an hour; what is beyond is counted, and told once in ten minutes."""
BEYOND_S: Final = 600.0
HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What was refused to whom, or failed. Equal ones are counted."""

    action: str
    target: str
    actor: str
    outcome: str
    pid: int | None
    run: int | None


class Audit:
    """Records actions. On the event loop.

    Args:
        writer: the queue of the store; rows of this kind are never dropped.
        events: takes each action as an event, too.
        host: the machine's name in the store.
        now: microseconds since the epoch.
        later: calls a function after so many seconds.
    """

    def __init__(
        self,
        writer: StoreWriter,
        events: ProcessEvents,
        host: Callable[[], str],
        now: Callable[[], int],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._writer, self._events, self._host, self._now, self._later = writer, events, host, now, later
        self._repeated: dict[_Refusal, int] = {}
        """Of those that were just told, how often they came again."""
        self._told: deque[int] = deque()
        self._beyond = 0

    def record(
        self,
        action: str,
        target: str,
        *,
        actor: str,
        outcome: str = DONE,
        pid: int | None = None,
        run: int | None = None,
        **details: Any,
    ) -> None:
        """Record what `actor` did to `target`, and what came of it (`done`, or why not)."""
        said = Action(
            ts=self._now(),
            actor=actor,
            action=action,
            target=target,
            pid=pid,
            run=None if run is None else str(run),
            outcome=outcome,
            details=details,
        )
        log.info("%s %s by %s: %s", action, target, actor or "somebody", outcome)
        self._writer.note([action_rows(self._host(), said)])
        words = f"{action} by {actor or 'somebody'}: {outcome}"
        self._events.tell(target, "STATUS_CHANGE", words, pid=pid, run=run, details={"actor": actor, **details})

    def undone(
        self, action: str, target: str, *, actor: str, outcome: str, pid: int | None = None, run: int | None = None
    ) -> None:
        """Record what `actor` wanted and why it came to nothing. Who asks again and again fills neither the store nor the log: that is counted."""
        refusal = _Refusal(action, target, actor, outcome, pid, run)
        if refusal in self._repeated:
            self._repeated[refusal] += 1
            return
        if not self._is_room():
            if not self._beyond:
                self._later(BEYOND_S, self._tell_beyond)
            self._beyond += 1
            return
        self._repeated[refusal] = 0
        self._tell(refusal)
        self._later(WINDOW_S, lambda: self._close(refusal))

    def close(self) -> None:
        """Record what was only counted so far."""
        for refusal in list(self._repeated):
            self._close(refusal)
        self._tell_beyond()

    def _is_room(self) -> bool:
        since = self._now() - HOUR_US
        while self._told and not since < self._told[0] <= since + HOUR_US:  # the clock may have been set back
            self._told.popleft()
        return len(self._told) < MOST_AN_HOUR

    def _tell(self, refusal: _Refusal, again: str = "") -> None:
        self._told.append(self._now())
        self.record(
            refusal.action,
            refusal.target,
            actor=refusal.actor,
            outcome=refusal.outcome + again,
            pid=refusal.pid,
            run=refusal.run,
        )

    def _close(self, refusal: _Refusal) -> None:
        if times := self._repeated.pop(refusal, 0):
            self._tell(refusal, f" ({times:,} times more)")

    def _tell_beyond(self) -> None:
        times, self._beyond = self._beyond, 0
        if times:
            self.record("requests", "", actor="", outcome=f"{REFUSED}too many to list, {times:,} in ten minutes")
