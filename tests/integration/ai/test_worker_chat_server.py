"""The chat server that ExLlama's worker answers with, over a made-up token engine: OpenAI's shape, true figures, prompt cancellation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from ai.backends.openai.request import FLAVOURS
from ai.backends.openai.stream import OpenAIWire
from ai.core.errors import BackendError, BadRequest, ContextOverflow
from ai.core.types import Chunk, Final, GenRequest, Message
from ai.worker.engines.chat_server import ChatServer
from ai.worker.engines.chat_template import ChatTemplate, holds_all
from ai.worker.engines.generation import GenerationThread, Job
from tests.doubles.ai_kit import ask
from tests.waiting import wait_until_async

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"


class FakeGenerator:
    """What ExLlama's dynamic generators offer: one letter for each job and turn."""

    def __init__(self) -> None:
        self.jobs: dict[int, dict[str, Any]] = {}
        self.cancelled: list[int] = []
        self.fail = self.fault = ""
        self.reads: int | None = None

    def enqueue(self, job: dict[str, Any]) -> None:
        """Begin."""
        self.jobs[job["identifier"]] = job

    def cancel(self, job: dict[str, Any]) -> None:
        """End."""
        self.jobs.pop(job["identifier"], None)
        self.cancelled.append(job["identifier"])

    def num_remaining_jobs(self) -> int:
        """How many."""
        return len(self.jobs)

    def iterate(self) -> list[dict[str, Any]]:
        """One turn."""
        if self.fail:
            raise RuntimeError(self.fail)
        if self.fault:
            return [{"job": None, "serial": 0, "stage": "error", "eos": True, "error": RuntimeError(self.fault)}]
        results: list[dict[str, Any]] = []
        for number, job in list(self.jobs.items()):
            job["made"] += 1
            result = {
                "stage": "streaming",
                "identifier": number,
                "text": chr(96 + job["made"] % 26),
                "eos": job["made"] >= job["job"].max_tokens,
            }
            if result["eos"]:
                del self.jobs[number]
                result |= {"eos_reason": "max_new_tokens", "prompt_tokens": len(job["job"].ids[: self.reads]), "new_tokens": job["made"], "cached_tokens": 2,
                           "time_enqueued": 0.5, "time_prefill": 0.25, "time_generate": 1.5}  # fmt: skip
            results.append(result)
        return results


class FakeEngine:
    """Characters are its tokens."""

    def __init__(self) -> None:
        self.generator = FakeGenerator()
        self.context, self.parallel, self.reserved = 64, 2, 0
        self.seen: list[Job] = []

    def encode(self, text: str, *, special: bool) -> list[int]:  # noqa: ARG002 - the interface's
        """One token a character."""
        return [ord(c) for c in text]

    def new_job(self, job: Job, identifier: int) -> dict[str, Any]:
        """A job; one stop string is refused, as a wrong schema would be."""
        if "refuse" in job.stop:
            raise ValueError("this cannot be generated")
        if "pages" in job.stop:
            raise AssertionError("Job requires 5 pages (only 4 available) and cannot be enqueued.")
        self.seen.append(job)
        return {"identifier": identifier, "job": job, "made": 0}

    def vram(self) -> int | None:
        """Some."""
        return 12345


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[FakeEngine, httpx.AsyncClient, list[BaseException]]]:
    """The server on a Unix socket, a client with the key, and what broke."""
    engine, broken = FakeEngine(), []
    thread = GenerationThread(engine, broken.append)
    app = ChatServer(engine, thread, ChatTemplate(TEMPLATE), "tiny", "sesame").app
    server = uvicorn.Server(uvicorn.Config(app, uds=str(folder / "w.sock"), log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    await wait_until_async(lambda: server.started)
    transport = httpx.AsyncHTTPTransport(uds=str(folder / "w.sock"), limits=httpx.Limits(max_keepalive_connections=0))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://worker", headers={"Authorization": "Bearer sesame"}
    ) as client:
        yield engine, client, broken
    server.should_exit = True
    await task


async def run(client: httpx.AsyncClient, request: GenRequest) -> tuple[str, Final]:
    """A whole answer through our own wire."""
    text, final = "", None
    async for event in OpenAIWire(client, "worker").events(request, "tiny", FLAVOURS["Watchkeeper worker"]):
        if isinstance(event, Chunk):
            text += event.text
        else:
            final = event
    assert final is not None
    return text, final


def test_answers_and_figures_come_through_our_own_wire(tmp_path: Path) -> None:
    """Text, counts, queue, prompt and generation times as the generator gave them."""

    async def go() -> None:
        async with serving(tmp_path) as (engine, client, _):
            text, final = await run(client, ask("hi", max_tokens=5, stop=("END",)))
            assert text == "abcde"
            assert final.finish_reason == "length"
            timings, usage = final.timings, final.usage
            assert [f and f.value for f in (timings.queue, timings.prompt, timings.generation)] == [None, 0.25, 1.5]
            assert [f and f.value for f in (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)] == [
                19,
                5,
                2,
            ]
            assert engine.seen[0].stop == ("END",)
            assert engine.seen[0].sampling.repeat_penalty == 1.0
            assert engine.seen[0].sampling.temperature == 0.0

    asyncio.run(go())


def test_the_real_openai_client_is_served(tmp_path: Path) -> None:
    """Two streams at a time through the official client, with usage and a schema."""
    import openai

    async def go() -> None:
        async with serving(tmp_path) as (engine, _, _):
            http_client = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(tmp_path / "w.sock")))
            async with openai.AsyncOpenAI(
                base_url="http://worker/v1", api_key="sesame", http_client=http_client, max_retries=0
            ) as client:

                async def one() -> str:
                    stream = await client.chat.completions.create(
                        model="tiny", messages=[{"role": "user", "content": "hi"}], max_tokens=4, stream=True, stream_options={"include_usage": True},
                        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "title": "T"}}},
                    )  # fmt: skip
                    return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

                assert await asyncio.gather(one(), one()) == ["abcd", "abcd"]
            assert engine.seen[0].json_schema == {"type": "object", "title": "T"}

    asyncio.run(go())


def test_messages_and_limits_are_read_in_the_forms_of_today(tmp_path: Path) -> None:
    """A content in parts of text, a developer's message, and the newer name of the limit, as OpenAI's own clients send them; a picture is refused."""

    async def go() -> None:
        async with serving(tmp_path) as (engine, client, broken):
            parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
            messages = [{"role": "developer", "content": "s"}, {"role": "user", "content": parts}]
            body = {"messages": messages, "max_completion_tokens": 3}
            assert (await client.post("/v1/chat/completions", json=body)).status_code == 200
            assert "".join(map(chr, engine.seen[-1].ids)) == "<system>s<user>ab<assistant>"
            assert engine.seen[-1].max_tokens == 3
            picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
            assert (await client.post("/v1/chat/completions", json={"messages": picture})).status_code == 400
            assert not broken

    asyncio.run(go())


def test_hanging_up_cancels_the_job(tmp_path: Path) -> None:
    """A client that goes away frees its place at once."""

    async def go() -> None:
        async with serving(tmp_path) as (engine, client, _):
            engine.context = 10_000_000
            events = OpenAIWire(client, "worker").events(
                ask("hi", max_tokens=5_000_000), "tiny", FLAVOURS["Watchkeeper worker"]
            )
            await anext(events)
            await events.aclose()
            await wait_until_async(lambda: engine.generator.cancelled != [])
            assert engine.generator.jobs == {}

    asyncio.run(go())


def test_a_prompt_that_does_not_fit_is_an_overflow(tmp_path: Path) -> None:
    """With its numbers, as llama.cpp gives them."""

    async def go() -> None:
        async with serving(tmp_path) as (_, client, _):
            with pytest.raises(ContextOverflow) as caught:
                await run(client, ask("x" * 100))
            assert (caught.value.prompt_tokens, caught.value.context) == (117, 64)

    asyncio.run(go())


@pytest.mark.parametrize("reserved", [0, 1, 7])
def test_the_longest_prompt_leaves_one_token_to_answer(tmp_path: Path, reserved: int) -> None:
    """And what the generator keeps for itself; all of it is given to the generator. One token more is refused before."""

    async def go() -> None:
        async with serving(tmp_path) as (engine, client, _):
            engine.reserved = reserved
            longest = engine.context - reserved - 1 - len("<user><assistant>")
            text = "F" + "x" * (longest - 2) + "L"
            _, final = await run(client, ask(text, max_tokens=99))
            assert "".join(map(chr, engine.seen[0].ids)) == f"<user>{text}<assistant>"
            assert engine.seen[0].max_tokens == 1
            assert final.usage.prompt_tokens is not None
            assert final.usage.prompt_tokens.value == engine.context - reserved - 1
            with pytest.raises(ContextOverflow):
                await run(client, ask(text + "!"))
            assert len(engine.seen) == 1

    asyncio.run(go())


def test_a_generator_that_counts_fewer_tokens_than_it_was_given_is_an_overflow(tmp_path: Path) -> None:
    """Its answer is not taken for one to the whole prompt."""

    async def go() -> None:
        async with serving(tmp_path) as (engine, client, _):
            engine.generator.reads = 18
            with pytest.raises(ContextOverflow, match="read 18 of the prompt's 19 tokens") as caught:
                await run(client, ask("hi"))
            assert (caught.value.prompt_tokens, caught.value.context, caught.value.outage) == (19, 64, False)
            engine.generator.reads = 19
            await run(client, ask("hi"))

    asyncio.run(go())


def test_a_job_that_the_package_has_no_pages_for_is_an_overflow(tmp_path: Path) -> None:
    """ExLlama's own words for it, should a prompt ever get that far."""

    async def go() -> None:
        async with serving(tmp_path) as (_, client, _):
            with pytest.raises(ContextOverflow, match="requires 5 pages") as caught:
                await run(client, ask("hi", stop=("pages",)))
            assert not caught.value.outage

    asyncio.run(go())


def test_a_refused_job_is_a_bad_request_and_the_next_one_is_served(tmp_path: Path) -> None:
    """What one job asks wrongly does no harm to others."""

    async def go() -> None:
        async with serving(tmp_path) as (_, client, broken):
            with pytest.raises(BadRequest, match="cannot be generated"):
                await run(client, ask("hi", stop=("refuse",)))
            assert (await run(client, ask("hi", max_tokens=2)))[0] == "ab"
            assert broken == []

    asyncio.run(go())


@pytest.mark.parametrize("way", ["fail", "fault"])
def test_a_generator_that_fails_tells_everyone_and_the_process(tmp_path: Path, way: str) -> None:
    """After a CUDA error nothing of it can be trusted: the caller gets the error, the process is told to end. V2 raises it; V3 makes a result of it."""

    async def go() -> None:
        async with serving(tmp_path) as (engine, client, broken):
            setattr(engine.generator, way, "device-side assert triggered")
            with pytest.raises(BackendError, match="device-side assert"):
                await run(client, ask("hi"))
            await wait_until_async(lambda: len(broken) == 1)

    asyncio.run(go())


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"[" * 100_000, b"{}", b'{"messages": [{"role": "tool", "content": "x"}]}', b'{"messages": [{"role": "user", "content": 7}]}',
     b'{"messages": [{"role": "user", "content": "x"}], "temperature": "hot"}', b'{"messages": [{"role": "user", "content": "x"}], "top_k": true}'],
)  # fmt: skip
def test_wrong_bodies_are_refused(tmp_path: Path, body: bytes) -> None:
    """Each a 400 with a reason, never a 500."""

    async def go() -> None:
        async with serving(tmp_path) as (_, client, _):
            answer = await client.post("/v1/chat/completions", content=body)
            assert answer.status_code == 400
            assert answer.json()["error"]["message"]

    asyncio.run(go())


def test_the_small_routes(tmp_path: Path) -> None:
    """Health, models, slots, memory, counting; and nothing of it without the key."""

    async def go() -> None:
        async with serving(tmp_path) as (_, client, _):
            assert (await client.get("/health")).json() == {"status": "ok"}
            assert (await client.get("/v1/models")).json()["data"][0]["id"] == "tiny"
            assert [slot["is_processing"] for slot in (await client.get("/slots")).json()] == [False, False]
            assert (await client.get("/memory")).json() == {"vram": 12345}
            prompt = (
                await client.post("/apply-template", json={"messages": [{"role": "user", "content": "x"}]})
            ).json()["prompt"]
            assert prompt == "<user>x<assistant>"
            assert (await client.post("/tokenize", json={"content": "abc"})).json() == {"tokens": [97, 98, 99]}
            assert (await client.get("/health", headers={"Authorization": "Bearer guess"})).status_code == 401

    asyncio.run(go())


def test_a_prompt_holds_what_user_and_system_say() -> None:
    """White space aside; what the model itself said before may be shortened."""
    messages = (
        Message("system", " rules\n"),
        Message("assistant", "<think>Hm.</think>Yes."),
        Message("user", "Read\nthis"),
    )
    assert holds_all("<s>rules\n\nYes.Read  this", messages)
    for lacking in ("", "rules Yes. Read", "Yes. Read this", "rules Yes."):
        assert not holds_all(lacking, messages)


def test_messages_reach_the_template_as_they_are() -> None:
    """Roles and texts, in order."""
    messages = (Message("system", "s"), Message("user", "u"))
    assert ChatTemplate(TEMPLATE).render(messages) == "<system>s<user>u<assistant>"


NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] | trim }}{% endfor %}<model>"
)
ONLY_USER = "{% for m in messages if m['role'] == 'user' %}<user>{{ m['content'] }}{% endfor %}<model>"


@pytest.mark.parametrize("source", [NO_SYSTEM, ONLY_USER])
def test_a_template_without_a_system_turn_gets_it_with_the_users(source: str) -> None:
    """Gemma's refuses one, others leave it out: what it says stands before what the user says, so that the model reads all."""
    said = (Message("system", "Rules."), Message("user", "Hello"))
    assert ChatTemplate(source).render(said) == "<user>Rules.\nHello<model>"
    with pytest.raises(BadRequest):
        ChatTemplate(source).render(said[:1])
