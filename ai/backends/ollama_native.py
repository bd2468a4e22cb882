"""Ollama through its official client and native API.

Its OpenAI route cannot set the context length, so it is not used. What the client leaves to its caller is done here: deadlines (it
has none), a stream that ends without `done` (it raises nothing), a prompt cut to the context (the server says nothing).
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import httpx
import ollama
from pydantic import ValidationError

from ai.backends.footprint import is_local, listening_pid, memory_of
from ai.backends.http_errors import error_of, error_of_transport
from ai.backends.ollama_options import load_options, request_options
from ai.backends.ollama_timings import timings_of, usage_of
from ai.backends.ollama_transport import CURRENT_TAP, NativeTransport, Tap
from ai.backends.pacing import Clock, Pacer, late
from ai.backends.prompt_proof import Counter, proved
from ai.digests import ollama_id, template_id
from ai.errors import BackendDown, BackendError, BadOutput, ContextOverflow, ModelMissing, StreamCut
from ai.probes.http import ProbeFailed, new_client, normal_url
from ai.probes.ollama import ask_ollama
from ai.prompt_check import PromptCheck
from ai.token_bounds import least_tokens
from ai.types import (
    DEFAULT_DEADLINES,
    Capabilities,
    Chunk,
    ChunkKind,
    Deadlines,
    Event,
    Figure,
    FinishReason,
    GenRequest,
    Health,
    LoadReport,
    LoadSpec,
    MemoryReport,
    Message,
)
from ai.types import (
    Final as FinalEvent,
)

_ASK_S: Final = 5.0
_ONE_AT_A_TIME: Final = "Ollama answers OLLAMA_NUM_PARALLEL requests at a time, 1 unless it was set."
_RESERVED: Final = "Ollama's size_vram is what it reserved, not what was measured."


class OllamaBackend:
    """One Ollama server.

    Args:
        url: its address; `OLLAMA_HOST` forms are understood.
        name: unique among the backends.
        keep_alive: how long the server keeps a model in memory after a request.
        parallel: its `OLLAMA_NUM_PARALLEL`, where that is known.
    """

    engine = "ollama"

    def __init__(
        self, url: str = "http://127.0.0.1:11434", *, name: str = "ollama", keep_alive: str = "5m", parallel: int = 1
    ) -> None:
        self._url = normal_url(url, 11434)
        self._name = name
        self._keep_alive = keep_alive
        self._parallel = parallel
        self._client = _client(self._url, httpx.Timeout(_ASK_S))
        self._patient = _client(
            self._url, httpx.Timeout(None, connect=_ASK_S)
        )  # loads and streams: the pacer keeps their deadlines
        self._spec: LoadSpec | None = None
        self._context: int | None = None
        self._version = ""
        self._prompts = PromptCheck()

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def capabilities(self) -> Capabilities:
        """All but exact token counts and a fixed length."""
        return Capabilities(
            json_schema=True, sets_context=True, counts_tokens=False, reports_timings=True, reports_cache=False,
            ignore_eos=False, unloads=True, remote=not is_local(self._url), max_parallel=self._parallel,
        )  # fmt: skip

    async def health(self, deadline_s: float = 2.0) -> Health:
        """Asks for its version and its models."""
        begun, checked = time.perf_counter(), time.time_ns() // 1000
        try:
            async with asyncio.timeout(deadline_s), new_client(self._url, deadline_s) as client:
                found = await ask_ollama(client)
        except TimeoutError:
            return Health("down", f"{self._name} did not answer within {deadline_s:g} s.", checked)
        except ProbeFailed as error:
            return Health("down" if error.state == "down" else "error", f"{self._name}: {error.message}.", checked)
        self._version = found.version
        latency = round((time.perf_counter() - begun) * 1e3, 2)
        return Health(found.state, found.detail, checked, latency, loaded=any(model.loaded for model in found.models))

    async def ensure_loaded(self, spec: LoadSpec, *, deadline_s: float = 120.0) -> LoadReport:
        """Load a model with the wanted context, and check what is in force.

        Raises:
            ModelMissing: it has to be fetched first.
        """
        try:
            async with asyncio.timeout(deadline_s):
                return await self._load(spec)
        except TimeoutError as error:
            raise late(self._name, "load", deadline_s) from error

    async def stream(
        self, request: GenRequest, *, deadlines: Deadlines = DEFAULT_DEADLINES, cancel: asyncio.Event | None = None
    ) -> AsyncGenerator[Event, None]:
        """The answer; see the protocol. A model that went away meanwhile is loaded by Ollama itself."""
        if self._spec is None:
            raise ModelMissing(
                f"{self._name} was not told which model to use.", backend=self._name, hint="Call ensure_loaded first."
            )
        self._refuse_too_long(request)
        pacer, spec = Pacer(self._name, deadlines, cancel), self._spec

        async def count(messages: tuple[Message, ...]) -> float | None:
            return await self._counted(GenRequest(messages, max_tokens=1), spec, pacer.left(), cancel)

        async with aclosing(pacer.run(self._events(request, spec, deadlines))) as events:
            async for event in events:
                if isinstance(event, FinalEvent):
                    yield await proved(self._prompts, request, event, _prompt_tokens(event), Counter(count))
                else:
                    yield event

    async def count_tokens(self, content: str | tuple[Message, ...]) -> Figure:
        """Ollama cannot count: estimated at the density its own counts have shown so far."""
        texts = [content] if isinstance(content, str) else [message.content for message in content]
        return Figure(max(1, round(sum(map(len, texts)) * self._prompts.density)), "estimated")

    async def memory(self) -> MemoryReport:
        """Measured over the server's process tree when it runs here; the GPU's part is the server's own word."""
        report = await asyncio.to_thread(lambda: memory_of(listening_pid(self._url)))
        running = await self._ask(self._client.ps())
        reserved = sum(model.size_vram or 0 for model in running.models)
        if not reserved:
            return report
        return MemoryReport(
            report.rss, report.peak, Figure(reserved, "reported"), report.pids, f"{report.note} {_RESERVED}".strip()
        )

    async def unload(self) -> None:
        """Ask the server to let the model go."""
        if self._spec is not None:
            await self._ask(self._client.generate(self._spec.model, prompt="", keep_alive=0))

    async def close(self) -> None:
        """Close the connections."""
        for client in (self._client, self._patient):
            await client.close()  # type: ignore[no-untyped-call]  # the package leaves it without annotations

    async def _load(self, spec: LoadSpec) -> LoadReport:
        before = await self._running(spec.model)
        cold = before is None or (before.context_length or 0) != spec.context
        begun = time.perf_counter()
        said = await self._ask(
            self._patient.generate(spec.model, prompt="", options=load_options(spec), keep_alive=self._keep_alive)
        )
        took = time.perf_counter() - begun
        after = await self._running(spec.model)
        context = (after.context_length if after else None) or spec.context
        if self._spec is None or (self._spec.model, self._context) != (spec.model, context):
            self._prompts = PromptCheck(context)
        self._spec, self._context = spec, context
        shown = await self._ask(self._client.show(spec.model))
        template = shown.template or ""
        return LoadReport(
            model=spec.model, cold=cold,
            seconds=Figure(said.load_duration / 1e9, "reported") if cold and said.load_duration else Figure(took, "measured"),
            context=after.context_length if after else None, parallel=self._parallel,
            quantization=shown.details.quantization_level if shown.details else None,
            weights=await self._weights(shown.modelfile or "", after.digest if after else None),
            template=template_id("go", template) if template else None,
            engine_version=f"Ollama {self._version}".strip(), notes=self._notes(spec),
        )  # fmt: skip

    async def _weights(self, modelfile: str, digest: str | None) -> str | None:
        return await asyncio.to_thread(ollama_id, modelfile if is_local(self._url) else "", digest)

    def _notes(self, spec: LoadSpec) -> tuple[str, ...]:
        notes = []
        if self._context is not None and self._context < spec.context:
            notes.append(f"The context in force is {self._context} tokens, not the {spec.context} asked for.")
        if spec.kv_type != "f16":
            notes.append("Ollama's cache type is set by OLLAMA_KV_CACHE_TYPE where the server is started, not here.")
        if spec.parallel > self._parallel:
            notes.append(_ONE_AT_A_TIME)
        return tuple(notes)

    async def _running(self, model: str) -> "ollama.ProcessResponse.Model | None":
        running = await self._ask(self._client.ps())
        names = {model, f"{model}:latest"}
        return next((item for item in running.models if item.model in names or item.name in names), None)

    def _refuse_too_long(self, request: GenRequest) -> None:
        """Refuses what cannot fit by any count; what may fit is sent, and the server is told not to truncate."""
        least = least_tokens([message.content for message in request.messages])
        if self._context is not None and least > self._context:
            raise ContextOverflow(
                f"The prompt has at least {least:.0f} tokens; {self._name} has a context of {self._context}.",
                backend=self._name, context=self._context, hint="Shorten the text, or load the model with a longer context.",
            )  # fmt: skip

    async def _events(self, request: GenRequest, spec: LoadSpec, deadlines: Deadlines) -> AsyncGenerator[Event, None]:
        clock, tap, characters = Clock(), Tap(deadlines.connect_s), 0
        CURRENT_TAP.set(tap)
        done: ollama.ChatResponse | None = None
        try:
            async with aclosing(await self._chat(request, spec)) as parts:
                async for part in parts:
                    for chunk in _chunks(part, clock):
                        characters += len(chunk.text)
                        yield chunk
                    if part.done:
                        clock.finish()
                        done = part
                        break
        except (ollama.ResponseError, httpx.HTTPError, ValidationError, ValueError, AttributeError, TypeError) as error:
            raise self._error(error, begun=tap.answered, connect_s=deadlines.connect_s) from error
        if done is None:
            raise StreamCut(
                f"{self._name} ended its answer without saying that it is done.",
                backend=self._name,
                hint="Look at its log.",
            )
        yield self._final(clock, tap, done, characters)

    async def _chat(self, request: GenRequest, spec: LoadSpec) -> AsyncGenerator[ollama.ChatResponse, None]:
        extra: dict[str, Any] = {} if request.think is None else {"think": request.think}
        stream: AsyncIterator[ollama.ChatResponse] = await self._patient.chat(
            spec.model,
            [{"role": m.role, "content": m.content} for m in request.messages],
            stream=True,
            format=dict(request.json_schema) if request.json_schema is not None else None,
            options=request_options(request, spec),
            keep_alive=self._keep_alive,
            **extra,
        )
        assert isinstance(stream, AsyncGenerator)  # noqa: S101 - it is one, though its annotation says less; it must be closed
        return stream

    def _final(self, clock: Clock, tap: Tap, done: ollama.ChatResponse, characters: int) -> FinalEvent:
        ended = time.perf_counter_ns()
        said = {**done.model_dump(), **tap.last()}  # the raw line has fields that the client drops
        timings = timings_of(said, clock.timings(ended))
        usage = usage_of(said, characters, self._prompts.density, trusted=not timings.distrust)
        notes = (f"The reported timings are not used: {timings.distrust}",) if timings.distrust else ()
        finish: FinishReason = (
            "stop" if done.done_reason == "stop" else "length" if done.done_reason == "length" else "other"
        )
        model = done.model or ""
        return FinalEvent(clock.sent_ns, ended, finish, usage, timings, model, notes)

    async def _counted(
        self, request: GenRequest, spec: LoadSpec, deadlines: Deadlines, cancel: asyncio.Event | None
    ) -> float | None:
        """The server's count of a prompt."""
        source = self._events(request, spec, deadlines)
        async with aclosing(Pacer(self._name, deadlines, cancel).run(source)) as events:
            ends = [event async for event in events if isinstance(event, FinalEvent)]
        return _prompt_tokens(ends[-1])

    async def _ask(self, question: Any) -> Any:
        """The answer to one small question.

        Raises:
            BackendError: of the class that fits.
        """
        try:
            return await question
        except (
            ollama.ResponseError,
            ollama.RequestError,
            httpx.HTTPError,
            ConnectionError,
            ValidationError,
            ValueError,
            TypeError,
        ) as error:
            raise self._error(error, begun=False, connect_s=_ASK_S) from error

    def _error(self, error: Exception, *, begun: bool, connect_s: float) -> BackendError:
        if isinstance(error, ollama.ResponseError):
            return error_of(self._name, max(error.status_code, 0), json.dumps({"error": error.error}))
        if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.ReadTimeout):
            return error_of_transport(self._name, error, begun=begun, connect_s=connect_s)
        if isinstance(error, httpx.ReadTimeout):
            return late(self._name, "health", _ASK_S)
        if isinstance(error, ConnectionError):
            return BackendDown(f"{self._name} does not answer.", backend=self._name, hint="Start it with: ollama serve")
        return BadOutput(
            f"{self._name} answered in a form that is not Ollama's: {str(error)[:200]}", backend=self._name
        )


def _client(url: str, timeout: httpx.Timeout) -> ollama.AsyncClient:
    return ollama.AsyncClient(
        url, timeout=timeout, follow_redirects=False, transport=NativeTransport(), trust_env=False
    )


def _chunks(part: ollama.ChatResponse, clock: Clock) -> list[Chunk]:
    kinds: tuple[tuple[ChunkKind, str | None], ...] = (
        ("reasoning", part.message.thinking),
        ("content", part.message.content),
    )
    return [Chunk(clock.mark(), said, kind) for kind, said in kinds if said]


def _prompt_tokens(final: FinalEvent) -> float | None:
    """What the server counted, whether its times are believed or not."""
    return final.usage.prompt_tokens.value if final.usage.prompt_tokens else None
