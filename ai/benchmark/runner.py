"""`AIBackendBenchmark`: which engine is fastest here, what does it cost, and is it as good?"""

import asyncio
import math
import statistics
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from ai.benchmark.contender import Contender, Draft, OnProgress, Phase, Progress, QualityCheck
from ai.benchmark.lengths import Ask, LengthTest, Ruler, calibrated
from ai.benchmark.load import Take, measure_batch, measure_rate
from ai.benchmark.loading import Entry, Loader, find_pids, load_row, look_whether_gone, note_memory
from ai.benchmark.measure import Measurer, Place
from ai.benchmark.pace import Pace, time_for_pairs, too_slow
from ai.benchmark.reporting.figures import busy_throughout, log_ratios, only_disturbed, usable_pairs
from ai.benchmark.reporting.report import Gathered, Row, build_report, live_intervals
from ai.benchmark.same_text import SameText
from ai.benchmark.samples.length import long_enough
from ai.benchmark.schedule import block_order, build_request, turns
from ai.benchmark.watch import EnergyMeter, ProcWatch, Watch, best_meter
from ai.core.errors import BackendError, Cancelled
from ai.core.types import Deadlines, GenRequest
from ai.shapes.report import BenchmarkPlan, BenchmarkReport, Metric, SampleRow, State
from ai.statistics.sequential import MIN_BLOCKS, Look, SequentialPlan, Verdict, could_show, decide_many, settled

_OUT_OF_TIME: Final = "out of time"
_TOLD_FROM_S: Final = 1.0
"""An answer that took so many seconds is told of at once; quicker ones with their pair."""
_THOUGHTS: Final = 3
_THOUGHT_TOKENS: Final = 2048
_THOUGHT_S: Final = 30.0
"""Where thoughts are longer than the answers that were measured: how often a model is asked, and what it may think and say, in tokens and seconds."""


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
        draft: keeps what was measured so far; None keeps nothing before the end.
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
        draft: Draft | None = None,
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
        self._nonce = uuid.uuid4().hex[:8]
        """A server keeps what it read: no prompt of an earlier benchmark may come again."""
        self._same_text = SameText()
        self._verdicts: dict[str, Verdict] = {}
        self._stopped = self._short = ""
        self._problems: list[str] = []
        self._notes: list[str] = []
        self._verdict = ""
        self._begun = time.perf_counter()
        self._answers_s: dict[str, float] = {}
        """What an answer took in the warm-up, in seconds; of one that was not finished, what was waited."""
        self._looks: list[Look] = []
        self._draft = draft
        self._started = 0
        self._on_progress: OnProgress | None = None
        self._cancel: asyncio.Event | None = None

    async def run(
        self, *, on_progress: OnProgress | None = None, cancel: asyncio.Event | None = None
    ) -> BenchmarkReport:
        """The whole benchmark. Setting `cancel` ends it soon, with what was measured until then."""
        self._on_progress, self._cancel = on_progress, cancel
        self._begun = time.perf_counter()
        self._started = time.time_ns() // 1000
        state: State = "done"
        try:
            await self._prepare()
            usable = [e for e in self._entries if not e.unusable]
            if not usable:
                state, self._stopped = "failed", "no engine could be used"
            else:
                if self._plan.pairs:
                    await self._pairs(usable)
                    await self._verdict_stands(_alive(usable))
                if not self._ended(usable):
                    await self._answers(_alive(usable))
                    await self._lengths(_alive(usable))
                    if self._is_hopelessly_busy(_alive(usable)):
                        self._notes.append(
                            "Requests at the same time were left out: other programs kept this machine busy."
                        )
                    else:
                        await self._batches(_alive(usable))
                        await self._rates(_alive(usable))
                    await self._judge_quality(_alive(usable))
                    self._stopped = self._stopped or "the plan is done"
                elif not any(v.kind != "not shown" or v.equivalent for v in self._verdicts.values()):
                    state = "failed"
        except Cancelled:
            state, self._stopped = "cancelled", "it was cancelled"
        finally:
            self._problems = await self._loader.give_back()
        report = build_report(self._gathered(state))
        self._tell("done", report.sentence, 1, 1, 0.0)
        return report

    async def _verdict_stands(self, entries: Sequence[Entry]) -> None:
        """Tell the verdict on speed at once: what follows takes minutes, and changes nothing about it."""
        for entry in entries:
            if not self._loader.in_turn:  # else it may not be in memory now; the batches tell
                await note_memory(entry)
        report = await asyncio.to_thread(build_report, self._gathered("done"))
        self._verdict = report.sentence
        phase, done, total, _ = self._phase
        self._tell(phase, "The verdict on speed stands", done, total, 0.0)

    def _is_hopelessly_busy(self, entries: Sequence[Entry]) -> bool:
        """Whether the pairs showed that nothing can be measured now, so that more load for minutes would only tell the same."""
        if not self._plan.pairs or len(entries) < 2:
            return False
        measure, first = self._plan.measure, entries[0].name
        return all(only_disturbed(self._samples, e.name, measure) for e in entries) and not any(
            busy_throughout(self._samples, e.name, first, measure) for e in entries[1:]
        )

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
        if not self._loader.in_turn:  # else the engine that applies the template may not be in memory
            await self._same_text.decide([e for e in self._entries if not e.unusable])
        await self._measurer.learn_idle()
        await self._warm_up([e for e in self._entries if not e.unusable])
        wanted = long_enough(self._samples, self._plan.max_tokens)
        self._plan = self._plan.model_copy(update={"max_tokens": wanted})

    async def _warm_up(self, entries: Sequence[Entry]) -> None:
        """First answers, which are not like the others; they tell whether there is time for pairs, so none of them may take all of it."""
        plan, pairs = self._plan, self._plan.pairs
        for at, entry in enumerate(entries):
            self._tell("warm-up", f"Warming up {entry.name}", at, len(entries), None)
            await self._have(entry, warm=False)
            for turn in range(plan.warmup):
                limit_s = time_for_pairs(plan, self._elapsed_s()) / (len(entries) - at) if pairs else None
                begun = time.perf_counter()
                row = await self._take(entry, plan.prompts[turn % len(plan.prompts)], Place(-1, turn, "warm-up"), limit_s=limit_s)  # fmt: skip
                if row.total_s or _OUT_OF_TIME in row.flags:
                    self._answers_s[entry.name] = time.perf_counter() - begun
        for name, why in too_slow(plan, self._elapsed_s(), self._answers_s).items() if pairs else ():
            next(e for e in entries if e.name == name).unusable = why
            del self._answers_s[name]

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self._begun

    async def _pairs(self, entries: Sequence[Entry]) -> None:
        """Interleaved blocks until the verdicts are settled, the time is up, or the planned number is done."""
        plan = self._plan
        by_name = {e.name: e for e in entries}
        pace = Pace(plan, elapsed_s=self._elapsed_s(), reloaded_s=self._loader.reloading_s, answers_s=self._answers_s)
        planned = pace.planned
        why = f". {pace.hopeless}" if pace.hopeless else ""
        self._tell("pairs", f"The first pair of at most {planned}{why}", 0, planned, pace.left_s())
        for block in count():
            prompt = pace.prompt(block)
            whole = await self._block(by_name, block, prompt, pace)
            if whole:
                pace.block_done(prompt, self._loader.reloading_s, self._usable(entries))
            ended, sequential, done = self._ended(entries), pace.sequential, block + whole
            up = pace.is_up() if whole else pace.cut_off(self._loader.reloading_s)
            last = bool(ended or up)
            look = sequential.last_look(done, self._looks) if last else sequential.look_at(done)
            if look is not None and self._look(entries, look, sequential, last=last):
                self._stopped = self._stopped or "the verdict is settled"
            planned = max(pace.planned, done)
            self._tell("pairs", f"Pairs {done} of at most {planned}", done, planned, pace.left_s())
            if ended:
                self._stopped = ended
            elif last:
                self._stopped = self._stopped or up
            if self._stopped:
                break
        self._notes, self._short = pace.notes, pace.short

    async def _block(self, by_name: dict[str, Entry], block: int, prompt: str, pace: Pace) -> bool:
        """Measure a pair; whether there was time for all of it."""
        order = block_order(list(by_name), block, self._plan.seed)
        for position, name in enumerate(turns(order) if self._loader.in_turn else order):
            if by_name[name].gone:
                continue
            await self._have(by_name[name])
            limit_s = pace.answer_s(self._loader.reloading_s)
            if limit_s <= 0:
                return False
            row = await self._take(by_name[name], prompt, Place(block, position, prompt), limit_s=limit_s)
            if _OUT_OF_TIME in row.flags:
                return False
            if (row.total_s or 0.0) >= _TOLD_FROM_S:
                phase, done, total, _ = self._phase
                self._tell(phase, f"Pair {done + 1} of at most {total}: {name} answered", done, total, pace.left_s())
        return True

    def _ended(self, entries: Sequence[Entry]) -> str:
        """Why there is nothing left to compare, because engines ended; empty while there is."""
        if len(_alive(entries)) >= min(2, len(entries)) and not entries[0].gone:
            return ""
        return " ".join(e.gone for e in entries if e.gone)

    def _usable(self, entries: Sequence[Entry]) -> int | None:
        """Pairs that a verdict can be made of, of the comparison that has fewest; None where nothing is compared."""
        pairs = [
            usable_pairs(self._samples, e.name, entries[0].name, self._plan.measure) for e in entries[1:] if not e.gone
        ]
        return min(pairs, default=None)

    def _look(self, entries: Sequence[Entry], look: Look, sequential: SequentialPlan, *, last: bool) -> bool:
        """Look at the ratios; whether all is settled. Before the last look, too few pairs of any are not looked at: that would spend error."""
        reference = entries[0].name
        values = {e.name: log_ratios(self._samples, e.name, reference, self._plan.measure) for e in entries[1:]}
        if not values or (not last and min(map(len, values.values())) < MIN_BLOCKS):
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
        begun, left_out = time.perf_counter(), set[int]()
        for at, (size, entry) in enumerate(jobs):
            if entry.gone:
                continue
            if self._is_too_long(size, entry, time.perf_counter() - begun):
                left_out.add(size)
                continue
            spent = time.perf_counter() - begun
            left = spent / at * (len(jobs) - at) if at and not self._plan.pairs else None
            self._tell("batches", f"{entry.name}: {size} at once", at, len(jobs), left)
            await self._have(entry)

            slots = entry.load.parallel if entry.load else None
            take = self._taker(entry, Place(-2, 0, "", size, f"{size} at once"))
            entry.batches.append(await measure_batch(take, size, self._plan, slots=slots))
            await note_memory(entry)
        if left_out:
            sizes = ", ".join(map(str, sorted(left_out)))
            self._notes.append(
                f"Not all engines were measured with {sizes} requests at once: that would take too long here."
            )
        for entry in _alive(entries):
            if "memory_peak" not in entry.metrics:
                await self._have(entry)
                await note_memory(entry)

    def _is_too_long(self, size: int, entry: Entry, spent_s: float) -> bool:
        """Whether a batch would not end in time, where there is a time: half of that for the pairs."""
        if size == 1 or (self._plan.pairs and self._plan.verdict_s is None):
            return False
        single = [s.total_s for s in self._samples if s.backend == entry.name and s.batch == 1 and s.total_s]
        slots = (entry.load.parallel if entry.load else None) or 1
        expected = statistics.median(single) * math.ceil(size / slots) if single else 0.0
        expected = max(expected, self._plan.level_s)
        return spent_s + expected > self._plan.budget_s / (2 if self._plan.pairs else 1)

    def _taker(self, entry: Entry, place: Place) -> Take:
        """Takes the measurements of one level, each with the next prompt. The engine is not asked to count: that is load, too."""

        async def take(i: int) -> SampleRow:
            prompt = self._plan.prompts[i % len(self._plan.prompts)]
            return await self._take(entry, prompt, replace(place, position=i, prompt=prompt), count=False)

        return take

    async def _rates(self, entries: Sequence[Entry]) -> None:
        """Each rate on each engine, rising; an engine that does not keep up with one is not asked for more."""
        rates, begun = sorted(self._plan.rates), time.perf_counter()
        for at, rate in enumerate(rates):
            for place, entry in enumerate(entries):
                if entry.gone or (entry.rates and not entry.rates[-1].kept_up):
                    continue
                done = at * len(entries) + place
                left = (time.perf_counter() - begun) / done * (len(rates) * len(entries) - done) if done else None
                self._tell("rates", f"{entry.name}: {rate:g} requests a second", done, len(rates) * len(entries), left)
                await self._have(entry)
                level = f"{rate:g}/s"
                take = self._taker(entry, Place(-4, 0, "", level=level))
                seed = f"{self._plan.seed}:{level}"  # the same times for each engine
                entry.rates.append(await measure_rate(take, rate, self._plan, seed=seed))
                await note_memory(entry)
        lost = [
            f"{e.name} did not keep up with {e.rates[-1].rate:g} requests a second"
            for e in entries
            if e.rates and not e.rates[-1].kept_up
        ]
        if lost:
            self._notes.append(f"{'; '.join(lost)}: higher rates were left out.")

    async def _answers(self, entries: Sequence[Entry]) -> None:
        """How soon a model that reasons first begins its answer, where its thoughts took all of the measured answers."""
        for at, entry in enumerate(entries):
            mine = [s for s in self._samples if s.backend == entry.name]
            if entry.gone or not any(s.thought for s in mine) or any(s.answer_s for s in mine):
                continue
            self._tell("answers", f"{entry.name}: waiting for its thoughts to end", at, len(entries), None)
            await self._have(entry)
            rates = [s.rate for s in mine if s.rate]
            tokens = int(min(_THOUGHT_TOKENS, max(_THOUGHT_S * statistics.median(rates), 256))) if rates else 256
            for turn in range(_THOUGHTS):
                place = Place(-3, turn, self._plan.prompts[0], level="reasoning")
                request = build_request(place.prompt, self._unique(entry, place), tokens, self._plan.own_prompts())
                if (await self._measure(entry, replace(request, ignore_eos=False), place)).answer_s is None:
                    break  # it would not answer the next time either

    async def _lengths(self, entries: Sequence[Entry]) -> None:
        """Each length on each engine, `repeats` times, the engines in turn; as far as the time goes."""
        plan, begun = self._plan, time.perf_counter()
        tests = {e.name: [LengthTest(length) for length in plan.lengths] for e in entries}
        rulers: dict[str, Ruler] = {}
        total, done = plan.repeats * len(plan.lengths) * len(entries), 0
        for turn in range(plan.repeats if plan.lengths else 0):
            for entry in entries:
                await self._have(entry)
                ask = self._asker(entry)
                if entry.name not in rulers:
                    rulers[entry.name] = await calibrated(ask, self._unique(entry, Place(-5, turn, "calibration")))
                for test in tests[entry.name]:
                    spent = time.perf_counter() - begun
                    if entry.gone or (turn and spent > plan.budget_s):
                        continue
                    left = spent / done * (total - done) if done else None
                    self._tell("lengths", f"{entry.name}: {test.length.name}", done, total, left)
                    seed = self._unique(entry, Place(-5, turn, test.length.name))
                    await test.once(ask, rulers[entry.name], seed)
                    done += 1
                entry.lengths = [test.row() for test in tests[entry.name] if test.cold]
        for entry in entries if plan.lengths else ():
            await note_memory(entry)

    def _asker(self, entry: Entry) -> Ask:
        async def ask(request: GenRequest, name: str) -> SampleRow:
            return await self._measure(entry, request, Place(-5, 0, name, level=name), count=False)

        return ask

    async def _judge_quality(self, entries: Sequence[Entry]) -> None:
        if self._quality is None:
            return
        for at, entry in enumerate(entries):
            if entry.gone:
                continue
            self._tell("quality", f"Quality of {entry.name}", at, len(entries), None)
            try:
                await self._have(entry)
                entry.quality = await self._quality(entry.contender.backend, entry.contender.spec)
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

    async def _take(
        self, entry: Entry, prompt: str, place: Place, *, count: bool = True, limit_s: float | None = None
    ) -> SampleRow:
        plan = self._plan
        request = build_request(prompt, self._unique(entry, place), plan.max_tokens, plan.own_prompts())
        request = await self._same_text.request(entry.name, request)
        return await self._measure(entry, request, place, count=count, limit_s=limit_s)

    def _unique(self, entry: Entry, place: Place) -> str:
        """What the first words of a prompt follow from: no two measurements have the same."""
        at = f"{place.block}:{place.position}:{place.batch}:{place.level}"
        return f"{self._nonce}:{self._plan.seed}:{at}:{place.prompt if place.block < -2 else ''}:{entry.name}"

    async def _measure(
        self, entry: Entry, request: GenRequest, place: Place, *, count: bool = True, limit_s: float | None = None
    ) -> SampleRow:
        self._stop_if_cancelled()
        context = entry.load.context if entry.load else None
        row = await self._measurer.measure(
            entry.contender, request, place, pids=entry.pids, context=context, cancel=self._cancel, count=count,
            limit_s=limit_s,
        )  # fmt: skip
        if "failed" in row.flags:
            await look_whether_gone(entry)
        if not entry.gone and ("failed" in row.flags or "engine restarted" in row.flags):
            await find_pids(entry)
        self._samples.append(row)
        if self._draft is not None:
            self._draft.sample(row)
        return row

    def _stop_if_cancelled(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled("The benchmark was cancelled.")

    def _tell(self, phase: Phase, message: str, done: int, total: int, left_s: float | None) -> None:
        self._phase = (phase, done, total, left_s)
        if self._draft is not None:
            self._draft.step(self._gathered("interrupted"))
        if self._on_progress is None:
            return
        new, self._told = self._samples[self._told :], len(self._samples)
        names = [e.name for e in self._entries if not e.unusable]
        ratios = {n: log_ratios(self._samples, n, names[0], self._plan.measure) for n in names[1:]}
        event = Progress(
            phase=phase, message=message, done=done, total=total, left_s=left_s, samples=new, intervals=live_intervals(ratios), verdict=self._verdict,
            ratios={n: [round(math.exp(v), 4) for v in values] for n, values in ratios.items()},
        )  # fmt: skip
        self._on_progress(event)

    def _gathered(self, state: State) -> Gathered:
        return Gathered(
            id=uuid.uuid4().hex[:12],
            started=self._started,
            state=state,
            plan=self._plan,
            host=self._host,
            entries=[
                Row(e.name, str(e.contender.backend.engine), load_row(e), e.unusable, e.metrics, e.batches, e.quality,
                    e.contender.backend.capabilities().ignore_eos, e.rates, e.lengths)
                for e in self._entries
            ],
            samples=self._samples,
            verdicts=self._verdicts,
            stopped=self._stopped,
            short=self._short,
            energy_source=self._meter.source,
            notes=[*(e.gone for e in self._entries if e.gone), *self._notes, *self._loader.notes(), *self._same_text.notes, *self._problems],
            gone=" ".join(e.gone for e in self._entries if e.gone),
        )  # fmt: skip


def _alive(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if not entry.gone]
