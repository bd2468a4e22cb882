"""Values that travel between the engines and everyone who uses them.

Times inside a call are `time.perf_counter_ns()` readings (monotonic, nanoseconds); wall-clock times are
microseconds since the epoch, UTC; sizes are bytes. `None` means *not available*: never 0.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ai.core.arrival import Arrival

EngineName = Literal["ollama", "openai", "exllamav2", "exllamav3", "llamacpp"]


_NO_CHAT = re.compile(r"embed|rerank|whisper|moderation|dall-e|(^|[-_/])(tts|bge)([-_]|$)", re.IGNORECASE)


class Shape(BaseModel):
    """A value that travels as JSON; fields that a newer version adds are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EngineModel(Shape):
    """A model an engine can serve. `context` is in tokens; `size` is what it takes on disk.

    `remote_host` is the machine it runs on, where the engine only passes requests on; empty for one that runs with the engine.
    `capabilities` are the engine's words for what it can do, such as `completion` or `embedding`; empty where they are not known.
    """

    name: str
    size: int | None = None
    loaded: bool = False
    quantization: str | None = None
    context: int | None = None
    remote_host: str = ""
    capabilities: list[str] = Field(default_factory=list)

    @property
    def chats(self) -> bool:
        """Whether it answers questions."""
        return can_chat(self.name, self.capabilities)


def can_chat(name: str, capabilities: Sequence[str]) -> bool:
    """Whether a model answers questions: by what its server says it can do, else by its name."""
    return "completion" in capabilities if capabilities else not _NO_CHAT.search(name)


class EngineProcess(Shape):
    """The process of a server on this machine. `kind` is the server that its name and command line show, such as vLLM; `settings` are its options and the variables it reads, without secrets; `model` is what its command line
    names, `model_file` where that is a file; `run` (a decimal string) is filled in by whoever knows the runs.
    """

    pid: int
    name: str
    kind: str = ""
    user: str = ""
    command: str = ""
    model: str = ""
    model_file: str = ""
    settings: dict[str, str] = Field(default_factory=dict)
    run: str | None = None


class EngineEnd(Shape):
    """How the process of an engine ended that does not answer since: its run, in words such as `ended by SIGKILL`, and when, in µs."""

    run: str
    said: str
    ts: int


class Engine(Shape):
    """What was found out about one engine (docs/design.md, "Engines").

    `ready`: it can answer a request now. `idle`: it is there, but has no model to serve. `loading`: a server that
    is loading its model. `down`: a server that does not answer. `missing`: a package (or a piece it needs) that is not installed. `error`: it answers wrongly.
    `detail` is one sentence; `remedy` says what to do and is empty when ready.

    `kind` is `server`, `package` or `embedded`. Words that are not known here are accepted: a newer agent may use them.
    """

    name: str
    label: str
    kind: str
    state: str
    address: str = ""
    api: str = "/v1"
    """What the routes of OpenAI's API have behind the address (without a `/v1` at its end); empty where they follow it at once."""
    version: str = ""
    models: list[EngineModel] = Field(default_factory=list)
    detail: str = ""
    remedy: str = ""
    checked: int = 0
    latency_ms: float | None = None
    process: EngineProcess | None = None
    ended: EngineEnd | None = None
    """Filled in by whoever watches processes."""


Origin = Literal["reported", "measured", "estimated"]
"""Where a number comes from: said by the engine, measured by this program, or computed from something else."""
Role = Literal["system", "user", "assistant"]
ChunkKind = Literal["content", "reasoning"]
FinishReason = Literal["stop", "length", "other"]
KvType = Literal["f16", "q8_0", "q6", "q5_1", "q5_0", "q4_1", "q4_0"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and where it comes from."""

    value: float
    origin: Origin


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Every sampler value, always sent: the engines' own defaults differ. The default is greedy."""

    temperature: float = 0.0
    top_k: int = 1
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class GenRequest:
    """What to generate.

    Attributes:
        messages: the conversation; the engine applies the model's chat template.
        max_tokens: tokens to generate at most.
        sampling: all sampler values.
        stop: strings that end the answer.
        json_schema: the answer must follow it (constrained while it is generated).
        reuse_prompt: the engine may reuse what it computed for an earlier prompt; benchmarks set False.
        ignore_eos: go on to `max_tokens`, where the engine can (`Capabilities.ignore_eos`).
        think: let a reasoning model reason; None leaves it to the model.
        raw: the whole prompt as text, sent as it is to a backend that takes it so (`RawPrompts`); `messages` are what it was made of. Empty: the engine
            applies its own template to them.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 256
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    reuse_prompt: bool = True
    ignore_eos: bool = False
    think: bool | None = None
    raw: str = ""


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """What to load and how.

    Attributes:
        model: the engine's name for it, or the path of a file or folder.
        context: tokens of context **per request**; a server that decides itself is checked against it.
        parallel: requests answered at the same time.
        kv_type: element type of the key-value cache.
        threads: CPU threads that generate; None lets the engine choose.
        yields: `threads` is a most, and fewer generate while other programs use the cores; else it is obeyed exactly. What an engine chooses itself may yield.
        prompt_threads: CPU threads that read a prompt; None: as many as generate, or the engine's choice where `threads` is None.
        gpu_layers: layers on the GPU; None lets the engine choose, 0 keeps all on the CPU.
        batch: tokens of a prompt that are read at once; None lets the engine choose.
        flash_attention: on or off; None lets the engine choose.
    """

    model: str
    context: int = 4096
    parallel: int = 1
    kv_type: KvType = "f16"
    threads: int | None = None
    yields: bool = False
    prompt_threads: int | None = None
    gpu_layers: int | None = None
    batch: int | None = None
    flash_attention: bool | None = None


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds to wait at most for each part of a call. `total_s` covers all of it, loading included."""

    connect_s: float = 2.0
    load_s: float = 120.0
    first_token_s: float = 60.0
    between_tokens_s: float = 15.0
    total_s: float = 180.0


DEFAULT_DEADLINES = Deadlines()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer as it arrived: never empty; a chunk is not a token. `t_ns`: when it arrived here."""

    t_ns: int
    text: str
    kind: ChunkKind = "content"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a call. `completion_tokens` counts reasoning too; `cached_tokens` are prompt tokens that were not computed again.

    `hidden_tokens`: some of the answer's tokens were counted, but not sent.
    """

    prompt_tokens: Figure | None = None
    completion_tokens: Figure | None = None
    cached_tokens: Figure | None = None
    hidden_tokens: bool = False


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations of a call, seconds.

    `ttft`, `total` and `generation_measured` (from the first chunk to the engine's word that it is done) are measured here; `load`, `queue`, `prompt` and
    `generation` are what the engine reports, None when it does not or when it cannot be believed (`distrust` says why). `arrival` is how the text came.
    """

    ttft: Figure | None = None
    total: Figure | None = None
    generation_measured: Figure | None = None
    load: Figure | None = None
    queue: Figure | None = None
    prompt: Figure | None = None
    generation: Figure | None = None
    distrust: str = ""
    arrival: Arrival | None = None


@dataclass(frozen=True, slots=True)
class Final:
    """The last event of every complete answer.

    `sent_ns` and `t_ns` are when the request left and the answer ended; `notes` are sentences about what may
    make the figures or the answer worth less (truncated prompt, cached prompt, timings not believed).
    """

    sent_ns: int
    t_ns: int
    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    model: str = ""
    notes: tuple[str, ...] = ()
    truncated: bool = False
    """The engine dropped a part of the prompt to make it fit."""
    instead: str = ""
    """What came in place of an answer, or of its rest, as a sentence: a call of a tool, a refusal, a filter's mark; empty where all is an answer."""

    def generation_rate(self) -> Figure | None:
        """Tokens a second after the first one: as the engine reports it, else measured here."""
        tokens = self.usage.completion_tokens
        if tokens is None or tokens.value < 2:
            return None
        if self.timings.generation is not None and self.timings.generation.value > 0:
            return Figure((tokens.value - 1) / self.timings.generation.value, "reported")
        return self.measured_rate()

    def measured_rate(self) -> Figure | None:
        """Tokens a second after the first that arrived, by this program's clock.

        None where the tokens are only estimated, where some of them were not sent, and where the answer came in a few bunches.
        """
        tokens, span, arrival = self.usage.completion_tokens, self.timings.generation_measured, self.timings.arrival
        if tokens is None or span is None or tokens.value < 2 or span.value <= 0:
            return None
        if (
            tokens.origin == "estimated"
            or self.usage.hidden_tokens
            or (arrival is not None and arrival.held_back(tokens.value))
        ):
            return None
        later = tokens.value - 1 if arrival is None else arrival.later_tokens(tokens.value)
        left = span.value - (arrival.first_s if arrival is not None else 0.0)
        return Figure(later / left, "measured") if later > 0 and left > 0 else None

    def prompt_rate(self) -> Figure | None:
        """Prompt tokens a second, of those that were computed; None when the engine does not tell."""
        tokens, span = self.usage.prompt_tokens, self.timings.prompt
        if tokens is None or span is None or span.value <= 0:
            return None
        fresh = tokens.value - (self.usage.cached_tokens.value if self.usage.cached_tokens else 0)
        return Figure(fresh / span.value, "reported") if fresh > 0 else None


Event = Chunk | Final


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do through this program.

    Attributes:
        json_schema: answers can be constrained to a schema.
        sets_context: the caller chooses the context length.
        counts_tokens: `count_tokens` is exact, not an estimate.
        reports_timings: prompt and generation times come from the engine.
        reports_cache: it tells how many prompt tokens it did not compute.
        ignore_eos: it can be made to generate exactly `max_tokens`.
        unloads: `unload` frees its memory.
        remote: the text leaves this machine.
        max_parallel: requests at the same time, None when not known.
    """

    json_schema: bool
    sets_context: bool
    counts_tokens: bool
    reports_timings: bool
    reports_cache: bool
    ignore_eos: bool
    unloads: bool
    remote: bool = False
    max_parallel: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """An engine's answer to "are you there?". `state` as in `Engine`; `latency_ms` is of that question."""

    state: str
    detail: str
    checked: int
    latency_ms: float | None = None
    loaded: bool | None = None


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What is loaded now, and what makes it comparable with another engine (None: not known).

    `seconds` is how long this load took: small when `cold` is false. `context` is tokens per request **in force**.
    `weights` identifies the weights and `template` the chat template, each as `scheme:digest`: digests of two schemes say nothing of each other.
    """

    model: str
    cold: bool
    seconds: Figure
    context: int | None = None
    parallel: int | None = None
    kv_type: str | None = None
    quantization: str | None = None
    weights: str | None = None
    template: str | None = None
    engine_version: str = ""
    device: str = ""
    notes: tuple[str, ...] = ()
    threads: int | None = None
    prompt_threads: int | None = None
    usual_threads: int | None = None
    """What the engine takes by its own default, where only that is known."""
    yields: bool = False
    """Fewer than `threads` generate while other programs use the cores."""
    flash_attention: bool | None = None
    gpu_layers: int | None = None
    pending: bool = False
    """The server loads the model when it is first asked."""


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """Memory of a loaded engine, bytes. `rss` is of its process tree, `peak` the most seen since it began.

    `vram` is on all GPUs together; its origin `reported` means a reservation the engine speaks of, not a measurement.
    """

    rss: Figure | None = None
    peak: Figure | None = None
    vram: Figure | None = None
    pids: tuple[int, ...] = ()
    note: str = ""
