"""An engine's answer on its way to the program. Nothing is sent before its first byte is here; from then on every byte is passed on as it comes."""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from typing import Final

from ai.core.errors import (
    BackendDown,
    BackendError,
    BackendLoading,
    BackendOverloaded,
    BadOutput,
    BadRequest,
    ModelMissing,
    StreamCut,
)
from ai.gateway.apis.to_ollama import Translator
from ai.gateway.http.connection import Connection
from ai.gateway.http.upstream import Head

MOST_ERROR: Final = 256 * 1024
"""Bytes of an engine's error that are kept."""
MOST_WHOLE: Final = 64 * 1024 * 1024
"""Bytes of an answer that is translated as a whole."""
_LOADING: Final = re.compile(rb"\bloading\b|not ready|warming up|starting up", re.IGNORECASE)
_MESSAGE: Final = re.compile(rb'"(?:message|error|detail)":\s*"((?:[^"\\]|\\.){1,400})')


class Answer:
    """Receives what an engine answers.

    Args:
        connection: the program's.
        readers: are given what passes, as the engine says it.
        headers: to be added to the answer's.
        translator: where the program expects another API's answer.
    """

    def __init__(
        self,
        connection: Connection,
        readers: Sequence[Callable[[bytes], None]],
        headers: list[tuple[bytes, bytes]],
        translator: Translator | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._connection, self._readers, self._headers, self._translator = connection, readers, headers, translator
        self._held: list[bytes] = []
        self._size = 0
        self._flows = False
        self.head: Head | None = None
        self.error: BackendError | None = None
        self.decided: asyncio.Future[None] = loop.create_future()
        """Done when the first byte of an answer is on its way, or when there is none to be had from this engine."""
        self.ended: asyncio.Future[None] = loop.create_future()
        self.first: float | None = None
        """When the first byte came, by `time.perf_counter`."""

    @property
    def begun(self) -> bool:
        """Whether the program has got anything."""
        return self._flows

    @property
    def whole(self) -> bool:
        """Whether the engine has said all it had to say."""
        return self.ended.done() and not self.ended.cancelled()

    @property
    def translated(self) -> bool:
        """Whether the engine was asked by another API than the program's."""
        return self._translator is not None

    @property
    def body(self) -> bytes:
        """What is held back: an error's body."""
        return b"".join(self._held)

    def on_head(self, head: Head) -> None:
        """The head: held back until the body begins."""
        self.head = head

    def on_data(self, data: bytes) -> None:
        """A part of the body."""
        if self._flows:
            self._pass(data)
        elif self.head is not None and self.head.status < 300:
            if self._translator is None or not self._translator.whole:
                self._begin(self.head)
                self._pass(data)
                self._decide()
            else:
                self._hold(data, MOST_WHOLE)
        else:
            self._hold(data, MOST_ERROR)

    def on_end(self) -> None:
        """The answer is whole."""
        head, translator = self.head, self._translator
        if self._flows:
            self._finish()
        elif head is None or head.status >= 300:
            self.error = None if head is None else error_of(head, self.body)
        elif translator is not None and translator.whole:
            self._finish_whole(head, translator)
        else:
            self._begin(head)  # an empty body is an answer, too
            self._finish()
        self._decide()
        self._settle()

    def on_broken(self, error: BackendDown | StreamCut) -> None:
        """The engine is gone."""
        self.error = error
        self._decide()
        self._settle()

    def _hold(self, data: bytes, most: int) -> None:
        self._size += len(data)
        if self._size <= most:
            self._held.append(data)

    def _begin(self, head: Head, *, length: int | None = None) -> None:
        self._flows, self.first = True, time.perf_counter()
        translator = self._translator
        if translator is None:
            self._connection.begin(head.status, [*head.headers, *self._headers], length=head.length)
        else:
            kind = (b"Content-Type", translator.content_type.encode("ascii"))
            self._connection.begin(head.status, [kind, *self._headers], length=length)

    def _pass(self, data: bytes) -> None:
        for read in self._readers:
            read(data)
        if self._translator is None:
            self._connection.write(data)
            return
        try:
            self._connection.write(self._translator.feed(data))
        except BackendError as error:
            self.error = error
            self._settle()

    def _finish(self) -> None:
        """The end of an answer that flows."""
        if self._translator is not None:
            try:
                self._connection.write(self._translator.finish())
            except BackendError as error:
                self.error = error
                return
        self._connection.end()

    def _finish_whole(self, head: Head, translator: Translator) -> None:
        """An answer that is translated as a whole; one that is none goes to the next engine."""
        for read in self._readers:
            read(self.body)
        try:
            if self._size > MOST_WHOLE:
                raise BadOutput(f"the answer is longer than {MOST_WHOLE // 2**20} MiB")
            body = translator.feed(self.body) + translator.finish()
        except BackendError as error:
            self.error = error
            return
        self._begin(head, length=len(body))
        self._connection.write(body)
        self._connection.end()

    def _decide(self) -> None:
        if not self.decided.done():
            self.decided.set_result(None)

    def _settle(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


class Whole:
    """Receives a small answer as a whole: its status and its body."""

    def __init__(self) -> None:
        self.done: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._status = 0
        self._body = bytearray()

    def on_head(self, head: Head) -> None:
        """The head."""
        self._status = head.status

    def on_data(self, data: bytes) -> None:
        """A part of the body; more than such an answer can have is left out."""
        if len(self._body) < MOST_WHOLE:
            self._body += data

    def on_end(self) -> None:
        """All is here."""
        if not self.done.done():
            self.done.set_result((self._status, bytes(self._body)))

    def on_broken(self, error: BackendDown | StreamCut) -> None:
        """The engine is gone."""
        if not self.done.done():
            self.done.set_exception(error)


def error_of(head: Head, body: bytes) -> BackendError:
    """What an answer that is an error says about its engine."""
    found = _MESSAGE.search(body)
    said = f"HTTP {head.status}" + (f": {found.group(1).decode('utf-8', 'replace')}" if found else "")
    status = head.status
    if status in {425, 500, 503} and _LOADING.search(body[:2000]):
        error: BackendError = BackendLoading(said)
    elif status in {429, 503}:
        error = BackendOverloaded(said)
    elif status == 404:
        error = ModelMissing(said)
    elif status >= 500 or status in {401, 403, 408} or status < 400:
        error = BackendDown(said)
    else:
        return BadRequest(said)
    wait = head.get(b"retry-after")
    error.retry_after_s = float(wait) if wait.isdigit() and len(wait) < 6 else None
    return error
