"""Engines with manners of their own behind the gateway: what is no answer goes to the next engine, what is one is understood, and the last one is named with what it did."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import httpx
import ollama
import pytest

from ai.gateway.link.messages import CallRow, Engine, Model, State
from tests.doubles.ai_kit import Raw, http, raw_server
from tests.doubles.gateway_kit import KEY, engine, running
from tests.doubles.stub_engine import Stub, serve
from tests.waiting import patient, wait_until

CHAT: Final = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "x"}]}
OPENAI, OLLAMA = "/v1/chat/completions", "/api/chat"
STREAM: Final = "Content-Type: text/event-stream\r\n"


def event(value: Any) -> bytes:
    """One event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(text: str | None, finish: str | None = None) -> bytes:
    """One chunk."""
    return event(
        {"choices": [{"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}]}
    )


SAID: Final = delta("ye") + delta("s") + delta(None, "stop") + b"data: [DONE]\n\n"


class Heard:
    """What the program got, and what the gateway says of it."""

    def __init__(self, answer: httpx.Response, row: CallRow, state: State, servers: Sequence[Raw]) -> None:
        self.answer, self.row, self.state, self.servers = answer, row, state, servers

    @property
    def text(self) -> str:
        """The words of the answer, whichever API it is of."""
        found = ""
        for line in self.answer.text.splitlines():
            told = line.removeprefix("data: ").strip()
            if not told.startswith("{"):
                continue
            value = json.loads(told)
            said = value.get("message") or value["choices"][0].get("delta") or value["choices"][0].get("message") or {}
            found += said.get("content") or ""
        return found

    @property
    def words(self) -> str:
        """Those of an error."""
        told = self.answer.json()
        error = told.get("error", told)
        return str(error.get("message", error) if isinstance(error, dict) else error)


def asked(*engines: list[Any], path: str = OPENAI, body: dict[str, Any] = CHAT, accept: str = "identity") -> Heard:
    """One question to a gateway over engines that answer so, the first choice first."""

    async def go() -> Heard:
        async with AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(raw_server(answer)) for answer in engines]
            table = [engine(f"e{at}", server.url) for at, server in enumerate(servers)]
            gateway = stack.enter_context(running(*table))
            headers = {"Authorization": f"Bearer {KEY}", "Accept-Encoding": accept}
            client = httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=patient(30))
            async with client, client.stream("POST", path, json=body) as answer:
                raw = b"".join([part async for part in answer.aiter_raw()])
                said = httpx.Response(answer.status_code, headers=answer.headers, content=raw)
            (row,) = await asyncio.to_thread(gateway.rows)
            state = await asyncio.to_thread(gateway.state)
            return Heard(said, row, state, servers)

    return asyncio.run(go())


def test_the_first_token_is_timed_not_what_comes_before_it() -> None:
    """Many engines send the role before they read the prompt; the program has it at once."""
    role = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
    row = asked([http(role, headers=STREAM), 0.1, SAID]).row
    assert row.ttft_s is not None
    assert row.ttft_s >= 0.1


def test_an_engine_is_asked_where_it_has_its_routes() -> None:
    """At once behind its address, where its listing was found there; what is asked by Ollama's API is, too."""

    async def go() -> list[bytes]:
        async with raw_server([http(SAID, headers=STREAM)]) as server:
            entry = Engine("e", "openai", "e", f"{server.url}/v1beta/openai", "", model="m", models=(Model("m"),))
            headers = {"Authorization": f"Bearer {KEY}"}
            with running(entry) as gateway:
                async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=patient(30)) as client:
                    for path in (OPENAI, OLLAMA):
                        await client.post(path, json=CHAT)
            return [request.split(b" HTTP")[0] for request in server.requests]

    assert asyncio.run(go()) == [b"POST /v1beta/openai/chat/completions"] * 2


PAGE: Final = "<!DOCTYPE html><html><head><title>Sign in</title></head><body></body></html>"
NO_ANSWERS: Final[dict[str, tuple[bytes, str]]] = {
    "a form that nobody asked for": (http(b"\x1b\x03)\x00\xa4", headers=STREAM + "Content-Encoding: br\r\n"), "compressed as br, which was not asked for"),
    "two of them": (http(b"\x1b", headers=STREAM + "Content-Encoding: gzip, zstd\r\n"), "compressed as gzip, zstd"),
    "not compressed, though it says so": (http(SAID, headers=STREAM + "Content-Encoding: gzip\r\n"), "not compressed as it says"),
    "a page": (http(PAGE, headers="Content-Type: text/html\r\n"), "a web page, “Sign in”"),
    "nothing": (http("", headers=STREAM), "empty"),
    "taken, and no more": (http('{"status": "queued"}', "202 Accepted"), "HTTP 202"),
    "no content": (b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", "HTTP 204"),
    "elsewhere": (http("", "302 Found", "Location: http://models.example.net:81/x?key=1\r\n"), "redirects to http://models.example.net:81/x, which"),
    "an error as the first event": (http(event({"error": {"message": "the worker died"}}), headers=STREAM), "the worker died"),
    "an error as the answer": (http('{\n "error": {"message": "the worker died"}\n}'), "the worker died"),
    "an error that is a page": (http("<html><title>Out of order</title></html>", "500 No"), "Out of order"),
    "no such route": (http('{"detail": "Method Not Allowed"}', "405 No"), "Method Not Allowed"),
    "no credit": (http('{"error": {"message": "Insufficient credits"}}', "402 Pay"), "Insufficient credits"),
    "too long for this one": (http('{"error": {"message": "the request exceeds the available context size"}}', "400 No"), "context size"),
}  # fmt: skip


@pytest.mark.parametrize("path", [OPENAI, OLLAMA])
@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_is_no_answer_goes_to_the_next_engine(name: str, path: str) -> None:
    """Nothing of it reaches the program, whichever API it speaks."""
    heard = asked([NO_ANSWERS[name][0]], [http(SAID, headers=STREAM)], path=path)
    assert (heard.answer.status_code, heard.text, heard.row.backend, heard.row.attempts) == (200, "yes", "e1", 2)


@pytest.mark.parametrize("path", [OPENAI, OLLAMA])
@pytest.mark.parametrize("name", NO_ANSWERS)
def test_the_last_engine_is_named_with_what_it_did(name: str, path: str) -> None:
    """In words, without markup or bytes that are no text."""
    answer, words = NO_ANSWERS[name]
    heard = asked([answer], path=path)
    assert heard.answer.status_code >= 400
    assert words in heard.words or words in heard.row.message
    assert not any(strange in heard.words for strange in ("<", "\x1b", "\x03", "key=1"))


def packed(coding: str) -> bytes:
    """The answer in this form."""
    match coding:
        case "gzip" | "x-gzip":
            return gzip.compress(SAID)
        case "gzip, a part for each event":
            return b"".join(gzip.compress(part + b"\n\n") for part in SAID.split(b"\n\n") if part)
        case "deflate":
            return zlib.compress(SAID)
        case _:
            bare = zlib.compressobj(wbits=-15)
            return bare.compress(SAID) + bare.flush()


@pytest.mark.parametrize("path", [OPENAI, OLLAMA])
@pytest.mark.parametrize(
    "coding", ["gzip", "x-gzip", "gzip, a part for each event", "deflate", "deflate without frame"]
)
def test_an_answer_that_is_compressed_unasked_is_read(coding: str, path: str) -> None:
    """Wherever the network cuts it: translated, or for a program that reads no such thing."""
    name = coding.replace(",", " ").split()[0]
    head = f"HTTP/1.1 200 OK\r\n{STREAM}Content-Encoding: {name}\r\nConnection: close\r\n\r\n".encode()
    body = packed(coding)
    parts: list[Any] = [head]
    for at in (0, 1, 3, 20):
        parts += [body[at : {0: 1, 1: 3, 3: 20, 20: len(body)}[at]], 0.02]
    heard = asked(parts, path=path)
    assert (heard.answer.status_code, heard.text) == (200, "yes")
    assert "content-encoding" not in heard.answer.headers


def test_a_program_that_reads_the_form_gets_it_as_it_was_sent() -> None:
    """Byte by byte; its tokens are counted all the same."""
    body = gzip.compress(SAID)
    heard = asked([http(body, headers=STREAM + "Content-Encoding: gzip\r\n")], accept="br;q=0, gzip, deflate")
    assert heard.answer.headers["content-encoding"] == "gzip"
    assert (heard.text, heard.row.completion_tokens) == ("yes", 2)


def test_an_error_with_status_200_reaches_the_program_with_its_own() -> None:
    """A client that knows only statuses would take it for an empty answer."""
    told = {"error": {"message": "seed must be a number", "code": 400}}
    for answer in (event(told), json.dumps(told)):
        heard = asked([http(answer, headers=STREAM)], [http(SAID, headers=STREAM)])
        assert (heard.answer.status_code, heard.words, heard.row.attempts) == (400, "seed must be a number", 1)


@pytest.mark.parametrize(
    "told", [{"detail": "worker died"}, {"errors": [{"message": "worker died"}]}, {"code": "500", "msg": "worker died"}, {"error": True, "message": "worker died"}]
)  # fmt: skip
@pytest.mark.parametrize("begun", [False, True])
def test_an_error_among_the_events_is_told_to_ollamas_programs(told: dict[str, Any], *, begun: bool) -> None:
    """In each of its forms: never an empty answer that is said to be done."""
    heard = asked(
        [http((delta("ye") if begun else b"") + event(told) + b"data: [DONE]\n\n", headers=STREAM)], path=OLLAMA
    )
    assert "worker died" in heard.answer.text
    assert (heard.answer.status_code == 200) is begun
    assert "error" in json.loads(heard.answer.text.splitlines()[1 if begun else 0])


@pytest.mark.parametrize("body", [b"data: [DONE]\n\n", event({"choices": []}) + b"data: [DONE]\n\n", event({"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]})])  # fmt: skip
def test_a_stream_that_says_nothing_is_no_answer(body: bytes) -> None:
    """It goes to the next engine where it is translated."""
    assert asked([http(body, headers=STREAM)], [http(SAID, headers=STREAM)], path=OLLAMA).text == "yes"


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_a_stream_in_place_of_a_whole_answer_is_joined(path: str) -> None:
    """Some servers stream whatever they are asked for."""
    body = {"model": "auto", "stream": False, "messages": CHAT["messages"], "prompt": "x"}
    told = asked([http(SAID, headers=STREAM)], path=path, body=body).answer.json()
    assert (told.get("response") or told["message"]["content"], told["done"], told["done_reason"]) == (
        "yes",
        True,
        "stop",
    )


def test_an_error_without_an_end_is_not_waited_for() -> None:
    """Its body goes on for ever; the next engine answers."""
    endless = [b"HTTP/1.1 500 No\r\nContent-Length: 9000\r\n\r\n{", asyncio.Event()]
    assert asked(endless, [http(SAID, headers=STREAM)]).text == "yes"


def test_what_an_engine_lacks_is_not_held_against_it() -> None:
    """A server without embeddings still chats."""
    body = {"model": "stub", "input": "x"}
    heard = asked([http('{"error": "not supported"}', "501 No")], path="/v1/embeddings", body=body)
    assert (heard.answer.status_code, heard.state.resting) == (501, {})


def test_a_model_is_loaded_and_let_go_without_a_question() -> None:
    """As Ollama's programs ask for it; an engine that loads its model itself is not bothered."""
    with serve() as stub, running(engine("one", stub.url)) as gateway:
        client = ollama.Client(gateway.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=patient(30))
        with client:
            assert client.generate("auto").done_reason == "load"
            assert client.chat("auto", [], keep_alive=0).done_reason == "unload"
            assert [part.done for part in client.chat("auto", [], stream=True)] == [True]
        assert stub.asked == []


def test_an_engine_that_failed_is_found_again_without_a_stream() -> None:
    """Calls whose answers are no streams would not try it while another one answers: it is looked at beside them."""
    with serve(Stub(status=500)) as first, serve() as second, running(engine("a", first.url), engine("b", second.url)) as gateway:  # fmt: skip
        ask: Callable[[], httpx.Response] = lambda: httpx.post(  # noqa: E731
            f"{gateway.url}{OPENAI}", json={**CHAT, "stream": False}, headers={"Authorization": f"Bearer {KEY}"}, timeout=patient(30)
        )  # fmt: skip
        assert ask().headers["x-watchkeeper-engine"] == "b"
        first.status = 200
        wait_until(lambda: ask().headers["x-watchkeeper-engine"] == "a", "the engine that failed once", 30)


def test_a_compressed_answer_that_breaks_off_does_not_end_well() -> None:
    """The engine promised more bytes than came: the program's connection breaks, though the length of what it gets was not known."""
    packed_up = gzip.compress(SAID)
    head = f"HTTP/1.1 200 OK\r\n{STREAM}Content-Encoding: gzip\r\nContent-Length: {len(packed_up) + 400}\r\n\r\n"
    with pytest.raises(httpx.RemoteProtocolError):
        asked([head.encode() + packed_up])


def test_other_characters_than_utf_8_are_read_as_the_engine_names_them() -> None:
    """A translated answer in Latin-1 has its letters."""
    said = {"choices": [{"index": 0, "message": {"content": "Grüße"}, "finish_reason": "stop"}]}
    body = json.dumps(said, ensure_ascii=False).encode("latin-1")
    latin = "Content-Type: application/json; charset=iso-8859-1\r\n"
    heard = asked([http(body, headers=latin)], path=OLLAMA, body=CHAT | {"stream": False})
    assert heard.answer.json()["message"]["content"] == "Grüße"


def test_other_characters_than_utf_8_are_sent_on_as_utf_8_or_refused() -> None:
    """A request in the charset that it names reaches the engine in UTF-8; one whose characters cannot be known is not passed on."""
    body = json.dumps(CHAT | {"messages": [{"role": "user", "content": "Grüße"}]}, ensure_ascii=False)
    with serve(Stub()) as stub, running(engine("one", stub.url)) as gateway:
        key = {"Authorization": f"Bearer {KEY}"}
        answers = [
            httpx.post(
                gateway.url + OPENAI,
                content=body.encode(form),
                headers=key | {"Content-Type": kind},
                timeout=patient(30),
            )
            for form, kind in (
                ("latin-1", "application/json; charset=iso-8859-1"),
                ("utf-16", "application/json"),
                ("latin-1", "application/json"),
            )
        ]
        contents = [sent["messages"][0]["content"] for _, sent, _ in stub.asked if "messages" in sent]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert contents == ["Grüße", "Grüße"]
    assert "UTF-8" in answers[-1].text
