"""A benchmark while it runs: where it is, what it showed so far, and how long it will take."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from ai.benchmark import BenchmarkPlan, BenchmarkReport, Progress
from ai.benchmark.model import SampleRow
from ai.protocol import Backend
from ai.service.contenders import LineUp
from ai.types import DEFAULT_DEADLINES, Deadlines, Event, GenRequest
from ai.types import Final as FinalEvent

State = Literal["idle", "running", "done", "cancelled", "failed"]
QUALITY_S: Final = 120.0
"""Quality may take so long in all, or every labelled posting was asked for."""
_LOAD_S: Final = 6.0
_POSTING_TOKENS: Final = 450
"""What an analysed posting costs, in tokens generated."""
_ALL_POSTINGS: Final = 64


@dataclass(slots=True)
class Job:
    """A benchmark while it runs, and after its end until the next."""

    id: str
    lineup: LineUp
    plan: BenchmarkPlan
    postings: int | None
    started: int
    replayed: BenchmarkReport | None = None
    state: State = "running"
    progress: Progress | None = None
    samples: list[SampleRow] = field(default_factory=list)
    first_figure_s: float | None = None
    answers: int = 0
    """Answers of the quality check."""
    error: str = ""
    hint: str = ""
    begun: float = field(default_factory=time.monotonic)
    phase_since: float = field(default_factory=time.monotonic)
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    report: BenchmarkReport | None = None

    @property
    def asked(self) -> int:
        """Of how many contenders quality is measured: of one engine with other settings, once."""
        return len(self.lineup.names) if self.lineup.kind == "engines" else 1

    @property
    def phase(self) -> str:
        """Where it is."""
        return self.progress.phase if self.progress else "check"

    def note(self, progress: Progress) -> None:
        """Take what the benchmark tells."""
        if self.progress is None or progress.phase != self.progress.phase:
            self.phase_since = time.monotonic()
        self.progress = progress
        self.samples += progress.samples
        if self.first_figure_s is None and any(s.rate for s in self.samples):
            self.first_figure_s = round(time.monotonic() - self.begun, 1)

    def answered(self) -> None:
        """The quality check has one more answer."""
        self.answers += 1

    def message(self) -> str:
        """What it does, for people."""
        if self.progress is None:
            return "Looking at the engines"
        if self.phase == "done":
            return "Putting the report together" if self.state == "running" else self.progress.message
        if self.phase == "quality" and self.answers:
            return f"{self.progress.message}, {self.answers} answer{'s' if self.answers > 1 else ''} of about {self._expected()}"
        return self.progress.message

    def posting_s(self) -> float:
        """About how long an engine takes for a posting, by the slowest one measured."""
        rates = [f["tokens_per_s"] for f in figures(self.samples, self.lineup.names) if f["tokens_per_s"]]
        return _POSTING_TOKENS / max(min(rates, default=60.0), 0.5)

    def left_s(self) -> float | None:
        """Seconds until the end: what the pairs may still take, and for the rest what such steps take."""
        names, plan, progress = len(self.lineup.names), self.plan, self.progress
        each = _mean([s.total_s for s in self.samples if s.total_s and s.batch == 1]) or 1.0
        batches = sum(names * each * max(1.0, size / 2) for size in plan.batches)
        spent = time.monotonic() - self.phase_since
        if self.phase in {"check", "load", "warm-up"}:
            return round(max(_LOAD_S * names - spent, 1.0) + plan.budget_s + batches + self._quality_s(), 0)
        if self.phase == "pairs":
            left = progress.left_s if progress and progress.left_s is not None else plan.budget_s
            return round(left + batches + self._quality_s(), 0)
        if self.phase == "batches":
            return round(max(batches - spent, 1.0) + self._quality_s(), 0)
        if self.answers:
            return round(max(spent / self.answers * (self._expected() - self.answers), 1.0), 0)
        return round(max(self._quality_s() - spent, 1.0), 0)

    def steps(self) -> list[dict[str, Any]]:
        """The steps of this plan, each to come, now, or done."""
        order = [
            "load",
            "warm-up",
            "pairs",
            *(["batches"] if self.plan.batches else []),
            *(["quality"] if self.postings != 0 else []),
        ]
        now = self.progress.phase if self.progress else "load"
        at = len(order) if self.state != "running" or now == "done" else order.index(now) if now in order else 0
        return [
            {"step": s, "state": "done" if i < at else "now" if i == at else "to come"} for i, s in enumerate(order)
        ]

    def _expected(self) -> int:
        """Answers of the whole quality check, a retried one not counted."""
        return max(self.asked * (_ALL_POSTINGS if self.postings is None else self.postings), self.answers)

    def _quality_s(self) -> float:
        if self.postings == 0:
            return 0.0
        whole = self._expected() * self.posting_s()
        return whole if self.postings is None else min(whole, QUALITY_S)


def shown(job: Job) -> dict[str, Any]:
    """A benchmark as the API tells it."""
    p, running = job.progress, job.state == "running"
    return {
        "state": job.state, "id": job.id, "kind": job.lineup.kind, "note": job.lineup.note, "started": job.started,
        "elapsed_s": round(time.monotonic() - job.begun, 1) if running else None,
        "contenders": job.lineup.names, "reference": job.lineup.names[0], "steps": job.steps(), "phase": job.phase, "message": job.message(),
        "done": p.done if p else 0, "total": p.total if p else 0, "left_s": job.left_s() if running else 0.0,
        "ratios": dict(p.ratios) if p else {}, "intervals": {k: list(v) for k, v in p.intervals.items()} if p else {},
        "figures": figures(job.samples, job.lineup.names), "first_figure_s": job.first_figure_s,
        "measurements": len(job.samples), "flagged": sum(not s.used for s in job.samples),
        "cancelling": job.cancel.is_set() and running, "error": job.error, "hint": job.hint,
        "verdict": job.report.sentence if job.report else "",
    }  # fmt: skip


def figures(samples: Sequence[SampleRow], names: Sequence[str]) -> list[dict[str, Any]]:
    """Medians so far, warm-up included until there is something better."""
    rows = []
    for name in names:
        mine = [s for s in samples if s.backend == name and s.batch == 1]
        mine = [s for s in mine if s.block >= 0] or mine
        rows.append(
            {
                "backend": name,
                "n": len(mine),
                "tokens_per_s": _median([s.rate for s in mine]),
                "first_token_s": _median([s.ttft_s for s in mine]),
                "total_s": _median([s.total_s for s in mine]),
            }
        )
    return rows


class _Counted:
    """A back end whose complete answers are counted; all else is its own."""

    def __init__(self, inner: Backend, answered: Callable[[], None]) -> None:
        self._inner, self._answered = inner, answered

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def stream(
        self, request: GenRequest, *, deadlines: Deadlines = DEFAULT_DEADLINES, cancel: asyncio.Event | None = None
    ) -> AsyncGenerator[Event, None]:
        """The answer."""
        async with aclosing(self._inner.stream(request, deadlines=deadlines, cancel=cancel)) as events:
            async for event in events:
                if isinstance(event, FinalEvent):
                    self._answered()
                yield event


def counted(backend: Backend, answered: Callable[[], None]) -> Backend:
    """The same back end; `answered` is called for each complete answer."""
    return cast("Backend", _Counted(backend, answered))


def _median(values: Sequence[float | None]) -> float | None:
    known = sorted(v for v in values if v is not None)
    return known[len(known) // 2] if known else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
