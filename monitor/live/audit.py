"""The audit: every action of a person on a service or process goes to the store, and to the events on the time axis."""

import logging
from collections.abc import Callable
from typing import Any

from monitor.api_models.actions import Action
from monitor.live.process_events import ProcessEvents
from monitor.store.actions import action_rows
from monitor.store.writer import StoreWriter

log = logging.getLogger("watchkeeper.audit")
DONE = "done"


class Audit:
    """Records actions. On the event loop.

    Args:
        writer: the queue of the store; rows of this kind are never dropped.
        events: takes each action as an event, too.
        host: the machine's name in the store.
        now: microseconds since the epoch.
    """

    def __init__(
        self, writer: StoreWriter, events: ProcessEvents, host: Callable[[], str], now: Callable[[], int]
    ) -> None:
        self._writer, self._events, self._host, self._now = writer, events, host, now

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
