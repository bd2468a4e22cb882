"""Ollama, by its own API: `/api/version`, `/api/tags`, `/api/ps`."""

from typing import Any

import httpx

from ai.probes.http import entries, get_json, text, whole
from ai.types import Engine, EngineModel


async def ask_ollama(client: httpx.AsyncClient) -> Engine:
    """What Ollama says of itself.

    Raises:
        ProbeFailed: it does not answer, or not as Ollama does.
    """
    version = text((await get_json(client, "/api/version")).get("version"))
    running = {
        text(m.get("model") or m.get("name")): m for m in entries((await get_json(client, "/api/ps")).get("models"))
    }
    tags = entries((await get_json(client, "/api/tags")).get("models"))
    models = [_model(tag, running) for tag in tags]
    loaded = [m.name for m in models if m.loaded]
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
    many = f"{len(models)} model{'s' if len(models) != 1 else ''}"
    return Engine(
        name="ollama",
        label="Ollama",
        kind="server",
        state="ready",
        version=version,
        models=models,
        detail=f"Ollama has {many}; {', '.join(loaded) if loaded else 'none'} in memory.",
    )


def _model(tag: dict[str, Any], running: dict[str, dict[str, Any]]) -> EngineModel:
    name = text(tag.get("model") or tag.get("name"))
    details = tag.get("details")
    run = running.get(name)
    return EngineModel(
        name=name,
        size=whole(tag.get("size")),
        loaded=run is not None,
        quantization=text(details.get("quantization_level")) or None if isinstance(details, dict) else None,
        context=whole(run.get("context_length")) if run else None,
    )
