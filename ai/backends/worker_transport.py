"""HTTP over a worker's Unix socket, for httpx: a connection a request, read as it comes, with as little work for each token as there can be.

Where every core computes, what is done for a token here is taken from the next token. httpx's own transport parses an answer in four layers
(0.5 ms a token); this one knows the two servers it talks to: llama.cpp's and ours. Both answer with HTTP/1.1, a length or chunks.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Final

import httpx

_MOST_HEAD: Final = 64 * 1024
_MOST_CHUNK: Final = 64 * 1024 * 1024
_PART: Final = 64 * 1024


class WorkerTransport(httpx.AsyncBaseTransport):
    """Requests to one Unix socket.

    Args:
        socket: its path.
    """

    def __init__(self, socket: str) -> None:
        self._socket = socket

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the answer's body is read as it is asked for.

        Raises:
            httpx.TransportError: nobody listens, it takes too long, or what comes is no HTTP.
        """
        limits = request.extensions.get("timeout", {})
        try:
            async with asyncio.timeout(limits.get("connect")):
                reader, writer = await asyncio.open_unix_connection(self._socket, limit=_MOST_HEAD)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("the worker does not take the connection", request=request) from error
        except OSError as error:
            raise httpx.ConnectError(error.strerror or str(error), request=request) from error
        stream = _Answer(reader, writer, request, limits.get("read"))
        try:
            writer.write(_head(request) + await request.aread())
            await writer.drain()
            status, headers = await stream.head()
        except BaseException as error:
            await stream.aclose()
            if isinstance(error, OSError):
                raise httpx.WriteError(error.strerror or str(error), request=request) from error
            raise
        return httpx.Response(status, headers=headers, stream=stream, request=request)


def _head(request: httpx.Request) -> bytes:
    """Request line and headers; the connection ends with the answer."""
    kept = [(name, value) for name, value in request.headers.raw if name.lower() not in {b"connection", b"transfer-encoding"}]  # fmt: skip
    lines = [b"%s: %s" % pair for pair in [*kept, (b"Connection", b"close")]]
    return b"\r\n".join([b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path), *lines, b"", b""])


class _Answer(httpx.AsyncByteStream):
    """The answer on one connection. Closing it closes the connection, which frees the worker's slot."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: httpx.Request, read_s: float | None
    ) -> None:
        self._reader, self._writer, self._request, self._read_s = reader, writer, request, read_s
        self._length: int | None = None
        self._chunked = False

    async def head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Status and headers."""
        raw = await self._within(self._reader.readuntil(b"\r\n\r\n"))
        line, *rest = raw.split(b"\r\n")
        words = line.split(b" ", 2)
        headers = [(name.strip(), value.strip()) for name, sign, value in (one.partition(b":") for one in rest) if sign]
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise httpx.RemoteProtocolError("the worker's answer is no HTTP", request=self._request)
        told = {name.lower(): value for name, value in headers}
        self._chunked = told.get(b"transfer-encoding", b"").lower() == b"chunked"
        length = told.get(b"content-length", b"")
        self._length = int(length) if length.isdigit() else None
        return int(words[1]), headers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._chunked:
            async for part in self._chunks():
                yield part
            return
        left = self._length
        while left is None or left > 0:
            part = await self._within(self._reader.read(_PART if left is None else min(left, _PART)))
            if not part:
                if left is not None:
                    raise httpx.RemoteProtocolError("the worker's answer was cut", request=self._request)
                return
            left = None if left is None else left - len(part)
            yield part

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            word = (await self._within(self._reader.readuntil(b"\r\n"))).partition(b";")[0].strip()
            try:
                size = int(word, 16)
            except ValueError as error:
                raise httpx.RemoteProtocolError("a chunk of the worker's answer has no size", request=self._request) from error  # fmt: skip
            if not 0 <= size <= _MOST_CHUNK:
                raise httpx.RemoteProtocolError("a chunk of the worker's answer is too long", request=self._request)
            if size == 0:
                return
            yield (await self._within(self._reader.readexactly(size + 2)))[:-2]

    async def _within(self, reading: Awaitable[bytes]) -> bytes:
        """What is read, in the time that one read may take."""
        try:
            if self._read_s is None:
                return await reading
            async with asyncio.timeout(self._read_s):
                return await reading
        except TimeoutError as error:
            raise httpx.ReadTimeout("the worker says nothing", request=self._request) from error
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise httpx.RemoteProtocolError("the worker's answer was cut", request=self._request) from error
        except OSError as error:
            raise httpx.ReadError(error.strerror or str(error), request=self._request) from error

    async def aclose(self) -> None:
        """Close the connection."""
        self._writer.close()
