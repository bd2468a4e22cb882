"""What a model behind Ollama is predicted to take: from its GGUF file where that can be read here, else from what Ollama tells of it."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from ai.backends.footprint import listening_pid
from ai.digests import ollama_blob
from ai.errors import BackendError, BadModelFile
from ai.gguf import MAX_KEPT_ITEMS, MAX_KEYS, Gguf, Value, read_gguf
from ai.memory import MemoryPlan, plan_of
from ai.probes.http import ProbeFailed, entries, get_json, new_client, text, whole

_PARTS: Final = re.compile(r"^(?:FROM|ADAPTER)[ \t]", re.MULTILINE)
_ASK_S: Final = 2.0
_MOST_SERVER: Final = 128 * 1024 * 1024
"""Bytes; early ones loaded models into the server itself, which are in the plan already."""
_KNOWN_S: Final = 300.0
_NOTE: Final = "Ollama sets the type of its cache and how many requests it answers at a time where it is started: f16 and one, its defaults, are reckoned with."


def plan_of_ollama(url: str, model: str, *, context: int, parallel: int = 1, kv_type: str = "f16") -> MemoryPlan | None:
    """The plan, of Ollama's defaults unless told otherwise. Waits for two seconds at most; an answer is kept for some minutes.

    None where Ollama does not answer, or does not describe the model's layers.

    Raises:
        BadRequest: the settings are impossible.
    """
    try:
        header, weights = _header(url, model, int(time.monotonic() // _KNOWN_S))
        plan = plan_of(header, weights, n_ctx=context, n_parallel=parallel, kv_type=kv_type)
    except (ProbeFailed, BadModelFile, TimeoutError, httpx.InvalidURL):
        return None
    return replace(plan, model=model, overhead=plan.overhead + _server(url), notes=(*plan.notes, _NOTE))


def _server(url: str) -> int:
    """What the server itself holds, which is measured with the model: its own process, without those it started for models."""
    pid = listening_pid(url)
    try:
        return min(int(psutil.Process(pid).memory_info().rss), _MOST_SERVER) if pid is not None else 0
    except psutil.Error:
        return 0  # another user's, or gone


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
