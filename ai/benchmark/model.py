"""What a benchmark is asked for and what it yields. Durations are seconds, sizes bytes, times microseconds since the epoch.

Everything a report holds travels as JSON and comes back the same.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ai.protocol import Backend
from ai.types import LoadSpec, Origin

Measure = Literal["generation", "first_token", "total"]
Phase = Literal["check", "load", "warm-up", "pairs", "batches", "quality", "done"]
State = Literal["done", "cancelled", "failed"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Slo(_Frozen):
    """What a user calls good enough: a request within both counts as goodput."""

    first_token_s: float = Field(default=2.0, gt=0, le=600)
    per_token_s: float = Field(default=0.2, gt=0, le=60)


class BenchmarkPlan(_Frozen):
    """How to measure.

    `measure` is what the verdict is about; `budget_s` bounds the pairs; `max_blocks` too; `settle` asks for more pairs after a
    clear verdict, until the interval is that narrow (half-width of the log ratio; 0 = stop at once).
    """

    prompts: list[str] = Field(default=["summary", "posting"], min_length=1, max_length=8)
    max_tokens: int = Field(default=32, ge=2, le=4096)
    measure: Measure = "generation"
    budget_s: float = Field(default=90.0, gt=0, le=86_400)
    max_blocks: int = Field(default=30, ge=8, le=500)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    margin: float = Field(default=0.05, gt=0, lt=1)
    settle: float = Field(default=0.0, ge=0, lt=2)
    warmup: int = Field(default=1, ge=0, le=20)
    batches: list[int] = Field(default=[1, 2, 4, 8], max_length=8)
    slo: Slo = Slo()
    cold_load: bool = True
    seed: int = 20_260
    request_s: float = Field(default=120.0, gt=0, le=3600)
    replay_of: str | None = None


@dataclass(frozen=True, slots=True)
class Contender:
    """A backend with the model to load.

    Attributes:
        predicted: bytes it is expected to take; None when not known.
        in_memory: whether these are bytes of this machine's memory, all of them; on a GPU only the load itself shows what fits.
        remedy: what to do when they cannot be had.
    """

    backend: Backend
    spec: LoadSpec
    predicted: int | None = None
    in_memory: bool = True
    remedy: str = ""


class Metric(_Frozen):
    """A figure with its origin; percentiles where it was taken many times. `value` None = not measurable, `note` says why."""

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


class SampleRow(_Frozen):
    """One measurement, as it was. `used` is false when a flag makes it unfit for the verdict; nothing is thrown away."""

    ts: int
    block: int
    position: int
    backend: str
    batch: int = 1
    prompt: str
    flags: list[str] = []
    used: bool = True
    total_s: float | None = None
    ttft_s: float | None = None
    rate: float | None = None
    """Tokens a second after the first, by this program's clock."""
    rate_origin: Origin | None = None
    reported_rate: float | None = None
    prompt_rate: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    energy_j: float | None = None
    neighbour_pct: float | None = None
    error: str | None = None

    @property
    def paired(self) -> bool:
        """Whether it belongs to a pair: neither a warm-up nor one of several requests at once."""
        return self.batch == 1 and self.block >= 0


class BatchRow(_Frozen):
    """Requests at the same time: tokens a second of all together, and how many requests a second were good enough."""

    batch: int
    tokens_per_s: float | None
    goodput_rps: float | None
    good: int
    requests: int
    ttft_p95_s: float | None
    origin: Origin = "measured"
    note: str = ""


class LoadRow(_Frozen):
    """What was loaded, as the engine says, and how long that took."""

    model: str
    cold_s: float | None
    warm_s: float | None
    context: int | None
    parallel: int | None
    kv_type: str | None
    quantization: str | None
    weights: str | None
    template: str | None
    engine_version: str
    device: str
    prompt_tokens: int | None = None
    notes: list[str] = []
    threads: int | None = None
    prompt_threads: int | None = None


class QualityRow(_Frozen):
    """Quality on the labelled postings; see `ai.evaluation`."""

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
    per_item: list[float] = []


class ContenderReport(_Frozen):
    """All figures of one contender; `unusable` says why it could not be measured."""

    name: str
    engine: str
    load: LoadRow | None = None
    metrics: dict[str, Metric] = {}
    batches: list[BatchRow] = []
    quality: QualityRow | None = None
    unusable: str = ""
    flagged: int = 0


class RatioInterval(_Frozen):
    """A ratio of speeds (above 1: the candidate is faster) with bounds, by one method."""

    measure: str
    method: str
    estimate: float
    low: float | None
    high: float | None
    level: float


class Comparison(_Frozen):
    """A candidate against the reference."""

    candidate: str
    reference: str
    kind: Literal["faster", "slower", "not shown"]
    estimate: float
    low: float | None
    high: float | None
    confidence: float
    p_value: float
    blocks: int
    equivalent: bool
    comparable: bool
    because: list[str] = []
    unknown: list[str] = []
    sentence: str
    others: list[RatioInterval] = []
    log_ratios: list[float] = []


class SelfCheck(_Frozen):
    """Each engine against itself within the blocks: whether a difference was shown where there can be none."""

    backend: str
    estimate: float
    low: float | None
    high: float | None
    passed: bool


class BenchmarkReport(_Frozen):
    """A whole benchmark."""

    version: int = 1
    id: str
    started: int
    ended: int
    state: State
    plan: BenchmarkPlan
    host: dict[str, str | int | float | None] = {}
    reference: str | None
    contenders: list[ContenderReport]
    comparisons: list[Comparison] = []
    self_checks: list[SelfCheck] = []
    samples: list[SampleRow] = []
    flags: dict[str, int] = {}
    blocks: int = 0
    stopped_because: str = ""
    sentence: str
    notes: list[str] = []
    manifest_sha256: str = ""


class Progress(_Frozen):
    """Where a benchmark is. `left_s` is estimated; `ratios` are the pairs so far (candidate → ratios of speed), with an interval."""

    phase: Phase
    message: str
    done: int
    total: int
    left_s: float | None
    ratios: dict[str, list[float]] = {}
    intervals: dict[str, tuple[float, float | None]] = {}
    samples: list[SampleRow] = []
    """New since the last event."""


OnProgress = Callable[[Progress], None]
QualityCheck = Callable[[Contender], Awaitable[QualityRow | None]]
"""Measures a contender's quality on the labelled postings (`ai.evaluation.quality_check`)."""
