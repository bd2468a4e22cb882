"""Servers that speak OpenAI's API: vLLM, TabbyAPI, llama.cpp's server, LM Studio, and others.

What is loaded, with which context and how, is the server's business: `ensure_loaded` reports it and says where it
differs from what was asked.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from ai.backends.openai.http_errors import error_of, error_of_transport
from ai.backends.openai.request import FLAVOURS, Flavour
from ai.backends.openai.stream import OpenAIWire
from ai.core.errors import BackendDown, BackendError, BackendLoading, BadOutput, BadRequest, ModelMissing
from ai.core.footprint import is_local, is_working, listening_pid, memory_of
from ai.core.pacing import Pacer, late
from ai.core.types import (
    DEFAULT_DEADLINES,
    Capabilities,
    Deadlines,
    Engine,
    EngineModel,
    Event,
    Figure,
    GenRequest,
    Health,
    LoadReport,
    LoadSpec,
    MemoryReport,
    Message,
)
from ai.core.types import (
    Final as Final_,
)
from ai.discovery.address import key_header, normal_url, server_root
from ai.discovery.http import ProbeFailed, at_address, authorities, whole
from ai.discovery.openai import ask_openai
from ai.discovery.owners import started_with
from ai.model_files.digests import gguf_id
from ai.prompt_integrity.check import PromptCheck
from ai.prompt_integrity.proof import Counter, proved

_ASK_S: Final = 5.0
_LLAMACPP: Final = "llama.cpp server"
_MAX_SMALL: Final = 16 * 1024 * 1024


class OpenAIBackend:
    """One OpenAI-compatible server.

    Args:
        url: its address, with or without `/v1`; one with another version in its path is taken as it is.
        name: unique among the backends; the address's host, port and path when empty.
        api_key: sent as a bearer token.
    """

    engine = "openai"

    def __init__(self, url: str, *, name: str = "", api_key: str = "") -> None:
        self._url = server_root(normal_url(url))
        self._name = name or server_name(self._url)
        self._client = httpx.AsyncClient(
            **at_address(self._url),
            verify=authorities(self._url),
            trust_env=False,
            follow_redirects=False,
            headers={"Accept-Encoding": "identity"} | key_header(urlsplit(self._url).query, api_key),
            timeout=httpx.Timeout(_ASK_S),
            limits=httpx.Limits(max_connections=None, keepalive_expiry=2.0),  # servers close theirs after 5 s
        )
        self._prompts = PromptCheck()
        self._wire = OpenAIWire(self._client, self._name)
        self._key = api_key
        self._flavour: Flavour = FLAVOURS["OpenAI-compatible server"]
        self._model = ""

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def capabilities(self) -> Capabilities:
        """What the server can do, as far as its kind is known (from the first `health` or `ensure_loaded` on)."""
        flavour = self._flavour
        return Capabilities(
            json_schema=True,
            sets_context=False,
            counts_tokens=flavour.label in _COUNTERS,
            reports_timings=flavour.timings,
            reports_cache=flavour.label in {_LLAMACPP, "vLLM"},
            ignore_eos=flavour.ignore_eos,
            unloads=False,
            remote=not is_local(self._url),
        )

    async def health(self, deadline_s: float = 2.0) -> Health:
        """Asks for its models."""
        begun, checked = time.perf_counter(), time.time_ns() // 1000
        try:
            async with asyncio.timeout(deadline_s):
                found = await self._ask()
        except TimeoutError:
            return Health("down", f"{self._name} did not answer within {deadline_s:g} s.", checked)
        except ProbeFailed as error:
            return Health(error.state, f"{self._name}: {error.message}.", checked)
        return Health(
            found.state, found.detail, checked, round((time.perf_counter() - begun) * 1e3, 2), loaded=bool(found.models)
        )

    async def ensure_loaded(self, spec: LoadSpec, *, deadline_s: float = 120.0) -> LoadReport:
        """Checks that the server has the model; the first one it serves when `spec.model` is empty.

        Raises:
            ModelMissing: it does not serve it.
        """
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(deadline_s):
                found = await self._ask(spec.model)
        except TimeoutError as error:
            raise late(self._name, "load", deadline_s) from error
        except ProbeFailed as error:
            raise self._failed(error) from error
        model = self._pick(found, spec.model)
        if (self._model, self._prompts.context) != (model.name, model.context):
            self._prompts = PromptCheck(model.context)
        self._model = model.name
        notes = []
        if model.context is not None and model.context < spec.context:
            notes.append(f"The server gives {model.context} tokens of context, not the {spec.context} asked for.")
        as_started = await asyncio.to_thread(started_with, self._url)
        props = await self._props()
        return LoadReport(
            model=model.name, cold=False, seconds=Figure(time.perf_counter() - begun, "measured"), context=model.context,
            quantization=model.quantization, weights=await self._weights(props), engine_version=f"{found.label} {found.version}".strip(), notes=tuple(notes),
            pending=not model.loaded, parallel=whole(props.get("total_slots")) or as_started.parallel, kv_type=as_started.kv_type,
            threads=as_started.threads, prompt_threads=as_started.prompt_threads, flash_attention=as_started.flash_attention,
            gpu_layers=as_started.gpu_layers,
        )  # fmt: skip

    @property
    def takes_raw(self) -> bool:
        """Whether its plain completions add nothing to a prompt but what the model's own template begins with."""
        return self._flavour.label == _LLAMACPP

    async def _props(self) -> dict[str, Any]:
        """What a llama.cpp server says of itself; nothing of any other, and where it does not."""
        if self._flavour.label != _LLAMACPP:
            return {}
        try:
            async with asyncio.timeout(_ASK_S):
                told = (await self._client.get("/props")).json()
        except (TimeoutError, httpx.HTTPError, ValueError, RecursionError):
            return {}
        return told if isinstance(told, dict) else {}

    async def _weights(self, props: dict[str, Any]) -> str | None:
        """The file of a llama.cpp server on this machine, which says where it is; None for any other, and where it cannot be read."""
        if not props.get("model_path") or not is_local(self._url):
            return None
        try:
            return await asyncio.to_thread(gguf_id, str(props["model_path"]))
        except (OSError, ValueError):
            return None

    async def stream(
        self, request: GenRequest, *, deadlines: Deadlines = DEFAULT_DEADLINES, cancel: asyncio.Event | None = None
    ) -> AsyncGenerator[Event, None]:
        """The answer; see the protocol."""
        if not self._model:
            await self.ensure_loaded(LoadSpec(""), deadline_s=min(deadlines.load_s, deadlines.total_s))
        source = self._wire.events(request, self._model, self._flavour, deadlines.connect_s)
        pacer = Pacer(self._name, deadlines, cancel)
        try:
            async with aclosing(pacer.run(source)) as events:
                async for event in events:
                    if isinstance(event, Final_):
                        counter = self._counter(pacer, cancel)
                        yield await proved(self._prompts, request, event, _prompt_tokens(event), counter)
                    else:
                        yield event
        except BackendError as error:
            raise without_key(error, self._key) from error.__cause__

    def _counter(self, pacer: Pacer, cancel: asyncio.Event | None) -> Counter:
        """How this server counts a prompt: where it offers that, else by what it says after reading one."""
        exact = _COUNTERS.get(self._flavour.label)

        async def count(messages: tuple[Message, ...]) -> float | None:
            return await exact(self._post, self._model, messages) if exact else None

        async def read(messages: tuple[Message, ...]) -> float | None:
            left = pacer.left()
            source = self._wire.events(GenRequest(messages, max_tokens=1), self._model, self._flavour, left.connect_s)
            async with aclosing(Pacer(self._name, left, cancel).run(source)) as events:
                ends = [event async for event in events if isinstance(event, Final_)]
            return _prompt_tokens(ends[-1])

        return Counter(read, count if exact is not None else None)

    async def count_tokens(self, content: str | tuple[Message, ...]) -> Figure:
        """Asks the servers that can count; an estimate for the others."""
        count = _COUNTERS.get(self._flavour.label)
        texts = [content] if isinstance(content, str) else [m.content for m in content]
        if count is None:
            return Figure(max(1, round(sum(map(len, texts)) * self._prompts.density)), "estimated")
        return Figure(await count(self._post, self._model, content), "reported")

    async def memory(self) -> MemoryReport:
        """Measured when the server runs on this machine and its processes may be seen."""
        return await asyncio.to_thread(lambda: memory_of(listening_pid(self._url)))

    async def working(self) -> bool:
        """Whether it computes; seen only of a server on this machine."""
        return await is_working(lambda: listening_pid(self._url))

    async def unload(self) -> None:
        """Nothing: what such a server keeps in memory is its own business."""

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, named: str = "") -> Engine:
        found = await ask_openai(self._client, named or self._model)
        self._wire.api = found.api
        self._flavour = FLAVOURS.get(found.label, self._flavour)
        return found

    def _pick(self, found: Engine, wanted: str) -> EngineModel:
        able = [model for model in found.models if model.chats]
        for model in found.models if wanted else [*able, *found.models]:
            if not wanted or model.name == wanted:
                return model
        have = ", ".join(model.name for model in found.models[:5]) or "none"
        raise ModelMissing(
            f"{self._name} does not serve {wanted or 'any model'} (it has: {have}).",
            backend=self._name, hint="Load the model in that server, or name one it has.",
        )  # fmt: skip

    def _failed(self, error: ProbeFailed) -> BackendError:
        if error.state == "down":
            return BackendDown(
                f"{self._name}: {error.message}.", backend=self._name, hint="Start it, or correct its address."
            )
        if error.state == "loading":
            return BackendLoading(
                f"{self._name} is loading its model.", backend=self._name, hint="Wait until it is loaded."
            )
        if error.status in {401, 403}:
            return BadRequest(
                f"{self._name} asks for a key.",
                backend=self._name,
                hint="Give its API key: watchkeeper ai key ADDRESS (setting engines.api_keys).",
            )
        return BackendError(
            f"{self._name}: {error.message}.", backend=self._name, hint="Check its address in the settings."
        )

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return await post_json(self._client, self._name, path, body)
        except BackendError as error:
            raise without_key(error, self._key) from error.__cause__


def server_name(url: str) -> str:
    """The name of a server: its host, port and path, since two servers may share a port."""
    parts = httpx.URL(url)
    return f"openai@{parts.netloc.decode('ascii')}{parts.path.rstrip('/').removesuffix('/v1')}"


def _prompt_tokens(final: Final_) -> float | None:
    """What the server counted; not what was estimated for one that does not count."""
    tokens = final.usage.prompt_tokens
    return tokens.value if tokens is not None and tokens.origin == "reported" else None


def without_key(error: BackendError, key: str) -> BackendError:
    """Some servers repeat the key they refuse: it is taken out of what they said."""
    if key and key in f"{error.message}{error.hint}":
        error.message, error.hint = error.message.replace(key, "•••"), error.hint.replace(key, "•••")
        error.args = (error.message,)
    return error


async def post_json(client: httpx.AsyncClient, name: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """A small question to a server.

    Raises:
        BackendError: of the class that fits.
    """
    try:
        async with asyncio.timeout(_ASK_S):
            answer = await client.post(path, json=body, timeout=httpx.Timeout(_ASK_S))
    except (httpx.TimeoutException, TimeoutError) as error:
        raise late(name, "health", _ASK_S) from error
    except httpx.TransportError as error:
        raise error_of_transport(name, error, begun=False, connect_s=_ASK_S) from error
    except httpx.DecodingError as error:
        raise BadOutput(f"{name} sent an answer that cannot be unpacked.", backend=name) from error
    if answer.status_code != httpx.codes.OK:
        raise error_of(name, answer.status_code, answer.content[:_MAX_SMALL], answer.headers)
    try:
        value = answer.json()
    except (ValueError, RecursionError) as error:
        raise BadOutput(f"{name} answered {path} with something that is not JSON.", backend=name) from error
    if not isinstance(value, dict):
        raise BadOutput(f"{name} answered {path} with something that is no object.", backend=name)
    return value


async def count_llamacpp(post: Any, model: str, content: str | tuple[Message, ...]) -> int:  # noqa: ARG001 - the counters look alike
    """Tokens as llama.cpp's server counts them, the chat template included for a conversation."""
    if isinstance(content, str):
        text, special = content, False
    else:
        text, special = await apply_template(post, content), True
    found = await post("/tokenize", {"content": text, "add_special": special, "parse_special": special})
    tokens = found.get("tokens")
    return len(tokens) if isinstance(tokens, list) else 0


async def apply_template(post: Any, messages: tuple[Message, ...]) -> str:
    """What the model's chat template makes of a conversation, by llama.cpp's server."""
    said = await post("/apply-template", {"messages": [{"role": m.role, "content": m.content} for m in messages]})
    return str(said.get("prompt", ""))


async def _count_vllm(post: Any, model: str, content: str | tuple[Message, ...]) -> int:
    if isinstance(content, str):
        body: dict[str, Any] = {"model": model, "prompt": content, "add_special_tokens": False}
    else:
        body = {"model": model, "messages": [{"role": m.role, "content": m.content} for m in content]}
    return _count((await post("/tokenize", body)).get("count"))


async def _count_tabby(post: Any, model: str, content: str | tuple[Message, ...]) -> int:  # noqa: ARG001
    text: Any = content if isinstance(content, str) else [{"role": m.role, "content": m.content} for m in content]
    return _count((await post("/v1/token/encode", {"text": text})).get("length"))


def _count(value: object) -> int:
    """A count that a server sent; 0 where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


_COUNTERS: Final = {"llama.cpp server": count_llamacpp, "vLLM": _count_vllm, "TabbyAPI": _count_tabby}
