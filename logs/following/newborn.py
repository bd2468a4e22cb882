"""Processes that began a moment ago, found without a look at all the others."""

import os
from collections.abc import Iterable
from typing import Final

_MOST: Final = 256
"""Up to so many new numbers are tried one by one; of more, the whole list is read."""
_AT_ONCE: Final = 64
_TRIES: Final = 3
_NUMBERS: Final = 1 << 22
"""There are no more pids than these."""


class NewPids:
    """Knows which processes began since all were listed.

    Args:
        proc: where the kernel's process files are.
    """

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._last = self._newest()
        self._known: set[int] = set()
        self._young: set[int] = set()
        self._absent: dict[int, int] = {}
        """Numbers that were given and lead to nobody yet, and how often they were tried: a process is listed a moment after it has its number."""

    def mark(self) -> None:
        """All processes are about to be listed."""
        self._last = self._newest()

    def forget(self, pids: Iterable[int]) -> None:
        """These are all processes that there are; they are not new any more."""
        self._known = set(pids)
        self._young.clear()

    def young(self) -> list[int]:
        """Those that began since and are still there, the newest first; in a storm the newest alone."""
        newest = self._newest()
        if newest != self._last:
            between = range(self._last + 1, newest + 1)
            if 0 < len(between) <= _MOST:
                self._absent.update(dict.fromkeys(between, 0))
            else:  # many, or the numbers began anew
                self._young.update(pid for pid in self._all() if pid not in self._known)
            self._last = newest
        self._try_absent()
        self._young = {pid for pid in self._young if os.path.exists(f"{self._proc}/{pid}")}
        return sorted(self._young, key=lambda pid: (newest - pid) % _NUMBERS)[:_AT_ONCE]

    def _newest(self) -> int:
        """The number that was given last, to a process or to a thread; 0 where the kernel does not say."""
        try:
            with open(f"{self._proc}/loadavg", "rb") as file:
                return int(file.read(128).split()[4])
        except (OSError, ValueError, IndexError):
            return 0

    def _try_absent(self) -> None:
        absent, self._absent = self._absent, {}
        for pid, tries in absent.items():
            is_process = self._is_process(pid)
            if is_process:
                self._young.add(pid)
            elif is_process is None and tries < _TRIES:
                self._absent[pid] = tries + 1

    def _is_process(self, pid: int) -> bool | None:
        """Whether it is no thread of another: those have a folder, too, but no list has it. None if there is nobody."""
        try:
            with open(f"{self._proc}/{pid}/status", "rb") as file:
                return f"\nTgid:\t{pid}\n".encode() in file.read(512)
        except OSError:
            return None

    def _all(self) -> list[int]:
        try:
            return [int(name) for name in os.listdir(self._proc) if name.isdecimal()]
        except OSError:
            return []
