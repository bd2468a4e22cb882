"""ExLlamaV2 or V3 inside a worker, behind our own chat server on the Unix socket."""

import hashlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

import uvicorn

from ai.core.errors import BackendError
from ai.core.types import Message
from ai.discovery.packages import exllama_pieces, version_of
from ai.worker.engines.chat_server import ChatServer
from ai.worker.engines.chat_template import ChatTemplate
from ai.worker.engines.generation import GenerationThread
from ai.worker.messages import FailureKind, Loaded, LoadFailed, WorkerConfig

_HELLO: Final = (Message("user", "Hello"),)


def load(config: WorkerConfig) -> Loaded:
    """Load the model and serve it.

    Raises:
        LoadFailed: it cannot be loaded here, and why.
    """
    generation = 2 if config.engine == "exllamav2" else 3
    pieces = exllama_pieces(generation)
    if pieces is None or pieces.missing:
        lacking = ", ".join(what for what, _ in pieces.missing) if pieces else f"the package {config.engine}"
        raise LoadFailed("missing", f"ExLlamaV{generation} lacks: {lacking}.")
    folder = Path(config.model)
    try:
        template = ChatTemplate.of(folder)
        template.render(_HELLO)  # one that never ends shows itself now, within the load's deadline
    except BackendError as error:
        raise LoadFailed("bad model", error.message) from error
    import torch

    try:
        engine = _engine(generation, config, torch)
    except torch.cuda.OutOfMemoryError as error:
        raise LoadFailed("out of memory", str(error)) from error
    except (RuntimeError, AssertionError, ImportError, ValueError, OSError, KeyError) as error:
        kind: FailureKind = "missing" if isinstance(error, ImportError) else "error"
        raise LoadFailed(kind, f"ExLlamaV{generation} cannot load this model: {error}") from error
    engine.also_ends_with(end_tokens(folder))
    thread = GenerationThread(engine, _broken)
    server = ChatServer(engine, thread, template, folder.name, config.key)
    facts = {
        "version": version_of(config.engine),
        "device": ", ".join(torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())),
        "weights": _digest(folder),
        "context": engine.context,
        "parallel": engine.parallel,
    }
    listener = _listening(config.socket)
    return lambda _: _serve(server, listener), facts


def _engine(generation: int, config: WorkerConfig, torch: Any) -> Any:
    if generation == 2:
        from ai.worker.engines.exllama_v2 import ExLlamaV2Engine, plan

        capability = torch.cuda.get_device_capability() if torch.cuda.is_available() else None
        return ExLlamaV2Engine(plan(config.model, config.context, config.parallel, config.kv_type, capability))
    from ai.worker.engines.exllama_v3 import ExLlamaV3Engine

    return ExLlamaV3Engine(config.model, config.context, config.parallel, config.kv_type)


def end_tokens(folder: Path) -> list[int]:
    """Every end of turn that the model's files name; chat models have one that the tokenizer does not."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        path = folder / name
        if not path.is_file():
            continue
        try:
            given = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
        except (ValueError, AttributeError):
            continue  # the tokenizer's own end stays
        found |= {item for item in (given if isinstance(given, list) else [given]) if isinstance(item, int)}
    return sorted(found)


def _digest(folder: Path) -> str:
    """Names and sizes of the weights, and the configuration: enough to tell two models apart."""
    parts = [f"{file.name}:{file.stat().st_size}" for file in sorted(folder.glob("*.safetensors"))]
    digest = hashlib.sha256("\n".join(parts).encode() + (folder / "config.json").read_bytes()).hexdigest()
    return f"folder:{digest}"


def _broken(error: BaseException) -> None:
    """The generator failed: what it says goes to the supervisor, and a new worker is the cure."""
    sys.stderr.write(f"generation failed: {type(error).__name__}: {error}\n")
    sys.stderr.flush()
    os._exit(4)


def _listening(path: str) -> socket.socket:
    """There before the worker says that it is ready: who asks at once waits until the server runs, instead of finding nobody."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(128)
    return listener


def _serve(server: ChatServer, listener: socket.socket) -> None:
    config = uvicorn.Config(server.app, log_level="error", lifespan="off", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
