"""What a service prints: read from its pipe, written to a file that is rotated by size without losing a byte."""

import os
import time
from collections.abc import Callable, Mapping, Sequence

TYPE_CHECKING = False  # typing takes memory, and each service has a shim
if TYPE_CHECKING:
    from typing import Any

BLOCK = 65536
LONGEST_LINE = 65536
PARTS_KEPT = 64
FILES_KEPT = 64


class Output:
    """The file that a service's standard output and error go to.

    Args:
        path: the file; rotated ones are `path.1` (the newest), `path.2` and so on.
        most_bytes: the size at which a file is rotated, at the end of a line where there is one.
        kept: how many rotated files stay.
        begun: told of the inode of each file that is begun, before anything is written to it: at a rotation, or because somebody emptied or removed it.
        known: the account that the shim before this one left, as `Account.told` has it.
    """

    def __init__(
        self,
        path: str,
        most_bytes: int,
        kept: int,
        begun: Callable[[int], None],
        known: Mapping[str, object] | None = None,
    ) -> None:
        self._path, self._most_bytes, self._kept, self._begun = path, most_bytes, kept, begun
        self._file = self._open()
        status = os.fstat(self._file)
        self._size = status.st_size
        self.account = Account(known or {}, self._names, status.st_ino, self._size)
        self._ended = _ends_with_a_line(path)
        self.lost = 0
        """Bytes that could not be written, for want of room."""
        self.error = ""
        """Why it takes nothing now; empty while it does."""

    def write(self, data: bytes) -> None:
        """Append. What the file system does not take is counted; the service never waits for it."""
        self._look_whether_emptied()
        if self._size + len(data) > self._most_bytes and self._size:
            whole = data.rfind(b"\n") + 1
            self._append(data[:whole])
            data = data[whole:]
            if whole or self._size > 2 * self._most_bytes:
                self._rotate()
        self._append(data)

    def next_writer(self) -> tuple[int, int]:
        """Another process is about to write: its first line begins a line of the file. Answers where: the file's inode, and how long it is."""
        self._look_whether_emptied()
        if not self._ended and self._size:
            self._append(b"\n")
        return os.fstat(self._file).st_ino, self._size

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    @property
    def _names(self) -> list[str]:
        return [self._path, *(f"{self._path}.{number}" for number in range(1, self._kept + 1))]

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _look_whether_emptied(self) -> None:
        status = os.fstat(self._file)
        if not status.st_nlink:  # somebody removed it: what comes would be in no file that anybody can open
            self._begin_another()
        elif status.st_size < self._size:
            self._size = status.st_size
            self._begin(status.st_ino)

    def _begin(self, inode: int) -> None:
        self.account.begin(inode, self._names)
        self._begun(inode)

    def _begin_another(self) -> None:
        try:
            file = self._open()
        except OSError as error:  # the old file stays in use
            self.error = f"{self._path} cannot be written: {error.strerror}"
            return
        os.close(self._file)
        status = os.fstat(file)
        self._file, self._size = file, status.st_size
        self._begin(status.st_ino)

    def _append(self, data: bytes) -> None:
        while data:
            try:
                written = os.write(self._file, data)
            except OSError as error:
                self.lost += len(data)
                self.error = f"{self._path} cannot be written: {error.strerror}"
                return
            self._size, self.error = self._size + written, ""
            self.account.written += written
            self._ended = data[written - 1 : written] == b"\n"
            data = data[written:]

    def _rotate(self) -> None:
        names = self._names
        try:
            for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
                if os.path.exists(newer):
                    os.rename(newer, older)
            if not self._kept:
                os.unlink(self._path)
        except OSError as error:  # the old file stays in use, and grows
            self.error = f"{self._path} cannot be rotated: {error.strerror}"
            return
        self._begin_another()


class Account:
    """Which bytes of all that a service ever printed are in which file, and which are in none any more: who reads the files knows what it missed.

    Args:
        known: what an earlier shim told; empty for the first, whose account begins with what the files have.
        names: the paths of the files, the newest first.
        inode, size: of the newest file.
    """

    def __init__(self, known: "Mapping[str, Any]", names: Sequence[str], inode: int, size: int) -> None:
        self._files: list[list[int]] = [list(one) for one in known.get("files", [])]
        self.written: int = known.get("written", 0)
        """Bytes that were written to files."""
        self.since: int = known.get("since", 0) or time.time_ns() // 1000
        self.gone: int = known.get("gone", 0)
        """So many of the first bytes are in no file any more."""
        if not known:
            for name in reversed(names[1:]):
                status = _status(name)
                if status is not None:
                    self._files.append([status.st_ino, self.written])
                    self.written += status.st_size
        last = self._files[-1] if self._files else [0, 0]
        if last[0] == inode and last[1] + size >= self.written:  # a shim that was killed told less than it wrote
            self.written = last[1] + size
        else:
            self.begin(inode, names)
            self.written += size

    def begin(self, inode: int, names: Sequence[str]) -> None:
        """What comes is written to this file, from its beginning; which of the others are still there is looked at."""
        self._files = [*self._files[1 - FILES_KEPT :], [inode, self.written]]
        there = {status.st_ino for name in names if (status := _status(name)) is not None} | {inode}
        self.gone = min(begin for number, begin in {one[0]: one[1] for one in self._files}.items() if number in there)

    @property
    def told(self) -> dict[str, object]:
        """It as it is written down: `files` has inode and first byte of each, the oldest first, also of some that are gone: of those with one inode the last one has it now."""
        return {"files": self._files, "gone": self.gone, "written": self.written, "since": self.since}


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


class Parts:
    """Which process wrote what of the output: each part is a number that grows, a process (pid, start tick, when it began in µs) and where the part begins (inode, offset).

    A part ends where the next one of the same file begins. The newest stay.

    Args:
        known: the parts that the shim before this one wrote down, as `all` has them.
    """

    def __init__(self, known: Sequence[Sequence[int | None]] = ()) -> None:
        self.all = [list(part) for part in known]

    def writer(self, pid: int, tick: int | None, began: int, place: tuple[int, int]) -> None:
        """From this place on, this process writes."""
        inode, offset = place
        self.all = [part for part in self.all if part[4] != inode or (part[5] or 0) <= offset]
        self._add([self._last + 1, pid, tick, began, inode, offset])

    def file(self, inode: int) -> None:
        """The process that wrote last goes on at the beginning of this file; what was known of one with this inode is of another file."""
        writing = self.all[-1] if self.all else None
        self.all = [part for part in self.all if part[4] != inode]
        if writing is not None:
            self._add([*writing[:4], inode, 0])

    @property
    def _last(self) -> int:
        return max((part[0] or 0 for part in self.all), default=0)

    def _add(self, part: list[int | None]) -> None:
        self.all = [*self.all[1 - PARTS_KEPT :], part]


def _ends_with_a_line(path: str) -> bool:
    """Whether nothing is written to a file, or a whole line last."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read(1) in {b"", b"\n"}


class Lines:
    """Looks for an expression in lines, until it is found once.

    Args:
        pattern: a regular expression of Python.
    """

    def __init__(self, pattern: str) -> None:
        import re  # only where it is needed: it is a tenth of the shim's memory

        self._pattern = re.compile(pattern)
        self._rest = b""

    def found_in(self, data: bytes) -> bool:
        """Whether a line that ends in, or reaches to the end of, this block matches."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines[-1][-LONGEST_LINE:]
        return any(self._pattern.search(line.decode("utf-8", "replace")) for line in lines)
