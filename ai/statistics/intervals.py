"""Estimates and intervals from few, noisy, dependent timings.

Everything works on *log ratios*: `log(speed of the candidate / speed of the reference)`, one value a block of
interleaved measurements. The order inside a block is drawn at random, so under "no difference" each value is as
likely positive as negative whatever the noise does in time; the signed-rank interval (Hodges and Lehmann 1963)
needs exactly that and no more. The t and bootstrap intervals stand beside it for comparison.
"""

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

EXACT_LIMIT: Final = 60
"""Up to this many values the signed-rank distribution is counted, above it is approximated by a normal one."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between two bounds, with the level at which it holds (0.95 = 95 %)."""

    estimate: float
    low: float
    high: float
    level: float
    method: str

    def exp(self) -> "Interval":
        """The same on the scale of ratios."""
        return Interval(_exp(self.estimate), _exp(self.low), _exp(self.high), self.level, self.method)


_LARGEST: Final = 700.0
"""The exponential of more is no number of a computer."""


def _exp(value: float) -> float:
    return math.exp(value) if value < _LARGEST else math.inf


def percentile(values: Sequence[float], q: float) -> float:
    """The q-th percentile (0 to 100), linear between order statistics (Hyndman and Fan, type 7).

    Raises:
        ValueError: no values, or q outside 0 to 100.
    """
    if not values or not 0 <= q <= 100:
        msg = "a percentile needs at least one value and q between 0 and 100"
        raise ValueError(msg)
    ordered = sorted(values)
    place = (len(ordered) - 1) * q / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    low, high = ordered[below], ordered[above]
    return min(max(low + (high - low) * (place - below), low), high)


@lru_cache(maxsize=EXACT_LIMIT + 1)
def _signed_rank_cdf(n: int) -> tuple[float, ...]:
    """P(T <= t) for t = 0 … n(n+1)/2 of Wilcoxon's signed-rank statistic, by counting subsets of ranks."""
    counts = [1]
    for rank in range(1, n + 1):
        counts = [
            (counts[i] if i < len(counts) else 0) + (counts[i - rank] if i >= rank else 0)
            for i in range(len(counts) + rank)
        ]
    total = 2**n
    running, out = 0, []
    for count in counts:
        running += count
        out.append(running / total)
    return tuple(out)


def signed_rank_cdf(n: int, t: float) -> float:
    """P(T <= t) for n values; exact to `EXACT_LIMIT`, then normal with continuity correction."""
    if t < 0:
        return 0.0
    top = n * (n + 1) / 2
    if t >= top:
        return 1.0
    if n <= EXACT_LIMIT:
        return _signed_rank_cdf(n)[math.floor(t)]
    deviation = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return statistics.NormalDist().cdf((math.floor(t) + 0.5 - top / 2) / deviation)


def walsh_averages(values: Sequence[float]) -> list[float]:
    """All means of two values, each value also with itself, ascending; n(n+1)/2 of them."""
    ordered = sorted(values)
    return sorted((a + b) / 2 for i, a in enumerate(ordered) for b in ordered[i:])


def hodges_lehmann(values: Sequence[float], level: float = 0.95) -> Interval:
    """The median of the Walsh averages with the interval that inverts the signed-rank test.

    With too few values for the level (2^n < 2/(1-level)) the interval is the whole line: nothing can be said.

    Raises:
        ValueError: no values.
    """
    if not values:
        msg = "an interval needs at least one value"
        raise ValueError(msg)
    averages = walsh_averages(values)
    estimate = statistics.median(averages)
    tail = (1 - level) / 2
    rank = _largest_rank(len(values), tail)
    if rank == 0:
        return Interval(estimate, -math.inf, math.inf, level, "signed-rank")
    return Interval(estimate, averages[rank - 1], averages[-rank], level, "signed-rank")


def _largest_rank(n: int, tail: float) -> int:
    """The largest k with P(T <= k - 1) <= tail; 0 when there is none."""
    low, high = 0, n * (n + 1) // 4
    while low < high:
        middle = (low + high + 1) // 2
        if signed_rank_cdf(n, middle - 1) <= tail:
            low = middle
        else:
            high = middle - 1
    return low


def signed_rank_p(values: Sequence[float]) -> float:
    """Two-sided p-value for "symmetric about zero": at most `a` exactly when the interval at level `1 - a` leaves zero out.

    So a tie with zero speaks against whichever side is the larger one.
    """
    n = len(values)
    if n == 0:
        return 1.0
    averages = walsh_averages(values)
    larger = max(sum(a > 0 for a in averages), sum(a < 0 for a in averages))
    return min(1.0, 2 * signed_rank_cdf(n, len(averages) - larger))


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's interval of the mean; the whole line for fewer than two values.

    Raises:
        ValueError: no values.
    """
    if not values:
        msg = "an interval needs at least one value"
        raise ValueError(msg)
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(mean, -math.inf, math.inf, level, "t")
    half = t_quantile(0.5 + level / 2, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half, level, "t")


def bootstrap_interval(
    values: Sequence[float],
    statistic: Callable[[Sequence[float]], float] = statistics.fmean,
    *,
    level: float = 0.95,
    rounds: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of any statistic of exchangeable values; the seed makes it repeatable.

    Raises:
        ValueError: no values.
    """
    if not values:
        msg = "an interval needs at least one value"
        raise ValueError(msg)
    draw = random.Random(seed)  # noqa: S311 - resampling, not secrets
    replicas = [statistic(draw.choices(values, k=len(values))) for _ in range(rounds)]
    tail = 50 * (1 - level)
    return Interval(statistic(values), percentile(replicas, tail), percentile(replicas, 100 - tail), level, "bootstrap")


def t_quantile(p: float, df: int) -> float:
    """The p-quantile of Student's t with df degrees of freedom (p in 0.5 to 1), by bisection of its CDF.

    Raises:
        ValueError: p or df out of range.
    """
    if not 0.5 <= p < 1 or df < 1:
        msg = f"p must lie in [0.5, 1) and df be positive, not {p} and {df}"
        raise ValueError(msg)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if t_cdf(middle, df) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def t_cdf(t: float, df: int) -> float:
    """P(T <= t) of Student's t, through the incomplete beta function."""
    tail = 0.5 * _incomplete_beta(df / (df + t * t), df / 2, 0.5)
    return 1 - tail if t >= 0 else tail


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function by its continued fraction (Lentz; Numerical Recipes 6.4)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1 - front * _beta_fraction(1 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300

    def away_from_zero(value: float) -> float:
        return tiny if abs(value) < tiny else value

    c, d = 1.0, 1 / away_from_zero(1 - (a + b) * x / (a + 1))
    h = d
    for m in range(1, 300):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / away_from_zero(1 + term * d)
            c = away_from_zero(1 + term / c)
            h *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return h
