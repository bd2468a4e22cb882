"""The columns of `RunColumns`: one row per process, kept from sweep to sweep.

A row stays where it is while its process lives, so a process that did nothing since the last sweep costs no
writing at all. When a process ends, the last row takes its place.
"""

from array import array
from typing import Any, Final

from monitor.metrics.catalogue import RUN_COLUMNS, RunColumns

NAN: Final = float("nan")
_FLOATS: Final = frozenset(name for name, code in RUN_COLUMNS.items() if code in "fd")


class Columns:
    """One `array` per column of `RUN_COLUMNS`; all of equal length.

    Attributes are the arrays themselves, so that the sweep can bind those it writes to local names.
    """

    def __init__(self) -> None:
        self.arrays: Final[dict[str, array[Any]]] = {name: array(code) for name, code in RUN_COLUMNS.items()}
        self._blanks: Final = tuple((column, NAN if name in _FLOATS else -1) for name, column in self.arrays.items())

    def __len__(self) -> int:
        return len(self.arrays["run"])

    def append(self) -> int:
        """Add a row in which nothing is available; returns its index."""
        for column, blank in self._blanks:
            column.append(blank)
        return len(self) - 1

    def remove(self, index: int) -> None:
        """Drop a row; the last row takes its index."""
        for column, _ in self._blanks:
            last = column.pop()
            if index < len(column):
                column[index] = last

    def pack(self) -> RunColumns:
        """The rows as buffers to be sent."""
        return RunColumns(**{name: column.tobytes() for name, column in self.arrays.items()})
