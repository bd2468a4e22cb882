"""OpenAI-compatible servers: true times, honest counts, and the right error for each way to fail."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from ai.backends.openai.backend import OpenAIBackend
from ai.core.errors import (
    BackendDown,
    BackendError,
    BackendLoading,
    BackendOutOfMemory,
    BackendOverloaded,
    BackendTimeout,
    BadOutput,
    BadRequest,
    Cancelled,
    ContextOverflow,
    ModelMissing,
    StreamCut,
)
from ai.core.protocol import Backend, Completion, complete
from ai.core.types import Deadlines, LoadSpec, Sampling
from tests.doubles.ai_kit import Raw, ask, http, raw_server
from tests.waiting import wait_until_async

LISTING = http(
    json.dumps(
        {"object": "list", "data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx": 2048, "ftype": "Q4_K_M"}}]}
    )
)
PLAIN = http(json.dumps({"object": "list", "data": [{"id": "m", "owned_by": "someone"}]}))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def event(**value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(finish: str | None = None, **said: Any) -> bytes:
    """One chunk of an answer."""
    return event(model="m", choices=[{"index": 0, "delta": said, "finish_reason": finish}])


def usage(prompt: int, completion: int, **more: Any) -> bytes:
    """The chunk with the counts."""
    return event(
        choices=[], usage={"prompt_tokens": prompt, "completion_tokens": completion} | more.pop("usage", {}), **more
    )


async def with_server(use: Callable[[OpenAIBackend, Raw], Any], *answers: list[Any]) -> Any:
    """Run something against a server that gives these answers after its list of models."""
    async with raw_server([LISTING], [http("{}")], *answers) as server:
        backend = OpenAIBackend(server.url)
        try:
            await backend.ensure_loaded(LoadSpec("m"))
            return await use(backend, server)
        finally:
            await backend.close()


def answer(*parts: Any, text: str = "hi", **more: Any) -> Completion:
    """The completion of an answer that arrives as these parts."""

    async def use(backend: OpenAIBackend, _: Raw) -> Completion:
        return await complete(backend, ask(text), **more)

    result: Completion = asyncio.run(with_server(use, [HEAD, *parts]))
    return result


def fails(kind: type[BackendError], reply: list[Any], **more: Any) -> BackendError:
    """The error that a reply leads to."""

    async def use(backend: OpenAIBackend, _: Raw) -> BackendError:
        with pytest.raises(kind) as caught:
            await complete(backend, ask("hi"), **more)
        assert type(caught.value) is kind
        assert caught.value.backend == backend.name
        return caught.value

    error: BackendError = asyncio.run(with_server(use, reply))
    return error


def test_a_whole_answer_with_the_servers_own_figures() -> None:
    """Text, counts, cache and timings come through, each with its origin."""
    timings = {"prompt_ms": 50.0, "predicted_ms": 200.0, "cache_n": 3}
    made = answer(
        delta(role="assistant", content=None),
        delta(content="Hel"),
        delta(content="lo"),
        delta("stop"),
        usage(12, 5, timings=timings),
        DONE,
    )
    assert (made.text, made.final.finish_reason, made.final.model) == ("Hello", "stop", "m")
    figures = made.final.usage
    assert figures.prompt_tokens is not None
    assert (figures.prompt_tokens.value, figures.prompt_tokens.origin) == (12, "reported")
    assert figures.cached_tokens is not None
    assert figures.cached_tokens.value == 3
    rate = made.final.generation_rate()
    assert rate is not None
    assert (rate.value, rate.origin) == (pytest.approx(20.0), "reported")
    prompt = made.final.prompt_rate()
    assert prompt is not None
    assert prompt.value == pytest.approx(9 / 0.05)


@pytest.mark.parametrize(
    ("times", "counted", "cut"), [(100, 400, True), (100, 2047, True), (30, 420, False), (100, 0, False)]
)
def test_a_prompt_that_was_cut_in_silence_is_found_out(times: int, counted: int, cut: bool) -> None:  # noqa: FBT001
    """A needle at both ends of a text, of which the server counts too few tokens, or as many as its context has: the answer is marked and says why."""
    text = f"NEEDLE in Leeds. {'We share lunch in the yard and talk about the weather. ' * times}NEEDLE in Oslo."
    made = answer(delta(content="ok"), delta("stop"), usage(counted, 1), DONE, text=text)
    assert made.final.truncated == cut
    assert any("only a part" in note for note in made.final.notes) == cut


def test_the_first_token_is_the_first_content_and_not_the_role() -> None:
    """A chunk that names a role comes at once and says nothing; the time runs on (vllm#3759)."""
    made = answer(
        delta(role="assistant"), delta(content=""), 0.25, delta(content="x"), delta("stop"), usage(1, 2), DONE
    )
    assert made.final.timings.ttft is not None
    assert made.final.timings.ttft.value >= 0.25
    assert made.final.timings.ttft.origin == "measured"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_counts_as_the_first_token_and_is_told_apart(field: str) -> None:
    """A thinking model is not slow to begin; its thoughts are no part of the text."""
    made = answer(delta(**{field: "hm"}), 0.3, delta(content="yes"), delta("stop"), usage(1, 2), DONE)
    assert (made.reasoning, made.text) == ("hm", "yes")
    spent = made.final.timings
    assert spent.ttft is not None
    assert spent.total is not None
    assert (
        spent.ttft.value < spent.total.value - 0.1
    )  # the pause of 0.3 s is behind the first token, however late that was read


def stream_of(*sizes: int, each_s: float = 0.02, **more: Any) -> Completion:
    """An answer of words of five letters, so many in each event, at `each_s` a word."""
    parts: list[Any] = []
    for size in sizes:
        parts += [size * each_s, delta(content="word " * size)]
    return answer(*parts, delta("stop"), usage(1, sum(sizes), **more), DONE)


@pytest.mark.parametrize("sizes", [[1] * 12, [4] * 5, [1, 6, 6, 6, 6], [2, 1, 3, 1, 5, 2, 4]])
def test_a_rate_counts_the_tokens_and_not_the_events(sizes: list[int]) -> None:
    """Whatever a server puts into one event: the tokens that came after the first, over the time since the first."""
    measured = stream_of(*sizes).final.measured_rate()
    assert measured is not None
    assert measured.origin == "measured"
    assert 0.3 * 50 < measured.value <= 50 * 1.001  # a sleep is late at times, and never early


@pytest.mark.parametrize("bunches", [1, 2, 3])
def test_a_stream_that_was_held_back_has_no_rate(bunches: int) -> None:
    """A proxy that sends the answer in a few bunches hides how fast it was made."""
    words = [delta(content="word ") for _ in range(12 // bunches)]
    parts = [part for _ in range(bunches) for part in (0.06, b"".join(words))]
    made = answer(*parts, delta("stop"), usage(1, 12), DONE)
    assert made.final.measured_rate() is None
    assert made.final.timings.arrival is not None
    assert made.final.timings.arrival.held_back(12)


def test_running_counts_tell_how_many_tokens_came_first() -> None:
    """A server that counts in every event is believed, whatever the length of the text."""
    parts: list[Any] = []
    for count in (6, 8, 10, 12, 14):
        more = {"usage": {"prompt_tokens": 1, "completion_tokens": count}}
        parts += [0.02, event(model="m", choices=[{"index": 0, "delta": {"content": "word "}}], **more)]
    final = answer(*parts, delta("stop"), DONE).final
    rate, span = final.measured_rate(), final.timings.generation_measured
    assert rate is not None
    assert span is not None
    assert rate.value == pytest.approx(8 / span.value)


@pytest.mark.parametrize(
    "counted",
    [{"completion_tokens_details": {"reasoning_tokens": 30}}, {"completion_tokens": 90}],
)
def test_tokens_that_were_not_sent_give_no_rate(counted: dict[str, Any]) -> None:
    """Hidden thoughts are counted, and nobody saw when they were made."""
    made = stream_of(*[1] * 6, usage=counted)
    assert made.final.measured_rate() is None
    assert any("did not send" in note for note in made.final.notes)


def test_a_reported_rate_that_did_not_arrive_is_not_believed() -> None:
    """Reported and measured rates check each other."""
    made = stream_of(*[1] * 10, timings={"prompt_ms": 1.0, "predicted_ms": 10.0})
    assert made.final.timings.generation is None
    assert "900.0" in made.final.timings.distrust
    assert made.final.measured_rate() is not None


def test_an_answer_that_reached_its_limit_has_as_many_tokens_as_it_may() -> None:
    """Without counts, the reason of the end tells the number."""
    made = answer(*[part for _ in range(8) for part in (0.01, delta(content="some words "))], delta("length"), DONE)
    assert made.final.usage.completion_tokens is not None
    assert (made.final.usage.completion_tokens.value, made.final.usage.completion_tokens.origin) == (8, "measured")


def test_missing_counts_are_estimated_and_said_to_be() -> None:
    """Without usage no number pretends to be reported."""
    made = answer(delta(content="x" * 40), delta("stop"), DONE)
    assert made.final.usage.completion_tokens is not None
    assert (made.final.usage.completion_tokens.value, made.final.usage.completion_tokens.origin) == (10, "estimated")
    assert "no token counts" in made.final.notes[0]


def test_tabbyapis_rates_become_durations() -> None:
    """TabbyAPI tells rates and its queue inside usage."""
    made = answer(
        delta(content="x"),
        delta("stop"),
        usage(100, 10, usage={"prompt_tokens_per_sec": 50.0, "gen_tokens_per_sec": 20.0, "queue_time": 0.5}),
        DONE,
    )
    timings = made.final.timings
    assert [
        timings.prompt and timings.prompt.value,
        timings.generation and timings.generation.value,
        timings.queue and timings.queue.value,
    ] == [2.0, 0.5, 0.5]


def test_a_length_stop_is_told_from_an_end() -> None:
    """An answer cut by max_tokens says `length`."""
    assert answer(delta(content="x"), delta("length"), usage(1, 1), DONE).final.finish_reason == "length"


def test_a_server_without_done_is_believed_when_it_gave_a_reason() -> None:
    """`[DONE]` is a courtesy; a finish reason is the end."""
    assert answer(delta(content="x"), delta("stop"), usage(1, 1)).text == "x"


def test_a_stream_that_is_cut_is_an_error() -> None:
    """Neither finish reason nor `[DONE]`: the answer is not complete, even though the connection closed in order."""
    fails(StreamCut, [HEAD, delta(content="half an answ")])


def test_a_connection_that_breaks_midway_is_a_cut_stream() -> None:
    """A chunked body that ends in the middle raises in the transport; it is the same thing."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    part = delta(content="x")
    fails(StreamCut, [head, f"{len(part):x}\r\n".encode() + part + b"\r\nff\r\nda"])


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (
            "400 Bad Request",
            {
                "error": {
                    "type": "exceed_context_size_error",
                    "message": "request (4031 tokens) exceeds",
                    "n_prompt_tokens": 4031,
                    "n_ctx": 2048,
                }
            },
            ContextOverflow,
        ),
        (
            "400 Bad Request",
            {"error": {"message": "This model's maximum context length is 4096 tokens."}},
            ContextOverflow,
        ),
        (
            "503 Service Unavailable",
            {"error": {"message": "Prompt length 5000 is greater than max_seq_len 4096"}},
            ContextOverflow,
        ),
        (
            "503 Service Unavailable",
            {"error": {"message": "Job requires 20 pages (only 16 available) and cannot be enqueued."}},
            ContextOverflow,
        ),
        ("400 Bad Request", {"error": {"message": "temperature must be positive"}}, BadRequest),
        ("401 Unauthorized", {"error": "who are you"}, BadRequest),
        (
            "404 Not Found",
            {"error": {"message": "The model `x` does not exist.", "code": "model_not_found"}},
            ModelMissing,
        ),
        ("404 Not Found", {"detail": "Not Found"}, BadRequest),
        ("302 Found", {}, BadRequest),
        ("422 Unprocessable Entity", {"detail": [{"loc": ["body"]}]}, BadRequest),
        ("429 Too Many Requests", {"error": {"message": "slow down"}}, BackendOverloaded),
        ("503 Service Unavailable", {"error": {"message": "Loading model"}}, BackendLoading),
        ("503 Service Unavailable", {"error": {"message": "The server is busy"}}, BackendOverloaded),
        ("500 Internal Server Error", {"error": {"message": "Failed while loading model"}}, BackendError),
        (
            "500 Internal Server Error",
            {"error": {"message": "CUDA out of memory. Tried to allocate 2 GiB"}},
            BackendOutOfMemory,
        ),
        ("500 Internal Server Error", {"error": {"message": "assertion failed in the server room"}}, BackendError),
        ("502 Bad Gateway", {}, BackendDown),
    ],
)
def test_each_refusal_has_its_class(status: str, body: dict[str, Any], kind: type[BackendError]) -> None:
    """What a caller would do differently is a different error."""
    fails(kind, [http(json.dumps(body), status)])


def test_an_overflow_carries_its_numbers() -> None:
    """The caller can shorten by the right amount; and it is no outage."""
    body = {
        "error": {"type": "exceed_context_size_error", "message": "too long", "n_prompt_tokens": 4031, "n_ctx": 2048}
    }
    error = fails(ContextOverflow, [http(json.dumps(body), "400 Bad Request")])
    assert isinstance(error, ContextOverflow)
    assert (error.prompt_tokens, error.context, error.outage) == (4031, 2048, False)


def test_an_error_inside_the_stream_has_its_class_too() -> None:
    """After a 200 the server may still fail."""
    fails(
        BackendOutOfMemory,
        [HEAD, delta(content="x"), event(error={"message": "CUDA error: out of memory", "code": 500})],
    )


@pytest.mark.parametrize("junk", [b"data: {not json\n\n", b"data: [1]\n\n", b"data: " + b"x" * (5 * 1024 * 1024)])
def test_junk_is_bad_output(junk: bytes) -> None:
    """A stream of another kind ends as an error, within bounds."""
    fails(BadOutput, [HEAD, junk])


def test_nobody_there_is_down() -> None:
    """A refused connection at the first request."""

    async def go() -> None:
        backend = OpenAIBackend("http://127.0.0.1:1")
        try:
            with pytest.raises(BackendDown):
                await complete(backend, ask("hi"))
            assert (await backend.health(1)).state == "down"
        finally:
            await backend.close()

    asyncio.run(go())


@pytest.mark.parametrize(
    ("parts", "deadlines", "phase"),
    [
        ([asyncio.Event], Deadlines(first_token_s=0.2), "first token"),
        ([HEAD, delta(role="assistant"), asyncio.Event], Deadlines(first_token_s=0.2), "first token"),
        ([HEAD, delta(content="x"), asyncio.Event], Deadlines(between_tokens_s=0.2), "between tokens"),
        ([HEAD, *([delta(content="x"), 0.05] * 100)], Deadlines(total_s=0.5), "total"),
    ],
)
def test_each_deadline_ends_the_call_and_the_connection(parts: list[Any], deadlines: Deadlines, phase: str) -> None:
    """First token, between tokens, total: the error names which, and the server sees the hang-up that frees its slot."""

    async def use(backend: OpenAIBackend, server: Raw) -> None:
        with pytest.raises(BackendTimeout) as caught:
            await complete(backend, ask("hi"), deadlines=deadlines)
        assert caught.value.phase == phase
        await wait_until_async(lambda: server.open_connections == 0)

    asyncio.run(with_server(use, [part() if part is asyncio.Event else part for part in parts]))


def test_a_cancelled_call_hangs_up_at_once() -> None:
    """Setting the event ends the wait that is under way and frees the slot."""

    async def use(backend: OpenAIBackend, server: Raw) -> None:
        cancel = asyncio.Event()
        call = asyncio.create_task(complete(backend, ask("hi"), cancel=cancel))
        await wait_until_async(lambda: len(server.requests) == 3)
        cancel.set()
        with pytest.raises(Cancelled):
            await call
        await wait_until_async(lambda: server.open_connections == 0)

    asyncio.run(with_server(use, [HEAD, delta(content="x"), asyncio.Event()]))


def test_every_sampler_value_is_sent_to_a_known_server() -> None:
    """Defaults of servers differ; llama.cpp gets all of them, the schema, and no prompt cache when that is asked."""

    async def use(backend: OpenAIBackend, server: Raw) -> dict[str, Any]:
        request = ask(
            "hi",
            json_schema={"type": "object"},
            reuse_prompt=False,
            ignore_eos=True,
            stop=("END",),
            sampling=Sampling(seed=7),
        )
        await complete(backend, request)
        body: dict[str, Any] = json.loads(server.requests[-1].split(b"\r\n\r\n", 1)[1])
        return body

    body = asyncio.run(with_server(use, [HEAD, delta("stop"), DONE]))
    expected = {"temperature": 0.0, "top_k": 1, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0, "seed": 7, "cache_prompt": False, "ignore_eos": True, "stop": ["END"], "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 8}  # fmt: skip
    assert {key: body[key] for key in expected} == expected
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_an_unknown_server_gets_only_what_the_standard_has() -> None:
    """A strict server refuses fields it does not know."""

    async def go() -> dict[str, Any]:
        async with raw_server([PLAIN], [HEAD, delta("stop"), DONE]) as server:
            backend = OpenAIBackend(server.url)
            try:
                await backend.ensure_loaded(LoadSpec(""))
                await complete(backend, ask("hi"))
                body: dict[str, Any] = json.loads(server.requests[-1].split(b"\r\n\r\n", 1)[1])
                return body
            finally:
                await backend.close()

    assert set(asyncio.run(go())) == {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "temperature",
        "top_p",
        "seed",
    }


def test_what_is_loaded_is_reported_and_a_shorter_context_noted() -> None:
    """The server decides; the report says where it differs from what was asked."""

    async def go() -> None:
        async with raw_server([LISTING], [http('{"build_info": "b1"}')]) as server:
            backend = OpenAIBackend(server.url)
            try:
                assert isinstance(backend, Backend)
                report = await backend.ensure_loaded(LoadSpec("m", context=8192))
                assert (report.context, report.quantization, report.engine_version) == (
                    2048,
                    "Q4_K_M",
                    "llama.cpp server b1",
                )
                assert "2048" in report.notes[0]
            finally:
                await backend.close()

    asyncio.run(go())


def test_a_model_it_does_not_serve_is_missing() -> None:
    """The error names what it has."""

    async def go() -> None:
        async with raw_server([PLAIN]) as server:
            backend = OpenAIBackend(server.url)
            try:
                with pytest.raises(ModelMissing, match="it has: m"):
                    await backend.ensure_loaded(LoadSpec("absent"))
            finally:
                await backend.close()

    asyncio.run(go())
