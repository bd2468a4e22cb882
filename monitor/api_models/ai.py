"""Models of `/v1/ai/*`: those of `ai`, and what the agent adds.

Durations are seconds, sizes bytes, times µs since the epoch; null is *not available*.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ai.core.types import Shape
from ai.shapes.benchmark import Benchmark, BenchmarkRequest, Compared, History, HistoryRow
from ai.shapes.engines import (
    AiBackend,
    AiBackends,
    BackendScore,
    CallRecord,
    Fetched,
    InUse,
    MemoryFit,
    PolicyState,
    Tuned,
)
from ai.shapes.opinion import Explanation, Fact
from ai.shapes.posting import Evidence, FollowedAnalysis, JobAnalysisResult, Timing
from ai.shapes.report import BenchmarkReport, ContenderReport, FullReport, Metric, QualityRow
from ai.shapes.shelf import Pull, Pulls, ServerTold, Shelf, ShelfModel, Shelves, Trial, TryFigures, Turn
from ai.shapes.workload import LoadFigures
from monitor.api_models.actions import Asked

__all__ = [
    "AiBackend",
    "AiBackends",
    "AnalyzeRequest",
    "BackendScore",
    "Benchmark",
    "BenchmarkReport",
    "BenchmarkRequest",
    "BenchmarkStarted",
    "CallFigures",
    "CallRecord",
    "Calls",
    "Cancelled",
    "Citation",
    "Compared",
    "ContenderReport",
    "Evidence",
    "ExplainRequest",
    "Explanation",
    "Fact",
    "Fetched",
    "FollowedAnalysis",
    "FullReport",
    "History",
    "HistoryRow",
    "InUse",
    "JobAnalyses",
    "JobAnalysisResult",
    "LoadFigures",
    "MemoryFit",
    "Metric",
    "ModelAction",
    "ModelDeleted",
    "ModelLoad",
    "ModelShelves",
    "Opinion",
    "OpinionAsked",
    "OpinionState",
    "PolicyState",
    "Problem",
    "Pull",
    "Pulls",
    "QualityRow",
    "ServerTold",
    "Shelf",
    "ShelfModel",
    "Timing",
    "Trial",
    "TryFigures",
    "TryRequest",
    "Tuned",
    "Turn",
]


class AnalyzeRequest(BaseModel):
    """One job posting, or several."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = Field(default=None, max_length=400_000)
    texts: list[str] | None = Field(default=None, max_length=100)
    concurrency: int = Field(default=2, ge=1, le=8)
    wait: bool = True


class JobAnalyses(Shape):
    """Several results, in the order of the postings."""

    results: list[JobAnalysisResult]


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
    """A citation: a record, a process (`run:<run>`) or a reading (`reading:<metric>`). `number` is the one that the model used."""

    id: str
    kind: Literal["record", "process", "reading"]
    number: int
    text: str
    ts: int | None
    level: str | None
    source: str | None


class Opinion(Explanation):
    """An explanation with its citations. The model got `records` of `matched` records."""

    matched: int | None = None
    records: int | None = None
    citations: list[Citation] = Field(default=[])


class OpinionAsked(Shape):
    """A question that was started."""

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


class BenchmarkStarted(Shape):
    """The id to ask for."""

    id: str


class Cancelled(Shape):
    """Whether there was something to cancel."""

    cancelled: bool


class ModelShelves(Shelves):
    """The servers whose models can be managed; `read_only`: `actions.read_only` forbids changing anything."""

    read_only: bool = False


class ModelAction(Asked):
    """A model of a server; an empty `server` is the only one."""

    server: str = Field(default="", max_length=300)
    model: str = Field(min_length=1, max_length=200)


class ModelLoad(ModelAction):
    """How to load a model; what is null is the server's own choice. `keep_alive` as Ollama writes it, `-1` for ever."""

    context: int | None = Field(default=None, ge=16, le=10_000_000)
    keep_alive: str | None = Field(default=None, pattern=r"^(-1|\d{1,6}(s|m|h))$")


class ModelDeleted(Shape):
    """A model that is gone, and the bytes that this freed."""

    server: str
    model: str
    freed: int | None = None


class TryRequest(BaseModel):
    """A conversation with a model, a question last. An empty `backend` is the one that the policy chooses, an empty `model` the one it uses."""

    model_config = ConfigDict(extra="forbid")

    backend: str = Field(default="", max_length=300)
    model: str = Field(default="", max_length=1000)
    messages: list[Turn] = Field(min_length=1, max_length=200)
    max_tokens: int = Field(default=512, ge=1, le=32_768)


class CallFigures(Shape):
    """The calls of a back end in the time range."""

    backend: str
    calls: int
    errors: int
    ttft_p50_s: float | None
    ttft_p95_s: float | None
    tokens_per_s: float | None
    total_p95_s: float | None
    last_ts: int | None


class Calls(Shape):
    """The newest calls, figures per back end, and outcomes of the requests."""

    calls: list[CallRecord]
    figures: list[CallFigures]
    requests: int
    answered: int
    by_fallback: int
    unanswered: int
