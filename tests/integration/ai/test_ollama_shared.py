"""An Ollama that others use, too: what is in its memory stays as it is, what runs elsewhere is not asked, and what it was started with is believed."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ai.backends.ollama.backend import OllamaBackend
from ai.backends.ollama.running import ServerSettings, keep_of, keep_seconds, loaded_models, same_model, settings_of
from ai.backends.openai.backend import OpenAIBackend
from ai.benchmark import AIBackendBenchmark, BenchmarkPlan, BenchmarkReport, Contender
from ai.benchmark.watch import NoMeter
from ai.core.errors import BackendError, BackendTimeout, BadRequest, ContextOverflow, ModelMissing
from ai.core.protocol import complete
from ai.core.types import Deadlines, LoadSpec
from ai.discovery.discover import DiscoveryConfig, discover
from ai.service.context.candidates import candidates
from ai.service.context.config import AiConfig
from ai.service.context.ollama_plan import plan_of_ollama
from ai.service.context.records import NoRecords
from ai.service.gateway_table import gateway_table
from ai.service.service import AiService
from ai.shapes.engines import AiBackend, Choice
from tests.doubles.ai_kit import ask
from tests.doubles.scripted_backend import Script, ScriptedBackend
from tests.doubles.stateful_ollama import PER_TOKEN, WEIGHTS, Held, StatefulOllama, serve
from tests.integration.ai.test_benchmark_run import Quiet
from tests.waiting import patient

PLAN = BenchmarkPlan(prompts=["summary"], max_tokens=6, max_blocks=8, budget_s=60, batches=[2], warmup=1)
POSTING = "Nurse wanted in Berlin. Full time. Salary 50,000 EUR per year. " * 4


def with_backend(state: StatefulOllama, use: Callable[[OllamaBackend], Awaitable[None]], **more: Any) -> StatefulOllama:
    """Use a back end of this server."""

    async def go() -> None:
        async with serve(state):
            backend = OllamaBackend(state.url, **more)
            try:
                await use(backend)
            finally:
                await backend.close()

    asyncio.run(go())
    return state


def held(state: StatefulOllama) -> dict[str, tuple[int, float]]:
    """What is in memory."""
    return {name: (item.context, item.keep_s) for name, item in state.held.items()}


@pytest.mark.parametrize("context", [2048, 4096, 8192])
def test_what_somebody_loaded_is_used_as_it_is(context: int) -> None:
    """With a shorter, the same or a longer context than wanted: no load, and it stays for as long as its owner said."""
    state = StatefulOllama(held={"m:latest": Held(context, 1800.0)})

    async def use(backend: OllamaBackend) -> None:
        report = await backend.ensure_loaded(LoadSpec("m", context=4096))
        assert (report.context, report.cold) == (context, False)
        for _ in range(3):
            await complete(backend, ask("hi"))

    with_backend(state, use)
    assert (state.loads, held(state)) == (0, {"m:latest": (context, 1800.0)})


def test_a_question_that_does_not_fit_loads_more_and_keeps_it_as_long() -> None:
    """The owner's hour is not cut to our minutes."""
    state = StatefulOllama(held={"m:latest": Held(512, 3600.0)})

    async def use(backend: OllamaBackend) -> None:
        await backend.ensure_loaded(LoadSpec("m", context=4096))
        await complete(backend, ask("word " * 1000))
        with pytest.raises(ContextOverflow):
            await complete(backend, ask("word " * 8000))

    with_backend(state, use)
    assert state.loads == 1
    ((context, keep_s),) = held(state).values()
    assert context == 4096
    assert keep_s > 3500


def test_a_load_for_a_question_may_take_longer_than_its_first_token() -> None:
    """It has a deadline of its own."""
    state = StatefulOllama(held={"m:latest": Held(512, 60.0)}, load_s=0.6)

    async def use(backend: OllamaBackend) -> None:
        await backend.ensure_loaded(LoadSpec("m", context=4096))
        limits = Deadlines(first_token_s=0.5, load_s=patient(20), total_s=patient(30))
        await complete(backend, ask("word " * 1000), deadlines=limits)
        state.held.clear()
        with pytest.raises(BackendTimeout) as caught:
            await complete(backend, ask("hi"), deadlines=Deadlines(load_s=0.1))
        assert caught.value.phase == "load"

    assert with_backend(state, use).loads >= 1


def test_a_prompt_that_turns_out_too_long_is_asked_again_with_more_context() -> None:
    """It seemed to fit, the server says that it does not: one load, one answer."""
    state = StatefulOllama(held={"m:latest": Held(600, 60.0)})

    async def use(backend: OllamaBackend) -> None:
        await backend.ensure_loaded(LoadSpec("m", context=4096))
        await complete(backend, ask("ab " * 20))
        backend._prompts.density = 0.1
        await complete(backend, ask("ab " * 900))

    with_backend(state, use)
    assert (state.loads, len(state.asked)) == (1, 3)  # the refused one was asked, too


def test_another_program_that_loads_it_meanwhile_is_not_fought() -> None:
    """Whatever is in memory at the moment of a request is used."""
    state = StatefulOllama()

    async def use(backend: OllamaBackend) -> None:
        await backend.ensure_loaded(LoadSpec("m", context=2048))
        for turn in range(4):
            state.held["m:latest"] = Held(8192 if turn % 2 else 3000, 60.0)
            await complete(backend, ask("hi"))

    assert with_backend(state, use).loads == 1


def test_a_server_with_a_context_of_its_own_is_loaded_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs, which send none, then do not load it anew."""
    told = ServerSettings(read=True, context=8192, parallel=4, kv_type="q8_0")
    monkeypatch.setattr("ai.backends.ollama.backend.server_settings", lambda _: told)
    state = StatefulOllama(default_context=8192)

    async def use(backend: OllamaBackend) -> None:
        report = await backend.ensure_loaded(LoadSpec("m", context=4096))
        assert (report.context, report.parallel, report.kv_type) == (8192, 4, "q8_0")

    assert held(with_backend(state, use)) == {"m:latest": (8192, 300.0)}


def test_a_server_that_keeps_models_for_a_time_of_its_own_keeps_ours_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner chose that; only where nothing is chosen is it five minutes."""
    monkeypatch.setattr("ai.backends.ollama.backend.server_settings", lambda _: ServerSettings(read=True, keep_alive="30m"))  # fmt: skip
    state = StatefulOllama()

    async def use(backend: OllamaBackend) -> None:
        await backend.ensure_loaded(LoadSpec("m", context=4096))
        await complete(backend, ask("hi"))

    assert held(with_backend(state, use)) == {"m:latest": (4096, 1800.0)}


def test_a_model_of_another_machine_is_refused_and_never_loaded() -> None:
    """Behind a loopback address; with leave it is remote."""
    state = StatefulOllama(models={"big:cloud": {"remote_host": "https://ollama.example:443"}})

    async def use(backend: OllamaBackend) -> None:
        with pytest.raises(BadRequest, match=r"another machine \(ollama\.example\)"):
            await backend.ensure_loaded(LoadSpec("big:cloud"))

    assert with_backend(state, use).bodies == []

    async def allowed(backend: OllamaBackend) -> None:
        assert backend.capabilities().remote
        await backend.ensure_loaded(LoadSpec("big:cloud"))

    with_backend(state, allowed, remote=True)


def test_a_model_that_is_not_there_says_how_to_fetch_it() -> None:
    """By its name."""

    async def use(backend: OllamaBackend) -> None:
        with pytest.raises(ModelMissing) as caught:
            await backend.ensure_loaded(LoadSpec("qwen3:8b"))
        assert "ollama pull qwen3:8b" in caught.value.hint

    with_backend(StatefulOllama(), use)


def test_the_rate_of_a_prompt_comes_from_prompts_never_sent_before() -> None:
    """The same beginning again is in the server's memory: its count is of all of it, its time of the rest."""

    async def use(backend: OllamaBackend) -> None:
        await backend.ensure_loaded(LoadSpec("m"))
        rates = [
            (
                await complete(backend, ask(text, max_tokens=4))
            ).final.prompt_rate()  # so few that no stall contradicts them
            for text in (POSTING, POSTING, "Other. " * 30)
        ]
        assert [rate is not None for rate in rates] == [True, False, True]

    with_backend(StatefulOllama(), use)


# --- the benchmark


def benchmark(state: StatefulOllama, *, during: Callable[[], object] = lambda: None) -> BenchmarkReport:
    """A benchmark of this server against a scripted engine."""

    async def go() -> BenchmarkReport:
        async with serve(state):
            mine = OllamaBackend(state.url)
            other = ScriptedBackend("other", Script(ttft=0.002, per_token=0.002, tokens=64))
            contenders = [Contender(mine, LoadSpec("m", context=2048)), Contender(other, LoadSpec("m", context=2048))]
            runner = AIBackendBenchmark(contenders, PLAN, watch=Quiet(), meter=NoMeter())
            try:
                return await runner.run(on_progress=lambda _: during())
            finally:
                await mine.close()

    return asyncio.run(go())


@pytest.mark.parametrize("context", [8192, 2048])
def test_a_benchmark_leaves_what_somebody_loaded(context: int) -> None:
    """Nothing is loaded, nothing let go; the report says which context was measured, and its measurements count."""
    state = StatefulOllama(held={"m:latest": Held(context, 1800.0)})
    report = benchmark(state)
    assert (state.loads, held(state)) == (0, {"m:latest": (context, 1800.0)})
    assert any(f"context of {context} tokens, as its model was loaded with" in note for note in report.notes)
    assert report.contenders[0].load is not None
    assert report.contenders[0].load.cold_s is None
    assert all("context mismatch" not in sample.flags for sample in report.samples)
    assert any(sample.paired and not sample.flags for sample in report.samples if sample.backend == "ollama")


def test_a_benchmark_lets_go_what_it_loaded_itself() -> None:
    """Nothing was in memory before, nothing is after."""
    state = StatefulOllama()
    report = benchmark(state)
    assert (state.loads, held(state)) == (1, {})
    assert report.contenders[0].load is not None
    assert report.contenders[0].load.cold_s


def test_a_model_that_was_pushed_out_comes_back() -> None:
    """A server that holds one model at a time: the one that somebody had there is loaded again, as it was."""
    state = StatefulOllama(models={"m:latest": {}, "theirs:latest": {}}, held={"theirs:latest": Held(16_384, 900.0)})
    benchmark(state, during=lambda: state.held.pop("theirs:latest", None) if state.loads == 1 else None)
    ((name, (context, keep_s)),) = held(state).items()
    assert (name, context) == ("theirs:latest", 16_384)
    assert keep_s == pytest.approx(900, abs=5)


def test_prompts_of_two_benchmarks_differ() -> None:
    """A server that kept the prompts of the first one must not shine in the second."""
    state = StatefulOllama()
    heads = []
    for _ in range(2):
        state.bodies.clear()
        benchmark(state)
        heads.append({b["messages"][-1]["content"][:60] for b in state.bodies if b.get("messages")})
    assert not heads[0] & heads[1]


def test_a_server_that_ends_midway_is_told_at_once() -> None:
    """The measurements until then are kept, nothing waits for it, and the report says what happened."""

    async def go() -> BenchmarkReport:
        async with serve(StatefulOllama()) as state:
            mine = OllamaBackend(state.url)
            other = ScriptedBackend("other", Script(ttft=0.002, per_token=0.002, tokens=64))
            await mine.ensure_loaded(LoadSpec("m", context=2048))
            runner = AIBackendBenchmark(
                [Contender(mine, LoadSpec("m", context=2048)), Contender(other, LoadSpec("m"))],
                PLAN.model_copy(update={"max_blocks": 60}), watch=Quiet(), meter=NoMeter(),
            )  # fmt: skip
            seen = 0

            def end(_: object) -> None:
                nonlocal seen
                seen += 1
                if seen == 6:
                    state.stop()

            report = await runner.run(on_progress=end)
            await mine.close()
            return report

    report = asyncio.run(go())
    assert report.state == "failed"
    assert "ollama stopped while it was measured" in report.sentence
    assert "ollama stopped" in report.stopped_because
    assert [s for s in report.samples if s.backend == "ollama" and s.error is None]


# --- what is chosen


def engines(state: StatefulOllama, *, openai: bool = False) -> list[dict[str, Any]]:
    """What discovery finds of this server, and of nothing else."""

    async def go() -> list[dict[str, Any]]:
        async with serve(state):
            config = DiscoveryConfig(
                ollama_url="" if openai else state.url,
                openai_urls=(f"{state.url}/v1",) if openai else (),
                search=lambda: (),
            )
            return [e.model_dump(mode="json") for e in await discover(config) if e.name in {"ollama", "openai"}]

    return asyncio.run(go())


@pytest.mark.parametrize("openai", [False, True])
def test_models_of_another_machine_are_marked_through_either_door(*, openai: bool) -> None:
    """OpenAI's listing does not tell; Ollama's own does."""
    state = StatefulOllama(models={"big:cloud": {"remote_host": "https://ollama.example:443"}, "m:latest": {}})
    (engine,) = engines(state, openai=openai)
    assert {m["name"]: m["remote_host"] for m in engine["models"]} == {"big:cloud": "ollama.example", "m:latest": ""}
    (chosen,) = candidates([engine], AiConfig())
    assert (chosen.model, chosen.remote_host) == ("m:latest", "")
    named = {"ollama": "big:cloud", "openai": "big:cloud"}
    (chosen,) = candidates([engine], AiConfig(models=named))
    assert (chosen.model, chosen.remote_host) == ("big:cloud", "ollama.example")


def test_an_ollama_that_was_named_by_its_other_route_is_left_as_it_was() -> None:
    """Its own API is asked all the same: the other one could not say which context the model has."""
    state = StatefulOllama(held={"m:latest": Held(8192, 1800.0)})

    async def go() -> None:
        async with serve(state):
            config = DiscoveryConfig(ollama_url="", openai_urls=(f"{state.url}/v1",), search=lambda: ())
            found = [e.model_dump(mode="json") for e in await discover(config) if e.name == "openai"]
            (chosen,) = candidates(found, AiConfig())
            assert chosen.name.startswith("openai@")
            backend = chosen.make(chosen.name)
            await backend.ensure_loaded(LoadSpec(chosen.model, context=2048))
            assert (await complete(backend, ask("Say something."))).text
            await backend.close()
            known, choice = (
                {("openai", str(found[0]["address"])): chosen},
                Choice(order=[chosen.name], excluded={}, sentence=""),
            )
            table = gateway_table(found, known, choice, AiConfig())
            assert [(engine.kind, engine.address) for engine in table.engines] == [("ollama", state.url)]

    asyncio.run(go())
    assert state.asked == ["m:latest"]
    assert (state.loads, held(state)) == (0, {"m:latest": (8192, 1800.0)})


def test_an_ollama_behind_a_key_is_asked_as_the_server_before_it_expects() -> None:
    """That may know no other API."""
    state = StatefulOllama()
    (engine,) = engines(state, openai=True)
    key = {str(engine["address"]).removesuffix("/v1"): "wk-1"}
    (chosen,) = candidates([engine], AiConfig(api_keys=key))
    assert type(chosen.make("x")) is OpenAIBackend


def test_a_report_says_which_settings_differ() -> None:
    """Threads that the model names, and those of an engine that was told."""
    first, second = StatefulOllama(), StatefulOllama(models={"m:latest": {"parameters": "num_thread 4"}})

    async def go() -> BenchmarkReport:
        async with serve(first), serve(second):
            backends = [OllamaBackend(first.url, name="a"), OllamaBackend(second.url, name="b")]
            entries = [Contender(backends[0], LoadSpec("m:latest", context=4096, threads=2)), Contender(backends[1], LoadSpec("m:latest", context=4096))]  # fmt: skip
            plan = PLAN.model_copy(update={"cold_load": False})
            report = await AIBackendBenchmark(entries, plan, watch=Quiet(), meter=NoMeter()).run()
            for backend in backends:
                await backend.close()
            return report

    report = asyncio.run(go())
    assert "Their settings differ: threads: 2 (a), 4 (b)." in report.notes


def test_what_cannot_chat_is_not_chosen_whatever_its_name() -> None:
    """By what the server says that it can do."""
    state = StatefulOllama(models={"bge-m3:latest": {"capabilities": ["embedding"]}, "m:latest": {}})
    (chosen,) = candidates(engines(state), AiConfig())
    assert chosen.model == "m:latest"


def rows(state: StatefulOllama, config: AiConfig) -> list[AiBackend]:
    """The engines as the service tells them."""
    found = engines(state)

    async def go() -> list[AiBackend]:
        async def same() -> list[dict[str, Any]]:
            return found

        service = AiService(lambda: config, same, records=NoRecords(), mask=str)
        try:
            return (await service.backends()).backends
        finally:
            await service.close()

    return asyncio.run(go())


def test_an_engine_without_the_model_that_is_named_is_not_ready() -> None:
    """It says which one is lacking, and how to fetch it."""
    (row,) = rows(StatefulOllama(), AiConfig(models={"ollama": "llama3.1:8b"}))
    assert (row.usable, row.state) == (False, "idle")
    assert "llama3.1:8b" in row.detail
    assert "ollama pull llama3.1:8b" in row.remedy


@pytest.mark.parametrize("allowed", [False, True])
def test_an_engine_with_models_of_another_machine_alone_is_used_with_leave_only(*, allowed: bool) -> None:
    """Its card says why it is not."""
    state = StatefulOllama(models={"big:cloud": {"remote_host": "https://ollama.example"}})
    (row,) = rows(state, AiConfig(allow_remote=allowed))
    assert row.usable == allowed
    assert ("another machine (ollama.example)" in row.detail) or allowed


def test_two_servers_of_one_kind_have_two_names() -> None:
    """The second is told apart by its address."""
    engine = {"name": "ollama", "label": "Ollama", "state": "ready", "models": [{"name": "m"}]}
    found = candidates([engine | {"address": f"http://127.0.0.1:{port}"} for port in (11434, 11500)], AiConfig())
    assert [c.name for c in found] == ["ollama", "ollama@127.0.0.1:11500"]


# --- what its process says


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, (None, None, None)), ({"OLLAMA_NUM_PARALLEL": "4", "OLLAMA_CONTEXT_LENGTH": "8192"}, (4, None, 8192)), ({"OLLAMA_NUM_PARALLEL": "0"}, (None, None, None)),
        ({"OLLAMA_KV_CACHE_TYPE": "Q8_0"}, (None, "q8_0", None)), ({"OLLAMA_KV_CACHE_TYPE": "q8_0", "OLLAMA_FLASH_ATTENTION": "0"}, (None, None, None)),
        ({"OLLAMA_KV_CACHE_TYPE": "q3", "OLLAMA_NUM_PARALLEL": "many", "OLLAMA_CONTEXT_LENGTH": "-1"}, (None, None, None)),
    ],
)  # fmt: skip
def test_the_settings_of_its_process_are_read_as_it_reads_them(
    environ: dict[str, str], found: tuple[int | None, str | None, int | None]
) -> None:
    """What says nothing, or nonsense, is its default."""
    settings = settings_of(environ)
    assert (settings.parallel, settings.kv_type, settings.context) == found


@pytest.mark.parametrize(
    ("said", "kept", "seconds"),
    [
        ("30m", "30m", 1800), ("3600", 3600, 3600), ("-1", -1, -1), ("1h30m", "1h30m", 5400), ("-1m", "-1m", -60), ("1.5h", "1.5h", 5400),
        ("0", None, 0), ("0s", None, 0), ("for ever", None, 0), ("", None, 0), (None, None, 0),
    ],
)  # fmt: skip
def test_the_time_that_a_server_keeps_models_is_its_owners(
    said: str | None, kept: str | int | None, seconds: float
) -> None:
    """A number is of seconds; what is no time, or lets a model go at once, is left to this program."""
    assert keep_of(said) == kept
    if kept is not None:
        assert keep_seconds(kept) == seconds


def test_a_model_that_was_just_let_go_is_not_in_memory() -> None:
    """It is listed for a moment, its time past; a far time is for ever."""
    rows = [
        {"name": "a", "expires_at": "2020-01-01T00:00:00.123456789Z", "context_length": 1, "size": 1},
        {"name": "b", "expires_at": "2318-01-01T00:00:00Z", "context_length": 2, "size": 2},
        {"name": "c", "expires_at": "0001-01-01T00:00:00Z"},
    ]
    assert [(m.model, m.keep_s) for m in loaded_models(rows, local=True)] == [("b", math.inf), ("c", 0.0)]
    assert [m.model for m in loaded_models(rows, local=False)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("m", "m:latest", True), ("M:8B", "m:8b", True), ("m:8b", "m", False), ("hf.co/a/b:q4", "hf.co/a/b", False), ("localhost:5000/a", "localhost:5000/a:latest", True)],
)  # fmt: skip
def test_names_of_models_are_compared_as_ollama_does(one: str, other: str, *, same: bool) -> None:
    """A tag may be left out."""
    assert same_model(one, other) == same


def test_the_prediction_starts_from_what_is_in_memory_and_does_not_drift() -> None:
    """Its context is the one it was loaded with, its size what the server says; asked again, it is the same."""

    async def go() -> list[Any]:
        async with serve(StatefulOllama(held={"m:latest": Held(8192, 60.0)})) as state:
            plans = [
                await asyncio.to_thread(plan_of_ollama, state.url, "m:latest", default_context=4096) for _ in range(2)
            ]
            state.held.clear()
            return [*plans, await asyncio.to_thread(plan_of_ollama, state.url, "m:latest", default_context=4096)]

    first, again, unloaded = asyncio.run(go())
    assert (first.context, unloaded.context) == (8192, 4096)
    assert first.weights + first.cache == WEIGHTS + PER_TOKEN * 8192
    assert first.total == again.total
    assert unloaded.total < first.total


@pytest.mark.parametrize(
    ("parallel", "kv_type", "size", "really"),
    [(1, "f16", 190_948_608, 294), (4, "f16", 474_000_000, 566)],
)
def test_the_prediction_is_near_what_a_server_really_held(parallel: int, kv_type: str, size: int, really: int) -> None:
    """Measured beside a real one with a model of 135 million parameters: within 15 %, from what is in memory and before."""
    from dataclasses import replace

    from ai.backends.ollama.running import Loaded
    from ai.service.context import ollama_plan
    from tests.integration.ai.test_ollama_plan import plan_of_small

    plan = replace(plan_of_small(parallel, kv_type), overhead=ollama_plan.OVERHEAD)
    told = ollama_plan.as_told(plan, Loaded("m", 4096, size, 60.0))
    for found in (plan, told):
        assert found.total / 1024**2 == pytest.approx(really, rel=0.15)


def test_a_failing_restore_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody should find their server changed without a word."""

    async def refuse(_: OllamaBackend) -> None:
        raise BackendError("it refused")

    monkeypatch.setattr(OllamaBackend, "restore", refuse)
    report = benchmark(StatefulOllama())
    assert any("could not be left as it was found: it refused" in note for note in report.notes)
