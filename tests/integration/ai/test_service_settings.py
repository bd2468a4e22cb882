"""Settings that won a benchmark: offered, taken over, kept over a restart, and given back; drift that is still known after one."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ai.backends.llamacpp_embedded import LlamaCppBackend, chosen_threads, default_threads
from ai.benchmark import BenchmarkPlan, BenchmarkReport, Comparison, ContenderReport
from ai.core.errors import NothingToUse
from ai.core.types import LoadSpec
from ai.router.rolling_metrics import LiveWindow
from ai.service.benchmarks.adopted_settings import AdoptedSettingsStore, offer_of
from ai.service.benchmarks.contenders import as_reported, line_up
from ai.service.context.candidates import candidates
from ai.service.context.config import AiConfig
from ai.service.service import AiService
from ai.shapes.benchmark import BenchmarkRequest
from ai.shapes.engines import CallRecord, InUse
from ai.shapes.report import LoadRow
from ai.worker.threads import ThreadTable
from monitor.agent.ai_records import StoreRecords
from monitor.store.duckdb import open_store
from monitor.store.interface import Store
from tests.doubles.ai_kit import LoopThread

NOW = 1_700_000_000_000_000
LLAMA = {
    "name": "llamacpp", "label": "llama.cpp (embedded)", "kind": "embedded", "state": "ready", "address": "", "models": [],
}  # fmt: skip


def _load(threads: int) -> LoadRow:
    return LoadRow(
        model="m", cold_s=None, warm_s=None, context=2048, parallel=4, kv_type="f16", quantization=None, weights="w", template=None,
        engine_version="", device="CPU", threads=threads, prompt_threads=2,
    )  # fmt: skip


def report(kind: str = "settings", verdict: Any = "faster", threads: int = 7) -> BenchmarkReport:
    """A benchmark in which other settings were shown to be faster than those in use, or were not."""
    other = f"llamacpp, {threads} threads"
    return BenchmarkReport(
        id="b1", started=0, ended=1, state="done", plan=BenchmarkPlan(), host={"kind": kind}, reference="llamacpp",
        contenders=[
            ContenderReport(name="llamacpp", engine="llamacpp", load=_load(1)), ContenderReport(name=other, engine="llamacpp", load=_load(threads)),
        ],
        comparisons=[
            Comparison(
                candidate=other, reference="llamacpp", kind=verdict, estimate=2.0, low=1.8, high=2.2, confidence=0.95, p_value=0.01, blocks=9,
                equivalent=False, comparable=True, sentence=f"{other} is twice as fast as llamacpp here.",
            )
        ],
        sentence="s",
    )  # fmt: skip


def records_in(store: Store) -> StoreRecords:
    """Records that are written at once."""
    return StoreRecords(store, lambda build: store.write(build()), store.write, lambda: "h")


def with_service(
    folder: Path, scene: Callable[[AiService], Coroutine[Any, Any, None]], calls: Sequence[CallRecord] = ()
) -> None:
    """A service over a real store, as a start of the agent would make it; both end with the scene. `calls` are kept before it begins."""
    store = open_store(folder, limit_bytes=64 * 1024 * 1024, now=lambda: NOW)
    records = records_in(store)
    for call in calls:
        records.call(call)

    async def engines() -> Sequence[Mapping[str, Any]]:
        return [LLAMA]

    async def run() -> None:
        service = AiService(AiConfig, engines, records=records, mask=str)
        try:
            await scene(service)
        finally:
            await service.close()

    try:
        asyncio.run(run())
    finally:
        store.close()


async def in_use(service: AiService) -> InUse:
    """How the embedded model is loaded."""
    (row,) = (await service.backends()).backends
    assert row.in_use is not None
    return row.in_use


def test_what_won_is_used_after_a_restart_until_it_is_given_back(tmp_path: Path) -> None:
    """Offered with its sentence; taken over at a word; known again by the next start; the way back leaves no trace."""

    async def take(service: AiService) -> None:
        offer = (await service.history.whole(report())).offer
        assert offer is not None
        assert offer.threads == 7
        assert "7 threads, 2 for prompts" in offer.sentence
        assert not offer.taken
        assert (await in_use(service)).benchmark is None
        assert "7 threads" in (await service.history.use(report())).sentence
        kept = (await service.history.whole(report())).offer
        assert kept is not None
        assert kept.taken

    async def again(service: AiService) -> None:
        used = await in_use(service)
        assert (used.benchmark, used.settings) == ("b1", "7 threads, 2 for prompts, a cache of f16")
        assert (await service.history.reset("llamacpp")).benchmark is None

    async def back(service: AiService) -> None:
        assert (await in_use(service)).benchmark is None

    for scene in (take, again, back):
        with_service(tmp_path, scene)


@pytest.mark.parametrize(
    ("kind", "verdict"), [("engines", "faster"), ("settings", "slower"), ("settings", "not shown")]
)
def test_only_settings_shown_to_be_faster_are_offered(tmp_path: Path, kind: str, verdict: str) -> None:
    """Another engine is no setting, and what was not shown is not used."""

    async def scene(service: AiService) -> None:
        assert (await service.history.whole(report(kind, verdict))).offer is None
        with pytest.raises(NothingToUse):
            await service.history.use(report(kind, verdict))

    with_service(tmp_path, scene)


def test_another_machine_does_not_follow_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other cores than they were measured on, the engine chooses again."""
    store = open_store(tmp_path, limit_bytes=64 * 1024 * 1024, now=lambda: NOW)
    adopted = AdoptedSettingsStore(records_in(store))
    (candidate,) = candidates([LLAMA], AiConfig())
    offer = offer_of(report(), [candidate])
    assert offer is not None
    adopted.take(candidate, offer, report(), NOW)
    assert adopted.of(candidate) is not None
    monkeypatch.setattr("ai.service.benchmarks.adopted_settings.cores", lambda: 1_000)
    assert adopted.of(candidate) is None
    store.close()


def test_the_benchmark_compares_with_what_is_used() -> None:
    """The reference has the settings in force, and the others are not the same again."""
    found = candidates([LLAMA], AiConfig())
    options = BenchmarkRequest(kind="settings", depth="quick")
    every = default_threads()
    plain = line_up(found, options, AiConfig().benchmark_plan(options))
    taken = line_up(
        found, options, AiConfig().benchmark_plan(options), lambda _, spec: LoadSpec("", spec.context, threads=every)
    )
    assert plain is not None
    assert taken is not None
    assert found[0].path is not None
    assert plain.contenders[0].spec.threads == chosen_threads(found[0].path, LoadSpec(""))[0]
    assert taken.contenders[0].spec.threads == every
    for lineup in (plain, taken):
        specs = [c.spec for c in lineup.contenders]
        assert len(specs) == len({(s.threads, s.kv_type) for s in specs}) > 1


def test_a_repetition_compares_what_was_compared() -> None:
    """After the winner was taken over, the benchmark is repeated with the reference it had, not with what is used now."""
    found = candidates([LLAMA], AiConfig())
    options = BenchmarkRequest(kind="settings", depth="quick")
    lineup = line_up(
        found, options, AiConfig().benchmark_plan(options), as_reported(report(threads=default_threads() + 1))
    )
    assert lineup is not None
    first = lineup.contenders[0].spec
    assert (first.threads, first.prompt_threads, first.kv_type) == (1, 2, "f16")


def test_what_was_not_measured_generates_with_threads_by_its_size(
    demo_path: Path, tmp_path: Path, llama: LlamaCppBackend, engine_loop: LoopThread
) -> None:
    """Unless they are given; the load report says which were used."""
    table = ThreadTable()
    assert chosen_threads(demo_path, LoadSpec("demo"), table=table) == (1, default_threads())
    assert chosen_threads(demo_path, LoadSpec("demo", threads=3), table=table) == (3, 3)
    assert chosen_threads(demo_path, LoadSpec("demo", threads=3, prompt_threads=5), table=table) == (3, 5)
    big = tmp_path / "big.gguf"
    with big.open("wb") as file:
        file.truncate(64 * 1024**3)
    assert chosen_threads(big, LoadSpec("big"), table=table) == (default_threads(), default_threads())
    loaded = engine_loop.run(llama.ensure_loaded(LoadSpec("demo", context=512, threads=1, prompt_threads=2)))
    assert (loaded.threads, loaded.prompt_threads) == (1, 2)


def _call(at: int, seconds_a_token: float) -> CallRecord:
    return CallRecord(
        f"c{at}", 1, NOW + at, "analysis", "llamacpp", "llamacpp", "m", "answered", "", 1.0, 0.1, 1 / seconds_a_token, "measured"
    )  # fmt: skip


def test_drift_is_found_across_a_restart_and_known_after_the_next(tmp_path: Path) -> None:
    """The level was learned before the restart, the slowdown came after it; a benchmark of that engine ends the proposal."""
    dice = random.Random(4)
    before = [_call(at, 0.01 * dice.lognormvariate(0, 0.02)) for at in range(60)]

    async def slow(service: AiService) -> None:
        (engine,) = (await service.backends()).backends
        assert engine.live is not None
        assert engine.live.calls == len(before)
        window = LiveWindow("llamacpp")
        alarms = [
            alarm for call in [*before, *(_call(100 + at, 0.02) for at in range(40))] for alarm in window.add(call)
        ]
        service.pool.drifted(alarms[0])

    async def known(service: AiService) -> None:
        (said,) = (await service.backends()).drift
        assert "measure again" in said
        assert (await service.policy()).drift == [said]
        service.pool.measured(report("engines", "not shown"))
        assert (await service.policy()).drift == []

    async def forgotten(service: AiService) -> None:
        assert (await service.backends()).drift == []

    with_service(tmp_path, slow, before)
    for scene in (known, forgotten):
        with_service(tmp_path, scene)
