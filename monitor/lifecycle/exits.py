"""What is known of an exit, and what a source of exits can do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Program:
    """A process as it was when it began its program: `stat`, `cmdline`, `cgroup` and `cwd` of `/proc`, empty if it ended before they were read.

    `began_ns` is that moment (monotonic), or that of its end if it never began one of its own; `uid` is -1 if unknown; `member` as in `monitor.core.member`.
    """

    began_ns: int
    stat: bytes = b""
    cmdline: bytes = b""
    uid: int = -1
    cgroup: bytes = b""
    cwd: bytes = b""
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of a process.

    Attributes:
        pid: its number.
        mono_ns: when, on the monotonic clock.
        status: as `wait` gives it; None if only the time is known.
        program: what it ran, of a process whose start was seen.
        parent: the pid of its parent then; 0 if unknown.
    """

    pid: int
    mono_ns: int
    status: int | None
    program: Program | None = None
    parent: int = 0


class ExitSource(Protocol):
    """Tells exits. Safe to use while its own thread reads."""

    name: str
    lost: int
    """How often the kernel had to drop exits because they were not read in time."""
    on_exit: Callable[[], None]
    """Called from its thread at the first exit after a `drain`."""

    @property
    def pending(self) -> bool:
        """Whether processes have just ended whose exit is told once their parents have asked for it."""
        ...

    def watch(self, pid: int) -> None:
        """A process was found that should be watched."""
        ...

    def drain(self) -> list[Exit]:
        """All exits since the last call, in order. The end of a process that `/proc` no longer shows is among them, or about to be."""
        ...

    def close(self) -> None:
        """Stop watching; idempotent."""
        ...


def nobody_listens() -> None:
    """The `on_exit` of a source until somebody gives it another."""


def decode(status: int | None) -> tuple[int | None, int | None]:
    """A wait status as exit code and signal; exactly one of them is known, or none of an unknown status."""
    if status is None:
        return None, None
    number = status & 0x7F
    return (None, number) if number else ((status >> 8) & 0xFF, None)
