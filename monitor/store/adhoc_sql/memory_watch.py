"""Stops a query that uses too much memory. The engine's own limit does not cover scalar functions and lists."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psutil

LOOK_S: Final = 0.05


class MemoryWatch:
    """Watches the memory of this process.

    Args:
        most_bytes: how much it may grow while something is watched.
        taken: what the process holds now, bytes.
    """

    def __init__(self, most_bytes: int, taken: Callable[[], int] | None = None) -> None:
        self.most_bytes = most_bytes
        self._taken = taken if taken is not None else _resident
        self._passed = threading.Event()

    @property
    def passed(self) -> bool:
        """Whether the limit was exceeded."""
        return self._passed.is_set()

    @contextmanager
    def ends(self, action: Callable[[], None]) -> Iterator[None]:
        """Within this block, call `action` repeatedly while the limit is exceeded."""
        done, most = threading.Event(), self._taken() + self.most_bytes

        def look() -> None:
            while not done.wait(LOOK_S):
                if self._taken() > most:
                    self._passed.set()
                    action()

        thread = threading.Thread(target=look, name="memory-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _resident() -> int:
    memory: int = psutil.Process().memory_info().rss
    return memory
