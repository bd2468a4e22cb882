"""One chat completion over OpenAI's streaming API, with the true times of its pieces.

The first token is the first chunk with non-empty content or reasoning, not the chunk that only names a role;
a chunk is not a token, so tokens come from `usage` alone, which the servers send last when asked to.
"""

import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx

from ai.backends.http_errors import error_of, error_of_transport
from ai.backends.pacing import Clock
from ai.backends.sse import SseParser
from ai.errors import BadOutput, StreamCut
from ai.token_bounds import CHARACTERS_PER_TOKEN
from ai.types import Chunk, ChunkKind, Event, Figure, FinishReason, GenRequest, Timings, Usage
from ai.types import Final as FinalEvent

_MAX_ERROR_BODY: Final = 64 * 1024
_NO_USAGE: Final = "The server reports no token counts: they are estimated from the length of the text."


@dataclass(frozen=True, slots=True)
class Flavour:
    """Where OpenAI-compatible servers differ. `extras` maps our sampler values to the names the server takes."""

    label: str
    extras: dict[str, str] = field(default_factory=dict)
    cache_switch: bool = False
    ignore_eos: bool = False
    template_arguments: bool = False
    schema_field: bool = False
    timings: bool = False


FLAVOURS: Final = {
    flavour.label: flavour
    for flavour in (
        Flavour("OpenAI-compatible server"),
        Flavour(
            "llama.cpp server",
            {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty"},
            cache_switch=True,
            ignore_eos=True,
            template_arguments=True,
            timings=True,
        ),
        Flavour(
            "vLLM",
            {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"},
            ignore_eos=True,
            template_arguments=True,
        ),
        Flavour(
            "TabbyAPI",
            {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"},
            schema_field=True,
            timings=True,
        ),
        Flavour("LM Studio", {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty"}),
        Flavour(
            "SGLang", {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"}, ignore_eos=True
        ),
        Flavour(
            "Watchkeeper worker",
            {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty"},
            cache_switch=True,
            ignore_eos=True,
            template_arguments=True,
            timings=True,
        ),
    )
}


def body_of(request: GenRequest, model: str, flavour: Flavour) -> dict[str, Any]:
    """The JSON of a request: always streamed, every sampler value explicit where the server takes it."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": request.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
    }
    body |= {theirs: getattr(sampling, ours) for ours, theirs in flavour.extras.items()}
    if request.stop:
        body["stop"] = list(request.stop)
    if request.json_schema is not None:
        schema = dict(request.json_schema)
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        }
        if flavour.schema_field:
            body["json_schema"] = schema
    if flavour.cache_switch:
        body["cache_prompt"] = request.reuse_prompt
    if flavour.ignore_eos and request.ignore_eos:
        body["ignore_eos"] = True
    if flavour.template_arguments and request.think is not None:
        body["chat_template_kwargs"] = {"enable_thinking": request.think}
    return body


class _Answer:
    """What has been said so far, and the server's own figures."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.finish: str | None = None
        self.done = False
        self.usage: dict[str, Any] = {}
        self.timings: dict[str, Any] = {}
        self.model = ""
        self.characters = 0

    def take(self, name: str, data: str) -> list[Chunk]:
        """The chunks of one event."""
        if data.strip() == "[DONE]":
            self.done = True
            return []
        try:
            message = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BadOutput(f"{name} sent an event that is not JSON.", backend=name) from error
        if not isinstance(message, dict):
            raise BadOutput(f"{name} sent an event that is no object.", backend=name)
        if message.get("error"):
            raise error_of(name, 0, data)
        self.model = str(message.get("model") or self.model)[:200]
        self.usage = _dict(message.get("usage")) or self.usage
        self.timings = _dict(message.get("timings")) or self.timings
        return [chunk for choice in _list(message.get("choices")) for chunk in self._choice(choice)]

    def _choice(self, choice: dict[str, Any]) -> list[Chunk]:
        if choice.get("index") not in {0, None}:
            return []
        delta = _dict(choice.get("delta"))
        found: list[Chunk] = []
        kinds: tuple[tuple[ChunkKind, object], ...] = (
            ("reasoning", delta.get("reasoning_content") or delta.get("reasoning")),
            ("content", delta.get("content")),
        )
        for kind, said in kinds:
            if isinstance(said, str) and said:
                self.characters += len(said)
                found.append(Chunk(self.clock.mark(), said, kind))
        if choice.get("finish_reason"):
            self.finish = str(choice["finish_reason"])
            self.clock.finish()
        return found

    def final(self, request: GenRequest) -> FinalEvent:
        """The last event, figures labelled by where they come from."""
        ended = time.perf_counter_ns()
        finish: FinishReason = "stop" if self.finish == "stop" else "length" if self.finish == "length" else "other"
        usage, notes = self._usage(request)
        timings = _reported(self.clock.timings(ended), usage, self.usage, self.timings)
        return FinalEvent(self.clock.sent_ns, ended, finish, usage, timings, self.model, notes)

    def _usage(self, request: GenRequest) -> tuple[Usage, tuple[str, ...]]:
        prompt, completion = _number(self.usage.get("prompt_tokens")), _number(self.usage.get("completion_tokens"))
        cached = _number(_dict(self.usage.get("prompt_tokens_details")).get("cached_tokens"))
        cached = _number(self.timings.get("cache_n")) if cached is None else cached
        if prompt is not None and completion is not None:
            reported = Figure(cached, "reported") if cached is not None else None
            return Usage(Figure(prompt, "reported"), Figure(completion, "reported"), reported), ()
        asked = sum(len(message.content) for message in request.messages)
        return Usage(_estimate(asked), _estimate(self.characters)), (_NO_USAGE,)


class OpenAIWire:
    """Chat completions of one server. `path` is relative to the client's base URL."""

    def __init__(self, client: httpx.AsyncClient, name: str, path: str = "/v1/chat/completions") -> None:
        self._client = client
        self._name = name
        self._path = path

    async def events(
        self, request: GenRequest, model: str, flavour: Flavour, connect_s: float = 2.0
    ) -> AsyncGenerator[Event, None]:
        """The chunks of an answer, then its `Final`. Closing the generator closes the connection, which frees the slot.

        Raises:
            BackendError: of the class that fits; `StreamCut` when the answer ends before its end.
        """
        parser, begun = SseParser(self._name), False
        timeout = httpx.Timeout(None, connect=connect_s)
        answer = _Answer(Clock())
        try:
            async with self._client.stream(
                "POST", self._path, json=body_of(request, model, flavour), timeout=timeout
            ) as response:
                if response.status_code != httpx.codes.OK:
                    raise error_of(self._name, response.status_code, await _error_body(response))
                async for part in response.aiter_raw():
                    begun = True
                    for data in parser.feed(part):
                        for chunk in answer.take(self._name, data):
                            yield chunk
        except httpx.TransportError as error:
            if not answer.done:
                raise error_of_transport(self._name, error, begun=begun, connect_s=connect_s) from error
        if not answer.done and answer.finish is None:
            raise StreamCut(
                f"{self._name} ended its answer without a finish reason.", backend=self._name, hint="Try again."
            )
        yield answer.final(request)


async def _error_body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > _MAX_ERROR_BODY:
            break
    return bytes(body[:_MAX_ERROR_BODY])


def _reported(timings: Timings, usage: Usage, said: dict[str, Any], llama: dict[str, Any]) -> Timings:
    """Adds what llama.cpp (`timings`) or TabbyAPI (rates inside `usage`) reports."""
    prompt_ms, generation_ms = _number(llama.get("prompt_ms")), _number(llama.get("predicted_ms"))
    if prompt_ms is not None and generation_ms is not None:
        return replace(
            timings, prompt=Figure(prompt_ms / 1e3, "reported"), generation=Figure(generation_ms / 1e3, "reported")
        )
    prompt_rate, rate = _number(said.get("prompt_tokens_per_sec")), _number(said.get("gen_tokens_per_sec"))
    queue = _number(said.get("queue_time"))
    if prompt_rate and usage.prompt_tokens:
        timings = replace(timings, prompt=Figure(usage.prompt_tokens.value / prompt_rate, "reported"))
    if rate and usage.completion_tokens:
        timings = replace(timings, generation=Figure(usage.completion_tokens.value / rate, "reported"))
    return replace(timings, queue=Figure(queue, "reported")) if queue is not None else timings


def _estimate(characters: int) -> Figure:
    return Figure(max(1, round(characters / CHARACTERS_PER_TOKEN)) if characters else 0, "estimated")


def _number(value: object) -> float | None:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
    return float(value) if ok and isinstance(value, int | float) else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
