"""Connections to engines: kept for the next call, over TCP, TLS, or the Unix socket of a worker."""

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import httptools

from ai.core.errors import BackendDown, BackendTimeout, StreamCut
from ai.core.words import tls_words
from ai.discovery.address import key_header

KEPT_S: Final = 3.0
"""Servers close idle connections after 5 s and more; one that is older than this is not used again."""
_KEPT: Final = 64
MARK: Final = "X-Watchkeeper-Gateway"
"""Header of every request to an engine: a gateway that is asked by one, perhaps itself, does not ask on."""
_MOST_HEAD: Final = 256 * 1024
_HOP: Final = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"content-length"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where an engine listens: host and port (`tls` or not), or the path of a Unix socket; `base` goes before every path, `query` behind it."""

    host: str = ""
    port: int = 0
    tls: bool = False
    unix: str = ""
    base: str = ""
    query: str = ""

    @classmethod
    def of(cls, address: str) -> "Place":
        """The place of an `http://` or `https://` address.

        Raises:
            ValueError: it is none.
        """
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = f"{address!r} is no http:// or https:// address"
            raise ValueError(msg)
        tls = parts.scheme == "https"
        base = parts.path.rstrip("/").removesuffix("/v1")
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls, "", base, parts.query)

    @property
    def authority(self) -> str:
        """What stands in the `Host` header."""
        if self.unix:
            return "worker"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(slots=True)
class Head:
    """The head of an engine's answer, without what concerns only this connection."""

    status: int
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    length: int | None = None
    chunked: bool = False

    def get(self, name: bytes) -> str:
        """A header; empty where it is not there."""
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == name), "")


class Receiver(Protocol):
    """Takes an answer as it comes."""

    def on_head(self, head: Head) -> None:
        """The head."""

    def on_data(self, data: bytes) -> None:
        """A part of the body, never empty."""

    def on_end(self) -> None:
        """The answer is whole."""

    def on_broken(self, error: BackendDown | StreamCut) -> None:
        """The connection ended before that."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to an engine: one request at a time."""

    def __init__(self, release: "Callable[[UpstreamConnection], None]") -> None:
        self._release = release
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._receiver: Receiver | None = None
        self._head: Head | None = None
        self._parts: list[bytes] = []
        self._read = 0
        self._ended = self._goes_on = self._sized = False
        self.closed = False
        self.since = 0.0
        self.used = False
        """Whether it served a request before this one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own
        self._transport = transport

    def ask(self, request: bytes, receiver: Receiver) -> None:
        """Send a request; its answer goes to the receiver."""
        self._parser = httptools.HttpResponseParser(self)
        self._receiver, self._head, self._parts, self._read = receiver, None, [], 0
        self._ended = self._goes_on = self._sized = False
        assert self._transport is not None  # noqa: S101 - only connected ones are handed out
        self._transport.write(request)

    def drop(self) -> None:
        """End the connection, which is what frees the engine's slot."""
        self._receiver = None
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def pause(self, full: bool) -> None:  # noqa: FBT001 - as its one caller has it
        """Read no further while whoever gets the answer reads too slowly."""
        if self._transport is not None and not self.closed:
            (self._transport.pause_reading if full else self._transport.resume_reading)()

    def connection_lost(self, exc: Exception | None) -> None:
        """The engine hung up."""
        self.closed = True
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            self._release(self)
            return
        if self._until_closed() and exc is None:
            receiver.on_end()
        elif not self._answers:
            receiver.on_broken(BackendDown("the engine hung up without an answer"))
        else:
            receiver.on_broken(StreamCut("the engine broke off its answer"))

    def data_received(self, data: bytes) -> None:
        """A part of the answer."""
        receiver = self._receiver
        if receiver is None:
            self.drop()  # nobody asked
            return
        self._read += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._break(receiver, "the engine's answer is not HTTP as expected")
            return
        if not self._answers and self._read > _MOST_HEAD:
            self._break(receiver, "the head of the engine's answer is too long")
            return
        if self._parts:
            whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts = []
            receiver.on_data(whole)
        if self._ended and self._receiver is receiver:
            self._receiver = None
            receiver.on_end()
            if self._goes_on and not self.closed:
                self._release(self)
            else:
                self.drop()

    # --- httptools

    def on_message_begin(self) -> None:
        """An answer begins; after `100 Continue` another one."""
        self._head = Head(0)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        head, low = self._head, name.lower()
        if head is None:
            return
        if low == b"content-length" and value.isdigit():
            head.length = int(value)
        if low == b"transfer-encoding":
            head.chunked = True
        if low not in _HOP:
            head.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is here."""
        if self._head is not None and self._receiver is not None:
            self._head.status = self._parser.get_status_code()
            self._sized = self._head.length is not None or self._head.chunked
            if self._head.status >= 200:
                self._receiver.on_head(self._head)

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole, unless it only said to go on."""
        self._ended = self._answers
        # asked now: a moment later the parser knows nothing of this answer any more
        self._goes_on = self._parser.should_keep_alive()

    @property
    def _answers(self) -> bool:
        """Whether the head of the answer is here."""
        return self._head is not None and self._head.status >= 200

    def _until_closed(self) -> bool:
        """Whether the body has no length of its own, and ends with the connection."""
        head = self._head
        return head is not None and head.status >= 200 and not self._sized

    def _break(self, receiver: Receiver, why: str) -> None:
        self.drop()
        receiver.on_broken(StreamCut(why))


class Upstreams:
    """Connections to all engines, by their place."""

    def __init__(self) -> None:
        self._idle: dict[Place, list[UpstreamConnection]] = {}
        self._tidying: dict[Place, asyncio.TimerHandle] = {}
        self._tls: ssl.SSLContext | None = None

    def kept(self, place: Place) -> UpstreamConnection | None:
        """A connection that is open already."""
        idle = self._idle.get(place, [])
        now = time.monotonic()
        while idle:
            connection = idle.pop()
            if not connection.closed and now - connection.since < KEPT_S:
                connection.used = True
                return connection
            connection.drop()
        return None

    async def connect(self, place: Place, limit_s: float) -> UpstreamConnection:
        """A new connection.

        Raises:
            BackendDown: nobody listens there.
            BackendTimeout: it took too long.
        """
        loop = asyncio.get_running_loop()

        def make() -> UpstreamConnection:
            return UpstreamConnection(lambda connection: self._keep(place, connection))

        try:
            async with asyncio.timeout(limit_s):
                if place.unix:
                    _, made = await loop.create_unix_connection(make, place.unix)
                else:
                    _, made = await loop.create_connection(make, place.host, place.port, ssl=self._context(place))
        except TimeoutError as error:
            raise BackendTimeout("no connection in time", phase="connect", waited_s=limit_s) from error
        except (OSError, ssl.SSLError) as error:
            raise BackendDown(tls_words(str(error)) or f"nobody answers there ({error.strerror or error})") from error
        return made

    def close(self) -> None:
        """End all that are kept."""
        for timer in self._tidying.values():
            timer.cancel()
        for idle in self._idle.values():
            for connection in list(idle):
                connection.drop()
        self._idle.clear()

    def _context(self, place: Place) -> ssl.SSLContext | None:
        if not place.tls:
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _keep(self, place: Place, connection: UpstreamConnection) -> None:
        """Called when its answer is whole, and again when it closes."""
        idle = self._idle.setdefault(place, [])
        if connection.closed:
            if connection in idle:
                idle.remove(connection)
        elif len(idle) < _KEPT:
            connection.since = time.monotonic()
            idle.append(connection)
            if place not in self._tidying:
                self._tidying[place] = asyncio.get_running_loop().call_later(KEPT_S, self._tidy, place)
        else:
            connection.drop()

    def _tidy(self, place: Place) -> None:
        """End those that nobody used for long: some servers keep a thread for each, and answer no others when all have one."""
        del self._tidying[place]
        now, idle = time.monotonic(), self._idle.pop(place, [])
        young = [connection for connection in idle if now - connection.since < KEPT_S]
        for connection in idle:
            if connection not in young:
                connection.drop()
        if young:
            self._idle[place] = young
            wait_s = KEPT_S - (now - young[0].since)
            self._tidying[place] = asyncio.get_running_loop().call_later(wait_s, self._tidy, place)


def request_bytes(method: str, path: str, place: Place, key: str, body: bytes) -> bytes:
    """A whole request with JSON; the key goes in where there is one."""
    query = f"?{place.query}" if place.query else ""
    lines = [
        f"{method} {place.base}{path}{query} HTTP/1.1",
        f"Host: {place.authority}",
        "Content-Type: application/json",
    ]
    lines += ["Accept-Encoding: identity", f"{MARK}: 1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in key_header(place.query, key).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + body
