"""Shapes of the API's answers about model engines (`/v1/ai/*`). Durations are seconds, sizes bytes, times µs since the epoch; null is *not available*."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    """A figure of one back end in two benchmarks; above 1: faster now."""

    backend: str
    figure: str
    estimate: float
    low: float
    high: float
    changed: bool
    why: list[str]
    sentence: str


class Compared(Shape):
    """Two benchmarks."""

    before: str
    after: str
    sentence: str
    changes: list[Change]


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


class AnalyzeRequest(BaseModel):
    """One posting, or several."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = Field(default=None, max_length=400_000)
    texts: list[str] | None = Field(default=None, max_length=100)
    concurrency: int = Field(default=2, ge=1, le=8)


class Evidence(Shape):
    """Where a value stands in the posting."""

    field: str
    value: str
    start: int
    end: int
    text: str
    exact: bool = True


class JobAnalysis(Shape):
    """What a posting says, where it says so, and how that was found out."""

    model_config = ConfigDict(frozen=True, extra="allow")

    backend: str
    evidence: list[Evidence] = Field(default_factory=list)
    timing: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)


class JobAnalyses(Shape):
    """Several, in the order given."""

    results: list[JobAnalysis]


class ExplainRequest(BaseModel):
    """Log records by id (with `around` neighbours each), the newest of a log filter, the errors and warnings of a time, or with `readings` what
    the machine did in that time.
    """

    model_config = ConfigDict(extra="forbid")

    records: list[str] = Field(default=[], max_length=60)
    since: str | None = Field(default=None, max_length=60)
    until: str | None = Field(default=None, max_length=60)
    level: str | None = Field(default=None, max_length=10)
    filters: dict[str, str | int] | None = Field(default=None, max_length=12)
    around: int = Field(default=0, ge=0, le=30)
    readings: bool = False
    question: str = Field(default="", max_length=400)
    wait: bool = True


class Citation(Shape):
    """What an opinion rests on: a record, a process (`run:<run>`) or a reading (`reading:<metric>`). `number` is the one the model knew it by."""

    id: str
    kind: Literal["record", "process", "reading"]
    number: int
    text: str
    ts: int | None
    level: str | None
    source: str | None


class Fact(Shape):
    """Something counted in the records, in a sentence, and ids of records that show it."""

    text: str
    records: list[str]


class Opinion(Shape):
    """A model's opinion on records; `cited` exist, `invented` did not and were taken out, `dropped` sentences too. `facts` are counted, no opinion."""

    text: str
    next_step: str
    cited: list[str]
    invented: int
    dropped: int = 0
    omitted: int
    backend: str
    model: str
    notice: str
    seconds: float
    supported: bool
    facts: list[Fact] = Field(default=[])
    matched: int | None = None
    records: int | None = None
    citations: list[Citation] = Field(default=[])


class OpinionAsked(Shape):
    """A question that was begun."""

    id: str


class Problem(Shape):
    """What went wrong, and what to do."""

    kind: str
    message: str
    hint: str = ""


class OpinionState(Shape):
    """A question under way, or what became of it. `records` were found of `matched`; `span` in µs; `limit_s` bounds the answer.

    `measured` are the processes and readings that the model was given: they hold without it.
    """

    id: str
    state: Literal["running", "done", "failed", "cancelled"]
    phase: Literal["reading", "answering"]
    started: int
    elapsed_s: float
    limit_s: float
    records: int | None
    matched: int | None
    span: tuple[int, int] | None
    measured: list[Citation] = Field(default=[])
    opinion: Opinion | None
    error: Problem | None


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
