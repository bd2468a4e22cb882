"""The gateway's end of the pipes to whoever started it. Writing never waits: what nobody reads is dropped, and counted."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

from ai.gateway.link.messages import MAX_LINE, CallRow, In, Lent, NotLent, Out, Texts, Wanted, line, read_in

_TOGETHER_S: Final = 0.01
"""Messages of so long are written together: each write wakes the reader."""
_MOST_WAITING: Final = 2 * 1024 * 1024
"""Bytes that may wait for a reader: some five thousand calls."""


class Link:
    """Reads and writes lines.

    Args:
        take: called with every message but answers to `lend`.
        gone: called when nobody is at the other end any more.
    """

    def __init__(self, take: Callable[[In], None], gone: Callable[[], None]) -> None:
        self._take, self._gone = take, gone
        self._waiting: dict[str, asyncio.Future[Lent | NotLent]] = {}
        self._out: asyncio.WriteTransport | None = None
        self._lines: list[bytes] = []
        self._size = 0
        self._due: asyncio.TimerHandle | None = None
        self.lost = 0
        """Call rows that were dropped."""
        self.texts_lost = 0
        """Prompts and answers that were dropped."""

    async def open(self, source: Any = None, target: Any = None) -> None:
        """Begin to read standard input, and to write to standard output, unless others are given."""
        loop = asyncio.get_running_loop()
        if target is None:
            target = os.fdopen(os.dup(1), "wb", 0)
            os.dup2(2, 1)  # what a library prints must not end up among the messages
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, target)
        transport.set_write_buffer_limits(high=_MOST_WAITING)
        self._out = transport
        await loop.connect_read_pipe(lambda: _Lines(self._heard, self._gone), source or sys.stdin.buffer)

    def say(self, message: Out) -> None:
        """Write a message, or drop it where too much waits already."""
        out = self._out
        most = _MOST_WAITING // 2 if isinstance(message, Texts) else _MOST_WAITING  # records of calls keep a place
        if out is None or out.is_closing() or out.get_write_buffer_size() + self._size > most:
            self.lost += isinstance(message, CallRow)
            self.texts_lost += isinstance(message, Texts)
            return
        text = line(message)
        self._lines.append(text)
        self._size += len(text)
        if isinstance(message, Wanted):  # a program waits for it
            self.flush()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(_TOGETHER_S, self.flush)

    def flush(self) -> None:
        """Write what was said and waits for more."""
        if self._due is not None:
            self._due.cancel()
        lines, self._lines, self._size, self._due = self._lines, [], 0, None
        if lines and self._out is not None and not self._out.is_closing():
            self._out.write(b"".join(lines))

    async def lend(self, call: str, engine: str) -> Lent | NotLent:
        """Ask for an engine that runs in a worker; it loads its model first, if need be."""
        answer: asyncio.Future[Lent | NotLent] = asyncio.get_running_loop().create_future()
        self._waiting[call] = answer
        self.say(Wanted(call, engine))
        try:
            return await answer
        finally:
            del self._waiting[call]

    def _heard(self, text: bytes) -> None:
        try:
            message = read_in(text)
        except msgspec.DecodeError as error:
            print(f"a message could not be read: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the starter logs it
            return
        if isinstance(message, Lent | NotLent):
            waiting = self._waiting.get(message.call)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        else:
            self._take(message)


class _Lines(asyncio.Protocol):
    """Splits what comes into lines."""

    def __init__(self, heard: Callable[[bytes], None], gone: Callable[[], None]) -> None:
        self._heard, self._gone = heard, gone
        self._rest = bytearray()

    def data_received(self, data: bytes) -> None:
        """Some bytes."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest[:MAX_LINE]
        for text in lines:
            if text:
                self._heard(bytes(text))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it ended
        """The other end is closed."""
        self._gone()
