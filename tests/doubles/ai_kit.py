"""Helpers of the tests of `ai`: servers that say what they are told, requests, conditions to wait for."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psutil

from ai.backends.openai.backend import OpenAIBackend
from ai.core.protocol import Completion, complete
from ai.core.types import Engine, GenRequest, LoadSpec, Message
from ai.discovery.http import new_client
from ai.discovery.openai import ask_openai
from tests.waiting import patient

T = TypeVar("T")
CONTEXT = 1024


class LoopThread:
    """An event loop that runs for as long as the tests do: a worker is watched between tests too."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 100) -> T:
        """The result of a coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def stop(self) -> None:
        """End the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(patient(10))
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


def ask(text: str, **more: Any) -> GenRequest:
    """A request with one user message."""
    return GenRequest((Message("user", text),), **({"max_tokens": 8} | more))


@dataclass
class Raw:
    """A server that answers each request with the next of `answers` (the last one for ever), byte by byte as given; one for a path in `routes` with that.

    An answer is a list of bytes to send (an `asyncio.Event` to wait for, a float to sleep); the connection is closed after it.
    """

    answers: list[list[Any]]
    routes: Mapping[str, list[Any]] = field(default_factory=dict)
    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    open_connections: int = 0
    connections: list[asyncio.Task[Any]] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        task = asyncio.current_task()
        assert task is not None
        self.connections.append(task)
        self.open_connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                ),
                0,
            )
            self.requests.append(head + await reader.readexactly(length))
            for part in self._answer(head.split(b" ")[1].decode()):
                if isinstance(part, asyncio.Event):
                    await self._until(part, reader)
                elif isinstance(part, float):
                    await asyncio.sleep(part)
                else:
                    writer.write(part)
                    await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self.open_connections -= 1
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def _answer(self, path: str) -> list[Any]:
        if path in self.routes:
            return self.routes[path]
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def _until(self, event: asyncio.Event, reader: asyncio.StreamReader) -> None:
        """Until the event is set or the other side hangs up."""
        waits = [asyncio.create_task(event.wait()), asyncio.create_task(reader.read())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


@asynccontextmanager
async def raw_server(*answers: list[Any], routes: Mapping[str, list[Any]] | None = None) -> AsyncIterator[Raw]:
    """A `Raw` on a free port of the loopback."""
    raw = Raw(list(answers), routes or {})
    server = await asyncio.start_server(raw.handle, "127.0.0.1", 0)
    raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield raw
    if raw.connections:  # a socket that outlives the loop would be closed by nobody
        _, left = await asyncio.wait(raw.connections, timeout=5)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def http(body: bytes | str, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole HTTP answer that ends with the connection."""
    data = body.encode() if isinstance(body, str) else body
    return f"HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n".encode() + data


LISTING = http('{"object": "list", "data": [{"id": "m", "owned_by": "someone"}]}')
"""One model, as OpenAI's API lists it."""


def talk(answer: list[Any], **more: Any) -> Completion:
    """What comes of one question, with these wishes, to a server with OpenAI's API that answers so."""

    async def go() -> Completion:
        async with raw_server([LISTING], answer) as server:
            backend = OpenAIBackend(server.url)
            try:
                await backend.ensure_loaded(LoadSpec(""))
                return await complete(backend, ask("hi", **{"max_tokens": 40} | more))
            finally:
                await backend.close()

    return asyncio.run(go())


def listed(listing: Any) -> Engine:
    """What discovery says of a server with this list of models."""

    async def go() -> Engine:
        async with raw_server([http(json.dumps(listing))]) as server, new_client(server.url, 5.0) as client:
            return await ask_openai(client)

    return asyncio.run(go())


def workers() -> list[psutil.Process]:
    """The worker processes of this test run, zombies included."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if child.status() == psutil.STATUS_ZOMBIE or any(
                "ai.worker.engines.main" in part for part in child.cmdline()
            ):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
