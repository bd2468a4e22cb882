"""The memory that a model behind Ollama will take: from its GGUF file where that can be read here, else from what Ollama says about it."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import httpx

from ai.backends.ollama.running import Loaded, loaded_models, same_model, server_settings
from ai.core.errors import BackendError, BadModelFile
from ai.core.footprint import is_local
from ai.discovery.http import ProbeFailed, entries, get_json, new_client, text, whole
from ai.model_files.digests import ollama_blob
from ai.model_files.gguf import MAX_KEPT_ITEMS, MAX_KEYS, Gguf, Value, read_gguf
from ai.model_files.memory import MemoryPlan, plan_of

_PARTS: Final = re.compile(r"^(?:FROM|ADAPTER)[ \t]", re.MULTILINE)
_ASK_S: Final = 2.0
OVERHEAD: Final = 88 * 1024 * 1024
"""Bytes; measured: the server, the process that runs a model, and what both need, without weights, cache and work. What they hold at one moment would
make the prediction for one set-up drift."""
_KNOWN_S: Final = 300.0


def plan_of_ollama(
    url: str,
    model: str,
    *,
    default_context: int,
    context: int | None = None,
    parallel: int | None = None,
    kv_type: str | None = None,
) -> MemoryPlan | None:
    """The plan, of the settings that the server was started with unless told otherwise. Waits for a few seconds at most; what a model consists of is kept for some minutes.

    A model that is in memory has the context that it was loaded with, and the size that the server tells. `default_context` is what this program
    would load it with where the server has no context of its own. None where Ollama does not answer, or does not describe the model's layers.

    Raises:
        BadRequest: the settings are impossible.
    """
    settings = server_settings(url)
    try:
        header, weights = _header(url, model, int(time.monotonic() // _KNOWN_S))
        loaded = _in_memory(url, model)
        now = loaded.context if loaded is not None else None
        wanted = context or now or settings.context or default_context
        slots, kind = parallel or settings.parallel or 1, kv_type or settings.kv_type or "f16"
        plan = plan_of(header, weights, n_ctx=wanted, n_parallel=slots, kv_type=kind)
    except (ProbeFailed, BadModelFile, TimeoutError, httpx.InvalidURL):
        return None
    plan = replace(plan, model=model, overhead=OVERHEAD, notes=(*plan.notes, settings.sentence()))
    as_it_is = (slots, kind) == (settings.parallel or 1, settings.kv_type or "f16") and wanted == now
    return as_told(plan, loaded) if as_it_is and loaded is not None else plan


def as_told(plan: MemoryPlan, loaded: Loaded) -> MemoryPlan:
    """The plan with the size that the server tells of the model in its memory: weights and cache, with some versions its work too."""
    if loaded.size is None or loaded.size <= plan.weights:
        return plan
    work = max(loaded.size - plan.weights - plan.cache, 0)
    if work > plan.compute:  # more than was reckoned: then the cache is larger
        return replace(plan, cache=loaded.size - plan.weights)
    cache = min(plan.cache, loaded.size - plan.weights)
    return replace(plan, cache=cache, compute=max(plan.compute - work, 0) + work)


def _in_memory(url: str, model: str) -> Loaded | None:
    async def ask() -> list[Loaded]:
        async with asyncio.timeout(_ASK_S), new_client(url, _ASK_S) as client:
            rows = entries((await get_json(client, "/api/ps")).get("models"))
        return loaded_models(rows, local=is_local(url))

    return next((item for item in asyncio.run(ask()) if same_model(item.model, model)), None)


@lru_cache(maxsize=32)
def _header(url: str, model: str, _period: int) -> tuple[Gguf, int]:
    """The model's header, and the bytes of its weights."""
    return asyncio.run(_ask(url, model))


async def _ask(url: str, model: str) -> tuple[Gguf, int]:
    async with asyncio.timeout(_ASK_S), new_client(url, _ASK_S) as client:
        shown = await get_json(client, "/api/show", {"model": model})
        if _dict(shown.get("details")).get("format") not in {None, "", "gguf"}:
            raise BadModelFile(f"The weights of {model} are no GGUF file.")
        modelfile = str(shown.get("modelfile") or "")
        blob = ollama_blob(modelfile)
        alone = (
            len(_PARTS.findall(modelfile)) == 1
        )  # a projector or an adapter takes memory, too: then their size together is what is known
        header = await asyncio.to_thread(_read, Path(blob)) if blob and alone else None
        if header is not None:
            return header, header.weights
        tags = entries((await get_json(client, "/api/tags")).get("models"))
    size = next((whole(tag.get("size")) for tag in tags if text(tag.get("model") or tag.get("name")) == model), None)
    told = _dict(shown.get("model_info"))
    if not size or not told:
        raise BadModelFile(f"Ollama does not describe {model}.")
    return Gguf(Path(model), 3, _metadata(told), (), size), size


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _read(blob: Path) -> Gguf | None:
    """None for one that is in a container, on another machine, or another user's."""
    try:
        return read_gguf(blob) if blob.is_file() else None
    except (BackendError, OSError):
        return None


def _metadata(told: Mapping[str, Any]) -> dict[str, Value]:
    return {str(key): _value(value) for key, value in list(told.items())[:MAX_KEYS]}


def _value(given: object) -> Value:
    if isinstance(given, str | int | float):  # bool is an int
        return given
    if isinstance(given, list) and len(given) <= MAX_KEPT_ITEMS:
        kept = tuple(item for item in given if isinstance(item, str | int | float))
        return kept if len(kept) == len(given) else None
    return None
