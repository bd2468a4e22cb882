"""The part of the client about services, actions on processes, and the audit table."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from monitor.api_models.actions import Actions, ProcessActed
from monitor.api_models.services import Service, ServiceDetail, Services
from monitor.client.parsing import Params, name_part, parsed, path_part

if TYPE_CHECKING:
    from monitor.client.client import Client

STOP_S = 3700.0
"""Deadline of a stop: a service may have an hour to end."""


class ServicesClient:
    """`client.services`. Where `by` is taken, it says who asks, for the audit table."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def all(self) -> Services:
        """All services and their states."""
        return self._client.get(Services, "/v1/services")

    def one(self, name: str) -> ServiceDetail:
        """One service with its settings and its newest events."""
        return self._client.get(ServiceDetail, f"/v1/services/{name_part(name)}")

    def start(self, name: str, *, by: str = "") -> Service:
        """Start it, and what it depends on."""
        return self._act(name, "start", by)

    def stop(self, name: str, *, by: str = "") -> Service:
        """Stop it; returns once all its processes are gone."""
        return self._act(name, "stop", by)

    def restart(self, name: str, *, by: str = "") -> Service:
        """Stop and start it, with its settings as they are now."""
        return self._act(name, "restart", by)

    def save(self, name: str, settings: Mapping[str, Any], *, by: str = "", new: bool = False) -> Service:
        """Add it, or change the given settings; None restores a default. `Refused.problems` has one sentence per wrong key; one of them is that there is
        such a service, where it is to be `new`.
        """
        body = {"settings": dict(settings), "by": by, "new": new}
        return parsed(Service, self._client.request("PUT", f"/v1/services/{name_part(name)}", body=body))

    def remove(self, name: str, *, by: str = "") -> None:
        """Remove it from the settings, and stop it."""
        self._client.request("DELETE", f"/v1/services/{name_part(name)}", body={"by": by})

    def act_on(
        self, run: str, action: str, *, signal: str | None = None, nice: int | None = None, by: str = ""
    ) -> ProcessActed:
        """Stop, kill, signal or renice a process; for `signal` and `nice` see `monitor.api_models.actions.ProcessAction`."""
        body = {"action": action, "signal": signal, "nice": nice, "by": by}
        return parsed(ProcessActed, self._client.request("POST", f"/v1/runs/{path_part(run)}/act", body=body))

    def actions(self, filters: Params | None = None, *, limit: int = 200) -> Actions:
        """What people did, the newest first. Filters: `since`, `until`, `run`, `target`."""
        return self._client.get(Actions, "/v1/actions", {**(filters or {}), "limit": limit})

    def _act(self, name: str, action: str, by: str) -> Service:
        path = f"/v1/services/{name_part(name)}/{action}"
        return parsed(Service, self._client.request("POST", path, body={"by": by}, timeout_s=STOP_S))
