"""The word that nobody waits for an answer any more."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stop:
    """Said once, from any thread, that nobody waits for an answer any more."""

    def __init__(self) -> None:
        self._said = threading.Event()
        self._lock = threading.Lock()
        self._actions: list[Callable[[], None]] = []

    @property
    def said(self) -> bool:
        """Whether it was said."""
        return self._said.is_set()

    def say(self) -> None:
        """End what runs and what begins later. May be said again: an engine forgets it when it comes just before a query begins."""
        self._said.set()
        with self._lock:
            for action in self._actions:
                action()

    @contextmanager
    def ends(self, action: Callable[[], None]) -> Iterator[None]:
        """While in here, `say` does this too."""
        with self._lock:
            self._actions.append(action)
        try:
            yield
        finally:
            with self._lock:
                self._actions.remove(action)
