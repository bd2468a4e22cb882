"""What the gateway adds: time to the first byte, short streams a second with 32 at once, memory. Direct and through the gateway in the same run.

    uv run [--with aiohttp --with uvloop] tests/bench/gateway.py [--quick]

With those two packages the barest relay that can be made of them is measured between the others, so that a ratio says what the machine's load does not
change. Prints one JSON object. The engine is a stub that answers at once (16 words), in a process of its own, as are the gateway and the client that measures.
"""

import argparse
import asyncio
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httptools

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.doubles.gateway_kit import KEY, engine, running

WORDS = 16
EVENT = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"stub","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
BODY = json.dumps(
    {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "Say some words."}]}
).encode()


class Engine(asyncio.Protocol):
    """Answers every request with a stream of `WORDS` events, each in a write of its own."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Some bytes."""
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer."""
        loop, write = asyncio.get_running_loop(), self.transport.write
        write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)

        def word(left: int) -> None:
            write(chunk)
            if left > 1:
                loop.call_soon(word, left - 1)
            else:
                write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

        word(WORDS)


async def serve_engine() -> None:
    """Until standard input closes."""
    server = await asyncio.get_running_loop().create_server(Engine, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def serve_relay(port: int) -> None:
    """What aiohttp does with nothing added: until standard input closes."""
    from aiohttp import ClientSession, TCPConnector, web  # not of this project: only where `--with` brought it

    async def relay(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with session.post(f"http://127.0.0.1:{port}{request.path}", data=body) as answer:
            out = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]})
            await out.prepare(request)
            async for piece in answer.content.iter_any():
                await out.write(piece)
            await out.write_eof()
            return out

    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        app = web.Application()
        app.router.add_post("/{path:.*}", relay)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


class Client(asyncio.Protocol):
    """One connection that asks again and again; times are of the first byte of the body, and of the end."""

    def __init__(self) -> None:
        self.done: asyncio.Future[float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Some bytes."""
        self.parser.feed_data(data)

    def on_body(self, _: bytes) -> None:
        """A part of the body."""
        self.first = self.first or time.perf_counter()

    def on_message_complete(self) -> None:
        """All is here."""
        assert self.done is not None
        assert self.parser.get_status_code() == 200, self.parser.get_status_code()
        self.done.set_result(self.first - self.begun)

    async def ask(self, request: bytes) -> float:
        """Seconds to the first byte, when all is here."""
        self.parser: Any = httptools.HttpResponseParser(self)
        self.first, self.done = 0.0, asyncio.get_running_loop().create_future()
        self.begun = time.perf_counter()
        self.transport.write(request)
        return await self.done


def request_of(port: int) -> bytes:
    """The same request for both paths."""
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    return head.encode() + BODY


async def one_at_a_time(ports: dict[str, int], seconds: float) -> dict[str, list[float]]:
    """Times to the first byte, of both paths in turn, so that whatever else the machine does meets both."""
    loop = asyncio.get_running_loop()
    clients = {name: (await loop.create_connection(Client, "127.0.0.1", port))[1] for name, port in ports.items()}
    times: dict[str, list[float]] = {name: [] for name in ports}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for name, client in clients.items():
            times[name].append(await client.ask(request_of(ports[name])))
    for client in clients.values():
        client.transport.abort()
    return times


async def at_once(port: int, clients: int, seconds: float) -> float:
    """Streams a second."""
    request, loop = request_of(port), asyncio.get_running_loop()
    until, count = time.perf_counter() + seconds, 0

    async def go() -> None:
        nonlocal count
        _, client = await loop.create_connection(Client, "127.0.0.1", port)
        while time.perf_counter() < until:
            await client.ask(request)
            count += 1
        client.transport.abort()

    begun = time.perf_counter()
    await asyncio.gather(*(go() for _ in range(clients)))
    return count / (time.perf_counter() - begun)


def cpu_s(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def rss_mb(pid: int) -> float:
    """Resident MB of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


@contextmanager
def beside(*words: str) -> Iterator[tuple[int, int]]:
    """Another role of this file in a process of its own: its pid and port."""
    process = subprocess.Popen([sys.executable, __file__, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(5)


def measure(seconds: float) -> dict[str, Any]:
    """All paths, in turn."""
    turns = 5
    with ExitStack() as stack:
        _, port = stack.enter_context(beside("--engine"))
        gateway = stack.enter_context(running(engine("stub", f"http://127.0.0.1:{port}")))
        ports, pids = {"direct": port, "gateway": gateway.port}, {"gateway": gateway.process.pid}
        if importlib.util.find_spec("aiohttp") and importlib.util.find_spec("uvloop"):
            pids["relay"], ports["relay"] = stack.enter_context(beside("--relay", str(port)))
        asyncio.run(one_at_a_time(ports, 0.5))  # warm
        times = asyncio.run(one_at_a_time(ports, seconds))
        turn_rates: dict[str, list[float]] = {name: [] for name in ports}
        spent = 0.0
        for _ in range(turns):
            for name, where in ports.items():
                before = cpu_s(gateway.process.pid)
                turn_rates[name].append(asyncio.run(at_once(where, 32, seconds / turns)))
                spent += cpu_s(gateway.process.pid) - before if name == "gateway" else 0.0
        memory = {name: round(rss_mb(pid), 1) for name, pid in pids.items()}
        lost = gateway.state().lost
    rates = {name: statistics.fmean(values) for name, values in turn_rates.items()}
    p50 = {name: statistics.median(values) * 1e3 for name, values in times.items()}
    p10 = {name: statistics.quantiles(values, n=10)[0] * 1e3 for name, values in times.items()}
    p95 = {name: statistics.quantiles(values, n=20)[-1] * 1e3 for name, values in times.items()}
    return {
        "first_byte_ms": {name: round(p50[name], 3) for name in p50},
        "first_byte_p95_ms": {name: round(p95[name], 3) for name in p95},
        "first_byte_p10_ms": {name: round(p10[name], 3) for name in p10},
        "added_p10_ms": round(p10["gateway"] - p10["direct"], 3),
        "added_p50_ms": round(p50["gateway"] - p50["direct"], 3),
        "streams_per_s_32": {name: round(rate) for name, rate in rates.items()},
        "gateway_cpu_share": round(spent / seconds, 2),
        "streams_per_gateway_cpu_s": round(rates["gateway"] * seconds / max(spent, 0.01)),
        "streams_per_s_32_best_turn": {name: round(max(values)) for name, values in turn_rates.items()},
        "gateway_by_relay": round(rates["gateway"] / rates["relay"], 2) if "relay" in rates else None,
        "rss_mb": memory,
        "calls": {name: len(values) for name, values in times.items()},
        "rows_lost": lost,
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds, not half a minute")
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--relay", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        asyncio.run(serve_engine())
    elif given.relay:
        import uvloop  # not of this project: only where `--with` brought it

        uvloop.run(serve_relay(given.relay))
    else:
        print(json.dumps(measure(3.0 if given.quick else 10.0), indent=1))


if __name__ == "__main__":
    main()
