"""Engines: how they are, the choice among them, and what a model would take."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from ai.core.types import Capabilities, Engine, MemoryReport, Shape
from ai.shapes.report import Metric


@dataclass(frozen=True, slots=True)
class Choice:
    """Backends in the order they are tried, why the first is first, and why others are not used at all."""

    order: tuple[str, ...]
    sentence: str
    excluded: Mapping[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> str | None:
        """The first."""
        return self.order[0] if self.order else None


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """Over the last calls (200 at most); None until there are any."""

    calls: int
    errors: int
    ttft_p50_s: float | None
    ttft_p95_s: float | None
    tokens_per_s: float | None
    last_error: str


class TuneRow(Shape):
    """One of the settings that a search tried; `kind` is what was varied, a rate that is null was not measured."""

    kind: str
    settings: str
    generate: float | None
    read: float | None


class InUse(Shape):
    """How an embedded model is loaded, and why. `settings` is empty where they are the engine's own choice; `benchmark` is the one whose fastest settings
    were adopted, None for those of a search.
    """

    backend: str
    model: str
    settings: str
    benchmark: str | None
    taken: int | None
    sentence: str


class Tuned(Shape):
    """What a search for the fastest settings found. Rates in tokens a second: with the settings before, and with the best, measured in turn.

    `kept`: they are used from now on. They are not where nothing was faster, and where the machine was too busy to tell.
    """

    backend: str
    model: str
    settings: str
    sentence: str
    kept: bool
    quiet: bool
    seconds: float
    generate_before: float
    generate_after: float
    read_before: float
    read_after: float
    tried: list[TuneRow]


class PredictedFor(Shape):
    """The settings that a prediction of memory assumes: tokens a request, requests at the same time, type of the cache."""

    context: int
    parallel: int
    kv_type: str


class AiBackend(Engine):
    """An engine: how it is, what it would serve, what it holds, what it can, how it did."""

    backend: str
    usable: bool
    model: str | None
    capabilities: Capabilities | None = None
    memory: MemoryReport | None = None
    memory_predicted: int | None = None
    memory_predicted_for: PredictedFor | None = None
    breaker: str | None = None
    breaker_reason: str = ""
    retry_in_s: float | None = None
    live: LiveFigures | None = None
    in_use: InUse | None = None
    measured_in: str | None = None
    measured: dict[str, Metric] = Field(default_factory=dict)


class AiBackends(Shape):
    """All engines and the choice among them."""

    backends: list[AiBackend]
    choice: Choice
    drift: list[str] = Field(default_factory=list)


class Ratio(Shape):
    """An estimate between bounds."""

    estimate: float
    low: float
    high: float


class BackendScore(Shape):
    """What is known of a back end when choosing."""

    backend: str
    engine: str
    model: str
    breaker: str
    reason: str
    quality: float | None
    latency_s: float | None
    measured: int | None
    speed: Ratio | None
    remote: bool


class PolicyState(Shape):
    """What is wanted, what it would choose, and why."""

    quality_floor: float
    latency_target_s: float | None
    allow_remote: bool
    explain_remote: bool
    chosen: str | None
    order: list[str]
    sentence: str
    excluded: dict[str, str]
    drift: list[str]
    scores: list[BackendScore]


class Fetched(Shape):
    """A model that was fetched."""

    path: str
    size: int


class Alternative(Shape):
    """Settings that fit."""

    context: int
    parallel: int
    kv_type: str
    total: int


class MemoryFit(Shape):
    """What a model would take, and whether it fits."""

    model: str
    path: str
    fits: bool
    available: int
    total: int
    weights: int
    cache: int
    compute: int
    overhead: int
    cache_per_token: float
    cache_exact: bool
    context: int
    parallel: int
    kv_type: str
    where: str
    trained_context: int | None
    parameters: int | None
    notes: list[str]
    remedy: str
    alternatives: list[Alternative]


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One try of one request with one backend. `outcome` is `answered` or the error's class name.

    `call` is the same for all tries of a request, `attempt` counts them from 1; `explanation` says why this backend.
    """

    call: str
    attempt: int
    ts: int
    purpose: str
    backend: str
    engine: str
    model: str
    outcome: str
    message: str
    total_s: float
    ttft_s: float | None = None
    tokens_per_s: float | None = None
    tokens_per_s_origin: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    explanation: str = ""
