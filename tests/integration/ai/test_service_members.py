"""The router's members are the engines that are configured now, on a running service."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ai.service.context.candidates import candidates
from ai.service.context.config import AiConfig
from ai.service.context.records import NoRecords
from ai.service.service import AiService
from monitor.agent.engine_watch import EngineWatch
from monitor.config.sections import EngineSettings
from tests.doubles.ai_kit import http, raw_server
from tests.waiting import patient, wait_until_async

POSTING = "Data Engineer\n\nAcme Robotics is looking for a Data Engineer in Berlin. You know Python and SQL."
LISTING = http(json.dumps({"object": "list", "data": [{"id": "m"}]}))
REFUSED = http('{"error": "no"}', "500 No")


def served(url: str, state: str = "ready") -> dict[str, Any]:
    """A server as discovery describes it."""
    models = [{"name": "m", "loaded": True}] if state == "ready" else []
    return {"name": "openai", "label": "L", "kind": "server", "state": state, "address": url, "models": models}


def test_a_server_that_was_taken_out_or_moved_gets_nothing_more() -> None:
    """Neither postings nor log records; a setting that has to do with no engine changes nothing."""

    async def run() -> None:
        async with raw_server([LISTING], [REFUSED]) as one, raw_server([LISTING], [REFUSED]) as two:
            found: list[dict[str, Any]] = [served(one.url)]
            config = [AiConfig()]

            async def engines() -> Sequence[Mapping[str, Any]]:
                return found

            service = AiService(lambda: config[0], engines, records=NoRecords(), mask=str)

            async def asked() -> list[int]:
                before = [len(one.requests), len(two.requests)]
                await service.analyze(POSTING)
                return [len(one.requests) - before[0], len(two.requests) - before[1]]

            assert (await asked())[0] > 0
            name = next(iter(service.pool.engines))
            backend = service.pool.engines[name].backend
            config[0] = AiConfig(benchmark_s=33.0)
            await service.pool.routers()
            assert service.pool.engines[name].backend is backend
            found[:] = [served(one.url, "down")]
            await service.pool.routers()
            assert list(service.pool.engines) == [name], "it is away, and still configured"
            found[:] = [served(two.url)]
            first, second = await asked()
            assert first == 0
            assert second > 0
            found[:] = []
            assert await asked() == [0, 0]
            assert (await service.policy()).order == []
            await service.close()

    asyncio.run(run())


def test_a_new_key_makes_a_new_back_end() -> None:
    """It must not be asked with the old one."""

    async def run() -> None:
        url = "http://127.0.0.1:1/v1"
        config = [AiConfig()]

        async def engines() -> Sequence[Mapping[str, Any]]:
            return [served(url)]

        service = AiService(lambda: config[0], engines, records=NoRecords(), mask=str)
        await service.pool.routers()
        (before,) = service.pool.engines.values()
        config[0] = AiConfig(api_keys={"http://127.0.0.1:1": "sesame"})
        await service.pool.routers()
        (after,) = service.pool.engines.values()
        assert after.backend is not before.backend
        await service.close()

    asyncio.run(run())


def test_two_servers_on_one_port_are_two() -> None:
    """The path tells them apart, and where that is the same, a number."""
    urls = ["http://h:1/a/v1", "http://h:1/b/v1", "http://h:1/v1", "https://h:1/v1"]
    names = [c.name for c in candidates([served(url) for url in urls], AiConfig())]
    assert names == ["openai@h:1/a", "openai@h:1/b", "openai@h:1", "openai@h:1#2"]


def test_engines_are_looked_for_where_the_settings_say_now() -> None:
    """A change of the settings, also during a check, is not waited for until the next round."""

    async def run() -> None:
        settings = [EngineSettings(openai_urls=["http://127.0.0.1:1"])]
        gate, looked = asyncio.Event(), list[str]()

        async def look(where: EngineSettings) -> list[dict[str, Any]]:
            looked.append(where.openai_urls[0])
            await gate.wait()
            return [served(where.openai_urls[0])]

        watch = EngineWatch(lambda: settings[0], look, lambda: None)
        begun = asyncio.create_task(watch.current())
        await wait_until_async(lambda: bool(looked))
        settings[0] = EngineSettings(openai_urls=["http://127.0.0.1:2"])
        gate.set()
        async with asyncio.timeout(patient(5)):
            assert [e["address"] for e in await begun] == ["http://127.0.0.1:2"]
        await watch.current()
        assert looked == ["http://127.0.0.1:1", "http://127.0.0.1:2"]

    asyncio.run(run())


def test_who_asks_during_a_check_gets_one_that_began_later() -> None:
    """What was made while a check was under way is known to whoever asks then; all who do share the next one."""

    async def run() -> None:
        models, looked, gate = ["old"], 0, asyncio.Event()

        async def look(_: EngineSettings) -> list[dict[str, Any]]:
            nonlocal looked
            looked += 1
            listed = list(models)
            await gate.wait()
            return [served("http://127.0.0.1:1") | {"models": [{"name": name} for name in listed]}]

        watch = EngineWatch(lambda: settings, look, lambda: None)
        settings = EngineSettings()
        begun = asyncio.create_task(watch.refresh())
        await wait_until_async(lambda: looked == 1)
        models.append("new")
        later = [asyncio.create_task(watch.refresh()) for _ in range(5)]
        gate.set()
        async with asyncio.timeout(patient(5)):
            assert len((await begun)["engines"][0]["models"]) == 1
            for one in later:
                assert [m["name"] for m in (await one)["engines"][0]["models"]] == ["old", "new"]
        assert looked == 2

    asyncio.run(run())
