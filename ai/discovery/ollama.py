"""Ollama, by its own API: `/api/version`, `/api/tags`, `/api/ps`, and `/api/show` for what a model can do."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from ai.core.footprint import is_local
from ai.core.types import Engine, EngineModel
from ai.discovery.http import ProbeFailed, entries, get_json, text, whole

_SHOW_S: Final = 0.7
"""What models can do is a courtesy: without it their names tell."""
_NO_ROUTE: Final = frozenset({404, 405, 501})
_MOST_SHOWN: Final = 48
_KEPT: Final = 1024


@dataclass(frozen=True, slots=True)
class Shown:
    """What `/api/show` says of a model: what it can do, and the tokens of context it was trained for."""

    capabilities: tuple[str, ...] = ()
    context: int | None = None


_SHOWN: dict[tuple[str, str], Shown] = {}
"""By name and digest: the same file says the same for as long as it lives."""


async def ask_ollama(client: httpx.AsyncClient) -> Engine:
    """What Ollama says of itself.

    Raises:
        ProbeFailed: it does not answer, or not as Ollama does.
    """
    version = text((await get_json(client, "/api/version")).get("version"))
    running = await _running(client)
    tags = entries((await get_json(client, "/api/tags")).get("models"))
    shown = await shown_of(client, tags)
    models = [_model(tag, running, shown) for tag in tags if name_of(tag)]
    if not models:
        return Engine(
            name="ollama",
            label="Ollama",
            kind="server",
            state="idle",
            version=version,
            detail="Ollama runs, but has no model.",
            remedy="Fetch one, for example: ollama pull llama3.2",
        )
    return Engine(
        name="ollama", label="Ollama", kind="server", state="ready", version=version, models=models, detail=_detail(models)
    )  # fmt: skip


async def remote_hosts(client: httpx.AsyncClient, path: str = "/api/tags") -> dict[str, str]:
    """Model → the machine it runs on, for the models that this Ollama only passes requests on for.

    Raises:
        ProbeFailed: it is no Ollama.
    """
    tags = entries((await get_json(client, path)).get("models"))
    return {name_of(tag): host for tag in tags if (host := host_of(tag))}


def host_of(told: Mapping[str, Any]) -> str:
    """The machine that a model of `/api/tags` or `/api/show` runs on, without scheme and port; empty for this Ollama's own."""
    host = text(told.get("remote_host"))
    if not host and not text(told.get("remote_model")):
        return ""
    bare = host.partition("://")[2] or host
    return bare.partition("/")[0].rsplit(":", 1)[0] or "another machine"


def is_over(expires: object, *, local: bool, now: datetime | None = None) -> bool:
    """Whether a row of `/api/ps` is of a model that was let go: it is listed for a moment longer. The clocks of two machines may differ, so only a local one's time is believed."""
    if not local or not isinstance(expires, str | datetime):
        return False
    try:
        at = expires if isinstance(expires, datetime) else datetime.fromisoformat(expires)
    except ValueError:
        return False
    if at.year <= 1:  # Go's zero time: it says nothing
        return False
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at <= (now or datetime.now(UTC))


async def _running(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    try:
        rows = entries((await get_json(client, "/api/ps")).get("models"))
    except ProbeFailed as error:
        if error.status not in _NO_ROUTE:
            raise
        return {}  # an older one, or an imitation, which does not tell
    local = is_local(str(client.base_url))
    return {name_of(row): row for row in rows if not is_over(row.get("expires_at"), local=local)}


async def shown_of(client: httpx.AsyncClient, tags: list[dict[str, Any]]) -> dict[str, Shown]:
    """By name, what is known of each model of `/api/tags`, or is told in time; models of another machine are not asked about."""
    lacking = [tag for tag in tags if _key(tag) not in _SHOWN and not host_of(tag)][:_MOST_SHOWN]
    tasks = [asyncio.create_task(_show(client, tag)) for tag in lacking]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=_SHOW_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return {name_of(tag): _SHOWN.get(_key(tag), Shown()) for tag in tags}


async def _show(client: httpx.AsyncClient, tag: dict[str, Any]) -> None:
    with suppress(ProbeFailed):  # an older server, or a model that went meanwhile: its name tells
        told = await get_json(client, "/api/show", {"model": name_of(tag)})
        able, info = told.get("capabilities"), told.get("model_info")
        if isinstance(able, list):
            while len(_SHOWN) >= _KEPT:
                _SHOWN.pop(next(iter(_SHOWN)))
            _SHOWN[_key(tag)] = Shown(tuple(text(item) for item in able[:16]), _trained_context(info))


def _trained_context(info: object) -> int | None:
    """`llama.context_length`, whatever the architecture is called."""
    if not isinstance(info, dict):
        return None
    return whole(info.get(f"{text(info.get('general.architecture'))}.context_length")) or None


def _key(tag: dict[str, Any]) -> tuple[str, str]:
    return name_of(tag), text(tag.get("digest"))


def name_of(row: Mapping[str, Any]) -> str:
    """The name of a model in a row of `/api/tags` or `/api/ps`."""
    return text(row.get("model") or row.get("name"))


def _detail(models: list[EngineModel]) -> str:
    many = f"{len(models)} model{'s' if len(models) != 1 else ''}"
    loaded = [m.name for m in models if m.loaded]
    away = [m for m in models if m.remote_host]
    said = f"Ollama has {many}; {', '.join(loaded) if loaded else 'none'} in memory."
    if not away:
        return said
    which = f"{away[0].name} runs" if len(away) == 1 else f"{len(away)} of them run"
    return f"{said} {which} on another machine ({', '.join(sorted({m.remote_host for m in away}))})."


def _model(tag: dict[str, Any], running: dict[str, dict[str, Any]], shown: Mapping[str, Shown]) -> EngineModel:
    name = name_of(tag)
    details = tag.get("details")
    run = running.get(name)
    return EngineModel(
        name=name,
        size=whole(tag.get("size")),
        loaded=run is not None,
        quantization=text(details.get("quantization_level")) or None if isinstance(details, dict) else None,
        context=whole(run.get("context_length")) if run else None,
        remote_host=host_of(tag),
        capabilities=list(shown[name].capabilities),
    )
