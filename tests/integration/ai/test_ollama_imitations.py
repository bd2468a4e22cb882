"""Programs that imitate Ollama: what they say is checked against what arrived, and what is not Ollama's form is told in words."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from ai.backends.ollama.backend import OllamaBackend
from ai.core.errors import BackendError, BadOutput, BadRequest
from ai.core.protocol import Completion, complete
from ai.core.types import Engine, LoadSpec
from ai.discovery.discover import DiscoveryConfig, discover
from tests.doubles.ai_kit import ask, http, raw_server
from tests.waiting import patient

ROUTES: Final[dict[str, bytes]] = {
    "/api/version": b'{"version": "0.24.0"}',
    "/api/tags": json.dumps({"models": [{"name": "m", "model": "m", "size": 1, "digest": "d", "details": {}}]}).encode(),
    "/api/ps": json.dumps({"models": [{"name": "m", "model": "m", "context_length": 4096, "expires_at": "2099-01-01T00:00:00Z", "size": 1, "digest": "d"}]}).encode(),
    "/api/show": b'{"details": {}, "model_info": {}, "capabilities": ["completion"]}',
    "/api/generate": b'{"model": "m", "response": "", "done": true, "done_reason": "load"}',
}  # fmt: skip
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"
EACH_S: Final = 0.02
END: Final = {
    "done_reason": "stop", "total_duration": 320_000_000, "load_duration": 1, "prompt_eval_count": 9, "prompt_eval_duration": 10_000_000,
    "eval_count": 12, "eval_duration": 240_000_000,
}  # fmt: skip


def line(text: str, *, done: bool = False, **more: Any) -> bytes:
    """A line of an answer."""
    return (
        json.dumps(
            {"model": "m", "created_at": "x", "message": {"role": "assistant", "content": text}, "done": done} | more
        ).encode()
        + b"\n"
    )


def served(chat: list[Any], routes: Mapping[str, bytes], use: Any) -> Any:
    """What comes of asking such a server."""

    async def go() -> Any:
        whole = {path: http(body) for path, body in ROUTES.items()} | dict(routes)
        async with raw_server(chat, routes={path: [body] for path, body in whole.items()}) as server:
            return await use(server.url)

    return asyncio.run(go())


def talk(chat: list[Any], **routes: bytes) -> Completion:
    """The answer to one question."""

    async def use(url: str) -> Completion:
        backend = OllamaBackend(url)
        try:
            await backend.ensure_loaded(LoadSpec("m"))
            return await complete(backend, ask("hi", max_tokens=16))
        finally:
            await backend.close()

    found: Completion = served(chat, {f"/api/{name}": body for name, body in routes.items()}, use)
    return found


def card(**routes: bytes) -> Engine:
    """What discovery says."""

    async def use(url: str) -> Engine:
        return (await discover(DiscoveryConfig(ollama_url=url, timeout_s=patient(5))))[0]

    found: Engine = served([], {f"/api/{name}": body for name, body in routes.items()}, use)
    return found


def paced(**end: Any) -> list[Any]:
    """Twelve words at a pace, and these figures."""
    words = [part for at in range(12) for part in (line(f"word{at} "), EACH_S)]
    return [HEAD, *words, line("", done=True, **END | end)]


@pytest.mark.parametrize(
    ("end", "why"),
    [
        ({"eval_duration": 240, "total_duration": 320, "prompt_eval_duration": 10}, "in no time"), ({"eval_duration": 2_000_000, "total_duration": 9_000_000}, "but they arrived at"),
        ({"eval_count": 4}, "fewer tokens than it sent"),
    ],
)  # fmt: skip
def test_a_rate_that_did_not_arrive_is_not_believed(end: dict[str, int], why: str) -> None:
    """Times in another unit, times that are made up, words or events counted for tokens."""
    final = talk(paced(**end)).final
    rate = final.generation_rate()
    assert why in " ".join(final.notes)
    assert rate is None or (rate.origin == "measured" and rate.value < 1.5 / EACH_S)


def test_thoughts_are_tokens_where_none_are_counted() -> None:
    """The estimate of a server that counts nothing is of all that it generated, and its thoughts do not use up what the answer may have."""
    thought = {"role": "assistant", "content": "", "thinking": "so many words " * 500}
    end = {"done_reason": "stop", "total_duration": 320_000_000}
    short, long = (
        talk([HEAD, *[line("", message=thought)] * times, line("yes"), line("", done=True, **end)]) for times in (0, 1)
    )
    few, many = (made.final.usage.completion_tokens for made in (short, long))
    assert few is not None
    assert many is not None
    assert (short.text, long.text, many.origin) == ("yes", "yes", "estimated")
    assert many.value > 1000 * few.value


def test_a_server_that_does_not_stop_is_left() -> None:
    """It ignores the limit of an answer."""
    with pytest.raises(BadOutput, match="beyond the 16 tokens"):
        talk([HEAD, *[line("many words " * 20)] * 100, 60.0])


@pytest.mark.parametrize("parts", [1, 2])
def test_a_compressed_answer_is_read(parts: int) -> None:
    """A proxy before it compresses, in one part or in two."""
    lines = [line("yes"), line("", done=True, **END)]
    body = gzip.compress(b"".join(lines)) if parts == 1 else b"".join(map(gzip.compress, lines))
    made = talk([HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"), body])
    assert (made.text, made.final.usage.completion_tokens and made.final.usage.completion_tokens.value) == ("yes", 12)


@pytest.mark.parametrize(
    ("chat", "kind", "word"),
    [
        ([http("<html><title>Sign in</title></html>")], BadOutput, "it is not JSON"), ([HEAD, b'{"model": "m", "done": true}\n'], BadOutput, "message: Field required"),
        ([HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: br\r\n\r\n"), b"\x1b\x03"], BadOutput, "compressed as br"),
        ([http("", "302 Found", "Location: http://other.example.net/\r\n")], BadRequest, "redirects to another address"),
        ([http("<html>404 page not found</html>", "404 No")], BadRequest, "a web page without a reason"),
    ],
)  # fmt: skip
def test_what_is_not_ollamas_form_is_told_in_words(chat: list[Any], kind: type[BackendError], word: str) -> None:
    """Neither markup nor the words of a library."""
    with pytest.raises(kind) as caught:
        talk(chat)
    assert word in caught.value.message
    assert caught.value.message.isprintable()
    assert not any(strange in caught.value.message for strange in ("<", "pydantic", "http"))


def test_a_server_that_does_not_say_what_is_in_memory_can_be_used() -> None:
    """Older ones and imitations have no such route."""
    missing = http("404 page not found", "404 No")
    assert card(ps=missing).state == "ready"
    assert talk([HEAD, line("yes"), line("", done=True, **END)], ps=missing).text == "yes"


@pytest.mark.parametrize(
    ("routes", "words", "remedy"),
    [
        ({"tags": http("no", "404 No")}, "HTTP 404", "no such route"), ({"version": http("<html><title>Hi</title></html>")}, "a web page, “Hi”", "Correct its address"),
        ({"version": http("", "302 Found", "Location: http://o.example/\r\n")}, "redirects to http://o.example/", "set its address"),
    ],
)  # fmt: skip
def test_what_answers_in_its_place_is_not_told_to_start(routes: dict[str, bytes], words: str, remedy: str) -> None:
    """It runs, whatever it is."""
    engine = card(**routes)
    assert words in engine.detail
    assert remedy in engine.remedy


def test_models_without_a_name_are_left_out() -> None:
    """Nobody could ask for them."""
    tags = http(json.dumps({"models": [{"name": "hf.co/org/模型:Q4"}, {"name": 5}, "x", None]}))
    assert [model.name for model in card(tags=tags).models] == ["hf.co/org/模型:Q4"]
