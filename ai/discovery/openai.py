"""Servers that speak OpenAI's API: who they are is told by small differences in `/v1/models`."""

from typing import Any, Final

import httpx

from ai.core.footprint import is_local
from ai.core.types import Engine, EngineModel
from ai.discovery.http import ProbeFailed, entries, get_json, text, whole
from ai.discovery.ollama import remote_hosts

OLLAMA_ROUTE: Final = "Ollama (OpenAI route)"
_OWNERS: Final = {
    "vllm": "vLLM",
    "llamacpp": "llama.cpp server",
    "tabbyapi": "TabbyAPI",
    "organization_owner": "LM Studio",
    "library": OLLAMA_ROUTE,
    "sglang": "SGLang",
}
"""`owned_by` of a model, lower case, as each server fills it."""
UNKNOWN: Final = "OpenAI-compatible server"
_VERSION_PATHS: Final = {"vLLM": ("/version", "version"), "llama.cpp server": ("/props", "build_info")}


async def ask_openai(client: httpx.AsyncClient) -> Engine:
    """What an OpenAI-compatible server says of itself.

    Raises:
        ProbeFailed: it does not answer, or not as such a server does.
    """
    listing = await get_json(client, models_path(client))
    if not isinstance(listing.get("data"), list):
        raise ProbeFailed("error", "it answers, but not as an OpenAI-compatible server does")
    data = entries(listing["data"])
    label = _label(data)
    models = [_model(item) for item in data]
    if label == "LM Studio":
        models = await _lm_studio(client, models)
    if models and label in {_OWNERS["library"], UNKNOWN} and is_local(str(client.base_url)):
        models = await _marked_remote(client, models)
    version = await _version(client, label)
    if not models:
        return Engine(
            name="openai",
            label=label,
            kind="server",
            state="idle",
            version=version,
            detail=f"{label} runs, but serves no model.",
            remedy="Load a model in that server.",
        )
    return Engine(
        name="openai",
        label=label,
        kind="server",
        state="ready",
        version=version,
        models=models,
        detail=f"{label} serves {len(models)} model{'s' if len(models) != 1 else ''}.",
    )


def models_path(client: httpx.AsyncClient) -> str:
    """`/v1/models`, whether or not the configured address already ends in `/v1`."""
    return "/models" if client.base_url.path.rstrip("/").endswith("/v1") else "/v1/models"


def _label(data: list[dict[str, Any]]) -> str:
    owners = [text(item.get("owned_by")).lower() for item in data]
    return next((_OWNERS[owner] for owner in owners if owner in _OWNERS), UNKNOWN)


async def _marked_remote(client: httpx.AsyncClient, models: list[EngineModel]) -> list[EngineModel]:
    """The models with their machine, where a loopback address is Ollama's: this route does not tell that a model runs elsewhere, Ollama's own does."""
    base = client.base_url
    root = base.path.rstrip("/").removesuffix("/v1")
    try:
        hosts = await remote_hosts(client, str(base.copy_with(path=f"{root}/api/tags")))
    except ProbeFailed:
        return models  # it is another server
    return [m.model_copy(update={"remote_host": hosts.get(m.name, "")}) for m in models]


def _model(item: dict[str, Any]) -> EngineModel:
    given = item.get("meta")
    meta: dict[str, Any] = given if isinstance(given, dict) else {}
    name = text(item.get("id"))
    return EngineModel(
        name=name.rsplit("/", 1)[-1] if name.startswith("/") and name.endswith(".gguf") else name,
        size=whole(meta.get("size")),
        loaded=True,
        quantization=text(meta.get("ftype")) or None,
        context=whole(item.get("max_model_len")) or whole(meta.get("n_ctx")) or whole(meta.get("n_ctx_train")),
    )


async def _lm_studio(client: httpx.AsyncClient, models: list[EngineModel]) -> list[EngineModel]:
    """LM Studio lists models on disk too; its own route says which are in memory."""
    try:
        own = entries((await get_json(client, "/api/v0/models")).get("data"))
    except ProbeFailed:
        return models  # an older or newer server: the general listing stands
    by_name = {text(item.get("id")): item for item in own}
    return [
        EngineModel(
            name=model.name,
            size=model.size,
            loaded=by_name[model.name].get("state") == "loaded" if model.name in by_name else model.loaded,
            quantization=text(by_name.get(model.name, {}).get("quantization")) or None,
            context=_context(by_name.get(model.name, {})),
        )
        for model in models
    ]


def _context(item: dict[str, Any]) -> int | None:
    """What it was loaded with; before that, what it could have."""
    return whole(item.get("loaded_context_length")) or whole(item.get("max_context_length"))


async def _version(client: httpx.AsyncClient, label: str) -> str:
    if label not in _VERSION_PATHS:
        return ""
    path, key = _VERSION_PATHS[label]
    try:
        return text((await get_json(client, path)).get(key))
    except ProbeFailed:
        return ""  # the version is a courtesy: without it the engine is as usable
