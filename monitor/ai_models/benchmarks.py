"""Benchmarks: what to measure, where one is, what it yielded, and how two compare."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.ai_models.engines import Metric
from monitor.models import Shape


class Step(Shape):
    """A step of a benchmark: `done`, `now` or `to come`."""

    step: str
    state: str


class Figures(Shape):
    """Medians of a back end so far."""

    backend: str
    n: int
    tokens_per_s: float | None
    first_token_s: float | None
    total_s: float | None


class Benchmark(Shape):
    """Where the benchmark is. `ratios` are speeds of each pair against the reference; `intervals` claim nothing yet."""

    state: Literal["idle", "running", "done", "cancelled", "failed"]
    id: str = ""
    kind: str = ""
    note: str = ""
    started: int = 0
    elapsed_s: float | None = None
    contenders: list[str] = Field(default_factory=list)
    reference: str = ""
    steps: list[Step] = Field(default_factory=list)
    phase: str = ""
    message: str = ""
    done: int = 0
    total: int = 0
    left_s: float | None = None
    ratios: dict[str, list[float]] = Field(default_factory=dict)
    intervals: dict[str, list[float | None]] = Field(default_factory=dict)
    figures: list[Figures] = Field(default_factory=list)
    first_figure_s: float | None = None
    measurements: int = 0
    flagged: int = 0
    cancelling: bool = False
    error: str = ""
    hint: str = ""
    verdict: str = ""


class BenchmarkRequest(BaseModel):
    """What to measure; what is not given follows from `depth` and the settings."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["auto", "engines", "settings", "self-check"] = "auto"
    depth: Literal["quick", "standard", "full"] = "standard"
    backends: list[str] | None = Field(default=None, max_length=8)
    measure: Literal["generation", "first_token", "total"] = "generation"
    budget_s: float | None = Field(default=None, gt=0, le=3600)
    max_blocks: int | None = Field(default=None, ge=8, le=500)
    batches: list[int] | None = Field(default=None, max_length=8)
    postings: int | None = Field(default=None, ge=0, le=500)
    max_tokens: int | None = Field(default=None, ge=2, le=1024)


class BenchmarkStarted(Shape):
    """The id to ask for."""

    id: str


class Cancelled(Shape):
    """Whether a benchmark ran."""

    cancelled: bool


class Load(Shape):
    """What was loaded, as the engine says."""

    model: str
    cold_s: float | None = None
    warm_s: float | None = None
    context: int | None = None
    parallel: int | None = None
    kv_type: str | None = None
    quantization: str | None = None
    engine_version: str = ""
    device: str = ""
    notes: list[str] = Field(default_factory=list)
    threads: int | None = None
    prompt_threads: int | None = None


class Batch(Shape):
    """Requests at the same time."""

    batch: int
    tokens_per_s: float | None
    goodput_rps: float | None
    good: int
    requests: int
    ttft_p95_s: float | None
    note: str = ""


class Quality(Shape):
    """Quality on labelled postings."""

    items: int
    parse_rate: float
    schema_valid_rate: float
    f1_micro: float
    f1_macro: float
    f1_low: float
    f1_high: float
    evidence_rate: float
    null_when_absent: float
    stability: float | None = None


class Contender(Shape):
    """All figures of one contender; `unusable` says why it could not be measured."""

    name: str
    engine: str
    load: Load | None = None
    metrics: dict[str, Metric] = Field(default_factory=dict)
    batches: list[Batch] = Field(default_factory=list)
    quality: Quality | None = None
    unusable: str = ""
    flagged: int = 0


class Comparison(Shape):
    """A candidate against the reference; above 1 it is faster."""

    candidate: str
    reference: str
    kind: str
    estimate: float
    low: float | None
    high: float | None
    p_value: float
    blocks: int
    equivalent: bool
    comparable: bool
    because: list[str] = Field(default_factory=list)
    unknown: list[str] = Field(default_factory=list)
    sentence: str
    log_ratios: list[float] = Field(default_factory=list)


class SelfCheck(Shape):
    """An engine against itself."""

    backend: str
    estimate: float
    low: float | None
    high: float | None
    passed: bool


class Sample(Shape):
    """One measurement, used or not."""

    ts: int
    block: int
    position: int
    backend: str
    batch: int = 1
    prompt: str
    flags: list[str] = Field(default_factory=list)
    used: bool = True
    total_s: float | None = None
    ttft_s: float | None = None
    rate: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    neighbour_pct: float | None = None
    error: str | None = None


class Hypothesis(Shape):
    """What a benchmark says about "ExLlamaV2 2 to 3 times as fast as Ollama, with 30 to 50 % less memory"."""

    answer: str
    sentence: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None


class Offer(Shape):
    """Settings that were shown to be faster than those in use: to be taken over, or `taken` already."""

    backend: str
    settings: str
    sentence: str
    threads: int | None
    prompt_threads: int | None
    kv_type: str
    taken: bool = False


class BenchmarkReport(Shape):
    """A whole benchmark."""

    id: str
    started: int
    ended: int
    state: str
    plan: dict[str, Any] = Field(default_factory=dict)
    host: dict[str, Any] = Field(default_factory=dict)
    reference: str | None
    contenders: list[Contender]
    comparisons: list[Comparison] = Field(default_factory=list)
    self_checks: list[SelfCheck] = Field(default_factory=list)
    samples: list[Sample] = Field(default_factory=list)
    flags: dict[str, int] = Field(default_factory=dict)
    blocks: int = 0
    stopped_because: str = ""
    sentence: str
    notes: list[str] = Field(default_factory=list)
    hypothesis: Hypothesis
    offer: Offer | None = None


class HistoryRow(Shape):
    """A benchmark of the past; `changes` are sentences about what differs from the one before."""

    benchmark: str
    started: int
    ended: int | None
    state: str
    reference: str | None
    backends: str | None
    verdict: str | None
    blocks: int | None
    flagged: int | None
    replay_of: str | None = None
    changes: list[str] = Field(default_factory=list)


class History(Shape):
    """Newest first."""

    benchmarks: list[HistoryRow]


class Change(Shape):
    """A figure of one back end in two benchmarks; above 1: faster now. No `high` where there are too few measurements for an interval."""

    backend: str
    figure: str
    estimate: float
    low: float | None
    high: float | None
    changed: bool
    why: list[str]
    sentence: str


class Compared(Shape):
    """Two benchmarks."""

    before: str
    after: str
    sentence: str
    changes: list[Change]
