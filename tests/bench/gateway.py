"""What the gateway adds: time to the first byte, short streams a second with 32 at once, memory. Direct and through the gateway in the same run.

    uv run tests/bench/gateway.py [--quick]

Prints one JSON object. The engine is a stub that answers at once (16 words), in a process of its own, as are the gateway and the client that measures.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
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


def measure(seconds: float) -> dict[str, Any]:
    """Both paths."""
    stub = subprocess.Popen([sys.executable, __file__, "--engine"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert stub.stdout is not None
    assert stub.stdin is not None
    port = int(stub.stdout.readline())
    try:
        with running(engine("stub", f"http://127.0.0.1:{port}")) as gateway:
            pid, ports = gateway.process.pid, {"direct": port, "gateway": gateway.port}
            asyncio.run(one_at_a_time(ports, 0.5))  # warm
            times = asyncio.run(one_at_a_time(ports, seconds))
            rates, spent = {}, 0.0
            for name, where in ports.items():
                before = cpu_s(pid)
                rates[name] = asyncio.run(at_once(where, 32, seconds))
                spent = cpu_s(pid) - before
            memory = rss_mb(pid)
            lost = gateway.state().lost
    finally:
        stub.stdin.close()
        stub.wait(5)
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
        "gateway_rss_mb": round(memory, 1),
        "calls": {name: len(values) for name, values in times.items()},
        "rows_lost": lost,
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds, not half a minute")
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        asyncio.run(serve_engine())
    else:
        print(json.dumps(measure(3.0 if given.quick else 10.0), indent=1))


if __name__ == "__main__":
    main()
