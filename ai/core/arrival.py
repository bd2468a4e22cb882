"""How the text of an answer arrived, and how many of its tokens came with the first bunch.

Servers send several tokens in an event, and proxies hold events back: what arrives together says nothing of how fast it was
made. A rate therefore counts the tokens that arrived after the first bunch, over the time since that bunch.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

LEAST_BUNCHES: Final = 4
"""Fewer arrivals than this are a stream that was held back: it has no rate."""
_TOGETHER_NS: Final = 300_000
"""Pieces that arrive within so many nanoseconds were sent together."""
_LATE: Final = 4
_LATE_NS: Final = 200_000_000
"""What comes so many times later than pieces came after each other, and so many nanoseconds, is no part of the answer's pace."""
_PACE: Final = 8
"""Gaps between pieces that tell a pace."""
_ONE_EACH: Final = 0.85
"""From so many pieces a token on, each piece is one token; the rest is the end token, or half a character."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The pieces of one answer.

    Attributes:
        pieces: chunks with text.
        bunches: times at which something arrived.
        first_pieces: chunks of the first bunch.
        first_share: the part of the text (0 to 1) that was in it.
        first_s: how long it took to arrive, seconds.
        first_tokens: the server's own count at its end, where it keeps one in each event.
    """

    pieces: int
    bunches: int
    first_pieces: int
    first_share: float
    first_s: float = 0.0
    first_tokens: float | None = None

    def held_back(self, tokens: float) -> bool:
        """Whether an answer of so many tokens came in so few bunches that they tell no rate."""
        return self.bunches < LEAST_BUNCHES and self.bunches < tokens / 2

    def later_tokens(self, tokens: float) -> float:
        """How many of all tokens arrived after the first bunch."""
        if self.first_tokens is not None:
            return tokens - self.first_tokens
        if self.pieces >= min(_ONE_EACH * tokens, tokens - 1.5):
            return tokens - self.first_pieces
        return tokens - max(self.first_share * tokens, self.first_pieces)


@dataclass(frozen=True, slots=True)
class _Piece:
    at_ns: int
    characters: int
    counted: float | None


class Arrivals:
    """Takes the pieces of one answer as they arrive."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []

    def add(self, at_ns: int, characters: int, counted: float | None) -> None:
        """A piece: when it arrived, characters of its text, and the tokens so far where the server counts in each event."""
        self._pieces.append(_Piece(at_ns, characters, counted))

    def is_late(self, at_ns: int) -> bool:
        """Whether something comes much later than all pieces came after each other."""
        gaps = [after.at_ns - before.at_ns for before, after in pairwise(self._pieces)]
        return len(gaps) >= _PACE and at_ns - self._pieces[-1].at_ns > max(_LATE * max(gaps), _LATE_NS)

    def summary(self) -> Arrival | None:
        """How they arrived; None when nothing did."""
        pieces = self._pieces
        if not pieces:
            return None
        gaps = [after.at_ns - before.at_ns for before, after in pairwise(pieces)]
        apart = max(_TOGETHER_NS, (pieces[-1].at_ns - pieces[0].at_ns) / (4 * max(len(gaps), 1)))
        ends = [at for at, gap in enumerate(gaps) if gap > apart]
        first = pieces[: ends[0] + 1] if ends else pieces
        written = sum(piece.characters for piece in pieces)
        share = sum(piece.characters for piece in first) / written if written else len(first) / len(pieces)
        counts = all(piece.counted is not None for piece in first) and pieces[-1].counted != first[-1].counted
        took = (first[-1].at_ns - first[0].at_ns) / 1e9
        return Arrival(len(pieces), len(ends) + 1, len(first), share, took, first[-1].counted if counts else None)
