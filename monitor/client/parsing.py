"""Paths, parameters and answers, for both parts of the client."""

import functools
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from monitor.core.errors import AgentError, ConfigError

Model = TypeVar("Model")
Params = Mapping[str, str | int | float | bool | None]
_checker: Any = functools.cache(TypeAdapter)


def path_part(text: str) -> str:
    """One part of a path, quoted: text from an address bar must not lead elsewhere."""
    return quote(str(text), safe=":")


def name_part(name: str) -> str:
    """The same of a name, which is one part: a server reads a quoted slash as one, and would tell of a path that nobody wrote.

    Raises:
        ConfigError: no name can be like that.
    """
    if "/" in name or name in {"", ".", ".."}:
        raise ConfigError(f"{name!r} is no name", hint="a name has letters, digits, dots, dashes and underscores")
    return path_part(name)


def plain_params(params: Params | None) -> dict[str, str | int | float]:
    """The parameters without None; booleans become 0 and 1."""
    return {k: int(v) if isinstance(v, bool) else v for k, v in (params or {}).items() if v is not None and v != ""}


def parsed(model: type[Model], answer: httpx.Response) -> Model:
    """The answer as a model or dataclass.

    Raises:
        AgentError: it does not match.
    """
    try:
        found: Model = _checker(model).validate_json(answer.content)
    except ValidationError as error:
        raise AgentError(
            f"the agent's answer is not a {model.__name__}: {error.error_count()} differences",
            hint="agent and client have different versions; run `watchkeeper down`, then start again",
        ) from error
    return found
