"""The routes that go to engines: what is read of a request, and how each kind of engine is asked."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ai.core.charset import in_utf8
from ai.core.errors import BadRequest
from ai.gateway.apis import to_native, to_ollama, to_openai
from ai.gateway.apis.from_native import translator_of
from ai.gateway.apis.to_ollama import Translator
from ai.gateway.link.messages import Engine, Need

Fields = dict[str, msgspec.Raw]
_fields: Final = msgspec.json.Decoder(Fields)
_text: Final = msgspec.json.Decoder(str | None)
_encode: Final = msgspec.json.Encoder().encode
_QUESTION: Final = ("messages", "prompt", "suffix", "images", "keep_alive")
_AT_ONCE: Final = (0, "0", "0s", "0m", "0h")
"""How long a model is kept that is to be let go."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its fields as they were written, the model it names, and whether its answer is a stream."""

    body: bytes
    fields: Fields
    model: str
    stream: bool


@dataclass(frozen=True, slots=True)
class Turned:
    """A request as an engine is asked it. `translator` makes what reads the answer, or None where it is passed on as it is."""

    path: str
    body: bytes
    translator: Callable[[], Translator | None] = lambda: None


@dataclass(frozen=True, slots=True)
class Route:
    """A route of an API.

    Attributes:
        path: as programs ask it.
        need: what the model must be able to do.
        streams: whether an answer is a stream where the request does not say.
        convert: asks an engine that has OpenAI's API only; None where this is OpenAI's API.
        native: asks an Ollama by its own API with a context; None where this is its own API.
    """

    path: str
    need: Need
    streams: bool = False
    convert: "Callable[[Mapping[str, Any], str], to_openai.Converted] | None" = None
    native: "Callable[[Mapping[str, Any], str, int], to_native.Native | None] | None" = None

    def read(self, body: bytes, content_type: str = "") -> Asked:
        """What a request asks for.

        Raises:
            BadRequest: it is no JSON object, or its model is no text, or its characters cannot be known.
        """
        known = in_utf8(body, content_type)
        if known is None:
            raise BadRequest("The request is not in UTF-8. Send it so, or name its charset in Content-Type.")
        body = known
        try:
            body, fields = _read(body)
            model = (_text.decode(fields["model"]) if "model" in fields else None) or ""
            stream = msgspec.json.decode(fields["stream"]) if "stream" in fields else None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise BadRequest(f"The request is not the JSON object that is expected here: {error}.") from error
        return Asked(body, fields, model, self.need == "chat" and (self.streams if stream is None else stream is True))

    def here(self, asked: Asked, engine: Engine, model: str) -> bytes | None:
        """The whole answer where no engine has to be asked: Ollama's programs have a model loaded, or let go, by a request without a question."""
        if self.convert is None or engine.kind == "ollama" or self.need != "chat":
            return None
        given = {name: msgspec.json.decode(asked.fields[name]) for name in _QUESTION if name in asked.fields}
        if any(given.pop(name, None) for name in _QUESTION[:-1]):
            return None
        return to_ollama.loaded(model, talks=self.path == "/api/chat", ends=given.get("keep_alive") in _AT_ONCE)

    def loads(self, asked: Asked, engine: Engine) -> bool:
        """Whether an Ollama would have the model with a context that the request does not name."""
        if engine.kind != "ollama":
            return False
        try:
            options = msgspec.json.decode(asked.fields.get("options", b"null"))
        except msgspec.DecodeError:
            return False
        return not (self.native is None and isinstance(options, dict) and options.get("num_ctx"))

    def turned(self, asked: Asked, engine: Engine, model: str, context: int | None = None) -> Turned:
        """The request for this engine and model. `context`: what an Ollama has the model in memory with, where that has to be named.

        Raises:
            BadRequest: it asks for what cannot be asked of this engine.
        """
        if context is not None and (kept := self._kept(asked, model, context)) is not None:
            return kept
        if self.convert is None or engine.kind == "ollama":
            limit = _limit_of_old(asked.fields) if self.convert is None and engine.kind == "ollama" else {}
            if asked.model == model and not limit:
                return Turned(self.path, asked.body)
            return Turned(self.path, _encode({**asked.fields, **limit, "model": model}))
        try:
            whole = msgspec.json.decode(asked.body)
            converted = self.convert(whole, model)
        except (msgspec.DecodeError, TypeError, ValueError, AttributeError, KeyError) as error:
            raise BadRequest(f"The request is not as Ollama's API has it: {error}.") from error
        make = to_ollama.TRANSLATORS[converted.kind]
        return Turned(converted.path, _encode(converted.body), lambda: make(model, stream=asked.stream))

    def _kept(self, asked: Asked, model: str, context: int) -> Turned | None:
        """The request with a context; None where it cannot name one."""
        if self.native is None:
            options = msgspec.json.decode(asked.fields.get("options", b"null")) or {}
            if not isinstance(options, dict):
                return None
            return Turned(
                self.path, _encode({**asked.fields, "options": {**options, "num_ctx": context}, "model": model})
            )
        native = self.native(msgspec.json.decode(asked.body), model, context)
        if native is None:
            return None
        return Turned(native.path, _encode(native.body), lambda: translator_of(native, model))


def _limit_of_old(fields: Fields) -> Fields:
    """The most tokens of an answer under the name that Ollama reads, where a program gives only OpenAI's new one."""
    given, old = (fields.get(name) for name in ("max_completion_tokens", "max_tokens"))
    unset = old is None or bytes(old) == b"null"
    return {"max_tokens": given} if given is not None and bytes(given) != b"null" and unset else {}


def _read(body: bytes) -> tuple[bytes, Fields]:
    """A request with its fields; one with halves of characters, with a byte order mark or in UTF-16 is written anew, as engines read it.

    Raises:
        msgspec.DecodeError: it is no JSON object.
    """
    try:
        return body, _fields.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        try:
            text = json.dumps(json.loads(body), ensure_ascii=False)
        except (ValueError, RecursionError):
            raise error from None
        body = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
        return body, _fields.decode(body)


ROUTES: Final = {
    route.path: route
    for route in (
        Route("/v1/chat/completions", "chat", native=to_native.chat),
        Route("/v1/completions", "chat", native=to_native.text),
        Route("/v1/embeddings", "embed", native=to_native.embed),
        Route("/api/chat", "chat", streams=True, convert=to_openai.chat),
        Route("/api/generate", "chat", streams=True, convert=to_openai.generate),
        Route("/api/embed", "embed", convert=to_openai.embed),
        Route("/api/embeddings", "embed", convert=to_openai.embeddings),
    )
}
