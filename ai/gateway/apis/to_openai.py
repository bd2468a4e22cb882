"""Requests of Ollama's API as OpenAI's API has them, for engines that know no other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["chat", "generate", "text", "embed", "embeddings"]
_OPTIONS: Final = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "stop": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repeat_penalty",
}
"""Options that both know; what a server is started with (`num_ctx`, `num_gpu`, …) is its own business."""
_IMAGES: Final = (("iVBOR", "png"), ("/9j/", "jpeg"), ("R0lGOD", "gif"), ("UklGR", "webp"))
"""How an image begins in Base64."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A request of OpenAI's API; `kind` says what its answer is made into."""

    path: str
    body: dict[str, Any]
    kind: Kind


def chat(asked: Mapping[str, Any], model: str) -> Converted:
    """`/api/chat`."""
    ids = _Ids()
    messages = [_message(m, ids) for m in asked.get("messages") or []]
    body = {"model": model, "messages": messages, **_common(asked, streams=True)}
    if asked.get("tools"):
        body["tools"] = asked["tools"]
    return Converted("/v1/chat/completions", body, "chat")


def generate(asked: Mapping[str, Any], model: str) -> Converted:
    """`/api/generate`: a conversation of one question, unless the prompt is to be taken as it is."""
    prompt = str(asked.get("prompt") or "")
    if asked.get("raw") or asked.get("suffix"):
        body = {"model": model, "prompt": prompt, **_common(asked, streams=True)}
        if asked.get("suffix"):
            body["suffix"] = asked["suffix"]
        return Converted("/v1/completions", body, "text")
    system = [{"role": "system", "content": str(asked["system"])}] if asked.get("system") else []
    question = {"role": "user", "content": _content(prompt, asked.get("images"))}
    body = {"model": model, "messages": [*system, question], **_common(asked, streams=True)}
    return Converted("/v1/chat/completions", body, "generate")


def embed(asked: Mapping[str, Any], model: str) -> Converted:
    """`/api/embed`."""
    body: dict[str, Any] = {"model": model, "input": asked.get("input", ""), "encoding_format": "float"}
    if asked.get("dimensions"):
        body["dimensions"] = asked["dimensions"]
    return Converted("/v1/embeddings", body, "embed")


def embeddings(asked: Mapping[str, Any], model: str) -> Converted:
    """`/api/embeddings`, the older one: one text."""
    body = {"model": model, "input": str(asked.get("prompt", "")), "encoding_format": "float"}
    return Converted("/v1/embeddings", body, "embeddings")


class _Ids:
    """OpenAI's tool calls have ids, by which their results refer to them; Ollama's come in order."""

    def __init__(self) -> None:
        self._made = 0
        self._open: list[str] = []

    def new(self) -> str:
        self._made += 1
        self._open.append(f"call_{self._made}")
        return self._open[-1]

    def next(self) -> str:
        return self._open.pop(0) if self._open else f"call_{self._made}"


def _message(message: Mapping[str, Any], ids: _Ids) -> dict[str, Any]:
    role = str(message.get("role", "user"))
    text = str(message.get("content") or "")
    if role == "tool":
        return {"role": "tool", "tool_call_id": str(message.get("tool_call_id") or ids.next()), "content": text}
    found: dict[str, Any] = {"role": role, "content": _content(text, message.get("images"))}
    if calls := message.get("tool_calls"):
        found["tool_calls"] = [
            {
                "id": ids.new(), "type": "function",
                "function": {"name": str(call["function"]["name"]), "arguments": json.dumps(call["function"].get("arguments") or {})},
            }
            for call in calls
        ]  # fmt: skip
    return found


def _content(text: str, images: Any) -> str | list[dict[str, Any]]:
    if not images:
        return text
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    for image in images:
        kind = next((kind for start, kind in _IMAGES if str(image).startswith(start)), "png")
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{image}"}})
    return parts


def _common(asked: Mapping[str, Any], *, streams: bool) -> dict[str, Any]:
    """Options, form of the answer, and whether it is a stream."""
    options = asked.get("options") or {}
    body = {there: options[here] for here, there in _OPTIONS.items() if options.get(here) is not None}
    most = options.get("num_predict")
    if isinstance(most, int) and most > 0:
        body["max_tokens"] = most
    wanted = asked.get("format")
    if isinstance(wanted, dict):
        schema = {"name": "answer", "schema": wanted, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif wanted == "json":
        body["response_format"] = {"type": "json_object"}
    body["stream"] = bool(asked.get("stream", streams))
    if body["stream"]:
        body["stream_options"] = {"include_usage": True}
    return body
