"""How often a worker may be started: quickly after one crash, ever slower in a row of them, and not at all in a storm."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """At most `failures` within `window_s`; from the second one in a row on, the n-th waits `first_wait_s · 2^(n-2)`, at most `longest_wait_s`.

    A worker that was asked to end (another model, a benchmark that loads its engines in turn) has not failed.
    """

    failures: int = 10
    window_s: float = 300.0
    first_wait_s: float = 0.1
    longest_wait_s: float = 30.0


class RestartBudget:
    """Keeps the policy. The first start, and the first after a crash, never wait."""

    def __init__(self, policy: RestartPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._failed: deque[float] = deque()
        self._in_a_row = 0

    def wait_s(self) -> float:
        """Seconds until a start is allowed; 0 when it is now."""
        now = self._clock()
        while self._failed and now - self._failed[0] >= self._policy.window_s:
            self._failed.popleft()
        full = self._failed[0] + self._policy.window_s - now if len(self._failed) >= self._policy.failures else 0.0
        if self._in_a_row < 2 or not self._failed:
            return full
        pause = min(self._policy.first_wait_s * 2.0 ** min(self._in_a_row - 2, 30), self._policy.longest_wait_s)
        return max(full, self._failed[-1] + pause - now, 0.0)

    def failed(self) -> None:
        """A worker ended without being asked to."""
        self._in_a_row += 1
        self._failed.append(self._clock())

    def served(self) -> None:
        """It answered: the row of failures is over."""
        self._in_a_row = 0
