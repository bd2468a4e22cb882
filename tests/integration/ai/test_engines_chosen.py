"""Which engines a benchmark takes when some are named: by name, kind or address, and none is dropped in silence."""

import asyncio
from typing import Any

import pytest

from ai.core.errors import InputError
from ai.service.benchmarks.contenders import chosen_of
from ai.service.context.candidates import Candidate
from ai.service.context.config import AiConfig
from ai.service.context.records import NoRecords
from ai.service.service import AiService
from ai.shapes.benchmark import BenchmarkRequest
from tests.doubles.scripted_backend import Script, ScriptedBackend


def _candidate(name: str, engine: str, address: str = "") -> Candidate:
    return Candidate(name, engine, engine, address, "m", "m", None, lambda as_name: ScriptedBackend(as_name, Script()))


FOUND = [
    _candidate("ollama", "ollama", "http://127.0.0.1:11434"), _candidate("openai@127.0.0.1:8000", "openai", "http://127.0.0.1:8000/v1"),
    _candidate("llamacpp", "llamacpp"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (None, ["ollama", "openai@127.0.0.1:8000", "llamacpp"]), (["openai"], ["openai@127.0.0.1:8000"]), (["llamacpp", "Ollama"], ["ollama", "llamacpp"]),
        (["http://127.0.0.1:8000/v1/"], ["openai@127.0.0.1:8000"]), (["openai@127.0.0.1:8000", "openai"], ["openai@127.0.0.1:8000"]),
    ],
)  # fmt: skip
def test_engines_are_chosen_by_name_kind_or_address(wanted: list[str] | None, names: list[str]) -> None:
    """In the order they were found."""
    assert [c.name for c in chosen_of(FOUND, wanted)] == names


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("olama", "There is no engine 'olama'"), ("exllamav2", "exllamav2 cannot be measured: it is not installed"), ("openai", "No OpenAI-compatible server"),
    ],
)  # fmt: skip
def test_an_engine_that_cannot_be_measured_is_never_dropped_in_silence(wanted: str, said: str) -> None:
    """The error says why, and which ones there are."""
    with pytest.raises(InputError, match=said) as caught:
        chosen_of([FOUND[0], FOUND[2]], ["ollama", wanted], {"exllamav2": "it is not installed"})
    assert "ollama, llamacpp" in caught.value.hint


def test_an_engine_that_does_not_answer_says_so_when_it_is_named() -> None:
    """As what it is, with the others beside it."""

    async def go() -> None:
        async def found() -> list[dict[str, Any]]:
            return [
                {
                    "name": "ollama",
                    "label": "Ollama",
                    "state": "down",
                    "address": "http://127.0.0.1:1",
                    "detail": "Nobody answers there.",
                    "models": [],
                }
            ]

        service = AiService(AiConfig, found, records=NoRecords(), mask=str)
        try:
            with pytest.raises(
                InputError, match=r"ollama cannot be measured: it does not answer \(Nobody answers there\)"
            ):
                await service.benchmarks.start(BenchmarkRequest(backends=["ollama"]))
        finally:
            await service.close()

    asyncio.run(go())
