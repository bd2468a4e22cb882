"""The part of the client for the gateway: `client.gateway`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ai.gateway.link.budgets import Budget
from monitor.api_models import gateway as models
from monitor.client.parsing import Model, name_part, parsed, path_part

if TYPE_CHECKING:
    from monitor.client.client import Client


class GatewayClient:
    """State, keys, calls and what was said in them.

    Args:
        client: sends the requests.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client

    def status(self) -> models.GatewayStatus:
        """How it is, who may ask, which engines answer, what is under way."""
        return self._read(models.GatewayStatus, "GET", "")

    def calls(self, limit: int = 50, *, since_s: int = 86_400, run: str | None = None) -> models.GatewayCalls:
        """The newest calls (of one run, if given), and who used what in the last `since_s` seconds."""
        params: dict[str, Any] = {"limit": limit, "since_s": since_s} | ({"run": run} if run is not None else {})
        return self._read(models.GatewayCalls, "GET", "/calls", params=params)

    def texts(self, limit: int = 50) -> models.GatewayTexts:
        """The newest calls whose prompt and answer are kept."""
        return self._read(models.GatewayTexts, "GET", "/texts", params={"limit": limit})

    def text(self, call: str) -> models.GatewayText:
        """Prompt and answer of a call."""
        return self._read(models.GatewayText, "GET", f"/texts/{path_part(call)}")

    def delete_texts(self, call: str | None = None) -> int:
        """Delete those of a call, or all; returns of how many calls there were some."""
        where = "/texts" if call is None else f"/texts/{path_part(call)}"
        return self._read(models.DeletedTexts, "DELETE", where).calls

    def add_key(self, name: str) -> models.MadeKey:
        """Make a key."""
        return self._read(models.MadeKey, "POST", "/keys", body={"name": name})

    def set_budget(self, name: str, budget: Budget) -> models.KeyBudget:
        """Give a key a budget."""
        return self._read(models.KeyBudget, "PUT", f"/keys/{name_part(name)}/budget", body=asdict(budget))

    def remove_key(self, name: str) -> None:
        """Remove a key."""
        self._read(models.RemovedKey, "DELETE", f"/keys/{name_part(name)}")

    def _read(
        self, model: type[Model], method: str, path: str, *, params: dict[str, Any] | None = None, body: object = None
    ) -> Model:
        return parsed(model, self._client.request(method, f"/v1/ai/gateway{path}", params=params, body=body))
