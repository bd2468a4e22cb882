"""What an Ollama server has in memory, and the settings it was started with: somebody else may have chosen both, so they are used as they are."""

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import psutil

from ai.core.control_groups import quotas
from ai.core.footprint import is_local, listening_pid
from ai.core.types import GenRequest
from ai.discovery.http import text, whole
from ai.discovery.ollama import is_over

_KNOWN_S: Final = 15.0
_FOR_EVER_S: Final = 10 * 365 * 86_400.0
_TYPES: Final = frozenset({"f16", "q8_0", "q4_0"})
_OFF: Final = frozenset({"0", "f", "false", "n", "no", "off"})
_KEEP: Final = re.compile(r"(?P<number>-?\d{1,9})|-?(\d{1,9}(\.\d+)?(ms|s|m|h))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_SEEN: Final = 4096
_HEAD: Final = 64


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in the server's memory. `size` is bytes with the cache of all its requests; `keep_s` is how long it stays from now, infinite for ever."""

    model: str
    context: int | None
    size: int | None
    keep_s: float
    digest: str = ""

    def keep_alive(self) -> str | int:
        """As a request says it."""
        return -1 if math.isinf(self.keep_s) else f"{max(math.ceil(self.keep_s), 1)}s"


def loaded_models(rows: Sequence[Mapping[str, Any]], *, local: bool, now: datetime | None = None) -> list[Loaded]:
    """What `/api/ps` lists and what is still there."""
    at = now or datetime.now(UTC)
    return [
        Loaded(
            model=text(row.get("model") or row.get("name")), context=whole(row.get("context_length")) or None,
            size=whole(row.get("size")) or None, keep_s=_left_s(row.get("expires_at"), at), digest=text(row.get("digest")),
        )
        for row in rows
        if not is_over(row.get("expires_at"), local=local, now=at)
    ]  # fmt: skip


def _left_s(expires: object, now: datetime) -> float:
    try:
        at = expires if isinstance(expires, datetime) else datetime.fromisoformat(str(expires))
    except ValueError:
        return 0.0
    left = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return math.inf if left > _FOR_EVER_S else max(left, 0.0)


def same_model(one: str, other: str) -> bool:
    """Whether two names mean the same model: the tag `latest` may be left out, and case does not matter."""
    return _full(one) == _full(other)


def _full(name: str) -> str:
    low = name.strip().lower()
    return low if ":" in low.rpartition("/")[2] else f"{low}:latest"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the environment of an Ollama process says; None where it says nothing. `read` is false where it cannot be read."""

    read: bool = False
    parallel: int | None = None
    kv_type: str | None = None
    context: int | None = None
    keep_alive: str | None = None
    most_loaded: int | None = None
    flash_attention: bool | None = None

    def sentence(self) -> str:
        """Where the settings of a prediction come from."""
        if not self.read:
            return "Ollama's own settings cannot be read from here: its defaults are assumed, one request at a time and a cache of f16."
        told = [
            f"{name}={value}"
            for name, value in (
                ("OLLAMA_NUM_PARALLEL", self.parallel), ("OLLAMA_KV_CACHE_TYPE", self.kv_type), ("OLLAMA_CONTEXT_LENGTH", self.context),
            )
            if value is not None
        ]  # fmt: skip
        return f"As Ollama was started: {', '.join(told)}." if told else "As Ollama was started: with its defaults."


def server_settings(url: str) -> ServerSettings:
    """The settings of the server at a loopback address, from its process, where that is this user's; kept for some seconds. Reads `/proc`."""
    return _settings(url, int(time.monotonic() // _KNOWN_S)) if is_local(url) else ServerSettings()


@lru_cache(maxsize=16)
def _settings(url: str, _period: int) -> ServerSettings:
    pid = listening_pid(url)
    if pid is None:
        return ServerSettings()
    try:
        environ = psutil.Process(pid).environ()
    except psutil.Error:
        return ServerSettings()  # another user's, or gone
    return settings_of(environ)


def settings_of(environ: Mapping[str, str]) -> ServerSettings:
    """The settings in an environment, as Ollama reads them."""
    kind = environ.get("OLLAMA_KV_CACHE_TYPE", "").strip().strip("\"'").lower()
    flash = environ.get("OLLAMA_FLASH_ATTENTION", "").strip().strip("\"'").lower()
    plain = flash in _OFF  # then it ignores the type
    return ServerSettings(
        read=True,
        parallel=_count(environ.get("OLLAMA_NUM_PARALLEL")),
        kv_type=kind if kind in _TYPES and not plain else None,
        context=_count(environ.get("OLLAMA_CONTEXT_LENGTH")),
        keep_alive=environ.get("OLLAMA_KEEP_ALIVE", "").strip().strip("\"'")[:20] or None,
        most_loaded=_count(environ.get("OLLAMA_MAX_LOADED_MODELS")),
        flash_attention=not plain if flash else None,
    )


def keep_of(said: str | None) -> str | int | None:
    """`OLLAMA_KEEP_ALIVE` as a request says it: a number is of seconds, below zero for ever; None for what is no time, or lets a model go at once."""
    if said is None or not (match := _KEEP.fullmatch(said)):
        return None
    if match["number"]:
        return int(match["number"]) or None
    return said if keep_seconds(said) else None


def keep_seconds(keep_alive: str | int) -> float:
    """A keep-alive in seconds; below zero is for ever."""
    if isinstance(keep_alive, int):
        return float(keep_alive)
    sign = -1 if keep_alive.startswith("-") else 1
    return sign * sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(keep_alive))


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What the description of a model sets; None where it leaves that to the server."""

    threads: int | None = None
    gpu_layers: int | None = None


def model_settings(parameters: object) -> ModelSettings:
    """The settings in a model's parameters, which Ollama writes a line each: `num_thread  4`."""
    lines = parameters.splitlines() if isinstance(parameters, str) else []
    told = {words[0]: words[1] for line in lines if len(words := line.split()) == 2}
    layers = told.get("num_gpu", "")
    return ModelSettings(_count(told.get("num_thread")), int(layers) if layers.isascii() and layers.isdigit() else None)


def usual_threads(url: str) -> int | None:
    """How many threads a server here takes where nobody says: one for each physical core; None where that is not known, as under a limit of CPU time."""
    if not is_local(url) or quotas():
        return None
    return psutil.cpu_count(logical=False)


def _count(value: str | None) -> int | None:
    """A positive number; 0 leaves the choice to the server."""
    said = (value or "").strip().strip("\"'")
    return int(said) if said.isascii() and said.isdigit() and 0 < int(said) < 2**31 else None


@dataclass(slots=True)
class SeenPrompts:
    """Which beginnings of prompts a server was sent: it keeps what it has read, and then counts the whole prompt but reads only the rest."""

    _heads: dict[str, None] = field(default_factory=dict)

    def is_new(self, request: GenRequest) -> bool:
        """Whether nothing that begins like it was sent before; it counts as sent from now on."""
        head = "\n".join(message.content for message in request.messages)[:_HEAD]
        if head in self._heads:
            return False
        if len(self._heads) >= _SEEN:
            self._heads.pop(next(iter(self._heads)))
        self._heads[head] = None
        return True
