"""What servers of OpenAI's API do beside the documentation: streams in other frames, ends that stay open, refusals, retries."""

import asyncio
import gzip
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.backends.openai.backend import OpenAIBackend
from ai.backends.openai.http_errors import retry_after
from ai.backends.openai.request import Form, complaint
from ai.core.errors import (
    BackendError,
    BackendOverloaded,
    BadOutput,
    BadRequest,
    ContextOverflow,
    StreamCut,
)
from ai.core.protocol import Completion, complete
from ai.core.types import LoadSpec
from tests.doubles.ai_kit import Raw, ask, http, raw_server

LISTING = http(json.dumps({"object": "list", "data": [{"id": "m", "owned_by": "someone"}]}))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
DONE = b"data: [DONE]\n\n"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def event(value: Any, prefix: bytes = b"data: ") -> bytes:
    """One event."""
    return prefix + json.dumps(value).encode() + b"\n\n"


def delta(content: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk of an answer."""
    said = {} if content is None else {"content": content}
    return {"model": "m", "choices": [{"index": 0, "delta": said, "finish_reason": finish, **more}]}


def talk(*answers: list[Any], use: Callable[[OpenAIBackend, Raw], Any] | None = None, **more: Any) -> Any:
    """What `use` makes of a server with these answers; the completion of one question where nothing is given."""

    async def one(backend: OpenAIBackend, _: Raw) -> Completion:
        return await complete(backend, ask("hi", **more))

    async def go() -> Any:
        async with raw_server([LISTING], *answers) as server:
            backend = OpenAIBackend(server.url)
            try:
                await backend.ensure_loaded(LoadSpec(""))
                return await (use or one)(backend, server)
            finally:
                await backend.close()

    return asyncio.run(go())


def fails(kind: type[BackendError], *answer: Any) -> BackendError:
    """The error that an answer leads to."""
    with pytest.raises(kind) as caught:
        talk(list(answer))
    assert type(caught.value) is kind
    return caught.value


WHOLE = {"model": "m", "choices": [{"message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "answer",
    [
        [http(json.dumps(WHOLE), headers="Content-Type: application/json\r\n")],
        [http(json.dumps(WHOLE, indent=2), headers="Content-Type: application/json\r\n")],
        [
            http(
                json.dumps({"choices": [{"message": {"content": "yes"}}]}), headers="Content-Type: application/json\r\n"
            )
        ],
        [HEAD, event(delta([{"type": "text", "text": "y"}, {"type": "text", "text": "es"}], "stop")), DONE],
        [HEAD, json.dumps(delta("yes")).encode() + b"\n" + json.dumps(delta(None, "stop")).encode() + b"\n"],
        [HEAD, event(delta("yes")), event(delta(None, "stop")).rstrip()],
        [HEAD, event(delta("yes")), b"data: [DONE]"],
        [HEAD, b"event: ping\ndata: {}\n\ndata: ping\n\ndata: null\n\n: hi\n\n", event(delta("yes", "stop")), DONE],
        [HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"), gzip.compress(event(delta("yes", "stop")))],
        [HEAD, event({"choices": [{"index": 0, "text": "yes", "finish_reason": "stop"}]}), DONE],
        [
            HEAD,
            b'data: {"choices": [\r\ndata: {"index": "0", "delta": {"content": "yes"}}]}\r\n\r\n',
            event(delta(None, "stop")),
        ],
        [
            HEAD,
            b'data: {"choices": [{"index": 0, "logprobs": [NaN], "delta": {"content": "yes"}}]}\n\n',
            event(delta(None, "eos")),
        ],
        [HEAD, event(delta("ye", "null")), event(delta("s", "")), event(delta(None, "stop")), DONE],
        [HEAD, event({"choices": [{"index": 0, "delta": {"refusal": "yes"}}]}), event(delta(None, "stop")), DONE],
        [HEAD, event(delta("yes")), event({"choices": [{"index": 0, "delta": None, "finish_reason": "end_turn"}]})],
        [HEAD, b"\0\0\xef\xbb\xbf" + event(delta("ye")) + b"\0" + event(delta("s", "stop")), DONE],
        [HEAD, (event(delta("ye")) + event(delta("s", "stop")) + DONE).replace(b"\n\n", b"\n")],
        [HEAD, event(json.dumps(delta("yes", "stop"))), DONE],
        [HEAD, event(delta([{"type": "text", "text": {"value": "yes", "annotations": []}}], "stop")), DONE],
        [HEAD, event(delta([{"type": "thinking", "text": "no"}, {"type": "text", "text": "yes"}], "stop")), DONE],
    ],
)
def test_an_answer_is_read_however_it_is_framed(answer: list[Any]) -> None:
    """JSON in place of a stream, parts, lines without a frame, no last empty line, keep-alives, gzip, the older form."""
    made = talk(answer)
    assert (made.text, made.final.finish_reason) in {("yes", "stop"), ("yes", "other")}


def test_a_character_that_was_cut_in_two_is_whole_again() -> None:
    """JSON writes it as two halves; each came in a chunk of its own. What the server says is text that can be stored."""
    halves = [
        rb'data: {"choices":[{"index":0,"delta":{"content":"a\ud83d"}}]}',
        rb'data: {"choices":[{"index":0,"delta":{"content":"\ude00\ud800b"}}]}',
    ]
    made = talk([HEAD, *(half + b"\n\n" for half in halves), event(delta(None, "stop")), DONE])
    assert made.text == "a\U0001f600\ufffdb"


@pytest.mark.parametrize(
    "name", ["reasoning_content", "reasoning", "thinking", "thinking_content", "thoughts", "model_thought"]
)
def test_reasoning_is_found_under_each_of_its_names(name: str) -> None:
    """Once, where a server sends it under two."""
    both = {name: "hm", "reasoning_content": "hm", "role": "assistant", "content": None}
    made = talk([HEAD, event({"choices": [{"index": 0, "delta": both}]}), event(delta("yes", "stop")), DONE])
    assert (made.reasoning, made.text) == ("hm", "yes")


def test_a_server_that_counts_nothing_is_not_believed() -> None:
    """It writes 0 for the tokens of a text that is there: they are estimated."""
    usage = event({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}})
    made = talk([HEAD, event(delta("yes indeed")), event(delta(None, "stop")), usage, DONE])
    tokens = made.final.usage.completion_tokens
    assert (tokens.origin, tokens.value > 0, made.final.usage.prompt_tokens.origin) == ("estimated", True, "estimated")


def test_reasoning_in_parts_is_no_content() -> None:
    """Some servers put thoughts and text into one list."""
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}]
    made = talk([HEAD, event(delta(parts, "stop")), DONE])
    assert (made.reasoning, made.text) == ("hm", "yes")


@pytest.mark.parametrize(
    ("end", "waits_s"),
    [
        ([DONE], 0.0),
        ([DONE, 0.3, b": ping\n\n", 0.3, b": ping\n\n"], 0.0),
        ([], 1.5),
        ([*[b": ping\n\n", 0.2] * 1000], 1.5),
        ([event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})], 0.0),
    ],
)
def test_a_complete_answer_does_not_wait_for_the_connection(end: list[Any], waits_s: float) -> None:
    """The connection never ends; the answer does, and the waiting for its counts is no part of its time."""
    begun = time.perf_counter()
    made = talk([HEAD, event(delta("yes")), event(delta(None, "stop")), *end, asyncio.Event()])
    assert made.text == "yes"
    assert made.final.timings.total is not None
    assert time.perf_counter() - begun - made.final.timings.total.value >= waits_s


OVERFLOW = {"code": 400, "message": "the request exceeds the available context size", "type": "invalid_request_error"}


@pytest.mark.parametrize(
    ("answer", "kind", "word"),
    [
        ([HEAD, event(OVERFLOW, b"error: "), DONE], ContextOverflow, "context"),
        ([http(json.dumps({"error": OVERFLOW}))], ContextOverflow, "context"),
        ([HEAD, json.dumps({"error": {"message": "the slot is gone"}}).encode()], BackendError, "slot"),
        ([HEAD, event(delta("x")), b"event: error\ndata: the slot is gone\n\n"], BackendError, "slot"),
        ([HEAD, event({"object": "error", "message": "no slot", "code": 500})], BackendError, "no slot"),
        ([HEAD, event(delta(None, "error", error={"message": "no slot"}))], BackendError, "no slot"),
        ([HEAD, DONE], BadOutput, "without an answer"),
        ([http("<html><title>Sign in</title></html>", headers="Content-Type: text/html\r\n")], BadOutput, "Sign in"),
        ([HEAD, event(delta("half")), b'data: {"choices": [{"del'], StreamCut, "finish reason"),
    ],
)
def test_an_error_in_place_of_an_answer_is_an_error(answer: list[Any], kind: type[BackendError], word: str) -> None:
    """With status 200, in a field of its own, as an event, without a frame: never an empty success."""
    assert word in fails(kind, *answer).message


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "word"),
    [
        ("413 Too Large", "", "<html><body><h1>413 Request Too Large</h1></body></html>", ContextOverflow, "too large"),
        ("500 Error", "", "<html>" + "y" * 90_000, BackendError, "a web page"),
        ("307 Moved", "Location: https://models.example.net/v1/chat?key=1\r\n", "{}", BadRequest, "models.example.net"),
        ("422 No", "", '{"detail": [{"loc": ["body", "n"], "msg": "too many"}]}', BadRequest, "n: too many"),
    ],
)
def test_no_page_is_shown_to_a_person(
    status: str, headers: str, body: str, kind: type[BackendError], word: str
) -> None:
    """What a proxy says is told in words, and where it leads without what may be secret."""
    error = fails(kind, http(body, status, headers))
    assert word in error.message
    assert not any(bad in error.message for bad in ("<", "yyyy", "key=1"))


def body_of(server: Raw) -> dict[str, Any]:
    """The body of the newest request."""
    found: dict[str, Any] = json.loads(server.requests[-1].split(b"\r\n\r\n", 1)[1])
    return found


Strict = Callable[[dict[str, Any]], str | None]


def unknown(*known: str) -> Strict:
    """Refuses what it does not know, by name."""

    def judge(body: dict[str, Any]) -> str | None:
        bad = [key for key in body if key not in {"model", "messages", "stream", *known}]
        listed = [{"type": "extra_forbidden", "loc": ["body", key], "msg": "Extra", "input": body} for key in bad]
        return json.dumps({"detail": listed}) if bad else None

    return judge


def wordless(*known: str) -> Strict:
    """Refuses what it does not know, without saying what."""
    named = unknown(*known)
    return lambda body: '{"error": {"message": "Bad Request"}}' if named(body) else None


def only_objects(body: dict[str, Any]) -> str | None:
    """Knows JSON, but no schema."""
    kind = body.get("response_format", {}).get("type")
    return '{"error": {"message": "This response_format type is unavailable"}}' if kind == "json_schema" else None


def new_limit(body: dict[str, Any]) -> str | None:
    """Has another name for the most tokens of an answer."""
    said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    return json.dumps({"error": {"message": said, "param": "max_tokens"}}) if "max_tokens" in body else None


ALL = ("stream_options", "max_tokens", "temperature", "top_p", "seed", "response_format")


@pytest.mark.parametrize(
    ("strict", "sent"),
    [
        (unknown("max_tokens", "temperature", "top_p"), {"max_tokens", "temperature", "top_p"}),
        (unknown("max_tokens"), {"max_tokens"}),
        (wordless("max_tokens", "temperature", "response_format"), {"max_tokens", "temperature", "response_format"}),
        (wordless("max_tokens", "temperature"), {"max_tokens", "temperature"}),
        (only_objects, set(ALL)),
        (new_limit, {*ALL, "max_completion_tokens"} - {"max_tokens"}),
    ],
)
def test_what_a_server_refuses_is_left_out_and_remembered(strict: Strict, sent: set[str]) -> None:
    """The answer comes, and the next question is asked in that form at once."""

    async def two(backend: OpenAIBackend, server: Raw) -> tuple[int, set[str]]:
        made = await complete(backend, ask("hi", json_schema=SCHEMA))
        assert made.text == "yes"
        before = len(server.requests)
        assert (await complete(backend, ask("ho", json_schema=SCHEMA))).text == "yes"
        return len(server.requests) - before, set(body_of(server)) - {"model", "messages", "stream"}

    class Judge(list[Any]):
        """An answer that depends on what was asked."""

        def __iter__(self) -> Any:
            refused = strict(body_of(self[0]))
            return iter([http(refused, "422 No") if refused else HEAD + event(delta("yes", "stop")) + DONE])

    judged = Judge()

    async def use(backend: OpenAIBackend, server: Raw) -> Any:
        judged.append(server)
        return await two(backend, server)

    assert talk(judged, use=use) == (1, sent)


def test_a_request_that_is_wrong_in_every_form_says_why() -> None:
    """The first reason is told, and it is not asked for ever."""

    async def use(backend: OpenAIBackend, server: Raw) -> tuple[str, int]:
        with pytest.raises(BadRequest) as caught:
            await complete(backend, ask("hi", json_schema=SCHEMA))
        return caught.value.message, len(server.requests)

    message, asked = talk([http('{"error": "bad words"}', "400 Bad")], use=use)
    assert "bad words" in message
    assert asked <= 8


@pytest.mark.parametrize("said", ["max_tokens is too large: 9000", "this model allows at most 4096 max_tokens"])
def test_a_limit_that_is_too_large_is_not_renamed(said: str) -> None:
    """Another name would not help."""
    body = {"model": "m", "messages": [], "max_tokens": 9000}
    form = Form().after_refusal(body, 500, json.dumps({"error": {"message": said}}))
    assert form is None or form.limit == "max_tokens"


@given(st.text(max_size=300))
def test_any_words_can_be_a_refusal(said: str) -> None:
    """Whatever a server says, another form is smaller or none."""
    body = {"model": "m", "messages": [], "stream": True, "max_tokens": 1, "seed": 1, "response_format": {}}
    form: Form | None = Form()
    for _ in range(8):
        assert form is not None
        form = form.after_refusal(body, 400, said)
        if form is None:
            break
        assert {"model", "messages"} <= form.fitted(body).keys()
    else:
        pytest.fail("it goes on for ever")
    assert isinstance(complaint(said), str)


def test_retry_after_is_read_in_both_forms() -> None:
    """Seconds, milliseconds, or a date against the server's own clock; nonsense is none."""
    now = time.time()
    assert retry_after({"retry-after": "120"}) == 120
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    date = formatdate(now + 300, usegmt=True)
    assert retry_after({"retry-after": date}) == pytest.approx(300, abs=2)
    assert retry_after({"retry-after": date, "date": formatdate(now + 200, usegmt=True)}) == pytest.approx(100, abs=2)
    for said in ("", "soon", "-3", "nan", "inf", "Mon, 99 Nov"):
        assert retry_after({"retry-after": said}) is None


def test_a_busy_server_says_when_to_come_back() -> None:
    """The error carries it."""
    error = fails(BackendOverloaded, http('{"error": "rate limit"}', "429 Too Many", "Retry-After: 77\r\n"))
    assert error.retry_after_s == 77
