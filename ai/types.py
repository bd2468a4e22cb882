"""Values that travel between the engines and everyone who uses them.

Times inside a call are `time.perf_counter_ns()` readings (monotonic, nanoseconds); wall-clock times are
microseconds since the epoch, UTC; sizes are bytes. `None` means *not available*: never 0.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

EngineName = Literal["ollama", "openai", "exllamav2", "exllamav3", "llamacpp"]
EngineKind = Literal["server", "package", "embedded"]
EngineState = Literal["ready", "idle", "down", "missing", "error"]


class EngineModel(BaseModel):
    """A model an engine can serve. `context` is in tokens; `size` is what it takes on disk."""

    model_config = ConfigDict(frozen=True)

    name: str
    size: int | None = None
    loaded: bool = False
    quantization: str | None = None
    context: int | None = None


class Engine(BaseModel):
    """What was found out about one engine (docs/design.md, "Engines").

    `ready`: it can answer a request now. `idle`: it is there, but has no model to serve. `down`: a server that does
    not answer. `missing`: a package (or a piece it needs) that is not installed. `error`: it answers wrongly.
    `detail` is one sentence; `remedy` says what to do and is empty when ready.
    """

    model_config = ConfigDict(frozen=True)

    name: EngineName
    label: str
    kind: EngineKind
    state: EngineState
    address: str = ""
    version: str = ""
    models: list[EngineModel] = Field(default_factory=list)
    detail: str = ""
    remedy: str = ""
    checked: int = 0
    latency_ms: float | None = None
