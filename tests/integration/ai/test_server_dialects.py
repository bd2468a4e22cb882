"""The same answer in the dress of every server: its words, thoughts, counts and reason of the end are read all the same; so are errors, wherever they stand."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from ai.discovery.http import ProbeFailed
from tests.doubles.ai_kit import listed, talk

WORDS = ["Ships ", "wait\n", "in a ", "harbour: ä 🙂"]
COUNTS = {"prompt_tokens": 9, "completion_tokens": 12}
USAGES = ["own event", "last event", "each event", "in the choice", "x_groq", "other names", "none"]
REASONING = ["reasoning_content", "reasoning", "reasoning_text", "thinking", "object", "parts", "details", "none"]
SHAPES = ["delta", "text", "message whole", "message next", "parts"]
ENDS = {"stop": "stop", "eos_token": "stop", "COMPLETE": "stop", "end_turn": "stop", "length": "length", "model_length": "length", "MAX_TOKENS": "length"}  # fmt: skip


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
    assert found.chats is chats
