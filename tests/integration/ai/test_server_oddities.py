"""What few servers do: compressed parts, errors under other names, counts that cannot be, answers that do not stop, listings in other places."""

import asyncio
import gzip
import json
import time
import zlib
from dataclasses import replace
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.backends.openai.backend import OpenAIBackend
from ai.backends.openai.http_errors import retry_after
from ai.core.errors import (
    BackendDown,
    BackendError,
    BadOutput,
)
from ai.core.protocol import Completion, complete
from ai.core.types import Engine, LoadSpec
from ai.discovery.discover import DiscoveryConfig, discover
from ai.discovery.http import new_client
from ai.discovery.openai import ask_openai
from tests.doubles.ai_kit import LISTING, ask, http, listed, raw_server, talk
from tests.waiting import patient

COUNTS = {"prompt_tokens": 9, "completion_tokens": 12}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


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
    return talk([*parts, late_s, *tail, b"data: [DONE]\n\n"], max_tokens=limit)


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
    final = talk([STREAM, chunk("Say something of the harbour of Oslo.\n"), *(p for _ in range(9) for p in (0.02, chunk("many words "))), chunk(None, "length"), counts(18)], max_tokens=18).final  # fmt: skip
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
    made = talk(endless, max_tokens=16)
    assert made.final.finish_reason == "length"
    assert made.final.measured_rate() is None
    assert any("beyond the 16 tokens" in note for note in made.final.notes)


def test_a_server_that_ignores_the_limit_and_ends_soon_is_read_to_its_counts() -> None:
    """They tell whether it read the whole prompt."""
    made = talk([STREAM, chunk("many words " * 50, "stop"), counts(120), b"data: [DONE]\n\n"], max_tokens=1)
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


NONE = [http('{"detail": "Not Found"}', "404 Not Found")]
"""Of a server without such a route."""
PAGE = [http("<!doctype html><title>Web UI</title>")]
"""Of one that shows a page at every address."""
NO_QUESTION = [http('{"error": {"message": "messages: at least one is needed"}}', "400 Bad Request")]
NO_SUCH = [http('{"error": {"message": "The model \'\' does not exist"}}', "404 Not Found")]


@pytest.mark.parametrize(
    ("path", "routes", "api", "model"),
    [
        ("/v1beta/openai", {"/v1beta/openai/models": [LISTING]}, "", "m"), ("/v3", {"/v3/models": [LISTING]}, "", "m"), ("/api/v1", {"/api/v1/models": [LISTING]}, "/v1", "m"),
        ("/v2/site", {"/v2/site/v1/models": [LISTING], "/v2/site/v1/chat/completions": NO_QUESTION}, "/v1", "m"),
        ("/api", {"/api/models": [LISTING], "/api/chat/completions": NO_QUESTION, "/api/v1/models": PAGE}, "", "m"),
        ("/v1", {"/v1/chat/completions": NO_QUESTION}, "/v1", "typed"), ("", {"/v1/chat/completions": NO_SUCH}, "/v1", "typed"),
        ("/chat/completions", {"/chat/completions": NO_QUESTION}, "", "typed"), ("/api", {"/api/models": [LISTING]}, None, ""), ("", {}, None, ""),
    ],
)  # fmt: skip
def test_the_routes_of_a_server_are_found_where_it_has_them(path: str, routes: dict[str, list[Any]], api: str | None, model: str) -> None:  # fmt: skip
    """Behind `/v1`, behind another version, or at once; one that lists no models is asked for the one that the settings name. Its back end asks there, too."""

    async def go() -> tuple[Engine, bytes]:
        async with raw_server(NONE, routes=routes) as server:
            where = DiscoveryConfig(ollama_url="", openai_urls=(f"{server.url}{path}",), timeout_s=patient(5))
            unnamed = next(e for e in await discover(where) if e.name == "openai")
            named = replace(where, models={f"{server.url}{path}": "typed"})
            engine = next(e for e in await discover(named) if e.name == "openai")
            if model == "typed":
                assert (unnamed.state, "ai.models" in unnamed.remedy) == ("idle", True)
            if engine.state != "ready":
                return engine, b""
            server.routes = routes | {
                f"{urlsplit(engine.address).path.removesuffix('/v1')}{api}/chat/completions": [STREAM, *YES]
            }
            backend = OpenAIBackend(engine.address)
            try:
                await backend.ensure_loaded(LoadSpec(engine.models[0].name))
                assert (await complete(backend, ask("hi"))).text == "yes"
            finally:
                await backend.close()
            return engine, server.requests[-1]

    engine, asked = asyncio.run(go())
    if api is None:
        assert (engine.state, engine.models) == ("error", [])
        return
    assert (engine.api, [m.name for m in engine.models]) == (api, [model])
    assert f'"model":"{model}"'.encode() in asked


def test_lm_studio_named_with_its_version_says_what_is_loaded() -> None:
    """Its own route is not behind `/v1`, which its window shows as its address."""
    listing = http('{"data": [{"id": "m", "owned_by": "organization_owner"}]}')
    own = http('{"data": [{"id": "m", "state": "not-loaded"}]}')

    async def go() -> Engine:
        async with raw_server(NONE, routes={"/v1/models": [listing], "/api/v0/models": [own]}) as server:
            config = DiscoveryConfig(ollama_url="", openai_urls=(f"{server.url}/v1",), timeout_s=patient(5))
            return next(e for e in await discover(config) if e.name == "openai")

    engine = asyncio.run(go())
    assert (engine.label, [m.loaded for m in engine.models]) == ("LM Studio", [False])


def test_a_server_that_nobody_named_is_only_asked_for_its_models() -> None:
    """One question, to which it need not answer."""

    async def go() -> tuple[list[Engine], list[bytes]]:
        async with raw_server(NONE, routes={"/chat/completions": NO_QUESTION}) as server:
            config = DiscoveryConfig(ollama_url="", search_servers=lambda: (server.url,), timeout_s=patient(5))
            return [e for e in await discover(config) if e.name == "openai"], server.requests

    engines, requests = asyncio.run(go())
    assert not engines
    assert [head.split(b" HTTP")[0] for head in requests] == [b"GET /v1/models"]


@pytest.mark.parametrize(
    "thoughts", [["<think>hm", "</think>\n"], ["hm", " well </think>"], ["<th", "ink>hm</think> "]]
)
def test_an_answer_begins_behind_the_thoughts_in_it(thoughts: list[str]) -> None:
    """Also where their begin mark stood in the prompt."""
    made = talk([STREAM, *(p for text in [*thoughts, "yes", "!"] for p in (chunk(text), 0.02)), chunk(None, "stop")])
    assert made.thought
    assert made.answered_ns == made.arrivals[len(thoughts)][0]
