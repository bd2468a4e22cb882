"""What servers send in place of an answer, or around one: calls of tools, filters, refusals, wrappers, templates without a system message."""

import asyncio
import json
from typing import Any

import pytest

from ai.analysis.analyzer import check_answer
from ai.analysis.ask import Reply
from ai.backends.ollama.backend import OllamaBackend
from ai.backends.openai.backend import OpenAIBackend
from ai.benchmark.samples.guards import Expected, judge_answer
from ai.core.errors import BackendOverloaded, ContextOverflow, Filtered
from ai.core.protocol import Completion, complete
from ai.core.types import GenRequest, LoadSpec, Message
from ai.discovery.address import normal_url
from tests.doubles.ai_kit import LISTING, ask, http, listed, raw_server, talk

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
DONE = b"data: [DONE]\n\n"
JSON = "Content-Type: application/json\r\n"
LISTS = {"/v1/models": [LISTING], "/api/tags": [http("{}", "404 X")]}
USAGE = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}


def event(value: Any) -> bytes:
    """One event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(finish: str | None = None, **said: Any) -> dict[str, Any]:
    """One chunk of an answer."""
    return {"model": "m", "choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


def call(index: int, name: str | None, arguments: Any) -> dict[str, Any]:
    """A piece of a call of a tool."""
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"index": index, "function": function}


CALLS = [
    [event(delta(tool_calls=[call(0, "weather", "")])), event(delta(tool_calls=[call(0, None, '{"city": ')])), event(delta(tool_calls=[call(0, None, '"Ulm"}')])), event(delta("tool_calls"))],
    [event(delta("tool_calls", tool_calls=[call(0, "weather", {"city": "Ulm"})]))],
    [event(delta(function_call={"name": "weather", "arguments": '{"city": '})), event(delta(function_call={"arguments": '"Ulm"}'})), event(delta("function_call"))],
    [event({"choices": [{"message": {"content": None, "tool_calls": [call(0, "weather", '{"city": "Ulm"}')]}, "finish_reason": "tool_calls"}]})],
]  # fmt: skip


@pytest.mark.parametrize("stream", CALLS)
def test_a_call_of_a_tool_is_named_with_what_it_is_given(stream: list[bytes]) -> None:
    """In pieces or whole, in the form of today or the one before: a person reads it, an analysis says it, and a benchmark does not count it."""
    done = talk([HEAD, *stream, DONE])
    assert (done.text, done.final.instead) == ("", 'It calls a tool: weather({"city": "Ulm"}).')
    assert check_answer(Reply("", "openai", "one", done.final, ())) == (None, done.final.instead)
    flags = judge_answer(done, Expected(None, 40, exact_tokens=False))
    assert "no answer" in flags
    assert "unexpected stop" not in flags


def test_two_calls_are_both_named_and_a_long_one_is_cut() -> None:
    """In their order; what they are given may be a whole file."""
    pair = [call(0, "a", '{"x": 1}'), call(1, "b", "")]
    assert (
        talk([HEAD, event(delta("tool_calls", tool_calls=pair)), DONE]).final.instead
        == 'It calls a tool: a({"x": 1}), b().'
    )
    long = talk([HEAD, event(delta("tool_calls", tool_calls=[call(0, "write", "x" * 5000)])), DONE]).final.instead
    assert long.endswith("….")
    assert len(long) < 450


@pytest.mark.parametrize("reason", ["content_filter", "SAFETY", "PROHIBITED_CONTENT", "sensitive"])
def test_an_answer_that_a_filter_cut_says_so(reason: str) -> None:
    """Whatever the server calls it; also where nothing was let through."""
    cut = talk([HEAD, event(delta(content="The ")), event(delta(reason)), DONE])
    assert (cut.text, cut.final.instead) == ("The ", f"A content filter of the server cut the answer ({reason}).")
    none = talk([HEAD, event(delta(reason)), DONE])
    assert none.final.instead == f"A content filter of the server let no answer through ({reason})."


def test_a_refusal_is_read_and_named() -> None:
    """Its words are shown; they are no answer."""
    done = talk([HEAD, event(delta(refusal="I cannot ")), event(delta(refusal="help.")), event(delta("stop")), DONE])
    assert (done.text, done.final.instead) == ("I cannot help.", "The model refuses to answer.")


@pytest.mark.parametrize(
    "answer",
    [
        [http(json.dumps({"error": {"message": "The prompt triggered the content management policy.", "code": "content_filter"}}), "400 X", JSON)],
        [HEAD, event(delta(content="The ")), event({"error": {"message": "Stream ended by content filter", "code": "content_filter"}})],
        [http(json.dumps({"error": {"message": "This request was flagged by our safety system.", "type": "image_generation_user_error"}}), "400 X", JSON)],
    ],
)  # fmt: skip
def test_a_filter_is_a_refusal_of_its_own(answer: list[Any]) -> None:
    """It is neither wrong in form nor an outage: nothing is asked again in another form, and the hint says what helps."""
    with pytest.raises(Filtered) as caught:
        talk(answer)
    assert "content filter" in caught.value.hint
    assert not caught.value.outage


@pytest.mark.parametrize(
    "answer",
    [
        [http(json.dumps({"result": {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}, "success": True, "errors": []}), headers=JSON)],
        [http(b"[" + b",\n".join(json.dumps(one).encode() for one in (delta(content="ye"), delta(content="s"), delta("stop"))) + b"]", headers=JSON)],
        [HEAD, event({"data": delta(content="yes")}), event({"data": delta("stop")}), DONE],
    ],
)  # fmt: skip
def test_an_answer_in_a_wrapper_is_read(answer: list[Any]) -> None:
    """Some gateways put each message, or the whole answer, into an object or a list."""
    assert talk(answer).text == "yes"


REFUSALS = [
    ("400 X", {"object": "error", "message": "System role not supported"}),
    ("400 X", {"error": {"message": "Conversation roles must alternate user/assistant/user/assistant/..."}}),
    ("500 X", {"error": 'Error rendering prompt with jinja template: "System role not supported".'}),
    ("422 X", {"detail": "After the optional system message, conversation roles must alternate user/assistant"}),
    ("400 X", {"error": {"message": "Developer instruction is not enabled: this model does not support the system role"}}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "said"), REFUSALS)
def test_a_model_whose_template_has_no_system_message_is_asked_without(status: str, said: dict[str, Any]) -> None:
    """What it says goes before the question, the server is told so from then on, and the answer notes it."""

    async def go() -> tuple[Completion, list[Any]]:
        good = [HEAD, event(delta(content="yes")), event(delta("stop")), DONE]
        async with raw_server([http(json.dumps(said), status, JSON)], good, routes=LISTS) as server:
            backend = OpenAIBackend(server.url)
            try:
                await backend.ensure_loaded(LoadSpec(""))
                request = GenRequest((Message("system", "Be brief."), Message("user", "Hello?")), max_tokens=8)
                done = await complete(backend, request)
                await complete(backend, request)
                asked = [
                    json.loads(one.partition(b"\r\n\r\n")[2])
                    for one in server.requests
                    if b"/chat/" in one.partition(b"\r\n")[0]
                ]
                return done, [body["messages"] for body in asked]
            finally:
                await backend.close()

    done, asked = asyncio.run(go())
    assert done.text == "yes"
    assert any("no system message" in note for note in done.final.notes)
    assert asked[0][0]["role"] == "system"
    assert asked[1:] == [[{"role": "user", "content": "Be brief.\n\nHello?"}]] * 2


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        ({"error": {"message": "Exhausted.", "details": [{"retryDelay": "41s"}]}}, 41.0),
        ({"error": {"message": "Slow down.", "retry_after": 7}}, 7.0),
        ({"detail": "Slow down.", "retry_after_ms": "2500"}, 2.5),
        ({"error": {"message": "Slow down.", "retry_after": True}}, None),
    ],
)
def test_a_wait_is_found_in_the_body_of_an_error(error: dict[str, Any], seconds: float | None) -> None:
    """Some servers have no header for it."""
    with pytest.raises(BackendOverloaded) as caught:
        talk([http(json.dumps(error), "429 X", JSON)])
    assert caught.value.retry_after_s == seconds


def test_a_text_that_is_too_long_is_told_in_few_words() -> None:
    """Without a verb, too."""
    with pytest.raises(ContextOverflow):
        talk([http(json.dumps({"error": {"message": "Input too long: 5000 tokens, limit is 4096"}}), "400 X", JSON)])


def test_times_in_another_unit_are_not_believed() -> None:
    """Nanoseconds as milliseconds would be a day and a half of an answer that took a second."""
    told = {"timings": {"prompt_ms": 50_000_000, "predicted_ms": 120_000_000}, "usage": USAGE, "choices": []}
    final = talk([HEAD, event(delta(content="The answer is 42.")), event(delta("stop")), event(told), DONE]).final
    assert final.timings.generation is None
    assert "took" in final.timings.distrust


def test_tokens_of_the_prompt_that_were_cached_are_found_under_both_names() -> None:
    """DeepSeek's servers count hits beside misses."""
    counts = USAGE | {"prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 1}
    cached = talk(
        [HEAD, event(delta(content="yes")), event(delta("stop") | {"usage": counts}), DONE]
    ).final.usage.cached_tokens
    assert cached is not None
    assert cached.value == 8


@pytest.mark.parametrize(
    "listing",
    [
        {"body": [{"id": "m", "task": "chat"}]},
        {"ok": True, "response": {"data": [{"id": "m"}]}},
        {"registry": [{"id": "m", "object": "model"}]},
    ],
)
def test_a_listing_in_a_wrapper_of_any_name_is_read(listing: Any) -> None:
    """As long as there is only one thing in it that can be a list of models."""
    assert [model.name for model in listed(listing).models] == ["m"]


def test_what_a_listing_was_asked_for_is_not_sent_with_questions() -> None:
    """Its pages mean nothing to other routes; a version of the API does."""
    assert normal_url("http://h:1/v1/models?limit=5&api-version=2&after=x") == "http://h:1/v1?api-version=2"
    assert normal_url("http://h:1/v1/chat/completions?limit=5") == "http://h:1/v1?limit=5"


def test_ollama_is_sent_the_name_and_password_of_its_address() -> None:
    """With every request, those of its own client among them; and what it answers with instead of words is named."""
    line = {
        "model": "m",
        "done": True,
        "done_reason": "stop",
        "message": {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Ulm"}}}],
        },
    }
    body = http(json.dumps(line) + "\n", headers="Content-Type: application/x-ndjson\r\n")
    routes = {
        "/api/show": [http("{}", headers=JSON)],
        "/api/ps": [http('{"models": [{"model": "m", "name": "m", "size": 1, "digest": "d"}]}', headers=JSON)],
    }

    async def go() -> tuple[Completion, list[bytes]]:
        async with raw_server([body], routes=routes) as server:
            backend = OllamaBackend(server.url.replace("http://", "http://me:s%3Acret@"))
            try:
                await backend.ensure_loaded(LoadSpec("m"))
                return await complete(backend, ask("hi")), server.requests
            finally:
                await backend.close()

    done, requests = asyncio.run(go())
    assert done.final.instead == 'It calls a tool: weather({"city": "Ulm"}).'
    assert requests
    assert all(b"authorization: basic bwu6czpjcmv0" in one.lower() for one in requests)
