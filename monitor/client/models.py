"""The part of the client about the models of servers: `client.ai.models`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from monitor.api_models import ai as ai_models
from monitor.client.parsing import Model, parsed, path_part

if TYPE_CHECKING:
    from monitor.client.client import Client

LOAD_S: Final = 320.0


class ModelsClient:
    """`client.ai.models`. An empty `server` is the only one; `by` says who asks, for the audit table."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def all(self) -> ai_models.ModelShelves:
        """Every server with its models, and what is on its way."""
        return self._client.get(ai_models.ModelShelves, "/v1/ai/models")

    def pulls(self) -> list[ai_models.Pull]:
        """Models on their way, and those that arrived or did not, newest first."""
        return self._client.get(ai_models.Pulls, "/v1/ai/models/pulls").pulls

    def pull(self, model: str, *, server: str = "", by: str = "") -> ai_models.Pull:
        """Have a server fetch a model; returns at once."""
        return self._post(ai_models.Pull, "models/pull", {"server": server, "model": model, "by": by})

    def cancel_pull(self, pull: str, *, by: str = "") -> bool:
        """Stop a fetch; returns whether it was under way."""
        return self._post(ai_models.Cancelled, f"models/pulls/{path_part(pull)}/cancel", {"by": by}).cancelled

    def load(
        self, model: str, *, server: str = "", context: int | None = None, keep_alive: str | None = None, by: str = ""
    ) -> ai_models.ShelfModel:
        """Load a model; returns once it is in memory."""
        body = {"server": server, "model": model, "context": context, "keep_alive": keep_alive, "by": by}
        return self._post(ai_models.ShelfModel, "models/load", body, timeout_s=LOAD_S)

    def unload(self, model: str, *, server: str = "", by: str = "") -> ai_models.ShelfModel:
        """Free a model's memory."""
        return self._post(ai_models.ShelfModel, "models/unload", {"server": server, "model": model, "by": by})

    def delete(self, model: str, *, server: str = "", by: str = "") -> ai_models.ModelDeleted:
        """Delete a model from the server's disk."""
        return self._post(ai_models.ModelDeleted, "models/delete", {"server": server, "model": model, "by": by})

    def ask(
        self, turns: Sequence[ai_models.Turn], *, backend: str = "", model: str = "", max_tokens: int = 512
    ) -> ai_models.Trial:
        """Ask a model; returns at once, `answer` has what it says."""
        messages = [turn.model_dump() for turn in turns]
        body = {"backend": backend, "model": model, "messages": messages, "max_tokens": max_tokens}
        return self._post(ai_models.Trial, "try", body)

    def answer(self, trial: str) -> ai_models.Trial:
        """What a model has said so far, and its figures once it is done."""
        return self._client.get(ai_models.Trial, f"/v1/ai/try/{path_part(trial)}")

    def stop(self, trial: str) -> bool:
        """Stop a model that answers; returns whether it did."""
        return self._post(ai_models.Cancelled, f"try/{path_part(trial)}/cancel", {}).cancelled

    def _post(self, model: type[Model], path: str, body: dict[str, Any], timeout_s: float | None = None) -> Model:
        return parsed(model, self._client.request("POST", f"/v1/ai/{path}", body=body, timeout_s=timeout_s))
