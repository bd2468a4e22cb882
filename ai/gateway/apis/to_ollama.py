"""Answers of OpenAI's API as Ollama's API has them."""

import json
import time
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from ai.backends.openai.sse import NO_REASON, SseEvent, SseParser, WholeCharacters, messages_of, said_text, thought_text
from ai.backends.openai.told_errors import tells_error, words_of
from ai.core.errors import BadOutput, StreamCut
from ai.core.words import plain_words

_encoder: Final = msgspec.json.Encoder()
_JSON_BEGINS: Final = ("{", "[", '"{', '"[')
_LINES: Final = "application/x-ndjson"
_JSON: Final = "application/json"
_REASONS: Final = {"stop": "stop", "length": "length", "tool_calls": "stop", "function_call": "stop", "content_filter": "stop"}  # fmt: skip


def _encode(value: dict[str, Any]) -> bytes:
    """JSON. Half a character that a model wrote stays as the escape that it was."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value).encode("ascii")


class Translator(Protocol):
    """Makes the answer of one API that of another. With `whole`, it is translated when all of it is here."""

    content_type: str
    whole: bool

    def feed(self, data: bytes) -> bytes:
        """What a part of the answer becomes; it may be nothing yet.

        Raises:
            BadOutput: it is no answer.
        """

    def finish(self) -> bytes:
        """What is left when the answer is whole.

        Raises:
            BadOutput: it was no answer.
        """


class _Said:
    """What a piece of an answer says, from a chat (`delta` or `message`) or from a text completion."""

    def __init__(self, choice: dict[str, Any]) -> None:
        part = _dict(choice.get("delta")) or _dict(choice.get("message"))
        self.text = said_text(part.get("content")) or said_text(part.get("refusal")) or said_text(choice.get("text"))
        self.thinking = thought_text(part)
        self.calls = _dicts(part.get("tool_calls"))
        reason = str(choice.get("finish_reason") or "")
        self.finish = "" if reason.casefold() in NO_REASON else reason


class _Answered:
    """Collects over the pieces what Ollama tells at the end: tool calls, counts, times."""

    def __init__(self) -> None:
        self._begun = time.perf_counter_ns()
        self._first: int | None = None
        self._calls: dict[str, dict[str, str]] = {}
        self.reason = ""
        self.heard = False
        self._texts, self._thoughts = WholeCharacters(), WholeCharacters()
        self._usage: dict[str, Any] = {}
        self._timings: dict[str, Any] = {}

    def read(self, data: dict[str, Any]) -> _Said | None:
        """A piece; None where it says nothing to the program."""
        usage, timings = data.get("usage"), data.get("timings")
        self._usage = usage if isinstance(usage, dict) else self._usage
        self._timings = timings if isinstance(timings, dict) else self._timings
        choices = [c for c in _dicts(data.get("choices")) if str(c.get("index") or 0) == "0"]
        if not choices:
            return None
        self.heard = True
        said = _Said(choices[0])
        if data.get("error") or said.finish.casefold() == "error":
            raise BadOutput(f"the engine ended its answer with an error: {_message(data)}")
        said.text, said.thinking = self._texts.feed(said.text), self._thoughts.feed(said.thinking)
        self._first = self._first or time.perf_counter_ns()
        self.reason = _REASONS.get(said.finish.casefold(), "stop") if said.finish else self.reason
        for place, call in enumerate(said.calls):
            known = self._calls.setdefault(str(call.get("index", place)), {"name": "", "arguments": ""})
            function, whole = _dict(call.get("function")), WholeCharacters()
            given = function.get("arguments")
            known["name"] += whole.feed(str(function.get("name") or ""))
            known["arguments"] += given if isinstance(given, str) else json.dumps(given) if given else ""
        return said

    def tool_calls(self) -> list[dict[str, Any]]:
        """Whole, with their arguments as an object.

        Raises:
            BadOutput: the arguments are no JSON.
        """
        try:
            return [
                {"function": {"name": c["name"], "arguments": json.loads(c["arguments"] or "{}")}}
                for c in self._calls.values()
            ]
        except (ValueError, RecursionError) as error:
            raise BadOutput("the arguments of a tool call are not JSON") from error

    def figures(self) -> dict[str, Any]:
        """Counts, and times in nanoseconds: the engine's where it tells them, else as they were seen here."""
        now = time.perf_counter_ns()
        first = self._first or now
        usage, timings = self._usage, self._timings
        prompt_ms, predicted_ms = _number(timings.get("prompt_ms")), _number(timings.get("predicted_ms"))
        return {
            "total_duration": now - self._begun,
            "load_duration": 0,
            "prompt_eval_count": int(_number(usage.get("prompt_tokens")) or _number(timings.get("prompt_n"))),
            "prompt_eval_duration": int(prompt_ms * 1e6) if prompt_ms else first - self._begun,
            "eval_count": int(_number(usage.get("completion_tokens")) or _number(timings.get("predicted_n"))),
            "eval_duration": int(predicted_ms * 1e6) if predicted_ms else now - first,
        }


def loaded(model: str, *, talks: bool, ends: bool) -> bytes:
    """The answer to a request that only has a model loaded, or let go (`ends`); `talks` as for `Lines`."""
    said = {"message": {"role": "assistant", "content": ""}} if talks else {"response": ""}
    return _encode(
        {"model": model, "created_at": _now(), **said, "done_reason": "unload" if ends else "load", "done": True}
    )


class Lines:
    """A stream of events → Ollama's lines.

    Args:
        model: as it is called in the answer.
        talks: the answer is a message (`/api/chat`), not a response (`/api/generate`).
    """

    content_type = _LINES
    whole = False

    def __init__(self, model: str, *, talks: bool) -> None:
        self._model, self._talks = model, talks
        self._events = SseParser()
        self._answered = _Answered()
        self._ended = False

    def feed(self, data: bytes) -> bytes:
        """Some events."""
        return b"".join(map(self._line, self._events.feed(data)))

    def finish(self) -> bytes:
        """The last line.

        Raises:
            StreamCut: the stream ended before its end.
        """
        line = b"".join(map(self._line, self._events.end()))
        if not self._ended and not self._answered.reason:
            raise StreamCut("the engine's stream ended before its end")
        if not self._answered.heard:
            raise BadOutput("the engine's answer says nothing")
        last = {
            "model": self._model,
            "created_at": _now(),
            **self._said("", "", self._answered.tool_calls()),
            "done": True,
        }
        return (
            line + _encode(last | {"done_reason": self._answered.reason or "stop"} | self._answered.figures()) + b"\n"
        )

    def _line(self, event: SseEvent) -> bytes:
        data = event.data.strip()
        if _is_end(data):
            self._ended = True
            return b""
        if not data.startswith(_JSON_BEGINS):
            if event.name == "error":
                return _encode({"error": plain_words(data)}) + b"\n"
            return b""  # a word of a server that shows it is alive
        return b"".join(self._piece(told, event.name) for told in _objects(data))

    def _piece(self, told: dict[str, Any], name: str) -> bytes:
        if tells_error(told) or name == "error":
            return _encode({"error": _message(told)}) + b"\n"
        said = self._answered.read(told)
        if said is None or not (said.text or said.thinking):
            return b""
        line = {"model": self._model, "created_at": _now(), **self._said(said.text, said.thinking, []), "done": False}
        return _encode(line) + b"\n"

    def _said(self, text: str, thinking: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
        more: dict[str, Any] = {"thinking": thinking} if thinking else {}
        if not self._talks:
            return {"response": text, **more}
        return {"message": {"role": "assistant", "content": text, **more, **({"tool_calls": calls} if calls else {})}}


class Whole:
    """A whole answer → Ollama's."""

    content_type = _JSON
    whole = True

    def __init__(self, model: str, *, talks: bool) -> None:
        self._model, self._talks = model, talks
        self._answered = _Answered()
        self._body = b""

    def feed(self, data: bytes) -> bytes:
        """All of it."""
        self._body += data
        return b""

    def finish(self) -> bytes:
        """The answer.

        Raises:
            BadOutput: it is none.
        """
        said = self._joined()
        if said is None:
            raise BadOutput("the engine's answer says nothing")
        more: dict[str, Any] = {"thinking": said.thinking} if said.thinking else {}
        calls = self._answered.tool_calls()
        told: dict[str, Any] = {"response": said.text, **more}
        if self._talks:
            told = {
                "message": {
                    "role": "assistant",
                    "content": said.text,
                    **more,
                    **({"tool_calls": calls} if calls else {}),
                }
            }
        whole = {
            "model": self._model,
            "created_at": _now(),
            **told,
            "done": True,
            "done_reason": self._answered.reason or "stop",
        }
        return _encode(whole | self._answered.figures())

    def _joined(self) -> _Said | None:
        """What it says, all pieces in one: some servers answer with a stream, whatever they are asked for.

        Raises:
            BadOutput: it is no answer.
        """
        try:
            found, streamed = messages_of(self._body), False
        except (ValueError, TypeError, RecursionError):
            events = SseParser()
            found = [told for event in [*events.feed(self._body), *events.end()] for told in _told(event)]
            streamed = True
        said = [piece for told in found if (piece := self._answered.read(told)) is not None]
        if streamed and not said:
            raise BadOutput("the engine's answer is not JSON")
        if not said or (streamed and not self._answered.reason):
            return None
        for piece in said[1:]:
            said[0].text += piece.text
            said[0].thinking += piece.thinking
        return said[0]


class Vectors:
    """A list of embeddings → Ollama's; `alone` is the older route's one vector."""

    content_type = _JSON
    whole = True

    def __init__(self, model: str, *, alone: bool) -> None:
        self._model, self._alone = model, alone
        self._begun = time.perf_counter_ns()
        self._body = b""

    def feed(self, data: bytes) -> bytes:
        """All of it."""
        self._body += data
        return b""

    def finish(self) -> bytes:
        """The vectors.

        Raises:
            BadOutput: there are none.
        """
        told = _object(self._body)
        rows = told.get("data")
        if not isinstance(rows, list) or not all(isinstance(row, dict) and "embedding" in row for row in rows):
            raise BadOutput("the engine's answer has no embeddings")
        vectors = [row["embedding"] for row in sorted(rows, key=lambda row: _number(row.get("index")))]
        if self._alone:
            return _encode({"embedding": vectors[0] if vectors else []})
        tokens = int(_number(_dict(told.get("usage")).get("prompt_tokens")))
        spent = time.perf_counter_ns() - self._begun
        whole = {
            "model": self._model,
            "embeddings": vectors,
            "total_duration": spent,
            "load_duration": 0,
            "prompt_eval_count": tokens,
        }
        return _encode(whole)


class Make(Protocol):
    """Makes a translator for one answer."""

    def __call__(self, model: str, *, stream: bool) -> Translator:
        """Of an answer with this model."""


def _chat(model: str, *, stream: bool) -> Translator:
    return Lines(model, talks=True) if stream else Whole(model, talks=True)


def _generate(model: str, *, stream: bool) -> Translator:
    return Lines(model, talks=False) if stream else Whole(model, talks=False)


def _embed(model: str, *, stream: bool) -> Translator:  # noqa: ARG001 - vectors come at once
    return Vectors(model, alone=False)


def _embeddings(model: str, *, stream: bool) -> Translator:  # noqa: ARG001 - vectors come at once
    return Vectors(model, alone=True)


TRANSLATORS: Final[dict[str, Make]] = {
    "chat": _chat, "generate": _generate, "text": _generate, "embed": _embed, "embeddings": _embeddings,
}  # fmt: skip
"""By the kind of a converted request."""


def _told(event: SseEvent) -> list[dict[str, Any]]:
    """What an event of a stream says, where the whole answer is one.

    Raises:
        BadOutput: it tells of an error.
    """
    data = event.data.strip()
    told = _objects(data) if data.startswith(_JSON_BEGINS) and not _is_end(data) else []
    if event.name == "error" or any(map(tells_error, told)):
        words = _message(told[0]) if told else plain_words(data)
        raise BadOutput(f"the engine ended its answer with an error: {words}")
    return told


def _is_end(data: str) -> bool:
    return data.strip('"[]').casefold() == "done"


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(value: object) -> float:
    """A number that is none is 0: Ollama's programs expect one."""
    ok = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
    return float(value) if ok and isinstance(value, int | float) else 0.0


def _object(text: bytes | str) -> dict[str, Any]:
    """An object of JSON, also with what only some writers take for JSON: `NaN`, halves of characters."""
    found = _objects(text)
    if len(found) != 1:
        raise BadOutput("the engine's answer is no JSON object")
    return found[0]


def _objects(text: bytes | str) -> list[dict[str, Any]]:
    try:
        return messages_of(text)
    except TypeError as error:
        raise BadOutput("the engine's answer is no JSON object") from error
    except (ValueError, RecursionError) as error:
        raise BadOutput("the engine's answer is not JSON") from error


def _message(told: dict[str, Any]) -> str:
    return plain_words(str(words_of(told) or "no reason given"))


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
