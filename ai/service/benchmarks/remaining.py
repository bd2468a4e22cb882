"""How long what remains will take, by what was measured in this run: never a promise that the clock has already broken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

ALL_POSTINGS: Final = 64
"""About so many labelled postings there are."""
_POSTING_TOKENS: Final = 600
"""What an analysed posting costs in tokens, those of the prompt included at their lower price; used until a posting was answered."""
_SLOWEST: Final = 0.5
_ELSE: Final = 30.0


def overdue(expected_s: float, since_s: float) -> float:
    """Seconds left of what was expected to take `expected_s`, `since_s` after the last step.

    What takes longer than expected will go on for about as long as it is late already: the time left grows with the waiting, and never rests at a second.
    """
    return max(expected_s - since_s, since_s / 2, 0.0)


@dataclass(slots=True)
class QualityTime:
    """What the postings of the quality check take, for each back end.

    `rates` are tokens a second as the pairs measured them: one back end's time for a posting follows from another's by their ratio.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    now: str = ""
    first: str = ""
    spent_before: float = 0.0
    """Seconds that the back ends before this one took together."""
    _begun: float = 0.0
    _at: float = 0.0
    _taken: dict[str, list[float]] = field(default_factory=dict)

    def begin(self, backend: str, at: float) -> None:
        """A back end begins."""
        self.spent_before += self._at - self._begun
        self.now, self.first, self._begun, self._at = backend, self.first or backend, at, at

    def posting_done(self, backend: str, at: float) -> None:
        """It has answered one more."""
        self._taken.setdefault(backend, []).append(max(at - self._at, 1e-3))
        self._at = at

    def done(self, backend: str) -> int:
        """Postings it has answered."""
        return len(self._taken.get(backend, []))

    def posting_s(self, backend: str) -> float:
        """About what a posting takes: as measured, else by the ratio to one that was, else by its rate."""
        mine = self._taken.get(backend)
        if mine:
            return sum(mine) / len(mine)
        rate = max(self.rates.get(backend, 0.0), 0.0)
        for other, taken in self._taken.items():
            theirs = self.rates.get(other, 0.0)
            if rate and theirs:
                return sum(taken) / len(taken) * theirs / rate
        return _POSTING_TOKENS / max(rate, _SLOWEST) if rate else _ELSE

    def share_s(self, budget_s: float) -> float:
        """What the back end of now may take of the time: what is left of it, and half of it at least."""
        return max(budget_s - self.spent_before, budget_s / 2)

    def share_left_s(self, budget_s: float) -> float:
        """What is left of its share, at its last step."""
        return max(self.share_s(budget_s) - (self._at - self._begun), 0.0)

    def affordable(self, backends: Sequence[str], budget_s: float) -> int:
        """How many postings all back ends can answer within the time, at least one."""
        return max(1, int(budget_s / max(sum(self.posting_s(name) for name in backends), 1e-3)))

    def left_s(self, backends: Sequence[str], postings: int) -> float:
        """Seconds until each has answered so many, counted from the last one."""
        begun = self.now if self.now in backends else ""
        over = backends[: list(backends).index(begun)] if begun else []
        return sum(max(postings - self.done(name), 0) * self.posting_s(name) for name in backends if name not in over)
