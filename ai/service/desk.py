"""What the agent and the command line ask about engines: their state, an analysis, an opinion, a benchmark, a plan of memory."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ai.analysis import Explanation, GivenRecord, JobAnalysisResult, JobAnalyzer, explain
from ai.backends.footprint import is_local
from ai.benchmark import BenchmarkReport, GpuHints
from ai.errors import ModelMissing
from ai.memory import MemoryPlan, available_memory, fit, predict
from ai.probes.files import demo_model
from ai.protocol import Backend
from ai.router import DriftAlarm, HybridAIBackend, Member, MemberState, Standing
from ai.service.bench import BenchmarkDesk, Facts
from ai.service.candidates import Candidate, candidates, cores
from ai.service.config import AiConfig
from ai.service.ollama_plan import plan_of_ollama
from ai.service.past import REPORTS, PastBenchmarks, in_use
from ai.service.records import Records
from ai.service.settings_won import SettingsWon, Won
from ai.service.standings import newest_metrics, standings
from ai.types import LoadSpec, MemoryReport
from monitor.errors import MonitorError
from monitor.masking import Masker

log = logging.getLogger("watchkeeper.ai")
Engines = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
_REMEMBERED: Final = 400
"""Calls of before this start that live figures and drift go on from."""
_PARALLEL: Final = 2


@dataclass(slots=True)
class _Known:
    """A back end that answers analyses, with what it was made from."""

    candidate: Candidate
    backend: Backend
    spec: LoadSpec
    won: Won | None = None


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

    def __init__(
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
        self._analyses: tuple[HybridAIBackend, JobAnalyzer] | None = None
        self._explainer: HybridAIBackend | None = None
        self._standings: dict[str, Standing] | None = None
        self._drift: dict[str, str] | None = None
        self._writes: set[asyncio.Task[None]] = set()
        self._won = SettingsWon(records)
        self._gathering = asyncio.Lock()
        self.benchmarks = BenchmarkDesk(
            config, self.usable, records,
            facts=facts or (lambda: {"cpu_count": cores()}), gpu=gpu, before=self.rest, after=self._measured, won=self._won.of,
        )  # fmt: skip
        self.past = PastBenchmarks(records, self.usable, self._won, self._changed)

    # --- engines

    async def usable(self) -> list[Candidate]:
        """The engines that can answer now, each with its model."""
        return await asyncio.to_thread(candidates, await self._engines(), self._config())

    async def backends(self) -> dict[str, Any]:
        """Every engine found or not, with state, model, memory, capabilities, circuit and figures."""
        hybrid = await self._router()
        states = {state.name: state for state in hybrid.states()}
        measured = newest_metrics(await asyncio.to_thread(self._records.reports, REPORTS))
        usable = {(c.engine, c.address): c for c in await self.usable()}
        rows = []
        for engine in await self._engines():
            key = (str(engine["name"]), str(engine.get("address") or "") if engine.get("kind") == "server" else "")
            candidate = usable.get(key)
            known = self._known.get(candidate.name) if candidate else None
            rows.append(await self._row(engine, candidate, known, states, measured))
        return {"backends": rows, "choice": asdict(hybrid.choice()), "drift": self._drifts()}

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
            "memory_predicted_for": {"context": plan.context, "parallel": plan.parallel, "kv_type": plan.kv_type} if plan else None,
            "breaker": state.breaker if state else None, "breaker_reason": state.reason if state else "",
            "retry_in_s": state.retry_in_s if state else None, "live": asdict(state.live) if state else None,
            "in_use": in_use(candidate, known.won) if candidate and known and candidate.embedded else None,
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
            "excluded": dict(choice.excluded), "drift": self._drifts(),
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
        return await (await self._analyzer()).analyze(text)

    async def analyze_many(self, texts: Sequence[str], *, concurrency: int = _PARALLEL) -> list[JobAnalysisResult]:
        """Several postings; results in the order given.

        Raises:
            ConfigError: one is longer than any posting.
        """
        return await (await self._analyzer()).analyze_many(texts, concurrency=concurrency)

    async def _analyzer(self) -> JobAnalyzer:
        """One for as long as the router lives: it remembers which model's answers hold."""
        hybrid = await self._router()
        if self._analyses is None or self._analyses[0] is not hybrid:
            self._analyses = (hybrid, JobAnalyzer(hybrid))
        return self._analyses[1]

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

    async def memory_plan(
        self, model: str, *, context: int | None = None, parallel: int | None = None, kv_type: str | None = None
    ) -> dict[str, Any]:
        """What a model would take, and whether it fits; an empty name takes the model in use, a setting that is None what it would be loaded with.

        Raises:
            ModelMissing, BadModelFile, BadRequest: there is no such model, or the settings are impossible.
        """
        plan, path = await self._plan(model, context, parallel, kv_type)
        found = fit(plan, await asyncio.to_thread(available_memory))
        return {
            "model": plan.model, "path": path, "fits": found.fits, "available": found.available, "total": plan.total,
            "weights": plan.weights, "cache": plan.cache, "compute": plan.compute, "overhead": plan.overhead,
            "cache_per_token": plan.cache_per_token, "cache_exact": plan.cache_exact, "context": plan.context, "parallel": plan.parallel,
            "kv_type": plan.kv_type, "where": plan.where, "trained_context": plan.trained_context, "parameters": plan.parameters,
            "notes": list(plan.notes), "remedy": found.remedy,
            "alternatives": [{"context": a.context, "parallel": a.parallel, "kv_type": a.kv_type, "total": a.total} for a in found.alternatives],
        }  # fmt: skip

    async def _plan(
        self, model: str, context: int | None, parallel: int | None, kv_type: str | None
    ) -> tuple[MemoryPlan, str]:
        """The plan, and the file it is of; an empty path where that is a server's."""
        served = await self._served(model)
        if served is not None:
            where, n_ctx = served.candidate, context or served.spec.context
            plan = await asyncio.to_thread(
                plan_of_ollama,
                where.address,
                where.model,
                context=n_ctx,
                parallel=parallel or 1,
                kv_type=kv_type or "f16",
            )
            if plan is None:
                raise ModelMissing(
                    f"{where.label} does not tell what {where.model} consists of.", hint="Name the model's file."
                )
            return plan, ""
        path, spec = await self._model_file(model)
        n_ctx, n_parallel = context or spec.context, parallel or spec.parallel
        plan = await asyncio.to_thread(
            predict, path, n_ctx=n_ctx, n_parallel=n_parallel, kv_type=kv_type or spec.kv_type
        )
        return plan, str(path)

    async def _served(self, model: str) -> _Known | None:
        """The Ollama on this machine that is meant, by its name or its model's."""
        await self._router()
        for known in self._known.values():
            candidate = known.candidate
            if (
                candidate.engine == "ollama"
                and is_local(candidate.address)
                and model in {candidate.name, candidate.shown}
            ):
                return known
        return None

    async def _model_file(self, model: str) -> tuple[Path, LoadSpec]:
        """Where a model is, and how an engine would load it."""
        await self._router()
        for known in self._known.values():
            candidate = known.candidate
            if candidate.path and (
                not model or model in {candidate.name, candidate.shown, candidate.path.name, str(candidate.path)}
            ):
                return candidate.path, known.spec
        path = Path(model)
        if not model or not path.is_absolute():
            raise ModelMissing(
                f"There is no model {model!r} here." if model else "There is no model file here.",
                hint="Name a GGUF file or a model folder by its absolute path.",
            )
        return path, LoadSpec(str(path), context=self._config().context)

    async def fetch_demo(self) -> dict[str, Any]:
        """The demonstration model: where it came along, else fetched into our own folder of models.

        Raises:
            ModelMissing: there is no such folder.
            BackendDown, BadModelFile: it could not be fetched, or is not the model.
        """
        from ai.service.fetch import fetch_demo

        folder = self._config().model_dir
        path = await asyncio.to_thread(demo_model)
        if path is None:
            if folder is None:
                raise ModelMissing(
                    "There is no folder for models.", hint="Start the watch, or name a GGUF file in the settings."
                )
            path = await fetch_demo(folder)
        return {"path": str(path), "size": path.stat().st_size}

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
        if self._writes:
            await asyncio.wait(self._writes)
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
            won = await asyncio.to_thread(self._won.of, candidate) if candidate.embedded else None
            spec = won.applied(spec) if won else spec
            self._known[candidate.name] = _Known(candidate, candidate.make(candidate.name), spec, won)
        if self._standings is None:
            self._standings = standings(await asyncio.to_thread(self._records.reports, REPORTS))
        if self._drift is None:
            kept = await asyncio.to_thread(self._records.kept, "drift")
            self._drift = {name: str(value.get("sentence", "")) for name, value in kept.items()}
        calls = await asyncio.to_thread(self._records.recent, _REMEMBERED)
        self._made_from = config
        self._hybrid = self._over("analysis", config)
        self._explainer = self._over("explanation", config)
        for hybrid in (self._hybrid, self._explainer):
            hybrid.remember(calls)

    async def _changed(self) -> None:
        """The settings of a model changed: it is loaded anew when asked."""
        async with self._gathering:
            await self._let_go()

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

    def _drifts(self) -> list[str]:
        return list((self._drift or {}).values())

    def _drifted(self, alarm: DriftAlarm) -> None:
        """Known until it is measured again, over restarts too."""
        self._drift = {**(self._drift or {}), alarm.backend: alarm.sentence()}
        self._note_drift(alarm.backend, {"sentence": alarm.sentence(), "factor": alarm.factor, "figure": alarm.figure})

    def _note_drift(self, backend: str, value: Mapping[str, Any] | None) -> None:
        async def write() -> None:
            try:
                await asyncio.to_thread(self._records.keep, "drift", backend, value)
            except MonitorError as error:
                log.warning("what is known of %s's drift could not be kept: %s", backend, error)

        task = asyncio.get_running_loop().create_task(write())
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    def _measured(self, report: BenchmarkReport) -> None:
        """New figures count at once for what is chosen; what had drifted is known anew."""
        for name in [c.name for c in report.contenders if not c.unusable and c.name in (self._drift or {})]:
            self._drift = {key: said for key, said in (self._drift or {}).items() if key != name}
            self._note_drift(name, None)
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
