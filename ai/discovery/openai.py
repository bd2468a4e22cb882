"""Servers that speak OpenAI's API: who they are is told by small differences in `/v1/models`."""

from typing import Any, Final
from urllib.parse import urlencode

import httpx

from ai.core.footprint import is_local
from ai.core.types import Engine, EngineModel
from ai.discovery.abilities import abilities
from ai.discovery.address import api_places
from ai.discovery.http import ProbeFailed, entries, get_json, get_value, is_loading, text, whole
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
_CONTEXTS: Final = ("max_model_len", "loaded_context_length", "context_length", "context_window", "max_context_length", "max_input_tokens")  # fmt: skip
"""What servers call the tokens of context, the one in force first."""
_LISTS: Final = ("data", "models", "result", "results", "items", "model_list")
_NAMES: Final = ("id", "name", "model", "model_name", "modelId", "model_id")
_OF_MODELS: Final = frozenset({"object", "owned_by", "created", "task", "publisher", "context_length", "context_window", "capabilities", "type", "max_model_len"})  # fmt: skip
"""What models of a listing have beside a name; of anything else that has an id, few do."""
_DEEPEST: Final = 3
_MOST_PAGES: Final = 20
UNKNOWN: Final = "OpenAI-compatible server"
NAME_REMEDY: Final = (
    "Name the model to ask it for, as ADDRESS=MODEL: watchkeeper settings set ai.models (or on the Settings page)."
)
_OK: Final = 200
_NOT_FOUND: Final = 404
_NO_ROUTE: Final = frozenset({_OK, _NOT_FOUND, 405, 501})
"""What answers where there is no such route; a site of pages answers all of them with one."""
_KEY_WANTED: Final = frozenset({401, 403})
_REFUSED: Final = frozenset({400, 413, 415, 422, 429})
_VERSION_PATHS: Final = {"vLLM": ("/version", "version"), "llama.cpp server": ("/props", "build_info")}


async def ask_openai(client: httpx.AsyncClient, named: str = "", *, look_further: bool = True) -> Engine:
    """What an OpenAI-compatible server says of itself.

    Args:
        client: its base URL is the server's address, without `/v1` at its end.
        named: the model that the settings name for it, for a server that lists none.
        look_further: where `/v1/models` is not there, look for its routes in other places. Nothing but that is asked without it.

    Raises:
        ProbeFailed: it does not answer, or not as such a server does.
    """
    places = api_places(client.base_url.path)
    failed: ProbeFailed | None = None
    for api in places if look_further else places[:1]:
        try:
            found = await _listing(client, api)
        except ProbeFailed as error:
            if error.status not in _NO_ROUTE:
                raise failed or error from error
            failed = failed or error
        else:
            if failed is None or await _answers_chat(client, api, named):
                return found
    assert failed is not None  # noqa: S101 - there is at least one place
    for api in places if look_further and failed.status != _OK else ():
        if await _answers_chat(client, api, named):
            return _unlisted(api, named)
    raise failed


async def _listing(client: httpx.AsyncClient, api: str) -> Engine:
    """What the models that a server lists say of it.

    Raises:
        ProbeFailed: there is no such listing.
    """
    path = f"{api}/models"
    listing = await get_value(client, path)
    data = await _with_further(client, path, listing, _listed(listing))
    label = _label(data)
    models = list({model.name: model for item in data if (model := _model(item)).name}.values())
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
            api=api,
            version=version,
            detail=f"{label} runs, but serves no model.",
            remedy="Load a model in that server.",
        )
    return Engine(
        name="openai",
        label=label,
        kind="server",
        state="ready",
        api=api,
        version=version,
        models=models,
        detail=f"{label} serves {len(models)} model{'s' if len(models) != 1 else ''}.",
    )


async def _answers_chat(client: httpx.AsyncClient, api: str, named: str) -> bool:
    """Whether there is a route for chats: an empty question is refused there, and without the route not found.

    Raises:
        ProbeFailed: a key is wanted.
    """
    try:
        await get_value(client, f"{api}/chat/completions", {"model": named, "messages": [], "max_tokens": 1})
    except ProbeFailed as error:
        if error.status in _KEY_WANTED:
            raise
        return (
            error.status in _REFUSED
            or (error.status == _NOT_FOUND and "model" in error.said.lower())
            or (error.status == _OK and "web page" not in error.message)  # it answered with a stream
        )
    return True


def _unlisted(api: str, named: str) -> Engine:
    """A server that answers questions and does not say which models it has."""
    engine = Engine(name="openai", label=UNKNOWN, kind="server", state="idle", api=api, detail=f"{UNKNOWN} answers, but does not list its models.", remedy=NAME_REMEDY)  # fmt: skip
    if not named:
        return engine
    models = [EngineModel(name=named, loaded=True)]
    detail = f"{UNKNOWN} does not list its models; the settings name {named}."
    return engine.model_copy(update={"state": "ready", "models": models, "detail": detail, "remedy": ""})


def _listed(listing: Any) -> list[dict[str, Any]]:
    """The models of a listing: under `data` or `models`, or the list by itself; by their names alone, or each with what is said of it.

    Raises:
        ProbeFailed: it is no listing.
    """
    if isinstance(listing, dict) and listing.get("object") == "list" and listing.get("data") is None:
        return []  # how servers in Go write a list that is empty
    found = listing
    for _ in range(_DEEPEST):  # some put the list into another object
        if not isinstance(found, dict) or (inner := _inner(found)) is None:
            break
        found = inner
    if isinstance(listing, dict) and found is listing:
        found = None
        if said := _error_words(listing.get("error")):
            kind = "loading" if is_loading(503, said) else "error"
            raise ProbeFailed(kind, f"it answers with an error: {said}")
    if isinstance(found, dict):
        found = [{"id": name} | (facts if isinstance(facts, dict) else {}) for name, facts in found.items()]
    named = [{"id": one} if isinstance(one, str) else one for one in found] if isinstance(found, list) else []
    data = entries(named)
    if not isinstance(found, list) or (found and not data) or (found is listing and not data):
        raise ProbeFailed("error", "it answers, but not as an OpenAI-compatible server does")
    return data


def _inner(listing: dict[str, Any]) -> Any:
    """What a listing has its models in; None where it has nothing of the kind."""
    named = next((listing[key] for key in _LISTS if isinstance(listing.get(key), list | dict)), None)
    if named is not None:
        return named
    others = [one for one in listing.values() if isinstance(one, list | dict) and one]
    return others[0] if len(others) == 1 and _holds_models(others[0]) else None


def _holds_models(found: Any) -> bool:
    """Whether what stands under a name that is not known is a list of models, or an object around one."""
    if isinstance(found, dict):
        return any(isinstance(found.get(key), list) for key in _LISTS)
    return all(isinstance(one, dict) and bool(_name(one)) and bool(one.keys() & _OF_MODELS) for one in found)


async def _with_further(
    client: httpx.AsyncClient, path: str, listing: Any, data: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The models with those of further pages, where a server lists them in pages and says so as OpenAI's API does."""
    names = {_name(item) for item in data}
    for _ in range(_MOST_PAGES):
        if not isinstance(listing, dict) or listing.get("has_more") is not True or not data:
            break
        last = text(listing.get("last_id")) or _name(data[-1])
        try:
            listing = await get_value(client, f"{path}?{urlencode({'after': last, 'after_id': last})}")
            more = [item for item in _listed(listing) if _name(item) not in names]
        except ProbeFailed:
            break  # what there is can be used
        if not more:
            break
        names |= {_name(item) for item in more}
        data = [*data, *more]
    return data


def _name(item: dict[str, Any]) -> str:
    return next((said for key in _NAMES if (said := text(item.get(key)))), "")


def _error_words(error: object) -> str:
    return text(error.get("message") if isinstance(error, dict) else error).rstrip(".")


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
    name = _name(item)
    is_file = name.startswith("/") and name.endswith(".gguf") and text(item.get("owned_by")).lower() == "llamacpp"
    return EngineModel(
        name=name.rsplit("/", 1)[-1] if is_file else name,  # that server takes any name
        size=whole(meta.get("size")),
        loaded=True,
        quantization=text(meta.get("ftype")) or None,
        context=next((size for key in _CONTEXTS if (size := whole(item.get(key)))), None)
        or whole(meta.get("n_ctx"))
        or whole(meta.get("n_ctx_train")),
        capabilities=abilities(item),
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
            capabilities=abilities(by_name.get(model.name, {})) or model.capabilities,
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
