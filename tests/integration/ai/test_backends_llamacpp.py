"""The embedded model for real: answers, limits, cancellation, crashes, and the hash of what comes along."""

import asyncio
import json
import os
import signal
from pathlib import Path

import httpx
import psutil
import pytest

from ai.backends.llamacpp_embedded import DEMO_SHA256, DEMO_SIZE, LlamaCppBackend, check_demo, default_threads
from ai.core.errors import (
    BackendDown,
    BackendOutOfMemory,
    BadModelFile,
    BadRequest,
    Cancelled,
    ContextOverflow,
    ModelMissing,
    StreamCut,
)
from ai.core.protocol import Backend, complete
from ai.core.types import LoadSpec, Message
from tests.doubles.ai_kit import CONTEXT, LoopThread, ask
from tests.waiting import wait_until_async

SCHEMA = {
    "type": "object",
    "properties": {"remote": {"type": "boolean"}, "level": {"enum": ["junior", "senior"]}},
    "required": ["remote", "level"],
    "additionalProperties": False,
}


async def slots_idle(backend: LlamaCppBackend) -> bool:
    """Whether no request is being worked on."""
    running = backend.supervisor.running
    assert running is not None
    transport = httpx.AsyncHTTPTransport(uds=running.socket)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://worker", headers={"Authorization": f"Bearer {running.key}"}
    ) as client:
        return not any(slot["is_processing"] for slot in (await client.get("/slots")).json())


def test_it_answers_with_counts_and_timings_of_its_own(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """Reported counts and times, a measured first token, and both rates of the same order."""
    final = engine_loop.run(complete(llama, ask("Count from one to ten.", max_tokens=12, ignore_eos=True))).final
    assert (final.finish_reason, final.usage.completion_tokens and final.usage.completion_tokens.value) == (
        "length",
        12,
    )
    reported, measured = final.generation_rate(), final.measured_rate()
    assert reported is not None
    assert measured is not None
    assert (reported.origin, measured.origin) == ("reported", "measured")
    assert final.timings.ttft is not None
    assert final.timings.prompt is not None
    assert final.timings.ttft.value >= final.timings.prompt.value * 0.9
    assert isinstance(llama, Backend)


def test_greedy_answers_are_the_same_again(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """The default sampling is deterministic."""
    first, second = (
        engine_loop.run(complete(llama, ask("Hi", reuse_prompt=False, max_tokens=4))).text for _ in range(2)
    )
    assert first == second
    assert first


def test_a_schema_is_kept_by_the_grammar(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """The small model, unusable without, answers within the schema."""
    made = engine_loop.run(complete(llama, ask("Senior engineer, remote. As JSON.", json_schema=SCHEMA, max_tokens=40)))
    value = json.loads(made.text)
    assert set(value) == {"remote", "level"}
    assert made.final.finish_reason == "stop"


def test_tokens_are_counted_as_the_engine_counts_them(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """The count of a conversation, template included, is what the answer then reports."""
    request = ask("How many tokens are this?", reuse_prompt=False)
    counted = engine_loop.run(llama.count_tokens(request.messages))
    used = engine_loop.run(complete(llama, request)).final.usage.prompt_tokens
    assert counted == used
    assert engine_loop.run(llama.count_tokens("hello world")).value == 2


def test_a_prompt_that_is_too_long_is_an_overflow_with_numbers(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """Nothing is cut in silence."""
    with pytest.raises(ContextOverflow) as caught:
        engine_loop.run(complete(llama, ask("word " * 1500)))
    assert caught.value.context == CONTEXT
    assert caught.value.prompt_tokens is not None
    assert caught.value.prompt_tokens > 1500


def test_cancelling_frees_the_slot(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """A cancelled request does not run on to its limit of tokens."""

    async def go() -> None:
        cancel = asyncio.Event()
        call = asyncio.create_task(complete(llama, ask("Count", max_tokens=900, ignore_eos=True), cancel=cancel))

        async def busy() -> bool:
            return not await slots_idle(llama)

        await wait_until_async(busy, seconds=30)
        cancel.set()
        with pytest.raises(Cancelled):
            await call
        await wait_until_async(lambda: slots_idle(llama), seconds=10)

    engine_loop.run(go())


def test_two_requests_are_answered_at_the_same_time(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """As many as were loaded for."""

    async def go() -> tuple[str, ...]:
        made = await asyncio.gather(*(complete(llama, ask(text)) for text in ("One.", "Two.")))
        return tuple(item.text for item in made)

    assert all(engine_loop.run(go()))


def test_without_the_key_nothing_is_answered(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """The socket is private, the key is random, and there is no web page behind it."""

    async def go() -> tuple[int, int]:
        running = llama.supervisor.running
        assert running is not None
        async with httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=running.socket), base_url="http://worker"
        ) as client:
            headers = {"Authorization": f"Bearer {running.key}"}
            return (await client.get("/slots")).status_code, (await client.get("/", headers=headers)).status_code

    assert engine_loop.run(go()) == (401, 404)


def test_its_worker_listens_on_no_port(llama: LlamaCppBackend) -> None:
    """Only the Unix socket: other users and browsers have no way in."""
    running = llama.supervisor.running
    assert running is not None
    assert psutil.Process(running.pid).net_connections("inet") == []


def test_the_load_report_says_what_is_compared(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """Weights, quantisation, context, cache type, template and version."""
    report = engine_loop.run(llama.ensure_loaded(LoadSpec("demo", context=CONTEXT, parallel=2, threads=1)))
    assert (report.cold, report.context, report.parallel, report.kv_type, report.quantization) == (
        False,
        CONTEXT,
        2,
        "f16",
        "Q4_1",
    )
    assert report.weights
    assert report.template
    assert report.engine_version.startswith("xllamacpp 20")


def test_memory_is_measured_over_the_workers_tree(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """Resident memory and its peak, of the worker alone."""
    report = engine_loop.run(llama.memory())
    assert report.rss is not None
    assert report.peak is not None
    assert report.rss.origin == "measured"
    assert 120e6 < report.rss.value <= report.peak.value < 600e6
    assert os.getpid() not in report.pids


def test_a_crash_in_the_middle_is_told_and_the_next_request_is_answered(engine_loop: LoopThread) -> None:
    """Killed while it answers: the stream is cut, the reason named, and the next request starts a new worker."""

    async def go() -> None:
        backend = LlamaCppBackend(name="crashing")
        try:
            await backend.ensure_loaded(LoadSpec("demo", context=512, threads=1))
            running = backend.supervisor.running
            assert running is not None
            events = backend.stream(ask("Count", max_tokens=300, ignore_eos=True))
            await anext(events)
            os.kill(running.pid, signal.SIGKILL)
            with pytest.raises((StreamCut, BackendDown), match="SIGKILL"):
                async for _ in events:
                    pass
            assert (await backend.health()).state == "down"
            again = await complete(backend, ask("Hello", max_tokens=2))
            assert again.text
            assert again.final.timings.load is not None
            assert again.final.timings.load.value > 0
            assert (await backend.health(10)).state == "ready"
            await backend.unload()
            assert (await backend.memory()).rss is None
        finally:
            await backend.close()

    engine_loop.run(go())


def test_what_cannot_fit_is_refused_with_a_remedy_before_loading(engine_loop: LoopThread) -> None:
    """A context of many terabytes does not start a worker."""

    async def go() -> None:
        backend = LlamaCppBackend(name="greedy")
        try:
            with pytest.raises(BackendOutOfMemory) as caught:
                await backend.ensure_loaded(LoadSpec("demo", context=2**28, parallel=8))
            assert "use" in caught.value.hint
            assert backend.supervisor.starts == 0
        finally:
            await backend.close()

    engine_loop.run(go())


@pytest.mark.parametrize(
    ("content", "kind"),
    [(None, ModelMissing), (b"hello", BadModelFile), (b"GGUF\x03\0\0\0" + b"\xff" * 40, BadModelFile)],
)
def test_files_that_are_no_models_are_refused(tmp_path: Path, content: bytes | None, kind: type[Exception]) -> None:
    """Absent, of another kind, or lying: told apart without starting a worker."""
    path = tmp_path / "x.gguf"
    if content is not None:
        path.write_bytes(content)

    async def go() -> None:
        backend = LlamaCppBackend()
        try:
            with pytest.raises(kind):
                await backend.ensure_loaded(LoadSpec(str(path)))
        finally:
            await backend.close()

    asyncio.run(go())


def test_the_demonstration_model_is_the_one_it_should_be(demo_path: Path, tmp_path: Path) -> None:
    """Its hash is checked; another file under its name is refused."""
    check_demo(demo_path)
    assert demo_path.stat().st_size == DEMO_SIZE
    assert len(DEMO_SHA256) == 64
    forged = tmp_path / demo_path.name
    forged.write_bytes(b"GGUF" + b"x" * 100)
    with pytest.raises(BadModelFile):
        check_demo(forged)


def test_nothing_is_answered_before_a_model_is_named() -> None:
    """A stream without `ensure_loaded` is the caller's mistake."""

    async def go() -> None:
        backend = LlamaCppBackend()
        with pytest.raises(BadRequest):
            await complete(backend, ask("hi"))
        assert (await backend.health()).loaded is False
        await backend.close()

    asyncio.run(go())


def test_one_core_is_left_to_others() -> None:
    """At least one thread, never more than the cores."""
    assert 1 <= default_threads() <= (os.cpu_count() or 1)


def test_a_system_message_reaches_the_template(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """A system turn replaces the model's own, so it costs other tokens."""
    plain = (Message("user", "Hi"),)
    told = (Message("system", "Answer in one word, in capitals, and never more than that."), *plain)
    counts = [engine_loop.run(llama.count_tokens(messages)).value for messages in (plain, told)]
    assert counts[0] != counts[1]
