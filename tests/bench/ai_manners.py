"""Equal engines of every manner, and one 1.5 times as fast, through whole benchmarks: how often a winner is named.

The engines tell their times as scripted instead of waiting for them, with a jitter on each call, so that hundreds of whole benchmarks take minutes and
hold however busy the machine is. Manners: tokens an event, a proxy that holds the answer back, reasoning first, no counts. Prints one JSON object.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ai.benchmark import AIBackendBenchmark, BenchmarkPlan, Contender
from ai.benchmark.samples.guards import Readings
from ai.core.types import LoadSpec
from tests.doubles.scripted_backend import Script, ScriptedBackend

BASE: dict[str, Any] = {"ttft": 0.08, "per_token": 0.008, "tokens": 64, "on_paper": True}
MANNERS: dict[str, dict[str, Any]] = {
    "1 token an event": {},
    "4 tokens an event": {"tokens_per_chunk": 4},
    "16 tokens an event": {"tokens_per_chunk": 16},
    "held back by a proxy": {"tokens_per_chunk": 64},
    "reasoning first": {"reasoning_tokens": 16},
    "no counts": {"reports": False},
}
TELLING = ("1 token an event", "4 tokens an event", "reasoning first")
"""Manners that tell a rate, for an engine that is truly faster."""


class Quiet:
    """A machine on which nothing else runs."""

    def read(self, engine_pids: Sequence[int] = ()) -> Readings:  # noqa: ARG002 - as the protocol has it
        """Now."""
        now = time.monotonic()
        return Readings(now, now, now, 2, busy_s=0.0, own_s=0.0)


def verdict(manner: str, ratio: float, seed: int, jitter: float) -> str:
    """The verdict on an engine that is `ratio` times as fast as another one with the same manner."""
    asked = BASE | MANNERS[manner] | {"jitter": jitter}
    one = Script(**asked, seed=2 * seed)
    other = Script(
        **asked | {"per_token": asked["per_token"] / ratio, "ttft": asked["ttft"] / ratio}, seed=2 * seed + 1
    )
    engines = [Contender(ScriptedBackend(name, s), LoadSpec("m")) for name, s in (("a", one), ("b", other))]
    plan = BenchmarkPlan(batches=[], budget_s=600, max_blocks=30, prompts=["summary"], seed=seed)
    report = asyncio.run(AIBackendBenchmark(engines, plan, watch=Quiet()).run())
    return report.comparisons[0].kind


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--jitter", type=float, default=0.15, help="sigma of each call's log-normal factor")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    runs = 24 if args.quick else args.runs
    names = list(MANNERS)
    equal = {name: Counter[str]() for name in names}
    faster = Counter[str]()
    begun, cpu = time.perf_counter(), time.process_time()
    for run in range(runs):
        name = names[run % len(names)]
        equal[name][verdict(name, 1.0, run, args.jitter)] += 1
    for run in range(runs // 2):
        faster[verdict(TELLING[run % len(TELLING)], 1.5, 10_000 + run, args.jitter)] += 1
    winners = sum(count for kinds in equal.values() for kind, count in kinds.items() if kind != "not shown")
    print(
        json.dumps(
            {
                "bench": "ai_manners", "jitter": args.jitter, "equal_runs": runs, "equal_winners": winners,
                "equal_by_manner": {name: dict(kinds) for name, kinds in equal.items()},
                "faster_runs": sum(faster.values()), "faster_found": faster["faster"], "faster_kinds": dict(faster),
                "wall_s": round(time.perf_counter() - begun, 1), "cpu_s": round(time.process_time() - cpu, 1),
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
