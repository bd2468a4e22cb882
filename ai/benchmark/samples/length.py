"""How long the answers of a benchmark must be, so that each engine's tell its rate."""

import math
from collections.abc import Sequence
from typing import Final

from ai.core.arrival import LEAST_BUNCHES
from ai.shapes.report import SampleRow

_FROM: Final = 8
"""Tokens of an answer that is meant to tell a rate; a shorter one is wanted short."""
_SPAN_S: Final = 0.15
"""What generating it should take."""
_LONGEST: Final = 256
_PATIENCE_S: Final = {"bunches": 3.0, "span": 1.0}
"""What the longer answers of the slowest engine may take: a slow contender must not cost the fast ones their pairs."""


def long_enough(samples: Sequence[SampleRow], tokens: int) -> int:
    """Tokens to ask for: as planned, or more where an engine sends several at a time or is very fast.

    A stream that came in one piece is held back; longer answers would not help it.

    Args:
        samples: the warm-up's measurements.
        tokens: the plan's.
    """
    known = [s for s in samples if s.completion_tokens and s.total_s and s.completion_tokens >= tokens]
    slowest = max(((s.total_s or 0.0) / (s.completion_tokens or 1) for s in known), default=0.0)
    wanted = tokens
    for sample in known:
        made, bunches = sample.completion_tokens or 0, sample.bunches or 1
        if made < _FROM:
            continue
        if 1 < bunches < LEAST_BUNCHES:
            wanted = max(wanted, _within(tokens * (LEAST_BUNCHES + 1) / bunches, "bunches", slowest))
        if sample.rate:
            wanted = max(wanted, _within(_SPAN_S * sample.rate, "span", slowest))
    return wanted


def _within(tokens: float, why: str, slowest_s: float) -> int:
    most = _PATIENCE_S[why] / slowest_s if slowest_s > 0 else 0.0
    return math.ceil(min(tokens, _LONGEST)) if tokens <= most else 0
