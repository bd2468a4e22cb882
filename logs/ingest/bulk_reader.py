"""Reading what is already there: whole files for `ingest`, and the older part of a big file behind its newest records."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from logs.core import fingerprint
from logs.following.attribution import Writers
from logs.ingest.chunk import Chunk
from logs.ingest.pool import Parsed, Pool
from logs.parsing.boundaries import boundary_before, record_boundary
from logs.parsing.charset import UTF8
from logs.parsing.parser import BlockParser, ReadState, Undated
from logs.parsing.rows import Rows
from logs.storing.checkpoint import FileState
from logs.storing.delivery import Delivery
from logs.storing.sink import RecordSink

BLOCK: Final = 4 << 20
_MOST_SENT: Final = 8 << 20
_LOOK_S: Final = 0.25
Changes = Callable[[int, int], dict[str, Any]]
"""What a checkpoint at a position, where a line of this number begins, says."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What the pool parses: `size` bytes at `position`, `lines` lines, behind which the line `line_no` begins."""

    result: "Future[Parsed]"
    chunk: Chunk
    position: int
    size: int
    lines: int
    read: ReadState
    line_no: int
    changes: Changes

    @property
    def end(self) -> int:
        """Where it ends in the file."""
        return self.position + self.size


@dataclass(slots=True)
class Reader:
    """Reads ranges of one open file and hands their records over.

    Pieces that begin with a dated record depend on nothing before them: with a `pool` they are parsed there, several at a time, and handed over in their order.

    Args:
        stopped: asked between blocks; true ends the reading, and it can be taken up again.
        progress: hears how far it is: of `straight` the position that it has read up to, of `backwards` the one that it has read down to.
    """

    fd: int
    state: FileState
    parser: BlockParser
    sink: RecordSink
    writers: Writers
    host: str
    now: Callable[[], int]
    stopped: Callable[[], bool]
    max_record_bytes: int
    undated: Undated
    progress: Callable[[int], None] | None = None
    pool: Pool | None = None
    piece_bytes: int = 2 << 20
    """How much a process of the pool parses at a time."""
    numbered: bool = True
    """Whether the numbers of the lines are known."""
    parts: bool = True
    """Whether a checkpoint may stand before any dated record: a line that borrows the time of the one before cannot be read without it."""
    records: int = 0
    lines: int = 0
    _counted_from: int = 0
    _lines_before: int = 0
    _away: "deque[_Piece]" = field(default_factory=deque)

    def straight(self, begin: int, end: int, read: ReadState, *, ended: bool, changes: Changes) -> int:
        """Read [begin, end) forwards, where a record begins at `begin`; returns how far it came.

        `ended`: the file ends at `end`, so the last record is whole. `changes(position, line_no)` gives what a checkpoint there says.
        """
        position, held = begin, b""
        block = BLOCK if self.pool is None else self.piece_bytes
        while position + len(held) < end or held:
            if self.stopped() or not self.sink.wait_for_room(1.0):
                if self.stopped():
                    return self._dropped(position)
                continue
            data = fingerprint.read_at(self.fd, min(block, end - position - len(held)), position + len(held))
            held += data
            last = position + len(held) >= end or not data
            whole = len(held) if last and ended else (len(held) if last else record_boundary(held, self.parser))
            if not whole and len(held) < 2 * self.max_record_bytes and not last:
                continue
            if not whole:
                whole = self.parser.charset.last_end(held)
            if whole:
                position += self._take(held[:whole], position, read, changes)
                held = held[whole:]
            else:
                if not self._all_back():
                    return self._dropped(position)
                position += self._cut(held, position, end, read, changes)
                held = b""
            if self.progress is not None:
                self.progress(self._away[0].position if self._away else position)
            if last:
                break
        return position if self._all_back() else self._dropped(position)

    def _take(self, data: bytes, position: int, read: ReadState, changes: Changes) -> int:
        if self._send(data, position, read, changes):
            return len(data)
        if not self._all_back():
            return 0
        first = read.line_no
        rows = self._shortened(self.parser.parse(data, position, read, self.undated))
        self._deliver(rows, len(data), changes(position + len(data), read.line_no))
        self.lines += read.line_no - first
        return len(data)

    def _shortened(self, rows: Rows) -> Rows:
        """No record longer than allowed, whatever line it stands on."""
        lost = rows.shorten(self.max_record_bytes)
        if lost:
            self.sink.put(Delivery(self.state, counts={"missed_bytes": lost}, bulk=True))
        return rows

    def _cut(self, held: bytes, position: int, end: int, read: ReadState, changes: Changes) -> int:
        """A line longer than a record may be: its beginning is a record, the rest is skipped and counted."""
        kept = held[: self.max_record_bytes]
        rows = self.parser.parse(kept, position, read, self.undated)
        length = len(held)
        while position + length < end:
            data = fingerprint.read_at(self.fd, min(BLOCK, end - position - length), position + length)
            if not data:
                break
            found = data.find(b"\n")
            length += len(data) if found < 0 else found + 1
            if found >= 0:
                break
        self._deliver(rows, length, changes(position + length, read.line_no), missed=length - len(kept))
        self.lines += 1
        return length

    def _deliver(self, rows: Rows, length: int, changes: dict[str, Any], missed: int = 0) -> None:
        table = (
            rows.table(self.writers.owner(rows, self.state, numbered=self.numbered), self.host, self.now())
            if rows
            else None
        )
        counts = {"records": len(rows), "bytes": length, "missed_bytes": missed}
        self.records += len(rows)
        self.sink.put(Delivery(self.state, table, changes={**changes, **self._read_as()}, counts=counts, bulk=True))

    def _read_as(self) -> dict[str, Any]:
        """How the file is read; where lines that are written now showed it, what they showed stands."""
        reading = self.parser.decided if self.state.reading is None else None
        return {"format": self.parser.format_name} | ({} if reading is None else {"reading": reading})

    def _send(self, data: bytes, position: int, read: ReadState, changes: Changes) -> bool:
        """Have a piece parsed by the pool, if it may be; `read` moves on."""
        pool, primary = self.pool, self.parser.primary
        if (
            pool is None
            or primary is None
            or not primary.dated
            or len(data) > _MOST_SENT
            or self.parser.charset is not UTF8
        ):
            return False
        if not self.parser.begins_dated(data[: data.find(b"\n") + 1 or len(data)]):
            return False
        if len(self._away) >= pool.size + 2 and not self._one_back():
            return True  # stopped: what is away is dropped, and this with it
        state, forced = self.state, self.parser.forced_name
        chunk = Chunk(
            position, read.line_no, self.parser.shape, forced, self.undated.ts, state.file_id, state.source, self.host, self.now(), self.max_record_bytes,
            self.parser.own_format, self.parser.chronology,
        )  # fmt: skip
        lines = data.count(b"\n") + (not data.endswith(b"\n"))
        read.line_no += lines
        self._away.append(
            _Piece(pool.submit(chunk, data), chunk, position, len(data), lines, read, read.line_no, changes)
        )
        return True

    def _all_back(self) -> bool:
        """Hand over all that the pool still has; False when stopped before."""
        while self._away:
            if not self._one_back():
                return False
        return True

    def _one_back(self) -> bool:
        """Hand over the first piece; False when stopped before."""
        piece = self._away[0]
        while True:
            if self.stopped():
                return False
            try:
                table, answer = piece.result.result(_LOOK_S)
            except NotYet:
                continue
            if self.sink.wait_for_room(_LOOK_S):
                break
        if answer.shape != piece.chunk.shape:
            self.parser.take(answer.shape)
        piece.read.previous_ts = answer.last_ts if answer.last_ts is not None else piece.read.previous_ts
        self.records += table.num_rows
        self.lines += piece.lines
        table = self.writers.attribute(table) if table.num_rows else table
        cut = self.sink.lacking() if self.parts else table.num_rows
        if cut < table.num_rows and table.column("ts_from")[cut].as_py() == "line":
            at, line_no = table.column("pos")[cut].as_py(), table.column("line_no")[cut].as_py()
            self._deliver_piece(piece, table.slice(0, cut), piece.position, at, line_no, 0)
            self._deliver_piece(piece, table.slice(cut), at, piece.end, piece.line_no, answer.lost)
        else:
            self._deliver_piece(piece, table, piece.position, piece.end, piece.line_no, answer.lost)
        self._away.popleft()
        return True

    def _deliver_piece(  # noqa: PLR0917 - a part of a piece and where it lies
        self, piece: _Piece, table: pa.Table, begin: int, end: int, line_no: int, lost: int
    ) -> None:
        changes = {**piece.changes(end, line_no), **self._read_as()}
        counts = {"records": table.num_rows, "bytes": end - begin, "missed_bytes": lost}
        rows = table if table.num_rows else None
        self.sink.put(Delivery(self.state, rows, changes=changes, counts=counts, bulk=True))

    def _dropped(self, position: int) -> int:
        """Forget what the pool has; returns where the first of it begins."""
        if self._away:
            position = self._away[0].position
            for piece in self._away:
                piece.result.cancel()
            self._away.clear()
        return position

    def backwards(self, chunk: int) -> bool:
        """Read what waits below `state.backfill_from`, the newest chunk first; true when all is done."""
        high, low = self.state.backfill_from, self.state.backfill_to
        self.parts = False
        while high > low:
            begin = boundary_before(self.fd, self.parser, high, low, chunk)
            read = ReadState(line_no=self.line_no_at(begin))
            stop_at = begin

            def checkpoint(position: int, _line: int, *, at: int = stop_at, top: int = high) -> dict[str, Any]:
                return {"backfill_from": at} if position >= top else {}

            if self.stopped():
                self._dropped(begin)
                return False
            size = high - begin
            sent = size <= BLOCK and self._send(fingerprint.read_at(self.fd, size, begin), begin, read, checkpoint)
            if not sent and not (self._all_back() and self.straight_together(begin, high, read, checkpoint) >= high):
                self._dropped(begin)
                return False
            high = begin
            if self.progress is not None:
                self.progress(self.state.backfill_from)
        if not self._all_back():
            self._dropped(low)
            return False
        return True

    def straight_together(self, begin: int, end: int, read: ReadState, checkpoint: Changes) -> int:
        """Read [begin, end) and hand it over as one delivery: a checkpoint that moves down may not stand in the middle."""
        collected = _Collected(self.sink)
        sink, self.sink = self.sink, collected  # type: ignore[assignment] # the same three methods
        progress, self.progress = self.progress, None
        try:
            reached = self.straight(begin, end, read, ended=True, changes=checkpoint)
        finally:
            self.sink, self.progress = sink, progress
        if reached >= end:
            collected.hand_over(self.state)
        return reached

    def line_no_at(self, position: int) -> int:
        """The number of the line that begins at `position`: one more than the line ends before it."""
        if position == 0:
            return 1
        while self._counted_from > position:  # pragma: no branch - counted down in steps
            step = min(BLOCK, self._counted_from - position)
            self._lines_before -= fingerprint.read_at(self.fd, step, self._counted_from - step).count(b"\n")
            self._counted_from -= step
        return self._lines_before + 1

    def count_lines(self, position: int) -> bool:
        """Count the line ends before `position`, so that lines have their numbers; False when stopped."""
        counted, offset = 0, 0
        while offset < position:
            if self.stopped():
                return False
            data = fingerprint.read_at(self.fd, min(BLOCK, position - offset), offset)
            if not data:
                break
            counted += data.count(b"\n")
            offset += len(data)
        self._counted_from, self._lines_before = position, counted
        return True


class _Collected:
    """Stands in for the sink while deliveries are put together."""

    def __init__(self, sink: RecordSink) -> None:
        self._sink = sink
        self._deliveries: list[Delivery] = []

    def wait_for_room(self, timeout_s: float) -> bool:
        """As the sink says."""
        return self._sink.wait_for_room(timeout_s)

    def put(self, delivery: Delivery) -> None:
        """Keep it."""
        self._deliveries.append(delivery)

    def hand_over(self, state: FileState) -> None:
        """All of it as one."""
        tables = [delivery.table for delivery in self._deliveries if delivery.table is not None]
        changes: dict[str, Any] = {}
        counts: dict[str, int] = {}
        for delivery in self._deliveries:
            changes.update(delivery.changes)
            for name, number in delivery.counts.items():
                counts[name] = counts.get(name, 0) + number
        self._sink.put(
            Delivery(
                state,
                pa.concat_tables(tables, promote_options="default") if tables else None,
                changes=changes,
                counts=counts,
                bulk=True,
            )
        )
