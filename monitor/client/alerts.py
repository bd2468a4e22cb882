"""The part of the client about alerts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from monitor.api_models.events import Alert, AlertRules, Alerts, Notifications
from monitor.client.parsing import Params, parsed, path_part

if TYPE_CHECKING:
    from monitor.client.client import Client

TEST_S = 60.0
"""Deadline of a test: a command may take half a minute."""


class AlertsClient:
    """`client.alerts`. Where `by` is taken, it says who asks, for the audit table."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def all(self, filters: Params | None = None, *, limit: int = 100) -> Alerts:
        """Alerts, those that fire first, then the newest. Filters: `firing`, `rule`, `run`, `since`, `until`."""
        return self._client.get(Alerts, "/v1/alerts", {**(filters or {}), "limit": limit})

    def rules(self) -> AlertRules:
        """The rules, how they stand, and what they can watch."""
        return self._client.get(AlertRules, "/v1/alerts/rules")

    def save(self, name: str, settings: Mapping[str, Any], *, by: str = "") -> AlertRules:
        """Add a rule, or change the given settings; None restores a default. `Refused.problems` has one sentence per wrong key."""
        body = {"settings": dict(settings), "by": by}
        return parsed(AlertRules, self._client.request("PUT", f"/v1/alerts/rules/{path_part(name)}", body=body))

    def remove(self, name: str, *, by: str = "") -> None:
        """Remove a rule from the settings."""
        self._client.request("DELETE", f"/v1/alerts/rules/{path_part(name)}", body={"by": by})

    def acknowledge(self, alert: str, *, by: str = "") -> Alert:
        """Take note of an alert that fires."""
        path = f"/v1/alerts/{path_part(alert)}/acknowledge"
        return parsed(Alert, self._client.request("POST", path, body={"by": by}))

    def test(self, *, by: str = "") -> Notifications:
        """Send a notification as a test; raises `Refused` with the reason if it was not taken."""
        answer = self._client.request("POST", "/v1/alerts/test", body={"by": by}, timeout_s=TEST_S)
        return parsed(Notifications, answer)
