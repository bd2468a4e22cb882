"""The spool folder: which files there are, what is new in them, and whether their writer still lives."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SUFFIX: Final = ".jsonl"
BLOCK_BYTES: Final = 1 << 20
"""What is read and committed at once, about ten thousand events."""
LONGEST_LINE: Final = 64 << 10
"""A longer line is no event."""


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """A file, and how far it was read.

    Attributes:
        name: within the folder.
        inode: 0 before it was met.
        position: bytes that are committed.
        generation: how often another file took its place, or it was emptied.
        worker_run: the run that its first line names; None where lines stand for themselves.
    """

    name: str
    inode: int = 0
    position: int = 0
    generation: int = 0
    worker_run: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, each with its position; and the file as it is once they are counted. `damaged`: lines that were too long."""

    lines: list[tuple[int, bytes]]
    after: SpoolFile
    damaged: int = 0


class Spool:
    """A spool folder.

    Args:
        folder: it need not exist yet; `make` creates it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Create the folder, for its owner only.

        Raises:
            OSError: it cannot be created.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def names(self) -> list[str]:
        """The names of all files, sorted: those of one run in order."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            return sorted(entry.name for entry in entries if entry.name.endswith(SUFFIX) and entry.is_file())
        return []

    def blocks(self, file: SpoolFile, *, rest: bool = False) -> Iterator[Block]:
        """What is new in a file, block by block.

        Args:
            file: as far as it was read.
            rest: whether a last line without an end counts: its writer is gone.
        """
        try:
            stream = (self.folder / file.name).open("rb", buffering=0)
        except (FileNotFoundError, PermissionError):
            return
        with stream:
            info = os.fstat(stream.fileno())
            if file.inode and (file.inode != info.st_ino or info.st_size < file.position):
                file = SpoolFile(file.name, info.st_ino, 0, file.generation + 1)
            file = replace(file, inode=info.st_ino)
            stream.seek(file.position)
            while data := stream.read(BLOCK_BYTES):
                block = _cut(file, data, rest=rest and file.position + len(data) >= info.st_size)
                if block is None:
                    return
                yield block
                file = block.after
                stream.seek(file.position)

    def first(self, name: str) -> bytes:
        """The first line of a file; empty if there is none, or it is too long to be an event."""
        try:
            with (self.folder / name).open("rb") as stream:
                line = stream.readline(LONGEST_LINE)
        except OSError:
            return b""
        return line if line.endswith(b"\n") else b""

    def alive(self, name: str) -> bool:
        """Whether a writer holds the lock of a file."""
        if fcntl is None:
            return False
        try:
            fd = os.open(self.folder / name, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(fd)
        return False

    def is_read(self, file: SpoolFile) -> bool:
        """Whether nothing is left to read of a file. One that is gone is read."""
        try:
            info = (self.folder / file.name).stat()
        except OSError:
            return True
        return info.st_ino == file.inode and info.st_size <= file.position

    def remove(self, name: str) -> None:
        """Delete a file; one that is gone already is fine."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / name).unlink()


def _cut(file: SpoolFile, data: bytes, *, rest: bool) -> Block | None:
    """The whole lines of what was read from `file.position`; None if there are none yet."""
    end = data.rfind(b"\n") + 1
    if rest:
        end = len(data)
    if not end:
        if len(data) < LONGEST_LINE:
            return None
        return Block([], replace(file, position=file.position + len(data)), damaged=1)
    lines, at = [], file.position
    for line in data[:end].split(b"\n"):
        if line.strip():
            lines.append((at, line))
        at += len(line) + 1
    return Block(lines, replace(file, position=file.position + end))
