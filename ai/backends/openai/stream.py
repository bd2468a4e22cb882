"""One chat completion over OpenAI's streaming API, with the true times of its pieces."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final, cast

import httpx

from ai.backends.openai.answer import Answer
from ai.backends.openai.http_errors import error_of, error_of_transport, gives_answer
from ai.backends.openai.request import MOST_FORMS, Flavour, Form, body_of
from ai.backends.openai.sse import SseParser
from ai.core.charset import Utf8
from ai.core.coding import Unpacker, codings_of
from ai.core.errors import BackendError, BadOutput, BadRequest, StreamCut
from ai.core.types import Chunk, Event, GenRequest
from ai.core.words import page_words, plain_words

_MAX_ERROR_BODY: Final = 64 * 1024
_COUNTS_S: Final = 2.0
"""How long the counts may come after the reason of the end."""
_END_S: Final = 0.25
"""How long the end of a stream may come after everything else."""
_TOLD_IN_STREAM: Final = 500
"""In place of the status of an error that came as an event: it is a refusal where it names what it refuses."""
_CLOSE_S: Final = 0.02
"""How long the end of the connection's answer may come after `[DONE]`, so that the connection can be used again."""


class OpenAIWire:
    """Chat completions of one server, and plain ones of raw prompts. `api` stands between the client's base URL and their routes.

    Remembers for each model what the server refused.
    """

    def __init__(self, client: httpx.AsyncClient, name: str, api: str = "/v1") -> None:
        self._client = client
        self._name = name
        self.api = api
        self._forms: dict[str, Form] = {}

    async def events(
        self, request: GenRequest, model: str, flavour: Flavour, connect_s: float = 2.0
    ) -> AsyncGenerator[Event, None]:
        """The chunks of an answer, then its `Final`. Closing the generator closes the connection, which frees the slot.

        What the server refuses is left out, and it is asked again.

        Raises:
            BackendError: of the class that fits; `StreamCut` when the answer ends before its end.
        """
        whole, form = body_of(request, model, flavour), self._forms.get(model, Form())
        refusal: BackendError | None = None
        for left in range(MOST_FORMS, 0, -1):
            body = form.fitted(whole)
            answer = Answer(self._name, request, model=model, limited=form.limit in body)
            begun = False
            try:
                async with self._post(body, connect_s) as response:
                    status = response.status_code
                    if gives_answer(status):
                        answer.text_form = Utf8(response.headers.get("content-type", ""))
                        async with aclosing(self._read(response, answer)) as chunks:
                            async for chunk in chunks:
                                self._forms[model] = form
                                begun = True
                                yield chunk
                        self._forms[model] = form
                        yield answer.final(form.notes(whole))
                        return
                    said = await _error_body(response, self._name)
                    error = error_of(self._name, status, said, response.headers)
            except httpx.TransportError as broken:
                raise error_of_transport(self._name, broken, begun=begun, connect_s=connect_s) from broken
            except BackendError as told:
                if begun or not answer.told:
                    raise
                status, said, error = _TOLD_IN_STREAM, answer.told, told
            other = form.after_refusal(whole, status, said) if left > 1 and _of_form(error) else None
            refusal = refusal or (error if form.vague or (other is not None and other.vague) else None)
            if other is None:
                raise refusal if refusal is not None and _of_form(error) else error
            form = other

    def _post(self, body: dict[str, Any], connect_s: float) -> Any:
        path = "/completions" if "prompt" in body else "/chat/completions"
        return self._client.stream(
            "POST", f"{self.api}{path}", json=body, timeout=httpx.Timeout(None, connect=connect_s)
        )

    async def _read(self, response: httpx.Response, answer: Answer) -> AsyncGenerator[Chunk, None]:
        """The chunks of a response; ends as soon as the answer is complete, though the connection stays open."""
        parser, broken = SseParser(self._name), list[httpx.TransportError]()
        async with aclosing(self._parts(response, answer, broken)) as parts:
            async for part, at in parts:
                for event in parser.feed(part):
                    for chunk in answer.take(event, at):
                        yield chunk
        for chunk in [] if answer.done else _last(parser, answer):
            yield chunk
        if answer.whole and _kind(response) == "application/json":
            answer.finish = answer.finish or "stop"  # a document that could be read is all of it
        if not answer.done and answer.finish is None:
            if broken:
                raise error_of_transport(self._name, broken[0], begun=True, connect_s=0) from broken[0]
            raise self._no_end(response, parser.words(), answer)
        if not answer.heard:
            raise BadOutput(f"{self._name} ended its stream without an answer.", backend=self._name)

    async def _parts(
        self, response: httpx.Response, answer: Answer, broken: list[httpx.TransportError]
    ) -> AsyncGenerator[tuple[bytes, int], None]:
        """The bytes of a response and when they arrived, until the answer is complete. How the connection broke is noted: what came may be all."""
        try:
            async with aclosing(_unpacked(response, self._name, answer.text_form)) as parts:
                while not answer.done and (part := await _next(parts, _patience(answer))) is not None:
                    yield part, time.perf_counter_ns()
                if answer.done:
                    await _next(parts, _CLOSE_S)
        except httpx.TransportError as error:
            broken.append(error)

    def _no_end(self, response: httpx.Response, words: str, answer: Answer) -> BackendError:
        kind = _kind(response)
        coding = response.headers.get("content-encoding", "identity")
        if answer.foreign and not answer.heard:
            words = words or "events of another API"
        if answer.heard or (not words and kind in {"", "text/event-stream"} and coding == "identity"):
            return StreamCut(
                f"{self._name} ended its answer without a finish reason.", backend=self._name, hint="Try again."
            )
        what = page_words(words) or (f"“{said[:200]}”" if (said := plain_words(words)) else kind)
        packed = f", compressed as {coding}" if coding != "identity" else ""
        return BadOutput(
            f"{self._name} answered with something that is no answer of a model: {what}{packed}.",
            backend=self._name,
            hint="Check its address in the settings.",
        )


def _kind(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().casefold()


def _of_form(error: BackendError) -> bool:
    """Whether another form of the same request might be taken."""
    return type(error) in {BadRequest, BackendError}


def _patience(answer: Answer) -> float | None:
    """Seconds that the next bytes may take; None while the answer goes on."""
    if answer.finish is None:
        return None
    since = (time.perf_counter_ns() - answer.last_ns) / 1e9
    return max((_END_S if answer.complete else _COUNTS_S) - since, 0.0)


def _last(parser: SseParser, answer: Answer) -> list[Chunk]:
    """What is left at the end of a stream; nothing where its last event was cut."""
    at = time.perf_counter_ns()
    try:
        return [chunk for event in parser.end() for chunk in answer.take(event, at)]
    except BadOutput:
        return []


async def _unpacked(response: httpx.Response, name: str, form: Utf8) -> AsyncGenerator[bytes, None]:
    """The bytes of a body in UTF-8, unpacked here: httpx stops behind the first of several compressed parts, and passes on what it cannot read.

    Raises:
        BadOutput: it cannot be unpacked.
    """
    codings = codings_of(response.headers.get("content-encoding", ""))
    parts = cast("AsyncGenerator[bytes, None]", response.aiter_raw())  # it is one, though its annotation says less
    try:
        unpacker = Unpacker(codings) if codings else None
        async with aclosing(parts):
            async for part in parts:
                plain = form.feed(part if unpacker is None else unpacker.feed(part))
                if plain:
                    yield plain
        if rest := form.end():
            yield rest
    except BadOutput as error:
        raise BadOutput(f"{name}: {error.message}.", backend=name, hint=error.hint) from error


async def _next(parts: AsyncIterator[bytes], within_s: float | None) -> bytes | None:
    """The next bytes; None at the end, or when they take too long."""
    try:
        async with asyncio.timeout(within_s):
            return await anext(parts, None)
    except TimeoutError:
        return None


async def _error_body(response: httpx.Response, name: str) -> str:
    """The beginning of an error's body, as text."""
    body = bytearray()
    try:
        async with aclosing(_unpacked(response, name, Utf8(response.headers.get("content-type", "")))) as parts:
            while (part := await _next(parts, _COUNTS_S)) is not None:
                body += part
                if len(body) > _MAX_ERROR_BODY:
                    break
    except (httpx.HTTPError, BadOutput):
        pass  # what came tells as much as can be known
    return bytes(body[:_MAX_ERROR_BODY]).decode("utf-8", "replace")
