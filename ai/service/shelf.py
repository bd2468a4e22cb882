"""The models of the servers on this machine, as a person manages them: listed with what may be done, fetched, loaded, let go, deleted."""

import asyncio
import itertools
import math
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

from ai.backends.ollama.running import same_model
from ai.backends.ollama.shelf import OllamaShelf, Progress, ServedModel, checked_name, command_of
from ai.core.errors import BackendError, BackendTimeout, BenchmarkBusy, ModelMissing, NoEngine
from ai.core.footprint import is_local
from ai.core.types import can_chat
from ai.discovery.http import same_endpoint
from ai.service.context.candidates import Candidate
from ai.service.context.config import AiConfig
from ai.shapes.shelf import Pull, PullState, ServerTold, Shelf, ShelfModel, Shelves

_KEPT: Final = 20
"""Fetches that are remembered; the oldest that ended goes first."""
_FETCH_S: Final = 12 * 3600.0
_RATE_S: Final = 10.0
"""The rate of a fetch is that of the last seconds; there is none before the second of these."""
_LEAST_S: Final = 1.0
_HERE: Final = frozenset({"ready", "idle", "loading", "error"})
"""States in which a server is listed; one that does not answer is not, but may be named: it may be back."""
Engines = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
Usable = Callable[[], Awaitable[list[Candidate]]]


@dataclass(slots=True)
class _Fetch:
    """A fetch under way, or what became of it."""

    pull: Pull
    address: str
    points: deque[tuple[float, int]] = field(default_factory=deque)
    task: "asyncio.Task[None] | None" = None

    def tell(self, progress: Progress) -> None:
        """Take the server's word in."""
        now = time.monotonic()
        self.points.append((now, progress.done))
        while len(self.points) > 2 and now - self.points[0][0] > _RATE_S:
            self.points.popleft()
        (first, before), (last, done) = self.points[0], self.points[-1]
        rate = (done - before) / (last - first) if last - first >= _LEAST_S and done > before else None
        left = (progress.total - done) / rate if rate and progress.total is not None else None
        self.pull = self.pull.model_copy(
            update={
                "status": progress.status,
                "done": done,
                "total": progress.total,
                "bytes_per_s": rate,
                "left_s": left,
            }
        )

    def end(self, state: PullState, error: BackendError | None = None) -> None:
        """It is over; the first word on that holds."""
        if self.pull.state != "running":
            return
        why = {"error": error.message, "hint": error.hint} if error is not None else {}
        self.pull = self.pull.model_copy(
            update={"state": state, "ended": time.time_ns() // 1000, "bytes_per_s": None, "left_s": None, **why}
        )


class ModelShelf:
    """Belongs to the event loop it is used in.

    Args:
        config: returns the settings in force.
        engines: what discovery found.
        usable: the engines that can answer, each with its model.
        busy: whether a benchmark runs, which nothing may disturb.
    """

    def __init__(
        self, config: Callable[[], AiConfig], engines: Engines, usable: Usable, busy: Callable[[], bool]
    ) -> None:
        self._config, self._engines, self._usable, self._busy = config, engines, usable, busy
        self._fetches: dict[str, _Fetch] = {}

    async def listed(self) -> Shelves:
        """Every server with its models, asked now, and what is on its way."""
        chosen = {candidate.address: candidate for candidate in await self._usable()}
        rows = [row for row in await self._engines() if _manageable(row) and row.get("state") in _HERE]
        shelves = await asyncio.gather(*(self._shelf(row, chosen.get(str(row["address"]))) for row in rows))
        return Shelves(shelves=list(shelves), pulls=self.pulls())

    def pulls(self) -> list[Pull]:
        """Newest first."""
        return [fetch.pull for fetch in reversed(self._fetches.values())]

    async def pull(self, server: str, model: str) -> Pull:
        """Have a server fetch a model; returns at once. One that is under way already is returned as it is.

        Raises:
            NoEngine: there is no such server.
            BadRequest: this cannot be the name of a model.
        """
        name, address = await self._named(server)
        checked_name(model)
        for fetch in self._fetches.values():
            if fetch.pull.state == "running" and fetch.address == address and same_model(fetch.pull.model, model):
                return fetch.pull
        pull = Pull(id=uuid.uuid4().hex[:12], server=name, model=model, state="running", status="asking", started=time.time_ns() // 1000)  # fmt: skip
        fetch = self._fetches[pull.id] = _Fetch(pull, address)
        fetch.task = asyncio.get_running_loop().create_task(self._fetch(fetch, OllamaShelf(address, name=name)))
        over = [key for key, one in self._fetches.items() if one.pull.state != "running"]
        for key in itertools.islice(over, max(0, len(self._fetches) - _KEPT)):
            del self._fetches[key]
        return pull

    async def cancel(self, pull: str) -> Pull | None:
        """End a fetch; None if it was not under way. What has arrived stays with the server, which goes on from there the next time."""
        fetch = self._fetches.get(pull)
        if fetch is None or fetch.pull.state != "running" or fetch.task is None:
            return None
        fetch.end("cancelled")
        fetch.task.cancel()
        await asyncio.gather(fetch.task, return_exceptions=True)
        return fetch.pull

    async def load(
        self, server: str, model: str, *, context: int | None = None, keep_alive: str | None = None
    ) -> ShelfModel:
        """Have a model in a server's memory; what is None is the server's own choice.

        Raises:
            NoEngine, ModelMissing: there is no such server, or it does not have the model.
            BenchmarkBusy: a benchmark runs.
            BackendError: the server cannot load it.
        """
        name, address = await self._named(server, disturbs=True)
        await OllamaShelf(address, name=name).load(model, context=context, keep_alive=keep_alive)
        return await self._model(name, address, model)

    async def unload(self, server: str, model: str) -> ShelfModel:
        """Have a server let go of a model.

        Raises:
            NoEngine, ModelMissing, BenchmarkBusy, BackendError: see `load`.
        """
        name, address = await self._named(server, disturbs=True)
        await OllamaShelf(address, name=name).unload(model)
        return await self._model(name, address, model)

    async def delete(self, server: str, model: str) -> int | None:
        """Remove a model from a server's disk; returns the bytes that this frees, where the server told them.

        Raises:
            NoEngine, ModelMissing, BenchmarkBusy, BackendError: see `load`.
        """
        name, address = await self._named(server, disturbs=True)
        return await OllamaShelf(address, name=name).delete(model)

    async def close(self) -> None:
        """End every fetch."""
        tasks = [fetch.task for fetch in self._fetches.values() if fetch.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, fetch: _Fetch, shelf: OllamaShelf) -> None:
        model = fetch.pull.model
        try:
            async with asyncio.timeout(_FETCH_S), aclosing(shelf.pull(model)) as steps:
                async for progress in steps:
                    fetch.tell(progress)
        except BackendError as error:
            fetch.end("failed", error)
        except TimeoutError:
            hours = f"{_FETCH_S / 3600:.0f} h"
            late = BackendTimeout(f"{model} was not fetched within {hours}.", phase="total", waited_s=_FETCH_S, hint="Fetch it again: it goes on where it broke off.")  # fmt: skip
            fetch.end("failed", late)
        else:
            fetch.end("done")
        finally:
            fetch.end("cancelled")

    async def _named(self, server: str, *, disturbs: bool = False) -> tuple[str, str]:
        """The name and the address of a server; an empty name means the only one."""
        if disturbs and self._busy():
            raise BenchmarkBusy(
                "A benchmark runs, and this would disturb it.", hint="Wait until it ends, or cancel it."
            )
        names = {c.address: c.name for c in await self._usable()}
        known = [
            (names.get(str(row["address"]), str(row["address"])), str(row["address"]))
            for row in await self._engines()
            if _manageable(row)
        ]
        meant = [one for one in known if not server or server == one[0] or same_endpoint(server, one[1])]
        if len(meant) == 1:
            return meant[0]
        listed = ", ".join(name for name, _ in known)
        if not known:
            raise NoEngine("No Ollama answers here.", hint="Start one: ollama serve")
        if not meant:
            raise NoEngine(f"There is no server {server[:80]!r}.", hint=f"Servers here: {listed}")
        raise NoEngine("There are several servers.", hint=f"Name one of: {listed}")

    async def _model(self, name: str, address: str, model: str) -> ShelfModel:
        """A model as its server tells of it now."""
        chosen = {candidate.address: candidate.model for candidate in await self._usable()}.get(address, "")
        served = await OllamaShelf(address, name=name).models()
        found = next((one for one in served if same_model(one.name, model)), None)
        if found is None:
            raise ModelMissing(
                f"{name} does not have {model} any more.", backend=name, hint="It was deleted meanwhile."
            )
        return self._shown(address, found, chosen)

    async def _shelf(self, row: Mapping[str, Any], candidate: Candidate | None) -> Shelf:
        address = str(row["address"])
        shelf = OllamaShelf(address, name=candidate.name if candidate else "Ollama")
        settings = await shelf.settings()
        told = ServerTold(
            read=settings.read, parallel=settings.parallel, kv_type=settings.kv_type, context=settings.context,
            keep_alive=settings.keep_alive, most_loaded=settings.most_loaded,
        )  # fmt: skip
        whole = Shelf(
            server=candidate.name if candidate else address, label=str(row["label"]), address=address,
            version=str(row.get("version") or ""), local=is_local(address), settings=told,
        )  # fmt: skip
        try:
            models = await shelf.models()
        except BackendError as error:
            return whole.model_copy(update={"problem": error.message, "remedy": error.hint})
        chosen = candidate.model if candidate is not None else ""
        return whole.model_copy(update={"models": [self._shown(address, model, chosen) for model in models]})

    def _shown(self, address: str, model: ServedModel, chosen: str) -> ShelfModel:
        loaded, able = model.loaded, list(model.shown.capabilities)
        left_s = loaded.keep_s if loaded is not None else 0.0
        return ShelfModel(
            name=model.name, size=model.size, quantization=model.quantization, parameters=model.parameters, family=model.family,
            trained_context=model.shown.context, capabilities=able, chats=can_chat(model.name, able),
            remote_host=model.host, refused=refusal(address, model.host, self._config()), loaded=loaded is not None,
            context=loaded.context if loaded is not None else None, memory=loaded.size if loaded is not None else None, vram=model.vram,
            expires=None if loaded is None or math.isinf(left_s) else int((time.time() + left_s) * 1e6),
            for_ever=loaded is not None and math.isinf(left_s), chosen=same_model(model.name, chosen) if chosen else False,
            command=command_of(address, model.name),
        )  # fmt: skip


def refusal(address: str, remote_host: str, config: AiConfig) -> str:
    """Why nothing is sent to a model: it runs on another machine, and the settings do not allow that; empty where it may be asked."""
    if config.allow_remote or (not remote_host and is_local(address)):
        return ""
    where = f" ({remote_host})" if remote_host else ""
    return f"It runs on another machine{where}. The setting ai.allow_remote allows that."


def _manageable(row: Mapping[str, Any]) -> bool:
    return row.get("name") == "ollama" and bool(row.get("address"))
