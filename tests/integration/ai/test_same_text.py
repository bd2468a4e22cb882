"""Engines that share their weights are sent the same text, the template applied once: a raw prompt through each way, and a benchmark of two of them."""

import asyncio
from pathlib import Path

from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.backends.ollama.backend import OllamaBackend
from ai.backends.openai.backend import OpenAIBackend
from ai.benchmark.contender import Contender
from ai.benchmark.same_text import SameText
from ai.benchmark.samples.comparable import like_for_like
from ai.core.protocol import RawPrompts, Templating, complete
from ai.core.types import GenRequest, LoadSpec, Message
from ai.model_files.digests import gguf_id
from ai.shapes.report import LoadRow
from tests.doubles.ai_kit import LoopThread
from tests.doubles.stateful_ollama import StatefulOllama, serve
from tests.integration.ai.conftest import KEY

ASK = (Message("user", "What is the capital of France?"),)
FILE = "gguf-sha256:abc"


def test_the_embedded_engine_says_its_prompt_and_takes_it_raw(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """The text of a chat, sent raw, has the same tokens and the same answer."""

    async def work() -> None:
        assert isinstance(llama, Templating)
        text = await llama.prompt_text(ASK)
        assert "capital of France" in text
        assert text != ASK[0].content
        chat = await complete(llama, GenRequest(ASK, max_tokens=8))
        raw = await complete(llama, GenRequest(ASK, max_tokens=8, raw=text))
        assert raw.text == chat.text
        assert raw.final.usage.prompt_tokens == chat.final.usage.prompt_tokens
        assert raw.final.timings.generation is not None

    engine_loop.run(work())


def test_ollama_is_sent_a_raw_prompt_as_it_is() -> None:
    """With every option and without its own template, truncation refused as for a chat; it is used as it is in memory."""

    async def work() -> None:
        async with serve(StatefulOllama()) as server:
            backend = OllamaBackend(server.url)
            assert isinstance(backend, RawPrompts)
            await backend.ensure_loaded(LoadSpec("m", context=2048))
            answer = await complete(backend, GenRequest(ASK, max_tokens=5, raw="<|user|>Hi<|end|>"))
            assert answer.final.usage.completion_tokens is not None
            assert answer.final.usage.completion_tokens.value == 5
            body = server.bodies[-1]
            assert (body["prompt"], body["raw"], body["truncate"]) == ("<|user|>Hi<|end|>", True, False)
            assert body["options"]["num_ctx"] == 2048
            assert "messages" not in body
            assert answer.text == " word" * 5
            await backend.close()

    asyncio.run(work())


def test_a_llamacpp_server_is_known_by_its_file_and_takes_a_raw_prompt(
    llama: LlamaCppBackend, engine_loop: LoopThread, locked: str, demo_path: Path
) -> None:
    """A real one: it has the embedded engine's weights, and the same text has as many tokens in both."""

    async def work() -> None:
        server = OpenAIBackend(locked, name="server", api_key=KEY)
        try:
            assert not server.takes_raw  # nobody knows yet what it is
            report = await server.ensure_loaded(LoadSpec(""))
            assert report.weights == gguf_id(demo_path)
            entries = [_Entry(llama, gguf_id(demo_path)), _Entry(server, report.weights)]
            same = SameText()
            await same.decide(entries)
            assert "llamacpp and server have the same file of weights" in same.notes[0]
            request = await same.request("server", GenRequest(ASK, max_tokens=8))
            assert request.raw == await llama.prompt_text(ASK)
            theirs, ours = await complete(server, request), await complete(llama, request)
            assert theirs.text
            assert theirs.final.usage.prompt_tokens == ours.final.usage.prompt_tokens
        finally:
            await server.close()

    engine_loop.run(work())


class _Entry:
    def __init__(self, backend: LlamaCppBackend | OllamaBackend | OpenAIBackend, weights: str | None) -> None:
        self.contender = Contender(backend, LoadSpec("m"))
        self.load: LoadRow | None = LoadRow(model="m", weights=weights, template=f"scheme:{backend.name}")


def test_only_those_with_one_file_are_sent_one_text(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """The report says so, and the template is no difference any more; other weights keep their own way."""

    async def work() -> None:
        twin, other = (
            OllamaBackend("http://127.0.0.1:1", name="twin"),
            OllamaBackend("http://127.0.0.1:1", name="other"),
        )
        entries = [_Entry(llama, FILE), _Entry(twin, FILE), _Entry(other, "gguf-sha256:def")]
        same = SameText()
        request = GenRequest(ASK, max_tokens=4)
        assert (await same.request("twin", request)).raw == ""
        await same.decide(entries)
        assert (await same.request("twin", request)).raw == await llama.prompt_text(ASK)
        assert (await same.request("other", request)).raw == ""
        assert len(same.notes) == 1
        assert "llamacpp and twin have the same file of weights" in same.notes[0]
        first, second, third = (entry.load for entry in entries)
        assert first
        assert second
        assert third
        assert like_for_like(first, second).comparable
        assert "the chat template differs" in like_for_like(first, third).because
        alone = SameText()
        await alone.decide([_Entry(llama, FILE), _Entry(other, None)])
        assert alone.notes == []
        for backend in (twin, other):
            await backend.close()

    engine_loop.run(work())
