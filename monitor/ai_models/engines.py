"""Engines: how they are, the choice among them, their calls, and what a model would take."""

from typing import Literal

from pydantic import Field

from monitor.models import EngineModel, Shape

Origin = Literal["reported", "measured", "estimated"]


class Metric(Shape):
    """A figure, where it comes from, and percentiles where it was taken many times."""

    value: float | None
    unit: str
    origin: Origin
    n: int = 1
    low: float | None = None
    high: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    note: str = ""


class Amount(Shape):
    """A number and where it comes from."""

    value: float
    origin: Origin


class Memory(Shape):
    """What a loaded engine holds."""

    rss: Amount | None = None
    peak: Amount | None = None
    vram: Amount | None = None
    note: str = ""


class Capabilities(Shape):
    """What an engine can do through Watchkeeper."""

    json_schema: bool
    sets_context: bool
    counts_tokens: bool
    reports_timings: bool
    reports_cache: bool
    ignore_eos: bool
    unloads: bool
    remote: bool = False
    max_parallel: int | None = None


class Live(Shape):
    """The last calls of a back end (200 at most)."""

    calls: int
    errors: int
    ttft_p50_s: float | None
    ttft_p95_s: float | None
    tokens_per_s: float | None
    last_error: str


class InUse(Shape):
    """How a model of ours is loaded, and why; `benchmark` is the one whose winner was taken over."""

    backend: str
    model: str
    settings: str
    benchmark: str | None
    taken: int | None
    sentence: str


class PredictedFor(Shape):
    """With which settings a prediction of memory reckons: tokens a request, requests at the same time, type of the cache."""

    context: int
    parallel: int
    kv_type: str


class AiBackend(Shape):
    """An engine: how it is, what it would serve, what it holds, what it can, how it did."""

    name: str
    label: str
    kind: str
    state: str
    address: str | None = None
    version: str | None = None
    models: list[EngineModel] = Field(default_factory=list)
    detail: str = ""
    remedy: str = ""
    checked: int = 0
    latency_ms: float | None = None
    backend: str
    usable: bool
    model: str | None
    capabilities: Capabilities | None = None
    memory: Memory | None = None
    memory_predicted: int | None = None
    memory_predicted_for: PredictedFor | None = None
    breaker: str | None = None
    breaker_reason: str = ""
    retry_in_s: float | None = None
    live: Live | None = None
    in_use: InUse | None = None
    measured_in: str | None = None
    measured: dict[str, Metric] = Field(default_factory=dict)


class Choice(Shape):
    """Back ends in the order they are tried, why the first is first, and why others are not used."""

    order: list[str]
    sentence: str
    excluded: dict[str, str] = Field(default_factory=dict)


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


class Standing(Shape):
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


class Policy(Shape):
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
    standings: list[Standing]


class Call(Shape):
    """One try of one request with one back end."""

    ts: int
    call: str
    attempt: int
    purpose: str | None
    backend: str
    engine: str | None
    model: str | None
    outcome: str
    message: str | None
    total_s: float | None
    ttft_s: float | None
    tokens_per_s: float | None
    tokens_per_s_origin: str | None = None
    prompt_tokens: int | None
    completion_tokens: int | None
    explanation: str | None = None


class CallFigures(Shape):
    """A back end's calls in the time asked for."""

    backend: str
    calls: int
    errors: int
    ttft_p50_s: float | None
    ttft_p95_s: float | None
    tokens_per_s: float | None
    total_p95_s: float | None
    last_ts: int | None


class Calls(Shape):
    """The newest tries, figures by back end, and what became of the requests."""

    calls: list[Call]
    figures: list[CallFigures]
    requests: int
    answered: int
    by_fallback: int
    unanswered: int


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


class MemoryPlan(Shape):
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
