"""Benchmarks: what to measure, where one is, those of the past, and how two compare."""

from collections.abc import Sequence
from itertools import product
from typing import Annotated, Literal, TypeVar

from pydantic import ConfigDict, Field

from ai.core.types import KvType, Shape
from ai.shapes.report import Measure
from ai.shapes.workload import EngineSettings, Length, OwnPrompt, Slo


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


T = TypeVar("T")
Plan = Literal["speed", "load", "lengths"]
"""`speed`: pairs, with a verdict; `load`: requests at the same time and a second; `lengths`: prompts and answers of given lengths."""


class BenchmarkRequest(Shape):
    """What to measure; what is not given follows from `plan`, `depth` and the settings.

    `models` (`ENGINE=MODEL`) are measured side by side. `threads`, `flash_attention`, `gpu_layers` and `kv_types` are tried in every combination, on
    the embedded engine alone. `level_s` is how long each number of requests is kept up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["auto", "engines", "settings", "self-check"] = "auto"
    plan: Plan = "speed"
    depth: Literal["quick", "standard", "full"] = "standard"
    backends: list[str] | None = Field(default=None, max_length=8)
    measure: Measure = "generation"
    budget_s: float | None = Field(default=None, gt=0, le=3600)
    max_blocks: int | None = Field(default=None, ge=8, le=500)
    batches: list[Annotated[int, Field(ge=1, le=64)]] | None = Field(default=None, max_length=12)
    rates: list[Annotated[float, Field(gt=0, le=1000)]] | None = Field(default=None, max_length=12)
    level_s: float | None = Field(default=None, gt=0, le=600)
    slo: Slo | None = None
    lengths: list[Length] | None = Field(default=None, min_length=1, max_length=48)
    repeats: int | None = Field(default=None, ge=1, le=50)
    prompts: list[OwnPrompt] | None = Field(default=None, min_length=1, max_length=8)
    models: list[str] | None = Field(default=None, min_length=1, max_length=8)
    threads: list[Annotated[int, Field(ge=1, le=4096)]] | None = Field(default=None, max_length=8)
    flash_attention: list[bool] | None = Field(default=None, max_length=2)
    gpu_layers: list[Annotated[int, Field(ge=0, le=10_000)]] | None = Field(default=None, max_length=8)
    kv_types: list[KvType] | None = Field(default=None, max_length=7)
    postings: int | None = Field(default=None, ge=0, le=500)
    max_tokens: int | None = Field(default=None, ge=2, le=1024)

    def settings(self) -> list[EngineSettings]:
        """Every combination of the settings that were given; none where there are none."""
        tried = product(_each(self.threads), _each(self.flash_attention), _each(self.gpu_layers), _each(self.kv_types))
        found = [
            EngineSettings(threads=threads, flash_attention=flash, gpu_layers=layers, kv_type=kind)
            for threads, flash, layers, kind in tried
        ]
        return found if found != [EngineSettings()] else []


def _each(values: Sequence[T] | None) -> list[T | None]:
    """Each value; where none was given, one that leaves it as it is."""
    return list(values) if values else [None]


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
