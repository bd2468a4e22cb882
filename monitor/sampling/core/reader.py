"""The interface between the sampling loop and the readers of the machine."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from monitor.metrics.catalogue import HostReading, RunColumns
from monitor.metrics.messages import HostInfo, RunInfo


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `mono_ns` and `status` (as `wait` gives it) are None where nobody could tell.

    `out_of_memory`: whether the kernel killed it to free memory; then `memory_group` is the control group whose limit `memory_limit` (bytes) was reached, empty
    for the machine, None if that is not known. `cpu_limit_s` is the CPU time that it was allowed, if the kernel killed it because it had used that. What it used in its life is None where nobody could tell: `cpu_s` seconds, the rest bytes.
    `parent` is the pid of its parent at that moment, 0 if unknown.
    """

    run: int
    mono_ns: int | None
    status: int | None
    source: str
    out_of_memory: bool = False
    memory_group: str | None = None
    memory_limit: int | None = None
    cpu_s: float | None = None
    peak_rss: int | None = None
    read_bytes: int | None = None
    write_bytes: int | None = None
    cpu_limit_s: int | None = None
    parent: int = 0


@dataclass(frozen=True, slots=True)
class Sweep:
    """All processes at one moment.

    `born` holds runs seen for the first time and runs whose description changed; `gone` runs that are no longer
    there; `by_pid` maps each living pid to its run. `brief` are runs that began and ended since the last sweep; `ends`
    tells how they and those that are gone ended, as far as somebody told. `short_cpu_s` is the CPU time of all processes that no sweep
    saw, seconds since the last one; None if nobody tells.
    """

    columns: RunColumns
    count: int
    born: list[RunInfo]
    gone: list[int]
    by_pid: Mapping[int, int]
    brief: list[RunInfo] = field(default_factory=list)
    ends: list[Ending] = field(default_factory=list)
    short_cpu_s: float | None = None


@dataclass(frozen=True, slots=True)
class Soon:
    """What ended since the last sweep, told before the next: as in `Sweep`. `born` are runs that ended and whose program is known only now, and
    such as the sweep that goes on found and had not told of yet.

    `more` says whether some that ended are about to be gone, so that asking once more soon is worth it.
    """

    born: list[RunInfo]
    gone: list[int]
    brief: list[RunInfo]
    ends: list[Ending]
    more: bool


def nothing_waits() -> None:
    """A sweep that nobody waits for gives way to nothing."""


class Reader(Protocol):
    """Reads one machine. Called from one thread; blocks only on the kernel's own tables."""

    name: str
    exits: str
    """Who tells how processes end: `connector`, `pidfd` or `poll`."""
    usage: str
    """Who tells what they used in their lives: `taskstats`, or `sweep` (what was read of them last)."""
    info: HostInfo
    errors: Counter[str]
    """Failed readings by reason, since the reader was created."""

    def read_host(self, mono_ns: int) -> HostReading:
        """The machine as a whole; rates are since the last call, None on the first. `procs_total` is left to the caller."""
        ...

    def sweep(self, mono_ns: int, give_way: Callable[[], None] = nothing_waits, /) -> Sweep:
        """All processes; rates are since the last call, NaN for a process seen for the first time and older than that.

        `give_way` is called now and then meanwhile, where `ended` may be: what that tells, the sweep does not tell again.
        """
        ...

    def listen(self, on_end: Callable[[], None]) -> None:
        """Have this called, from any thread, when a process has ended. Where nobody tells of ends, it never is."""
        ...

    def ended(self) -> Soon | None:
        """What ended since the last sweep or call; None if nobody tells of ends. What is told here, no sweep tells again."""
        ...

    def close(self) -> None:
        """Close what is open; idempotent."""
        ...
