"""A real store that can be told to have no room, or to wait."""

import threading
from collections.abc import Sequence
from typing import Any

from monitor.core.errors import StoreError, StoreFull
from monitor.store.interface import Change, Store


class GatedStore:
    """Everything is the real store's, but: `full` refuses writes, `gate` holds them up, `silent` leaves questions without an answer."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.full = self.silent = False
        self.writes = 0
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def write(self, changes: Sequence[Change]) -> None:
        """One transaction once the gate is open, or no room."""
        self.entered.set()
        assert self.gate.wait(60), "the gate is opened"
        if self.full:
            raise StoreFull("The disk is full.", hint="Make some room.")
        self.store.write(changes)
        self.writes += 1

    def query(self, name: str, **params: Any) -> Any:
        """An answer, or none."""
        if self.silent:
            raise StoreError("The store cannot be asked.")
        return self.store.query(name, **params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)
