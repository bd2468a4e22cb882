"""Puts the records of a block together: from headers and the lines that follow them, or from whole columns."""

from dataclasses import dataclass, field

from logs.core import levels
from logs.core.timestamps import TimeReader
from logs.parsing.formats import PLAIN, Format, Header, LineColumns
from logs.parsing.formats.blocks import FINISHED, W3cHeadFormat
from logs.parsing.grouping import MAX_LINES, goes_below
from logs.parsing.reader.layout import LearnedFormat
from logs.parsing.rows import Rows

FROM_LINES = ("line", "start", "previous")
"""Where a time comes from that may be lent to the next line."""
_BOXES = ("╭", "╔", "┏", "┌")
PLAIN_HEADER = Header(None, levels.UNKNOWN, None, None, "", "")


@dataclass(slots=True)
class ReadState:
    """What parsing carries from one block of a file to the next."""

    line_no: int = 1
    previous_ts: int | None = None
    lanes: dict[str, int] = field(default_factory=dict)
    """The last time of each stream, where the file mixes several."""


@dataclass(frozen=True, slots=True)
class Undated:
    """The time of a line without one: when it was read (`ingest`) or when its file was last written (`mtime`)."""

    ts: int
    origin: str
    stale_us: int | None = None
    """How old the record before may be to lend its time; None: any age."""


class Builder:
    """Collects the rows of a block line by line."""

    def __init__(  # noqa: PLR0917 - one block and where it stands in its file
        self,
        starts: list[int],
        end: int,
        lines: list[str],
        originals: list[str],
        state: ReadState,
        undated: Undated,
        times: TimeReader,
        *,
        dated: bool,
    ) -> None:
        self.rows = Rows()
        self._starts, self._end, self._lines, self._originals = starts, end, lines, originals
        self._line_no, self._previous, self._undated, self._dated = state.line_no, state.previous_ts, undated, dated
        self._times = times
        self._first = self._head = -1
        self._header = PLAIN_HEADER
        self._format: Format | None = None
        self._traceback = False
        self._more: list[str] = []
        self._foreign: set[int] = set()
        self._cut: dict[str, int] = {}
        self._lane_ts = state.lanes
        self._shown: list[int] | None = None
        self.lane: str | None = None
        """Of the open record, when its lines are wrapped ones."""
        self.partial = False

    @property
    def open(self) -> bool:
        """Whether a record has begun."""
        return self._first >= 0

    def begin(self, number: int, fmt: Format | None, header: Header, *, blanks: int = 0) -> None:
        """A record begins at line `number`, or as many blank lines before it."""
        first = number - blanks
        self._close(first)
        self._first, self._head, self._format, self._header, self._traceback = first, number, fmt, header, False
        self._foreign = set()
        self.lane = header.lane if fmt is not None and fmt.wraps else None
        self.partial = header.partial
        self._more = []

    def continues(self, line: str, found: tuple[Format, Header] | None) -> bool:
        """Whether the open record's format says that `line` belongs to it, whatever else could read it."""
        fmt = self._format
        if self._first < 0 or fmt is None or fmt.follows is None:
            return False
        if found is not None and found[0] is fmt and not isinstance(fmt, W3cHeadFormat):
            return False
        return fmt.follows.match(line) is not None

    def resume(self, number: int, header: Header) -> bool:
        """Whether a wrapped line goes on with a cut line of its lane, although a record of another lane has begun since; if so it is taken in."""
        row = self._cut.get(header.lane)
        if row is None or (header.lane == self.lane and self.partial):
            return False
        rows = self.rows
        rows.message[row] += header.message
        rows.raw[row] = f"{rows.raw[row] or rows.prefix[row] + rows.message[row]}\n{self._originals[number]}"
        rows.lines[row] += 1
        self._foreign.add(number)
        if not header.partial:
            del self._cut[header.lane]
        return True

    def goes_on(self, fmt: Format, header: Header) -> bool:
        """Whether the header says the same program and second as that of the open record."""
        mine = self._header
        return (
            self._format is fmt
            and (mine.logger, mine.pid) == (header.logger, header.pid)
            and (header.ts is None or mine.ts is None or 0 <= header.ts - mine.ts <= 2_000_000)
        )

    def alike(self, header: Header) -> bool:
        """Whether the header says no time, and the level of the open record."""
        return header.ts is None and self._header.level == header.level

    def may_go_on(self, fmt: Format, header: Header) -> bool:
        """Whether the header is that of the open record once more, or has no time, and its line no beginning."""
        return goes_below(header.message) and self.alike(header) if header.ts is None else self.repeats(fmt, header)

    def repeats(self, fmt: Format, header: Header) -> bool:
        """Whether the header says all the same as that of the open record, as where each line of what was written at once was given one."""
        mine = self._header
        return not header.whole and self.goes_on(fmt, header) and (mine.ts, mine.level) == (header.ts, header.level)

    def unclosed(self, fmt: Format, header: Header) -> bool:
        """Whether the last line of the open record said that it goes on in one with the same header."""
        mine = self._header.logger
        return self.partial and self._format is fmt and mine == header.logger and len(self._more) < MAX_LINES

    def add(self, header: Header) -> None:
        """A line with a header of its own goes on with the open record."""
        if self.lane is None:
            self.lane = ""
        self._more.append(header.message)
        self.partial = header.partial

    def join(self, header: Header) -> None:
        """A wrapped line goes on with the open record, or with its last line when that was a part of one."""
        if self.partial:
            if self._more:
                self._more[-1] += header.message
            else:
                self._header = self._header._replace(message=self._header.message + header.message)
        else:
            self._more.append(header.message)
        self.partial = header.partial

    def joined(self, *, traceback: bool) -> None:
        """The record goes on; `traceback` when it has turned out to be one."""
        self._traceback = self._traceback or traceback

    def done(self) -> Rows:
        """All records, the last one closed."""
        self._close(len(self._lines))
        return self.rows

    def _close(self, last: int) -> None:
        first, fmt = self._first, self._format
        if first < 0 or last <= first:
            return
        header, rows, lines = self._header, self.rows, self._lines
        until, shown = self._ends(first, last)
        if isinstance(fmt, FINISHED):
            header = fmt.finish(lines[first:shown], header, self._times)
        message = self._message(header, shown)
        level = header.level
        if shown > first + 1 and isinstance(fmt, LearnedFormat):
            level = fmt.level_behind(lines[shown - 1]) or level
        if not level:
            level = self._level_below(shown) or (self._level_shown(first) if fmt is None else 0)
        elif self._traceback and fmt is None:
            level = levels.ERROR
        raw = None
        if (
            header.whole
            or (self.lane is not None and until > first + 1)
            or self._head > first
            or (self._originals is not lines and self._originals[first:until] != lines[first:until])
        ):
            own = [self._originals[number] for number in range(first, until) if number not in self._foreign]
            raw = "\n".join(own)
        ts, ts_from = self._time(header, shown)
        if ts_from in FROM_LINES:
            self._previous = ts
            if self.lane:
                self._lane_ts[self.lane] = ts
        rows.pos.append(self._starts[first])
        rows.end.append(self._starts[last] if last < len(self._starts) else self._end)
        rows.line_no.append(self._line_no + first)
        rows.ts.append(ts)
        rows.ts_from.append(ts_from)
        rows.level.append(level)
        rows.logger.append(header.logger)
        rows.pid.append(header.pid)
        rows.prefix.append(header.prefix)
        rows.message.append(message)
        rows.raw.append(raw)
        rows.lines.append(until - first - len(self._foreign))
        if self.lane and self.partial:
            self._cut[self.lane] = len(rows) - 1
        rows.fields.append(header.fields)
        rows.format.append(fmt.name if fmt is not None else PLAIN)

    def _ends(self, first: int, last: int) -> tuple[int, int]:
        """The line behind the open record, blank ones at its end left out, and behind what of it is shown: not the lines that only set the terminal back.

        What only sets it back behind the last line's end is no line at all: the next record, which may never come, would begin with it.
        """
        shown = last
        while shown > first + 1 and not self._lines[shown - 1].strip():
            shown -= 1
        until = last if self._originals is not self._lines else shown
        while until > shown and not self._originals[until - 1].strip():
            until -= 1
        unended = until > shown and until == len(self._lines)
        if unended and self._end - self._starts[until - 1] == len(self._originals[until - 1]):
            until -= 1
        return until, shown

    def _level_below(self, until: int) -> int:
        """The level that the lines below the first one show: a stack, or a second line that begins with a level."""
        if self._traceback:
            return levels.ERROR
        head = self._head
        if self._format is None:
            return levels.boxed(self._lines[head + 1 : until]) if self._lines[head].startswith(_BOXES) else 0
        return levels.announced(self._lines[head + 1]) if until > head + 1 else 0

    @property
    def last_header(self) -> int:
        """The line with the header of the open record."""
        return self._head

    def _message(self, header: Header, until: int) -> str:
        """The message of the open record, which ends before line `until`."""
        head = self._head
        message = header.message if self._format is not None else self._lines[head]
        if self.lane is not None:
            return "\n".join((message, *self._more))
        if until > head + 1 and not header.whole:
            return "\n".join((message, *self._lines[head + 1 : until]))
        return message

    def _level_shown(self, number: int) -> int:
        """The level that a line without a format shows; all lines are looked through at once, when the first is asked for."""
        if self._shown is None:
            self._shown = levels.in_texts(self._lines)
        return self._shown[number]

    def _time(self, header: Header, until: int) -> tuple[int, str]:
        """The time of the open record, which ends before line `until`, and where it comes from."""
        if header.ts is not None:
            return header.ts, "start" if header.counted else "line"
        if until > self._head + 1 and isinstance(self._format, LearnedFormat):
            below = self._format.time_behind(self._lines[self._head + 1 : until], self._times)
            if below is not None:
                return below, "line"
        return self._borrowed()

    def _borrowed(self) -> tuple[int, str]:
        """The time of a record without one."""
        previous, undated = self._previous, self._undated
        if self.lane and self.lane in self._lane_ts:
            return self._lane_ts[self.lane], "previous"
        if (
            previous is None
            or not self._dated
            or (undated.stale_us is not None and undated.ts - previous > undated.stale_us)
        ):
            return undated.ts, undated.origin
        return previous, "previous"


@dataclass(frozen=True, slots=True)
class Block:
    """The lines of a block as columns, out of which runs of one-line records are cut."""

    starts: list[int]
    end: int
    line_no: int
    name: str
    columns: LineColumns

    def start(self, line: int) -> int:
        """The offset at which a line begins; the block's end behind the last."""
        return self.starts[line] if line < len(self.starts) else self.end

    def rows(self, first: int, last: int) -> Rows:
        """Lines `first` to `last`, each a record."""
        columns, count = self.columns, last - first
        if count <= 0:
            return Rows()
        return Rows(
            self.starts[first:last],
            [*self.starts[first + 1 : last], self.start(last)],
            list(range(self.line_no + first, self.line_no + last)),
            columns.ts[first:last],
            ["line"] * count,
            columns.level[first:last],
            columns.logger[first:last],
            columns.pid[first:last],
            list(columns.prefix[first:last]),
            list(columns.message[first:last]),
            [None] * count,
            [1] * count,
            [None] * count,
            [self.name] * count,
        )


def segments(others: list[int]) -> list[tuple[int, int]]:
    """Where lines that are no headers stand: from the header before them to the next header."""
    result: list[tuple[int, int]] = []
    for number in others:
        first = max(0, number - 1)
        if result and result[-1][1] >= number:
            result[-1] = (result[-1][0], number + 1)
        else:
            result.append((first, number + 1))
    return result
