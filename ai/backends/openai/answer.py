"""What one streamed answer has said so far, and the figures that follow from it.

The first token is the first chunk with non-empty content or reasoning, not the chunk that only names a role. A chunk is not a
token: tokens come from `usage`, or from the server's word that the limit was reached.
"""

import json
import re
from dataclasses import replace
from typing import Any, Final

from ai.backends.openai.http_errors import error_of
from ai.backends.openai.sse import NO_REASON, SseEvent, WholeCharacters, messages_of, said_text, thought_text
from ai.backends.openai.told_errors import tells_error
from ai.core.charset import Utf8
from ai.core.errors import BackendError, BadOutput, StreamCut
from ai.core.instead import Instead
from ai.core.pacing import Clock
from ai.core.plausible import LONGEST_TOKEN, believed, overran
from ai.core.types import Chunk, ChunkKind, Figure, FinishReason, GenRequest, Timings, Usage
from ai.core.types import Final as FinalEvent
from ai.prompt_integrity.check import CHARACTERS_PER_TOKEN

_NO_USAGE: Final = "The server reports no token counts: they are estimated from the length of the text."
_NO_UTF8: Final = (
    "The answer is not in UTF-8, and the server does not say in what else: some of its characters are lost."
)
_HIDDEN: Final = "The server counts tokens that it did not send, so the speed of the answer is not known."
_MISCOUNTED: Final = "The server's count of tokens cannot be that of its text, and is not used."
_TOO_MANY: Final = (
    "The server counts {:.0f} tokens of an answer that may have {}, so the speed of its answer is not known."
)
_CONTRADICTED: Final = "The server's counts contradict each other, so the speed of its answer is not known."
_REPEATED: Final = "The server repeats the question in its answer, so the speed of the answer is not known."
_OVERRAN: Final = "The server went on beyond the {} tokens that it was allowed, and was stopped."
_MUCH: Final = 200
"""Characters that need not be looked at closely."""
_OTHER_MODEL: Final = "The server answered with another model than it was asked for: {}."
_ALIVE: Final = frozenset({"ping", "pong", "keep-alive", "keepalive", "keep_alive", "heartbeat"})
_STOPPED: Final = frozenset({"stop", "eos", "eos_token", "stop_sequence", "end_turn", "end_of_text", "complete", "completed"})  # fmt: skip
_LIMITED: Final = frozenset({"length", "max_tokens", "max_length", "max_output_tokens", "model_length", "token_limit", "error_limit"})  # fmt: skip
_BROKEN: Final = frozenset({"abort", "aborted", "cancel", "cancelled", "canceled", "timeout", "insufficient_system_resource"})  # fmt: skip
"""Reasons of an end that the server did not want: what came is a part of the answer."""
_COUNTS: Final = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
_OF_OTHERS: Final = frozenset(
    {"type", "delta", "message", "response", "content", "candidates", "completion", "generated_text", "output"}
)
_OF_ANSWERS_HERE: Final = frozenset({"choices", "usage", "timings", "error"})
"""What events of other APIs have, and those of this one."""
_LIKENESS: Final = 120
_LEAST_LIKENESS: Final = 16
"""Characters of a question that an answer repeats; a shorter one may be quoted."""
_MOST_DIGITS: Final = 15


class Answer:
    """What has been said so far, and the server's own figures.

    Args:
        name: the backend's.
        request: what was asked.
        model: the one that was asked for.
        limited: the server was told the most tokens of the answer.
    """

    def __init__(self, name: str, request: GenRequest, *, model: str = "", limited: bool = True) -> None:
        self.clock = Clock()
        self.finish: str | None = None
        self.done = False
        self.heard = False
        self.whole = False
        """It came as one message, without a stream."""
        self.foreign = False
        """Events came that are of another API."""
        self.told = ""
        """The error that came as an event, as it was written."""
        self._name, self._request, self._asked, self._limited = name, request, model, limited
        self._usage: dict[str, Any] = {}
        self._timings: dict[str, Any] = {}
        self._model = ""
        self._characters = self._bytes = self._events = self._said = 0
        self._overran = False
        self._instead = Instead()
        self._content: list[str] = []
        self._reasoned = self._ends_with_words = False
        self._pieces: dict[ChunkKind, WholeCharacters] = {"reasoning": WholeCharacters(), "content": WholeCharacters()}
        self.last_ns = self.clock.sent_ns
        self.text_form = Utf8()
        """How its bytes become text."""

    @property
    def complete(self) -> bool:
        """Whether everything that a server sends has come: the reason of the end, and the counts. A reason beside words may stand in every chunk."""
        ended = self.finish is not None and not self._ends_with_words
        return self.done or (ended and "completion_tokens" in self._usage)

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
        if word in _ALIVE or event.name.casefold() in _ALIVE or (self.finish is not None and not _is_json(event.data)):
            return []
        return [chunk for message in self._messages(event) for chunk in self._take(message, at_ns)]

    def _take(self, message: dict[str, Any], at_ns: int) -> list[Chunk]:
        self.foreign |= bool(message.keys() & _OF_OTHERS) and not message.keys() & _OF_ANSWERS_HERE
        self.last_ns = at_ns
        self._model = str(message.get("model") or self._model)[:200]
        usage = _usage(message)
        self._usage = usage or self._usage
        self._timings = _dict(message.get("timings")) or self._timings
        counted = _number(usage.get("completion_tokens"))
        return [c for choice in _list(message.get("choices")) for c in self._choice(choice, at_ns, counted)]

    def _messages(self, event: SseEvent) -> list[dict[str, Any]]:
        """What an event holds: one message, or the whole answer as a list of them."""
        try:
            messages = messages_of(_unframed(event.data))
        except TypeError as error:
            raise BadOutput(f"{self._name} sent an event that is no object.", backend=self._name) from error
        except (ValueError, RecursionError) as error:
            if event.name == "error":
                raise self._error(event.data) from error
            said = " ".join(event.data.split())[:120]
            raise BadOutput(f"{self._name} sent an event that is not JSON: {said}", backend=self._name) from error
        if event.name == "error" or any(tells_error(one) for one in messages):
            raise self._error(event.data)
        return messages

    def _error(self, told: str) -> BackendError:
        self.told = told
        return error_of(self._name, 0, told)

    def _choice(self, choice: dict[str, Any], at_ns: int, counted: float | None) -> list[Chunk]:
        if str(choice.get("index") or 0) != "0":
            return []
        self.heard = True
        if choice.get("error") or choice.get("finish_reason") == "error":
            raise error_of(self._name, 0, json.dumps({"error": choice.get("error") or "no reason given"}))
        said = choice.get("delta")
        if not isinstance(said, dict):  # a whole message in place of a stream, or the older form
            self.whole = not self._characters and bool(_dict(choice.get("message")))
            said = self._rest(_dict(choice.get("message"))) or {"content": choice.get("text")}
        found: list[Chunk] = []
        self._instead.take(said)
        self._instead.refused |= bool(said_text(said.get("refusal")))
        kinds: tuple[tuple[ChunkKind, str], ...] = (
            ("reasoning", thought_text(said)),
            ("content", _first_text(said, "content", "refusal")),
        )  # fmt: skip
        for kind, told in kinds:
            if text := self._pieces[kind].feed(told):
                self._characters += len(text)
                self._content += [text] if kind == "content" else []
                self._said += len(text) if kind == "content" else 0
                self._events += 1
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
            self._ends_with_words = bool(found)
            self.clock.finish(at_ns)
        if self._limited and self.finish is None and overran(self._said, self._request.max_tokens):
            self._overran = self.done = True  # it goes on beyond the limit that it was given, perhaps for ever
            self.finish = "length"
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
        own += (_OVERRAN.format(self._request.max_tokens),) if self._overran else ()
        own += (_NO_UTF8,) if self.text_form.lost else ()
        own += (_OTHER_MODEL.format(self._model),) if self._model and not _same_model(self._model, self._asked) else ()
        ended = max(self.last_ns, self.clock.sent_ns + 1)
        timings = _reported(self.clock.timings(ended), usage, self._usage, self._timings)
        instead = self._instead.sentence(self.finish or "", said=bool(self._content))
        end = FinalEvent(
            self.clock.sent_ns, ended, finish, usage, timings, self._model, (*own, *notes), instead=instead
        )
        return believed(end)

    def _counts(self) -> tuple[Usage, tuple[str, ...]]:
        prompt, completion = _number(self._usage.get("prompt_tokens")), _number(self._usage.get("completion_tokens"))
        notes: list[str] = []
        prompt = prompt or None  # every question has tokens
        if completion == 0 and self._characters:
            completion = None  # servers that do not count write 0
        if completion is not None and self._characters > max(_MUCH, LONGEST_TOKEN * completion):
            completion, notes = None, [_MISCOUNTED]
        hidden = completion is not None and self._hides(completion)
        doubt = _REPEATED if self._repeats() else "" if completion is None else self._contradiction(completion, prompt)
        cached = _number(_dict(self._usage.get("prompt_tokens_details")).get("cached_tokens"))
        cached = _number(self._usage.get("prompt_cache_hit_tokens")) if cached is None else cached
        cached = _number(self._timings.get("cache_n")) if cached is None else cached
        if completion is not None:
            made = Figure(completion, "reported")
        elif (self.finish or "").casefold() in _LIMITED and self._limited and not self._overran:
            made = Figure(self._request.max_tokens, "measured")  # it said that it made as many as it may
        else:
            made = _estimate(self._characters)
        if prompt is None or (completion is None and not notes):
            notes.append(_NO_USAGE)
        notes += [_HIDDEN] if hidden else [doubt] if doubt else []
        asked = sum(len(message.content) for message in self._request.messages)
        read = Figure(prompt, "reported") if prompt is not None else _estimate(asked)
        return Usage(
            read, made, Figure(cached, "reported") if cached is not None else None, hidden or bool(doubt)
        ), tuple(notes)

    def _hides(self, completion: float) -> bool:
        """Whether tokens were counted that were not sent: a model's thoughts, mostly."""
        thought = _number(_dict(self._usage.get("completion_tokens_details")).get("reasoning_tokens")) or 0
        return (thought > 0 and not self._reasoned) or (self._bytes > 0 and completion > self._bytes + 8)

    def _contradiction(self, completion: float, prompt: float | None) -> str:
        """What a count contradicts of what else the server said: its sum, the limit that it was given, and that it was reached; empty where nothing."""
        most, total = self._request.max_tokens, _number(self._usage.get("total_tokens"))
        reached = (self.finish or "").casefold() in _LIMITED and self._limited
        if reached and completion > most + 1:
            return _TOO_MANY.format(completion, most)
        over = bool(total and prompt and completion + prompt > total + 1)
        return _CONTRADICTED if over or (reached and completion < min(most, self._events) - 1) else ""

    def _repeats(self) -> bool:
        """Whether the answer begins with the question."""
        asked = " ".join(self._request.messages[-1].content.split())[:_LIKENESS] if self._request.messages else ""
        return len(asked) >= _LEAST_LIKENESS and " ".join("".join(self._content)[: 2 * _LIKENESS].split()).startswith(
            asked
        )


def _same_model(said: str, asked: str) -> bool:
    """Whether an answer is of the model that was asked for; servers add a tag, a date or the folder to its name, or leave them out."""
    one, other = (re.sub(r"\.gguf$", "", name.casefold()).rpartition("/")[2] or name for name in (said, asked))
    return not asked or one in other or other in one


def _is_json(data: str) -> bool:
    return _unframed(data)[:1] in {"{", "["}


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


def _first_text(said: dict[str, Any], *names: str) -> str:
    """Of these fields, the first that holds text: some servers send the same text in two."""
    return next((text for name in names if (text := said_text(said.get(name)))), "")


def _reported(timings: Timings, usage: Usage, said: dict[str, Any], llama: dict[str, Any]) -> Timings:
    """Adds what llama.cpp (`timings`) or TabbyAPI (rates inside `usage`) reports."""
    prompt_ms, generation_ms = _number(llama.get("prompt_ms")), _number(llama.get("predicted_ms"))
    if prompt_ms is not None and generation_ms is not None:
        return replace(
            timings, prompt=Figure(prompt_ms / 1e3, "reported"), generation=Figure(generation_ms / 1e3, "reported")
        )
    prompt = _seconds(said, usage.prompt_tokens, "prompt_time", "prompt_tokens_per_sec")
    made = _seconds(said, usage.completion_tokens, "completion_time", "completion_tokens_per_sec", "gen_tokens_per_sec")
    queue = _number(said.get("queue_time"))
    timings = replace(timings, prompt=prompt or timings.prompt, generation=made or timings.generation)
    return replace(timings, queue=Figure(queue, "reported")) if queue is not None else timings


def _seconds(said: dict[str, Any], tokens: Figure | None, time: str, *rates: str) -> Figure | None:
    """A duration that is told as one, or by the tokens a second; None where it is not told."""
    if spent := _number(said.get(time)):
        return Figure(spent, "reported")
    rate = next((rate for name in rates if (rate := _number(said.get(name)))), None)
    return Figure(tokens.value / rate, "reported") if rate and tokens is not None and tokens.value > 0 else None


def _estimate(characters: int) -> Figure:
    return Figure(max(1, round(characters / CHARACTERS_PER_TOKEN)) if characters else 0, "estimated")


def _number(value: object) -> float | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        return float(value)
    ok = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
    return float(value) if ok and isinstance(value, int | float) else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[dict[str, Any]]:
    value = [value] if isinstance(value, dict) else value
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
