"""HTTP over a worker's socket: answers in chunks cut anywhere, with a length, without one; what breaks is an error of httpx's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from ai.backends.worker_transport import WorkerTransport
from tests.waiting import patient


@asynccontextmanager
async def client_of(
    folder: Path, *parts: bytes, hold: bool = False
) -> AsyncIterator[tuple[httpx.AsyncClient, list[bytes]]]:
    """A client of a server that answers every request with these bytes, a part at a time, and hangs up unless it is to hold."""
    heads: list[bytes] = []
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        with suppress(ConnectionError):  # the client may have had enough
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            if hold:
                await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_unix_server(serve, folder / "s")
    transport = WorkerTransport(str(folder / "s"))
    async with server, httpx.AsyncClient(transport=transport, base_url="http://worker", timeout=2.0) as client:
        yield client, heads
        async with asyncio.timeout(patient(5)):
            await gone.wait()


def run(folder: Path, *parts: bytes) -> httpx.Response:
    """One answer, whole."""

    async def work() -> httpx.Response | httpx.TransportError:
        async with client_of(folder, *parts) as (client, _):
            try:
                return await client.post("/v1/chat/completions", json={"a": 1})
            except httpx.TransportError as error:
                return error

    answer = asyncio.run(work())
    if isinstance(answer, httpx.TransportError):
        raise answer
    return answer


@pytest.mark.parametrize(
    "parts",
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n",),
        tuple(bytes([one]) for one in b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n7\r\nabcdefg\r\n0\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabc", b"defg and no more"),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", b"defg"),
    ],
    ids=["chunks", "byte by byte", "length", "until it ends"],
)  # fmt: skip
def test_an_answer_is_read_as_it_is_framed(tmp_path: Path, parts: tuple[bytes, ...]) -> None:
    """Chunks, a length, or the end of the connection."""
    answer = run(tmp_path, *parts)
    assert (answer.status_code, answer.text) == (200, "abcdefg")


def test_a_request_carries_its_headers_and_ends_its_connection(tmp_path: Path) -> None:
    """The key among them; a new connection for each."""

    async def work() -> bytes:
        async with client_of(tmp_path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno") as (client, heads):
            answer = await client.get("/health?a=b", headers={"Authorization": "Bearer k"})
            assert (answer.status_code, answer.text) == (404, "no")
            return heads[0]

    head = asyncio.run(work()).lower()
    assert head.startswith(b"get /health?a=b http/1.1\r\n")
    assert b"authorization: bearer k\r\n" in head
    assert head.count(b"connection: close") == 1


@pytest.mark.parametrize(
    "part",
    [
        b"", b"HTTP/1.1 200", b"<html>", b"HELLO\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\nabc\r\n",
    ],
)  # fmt: skip
def test_an_answer_that_breaks_off_is_an_error(tmp_path: Path, part: bytes) -> None:
    """Cut in the head, the body or a chunk, or no HTTP at all."""
    with pytest.raises(httpx.TransportError):
        run(tmp_path, part)


def test_nobody_there_and_silence_are_errors(tmp_path: Path) -> None:
    """No socket, and an answer that never comes."""

    async def nobody() -> None:
        async with httpx.AsyncClient(
            transport=WorkerTransport(str(tmp_path / "none")), base_url="http://worker"
        ) as client:
            await client.get("/health")

    async def silence() -> None:
        async with client_of(tmp_path, hold=True) as (client, _):
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/health", timeout=httpx.Timeout(1.0, read=0.05))

    with pytest.raises(httpx.ConnectError):
        asyncio.run(nobody())
    asyncio.run(silence())


def test_closing_a_stream_hangs_up(tmp_path: Path) -> None:
    """The worker sees it at once, and its slot is free."""

    async def work() -> None:
        start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        seen = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(start)
            await reader.read()
            seen.set()
            writer.close()

        async with (
            await asyncio.start_unix_server(serve, tmp_path / "s"),
            httpx.AsyncClient(transport=WorkerTransport(str(tmp_path / "s")), base_url="http://worker") as client,
        ):
            async with client.stream("GET", "/") as answer:
                async for part in answer.aiter_bytes():
                    assert part == b"abc"
                    break
            async with asyncio.timeout(5):
                await seen.wait()

    asyncio.run(work())
