"""Which model engines are here, each with its state, its models, or what to do about it.

Everything is asked at the same time, each with its own deadline; nothing is imported that would load an engine.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from ai.probes.files import demo_model, exllama_folders, gguf_files, gguf_model
from ai.probes.http import ProbeFailed, new_client, normal_url, shown_url
from ai.probes.ollama import ask_ollama
from ai.probes.openai import ask_openai
from ai.probes.packages import exllama_pieces, installed, version_of
from ai.types import Engine, EngineName

OLLAMA_URL: Final = "http://127.0.0.1:11434"
_OLLAMA_REMEDY: Final = "Start it with: ollama serve (or install it from ollama.com)."
_SERVER_REMEDY: Final = "Start that server, or correct its address in the settings."
KEY_REMEDY: Final = "Give its API key: watchkeeper ai key ADDRESS (setting engines.api_keys)."
_EXL_METHODS: Final = {2: frozenset({"exl2", "gptq", "none"}), 3: frozenset({"exl3", "none"})}


@dataclass(frozen=True)
class DiscoveryConfig:
    """Where to look.

    Attributes:
        ollama_url: Ollama's address; `OLLAMA_HOST` forms are understood; empty: do not ask.
        openai_urls: addresses of OpenAI-compatible servers, with or without `/v1`.
        timeout_s: the deadline of each engine, all its questions together.
        model_paths: model files, or folders that hold them.
        api_keys: key by address, as given in `openai_urls`.
        key_problems: why the key of such an address could not be had.
    """

    ollama_url: str = OLLAMA_URL
    openai_urls: tuple[str, ...] = ()
    timeout_s: float = 2.0
    model_paths: tuple[Path, ...] = ()
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    key_problems: Mapping[str, str] = field(default_factory=dict)


async def discover(config: DiscoveryConfig) -> list[Engine]:
    """Every known engine, found or not, in a fixed order: Ollama, servers, llama.cpp, ExLlama.

    Never raises for what an engine or a server does; ends within about `timeout_s`.
    """
    questions: list[Awaitable[Engine]] = []
    if config.ollama_url.strip():
        questions.append(_server(_OLLAMA, config.ollama_url, config))
    questions += [_server(_OPENAI, url, config) for url in dict.fromkeys(config.openai_urls)]
    questions.append(_local("llamacpp", "llama.cpp, embedded", lambda: _llamacpp(config.model_paths), config.timeout_s))
    questions += [_exllama_question(2, "exllamav2", config), _exllama_question(3, "exllamav3", config)]
    return list(await asyncio.gather(*questions))


def _exllama_question(generation: int, name: EngineName, config: DiscoveryConfig) -> Awaitable[Engine]:
    return _local(
        name, f"ExLlamaV{generation}", lambda: _exllama(generation, name, config.model_paths), config.timeout_s
    )


@dataclass(frozen=True)
class _Kind:
    """A kind of server: how to ask it, and what to do when it does not answer."""

    name: EngineName
    label: str
    ask: Callable[[httpx.AsyncClient], Awaitable[Engine]]
    remedy: str
    default_port: int | None = None


_OLLAMA: Final = _Kind("ollama", "Ollama", ask_ollama, _OLLAMA_REMEDY, 11434)
_OPENAI: Final = _Kind("openai", "OpenAI-compatible server", ask_openai, _SERVER_REMEDY)


async def _server(kind: _Kind, url: str, config: DiscoveryConfig) -> Engine:
    begun = time.perf_counter()
    checked = time.time_ns() // 1000
    label, remedy = kind.label, kind.remedy
    failed = Engine(name=kind.name, label=label, kind="server", state="error", checked=checked, remedy=remedy)
    try:
        base = normal_url(url, kind.default_port)
    except ValueError as error:
        return failed.model_copy(
            update={"address": url[:200], "detail": f"{error}.", "remedy": "Correct the address in the settings."}
        )
    failed = failed.model_copy(update={"address": shown_url(base)})
    key = config.api_keys.get(url)
    try:
        async with (
            asyncio.timeout(config.timeout_s),
            new_client(base, config.timeout_s, {"Authorization": f"Bearer {key}"} if key else None) as client,
        ):
            found = await kind.ask(client)
    except TimeoutError:
        return failed.model_copy(
            update={"state": "down", "detail": f"{label} did not answer within {config.timeout_s:g} s."}
        )
    except ProbeFailed as error:
        if error.status in {401, 403}:
            why = config.key_problems.get(url)
            remedy = (
                f"Its key could not be had: {why}."
                if why
                else KEY_REMEDY
                if not key
                else "It refuses the key it was given: give the right one."
            )
        detail = f"{error.message[:1].upper()}{error.message[1:]}."
        return failed.model_copy(update={"state": error.state, "detail": detail, "remedy": remedy})
    took = (time.perf_counter() - begun) * 1000
    return found.model_copy(update={"address": shown_url(base), "checked": checked, "latency_ms": round(took, 2)})


async def _local(name: EngineName, label: str, look: Callable[[], Engine], timeout_s: float) -> Engine:
    """A look at the disk, off the event loop: a dead network mount must not stop the rest."""
    checked = time.time_ns() // 1000
    try:
        async with asyncio.timeout(timeout_s):
            found = await asyncio.to_thread(look)
    except TimeoutError:
        found = Engine(
            name=name,
            label=label,
            kind="package",
            state="error",
            detail=f"The disk did not answer within {timeout_s:g} s.",
            remedy="Check the model folders in the settings.",
        )
    return found.model_copy(update={"checked": checked})


def _llamacpp(paths: tuple[Path, ...]) -> Engine:
    base = Engine(name="llamacpp", label="llama.cpp, embedded", kind="embedded", state="missing")
    if not installed("xllamacpp"):
        return base.model_copy(
            update={"detail": "The package xllamacpp is not installed.", "remedy": "Install it: pip install xllamacpp"}
        )
    demo = demo_model()
    models = [gguf_model(path) for path in gguf_files((*([demo] if demo else []), *paths))]
    base = base.model_copy(update={"version": version_of("xllamacpp"), "models": models})
    if not models:
        return base.model_copy(
            update={
                "state": "idle",
                "detail": "llama.cpp is here, but there is no model.",
                "remedy": "Fetch the demonstration model (98 MB) with one click, or name a GGUF file in the settings.",
            }
        )
    return base.model_copy(
        update={"state": "ready", "detail": f"llama.cpp runs in a worker process when asked; {models[0].name} is here."}
    )


def _exllama(generation: int, name: EngineName, paths: tuple[Path, ...]) -> Engine:
    label = f"ExLlamaV{generation}"
    base = Engine(name=name, label=label, kind="package", state="missing")
    pieces = exllama_pieces(generation)
    if pieces is None:
        extra = "pip install 'watchkeeper[exllama]'" if generation == 2 else "pip install exllamav3"
        return base.model_copy(
            update={
                "detail": f"The package {name} is not installed.",
                "remedy": f"On a machine with an NVIDIA GPU: {extra}",
            }
        )
    models = [model for _, model in exllama_folders(paths, _EXL_METHODS[generation])]
    base = base.model_copy(update={"version": pieces.version, "models": models})
    if pieces.missing:
        lacking = ", ".join(what for what, _ in pieces.missing)
        remedy = "; ".join(remedy for _, remedy in pieces.missing)
        return base.model_copy(
            update={
                "detail": f"{label} is installed, but lacks: {lacking}.",
                "remedy": f"{remedy[:1].upper()}{remedy[1:]}.",
            }
        )
    if not models:
        return base.model_copy(
            update={
                "state": "idle",
                "detail": f"{label} is here, but there is no model.",
                "remedy": f"Name a folder with an EXL{generation} model in the settings.",
            }
        )
    return base.model_copy(
        update={"state": "ready", "detail": " ".join((f"{label} can load {models[0].name}.", *pieces.limits))}
    )
