"""When two counts differ by more than chance.

Records do not come one by one at random: they come in bursts. So the spread of the counts is measured (`dispersion`) and widens every judgement, and where many
patterns are compared at once, the few that chance alone would pick are left out (`not_by_chance`).
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

_CHANCE: Final = 0.001
"""How often a judgement on what did not change may be wrong."""
_BURST_TIMES: Final = 3.0
_BURST_LEAST: Final = 10
_BURST_SIGMAS: Final = 4.0
_LEAST_VALUES: Final = 10
_LEAST_BEFORE: Final = 8
"""Buckets that are needed to know what is usual."""


def dispersion(counts: Sequence[int]) -> float:
    """How much more than chance the counts of equal times spread: variance over mean, at least 1."""
    mean = sum(counts) / max(1, len(counts))
    if len(counts) < 2 or not mean:
        return 1.0
    return max(1.0, sum((count - mean) ** 2 for count in counts) / (len(counts) - 1) / mean)


def p_value(before: int, after: int, hours_before: float, hours_after: float, spread: float = 1.0) -> float:
    """How likely counts that differ at least so much are if the rate is the same. `spread`: their `dispersion`.

    The share of the second range of all is compared with its share of the time (normal approximation with a correction for whole numbers).
    """
    total, share = before + after, hours_after / (hours_before + hours_after)
    if not total:
        return 1.0
    deviation = max(0.0, abs(after - total * share) - 0.5)
    sigma = math.sqrt(total * share * (1 - share) * spread)
    return math.erfc(deviation / sigma / math.sqrt(2)) if sigma else 1.0


def not_by_chance(values: Sequence[float], chance: float = _CHANCE) -> list[bool]:
    """Which of many `p_value`s are small enough, so that of all that are picked at most a share of `chance` is wrong (Benjamini-Hochberg)."""
    ordered = sorted(values)
    limit = max((p for rank, p in enumerate(ordered, 1) if p <= chance * rank / len(ordered)), default=-1.0)
    return [p <= limit for p in values]


def are_greater(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether values tend to be greater than those before by more than chance: by their ranks, so that a few outliers count little (Mann-Whitney)."""
    n, m = len(before), len(after)
    if n < _LEAST_VALUES or m < _LEAST_VALUES:
        return False
    ordered = sorted(before)
    wins = sum(bisect_left(ordered, value) + bisect_right(ordered, value) for value in after) / 2
    sigma = math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc((wins - n * m / 2) / sigma / math.sqrt(2)) / 2 < _CHANCE / 10


def is_bursting(trend: Sequence[int], known_from: int = 0) -> bool:
    """Whether the newest eighth of a trend has far more than the time before it; what lies before `known_from` says nothing."""
    newest = max(1, len(trend) // 8)
    before, now = trend[known_from:-newest], trend[-newest:]
    if len(before) < _LEAST_BEFORE or sum(now) < _BURST_LEAST:
        return False
    mean = sum(before) / len(before)
    sigma = math.sqrt(mean * dispersion(before) or 1.0)
    current = sum(now) / newest
    return current >= _BURST_TIMES * mean and current > mean + _BURST_SIGMAS * sigma / math.sqrt(newest)
