"""A program's connection: requests are read with httptools, one after another, and answered by a handler."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import httptools

MOST_HEAD: Final = 64 * 1024
"""Bytes of a request's head."""
IDLE_S: Final = 75.0
READ_S: Final = 60.0
"""For one request to arrive, from its first byte to its last."""
_HEAD_TOO_LONG: Final = (431, "the head of the request is too long")
_PIPELINED: Final = 16
_READ_ON: Final = 4
"""A body that is too long is read up to so many times the limit, and dropped: a client that is cut off while it sends never reads why."""
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(slots=True)
class Request:
    """A request as it came. `refusal` is a status that is answered instead of asking anybody, with a sentence that says why."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    body: bytes
    refusal: tuple[int, str] | None = None
    keep_alive: bool = True
    chunks: bool = True
    """Whether the client understands an answer in chunks."""


@dataclass(slots=True)
class _Arriving:
    """A request of which not all has come yet."""

    url: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    head: int = 0
    body: list[bytes] = field(default_factory=list)
    size: int = 0
    refusal: tuple[int, str] | None = None


Handler = Callable[["Connection", Request], Coroutine[Any, Any, None]]


class Connection(asyncio.Protocol):
    """One connection; also where an answer is written: `begin`, `write` any number of times, `end`; or `respond`; or `cut`.

    Args:
        handle: answers a request; runs as a task, one at a time, and is cancelled when the program hangs up.
        most: returns how many bytes a body may have.
        connections: those that are open.
        met: told as soon as a program has connected; the program may be gone when its first request was read.
    """

    def __init__(
        self,
        handle: Handler,
        most: Callable[[], int],
        connections: "set[Connection]",
        met: Callable[["Connection"], None],
    ) -> None:
        self._handle, self._most, self._all, self._met = handle, most, connections, met
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser: Any = httptools.HttpRequestParser(self)
        self._arriving: _Arriving | None = None
        self._head = 0
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._now: Request | None = None
        self._begun = self._chunked = self._closing = self._breaks = False
        self._held: list[bytes] | None = None
        self._out: list[bytes] = []
        self._hold_ends: asyncio.TimerHandle | None = None
        self.peer: tuple[str, int] = ("", 0)
        self.here: tuple[str, int] = ("", 0)
        self.written = 0
        """Bytes of this answer's body."""
        self.on_full: Callable[[bool], None] | None = None
        """Told when the program reads too slowly (True), and when it has caught up (False)."""
        self.known: Any = None
        """What is known of the program; kept for as long as it is connected."""

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A program connects."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own for TCP
        self._transport = transport
        self.peer = tuple(transport.get_extra_info("peername")[:2])
        self.here = tuple(transport.get_extra_info("sockname")[:2])
        self._all.add(self)
        self._met(self)
        self._wait(IDLE_S)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it ended
        """It hung up: whatever it asked for is cancelled."""
        self._all.discard(self)
        self._closing, self._held = True, None
        self._wait(None)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse_all(400, "upgrades are not offered here")
        except httptools.HttpParserError as error:
            self._refuse_all(400, f"this is not HTTP as expected ({error})")
        else:
            if self._arriving is not None and self._head > MOST_HEAD:
                self._refuse_all(*_HEAD_TOO_LONG)

    def eof_received(self) -> bool:
        """It sends no more, and may still read; a client that hung up looks the same, and then writing fails."""
        return False

    def pause_writing(self) -> None:
        """The program reads too slowly."""
        if self.on_full is not None:
            self.on_full(True)

    def resume_writing(self) -> None:
        """It has caught up."""
        if self.on_full is not None:
            self.on_full(False)

    # --- httptools

    def on_message_begin(self) -> None:
        """A request begins."""
        self._arriving = _Arriving()
        if self._task is None:
            self._wait(READ_S)

    def on_url(self, url: bytes) -> None:
        """The path, perhaps in parts."""
        if self._arriving is not None:
            self._arriving.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; of several with a name, the first counts."""
        if self._arriving is not None:
            self._arriving.headers.setdefault(name.lower(), value)
            self._arriving.head += len(name) + len(value)

    def on_headers_complete(self) -> None:
        """The head is here."""
        arriving = self._arriving
        if arriving is None:
            return
        self._head = -(1 << 62)  # what follows is the body, which has its own bound
        length = arriving.headers.get(b"content-length", b"0")
        too_long = length.isdigit() and int(length) > self._most()
        if arriving.head > MOST_HEAD:
            arriving.refusal = _HEAD_TOO_LONG
        elif too_long:
            arriving.refusal = self._too_long()
        if arriving.headers.get(b"expect", b"").lower() == b"100-continue" and self._task is None:
            if too_long:
                self._arriving = None
                self._take(arriving, keep_alive=False)
            else:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        arriving = self._arriving
        if arriving is None:
            return
        arriving.size += len(body)
        if arriving.size <= self._most():
            arriving.body.append(body)
        elif arriving.size <= _READ_ON * self._most():
            arriving.refusal = self._too_long()
            arriving.body.clear()
        else:
            self.cut()

    def on_message_complete(self) -> None:
        """The request is whole."""
        arriving, self._arriving, self._head = self._arriving, None, 0
        if arriving is not None:
            self._take(arriving, keep_alive=arriving.refusal is None)

    # --- answers

    def hold(self, until: "asyncio.Future[Any]", limit_s: float) -> None:
        """Send no byte of an answer before this future is done, or the time is over: a program may end as soon as it has got one."""
        if self._held is None and not until.done() and not self._closing:
            self._held = []
            self._hold_ends = self._loop.call_later(limit_s, self._let_go)
            until.add_done_callback(lambda _: self._let_go())

    def _let_go(self) -> None:
        """Send what was held."""
        if self._hold_ends is not None:
            self._hold_ends.cancel()
        held, self._held, self._hold_ends = self._held, None, None
        if held:
            self._transport.write(b"".join(held))
        if held is not None and self._closing:
            self._hang_up()

    def _send(self, data: bytes) -> None:
        """Send soon: head, parts and end that come in one turn of the loop take one call of the system, each of which wakes the program."""
        if self._held is not None:
            self._held.append(data)
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out:
            self._transport.write(b"".join(out))

    def begin(self, status: int, headers: Headers, *, length: int | None = None) -> None:
        """The head of an answer. Without a `length`, its body is sent in chunks, or ends with the connection."""
        request = self._now
        if request is None or self._closing:
            return
        self._begun, self._chunked = True, length is None and request.chunks
        lines = [b"HTTP/1.1 %d %s" % (status, _phrase(status))]
        lines += [b"%s: %s" % header for header in headers]
        if length is not None:
            lines.append(b"Content-Length: %d" % length)
        elif self._chunked:
            lines.append(b"Transfer-Encoding: chunked")
        else:
            request.keep_alive = False
        lines.append(b"Connection: keep-alive" if request.keep_alive else b"Connection: close")
        self._send(b"\r\n".join(lines) + b"\r\n\r\n")

    def write(self, data: bytes) -> None:
        """A part of the body."""
        if self._closing or not data:
            return
        self.written += len(data)
        self._send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self) -> None:
        """The answer is whole."""
        if not self._closing and self._chunked:
            self._send(b"0\r\n\r\n")

    def respond(self, status: int, body: bytes, headers: Headers = ()) -> None:
        """A whole answer in JSON."""
        self.begin(status, [(b"Content-Type", b"application/json"), *headers], length=len(body))
        if self._now is None or self._now.method != "HEAD":
            self._chunked = False
            self.write(body)

    def cut(self) -> None:
        """The answer cannot be finished: the connection breaks, as that of an engine that dies."""
        self._closing = self._breaks = True
        if not self._held:
            self._hang_up()

    def close(self) -> None:
        """Hang up, after what was written."""
        self._closing = True
        if self._held is None:
            self._hang_up()

    def _hang_up(self) -> None:
        """As it was decided, now that all is sent that was held."""
        self._flush()
        if self._breaks:
            self._transport.abort()
        else:
            self._transport.close()

    # --- requests, one after another

    def _too_long(self) -> tuple[int, str]:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the request is longer than {self._most() / 2**20:g} MiB"

    def _refuse_all(self, status: int, why: str) -> None:
        """What comes now cannot be understood: say so, and hang up."""
        arriving = self._arriving or _Arriving()
        self._arriving = None
        arriving.refusal = (status, why)
        self._take(arriving, keep_alive=False)

    def _take(self, arriving: _Arriving, *, keep_alive: bool) -> None:
        if self._closing:
            return
        try:
            path = httptools.parse_url(arriving.url or b"/").path.decode("ascii", "replace")
        except httptools.HttpParserInvalidURLError:
            path = "/"
        known = arriving.refusal is None or arriving.refusal[0] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        self._waiting.append(
            Request(
                method=self._parser.get_method().decode("ascii") if known else "GET",
                path=path,
                headers=arriving.headers,
                body=b"".join(arriving.body),
                refusal=arriving.refusal,
                keep_alive=keep_alive and self._parser.should_keep_alive(),
                chunks=not known or self._parser.get_http_version() != "1.0",
            )
        )
        if not keep_alive or len(self._waiting) >= _PIPELINED:
            self._transport.pause_reading()
        if self._task is None:
            self._next()

    def _next(self) -> None:
        self._now = self._waiting.popleft()
        self._begun, self.written = False, 0
        self._wait(None)
        self._task = self._loop.create_task(self._handle(self, self._now))
        self._task.add_done_callback(self._handled)

    def _handled(self, task: "asyncio.Task[None]") -> None:
        request, self._task, self._now, self.on_full = self._now, None, None, None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler({"message": "a call failed", "exception": error, "task": task})
            self.cut()
        if self._closing:
            return
        if request is None or not request.keep_alive:
            self.close()
        elif self._waiting:
            self._transport.resume_reading()
            self._next()
        else:
            self._wait(IDLE_S if self._arriving is None else READ_S)

    def _wait(self, seconds: float | None) -> None:
        """For the next request, at most so long."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self._loop.call_later(seconds, self.close)


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b"Status"
