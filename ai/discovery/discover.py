"""Which model engines are here, each with its state, its models, or what to do about it.

Everything is asked at the same time, each with its own deadline; nothing is imported that would load an engine.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from ai.core.types import Engine, EngineName
from ai.discovery.address import key_header, model_named, normal_url, server_root
from ai.discovery.files import demo_model, exllama_folders, gguf_files, gguf_model
from ai.discovery.http import ProbeFailed, new_client, same_endpoint, shown_url
from ai.discovery.ollama import ask_ollama
from ai.discovery.openai import UNKNOWN, ask_openai
from ai.discovery.owners import with_processes
from ai.discovery.packages import INSTALL, exllama_pieces, installed, version_of
from ai.discovery.processes import ollama_addresses

OLLAMA_URL: Final = "http://127.0.0.1:11434"
_OLLAMA_REMEDY: Final = "Start it with: ollama serve (or install it from ollama.com)."
_SERVER_REMEDY: Final = "Start that server, or correct its address in the settings."
_LOADING_REMEDY: Final = "Wait until its model is loaded; nothing needs to be changed."
_BUSY_REMEDY: Final = "It is asked again by itself: wait, or look at its log."
_PROXY_REMEDY: Final = "What answers there is a proxy: start the server behind it."
_ELSEWHERE_REMEDY: Final = "If that is the server you want, set its address."
_FOREIGN_REMEDY: Final = (
    "Correct its address in the settings, or have the proxy before it pass its answers on as they are."
)
_ROUTE_REMEDY: Final = "Correct its address in the settings: what answers there has no such route."
_REMEDIES: Final = {
    200: _FOREIGN_REMEDY,
    404: _ROUTE_REMEDY,
    405: _ROUTE_REMEDY,
    **dict.fromkeys((429, 503, 529), _BUSY_REMEDY),
    **dict.fromkeys((502, 504, *range(520, 528), 530), _PROXY_REMEDY),
    **dict.fromkeys((301, 302, 303, 307, 308), _ELSEWHERE_REMEDY),
}
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
        models: the model that the settings name, by address, for servers that list none.
        api_keys: key by address, as given in `openai_urls`.
        key_problems: why the key of such an address could not be had.
        search: addresses of Ollama servers that run here, whatever their port; asked unless `ollama_url` is empty.
        search_servers: addresses of other servers that run here (`ai.discovery.owners.server_addresses`).
        mask: hides secrets in the command lines of servers.
    """

    ollama_url: str = OLLAMA_URL
    openai_urls: tuple[str, ...] = ()
    timeout_s: float = 2.0
    model_paths: tuple[Path, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    key_problems: Mapping[str, str] = field(default_factory=dict)
    search: Callable[[], Sequence[str]] = ollama_addresses
    search_servers: Callable[[], Sequence[str]] = tuple
    mask: Callable[[Sequence[str]], str] = " ".join


async def discover(config: DiscoveryConfig) -> list[Engine]:
    """Every known engine, found or not, in a fixed order: Ollama (the one in the settings first), servers, llama.cpp, ExLlama.

    Never raises for what an engine or a server does; ends within about `timeout_s`.
    """
    named = _different(config.openai_urls)
    servers = [_server(_OPENAI, url, config) for url in named]
    here = [
        _local("llamacpp", "llama.cpp (embedded)", lambda: _llamacpp(config.model_paths), config.timeout_s),
        _exllama_question(2, "exllamav2", config),
        _exllama_question(3, "exllamav3", config),
    ]
    ollamas, others, found = await asyncio.gather(
        _ollamas(config), asyncio.gather(*servers, *here), _servers_here(config, named)
    )
    apart = [engine for engine in found if not any(same_endpoint(engine.address, o.address) for o in ollamas)]
    return await _with_processes([*ollamas, *others[: len(named)], *apart, *others[len(named) :]], config)


async def _servers_here(config: DiscoveryConfig, named: Sequence[str]) -> list[Engine]:
    """Servers that run here and that nobody named, as far as they answer as such servers do."""
    addresses = await _searched(config, config.search_servers)
    new = [url for url in addresses if not any(same_endpoint(url, other) for other in named)]
    asked = await asyncio.gather(*(_server(_FOUND, url, config) for url in new))
    return [engine for engine in asked if engine.state in {"ready", "idle", "loading"} or engine.remedy == KEY_REMEDY]


async def _with_processes(engines: list[Engine], config: DiscoveryConfig) -> list[Engine]:
    try:
        async with asyncio.timeout(config.timeout_s):
            return await asyncio.to_thread(with_processes, engines, config.mask)
    except TimeoutError:
        return engines  # they are there all the same


async def _ollamas(config: DiscoveryConfig) -> list[Engine]:
    """The Ollama in the settings, and others that run here. The default address is not missed where one answers at another."""
    if not config.ollama_url.strip():
        return []
    named, addresses = await asyncio.gather(
        _server(_OLLAMA, config.ollama_url, config), _searched(config, config.search)
    )
    others = [url for url in addresses if not same_endpoint(url, named.address)]
    asked = await asyncio.gather(*(_server(_OLLAMA, url, config) for url in others))
    found = [engine for engine in asked if engine.state in {"ready", "idle"}]
    unset = same_endpoint(config.ollama_url, OLLAMA_URL) and named.state == "down"
    return found if unset and found else [named, *found]


async def _searched(config: DiscoveryConfig, search: Callable[[], Sequence[str]]) -> Sequence[str]:
    try:
        async with asyncio.timeout(config.timeout_s):
            return await asyncio.to_thread(search)
    except TimeoutError:
        return ()  # the address in the settings is asked all the same


def _different(urls: Sequence[str]) -> list[str]:
    """The addresses without those that lead to a server named before, with or without `/v1`."""
    found: dict[str, str] = {}
    for url in urls:
        try:
            found.setdefault(server_root(normal_url(url)), url)
        except ValueError:
            found.setdefault(url, url)  # its card says what is wrong with it
    return list(found.values())


def _exllama_question(generation: int, name: EngineName, config: DiscoveryConfig) -> Awaitable[Engine]:
    return _local(
        name, f"ExLlamaV{generation}", lambda: _exllama(generation, name, config.model_paths), config.timeout_s
    )


@dataclass(frozen=True)
class _Kind:
    """A kind of server: how to ask it, and what to do when it does not answer."""

    name: EngineName
    label: str
    ask: Callable[[httpx.AsyncClient, str], Awaitable[Engine]]
    remedy: str
    default_port: int | None = None


async def _ask_ollama(client: httpx.AsyncClient, _named: str) -> Engine:
    return await ask_ollama(client)


async def _ask_found(client: httpx.AsyncClient, _named: str) -> Engine:
    return await ask_openai(client, look_further=False)


_OLLAMA: Final = _Kind("ollama", "Ollama", _ask_ollama, _OLLAMA_REMEDY, 11434)
_OPENAI: Final = _Kind("openai", UNKNOWN, ask_openai, _SERVER_REMEDY)
_FOUND: Final = _Kind("openai", UNKNOWN, _ask_found, _SERVER_REMEDY)
"""A server that nobody named: it is only asked for its models."""


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
    place = server_root(base) if kind.name == "openai" else base
    try:
        async with (
            asyncio.timeout(config.timeout_s),
            new_client(place, config.timeout_s, key_header(urlsplit(base).query, key or "")) as client,
        ):
            found = await kind.ask(client, model_named(config.models, kind.name, base))
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
                else "It rejects the API key that was set for it. Set the right one."
            )
        elif error.state == "loading":
            remedy = _LOADING_REMEDY
        else:
            remedy = _REMEDIES.get(error.status or 0, remedy)
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
    base = Engine(name="llamacpp", label="llama.cpp (embedded)", kind="embedded", state="missing")
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
        return base.model_copy(
            update={
                "detail": f"The package {name} is not installed.",
                "remedy": f"On a machine with an NVIDIA GPU: {INSTALL[generation]}",
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
