"""Measures several things beside each other, so that what else the machine does touches all of them alike."""

import math
import statistics
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeVar

LEAST: Final = 3
"""Turns that a median needs."""
K = TypeVar("K", bound=Hashable)


def in_turn(
    candidates: Sequence[K],
    measure: Callable[[K], float],
    budget_s: float,
    *,
    longest_s: float | None = None,
    surely: int = 1,
    hopeless: float = math.inf,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[K, float]:
    """The seconds of each, measured in turn in changing order until the time is up.

    They are compared turn by turn with the first: the median of these ratios, times the median of the first. A single reading that something
    disturbed decides nothing, and what lasts touches both sides.

    Args:
        candidates: what is measured.
        measure: measures one; seconds.
        budget_s: the usual time.
        longest_s: the time that three turns may take; None: half as long again.
        surely: so many of the candidates are measured once at least.
        hopeless: what takes so many times as long as the best in two turns is not worth more of the time.
        clock: seconds.
    """
    longest_s = 1.5 * budget_s if longest_s is None else longest_s
    taken: dict[K, list[float]] = {one: [] for one in candidates}
    left, begun, turn = list(candidates), clock(), 0
    while True:
        for one in left if turn % 2 == 0 else left[::-1]:
            if clock() - begun < longest_s or (turn == 0 and one in candidates[:surely]):
                taken[one].append(measure(one))
        turn, spent = turn + 1, clock() - begun
        if spent >= longest_s or (turn >= LEAST and spent * (turn + 1) / turn > budget_s):
            break
        if turn == LEAST - 1:
            best = min(statistics.median(values) for values in taken.values() if values)
            left = [one for one in left if one == candidates[0] or statistics.median(taken[one]) < hopeless * best]
    first = taken[candidates[0]]
    usual = statistics.median(first)
    return {
        one: usual * statistics.median(value / beside for value, beside in zip(values, first, strict=False))
        for one, values in taken.items()
        if values
    }
