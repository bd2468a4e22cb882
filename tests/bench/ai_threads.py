"""The embedded engine with a number of threads that follows what others use, beside fixed numbers: tokens a second of the same answers, in turn.

Each contender is a worker of its own, loaded once; they answer in turn, in changing order, with so many busy loops beside them. `sleeping_N` are N fixed
threads that sleep at once where they meet, as workers did before. Without loops, an answer counts only if others used at most 0.12 cores meanwhile.
Prints one JSON object; `of_best` is the part of the best fixed number of the same run. Run it with `taskset -c 0` for one core.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.core.types import Chunk, Deadlines, Final, GenRequest, LoadSpec, Message
from ai.worker.spare import Cores

LONG = Deadlines(total_s=3600, between_tokens_s=300, first_token_s=300)
CALM = 0.12
TEXT = " ".join(f"Ship {at} of the harbour carried {at * 7} crates of oranges." for at in range(9))


async def answer(backend: LlamaCppBackend, tokens: int, turn: int) -> tuple[str, Final]:
    """One answer of exactly so many tokens, to a prompt that was not read before."""
    request = GenRequest((Message("user", f"Turn {turn}. {TEXT} Go on."),), max_tokens=tokens, ignore_eos=True)
    text = ""
    async with aclosing(backend.stream(request, deadlines=LONG)) as events:
        async for event in events:
            text += event.text if isinstance(event, Chunk) else ""
            if isinstance(event, Final):
                return text, event
    raise RuntimeError("no end")


def worker_s(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def work(loops: int, seconds: float, tokens: int) -> dict[str, Any]:
    """All figures."""
    cores = Cores()
    most = cores.count
    specs = {"following": LoadSpec("demo", context=1024, threads=most, yields=True)}
    specs |= {
        f"{kind}_{n}": LoadSpec("demo", context=1024, threads=n)
        for n in range(1, most + 1)
        for kind in ("fixed", "sleeping")
    }
    backends = {name: LlamaCppBackend() for name in specs}
    try:
        for name, backend in backends.items():
            if name.startswith("sleeping"):
                os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
            await backend.ensure_loaded(specs[name])
            os.environ.pop("OMP_WAIT_POLICY", None)
            await answer(backend, 4, -1)
        return await measured(backends, cores, loops, seconds, tokens)
    finally:
        for backend in backends.values():
            await backend.close()


async def measured(
    backends: dict[str, LlamaCppBackend], cores: Cores, loops: int, seconds: float, tokens: int
) -> dict[str, Any]:
    """Medians of each."""
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in backends}
    busy = [await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass") for _ in range(loops)]
    texts: dict[int, set[str]] = {}
    try:
        await asyncio.sleep(1.5)
        begun, turn = time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            for name in list(backends) if turn % 2 == 0 else list(backends)[::-1]:
                running = backends[name].supervisor.running
                assert running is not None
                await asyncio.sleep(0.3)
                before, own = cores.moment(), worker_s(running.pid)
                text, end = await answer(backends[name], tokens, turn)
                after = cores.moment()
                beside = (after.used - before.used - (after.own - before.own) - (worker_s(running.pid) - own)) / (
                    after.at - before.at
                )
                texts.setdefault(turn, set()).add(text)
                generated, read = end.generation_rate(), end.prompt_rate()
                if generated and read and (loops or beside <= CALM):
                    rates[name].append((generated.value, read.value))
            turn += 1
    finally:
        for one in busy:
            one.kill()
            await one.wait()
    found = {n: {"generate": statistics.median(g for g, _ in v), "read": statistics.median(r for _, r in v), "answers": len(v)} for n, v in rates.items() if v}  # fmt: skip
    best = {kind: max((v[kind] for n, v in found.items() if n.startswith("fixed")), default=None) for kind in ("generate", "read")}  # fmt: skip
    mine = found.get("following")
    return {
        "cpus": cores.count, "loops": loops, "turns": turn, "same_texts": all(len(t) == 1 for t in texts.values()), **found,
        "of_best": {kind: mine[kind] / value for kind, value in best.items() if value} if mine else None,
    }  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loops", type=int, default=0, help="busy loops beside")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--tokens", type=int, default=64, help="of each answer")
    given = parser.parse_args()
    figures = asyncio.run(work(given.loops, given.seconds, given.tokens))
    machine = {"load1": os.getloadavg()[0], "python": platform.python_version()}
    print(json.dumps({"name": "ai_threads", "machine": machine, **figures}, indent=2))


if __name__ == "__main__":
    main()
