"""How often the benchmark's verdict is wrong, by simulation on the noise of busy machines.

Prints one JSON object: for each kind of noise the share of false verdicts of an engine against itself, how often a true 1.3x is found,
blocks used, and how often the interval covers the truth; beside it the two common ways: all of A then all of B with a Welch test, and one
request each.
"""

import argparse
import json
import math
import os
import platform
import random
import statistics
import sys
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ai.statistics.intervals import t_quantile
from ai.statistics.sequential import SequentialPlan
from tests.doubles.benchmark_simulation import Noise, NoiseSource, simulate

NOISES = {
    "independent": Noise(),
    "lasting": Noise(memory=0.9),
    "very lasting": Noise(memory=0.98, deviation=0.6),
    "bursts": Noise(memory=0.8, burst=0.05),
    "drift": Noise(memory=0.5, drift=0.01),
}
BLOCKS = 28


def blocked_welch(noise: Noise, runs: int) -> float:
    """False winners when all requests of one engine come before all of the other, judged by Welch's test at 5 %."""
    wrong = 0
    n = BLOCKS
    for run in range(runs):
        source = NoiseSource(noise, random.Random(run))
        first, second = ([source.next() for _ in range(n)] for _ in range(2))
        spread = math.sqrt(statistics.variance(first) / n + statistics.variance(second) / n)
        wrong += abs(statistics.fmean(first) - statistics.fmean(second)) / spread > t_quantile(0.975, 2 * n - 2)
    return wrong / runs


def single_request(noise: Noise, runs: int) -> float:
    """How often one request each makes an engine look at least 1.2 times as fast as itself."""
    apart = 0
    for run in range(runs):
        source = NoiseSource(noise, random.Random(run))
        apart += abs(source.next() - source.next()) > math.log(1.2)
    return apart / runs


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="300 runs instead of 4000")
    runs = 300 if parser.parse_args().quick else 4000
    begun = time.perf_counter()
    plan = SequentialPlan(max_blocks=BLOCKS)
    rows = {}
    for name, noise in NOISES.items():
        same, faster = simulate(1.0, noise, plan, runs=runs), simulate(1.3, noise, plan, runs=max(runs // 4, 200))
        rows[name] = {
            "false_verdicts": round(same.faster + same.slower, 4),
            "found_1_3x": round(faster.faster, 4),
            "called_slower": faster.slower,
            "mean_blocks_at_1_3x": round(faster.mean_blocks, 1),
            "interval_covers": {"1.0": round(same.covered, 4), "1.3": round(faster.covered, 4)},
            "blocked_welch_false_winners": round(blocked_welch(noise, runs), 4),
            "one_request_each_looks_1_2x": round(single_request(noise, runs), 4),
            "noise": asdict(noise),
        }
    print(
        json.dumps(
            {
                "name": "ai_stats",
                "method": f"{runs} simulated sequential benchmarks of at most {BLOCKS} blocks (4 requests each), alpha 0.05, seeded",
                "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
                "seconds": round(time.perf_counter() - begun, 1),
                "rows": rows,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
