"""What the routes need of the agent, as one value."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from monitor.live import Hub
from monitor.settings import Settings
from monitor.store.interface import Store
from monitor.world import World


class Engines(Protocol):
    """The model engines as last looked at."""

    def newest(self) -> dict[str, Any]:
        """`{"checked": µs | None, "engines": […]}`."""
        ...

    async def refresh(self) -> dict[str, Any]:
        """Look now; the same shape."""
        ...


@dataclass(frozen=True)
class Context:
    """Collaborators of the routes.

    Attributes:
        logs: the `LogService`, None until the machine is known.
        ai: the engines at work, an `ai.service.AiThread`.
        status: builds `GET /v1/status`; asks the store, so not for the event loop. `about` is what needs no asking.
        settings: the settings in force now; `save` changes them (blocking) and applies what can be applied at once;
            `restart_needed` names saved keys that wait for the next start.
        shutdown: asks the agent to end.
        now: microseconds since the epoch.
        token: what a request must carry where the agent listens on a port.
    """

    host: Callable[[], str]
    world: World
    store: Store
    hub: Hub
    logs: Callable[[], Any]
    engines: Engines
    ai: Any
    status: Callable[[], dict[str, Any]]
    about: Callable[[], dict[str, Any]]
    settings: Callable[[], Settings]
    save_settings: Callable[[Mapping[str, Any]], Awaitable[None]]
    restart_needed: Callable[[], list[str]]
    shutdown: Callable[[], None]
    now: Callable[[], int]
    token: str | None = None
