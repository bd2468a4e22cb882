"""The real `openai` client against the servers that our workers run: llama.cpp's own, and ours."""

import asyncio

import httpx
import pytest

from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.backends.openai.backend import OpenAIBackend
from ai.core.protocol import complete
from tests.doubles import cutting_server
from tests.doubles.ai_kit import LoopThread, ask

_FRESH = httpx.Limits(max_keepalive_connections=0)
"""A kept connection may be closed by the server while it is chosen, on a busy machine."""


def test_the_real_client_talks_to_the_worker(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """Models, a streamed answer with usage, a schema, and the error for a long prompt."""
    import openai

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
    import openai

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


GERMAN = "Krankenhausverwaltungsfachangestellte in Charlottenburg-Wilmersdorf gesucht, Vollzeit. "
"""34 tokens of this model, of which words alone prove six."""


@pytest.mark.parametrize(
    ("limit", "times", "cut"),
    [
        (120, 4, True),  # one that fits is asked of Ollama in the usual run
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((150, 3, False), (1000, 24, False), (1000, 31, True))
        ),
    ],
)
def test_a_server_of_unknown_context_that_cuts_is_found_out_at_the_first_prompt(
    llama: LlamaCppBackend,
    engine_loop: LoopThread,
    limit: int,
    times: int,
    cut: bool,  # noqa: FBT001
) -> None:
    """A needle at both ends of a text just below and one just above what it reads; it names no context, and its first prompt is judged."""
    running = llama.supervisor.running
    assert running is not None

    async def go(url: str) -> tuple[bool, tuple[str, ...]]:
        backend = OpenAIBackend(url)
        try:
            done = await complete(backend, ask(f"NEEDLE in Leeds. {GERMAN * times}NEEDLE in Oslo.", max_tokens=1))
            return done.final.truncated, done.final.notes
        finally:
            await backend.close()

    with cutting_server.serve(running, limit=limit) as (url, server):
        truncated, notes = asyncio.run(go(url))
        assert server.cut[0] == cut
        assert sum(server.cut[1:]) <= 1  # the text twice, perhaps; no part of it
    assert truncated == cut, notes
