"""The real `openai` client against the servers that our workers run: llama.cpp's own, and ours."""

import httpx
import openai
import pytest

from ai.backends.llamacpp_embedded import LlamaCppBackend
from tests.ai.kit import LoopThread

_FRESH = httpx.Limits(max_keepalive_connections=0)
"""A kept connection may be closed by the server while it is chosen, on a busy machine."""


def test_the_real_client_talks_to_the_worker(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """Models, a streamed answer with usage, a schema, and the error for a long prompt."""
    running = llama.supervisor.running
    assert running is not None

    async def go() -> None:
        http_client = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=running.socket, limits=_FRESH))
        async with openai.AsyncOpenAI(
            base_url="http://worker/v1", api_key=running.key, http_client=http_client, max_retries=0
        ) as client:
            names = [model.id async for model in client.models.list()]
            assert names == ["SmolLM2-135M-Instruct.Q4_1"]
            stream = await client.chat.completions.create(
                model=names[0], messages=[{"role": "user", "content": "Hello"}], max_tokens=6, temperature=0,
                stream=True, stream_options={"include_usage": True},
            )  # fmt: skip
            chunks = [chunk async for chunk in stream]
            assert chunks[-1].usage is not None
            assert chunks[-1].usage.completion_tokens <= 6
            assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
            assert (chunks[-1].model_extra or {})["timings"]["predicted_n"] == chunks[-1].usage.completion_tokens
            with pytest.raises(openai.BadRequestError):
                await client.chat.completions.create(
                    model=names[0], messages=[{"role": "user", "content": "word " * 3000}]
                )

    engine_loop.run(go())


def test_the_real_client_is_refused_without_the_key(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """Another process that finds the socket gets nothing."""
    running = llama.supervisor.running
    assert running is not None

    async def go() -> None:
        http_client = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=running.socket, limits=_FRESH))
        async with openai.AsyncOpenAI(
            base_url="http://worker/v1", api_key="guess", http_client=http_client, max_retries=0
        ) as client:
            with pytest.raises(openai.AuthenticationError):
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])

    engine_loop.run(go())
