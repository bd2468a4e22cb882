"""Counts what was rotated away before it was read: exactly where whoever rotates says which bytes each file has, else as far as the sizes that were seen tell."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from logs.core.timestamps import SECOND
from logs.following.holders import start_of
from logs.following.rotation import Generations, still_holds
from logs.following.surroundings import Surroundings
from logs.following.tail import FileTail
from logs.storing.checkpoint import FileState
from logs.storing.delivery import Delivery, rotated

_EVERY_US: Final = SECOND
_TOLD_EVERY_US: Final = 60 * SECOND
"""A flood has one event so often; the numbers are those of the last second."""


class Ledger:
    """What became of the bytes of logs whose files are rotated.

    A file that was opened is read to its end, whatever becomes of its name, unless the watch ends. So of the bytes of a log that are in no file any more,
    those are missed that were not read; they are counted up to the first one that is still being read. That is stored behind the records, so a watch that is
    killed goes on from where both are stored.

    Args:
        began: when the watch began, µs.
    """

    def __init__(self, began: int) -> None:
        self._began = began
        self._process_began = min(start_of(os.getpid()) or began, began)
        """What began to be written later has nothing that an earlier store may have; services begin before their logs are followed."""
        self._begins: dict[int, int] = {}
        """Of files, by id: where they begin in their log. The store may not have it yet."""
        self._read: dict[int, int] = {}
        """Of files that were opened, by id: how much of them will have been read once they are let go."""
        self._counted: dict[str, int] = {}
        """By source: up to where in the log all is counted."""
        self._due = 0
        self._told_at: dict[str, int] = {}
        self._untold: dict[str, int] = {}

    def look(self, around: Surroundings, states: Mapping[int, FileState], tails: Iterable[FileTail]) -> None:
        """Find out where new files begin, and count what went away."""
        named = {source: path for path, source in around.settings.named}
        opened = [tail for tail in tails if tail.state.source in named and not tail.rests]
        for tail in opened:
            self._read[tail.state.file_id] = size = os.fstat(tail.fd).st_size
            if size and self._begin_of(tail.state) is None:
                self._place(around, tail)
        now = around.now()
        if now < self._due:
            return
        self._due = now + _EVERY_US
        for source, path in named.items():
            told = around.generations(path)
            if told is not None and told.gone > self._counted.get(source, 0):
                mine = [state for state in states.values() if state.source == source]
                self._count(around, told, mine, [tail for tail in opened if tail.state.source == source])

    def gone(self, around: Surroundings, state: FileState, later: Iterable[tuple[str, Sequence[FileState]]]) -> None:
        """This file went away while nobody watched. `later`: rotated files of its log that were written since then, each with those that are known to have
        had its inode. One that nobody saw came after it; so may have others.
        """
        # its last record may be stored as one that may grow: then all was read that was seen
        read = state.size if around.stored.positions_behind(state.file_id, state.stored_to) else state.stored_to
        if around.generations(state.path) is not None:
            self._read[state.file_id] = read
            around.sink.put(Delivery(state, changes={"stored_to": read}))
            return
        if missed := max(0, state.size - read) + state.waiting:
            around.sink.put(rotated(state, missed, around.now()))
        if not all(
            any(one.first_seen < self._began and still_holds(path, one) for one in known) for path, known in later
        ):
            self.gap(around, state)

    def gap(self, around: Surroundings, state: FileState) -> None:
        """Behind this file others may have come and gone unseen: nobody can say how much, unless whoever rotates them does."""
        if around.generations(state.path) is None:
            around.sink.put(Delivery(state, counts={"gaps": 1}))

    def _begin_of(self, state: FileState) -> int | None:
        return self._begins.get(state.file_id, state.begins_at)

    def _place(self, around: Surroundings, tail: FileTail) -> None:
        """Note where a file begins, once there is something in it. Nobody else can have its inode as long as it is open, and who writes it says where it begins
        before there is anything in it: so the newest file of this inode is this one.
        """
        state = tail.state
        told = around.generations(tail.path)
        if told is not None and (begin := dict(told.begins).get(state.inode)) is not None:
            self._begins[state.file_id] = begin
            around.sink.put(Delivery(state, changes={"begins_at": begin}))

    def _count(self, around: Surroundings, told: Generations, states: list[FileState], tails: list[FileTail]) -> None:
        if not states:
            return  # what an earlier store has of it is known once something was opened
        newest = max(states, key=lambda state: state.first_seen)
        parts = sorted((begin, self._end_of(state)) for state in states if (begin := self._begin_of(state)) is not None)
        first = 0 if told.since >= self._process_began else min((begin for begin, _ in parts), default=told.gone)
        before = max((to for state in states if (to := state.told_to) is not None), default=first)
        since = max(self._counted.get(newest.source, 0), before)
        until = min([told.gone, *self._still_read(tails)])
        if until <= since:
            return
        missed = sum(end - begin for begin, end in _between(parts, since, until))
        self._counted[newest.source] = until
        self._tell(around, newest, missed, until)

    def _end_of(self, state: FileState) -> int:
        """Up to where in its log a file was read, or is known to have been emptied."""
        begin = self._begin_of(state) or 0
        return begin + max(self._read.get(state.file_id, 0), state.stored_to + state.emptied_bytes)

    def _still_read(self, tails: Iterable[FileTail]) -> Iterator[int]:
        """Where in the log something that was opened is not handed over yet."""
        for tail in tails:
            begin = self._begin_of(tail.state)
            if begin is not None and not tail.holds_to(os.fstat(tail.fd).st_size):
                yield begin + tail.opened_at

    def _tell(self, around: Surroundings, state: FileState, missed: int, counted: int) -> None:
        source, now = state.source, around.now()
        untold = self._untold.get(source, 0) + missed
        told = untold > 0 and now - self._told_at.get(source, 0) >= _TOLD_EVERY_US
        delivery = rotated(state, missed, now, untold if told else 0)
        delivery.changes["told_to"] = counted
        self._untold[source] = 0 if told else untold
        if told:
            self._told_at[source] = now
        around.sink.put(delivery)


def _between(parts: Iterable[tuple[int, int]], since: int, until: int) -> Iterator[tuple[int, int]]:
    """What lies from `since` to `until` in none of these parts, which are sorted."""
    at = since
    for begin, end in parts:
        if at < min(begin, until):
            yield at, min(begin, until)
        at = max(at, end)
    if at < until:
        yield at, until
