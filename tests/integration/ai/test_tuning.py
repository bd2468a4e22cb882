"""The search for the fastest settings of a model: a real search, what is kept of one, and a worker that is loaded with it."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.core.errors import BackendDown, BenchmarkBusy, NothingToUse
from ai.core.protocol import complete
from ai.core.types import LoadSpec
from ai.service.benchmarks.adopted_settings import AdoptedSettingsStore
from ai.service.benchmarks.history import in_use
from ai.service.context.config import AiConfig
from ai.service.context.records import NoRecords
from ai.service.pool import EnginePool
from ai.service.tuner import Tuner
from ai.shapes.engines import Tuned
from ai.worker.tuning import Rates, TriedSettings, TunedSettings, Tuning, tune
from tests.doubles.ai_kit import LoopThread, ask

LLAMA: Mapping[str, Any] = {
    "name": "llamacpp", "label": "llama.cpp (embedded)", "kind": "embedded", "state": "ready", "address": "", "models": [],
}  # fmt: skip
ONE = TunedSettings(threads=1, prompt_threads=1)
BEST = TunedSettings(threads=2, prompt_threads=2, batch=128, flash_attention=True, kv_type="q8_0")


def found(*, gain: float, neighbours: float | None = 0.0, best: TunedSettings = BEST) -> Tuning:
    """What a search may find."""
    rows = [TriedSettings(**best.model_dump(), kind="cache", generate=50.0, read=400.0)]
    return Tuning(
        best=best, rows=rows, before=Rates(generate=40.0, read=200.0), after=Rates(generate=40.0 * gain, read=200.0 * gain), neighbours=neighbours, seconds=14.0,
    )  # fmt: skip


class Bench:
    """A tuner with the demonstration model, whose search finds what it is told."""

    def __init__(self, finds: Tuning, *, busy: bool = False, engines: Sequence[Mapping[str, Any]] = (LLAMA,)) -> None:
        records, self.asked = NoRecords(), list[tuple[Path, TunedSettings]]()

        async def discovered() -> Sequence[Mapping[str, Any]]:
            return engines

        def search(path: Path, before: TunedSettings, most: int) -> Tuning:
            assert most >= 1
            self.asked.append((path, before))
            return finds

        self.adopted = AdoptedSettingsStore(records)
        self.pool = EnginePool(AiConfig, discovered, records, self.adopted)
        self.tuner = Tuner(self.pool, self.adopted, self.pool.reload, lambda: busy, search)

    async def tune(self, backend: str = "") -> Tuned:
        """One search."""
        try:
            return await self.tuner.tune(backend)
        finally:
            await self.pool.routers()


def test_a_real_search_tries_every_kind_and_measures_the_gain(demo_path: Path) -> None:
    """Threads, cache and batch are tried where the library has them; the settings in use and the best ones have rates."""
    result = tune(demo_path, ONE, 2, effort=0.15)
    kinds = {row.kind for row in result.rows}
    assert "threads" in kinds
    assert result.best.threads in {1, 2}
    assert result.before.generate > 0
    assert result.after.read > 0
    assert all(row.read is None or row.read > 0 for row in result.rows)


def test_both_settings_have_rates_however_short_the_time(demo_path: Path) -> None:
    """No time at all: fewer threads win unopposed, and both they and the settings in use are measured."""
    result = tune(demo_path, TunedSettings(threads=2, prompt_threads=2), 2, effort=0.0)
    assert (result.best.threads, result.best.prompt_threads) == (1, 1)
    assert min(result.before.generate, result.before.read, result.after.generate, result.after.read) > 0


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    """A file that is no model."""
    broken = tmp_path / "m.gguf"
    broken.write_bytes(b"GGUF nothing")
    with pytest.raises(BackendDown, match="could not be measured here") as refused:
        tune(broken, ONE, 1, effort=0.1)
    assert refused.value.hint


def test_faster_settings_are_kept_shown_with_their_gain_and_used_at_the_next_load() -> None:
    """The specification of the engine has them; the way back is the usual one."""

    async def work() -> None:
        bench = Bench(found(gain=1.5))
        result = await bench.tune()
        assert result.kept
        assert "60 tokens/s instead of 40" in result.sentence
        assert "1.50 times as fast" in result.sentence
        assert result.settings == "2 threads, a cache of q8_0, flash attention on, batches of 128"
        engine = bench.pool.engines["llamacpp"]
        spec = engine.spec
        assert (spec.threads, spec.prompt_threads, spec.batch, spec.flash_attention, spec.kv_type) == (
            2,
            2,
            128,
            True,
            "q8_0",
        )
        assert spec.yields
        used = in_use(engine.candidate, engine.adopted)
        assert (used.settings, used.benchmark) == (result.settings, None)
        assert "as tuned for this machine: 60 tokens/s instead of 40" in used.sentence
        await bench.tune()
        assert bench.asked[1][1] == BEST
        assert bench.adopted.forget(engine.candidate)
        await bench.pool.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("finds", "said"),
    [
        (found(gain=1.01), "Nothing was faster"),
        (found(gain=2.0, neighbours=1.4), "too busy to tell: other programs used 1.4 cores"),
    ],
    ids=["no gain", "busy"],
)
def test_what_is_no_gain_is_not_kept(finds: Tuning, said: str) -> None:
    """The settings in use stay, and it says why."""

    async def work() -> None:
        bench = Bench(finds)
        result = await bench.tune("llamacpp")
        assert not result.kept
        assert said in result.sentence
        assert bench.pool.engines["llamacpp"].adopted is None
        await bench.pool.close()

    asyncio.run(work())


def test_it_is_refused_where_it_would_disturb_or_has_no_engine() -> None:
    """A benchmark that runs, a name that is none, no model."""

    async def work() -> None:
        for bench, name, kind in (
            (Bench(found(gain=2.0), busy=True), "", BenchmarkBusy), (Bench(found(gain=2.0)), "ollama", NothingToUse),
            (Bench(found(gain=2.0), engines=()), "", NothingToUse),
        ):  # fmt: skip
            with pytest.raises(kind) as refused:
                await bench.tune(name)
            assert refused.value.hint
            assert bench.asked == []
            await bench.pool.close()

    asyncio.run(work())


def test_a_worker_loads_with_all_of_them(engine_loop: LoopThread) -> None:
    """Batch, flash attention and the cache's type reach llama.cpp, and it answers."""

    async def work() -> int:
        backend = LlamaCppBackend()
        try:
            await backend.ensure_loaded(
                LoadSpec("demo", context=512, threads=1, batch=64, flash_attention=True, kv_type="q8_0")
            )
            running = backend.supervisor.running
            assert running is not None
            assert (running.config.batch, running.config.flash_attention) == (64, True)
            answer = await complete(backend, ask("Say yes.", max_tokens=4))
            return len(answer.text)
        finally:
            await backend.close()

    assert engine_loop.run(work()) > 0
