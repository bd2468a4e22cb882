"""`AIBackendBenchmark`: which engine is fastest here, what does it cost, and is it as good?"""

import asyncio
import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from ai.benchmark.batches import measure_batch
from ai.benchmark.figures import log_ratios
from ai.benchmark.measure import Measurer, Place
from ai.benchmark.model import (
    BatchRow,
    BenchmarkPlan,
    BenchmarkReport,
    Contender,
    LoadRow,
    Metric,
    OnProgress,
    Phase,
    Progress,
    QualityCheck,
    QualityRow,
    SampleRow,
    State,
)
from ai.benchmark.order import block_order
from ai.benchmark.prompts import build_request
from ai.benchmark.report import Gathered, build_report, live_intervals
from ai.benchmark.sequential import Look, SequentialPlan, Verdict, decide_many, settled
from ai.benchmark.watch import EnergyMeter, ProcWatch, Watch, best_meter
from ai.errors import BackendError, Cancelled
from ai.types import Deadlines


@dataclass(slots=True)
class _Entry:
    """One contender while it is measured."""

    contender: Contender
    load: LoadRow | None = None
    unusable: str = ""
    pids: tuple[int, ...] = ()
    metrics: dict[str, Metric] = field(default_factory=dict)
    batches: list[BatchRow] = field(default_factory=list)
    quality: QualityRow | None = None

    @property
    def name(self) -> str:
        return self.contender.backend.name


class AIBackendBenchmark:
    """Measures engines against each other.

    Args:
        contenders: the engines; the first usable one is the reference. Names must differ.
        plan: how to measure.
        watch: readings of the machine, for the contamination guards.
        meter: energy.
        quality: measures quality; None leaves that out.
        host: facts about the machine for the report.
    """

    def __init__(  # noqa: PLR0913 - collaborators come through the constructor
        self,
        contenders: Sequence[Contender],
        plan: BenchmarkPlan | None = None,
        *,
        watch: Watch | None = None,
        meter: EnergyMeter | None = None,
        quality: QualityCheck | None = None,
        host: dict[str, str | int | float | None] | None = None,
    ) -> None:
        names = [c.backend.name for c in contenders]
        if not names or len(set(names)) != len(names):
            msg = "a benchmark needs at least one contender, and their names must differ"
            raise ValueError(msg)
        self._plan = plan or BenchmarkPlan()
        self._entries = [_Entry(c) for c in contenders]
        self._watch = watch or ProcWatch()
        self._meter = meter or best_meter()
        limits = Deadlines(
            total_s=self._plan.request_s, first_token_s=self._plan.request_s, between_tokens_s=self._plan.request_s
        )
        self._measurer = Measurer(self._watch, self._meter, deadlines=limits)
        self._quality = quality
        self._host = host or {}
        self._samples: list[SampleRow] = []
        self._told = 0
        self._verdicts: dict[str, Verdict] = {}
        self._stopped = ""
        self._on_progress: OnProgress | None = None
        self._cancel: asyncio.Event | None = None

    async def run(
        self, *, on_progress: OnProgress | None = None, cancel: asyncio.Event | None = None
    ) -> BenchmarkReport:
        """The whole benchmark. Setting `cancel` ends it soon, with what was measured until then."""
        self._on_progress, self._cancel = on_progress, cancel
        started = time.time_ns() // 1000
        state: State = "done"
        try:
            await self._prepare()
            usable = [e for e in self._entries if not e.unusable]
            if not usable:
                state, self._stopped = "failed", "no engine could be used"
            else:
                await self._pairs(usable)
                await self._batches(usable)
                await self._judge_quality(usable)
        except Cancelled:
            state, self._stopped = "cancelled", "it was cancelled"
        report = build_report(self._gathered(started, state))
        self._tell("done", report.sentence, 1, 1, 0.0)
        return report

    async def _prepare(self) -> None:
        for at, entry in enumerate(self._entries):
            self._tell("load", f"Loading {entry.name}", at, len(self._entries), None)
            self._stop_if_cancelled()
            try:
                await self._load(entry)
            except BackendError as error:
                entry.unusable = " ".join(part for part in (error.message, error.hint) if part)
        await self._measurer.learn_idle()
        for at, entry in enumerate(e for e in self._entries if not e.unusable):
            self._tell("warm-up", f"Warming up {entry.name}", at, len(self._entries), None)
            for turn in range(self._plan.warmup):
                await self._take(entry, self._plan.prompts[turn % len(self._plan.prompts)], Place(-1, turn, "warm-up"))

    async def _load(self, entry: _Entry) -> None:
        backend, spec = entry.contender.backend, entry.contender.spec
        health = await backend.health()
        if health.state in {"down", "missing", "error"}:
            entry.unusable = health.detail
            return
        cold = None
        if self._plan.cold_load and backend.capabilities().unloads:
            await backend.unload()
            first = await backend.ensure_loaded(spec)
            cold = first.seconds.value if first.cold else None
        report = await backend.ensure_loaded(spec)
        if report.cold and cold is None:
            cold = report.seconds.value
        warm = await backend.ensure_loaded(spec)
        request = build_request(self._plan.prompts[0], "count", self._plan.max_tokens)
        tokens = None
        if backend.capabilities().counts_tokens:
            counted = await backend.count_tokens(request.messages)
            tokens = int(counted.value) if counted.origin != "estimated" else None
        memory = await backend.memory()
        entry.pids = memory.pids
        entry.load = LoadRow(
            model=report.model, cold_s=cold, warm_s=warm.seconds.value, context=report.context, parallel=report.parallel,
            kv_type=report.kv_type, quantization=report.quantization, weights=report.weights, template=report.template,
            engine_version=report.engine_version, device=report.device, prompt_tokens=tokens, notes=list(report.notes),
            threads=report.threads, prompt_threads=report.prompt_threads,
        )  # fmt: skip

    async def _pairs(self, entries: Sequence[_Entry]) -> None:
        """Interleaved blocks until the verdicts are settled, the time is up, or the planned number is done."""
        plan, begun = self._plan, time.perf_counter()
        by_name = {e.name: e for e in entries}
        sequential = SequentialPlan(plan.max_blocks, plan.alpha, plan.margin, plan.settle)
        first_block_s: float | None = None
        for block in range(plan.max_blocks):
            await self._block(by_name, block)
            spent = time.perf_counter() - begun
            if first_block_s is None:
                first_block_s = spent
                fit = max(8, min(plan.max_blocks, int(plan.budget_s / max(spent, 1e-6))))
                sequential = SequentialPlan(fit, plan.alpha, plan.margin, plan.settle)
            done = block + 1
            each = spent / done
            last = done >= sequential.looks[-1].blocks or spent + each > plan.budget_s
            look = sequential.last_look(done) if last else sequential.look_at(done)
            if look is not None and self._look(entries, look, sequential):
                self._stopped = self._stopped or "the verdict is settled"
            planned = sequential.looks[-1].blocks
            left = min((planned - done) * each, max(plan.budget_s - spent, 0.0))
            self._tell("pairs", f"Pairs {done} of at most {planned}", done, planned, left)
            if self._stopped:
                return
            if last:
                self._stopped = "the planned number of pairs is done" if done >= planned else "the time is up"
                return

    async def _block(self, by_name: dict[str, _Entry], block: int) -> None:
        seen: dict[str, int] = {}
        prompt = self._plan.prompts[block % len(self._plan.prompts)]
        for position, name in enumerate(block_order(list(by_name), block, self._plan.seed)):
            seen[name] = seen.get(name, 0) + 1
            await self._take(by_name[name], prompt, Place(block, position, prompt))

    def _look(self, entries: Sequence[_Entry], look: Look, sequential: SequentialPlan) -> bool:
        reference = entries[0].name
        values = {e.name: log_ratios(self._samples, e.name, reference, self._plan.measure) for e in entries[1:]}
        if not values:
            return False
        self._verdicts = decide_many(values, look, sequential)
        return all(settled(verdict, sequential) for verdict in self._verdicts.values())

    async def _batches(self, entries: Sequence[_Entry]) -> None:
        jobs = [(size, e) for size in self._plan.batches for e in entries]
        for at, (size, entry) in enumerate(jobs):
            self._tell("batches", f"{entry.name}: {size} at once", at, len(jobs), None)
            self._stop_if_cancelled()

            async def take(i: int, entry: _Entry = entry, size: int = size) -> SampleRow:
                prompt = self._plan.prompts[i % len(self._plan.prompts)]
                return await self._take(entry, prompt, Place(-2, i, prompt, size))

            slots = entry.load.parallel if entry.load else None
            row, _ = await measure_batch(take, size, self._plan, slots=slots)
            entry.batches.append(row)
        for entry in entries:
            await self._memory(entry)

    async def _memory(self, entry: _Entry) -> None:
        try:
            memory = await entry.contender.backend.memory()
        except BackendError as error:
            entry.metrics["memory_peak"] = Metric(value=None, unit="bytes", origin="measured", n=0, note=error.message)
            return
        for key, figure in (("memory", memory.rss), ("memory_peak", memory.peak), ("vram", memory.vram)):
            if figure is not None:
                entry.metrics[key] = Metric(value=figure.value, unit="bytes", origin=figure.origin, note=memory.note)
            else:
                entry.metrics[key] = Metric(
                    value=None, unit="bytes", origin="measured", n=0, note=memory.note or "not measurable"
                )
        if entry.contender.predicted is not None:
            entry.metrics["memory_predicted"] = Metric(
                value=entry.contender.predicted, unit="bytes", origin="estimated"
            )

    async def _judge_quality(self, entries: Sequence[_Entry]) -> None:
        if self._quality is None:
            return
        for at, entry in enumerate(entries):
            self._tell("quality", f"Quality of {entry.name}", at, len(entries), None)
            self._stop_if_cancelled()
            try:
                entry.quality = await self._quality(entry.contender)
            except BackendError as error:
                entry.metrics["quality"] = Metric(value=None, unit="F1", origin="measured", n=0, note=error.message)

    async def _take(self, entry: _Entry, prompt: str, place: Place) -> SampleRow:
        self._stop_if_cancelled()
        unique = f"{self._plan.seed}:{place.block}:{place.position}:{place.batch}:{entry.name}"
        request = build_request(prompt, unique, self._plan.max_tokens)
        context = entry.load.context if entry.load else None
        row = await self._measurer.measure(
            entry.contender, request, place, pids=entry.pids, context=context, cancel=self._cancel
        )
        if "failed" in row.flags or "engine restarted" in row.flags:
            await self._find_pids(entry)
        self._samples.append(row)
        return row

    async def _find_pids(self, entry: _Entry) -> None:
        try:
            pids = (await entry.contender.backend.memory()).pids
        except BackendError:
            pids = ()  # the engine is away; the next measurement says so
        entry.pids = pids

    def _stop_if_cancelled(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled("The benchmark was cancelled.")

    def _tell(self, phase: Phase, message: str, done: int, total: int, left_s: float | None) -> None:
        if self._on_progress is None:
            return
        new, self._told = self._samples[self._told :], len(self._samples)
        names = [e.name for e in self._entries if not e.unusable]
        ratios = {n: log_ratios(self._samples, n, names[0], self._plan.measure) for n in names[1:]}
        event = Progress(
            phase=phase, message=message, done=done, total=total, left_s=left_s, samples=new, intervals=live_intervals(ratios),
            ratios={n: [round(math.exp(v), 4) for v in values] for n, values in ratios.items()},
        )  # fmt: skip
        self._on_progress(event)

    def _gathered(self, started: int, state: State) -> Gathered:
        return Gathered(
            id=uuid.uuid4().hex[:12],
            started=started,
            state=state,
            plan=self._plan,
            host=self._host,
            entries=[
                (e.name, str(e.contender.backend.engine), e.load, e.unusable, e.metrics, e.batches, e.quality,
                 e.contender.backend.capabilities().ignore_eos)
                for e in self._entries
            ],
            samples=self._samples,
            verdicts=self._verdicts,
            stopped=self._stopped,
            energy_source=self._meter.source,
        )  # fmt: skip
