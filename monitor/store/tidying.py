"""When the store may do what it put off (`Store.tidy`)."""

from collections.abc import Callable
from typing import Final

from monitor.store.interface import Store

AFTER_BULK_S: Final = 1.0
"""How long after rows of old files: while they come, they go first."""
AFTER_FAILURE_S: Final = 60.0


class Tidying:
    """Lets the store tidy up for at most half of the time. The writer's thread uses it.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wanted = True
        self._not_before = 0.0

    @property
    def at(self) -> float:
        """When it is time; infinite if there is nothing to do."""
        return self._not_before if self._wanted else float("inf")

    def stored(self, *, bulk: bool) -> None:
        """Log records were stored; `bulk`: of old files."""
        self._wanted = True
        if bulk:
            self._not_before = max(self._not_before, self._clock() + AFTER_BULK_S)

    def run(self, store: Store) -> None:
        """Do a piece.

        Raises:
            StoreError: it could not be done; it is tried again after a while.
        """
        began = self._clock()
        self._not_before = began + AFTER_FAILURE_S
        self._wanted = store.tidy()
        ended = self._clock()
        self._not_before = ended + (ended - began)
