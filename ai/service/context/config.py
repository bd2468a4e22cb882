"""What the user has set about engines, as the service needs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ai.core.types import Deadlines
from ai.router.policy import Policy
from ai.shapes.benchmark import BenchmarkRequest
from ai.shapes.report import BenchmarkPlan
from ai.shapes.workload import Length, Slo

_QUICK_S: Final = 45.0
_FULL_S: Final = 180.0
_CAPACITY_S: Final = {"quick": 90.0, "standard": 300.0, "full": 1800.0}
_LEVEL_S: Final = {"quick": 3.0, "standard": 8.0, "full": 30.0}
_SIZES: Final = {"quick": [1, 2, 4, 8], "standard": [1, 2, 4, 8, 16, 32], "full": [1, 2, 4, 8, 16, 32, 64]}
_LENGTHS: Final = {
    "quick": [Length(prompt=128), Length(answer=32)],
    "standard": [Length(prompt=512), Length(answer=128), Length(prompt=512, answer=128)],
    "full": [
        Length(prompt=prompt, answer=answer, depth=depth)
        for depth in (0, 1024)
        for prompt, answer in ((128, 0), (512, 0), (1024, 0), (0, 128))
    ],
}
"""What is measured where nothing is said about it, by depth."""


@dataclass(frozen=True, slots=True)
class AiConfig:
    """Settings of the service.

    Attributes:
        log_dir: where `ai_backend_benchmark.log` is written; None writes none.
        model_dir: where fetched models are kept; None fetches none.
        threads_file: keeps how many threads were measured to be fastest for each model; None keeps it in memory.
        model_paths: model files, or folders that hold them.
        models: which model to use, by the engine's name.
        api_keys: keys of servers, by address without `/v1`.
        context: tokens of context of one analysis.
        idle_s: a worker that nobody asked for so long gives its memory back.
        quality_floor, latency_target_s, allow_remote: the user's policy, see `ai.router.Policy`.
        explain_remote: log records may go to engines on another machine.
        answer_s: deadline of one call, all its tries together.
        first_token_s: how long an engine may be silent before the next one is asked.
        benchmark_s: time for the pairs of a benchmark.
        benchmark_postings: labelled postings that quality is measured on.
    """

    log_dir: Path | None = None
    model_dir: Path | None = None
    threads_file: Path | None = None
    model_paths: tuple[Path, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    context: int = 4096
    idle_s: float = 300.0
    quality_floor: float = 0.0
    latency_target_s: float | None = None
    allow_remote: bool = False
    explain_remote: bool = False
    answer_s: float = 120.0
    first_token_s: float = 5.0
    benchmark_s: float = 90.0
    benchmark_postings: int = 6

    def policy(self, preferred: tuple[str, ...], *, explaining: bool = False) -> Policy:
        """The policy of the router."""
        return Policy(
            quality_floor=self.quality_floor,
            latency_target_s=self.latency_target_s,
            allow_remote=self.explain_remote if explaining else self.allow_remote,
            preferred=preferred,
        )

    def deadlines(self) -> Deadlines:
        """Of one call."""
        return Deadlines(
            load_s=self.answer_s,
            first_token_s=min(self.first_token_s, self.answer_s),
            total_s=self.answer_s,
            between_tokens_s=min(30.0, self.answer_s),
        )

    def benchmark_plan(self, wanted: BenchmarkRequest) -> BenchmarkPlan:
        """How to measure what a person asks for."""
        if wanted.plan != "speed":
            return self._capacity_plan(wanted)
        quick, full = wanted.depth == "quick", wanted.depth == "full"
        budget = wanted.budget_s or (
            min(_QUICK_S, self.benchmark_s) if quick else _FULL_S if full else self.benchmark_s
        )
        batches = wanted.batches if wanted.batches is not None else [1, 2] if quick else [1, 2, 4, 8]
        return BenchmarkPlan(
            budget_s=budget,
            verdict_s=budget if wanted.budget_s is None and not full else None,
            max_blocks=wanted.max_blocks or (10 if quick else 60 if full else 30),
            batches=batches,
            rates=wanted.rates or [],
            max_tokens=wanted.max_tokens or (24 if quick else 32),
            measure=wanted.measure,
            level_s=wanted.level_s or (_LEVEL_S[wanted.depth] if wanted.rates else 0.0),
            lengths=wanted.lengths or [],
            repeats=wanted.repeats or 3,
            **_common(wanted),
        )

    def _capacity_plan(self, wanted: BenchmarkRequest) -> BenchmarkPlan:
        """How to measure load or lengths: no pairs, and no cold load where there is nothing to learn from it."""
        load = wanted.plan == "load"
        sizes = wanted.batches if wanted.batches is not None else _SIZES[wanted.depth]
        return BenchmarkPlan(
            pairs=False,
            budget_s=wanted.budget_s or _CAPACITY_S[wanted.depth],
            batches=sorted(set(sizes)) if load else [],
            rates=sorted(set(wanted.rates or [])) if load else [],
            level_s=wanted.level_s or _LEVEL_S[wanted.depth],
            lengths=[] if load else wanted.lengths or _LENGTHS[wanted.depth],
            repeats=wanted.repeats or (2 if wanted.depth == "quick" else 5 if wanted.depth == "full" else 3),
            max_tokens=wanted.max_tokens or 64,
            **_common(wanted),
        )

    def quality_postings(self, wanted: BenchmarkRequest) -> int | None:
        """Labelled postings to measure quality on; 0 leaves it out, None takes all."""
        if wanted.plan != "speed":
            return 0
        if wanted.postings is not None:
            return wanted.postings
        return 0 if wanted.depth == "quick" else None if wanted.depth == "full" else self.benchmark_postings


def _common(wanted: BenchmarkRequest) -> dict[str, Any]:
    """What is the same in every plan: prompts, limits, models and settings."""
    own = {"prompts": [p.name for p in wanted.prompts], "texts": wanted.prompts} if wanted.prompts else {}
    return {"slo": wanted.slo or Slo(), "models": wanted.models or [], "settings": wanted.settings(), **own}
