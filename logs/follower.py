"""Follows all live files: opens what is found, polls it, and goes along with rotation."""

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from logs import identity, rotation
from logs.attribution import Writers, holders_of
from logs.bulk import boundary_before
from logs.charset import UTF8, charset_of
from logs.checkpoint import BACKFILLING, DONE, ERROR, GONE, LIVE, FileState
from logs.committer import Committer
from logs.delivery import Delivery
from logs.discovery import Found
from logs.formats import Registry
from logs.formats.forced import ForcedFormats
from logs.names import SourceNames
from logs.numbering import numbers_at
from logs.parser import BlockParser
from logs.record import LogRecord
from logs.settings import LogSettings
from logs.tail import FileTail, TailLimits, Truncated, Written
from logs.times import SECOND, TimeReader
from monitor.errors import StoreError
from monitor.masking import Masker
from monitor.store.interface import Append, Delete, Upsert

log = logging.getLogger("watchkeeper.logs")
_DRAIN_US: Final = 5 * SECOND
_COLD_US: Final = 30 * SECOND
_COLD_EVERY: Final = 3
_ENOUGH: Final = 128
"""Bytes read of a file from which on the same content means the same file."""
_SLACK_US: Final = 50_000
"""How much earlier than our clock the file system's may stamp a write."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all readers of files share."""

    host: str
    settings: LogSettings
    committer: Committer
    now: Callable[[], int]
    mask: Callable[[str], str]
    run_of_pid: Callable[[int], int | None]
    show: Callable[[list[LogRecord]], None]
    rows_behind: Callable[[int, int], bool]
    """Whether the store has rows of (file_id) at or behind (position)."""
    positions_behind: Callable[[int, int], list[int]]
    """Those rows' positions."""
    unnumbered: Callable[[int], list[int]]
    """Positions of (file_id)'s rows without a line number, ascending."""
    registry: Registry
    forced: ForcedFormats
    masker: Masker | None = None
    """What `mask` does, so that another process can do the same; None when it is some function."""

    def live_parser(self, path: str, written: Callable[[], int] | None = None) -> BlockParser:
        """A parser for lines that are being written; `written` says when the file last was (µs), which years and days are guessed from."""
        return BlockParser(self.registry, TimeReader(written or self.now), self.mask, self.forced.of(path))


class Follower:
    """All files that are followed. Not thread-safe: one thread calls `adopt` and `poll`.

    Args:
        states: what the store remembers of files.
        backfill: takes over a file whose older part has to be read.
    """

    def __init__(
        self, around: Surroundings, states: Iterable[FileState], backfill: Callable[[FileState, Writers], None]
    ) -> None:
        self.around = around
        self._backfill = backfill
        self.states: dict[int, FileState] = {}
        self.names = SourceNames()
        self.found_by: dict[str, str] = {}
        self.tails: dict[tuple[int, int], FileTail] = {}
        self.truncated_at: dict[int, int] = {}
        self.errors: dict[str, str] = {}
        self._told: dict[tuple[int, int], str] = {}
        self._by_inode: dict[tuple[int, int], list[FileState]] = {}
        self._spliced: set[int] = set()
        self._idle: dict[tuple[int, int], int] = {}
        self._round = 0
        for state in states:
            self.remember(state)
            self.found_by.setdefault(state.source, "open")

    def resume(self) -> None:
        """Go on with the files that were live when the watch ended, renamed meanwhile or not."""
        for state in list(self.states.values()):
            if state.state not in {LIVE, BACKFILLING} or not state.inode or (state.dev, state.inode) in self.tails:
                continue
            path = rotation.place_of(state)
            if path is None:
                self.around.committer.put(Delivery(state, changes={"state": GONE}))
            else:
                self.adopt(Found(path, state.dev, state.inode, "open"))
            if path != state.path:
                self._adopt_missed(state, state.updated)

    def adopt(self, found: Found) -> None:
        """Follow the file if it is not followed yet; note who writes it."""
        key = (found.dev, found.inode)
        tail = self.tails.get(key)
        if tail is not None:
            tail.writers.update(found.pids)
            return
        if len(self.tails) >= self.around.settings.max_files:
            self.errors["files"] = (
                f"More than {self.around.settings.max_files} files are open; {found.path} is not followed."
            )
            return
        try:
            fd = identity.open_regular(found.path)
        except OSError as error:
            self.errors[found.path] = f"{found.path} cannot be read: {error.strerror}."
            return
        self.errors.pop(found.path, None)
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != key:
            os.close(fd)
            return
        self._begin(fd, status, found)

    def _begin(self, fd: int, status: os.stat_result, found: Found, generation: int = 0) -> FileTail:
        around = self.around
        state = self.known(fd, status) or self._same_content(fd, status, found.path)
        resumed = False
        if state is None:
            state = self._new_state(fd, status, found, generation)
        else:
            resumed = around.rows_behind(state.file_id, state.stored_to)
            if state.state not in {LIVE, BACKFILLING}:  # ingested, or given up: `resume` is to find it, too
                around.committer.put(Delivery(state, changes={"state": BACKFILLING if state.waiting else LIVE}))
        key = (status.st_dev, status.st_ino)
        writers = Writers(around.run_of_pid, around.now, lambda: holders_of(*key))
        writers.update(found.pids)
        written = Written(status.st_mtime_ns // 1000)
        parser = around.live_parser(found.path, lambda: written.us)
        parser.charset = charset_of(identity.read_at(fd, 2, 0))
        if state.format:
            parser.prefer(state.format)
        if not parser.settled and state.stored_to:
            parser.learn(identity.read_at(fd, 65536, 0))
        tail = FileTail(
            fd, state, parser, put=around.committer.put, show=around.show, writers=writers, host=around.host, now=around.now,
            limits=TailLimits(around.settings.max_record_bytes), numbered=state.lines > 0 or state.stored_to == 0, resumed=resumed,
        )  # fmt: skip
        tail.path, tail.written, tail.looked_at = found.path, written, around.now()
        self.tails[status.st_dev, status.st_ino] = tail
        if state.waiting:
            self._backfill(state, writers)
        return tail

    def known(self, fd: int, status: os.stat_result) -> FileState | None:
        """The state of this very file, by inode and content."""
        candidates = self._by_inode.get((status.st_dev, status.st_ino), [])
        if any(state.file_id not in self.truncated_at for state in candidates):
            self.around.committer.flush(10.0)  # what was read of it before must be in the state
        for state in reversed(candidates):
            if state.file_id not in self.truncated_at and rotation.holds(fd, state):
                return state
        return None

    def _same_content(self, fd: int, status: os.stat_result, path: str) -> FileState | None:
        """The state of the file that was at this path and is gone, when this one has all that was read of it: an editor saved it, a file system gave it
        another inode. It is the same file from now on.
        """
        key = (status.st_dev, status.st_ino)
        for state in reversed(list(self.states.values())):
            old = (state.dev, state.inode)
            if state.path != path or old == key or not state.inode or state.file_id in self.truncated_at:
                continue
            tail = self.tails.get(old)
            if tail is not None:
                if os.fstat(tail.fd).st_nlink or not tail.begins(fd):
                    continue
                tail.finish()
                self._drop(old, tail, None)
            self.around.committer.flush(10.0)
            if state.stored_to >= _ENOUGH and rotation.holds(fd, state):
                self.around.committer.put(Delivery(state, changes={"dev": key[0], "inode": key[1], "state": LIVE}))
                self.around.committer.flush(10.0)
                self._by_inode.setdefault(key, []).append(state)
                return state
        return None

    def _copied_from(self, fd: int, path: str) -> FileState | None:
        """The state of a truncated file whose content this file has: its copy, as copytruncate makes one."""
        for file_id in reversed(self.truncated_at):
            state = self.states[file_id]
            if not state.head_len or not state.stored_to or state.path == path or file_id in self._spliced:
                continue
            if os.path.dirname(state.path) == os.path.dirname(path) and rotation.holds(fd, state):  # noqa: PTH120 - texts
                self._spliced.add(file_id)
                return state
        return None

    def _new_state(self, fd: int, status: os.stat_result, found: Found, generation: int) -> FileState:
        around, now, key = self.around, self.around.now(), (status.st_dev, status.st_ino)
        before = [state for state in self._by_inode.get(key, []) if state.file_id not in self.truncated_at]
        source = self.names.name(found.path, found.name)
        head_hash, head_len = identity.head_of(fd)
        state = FileState(
            identity.new_file_id(around.host, found.path, *key, now, generation), source, found.path, *key, head_hash=head_hash, head_len=head_len,
            size=status.st_size, generation=generation, truncations=int(generation > 0), first_seen=now, updated=now,
        )  # fmt: skip
        copied = self._copied_from(fd, found.path)
        if copied is not None:
            self._drop_open(copied)
            state.stored_to, state.lines, state.marker_hash, state.source = (
                copied.stored_to,
                copied.lines,
                copied.marker_hash,
                copied.source,
            )
        elif status.st_size > around.settings.big_file_bytes and charset_of(identity.read_at(fd, 2, 0)) is UTF8:
            start = self._newest_part(fd, found.path, status.st_size)
            state.stored_to = state.backfill_from = start
            state.marker_hash = identity.marker_of(fd, start)
            state.state = BACKFILLING if start else LIVE
        self.remember(state)
        extra = (
            []
            if state.source in self.found_by
            else [Append("log_sources", source_row(state.source, around.host, "file", now, found.found_by))]
        )
        self.found_by.setdefault(state.source, found.found_by)
        around.committer.put(Delivery(state, extra=list(extra)))
        for old in before:
            self._overwritten(old, same_path=old.path == found.path)
        return state

    def _drop_open(self, state: FileState) -> None:
        """The last record of this file may be stored although its end was not sure: it is read again elsewhere, so it goes."""
        behind = self.around.positions_behind(state.file_id, state.stored_to)
        if behind:
            ids = pa.array([state.file_id] * len(behind), pa.int64())
            rows = pa.table({"file_id": ids, "pos": pa.array(behind, pa.int64())})
            gone = Delete("log_records", rows, ("file_id", "pos"))
            self.around.committer.put(Delivery(state, counts={"records": -len(behind)}, extra=[gone]))

    def remember(self, state: FileState) -> None:
        """Know this file from now on."""
        self.states[state.file_id] = state
        self._by_inode.setdefault((state.dev, state.inode), []).append(state)
        self.names.remember(state.path, state.source)

    def _overwritten(self, old: FileState, *, same_path: bool) -> None:
        """The inode has other content now: truncated while nobody watched, or given to another file."""
        self.truncated_at[old.file_id] = self.around.now()
        extra = [self._event(old, 0)] if same_path else []
        self.around.committer.put(Delivery(old, changes={"state": GONE}, extra=list(extra)))
        if same_path:
            since = old.updated
            self._splice(old)
            self._adopt_missed(old, since)

    def number(self, fd: int, state: FileState, begin: int, before: int) -> None:
        """Give the part of a file that was read before its older part its line numbers: `before` lines end before offset `begin`.

        Raises:
            StoreError: the store cannot be asked.
            OSError: the file cannot be read.
        """
        self.around.committer.flush(10.0)
        positions = self.around.unnumbered(state.file_id)
        tail = self.tails.get((state.dev, state.inode))
        if tail is not None and tail.state is state and not tail.numbered:
            tail.number(numbers_at(fd, begin, before, [tail.opened_at])[0])
        if positions:
            numbers = numbers_at(fd, begin, before, positions)
            ids = pa.array([state.file_id] * len(positions), pa.int64())
            rows = {"file_id": ids, "pos": pa.array(positions, pa.int64()), "line_no": pa.array(numbers, pa.int64())}
            change = Upsert("log_records", pa.table(rows), ("file_id", "pos"))
            self.around.committer.put(Delivery(state, extra=[change]))

    def _newest_part(self, fd: int, path: str, size: int) -> int:
        """Where the newest part of a big file begins: at a record."""
        parser = self.around.live_parser(path)
        parser.learn(identity.read_at(fd, 65536, 0))
        return boundary_before(fd, parser, size, 0, self.around.settings.first_bytes)

    def _splice(self, old: FileState) -> int:
        """Find the copy of a truncated file and read from it what was not read before; returns the copy's size, 0 without one."""
        for path, key, size in rotation.copies_of(old):
            if key not in self.tails:
                self.adopt(Found(path, *key, self.found_by.get(old.source, "open")))
                return size
        return 0

    def _adopt_missed(self, state: FileState, since: int, present: FileTail | None = None) -> None:
        """Read the generations of this file that came and went since the last look (µs), but no copy of what is `present` in it, which may not be whole yet."""
        for path, key in rotation.written_since(state.path, since - _SLACK_US):
            if key not in self.tails and key not in self._by_inode and not (present and present.copied_to(path)):
                self.adopt(Found(path, *key, self.found_by.get(state.source, "open")))

    def poll(self) -> int:
        """Look at every file once; returns how many had something new."""
        busy = 0
        self._round += 1
        now = self.around.now()
        for number, (key, tail) in enumerate(list(self.tails.items())):
            idle = now - self._idle.get(key, now)
            if idle > _COLD_US and (self._round + number) % _COLD_EVERY:
                continue
            if not self.around.committer.room():
                break
            try:
                busy += self._look_at(key, tail, now)
            except StoreError:
                raise
            except OSError as error:
                self._give_up(key, tail, f"{tail.path} cannot be read: {error.strerror}.")
            except Exception as error:  # one file's reader is not the end of the others
                why = f"{tail.path} cannot be followed: {type(error).__name__}: {error}."
                if self._told.get(key) != why:  # it is tried again at each scan
                    log.exception("%s cannot be followed", tail.path)
                    self._told[key] = why
                self._give_up(key, tail, why)
        return busy

    def _look_at(self, key: tuple[int, int], tail: FileTail, now: int) -> bool:
        """Read what is new in one file, or see where it went; true when there was something."""
        try:
            grew = tail.poll()
        except Truncated as truncated:
            self._restart(key, tail, truncated)
            return True
        if grew or key not in self._idle:
            self._idle[key] = now
        if not grew:
            tail.catch_up_done()
            self._look_for_rotation(key, tail, now)
        return grew

    def _give_up(self, key: tuple[int, int], tail: FileTail, why: str) -> None:
        """Say why this file is not read; when it is found again, reading goes on where it stopped."""
        self.errors[tail.path] = why
        if self.tails.get(key) is tail:
            self._drop(key, tail, ERROR)

    def _look_for_rotation(self, key: tuple[int, int], tail: FileTail, now: int) -> None:
        """At the end of the file: does its path still lead here? If not, follow what is there now, and let this one go when it stays quiet."""
        there = rotation.key_of(tail.path)
        idle = now - self._idle.get(key, now)
        if there == key:
            tail.moved_at, tail.looked_at = None, now
            if tail.renamed and idle > _DRAIN_US:
                tail.finish()
                self._drop(key, tail, DONE)
            return
        if tail.moved_at is None and tail.looked_at:
            self._adopt_missed(tail.state, tail.looked_at)
        if there is not None and there not in self.tails:
            self.adopt(Found(tail.path, *there, self.found_by.get(tail.state.source, "open")))
            if key not in self.tails:
                return  # it goes on as the other one
        path = rotation.name_now(tail.fd)
        if path is not None and path != tail.path and rotation.key_of(path) == key:
            self.around.committer.put(Delivery(tail.state, changes={"path": path}))
            tail.path, tail.renamed = path, True
            self._idle[key] = now
        elif tail.moved_at is None:
            tail.moved_at = now
        elif now - tail.moved_at > _DRAIN_US and idle > _DRAIN_US:
            tail.finish()
            self._drop(key, tail, GONE)

    def _restart(self, key: tuple[int, int], tail: FileTail, truncated: Truncated) -> None:
        """The file was emptied: its content so far is one generation, what comes is the next."""
        old, fd = tail.state, os.dup(tail.fd)
        self._drop(key, tail, GONE)
        self.around.committer.flush(10.0)
        self.truncated_at[old.file_id] = self.around.now()
        copy = self._splice(old)
        missed = truncated.missed if not copy else max(0, truncated.missed + tail.position - copy)
        self.around.committer.put(Delivery(old, counts={"missed_bytes": missed}, extra=[self._event(old, missed)]))
        following = self._begin(
            fd, os.fstat(fd), Found(old.path, *key, self.found_by.get(old.source, "open")), old.generation + 1
        )
        following.poll()  # from now on a copy that is made of it is known as one
        self._adopt_missed(old, tail.looked_at, following)
        following.writers = tail.writers
        following.catch_up_done()

    def _event(self, state: FileState, missed: int) -> Append:
        message = f"{state.path} was truncated after {state.stored_to} bytes were read; at least {missed} more bytes were lost with it."
        row: dict[str, list[Any]] = {
            "host": [self.around.host],
            "kind": ["LOST"],
            "subject": [f"log:{state.source}"],
            "name": [state.source],
            "message": [message],
        }
        return Append("events", pa.table(row).append_column("ts", pa.array([self.around.now()], pa.timestamp("us"))))

    def _drop(self, key: tuple[int, int], tail: FileTail, state: str | None) -> None:
        tail.close()
        self.tails.pop(key, None)
        self._idle.pop(key, None)
        if state is not None:
            self.around.committer.put(Delivery(tail.state, changes={"state": state}))

    def reread_formats(self) -> None:
        """Other formats were named for files: what comes from now on is read by them."""
        for tail in self.tails.values():
            forced = self.around.forced.of(tail.path)
            if forced is not None or tail.parser.forced_name is not None:
                tail.read_by(self._parser_for(tail))

    def _parser_for(self, tail: FileTail) -> BlockParser:
        written = tail.written
        return self.around.live_parser(tail.path, lambda: written.us)

    def release(self, key: tuple[int, int]) -> None:
        """Follow this file no longer."""
        tail = self.tails[key]
        tail.pause()
        self._drop(key, tail, DONE)

    def close(self) -> None:
        """Store what is open and let all files go."""
        for key, tail in list(self.tails.items()):
            try:
                tail.poll()
                tail.pause()
            except (OSError, Truncated) as error:
                self.errors[tail.state.path] = str(error)
            self._drop(key, tail, None)


def source_row(source: str, host: str, kind: str, now: int, found_by: str) -> pa.Table:
    """The row of a new source."""
    row = {"source": [source], "host": [host], "kind": [kind], "found_by": [found_by]}
    return pa.table(row).append_column("first_seen", pa.array([now], pa.timestamp("us")))
