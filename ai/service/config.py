"""What the user has set about engines, as the service needs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ai.router.policy import Policy
from ai.types import Deadlines


@dataclass(frozen=True, slots=True)
class AiConfig:
    """Settings of the service.

    Attributes:
        log_dir: where `ai_backend_benchmark.log` is written; None writes none.
        model_dir: where fetched models are kept; None fetches none.
        model_paths: model files, or folders that hold them.
        models: which model to use, by the engine's name.
        api_keys: keys of servers, by address without `/v1`.
        context: tokens of context of one analysis.
        idle_s: a worker that nobody asked for so long gives its memory back.
        quality_floor, latency_target_s, allow_remote: the user's policy, see `ai.router.Policy`.
        explain_remote: log records may go to engines on another machine.
        answer_s: deadline of one call, all its tries together.
        benchmark_s: time for the pairs of a benchmark.
        benchmark_postings: labelled postings that quality is measured on.
    """

    log_dir: Path | None = None
    model_dir: Path | None = None
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
            first_token_s=self.answer_s,
            total_s=self.answer_s,
            between_tokens_s=min(30.0, self.answer_s),
        )


def parse_models(lines: tuple[str, ...]) -> dict[str, str]:
    """`("ollama=llama3.1:8b",)` → `{"ollama": "llama3.1:8b"}`; lines without a sign of equality are left out."""
    return {name.strip(): model.strip() for name, sign, model in (line.partition("=") for line in lines) if sign}
