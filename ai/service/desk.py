"""What the agent and the command line ask about engines: their state, an analysis, an opinion, a benchmark, a plan of memory."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ai.analysis import Explanation, GivenRecord, JobAnalysisResult, JobAnalyzer, explain
from ai.benchmark import BenchmarkReport, GpuHints, change_marks, compare_runs
from ai.errors import ModelMissing
from ai.memory import available_memory, fit, predict
from ai.protocol import Backend
from ai.router import DriftAlarm, HybridAIBackend, Member, MemberState, Standing
from ai.service.bench import BenchmarkDesk, Facts
from ai.service.candidates import Candidate, candidates, cores
from ai.service.config import AiConfig
from ai.service.hypothesis import answer_hypothesis
from ai.service.records import Records
from ai.service.standings import newest_metrics, standings
from ai.types import LoadSpec, MemoryReport
from monitor.masking import Masker

Engines = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
_REPORTS: Final = 20
_PARALLEL: Final = 2


@dataclass(slots=True)
class _Known:
    """A back end that answers analyses, with what it was made from."""

    candidate: Candidate
    backend: Backend
    spec: LoadSpec


class AiDesk:
    """The engines of this machine at work. Belongs to the event loop it is used in.

    Args:
        config: the settings in force, asked anew each time.
        engines: what discovery found.
        records: where calls and benchmarks are kept.
        facts: what is known of the machine, for reports.
        gpu: what the GPU's watch knows.
        masker: hides secrets in log records before a model sees them.
    """

    def __init__(  # noqa: PLR0913 - collaborators come through the constructor
        self,
        config: Callable[[], AiConfig],
        engines: Engines,
        *,
        records: Records,
        facts: Callable[[], Facts] | None = None,
        gpu: Callable[[], GpuHints | None] | None = None,
        masker: Masker | None = None,
    ) -> None:
        self._config, self._engines, self._records = config, engines, records
        self._masker = masker or Masker()
        self._made_from: AiConfig | None = None
        self._known: dict[str, _Known] = {}
        self._hybrid: HybridAIBackend | None = None
        self._explainer: HybridAIBackend | None = None
        self._standings: dict[str, Standing] | None = None
        self._drift: list[str] = []
        self._gathering = asyncio.Lock()
        self.benchmarks = BenchmarkDesk(
            config, self.usable, records,
            facts=facts or (lambda: {"cpu_count": cores()}), gpu=gpu, before=self.rest, after=self._measured,
        )  # fmt: skip

    # --- engines

    async def usable(self) -> list[Candidate]:
        """The engines that can answer now, each with its model."""
        return await asyncio.to_thread(candidates, await self._engines(), self._config())

    async def backends(self) -> dict[str, Any]:
        """Every engine found or not, with state, model, memory, capabilities, circuit and figures."""
        hybrid = await self._router()
        states = {state.name: state for state in hybrid.states()}
        measured = newest_metrics(await asyncio.to_thread(self._records.reports, _REPORTS))
        usable = {(c.engine, c.address): c for c in await self.usable()}
        rows = []
        for engine in await self._engines():
            key = (str(engine["name"]), str(engine.get("address") or "") if engine.get("kind") == "server" else "")
            candidate = usable.get(key)
            known = self._known.get(candidate.name) if candidate else None
            rows.append(await self._row(engine, candidate, known, states, measured))
        return {"backends": rows, "choice": asdict(hybrid.choice()), "drift": list(self._drift)}

    async def _row(
        self,
        engine: Mapping[str, Any],
        candidate: Candidate | None,
        known: _Known | None,
        states: Mapping[str, MemberState],
        measured: Mapping[str, tuple[str, Mapping[str, Any]]],
    ) -> dict[str, Any]:
        memory = await _memory(known.backend) if known else None
        state = states.get(known.candidate.name) if known else None
        plan = await asyncio.to_thread(candidate.plan, known.spec) if candidate and known else None
        name = candidate.name if candidate else str(engine["name"])
        found = measured.get(name)
        return {
            **engine, "backend": name, "usable": candidate is not None, "model": candidate.shown if candidate else None,
            "capabilities": asdict(known.backend.capabilities()) if known else None,
            "memory": asdict(memory) if memory else None, "memory_predicted": plan.total if plan else None,
            "breaker": state.breaker if state else None, "breaker_reason": state.reason if state else "",
            "retry_in_s": state.retry_in_s if state else None, "live": asdict(state.live) if state else None,
            "measured_in": found[0] if found else None,
            "measured": {key: metric.model_dump() for key, metric in found[1].items()} if found else {},
        }  # fmt: skip

    async def policy(self) -> dict[str, Any]:
        """What is wanted, what it would choose, and why; and each back end's standing."""
        hybrid = await self._router()
        config = self._config()
        choice = hybrid.choice()
        return {
            "quality_floor": config.quality_floor, "latency_target_s": config.latency_target_s, "allow_remote": config.allow_remote,
            "explain_remote": config.explain_remote, "chosen": choice.chosen, "order": list(choice.order), "sentence": choice.sentence,
            "excluded": dict(choice.excluded), "drift": list(self._drift),
            "standings": [
                {
                    "backend": s.name, "engine": s.engine, "model": Path(s.model).name, "breaker": s.breaker, "reason": s.reason,
                    "quality": s.standing.quality, "latency_s": s.standing.latency_s, "measured": s.standing.measured_ts,
                    "speed": asdict(s.standing.speed) if s.standing.speed else None, "remote": s.standing.remote,
                }
                for s in hybrid.states()
            ],
        }  # fmt: skip

    # --- answers

    async def analyze(self, text: str) -> JobAnalysisResult:
        """What a posting says; always answers, by rules when no engine can.

        Raises:
            ConfigError: the text is longer than any posting.
        """
        return await JobAnalyzer(await self._router()).analyze(text)

    async def analyze_many(self, texts: Sequence[str], *, concurrency: int = _PARALLEL) -> list[JobAnalysisResult]:
        """Several postings; results in the order given.

        Raises:
            ConfigError: one is longer than any posting.
        """
        return await JobAnalyzer(await self._router()).analyze_many(texts, concurrency=concurrency)

    async def explain(self, records: Sequence[GivenRecord], question: str = "") -> Explanation:
        """A model's opinion on log records, secrets masked first.

        Raises:
            ConfigError: no records were given.
            NoAnswer: no engine that may see them could answer.
            BadOutput: it did not answer in the form asked for.
        """
        await self._router()
        assert self._explainer is not None  # noqa: S101 - made together with the router
        return await explain(self._explainer, records, question=question, masker=self._masker)

    async def memory_plan(self, model: str, *, context: int, parallel: int, kv_type: str) -> dict[str, Any]:
        """What a model would take, and whether it fits; an empty name takes the model in use.

        Raises:
            ModelMissing, BadModelFile, BadRequest: there is no such model, or the settings are impossible.
        """
        path = await self._model_path(model)
        plan = await asyncio.to_thread(predict, path, n_ctx=context, n_parallel=parallel, kv_type=kv_type)
        found = fit(plan, await asyncio.to_thread(available_memory))
        return {
            "model": plan.model, "path": str(path), "fits": found.fits, "available": found.available, "total": plan.total,
            "weights": plan.weights, "cache": plan.cache, "compute": plan.compute, "overhead": plan.overhead,
            "cache_per_token": plan.cache_per_token, "cache_exact": plan.cache_exact, "context": plan.context, "parallel": plan.parallel,
            "kv_type": plan.kv_type, "where": plan.where, "trained_context": plan.trained_context, "parameters": plan.parameters,
            "notes": list(plan.notes), "remedy": found.remedy,
            "alternatives": [{"context": a.context, "parallel": a.parallel, "kv_type": a.kv_type, "total": a.total} for a in found.alternatives],
        }  # fmt: skip

    async def _model_path(self, model: str) -> Path:
        usable = [c for c in await self.usable() if c.path is not None]
        named = [c.path for c in usable if c.path and (not model or model in {c.name, c.shown, c.path.name})]
        if named and named[0] is not None:
            return named[0]
        path = Path(model)
        if not model or not path.is_absolute():
            raise ModelMissing(
                f"There is no model {model!r} here." if model else "There is no model file here.",
                hint="Name a GGUF file or a model folder by its absolute path.",
            )
        return path

    async def fetch_demo(self) -> dict[str, Any]:
        """Fetch the demonstration model into our own folder of models.

        Raises:
            ModelMissing: there is no such folder.
            BackendDown, BadModelFile: it could not be fetched, or is not the model.
        """
        from ai.service.fetch import fetch_demo

        folder = self._config().model_dir
        if folder is None:
            raise ModelMissing(
                "There is no folder for models.", hint="Start the watch, or name a GGUF file in the settings."
            )
        path = await fetch_demo(folder)
        return {"path": str(path), "size": path.stat().st_size}

    # --- benchmarks of the past

    async def report(self, benchmark: str) -> BenchmarkReport | None:
        """One report."""
        return await asyncio.to_thread(self._records.report, benchmark)

    async def history(self, limit: int) -> dict[str, Any]:
        """Benchmarks, newest first, each with the changes against the one before it."""
        rows = await asyncio.to_thread(self._records.history, limit)
        reports = await asyncio.to_thread(self._records.reports, min(limit, _REPORTS))
        marks = await asyncio.to_thread(change_marks, reports[::-1])
        return {
            "benchmarks": [{**row, "changes": [c.sentence() for c in marks.get(row["benchmark"], [])]} for row in rows]
        }

    async def whole(self, report: BenchmarkReport) -> dict[str, Any]:
        """A report as the page shows it: with the answer to the plan's hypothesis."""
        return {**report.model_dump(mode="json"), "hypothesis": asdict(answer_hypothesis(report))}

    async def compare(self, before: BenchmarkReport, after: BenchmarkReport) -> dict[str, Any]:
        """What changed between two benchmarks."""
        changes = await asyncio.to_thread(compare_runs, before, after)
        shown = [c for c in changes if c.changed]
        word = f"{len(shown)} of {len(changes)} figures changed." if changes else "They have no engine in common."
        return {
            "before": before.id, "after": after.id, "sentence": word,
            "changes": [
                {
                    "backend": c.backend, "figure": c.figure, "estimate": c.ratio.estimate, "low": c.ratio.low, "high": c.ratio.high,
                    "changed": c.changed, "why": list(c.why), "sentence": c.sentence(),
                }
                for c in changes
            ],
        }  # fmt: skip

    # --- life

    async def rest(self) -> None:
        """Give the memory of our own workers back; they are loaded again when asked."""
        await asyncio.gather(
            *(k.backend.unload() for k in self._known.values() if k.candidate.embedded), return_exceptions=True
        )

    async def close(self) -> None:
        """End the benchmark and every worker."""
        await self.benchmarks.close()
        await self._let_go()

    async def _let_go(self) -> None:
        for hybrid in (self._hybrid, self._explainer):
            if hybrid is not None:
                await hybrid.close()
        self._hybrid = self._explainer = None
        self._known = {}

    async def _router(self) -> HybridAIBackend:
        """The router over all engines seen so far; made anew when an engine or the settings changed."""
        async with self._gathering:
            config = self._config()
            if self._made_from is not None and config != self._made_from:
                await self._let_go()
            new = [c for c in await self.usable() if not self._same(c)]
            if new or self._hybrid is None:
                await self._take_in(new, config)
            assert self._hybrid is not None  # noqa: S101 - `_take_in` made it
            return self._hybrid

    def _same(self, candidate: Candidate) -> bool:
        known = self._known.get(candidate.name)
        return known is not None and (known.candidate.model, known.candidate.address) == (
            candidate.model,
            candidate.address,
        )

    async def _take_in(self, new: Sequence[Candidate], config: AiConfig) -> None:
        for candidate in new:
            old = self._known.get(candidate.name)
            if old is not None:
                await old.backend.close()
            spec = LoadSpec(candidate.model, context=config.context, parallel=_PARALLEL)
            self._known[candidate.name] = _Known(candidate, candidate.make(candidate.name), spec)
        if self._standings is None:
            self._standings = standings(await asyncio.to_thread(self._records.reports, _REPORTS))
        self._made_from = config
        self._hybrid = self._over("analysis", config)
        self._explainer = self._over("explanation", config)

    def _over(self, purpose: str, config: AiConfig) -> HybridAIBackend:
        known = self._standings or {}
        members = [Member(k.backend, k.spec, known.get(name, Standing())) for name, k in self._known.items()]
        return HybridAIBackend(
            members,
            policy=config.policy(tuple(self._known), explaining=purpose == "explanation"),
            deadlines=config.deadlines(),
            sink=self._records.call,
            on_drift=self._drifted,
            purpose=purpose,
        )

    def _drifted(self, alarm: DriftAlarm) -> None:
        self._drift = [*self._drift[-4:], alarm.sentence()]

    def _measured(self, report: BenchmarkReport) -> None:
        """New figures count at once for what is chosen; what had drifted is known anew."""
        self._drift = []
        fresh = standings([report])
        self._standings = {**(self._standings or {}), **fresh}
        for hybrid in (self._hybrid, self._explainer):
            for name in self._known.keys() & fresh.keys():
                if hybrid is not None:
                    hybrid.set_standing(name, self._standings[name])


async def _memory(backend: Backend) -> MemoryReport | None:
    from ai.errors import BackendError

    try:
        async with asyncio.timeout(2.0):
            return await backend.memory()
    except (BackendError, TimeoutError):
        return None  # its card says that it is away
