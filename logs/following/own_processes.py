"""Which processes are the watch itself, and which only keep what it prints: to follow their files would feed it with its own words."""

import os
import re
import stat
import time
from collections.abc import Iterable
from typing import Final

_COMMAND: Final = re.compile(
    rb"(?:^|/)watchkeeper\0|\0-m\0(?:monitor|logs\.worker|ai\.worker[\w.]*)\0|/monitor/services/shim/run\.py\0"
)
_STARTS_US: Final = re.compile(rb"\0(?:(?:[^\0]*/)?watchkeeper|-m\0monitor)\0")
"""A command whose words go on with ours, such as `uv run watchkeeper ps`: it has our output open and says nothing itself."""
_PRINTS_RECORDS: Final = re.compile(rb"\0logs\0")
_LAST_NS: Final = 3_000_000_000
"""What a command of ours writes in the moment between the last look at it and its end."""
_MOST_OUTPUTS: Final = 10_000
_LOOKS: Final = 3
"""A process may become another program soon after its birth: how many times one is looked at."""


class Ours:
    """Knows the watch's processes by their command lines.

    Args:
        proc: where the kernel's process files are.
    """

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._looks: dict[int, int] = {}
        self._printing: dict[int, bool] = {}
        """Process of the watch → whether it prints records (`watchkeeper logs tail`)."""
        self.pids: set[int] = set()
        """All processes whose files are not followed."""
        self.files: set[tuple[int, int]] = set()
        """Files (device, inode) into which records are printed."""
        self._outputs: dict[tuple[int, int], int] = {}
        """Files that commands of ours print into, and no other process that was seen; and when that was last so, ns."""

    def look(self, pids: Iterable[int], own: set[int], *, often: bool = False) -> None:
        """Look at all processes that there are now; `own` are known to be the watch's. `often`: soon after the last time, so a process is to be looked at again."""
        there = set(pids)
        self._know(there, often=often)
        self.pids = own | set(self._printing)
        self.files = set()
        for pid in self._printing:
            self.pids.update(self._wrappers(pid))
            self._note_outputs(pid)
        pipes: set[str] = set()
        for pid in [pid for pid, prints in self._printing.items() if prints]:
            for fd in ("1", "2"):
                target = self._target(pid, fd)
                if target.startswith("pipe:"):
                    pipes.add(target)
                elif target.startswith("/dev/pts/"):
                    self.pids.update(self._recorders(pid))
                elif target.startswith("/") and not target.startswith("/dev/"):
                    self._add_file(pid, fd)
        if pipes:
            self.pids.update(pid for pid in there if self._target(pid, "0") in pipes)

    def _know(self, there: set[int], *, often: bool) -> None:
        """Which of these processes are commands of the watch."""
        self._looks = {pid: looks for pid, looks in self._looks.items() if pid in there}
        self._printing = {pid: prints for pid, prints in self._printing.items() if pid in there}
        for pid in there:
            looks = self._looks.get(pid, 0)
            if looks < _LOOKS:
                self._looks[pid] = looks + (not often)
                command = self._command(pid)
                if _COMMAND.search(command):
                    self._printing[pid] = _PRINTS_RECORDS.search(command) is not None
                else:
                    self._printing.pop(pid, None)

    def may_change(self, pid: int) -> bool:
        """Whether it was not looked at often enough to know that it stays the program that it is."""
        return self._looks.get(pid, 0) < _LOOKS

    def is_one_now(self, pid: int) -> bool:
        """Whether it is a command of the watch at this moment, or one that becomes another program right now: that has no command, and all files still."""
        return not (command := self._command(pid)) or _COMMAND.search(command) is not None

    def share(self, key: tuple[int, int], pid: int) -> None:
        """This process writes the file: unless it is ours, it is a log of that one, whatever a command of ours prints there, too."""
        if pid not in self.pids:
            self._outputs.pop(key, None)

    def printed(self, key: tuple[int, int], written_ns: int) -> bool:
        """Whether all that this file has, which was last written then, was printed by commands of ours: a table in a file is no log of a program."""
        seen = self._outputs.get(key)
        return seen is not None and written_ns <= seen + _LAST_NS

    def _note_outputs(self, pid: int) -> None:
        for fd in ("1", "2"):
            try:
                status = os.stat(f"{self._proc}/{pid}/fd/{fd}")
            except OSError:  # it ended, or is another user's
                return
            if stat.S_ISREG(status.st_mode):
                key = (status.st_dev, status.st_ino)
                self._outputs.pop(key, None)
                self._outputs[key] = time.time_ns()
        while len(self._outputs) > _MOST_OUTPUTS:
            del self._outputs[next(iter(self._outputs))]

    def _wrappers(self, pid: int) -> set[int]:
        """The ancestors that only started this one of ours."""
        found: set[int] = set()
        while (pid := self._parent(pid)) > 1 and len(found) < _LOOKS and _STARTS_US.search(self._command(pid)):
            found.add(pid)
        return found

    def _add_file(self, pid: int, fd: str) -> None:
        try:
            status = os.stat(f"{self._proc}/{pid}/fd/{fd}")
        except OSError:  # it ended
            return
        self.files.add((status.st_dev, status.st_ino))

    def _recorders(self, pid: int) -> set[int]:
        """The ancestors that hold the other side of a terminal: `script`, a terminal that keeps its output."""
        found = set()
        for _ in range(64):
            pid = self._parent(pid)
            if pid <= 1:
                break
            try:
                fds = os.listdir(f"{self._proc}/{pid}/fd")
            except OSError:  # another user's
                continue
            if any(self._target(pid, fd) in {"/dev/ptmx", "/dev/pts/ptmx"} for fd in fds):
                found.add(pid)
        return found

    def _parent(self, pid: int) -> int:
        try:
            with open(f"{self._proc}/{pid}/stat", "rb") as stat:
                return int(stat.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return 0

    def _command(self, pid: int) -> bytes:
        try:
            with open(f"{self._proc}/{pid}/cmdline", "rb") as command:
                return command.read(4096)
        except OSError:
            return b""

    def _target(self, pid: int, fd: str) -> str:
        try:
            return os.readlink(f"{self._proc}/{pid}/fd/{fd}")
        except OSError:
            return ""
