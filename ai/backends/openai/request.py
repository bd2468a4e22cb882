"""The JSON of a chat completion, in a form that the server at hand takes.

Servers refuse what others need: `stream_options`, `seed`, a JSON schema, `max_tokens` or its successor. What one refuses is
left out or replaced, and the question is asked again.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from ai.core.types import GenRequest

MOST_FORMS: Final = 6
"""Times that one question is asked in another form, at most."""
_NEEDED: Final = frozenset({"model", "messages", "prompt", "stream"})
_PLAIN: Final = _NEEDED | {"max_tokens", "max_completion_tokens", "temperature", "response_format"}
_NAMED_STATUS: Final = frozenset({400, 404, 405, 415, 422, 500, 501})
_VAGUE_STATUS: Final = frozenset({400, 422})
_MAX_READ: Final = 20_000
_ECHOES: Final = frozenset({"input", "ctx", "url", "body", "request", "messages"})
"""Parts of an error in which servers repeat what they were sent."""
_TOO_LARGE: Final = re.compile(
    r"too large|too (big|high|long)|at most|exceed|less than|greater than|<=|maximum value|must be", re.IGNORECASE
)
_SCHEMA_WORDS: Final = re.compile(
    r"\b(response_format|json_schema|json_object|json schema|structured outputs?|guided|grammar)\b", re.IGNORECASE
)
_NO_SYSTEM: Final = re.compile(
    r"system['\"`]? (role|message|prompt)s?\b.{0,60}\b(not|un)\s?(supported|allowed|available|permitted)|(no|not|n't) support.{0,40}\bsystem\b"
    r"|roles must alternate|must alternate between|first message.{0,40}\buser\b|only (the )?(roles? )?['\"`]?user['\"`]?.{0,40}\b(assistant|model)\b.{0,40}\brole",
    re.IGNORECASE,
)
"""How templates of chats without a system message say so."""
_NO_STREAM: Final = re.compile(
    r"\bstream(ing)?\b['\"`]?[^.]{0,40}\b(not|un)\s?(supported|available|allowed|permitted)|does(n't| not) support stream",
    re.IGNORECASE,
)


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


_LLAMA_NAMES: Final = {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty"}
_VLLM_NAMES: Final = {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"}
FLAVOURS: Final = {
    flavour.label: flavour
    for flavour in (
        Flavour("OpenAI-compatible server"),
        Flavour(
            "llama.cpp server",
            _LLAMA_NAMES,
            cache_switch=True,
            ignore_eos=True,
            template_arguments=True,
            timings=True,
        ),
        Flavour("vLLM", _VLLM_NAMES, ignore_eos=True, template_arguments=True),
        Flavour("TabbyAPI", _VLLM_NAMES, schema_field=True, timings=True),
        Flavour("LM Studio", _LLAMA_NAMES),
        Flavour("SGLang", _VLLM_NAMES, ignore_eos=True),
        Flavour(
            "Watchkeeper worker",
            _LLAMA_NAMES,
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
    if request.raw:
        del body["messages"]
        body["prompt"] = request.raw
    elif flavour.template_arguments and request.think is not None:
        body["chat_template_kwargs"] = {"enable_thinking": request.think}
    return body


@dataclass(frozen=True, slots=True)
class Form:
    """What one server takes of a request.

    Attributes:
        left_out: fields that it refused.
        schema: how the form of the answer is asked for.
        limit: what it calls the most tokens of an answer.
        streams: whether it streams at all.
        system: whether it takes system messages; they stand before the question where not.
        vague: it did not say what it refused, so this form is a guess.
    """

    left_out: frozenset[str] = frozenset()
    schema: Literal["json_schema", "json_object", "none"] = "json_schema"
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    streams: bool = True
    system: bool = True
    vague: bool = False

    def fitted(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A body in this form."""
        fitted = {key: value for key, value in body.items() if key not in self.left_out}
        if not self.streams:
            fitted = {key: value for key, value in fitted.items() if key != "stream_options"} | {"stream": False}
        if self.schema != "json_schema":
            asked = fitted.pop("response_format", None)
            fitted.pop("json_schema", None)
            if asked is not None and self.schema == "json_object":
                fitted["response_format"] = {"type": "json_object"}
        if self.limit != "max_tokens" and "max_tokens" in fitted:
            fitted[self.limit] = fitted.pop("max_tokens")
        if not self.system and "messages" in fitted:
            fitted["messages"] = _without_system(fitted["messages"])
        return fitted

    def notes(self, body: Mapping[str, Any]) -> tuple[str, ...]:
        """What makes an answer worth less, because the server did not take it."""
        notes = []
        if "response_format" in body and self.schema != "json_schema":
            notes.append("The server does not take a JSON schema, so the form of its answer is not enforced.")
        if not self.system:
            notes.append("The server takes no system message, so it stands before the question.")
        lost = sorted(self.left_out & {"temperature", "top_p", "top_k", "seed"} & body.keys())
        if lost:
            notes.append(f"The server does not take {', '.join(lost)}, so its own default applies.")
        return tuple(notes)

    def after_refusal(self, body: Mapping[str, Any], status: int, said: str) -> "Form | None":
        """The form to try after a refusal of `body`; None when another form would not help.

        Args:
            body: what was asked for, before it was fitted to this form.
            status: the HTTP status.
            said: the body of the answer.
        """
        sent, said = self.fitted(body), complaint(said)
        if status in _NAMED_STATUS and (named := self._named(sent, said)) is not None:
            return named
        if status not in _VAGUE_STATUS:
            return None
        surplus = frozenset(sent.keys() - _PLAIN)
        if surplus:
            return replace(self, left_out=self.left_out | surplus, vague=True)
        if "response_format" in sent:
            return replace(self._less_schema(), vague=True)
        return replace(self, limit="max_completion_tokens", vague=True) if "max_tokens" in sent else None

    def _named(self, sent: Mapping[str, Any], said: str) -> "Form | None":
        """The form without what the refusal names; None when it names nothing that can be left out."""
        if "response_format" in sent and _SCHEMA_WORDS.search(said):
            return self._less_schema()
        if (
            self.limit == "max_tokens"
            and "max_tokens" in sent
            and (
                _mentions("max_completion_tokens", said)
                or (_mentions("max_tokens", said) and not _TOO_LARGE.search(said))
            )
        ):
            return replace(self, limit="max_completion_tokens")
        named = {key for key in sent.keys() - _NEEDED - {"max_tokens", "max_completion_tokens"} if _mentions(key, said)}
        if "stream_options" in sent and _mentions("include_usage", said):
            named.add("stream_options")
        if named:
            return replace(self, left_out=self.left_out | named)
        if self.streams and _NO_STREAM.search(said):
            return replace(self, streams=False)
        if self.system and _NO_SYSTEM.search(said) and any(m["role"] == "system" for m in sent.get("messages", ())):
            return replace(self, system=False)
        return None

    def _less_schema(self) -> "Form":
        return replace(self, schema="json_object" if self.schema == "json_schema" else "none")


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The conversation with what its system messages say before the first turn of the user."""
    told = [m["content"] for m in messages if m["role"] == "system"]
    turns = [m for m in messages if m["role"] != "system"]
    if not turns or turns[0]["role"] != "user":
        return [{"role": "user", "content": "\n\n".join(told)}, *turns]
    return [{**turns[0], "content": "\n\n".join([*told, turns[0]["content"]])}, *turns[1:]]


def _mentions(name: str, said: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said) is not None


def complaint(said: str) -> str:
    """The words of an error without what it repeats of the request."""
    said = said[:_MAX_READ]
    try:
        return " ".join(_words(json.loads(said)))
    except (ValueError, RecursionError):
        return said


def _words(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in _ECHOES:
                yield from _words(item)
