"""Follows one file as it grows: reads, finds the records, notices truncation and rotation.

The last record of the file stays *open*: a continuation line may still come. It is shown at once, stored when the file has been quiet for a moment, and stored again in its own
place when it grows after all. What comes a minute later is no continuation. The checkpoint stands at the start of the open record until then, so a restart reads nothing twice and misses nothing.
"""

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from logs.core import fingerprint
from logs.core.record import LogRecord
from logs.core.timestamps import DAY, SECOND
from logs.following.attribution import Writers
from logs.parsing.charset import UTF8, charset_of
from logs.parsing.chronology import Chronology
from logs.parsing.parser import BlockParser, ReadState, Undated
from logs.parsing.rows import Rows
from logs.storing.checkpoint import FileState
from logs.storing.delivery import Delivery

READ_AT_ONCE: Final = 1 << 20
_STALE_US: Final = 5 * SECOND
_MANY_LINES: Final = 4000
_HOLE: Final = re.compile(rb"\0{512,}")
"""What a writer leaves that goes on at its old offset after the file was emptied."""


@dataclass(frozen=True, slots=True)
class TailLimits:
    """Args: max_record_bytes: longer lines are cut there. hold_us: how long the last record waits for its continuation before it is stored.
    partial_us: how long a line without an end waits before it is taken as it is. join_us: a line that is written this long after a record does not belong to it.
    """

    max_record_bytes: int = 1 << 20
    join_us: int = 60 * SECOND
    hold_us: int = 200_000
    partial_us: int = 1_000_000


@dataclass(slots=True)
class Written:
    """When the file was last written, µs."""

    us: int


class Truncated(Exception):
    """The file no longer holds what was read; `missed` is the least number of bytes lost with it."""

    def __init__(self, missed: int) -> None:
        super().__init__(f"truncated; at least {missed} bytes were not read")
        self.missed = missed


class FileTail:
    """One open file.

    Args:
        fd: open for reading; closed by `rest` and by `close`.
        state: where to go on: at `state.stored_to`.
        resumed: whether rows of the store at or behind `state.stored_to` exist already and are replaced.
        opened: the time of the record there, µs, where it is stored: read again, it is no later than that.
    """

    def __init__(
        self,
        fd: int,
        state: FileState,
        parser: BlockParser,
        *,
        put: Callable[[Delivery], None],
        show: Callable[[list[LogRecord]], object],
        writers: Writers,
        host: str,
        now: Callable[[], int],
        limits: TailLimits,
        numbered: bool = True,
        resumed: bool = False,
        opened: int | None = None,
    ) -> None:
        self._fd: int | None = fd
        self.state = state
        self.parser = parser
        self.writers = writers
        self.path = state.path
        self.moved_at: int | None = None
        self.renamed = False
        self.written = Written(0)
        self.looked_at = 0
        """When the path last led to this file."""
        self.numbered = numbered
        self.find_days: Callable[[int, BlockParser], Chronology | None] | None = None
        """Says once, of what is there already, on which days it was written. Asked after the reading: a file may be emptied soon."""
        self._put, self._show, self._host, self._now, self._limits = put, show, host, now, limits
        self._read = ReadState(line_no=state.lines + 1)
        self._held = b""
        self._open = self._seen = self._shown_to = state.stored_to
        start = max(0, self._seen - fingerprint.MARKER)
        self._marker = self._before = fingerprint.read_at(fd, self._seen - start, start)
        status = os.fstat(fd)
        self._key = (status.st_dev, status.st_ino)
        self._mtime, self._size, self._blank = -1, status.st_size, (-1, -1)
        self._born = (status.st_size, status.st_mtime_ns // 1000)
        self._grew = self._opened_us = self._calm_us = 0
        self._open_stored = resumed
        self._stored_at, self._stored_us = (state.stored_to, opened) if opened is not None else (-1, 0)
        self._open_done, self._skipping = -1, self._seen > 0 and not self._marker.endswith((b"\n", b"\0"))
        self._first_live = now() - 60 * SECOND
        self._head = fingerprint.read_at(fd, min(fingerprint.HEAD, self._seen), 0)
        self._head_len = state.head_len if self._seen else 0

    @property
    def fd(self) -> int:
        """The open file; one that rests is opened again.

        Raises:
            OSError: its path does not lead to it any more, or it cannot be read.
        """
        if self._fd is None:
            fd = fingerprint.open_regular(self.path)
            status = os.fstat(fd)
            if (status.st_dev, status.st_ino) != self._key:
                os.close(fd)
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
            self._fd = fd
        return self._fd

    @property
    def rests(self) -> bool:
        """Whether the file is closed for the time being."""
        return self._fd is None

    def rest(self) -> None:
        """Close the file until it changes: one that nobody writes must not keep its file system busy."""
        if self._fd is not None and self.quiet:
            os.close(self._fd)
            self._fd = None

    def _woken(self) -> bool:
        """Whether a file that rests has changed; then it is open again. Where its path leads elsewhere by now, it has not."""
        try:
            status = Path(self.path).stat()
            if (status.st_dev, status.st_ino) != self._key:
                return False
            if (status.st_size, status.st_mtime_ns) in {(self._seen, self._mtime), self._blank}:
                return False
            self._fd = self.fd
        except FileNotFoundError:
            return False
        return True

    def deleted(self) -> bool:
        """Whether no path leads to the file any more; of one that rests, whether its own does not."""
        try:
            return not os.fstat(self.fd).st_nlink
        except OSError:
            return True

    @property
    def position(self) -> int:
        """How far the file has been read."""
        return self._seen

    @property
    def size(self) -> int:
        """How big the file was when it was last looked at."""
        return self._size

    @property
    def lines(self) -> int:
        """Lines read so far; of a file whose older part nobody counted yet, of the newer part."""
        return self._read.line_no - 1 + (len(self.parser.charset.starts(self._held, 0)) if self._held else 0)

    def begins(self, fd: int) -> bool:
        """Whether another open file has, at its beginning, all that has been read of this one."""
        start = self._seen - len(self._marker)
        if os.fstat(fd).st_size < self._seen or fingerprint.read_at(fd, len(self._marker), start) != self._marker:
            return False
        return bool(self._head) and fingerprint.read_at(fd, len(self._head), 0) == self._head

    def copied_to(self, path: str) -> bool:
        """Whether the file there is a copy of this one, so far as it goes: whole, or still being made."""
        try:
            fd = fingerprint.open_regular(path)
        except OSError:
            return False
        try:
            size = os.fstat(fd).st_size
            if size >= self._seen or not size:
                return self.begins(fd)
            head, start = self._head[:size], max(0, size - fingerprint.MARKER)
            same = fingerprint.read_at(fd, size - start, start) == fingerprint.read_at(self.fd, size - start, start)
            # not the same any more, where it was emptied behind the copy's end just now; then the copy is whole
            return (same and fingerprint.read_at(fd, len(head), 0) == head) or self.begins(fd)
        finally:
            os.close(fd)

    def read_by(self, parser: BlockParser) -> None:
        """Take the lines apart in another way from now on; the open record is done first, as it was understood."""
        self._settle(now=True)
        parser.charset = self.parser.charset
        self.parser = parser

    @property
    def opened_at(self) -> int:
        """Where the open record begins."""
        return self._open

    def number(self, line_no: int) -> None:
        """The line at `opened_at` has this number: from now on all lines have theirs."""
        self._read = ReadState(line_no, self._read.previous_ts)
        self.numbered = True

    @property
    def quiet(self) -> bool:
        """Nothing waits to be parsed or stored."""
        return not self._held or self._open_done == self._seen

    def holds_to(self, size: int) -> bool:
        """Whether all records that begin before offset `size` are delivered; space taken in advance holds none.

        Raises:
            OSError: the file cannot be looked at.
        """
        if self._open >= size:
            return True
        status = os.fstat(self.fd)
        return self.quiet and (self._seen >= size or (status.st_size, status.st_mtime_ns) == self._blank)

    def poll(self, limit: int = READ_AT_ONCE) -> bool:
        """Read what is new; true when there was something.

        Raises:
            Truncated: what was read is no longer in the file; all records found before are delivered.
            OSError: the file cannot be read.
        """
        now = self._now()
        if self.rests and not self._woken():
            self._calm_us = now
            return False
        status = os.fstat(self.fd)
        if (status.st_size, status.st_mtime_ns) in {(self._seen, self._mtime), self._blank}:
            self._calm_us = now
            self._settle()
            return False
        self._check(status.st_size)
        if self._is_late(status.st_mtime_ns // 1000) and self.parser.charset.ended(self._held):
            self._settle(final=True, partial=False)  # what was written long ago is done, with the year it had
        self.written.us = status.st_mtime_ns // 1000
        self._size = status.st_size
        self._mtime = status.st_mtime_ns if status.st_size <= self._seen + limit else -1
        data = fingerprint.read_at(self.fd, limit, self._seen)
        if self._seen == 0:
            self.parser.charset = charset_of(data)
        if self.parser.charset is UTF8 and data.endswith(b"\0") and self._seen + len(data) >= status.st_size:
            data = data.rstrip(b"\0")  # space taken in advance: what will be written there is not there yet
            self._blank = (status.st_size, status.st_mtime_ns)
        if not data:
            self._settle()
            return False
        self._grew = now
        if not self._held:
            self._opened_us = min(now, self.written.us)
        self._head += data[: max(0, fingerprint.HEAD - len(self._head))]  # as read: the file may be emptied by now
        self._seen += len(data)
        self._marker = (self._marker + data)[-fingerprint.MARKER :]
        self._take(data)
        return True

    def _is_late(self, mtime: int) -> bool:
        """Whether what the file has now was written long after the open record.

        When lines were written is known only where the file was seen without them: not while the watch was away or did not come to read.
        """
        return self._calm_us - self._opened_us > self._limits.join_us or mtime - self.written.us > DAY

    def finish(self) -> None:
        """Nothing more comes: the open record is done, a line without an end is a record."""
        self._settle(final=True, partial=True)

    def pause(self) -> None:
        """Store the open record now; its continuation may still come, in another life of the watch."""
        self._settle(now=True)

    def close(self) -> None:
        """Let the file go."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _check(self, size: int) -> None:
        """Is what we read still there? The bytes before our position must be."""
        start = self._seen - len(self._marker)
        if size >= self._seen and fingerprint.read_at(self.fd, len(self._marker), start) == self._marker:
            return
        self._settle(final=True, partial=False)
        raise Truncated(max(0, self._size - self._seen))

    def _take(self, data: bytes) -> None:
        if self._skipping:
            end = self.parser.charset.first_end(data)
            self._lose(end - len(self.parser.charset.end) if end else len(data))
            if not end:
                self._open, self._before = self._seen, self._marker
                self._deliver(Rows(), self._seen, self._read.line_no)
                return
            self._skipping, skipped = False, data[:end]
            data = data[end:]
            self._open = self._seen - len(data)
            self._before = (self._before + skipped)[-fingerprint.MARKER :]
        position = self._seen - len(data)
        for begin, since in self.writers.begins(position, self._seen):
            if begin > position:
                self._pieces(data[: begin - position])
            self._settle(final=True, partial=True)  # the next one's lines are its own, whatever they look like
            self._read.previous_ts = since
            data, position = data[begin - position :], begin
        self._pieces(data)

    def _pieces(self, data: bytes) -> None:
        """Text, between holes."""
        hole = _HOLE.search(data)
        while hole is not None:
            self._text(data[: hole.start()])
            self._settle(final=True, partial=True)
            self._before = (self._before + hole.group())[-fingerprint.MARKER :]
            self._open += hole.end() - hole.start()
            self._open_stored = False
            data = data[hole.end() :]
            hole = _HOLE.search(data)
        self._text(data)

    def _text(self, data: bytes) -> None:
        self._held += data
        if (
            self.parser.charset is UTF8 and self._held.startswith(b"\0") and not self._before.strip(b"\0")
        ):  # the rest of a hole
            self._advance(len(self._held) - len(self._held.lstrip(b"\0")))
        whole = self.parser.charset.last_end(self._held)
        if whole:
            self._parse(whole)
        if len(self._held) - self.parser.charset.last_end(self._held) > self._limits.max_record_bytes:
            self._cut()

    def _parse(self, end: int) -> None:
        """Parse the whole lines held; all records but the last are done."""
        if self.find_days is not None:
            self._days(self._held[:end])
        line_no, previous = self._read.line_no, self._read.previous_ts
        rows = self._rows(self._held[:end], self._read)
        if not rows:  # blank lines only
            self._advance(end)
            return
        self._emit(rows)
        last = rows.pos[-1]
        if rows.end[-1] - last > self._limits.max_record_bytes or rows.lines[-1] > _MANY_LINES:
            self._deliver(rows, self._open + end, self._read.line_no)
            self._advance(end)
            return
        self._all_but_last(rows, line_no, previous)

    def _days(self, data: bytes) -> None:
        find, self.find_days = self.find_days, None
        if not self.parser.settled and data.count(b"\n") > 1:  # a single line says little
            self.parser.learn(data[:65536])
        if self.parser.lacks and find is not None:
            self.parser.chronology = find(self._open, self.parser)

    def _all_but_last(self, rows: Rows, line_no: int, previous: int | None) -> None:
        """Deliver the records that are done; the last one becomes the open one."""
        done = rows.part(0, len(rows) - 1)
        if done:
            self._deliver(done, rows.pos[-1], rows.line_no[-1])
        self._read = ReadState(max(line_no, rows.line_no[-1]), done.ts[-1] if done else previous)
        self._advance(rows.pos[-1] - self._open, stored=self._open_stored and not done)

    def _advance(self, length: int, *, stored: bool = False) -> None:
        """The first `length` bytes held are done; `stored`: what follows is in the store already."""
        if length:
            self._before = (self._before + self._held[max(0, length - fingerprint.MARKER) : length])[
                -fingerprint.MARKER :
            ]
            self._held = self._held[length:]
            self._open += length
            self._open_stored = stored
            self._opened_us = min(self._grew, self.written.us)

    def _settle(self, *, now: bool = False, final: bool = False, partial: bool = False) -> None:
        """Store the open record when the file has been quiet for long enough, or `now`, or because it is `final` (its last line only if `partial` or whole)."""
        charset = self.parser.charset
        if final and not partial and not charset.ended(self._held):
            self._held = self._held[: charset.last_end(self._held)]
        if not self._held or (self._open_done == self._seen and not final):
            return
        quiet = self._now() - self._grew
        whole = charset.ended(self._held)
        if not (now or final) and quiet < (self._limits.hold_us if whole else self._limits.partial_us):
            return
        read = ReadState(self._read.line_no, self._read.previous_ts)
        rows = self._rows(self._held, read)
        if rows:
            self._emit(rows)
            if final:
                self._deliver(rows, self._open + len(self._held), read.line_no)
                self._advance(len(self._held))
                self._read = ReadState(read.line_no - (not whole), read.previous_ts)
                return
            self._all_but_last(rows, self._read.line_no, self._read.previous_ts)
            self._deliver(rows.part(len(rows) - 1, len(rows)), self._open, self._read.line_no)
            self._open_stored = True
        self._open_done = self._seen

    def _emit(self, rows: Rows) -> None:
        """Show records to those who watch; what was shown before is shown again only when it has grown."""
        begin = 0
        while begin < len(rows) and rows.end[begin] <= self._shown_to:
            begin += 1
        if begin == len(rows):
            return
        self._shown_to = rows.end[-1]
        part = rows.part(begin, len(rows)) if begin else rows
        records = list(part.records(self.writers.owner(part, self.state, numbered=self.numbered)))
        if self._first_live:
            records = [record for record in records if record.ts >= self._first_live]
        if records:
            self._show(records)

    def catch_up_done(self) -> None:
        """What comes from now on is new, however old its time stamps are."""
        self._first_live = 0

    def _deliver(self, rows: Rows, stored_to: int, line_no: int) -> None:
        """Hand records over, with the checkpoint at `stored_to`, where the line numbered `line_no` begins."""
        state = self.state
        replaces = bool(rows) and self._open_stored
        changes: dict[str, Any] = {
            "stored_to": stored_to,
            "marker_hash": self._marker_at(stored_to),
            "size": self._size,
            "format": self.parser.format_name,
        }
        if self.numbered:
            changes["lines"] = line_no - 1
        if (reading := self.parser.decided) is not None and reading != state.reading:
            changes["reading"] = reading
        if self._head_len < fingerprint.HEAD and self._seen > self._head_len:
            self._head_len = len(self._head)
            changes |= {"head_hash": fingerprint.digest(self._head), "head_len": self._head_len}
        table = (
            rows.table(self.writers.owner(rows, state, numbered=self.numbered), self._host, self._now())
            if rows
            else None
        )
        counts = {"records": len(rows) - replaces, "bytes": max(0, stored_to - self._open)}
        self._put(Delivery(state, table, replaces=replaces, changes=changes, counts=counts))

    def _marker_at(self, position: int) -> str:
        """Hash of the bytes before `position`, as they were when they were read."""
        known = self._before + self._held
        end = position - (self._open - len(self._before))
        return fingerprint.digest(known[max(0, end - fingerprint.MARKER) : end])

    def _cut(self) -> None:
        """The line is too long: its beginning becomes a record, the rest is skipped and counted."""
        start = self.parser.charset.last_end(self._held)
        if start:
            rows = self._rows(self._held[:start], self._read)
            self._deliver(rows, self._open + start, self._read.line_no)
            self._advance(start)
        limit = self._limits.max_record_bytes
        rows = self._rows(self._held[:limit], self._read)
        self._emit(rows)
        self._shown_to = self._seen
        self._deliver(rows, self._open + len(self._held), self._read.line_no)
        self._lose(len(self._held) - limit)
        self._advance(len(self._held))
        self._skipping = True

    def _lose(self, count: int) -> None:
        if count:
            self._put(Delivery(self.state, counts={"missed_bytes": count}))

    def _rows(self, data: bytes, read: ReadState) -> Rows:
        """The records of `data`, which is held. The open record keeps the time at which it came, when lines behind it are read later."""
        rows = self.parser.parse(data, self._open, read, self._undated())
        if rows and rows.ts_from[0] == "ingest":
            rows.ts[0] = min(rows.ts[0], self._opened_us)
        if rows and rows.pos[0] == self._stored_at and rows.ts_from[0] in {"ingest", "mtime"}:
            rows.ts[0] = min(rows.ts[0], self._stored_us)  # the file may have been written again since
        return rows

    def _undated(self) -> Undated:
        size, mtime = self._born
        return Undated(mtime, "mtime") if self._open < size else Undated(self._now(), "ingest", _STALE_US)
