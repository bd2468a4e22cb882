"""Follows all live files: opens what is found, polls it, and goes along with rotation."""

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from logs.core import fingerprint
from logs.core.errors import StorageError
from logs.core.timestamps import SECOND
from logs.following import rotation
from logs.following.attribution import Writers
from logs.following.discovery import Found
from logs.following.ledger import Ledger
from logs.following.source_names import SourceNames, base_path
from logs.following.surroundings import LEARNED_FROM, Surroundings
from logs.following.tail import FileTail, TailLimits, Truncated, Written
from logs.parsing.boundaries import numbers_at
from logs.parsing.charset import HEAD, UTF8, charset_of
from logs.parsing.formats.forced import UNSAID
from logs.parsing.text import is_text
from logs.storing.checkpoint import BACKFILLING, DONE, ERROR, GONE, LIVE, FileState
from logs.storing.delivery import Delivery, NewSource, emptied

log = logging.getLogger("watchkeeper.logs")
TOO_MANY: Final = "files"
"""What `errors` says of files that are one too many, under no path."""
_DRAIN_US: Final = 5 * SECOND
_COLD_US: Final = 30 * SECOND
_COLD_EVERY: Final = 3
_ENOUGH: Final = 128
"""Bytes read of a file from which on the same content means the same file."""
_LISTINGS: Final = 5
_SLACK_US: Final = 50_000
"""How much earlier than our clock the file system's may stamp a write."""


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
        self._reported: dict[tuple[int, int], str] = {}
        self._by_inode: dict[tuple[int, int], list[FileState]] = {}
        self._next_generation: dict[tuple[int, int], int] = {}
        """Of files that were emptied and could not be begun anew yet."""
        self._left_at: dict[int, int] = {}
        """While files are resumed: when each was last read in the life before (µs)."""
        self._unspliced: dict[int, int] = {}
        """Files whose copies were not looked for yet, and when they were last read (µs): the store did not answer."""
        self.version = 0
        """Grows whenever `states` or `tails` change."""
        self._idle: dict[tuple[int, int], int] = {}
        self.rounds = 0
        self.ledger = Ledger(around.now())
        for state in states:
            self.remember(state)
            self.found_by.setdefault(state.source, "open")

    def resume(self) -> None:
        """Go on with the files that were live when the watch ended, renamed meanwhile or not."""
        self._left_at = {state.file_id: state.updated for state in self.states.values()} | self._left_at
        self._resume()
        self._left_at.clear()  # kept when the store did not answer: then this is called again

    def _resume(self) -> None:
        for state in list(self.states.values()):
            if state.state not in {LIVE, BACKFILLING} or not state.inode or (state.dev, state.inode) in self.tails:
                continue
            path = rotation.place_of(state)
            if path is None:
                self.around.sink.put(Delivery(state, changes={"state": GONE}))
                self._gone(state, self._left_at[state.file_id])
            else:
                self.adopt(Found(path, state.dev, state.inode, "open"))
            if path != state.path:
                self._adopt_missed(state, self._left_at[state.file_id])

    def adopt(self, found: Found, *, more: bool = False, after: FileTail | None = None) -> None:
        """Follow the file if it is not followed yet, in the place of `after`; note who writes it, besides those who are known if there are only `more`."""
        key = (found.dev, found.inode)
        tail = self.tails.get(key)
        if tail is not None:
            tail.writers.succeed(found.earlier)
            told = tail.writers.join if more else tail.writers.update
            told(found.holders)
            return
        if len(self.tails) >= (most := self.around.settings.max_files):
            self.errors[TOO_MANY] = f"More than {most} files are open; {found.path} is not followed."
            return
        try:
            fd = fingerprint.open_regular(found.path)
        except OSError as error:
            self.errors[found.path] = f"{found.path} cannot be read: {error.strerror}."
            return
        try:
            status = os.fstat(fd)
            if (status.st_dev, status.st_ino) != key or self._copied_by_now(fd, status, found.path):
                os.close(fd)
                return
            if found.found_by == "service" and base_path(found.path) == found.path:
                self._adopt_earlier(found)
            writers = self._begin(fd, status, found, self._next_generation.get(key, 0)).writers
            if after is not None:
                writers.inherit(after.writers, gone=found.path != after.path)
        except OSError as error:
            os.close(fd)
            self.errors[found.path] = f"{found.path} cannot be read: {error.strerror}."
            return
        except BaseException:
            os.close(fd)
            raise
        self.errors.pop(found.path, None)

    def _begin(self, fd: int, status: os.stat_result, found: Found, generation: int = 0) -> FileTail:
        around = self.around
        state = self.known(fd, status, found.path) or self._same_content(fd, status, found.path)
        resumed, opened, past = False, None, None
        if state is None:
            state = self._new_state(fd, status, found, generation)
        else:
            resumed = bool(around.stored.positions_behind(state.file_id, state.stored_to))
            opened = around.stored.time_at(state.file_id, state.stored_to) if resumed else None
            if status.st_size > state.stored_to:
                past = around.stored.past_writer(state.file_id, state.stored_to)
            if state.state not in {LIVE, BACKFILLING}:  # ingested, or given up: `resume` is to find it, too
                around.sink.put(Delivery(state, changes={"state": BACKFILLING if state.waiting else LIVE}))
        key = (status.st_dev, status.st_ino)
        writers = around.writers(found.path, key, past)
        writers.succeed(found.earlier)
        writers.update(found.holders)
        written = Written(status.st_mtime_ns // 1000)
        parser = around.live_parser(found.path, lambda: written.us)
        parser.charset = charset_of(fingerprint.read_at(fd, HEAD, 0))
        if state.reading:
            parser.go_on(state.reading)
        if state.format and not parser.settled:
            parser.prefer(state.format)
        if not parser.settled and state.stored_to:
            parser.learn(fingerprint.read_at(fd, LEARNED_FROM, 0))
        tail = FileTail(
            fd, state, parser, put=around.sink.put, show=around.show, writers=writers, host=around.host, now=around.now,
            limits=TailLimits(around.settings.max_record_bytes), numbered=state.lines > 0 or state.stored_to == 0, resumed=resumed, opened=opened,
        )  # fmt: skip
        tail.path, tail.written, tail.looked_at = found.path, written, around.now()
        tail.find_days = lambda begin, like: around.chronology(tail.fd, written.us, tail.path, begin, like)
        self.tails[key] = tail
        self._next_generation.pop(key, None)
        self.version += 1
        if state.waiting:
            self._backfill(state, writers)
        return tail

    def known(self, fd: int, status: os.stat_result, path: str) -> FileState | None:
        """The state of this very file, by inode and content. One of which nothing was read is known by its path, too: an inode alone may be another file's by now."""
        candidates = self._by_inode.get((status.st_dev, status.st_ino), [])
        if any(state.file_id not in self.truncated_at for state in candidates):
            self.around.settle()  # what was read of it before must be in the state
        for state in reversed(candidates):
            if state.file_id in self.truncated_at or not rotation.holds(fd, state):
                continue
            if state.stored_to or state.records or state.path == path:
                return state
        return None

    def _copied_by_now(self, fd: int, status: os.stat_result, path: str) -> bool:
        """Whether this is the copy of a file that is followed, whole or in the making, as copytruncate makes one: its lines are read where they were
        written. Once the file is emptied, what the copy has beyond them is read there.
        """
        if (base := base_path(path)) == path:
            return False
        known = self._by_inode.get((status.st_dev, status.st_ino), ())
        if any(state.stored_to and rotation.holds(fd, state) for state in known):
            return False
        for tail in self.tails.values():
            if tail.path == path or base_path(tail.path) != base or tail.state.file_id in self.truncated_at:
                continue
            if (status.st_size == 0 and tail.path == base) or tail.copied_to(path):
                return True
        return False

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
                if not tail.deleted() or not tail.begins(fd):
                    continue
                tail.finish()
                self._drop(old, tail, None)
            self.around.settle()
            if state.stored_to >= _ENOUGH and rotation.holds(fd, state):
                self.around.sink.put(Delivery(state, changes={"dev": key[0], "inode": key[1], "state": LIVE}))
                self.around.settle()
                self._by_inode.setdefault(key, []).append(state)
                return state
        return None

    def _copied_from(self, fd: int, path: str) -> FileState | None:
        """The state of a file that is no more and whose content this one has, as far as it was read: of several the one that was read the furthest."""
        folder, base = os.path.dirname(path), base_path(path)  # noqa: PTH120 - texts
        found: FileState | None = None
        for state in self.states.values():
            emptied = state.file_id in self.truncated_at
            read = state.stored_to or state.records  # the only record may be open, and stored all the same
            if not read or not state.head_len or state.path == path or os.path.dirname(state.path) != folder:  # noqa: PTH120 - texts
                continue
            if not emptied and base_path(state.path) != base:
                continue
            if found is not None and state.stored_to <= found.stored_to:
                continue
            if (emptied or self._is_over(state)) and rotation.holds(fd, state):
                found = state
        return found

    def _is_over(self, state: FileState) -> bool:
        """Whether the file went away, or was emptied, while it was still being read."""
        tail = self.tails.get((state.dev, state.inode))
        if (tail is not None and tail.state is state) or state.state not in {LIVE, BACKFILLING}:
            return False
        path = rotation.place_of(state)
        return path is None or not rotation.still_holds(path, state)

    def _new_state(self, fd: int, status: os.stat_result, found: Found, generation: int) -> FileState:
        around, now, key = self.around, self.around.now(), (status.st_dev, status.st_ino)
        before = [
            state
            for state in self._by_inode.get(key, [])
            if state.file_id not in self.truncated_at and state.state != GONE
        ]
        source = rotation.source_before(found.path, found.holders, self.tails) or self.names.name(
            found.path, found.name, found.source, written=bool(found.holders)
        )
        head_hash, head_len = fingerprint.head_of(fd)
        state = FileState(
            fingerprint.new_file_id(around.host, found.path, *key, now, generation), source, found.path, *key, head_hash=head_hash, head_len=head_len,
            size=status.st_size, generation=generation, truncations=int(generation > 0), first_seen=now, updated=now,
        )  # fmt: skip
        copied = self._copied_from(fd, found.path)
        if copied is not None:
            self._drop_open(copied)
            state.stored_to, state.lines, state.marker_hash, state.source = copied.stored_to, copied.lines, copied.marker_hash, copied.source  # fmt: skip
        elif status.st_size > around.settings.big_file_bytes and charset_of(fingerprint.read_at(fd, HEAD, 0)) is UTF8:
            start, state.reading = around.newest_part(fd, found.path, status.st_size)
            state.stored_to = state.backfill_from = start
            state.marker_hash = fingerprint.marker_of(fd, start)
            state.state = BACKFILLING if start else LIVE
        self.remember(state)
        around.sink.put(Delivery(state, source=self.new_source(state.source, "file", found.found_by)))
        self.truncated_at.update((old.file_id, now) for old in before)
        for old in before:
            self._overwritten(old, same_path=old.path == found.path)
        return state

    def _drop_open(self, state: FileState) -> None:
        """The last record of this file may be stored although its end was not sure: it is read again elsewhere, so it goes."""
        behind = self.around.stored.positions_behind(state.file_id, state.stored_to)
        if behind:
            self.around.sink.put(Delivery(state, counts={"records": -len(behind)}, dropped=behind))

    def new_source(self, name: str, kind: str, found_by: str) -> NewSource | None:
        """The source, if it was never heard of before; from now on it was."""
        if name in self.found_by:
            return None
        self.found_by[name] = found_by
        return NewSource(name, kind, found_by, self.around.now())

    def remember(self, state: FileState) -> None:
        """Know this file from now on."""
        self.version += 1
        self.states[state.file_id] = state
        self._by_inode.setdefault((state.dev, state.inode), []).append(state)
        self.names.remember(state.path, state.source)

    def _overwritten(self, old: FileState, *, same_path: bool) -> None:
        """The inode has other content now: truncated while nobody watched, or given to another file."""
        loss = emptied(old, 0, self.around.now()).loss if same_path else None
        self.around.sink.put(Delivery(old, changes={"state": GONE}, loss=loss))
        since = self._left_at.get(old.file_id, old.updated)
        if same_path:
            self._unspliced[old.file_id] = since
            self._find_copies(old)
        else:
            self._gone(old, since)

    def _gone(self, old: FileState, since: int) -> None:
        """A file that was followed went away unseen."""
        if old.state in {LIVE, BACKFILLING}:
            later = rotation.written_since(old.path, since, self.names.base)
            self.ledger.gone(self.around, old, [(path, self._by_inode.get(key, ())) for path, key in later])

    def _find_copies(self, old: FileState) -> None:
        """Read what copies of an emptied file, and generations between, have beyond it. `poll` tries again what the store kept from being done."""
        if not self._splice(old):
            self._gone(old, self._unspliced[old.file_id])
        self._adopt_missed(old, self._unspliced[old.file_id])
        del self._unspliced[old.file_id]

    def number(self, fd: int, state: FileState, begin: int, before: int) -> bool:
        """From now on lines of this file have their numbers: `before` lines end before `begin`, where what was read first begins. Whether it is followed.

        Raises:
            OSError: the file cannot be read.
        """
        if (tail := self.tails.get((state.dev, state.inode))) is not None and tail.state is state and not tail.numbered:
            tail.number(numbers_at(fd, begin, before, [tail.opened_at])[0])
        return tail is not None

    def _splice(self, old: FileState) -> int:
        """Find the copy of a truncated file and read from it what was not read before; returns the copy's size, 0 without one."""
        for path, key, size in rotation.copies_of(old):
            if key not in self.tails:
                self.adopt(Found(path, *key, self.found_by.get(old.source, "open")))
                return size
        return 0

    def _adopt_missed(self, state: FileState, since: int, present: FileTail | None = None, after: FileTail | None = None) -> bool:  # fmt: skip
        """Read the generations of this file that came and went since the last look (µs), but no copy of what is `present` in it, which may not be whole yet.
        Whether there were any.
        """
        found = False
        for path, key in rotation.written_since(state.path, since - _SLACK_US, self.names.base):
            if key not in self.tails and key not in self._by_inode and not (present and present.copied_to(path)):
                self.adopt(Found(path, *key, self.found_by.get(state.source, "open")), after=after)
                found = True
        return found

    def _adopt_earlier(self, found: Found) -> None:
        """Read what was rotated before the output of a service is followed for the first time: all of it is the service's."""
        if any(state.path == found.path for state in self.states.values()):
            return
        for _ in range(_LISTINGS):  # while they are read they may be rotated once more, and have other names
            there = [
                (path, key)
                for path, key in rotation.written_since(found.path, 0, self.names.base)
                if key not in self.tails
            ]
            for path, key in there:
                self.adopt(replace(found, path=path, dev=key[0], inode=key[1]))
            if all(key in self.tails for _, key in there):
                return

    def poll(self) -> int:
        """Look at every file once; returns how many had something new.

        Raises:
            StorageError: for some of them the store had to be asked, and did not answer; the others were looked at.
        """
        busy = 0
        refused: StorageError | None = None
        self.rounds += 1
        now = self.around.now()
        self.ledger.look(self.around, self.states, self.tails.values())
        for file_id in list(self._unspliced):
            self._find_copies(self.states[file_id])
        for number, (key, tail) in enumerate(list(self.tails.items())):
            idle = now - self._idle.get(key, now)
            if idle > _COLD_US and (self.rounds + number) % _COLD_EVERY:
                continue
            if not self.around.sink.room():
                break
            try:
                busy += self._look_at(key, tail, now)
            except StorageError as error:  # it is looked at again in the next round
                refused = error
            except OSError as error:
                self._give_up(key, tail, f"{tail.path} cannot be read: {error.strerror}.")
            except Exception as error:  # one file's reader is not the end of the others
                why = f"{tail.path} cannot be followed: {type(error).__name__}: {error}."
                if self._reported.get(key) != why:  # it is tried again at each scan
                    log.exception("%s cannot be followed", tail.path)
                    self._reported[key] = why
                self._give_up(key, tail, why)
        if refused is not None:
            raise refused
        return busy

    def _look_at(self, key: tuple[int, int], tail: FileTail, now: int) -> bool:
        """Read what is new in one file, or see where it went; true when there was something."""
        unread, written = not tail.position, tail.written.us
        if unread and not self._begins_as_text(tail):
            self._drop(key, tail, DONE)
            return False
        try:
            grew = tail.poll()
        except Truncated as truncated:
            self._restart(key, tail, truncated)
            return True
        if unread and (grew or tail.written.us != written):  # what it had, if it was emptied unseen, is in a copy
            self._adopt_missed(tail.state, tail.looked_at, tail, tail)
        if grew or key not in self._idle:
            self._idle[key] = now
        if not grew:
            tail.catch_up_done()
            self._look_for_rotation(key, tail, now)
        return grew

    def _begins_as_text(self, tail: FileTail) -> bool:
        """Whether a file that was empty when it was found is a log at all, by its first bytes; the output of a service is."""
        said = tail.rests or self.found_by.get(tail.state.source) == "service"
        return said or is_text(tail.fd)

    def _give_up(self, key: tuple[int, int], tail: FileTail, why: str) -> None:
        """Say why this file is not read; when it is found again, reading goes on where it stopped."""
        self.errors[tail.path] = why
        if self.tails.get(key) is tail:
            self._drop(key, tail, ERROR)

    def _look_for_rotation(self, key: tuple[int, int], tail: FileTail, now: int) -> None:
        """At the end of the file: does its path still lead here? If not, follow what comes there, and let this one go when it stays quiet."""
        there, idle = rotation.key_of(tail.path), now - self._idle.get(key, now)
        if there == key:
            tail.moved_at, tail.looked_at = None, now
            if tail.renamed and idle > _DRAIN_US:
                tail.finish()
                self._drop(key, tail, DONE)
            elif idle > self.around.settings.rest_s * SECOND and not tail.rests and not tail.writers.hold(key):
                tail.rest()
            return
        waited = there is not None or (tail.moved_at is not None and now - tail.moved_at > _DRAIN_US)
        looked = tail.looked_at and (tail.moved_at is None or waited)
        if looked and self._adopt_missed(tail.state, tail.looked_at, after=tail) and tail.deleted():
            self.ledger.gap(self.around, tail.state)  # between it and these there may have been others
        if there is not None and there not in self.tails:
            self.adopt(Found(tail.path, *there, self.found_by.get(tail.state.source, "open")), after=tail)
            if key not in self.tails:
                return  # it goes on as the other one
        path = rotation.place_of(tail.state) if tail.rests else rotation.name_now(tail.fd)
        if waited and path is not None and path != tail.path and rotation.key_of(path) == key:
            self.around.sink.put(Delivery(tail.state, changes={"path": path}))
            tail.path, tail.renamed = path, True
            self._idle[key] = now
        elif tail.moved_at is None:
            tail.moved_at = now
        elif now - tail.moved_at > _DRAIN_US and idle > _DRAIN_US:
            tail.finish()
            self._drop(key, tail, GONE)

    def _restart(self, key: tuple[int, int], tail: FileTail, truncated: Truncated) -> None:
        """The file was emptied: its content so far is one generation, what comes is the next."""
        self.around.settle()  # raises while the store takes nothing: then the file is looked at again
        if self._copied_by_now(tail.fd, os.fstat(tail.fd), tail.path):  # `cp app.log app.log.1` onto the copy before
            self.truncated_at[tail.state.file_id] = now = self.around.now()
            self._drop(key, tail, GONE)
            if truncated.missed:
                self.around.sink.put(emptied(tail.state, truncated.missed, now))
            return
        old, fd = tail.state, os.dup(tail.fd)
        try:
            following = self._begin_again(fd, key, tail, truncated)
        except BaseException:
            os.close(fd)
            raise
        following.poll()  # from now on a copy that is made of it is known as one
        self._adopt_missed(old, tail.looked_at, following, tail)
        following.writers = tail.writers
        following.catch_up_done()

    def _begin_again(self, fd: int, key: tuple[int, int], tail: FileTail, truncated: Truncated) -> FileTail:
        old = tail.state
        self.truncated_at[old.file_id] = self.around.now()
        try:
            copy = self._splice(old)
        except BaseException:  # it is emptied all the same, and seen to be so in the next round
            del self.truncated_at[old.file_id]
            raise
        self._drop(key, tail, GONE)
        self._next_generation[key] = old.generation + 1
        missed = truncated.missed if not copy else max(0, truncated.missed + tail.position - copy)
        self.around.sink.put(emptied(old, missed, self.around.now()))
        found = Found(old.path, *key, self.found_by.get(old.source, "open"))
        return self._begin(fd, os.fstat(fd), found, old.generation + 1)

    def _drop(self, key: tuple[int, int], tail: FileTail, state: str | None) -> None:
        tail.close()
        self.version += 1
        self.tails.pop(key, None)
        self._idle.pop(key, None)
        if state is not None:
            self.around.sink.put(Delivery(tail.state, changes={"state": state}))

    def reread_formats(self) -> None:
        """Other formats were named for files: what comes from now on is read by them."""
        for tail in self.tails.values():
            if self.around.said_of(tail.path) is not UNSAID or tail.parser.said:
                tail.read_by(self.around.parser_again(tail.fd, tail.path, tail.written, tail.parser.charset))

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
