"""One benchmark at a time: begun, followed, cancelled, kept."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ai.backends.pacing import late
from ai.benchmark import (
    AIBackendBenchmark,
    BenchmarkReport,
    Contender,
    GpuHints,
    ProcWatch,
    agreement,
    append_log,
    best_meter,
    replay_plan,
)
from ai.benchmark.model import QualityCheck, QualityRow
from ai.benchmark.watch import Watch
from ai.errors import BackendError, Cancelled
from ai.memory import available_memory
from ai.service.candidates import Candidate
from ai.service.config import AiConfig
from ai.service.contenders import as_reported, line_up
from ai.service.errors import BenchmarkBusy, NoEngine
from ai.service.job import QUALITY_S, Job, counted, shown
from ai.service.options import BenchmarkOptions
from ai.service.records import Records
from ai.service.settings_won import Won
from ai.types import LoadSpec
from monitor.errors import MonitorError

log = logging.getLogger("watchkeeper.ai")
Facts = Mapping[str, str | int | float | None]


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

    def __init__(
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
        repeated = replayed is not None and replayed.host.get("kind") == "settings"
        used = as_reported(replayed) if replayed and repeated else self._used
        lined = await asyncio.to_thread(line_up, found, options, plan, used)
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
        return {"state": "idle"} if self._job is None else shown(self._job)

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
            report = await runner.run(on_progress=job.note, cancel=job.cancel)
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
                job.postings = max(1, min(job.postings, int(QUALITY_S / job.asked / job.posting_s())))
            limit_s = None if job.postings is None else 3 * QUALITY_S
            work: asyncio.Task[QualityRow | None] = asyncio.ensure_future(
                _awaited(
                    quality_check(job.postings), replace(contender, backend=counted(contender.backend, job.answered))
                )
            )
            stop = asyncio.ensure_future(job.cancel.wait())
            try:
                await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED, timeout=limit_s)
                if job.cancel.is_set():
                    raise Cancelled("The benchmark was cancelled.")
                if not work.done():
                    raise late(contender.backend.name, "total", 3 * QUALITY_S)
                return work.result()
            finally:
                stop.cancel()
                work.cancel()
                await asyncio.gather(work, stop, return_exceptions=True)

        return checked


async def _awaited(check: QualityCheck, contender: Contender) -> QualityRow | None:
    return await check(contender)


def _ended_badly(job: Job, task: "asyncio.Task[None]") -> None:
    """A fault of the program, or the agent's end: the benchmark must not seem to run for ever."""
    if task.cancelled():
        job.state = "cancelled"
    elif (error := task.exception()) is not None:
        job.state, job.error = "failed", f"The benchmark failed: {error}"
        log.error("the benchmark failed", exc_info=error)
