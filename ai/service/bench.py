"""One benchmark at a time: begun, followed, cancelled, kept."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ai.backends.pacing import late
from ai.benchmark import (
    AIBackendBenchmark,
    BenchmarkPlan,
    BenchmarkReport,
    Contender,
    GpuHints,
    ProcWatch,
    Progress,
    agreement,
    append_log,
    best_meter,
    replay_plan,
)
from ai.benchmark.model import QualityCheck, QualityRow, SampleRow
from ai.benchmark.watch import Watch
from ai.errors import BackendError, Cancelled
from ai.memory import available_memory
from ai.service.candidates import Candidate
from ai.service.config import AiConfig
from ai.service.contenders import LineUp, line_up
from ai.service.errors import BenchmarkBusy, NoEngine
from ai.service.options import BenchmarkOptions
from ai.service.records import Records
from ai.service.settings_won import Won
from ai.types import LoadSpec
from monitor.errors import MonitorError

log = logging.getLogger("watchkeeper.ai")
State = Literal["idle", "running", "done", "cancelled", "failed"]
Facts = Mapping[str, str | int | float | None]
_LOAD_S: Final = 6.0
_POSTING_TOKENS: Final = 450
"""What an analysed posting costs, in tokens generated."""
_QUALITY_S: Final = 120.0
"""Quality may take so long in all, or every labelled posting was asked for."""
_SHOWN_SAMPLES: Final = 400


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
    error: str = ""
    hint: str = ""
    begun: float = field(default_factory=time.monotonic)
    phase_since: float = field(default_factory=time.monotonic)
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    report: BenchmarkReport | None = None


class BenchmarkDesk:
    """Runs benchmarks.

    Args:
        config: the settings in force.
        usable: the engines that can be measured now.
        records: where reports are kept.
        facts: what is known of the machine.
        gpu: what the GPU's watch knows.
        watch: readings of the machine; from `/proc` when None.
        before: called before a benchmark loads anything: gives idle memory back.
        after: called with each report.
        won: settings that were taken over for a model; may block.
        available: bytes of memory that may be taken now.
    """

    def __init__(  # noqa: PLR0913 - collaborators come through the constructor
        self,
        config: Callable[[], AiConfig],
        usable: Callable[[], Awaitable[list[Candidate]]],
        records: Records,
        *,
        facts: Callable[[], Facts],
        gpu: Callable[[], GpuHints | None] | None = None,
        watch: Watch | None = None,
        before: Callable[[], Awaitable[None]],
        after: Callable[[BenchmarkReport], None],
        won: Callable[[Candidate], Won | None] = lambda _: None,
        available: Callable[[], int | None] = available_memory,
    ) -> None:
        self._config, self._usable, self._records = config, usable, records
        self._facts, self._gpu, self._before, self._after = facts, gpu, before, after
        self._watch, self._won, self._available = watch, won, available
        self._job: Job | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Future[None]] = set()

    @property
    def running(self) -> bool:
        """Whether one runs."""
        return self._task is not None and not self._task.done()

    async def start(self, options: BenchmarkOptions, replayed: BenchmarkReport | None = None) -> str:
        """Begin; answers the benchmark's id.

        Raises:
            BenchmarkBusy: one runs.
            NoEngine: there is nothing to measure.
        """
        if self.running:
            raise BenchmarkBusy("A benchmark is running.", hint="Wait for it, or cancel it.")
        config = self._config()
        plan = replay_plan(replayed) if replayed else options.plan(config)
        found = await self._usable()
        lined = await asyncio.to_thread(line_up, found, options, plan, self._used)
        if self.running:
            raise BenchmarkBusy("A benchmark is running.", hint="Wait for it, or cancel it.")
        if lined is None:
            raise NoEngine(
                "No engine can be measured here.", hint="The cards of the engines say what each of them needs."
            )
        job = Job(
            uuid.uuid4().hex[:12], lined, plan, options.quality_postings(config), time.time_ns() // 1000, replayed
        )
        self._job = job
        self._task = asyncio.create_task(self._run(job), name="benchmark")
        self._task.add_done_callback(lambda task: _ended_badly(job, task))
        return job.id

    def _used(self, candidate: Candidate, spec: LoadSpec) -> LoadSpec:
        won = self._won(candidate) if candidate.embedded else None
        return won.applied(spec) if won else spec

    def cancel(self) -> bool:
        """Ask for the end; what was measured is kept. Whether one ran."""
        if not self.running or self._job is None:
            return False
        self._job.cancel.set()
        if self._job.progress is None or self._job.progress.phase == "load":
            for contender in self._job.lineup.contenders:  # a load knows no cancellation: its worker's end is one
                self._closing.add(asyncio.ensure_future(contender.backend.close()))
        return True

    async def wait(self) -> BenchmarkReport | None:
        """Wait for the end; the report, None when it failed."""
        if self._task is not None:
            await asyncio.wait({self._task})
        return self._job.report if self._job else None

    async def close(self) -> None:
        """End at once."""
        task, job = self._task, self._job
        if task is None or job is None or task.done():
            return
        job.cancel.set()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    def state(self) -> dict[str, Any]:
        """Where it is: phase, steps, time left, the pairs' ratios so far."""
        job = self._job
        if job is None:
            return {"state": "idle"}
        p = job.progress
        return {
            "state": job.state, "id": job.id, "kind": job.lineup.kind, "note": job.lineup.note, "started": job.started,
            "elapsed_s": round(time.monotonic() - job.begun, 1) if job.state == "running" else None,
            "contenders": job.lineup.names, "reference": job.lineup.names[0], "steps": self._steps(job),
            "phase": p.phase if p else "check", "message": p.message if p else "Looking at the engines",
            "done": p.done if p else 0, "total": p.total if p else 0,
            "left_s": self._left(job) if job.state == "running" else 0.0,
            "ratios": dict(p.ratios) if p else {}, "intervals": {k: list(v) for k, v in p.intervals.items()} if p else {},
            "figures": _figures(job.samples, job.lineup.names), "first_figure_s": job.first_figure_s,
            "measurements": len(job.samples), "flagged": sum(not s.used for s in job.samples),
            "cancelling": job.cancel.is_set() and job.state == "running", "error": job.error, "hint": job.hint,
            "verdict": job.report.sentence if job.report else "",
        }  # fmt: skip

    async def _run(self, job: Job) -> None:
        try:
            await self._before()
            runner = AIBackendBenchmark(
                job.lineup.contenders,
                job.plan,
                watch=self._watch or ProcWatch(self._gpu),
                meter=best_meter(self._gpu),
                quality=self._quality(job),
                host={**self._facts(), "kind": job.lineup.kind},
                available=self._available,
            )
            report = await runner.run(on_progress=lambda p: _note(job, p), cancel=job.cancel)
            report = await self._finished(job, report)
            await asyncio.to_thread(self._keep, job, report)
            job.report, job.state = report, "failed" if report.state == "failed" else report.state
            if report.state == "failed":
                job.error = report.sentence
            self._after(report)
        except (BackendError, OSError) as error:
            job.state, job.error = "failed", getattr(error, "message", str(error))
            job.hint = getattr(error, "hint", "")
        finally:
            closing, self._closing = self._closing, set()
            await asyncio.gather(*(c.backend.close() for c in job.lineup.contenders), *closing, return_exceptions=True)

    async def _finished(self, job: Job, report: BenchmarkReport) -> BenchmarkReport:
        notes = [*([job.lineup.note] if job.lineup.note else []), *report.notes]
        if any(c.quality for c in report.contenders):
            from ai.evaluation import baselines

            notes.append(await asyncio.to_thread(baselines, job.postings))
        report = report.model_copy(update={"id": job.id, "notes": notes})
        if job.replayed is not None:
            notes = [agreement(job.replayed, report).sentence, *notes]
            report = report.model_copy(update={"notes": notes})
        return report

    def _keep(self, job: Job, report: BenchmarkReport) -> None:
        """In the store and in the log; a benchmark that cannot be written is still shown."""
        folder = self._config().log_dir
        try:
            self._records.benchmark(report)
            if folder is not None:
                append_log(report, folder)
        except (MonitorError, OSError) as error:
            job.error = f"The benchmark could not be kept: {error}"
            log.warning("%s", job.error)

    def _quality(self, job: Job) -> QualityCheck | None:
        """The quality check, cancellable between answers; of one engine with itself it is measured once."""
        if job.postings == 0:
            return None
        from ai.evaluation import quality_check

        first = job.lineup.names[0]

        async def checked(contender: Contender) -> QualityRow | None:
            if job.lineup.kind != "engines" and contender.backend.name != first:
                return None
            if job.postings is not None:  # as many as there is time for; the same for all, so that they can be paired
                job.postings = max(1, min(job.postings, int(_QUALITY_S / self._asked(job) / _posting_s(job))))
            limit_s = None if job.postings is None else 3 * _QUALITY_S
            work: asyncio.Task[QualityRow | None] = asyncio.ensure_future(
                _awaited(quality_check(job.postings), contender)
            )
            stop = asyncio.ensure_future(job.cancel.wait())
            try:
                await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED, timeout=limit_s)
                if job.cancel.is_set():
                    raise Cancelled("The benchmark was cancelled.")
                if not work.done():
                    raise late(contender.backend.name, "total", 3 * _QUALITY_S)
                return work.result()
            finally:
                stop.cancel()
                work.cancel()
                await asyncio.gather(work, stop, return_exceptions=True)

        return checked

    @staticmethod
    def _asked(job: Job) -> int:
        """Of how many contenders quality is measured: of one engine with other settings, once."""
        return len(job.lineup.names) if job.lineup.kind == "engines" else 1

    def _steps(self, job: Job) -> list[dict[str, Any]]:
        """The steps of this plan, each to come, now, or done."""
        order = [
            "load",
            "warm-up",
            "pairs",
            *(["batches"] if job.plan.batches else []),
            *(["quality"] if job.postings != 0 else []),
        ]
        now = job.progress.phase if job.progress else "load"
        at = len(order) if job.state != "running" or now == "done" else order.index(now) if now in order else 0
        return [
            {"step": s, "state": "done" if i < at else "now" if i == at else "to come"} for i, s in enumerate(order)
        ]

    def _left(self, job: Job) -> float | None:
        """Seconds until the end: what the pairs may still take, and for the rest what such steps take."""
        names, plan = len(job.lineup.names), job.plan
        p = job.progress
        each = _mean([s.total_s for s in job.samples if s.total_s and s.batch == 1]) or 1.0
        batches = sum(names * each * max(1.0, size / 2) for size in plan.batches)
        quality = 0.0 if job.postings == 0 else self._asked(job) * (job.postings or 64) * _posting_s(job)
        quality = quality if job.postings is None else min(quality, _QUALITY_S)
        phase = p.phase if p else "load"
        spent = time.monotonic() - job.phase_since
        if phase in {"check", "load", "warm-up"}:
            return round(max(_LOAD_S * names - spent, 1.0) + plan.budget_s + batches + quality, 0)
        if phase == "pairs":
            return round((p.left_s if p and p.left_s is not None else plan.budget_s) + batches + quality, 0)
        if phase == "batches":
            return round(max(batches - spent, 1.0) + quality, 0)
        return round(max(quality - spent, 1.0), 0)


async def _awaited(check: QualityCheck, contender: Contender) -> QualityRow | None:
    return await check(contender)


def _note(job: Job, progress: Progress) -> None:
    if job.progress is None or progress.phase != job.progress.phase:
        job.phase_since = time.monotonic()
    job.progress = progress
    job.samples += progress.samples
    if job.first_figure_s is None and any(s.rate for s in job.samples):
        job.first_figure_s = round(time.monotonic() - job.begun, 1)


def _ended_badly(job: Job, task: "asyncio.Task[None]") -> None:
    """A fault of the program, or the agent's end: the benchmark must not seem to run for ever."""
    if task.cancelled():
        job.state = "cancelled"
    elif (error := task.exception()) is not None:
        job.state, job.error = "failed", f"The benchmark failed: {error}"
        log.error("the benchmark failed", exc_info=error)


def _figures(samples: Sequence[SampleRow], names: Sequence[str]) -> list[dict[str, Any]]:
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


def _posting_s(job: Job) -> float:
    """About how long an engine takes for a posting, by the slowest one measured."""
    rates = [f["tokens_per_s"] for f in _figures(job.samples, job.lineup.names) if f["tokens_per_s"]]
    return _POSTING_TOKENS / max(min(rates, default=60.0), 0.5)


def _median(values: Sequence[float | None]) -> float | None:
    known = sorted(v for v in values if v is not None)
    return known[len(known) // 2] if known else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
