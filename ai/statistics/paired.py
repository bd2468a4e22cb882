"""Tests for counts and for items answered by two backends: Wilson, permutation, Holm."""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ai.statistics.intervals import Interval, bootstrap_interval


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Wilson's interval of a proportion: honest at 0 of n and n of n, unlike mean ± error.

    Raises:
        ValueError: more successes than trials, or a negative count.
    """
    if not 0 <= successes <= trials:
        msg = f"{successes} successes of {trials} trials is impossible"
        raise ValueError(msg)
    if trials == 0:
        return Interval(math.nan, 0.0, 1.0, level, "wilson")
    z = statistics.NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / trials
    scale = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / scale
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(share, low, high, level, "wilson")


def paired_permutation(differences: Sequence[float], *, rounds: int = 10_000, seed: int = 0) -> float:
    """Two-sided p-value for "the mean difference is zero", by flipping signs.

    All sign patterns are tried for up to 14 differences; beyond that `rounds` random ones, counting the
    observed pattern too, so that p is never 0 and never too small.
    """
    moved = [d for d in differences if d != 0]
    if not moved:
        return 1.0
    observed = abs(sum(moved)) - 1e-12
    if len(moved) <= 14:
        patterns = 1 << len(moved)
        hits = 0
        for pattern in range(patterns):
            total = sum(d if pattern >> i & 1 else -d for i, d in enumerate(moved))
            hits += abs(total) >= observed
        return hits / patterns
    draw = random.Random(seed)  # noqa: S311 - a permutation test, not secrets
    hits = 1
    for _ in range(rounds):
        bits = draw.getrandbits(len(moved))
        hits += abs(sum(d if bits >> i & 1 else -d for i, d in enumerate(moved))) >= observed
    return hits / (rounds + 1)


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Two backends on the same items: the mean difference (first minus second), its interval, and p."""

    difference: Interval
    p_value: float
    items: int
    shown: bool
    """Whether a difference is shown at the level of the interval."""
    level: float = 0.95

    @property
    def too_few(self) -> bool:
        """Whether no difference could be shown with so few items, however big: of 2ⁿ ways to swap them, two are as extreme as any."""
        return 2.0 ** (1 - self.items) > 1 - self.level


def compare_paired(first: Sequence[float], second: Sequence[float], *, level: float = 0.95) -> PairedComparison:
    """Compare scores of two backends item by item: bootstrap interval over items, permutation p-value.

    Raises:
        ValueError: unequal lengths, or no items.
    """
    if len(first) != len(second):
        msg = f"both backends must have answered the same items, not {len(first)} and {len(second)}"
        raise ValueError(msg)
    differences = [a - b for a, b in zip(first, second, strict=True)]
    p_value = paired_permutation(differences)
    return PairedComparison(
        bootstrap_interval(differences, level=level), p_value, len(first), p_value <= 1 - level, level
    )
