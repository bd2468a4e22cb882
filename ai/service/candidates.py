"""From what was found on this machine to back ends that can be asked."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ai.backends.exllama import ExLlamaBackend
from ai.backends.footprint import is_local
from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.backends.ollama_native import OllamaBackend
from ai.backends.openai_compat import OpenAIBackend
from ai.errors import BackendError
from ai.memory import MemoryPlan, most_memory, predict
from ai.probes.files import demo_model, exllama_folders, gguf_files
from ai.protocol import Backend
from ai.service.config import AiConfig
from ai.service.ollama_plan import plan_of_ollama
from ai.types import LoadSpec
from ai.worker.supervisor import WatchPolicy

_METHODS: Final = {"exllamav2": frozenset({"exl2", "gptq", "none"}), "exllamav3": frozenset({"exl3", "none"})}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A usable engine with the model it would serve. `path` is the model's file or folder where it is ours to load."""

    name: str
    engine: str
    label: str
    address: str
    model: str
    shown: str
    path: Path | None
    make: Callable[[str], Backend]

    @property
    def embedded(self) -> bool:
        """Whether it runs in a worker process of ours, where threads and cache are ours to choose."""
        return self.engine in {"llamacpp", "exllamav2", "exllamav3"}

    def plan(self, spec: LoadSpec) -> MemoryPlan | None:
        """What it is predicted to take; None for what a server loads by itself (but Ollama here, which tells), or what cannot be read."""
        if self.engine == "ollama" and is_local(self.address):
            return plan_of_ollama(self.address, self.model, context=spec.context)
        if self.path is None:
            return None
        try:
            return predict(self.path, n_ctx=spec.context, n_parallel=spec.parallel, kv_type=spec.kv_type)
        except BackendError:
            return None  # the load itself will say what is wrong with the file


def candidates(engines: Sequence[Mapping[str, Any]], config: AiConfig) -> list[Candidate]:
    """The engines that can answer, each with its model; engines as discovery describes them."""
    found = []
    for engine in engines:
        if engine.get("state") not in {"ready", "idle"}:
            continue
        candidate = _candidate(engine, config)
        if candidate is not None:
            found.append(candidate)
    return found


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
            return LlamaCppBackend(name=as_name, demo=path, watch=watch)
        bounded = replace(
            watch, memory_limit=most_memory()
        )  # its weights are on the GPU: what it needs here is not predicted
        return ExLlamaBackend(2 if name == "exllamav2" else 3, name=as_name, watch=bounded)

    return Candidate(name, name, str(engine["label"]), "", str(path), path.stem, path, make)


def _server(name: str, engine: Mapping[str, Any], config: AiConfig) -> Candidate | None:
    models = [m for m in engine.get("models") or [] if "embed" not in str(m["name"]).lower()]
    wanted = config.models.get(name) or config.models.get(str(engine.get("address")))
    loaded = [m for m in models if m.get("loaded")]
    first = next(iter([*loaded, *models]), None)
    model = wanted or (str(first["name"]) if first else "")
    if not model:
        return None
    url = str(engine["address"])
    key = config.api_keys.get(url.removesuffix("/v1"), "")
    own = name if name == "ollama" else f"openai@{url.partition('//')[2].partition('/')[0]}"

    def make(as_name: str) -> Backend:
        return OllamaBackend(url, name=as_name) if name == "ollama" else OpenAIBackend(url, name=as_name, api_key=key)

    return Candidate(own, name, str(engine["label"]), url, model, model, None, make)


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
