"""A circuit breaker: a backend that fails is left alone, and tried again by one probe a cool-down.

closed ── enough failures ──▶ open ── cool-down over ──▶ half-open (one probe)
   ▲                           ▲                            │
   └────────── probe ok ───────┼────────────────────────────┤
                               └─────── probe fails ────────┘   (the cool-down doubles, to a limit)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ai.core.errors import BackendError, BackendLoading, BackendOverloaded

BreakerState = Literal["closed", "open", "half-open", "busy"]
"""`busy`: it is left alone because its queue was full, which is no fault of its own and soon over."""


def _weights() -> Mapping[str, float]:
    return {"BackendOverloaded": 0.5, "StreamCut": 0.5, "BadOutput": 0.34}


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When it opens and for how long. Failures weigh 1 unless `weights` says otherwise by error class; at 1 it opens.

    A success takes all weight away. Errors that are no outage never count. An engine that says how long it wants to be left alone
    (`retry_after_s`) is left alone for so long at least, whatever the weight.
    """

    cool_down_s: float = 15.0
    busy_s: float = 2.0
    """Instead of `cool_down_s` where its queue was full."""
    longest_s: float = 240.0
    weights: Mapping[str, float] = field(default_factory=_weights)


class CircuitBreaker:
    """The breaker of one backend. `clock` gives seconds, monotonic."""

    def __init__(self, policy: BreakerPolicy, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._weight = 0.0
        self._opened: float | None = None
        self._cool_down = policy.cool_down_s
        self._probing = False
        self._busy = False
        self.probes = 0
        self.reason = ""

    @property
    def state(self) -> BreakerState:
        """Now."""
        if self._opened is None:
            return "closed"
        if self._busy:
            return "busy"
        return "half-open" if self._probing or self.probe_due() else "open"

    @property
    def probing(self) -> bool:
        """Whether a probe is under way."""
        return self._probing

    def allows(self) -> bool:
        """Whether ordinary requests may go to the backend."""
        return self._opened is None

    def probe_due(self) -> bool:
        """Whether a probe may be sent now."""
        return self._opened is not None and not self._probing and self._clock() - self._opened >= self._cool_down

    def retry_in_s(self) -> float:
        """Seconds until a probe may be sent; 0 when closed or due."""
        return 0.0 if self._opened is None else max(0.0, self._opened + self._cool_down - self._clock())

    def begin_probe(self) -> bool:
        """Take the one probe of this cool-down; False when it is not due or taken."""
        if not self.probe_due():
            return False
        self._probing = True
        self.probes += 1
        return True

    def succeeded(self) -> None:
        """A request or a probe was answered."""
        self._weight = 0.0
        self._opened = None
        self._probing = self._busy = False
        self.reason = ""

    def failed(self, error: BackendError) -> None:
        """A request or a probe failed; only an outage counts, and a probe that is refused shows a living engine."""
        if not error.outage:
            if self._probing:
                self.succeeded()  # it answers, if only to refuse
            return
        self.reason = error.message
        wanted = error.retry_after_s or 0.0  # the engine's own word is a floor
        self._busy = isinstance(error, BackendOverloaded)
        if self._probing:
            self._probing = False
            again = self._policy.cool_down_s if isinstance(error, BackendLoading) else 2 * self._cool_down
            longest = self._policy.cool_down_s if self._busy else self._policy.longest_s
            self._cool_down = max(min(again, longest), wanted)
            self._opened = self._clock()
            return
        if self._opened is not None:
            self._cool_down = max(self._cool_down, self._clock() - self._opened + wanted if wanted else 0.0)
            return
        self._weight += self._policy.weights.get(type(error).__name__, 1.0)
        if self._weight >= 1 or wanted:
            self._opened = self._clock()
            pause = self._policy.busy_s if self._busy else self._policy.cool_down_s
            self._cool_down = max(pause if self._weight >= 1 else 0.0, wanted)

    def abandon_probe(self) -> None:
        """The probe was not carried out; it counts as this cool-down's one."""
        if self._probing:
            self._probing = False
            self._opened = self._clock()
