"""The models of an Ollama server: listed, fetched, loaded, let go, deleted."""

import asyncio
import re
import shlex
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import httpx
import ollama

from ai.backends.ollama.client import CLIENT_ERRORS, START, asked, error_of_ollama, ollama_client
from ai.backends.ollama.running import Loaded, ServerSettings, loaded_models, same_model, server_settings
from ai.core.errors import BackendDown, BackendError, BackendTimeout, BadOutput, BadRequest, ModelMissing
from ai.core.footprint import is_local
from ai.core.pacing import late
from ai.discovery.address import normal_url
from ai.discovery.http import ProbeFailed, entries, get_json, new_client, text, whole
from ai.discovery.ollama import Shown, host_of, name_of, shown_of

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}")
_DEFAULT: Final = "http://127.0.0.1:11434"
_SILENT_S: Final = 120.0
"""A fetch that says nothing for so long is given up: Ollama tells of its progress several times a second."""
_FETCH_HINT: Final = "Check the model's name, and whether the machine of the server reaches its registry. Fetching it again goes on where it broke off."


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model as the server tells of it; `loaded` where it is in memory, `vram` its bytes on a GPU then."""

    name: str
    size: int | None
    quantization: str | None
    parameters: str | None
    family: str | None
    host: str
    shown: Shown
    loaded: Loaded | None
    vram: int | None
    digest: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a fetch is: the server's word for what it does, and bytes of all layers it has told of so far."""

    status: str
    done: int
    total: int | None


class OllamaShelf:
    """The models of one server.

    Args:
        url: its address.
        name: for errors.
        ask_s: how long a small question may take.
        load_s: how long a load may take.
    """

    def __init__(self, url: str, *, name: str = "ollama", ask_s: float = 5.0, load_s: float = 300.0) -> None:
        self._url, self._name = normal_url(url, 11434), name
        self._ask_s, self._load_s = ask_s, load_s

    async def models(self) -> list[ServedModel]:
        """All of them, as the server lists them.

        Raises:
            BackendError: it does not answer, or not as Ollama does.
        """
        local = is_local(self._url)
        try:
            async with asyncio.timeout(self._ask_s), new_client(self._url, self._ask_s) as client:
                tags = entries((await get_json(client, "/api/tags")).get("models"))
                running = entries((await get_json(client, "/api/ps")).get("models"))
                shown = await shown_of(client, tags)
        except (ProbeFailed, TimeoutError) as error:
            raise self._unanswered(error) from error
        held = {item.model: item for item in loaded_models(running, local=local)}
        vram = {name_of(row): whole(row.get("size_vram")) for row in running}
        return [_served(tag, shown[name_of(tag)], held.get(name_of(tag)), vram.get(name_of(tag))) for tag in tags]

    async def settings(self) -> ServerSettings:
        """What the server was started with."""
        return await asyncio.to_thread(server_settings, self._url)

    async def load(self, model: str, *, context: int | None = None, keep_alive: str | None = None) -> None:
        """Have a model in memory, `-1` for ever. What is None is the server's own choice, or stays as it is for a model that is in memory already.

        Raises:
            ModelMissing: it is not there.
            BackendError: the server cannot load it, or not in time.
        """
        found = await self._one(model)
        if found.loaded is not None:
            if context in {None, found.loaded.context} and keep_alive is None:
                return
            context = context or found.loaded.context
        options = {"num_ctx": context} if context is not None else {}
        keep = -1 if keep_alive == "-1" else keep_alive  # as a number: a duration needs a unit
        async with _Client(self._url, httpx.Timeout(None, connect=self._ask_s)) as client:
            if "embedding" in found.shown.capabilities and "completion" not in found.shown.capabilities:
                question: Any = client.embed(found.name, "", options=options, keep_alive=keep)
            else:
                question = client.generate(found.name, prompt="", options=options, keep_alive=keep)
            try:
                async with asyncio.timeout(self._load_s):
                    await asked(question, self._name, self._load_s)
            except TimeoutError as error:
                raise late(self._name, "load", self._load_s) from error

    async def unload(self, model: str) -> None:
        """Have the server let go of a model.

        Raises:
            ModelMissing: it is not there.
            BackendError: the server does not answer.
        """
        found = await self._one(model)
        async with _Client(self._url, httpx.Timeout(self._ask_s)) as client:
            await asked(client.generate(found.name, prompt="", keep_alive=0), self._name, self._ask_s)

    async def delete(self, model: str) -> int | None:
        """Remove a model from the server's disk, from its memory first; returns the bytes that this frees, where the server told them.

        A model that has another name, too, leaves its files to that one.

        Raises:
            ModelMissing: it is not there.
            BackendError: the server does not answer, or refuses.
        """
        models = await self.models()
        found = self._among(models, model)
        async with _Client(self._url, httpx.Timeout(self._ask_s)) as client:
            if found.loaded is not None:
                await asked(client.generate(found.name, prompt="", keep_alive=0), self._name, self._ask_s)
            await asked(client.delete(found.name), self._name, self._ask_s)
        kept = any(found.digest and other.digest == found.digest for other in models if other is not found)
        return 0 if kept else found.size

    async def pull(self, model: str) -> AsyncGenerator[Progress, None]:
        """Fetch a model from the server's registry, to its disk; closing the generator ends the fetch. The whole has no deadline of its own here.

        Raises:
            BadRequest: this cannot be the name of a model.
            BackendError: the server cannot fetch it, or falls silent.
        """
        checked_name(model)
        layers: dict[str, tuple[int, int]] = {}
        async with _Client(self._url, httpx.Timeout(_SILENT_S, connect=self._ask_s)) as client:
            try:
                async with aclosing(await _pulling(client, model)) as lines:
                    async for line in lines:
                        yield _progress(line, layers)
                        if line.status == "success":
                            return
            except httpx.ReadTimeout as error:
                raise self._stalled(f"did not come any further for {_SILENT_S:.0f} s", model) from error
            except ollama.ResponseError as error:
                said = text(error.error) or "no reason given"
                raise BackendError(
                    f"{self._name} cannot fetch {model}: {said.rstrip('.')}.", backend=self._name, hint=_FETCH_HINT
                ) from error
            except CLIENT_ERRORS as error:
                raise error_of_ollama(
                    self._name, error, begun=bool(layers), connect_s=self._ask_s, ask_s=self._ask_s
                ) from error
        raise self._stalled("was not fetched to its end", model)

    async def _one(self, model: str) -> ServedModel:
        return self._among(await self.models(), model)

    def _among(self, models: list[ServedModel], model: str) -> ServedModel:
        found = next((item for item in models if same_model(item.name, model)), None)
        if found is None:
            raise ModelMissing(
                f"{self._name} does not have {model}.",
                backend=self._name,
                hint="Its models are listed by: watchkeeper ai models",
            )
        return found

    def _unanswered(self, error: ProbeFailed | TimeoutError) -> BackendError:
        if isinstance(error, ProbeFailed) and error.state != "down":
            return BadOutput(f"{self._name}: {error.message}.", backend=self._name)
        return BackendDown(f"{self._name} does not answer.", backend=self._name, hint=START)

    def _stalled(self, how: str, model: str) -> BackendTimeout:
        return BackendTimeout(
            f"{model} {how}.", phase="between tokens", waited_s=_SILENT_S, backend=self._name, hint=_FETCH_HINT
        )


def checked_name(model: str) -> str:
    """A name that a registry may have.

    Raises:
        BadRequest: it is none.
    """
    if not _NAME.fullmatch(model):
        raise BadRequest(f"{model[:80]!r} cannot be the name of a model.", hint="Names look like: llama3.2:3b")
    return model


def command_of(url: str, model: str) -> str:
    """What runs a model in a terminal, with the server's address where it is not the usual one."""
    run = f"ollama run {shlex.quote(model)}"
    return (
        run
        if normal_url(url, 11434) == _DEFAULT
        else f"OLLAMA_HOST={shlex.quote(url.partition('://')[2] or url)} {run}"
    )


class _Client:
    """A client for one question, closed after it."""

    def __init__(self, url: str, timeout: httpx.Timeout) -> None:
        self._client = ollama_client(url, timeout)

    async def __aenter__(self) -> ollama.AsyncClient:
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]  # the package leaves it without annotations


async def _pulling(client: ollama.AsyncClient, model: str) -> AsyncGenerator[ollama.ProgressResponse, None]:
    lines: AsyncIterator[ollama.ProgressResponse] = await client.pull(model, stream=True)
    assert isinstance(lines, AsyncGenerator)  # noqa: S101 - it is one, though its annotation says less; it must be closed
    return lines


def _progress(line: ollama.ProgressResponse, layers: dict[str, tuple[int, int]]) -> Progress:
    if line.digest and line.total:
        layers[line.digest] = (line.completed or 0, line.total)
    done, total = (sum(layer[part] for layer in layers.values()) for part in (0, 1))
    word = text(line.status)
    return Progress("fetching" if word.startswith("pulling ") and line.digest else word, done, total or None)


def _served(tag: dict[str, Any], shown: Shown, loaded: Loaded | None, vram: int | None) -> ServedModel:
    details = tag.get("details")
    told = details if isinstance(details, dict) else {}
    return ServedModel(
        name=name_of(tag), size=whole(tag.get("size")), quantization=text(told.get("quantization_level")) or None,
        parameters=text(told.get("parameter_size")) or None, family=text(told.get("family")) or None,
        host=host_of(tag), shown=shown, loaded=loaded, vram=vram if loaded is not None else None, digest=text(tag.get("digest")),
    )  # fmt: skip
