"""The models of a server: listed as it has them, fetched with progress, loaded, let go, deleted; and a model that is tried."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ai.core.errors import AiError, BadRequest, BenchmarkBusy, ModelMissing, NoEngine
from ai.discovery.discover import DiscoveryConfig, discover
from ai.service.context.config import AiConfig
from ai.service.context.records import NoRecords
from ai.service.service import AiService
from ai.shapes.benchmark import BenchmarkRequest
from ai.shapes.shelf import Pull, ShelfModel, Trial, Turn
from tests.doubles.stateful_ollama import Held, StatefulOllama, serve
from tests.waiting import patient, wait_until_async

SIZE = 2_000_000_000


def stocked() -> StatefulOllama:
    """A server with a model that chats and is in memory, one for embeddings, and one of another machine."""
    return StatefulOllama(
        models={"m:latest": {}, "embed:latest": {"capabilities": ["embedding"]}, "far:cloud": {"remote_host": "https://far.example:443"}},
        held={"m:latest": Held(8192, 1800.0)}, registry={"new:1b": SIZE},
    )  # fmt: skip


@asynccontextmanager
async def service_of(server: StatefulOllama, **settings: Any) -> AsyncIterator[AiService]:
    """The service with what discovery finds at this server."""

    async def engines() -> Sequence[Mapping[str, Any]]:
        found = await discover(DiscoveryConfig(ollama_url=server.url, search=tuple, timeout_s=patient(10)))
        return [engine.model_dump() for engine in found if engine.name == "ollama"]

    service = AiService(lambda: AiConfig(**settings), engines, records=NoRecords(), mask=str)
    try:
        yield service
    finally:
        await service.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    """To its end."""
    asyncio.run(work)


def by_name(models: Sequence[ShelfModel]) -> dict[str, ShelfModel]:
    """The models of one shelf."""
    return {model.name: model for model in models}


async def arrived(service: AiService, pull: Pull) -> Pull:
    """A fetch once it is over."""
    await wait_until_async(lambda: _of(service, pull).state != "running", "the fetch ends")
    return _of(service, pull)


def _of(service: AiService, pull: Pull) -> Pull:
    return next(one for one in service.shelf.pulls() if one.id == pull.id)


def test_a_server_tells_what_it_has() -> None:
    """Size, quantisation, trained context, what is in memory and for how long; what embeds does not chat; what is far away is marked."""

    async def work() -> None:
        async with serve(stocked()) as server, service_of(server) as service:
            (shelf,) = (await service.shelf.listed()).shelves
            models = by_name(shelf.models)
            assert (shelf.server, shelf.address, shelf.local) == ("ollama", server.url, True)
            one = models["m:latest"]
            assert (one.quantization, one.parameters, one.trained_context, one.size) == (
                "Q4_K_M",
                "1.0B",
                131_072,
                800_000_000,
            )
            assert (one.loaded, one.context, one.chosen, one.chats, one.for_ever) == (True, 8192, True, True, False)
            assert one.expires is not None
            assert one.command.endswith("ollama run m:latest")
            assert (models["embed:latest"].chats, models["embed:latest"].loaded) == (False, False)
            assert models["far:cloud"].remote_host == "far.example"
            assert "ai.allow_remote" in models["far:cloud"].refused
        async with serve(stocked()) as server, service_of(server, allow_remote=True) as service:
            (shelf,) = (await service.shelf.listed()).shelves
            assert by_name(shelf.models)["far:cloud"].refused == ""

    run(work())


def test_loading_and_letting_go_are_the_servers_own_choice_unless_told() -> None:
    """No context and no keep-alive are sent of our own accord; what is given is; a model that embeds is loaded, too."""

    async def work() -> None:
        async with serve(stocked()) as server, service_of(server) as service:
            let_go = await service.shelf.unload("", "m")
            assert not let_go.loaded
            assert "m:latest" not in server.held
            loaded = await service.shelf.load("ollama", "m")
            assert (loaded.loaded, loaded.context) == (True, server.default_context)
            assert server.bodies[-1]["options"] == {}
            assert server.bodies[-1].get("keep_alive") is None
            longer = await service.shelf.load(server.url, "m", context=2048, keep_alive="30m")
            assert (longer.context, server.held["m:latest"].keep_s) == (2048, 1800.0)
            loads = server.loads
            assert (await service.shelf.load("", "m")).context == 2048
            assert server.loads == loads
            assert (await service.shelf.load("", "embed")).loaded

    run(work())


def test_a_fetch_tells_how_far_it_is() -> None:
    """Bytes while it runs, one fetch for one model however often it is asked for, then the model on the shelf."""

    async def work() -> None:
        async with serve(stocked()) as server, service_of(server) as service:
            pull = await service.shelf.pull("", "new:1b")
            await wait_until_async(lambda: _of(service, pull).done == SIZE // 2, "half of it is here")
            half = _of(service, pull)
            assert (half.state, half.total, half.status) == ("running", SIZE, "fetching")
            assert (await service.shelf.pull("ollama", "new:1b")).id == pull.id
            server.fetching.set()
            done = await arrived(service, pull)
            assert (done.state, done.done) == ("done", SIZE)
            (shelf,) = (await service.shelf.listed()).shelves
            assert by_name(shelf.models)["new:1b"].size == SIZE
            server.models["again:1b"] = server.models["new:1b"] | {"digest": "one"}
            server.models["new:1b"]["digest"] = "one"
            assert await service.shelf.delete("", "again:1b") == 0, "the other name keeps its files"
            assert await service.shelf.delete("", "new:1b") == SIZE
            assert "new:1b" not in server.models

    run(work())


def test_a_fetch_that_is_stopped_hangs_up() -> None:
    """The server sees its client go, which ends the transfer; stopping it twice is no error."""

    async def work() -> None:
        async with serve(stocked()) as server, service_of(server) as service:
            pull = await service.shelf.pull("", "new:1b")
            await wait_until_async(lambda: _of(service, pull).done > 0, "it is on its way")
            stopped = await service.shelf.cancel(pull.id)
            assert stopped is not None
            assert stopped.state == "cancelled"
            await wait_until_async(lambda: server.hung_up == 1, "the server sees it")
            assert await service.shelf.cancel(pull.id) is None
            assert "new:1b" not in server.models

    run(work())


def test_what_cannot_be_done_is_said() -> None:
    """A name that the registry does not have, one that is no name, models and servers that are not there, and a benchmark that runs."""

    async def work() -> None:
        async with serve(stocked()) as server, service_of(server) as service:
            failed = await arrived(service, await service.shelf.pull("", "nope:1b"))
            assert failed.state == "failed"
            assert "cannot fetch nope:1b: pull model manifest: file does not exist" in failed.error
            assert "Check the model's name" in failed.hint
            refusals: list[tuple[type[AiError], Coroutine[Any, Any, object]]] = [
                (BadRequest, service.shelf.pull("", "../../etc")), (ModelMissing, service.shelf.load("", "nothing")),
                (ModelMissing, service.shelf.delete("", "nothing")), (NoEngine, service.shelf.unload("elsewhere", "m")),
            ]  # fmt: skip
            for kind, asked in refusals:
                with pytest.raises(kind) as refused:
                    await asked
                assert refused.value.hint
        async with serve(stocked()) as server, service_of(server) as service:
            await service.benchmarks.start(_benchmark())
            with pytest.raises(BenchmarkBusy):
                await service.shelf.unload("", "m")
            with pytest.raises(BenchmarkBusy):
                await service.trials.start("ollama", "", [Turn(role="user", content="Hi")], max_tokens=4)

    run(work())


def _benchmark() -> BenchmarkRequest:
    return BenchmarkRequest(depth="quick", budget_s=5, postings=0)


async def answered(service: AiService, trial: Trial) -> Trial:
    """A trial once it is over."""
    await wait_until_async(lambda: _now(service, trial).state not in {"loading", "answering"}, "it has answered")
    return _now(service, trial)


def _now(service: AiService, trial: Trial) -> Trial:
    found = service.trials.state(trial.id)
    assert found is not None
    return found


def test_a_model_is_tried_with_its_figures() -> None:
    """The words, then tokens, times and the rate; the model in use is asked as it is in memory; another one of the server by its name."""

    async def work() -> None:
        stock = stocked()
        stock.models["other:latest"] = {}
        async with serve(stock) as server, service_of(server) as service:
            ask = [Turn(role="user", content="Say words.")]
            done = await answered(service, await service.trials.start("ollama", "", ask, max_tokens=20))
            assert (done.state, done.model, done.text) == ("done", "m:latest", " word" * 20)
            assert done.figures is not None
            assert (done.figures.answer_tokens, done.figures.finish) == (20, "length")
            assert done.figures.tokens_per_s
            assert "tokens/s" in done.figures.sentence()
            assert server.held["m:latest"].context == 8192
            assert server.held["m:latest"].keep_s == 1800.0
            again = [*ask, Turn(role="assistant", content=done.text), Turn(role="user", content="More.")]
            await answered(service, await service.trials.start("ollama", "other", again, max_tokens=4))
            assert server.asked[-1] == "other:latest"
            assert len(server.bodies[-1]["messages"]) == 3

    run(work())


def test_a_trial_is_stopped_and_what_was_said_is_kept() -> None:
    """Its words stay, without figures."""

    async def work() -> None:
        stock = stocked()
        stock.per_token_s = 0.02
        async with serve(stock) as server, service_of(server) as service:
            trial = await service.trials.start("", "", [Turn(role="user", content="Go on.")], max_tokens=4000)
            await wait_until_async(lambda: _now(service, trial).text, "it speaks")
            assert await service.trials.cancel(trial.id)
            stopped = _now(service, trial)
            assert stopped.state == "cancelled"
            assert stopped.figures is None
            assert not await service.trials.cancel(trial.id)

    run(work())


def test_nothing_is_sent_where_the_settings_do_not_allow_it() -> None:
    """A model of another machine, one that embeds, an engine and a model that are not there: each is refused before anything is asked."""

    async def work() -> None:
        async with serve(stocked()) as server, service_of(server) as service:
            ask = [Turn(role="user", content="secret")]
            for engine, model, kind in (
                ("ollama", "far:cloud", BadRequest), ("ollama", "embed", BadRequest), ("ollama", "none-such", ModelMissing), ("nobody", "", NoEngine),
            ):  # fmt: skip
                with pytest.raises(kind) as refused:
                    await service.trials.start(engine, model, ask, max_tokens=4)
                assert refused.value.hint
            assert not any("secret" in str(body) for body in server.bodies)
            server.models["m:latest"] = {"capabilities": ["embedding"]}
        async with serve(stocked()) as server, service_of(server, allow_remote=True) as service:
            far = await service.trials.start("ollama", "far:cloud", [Turn(role="user", content="Hello")], max_tokens=4)
            assert (await answered(service, far)).state == "done"

    run(work())
