"""Errors and listings in the form of each API."""

import time
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from ai.gateway.link.messages import Engine, Model, Table

Api = Literal["openai", "ollama"]
_TYPES: Final = {
    400: ("invalid_request_error", None),
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", None),
    404: ("invalid_request_error", "model_not_found"),
    405: ("invalid_request_error", None),
    413: ("invalid_request_error", "request_too_large"),
    415: ("invalid_request_error", None),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}
"""OpenAI's words for a status."""
_encode: Final = msgspec.json.Encoder().encode
NO_VERSION: Final = "0.0.0"
"""Where no Ollama is behind the gateway that would have one."""


def api_of(path: str) -> Api:
    """Whose API a path belongs to."""
    return "ollama" if path.startswith("/api/") or path == "/" else "openai"


def error_body(api: Api, status: int, message: str) -> bytes:
    """An error as the API's clients expect it."""
    if api == "ollama":
        return _encode({"error": message})
    kind, code = _TYPES.get(status, ("api_error", None))
    return _encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


def openai_models(table: Table, models: Mapping[str, tuple[Engine, Model]], since: int) -> bytes:
    """`/v1/models`: `auto`, the engines, and every model."""
    names = {"auto": "watchkeeper", **{e.name: e.label for e in table.engines if e.model}}
    names |= {name: engine.label for name, (engine, _) in models.items()}
    return _encode({"object": "list", "data": [openai_model(name, owner, since) for name, owner in names.items()]})


def openai_model(name: str, owner: str, since: int) -> dict[str, Any]:
    """One model; `since` in seconds."""
    return {"id": name, "object": "model", "created": since, "owned_by": owner}


def openai_model_body(name: str, owner: str, since: int) -> bytes:
    """`/v1/models/{name}`."""
    return _encode(openai_model(name, owner, since))


def ollama_tags(models: Mapping[str, tuple[Engine, Model]], since: int) -> bytes:
    """`/api/tags`: every model, and `auto`."""
    rows: list[dict[str, Any]] = [_tag("auto", None, since)]
    rows += [_tag(name, model, since) for name, (_, model) in models.items()]
    return _encode({"models": rows})


def ollama_show(engine: Engine, model: Model | None, name: str) -> bytes:
    """`/api/show` of a model that no Ollama serves: what is known of it."""
    able = ["completion"] if model is None or model.chats else []
    able += ["embedding"] if model is not None and model.embeds else []
    context = {"general.context_length": model.context} if model is not None and model.context else {}
    told = {
        "modelfile": f"# {name} is served by {engine.label}", "parameters": "", "template": "", "details": _details(model),
        "model_info": {"general.name": name, **context}, "capabilities": able,
    }  # fmt: skip
    return _encode(told)


def ollama_version(table: Table) -> bytes:
    """`/api/version`: that of the first Ollama behind the gateway."""
    version = next((e.version for e in table.engines if e.kind == "ollama" and e.version), NO_VERSION)
    return _encode({"version": version})


def now_iso(at: float | None = None) -> str:
    """A time as Ollama writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _tag(name: str, model: Model | None, since: int) -> dict[str, Any]:
    size = model.size if model is not None and model.size else 0
    return {
        "name": name,
        "model": name,
        "modified_at": now_iso(since),
        "size": size,
        "digest": "",
        "details": _details(model),
    }


def _details(model: Model | None) -> dict[str, Any]:
    quantization = (model.quantization if model is not None else None) or ""
    return {
        "parent_model": "", "format": "", "family": "", "families": None, "parameter_size": "", "quantization_level": quantization,
    }  # fmt: skip
