"""What one streamed answer has said so far, and the figures that follow from it.

The first token is the first chunk with non-empty content or reasoning, not the chunk that only names a role. A chunk is not a
token: tokens come from `usage`, or from the server's word that the limit was reached.
"""

import json
from dataclasses import replace
from typing import Any, Final

from ai.backends.openai.http_errors import error_of
from ai.backends.openai.sse import NO_REASON, SseEvent, WholeCharacters, said_text
from ai.core.errors import BadOutput, StreamCut
from ai.core.pacing import Clock
from ai.core.types import Chunk, ChunkKind, Figure, FinishReason, GenRequest, Timings, Usage
from ai.core.types import Final as FinalEvent
from ai.prompt_integrity.check import CHARACTERS_PER_TOKEN

_NO_USAGE: Final = "The server reports no token counts: they are estimated from the length of the text."
_HIDDEN: Final = "The server counts tokens that it did not send, so the speed of the answer is not known."
_MISCOUNTED: Final = "The server's count of tokens cannot be that of its text, and is not used."
_NOT_BELIEVED: Final = "The server says it generated {:.1f} tokens/s, but they arrived at {:.1f}."
_ALIVE: Final = frozenset({"ping", "pong", "keep-alive", "keepalive", "keep_alive", "heartbeat"})
_STOPPED: Final = frozenset({"stop", "eos", "eos_token", "stop_sequence", "end_turn", "end_of_text", "complete", "completed"})  # fmt: skip
_LIMITED: Final = frozenset({"length", "max_tokens", "max_length", "max_output_tokens", "model_length", "token_limit", "error_limit"})  # fmt: skip
_BROKEN: Final = frozenset({"abort", "aborted", "cancel", "cancelled", "canceled", "timeout", "insufficient_system_resource"})  # fmt: skip
"""Reasons of an end that the server did not want: what came is a part of the answer."""
_REASONING: Final = ("reasoning_content", "reasoning", "thinking", "reasoning_text", "thought")
_COUNTS: Final = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
_OF_ANSWERS: Final = frozenset({"id", "model", "object", "usage", "created", "type"})
"""What a piece of an answer without choices still has, and a message that is nothing but an error has not."""
_LONGEST_TOKEN: Final = 16.0
"""Characters a token, on average over a text, that no vocabulary reaches."""
_APART: Final = 1.5
_ENOUGH_BUNCHES: Final = 8
"""Arrivals from which on the measured rate can tell that the reported one is wrong."""


class Answer:
    """What has been said so far, and the server's own figures.

    Args:
        name: the backend's.
        request: what was asked.
        limited: the server was told the most tokens of the answer.
    """

    def __init__(self, name: str, request: GenRequest, *, limited: bool = True) -> None:
        self.clock = Clock()
        self.finish: str | None = None
        self.done = False
        self.heard = False
        self._name, self._request, self._limited = name, request, limited
        self._usage: dict[str, Any] = {}
        self._timings: dict[str, Any] = {}
        self._model = ""
        self._characters = self._bytes = 0
        self._content: list[str] = []
        self._reasoned = False
        self._pieces: dict[ChunkKind, WholeCharacters] = {"reasoning": WholeCharacters(), "content": WholeCharacters()}
        self.last_ns = self.clock.sent_ns

    @property
    def complete(self) -> bool:
        """Whether everything that a server sends has come: the reason of the end, and the counts."""
        return self.done or (self.finish is not None and "completion_tokens" in self._usage)

    def take(self, event: SseEvent, at_ns: int) -> list[Chunk]:
        """The chunks of one event that arrived at `at_ns`.

        Raises:
            BackendError: the event tells of an error, or is none of such a stream.
        """
        if self.done:
            return []
        word = _unframed(event.data).strip('"[]').casefold()
        if word == "done":
            self.done, self.last_ns = True, at_ns
            return []
        if word in _ALIVE or event.name.casefold() in _ALIVE:
            return []
        message = self._message(event)
        self.last_ns = at_ns
        self._model = str(message.get("model") or self._model)[:200]
        usage = _usage(message)
        self._usage = usage or self._usage
        self._timings = _dict(message.get("timings")) or self._timings
        counted = _number(usage.get("completion_tokens"))
        return [c for choice in _list(message.get("choices")) for c in self._choice(choice, at_ns, counted)]

    def _message(self, event: SseEvent) -> dict[str, Any]:
        try:
            message = json.loads(
                _unframed(event.data), strict=False
            )  # some write a tab or a line's end in a text as it is
        except (ValueError, RecursionError) as error:
            if event.name == "error":
                raise error_of(self._name, 0, event.data) from error
            said = " ".join(event.data.split())[:120]
            raise BadOutput(f"{self._name} sent an event that is not JSON: {said}", backend=self._name) from error
        if not message:
            return {}
        if isinstance(message, list) and len(message) == 1:  # as some wrap their errors
            message = message[0]
        if not isinstance(message, dict):
            raise BadOutput(f"{self._name} sent an event that is no object.", backend=self._name)
        if event.name == "error" or _tells_error(message):
            raise error_of(self._name, 0, event.data)
        return message

    def _choice(self, choice: dict[str, Any], at_ns: int, counted: float | None) -> list[Chunk]:
        if str(choice.get("index") or 0) != "0":
            return []
        self.heard = True
        if choice.get("error") or choice.get("finish_reason") == "error":
            raise error_of(self._name, 0, json.dumps({"error": choice.get("error") or "no reason given"}))
        said = choice.get("delta")
        if not isinstance(said, dict):  # a whole message in place of a stream, or the older form
            said = self._rest(_dict(choice.get("message"))) or {"content": choice.get("text")}
        found: list[Chunk] = []
        kinds: tuple[tuple[ChunkKind, str], ...] = (
            ("reasoning", _first_text(said, *_REASONING) or _thoughts(said.get("content")) or _thoughts(said.get("reasoning_details"))),
            ("content", _first_text(said, "content", "refusal")),
        )  # fmt: skip
        for kind, told in kinds:
            if text := self._pieces[kind].feed(told):
                self._characters += len(text)
                self._content += [text] if kind == "content" else []
                self._bytes += len(text.encode("utf-8", "replace"))
                self._reasoned |= kind == "reasoning"
                found.append(Chunk(self.clock.mark(at_ns, len(text), counted), text, kind))
        reason = str(choice.get("finish_reason") or "")
        if reason.casefold() in _BROKEN:
            raise StreamCut(
                f"{self._name} broke off its answer: {reason[:60]}.", backend=self._name, hint="Look at its log, or try again."
            )  # fmt: skip
        if reason.casefold() not in NO_REASON:
            self.finish = reason
            self.clock.finish(at_ns)
        return found

    def _rest(self, message: dict[str, Any]) -> dict[str, Any]:
        """What a message adds to what was said: some servers send whole ones in a stream, some the next words in that place."""
        words, before = said_text(message.get("content")), "".join(self._content)
        if not before or not words:
            return {} if self._characters and not words else message
        return {"content": words.removeprefix(before)}

    def final(self, notes: tuple[str, ...] = ()) -> FinalEvent:
        """The last event, figures labelled by where they come from."""
        reason = (self.finish or "").casefold()
        finish: FinishReason = "stop" if reason in _STOPPED else "length" if reason in _LIMITED else "other"
        usage, own = self._counts()
        ended = max(self.last_ns, self.clock.sent_ns + 1)
        timings = _reported(self.clock.timings(ended), usage, self._usage, self._timings)
        end = FinalEvent(self.clock.sent_ns, ended, finish, usage, timings, self._model, (*own, *notes))
        return _checked(end)

    def _counts(self) -> tuple[Usage, tuple[str, ...]]:
        prompt, completion = _number(self._usage.get("prompt_tokens")), _number(self._usage.get("completion_tokens"))
        notes: list[str] = []
        prompt = prompt or None  # every question has tokens
        if completion == 0 and self._characters:
            completion = None  # servers that do not count write 0
        if completion is not None and self._characters > max(200.0, _LONGEST_TOKEN * completion):
            completion, notes = None, [_MISCOUNTED]
        hidden = completion is not None and self._hides(completion)
        cached = _number(_dict(self._usage.get("prompt_tokens_details")).get("cached_tokens"))
        cached = _number(self._timings.get("cache_n")) if cached is None else cached
        if completion is not None:
            made = Figure(completion, "reported")
        elif (self.finish or "").casefold() in _LIMITED and self._limited:
            made = Figure(self._request.max_tokens, "measured")  # it said that it made as many as it may
        else:
            made = _estimate(self._characters)
        if prompt is None or (completion is None and not notes):
            notes.append(_NO_USAGE)
        notes += [_HIDDEN] if hidden else []
        asked = sum(len(message.content) for message in self._request.messages)
        read = Figure(prompt, "reported") if prompt is not None else _estimate(asked)
        return Usage(read, made, Figure(cached, "reported") if cached is not None else None, hidden), tuple(notes)

    def _hides(self, completion: float) -> bool:
        """Whether tokens were counted that were not sent: a model's thoughts, mostly."""
        thought = _number(_dict(self._usage.get("completion_tokens_details")).get("reasoning_tokens")) or 0
        return (thought > 0 and not self._reasoned) or (self._bytes > 0 and completion > self._bytes + 8)


def _unframed(data: str) -> str:
    """The data of an event without a second frame, which a proxy may put around a server's."""
    words = data.strip()
    return words.removeprefix("data:").strip() if words.startswith("data:") else words


def _usage(message: dict[str, Any]) -> dict[str, Any]:
    """The counts of a message, wherever it has them, under OpenAI's names; empty where it has none."""
    first = next(iter(_list(message.get("choices"))), {})
    told = next((u for at in (message, _dict(message.get("x_groq")), first) if (u := _dict(at.get("usage")))), {})
    renamed = {ours: told[theirs] for theirs, ours in _COUNTS.items() if theirs in told and told.get(ours) is None}
    return {**told, **renamed}


def _tells_error(message: dict[str, Any]) -> bool:
    if message.get("error") or message.get("object") == "error" or (message.get("errors") and "choices" not in message):
        return True
    code = message.get("code", message.get("status"))
    failed = isinstance(code, int) and code >= 400
    alone = isinstance(message.get("message"), str) and not message.keys() & _OF_ANSWERS
    return "choices" not in message and bool(message.get("detail") or (message.get("message") and (failed or alone)))


def _first_text(said: dict[str, Any], *names: str) -> str:
    """Of these fields, the first that holds text: some servers send the same text in two."""
    return next((text for name in names if (text := said_text(said.get(name)))), "")


def _thoughts(said: object) -> str:
    """The reasoning inside a list of parts."""
    parts = [p for p in said if isinstance(p, dict)] if isinstance(said, list) else []
    of_thoughts = [p for p in parts if "text" in p and str(p.get("type", "")).startswith("reasoning")]
    return "".join(
        said_text(p.get("thinking") or p.get("reasoning") or (p.get("text") if p in of_thoughts else "")) for p in parts
    )


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


def _checked(final: FinalEvent) -> FinalEvent:
    """Without the reported times where what arrived contradicts them."""
    said, seen, arrival = final.generation_rate(), final.measured_rate(), final.timings.arrival
    if (
        said is None
        or seen is None
        or said.origin != "reported"
        or arrival is None
        or arrival.bunches < _ENOUGH_BUNCHES
    ):
        return final
    if 1 / _APART <= said.value / seen.value <= _APART:
        return final
    why = _NOT_BELIEVED.format(said.value, seen.value)
    timings = replace(final.timings, prompt=None, generation=None, distrust=why)
    return replace(final, timings=timings, notes=(*final.notes, f"The reported timings are not used: {why}"))


def _estimate(characters: int) -> Figure:
    return Figure(max(1, round(characters / CHARACTERS_PER_TOKEN)) if characters else 0, "estimated")


def _number(value: object) -> float | None:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
    return float(value) if ok and isinstance(value, int | float) else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
