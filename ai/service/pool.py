"""The engines in use, with routers over them: exactly those that the settings name now, each made anew when what it is made from changes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ai.core.errors import AiError, InputError
from ai.core.protocol import Backend
from ai.core.types import LoadSpec
from ai.discovery.address import bare_address
from ai.router import DriftAlarm, HybridAIBackend, Member, Score
from ai.service.benchmarks.adopted_settings import AdoptedSettings, AdoptedSettingsStore
from ai.service.benchmarks.scores import scores
from ai.service.context.candidates import Candidate, candidates, problem_of
from ai.service.context.config import AiConfig
from ai.service.context.records import REPORTS, Records
from ai.shapes.report import BenchmarkReport

log = logging.getLogger("watchkeeper.ai")
Engines = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
"""What discovery found, as `ai.core.types.Engine` in JSON."""
_REMEMBERED: Final = 400
"""Calls from before this start that live figures and drift detection begin with."""
_AWAY: Final = frozenset({"down", "error", "loading"})
"""States of engines that are configured, and cannot answer at the moment."""
PARALLEL: Final = 2
"""Requests that one engine is loaded for."""


@dataclass(slots=True)
class PooledEngine:
    """An engine that answers, with what it was made from."""

    candidate: Candidate
    backend: Backend
    spec: LoadSpec
    made_from: tuple[object, ...]
    adopted: AdoptedSettings | None = None


@dataclass(frozen=True, slots=True)
class Routers:
    """The same engines for two purposes: each has its own policy on engines of other machines."""

    analysis: HybridAIBackend
    explanation: HybridAIBackend


def made_from(candidate: Candidate, config: AiConfig) -> tuple[object, ...]:
    """What a back end is made from: when it changes, the back end is made anew."""
    key = config.api_keys.get(bare_address(candidate.address), "")
    facts = (candidate.engine, candidate.address, candidate.model, candidate.path, candidate.remote_host)
    return *facts, key, config.context, config.idle_s


def names_of(found: Sequence[Candidate]) -> list[str]:
    """Their names, in order."""
    return [candidate.name for candidate in found]


class EnginePool:
    """Belongs to the event loop it is used in.

    Args:
        config: returns the settings in force.
        engines: what discovery found.
        records: where calls and drift are kept.
        adopted: the settings that a person adopted from a benchmark.
    """

    def __init__(
        self, config: Callable[[], AiConfig], engines: Engines, records: Records, adopted: AdoptedSettingsStore
    ) -> None:
        self._config, self._engines, self._records, self._adopted = config, engines, records, adopted
        self.engines: dict[str, PooledEngine] = {}
        """By the back end's name; complete once `routers` was awaited."""
        self._routers: Routers | None = None
        self._judged: list[BenchmarkReport] = []
        self._scores: dict[str, Score] | None = None
        self._drift: dict[str, str] | None = None
        self._writes: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._leaving: list[PooledEngine] = []
        self._gathering = asyncio.Lock()

    async def usable(self) -> list[Candidate]:
        """The engines that can answer now, each with its model."""
        return await asyncio.to_thread(candidates, await self._engines(), self._config())

    async def with_models(self, wanted: Sequence[str]) -> list[Candidate]:
        """A candidate for each `ENGINE=MODEL`, named `ENGINE/MODEL`; the engine by its name, kind or address.

        Raises:
            InputError: there is no such engine, or it does not have the model.
        """
        engines, config = await self._engines(), self._config()
        return await asyncio.to_thread(_with_models, engines, config, wanted)

    async def refused(self) -> dict[str, str]:
        """Why engines that are known cannot be used, by name in small letters; a kind of which one can be used is not among them."""
        engines, config = await self._engines(), self._config()
        able = {c.engine for c in await self.usable()}
        problems = {str(e["name"]): problem_of(e, config) for e in engines}
        return {
            name: problem.detail if problem is not None else _why_not(engine)
            for engine in engines
            if (problem := problems[name := str(engine["name"])]) is not None or name not in able
        }

    async def routers(self) -> Routers:
        """The routers over the engines that are configured now. An engine that is only away keeps its place; one that was taken out loses it."""
        async with self._gathering:
            config, found = self._config(), await self._engines()
            usable = await asyncio.to_thread(candidates, found, config)
            away = {(str(e["name"]), str(e.get("address", ""))) for e in found if e.get("state") in _AWAY}
            names = {candidate.name for candidate in usable}
            kept = {
                n
                for n, e in self.engines.items()
                if n not in names and (e.candidate.engine, e.candidate.address) in away
            }
            gone = [e for n, e in self.engines.items() if n not in names and n not in kept]
            new = [c for c in usable if not self._same(c, config)]
            gone += [self.engines[c.name] for c in new if c.name in self.engines]
            await self._make(new, config)
            order = [*names_of(usable), *sorted(kept)]
            self.engines = {name: self.engines[name] for name in order}
            return await self._routed(config, gone, {c.name for c in new})

    def drifts(self) -> list[str]:
        """A sentence for each engine that has become slower."""
        return list((self._drift or {}).values())

    def drifted(self, alarm: DriftAlarm) -> None:
        """Keep an alarm until the engine is measured again, over restarts too."""
        self._drift = {**(self._drift or {}), alarm.backend: alarm.sentence()}
        self._keep_drift(alarm.backend, {"sentence": alarm.sentence(), "factor": alarm.factor, "figure": alarm.figure})

    def measured(self, report: BenchmarkReport) -> None:
        """Use new figures at once; an engine that was measured again has no drift. A benchmark without pairs says nothing of either."""
        if not report.plan.pairs:
            return
        for name in [c.name for c in report.contenders if not c.unusable and c.name in (self._drift or {})]:
            self._drift = {key: said for key, said in (self._drift or {}).items() if key != name}
            self._keep_drift(name, None)
        if self._scores is None:
            return  # the first question reads this report, too
        self._judged = [report.model_copy(update={"samples": []}), *self._judged]
        self._scores = scores(self._judged)
        if self._routers is not None:
            for name in self.engines.keys() & self._scores.keys():
                self._routers.analysis.set_score(name, self._scores[name])
                self._routers.explanation.set_score(name, self._scores[name])

    async def unload(self) -> None:
        """Give the memory of our own workers back; they are loaded again when asked."""
        await asyncio.gather(
            *(e.backend.unload() for e in self.engines.values() if e.candidate.embedded), return_exceptions=True
        )

    async def reload(self) -> None:
        """Rebuild every engine at the next question, because the settings of a model changed."""
        async with self._gathering:
            gone, self.engines = list(self.engines.values()), {}
            if self._routers is not None:
                await self._routed(self._config(), gone, set())

    async def close(self) -> None:
        """End every worker, and what they are asked."""
        if self._writes:
            await asyncio.wait(self._writes)
        routers, self._routers = self._routers, None
        if routers is not None:
            await routers.analysis.close()
            await routers.explanation.close()
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await asyncio.gather(*(e.backend.close() for e in [*self.engines.values(), *self._leaving]))
        self.engines, self._leaving = {}, []

    def _same(self, candidate: Candidate, config: AiConfig) -> bool:
        known = self.engines.get(candidate.name)
        return known is not None and known.made_from == made_from(candidate, config)

    async def _make(self, new: Sequence[Candidate], config: AiConfig) -> None:
        """Back ends for these; nothing is loaded or asked yet."""
        for candidate in new:
            spec = LoadSpec(candidate.model, context=config.context, parallel=PARALLEL)
            adopted = await asyncio.to_thread(self._adopted.of, candidate) if candidate.embedded else None
            spec = adopted.applied(spec) if adopted else spec
            backend = candidate.make(candidate.name)
            self.engines[candidate.name] = PooledEngine(candidate, backend, spec, made_from(candidate, config), adopted)

    async def _routed(self, config: AiConfig, gone: Sequence[PooledEngine], new: set[str]) -> Routers:
        """The routers over the engines as they are now; those that left are closed when their last call has ended."""
        if self._scores is None:
            kept_reports = await asyncio.to_thread(self._records.reports, REPORTS)
            self._judged += [r.model_copy(update={"samples": []}) for r in kept_reports]
            self._scores = scores(self._judged)
        if self._drift is None:
            kept = await asyncio.to_thread(self._records.kept, "drift")
            self._drift = {name: str(value.get("sentence", "")) for name, value in kept.items()}
        calls = await asyncio.to_thread(self._records.recent, _REMEMBERED) if new else []
        if self._routers is None:
            self._routers = Routers(self._over("analysis", config), self._over("explanation", config))
        for router, explaining in ((self._routers.analysis, False), (self._routers.explanation, True)):
            policy = config.policy(tuple(self.engines), explaining=explaining)
            router.adopt(self._members(), policy=policy, deadlines=config.deadlines())
            router.remember(calls, only=new)
        for engine in gone:
            self._let_go(self._routers, engine)
        return self._routers

    def _let_go(self, routers: Routers, engine: PooledEngine) -> None:
        async def release() -> None:
            await routers.analysis.released(engine.backend)
            await routers.explanation.released(engine.backend)
            await engine.backend.close()
            self._leaving.remove(engine)

        self._leaving.append(engine)
        task = asyncio.get_running_loop().create_task(release())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _members(self) -> list[Member]:
        known = self._scores or {}
        return [
            Member(e.backend, e.spec, _placed(known.get(name, Score()), e.candidate))
            for name, e in self.engines.items()
        ]

    def _over(self, purpose: str, config: AiConfig) -> HybridAIBackend:
        return HybridAIBackend(
            self._members(),
            policy=config.policy(tuple(self.engines), explaining=purpose == "explanation"),
            deadlines=config.deadlines(),
            sink=self._records.call,
            on_drift=self.drifted,
            purpose=purpose,
        )

    def _keep_drift(self, backend: str, value: Mapping[str, Any] | None) -> None:
        async def write() -> None:
            try:
                await asyncio.to_thread(self._records.keep, "drift", backend, value)
            except AiError as error:
                log.warning("the drift of %s could not be kept: %s", backend, error)

        task = asyncio.get_running_loop().create_task(write())
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)


def _with_models(engines: Sequence[Mapping[str, Any]], config: AiConfig, wanted: Sequence[str]) -> list[Candidate]:
    found: dict[str, Candidate] = {}
    for said in wanted:
        engine, sign, model = (part.strip() for part in said.partition("="))
        if not sign or not model:
            raise InputError(f"{said!r} names no model.", hint="Write ENGINE=MODEL, as ollama=llama3.1:8b.")
        able = candidates(engines, replace(config, models={**config.models, engine: model}))
        named = [c for c in able if engine in {c.name, c.engine, c.address}]
        if not named:
            hint = "`watchkeeper ai backends` lists the engines and their models."
            raise InputError(f"There is no engine {engine!r} with the model {model!r}.", hint=hint)
        name = f"{named[0].name}/{named[0].shown}"
        found[name] = replace(named[0], name=name)
    return list(found.values())


def _placed(score: Score, candidate: Candidate) -> Score:
    """A score that knows that the model runs on another machine, behind an address on this one."""
    return replace(score, remote=True) if candidate.remote_host else score


def _why_not(engine: Mapping[str, Any]) -> str:
    """What discovery says of an engine that cannot be used."""
    said = str(engine.get("detail") or engine.get("state"))
    return f"it does not answer ({said.rstrip('.')})." if engine.get("state") == "down" else said
