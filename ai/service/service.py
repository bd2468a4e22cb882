"""What the agent and the command line ask about engines: their state, an analysis, an opinion, a benchmark, a plan of memory."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ai.analysis import JobAnalyzer
from ai.benchmark import GpuHints
from ai.core.errors import BackendError, ModelMissing
from ai.core.protocol import Backend
from ai.core.types import Engine, MemoryReport
from ai.discovery.files import demo_model
from ai.explain import Mask, explain
from ai.gateway.link.messages import Table
from ai.router import HybridAIBackend, MemberState
from ai.service.analyses import Analyses
from ai.service.benchmarks.adopted_settings import AdoptedSettingsStore
from ai.service.benchmarks.history import BenchmarkHistory, in_use
from ai.service.benchmarks.runner import BenchmarkService, Facts
from ai.service.benchmarks.scores import newest_metrics
from ai.service.context.candidates import Candidate, Problem, cores, problem_of
from ai.service.context.config import AiConfig
from ai.service.context.records import REPORTS, Records
from ai.service.gateway_table import gateway_table
from ai.service.lending import Lending
from ai.service.memory_plans import memory_fit
from ai.service.pool import PARALLEL, EnginePool, Engines, PooledEngine
from ai.service.shelf import ModelShelf
from ai.service.trials import Trials
from ai.service.tuner import Tuner
from ai.shapes.engines import AiBackend, AiBackends, BackendScore, Fetched, MemoryFit, PolicyState, PredictedFor, Ratio
from ai.shapes.opinion import EvidenceRecord, Explanation
from ai.shapes.posting import JobAnalysisResult
from ai.shapes.report import Metric


class AiService:
    """The engines of this machine at work. Belongs to the event loop it is used in.

    Args:
        config: returns the settings in force.
        engines: what discovery found.
        records: where calls and benchmarks are kept.
        mask: hides secrets in log records before a model sees them.
        facts: what is known of the machine, for reports.
        gpu: what the GPU's watch knows.
    """

    def __init__(
        self,
        config: Callable[[], AiConfig],
        engines: Engines,
        *,
        records: Records,
        mask: Mask,
        facts: Callable[[], Facts] | None = None,
        gpu: Callable[[], GpuHints | None] | None = None,
    ) -> None:
        self._config, self._engines, self._records, self._mask = config, engines, records, mask
        self._analyses: tuple[HybridAIBackend, JobAnalyzer] | None = None
        adopted = AdoptedSettingsStore(records)
        self.pool = EnginePool(config, engines, records, adopted)
        self.benchmarks = BenchmarkService(
            config, self.pool.usable, records,
            facts=facts or (lambda: {"cpu_count": cores()}), gpu=gpu, before=self._make_room, after=self.pool.measured, adopted=adopted.of,
            refused=self.pool.refused, with_models=self.pool.with_models,
        )  # fmt: skip
        self.lending = Lending(lambda: self.pool.engines, lambda: config().answer_s)
        self.history = BenchmarkHistory(records, self.pool.usable, adopted, self.pool.reload, self.benchmarks.recovered)
        self.tuner = Tuner(self.pool, adopted, self.pool.reload, lambda: self.benchmarks.running)
        self.shelf = ModelShelf(config, engines, self.pool.usable, lambda: self.benchmarks.running)
        self.followed = Analyses(self._analyzer, self._first)
        self.trials = Trials(config, engines, self.pool, lambda: self.benchmarks.running)

    # --- engines

    async def backends(self) -> AiBackends:
        """Every engine found or not, with state, model, memory, capabilities, circuit and figures."""
        router = (await self.pool.routers()).analysis
        states = {state.name: state for state in router.states()}
        measured = newest_metrics(await asyncio.to_thread(self._records.reports, REPORTS))
        usable = {(c.engine, c.address): c for c in await self.pool.usable()}
        rows = []
        for found in await self._engines():
            engine = Engine.model_validate(found)
            candidate = usable.get((engine.name, engine.address if engine.kind == "server" else ""))
            pooled = self.pool.engines.get(candidate.name) if candidate else None
            problem = await asyncio.to_thread(problem_of, found, self._config())
            if problem is not None:
                rows.append(_unusable(engine, candidate, problem))
            else:
                rows.append(await _row(engine, candidate, pooled, states, measured))
        return AiBackends(backends=rows, choice=router.choice(), drift=self.pool.drifts())

    async def policy(self) -> PolicyState:
        """What is wanted, what it would choose, and why; and each back end's score."""
        router = (await self.pool.routers()).analysis
        config = self._config()
        choice = router.choice()
        return PolicyState(
            quality_floor=config.quality_floor, latency_target_s=config.latency_target_s, allow_remote=config.allow_remote,
            explain_remote=config.explain_remote, chosen=choice.chosen, order=list(choice.order), sentence=choice.sentence,
            excluded=dict(choice.excluded), drift=self.pool.drifts(), scores=[_score(state) for state in router.states()],
        )  # fmt: skip

    async def gateway_table(self) -> Table:
        """The engines that calls through the gateway may go to."""
        router = (await self.pool.routers()).analysis
        known = {(c.engine, c.address): c for c in (pooled.candidate for pooled in self.pool.engines.values())}
        return gateway_table(await self._engines(), known, router.choice(), self._config())

    async def memory_plan(
        self, model: str, *, context: int | None = None, parallel: int | None = None, kv_type: str | None = None
    ) -> MemoryFit:
        """What a model would take, and whether it fits; an empty name takes the model in use, a setting that is None what it would be loaded with.

        Raises:
            ModelMissing, BadModelFile, BadRequest: there is no such model, or the settings are impossible.
        """
        await self.pool.routers()
        return await memory_fit(
            self.pool.engines.values(), model, context=context, parallel=parallel, kv_type=kv_type, default_context=self._config().context,
        )  # fmt: skip

    async def fetch_demo(self) -> Fetched:
        """The demonstration model: where it came along, else fetched into our own folder of models.

        Raises:
            ModelMissing: there is no such folder.
            BackendDown, BadModelFile: it could not be fetched, or is not the model.
        """
        from ai.service.fetch import fetch_demo_model

        folder = self._config().model_dir
        path = await asyncio.to_thread(demo_model)
        if path is None:
            if folder is None:
                raise ModelMissing(
                    "There is no folder for models.", hint="Start Watchkeeper, or name a GGUF file in the settings."
                )
            path = await fetch_demo_model(folder)
        return Fetched(path=str(path), size=path.stat().st_size)

    # --- answers

    async def analyze(self, text: str) -> JobAnalysisResult:
        """What a posting says; always answers, by rules when no engine can.

        Raises:
            InputError: the text is longer than any posting.
        """
        return await (await self._analyzer()).analyze(text)

    async def analyze_many(self, texts: Sequence[str], *, concurrency: int = PARALLEL) -> list[JobAnalysisResult]:
        """Several postings; results in the order given.

        Raises:
            InputError: one is longer than any posting.
        """
        return await (await self._analyzer()).analyze_many(texts, concurrency=concurrency)

    async def _analyzer(self) -> JobAnalyzer:
        """One for as long as the router lives: it remembers which model's answers hold."""
        router = (await self.pool.routers()).analysis
        if self._analyses is None or self._analyses[0] is not router:
            self._analyses = (router, JobAnalyzer(router))
        return self._analyses[1]

    async def _first(self) -> str:
        return (await self.pool.routers()).analysis.choice().chosen or ""

    async def explain(self, records: Sequence[EvidenceRecord], question: str = "") -> Explanation:
        """A model's opinion on log records, secrets masked first.

        Raises:
            InputError: no records were given.
            NoAnswer: no engine that may see them could answer.
            BadOutput: it did not answer in the form asked for.
        """
        router = (await self.pool.routers()).explanation
        return await explain(router, records, question=question, mask=self._mask)

    async def _make_room(self) -> None:
        """Give the memory of idle workers back before a benchmark."""
        await self.pool.unload()
        await self.trials.unload()

    async def close(self) -> None:
        """End the benchmark, what is fetched and tried, and every worker."""
        await self.benchmarks.close()
        await self.shelf.close()
        await self.trials.close()
        await self.followed.close()
        await self.pool.close()


def _unusable(engine: Engine, candidate: Candidate | None, problem: Problem) -> AiBackend:
    """An engine that answers, but has no model that may be asked."""
    told = engine.model_copy(update={"state": "idle", "detail": problem.detail, "remedy": problem.remedy})
    return AiBackend(**dict(told), backend=candidate.name if candidate else engine.name, usable=False, model=None)


async def _row(
    engine: Engine,
    candidate: Candidate | None,
    pooled: PooledEngine | None,
    states: Mapping[str, MemberState],
    measured: Mapping[str, tuple[str, Mapping[str, Metric]]],
) -> AiBackend:
    name = candidate.name if candidate else engine.name
    report, metrics = measured.get(name, (None, {}))
    row = AiBackend(
        **dict(engine), backend=name, usable=candidate is not None, model=candidate.shown if candidate else None,
        measured_in=report, measured=dict(metrics),
    )  # fmt: skip
    if candidate is None or pooled is None:
        return row
    state = states.get(name)
    plan = await asyncio.to_thread(candidate.plan, pooled.spec)
    return row.model_copy(
        update={
            "capabilities": pooled.backend.capabilities(), "memory": await _memory(pooled.backend), "memory_predicted": plan.total if plan else None,
            "memory_predicted_for": PredictedFor(context=plan.context, parallel=plan.parallel, kv_type=plan.kv_type) if plan else None,
            "breaker": state.breaker if state else None, "breaker_reason": state.reason if state else "",
            "retry_in_s": state.retry_in_s if state else None, "live": state.live if state else None,
            "in_use": in_use(candidate, pooled.adopted) if candidate.embedded else None,
        }
    )  # fmt: skip


def _score(state: MemberState) -> BackendScore:
    score = state.score
    speed = Ratio(estimate=score.speed.estimate, low=score.speed.low, high=score.speed.high) if score.speed else None
    return BackendScore(
        backend=state.name, engine=state.engine, model=Path(state.model).name, breaker=state.breaker, reason=state.reason,
        quality=score.quality, latency_s=score.latency_s, measured=score.measured_ts, speed=speed, remote=score.remote,
    )  # fmt: skip


async def _memory(backend: Backend) -> MemoryReport | None:
    try:
        async with asyncio.timeout(2.0):
            return await backend.memory()
    except (BackendError, TimeoutError):
        return None  # its card says that it is away
