"""Benchmarks: what to measure, where one is, those of the past, and how two compare."""

from typing import Literal

from pydantic import ConfigDict, Field

from ai.core.types import Shape
from ai.shapes.report import Measure


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
    """Where the benchmark is. `ratios` are speeds of each pair against the reference; `intervals` claim nothing yet.

    `left_s` is until the end and `verdict_left_s` until the verdict on speed, by what was measured; None before anything was. `verdict` is there as
    soon as it stands, while batches and quality are still measured.
    """

    state: Literal["idle", "running", "done", "cancelled", "interrupted", "failed"]
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
    verdict_left_s: float | None = None
    ratios: dict[str, list[float]] = Field(default_factory=dict)
    intervals: dict[str, tuple[float, float | None]] = Field(default_factory=dict)
    figures: list[Figures] = Field(default_factory=list)
    first_figure_s: float | None = None
    measurements: int = 0
    flagged: int = 0
    cancelling: bool = False
    error: str = ""
    hint: str = ""
    verdict: str = ""


class BenchmarkRequest(Shape):
    """What to measure; what is not given follows from `depth` and the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["auto", "engines", "settings", "self-check"] = "auto"
    depth: Literal["quick", "standard", "full"] = "standard"
    backends: list[str] | None = Field(default=None, max_length=8)
    measure: Measure = "generation"
    budget_s: float | None = Field(default=None, gt=0, le=3600)
    max_blocks: int | None = Field(default=None, ge=8, le=500)
    batches: list[int] | None = Field(default=None, max_length=8)
    postings: int | None = Field(default=None, ge=0, le=500)
    max_tokens: int | None = Field(default=None, ge=2, le=1024)


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
    manifest_sha256: str | None = None
    changes: list[str] = Field(default_factory=list)


class History(Shape):
    """Newest first."""

    benchmarks: list[HistoryRow]


class FigureChange(Shape):
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
    changes: list[FigureChange]
