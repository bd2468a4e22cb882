"""What a person asks a benchmark for."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ai.benchmark.model import BenchmarkPlan, Measure
from ai.service.config import AiConfig

Kind = Literal["auto", "engines", "settings", "self-check"]
Depth = Literal["quick", "standard", "full"]
_QUICK_S = 45.0
_FULL_S = 180.0


class BenchmarkOptions(BaseModel):
    """Options of `POST /v1/ai/benchmark`; what is not given follows from `depth` and the settings.

    `kind`: compare engines, two settings of one engine, or an engine with itself; `auto` compares engines when two or more
    are usable, else two settings of the one there is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = "auto"
    depth: Depth = "standard"
    backends: list[str] | None = Field(default=None, max_length=8)
    measure: Measure = "generation"
    budget_s: float | None = Field(default=None, gt=0, le=3600)
    max_blocks: int | None = Field(default=None, ge=8, le=500)
    batches: list[int] | None = Field(default=None, max_length=8)
    postings: int | None = Field(default=None, ge=0, le=500)
    max_tokens: int | None = Field(default=None, ge=2, le=1024)

    def plan(self, config: AiConfig) -> BenchmarkPlan:
        """How to measure."""
        quick, full = self.depth == "quick", self.depth == "full"
        budget = self.budget_s or (
            min(_QUICK_S, config.benchmark_s) if quick else _FULL_S if full else config.benchmark_s
        )
        batches = self.batches if self.batches is not None else [1, 2] if quick else [1, 2, 4, 8]
        return BenchmarkPlan(
            budget_s=budget,
            max_blocks=self.max_blocks or (10 if quick else 60 if full else 30),
            batches=[size for size in batches if 1 <= size <= 64],
            max_tokens=self.max_tokens or (24 if quick else 32),
            measure=self.measure,
        )

    def quality_postings(self, config: AiConfig) -> int | None:
        """Labelled postings to measure quality on; 0 leaves it out, None takes all."""
        if self.postings is not None:
            return self.postings
        return 0 if self.depth == "quick" else None if self.depth == "full" else config.benchmark_postings
