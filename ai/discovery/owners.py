"""Servers with OpenAI's API that run here, found by their processes and listening sockets; and the process behind each engine that was found."""

import os
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil

from ai.core.footprint import is_local, listening_pid
from ai.core.types import Engine, EngineProcess
from ai.discovery.holders import mapped_weights, named_to_serve
from ai.discovery.openai import UNKNOWN
from ai.discovery.processes import is_ollama, reachable
from ai.discovery.signatures import Started, is_script_of_many, model_of, prefix_of, server_of, settings_of, started

Mask = Callable[[Sequence[str]], str]
"""A command line with its secrets hidden, from its words."""
_MOST_PORTS: Final = 4
_KNOWN_S: Final = 15.0
_MOST_SERVERS: Final = 16
_MOST_COMMAND: Final = 1000
_ONE_FILE: Final = (".gguf", ".llamafile")
"""Weights that are one file by themselves."""


def server_addresses() -> list[str]:
    """The addresses of what may be such servers on this machine. Each is still to be asked what it is. Reads `/proc`: some tens of milliseconds.

    Those that are known by name come first, then what listens on loopback and holds the weights of a model.
    """
    known: dict[str, None] = {}
    others: dict[str, None] = {}
    for pid, addresses in _listening().items():
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                name, words = process.name(), process.cmdline()
                folder = process.cwd() if is_script_of_many(words) else ""
            if server_of(name, words, folder) is not None:
                known |= dict.fromkeys(f"{place}{prefix_of(words)}" for place in addresses[:_MOST_PORTS])
            elif (loopback := [a for a in addresses if is_local(a)]) and _holds_model(process, words):
                others |= dict.fromkeys(loopback[:_MOST_PORTS])
        except psutil.Error:
            continue  # it ended meanwhile, or may not be looked at
    return list(known | others)[:_MOST_SERVERS]


def _listening() -> dict[int, list[str]]:
    """Where each process listens that this user may look at; another user's server has to be told in the settings."""
    places: dict[int, list[str]] = {}
    try:
        for c in psutil.net_connections("tcp"):
            if c.status == psutil.CONN_LISTEN and c.laddr and c.pid and c.pid != os.getpid():
                places.setdefault(c.pid, []).append(f"http://{reachable(c.laddr.ip)}:{c.laddr.port}")
    except psutil.Error:
        return {}
    return places


def _holds_model(process: psutil.Process, words: Sequence[str]) -> bool:
    """Whether it has weights mapped, or was started with some. Never one rank of many: what trains together must not be spoken to."""
    if not named_to_serve(words) and not mapped_weights(process.pid):
        return False
    return not {"MASTER_ADDR", "MASTER_PORT"} & process.environ().keys()


def may_serve(name: str, words: Sequence[str], folder: str) -> bool:
    """Whether a process may be a server of models, Ollama or another one; arguments as of `ai.discovery.signatures.server_of`."""
    return is_ollama(name, words) or server_of(name, words, folder) is not None or named_to_serve(words)


def with_processes(engines: Sequence[Engine], mask: Mask) -> list[Engine]:
    """The engines, those that listen on this machine with their process, as far as this user may see it. Reads `/proc`.

    Args:
        engines: what was found.
        mask: hides secrets in command lines.
    """
    here = {
        engine.address for engine in engines if engine.address and engine.state != "down" and is_local(engine.address)
    }
    if not here:
        return list(engines)
    try:
        listens = {
            c.laddr.port: c.pid
            for c in psutil.net_connections("tcp")
            if c.status == psutil.CONN_LISTEN and c.laddr and c.pid
        }
    except psutil.Error:
        return list(engines)
    told = {address: _about(listens.get(_port(address)), mask) for address in here}
    return [_with(engine, told.get(engine.address)) for engine in engines]


def started_with(url: str) -> Started:
    """What the server at a loopback address was started with, as far as this user may see it; kept for some seconds. Reads `/proc`."""
    return _started(url, int(time.monotonic() // _KNOWN_S)) if is_local(url) else Started()


@lru_cache(maxsize=32)
def _started(url: str, _period: int) -> Started:
    pid = listening_pid(url)
    if pid is None or pid == os.getpid():
        return Started()
    try:
        process = psutil.Process(pid)
        words, environ = process.cmdline(), process.environ()
    except psutil.Error:
        return Started()  # another user's, or gone
    return started(settings_of(words, environ))


def _with(engine: Engine, process: EngineProcess | None) -> Engine:
    """The engine with its process, which also names one that says nothing of itself."""
    if process is None:
        return engine
    label = process.kind if process.kind and engine.label == UNKNOWN else engine.label
    return engine.model_copy(
        update={"process": process, "label": label, "detail": engine.detail.replace(UNKNOWN, label, 1)}
    )


def _about(pid: int | None, mask: Mask) -> EngineProcess | None:
    """Command, model and settings of a process; None when it cannot be seen."""
    if pid is None or pid == os.getpid():
        return None
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            words, name, user = process.cmdline(), process.name(), process.username()
        environ = process.environ() if words else {}
    except psutil.AccessDenied:
        environ = {}
    except psutil.Error:
        return None
    model = model_of(words)
    if not model.endswith(_ONE_FILE):
        mapped = next(iter(mapped_weights(pid)), "")
        model = mapped if mapped.endswith(_ONE_FILE) or not model else model
    file = Path(model) if model.endswith(_ONE_FILE) or "/" in model else None
    settings = {key: mask([value]) for key, value in settings_of(words, environ).items()}
    command = mask(words)[:_MOST_COMMAND] or name
    return EngineProcess(
        pid=pid, name=name, kind=server_of(name, words, "") or "", user=user, command=command, model=mask([model])[:300], settings=settings,
        model_file=str(file) if file is not None and file.is_absolute() else "",
    )  # fmt: skip


def _port(address: str) -> int:
    parts = urlsplit(address)
    return parts.port or (443 if parts.scheme == "https" else 80)
