"""Whether a report contradicts itself: an engine that generates faster must also be done sooner.

A rate can be wrong without a sign of it, because a server or a proxy holds tokens back. The time of whole answers cannot. So a
verdict on generation is held against the ratio of the total times: where less than half of the gain that it promises
arrives there, no winner is named.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Final

from ai.shapes.report import RatioInterval, SampleRow
from ai.statistics.sequential import Verdict

_TOO_LITTLE: Final = math.log(1.03)
"""A change of the total time that is smaller cannot be told from none."""


def contradiction(
    verdict: Verdict, others: Sequence[RatioInterval], samples: Sequence[SampleRow], name: str, against: str
) -> str:
    """What contradicts a verdict on the speed of generation, in a sentence; empty when nothing does.

    Args:
        verdict: on generation.
        others: ratios of the same pairs by the other measures.
        samples: all measurements.
        name: the candidate.
        against: the reference.
    """
    total = next((o for o in others if o.measure == "total" and o.low is not None and o.high is not None), None)
    ratio, part = verdict.interval.estimate, _generating(samples, against)
    if verdict.kind == "not shown" or total is None or part is None or ratio <= 0:
        return ""
    expected = -math.log((1 - part) + part / ratio)  # the log ratio of total times if nothing else changed
    low, high = math.log(max(total.low or 0.0, 1e-9)), math.log(max(total.high or 0.0, 1e-9))
    if abs(expected) < _TOO_LITTLE or not (high < expected / 2 if expected > 0 else low > expected / 2):
        return ""
    return (
        f"Generating, {name} seems to have {ratio:.2f}× the speed of {against}, but by the time of whole answers it has "
        f"{total.estimate:.2f}× (95 % between {total.low or 0:.2f} and {total.high or 0:.2f}), where {math.exp(expected):.2f}× would follow. "
        "The two contradict each other: its tokens may be held back on their way, or its prompt takes longer to read. No winner is named."
    )  # fmt: skip


def _generating(samples: Sequence[SampleRow], name: str) -> float | None:
    """The part of its total time in which an engine generates, by its own rate."""
    parts = [
        min(s.completion_tokens / s.rate / s.total_s, 1.0)
        for s in samples
        if s.backend == name and s.paired and s.rate and s.total_s and s.completion_tokens
    ]
    return statistics.median(parts) if parts else None
