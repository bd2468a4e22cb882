"""An engine without a model: known delays and known faults, for tests and for the benchmark's test of itself.

Its figures are `reported` from the script, so that what the program measures can be held against the truth.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field, replace
from typing import Literal

from ai.core.errors import (
    BackendDown,
    BackendError,
    BackendOutOfMemory,
    BackendOverloaded,
    BadRequest,
    ContextOverflow,
    ModelMissing,
    StreamCut,
)
from ai.core.pacing import Clock, Pacer, late
from ai.core.types import (
    DEFAULT_DEADLINES,
    Capabilities,
    Chunk,
    Deadlines,
    Event,
    Figure,
    Final,
    GenRequest,
    Health,
    LoadReport,
    LoadSpec,
    MemoryReport,
    Message,
    Usage,
)
from ai.prompt_integrity.check import least_tokens

Fault = Literal[
    "down",
    "hang",
    "hang midway",
    "overloaded",
    "out of memory",
    "context overflow",
    "model missing",
    "bad request",
    "bad output",
    "cut",
    "truncate",
    "length",
    "cached",
]
_WORDS = ["the", "watch", "sees", "what", "runs", "here", "and", "says", "so", "in", "one", "line", "for", "anyone"]


@dataclass(frozen=True)
class Script:
    """How the engine behaves; all times in seconds.

    Attributes:
        ttft: from the request to the first piece.
        per_token: between tokens.
        tokens: tokens of an answer, at most the request's `max_tokens`.
        tokens_per_chunk: how many tokens arrive together.
        reasoning_tokens: how many of them come first, as reasoning.
        jitter: sigma of a log-normal factor on each call's times; 0 for none.
        slowdown: factor by call number (from 0), for drift and contamination.
        answer: the text to give instead of made-up words; a function gets the request.
        faults: what goes wrong at which call (from 0).
        reports: whether usage and timings are told.
        load: how long loading takes.
        memory: bytes it claims to hold.
        context: tokens of its context.
        slots: requests answered at the same time, further ones wait; None for any number.
        on_paper: times are told as scripted and not waited for, so that they hold however busy the machine is.
    """

    ttft: float = 0.02
    per_token: float = 0.002
    tokens: int = 16
    tokens_per_chunk: int = 1
    reasoning_tokens: int = 0
    jitter: float = 0.0
    slowdown: Callable[[int], float] | None = None
    answer: str | Callable[[GenRequest], str] | None = None
    faults: Mapping[int, Fault] = field(default_factory=dict)
    reports: bool = True
    load: float = 0.0
    memory: int = 100 * 1024**2
    context: int = 4096
    seed: int = 0
    slots: int | None = None
    on_paper: bool = False


_ERRORS: dict[str, tuple[type[BackendError], str]] = {
    "overloaded": (BackendOverloaded, "has a full queue"),
    "out of memory": (BackendOutOfMemory, "ran out of memory"),
    "model missing": (ModelMissing, "does not have the model"),
    "bad request": (BadRequest, "refused the request"),
}


class ScriptedBackend:
    """A backend that does exactly what its script says.

    `fault` makes every call fail that way until it is set back to None; `calls`, `active`, `peak_active` and `closed_early` count
    what happened, `active` being the slots in use.
    """

    engine = "scripted"

    def __init__(self, name: str = "scripted", script: Script | None = None) -> None:
        self._name = name
        self.script = script or Script()
        self.fault: Fault | None = None
        self.calls = 0
        self.active = 0
        self.peak_active = 0
        self.closed_early = 0
        self._random = random.Random(self.script.seed)
        self._spec: LoadSpec | None = None
        self._slots = asyncio.Semaphore(self.script.slots) if self.script.slots else nullcontext()

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def capabilities(self) -> Capabilities:
        """All of them."""
        return Capabilities(
            json_schema=True,
            sets_context=True,
            counts_tokens=True,
            reports_timings=self.script.reports,
            reports_cache=self.script.reports,
            ignore_eos=True,
            unloads=True,
        )

    async def health(self, deadline_s: float = 2.0) -> Health:
        """`down` while the fault is down or hang, else ready."""
        now = time.time_ns() // 1000
        if self.fault == "hang":
            await asyncio.sleep(deadline_s)
            return Health("down", f"{self.name} did not answer within {deadline_s:g} s.", now)
        if self.fault == "down":
            return Health("down", f"{self.name}: nobody answers.", now)
        return Health("ready", f"{self.name} is scripted.", now, latency_ms=0.0, loaded=self._spec is not None)

    async def ensure_loaded(self, spec: LoadSpec, *, deadline_s: float = 120.0) -> LoadReport:
        """Takes the script's time when cold.

        Raises:
            BackendError: the current fault, where it concerns loading.
        """
        if self.fault in {"down", "out of memory", "model missing"}:
            raise self._error(self.fault)
        cold = self._spec != spec
        begun = time.perf_counter()
        if self.fault == "hang" or (cold and self.script.load > deadline_s):
            await asyncio.sleep(deadline_s)
            raise late(self.name, "load", deadline_s)
        if cold:
            await asyncio.sleep(self.script.load)
        self._spec = spec
        took = Figure(time.perf_counter() - begun, "measured")
        return LoadReport(
            model=spec.model, cold=cold, seconds=took, context=min(spec.context, self.script.context), parallel=spec.parallel,
            kv_type=spec.kv_type, quantization="none", weights="scripted:1", template="scripted:1", device="none",
        )  # fmt: skip

    async def stream(
        self, request: GenRequest, *, deadlines: Deadlines = DEFAULT_DEADLINES, cancel: asyncio.Event | None = None
    ) -> AsyncGenerator[Event, None]:
        """The scripted answer at the scripted times."""
        async with aclosing(Pacer(self.name, deadlines, cancel).run(self._answer(request))) as events:
            async for event in events:
                yield event

    async def count_tokens(self, content: str | tuple[Message, ...]) -> Figure:
        """Words are its tokens."""
        texts = [content] if isinstance(content, str) else [m.content for m in content]
        return Figure(sum(len(text.split()) for text in texts), "reported")

    async def memory(self) -> MemoryReport:
        """What the script says."""
        return MemoryReport(rss=Figure(self.script.memory, "reported") if self._spec else None)

    async def unload(self) -> None:
        """The next load is cold."""
        self._spec = None

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _answer(self, request: GenRequest) -> AsyncGenerator[Event, None]:
        number, self.calls = self.calls, self.calls + 1
        fault = self.fault or self.script.faults.get(number)
        self.active += 1
        self.peak_active = max(self.peak_active, self.active)
        done = False
        sent = time.perf_counter_ns()
        try:
            async with self._slots:
                async for event in self._events(request, number, fault, sent):
                    done = isinstance(event, Final)
                    yield event
        finally:
            self.active -= 1
            self.closed_early += not done

    async def _events(
        self, request: GenRequest, number: int, fault: Fault | None, sent_ns: int
    ) -> AsyncGenerator[Event, None]:
        script, clock = self.script, Clock()
        begun, clock.sent_ns = clock.sent_ns, sent_ns
        if fault is not None and fault not in {
            "hang",
            "hang midway",
            "cut",
            "truncate",
            "length",
            "cached",
            "bad output",
        }:
            raise self._error(fault)
        if fault == "hang":
            await asyncio.Event().wait()
        factor = script.slowdown(number) if script.slowdown else 1.0
        factor *= self._random.lognormvariate(0.0, script.jitter) if script.jitter else 1.0
        pieces = self._pieces(request, fault)
        due = begun + script.ttft * factor * 1e9
        for at, (text, size, reasoning) in enumerate(pieces):
            if fault in {"hang midway", "cut"} and at >= len(pieces) // 2:
                await self._stop_midway(fault)
            if not script.on_paper:
                await _sleep_until(due)
            told = clock.mark(int(due) if script.on_paper else None)
            yield Chunk(told, text, "reasoning" if reasoning else "content")
            due += size * script.per_token * factor * 1e9
        yield await self._final(request, clock, sum(size for _, size, _ in pieces), factor, fault)

    async def _stop_midway(self, fault: Fault | None) -> None:
        if fault == "cut":
            raise StreamCut(f"{self.name} ended in the middle of its answer.", backend=self.name)
        await asyncio.Event().wait()

    def _pieces(self, request: GenRequest, fault: Fault | None) -> list[tuple[str, int, bool]]:
        """(text, tokens, is reasoning) of each chunk."""
        script = self.script
        given = script.answer(request) if callable(script.answer) else script.answer
        if fault == "bad output":
            given = '{"not": "what was asked'
        words = given.split(" ") if given is not None else [_WORDS[i % len(_WORDS)] for i in range(script.tokens)]
        thought = min(script.reasoning_tokens, request.max_tokens)
        words = words[: request.max_tokens - thought]
        tokens = [word if at == 0 else f" {word}" for at, word in enumerate(words)]
        thoughts = ["hm "] * thought
        step = script.tokens_per_chunk
        return [
            ("".join(group[i : i + step]), len(group[i : i + step]), group is thoughts)
            for group in (thoughts, tokens)
            for i in range(0, len(group), step)
        ]

    async def _final(self, request: GenRequest, clock: Clock, tokens: int, factor: float, fault: Fault | None) -> Final:
        script = self.script
        prompt = (await self.count_tokens(request.messages)).value
        prompt_s, gen_s = script.ttft * factor, max(tokens - 1, 0) * script.per_token * factor
        ended = clock.last_ns if script.on_paper and clock.last_ns is not None else time.perf_counter_ns()
        timings, usage = clock.timings(ended), Usage()
        if script.reports:
            timings = replace(timings, prompt=Figure(prompt_s, "reported"), generation=Figure(gen_s, "reported"))
            usage = Usage(
                Figure(prompt // 2 if fault == "truncate" else prompt, "reported"),
                Figure(tokens, "reported"),
                Figure(prompt - 1 if fault == "cached" else 0, "reported"),
            )
        full = script.tokens if script.answer is None else 0
        cut = fault == "length" or (tokens >= request.max_tokens and (request.ignore_eos or full > request.max_tokens))
        least = least_tokens([message.content for message in request.messages])
        truncated = usage.prompt_tokens is not None and usage.prompt_tokens.value < least
        return Final(
            clock.sent_ns, ended, "length" if cut else "stop", usage, timings, model="scripted", truncated=truncated
        )

    def _error(self, fault: Fault) -> BackendError:
        if fault == "context overflow":
            return ContextOverflow(
                f"The prompt is too long for {self.name}.", backend=self.name, context=self.script.context
            )
        kind, what = _ERRORS.get(fault, (BackendDown, "does not answer"))
        return kind(f"{self.name} {what}.", backend=self.name)


async def _sleep_until(due_ns: float) -> None:
    """Until a reading of `perf_counter_ns`; the last half millisecond in turns of the loop, to be on time."""
    while (left := due_ns - time.perf_counter_ns()) > 0:  # noqa: ASYNC110 - it waits for a time, not for a state
        await asyncio.sleep(max(left / 1e9 - 0.0005, 0.0))
