"""Runs readings that may hang (a dead network mount, a sensor behind a slow bus) in threads."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from monitor.sampling.core.priority import be_ordinary

T = TypeVar("T")


class Background(Generic[T]):
    """Runs a reading regularly in a thread. The caller only collects finished results.

    While a reading hangs no other is begun, so one hanging thing holds one thread.

    Args:
        read: the reading. Its OSError is kept in `error`.
        every_s: time between two beginnings.
        clock: seconds, monotonic.
    """

    def __init__(
        self, read: Callable[[], T], every_s: float, *, clock: Callable[[], float] = time.monotonic, name: str = "slow"
    ) -> None:
        self._read = read
        self._every_s = every_s
        self._clock = clock
        self._name = name
        self._due = clock()
        self._began = 0.0
        self._running = False
        self._lock = threading.Lock()
        self._result: T | None = None
        self.error: OSError | None = None

    def poll(self) -> T | None:
        """A result that is new since the last poll, else None. Starts the next reading when it is due."""
        now = self._clock()
        with self._lock:
            result, self._result = self._result, None
            begin = not self._running and now >= self._due
            if begin:
                self._running, self._began = True, now
                self._due = now + self._every_s
        if begin:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        return result

    @property
    def pending(self) -> bool:
        """Whether a reading is running, or finished and not collected."""
        with self._lock:
            return self._running or self._result is not None

    def hangs_for_s(self) -> float:
        """How long the current reading has been running; 0 without one."""
        with self._lock:
            return self._clock() - self._began if self._running else 0.0

    def _run(self) -> None:
        be_ordinary()
        result: T | None = None
        error: OSError | None = None
        try:
            result = self._read()
        except OSError as failure:
            error = failure
        finally:
            with self._lock:
                self._result, self.error, self._running = result, error, False
