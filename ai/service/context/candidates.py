"""From what was found on this machine to back ends that can be asked."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Any, Final

from ai.backends.exllama import ExLlamaBackend
from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.backends.ollama.backend import OllamaBackend
from ai.backends.ollama.running import same_model
from ai.backends.openai.backend import OpenAIBackend, server_name
from ai.core.errors import BackendError
from ai.core.footprint import is_local
from ai.core.protocol import Backend
from ai.core.types import LoadSpec, can_chat
from ai.discovery.address import bare_address, model_named
from ai.discovery.files import demo_model, exllama_folders, gguf_files
from ai.discovery.openai import OLLAMA_ROUTE
from ai.model_files.memory import MemoryPlan, most_memory, predict
from ai.service.context.config import AiConfig
from ai.service.context.ollama_plan import plan_of_ollama
from ai.worker.supervisor import WatchPolicy
from ai.worker.threads import THREADS, ThreadTable

_METHODS: Final = {"exllamav2": frozenset({"exl2", "gptq", "none"}), "exllamav3": frozenset({"exl3", "none"})}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A usable engine with the model it would serve. `path` is the model's file or folder, where a worker of this program loads it."""

    name: str
    engine: str
    label: str
    address: str
    model: str
    shown: str
    path: Path | None
    make: Callable[[str], Backend]
    remote_host: str = ""
    """The machine that the model runs on, behind a server on this one; empty where the server runs it itself."""
    loaded_context: int | None = None
    """Tokens of context that a server has the model in memory with; None where it has not."""
    threads_file: Path | None = None
    """Keeps how many threads were measured to be fastest."""
    threads: ThreadTable = THREADS
    """Knows how many were."""
    native: bool = False
    """Asked through Ollama's own API, whichever of its addresses was named."""

    @property
    def embedded(self) -> bool:
        """Whether it runs in a worker of this program, which then chooses threads and cache."""
        return self.engine in {"llamacpp", "exllamav2", "exllamav3"}

    def plan(self, spec: LoadSpec) -> MemoryPlan | None:
        """What it is predicted to take; None for what a server loads by itself (but Ollama here, which tells), or what cannot be read."""
        if self.engine == "ollama" and is_local(self.address):
            return plan_of_ollama(self.address, self.model, default_context=spec.context)
        if self.path is None:
            return None
        try:
            return predict(self.path, n_ctx=spec.context, n_parallel=spec.parallel, kv_type=spec.kv_type)
        except BackendError:
            return None  # the load itself will say what is wrong with the file


def candidates(engines: Sequence[Mapping[str, Any]], config: AiConfig) -> list[Candidate]:
    """The engines that can answer, each with its model; engines as discovery describes them. Their names differ."""
    found: list[Candidate] = []
    for engine in engines:
        if engine.get("state") not in {"ready", "idle"}:
            continue
        candidate = _candidate(engine, config)
        if candidate is not None:
            found.append(candidate)
    return _told_apart(found)


def _told_apart(found: Sequence[Candidate]) -> list[Candidate]:
    """The same with names that differ: by their address, and where two lead to one host, port and path, by a number."""
    taken: set[str] = set()
    apart = []
    for candidate in found:
        name = candidate.name
        own = f"{candidate.engine}@{_place(candidate.address)}" if name == candidate.engine else name
        names = chain([name, own], (f"{own}#{number}" for number in count(2)))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        apart.append(candidate if name == candidate.name else replace(candidate, name=name))
    return apart


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an engine that is here cannot be used, one sentence, and what to do."""

    detail: str
    remedy: str


def problem_of(engine: Mapping[str, Any], config: AiConfig) -> Problem | None:
    """What keeps an engine from answering that discovery found ready: its model is not there, or may not be asked; None where nothing does."""
    if engine.get("state") != "ready":
        return None
    label = str(engine["label"])
    wanted, names = _wanted(engine, config), [str(m["name"]) for m in engine.get("models") or []]
    if wanted and _candidate(engine, config) is None:
        has = f"It has {', '.join(names[:4])}{' and others' if len(names) > 4 else ''}." if names else "It has none."
        fetch = f"Fetch it: ollama pull {wanted}. Or choose" if engine["name"] == "ollama" else "Choose"
        return Problem(
            f"{label} does not have the model {wanted} that the settings name. {has}", f"{fetch} another model in the settings (ai.models)."
        )  # fmt: skip
    candidate = _candidate(engine, config)
    if candidate is None:
        return Problem(f"{label} has no model that can chat.", "Fetch one, or name one in the settings (ai.models).")
    if candidate.remote_host and not config.allow_remote:
        return Problem(
            f"{candidate.model} runs on another machine ({candidate.remote_host}), behind {label}. Postings are not sent there.",
            "Fetch a model that runs here, or allow engines on other machines (setting ai.allow_remote).",
        )
    return None


def _candidate(engine: Mapping[str, Any], config: AiConfig) -> Candidate | None:
    name = str(engine["name"])
    if name in {"ollama", "openai"}:
        return _server(name, engine, config)
    path = _file(config) if name == "llamacpp" else _folder(name, config)
    if path is None:
        return None
    watch = WatchPolicy(idle_s=config.idle_s)

    def make(as_name: str) -> Backend:
        if name == "llamacpp":
            return LlamaCppBackend(name=as_name, demo=path, threads_file=config.threads_file, watch=watch)
        bounded = replace(
            watch, memory_limit=most_memory()
        )  # its weights are on the GPU: what it needs here is not predicted
        return ExLlamaBackend(2 if name == "exllamav2" else 3, name=as_name, watch=bounded)

    kept = config.threads_file if name == "llamacpp" else None
    return Candidate(name, name, str(engine["label"]), "", str(path), path.stem, path, make, threads_file=kept)


def _wanted(engine: Mapping[str, Any], config: AiConfig) -> str:
    """The model that the settings name for an engine; empty where they name none."""
    return model_named(config.models, str(engine["name"]), str(engine.get("address") or ""))


def _server(name: str, engine: Mapping[str, Any], config: AiConfig) -> Candidate | None:
    chosen = _model(engine, _wanted(engine, config))
    if chosen is None:
        return None
    model, host = str(chosen["name"]), str(chosen.get("remote_host") or "")
    url = str(engine["address"])
    key = config.api_keys.get(bare_address(url), "")
    own = name if name == "ollama" else server_name(url)
    native = asked_natively(engine, config)

    def make(as_name: str) -> Backend:
        if native:
            return OllamaBackend(bare_address(url), name=as_name, remote=bool(host))
        return OpenAIBackend(url, name=as_name, api_key=key)

    context = chosen.get("context") if chosen.get("loaded") else None
    return Candidate(own, name, str(engine["label"]), url, model, model, None, make, host, context, native=native)


def asked_natively(engine: Mapping[str, Any], config: AiConfig) -> bool:
    """Whether a server is an Ollama that is asked through its own API: OpenAI's cannot say which context a model has, so it is loaded anew and kept for another time.

    One that wants a key is behind another server, which may not know that API.
    """
    named = bare_address(str(engine.get("address") or ""))
    return engine["name"] == "ollama" or (engine["label"] == OLLAMA_ROUTE and not config.api_keys.get(named))


def _model(engine: Mapping[str, Any], wanted: str) -> Mapping[str, Any] | None:
    """The model to use: the one named, else the first that can chat: in memory before on disk, and here before on another machine."""
    models = list(engine.get("models") or [])
    if not wanted:
        able = [m for m in models if can_chat(str(m["name"]), m.get("capabilities") or [])]
        return min(able, key=lambda m: (bool(m.get("remote_host")), not m.get("loaded")), default=None)
    named = next((m for m in models if same_model(str(m["name"]), wanted)), None)
    if named is None and engine["name"] == "openai" and not (models and str(engine["label"]).startswith("Ollama")):
        return {"name": wanted}  # such servers may take names that they do not list
    return named


def _place(url: str) -> str:
    return url.partition("//")[2].partition("/")[0]


def _file(config: AiConfig) -> Path | None:
    """The GGUF file to use: the one named, else the user's first, else the demonstration model."""
    own = gguf_files(config.model_paths)
    wanted = config.models.get("llamacpp")
    demo = demo_model()
    if wanted:
        path = Path(wanted).expanduser()
        named = [p for p in [*own, *([demo] if demo else [])] if wanted in {p.stem, p.name}]
        return named[0] if named else path if path.is_file() else None
    return next(iter([*own, *([demo] if demo else [])]), None)


def _folder(name: str, config: AiConfig) -> Path | None:
    folders = [path for path, _ in exllama_folders(config.model_paths, _METHODS[name])]
    wanted = config.models.get(name)
    if wanted:
        return next((path for path in folders if wanted in {path.name, str(path)}), None)
    return next(iter(folders), None)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
