"""One benchmark at a time: begun, followed, cancelled, kept."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from ai.benchmark import (
    AIBackendBenchmark,
    BenchmarkReport,
    GpuHints,
    Journal,
    ProcWatch,
    agreement,
    append_log,
    best_meter,
    interrupted,
    replay_plan,
)
from ai.benchmark.contender import QualityCheck
from ai.benchmark.watch import Watch
from ai.core.errors import AiError, BackendError, BenchmarkBusy, Cancelled, NoEngine
from ai.core.pacing import late
from ai.core.protocol import Backend
from ai.core.types import LoadSpec
from ai.model_files.memory import available_memory
from ai.service.benchmarks.adopted_settings import AdoptedSettings
from ai.service.benchmarks.contenders import as_reported, line_up
from ai.service.benchmarks.progress import Job, shown
from ai.service.context.candidates import Candidate
from ai.service.context.config import AiConfig
from ai.service.context.records import Records
from ai.shapes.benchmark import Benchmark, BenchmarkRequest
from ai.shapes.report import QualityRow

log = logging.getLogger("watchkeeper.ai")
Facts = Mapping[str, str | int | float | None]


class BenchmarkService:
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
        adopted: the settings that were adopted for a model; may block.
        refused: why engines that are known cannot be measured, by name in small letters.
        with_models: a candidate for each `ENGINE=MODEL`.
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
        adopted: Callable[[Candidate], AdoptedSettings | None] = lambda _: None,
        refused: Callable[[], Awaitable[Mapping[str, str]]] | None = None,
        with_models: Callable[[Sequence[str]], Awaitable[list[Candidate]]] | None = None,
        available: Callable[[], int | None] = available_memory,
    ) -> None:
        self._config, self._usable, self._records = config, usable, records
        self._facts, self._gpu, self._before, self._after = facts, gpu, before, after
        self._watch, self._adopted, self._available, self._refused = watch, adopted, available, refused
        self._with_models = with_models
        self._job: Job | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Future[None]] = set()
        self._recovery: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether one runs."""
        return self._task is not None and not self._task.done()

    async def start(self, wanted: BenchmarkRequest, replayed: BenchmarkReport | None = None) -> str:
        """Begin; answers the benchmark's id.

        Raises:
            BenchmarkBusy: one runs.
            NoEngine: there is nothing to measure.
            InputError: an engine was named that cannot be measured.
        """
        if self.running:
            raise BenchmarkBusy("A benchmark is running.", hint="Wait for it, or cancel it.")
        config = self._config()
        plan = replay_plan(replayed) if replayed else config.benchmark_plan(wanted)
        found = await self._usable()
        if plan.models and self._with_models is not None:  # they are the only ones, unless engines are named too
            models = await self._with_models(plan.models)
            found = [*models, *(found if wanted.backends else [])]
            names = [c.name for c in models] + (wanted.backends or [])
            wanted = wanted.model_copy(update={"backends": names})
        found = [c for c in found if config.allow_remote or not c.remote_host]
        refused = await self._refused() if self._refused is not None else {}
        repeated = replayed is not None and replayed.host.get("kind") == "settings"
        used = as_reported(replayed) if replayed and repeated else self._used
        lined = await asyncio.to_thread(line_up, found, wanted, plan, used, refused)
        if self.running:
            raise BenchmarkBusy("A benchmark is running.", hint="Wait for it, or cancel it.")
        if lined is None:
            raise NoEngine("No engine can be measured here.", hint="See the card of each engine for what it needs.")
        job = Job(uuid.uuid4().hex[:12], lined, plan, config.quality_postings(wanted), time.time_ns() // 1000, replayed)
        self._job = job
        self._task = asyncio.create_task(self._run(job), name="benchmark")
        self._task.add_done_callback(lambda task: _ended_badly(job, task))
        return job.id

    def _used(self, candidate: Candidate, spec: LoadSpec) -> LoadSpec:
        adopted = self._adopted(candidate) if candidate.embedded else None
        return adopted.applied(spec) if adopted else spec

    async def recovered(self) -> None:
        """Wait until benchmarks that were interrupted (the agent was killed) are in the history, with what they measured."""
        if self._recovery is None:
            self._recovery = asyncio.create_task(asyncio.to_thread(self._recover))
        await asyncio.shield(self._recovery)

    def _recover(self) -> None:
        folder = self._config().log_dir
        if folder is None or not self._records.lasting:
            return
        try:
            for found in interrupted(folder):
                if found.report is not None and self._records.report(found.report.id) is None:
                    self._records.benchmark(found.report)
                    append_log(found.report, folder)
                found.forget()
        except (AiError, OSError) as error:
            log.warning("interrupted benchmarks could not be kept, and wait for the next start: %s", error)

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
        if job.journal is not None:
            job.journal.ended("Watchkeeper was stopped")
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    def state(self) -> Benchmark:
        """Where it is: phase, steps, time left, the pairs' ratios so far."""
        return Benchmark(state="idle") if self._job is None else shown(self._job)

    async def _run(self, job: Job) -> None:
        folder = self._config().log_dir
        try:
            if folder is not None:
                job.journal = await asyncio.to_thread(Journal, folder, job.id, job.lineup.note)
            await self._before()
            runner = AIBackendBenchmark(
                job.lineup.contenders,
                job.plan,
                watch=self._watch or ProcWatch(self._gpu),
                meter=best_meter(self._gpu),
                quality=self._quality(job),
                host={**self._facts(), "kind": job.lineup.kind},
                available=self._available,
                draft=job.journal,
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
            self._gave_up(job, job.error)
        except Exception as error:
            self._gave_up(job, f"the benchmark failed: {error}")
            raise
        finally:
            if job.journal is not None:
                job.journal.close(remove=False)
            closing, self._closing = self._closing, set()
            await asyncio.gather(*(c.backend.close() for c in job.lineup.contenders), *closing, return_exceptions=True)

    def _gave_up(self, job: Job, why: str) -> None:
        """It failed: what it measured comes into the history before that is read again."""
        if job.journal is not None:
            job.journal.ended(why)
            self._recovery = None

    async def _finished(self, job: Job, report: BenchmarkReport) -> BenchmarkReport:
        notes = [*([job.lineup.note] if job.lineup.note else []), *report.notes]
        if any(c.quality for c in report.contenders):
            from ai.evaluation import baselines

            notes.append(await asyncio.to_thread(baselines, job.postings))
        notes += [
            f"The quality of {c.name} was measured on {c.quality.items} of the {job.postings} postings: it answers too slowly for more."
            for c in report.contenders
            if c.quality and job.postings and c.quality.items < job.postings
        ]
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
            if job.journal is not None:
                job.journal.close(remove=True)
            if folder is not None:
                append_log(report, folder)
        except (AiError, OSError) as error:
            job.error = f"The benchmark could not be kept: {error}"
            log.warning("%s", job.error)
            if job.journal is not None:
                job.journal.whole(report)

    def _quality(self, job: Job) -> QualityCheck | None:
        """The quality check, cancellable between answers; of one engine with itself it is measured once."""
        if job.postings == 0:
            return None
        from ai.evaluation import quality_check

        first = job.lineup.names[0]

        async def checked(backend: Backend, spec: LoadSpec) -> QualityRow | None:
            name = backend.name
            if job.lineup.kind != "engines" and name != first:
                return None
            job.begin_quality(name)
            check = quality_check(job.postings, go_on=lambda done: job.answered(name, done))
            limit_s = None if job.postings is None else job.quality_limit_s()
            work = asyncio.ensure_future(check(backend, spec))
            stop = asyncio.ensure_future(job.cancel.wait())
            try:
                await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED, timeout=limit_s)
                if job.cancel.is_set():
                    raise Cancelled("The benchmark was cancelled.")
                if not work.done():
                    raise late(name, "total", limit_s or 0.0)
                return work.result()
            finally:
                stop.cancel()
                work.cancel()
                await asyncio.gather(work, stop, return_exceptions=True)

        return checked


def _ended_badly(job: Job, task: "asyncio.Task[None]") -> None:
    """A fault of the program, or the agent's end: the benchmark must not seem to run for ever."""
    if task.cancelled():
        job.state = "interrupted"
    elif (error := task.exception()) is not None:
        job.state, job.error = "failed", f"The benchmark failed: {error}"
        log.error("the benchmark failed", exc_info=error)
