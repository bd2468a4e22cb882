"""The same answer in the dress of every server: its words, thoughts, counts and reason of the end are read all the same; so are errors, wherever they stand."""

import asyncio
import gzip
import json
import time
import zlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.backends.openai.backend import OpenAIBackend
from ai.backends.openai.http_errors import retry_after
from ai.core.errors import (
    BackendDown,
    BackendError,
    BackendOutOfMemory,
    BackendOverloaded,
    BadOutput,
    BadRequest,
    ContextOverflow,
    ModelMissing,
    StreamCut,
)
from ai.core.protocol import Completion, complete
from ai.core.types import Engine, LoadSpec
from ai.discovery.discover import DiscoveryConfig, discover
from ai.discovery.http import ProbeFailed, new_client
from ai.discovery.openai import ask_openai
from ai.service.context.candidates import can_chat
from tests.doubles.ai_kit import ask, http, raw_server
from tests.waiting import patient

LISTING = http(json.dumps({"object": "list", "data": [{"id": "m", "owned_by": "someone"}]}))
WORDS = ["Ships ", "wait\n", "in a ", "harbour: ä 🙂"]
COUNTS = {"prompt_tokens": 9, "completion_tokens": 12}
USAGES = ["own event", "last event", "each event", "in the choice", "x_groq", "other names", "none"]
REASONING = ["reasoning_content", "reasoning", "reasoning_text", "thinking", "object", "parts", "details", "none"]
SHAPES = ["delta", "text", "message whole", "message next", "parts"]
ENDS = {"stop": "stop", "eos_token": "stop", "COMPLETE": "stop", "end_turn": "stop", "length": "length", "model_length": "length", "MAX_TOKENS": "length"}  # fmt: skip


def talk(answer: list[Any]) -> Completion:
    """What comes of one question to a server that answers so."""

    async def go() -> Completion:
        async with raw_server([LISTING], answer) as server:
            backend = OpenAIBackend(server.url)
            try:
                await backend.ensure_loaded(LoadSpec(""))
                return await complete(backend, ask("hi", max_tokens=40))
            finally:
                await backend.close()

    return asyncio.run(go())


def thought(dress: str) -> list[dict[str, Any]]:
    """The choice in which a server thinks."""
    part = {
        "object": {"thinking": {"content": "hm"}}, "parts": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        "details": {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
    }.get(dress, {dress: "hm"})  # fmt: skip
    return [] if dress == "none" else [{"index": 0, "delta": {"content": None} | part, "finish_reason": None}]


def said(shape: str, at: int) -> dict[str, Any]:
    """The choice with the words at a place."""
    whole = "".join(WORDS[: at + 1])
    return {
        "delta": {"delta": {"content": WORDS[at]}}, "text": {"text": WORDS[at]}, "message whole": {"message": {"content": whole}},
        "message next": {"message": {"content": WORDS[at]}}, "parts": {"delta": {"content": [{"type": "text", "text": WORDS[at]}]}},
    }[shape] | {"index": 0, "finish_reason": None}  # fmt: skip


def pieces(shape: str, thinks: str, usage: str, end: str) -> list[dict[str, Any]]:
    """The events of an answer."""
    choices = [*thought(thinks), *(said(shape, at) for at in range(len(WORDS)))]
    choices[-1]["finish_reason"] = end
    events: list[dict[str, Any]] = [{"id": "c", "model": "m", "choices": [choice]} for choice in choices]
    last = events[-1]
    match usage:
        case "own event":
            events.append({"choices": [], "usage": COUNTS})
        case "last event":
            last["usage"] = COUNTS
        case "each event":
            for at, event in enumerate(events, 1):
                event["usage"] = COUNTS | {"completion_tokens": 12 * at // len(events)}
        case "in the choice":
            choices[-1]["usage"] = COUNTS
        case "x_groq":
            last["x_groq"] = {"usage": COUNTS}
        case "other names":
            last["usage"] = {"input_tokens": 9, "output_tokens": 12}
    return events


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from(SHAPES), thinks=st.sampled_from(REASONING), usage=st.sampled_from(USAGES), end=st.sampled_from(sorted(ENDS)),
    frame=st.sampled_from([b"data: ", b"data:", b"data: data: "]), line=st.sampled_from([b"\n", b"\r\n", b"\r"]), status=st.sampled_from([200, 201, 206]),
    bom=st.booleans(), raw_line_ends=st.booleans(), cuts=st.lists(st.integers(1, 2000), max_size=4), more=st.booleans(),
)  # fmt: skip
def test_an_answer_is_the_same_in_every_dress(
    *, shape: str, thinks: str, usage: str, end: str, frame: bytes, line: bytes, status: int, bom: bool, raw_line_ends: bool, cuts: list[int], more: bool
) -> None:  # fmt: skip
    """Whatever the fields, the frames, the ends of lines, the status, and wherever the network cuts it."""
    events = [json.dumps(event) for event in pieces(shape, thinks, usage, end)]
    if raw_line_ends:  # some write a tab as it is, which JSON does not allow
        events = [event.replace("wait\\n", "wait\t") for event in events]
    body = b"".join(frame + event.encode() + 2 * line for event in [*events, "[DONE]"])
    body = (b"\xef\xbb\xbf" if bom else b"") + body + (frame + events[0].encode() + 2 * line if more else b"")
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: text/event-stream\r\n\r\n".encode()
    places = sorted({cut % len(body) for cut in cuts} | {0, len(body)})
    done = talk([head, *(body[a:b] for a, b in pairwise(places))])
    assert done.text == "".join(WORDS).replace("\n", "\t" if raw_line_ends else "\n")
    assert done.final.finish_reason == ENDS[end]
    assert done.thought == (thinks != "none")
    assert done.final.usage.prompt_tokens is not None
    assert done.final.usage.completion_tokens is not None
    if usage != "none":
        assert (done.final.usage.prompt_tokens.value, done.final.usage.completion_tokens.value) == (9, 12)
        assert done.final.usage.completion_tokens.origin == "reported"


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
ERRORS: list[tuple[int, Any, type[BackendError], str]] = [
    (200, {"errors": ["quota exhausted"], "success": False}, BackendOverloaded, "quota exhausted"),
    (200, {"success": False, "errors": [{"code": 7000, "message": "No route for that URI"}]}, BackendError, "No route for that URI"),
    (200, {"message": "Invalid authentication credentials"}, BadRequest, "asks for a key"), (200, {"detail": "Model is overloaded"}, BackendOverloaded, "busy"),
    (200, {"error": {"code": "402", "message": "no credit"}}, BackendOverloaded, "no credit"), (200, {"error": {"code": "429", "message": "slow"}}, BackendOverloaded, "slow"),
    (200, [{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}], BackendOverloaded, "overloaded"),
    (200, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, BackendOverloaded, "Overloaded"),
    (429, {"error": {"message": "You exceeded your current quota, please check your plan."}}, BackendOverloaded, "refuses"),
    (403, {"error": {"message": "Country, region, or territory not supported"}}, BadRequest, "refused the request"),
    (403, {"error": {"message": "This key is not allowed"}}, BadRequest, "asks for a key"), (401, "", BadRequest, "asks for a key (no reason given)."),
    (403, "<html><head><title>Just a moment...</title></head></html>", BadRequest, "refused the request (HTTP 403): a web page"),
    (520, "error code: 520", BackendDown, "gateway"), (526, "<html><title>526</title></html>", BackendDown, "gateway"), (530, "error code: 1033", BackendDown, "gateway"),
    (400, {"error": {"message": "/chat/completions: Invalid model name passed in model=m."}}, ModelMissing, "Invalid model name"),
    (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}, ModelMissing, "deployment"),
    (400, {"detail": "No models are currently loaded."}, ModelMissing, "currently loaded"), (503, {"detail": {"msg": "Server is busy."}}, BackendOverloaded, ": Server is busy."),
    (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3000"}, ContextOverflow, "2048"),
    (400, {"error": "The model is loaded with context length of only 4096 tokens, which is not enough."}, ContextOverflow, "4096"),
    (400, {"error": {"message": "The input token count (5000) exceeds the maximum number of tokens allowed (4096)."}}, ContextOverflow, "5000"),
    (429, {"error": {"message": "Requests with too many tokens: the prompt is too long for your limit"}}, BackendOverloaded, "busy"),
    (400, {"error": "The model has crashed without additional information. (Exit code: null)"}, BackendError, "failed: The model has crashed"),
    (424, {"error": "Request failed during generation: CUDA out of memory."}, BackendOutOfMemory, "out of memory"),
    (202, {"id": "x", "status": "queued"}, BackendError, "HTTP 202"), (204, "", BackendError, "HTTP 204"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind", "word"), ERRORS)
def test_an_error_is_of_its_kind_and_in_its_words(status: int, body: Any, kind: type[BackendError], word: str) -> None:
    """Under whatever status and in whatever form a server puts it."""
    text = body if isinstance(body, str) else json.dumps(body)
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n".encode()
    with pytest.raises(kind) as caught:
        talk([head + text.encode()])
    assert type(caught.value) is kind
    assert word in caught.value.message


@pytest.mark.parametrize("body", [body for status, body, *_ in ERRORS if status == 200])
@pytest.mark.parametrize("begun", [False, True])
def test_an_error_in_a_stream_is_the_same_error(body: Any, *, begun: bool) -> None:
    """Before the first word, and in the middle."""
    kind = next(kind for _, told, kind, _ in ERRORS if told is body)
    words = b'data: {"choices": [{"index": 0, "delta": {"content": "he"}}]}\n\n' if begun else b""
    with pytest.raises(kind) as caught:
        talk([STREAM + words + b"data: " + json.dumps(body).encode() + b"\n\n"])
    assert type(caught.value) is kind


@pytest.mark.parametrize("reason", ["abort", "cancelled", "timeout", "insufficient_system_resource"])
def test_an_answer_that_its_server_broke_off_is_none(reason: str) -> None:
    """The reason of the end says so."""
    event = {"choices": [{"index": 0, "delta": {"content": "he"}, "finish_reason": reason}]}
    with pytest.raises(StreamCut, match=reason):
        talk([STREAM + b"data: " + json.dumps(event).encode() + b"\n\ndata: [DONE]\n\n"])


@pytest.mark.parametrize("coding", ["zstd", "br", "compress", "gzip, zstd"])
def test_a_form_that_cannot_be_unpacked_is_named(coding: str) -> None:
    """And its bytes are shown to nobody."""
    with pytest.raises(BadOutput, match="was not asked for") as caught:
        talk([b"HTTP/1.1 200 OK\r\nContent-Encoding: " + coding.encode() + b"\r\n\r\n(\xb5/\xfd\x04\x00data: {}\n\n"])
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Rate limit reached. Please try again in 6m0s.", 360), ("Please try again in 1.5s", 1.5), ("try again in 20ms", 0.02), ("Retry after 2 minutes", 120),
        ("Please wait 1h2m3s before asking again", 3723), ("Try again later.", None), ("Limit 30 requests", None),
    ],
)  # fmt: skip
def test_words_that_say_when_to_come_back(said: str, seconds: float | None) -> None:
    """Where no header does."""
    text = json.dumps({"error": {"message": said}})
    with pytest.raises(BackendOverloaded) as caught:
        talk([f"HTTP/1.1 429 X\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()])
    assert caught.value.retry_after_s == (None if seconds is None else pytest.approx(seconds))


# --- listings


def listed(listing: Any) -> Engine:
    """What discovery says of a server with this list of models."""

    async def go() -> Engine:
        async with raw_server([http(json.dumps(listing))]) as server, new_client(server.url, 5.0) as client:
            return await ask_openai(client)

    return asyncio.run(go())


@pytest.mark.parametrize(
    "listing",
    [
        {"data": [{"id": "m"}, {"id": "n"}]}, [{"id": "m"}, {"id": "n"}], ["m", "n"], {"data": ["m", "n"]}, {"models": [{"name": "m"}, {"model": "n"}]},
        {"data": {"m": {"context_length": 10}, "n": None}}, {"data": [{"id": None}, {"id": "m"}, {"id": "n"}, {"id": "m"}]},
        {"data": None, "models": [{"id": "m"}, {"id": "n"}]},
    ],
)  # fmt: skip
def test_a_listing_is_read_in_every_form(listing: Any) -> None:
    """Each model once, by its name."""
    assert [model.name for model in listed(listing).models] == ["m", "n"]


@pytest.mark.parametrize("listing", [{}, [], [1, 2], {"data": None}, {"data": "m"}, {"version": "1"}, "m", None])
def test_what_is_no_listing_is_no_server(listing: Any) -> None:
    """Any other program may answer there."""
    with pytest.raises(ProbeFailed):
        listed(listing)


def test_an_error_in_place_of_a_listing_is_told() -> None:
    """In its words."""
    with pytest.raises(ProbeFailed) as caught:
        listed({"error": {"message": "Incorrect API key."}})
    assert caught.value.message == "it answers with an error: Incorrect API key"


@pytest.mark.parametrize(
    "name", ["max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens", "loaded_context_length"],
)  # fmt: skip
def test_the_context_is_found_under_each_of_its_names(name: str) -> None:
    """As each server writes it."""
    assert listed({"data": [{"id": "m", name: 2048}]}).models[0].context == 2048


@pytest.mark.parametrize(
    ("model", "chats"),
    [
        ({"id": "m", "type": "llm"}, True), ({"id": "m", "type": "embedding"}, False), ({"id": "m", "type": "rerank"}, False), ({"id": "whisper-large-v3"}, False),
        ({"id": "text-embedding-3"}, False), ({"id": "bge-m3"}, False), ({"id": "tts-1"}, False), ({"id": "qwen3"}, True), ({"id": "gpt-oss"}, True),
    ],
)  # fmt: skip
def test_models_that_answer_no_question_are_told_from_others(model: dict[str, str], *, chats: bool) -> None:
    """By what the server says, else by the name."""
    (found,) = listed({"data": [model]}).models
    assert can_chat(found.model_dump()) is chats


# --- what other servers do


def told(answer: list[Any], **more: Any) -> Completion:
    """What comes of one question with these wishes."""

    async def go() -> Completion:
        async with raw_server([LISTING], answer) as server:
            backend = OpenAIBackend(server.url)
            try:
                await backend.ensure_loaded(LoadSpec(""))
                return await complete(backend, ask("hi", **more))
            finally:
                await backend.close()

    return asyncio.run(go())


def chunk(text: str | None, finish: str | None = None, **more: Any) -> bytes:
    """One event of an answer."""
    said = {} if text is None else {"content": text}
    return (
        b"data: "
        + json.dumps({"choices": [{"index": 0, "delta": said, "finish_reason": finish}]} | more).encode()
        + b"\n\n"
    )


YES: list[bytes] = [chunk("ye"), chunk("s"), chunk(None, "stop"), b"data: [DONE]\n\n"]


def compressed(form: str) -> bytes:
    """The answer in a form that nobody asked for."""
    match form:
        case "gzip, one part":
            return gzip.compress(b"".join(YES))
        case "gzip, a part for each event":
            return b"".join(map(gzip.compress, YES))
        case "gzip without its end":
            packer = zlib.compressobj(wbits=31)
            return b"".join(packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) for part in YES)
        case "deflate":
            return zlib.compress(b"".join(YES))
        case _:
            packer = zlib.compressobj(wbits=-15)
            return packer.compress(b"".join(YES)) + packer.flush()


@settings(max_examples=40, deadline=None)
@given(
    form=st.sampled_from(["gzip, one part", "gzip, a part for each event", "gzip without its end", "deflate", "deflate without frame"]),
    cuts=st.lists(st.integers(0, 400), max_size=5),
)  # fmt: skip
def test_a_compressed_answer_is_read_wherever_it_is_cut(form: str, cuts: list[int]) -> None:
    """In one part or in many, with zlib's frame or without."""
    body = compressed(form)
    places = sorted({cut % len(body) for cut in cuts} | {0, len(body)})
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {form.replace(',', ' ').split()[0]}\r\n\r\n".encode()
    assert talk([head, *(body[a:b] for a, b in pairwise(places))]).text == "yes"


@pytest.mark.parametrize(
    "answer",
    [
        [STREAM, *(b"\xef\xbb\xbf" + part for part in YES)],
        [STREAM, *(b"\x1e" + json.dumps({"choices": [{"delta": {"content": t}, "finish_reason": f}]}).encode() + b"\n" for t, f in (("yes", None), ("", "stop")))],
        [STREAM, *YES[:3], b"event: close\ndata: bye\n\n"], [STREAM, *YES[:3], b"data: END\n\n"],
        [STREAM, b'data: {"choices": {"index": 0, "delta": {"content": "yes"}, "finish_reason": "stop"}}\n\n'],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", json.dumps({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}).encode()],
        [STREAM, *(part for text in ("y", "e", "s") for part in (chunk(text, "stop", usage=COUNTS), 0.4)), b"data: [DONE]\n\n"],
    ],
)  # fmt: skip
def test_an_answer_is_whole_in_dresses_of_few(answer: list[Any]) -> None:
    """A mark before each event, JSON text sequences, a last word of the server's own, one choice without a list, a length that lies, a reason of the end in every chunk."""
    assert talk(answer).text == "yes"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"error_message": "worker died"}, "worker died"), ({"error_code": 50001, "error_msg": "worker died"}, "worker died"), ({"exception": "worker died"}, "worker died"),
        ({"code": "500", "msg": "worker died"}, "worker died"), ({"fault": {"faultstring": "worker died"}}, "worker died"), ({"error": {"error": {"message": "worker died"}}}, "worker died"),
        ({"error": {"message": "\x1b[31mworker\x07 died\x1b[0m"}}, "worker died"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["status", "whole", "first", "middle"])
def test_an_error_is_told_under_each_of_its_names(body: dict[str, Any], word: str, place: str) -> None:
    """As the body of a status, in place of an answer, as its first event, in its middle; without colours of terminals."""
    text = json.dumps(body).encode()
    frame = b"data: " + text + b"\n\n"
    answers: dict[str, list[Any]] = {
        "status": [http(text, "500 No")], "whole": [http(text)], "first": [STREAM, frame], "middle": [STREAM, YES[0], frame],
    }  # fmt: skip
    with pytest.raises(BackendError) as caught:
        talk(answers[place])
    assert word in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("headers", ["", "Content-Encoding: br\r\n"])
def test_bytes_that_are_no_text_are_shown_to_nobody(headers: str) -> None:
    """The status is told in their place."""
    with pytest.raises(BackendError, match=r"failed \(HTTP 500\): no reason given"):
        talk([http(bytes(range(128, 256)) * 3 + b"abc", "500 No", headers)])


def test_events_of_another_api_are_no_answer_that_was_cut() -> None:
    """To try again would not help."""
    events = [b'event: content_block_delta\ndata: {"type": "content_block_delta", "delta": {"text": "yes"}}\n\n'] * 3
    with pytest.raises(BadOutput, match="events of another API"):
        talk([STREAM, *events])


@pytest.mark.parametrize(
    "first", [b"ICY 200 OK\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x46"]
)
def test_what_does_not_speak_http_is_told_in_words(first: bytes) -> None:
    """And not in those of a parser."""
    with pytest.raises(BackendDown) as caught:
        talk([first])
    assert "HTTP" in caught.value.message or "https" in caught.value.hint
    assert "bytearray" not in caught.value.message


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30s", 30), ("1m30s", 90), ("2 minutes", 120), ("2099-01-01T00:00:00Z", 86_400), ("in 4000 s", 4000), ("Sun, 06 Nov 1994 08:49:37 GMT", None), ("1.5", 1.5)],
)  # fmt: skip
def test_retry_after_is_read_as_servers_write_it(value: str, seconds: float | None) -> None:
    """With a unit, as a moment since 1970, as an ISO date; bounded to a day; what is over is none."""
    value = f"{time.time() + 4000:.0f}" if value == "in 4000 s" else value
    found = retry_after({"retry-after": value})
    assert found == (None if seconds is None else pytest.approx(seconds, abs=120))


# --- counts and speeds


def paced(*tail: bytes, tokens: int = 24, first: str = "", late_s: float = 0.0, limit: int = 24) -> Completion:
    """An answer of words at 20 ms each, something before the first and a pause before the end."""
    parts: list[Any] = [STREAM, *([chunk(first)] if first else [])]
    for at in range(tokens):
        parts += [0.02, chunk(f"word{at % 10} ")]
    return told([*parts, late_s, *tail, b"data: [DONE]\n\n"], max_tokens=limit)


def counts(completion: Any, **more: Any) -> bytes:
    """The event with the counts."""
    return (
        b"data: "
        + json.dumps({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": completion} | more}).encode()
        + b"\n\n"
    )


@pytest.mark.parametrize(
    ("completion", "more"), [(48, {}), (33, {"total_tokens": 33}), (24, {"total_tokens": 20}), (12, {})]
)
def test_counts_that_contradict_each_other_give_no_speed(completion: int, more: dict[str, int]) -> None:
    """More than the limit that was reached, prompt and answer in one, a sum that is less than its parts, fewer than there are pieces at the limit."""
    final = paced(chunk(None, "length"), counts(completion, **more)).final
    assert final.measured_rate() is None
    assert any("is not known" in note for note in final.notes)


def test_a_question_that_is_repeated_gives_no_speed() -> None:
    """It comes at once, and is counted by some."""
    final = told([STREAM, chunk("Say something of the harbour of Oslo.\n"), *(p for _ in range(9) for p in (0.02, chunk("many words "))), chunk(None, "length"), counts(18)], max_tokens=18).final  # fmt: skip
    assert final.measured_rate() is not None
    asked = "Say something of the harbour of Oslo."

    async def go() -> Completion:
        async with raw_server(
            [LISTING], [STREAM, chunk(asked), chunk(" Well"), chunk(None, "stop"), counts(2)]
        ) as server:
            backend = OpenAIBackend(server.url)
            try:
                await backend.ensure_loaded(LoadSpec(""))
                return await complete(backend, ask(asked, max_tokens=9))
            finally:
                await backend.close()

    assert any("repeats the question" in note for note in asyncio.run(go()).final.notes)


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_a_late_end_is_no_part_of_the_generation(reason: str) -> None:
    """The last word came long before the reason of the end did."""
    final = paced(chunk(None, reason), counts(24), late_s=1.5).final
    span, rate = final.timings.generation_measured, final.measured_rate()
    assert span is not None
    assert rate is not None
    assert final.timings.total is not None
    assert final.timings.total.value - span.value >= 1.4


def test_a_server_that_does_not_stop_is_stopped() -> None:
    """It ignores the limit, and would go on for ever."""
    endless: list[Any] = [STREAM, *[chunk("many words and no end " * 10)] * 60, asyncio.Event()]
    made = told(endless, max_tokens=16)
    assert made.final.finish_reason == "length"
    assert made.final.measured_rate() is None
    assert any("beyond the 16 tokens" in note for note in made.final.notes)


def test_a_server_that_ignores_the_limit_and_ends_soon_is_read_to_its_counts() -> None:
    """They tell whether it read the whole prompt."""
    made = told([STREAM, chunk("many words " * 50, "stop"), counts(120), b"data: [DONE]\n\n"], max_tokens=1)
    assert made.final.usage.prompt_tokens is not None
    assert (made.final.usage.prompt_tokens.value, made.final.usage.prompt_tokens.origin) == (9, "reported")


def test_another_model_than_the_one_that_was_asked_is_named() -> None:
    """Not where the name is only written in another way."""
    for model, named in (("tiny-1b", True), ("m:latest", False), ("/models/M.gguf", False), ("org/m", False)):
        made = talk([STREAM, chunk("yes", "stop", model=model), b"data: [DONE]\n\n"])
        assert any("another model" in note for note in made.final.notes) is named, model


def test_a_refusal_as_an_event_is_a_refusal() -> None:
    """With status 200: what it names is left out, and the answer comes."""

    class Judge(list[Any]):
        """An answer that depends on what was asked."""

        def __iter__(self) -> Any:
            seed = b'"seed"' in self[0].requests[-1]
            refusal = b'data: {"error": {"message": "Unrecognized request argument supplied: seed"}}\n\n'
            return iter([STREAM, refusal] if seed else [STREAM, *YES])

    async def go() -> tuple[str, int]:
        judge = Judge()
        async with raw_server([LISTING], judge) as server:
            judge.append(server)
            backend = OpenAIBackend(server.url)
            try:
                await backend.ensure_loaded(LoadSpec(""))
                text = (await complete(backend, ask("hi"))).text
                before = len(server.requests)
                await complete(backend, ask("ho"))
                return text, len(server.requests) - before
            finally:
                await backend.close()

    assert asyncio.run(go()) == ("yes", 1)


@pytest.mark.parametrize(
    "listing",
    [
        {"data": {"models": [{"id": "m"}, {"id": "n"}]}}, {"result": [{"name": "m"}, {"name": "n"}], "success": True}, {"result": {"data": [{"id": "m"}, {"id": "n"}]}},
        {"items": [{"id": "m"}, {"id": "n"}]}, {"model_list": ["m", "n"]}, {"data": [{"model_name": "m"}, {"modelId": "n"}]},
    ],
)  # fmt: skip
def test_a_listing_is_found_where_few_put_it(listing: Any) -> None:
    """In another object, under another name."""
    assert [model.name for model in listed(listing).models] == ["m", "n"]


def test_a_listing_in_pages_is_read_to_its_end() -> None:
    """And no further than it brings new names."""
    pages = [{"data": [{"id": "m"}], "has_more": True, "last_id": "m"}, {"data": [{"id": "n"}], "has_more": True}, {"data": [{"id": "n"}], "has_more": True}]  # fmt: skip

    async def go() -> tuple[list[str], bytes]:
        answers: list[list[Any]] = [[http(json.dumps(page))] for page in pages]
        async with raw_server(*answers) as server, new_client(server.url, 5.0) as client:
            found = await ask_openai(client)
            return [model.name for model in found.models], server.requests[1].split(b"\r\n")[0]

    names, second = asyncio.run(go())
    assert names == ["m", "n"]
    assert b"after=m" in second


def test_a_model_is_asked_for_by_the_name_it_is_listed_by() -> None:
    """A path is shortened only for llama.cpp's server, which takes any name."""
    assert listed({"data": [{"id": "/models/x/a.gguf"}]}).models[0].name == "/models/x/a.gguf"
    assert listed({"data": [{"id": "/models/x/a.gguf", "owned_by": "llamacpp"}]}).models[0].name == "a.gguf"


@pytest.mark.parametrize(
    ("answer", "words", "remedy"),
    [
        (http("<html><title>Sign in</title></html>"), "a web page, “Sign in”", "address"), (http("\x1b", headers="Content-Encoding: br\r\n"), "compressed as br", "address"),
        (http("", "302 Found", "Location: https://other.example.net/v1\r\n"), "redirects to https://other.example.net/v1", "set its address"),
        (http("<html><title>502 Bad Gateway</title></html>", "502 Bad"), "502 Bad Gateway", "the server behind it"), (http("{}", "429 Slow"), "HTTP 429", "again by itself"),
        (http('{"error": {"message": "Loading model"}}'), "Loading model", "Wait until its model"),
    ],
)  # fmt: skip
def test_a_server_that_cannot_be_used_says_why_and_what_to_do(answer: bytes, words: str, remedy: str) -> None:
    """On its card."""

    async def go() -> Engine:
        async with raw_server([answer]) as server:
            found = await discover(DiscoveryConfig(ollama_url="", openai_urls=(server.url,), timeout_s=patient(5)))
            return next(engine for engine in found if engine.name == "openai")

    engine = asyncio.run(go())
    assert words in engine.detail
    assert remedy in engine.remedy


@pytest.mark.parametrize(
    "thoughts", [["<think>hm", "</think>\n"], ["hm", " well </think>"], ["<th", "ink>hm</think> "]]
)
def test_an_answer_begins_behind_the_thoughts_in_it(thoughts: list[str]) -> None:
    """Also where their begin mark stood in the prompt."""
    made = talk([STREAM, *(p for text in [*thoughts, "yes", "!"] for p in (chunk(text), 0.02)), chunk(None, "stop")])
    assert made.thought
    assert made.answered_ns == made.arrivals[len(thoughts)][0]
