"""Where files go when they are rotated: other names in their folder, copies of them, generations that came and went between two looks."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from logs.core import fingerprint
from logs.following.holders import Holder
from logs.following.source_names import base_path
from logs.following.tail import FileTail
from logs.storing.checkpoint import FileState

Key = tuple[int, int]
"""Device and inode."""
_NEAR: Final = 200
_PACKED: Final = (".gz", ".zst", ".xz", ".bz2", ".zip", ".lz4")


@dataclass(frozen=True, slots=True)
class Generations:
    """What whoever writes and rotates a log knows of its files.

    Args:
        begins: of the newest files, the oldest first, also of some that are gone: inode, and the bytes of the log that were written before. Of those with one
            inode the last one has it now.
        gone: so many of the log's first bytes are in no file any more.
        since: when this began to be counted, µs.
    """

    begins: Sequence[tuple[int, int]]
    gone: int
    since: int


def key_of(path: str) -> Key | None:
    """Where the path leads now; None when nowhere."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def name_now(fd: int) -> str | None:
    """The path of an open file as the kernel knows it; None when it was deleted, or elsewhere than on Linux."""
    try:
        path = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return None
    return None if path.endswith(" (deleted)") else path


def place_of(state: FileState) -> str | None:
    """The path at which the file with this inode lies now: its old one, or another name in the same folder."""
    if key_of(state.path) == (state.dev, state.inode):
        return state.path
    return next((path for path, key, _, _ in _near(state.path) if key == (state.dev, state.inode)), None)


def copies_of(state: FileState) -> Iterator[tuple[str, Key, int]]:
    """Files beside this one that begin with all that was read of it, with their sizes; the newest first."""
    for path, key, size, _ in _near(state.path):
        if size < state.stored_to or path == state.path:
            continue
        try:
            fd = fingerprint.open_regular(path)
        except OSError:
            continue
        try:
            if holds(fd, state):
                yield path, key, size
        finally:
            os.close(fd)


def written_since(path: str, since: int, base_of: Callable[[str], str] = base_path) -> Iterator[tuple[str, Key]]:
    """Rotated forms of `path` (`app.log.1` of `app.log`, `app-2026-03-01.log` of `app-2026-03-02.log`) that were last written after `since` (µs); the oldest first. `base_of` says which log a path is a form of."""
    base = base_of(path)
    found = [
        (mtime, other, key)
        for other, key, size, mtime in _near(path)
        if other != path and size and mtime > since and not other.endswith(_PACKED) and base_of(other) == base
    ]
    for _, other, key in sorted(found):
        yield other, key


def source_before(path: str, holders: Iterable[Holder], tails: Mapping[Key, FileTail]) -> str | None:
    """The source of the form of `path` that one of its writers wrote until it began this one, as a logger that counts its files up does (`app.1.log`, `app.2.log`)."""
    pids, base = {holder.pid for holder in holders}, base_path(path)
    for key, tail in tails.items():
        form = tail.path != path and base_path(tail.path) == base
        if form and not pids.isdisjoint(tail.writers.pids) and not tail.writers.hold(key):
            return tail.state.source
    return None


def holds(fd: int, state: FileState) -> bool:
    """Whether the open file has all that is stored of the one that `state` describes."""
    return fingerprint.holds(
        fd,
        head_hash=state.head_hash,
        head_len=state.head_len,
        marker_hash=state.marker_hash,
        position=state.stored_to,
    )


def still_holds(path: str, state: FileState) -> bool:
    """Whether the file at a path has what is stored of it; also where it cannot be read now."""
    try:
        fd = fingerprint.open_regular(path)
    except OSError:
        return True
    try:
        return holds(fd, state)
    finally:
        os.close(fd)


def _near(path: str) -> list[tuple[str, Key, int, int]]:
    """Path, key, size and time (µs) of the newest regular files in the folder of `path`."""
    found = []
    try:
        with os.scandir(Path(path).parent) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found.append(
                        (status.st_mtime_ns // 1000, entry.path, (status.st_dev, status.st_ino), status.st_size)
                    )
    except OSError:  # the folder, or a file in it, is gone: what is known by now has to do
        pass
    found.sort(reverse=True)
    return [(other, key, size, mtime) for mtime, other, key, size in found[:_NEAR]]
