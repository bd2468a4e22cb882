"""What a reader of the machine gives to the sampling loop, whichever way it reads."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from monitor.wire import HostInfo, HostReading, RunColumns, RunInfo


@dataclass(frozen=True, slots=True)
class Sweep:
    """All processes at one moment.

    `born` holds runs seen for the first time and runs whose description changed; `gone` runs that are no longer
    there; `by_pid` maps each living pid to its run.
    """

    columns: RunColumns
    count: int
    born: list[RunInfo]
    gone: list[int]
    by_pid: Mapping[int, int]


class Reader(Protocol):
    """Reads one machine. Called from one thread; never blocks on anything but the kernel's own tables."""

    name: str
    info: HostInfo
    errors: Counter[str]
    """Readings that failed, by reason, since the reader was made."""

    def read_host(self, mono_ns: int) -> HostReading:
        """The machine as a whole; rates are since the last call, None on the first. `procs_total` is left to the caller."""
        ...

    def sweep(self, mono_ns: int) -> Sweep:
        """All processes; rates are since the last call, NaN for a process seen for the first time and older than that."""
        ...

    def close(self) -> None:
        """Give back what is held open; idempotent."""
        ...
