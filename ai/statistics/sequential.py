"""When to stop measuring, and what may then be said.

Looking again and again at growing data makes false winners unless the looks share the error. Here each look k has
its own error a_k, fixed before the first measurement, with a_1 + a_2 + … <= alpha; by the union bound the chance of
any false verdict is at most alpha however the looks depend on each other. The shares follow Lan and DeMets'
Pocock-like spending function alpha * ln(1 + (e - 1) * t), t = the part of the planned blocks that is done. When time
runs out early, the last look may use all error not yet spent: how long a block takes does not depend on which of the
two orders was drawn, so the stop carries no information about the sign of the difference.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from ai.statistics.intervals import Interval, hodges_lehmann, signed_rank_p

VerdictKind = Literal["faster", "slower", "not shown"]
MIN_BLOCKS: Final = 8
"""With fewer blocks than this no share of the error is large enough for a signed-rank verdict."""


@dataclass(frozen=True, slots=True)
class Look:
    """One permitted look: after `blocks` blocks, with error `alpha` for this look alone."""

    blocks: int
    alpha: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison shows. Ratios are of speed: above 1, the candidate is faster than the reference.

    `interval` holds with `confidence` over the whole sequence of looks.
    """

    kind: VerdictKind
    interval: Interval
    confidence: float
    p_value: float
    blocks: int
    equivalent: bool
    """The whole interval lies within the margin: no difference that matters."""
    margin: float = 0.05
    """What a difference has to exceed to matter: 0.05 = 5 %."""

    def sentence(self, candidate: str, reference: str) -> str:
        """The verdict in words, with its interval."""
        pct = round(self.confidence * 100)
        if self.kind == "not shown":
            bounds = "no interval yet" if math.isinf(self.interval.high) else self._bounds(pct)
            if self.equivalent:
                return f"{candidate} and {reference} are equally fast here ({bounds})."
            if not self.interval.low <= 1 <= self.interval.high:
                return self._unsure(candidate, reference, bounds)
            return f"No difference in speed between {candidate} and {reference} is shown ({bounds})."
        if self.kind == "faster":
            return f"{candidate} is {self.interval.estimate:.2f}× as fast as {reference} here ({self._bounds(pct)})."
        return (
            f"{candidate} is slower than {reference} here: {self.interval.estimate:.2f}× its speed "
            f"({self._bounds(pct)})."
        )

    def _unsure(self, candidate: str, reference: str, bounds: str) -> str:
        """A difference is sure; that it matters is not."""
        estimate = self.interval.estimate
        if 1 / (1 + self.margin) <= estimate <= 1 + self.margin:
            return f"{candidate} and {reference} differ too little here to name a winner ({bounds})."
        return (
            f"No winner is named: {candidate} seems to have {estimate:.2f}× the speed of {reference} here, but the difference may be "
            f"less than {self.margin * 100:.0f} % ({bounds})."
        )

    def _bounds(self, pct: int) -> str:
        return f"{pct} % between {self.interval.low:.2f} and {self.interval.high:.2f}"


@dataclass(frozen=True, slots=True)
class SequentialPlan:
    """The looks of one benchmark.

    Args:
        max_blocks: how many blocks there may be.
        alpha: chance of any false verdict.
        margin: ratios between 1/(1+margin) and 1+margin do not matter in practice. A winner's whole interval lies beyond.
        precision: a verdict is only final when the interval's half-width in log ratio is at most this; 0.0 ends at
            the first clear verdict (the interval is then wide).
    """

    max_blocks: int = 40
    alpha: float = 0.05
    margin: float = 0.05
    precision: float = 0.0
    looks: tuple[Look, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "looks", tuple(_looks(max(self.max_blocks, MIN_BLOCKS), self.alpha)))

    def look_at(self, blocks: int) -> Look | None:
        """The look due after `blocks` blocks, if any."""
        return next((look for look in self.looks if look.blocks == blocks), None)

    def last_look(self, blocks: int, taken: Sequence[Look] | None = None) -> Look:
        """The look to end with after `blocks` blocks: all error that earlier looks have not spent.

        Args:
            blocks: so many are done.
            taken: the looks that could have shown something (`could_show`); None for all before `blocks`.
        """
        before = taken if taken is not None else [look for look in self.looks if look.blocks < blocks]
        return Look(blocks, self.alpha - sum(look.alpha for look in before))

    def decide(self, values: Sequence[float], look: Look, *, comparisons: int = 1) -> Verdict:
        """The verdict on one candidate's log ratios at a look; `comparisons` shares the error (Bonferroni)."""
        return decide(values, look.alpha / comparisons, self)


def _looks(max_blocks: int, alpha: float) -> list[Look]:
    sizes: list[int] = []
    size = MIN_BLOCKS
    while size < max_blocks:
        sizes.append(size)
        size = max(size + 2, math.ceil(size * 1.25))
    sizes.append(max_blocks)
    looks, spent = [], 0.0
    for blocks in sizes:
        cumulative = alpha * math.log1p((math.e - 1) * blocks / max_blocks)
        looks.append(Look(blocks, cumulative - spent))
        spent = cumulative
    return looks


def decide(values: Sequence[float], alpha: float, plan: SequentialPlan) -> Verdict:
    """A verdict at error `alpha` on log ratios of speed; with no values, "not shown"."""
    confidence = 1 - plan.alpha
    if not values:
        nothing = Interval(1.0, 0.0, math.inf, 1 - alpha, "signed-rank")
        return Verdict("not shown", nothing, confidence, 1.0, 0, equivalent=False, margin=plan.margin)
    interval = hodges_lehmann(values, 1 - alpha)
    bound = math.log1p(plan.margin)
    equivalent = -bound < interval.low and interval.high < bound
    kind: VerdictKind = "not shown"
    if interval.low > bound:
        kind = "faster"
    elif interval.high < -bound:
        kind = "slower"
    p_value = signed_rank_p(values)
    return Verdict(kind, interval.exp(), confidence, p_value, len(values), equivalent, plan.margin)


def decide_many(values: Mapping[str, Sequence[float]], look: Look, plan: SequentialPlan) -> dict[str, Verdict]:
    """Verdicts on several candidates against one reference, by Holm's step-down within the look's error.

    The smallest p-value is held against alpha/m, the next against alpha/(m-1), … and after the first that shows
    nothing all others show nothing: they are held against the error of that step, which their p-values pass too. Each interval is drawn at the
    error of its own step, so that it agrees.
    """
    order = sorted(values, key=lambda name: signed_rank_p(values[name]))
    verdicts: dict[str, Verdict] = {}
    stopped_at: float | None = None
    for step, name in enumerate(order):
        alpha = stopped_at if stopped_at is not None else look.alpha / (len(order) - step)
        verdict = decide(values[name], alpha, plan)
        if verdict.interval.low <= 1 <= verdict.interval.high and stopped_at is None:
            stopped_at = alpha
        verdicts[name] = verdict
    return {name: verdicts[name] for name in values}


def could_show(values: Mapping[str, Sequence[float]], look: Look) -> bool:
    """Whether any result of so many pairs would have been a verdict at a look.

    The smallest p-value of n pairs is 2/2^n. Where measurements were left out a look may have too few of them: it makes no false verdict, and spends no error.
    """
    return any(2.0 ** (1 - len(pairs)) <= look.alpha / len(values) for pairs in values.values())


def settled(verdict: Verdict, plan: SequentialPlan) -> bool:
    """Whether measuring on would not change what is said."""
    if verdict.equivalent:
        return True
    if verdict.kind == "not shown":
        return False
    width = math.log(verdict.interval.high / verdict.interval.low) / 2 if verdict.interval.low > 0 else math.inf
    return plan.precision <= 0 or width <= plan.precision
