"""What the routes need from the agent."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from logs import OwnFormats
from monitor.api_models.services import Service
from monitor.api_models.status import Status
from monitor.config.saved_searches import SavedSearches
from monitor.config.settings import Settings
from monitor.core.this_process import ahead
from monitor.health.alerts import Alerts
from monitor.live.asked import Asked
from monitor.live.audit import Audit
from monitor.live.hub import Hub
from monitor.live.process_events import ProcessEvents
from monitor.live.snapshot import Snapshot
from monitor.live.unstored import Ended, UnstoredEnds
from monitor.services.supervisor import Supervisor
from monitor.store.interface import Store

T = TypeVar("T")


class Engines(Protocol):
    """The model engines at their last check."""

    def newest(self) -> dict[str, Any]:
        """`{"checked": µs | None, "engines": […]}`."""
        ...

    async def refresh(self) -> dict[str, Any]:
        """Check now; returns the same shape."""
        ...


@dataclass(frozen=True)
class Context:
    """Collaborators of the routes.

    Attributes:
        unstored: the newest ended runs, above all those that are on their way to the store.
        store_ends: stores the ends of processes that are known but wait to be stored; blocking.
        logs: the `LogService`, None until the machine is known.
        jobs: the spool folder, and why jobs cannot be read now.
        ai: the engines at work, an `ai.service.AiThread`.
        gateway: the process that answers other programs, a `monitor.agent.gateway.GatewayProcess`; `gateway_records` keeps its calls, `gateway_texts` what was said in them.
        status: builds `GET /v1/status`; asks the store, so not for the event loop. `about` is what needs no asking.
        settings: the settings in force now; `save` changes them (blocking) and applies what can be applied at once;
            `restart_needed` names saved keys that wait for the next start.
        asked: knows whose wish it is that a process ends.
        services: those that are kept running; `last_words` is what one said before it failed; `audit` records what people do to them and to processes;
            `own_pids` are Watchkeeper's processes.
        alerts: watches the rules of alerts; `save_alert` changes one, or removes it.
        log_formats: the formats that people described; `reread_formats` makes the followed files be read by them.
        searches: the searches of logs that people saved.
        shutdown: asks the agent to end.
        now: microseconds since the epoch.
        token: what a request must carry where the agent listens on a port.
    """

    host: Callable[[], str]
    snapshot: Snapshot
    store: Store
    unstored: UnstoredEnds
    store_ends: Callable[[], None]
    hub: Hub
    events: ProcessEvents
    alerts: Alerts
    logs: Callable[[], Any]
    engines: Engines
    jobs: Callable[[], tuple[str, str]]
    ai: Any
    gateway: Any
    gateway_records: Any
    gateway_texts: Any
    status: Callable[[], Status]
    about: Callable[[], dict[str, Any]]
    settings: Callable[[], Settings]
    save_settings: Callable[[Mapping[str, Any]], Awaitable[None]]
    save_alert: Callable[[str, Mapping[str, Any] | None], Awaitable[None]]
    log_formats: OwnFormats
    reread_formats: Callable[[], Awaitable[None]]
    searches: SavedSearches
    services: Supervisor
    last_words: Callable[[Service], str | None]
    audit: Audit
    asked: Asked
    own_pids: Callable[[], set[int]]
    restart_needed: Callable[[], list[str]]
    shutdown: Callable[[], None]
    now: Callable[[], int]
    token: str | None = None

    def with_ends(self, ask: Callable[[], T], *, short: bool = False) -> T:
        """What `ask` answers once the ends that are known are stored. Blocking. If it is `short` and starts no process, it goes ahead of others."""
        with ahead():
            self.store_ends()
            if short:
                return ask()
        return ask()

    def with_coming(self, ask: Callable[[Sequence[Ended], bool], T], since: int | None) -> T:
        """What `ask` answers, given ended runs that need no store: all since that time (µs), and True, or those that are on their way to it, and False.

        Blocking, and short: it goes ahead of others.
        """
        with ahead():
            if since is not None and (found := self.unstored.since(since)) is not None:
                return ask(found, True)
            if not self.unstored.whole:
                self.store_ends()
            return ask(self.unstored.ended(), False)
