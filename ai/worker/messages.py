"""What parent and worker tell each other: JSON lines, the configuration first, then the worker's life signs.

parent → worker (standard input)   one `WorkerConfig`; then nothing: its end means that the parent is gone
worker → parent (standard output)  `{"t": "beat"}` four times a second, `{"t": "ready", …}` once, or `{"t": "failed", …}`; `{"t": "threads", "now": n}`
                                   when another number of threads generates, because of what other programs use
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Self

BEAT_S: Final = 0.25
WorkerEngine = Literal["llamacpp", "exllamav2", "exllamav3"]
FailureKind = Literal["out of memory", "bad model", "missing", "error"]


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker loads and where it listens. `context` is tokens per request; `data_limit` is bytes of private memory.

    `yields`: fewer than `threads` generate while other programs use the cores.
    """

    engine: WorkerEngine
    model: str
    socket: str
    key: str = field(repr=False)
    parent: int
    context: int = 4096
    parallel: int = 1
    kv_type: str = "f16"
    threads: int | None = None
    prompt_threads: int | None = None
    yields: bool = False
    gpu_layers: int | None = None
    batch: int | None = None
    flash_attention: bool | None = None
    data_limit: int | None = None
    nice: int = 0

    def line(self) -> bytes:
        """The configuration as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Self:
        """The configuration from its line.

        Raises:
            ValueError, TypeError: it is none.
        """
        return cls(**json.loads(line))


def parse(line: bytes) -> dict[str, Any]:
    """A worker's message; what is no message is an empty one."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


Say = Callable[..., None]
"""Tells the parent a message, by its fields."""
Loaded = tuple[Callable[[Say], None], dict[str, Any]]
"""What an engine module's `load` returns: a function that serves for ever, and facts for the load report."""


class LoadFailed(Exception):
    """The engine could not load."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
