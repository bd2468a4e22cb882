"""Answers of Ollama's API as its OpenAI routes give them."""

import base64
import json
import secrets
import struct
import time
from typing import Any, Final

from ai.core.errors import BadOutput, StreamCut
from ai.core.words import plain_words
from ai.gateway.apis.to_native import Native
from ai.gateway.apis.to_ollama import Translator

_JSON: Final = "application/json"
_MOST_LINE: Final = 16 * 1024 * 1024
_OBJECTS: Final = {"chat": ("chatcmpl", "chat.completion"), "text": ("cmpl", "text_completion")}


def translator_of(asked: Native, model: str) -> Translator:
    """What makes the answer to a request that was turned into Ollama's own."""
    if asked.kind == "embed":
        return _Vectors(model, packed=asked.packed)
    return _Events(asked, model) if asked.body["stream"] else _Whole(asked, model)


class _Answer:
    """What is the same in all parts of an answer."""

    def __init__(self, asked: Native, model: str) -> None:
        begin, self._object = _OBJECTS[asked.kind]
        self._talks, self._model = asked.kind == "chat", model
        self._id = f"{begin}-{secrets.token_hex(6)}"

    def _told(self, choices: list[dict[str, Any]], *, piece: bool) -> dict[str, Any]:
        kind = f"{self._object}.chunk" if piece and self._talks else self._object
        return {
            "id": self._id, "object": kind, "created": int(time.time()), "model": self._model, "system_fingerprint": "fp_ollama",
            "choices": choices,
        }  # fmt: skip

    def _message(self, line: dict[str, Any]) -> dict[str, Any]:
        said = _dict(line.get("message"))
        message: dict[str, Any] = {"role": said.get("role") or "assistant", "content": str(said.get("content") or "")}
        if said.get("thinking"):
            message["reasoning"] = said["thinking"]
        calls = [_call(call, place) for place, call in enumerate(said.get("tool_calls") or [])]
        return message | ({"tool_calls": calls} if calls else {})


class _Events(_Answer):
    """Lines → a stream of events."""

    content_type = "text/event-stream"
    whole = False

    def __init__(self, asked: Native, model: str) -> None:
        super().__init__(asked, model)
        self._usage = asked.usage
        self._rest = b""
        self._called = self._ended = False

    def feed(self, data: bytes) -> bytes:
        """Some lines."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MOST_LINE:
            raise BadOutput("the engine's answer has no lines")
        return b"".join(self._line(line) for line in lines if line.strip())

    def finish(self) -> bytes:
        """The last line, where it was not ended.

        Raises:
            StreamCut: the answer ended before its end.
        """
        rest, self._rest = self._rest, b""
        said = self._line(rest) if rest.strip() else b""
        if not self._ended:
            raise StreamCut("the engine's stream ended before its end")
        return said

    def _line(self, data: bytes) -> bytes:
        line = _object(data)
        done = line.get("done") is True
        choices = self._chat(line) if self._talks else [self._text(line)]
        told = [self._told([choice], piece=True) for choice in choices]
        if done and self._usage:
            told.append(self._told([], piece=True) | {"usage": _usage(line)})
        self._ended = self._ended or done
        return b"".join(b"data: " + _encode(one) + b"\n\n" for one in told) + (b"data: [DONE]\n\n" if done else b"")

    def _chat(self, line: dict[str, Any]) -> list[dict[str, Any]]:
        """One piece; a thought that comes with something else is a piece of its own, as clients expect it."""
        message = self._message(line)
        self._called = self._called or "tool_calls" in message
        finish = (
            ("tool_calls" if self._called else str(line.get("done_reason") or "stop")) if line.get("done") else None
        )
        last = {"index": 0, "delta": message, "finish_reason": finish}
        if "reasoning" not in message or not (message["content"] or "tool_calls" in message):
            return [last | _likelihoods(line)]
        thought = {"role": message["role"], "content": "", "reasoning": message.pop("reasoning")}
        return [{"index": 0, "delta": thought, "finish_reason": None} | _likelihoods(line), last]

    def _text(self, line: dict[str, Any]) -> dict[str, Any]:
        finish = str(line.get("done_reason") or "stop") if line.get("done") else None
        return {"text": str(line.get("response") or ""), "index": 0, "finish_reason": finish}


class _Collected:
    """All of an answer, which is read when it is here."""

    content_type = _JSON
    whole = True

    def __init__(self) -> None:
        self._body = b""

    def feed(self, data: bytes) -> bytes:
        """All of it."""
        self._body += data
        return b""


class _Whole(_Answer, _Collected):
    """A whole answer."""

    def __init__(self, asked: Native, model: str) -> None:
        _Answer.__init__(self, asked, model)
        _Collected.__init__(self)

    def finish(self) -> bytes:
        """The answer.

        Raises:
            BadOutput: it is none.
        """
        line = _object(self._body)
        if line.get("done") is not True:
            raise BadOutput("the engine's answer has no end")
        finish = str(line.get("done_reason") or "stop")
        if not self._talks:
            choice: dict[str, Any] = {"text": str(line.get("response") or ""), "index": 0, "finish_reason": finish}
        else:
            message = self._message(line)
            choice = {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls" if "tool_calls" in message else finish,
                **_likelihoods(line),
            }
        return _encode(self._told([choice], piece=False) | {"usage": _usage(line)})


class _Vectors(_Collected):
    """Embeddings; `packed` in Base64, as OpenAI's clients ask for them."""

    def __init__(self, model: str, *, packed: bool) -> None:
        super().__init__()
        self._model, self._packed = model, packed

    def finish(self) -> bytes:
        """The vectors.

        Raises:
            BadOutput: there are none.
        """
        told = _object(self._body)
        rows = told.get("embeddings")
        if not isinstance(rows, list) or not rows:
            raise BadOutput("the engine's answer has no embeddings")
        try:
            data = [
                {"object": "embedding", "embedding": _packed(row) if self._packed else row, "index": place}
                for place, row in enumerate(rows)
            ]
        except (struct.error, TypeError) as error:
            raise BadOutput("the engine's embeddings are no numbers") from error
        read = _count(told.get("prompt_eval_count"))
        usage = {"prompt_tokens": read, "total_tokens": read}
        return _encode({"object": "list", "data": data, "model": self._model, "usage": usage})


def _packed(row: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode("ascii")


def _call(call: dict[str, Any], place: int) -> dict[str, Any]:
    function = _dict(call.get("function"))
    arguments = json.dumps(function.get("arguments") or {}, separators=(",", ":"), ensure_ascii=False)
    index = function.get("index")
    return {
        "id": str(call.get("id") or f"call_{secrets.token_hex(4)}"), "index": index if isinstance(index, int) else place, "type": "function",
        "function": {"name": str(function.get("name") or ""), "arguments": arguments},
    }  # fmt: skip


def _likelihoods(line: dict[str, Any]) -> dict[str, Any]:
    """How likely each token was, where that was asked for: Ollama's form is that of OpenAI's `content`."""
    told = line.get("logprobs")
    return {"logprobs": {"content": told}} if isinstance(told, list) and told else {}


def _usage(line: dict[str, Any]) -> dict[str, int]:
    read, made = _count(line.get("prompt_eval_count")), _count(line.get("eval_count"))
    return {"prompt_tokens": read, "completion_tokens": made, "total_tokens": read + made}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _object(data: bytes) -> dict[str, Any]:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadOutput("the engine's answer is not JSON") from error
    if not isinstance(told, dict):
        raise BadOutput("the engine's answer is no JSON object")
    if "error" in told:
        raise BadOutput(f"the engine ended its answer with an error: {plain_words(str(told['error']))}")
    return told


def _encode(value: dict[str, Any]) -> bytes:
    """JSON; half a character that a model wrote stays as the escape that it was."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")
