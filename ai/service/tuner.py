"""Finds the fastest settings of the embedded engine's model at a person's word, and keeps them for this model on this machine."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from ai.backends.llamacpp_embedded import chosen_threads, default_threads, on_gpu
from ai.core.errors import BenchmarkBusy, NothingToUse
from ai.service.benchmarks.adopted_settings import AdoptedSettings, AdoptedSettingsStore, words_of
from ai.service.context.candidates import Candidate, cores
from ai.service.pool import EnginePool, PooledEngine
from ai.shapes.engines import Tuned, TuneRow
from ai.worker.tuning import TunedSettings, Tuning, tune

_WORTH: Final = 1.03
"""What other settings must gain, in the time of a prompt of 256 tokens with an answer of 64, to be kept."""
_PROMPT, _ANSWER = 256, 64
Search = Callable[[Path, TunedSettings, int], Tuning]


class Tuner:
    """Belongs to the event loop it is used in.

    Args:
        pool: the engines in use.
        adopted: where settings are kept.
        changed: called when the settings of a model changed.
        busy: whether a benchmark runs, which nothing may disturb.
        search: searches; blocks.
    """

    def __init__(
        self,
        pool: EnginePool,
        adopted: AdoptedSettingsStore,
        changed: Callable[[], Awaitable[None]],
        busy: Callable[[], bool],
        search: Search = tune,
    ) -> None:
        self._pool, self._adopted, self._changed, self._busy = pool, adopted, changed, busy
        self._search = search
        self._one = asyncio.Lock()

    async def tune(self, backend: str = "") -> Tuned:
        """Search, in about 15 seconds after the model is loaded; what is faster is used from now on.

        Args:
            backend: the engine's name; empty: the embedded llama.cpp.

        Raises:
            NothingToUse: there is no such engine, or none whose settings can be searched.
            BenchmarkBusy: a benchmark or another search runs.
            BackendDown: it could not be measured.
            RecordsError: the settings could not be kept.
        """
        if self._busy() or self._one.locked():
            raise BenchmarkBusy("A benchmark or a search for settings runs.", hint="Wait until it ends.")
        async with self._one:
            engine = await self._engine(backend)
            candidate, path = engine.candidate, engine.candidate.path
            assert path is not None  # noqa: S101 - `_engine` saw to it
            await engine.backend.unload()
            before = await asyncio.to_thread(_before, engine)
            found = await asyncio.to_thread(self._search, path, before, default_threads())
            gain = _seconds(found, after=False) / _seconds(found, after=True)
            keep = found.quiet and gain >= _WORTH and found.best != before
            adopted = _adopted(candidate, found, gain)
            if keep:
                await asyncio.to_thread(self._adopted.keep, candidate, adopted)
                await self._changed()
            return _tuned(candidate, found, adopted if keep else None, before)

    async def _engine(self, backend: str) -> PooledEngine:
        await self._pool.routers()
        named = [one for name, one in self._pool.engines.items() if one.candidate.engine == "llamacpp" and backend in {"", name}]  # fmt: skip
        if not named:
            raise NothingToUse(
                f"There is no engine {backend!r} whose settings can be searched." if backend else "The embedded llama.cpp has no model here.",
                hint="Only the embedded llama.cpp can be tuned; `watchkeeper ai backends` says what it lacks.",
            )  # fmt: skip
        if on_gpu():
            raise NothingToUse(
                "On a GPU there is nothing to search: threads and batches hardly matter there.",
                hint="`watchkeeper ai benchmark --kind settings` compares settings.",
            )
        return named[0]


def _before(engine: PooledEngine) -> TunedSettings:
    """The settings that the model is loaded with now."""
    spec, candidate = engine.spec, engine.candidate
    assert candidate.path is not None  # noqa: S101 - a GGUF file
    threads, prompts = chosen_threads(candidate.path, spec, candidate.threads_file)
    kind = spec.kv_type if spec.kv_type in {"f16", "q8_0"} else "f16"
    return TunedSettings(threads=threads, prompt_threads=prompts, batch=spec.batch, flash_attention=spec.flash_attention, kv_type=kind)  # fmt: skip


def _seconds(found: Tuning, *, after: bool) -> float:
    rates = found.after if after else found.before
    return _PROMPT / rates.read + _ANSWER / rates.generate


def _adopted(candidate: Candidate, found: Tuning, gain: float) -> AdoptedSettings:
    return AdoptedSettings(
        backend=candidate.name, model=candidate.shown, **found.best.model_dump(), benchmark="", sentence=_gain(found, gain),
        taken=time.time_ns() // 1000, cores=cores(),
    )  # fmt: skip


def _gain(found: Tuning, gain: float) -> str:
    before, after = found.before, found.after
    return (
        f"{after.generate:,.0f} tokens/s instead of {before.generate:,.0f}, prompts at {after.read:,.0f} instead of {before.read:,.0f} "
        f"({gain:.2f} times as fast for a prompt of {_PROMPT} tokens with an answer of {_ANSWER})."
    )


def _tuned(candidate: Candidate, found: Tuning, kept: AdoptedSettings | None, before: TunedSettings) -> Tuned:
    settings = _words(found.best if kept else before, candidate)
    if kept is not None:
        sentence = f"{candidate.shown} is loaded with {settings} from now on: {kept.sentence}"
    elif not found.quiet:
        sentence = f"The machine was too busy to tell: other programs used {found.neighbours or 0:.1f} cores meanwhile. The settings in use stay ({settings})."
    else:
        sentence = f"Nothing was faster than the settings in use ({settings})."
    rows = [
        TuneRow(kind=row.kind, settings=_words(row, candidate), generate=row.generate, read=row.read)
        for row in found.rows
    ]
    return Tuned(
        backend=candidate.name, model=candidate.shown, settings=settings, sentence=sentence, kept=kept is not None, quiet=found.quiet,
        seconds=found.seconds, generate_before=found.before.generate, generate_after=found.after.generate, read_before=found.before.read,
        read_after=found.after.read, tried=rows,
    )  # fmt: skip


def _words(settings: TunedSettings, candidate: Candidate) -> str:
    fields = settings.model_dump(include=set(TunedSettings.model_fields))
    return words_of(AdoptedSettings(backend=candidate.name, model=candidate.shown, **fields, benchmark="", sentence="", taken=0, cores=1))  # fmt: skip
