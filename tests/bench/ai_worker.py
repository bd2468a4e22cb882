"""What the way through the worker costs beside the model: CPU time for each token, of the parent, of the worker's HTTP threads, and of the computing.

CPU time rather than tokens a second: where every core computes, what is spent beside the model is what a token is later, and it can be measured on a
machine that is busy. `share` is all but the computing, of the computing. Prints one JSON object.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.core.types import Deadlines, Final, GenRequest, LoadSpec, Message

LONG = Deadlines(total_s=3600, between_tokens_s=300, first_token_s=300)


def threads(pid: int) -> dict[str, float]:
    """CPU seconds of each thread."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        found[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return found


async def answer(backend: LlamaCppBackend, tokens: int) -> Final:
    """One answer of exactly so many tokens."""
    request = GenRequest((Message("user", "Write a long story."),), max_tokens=tokens, ignore_eos=True)
    async with aclosing(backend.stream(request, deadlines=LONG)) as events:
        async for event in events:
            if isinstance(event, Final):
                return event
    raise RuntimeError("no end")


async def work(tokens: int, count: int) -> dict[str, Any]:
    """All figures."""
    backend = LlamaCppBackend()
    try:
        await backend.ensure_loaded(LoadSpec("demo", context=2048, threads=count, prompt_threads=count))
        running = backend.supervisor.running
        assert running is not None
        await answer(backend, 8)
        begun = time.process_time()
        await asyncio.sleep(5)
        idle = (time.process_time() - begun) / 5
        before, own, at = threads(running.pid), time.process_time(), time.perf_counter()
        end = await answer(backend, tokens)
        took, mine, after = time.perf_counter() - at, time.process_time() - own, threads(running.pid)
    finally:
        await backend.close()
    spent = sorted((after[name] - before.get(name, 0.0) for name in after), reverse=True)
    computing, http = sum(spent[:count]), sum(spent[count:])
    rate = end.generation_rate()
    return {
        "tokens": tokens, "threads": count, "computing_ms": computing / tokens * 1e3, "parent_ms": (mine - idle * took) / tokens * 1e3,
        "worker_http_ms": http / tokens * 1e3, "idle_parent_ms_per_s": idle * 1e3, "share": (mine + http) / computing,
        "tokens_per_s": rate.value if rate else None,
    }  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    figures = asyncio.run(work(given.tokens, given.threads))
    machine = {"cpus": os.cpu_count(), "load1": os.getloadavg()[0], "python": platform.python_version()}
    print(
        json.dumps(
            {"name": "ai_worker", "method": "CPU time per thread from schedstat", "machine": machine, **figures},
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
