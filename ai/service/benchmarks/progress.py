"""A benchmark while it runs: where it is, what it showed so far, and how long it will take."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from ai.benchmark import BenchmarkPlan, BenchmarkReport, Journal, Progress
from ai.benchmark.pace import time_for_pairs
from ai.service.benchmarks.contenders import LineUp
from ai.service.benchmarks.remaining import ALL_POSTINGS, QualityTime, overdue
from ai.shapes.benchmark import Benchmark, Figures, Step
from ai.shapes.report import SampleRow

State = Literal["idle", "running", "done", "cancelled", "interrupted", "failed"]
QUALITY_S: Final = 120.0
"""Quality may take so long in all, or every labelled posting was asked for."""


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
    quality: QualityTime = field(default_factory=QualityTime)
    error: str = ""
    hint: str = ""
    begun: float = field(default_factory=time.monotonic)
    phase_since: float = field(default_factory=time.monotonic)
    step_at: float = field(default_factory=time.monotonic)
    """When it last got on."""
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    report: BenchmarkReport | None = None
    journal: Journal | None = None
    """What it measured so far, on disk; None where there is no folder for it."""
    _promised: dict[str, float] = field(default_factory=dict)

    @property
    def phase(self) -> str:
        """Where it is."""
        return self.progress.phase if self.progress else "check"

    def note(self, progress: Progress) -> None:
        """Take what the benchmark tells."""
        self.step_at = time.monotonic()
        if self.progress is None or progress.phase != self.progress.phase:
            self.phase_since = self.step_at
        self.progress = progress
        self.samples += progress.samples
        if self.first_figure_s is None and any(s.rate for s in self.samples):
            self.first_figure_s = round(time.monotonic() - self.begun, 1)

    def answered(self, backend: str, done: int) -> bool:
        """A back end has answered so many postings of the quality check; whether there is time for one more.

        How many that are is decided while the first back end answers. All others then get the same ones, as far as their share of the time allows.
        """
        self.step_at = time.monotonic()
        self.quality.posting_done(backend, self.step_at)
        if self.postings is None:
            return True
        if self.quality.first == backend:
            self.postings = max(done, min(self.postings, self.quality.affordable(self._quality_names(), QUALITY_S)))
            return done < self.postings
        return done < self.postings and self.quality.share_left_s(QUALITY_S) >= self.quality.posting_s(backend)

    def begin_quality(self, backend: str) -> None:
        """The quality check of a back end begins."""
        self.step_at = time.monotonic()
        self.quality.rates = {
            f.backend: f.tokens_per_s for f in figures(self.samples, self.lineup.names) if f.tokens_per_s
        }
        self.quality.begin(backend, self.step_at)

    def quality_limit_s(self) -> float:
        """Seconds after which the quality check of the back end of now is given up: a single posting takes far longer than it should."""
        return 1.5 * self.quality.share_s(QUALITY_S)

    def message(self) -> str:
        """What it does, for people."""
        if self.progress is None:
            return "Looking at the engines"
        if self.phase == "done":
            return "Putting the report together" if self.state == "running" else self.progress.message
        done = self.quality.done(self.quality.now)
        if self.phase == "quality" and done:
            return f"{self.progress.message}, {done} of {max(self._postings(), done)} postings answered"
        return self.progress.message

    def verdict_left_s(self) -> float | None:
        """Seconds until the verdict on speed, at most, and never more than was said before; None before anything was measured, and once it stands."""
        return self._no_more("verdict", self._verdict_left_s())

    def left_s(self) -> float | None:
        """Seconds until the end, by what was measured in this run, and never more than was said before; None before anything was."""
        return self._no_more("end", self._left_s())

    def _no_more(self, what: str, seconds: float | None) -> float | None:
        """A person plans by the first figure: what turns out to take longer stands still meanwhile."""
        if seconds is None:
            return None
        self._promised[what] = min(seconds, self._promised.get(what, math.inf))
        return self._promised[what]

    def _verdict_left_s(self) -> float | None:
        progress = self.progress
        if (
            progress is None
            or not self.plan.pairs
            or progress.verdict
            or self.phase not in {"warm-up", "pairs"}
            or not self.samples
        ):
            return None
        since = time.monotonic() - self.step_at
        if self.phase == "pairs" and progress.left_s is not None:
            return overdue(progress.left_s, since)
        plan = self.plan
        whole = time_for_pairs(plan, self.step_at - self.begun)
        if len({s.backend for s in self.samples}) < len(self.lineup.names):
            return overdue(whole, since)  # the one that was not asked yet may be the slow one
        return overdue(min(whole, plan.max_blocks * 2 * self._request_s() * len(self.lineup.names)), since)

    def _left_s(self) -> float | None:
        if self.progress is None or not self.samples:
            return None
        before, since = self._verdict_left_s(), time.monotonic() - self.step_at
        if before is not None:
            return before + self._batches_s(0) + self._quality_s()
        if self.progress.left_s is not None and self.phase in {"lengths", "batches", "rates"}:
            return overdue(self.progress.left_s, since) + self._quality_s()
        if self.phase == "batches":
            return overdue(self._batches_s(self.progress.done), since) + self._quality_s()
        if self.phase == "quality":
            return overdue(self._quality_s(), since)
        return (
            overdue(self._batches_s(0) + self._quality_s(), since)
            if self.progress.verdict and self.phase == "pairs"
            else None
        )

    def steps(self) -> list[Step]:
        """The steps of this plan, each to come, now, or done."""
        order = [
            "load",
            "warm-up",
            *(["pairs"] if self.plan.pairs else []),
            *(["lengths"] if self.plan.lengths else []),
            *(["batches"] if self.plan.batches else []),
            *(["rates"] if self.plan.rates else []),
            *(["quality"] if self.postings != 0 else []),
        ]
        now = self.progress.phase if self.progress else "load"
        now = ("pairs" if self.plan.pairs else "warm-up") if now == "answers" else now
        at = len(order) if self.state != "running" or now == "done" else order.index(now) if now in order else 0
        return [Step(step=s, state="done" if i < at else "now" if i == at else "to come") for i, s in enumerate(order)]

    def _request_s(self) -> float:
        """A request, by the mean of all so far."""
        return _mean([s.total_s for s in self.samples if s.total_s and s.batch == 1]) or 1.0

    def _batches_s(self, done: int) -> float:
        """What the batches from the `done`-th on take: each as many requests in a row as there are, at worst; corrected by how long those before took."""
        each = {f.backend: f.total_s or self._request_s() for f in figures(self.samples, self.lineup.names)}
        costs = [
            max(each[name] * max(1.0, size / 2), self.plan.level_s)
            for size in self.plan.batches
            for name in self.lineup.names
        ]
        before = sum(costs[:done])
        factor = (self.step_at - self.phase_since) / before if done and before > 0 else 1.0
        return sum(costs[done:]) * max(factor, 0.1)

    def _quality_names(self) -> list[str]:
        """Back ends whose quality is measured: of one engine with other settings, once."""
        return self.lineup.names if self.lineup.kind == "engines" else self.lineup.names[:1]

    def _postings(self) -> int:
        return ALL_POSTINGS if self.postings is None else self.postings

    def _quality_s(self) -> float:
        if self.postings == 0:
            return 0.0
        names, time = self._quality_names(), self.quality
        whole = time.left_s(names, self._postings())
        if self.postings is None:
            return whole
        later = sum(name not in (time.now, time.first) and time.done(name) == 0 for name in names) if time.now else 0
        most = time.share_left_s(QUALITY_S) + later * QUALITY_S / 2 if time.now else QUALITY_S
        return min(whole, most)


def shown(job: Job) -> Benchmark:
    """A benchmark as the API tells it."""
    p, running = job.progress, job.state == "running"
    return Benchmark(
        state=job.state, id=job.id, kind=job.lineup.kind, note=job.lineup.note, started=job.started,
        elapsed_s=round(time.monotonic() - job.begun, 1) if running else None,
        contenders=job.lineup.names, reference=job.lineup.names[0], steps=job.steps(), phase=job.phase, message=job.message(),
        done=p.done if p else 0, total=p.total if p else 0, left_s=_rounded(job.left_s()) if running else 0.0,
        verdict_left_s=_rounded(job.verdict_left_s()) if running else None,
        ratios=dict(p.ratios) if p else {}, intervals=dict(p.intervals) if p else {},
        figures=figures(job.samples, job.lineup.names), first_figure_s=job.first_figure_s,
        measurements=len(job.samples), flagged=sum(not s.used for s in job.samples),
        cancelling=job.cancel.is_set() and running, error=job.error, hint=job.hint,
        verdict=job.report.sentence if job.report else p.verdict if p and running else "",
    )  # fmt: skip


def figures(samples: Sequence[SampleRow], names: Sequence[str]) -> list[Figures]:
    """Medians so far, warm-up included until there is something better."""
    rows = []
    for name in names:
        mine = [s for s in samples if s.backend == name and s.batch == 1]
        mine = [s for s in mine if s.block >= 0] or mine
        rows.append(
            Figures(
                backend=name,
                n=len(mine),
                tokens_per_s=_median([s.rate for s in mine]),
                first_token_s=_median([s.ttft_s for s in mine]),
                total_s=_median([s.total_s for s in mine]),
            )
        )
    return rows


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(max(seconds, 1.0), 0)


def _median(values: Sequence[float | None]) -> float | None:
    known = sorted(v for v in values if v is not None)
    return known[len(known) // 2] if known else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
