"""Ollama through its official client and native API.

Its OpenAI route cannot set the context length, so it is not used. What the client leaves to its caller is done here: deadlines (it
has none), a stream that ends without `done` (it raises nothing), a prompt cut to the context (the server says nothing).

The server is shared. A model that is in memory is used with the context it has, for as long as a question fits: another `num_ctx` would load it anew,
and `keep_alive` would overwrite what its owner chose. So both are ours only where nothing is loaded, or the question does not fit.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx
import ollama

from ai.backends.ollama.client import CLIENT_ERRORS, START, asked, error_of_ollama, ollama_client
from ai.backends.ollama.pieces import calls_of, chunks_of
from ai.backends.ollama.running import (
    Loaded,
    SeenPrompts,
    ServerSettings,
    keep_of,
    keep_seconds,
    loaded_models,
    model_settings,
    same_model,
    server_settings,
    usual_threads,
)
from ai.backends.ollama.timings import timings_of, usage_of
from ai.backends.ollama.transport import CURRENT_TAP, Tap, load_options, request_options
from ai.core.errors import (
    BackendDown,
    BackendError,
    BadOutput,
    BadRequest,
    ContextOverflow,
    ModelMissing,
    StreamCut,
)
from ai.core.footprint import is_local, is_working, listening_pid, memory_of
from ai.core.instead import Instead
from ai.core.pacing import Clock, Pacer, late
from ai.core.plausible import believed, overran
from ai.core.types import (
    DEFAULT_DEADLINES,
    Capabilities,
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
from ai.core.types import Final as FinalEvent
from ai.discovery.address import normal_url
from ai.discovery.http import ProbeFailed, get_json, new_client, text
from ai.discovery.ollama import ask_ollama, host_of
from ai.model_files.digests import ollama_id, template_id
from ai.prompt_integrity.check import PromptCheck, least_tokens
from ai.prompt_integrity.proof import Counter, proved

_ONE_AT_A_TIME: Final = "Ollama answers OLLAMA_NUM_PARALLEL requests at a time, 1 unless it was set."
_ENDS: Final[dict[str, FinishReason]] = {"stop": "stop", "length": "length"}
_RESERVED: Final = "Ollama's size_vram is what it reserved, not what was measured."


@dataclass(frozen=True, slots=True)
class _Loading:
    """How a request has its model. `context` None leaves it to the server; `keep_alive` None leaves it as it is, because the model is in memory; `longest` is what it could be loaded with."""

    context: int | None
    keep_alive: str | int | None
    longest: int = 0


class OllamaBackend:
    """One Ollama server.

    Args:
        url: its address; `OLLAMA_HOST` forms are understood.
        name: unique among the backends.
        keep_alive: how long the server keeps a model in memory that this program loads, where it was not started with a time of its own.
        parallel: its `OLLAMA_NUM_PARALLEL`; None: read from its process where that is possible, else 1.
        remote: the model runs on another machine, behind this address. Without it such a model is refused.
        ask_s: how long a small question (state, memory, unloading) and connecting may take.
    """

    engine = "ollama"
    takes_raw = True

    def __init__(
        self,
        url: str = "http://127.0.0.1:11434",
        *,
        name: str = "ollama",
        keep_alive: str = "5m",
        parallel: int | None = None,
        remote: bool = False,
        ask_s: float = 5.0,
    ) -> None:
        self._url = normal_url(url, 11434)
        self._name = name
        self._keep_alive = keep_alive
        self._told_parallel, self._parallel = parallel, parallel or 1
        self._remote = remote
        self._ask_s = ask_s
        self._client = ollama_client(self._url, httpx.Timeout(ask_s))
        self._patient = ollama_client(
            self._url, httpx.Timeout(None, connect=ask_s)
        )  # loads and streams: the pacer keeps their deadlines
        self._spec: LoadSpec | None = None
        self._context: int | None = None
        self._settings = ServerSettings()
        self._version = ""
        self._prompts = PromptCheck()
        self._seen = SeenPrompts()
        self._before: list[Loaded] | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def capabilities(self) -> Capabilities:
        """All but exact token counts and a fixed length."""
        return Capabilities(
            json_schema=True, sets_context=True, counts_tokens=False, reports_timings=True, reports_cache=False,
            ignore_eos=False, unloads=True, remote=self._remote or not is_local(self._url), max_parallel=self._parallel,
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
        pacer, spec = Pacer(self._name, deadlines, cancel), self._spec
        self._refuse_too_long(request, spec)
        how = await self._have_loaded(request, spec, deadlines)

        async def count(messages: tuple[Message, ...]) -> float | None:
            return await self._counted(GenRequest(messages, max_tokens=1), spec, pacer.left(), cancel)

        async with aclosing(pacer.run(self._events(request, spec, deadlines, how))) as events:
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

    async def working(self) -> bool:
        """Whether it computes; seen only of a server on this machine."""
        return await is_working(lambda: listening_pid(self._url))

    async def unload(self) -> None:
        """Ask the server to let the model go."""
        if self._spec is not None:
            await self._ask(self._client.generate(self._spec.model, prompt="", keep_alive=0))

    async def remember(self, model: str) -> bool:
        """See `SharedServer`."""
        self._before = await self._loaded()
        return any(same_model(item.model, model) for item in self._before)

    async def restore(self) -> None:
        """See `SharedServer`."""
        if self._before is None or self._spec is None:
            return
        before, self._before, mine = self._before, None, self._spec.model
        now = {item.model: item for item in await self._loaded()}
        if not any(same_model(item.model, mine) for item in before):
            held = next((item for item in now.values() if same_model(item.model, mine)), None)
            if held is not None and held.context == self._context:  # with another context, somebody else loaded it
                await self._ask(self._client.generate(mine, prompt="", keep_alive=0))
        for item in before:
            there = now.get(item.model)
            if item.keep_s > 0 and (there is None or (same_model(item.model, mine) and there.context != item.context)):
                options = {"num_ctx": item.context} if item.context else {}
                await self._ask(
                    self._patient.generate(item.model, prompt="", options=options, keep_alive=item.keep_alive())
                )

    async def close(self) -> None:
        """Close the connections."""
        for client in (self._client, self._patient):
            await client.close()  # type: ignore[no-untyped-call]  # the package leaves it without annotations

    async def _load(self, spec: LoadSpec) -> LoadReport:
        begun = time.perf_counter()
        shown = await self._shown(spec.model)
        self._settings = await asyncio.to_thread(server_settings, self._url)
        self._parallel = self._told_parallel or self._settings.parallel or 1
        found, load_s = await self._running(spec.model), None
        if found is None:
            options = load_options(spec) | {"num_ctx": self._wanted(spec)}
            said = await self._ask(
                self._patient.generate(spec.model, prompt="", options=options, keep_alive=self._keeps())
            )
            load_s = said.load_duration
        took = time.perf_counter() - begun
        after = found or await self._running(spec.model)
        if self._spec is None or self._spec.model != spec.model:
            self._prompts, self._context = PromptCheck(), None
        self._spec = spec
        self._in_force((after.context if after else None) or self._wanted(spec))
        template, details = str(shown.get("template") or ""), shown.get("details")
        own, usual = model_settings(shown.get("parameters")), await asyncio.to_thread(usual_threads, self._url)
        threads = (spec.threads if found is None else None) or own.threads
        return LoadReport(
            model=spec.model, cold=found is None,
            seconds=Figure(load_s / 1e9, "reported") if load_s else Figure(took, "measured"),
            context=after.context if after else None, parallel=self._parallel, kv_type=self._settings.kv_type or ("f16" if self._settings.read else None),
            quantization=text(details.get("quantization_level")) or None if isinstance(details, dict) else None,
            weights=await self._weights(str(shown.get("modelfile") or ""), (after.digest or None) if after else None),
            template=template_id("go", template) if template else None,
            engine_version=f"Ollama {self._version}".strip(), notes=self._notes(spec), threads=threads,
            usual_threads=usual if threads is None and self._settings.read else None, flash_attention=self._settings.flash_attention,
            gpu_layers=own.gpu_layers,
        )  # fmt: skip

    def _wanted(self, spec: LoadSpec) -> int:
        """The context to load with: the server's own where it was started with one, so that other programs' requests do not load it anew."""
        return self._settings.context or spec.context

    def _keeps(self) -> str | int:
        """How long the server keeps what is loaded for this program: as it was started, so that its owner's choice stands."""
        return keep_of(self._settings.keep_alive) or self._keep_alive

    def _in_force(self, context: int) -> None:
        """The context that answers now: with another one, other prompts are cut."""
        if context != self._context:
            density = self._prompts.density
            self._prompts, self._context = PromptCheck(context), context
            self._prompts.density = density

    async def _shown(self, model: str) -> dict[str, Any]:
        """What the server says of a model; the client drops where it runs.

        Raises:
            ModelMissing: it is not there.
            BadRequest: it runs on another machine, which is not allowed.
        """
        try:
            async with new_client(self._url, self._ask_s) as client:
                shown = await get_json(client, "/api/show", {"model": model})
        except ProbeFailed as error:
            if error.status == httpx.codes.NOT_FOUND:
                raise ModelMissing(
                    f"{self._name} does not have {model}.", backend=self._name, hint=f"Fetch it: ollama pull {model}"
                ) from error
            kind = BackendDown if error.state == "down" else BadOutput
            raise kind(f"{self._name}: {error.message}.", backend=self._name, hint=START) from error
        if (host := host_of(shown)) and not self._remote:
            raise BadRequest(
                f"{model} runs on another machine ({host}), not in {self._name} itself.", backend=self._name,
                hint="Choose a model that runs here, or allow engines on other machines (setting ai.allow_remote).",
            )  # fmt: skip
        return shown

    async def _weights(self, modelfile: str, digest: str | None) -> str | None:
        return await asyncio.to_thread(ollama_id, modelfile if is_local(self._url) else "", digest)

    def _notes(self, spec: LoadSpec) -> tuple[str, ...]:
        notes = []
        if self._context is not None and self._context != spec.context:
            notes.append(f"The context in force is {self._context} tokens, not the {spec.context} asked for.")
        if spec.kv_type != "f16":
            notes.append("Ollama's cache type is set by OLLAMA_KV_CACHE_TYPE where the server is started, not here.")
        if spec.parallel > self._parallel:
            notes.append(_ONE_AT_A_TIME)
        return tuple(notes)

    async def _loaded(self) -> list[Loaded]:
        try:
            running = await self._ask(self._client.ps())
        except (BadRequest, ModelMissing):
            return []  # an older one, or an imitation, which does not tell
        return loaded_models([item.model_dump() for item in running.models], local=is_local(self._url))

    async def _running(self, model: str) -> Loaded | None:
        return next((item for item in await self._loaded() if same_model(item.model, model)), None)

    def _refuse_too_long(self, request: GenRequest, spec: LoadSpec) -> None:
        """Refuses what cannot fit by any count; what may fit is sent, and the server is told not to truncate."""
        least, most = (
            least_tokens([m.content for m in request.messages]),
            max(self._context or 0, self._wanted(spec), spec.context),
        )
        if least > most:
            raise ContextOverflow(
                f"The prompt has at least {least:.0f} tokens; {self._name} has a context of {most}.",
                backend=self._name, context=most, hint="Shorten the text, or load the model with a longer context.",
            )  # fmt: skip

    async def _loading(self, request: GenRequest, spec: LoadSpec) -> _Loading:
        """How a request has the model: as it is in memory, or loaded for it."""
        found = await self._running(spec.model)
        if found is None:
            return _Loading(self._wanted(spec), self._keeps())
        longest = max(self._wanted(spec), spec.context)
        expected = sum(len(m.content) for m in request.messages) * self._prompts.density + request.max_tokens
        if found.context is None or found.context >= min(expected, longest):
            return _Loading(found.context, None, longest=longest)
        return self._longer(found, longest)

    async def _have_loaded(self, request: GenRequest, spec: LoadSpec, deadlines: Deadlines) -> _Loading:
        """Have the model in memory for a request. A load has a deadline of its own: it may take longer than a first token may."""
        how = await self._loading(request, spec)
        if how.keep_alive is None:
            return how
        limit = min(deadlines.load_s, deadlines.total_s)
        options = load_options(spec) | {"num_ctx": how.context}
        try:
            async with asyncio.timeout(limit):
                await self._ask(
                    self._patient.generate(spec.model, prompt="", options=options, keep_alive=how.keep_alive)
                )
        except TimeoutError as error:
            raise late(self._name, "load", limit) from error
        return _Loading(how.context, None)

    def _longer(self, found: Loaded | None, context: int) -> _Loading:
        """Loaded anew for a question that does not fit, and kept for no less time than it was."""
        mine = self._keeps()
        longer = found is not None and found.keep_s > keep_seconds(mine) >= 0
        return _Loading(context, found.keep_alive() if found is not None and longer else mine)

    async def _events(
        self, request: GenRequest, spec: LoadSpec, deadlines: Deadlines, how: _Loading | None = None
    ) -> AsyncGenerator[Event, None]:
        how = how or await self._loading(request, spec)
        try:
            async with aclosing(self._parts(request, spec, how, deadlines)) as events:
                async for event in events:
                    yield event
        except ContextOverflow:  # it was refused before its first piece
            if how.keep_alive is not None or not how.longest or how.longest <= (how.context or 0):
                raise
            how = self._longer(await self._running(spec.model), how.longest)
            async with aclosing(self._parts(request, spec, how, deadlines)) as events:
                async for event in events:
                    yield event

    async def _parts(
        self, request: GenRequest, spec: LoadSpec, how: _Loading, deadlines: Deadlines
    ) -> AsyncGenerator[Event, None]:
        self._in_force(how.context or self._wanted(spec))
        new = self._seen.is_new(request)
        clock, tap, characters, said = Clock(), Tap(deadlines.connect_s), 0, 0
        instead = Instead()
        CURRENT_TAP.set(tap)
        done: ollama.ChatResponse | ollama.GenerateResponse | None = None
        try:
            async with aclosing(await self._chat(request, spec, how)) as parts:
                async for part in parts:
                    if isinstance(part, ollama.ChatResponse):
                        instead.take(calls_of(part))
                    for chunk in chunks_of(part, clock):
                        characters += len(chunk.text)
                        said += len(chunk.text) if chunk.kind == "content" else 0  # not all count thoughts to the limit
                        yield chunk
                    if overran(said, request.max_tokens):
                        raise BadOutput(
                            f"{self._name} went on beyond the {request.max_tokens} tokens that it was allowed.",
                            backend=self._name,
                        )
                    if part.done:
                        clock.finish()
                        done = part
                        break
        except CLIENT_ERRORS as error:
            raise self._error(error, begun=tap.answered, connect_s=deadlines.connect_s) from error
        if done is None:
            raise StreamCut(
                f"{self._name} ended its answer without saying that it is done.",
                backend=self._name,
                hint="Look at its log.",
            )
        final = self._final(clock, tap, done, characters, new=new)
        yield replace(final, instead=instead.sentence(done.done_reason or "", said=said > 0))

    async def _chat(
        self, request: GenRequest, spec: LoadSpec, how: _Loading
    ) -> AsyncGenerator[ollama.ChatResponse | ollama.GenerateResponse, None]:
        options = request_options(request, spec if how.keep_alive is not None else None, how.context)
        if request.raw:
            raw = await self._patient.generate(
                spec.model, request.raw, raw=True, stream=True, options=options, keep_alive=how.keep_alive
            )
            assert isinstance(raw, AsyncGenerator)  # noqa: S101 - as below
            return raw
        extra: dict[str, Any] = {} if request.think is None else {"think": request.think}
        stream: AsyncIterator[ollama.ChatResponse] = await self._patient.chat(
            spec.model,
            [{"role": m.role, "content": m.content} for m in request.messages],
            stream=True,
            format=dict(request.json_schema) if request.json_schema is not None else None,
            options=options,
            keep_alive=how.keep_alive,
            **extra,
        )
        assert isinstance(stream, AsyncGenerator)  # noqa: S101 - it is one, though its annotation says less; it must be closed
        return stream

    def _final(
        self, clock: Clock, tap: Tap, done: ollama.ChatResponse | ollama.GenerateResponse, characters: int, *, new: bool
    ) -> FinalEvent:
        ended = time.perf_counter_ns()
        said = {**done.model_dump(), **tap.last()}  # the raw line has fields that the client drops
        timings = timings_of(said, clock.timings(ended), new_prompt=new)
        usage = usage_of(said, characters, self._prompts.density, trusted=not timings.distrust)
        notes = (f"The reported timings are not used: {timings.distrust}",) if timings.distrust else ()
        finish = _ENDS.get(done.done_reason or "", "other")
        return believed(FinalEvent(clock.sent_ns, ended, finish, usage, timings, done.model or "", notes))

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
        return await asked(question, self._name, self._ask_s)

    def _error(self, error: Exception, *, begun: bool, connect_s: float) -> BackendError:
        return error_of_ollama(self._name, error, begun=begun, connect_s=connect_s, ask_s=self._ask_s)


def _prompt_tokens(final: FinalEvent) -> float | None:
    """What the server counted, whether its times are believed or not."""
    return final.usage.prompt_tokens.value if final.usage.prompt_tokens else None
