"""Guessing passwords gets slower: each further failure of the same address, person, or pair doubles the wait."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

LONGEST_S: Final = 300.0
FORGET_S: Final = 900.0
MOST_KEYS: Final = 10_000
FREE: Final = {"pair": 3, "user": 20, "address": 20}
"""The failure from which on one waits. The pair is what a guesser repeats; the others stop many addresses or many names, without
letting a stranger lock a person out by three wrong passwords."""
_DOUBLINGS: Final = 30
"""More than it takes to the longest wait; a power of thousands would be no number any more."""


class Throttle:
    """Remembers failures, boundedly.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()

    def wait_s(self, address: str, user: str) -> float:
        """How long this address must still wait before it may try this name, seconds; 0 when it may."""
        return max(self._wait_s(key) for key in _keys(address, user))

    def failed(self, address: str, user: str) -> None:
        """A wrong password."""
        now = self._clock()
        for key in _keys(address, user):
            count, when = self._failures.pop(key, (0, now))
            self._failures[key] = (1 if now - when > FORGET_S else count + 1, now)
        while len(self._failures) > MOST_KEYS:
            self._failures.popitem(last=False)

    def succeeded(self, address: str, user: str) -> None:
        """A right password: the pair begins anew; the counts of address and name fade by time alone."""
        self._failures.pop(("pair", address, user), None)

    def _wait_s(self, key: tuple[str, ...]) -> float:
        count, when = self._failures.get(key, (0, 0.0))
        beyond = count - FREE[key[0]]
        if beyond < 0:
            return 0.0
        return max(0.0, when + min(LONGEST_S, 2.0 ** min(beyond, _DOUBLINGS)) - self._clock())


def _keys(address: str, user: str) -> tuple[tuple[str, ...], ...]:
    return (("pair", address, user), ("user", user), ("address", address))
