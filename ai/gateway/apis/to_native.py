"""Requests of OpenAI's API as Ollama's own API has them, with a context: Ollama's OpenAI routes know none, and load a model anew where it has another one.

They are turned as Ollama itself turns them. What its own routes cannot say is not turned: it is asked as it is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["chat", "text", "embed"]
_SAME: Final = ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty")
_USUAL: Final = {"temperature": 1.0, "top_p": 1.0}
"""What Ollama's OpenAI routes take where a program says nothing; its own take the model's."""
_EFFORTS: Final = frozenset({"high", "medium", "low", "max"})
_LIKELIHOODS: Final = ("logprobs", "top_logprobs")
"""Of a chat. Ollama leaves them out of the answers of `/v1/completions`, which therefore need not ask."""
_IMAGES: Final = tuple(f"data:{kind};base64," for kind in ("image/jpeg", "image/jpg", "image/png", "image/webp", ""))


@dataclass(frozen=True, slots=True)
class Native:
    """A request of Ollama's API. `usage`: the program wants the counts at the end of its stream; `packed`: vectors in Base64."""

    path: str
    body: dict[str, Any]
    kind: Kind
    usage: bool = False
    packed: bool = False


def chat(asked: Mapping[str, Any], model: str, context: int) -> Native | None:
    """`/v1/chat/completions`; None where it cannot be turned."""
    given = asked.get("messages")
    if not isinstance(given, list) or not given:
        return None
    try:
        messages = [turned for message in given for turned in _messages(message, given)]
        body: dict[str, Any] = {"model": model, "messages": messages, **_common(asked, context), **_form(asked), **_think(asked)}  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # Ollama says what is wrong with it
    if asked.get("tools"):
        body["tools"] = asked["tools"]
    body |= {name: asked[name] for name in _LIKELIHOODS if asked.get(name)}
    return Native("/api/chat", body, "chat", usage=_wants_usage(asked))


def text(asked: Mapping[str, Any], model: str, context: int) -> Native | None:
    """`/v1/completions`; None where it cannot be turned."""
    prompt = asked.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        return None
    try:
        body = {"model": model, "prompt": prompt, **_common(asked, context)}
    except (ValueError, TypeError):
        return None
    if asked.get("suffix"):
        body["suffix"] = asked["suffix"]
    return Native("/api/generate", body, "text", usage=_wants_usage(asked))


def embed(asked: Mapping[str, Any], model: str, context: int) -> Native | None:
    """`/v1/embeddings`; None where it cannot be turned."""
    given = asked.get("input")
    texts = given if isinstance(given, list) else [given]
    packing = str(asked.get("encoding_format") or "float").lower()
    if not texts or not all(isinstance(one, str) and one for one in texts) or packing not in {"float", "base64"}:
        return None
    body = {"model": model, "input": given, "options": {"num_ctx": context}}
    if asked.get("dimensions"):
        body["dimensions"] = asked["dimensions"]
    return Native("/api/embed", body, "embed", packed=packing == "base64")


def _wants_usage(asked: Mapping[str, Any]) -> bool:
    options = asked.get("stream_options")
    return isinstance(options, Mapping) and options.get("include_usage") is True


def _common(asked: Mapping[str, Any], context: int) -> dict[str, Any]:
    options: dict[str, Any] = {"num_ctx": context}
    for name in _SAME:
        value = asked.get(name, None)
        value = _USUAL.get(name) if value is None else value
        if value is not None:
            options[name] = value
    limit = asked.get("max_tokens") if asked.get("max_tokens") is not None else asked.get("max_completion_tokens")
    if limit is not None:
        options["num_predict"] = int(limit)
    stop = asked.get("stop")
    if stop is not None:
        options["stop"] = [stop] if isinstance(stop, str) else [one for one in stop if isinstance(one, str)]
    return {"options": options, "stream": asked.get("stream") is True}


def _form(asked: Mapping[str, Any]) -> dict[str, Any]:
    wanted = asked.get("response_format") or {}
    kind = str(wanted.get("type") or "").strip().lower()
    if kind == "json_object":
        return {"format": "json"}
    return {"format": wanted["json_schema"]["schema"]} if kind == "json_schema" and wanted.get("json_schema") else {}


def _think(asked: Mapping[str, Any]) -> dict[str, Any]:
    reasoning = asked.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, Mapping) else asked.get("reasoning_effort")
    if not effort:
        return {}
    if effort == "none":
        return {"think": False}
    if effort not in _EFFORTS:
        raise ValueError(effort)
    return {"think": effort}


def _messages(message: Mapping[str, Any], all_of_them: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A message: each part of its content is one of its own, and what the assistant called stands in the last."""
    role, content = message["role"], message.get("content")
    calls = [_call(call) for call in message.get("tool_calls") or []]
    more: dict[str, Any] = {"tool_calls": calls} if calls else {}
    if message.get("reasoning"):
        more["thinking"] = message["reasoning"]
    if message.get("tool_call_id"):
        more["tool_call_id"] = message["tool_call_id"]
    if str(role).lower() == "tool":
        more["tool_name"] = message.get("name") or _called(all_of_them, message.get("tool_call_id"))
    if isinstance(content, str):
        return [{"role": role, "content": content, **more}]
    if content is None:
        if not calls:
            raise ValueError(role)
        return [{"role": role, "content": "", **more}]
    parts = [_part(role, part) for part in content]
    return [*parts[:-1], {**parts[-1], **more}]


def _part(role: str, part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return {"role": role, "content": str(part["text"])}
    if part["type"] == "input_audio":  # Ollama has a sound where it has images
        sound = part["input_audio"]["data"]
        if not isinstance(sound, str) or not sound:
            raise ValueError(part["type"])
        return {"role": role, "content": "", "images": [sound]}
    if part["type"] != "image_url":
        raise ValueError(part["type"])
    image = part["image_url"]
    url = str(image["url"] if isinstance(image, Mapping) else image)
    start = next((begin for begin in _IMAGES if url.startswith(begin)), None)
    if start is None:
        raise ValueError(url[:20])
    return {"role": role, "content": "", "images": [url.removeprefix(start)]}


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = json.loads(function.get("arguments") or "{}")
    return {"id": str(call.get("id") or ""), "function": {"name": function["name"], "arguments": arguments}}


def _called(messages: list[Mapping[str, Any]], call_id: Any) -> str:
    """The function of a call, by its id; the last one counts."""
    for message in reversed(messages):
        for call in message.get("tool_calls") or []:
            if call.get("id") == call_id:
                return str(call["function"]["name"])
    return ""
