"""What both halves of the client do with a request's path and with an answer."""

from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from monitor.errors import AgentError
from monitor.models import Shape

Model = TypeVar("Model", bound=Shape)


def path_part(text: str) -> str:
    """One part of a path; what comes from an address bar must not lead elsewhere."""
    return quote(str(text), safe=":")


def parsed(model: type[Model], answer: httpx.Response) -> Model:
    """The answer as what it should be.

    Raises:
        AgentError: it is something else.
    """
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise AgentError(
            f"the agent's answer is not a {model.__name__}: {error.error_count()} differences",
            hint="agent and client are of different versions; `watchkeeper down`, then start again",
        ) from error
