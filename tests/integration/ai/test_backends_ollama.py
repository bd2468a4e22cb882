"""Ollama's traps, one test each, against servers that fall into them."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.backends.ollama.backend import OllamaBackend
from ai.backends.ollama.timings import distrust, timings_of, usage_of
from ai.core.errors import (
    BackendDown,
    BackendError,
    BackendOutOfMemory,
    BackendOverloaded,
    BackendTimeout,
    BadOutput,
    ContextOverflow,
    ModelMissing,
    StreamCut,
)
from ai.core.protocol import Backend, Completion, complete
from ai.core.types import Deadlines, Figure, LoadReport, LoadSpec, Timings
from tests.doubles.ai_kit import Raw, ask, http, raw_server
from tests.waiting import patient, wait_until_async

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"
LOADED = http(
    json.dumps({"model": "m", "response": "", "done": True, "done_reason": "load", "load_duration": 1_500_000_000})
)
SHOWN = http(json.dumps({"template": "{{ .Prompt }}", "details": {"quantization_level": "Q4_K_M"}, "model_info": {}}))
EMPTY = http('{"models": []}')
FIGURES = {
    "total_duration": 900_000_000,
    "load_duration": 100_000_000,
    "prompt_eval_count": 20,
    "prompt_eval_duration": 200_000_000,
    "eval_count": 11,
    "eval_duration": 500_000_000,
}


def ps(context: int | None = 4096, **more: Any) -> bytes:
    """The answer of `/api/ps` with the model in memory."""
    model = {"model": "m", "name": "m", "digest": "d1", "size": 10, "size_vram": 0} | more
    return http(json.dumps({"models": [model | ({"context_length": context} if context else {})]}))


def part(text: str, **more: Any) -> bytes:
    """One line of an answer."""
    return (
        json.dumps(
            {
                "model": "m",
                "created_at": "2026-01-01T00:00:00Z",
                "message": {"role": "assistant", "content": text} | more,
                "done": False,
            }
        ).encode()
        + b"\n"
    )


def last(**figures: Any) -> bytes:
    """The last line of an answer."""
    return (
        json.dumps(
            {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
            | figures
        ).encode()
        + b"\n"
    )


async def with_server(
    use: Callable[[OllamaBackend, Raw], Any],
    *answers: list[Any],
    context: int = 4096,
    ask_s: float = 5.0,
    chat: bool = True,
) -> Any:
    """Load from a server that gives these answers afterwards, and use it; `chat`: it is asked first what is in memory."""
    before = [[ps(context)]] if chat else []
    async with raw_server([SHOWN], [EMPTY], [LOADED], [ps(context)], *before, *answers) as server:
        backend = OllamaBackend(server.url, ask_s=ask_s)
        try:
            assert isinstance(backend, Backend)
            await backend.ensure_loaded(LoadSpec("m", context=context))
            return await use(backend, server)
        finally:
            await backend.close()


def answer(*parts: Any, text: str = "hi", context: int = 4096) -> Completion:
    """The completion of an answer that arrives as these parts."""

    async def use(backend: OllamaBackend, _: Raw) -> Completion:
        return await complete(backend, ask(text))

    made: Completion = asyncio.run(with_server(use, [HEAD, *parts], context=context))
    return made


def fails(kind: type[BackendError], *reply: Any, **more: Any) -> BackendError:
    """The error that a reply leads to."""

    async def use(backend: OllamaBackend, _: Raw) -> BackendError:
        with pytest.raises(kind) as caught:
            await complete(backend, ask("hi"), **more)
        assert type(caught.value) is kind
        return caught.value

    error: BackendError = asyncio.run(with_server(use, list(reply)))
    return error


def test_durations_are_nanoseconds_and_labelled() -> None:
    """Counts and seconds come from the last line, as reported; the first token is measured here."""
    made = answer(part("Hel"), part("lo"), last(**FIGURES))
    timings = made.final.timings
    assert made.text == "Hello"
    assert (timings.load, timings.prompt, timings.generation) == (
        Figure(0.1, "reported"),
        Figure(0.2, "reported"),
        Figure(0.5, "reported"),
    )
    rate = made.final.generation_rate()
    assert rate is not None
    assert rate.value == pytest.approx(20.0)
    assert timings.ttft is not None
    assert timings.ttft.origin == "measured"


def test_absent_durations_are_absent_and_not_zero() -> None:
    """Go leaves out zeros: what is missing is not available."""
    made = answer(part("four words of text"), last())
    assert (made.final.timings.prompt, made.final.timings.generation, made.final.timings.load) == (None, None, None)
    assert made.final.usage.prompt_tokens is None
    assert made.final.usage.completion_tokens is not None
    assert made.final.usage.completion_tokens.origin == "estimated"
    assert made.final.generation_rate() is None or made.final.timings.generation is None


def test_a_cut_stream_is_an_error_though_the_client_raises_nothing() -> None:
    """The official client ends quietly; the missing `done` tells."""
    fails(StreamCut, HEAD, part("half an answ"))


def test_a_dead_server_fails_at_the_first_piece() -> None:
    """The official client raises httpx.ConnectError there; here it is `down`, and no outage is overlooked."""

    async def go() -> None:
        backend = OllamaBackend("127.0.0.1:1")
        try:
            with pytest.raises(BackendDown) as caught:
                await backend.ensure_loaded(LoadSpec("m"))
            assert caught.value.outage
            assert (await backend.health(1)).state == "down"
        finally:
            await backend.close()

    asyncio.run(go())


def test_a_server_that_dies_between_load_and_answer_is_down() -> None:
    """The stream is where it shows."""

    async def go() -> None:
        async with raw_server([SHOWN], [EMPTY], [LOADED], [ps()]) as server:
            backend = OllamaBackend(server.url)
            await backend.ensure_loaded(LoadSpec("m"))
        try:
            with pytest.raises(BackendDown):
                await complete(backend, ask("hi"))
        finally:
            await backend.close()

    asyncio.run(go())


@pytest.mark.parametrize(
    ("parts", "deadlines", "phase"),
    [
        ([asyncio.Event], Deadlines(first_token_s=0.2), "first token"),
        ([HEAD, part("x"), asyncio.Event], Deadlines(between_tokens_s=0.2), "between tokens"),
        ([HEAD, *([part("x"), 0.05] * 100)], Deadlines(total_s=0.5), "total"),
    ],
)
def test_there_are_deadlines_though_the_client_has_none(parts: list[Any], deadlines: Deadlines, phase: str) -> None:
    """Each ends the call and hangs up."""

    async def use(backend: OllamaBackend, server: Raw) -> None:
        with pytest.raises(BackendTimeout) as caught:
            await complete(backend, ask("hi"), deadlines=deadlines)
        assert caught.value.phase == phase
        await wait_until_async(lambda: server.open_connections == 0)

    asyncio.run(with_server(use, [item() if item is asyncio.Event else item for item in parts]))


def test_a_load_that_hangs_ends_by_its_deadline() -> None:
    """Loading has a deadline of its own."""

    async def go() -> None:
        async with raw_server([SHOWN], [EMPTY], [asyncio.Event()]) as server:
            backend = OllamaBackend(server.url)
            try:
                with pytest.raises(BackendTimeout) as caught:
                    await backend.ensure_loaded(LoadSpec("m"), deadline_s=0.3)
                assert caught.value.phase == "load"
            finally:
                await backend.close()

    asyncio.run(go())


def test_a_small_question_to_a_server_that_hangs_ends() -> None:
    """Memory and unloading have no deadline of their caller's: the limit of small questions ends them, as a timeout."""

    async def use(backend: OllamaBackend, server: Raw) -> None:
        for question in (backend.memory, backend.unload):
            with pytest.raises(BackendTimeout):
                await asyncio.wait_for(question(), patient(20))
        await wait_until_async(lambda: server.open_connections == 0)

    asyncio.run(with_server(use, [asyncio.Event()], [asyncio.Event()], ask_s=0.5, chat=False))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ([http('{"error": "model \'m\' not found"}', "404 Not Found")], ModelMissing),
        (
            [
                http(
                    '{"error": "server busy, please try again. maximum pending requests exceeded"}',
                    "503 Service Unavailable",
                )
            ],
            BackendOverloaded,
        ),
        ([http('{"error": "the input length exceeds the context length"}', "400 Bad Request")], ContextOverflow),
        (
            [
                http(
                    '{"error": "model requires more system memory (9 GiB) than is available (2 GiB)"}',
                    "500 Internal Server Error",
                )
            ],
            BackendOutOfMemory,
        ),
        ([HEAD, part("a"), b'{"error": "CUDA error: out of memory"}\n'], BackendOutOfMemory),
        ([HEAD, part("a"), b'{"error": "llama runner process no longer running"}\n'], StreamCut),
        ([HEAD, b"not json\n"], BadOutput),
        ([HEAD, b"[1]\n"], BadOutput),
        ([HEAD, b'{"message": 7, "done": true}\n'], BadOutput),
    ],
)
def test_each_failure_has_its_class(reply: list[Any], kind: type[BackendError]) -> None:
    """By status, inside the stream, or as nonsense."""
    fails(kind, *reply)


def test_the_context_is_always_explicit_and_truncation_forbidden() -> None:
    """Every request carries num_ctx, all sampler values, and the switches that the client has no argument for."""

    async def use(backend: OllamaBackend, server: Raw) -> dict[str, Any]:
        await complete(backend, ask("hi", json_schema={"type": "object"}, stop=("END",)))
        body: dict[str, Any] = json.loads(server.requests[-1].split(b"\r\n\r\n", 1)[1])
        return body

    body = asyncio.run(with_server(use, [HEAD, last()]))
    assert (body["truncate"], body["shift"], body["stream"]) == (False, False, True)
    assert body["format"] == {"type": "object"}
    assert body["options"] == {
        "num_ctx": 4096, "num_predict": 8, "temperature": 0.0, "top_k": 1, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0,
        "seed": 0, "stop": ["END"],
    }  # fmt: skip


def test_a_context_smaller_than_asked_is_noticed() -> None:
    """`ps` says what is in force."""

    async def go() -> LoadReport:
        async with raw_server([SHOWN], [EMPTY], [LOADED], [ps(2048)]) as server:
            backend = OllamaBackend(server.url)
            try:
                return await backend.ensure_loaded(LoadSpec("m", context=8192, parallel=4, kv_type="q8_0"))
            finally:
                await backend.close()

    report = asyncio.run(go())
    assert (report.context, report.quantization, report.weights, report.cold) == (2048, "Q4_K_M", "ollama:d1", True)
    assert report.seconds == Figure(1.5, "reported")
    assert any("2048" in note for note in report.notes)
    assert any("OLLAMA_NUM_PARALLEL" in note for note in report.notes)
    assert any("OLLAMA_KV_CACHE_TYPE" in note for note in report.notes)


def test_one_request_at_a_time_unless_told_otherwise() -> None:
    """A batch against a default Ollama is a queue: the capability says so."""
    backend = OllamaBackend()
    assert backend.capabilities().max_parallel == 1
    assert not backend.capabilities().remote
    asyncio.run(backend.close())


def test_a_prompt_that_cannot_fit_is_not_even_sent() -> None:
    """Far beyond the context by any count."""

    async def use(backend: OllamaBackend, server: Raw) -> None:
        sent = len(server.requests)
        with pytest.raises(ContextOverflow):
            await complete(backend, ask("x" * 6000))
        assert len(server.requests) == sent

    asyncio.run(with_server(use, [HEAD, last()], context=512))


def test_a_prompt_that_was_cut_in_silence_is_found_out() -> None:
    """2050 tokens counted for a text of 20,000 words: an old server truncated it (ollama#17889)."""
    words = "the nurse works in Berlin and likes it there. " * 500
    cut = answer(part("ok"), last(**FIGURES | {"prompt_eval_count": 2050}), text=words)
    assert cut.final.truncated
    fine = answer(part("ok"), last(**FIGURES | {"prompt_eval_count": 460}), text=words[:2000], context=8192)
    assert not fine.final.truncated


def test_size_vram_is_called_a_reservation() -> None:
    """It is the server's word, not a measurement."""

    async def use(backend: OllamaBackend, _: Raw) -> None:
        report = await backend.memory()
        assert report.vram == Figure(7_000_000_000, "reported")
        assert "reserved" in report.note

    asyncio.run(with_server(use, [ps(size_vram=7_000_000_000)], chat=False))


def test_thinking_is_reasoning() -> None:
    """A thinking model's thoughts come first and are told apart."""
    made = answer(part("", thinking="hm"), part("yes"), last(**FIGURES))
    assert (made.reasoning, made.text) == ("hm", "yes")


def test_fields_that_the_client_drops_are_read() -> None:
    """The cached part of the prompt matters for its rate."""
    made = answer(part("x"), last(**FIGURES | {"prompt_eval_cached_count": 15}))
    assert made.final.usage.cached_tokens == Figure(15, "reported")
    rate = made.final.prompt_rate()
    assert rate is not None
    assert rate.value == pytest.approx(25.0)


@pytest.mark.parametrize(
    "changed",
    [
        {"prompt_eval_duration": 0},
        {"prompt_eval_duration": None},
        {"eval_duration": 900_000_000},
        {"eval_duration": 10**12},
    ],
)
def test_made_up_timings_are_not_believed(changed: dict[str, Any]) -> None:
    """Imitations of Ollama fill the fields with nonsense: measured times stand, counts are estimates."""
    made = answer(part("x"), last(**FIGURES | changed))
    assert made.final.timings.distrust
    assert made.final.timings.generation is None
    assert made.final.usage.completion_tokens is not None
    assert made.final.usage.completion_tokens.origin == "estimated"
    assert "not used" in made.final.notes[0]


JSON = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)


@given(st.dictionaries(st.sampled_from(sorted(FIGURES)), JSON))
def test_whatever_the_figures_are_they_make_sense_or_nothing(said: dict[str, Any]) -> None:
    """Any JSON in the last line: durations are positive seconds or absent."""
    timings = timings_of(said, Timings())
    usage = usage_of(said, 10, 0.25, trusted=not distrust(said))
    for figure in (timings.load, timings.prompt, timings.generation, usage.prompt_tokens, usage.completion_tokens):
        assert figure is None or figure.value >= 0
