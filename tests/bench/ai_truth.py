"""How true the measured times are: a server in a process of its own, with known delays, stamps what it writes on the same clock.

Prints one JSON object: the errors of time to the first token, time a token and tokens a second, for both APIs and each kind of answer.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ai.backends.ollama.backend import OllamaBackend
from ai.backends.openai.backend import OpenAIBackend
from ai.core.protocol import Backend, complete
from ai.core.types import LoadSpec
from ai.statistics.intervals import percentile
from tests.doubles.ai_kit import ask
from tests.doubles.stamped_server import Api, Piece, StampedServer, Stamps

FIRST_S, EACH_S = 0.08, 0.008
KINDS = {
    "role first": [Piece("role"), Piece("content", 1, FIRST_S), *[Piece("content", 1, EACH_S)] * 31, Piece("finish", 0, EACH_S)],
    "chunk of 4 tokens": [Piece("role"), Piece("content", 4, FIRST_S), *[Piece("content", 4, 4 * EACH_S)] * 7, Piece("finish", 0, EACH_S)],
    "reasoning": [Piece("role"), Piece("reasoning", 1, FIRST_S), *[Piece("reasoning", 1, EACH_S)] * 15, *[Piece("content", 1, EACH_S)] * 16, Piece("finish", 0, EACH_S)],
    "usage missing": [Piece("content", 1, FIRST_S), *[Piece("content", 1, EACH_S)] * 31, Piece("finish", 0, EACH_S)],
}  # fmt: skip


async def sleep(piece: Piece) -> None:
    """Wait before a piece, to a fraction of a millisecond."""
    due = time.perf_counter() + piece.pause_s
    while (left := due - time.perf_counter()) > 0:  # noqa: ASYNC110 - it waits for a time, not for a state
        await asyncio.sleep(max(left - 0.0005, 0.0))


def serve(api: Api, kind: str, link: Connection) -> None:
    """The server's process: tells its address, then its stamps at each word."""

    async def run() -> None:
        server = StampedServer(api, KINDS[kind], sleep, usage=kind != "usage missing")
        listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
        link.send(listener.sockets[0].getsockname()[1])
        while await asyncio.to_thread(link.recv):
            link.send(server.stamps[-1])

    asyncio.run(run())


async def errors(api: Api, kind: str, calls: int) -> dict[str, Any]:
    """The errors of one kind of answer."""
    link, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(api, kind, theirs), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{link.recv()}"
    backend: Backend = OpenAIBackend(url) if api == "openai" else OllamaBackend(url)
    pieces = KINDS[kind]
    first = next(at for at, piece in enumerate(pieces) if piece.spoken)
    tokens = sum(piece.tokens for piece in pieces)
    later = tokens - pieces[first].tokens
    found: dict[str, list[float]] = {"first_token_ms": [], "per_token_ms": [], "rate_pct": []}
    try:
        await backend.ensure_loaded(LoadSpec("m"))
        for _ in range(calls):
            done = await complete(backend, ask("hi", max_tokens=100))
            link.send(True)
            stamps: Stamps = link.recv()
            times = done.final.timings
            assert times.ttft is not None
            assert times.generation_measured is not None
            true_first = (stamps.written[first] - done.final.sent_ns) / 1e9
            true_span = (stamps.written[-1] - stamps.written[first]) / 1e9
            found["first_token_ms"].append(abs(times.ttft.value - true_first) * 1e3)
            found["per_token_ms"].append(abs(times.generation_measured.value - true_span) / (tokens - 1) * 1e3)
            rate = done.final.measured_rate()
            if rate is not None and rate.origin == "measured":
                found["rate_pct"].append(abs(rate.value * true_span / later - 1) * 100)
    finally:
        await backend.close()
        link.send(False)
        process.join(10)
    return {key: {"p50": round(percentile(v, 50), 3), "p95": round(percentile(v, 95), 3), "worst": round(max(v), 3)} for key, v in found.items() if v}  # fmt: skip


async def work(calls: int) -> dict[str, Any]:
    """All kinds, both APIs."""
    apis: tuple[Api, ...] = ("openai", "ollama")
    return {api: {kind: await errors(api, kind, calls) for kind in KINDS} for api in apis}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 calls of each kind instead of 40")
    figures = asyncio.run(work(5 if parser.parse_args().quick else 40))
    machine = {"cpus": os.cpu_count(), "load1": os.getloadavg()[0], "python": platform.python_version()}
    print(json.dumps({"name": "ai_truth", "machine": machine, "errors": figures}, indent=2))


if __name__ == "__main__":
    main()
