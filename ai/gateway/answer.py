"""An engine's answer on its way to the program. Nothing is sent before its first byte is here; from then on every byte is passed on as it comes."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from ai.core.charset import Utf8
from ai.core.coding import Unpacker, codings_of, is_accepted
from ai.core.errors import BackendDown, BackendError, BadOutput, StreamCut
from ai.gateway.apis.to_ollama import Translator
from ai.gateway.engine_errors import error_of, no_answer, told_error
from ai.gateway.http.connection import Connection
from ai.gateway.http.upstream import Head

MOST_ERROR: Final = 256 * 1024
"""Bytes of an engine's error that are kept."""
_ERROR_S: Final = 2.0
"""How long the body of an error may take."""
MOST_WHOLE: Final = 64 * 1024 * 1024
"""Bytes of an answer that is translated as a whole."""


class Answer:
    """Receives what an engine answers.

    Args:
        connection: the program's.
        readers: are given what passes, as the engine says it.
        headers: to be added to the answer's.
        translator: where the program expects another API's answer.
        accept: the codings that the program can read, as its request says.
        claim: called before the first byte goes to the program; raises where that must not be.
    """

    def __init__(
        self,
        connection: Connection,
        readers: Sequence[Callable[[bytes], None]],
        headers: list[tuple[bytes, bytes]],
        translator: Translator | None,
        *,
        accept: str = "",
        claim: Callable[[], None] = lambda: None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._connection, self._readers, self._headers, self._translator = connection, readers, headers, translator
        self._accept, self._claim = accept, claim
        self._held: list[bytes] = []
        self._size = 0
        self._flows = self._complete = False
        self._packed = self._unreadable = False
        """It is passed on as it was compressed; it cannot be unpacked."""
        self._unpacker: Unpacker | None = None
        self._form: Utf8 | None = None
        """How its bytes become text, where the program gets another answer than the engine's."""
        self._patience: asyncio.TimerHandle | None = None
        self.head: Head | None = None
        self.error: BackendError | None = None
        self.stirs = False
        """Whether the engine has begun to say something, though it may be nothing to the program."""
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
        return self._complete

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
        if self._translator is not None or head.status >= 300:
            self._form = Utf8(head.get(b"content-type"))
        if head.status >= 300:
            self._patience = asyncio.get_running_loop().call_later(_ERROR_S, self._enough)
        codings = codings_of(head.get(b"content-encoding"))
        if not codings:
            return
        self._packed = self._translator is None and head.status < 300 and is_accepted(codings, self._accept)
        try:
            self._unpacker = Unpacker(codings)
        except BadOutput as error:
            self._unreadable = True
            if head.status < 300 and not self._packed:
                self._fail(error)
        if not self._packed:
            head.headers = [(name, value) for name, value in head.headers if name.lower() != b"content-encoding"]
            head.length = None

    def on_data(self, data: bytes) -> None:
        """A part of the body."""
        head = self.head
        if self.error is not None or head is None:
            return  # the connection is about to end
        self.stirs = head.status < 300
        try:
            plain = self._plain(data)
            if self._flows:
                self._pass(data, plain)
            elif head.status >= 300:
                self._hold(plain, MOST_ERROR)
            else:
                self._first(head, data, plain)
        except BackendError as error:
            self._fail(error)

    def on_end(self) -> None:
        """The answer is whole."""
        self._complete = True
        try:
            if self.error is None and self.head is not None:
                self._end(self.head)
        except BackendError as error:
            self.error = error
        self._decide()
        self._settle()

    def on_broken(self, error: BackendDown | StreamCut) -> None:
        """The engine is gone."""
        self._complete = True
        self.error = self.error or error
        self._decide()
        self._settle()

    def _plain(self, data: bytes) -> bytes:
        """What a part says; nothing where that cannot be known.

        Raises:
            BadOutput: it is not compressed as it says, and the program does not read it as it is either.
        """
        if self._unpacker is None:
            return b"" if self._unreadable else self._text(data)
        try:
            return self._text(self._unpacker.feed(data))
        except BadOutput:
            if not self._packed:
                raise
            self._unpacker, self._unreadable = None, True
            return b""

    def _text(self, data: bytes) -> bytes:
        return data if self._form is None else self._form.feed(data)

    def _first(self, head: Head, data: bytes, plain: bytes) -> None:
        """A part of an answer of which nothing has been passed on.

        Raises:
            BackendError: it is none.
        """
        if not self._held:
            self._look(head, plain)
        translator = self._translator
        if translator is None:
            self._begin(head)
            self._pass(data, plain)
        elif translator.whole:
            self._hold(plain, MOST_WHOLE)
        else:
            self._read(plain)
            self._send_first(head, translator.feed(plain))

    def _look(self, head: Head, plain: bytes) -> None:
        """Look whether this is an answer at all.

        Raises:
            BackendError: it is none, or an error.
        """
        if plain and (error := no_answer(head, plain)) is not None:
            raise error
        told = told_error(head, plain)
        if told is not None:
            self.head, body = told
            self._held = [body]
            raise error_of(self.head, body)

    def _end(self, head: Head) -> None:
        """The end of the body.

        Raises:
            BackendError: it was no answer.
        """
        translator = self._translator
        if head.status >= 300:
            raise error_of(head, self.body)
        if not self.stirs and (error := no_answer(head, b"")) is not None:
            raise error
        if translator is not None and translator.whole:
            self._finish_whole(head, translator)
        elif translator is not None:
            said = translator.finish()
            if not self._flows:
                self._send_first(head, said)
            else:
                self._connection.write(said)
        self._connection.end()

    def _hold(self, data: bytes, most: int) -> None:
        self._size += len(data)
        if self._size <= most:
            self._held.append(data)

    def _begin(self, head: Head, *, length: int | None = None) -> None:
        self._claim()
        self._flows, self.first = True, time.perf_counter()
        translator = self._translator
        if translator is None:
            self._connection.begin(head.status, [*head.headers, *self._headers], length=head.length)
        else:
            kind = (b"Content-Type", translator.content_type.encode("ascii"))
            self._connection.begin(head.status, [kind, *self._headers], length=length)
        self._decide()

    def _send_first(self, head: Head, said: bytes) -> None:
        """What the first parts became, as soon as that is something."""
        if said:
            self._begin(head)
            self._connection.write(said)

    def _read(self, plain: bytes) -> None:
        for read in self._readers if plain else ():
            read(plain)

    def _pass(self, data: bytes, plain: bytes) -> None:
        """A part of an answer that flows.

        Raises:
            BackendError: it cannot be translated.
        """
        self._read(plain)
        if self._translator is None:
            self._connection.write(data if self._packed else plain)
        else:
            self._connection.write(self._translator.feed(plain))

    def _finish_whole(self, head: Head, translator: Translator) -> None:
        """An answer that is translated as a whole; one that is none goes to the next engine.

        Raises:
            BackendError: it is none.
        """
        self._look(head, self.body)
        self._read(self.body)
        if self._size > MOST_WHOLE:
            raise BadOutput(f"the answer is longer than {MOST_WHOLE // 2**20} MiB")
        body = translator.feed(self.body) + translator.finish()
        self._begin(head, length=len(body))
        self._connection.write(body)

    def _fail(self, error: BackendError) -> None:
        """It is none: the rest is not waited for."""
        self.error = error
        self._decide()
        self._settle()

    def _decide(self) -> None:
        if not self.decided.done():
            self.decided.set_result(None)

    def _enough(self) -> None:
        """An error whose body does not end: what came of it tells enough."""
        if not self._complete and self.error is None and self.head is not None:
            self._fail(error_of(self.head, self.body))

    def _settle(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
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
