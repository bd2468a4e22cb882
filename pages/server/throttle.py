"""Slows down password guessing: each further failure of an address, a name, or a pair of both doubles the wait."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

LONGEST_S: Final = 300.0
FORGET_S: Final = 900.0
MOST_KEYS: Final = 10_000
FREE: Final = {"pair": 3, "user": 20, "address": 20}
"""Failures before the first wait. A guesser repeats the pair. The higher limits stop guesses over many addresses or names, without
letting a stranger lock out a user with three wrong passwords."""
_DOUBLINGS: Final = 30
"""Enough to reach the longest wait; a much larger power would overflow."""


class Throttle:
    """Counts failures of a limited number of addresses and names.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many counts are kept."""
        return len(self._failures)

    def wait_s(self, address: str, user: str) -> float:
        """Seconds until this address may try this name again; 0 when it may now."""
        return max(self._wait_s(key) for key in _keys(address, user))

    def failed(self, address: str, user: str) -> None:
        """Record an attempt as failed. Call it before the password is checked, and `succeeded` if it is right."""
        now = self._clock()
        for key in _keys(address, user):
            count, when = self._failures.pop(key, (0, now))
            self._failures[key] = (1 if now - when > FORGET_S else count + 1, now)
        while len(self._failures) > MOST_KEYS:
            self._failures.popitem(last=False)

    def succeeded(self, address: str, user: str) -> None:
        """Record a correct password. It resets the pair, and takes this attempt back from the counts of address and name."""
        self._failures.pop(("pair", address, user), None)
        for key in _keys(address, user):
            count, when = self._failures.get(key, (0, 0.0))
            if count > 1:
                self._failures[key] = (count - 1, when)
            else:
                self._failures.pop(key, None)

    def _wait_s(self, key: tuple[str, ...]) -> float:
        count, when = self._failures.get(key, (0, 0.0))
        beyond = count - FREE[key[0]]
        if beyond < 0:
            return 0.0
        return max(0.0, when + min(LONGEST_S, 2.0 ** min(beyond, _DOUBLINGS)) - self._clock())


def _keys(address: str, user: str) -> tuple[tuple[str, ...], ...]:
    return (("pair", address, user), ("user", user), ("address", address))
