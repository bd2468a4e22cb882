"""How often a worker may be started: quickly after one crash, ever slower in a row of them, and not at all in a storm."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """At most `starts` starts within `window_s`; from the second failure in a row on, the n-th waits `first_wait_s · 2^(n-2)`, at most `longest_wait_s`."""

    starts: int = 10
    window_s: float = 300.0
    first_wait_s: float = 0.1
    longest_wait_s: float = 30.0


class RestartBudget:
    """Keeps the policy. The first start, and the first after a crash, never wait."""

    def __init__(self, policy: RestartPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._starts: deque[float] = deque()
        self._failures = 0
        self._failed_at = 0.0

    def wait_s(self) -> float:
        """Seconds until a start is allowed; 0 when it is now."""
        now = self._clock()
        while self._starts and now - self._starts[0] >= self._policy.window_s:
            self._starts.popleft()
        full = self._starts[0] + self._policy.window_s - now if len(self._starts) >= self._policy.starts else 0.0
        if self._failures < 2:
            return full
        pause = min(self._policy.first_wait_s * 2.0 ** min(self._failures - 2, 30), self._policy.longest_wait_s)
        return max(full, self._failed_at + pause - now, 0.0)

    def started(self) -> None:
        """A worker was started."""
        self._starts.append(self._clock())

    def failed(self) -> None:
        """It ended without being asked to."""
        self._failures += 1
        self._failed_at = self._clock()

    def served(self) -> None:
        """It answered: the row of failures is over."""
        self._failures = 0
