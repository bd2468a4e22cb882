"""A person tries a model: one conversation with one engine, its words as they come, then its figures."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from ai.backends.ollama.running import same_model
from ai.core.errors import AiError, BadRequest, BenchmarkBusy, ModelMissing, NoEngine
from ai.core.protocol import Backend
from ai.core.types import Chunk, Deadlines, Figure, GenRequest, LoadSpec, Message, Sampling, can_chat
from ai.core.types import Final as FinalEvent
from ai.service.context.candidates import Candidate, candidates
from ai.service.context.config import AiConfig
from ai.service.pool import PARALLEL, EnginePool
from ai.service.shelf import refusal
from ai.shapes.shelf import Trial, TryFigures, TryState, Turn

_AT_ONCE: Final = 2
_KEPT: Final = 20
_BETWEEN_S: Final = 30.0
_MOST_CHARS: Final = 400_000
Engines = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]


@dataclass(slots=True)
class _Trial:
    """A trial under way, or what became of it."""

    trial: Trial
    task: "asyncio.Task[None] | None" = None

    def become(self, state: TryState, **more: object) -> None:
        """The first end holds."""
        if self.trial.state in {"loading", "answering"}:
            self.trial = self.trial.model_copy(update={"state": state, **more})


@dataclass(frozen=True, slots=True)
class _Spare:
    """An engine that is kept for the next question, because the router uses another model of its server."""

    candidate: Candidate
    backend: Backend


class Trials:
    """Belongs to the event loop it is used in.

    Args:
        config: returns the settings in force.
        engines: what discovery found.
        pool: the engines in use.
        busy: whether a benchmark runs, which nothing may disturb.
    """

    def __init__(
        self, config: Callable[[], AiConfig], engines: Engines, pool: EnginePool, busy: Callable[[], bool]
    ) -> None:
        self._config, self._engines, self._pool, self._busy = config, engines, pool, busy
        self._trials: dict[str, _Trial] = {}
        self._spare: _Spare | None = None
        self._choosing = asyncio.Lock()

    async def start(self, backend: str, model: str, turns: Sequence[Turn], *, max_tokens: int) -> Trial:
        """Ask a model; returns at once.

        Args:
            backend: the engine's name, or the address of its server; empty: the one that the policy chooses.
            model: one of its models; empty: the one that it uses.
            turns: the conversation so far, a question last.
            max_tokens: tokens of the answer at most.

        Raises:
            NoEngine, ModelMissing: there is no such engine, or it does not have the model.
            BadRequest: the model cannot chat, or runs where the settings do not allow anything to be sent.
            BenchmarkBusy: a benchmark runs.
        """
        if self._busy():
            raise BenchmarkBusy(
                "A benchmark runs, and this would disturb it.", hint="Wait until it ends, or cancel it."
            )
        if sum(one.trial.state in {"loading", "answering"} for one in self._trials.values()) >= _AT_ONCE:
            raise BenchmarkBusy(f"{_AT_ONCE} models are being tried already.", hint="Wait for one, or stop it.")
        candidate = await self._chosen(backend, model)
        trial = Trial(id=uuid.uuid4().hex[:12], backend=candidate.name, model=candidate.shown, state="loading", started=time.time_ns() // 1000)  # fmt: skip
        kept = self._trials[trial.id] = _Trial(trial)
        request = GenRequest(
            tuple(Message(turn.role, turn.content) for turn in turns), max_tokens=max_tokens,
            sampling=Sampling(temperature=0.7, top_k=40, top_p=0.95, min_p=0.05, seed=time.time_ns() % 2**31),
        )  # fmt: skip
        kept.task = asyncio.get_running_loop().create_task(self._run(kept, candidate, request))
        over = [key for key, one in self._trials.items() if one.trial.state not in {"loading", "answering"}]
        for key in itertools.islice(over, max(0, len(self._trials) - _KEPT)):
            del self._trials[key]
        return trial

    def state(self, trial: str) -> Trial | None:
        """What it has said so far; None for one that is not kept."""
        found = self._trials.get(trial)
        return found.trial if found is not None else None

    async def cancel(self, trial: str) -> bool:
        """End a trial; whether it was under way. What it has said is kept."""
        found = self._trials.get(trial)
        if found is None or found.task is None or found.trial.state not in {"loading", "answering"}:
            return False
        found.become("cancelled")
        found.task.cancel()
        await asyncio.gather(found.task, return_exceptions=True)
        return True

    async def unload(self) -> None:
        """Give the memory of an engine of ours back that was kept for the next question."""
        spare = self._spare
        if spare is not None and spare.candidate.embedded:
            with suppress(AiError):  # it is loaded anew in any case
                await spare.backend.unload()

    async def close(self) -> None:
        """End every trial, and the engine that was kept."""
        tasks = [one.task for one in self._trials.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        spare, self._spare = self._spare, None
        if spare is not None:
            await spare.backend.close()

    async def _run(self, kept: _Trial, candidate: Candidate, request: GenRequest) -> None:
        limit = self._config().answer_s
        deadlines = Deadlines(load_s=limit, first_token_s=limit, between_tokens_s=min(_BETWEEN_S, limit), total_s=limit)
        try:
            backend, spec = await self._backend(candidate)
            report = await backend.ensure_loaded(spec, deadline_s=limit)
            loaded = report.seconds if report.cold else None
            kept.trial = kept.trial.model_copy(update={"state": "answering"})
            async with aclosing(backend.stream(request, deadlines=deadlines)) as events:
                async for event in events:
                    if isinstance(event, Chunk):
                        self._said(kept, event)
                    else:
                        kept.become(
                            "done", figures=_figures(event, loaded), notes=list(event.notes), instead=event.instead
                        )
        except AiError as error:
            kept.become("failed", error=error.message, hint=error.hint)
        finally:
            kept.become("cancelled")

    def _said(self, kept: _Trial, chunk: Chunk) -> None:
        part = "reasoning" if chunk.kind == "reasoning" else "text"
        so_far = getattr(kept.trial, part)
        kept.trial = kept.trial.model_copy(update={part: (so_far + chunk.text)[:_MOST_CHARS]})

    async def _chosen(self, backend: str, model: str) -> Candidate:
        """The engine with the model that is to be asked."""
        routers = await self._pool.routers()
        wanted = backend or routers.analysis.choice().chosen or ""
        pooled = self._pool.engines.get(wanted)
        known = pooled.candidate if pooled is not None else None
        rows = await self._engines()
        row = next((row for row in rows if _is_meant(row, wanted, known)), None)
        if known is not None and (not model or same_model(model, known.model) or model == known.shown):
            return self._allowed(known, row or {})
        if row is None or row.get("state") not in {"ready", "idle"}:
            listed = ", ".join(self._pool.engines) or "none"
            raise NoEngine(
                f"There is no engine {wanted[:80]!r} that can be asked." if wanted else "No engine can be asked.",
                hint=f"Engines here: {listed}. `watchkeeper ai backends` says what the others lack.",
            )
        config = self._config()
        if model:
            names = (str(row["name"]), str(row.get("address")))
            config = replace(config, models={**config.models, **dict.fromkeys(names, model)})
        found = await asyncio.to_thread(candidates, [row], config)
        if not found:
            has = ", ".join(str(m["name"]) for m in (row.get("models") or [])[:6]) or "none"
            raise ModelMissing(f"{row['label']} does not have {model or 'a model that can chat'}.", hint=f"Its models: {has}")  # fmt: skip
        return self._allowed(replace(found[0], name=wanted if known is not None else found[0].name), row)

    def _allowed(self, candidate: Candidate, row: Mapping[str, Any]) -> Candidate:
        refused = refusal(candidate.address, candidate.remote_host, self._config()) if candidate.address else ""
        if refused:
            raise BadRequest(f"{candidate.shown} is not asked. {refused}", hint="Choose a model that runs here.")
        told = next((m for m in row.get("models") or [] if same_model(str(m["name"]), candidate.model)), None)
        able = list(told.get("capabilities") or []) if told is not None else []
        if told is not None and not can_chat(candidate.shown, able):
            made = "makes embeddings; it cannot chat" if "embedding" in able or not able else "cannot chat"
            raise BadRequest(f"{candidate.shown} {made}.", hint="Choose a model that can chat.")
        return candidate

    async def _backend(self, candidate: Candidate) -> tuple[Backend, LoadSpec]:
        """The engine in use where it uses this model, else one of its own, which takes the place of the one before."""
        pooled = self._pool.engines.get(candidate.name)
        if pooled is not None and (pooled.candidate.model, pooled.candidate.address) == (candidate.model, candidate.address):  # fmt: skip
            return pooled.backend, pooled.spec
        async with self._choosing:
            spare = self._spare
            if spare is None or (spare.candidate.address, spare.candidate.model) != (candidate.address, candidate.model):  # fmt: skip
                if spare is not None:
                    await spare.backend.close()
                spare = self._spare = _Spare(candidate, candidate.make(candidate.name))
        return spare.backend, LoadSpec(candidate.model, context=self._config().context, parallel=PARALLEL)


def _is_meant(row: Mapping[str, Any], wanted: str, known: Candidate | None) -> bool:
    if known is not None:
        return row["name"] == known.engine and str(row.get("address") or "") == known.address
    return wanted in {str(row["name"]), str(row.get("address") or None)}


def _figures(final: FinalEvent, loaded: Figure | None) -> TryFigures:
    usage, timings = final.usage, final.timings
    rate, reading = final.generation_rate(), final.prompt_rate()
    load = loaded or timings.load
    return TryFigures(
        first_token_s=_value(timings.ttft), total_s=_value(timings.total), load_s=_value(load),
        prompt_tokens=_whole(usage.prompt_tokens), answer_tokens=_whole(usage.completion_tokens),
        tokens_per_s=_value(rate), origin=rate.origin if rate is not None else None,
        prompt_tokens_per_s=_value(reading), finish=final.finish_reason,
    )  # fmt: skip


def _value(figure: Figure | None) -> float | None:
    return figure.value if figure is not None else None


def _whole(figure: Figure | None) -> int | None:
    return round(figure.value) if figure is not None else None
