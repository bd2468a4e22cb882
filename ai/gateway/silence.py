"""How long an engine may be silent before the next one is asked beside it, by what it needed until now."""

from collections import deque
from typing import Final

from ai.gateway.routing import Target

_TIMES: Final = 3.0
_ALIKE: Final = 2
"""Requests are alike whose sizes differ by this factor at most, or that are both short."""
_KEPT: Final = 16
_MOST: Final = 256
"""Models of which something is kept."""
_SHORT: Final = 4000
_BYTES_A_SECOND: Final = 400.0
"""A prompt is read at a hundred tokens a second at least, until it is known better; a token has about four bytes."""


class Beginnings:
    """The first bytes of an engine's streams: how large the request was, and how long they took."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], deque[tuple[int, float]]] = {}

    def note(self, target: Target, size: int, took_s: float) -> None:
        """A stream began after so many seconds; `size` is that of its request, bytes."""
        place = _place(target)
        if place not in self._seen and len(self._seen) >= _MOST:
            del self._seen[next(iter(self._seen))]
        self._seen.setdefault(place, deque(maxlen=_KEPT)).append((size, took_s))

    def patience_s(self, target: Target, size: int, least_s: float) -> float:
        """Seconds that it may take for a request of so many bytes: three times what the slowest of its like took, but at most `least_s` more than that, and
        at least `least_s`.

        One that is longer than all that were seen is reckoned to take longer in proportion, one that is shorter no longer than they.
        """
        seen = self._seen.get(_place(target), ())
        like = [took_s for other, took_s in seen if max(other, size) <= max(_ALIKE * min(other, size), _SHORT)]
        shorter = [took_s * size / max(other, 1) for other, took_s in seen if other < size]
        longer = [took_s for other, took_s in seen if other > size]
        if like:
            return max(least_s, min(_TIMES * max(like), max(like) + least_s))
        if shorter:
            return max(least_s, _TIMES * max(shorter))
        by_length_s = least_s + max(size - _SHORT, 0) / _BYTES_A_SECOND
        return min(by_length_s, max(least_s, _TIMES * min(longer))) if longer else by_length_s


def _place(target: Target) -> tuple[str, str, str]:
    return target.engine.name, target.engine.address, target.model
