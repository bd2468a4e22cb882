"""The official `ollama` client, and our backend on top of it, against llama.cpp behind an Ollama-shaped API (not Ollama)."""

import asyncio
import json
from collections.abc import Iterator

import ollama
import pytest

from ai.backends.ollama.backend import OllamaBackend
from ai.core.errors import ContextOverflow, ModelMissing
from ai.core.protocol import Completion, complete
from ai.core.types import Final, LoadReport, LoadSpec
from tests.doubles import ollama_double as double
from tests.doubles.ai_kit import ask
from tests.waiting import patient

SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The double's address."""
    with double.serve() as (url, _):
        yield url


def test_the_official_client_understands_the_double(server: str) -> None:
    """List, load, ps, show, chat, format, 404 and unload, all through the real client."""
    client = ollama.Client(server, timeout=patient(60), trust_env=False)
    with client:
        assert [m.model for m in client.list().models] == [double.NAME]
        assert client.generate(double.NAME, prompt="").done_reason == "load"
        assert client.ps().models[0].context_length == double.DEFAULT_CONTEXT
        assert client.show(double.NAME).details.quantization_level == "Q4_1"
        last = list(
            client.chat(double.NAME, [{"role": "user", "content": "Hello"}], stream=True, options={"num_predict": 4})
        )[-1]
        assert last.done
        assert last.eval_duration
        assert last.prompt_eval_count
        said = client.chat(
            double.NAME, [{"role": "user", "content": "Is it?"}], format=SCHEMA, options={"num_predict": 16}
        )
        assert set(json.loads(said.message.content or "")) == {"ok"}
        with pytest.raises(ollama.ResponseError):
            client.chat("absent", [{"role": "user", "content": "x"}])
        assert client.generate(double.NAME, prompt="", keep_alive=0).done_reason == "unload"


def test_the_backend_measures_a_real_answer(server: str) -> None:
    """Load report, context in force, counts and trusted timings come through, each with its origin."""

    async def go() -> tuple[LoadReport, Completion]:
        backend = OllamaBackend(server)
        try:
            report = await backend.ensure_loaded(LoadSpec(double.NAME, context=512))
            await complete(backend, ask("Count from one to ten."))
            return report, await complete(backend, ask("Count from one to ten."))
        finally:
            await backend.unload()
            await backend.close()

    report, answer = asyncio.run(go())
    assert report.context == 512
    assert report.quantization == "Q4_1"
    final = answer.final
    assert final.finish_reason == "length"
    assert final.usage.completion_tokens is not None
    assert (final.usage.completion_tokens.value, final.usage.completion_tokens.origin) == (8, "reported")
    assert final.usage.cached_tokens is not None  # a field that the client drops
    assert final.usage.cached_tokens.value > 20
    assert final.timings.distrust == ""
    assert final.timings.prompt is not None
    assert final.timings.ttft is not None
    assert final.timings.ttft.origin == "measured"
    assert final.timings.ttft.value > final.timings.prompt.value


def test_a_prompt_that_does_not_fit_is_an_error_and_not_cut(server: str) -> None:
    """The server is told not to truncate, and its refusal is a context overflow."""

    async def go() -> None:
        backend = OllamaBackend(server)
        try:
            await backend.ensure_loaded(LoadSpec(double.NAME, context=512))
            with pytest.raises(ContextOverflow):
                await complete(backend, ask("NEEDLE " + "the nurse works in Berlin " * 100 + " NEEDLE"))
        finally:
            await backend.close()

    asyncio.run(go())


GERMAN = "Krankenhausverwaltungsfachangestellte in Charlottenburg-Wilmersdorf gesucht, Vollzeit. "
ENGLISH = "The nurse works in a hospital in Berlin and shares lunch in the yard. "


@pytest.mark.parametrize(
    ("context", "sentence", "times", "cut"),
    [
        (128, ENGLISH, 4, False),  # one that is cut is asked of an OpenAI server in the usual run
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((128, GERMAN, 4, True), (512, ENGLISH, 28, False), (512, GERMAN, 15, True))
        ),
    ],
)
def test_a_prompt_near_the_context_is_judged_rightly_at_the_first_time(
    context: int,
    sentence: str,
    times: int,
    cut: bool,  # noqa: FBT001
) -> None:
    """A needle at both ends of a text just below the context of an older server, which cuts in silence, and of one just above it: what was cut is told, and nothing else."""

    async def go(url: str) -> Final:
        backend = OllamaBackend(url)
        try:
            await backend.ensure_loaded(LoadSpec(double.NAME, context=context))
            done = await complete(backend, ask(f"NEEDLE in Leeds. {sentence * times}NEEDLE in Oslo.", max_tokens=1))
            return done.final
        finally:
            await backend.close()

    with double.serve(old=True) as (url, server):
        final = asyncio.run(go(url))
        assert final.truncated == cut
        assert not cut or "only a part" in final.notes[-1]
        assert server.cut[0] == cut
        assert not any(server.cut[1:])  # what is asked to make sure fits


def test_a_model_it_does_not_have_is_missing(server: str) -> None:
    """A 404 is no outage but a model to fetch."""

    async def go() -> None:
        backend = OllamaBackend(server)
        try:
            with pytest.raises(ModelMissing) as caught:
                await backend.ensure_loaded(LoadSpec("absent"))
            assert not caught.value.outage
        finally:
            await backend.close()

    asyncio.run(go())
