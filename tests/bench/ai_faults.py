"""What engines do wrong, many times, on the real embedded model: kills, crashes, hangs and want of memory in the middle of an answer,
an outage that lasts, and deadlines that must free the slot.

Prints one JSON object. Each round asks the router while its first engine breaks; the second one must answer, nothing may be left behind.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import httpx
import psutil

from ai.analysis.ask import NoAnswer
from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.core.errors import BackendTimeout
from ai.core.protocol import complete
from ai.core.types import Deadlines, GenRequest, Health, LoadSpec, Message
from ai.router import BreakerPolicy, HybridAIBackend, Member, Policy
from ai.statistics.intervals import percentile
from ai.worker.budget import RestartPolicy
from ai.worker.supervisor import WatchPolicy
from tests.doubles.scripted_backend import Script, ScriptedBackend

SPEC = LoadSpec("demo", context=512, threads=1)
LONG = GenRequest((Message("user", "Count as far as you can."),), max_tokens=32, ignore_eos=True)
SHORT = GenRequest((Message("user", "Say hello."),), max_tokens=2)
PLENTY = RestartPolicy(failures=100_000, window_s=600, first_wait_s=0.001, longest_wait_s=0.01)


def _memory_gone(backend: LlamaCppBackend, pid: int) -> None:
    """What it holds is more than it may: the supervisor's own limit."""
    backend.supervisor.watch = replace(backend.supervisor.watch, memory_limit=1)
    del pid


def _no_more_memory(backend: LlamaCppBackend, pid: int) -> None:
    """The kernel grants it no further byte: the next allocation fails, and the engine ends as engines do."""
    del backend
    psutil.Process(pid).rlimit(psutil.RLIMIT_DATA, (1, 1))


def _signal(number: signal.Signals) -> Callable[[LlamaCppBackend, int], None]:
    return lambda _, pid: os.kill(pid, number)


FAULTS: dict[str, Callable[[LlamaCppBackend, int], None]] = {
    "killed": _signal(signal.SIGKILL),
    "hung": _signal(signal.SIGSTOP),
    "segfault": _signal(signal.SIGSEGV),
    "memory limit": _memory_gone,
    "allocation fails": _no_more_memory,
}
AT_ONCE = {"allocation fails"}
"""These are there before the request: an answer under way may need no more memory."""


@dataclass
class Told:
    """What the rounds showed."""

    answer_s: dict[str, list[float]] = field(default_factory=dict)
    by: Counter[str] = field(default_factory=Counter)
    again_s: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    left: int = 0
    lag_s: list[float] = field(default_factory=list)


async def _lag(into: list[float]) -> None:
    """How late the event loop is that watches the workers: what else lives in it would be held up as long."""
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(0.01)
        into.append(time.perf_counter() - begun - 0.01)


def _children(but: set[int]) -> list[int]:
    """Processes of this one that should not be there, zombies included."""
    return [child.pid for child in psutil.Process().children(recursive=True) if child.pid not in but]


async def _round(first: LlamaCppBackend, second: LlamaCppBackend, name: str, dice: random.Random, told: Told) -> None:
    first.supervisor.watch = replace(first.supervisor.watch, memory_limit=None)
    await first.ensure_loaded(SPEC)
    running = first.supervisor.running
    assert running is not None
    router = HybridAIBackend(
        [Member(first, SPEC), Member(second, SPEC)],
        policy=Policy(preferred=(first.name, second.name)),
        deadlines=Deadlines(total_s=60, first_token_s=30, between_tokens_s=15),
    )
    if name in AT_ONCE:
        FAULTS[name](first, running.pid)
    begun = time.perf_counter()
    call = asyncio.create_task(router.ask(LONG))
    if name not in AT_ONCE:
        await asyncio.sleep(dice.uniform(0.0, 0.2))
        begun = time.perf_counter()
        FAULTS[name](first, running.pid)
    try:
        reply = await call
    except NoAnswer as error:
        told.lost.append(f"{name}: {error.message}")
        return
    finally:
        told.left += not await _gone(running.pid)
    told.by[reply.name] += 1
    if reply.name != second.name:  # it broke before it was asked, and was started again
        told.again_s.append(time.perf_counter() - begun)
        return
    tries = [a for a in reply.attempts if a.backend == second.name]
    spent = time.perf_counter() - begun - sum(a.seconds for a in tries)
    told.answer_s.setdefault(name, []).append(spent)


async def _gone(pid: int, patience_s: float = 5.0) -> bool:
    """Whether a process is gone, and has been taken note of, soon."""
    deadline = time.monotonic() + patience_s
    while psutil.pid_exists(pid):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


async def crashes(rounds: int, seed: int, seconds: float) -> dict[str, Any]:
    """The first engine breaks in every round; how long until the second one is asked, and what is left behind."""
    dice = random.Random(seed)
    watch = WatchPolicy(idle_s=86_400, data_limit=8 * 1024**3)
    first = LlamaCppBackend(name="first", watch=watch, restarts=PLENTY)
    second = LlamaCppBackend(name="second", watch=watch, restarts=PLENTY)
    names = [list(FAULTS)[at % len(FAULTS)] for at in range(rounds)]
    dice.shuffle(names)
    told = Told()
    lag = asyncio.create_task(_lag(told.lag_s))
    begun, done = time.perf_counter(), 0
    try:
        await second.ensure_loaded(SPEC)
        await complete(second, SHORT)
        for name in names:
            if time.perf_counter() - begun > seconds:
                break
            await _round(first, second, name, dice, told)
            done += 1
        took = time.perf_counter() - begun
        stayed = second.supervisor.running
        left = _children({stayed.pid} if stayed else set()) if first.supervisor.running is None else []
    finally:
        lag.cancel()
        await first.close()
        await second.close()
    every = [s for values in told.answer_s.values() for s in values]
    return {
        "rounds": done, "answered": sum(told.by.values()), "lost": told.lost[:5], "answered_by": dict(told.by),
        "fault_to_next_engine_s": {name: _spread(values) for name, values in sorted(told.answer_s.items())},
        "started_again_and_answered_s": _spread(told.again_s) if told.again_s else None,
        "over_2_5_s": sum(s > 2.5 for s in every), "worst_s": round(max(every), 3) if every else None,
        "workers_left": told.left + len(left), "zombies": _zombies(), "starts": first.supervisor.starts, "ended": dict(first.supervisor.ended),
        "event_loop_late_ms": {"p50": _ms(told.lag_s, 50), "p99": _ms(told.lag_s, 99), "worst": _ms(told.lag_s, 100)},
        "seconds": round(took, 1),
    }  # fmt: skip


def _zombies() -> int:
    return sum(child.status() == psutil.STATUS_ZOMBIE for child in psutil.Process().children(recursive=True))


class Counting(ScriptedBackend):
    """Counts the questions it is asked while it is away."""

    def __init__(self, name: str, script: Script) -> None:
        super().__init__(name, script)
        self.asked: list[float] = []

    async def health(self, deadline_s: float = 2.0) -> Health:
        """Noted: this is what a probe begins with."""
        self.asked.append(time.monotonic())
        return await super().health(deadline_s)


async def outage(requests: int, cool_down_s: float, away: str) -> dict[str, Any]:
    """Requests one after another while the first engine is away for good: what each costs beside the second engine alone."""
    script = Script(ttft=0.002, per_token=0.0005, tokens=4)
    first, second = Counting("first", script), ScriptedBackend("second", script)
    router = HybridAIBackend(
        [Member(first, SPEC), Member(second, SPEC)], policy=Policy(preferred=("first", "second")),
        breaker=BreakerPolicy(cool_down_s=cool_down_s, longest_s=cool_down_s),
        deadlines=Deadlines(connect_s=0.5, first_token_s=0.5, between_tokens_s=0.5, load_s=2, total_s=4),
    )  # fmt: skip
    alone = HybridAIBackend([Member(second, SPEC)])
    plain, during, lost = [], [], 0
    await alone.ask(SHORT)
    first.fault = away
    begun = time.monotonic()
    for _ in range(requests):
        plain.append(await _timed(alone))
        try:
            during.append(await _timed(router))
        except NoAnswer:
            lost += 1
    span = time.monotonic() - begun
    probes = router.states()[-1].probes if router.states()[-1].name == "first" else router.states()[0].probes
    first.fault = None
    back = time.monotonic()
    while router.states()[0].breaker != "closed":
        await router.ask(SHORT)
    recovered = time.monotonic() - back
    await router.close()
    added = [a - b for a, b in zip(during[1:], plain[1:], strict=False)]
    return {
        "away": away, "requests": requests, "lost": lost, "first_request_s": round(during[0], 3),
        "added_ms_after_the_first": {"p50": _ms(added, 50), "p95": _ms(added, 95), "worst": _ms(added, 100)},
        "cool_downs": round(span / cool_down_s, 1), "probes": probes, "probes_per_cool_down": round(probes / (span / cool_down_s), 2),
        "back_in_use_after_cool_downs": round(recovered / cool_down_s, 2),
    }  # fmt: skip


async def _timed(router: HybridAIBackend) -> float:
    begun = time.perf_counter()
    await router.ask(SHORT)
    return time.perf_counter() - begun


async def deadlines(rounds: int) -> dict[str, Any]:
    """A deadline passes in the middle of an answer: how long until the engine's own list of slots says it is free."""
    backend = LlamaCppBackend(name="slots")
    freed = []
    try:
        await backend.ensure_loaded(SPEC)
        await complete(backend, SHORT)
        running = backend.supervisor.running
        assert running is not None
        async with httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=running.socket), base_url="http://worker", headers={"Authorization": f"Bearer {running.key}"}
        ) as client:  # fmt: skip
            for _ in range(rounds):
                with suppress(BackendTimeout):
                    await complete(backend, LONG, deadlines=Deadlines(total_s=0.3))
                freed.append(await _until_free(client))
    finally:
        await backend.close()
    return {"rounds": rounds, "slot_free_ms": {"p50": _ms(freed, 50), "p95": _ms(freed, 95), "worst": _ms(freed, 100)},
            "over_0_2_s": sum(s > 0.2 for s in freed)}  # fmt: skip


async def _until_free(client: httpx.AsyncClient) -> float:
    begun = time.perf_counter()
    while any(slot["is_processing"] for slot in (await client.get("/slots")).json()):  # noqa: ASYNC110 - another process's state
        await asyncio.sleep(0.005)
    return time.perf_counter() - begun


def _ms(values: Sequence[float], q: float) -> float | None:
    return round(percentile(list(values), q) * 1e3, 2) if values else None


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "n": len(values), "p50": round(statistics.median(values), 3), "p95": round(percentile(list(values), 95), 3),
        "worst": round(max(values), 3),
    }  # fmt: skip


async def work(rounds: int, seed: int, seconds: float, *, quick: bool) -> dict[str, Any]:
    """All of it."""
    requests = 100 if quick else 1000
    return {
        "crashes": await crashes(rounds, seed, seconds),
        "outage": [await outage(requests, 0.5, away) for away in ("down", "overloaded", "hang midway")],
        "deadlines": await deadlines(10 if quick else 50),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten crashes, shorter outages")
    parser.add_argument("--rounds", type=int, help="how often the engine breaks (500)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600, help="begin no further round after this time")
    given = parser.parse_args()
    rounds = given.rounds or (10 if given.quick else 500)
    load = os.getloadavg()[0]
    figures = asyncio.run(work(rounds, given.seed, given.seconds, quick=given.quick))
    machine = {"cpus": os.cpu_count(), "load1": [load, os.getloadavg()[0]], "python": platform.python_version()}
    print(json.dumps({"name": "ai_faults", "machine": machine, **figures}, indent=2))


if __name__ == "__main__":
    main()
