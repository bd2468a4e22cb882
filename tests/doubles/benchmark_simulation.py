"""How often the benchmark would be wrong: whole sequential runs on made-up noise.

The noise is that of a busy shared machine: lasting (first-order autoregressive), with bursts where everything is
several times slower, and with a steady drift. Engine against itself must yield a verdict in at most 5 % of runs.
"""

import math
import random
from dataclasses import dataclass

from ai.benchmark.schedule import block_order
from ai.statistics.sequential import SequentialPlan, Verdict, settled


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of log durations.

    Args:
        deviation: standard deviation of the lasting part.
        memory: correlation of one measurement's noise with the next one's, 0 to below 1.
        burst: chance that a burst of neighbour load begins at a measurement.
        burst_length: measurements a burst lasts.
        burst_factor: how many times slower everything is in it.
        drift: change of the log duration from one measurement to the next (warming up, throttling).
        white: standard deviation of the part that does not last.
    """

    deviation: float = 0.25
    memory: float = 0.0
    burst: float = 0.0
    burst_length: int = 6
    burst_factor: float = 3.0
    drift: float = 0.0
    white: float = 0.05


class NoiseSource:
    """Draws one log-duration error after another."""

    def __init__(self, noise: Noise, draw: random.Random) -> None:
        self._noise, self._draw = noise, draw
        self._state = draw.gauss(0, noise.deviation)
        self._left = 0
        self._step = 0

    def next(self) -> float:
        """The next error of a log duration."""
        noise, draw = self._noise, self._draw
        shock = noise.deviation * math.sqrt(1 - noise.memory**2)
        self._state = noise.memory * self._state + draw.gauss(0, shock)
        if self._left:
            self._left -= 1
        elif draw.random() < noise.burst:
            self._left = noise.burst_length
        self._step += 1
        extra = math.log(noise.burst_factor) if self._left else 0.0
        return self._state + extra + noise.drift * self._step + draw.gauss(0, noise.white)


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of simulated runs by verdict on the candidate, mean blocks used, and how often the interval covered."""

    runs: int
    faster: float
    slower: float
    not_shown: float
    mean_blocks: float
    covered: float


def simulate_run(ratio: float, noise: Noise, plan: SequentialPlan, seed: int) -> Verdict:
    """One whole benchmark of a candidate that truly is `ratio` times as fast as the reference."""
    draw = random.Random(seed)
    source = NoiseSource(noise, draw)
    values: list[float] = []
    while True:
        logs: dict[str, list[float]] = {"a": [], "b": []}
        for name in block_order(["a", "b"], len(values), seed):
            logs[name].append(source.next() - (math.log(ratio) if name == "b" else 0.0))
        values.append((sum(logs["a"]) - sum(logs["b"])) / 2)
        look = plan.look_at(len(values))
        if look is None:
            continue
        verdict = plan.decide(values, look)
        if settled(verdict, plan) or len(values) >= plan.looks[-1].blocks:
            return verdict


def simulate(ratio: float, noise: Noise, plan: SequentialPlan, *, runs: int, seed: int = 1) -> Rates:
    """Verdict rates over many runs.

    Raises:
        ValueError: fewer than one run.
    """
    if runs < 1:
        msg = "at least one run is needed"
        raise ValueError(msg)
    verdicts = [simulate_run(ratio, noise, plan, seed * 1_000_003 + i) for i in range(runs)]
    kinds = [v.kind for v in verdicts]
    return Rates(
        runs,
        kinds.count("faster") / runs,
        kinds.count("slower") / runs,
        kinds.count("not shown") / runs,
        sum(v.blocks for v in verdicts) / runs,
        sum(v.interval.low <= ratio <= v.interval.high for v in verdicts) / runs,
    )
