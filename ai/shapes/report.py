"""The report of a benchmark: its plan, its measurements, and what follows from them. It travels as JSON and comes back the same."""

from typing import Literal

from pydantic import Field

from ai.core.types import KvType, Origin, Shape
from ai.shapes.workload import BatchRow, EngineSettings, Length, LengthRow, OwnPrompt, RateRow, Slo

Measure = Literal["generation", "first_token", "total"]
State = Literal["done", "cancelled", "interrupted", "failed"]
"""`interrupted`: the program ended meanwhile, or failed; the report is of what was measured until then."""


class BenchmarkPlan(Shape):
    """How to measure.

    `measure` is what the verdict is about; `budget_s` bounds the pairs; `max_blocks` too; `settle` asks for more pairs after a
    clear verdict, until the interval is that narrow (half-width of the log ratio; 0 = stop at once). `verdict_s` is when the verdict is due, counted from
    the start with loads and warm-ups: the pairs then get what is left of it; None gives them the whole of `budget_s`.
    Without `pairs` there is no verdict: `lengths`, `batches` (requests at the same time) and `rates` (requests a second) are measured alone, with
    `budget_s` for them together. `level_s` is how long each number of requests is kept up; 0 sends each once. `texts` are prompts of the user's own,
    named in `prompts` like the others. `models` (`ENGINE=MODEL`) are measured side by side; `settings` are those that one embedded engine is loaded with
    in turn.
    """

    prompts: list[str] = Field(default=["summary", "posting"], min_length=1, max_length=8)
    texts: list[OwnPrompt] = Field(default=[], max_length=8)
    max_tokens: int = Field(default=32, ge=2, le=4096)
    measure: Measure = "generation"
    budget_s: float = Field(default=90.0, gt=0, le=86_400)
    verdict_s: float | None = Field(default=None, gt=0, le=86_400)
    max_blocks: int = Field(default=30, ge=8, le=500)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    margin: float = Field(default=0.05, gt=0, lt=1)
    settle: float = Field(default=0.0, ge=0, lt=2)
    warmup: int = Field(default=1, ge=0, le=20)
    pairs: bool = True
    batches: list[int] = Field(default=[1, 2, 4, 8], max_length=12)
    rates: list[float] = Field(default=[], max_length=12)
    level_s: float = Field(default=0.0, ge=0, le=600)
    lengths: list[Length] = Field(default=[], max_length=48)
    repeats: int = Field(default=3, ge=1, le=50)
    models: list[str] = Field(default=[], max_length=8)
    settings: list[EngineSettings] = Field(default=[], max_length=8)
    slo: Slo = Slo()
    cold_load: bool = True
    seed: int = 20_260
    request_s: float = Field(default=120.0, gt=0, le=3600)
    replay_of: str | None = None

    def own_prompts(self) -> dict[str, str]:
        """The texts of the user's own prompts, by name."""
        return {prompt.name: prompt.text for prompt in self.texts}


class Metric(Shape):
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


class SampleRow(Shape):
    """One measurement, as it was. `used` is false when a flag makes it unfit for the verdict; nothing is thrown away."""

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
    """Tokens a second after the first, by this program's clock."""
    rate_origin: Origin | None = None
    reported_rate: float | None = None
    prompt_rate: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    counted: bool = True
    """The tokens of the answer were counted by the engine, and can be true; they are not estimated from its text."""
    bunches: int | None = None
    """Times at which something of the answer arrived."""
    answer_s: float | None = None
    """Seconds to the first token that is no thought; None where there was none."""
    thought: bool = False
    """The model reasoned before it answered, or instead."""
    level: str = ""
    """The number of requests or the lengths that it belongs to; empty for pairs and warm-ups."""
    energy_j: float | None = None
    neighbour_pct: float | None = None
    error: str | None = None

    @property
    def paired(self) -> bool:
        """Whether it belongs to a pair: neither a warm-up nor one of several requests at once."""
        return self.batch == 1 and self.block >= 0


class LoadRow(Shape):
    """What was loaded, as the engine says, and how long that took."""

    model: str
    cold_s: float | None = None
    warm_s: float | None = None
    context: int | None = None
    parallel: int | None = None
    kv_type: str | None = None
    quantization: str | None = None
    weights: str | None = None
    template: str | None = None
    engine_version: str = ""
    device: str = ""
    prompt_tokens: int | None = None
    notes: list[str] = Field(default_factory=list)
    threads: int | None = None
    prompt_threads: int | None = None
    usual_threads: int | None = None
    yields: bool = False
    """Fewer than `threads` generate while other programs use the cores; `fewest_threads` are the fewest that did while it was measured."""
    fewest_threads: int | None = None
    flash_attention: bool | None = None
    gpu_layers: int | None = None
    raw: bool = False
    """It was sent the prompts as text, the template applied once for all contenders with these weights."""


class QualityRow(Shape):
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
    per_item: list[float] = Field(default_factory=list)


class ContenderReport(Shape):
    """All figures of one contender; `unusable` says why it could not be measured."""

    name: str
    engine: str
    load: LoadRow | None = None
    metrics: dict[str, Metric] = Field(default_factory=dict)
    batches: list[BatchRow] = Field(default_factory=list)
    rates: list[RateRow] = Field(default_factory=list)
    lengths: list[LengthRow] = Field(default_factory=list)
    quality: QualityRow | None = None
    unusable: str = ""
    flagged: int = 0


class RatioInterval(Shape):
    """A ratio of speeds (above 1: the candidate is faster) with bounds, by one method."""

    measure: str
    method: str
    estimate: float
    low: float | None
    high: float | None
    level: float


class Comparison(Shape):
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
    because: list[str] = Field(default_factory=list)
    unknown: list[str] = Field(default_factory=list)
    sentence: str
    contradiction: str = ""
    """Why no winner is named though the pairs show one; empty where nothing contradicts the verdict."""
    others: list[RatioInterval] = Field(default_factory=list)
    log_ratios: list[float] = Field(default_factory=list)


class SelfCheck(Shape):
    """Each engine against itself within the blocks: whether a difference was shown where there can be none."""

    backend: str
    estimate: float
    low: float | None
    high: float | None
    passed: bool


class BenchmarkReport(Shape):
    """A whole benchmark."""

    version: int = 1
    id: str
    started: int
    ended: int
    state: State
    plan: BenchmarkPlan
    host: dict[str, str | int | float | None] = Field(default_factory=dict)
    reference: str | None
    contenders: list[ContenderReport]
    comparisons: list[Comparison] = Field(default_factory=list)
    self_checks: list[SelfCheck] = Field(default_factory=list)
    samples: list[SampleRow] = Field(default_factory=list)
    flags: dict[str, int] = Field(default_factory=dict)
    blocks: int = 0
    stopped_because: str = ""
    sentence: str
    notes: list[str] = Field(default_factory=list)
    manifest_sha256: str = ""


class Hypothesis(Shape):
    """What a benchmark says about "ExLlamaV2 2 to 3 times as fast as Ollama, with 30 to 50 % less memory".

    `low` and `high` bound the ratio of speeds where it was tested.
    """

    answer: Literal["not tested", "reached", "exceeded", "not reached", "open"]
    sentence: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None


class Offer(Shape):
    """Settings that were shown to be faster than those in use: they can be adopted, or are (`taken`)."""

    backend: str
    settings: str
    sentence: str
    threads: int | None
    prompt_threads: int | None
    kv_type: KvType
    taken: bool = False


class FullReport(BenchmarkReport):
    """A report with the answer to the hypothesis, and the settings it offers."""

    hypothesis: Hypothesis
    offer: Offer | None = None
