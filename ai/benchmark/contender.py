"""Who takes part in a benchmark, and what is told while it runs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import Field

from ai.benchmark.reporting.report import Gathered
from ai.core.protocol import Backend
from ai.core.types import LoadSpec, Shape
from ai.shapes.report import QualityRow, SampleRow

Phase = Literal["check", "load", "warm-up", "pairs", "answers", "lengths", "batches", "rates", "quality", "done"]


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


class Progress(Shape):
    """Where a benchmark is. `left_s` is estimated from what was measured; `ratios` are the pairs so far (candidate → ratios of speed), with an interval.

    `verdict` is the verdict on speed in words, once it stands; batches and quality follow it.
    """

    phase: Phase
    message: str
    done: int
    total: int
    left_s: float | None
    ratios: dict[str, list[float]] = Field(default_factory=dict)
    intervals: dict[str, tuple[float, float | None]] = Field(default_factory=dict)
    samples: list[SampleRow] = Field(default_factory=list)
    """New since the last event."""
    verdict: str = ""


OnProgress = Callable[[Progress], None]


class Draft(Protocol):
    """Keeps what was measured so far while a benchmark runs. Both calls must be quick."""

    def sample(self, row: SampleRow) -> None:
        """A measurement."""
        ...

    def step(self, gathered: Gathered) -> None:
        """Everything but the measurements, as it is now."""
        ...


QualityCheck = Callable[[Backend, LoadSpec], Awaitable[QualityRow | None]]
"""Measures the quality of a backend with a model on the labelled postings (`ai.evaluation.quality_check`)."""
