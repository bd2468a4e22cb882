"""The model engines at their last check. Checks them regularly, and on request."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from ai.discovery.address import parse_models
from ai.discovery.discover import DiscoveryConfig, discover
from ai.discovery.owners import may_serve, server_addresses
from ai.discovery.processes import ollama_addresses
from logs.redaction.masker import Masker
from monitor.config.api_keys import resolve_keys
from monitor.config.sections import AiSettings, EngineSettings
from monitor.metrics.messages import RunInfo

_CATCH_UP: Final = 3
"""Checks to make, at most, when the settings change while one is under way."""
_AWAY: Final = frozenset({"down", "error", "loading"})
"""States in which the end of an engine's process is worth telling."""
_TOLD_US: Final = 3600 * 10**6
_MOST_GONE: Final = 4
"""A server that nobody named, and whose process ended, is told for an hour: how it ended. The newest, where many come and go."""
_SOON_S: Final = 0.5
_LATER: Final = 0.3
_AWAITED_S: Final = 180.0
"""A server that began is looked for at once and every half second, later each time when three tenths of its age have passed again, for three
minutes: it listens at once or when its weights are read, and answers late on a busy machine."""


class EngineWatch:
    """Checks the engines and remembers the answers.

    Args:
        settings: returns where to look; called for each check.
        look: checks the engines; returns one dictionary for each, see `docs/design.md` §7.
        on_change: called when a state or a list of models has changed.
    """

    def __init__(
        self,
        settings: Callable[[], EngineSettings],
        look: Callable[[EngineSettings], Awaitable[list[dict[str, Any]]]],
        on_change: Callable[[], None],
    ) -> None:
        self._settings, self._ask, self._on_change = settings, look, on_change
        self._checked: int | None = None
        self._looked: EngineSettings | None = None
        self._engines: list[dict[str, Any]] = []
        self._runs: dict[int, str] = {}
        self._addresses: dict[int, str] = {}
        self._ends: dict[str, dict[str, Any]] = {}
        self._awaited: dict[int, float] = {}
        """Runs that may be servers and are not known to answer yet, and when each was first seen (monotonic)."""
        self._answering: set[int] = set()
        self._looking: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def newest(self) -> dict[str, Any]:
        """`{"checked": µs | None, "engines": […]}`."""
        return {"checked": self._checked, "engines": self._engines}

    def of_run(self, run: int) -> str | None:
        """The engine that a process served at the last check, in words; None for any other process."""
        return self._runs.get(run)

    def brief(self) -> list[dict[str, Any]]:
        """Name, state and one sentence for each engine, for the status strip."""
        return [
            {"name": e["name"], "label": e["label"], "state": e["state"], "detail": e["detail"]} for e in self._engines
        ]

    async def current(self) -> list[dict[str, Any]]:
        """The engines, checked where the settings say now: a change of them is not waited for until the next round."""
        for _ in range(_CATCH_UP):
            if self._looked == self._settings():
                break
            await self.refresh()
        return self._engines

    async def refresh(self) -> dict[str, Any]:
        """Check the engines now. Concurrent callers share one check that began after they asked: one that is under way may not know what is new."""
        before = self._looking
        if before is not None and not before.done():
            await asyncio.wait([before])
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)
        return self.newest()

    def again(self) -> None:
        """Check the engines soon, because the settings changed."""
        self._wake.set()

    def ended(self, run: int, said: str | None, ts: int) -> None:
        """The process of an engine ended: its card says how until it answers again, and it is checked soon."""
        self._awaited.pop(run, None)
        address = self._addresses.get(run)
        if address is not None:
            self._ends[address] = {"run": str(run), "said": said or "ended, exit code unknown", "ts": ts}
        self.again()

    def began(self, info: RunInfo) -> None:
        """A process began. One that may be a server of models is looked for until it answers."""
        if info.run in self._answering or not may_serve(info.name, info.cmdline.split(), info.cwd or ""):
            return
        if self._settings().discover:  # else one whose address nobody told would be looked for in vain
            self._awaited[info.run] = time.monotonic()
        self.again()

    async def keep_looking(self) -> None:
        """Check the engines every `check_s`, and more often while one begins, for as long as the agent runs."""
        while True:
            self._wake.clear()
            await self.refresh()
            try:
                async with asyncio.timeout(self._pause_s()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _pause_s(self) -> float:
        """Until the next check."""
        now, usual = time.monotonic(), self._settings().check_s
        self._awaited = {
            run: seen for run, seen in self._awaited.items() if run not in self._answering and now - seen < _AWAITED_S
        }
        return min([usual, *(max(_SOON_S, _LATER * (now - seen)) for seen in self._awaited.values())])

    async def _look(self) -> None:
        where, begun = self._settings(), time.time_ns() // 1000
        found = await self._ask(where)
        before = [(e["name"], e["address"], e["state"], e["models"]) for e in self._engines]
        states = {e["address"]: e["state"] for e in found}
        self._ends = {
            address: end
            for address, end in self._ends.items()
            if (
                states[address] in _AWAY or begun <= end["ts"]  # it may have answered just before
                if address in states
                else where.discover and begun - end["ts"] < _TOLD_US
            )
        }
        found += [_gone(e) for e in self._engines if e["address"] in self._ends.keys() - states.keys()][-_MOST_GONE:]
        found = [e | {"ended": self._ends.get(e["address"]) if e["state"] in _AWAY else None} for e in found]
        self._engines, self._checked, self._looked = found, time.time_ns() // 1000, where
        processes = [(e, e.get("process") or {}) for e in found]
        self._runs = {int(p["run"]): f"{e['label']} at {e['address']}" for e, p in processes if p.get("run")}
        self._answering = {int(p["run"]) for e, p in processes if p.get("run") and e["state"] not in _AWAY}
        self._addresses = {int(p["run"]): e["address"] for e, p in processes if p.get("run")}
        if before != [(e["name"], e["address"], e["state"], e["models"]) for e in found]:
            self._on_change()


def _gone(engine: dict[str, Any]) -> dict[str, Any]:
    """A server that was found here and runs no more."""
    said = {"detail": "It does not run any more.", "remedy": "Start it again, if that was not intended."}
    return engine | said | {"state": "down", "models": [], "process": None, "latency_ms": None}


async def check_engines(
    where: EngineSettings,
    chosen: AiSettings,
    folders: Sequence[Path] = (),
    *,
    mask: Callable[[Sequence[str]], str] | None = None,
) -> list[dict[str, Any]]:
    """Check the model engines, each with a deadline.

    Args:
        where: where to look.
        chosen: model files and folders, and which models to use.
        folders: others that hold model files.
        mask: hides secrets in the command lines of servers; those of known forms without it.
    """
    paths = await asyncio.to_thread(lambda: (*(Path(path).expanduser() for path in chosen.model_paths), *folders))
    keys = await asyncio.to_thread(resolve_keys, where.api_keys, os.environ, where.openai_urls)
    config = DiscoveryConfig(
        ollama_url=where.ollama_url, openai_urls=tuple(where.openai_urls), model_paths=paths,
        models=parse_models(tuple(chosen.models)),
        api_keys={**keys.keys, **{url: key for url in where.openai_urls if (key := keys.key_of(url))}},
        key_problems={url: why for url in where.openai_urls if (why := keys.problem_of(url))},
        search=ollama_addresses if where.discover else tuple,
        search_servers=server_addresses if where.discover else tuple, mask=mask or Masker().mask_cmdline,
    )  # fmt: skip
    return [engine.model_dump(mode="json") for engine in await discover(config)]
