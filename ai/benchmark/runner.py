"""`AIBackendBenchmark`: which engine is fastest here, what does it cost, and is it as good?"""

import asyncio
import math
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Final

from ai.benchmark.batches import measure_batch
from ai.benchmark.figures import log_ratios
from ai.benchmark.loading import Entry, Loader, find_pids, note_memory
from ai.benchmark.measure import Measurer, Place
from ai.benchmark.model import (
    BenchmarkPlan,
    BenchmarkReport,
    Contender,
    Metric,
    OnProgress,
    Phase,
    Progress,
    QualityCheck,
    SampleRow,
    State,
)
from ai.benchmark.order import block_order, turns
from ai.benchmark.prompts import build_request
from ai.benchmark.report import Gathered, build_report, live_intervals
from ai.benchmark.sequential import Look, SequentialPlan, Verdict, could_show, decide_many, settled
from ai.benchmark.watch import EnergyMeter, ProcWatch, Watch, best_meter
from ai.errors import BackendError, Cancelled
from ai.types import Deadlines

_MOST_WITH_LOADS: Final = 4
"""Loading in turn is not counted into the time for the pairs, up to this many times that time in all."""


class AIBackendBenchmark:
    """Measures engines against each other.

    Args:
        contenders: the engines; the first usable one is the reference. Names must differ.
        plan: how to measure.
        watch: readings of the machine, for the contamination guards.
        meter: energy.
        quality: measures quality; None leaves that out.
        host: facts about the machine for the report.
        available: bytes of memory that may be taken now; None, or a function that answers None, when not known.
    """

    def __init__(
        self,
        contenders: Sequence[Contender],
        plan: BenchmarkPlan | None = None,
        *,
        watch: Watch | None = None,
        meter: EnergyMeter | None = None,
        quality: QualityCheck | None = None,
        host: dict[str, str | int | float | None] | None = None,
        available: Callable[[], int | None] | None = None,
    ) -> None:
        names = [c.backend.name for c in contenders]
        if not names or len(set(names)) != len(names):
            msg = "a benchmark needs at least one contender, and their names must differ"
            raise ValueError(msg)
        self._plan = plan or BenchmarkPlan()
        self._entries = [Entry(c) for c in contenders]
        self._watch = watch or ProcWatch()
        self._meter = meter or best_meter()
        limits = Deadlines(
            total_s=self._plan.request_s, first_token_s=self._plan.request_s, between_tokens_s=self._plan.request_s
        )
        self._measurer = Measurer(self._watch, self._meter, deadlines=limits, about=self._plan.measure)
        self._quality = quality
        self._host = host or {}
        self._loader = Loader(self._plan, available or (lambda: None), self._reloading)
        self._phase: tuple[Phase, int, int, float | None] = ("check", 0, 1, None)
        self._samples: list[SampleRow] = []
        self._told = 0
        self._verdicts: dict[str, Verdict] = {}
        self._stopped = ""
        self._looks: list[Look] = []
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
        self._loader.decide(self._entries)
        for at, entry in enumerate(self._entries):
            self._tell("load", f"Loading {entry.name}", at, len(self._entries), None)
            self._stop_if_cancelled()
            if entry.unusable:
                continue
            try:
                await self._loader.first(entry, self._entries)
            except BackendError as error:
                entry.unusable = " ".join(part for part in (error.message, error.hint) if part)
        await self._measurer.learn_idle()
        for at, entry in enumerate(e for e in self._entries if not e.unusable):
            self._tell("warm-up", f"Warming up {entry.name}", at, len(self._entries), None)
            await self._have(entry, warm=False)
            for turn in range(self._plan.warmup):
                await self._take(entry, self._plan.prompts[turn % len(self._plan.prompts)], Place(-1, turn, "warm-up"))

    async def _pairs(self, entries: Sequence[Entry]) -> None:
        """Interleaved blocks until the verdicts are settled, the time is up, or the planned number is done."""
        plan, begun, reloaded = self._plan, time.perf_counter(), self._loader.reloading_s
        by_name = {e.name: e for e in entries}
        sequential = SequentialPlan(plan.max_blocks, plan.alpha, plan.margin, plan.settle)
        first_block_s: float | None = None
        for block in range(plan.max_blocks):
            await self._block(by_name, block)
            whole = time.perf_counter() - begun
            spent = whole - (self._loader.reloading_s - reloaded)
            if first_block_s is None:
                first_block_s = spent
                fit = max(8, min(plan.max_blocks, int(plan.budget_s / max(spent, 1e-6))))
                sequential = SequentialPlan(fit, plan.alpha, plan.margin, plan.settle)
            done = block + 1
            each = spent / done
            last = (
                done >= sequential.looks[-1].blocks
                or spent + each > plan.budget_s
                or whole > _MOST_WITH_LOADS * plan.budget_s
            )
            look = sequential.last_look(done, self._looks) if last else sequential.look_at(done)
            if look is not None and self._look(entries, look, sequential):
                self._stopped = self._stopped or "the verdict is settled"
            planned = sequential.looks[-1].blocks
            left = min((planned - done) * each, max(plan.budget_s - spent, 0.0)) * whole / spent
            self._tell("pairs", f"Pairs {done} of at most {planned}", done, planned, left)
            if self._stopped:
                return
            if last:
                self._stopped = "the planned number of pairs is done" if done >= planned else "the time is up"
                return

    async def _block(self, by_name: dict[str, Entry], block: int) -> None:
        prompt = self._plan.prompts[block % len(self._plan.prompts)]
        order = block_order(list(by_name), block, self._plan.seed)
        for position, name in enumerate(turns(order) if self._loader.in_turn else order):
            await self._have(by_name[name])
            await self._take(by_name[name], prompt, Place(block, position, prompt))

    def _look(self, entries: Sequence[Entry], look: Look, sequential: SequentialPlan) -> bool:
        reference = entries[0].name
        values = {e.name: log_ratios(self._samples, e.name, reference, self._plan.measure) for e in entries[1:]}
        if not values:
            return False
        if could_show(values, look):
            self._looks.append(look)
        self._verdicts = decide_many(values, look, sequential)
        return all(settled(verdict, sequential) for verdict in self._verdicts.values())

    async def _batches(self, entries: Sequence[Entry]) -> None:
        if self._loader.in_turn:
            jobs = [(size, e) for e in entries for size in self._plan.batches]
        else:
            jobs = [(size, e) for size in self._plan.batches for e in entries]
        for at, (size, entry) in enumerate(jobs):
            self._tell("batches", f"{entry.name}: {size} at once", at, len(jobs), None)
            await self._have(entry)

            async def take(i: int, entry: Entry = entry, size: int = size) -> SampleRow:
                prompt = self._plan.prompts[i % len(self._plan.prompts)]
                return await self._take(entry, prompt, Place(-2, i, prompt, size))

            slots = entry.load.parallel if entry.load else None
            row, _ = await measure_batch(take, size, self._plan, slots=slots)
            entry.batches.append(row)
            await note_memory(entry)
        for entry in entries:
            if "memory_peak" not in entry.metrics:
                await self._have(entry)
                await note_memory(entry)

    async def _judge_quality(self, entries: Sequence[Entry]) -> None:
        if self._quality is None:
            return
        for at, entry in enumerate(entries):
            self._tell("quality", f"Quality of {entry.name}", at, len(entries), None)
            try:
                await self._have(entry)
                entry.quality = await self._quality(entry.contender)
            except Cancelled:
                raise
            except BackendError as error:
                entry.metrics["quality"] = Metric(value=None, unit="F1", origin="measured", n=0, note=error.message)

    async def _have(self, entry: Entry, *, warm: bool = True) -> None:
        """Have it in memory; after a load a first request is not like the others and does not count."""
        self._stop_if_cancelled()
        try:
            again = await self._loader.have(entry)
        except BackendError:
            return  # the measurement that follows fails the same way, and says so
        if again and warm:
            for turn in range(self._plan.warmup):
                await self._take(entry, self._plan.prompts[turn % len(self._plan.prompts)], Place(-1, turn, "warm-up"))

    def _reloading(self, message: str, entry: Entry) -> None:
        del entry
        phase, done, total, left_s = self._phase
        self._tell(phase, message, done, total, left_s)

    async def _take(self, entry: Entry, prompt: str, place: Place) -> SampleRow:
        self._stop_if_cancelled()
        unique = f"{self._plan.seed}:{place.block}:{place.position}:{place.batch}:{entry.name}"
        request = build_request(prompt, unique, self._plan.max_tokens)
        context = entry.load.context if entry.load else None
        row = await self._measurer.measure(
            entry.contender, request, place, pids=entry.pids, context=context, cancel=self._cancel
        )
        if "failed" in row.flags or "engine restarted" in row.flags:
            await find_pids(entry)
        self._samples.append(row)
        return row

    def _stop_if_cancelled(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled("The benchmark was cancelled.")

    def _tell(self, phase: Phase, message: str, done: int, total: int, left_s: float | None) -> None:
        self._phase = (phase, done, total, left_s)
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
            loading=self._loader.note(),
        )  # fmt: skip
