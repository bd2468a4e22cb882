"""What Ollama will take for a model is predicted from its file, or from what it tells of it; what it does not tell is not made up."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from ai.core.errors import BadRequest, ModelMissing
from ai.discovery.files import demo_model
from ai.model_files.memory import MIB, MemoryPlan, predict
from ai.service.context.config import AiConfig
from ai.service.context.ollama_plan import plan_of_ollama
from ai.service.context.records import NoRecords
from ai.service.service import AiService
from ai.shapes.engines import PredictedFor
from tests.doubles import ollama_double as double
from tests.doubles.ai_kit import http, raw_server, workers

TAGS = http(json.dumps({"models": [{"name": "m", "size": 4_000_000_000}]}))
KEYS = {"general.architecture": "llama", "general.parameter_count": 7_000_000_000, "llama.block_count": 32, "llama.embedding_length": 4096,
        "llama.attention.head_count": 32, "llama.attention.head_count_kv": 8, "llama.context_length": 8192, "llama.feed_forward_length": 14336,
        "tokenizer.ggml.tokens": None}  # fmt: skip


def told(shown: Any, tags: bytes = TAGS, **asked: Any) -> MemoryPlan | None:
    """The plan from a server that shows this."""
    shows = http(shown if isinstance(shown, bytes | str) else json.dumps(shown))

    async def go() -> MemoryPlan | None:
        async with raw_server([shows], [tags], [http('{"models": []}')]) as server:
            return await asyncio.to_thread(plan_of_ollama, server.url, "m", default_context=2048, **asked)

    return asyncio.run(go())


def plan_of_small(parallel: int, kv_type: str) -> MemoryPlan:
    """The plan of the demonstration model's layers with 4,096 tokens of context."""
    path = demo_model()
    assert path is not None
    return predict(path, n_ctx=4096, n_parallel=parallel, kv_type=kv_type)


def test_the_file_behind_ollama_takes_what_the_same_file_takes(demo_path: Path) -> None:
    """Read where it lies: the same weights, cache and work as the embedded engine's; with Ollama's own defaults, which are said."""
    with double.serve() as (url, _):
        plan = plan_of_ollama(url, double.NAME, default_context=4096)
    own = predict(demo_path, n_ctx=4096)
    assert plan is not None
    assert (plan.weights, plan.cache, plan.compute) == (own.weights, own.cache, own.compute)
    assert own.overhead + 10 * MIB < plan.overhead <= own.overhead + 128 * MIB  # the server itself is held, too
    assert (plan.model, plan.context, plan.parallel, plan.kv_type) == (double.NAME, 4096, 1, "f16")
    assert "started" in plan.notes[-1]


def test_what_ollama_tells_is_enough(demo_path: Path) -> None:
    """Where its files are not to be read: the same cache, and weights that differ by what else is in the file."""
    with double.serve(hides_blob=True) as (url, _):
        plan = plan_of_ollama(url, double.NAME, default_context=4096, parallel=2, kv_type="q8_0")
    own = predict(demo_path, n_ctx=4096, n_parallel=2, kv_type="q8_0")
    assert plan is not None
    assert (plan.cache, plan.compute) == (own.cache, own.compute)
    assert own.weights <= plan.weights <= own.weights + 8 * MIB


def test_keys_as_ollama_gives_them_make_a_plan() -> None:
    """A model of 7 billion parameters: 128 KiB of cache a token, and its size on disk."""
    plan = told({"model_info": KEYS, "modelfile": "FROM m"})
    assert plan is not None
    assert plan.cache == 2048 * 128 * 1024
    assert (plan.weights, plan.parameters, plan.trained_context) == (4_000_000_000, 7_000_000_000, 8192)


@pytest.mark.parametrize(
    "shown",
    [
        "", "[1]", "nonsense", "[" * 5000, {}, {"model_info": 7}, {"model_info": {}}, {"model_info": {"general.architecture": "bert"}},
        {"model_info": KEYS | {"llama.block_count": "32"}}, {"model_info": KEYS | {"llama.block_count": 10**6}}, {"model_info": KEYS | {"llama.attention.head_count": -5}},
        {"model_info": KEYS | {"llama.embedding_length": 2**80}}, {"model_info": KEYS | {"llama.attention.head_count_kv": [2**60] * 32}},
        {"model_info": KEYS | {"llama.attention.head_count": [[1]] * 32}}, {"model_info": KEYS | {"llama.feed_forward_length": 2**70}},
        {"model_info": KEYS | {"llama.feed_forward_length": -(2**40)}}, {"model_info": KEYS | {"llama.attention.key_length": -8}}, {"model_info": KEYS | {"llama.context_length": -1}},
        {"model_info": KEYS | {"general.parameter_count": 2**80}}, {"model_info": KEYS | {"llama.context_length": 2**70}},
        {"model_info": KEYS, "details": {"format": "safetensors"}},
    ],
)  # fmt: skip
def test_what_is_no_description_of_a_model_makes_no_plan(shown: Any) -> None:
    """Whatever a server says: a plan that can be, or none."""
    assert told(shown) is None


def test_a_server_that_does_not_list_the_model_or_is_away_makes_no_plan() -> None:
    """Its size is not guessed."""
    assert told({"model_info": KEYS}, tags=http('{"models": []}')) is None
    assert told({"model_info": KEYS}, tags=http(json.dumps({"models": [{"name": "m", "size": 2**62}]}))) is None
    for address in ("http://127.0.0.1:1", "http://[::1", "nonsense"):
        assert plan_of_ollama(address, "m", default_context=2048) is None


def test_an_adapter_counts() -> None:
    """What lies in several files, be the first one readable, is as large as all of them together."""
    with double.serve() as (url, _):
        real = asyncio.run(_modelfile(url))
    plan = told(
        {"model_info": KEYS, "modelfile": f"{real}ADAPTER /nowhere/sha256-{'1' * 64}\n", "details": {"format": "gguf"}}
    )
    assert plan is not None
    assert plan.weights == 4_000_000_000


async def _modelfile(url: str) -> str:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        return str((await client.post("/api/show", json={"model": double.NAME})).json()["modelfile"])


@pytest.mark.parametrize("blob", ["/dev/sha256-", "/etc/sha256-"])
def test_a_path_that_is_no_file_of_a_model_is_not_read(blob: str) -> None:
    """A modelfile may name anything: what is not there, or no model, is passed over."""
    plan = told({"model_info": KEYS, "modelfile": f"FROM {blob}{'0' * 64}"})
    assert plan is not None
    assert plan.weights == 4_000_000_000


def test_impossible_settings_are_refused() -> None:
    """As for a file."""
    with pytest.raises(BadRequest):
        told({"model_info": KEYS}, kv_type="q1")


def test_the_engines_and_a_question_agree(demo_path: Path) -> None:
    """The row of Ollama says what it would take before anything is loaded; a question by its name, or its model's, gives the same."""

    async def run(url: str) -> None:
        before = workers()
        served = {
            "name": "ollama",
            "label": "Ollama",
            "kind": "server",
            "state": "ready",
            "address": url,
            "models": [{"name": double.NAME}],
        }

        async def found() -> list[dict[str, Any]]:
            return [served]

        service = AiService(lambda: AiConfig(context=4096), found, records=NoRecords(), mask=str)
        (row,) = (await service.backends()).backends
        assert row.memory_predicted == pytest.approx(predict(demo_path, n_ctx=4096).total + 64 * MIB, abs=64 * MIB)
        assert row.memory_predicted_for == PredictedFor(context=4096, parallel=1, kv_type="f16")
        for name in ("ollama", double.NAME):
            plan = await service.memory_plan(name)
            assert (plan.model, plan.path) == (double.NAME, "")
            assert plan.total == pytest.approx(row.memory_predicted, abs=32 * MIB)  # the server lives meanwhile
        two = await service.memory_plan("ollama", context=8192, parallel=2, kv_type="q8_0")
        assert two.cache == predict(demo_path, n_ctx=8192, n_parallel=2, kv_type="q8_0").cache
        assert workers() == before
        await service.close()

    with double.serve() as (url, _):
        asyncio.run(run(url))


def test_a_server_that_tells_nothing_is_said_to_a_question() -> None:
    """With what to do instead."""

    async def run() -> None:
        async with raw_server([http("{}")]) as server:
            served = {
                "name": "ollama",
                "label": "Ollama",
                "kind": "server",
                "state": "ready",
                "address": server.url,
                "models": [{"name": "m"}],
            }

            async def found() -> list[dict[str, Any]]:
                return [served]

            service = AiService(AiConfig, found, records=NoRecords(), mask=str)
            with pytest.raises(ModelMissing, match="does not tell"):
                await service.memory_plan("m")
            await service.close()

    asyncio.run(run())
