"""From a block of a file to its records."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TypeGuard

from logs.core.moments import Order
from logs.core.timestamps import Lacking, TimeReader
from logs.parsing.assembly import FROM_LINES, PLAIN_HEADER, Block, Builder, ReadState, Undated, segments
from logs.parsing.charset import UTF8
from logs.parsing.chronology import Chronology, put_back
from logs.parsing.formats import ANY, PLAIN, Format, Header, RegexFormat, Registry
from logs.parsing.formats.blocks import IndentedJsonFormat
from logs.parsing.formats.markup import MarkupFormat
from logs.parsing.formats.reports import ReportFormat
from logs.parsing.formats.user import UserFormat
from logs.parsing.grouping import Grouper, blanks_before, dies, goes_below, of_stack, outlined, recovers, surely_begins
from logs.parsing.reader.headers import begins_alone, calm, foreign, heads_each, unwrapped
from logs.parsing.reader.layout import NAME as LEARNED
from logs.parsing.reader.layout import LearnedFormat
from logs.parsing.reader.learn import MOST
from logs.parsing.reader.stamp import StampedFormat, headed_stack
from logs.parsing.reader.timeless import badge
from logs.parsing.rows import Rows
from logs.parsing.shape import Learner, Shape, keep, kept, shape_of
from logs.parsing.text import last_progress, line_starts, plain_text, whole_lines, without_codes

__all__ = ["BlockParser", "ReadState", "Undated"]
_RECENT = 100
_MIXED = 16  # so many lines of other streams may stand between the parts of one line
_SILENT = 50
"""After so many lines without a header, other headers are looked for in them."""
_MANY = 1 << 20
_NEAR = 1 << 14  # so many bytes around a stack show how its lines are written
_CARRIAGE = "\N{SYMBOL FOR CARRIAGE RETURN}"  # shown for a carriage return inside a record


class BlockParser:
    """Parses the blocks of one file.

    Each line is read by the file's format first and by all others if that fails, so that its fate depends on no other line; see `Grouper` for
    the rest. `formats` forces formats: nothing else is tried.

    Args:
        mask: hides secrets in a text; it must keep a text's number of lines where it can.
        order: which of a date's numbers is the day, where somebody said it; else the file's lines are asked.
    """

    def __init__(
        self,
        registry: Registry,
        times: TimeReader,
        mask: Callable[[str], str],
        formats: Sequence[Format] | None = None,
        order: Order = "",
    ) -> None:
        self._registry = registry
        self.times = times
        self._mask = mask
        self._forced = formats
        self.forced_name = None if formats is None else (formats[0].name if formats else PLAIN)
        self.own_format = formats[0].spec if formats and isinstance(formats[0], UserFormat) else None
        """The forced format, where a person described it."""
        self._misses = 0
        self._recent: list[str] = []
        self.order_said = order
        self._learner = Learner(registry, order)
        # Who describes the headers of a file says with it that all other lines belong to the records before them.
        self._shape = Shape(headed=self.own_format is not None, order=order)
        times.order = order
        self._learned_to = 0  # the offset before which all lines were looked at
        self._learned: tuple[LearnedFormat, ...] = ()
        self._wanting = True
        self._decided: tuple[Shape, str] | None = None
        self._inside: Format | None = None
        self._stamps_left = 8  # how often more it is looked whether lines have stamps
        self._behind: Format | None = None  # the main format of the lines behind stamps
        self.primary: Format | None = formats[0] if formats else None
        self.settled = formats is not None
        self.charset = UTF8
        """Of the file; whoever opens it says it."""
        self.chronology: Chronology | None = None
        """What the whole file says about its times, where somebody looked through it; its records must then be parsed in order."""
        self.counts = False
        """Whether times that count from a start stay so."""

    @property
    def format_name(self) -> str | None:
        """The name of the file's format; None before it is known."""
        if not self.settled:
            return None
        return self.primary.name if self.primary else PLAIN

    def learn(self, data: bytes) -> None:
        """Choose how the file is read by its first bytes; the choice may change while there were few lines."""
        self._learned_to = self.charset.last_end(data) or len(data)
        if self._forced is None:
            lines = without_codes(plain_text(self.charset.utf8(data))).split("\n")
            self._sample(lines[:-1] or lines)  # the last one is cut off, or empty

    def _sample(self, lines: Sequence[str]) -> None:
        self._learner.add(lines, self.times)
        self._use(self._learner.shape(self.times))

    @property
    def shape(self) -> Shape:
        """How the file is read."""
        return self._shape

    @property
    def said(self) -> bool:
        """Whether a person said how the file is read, or how its dates are."""
        return self._forced is not None or bool(self.order_said)

    @property
    def decided(self) -> str | None:
        """How the file is read, as a text for `go_on`; None while further lines may change it, and where a person said it."""
        if self.said or not self.settled or (self._wanting and self._learner.wants > 0):
            return None
        if self._decided is None or self._decided[0] is not self._shape:
            self._decided = self._shape, keep(self._shape, self._registry)
        return self._decided[1]

    def go_on(self, decided: str) -> None:
        """Read the file as it was read before, as `decided` said it then."""
        shape = kept(decided, self._registry)
        if shape is not None and not self.said:
            self.take(shape)

    def take(self, shape: Shape) -> None:
        """Read the file in this way."""
        if self._forced is None and (shape != self._shape or not self.settled):
            self._use(shape)
            self._wanting = False

    def _use(self, shape: Shape) -> None:
        if shape.layouts != self._shape.layouts:
            self._learned = tuple(LearnedFormat(layout) for layout in shape.layouts)
        self._shape = shape
        self.times.order = shape.order
        self.primary = self._learned[0] if shape.learned else self._registry.at(shape.place)
        self._behind = self.primary if shape.stamp is not None else None
        if shape.stamp is not None:
            self.primary = StampedFormat(shape.stamp, self.primary)
        self.settled = True

    def prefer(self, name: str) -> None:
        """Choose the file's format by name, as a checkpoint remembers it, when there is one of this name only, and its lines alone say all about it."""
        found = [] if name in {PLAIN, LEARNED} else self._registry.named(name)
        if len(found) == 1 and self._forced is None and not isinstance(found[0], RegexFormat):
            self._use(Shape(self._registry.place(found[0]), order=self.order_said))
            self._wanting = False

    def restamp(self, data: bytes) -> None:
        """Look whether all lines have a stamp, where a line of a stack in `data` has what records begin with."""
        fmt = self.primary
        if self._forced is not None or not self._stamps_left or fmt is None or fmt.wraps or heads_each(fmt):
            return
        at = headed_stack(data, lambda line: self.header_of(self._line_text(line)) is not None)
        if at is not None:
            self._stamps_left -= 1
            shape = self._learner.again(self.lines_of(data[max(0, at - _NEAR // 8) : at + _NEAR])[1:-1], self.times)
            if shape.stamp is not None:
                self.take(shape)

    def parse(self, data: bytes, base: int, state: ReadState, undated: Undated) -> Rows:
        """The records of `data`, whole lines that begin at offset `base` at a record's start.

        `state` moves on. A last line without line end is taken as it is.
        """
        if not data:
            return Rows()
        self.restamp(data)
        original = self._mask(whole_lines(self.charset.utf8(data)))
        text = self._shown(without_codes(original))
        starts = line_starts(self.charset, data, base)
        self._learn_on(text, starts, base + len(data))
        rows = self._by_segment(text, starts, base + len(data), state, undated) if text is original else None
        if rows is None:
            rows = self.by_line(text, original, starts, base + len(data), state, undated)
        if self.chronology is not None:
            self.chronology.apply(rows)
        if not self.counts and "start" in rows.ts_from:
            self._began(rows, undated)
        put_back(rows, state.previous_ts)
        state.line_no += len(starts)
        if rows.ts and rows.ts_from[-1] in FROM_LINES:
            state.previous_ts = rows.ts[-1]
        return rows

    def _learn_on(self, text: str, starts: Sequence[int], end: int) -> None:
        """Look at the lines of a block that were not looked at before, where more of them help: what is still growing is parsed again and again."""
        if self._forced is None and self._wanting and end > self._learned_to and self._learner.wants > 0:
            if (first := bisect_left(starts, self._learned_to)) < len(starts):
                self._sample(text.split("\n")[first : first + MOST])
            self._learned_to = end

    def _began(self, rows: Rows, undated: Undated) -> None:
        """Times that count from a start nobody knows, as that of a program that runs: each is when its line was read."""
        end = self.chronology.end if self.chronology is not None and self.chronology.starts else 0
        for number, (origin, pos) in enumerate(zip(rows.ts_from, rows.pos, strict=True)):
            if pos >= end and (origin == "start" or (origin == "previous" and number)):
                counted = origin == "start" or rows.ts_from[number - 1] == undated.origin
                rows.ts[number] = undated.ts if counted else rows.ts[number - 1]
                rows.ts_from[number] = undated.origin if counted else origin

    def _shown(self, text: str) -> str:
        """Each line as a terminal shows it in the end, where it was written over; but a header is never written over."""
        if "\r" not in text:
            return text
        return "\n".join(line if "\r" not in line else self._overwritten(line) for line in text.split("\n"))

    def _overwritten(self, line: str) -> str:
        line = line.rstrip("\r")  # lines whose ends were translated twice
        first, *rest = line.split("\r")
        if not first.strip() or self.header_of(first) is None:
            return last_progress(line)
        return _CARRIAGE.join((first, *rest) if len(rest) < 3 else (first, "…", rest[-1]))

    def lines_of(self, data: bytes) -> list[str]:
        """Whole lines as they are parsed: secrets hidden, colours left out."""
        return self._shown(without_codes(self._mask(whole_lines(self.charset.utf8(data))))).split("\n")

    def header_of(self, line: str) -> tuple[Format, Header] | None:
        """The format that reads this line, and what it reads; None for a line that has no header."""
        return self._header_of(line, self.primary)

    def begins_dated(self, line: bytes) -> bool:
        """Whether `line` begins a record that has a time of its own, whatever stands before it."""
        found = self._beginning(self._line_text(line))
        return found is not None and found.ts is not None

    def cut(self, line: bytes) -> bool:
        """Whether `line` is a part of one that goes on in another line of its stream."""
        header = self.primary.read(self._line_text(line), self.times) if self.primary is not None else None
        return header is not None and header.partial

    @property
    def mixed(self) -> int:
        """How many lines back one may be that goes on in a later line with a header of its own."""
        if self.primary is not None and self.primary.wraps:
            return _MIXED
        return int(isinstance(self.primary, LearnedFormat) and self.primary.layout.closing is not None)

    @property
    def lacks(self) -> Lacking:
        """What the times of the file's headers do not say."""
        primary = self.primary
        if isinstance(primary, MarkupFormat):
            return "start"  # some of them
        return primary.lacks if isinstance(primary, RegexFormat) else ""

    def own_blanks(self, line: bytes) -> int:
        """How many of the blank lines before `line`, or of those that are drawn, belong to the record that it begins, at most."""
        return 1 if self._shape.rule else self._own_blanks(self._line_text(line))

    def blank(self, line: bytes) -> bool:
        """Whether `line` may stand before a record and belong to it: it is blank, or what the file draws there."""
        text = self._line_text(line)
        return text == self._shape.rule if self._shape.rule else not text.strip("\0 ")

    def _own_blanks(self, line: str) -> int:
        return _MANY if recovers(line) else int(self._shape.blank_first or self._badge(line))

    def _badge(self, line: str) -> bool:
        """Whether the line stands between blank ones of its own."""
        return badge(line) and self._shape.learned and not (self.primary is not None and self.primary.dated)

    def begins(self, line: bytes) -> bool:
        """Whether `line` begins a record, whatever stands before it."""
        return self._beginning(self._line_text(line)) is not None

    def starts_alone(self, line: bytes) -> bool:
        """Like `begins`; in plain text also a line that could not belong to any record before it."""
        text = self._line_text(line)
        return self._beginning(text) is not None or (self.primary is None and surely_begins(text, self._shape.indent))

    def _line_text(self, line: bytes) -> str:
        return self._shown(without_codes(plain_text(self.charset.utf8(line))).rstrip("\n"))

    def _beginning(self, line: str) -> Header | None:
        """The header of a line that surely begins a record."""
        found = self.header_of(line)
        if found is None:
            return None
        fmt, header = found
        if self._is_printed(fmt):
            return None
        primary = self.primary
        if primary is not None and fmt is not primary and primary.follows is not None and primary.follows.match(line):
            return None
        said, framed = header.message, header.ts is None and goes_below(header.message)
        inside = of_stack(said) or framed or (heads_each(fmt) and not surely_begins(said))
        if inside or (self._shape.two_lines and header.ts is None) or self._foreign(fmt, header):
            return None
        if fmt.wraps and self._inner(header.message) is None and not surely_begins(header.message):
            return None
        return header

    def _inner(self, line: str) -> tuple[Format, Header] | None:
        """How the line of another program reads, that a format wraps."""
        if self._shape.stamp is not None:
            return self._header_of(line, self._behind)
        last = self._inside
        header = last.read(line, self.times) if last is not None else None
        if last is not None and header is not None:
            return last, header
        if not line or line[0] in " \t":
            return None
        found = self._registry.first(line, self.times, but=last)
        if found is None or found[0].name in ANY:
            found = self._by_learned(line, last) or found
        self._inside = found[0] if found is not None else last
        return found

    def _by_segment(self, text: str, starts: list[int], end: int, state: ReadState, undated: Undated) -> Rows | None:
        """Runs of one-line records of the file's format at once, only what lies between them line by line; None when that would not pay."""
        if not isinstance(self.primary, RegexFormat) or not self.primary.alone or self._shape.outline:
            return None
        columns = self.primary.columns(text, self.times)
        if columns is None or len(columns.others) * 4 > len(starts):
            return None
        block = Block(starts, end, state.line_no, self.primary.name, columns)
        if not columns.others:
            return block.rows(0, len(starts))
        lines = text.split("\n")
        rows, at = Rows(), 0
        for first, last in segments(columns.others):
            rows.extend(block.rows(at, first))
            previous = rows.ts[-1] if rows.ts and rows.ts_from[-1] in FROM_LINES else state.previous_ts
            read = ReadState(state.line_no + first, previous)
            part = "\n".join(lines[first:last])
            rows.extend(self.by_line(part, part, starts[first:last], block.start(last), read, undated))
            at = last
        rows.extend(block.rows(at, len(starts)))
        return rows

    def _header_of(self, line: str, primary: Format | None) -> tuple[Format, Header] | None:  # noqa: PLR0911 - one way of reading a line
        if primary is not None:
            header = primary.read(line, self.times)
            if header is not None:
                return primary, header
        if self._forced is not None:
            for fmt in self._forced[1:]:
                header = fmt.read(line, self.times)
                if header is not None:
                    return fmt, header
            return None
        learned = self._by_learned(line, primary) if self._shape.learned else None
        if learned is not None:
            return learned
        if not line or line[0] in " \t":
            return self._by_learned(line, primary)
        found = self._registry.first(line, self.times, but=primary)
        if not self._shape.learned and (found is None or found[0].name in ANY):
            found = self._by_learned(line, primary) or found
        if found is not None and self._shape.headed and not begins_alone(*found):
            return None
        return found

    def _by_learned(self, line: str, primary: Format | None) -> tuple[Format, Header] | None:
        """How a line reads by what was learned of the file, beside its main format."""
        for learned in self._learned:
            header = learned.read(line, self.times) if learned is not primary else None
            if header is not None:
                return learned, header
        return None

    def by_line(  # noqa: PLR0917 - one block and where it stands in its file
        self, text: str, original: str, starts: list[int], end: int, state: ReadState, undated: Undated
    ) -> Rows:
        """The records of `text`, read line by line; `original` has the same lines as they were written, secrets hidden. `state` stays."""
        lines = text.split("\n")
        originals = lines if text is original else original.split("\n")
        dated = bool(self.primary and self.primary.dated)
        rows = Builder(starts, end, lines, originals, state, undated, self.times, dated=dated)
        shape, misses = self._shape, 0
        objects = self.primary is not None and self.primary.name == "json"
        grouper = Grouper(headed=shape.headed, indent=shape.indent)
        number, silent = -1, 0
        while (number := number + 1) < len(lines):
            line = lines[number]
            if silent >= _SILENT and (changed := self._changed(lines[number - silent : number])) is not None:
                self._use(changed)
                number, silent, shape = number - silent - 1, 0, changed
                grouper = Grouper(headed=shape.headed, indent=shape.indent)
                continue
            found = self._starting(lines, number, rows.last_header, announced=grouper.announced)
            near = not (silent or shape.two_lines)
            if rows.continues(line, found):
                grouper.take(line)
            elif found is not None and found[0].wraps:
                self._wrapped(number, *found, rows, grouper)
                misses += found[0] is not self.primary
            elif rows.partial and found is not None and rows.unclosed(*found):
                rows.add(found[1])
                grouper.take(line)
            elif (
                found is not None
                and (rows.goes_on(*found) if heads_each(found[0]) else near and rows.may_go_on(*found))
                and grouper.goes_on(found[1].message, deep=rows.alike(found[1]))
            ):
                rows.add(found[1])
                rows.joined(traceback=grouper.traceback)
            elif found is not None:
                rows.begin(number, *found, blanks=self._before(lines, number))
                rows.joined(traceback=recovers(line))
                grouper.begin(line, headed=True, calm=calm(found[1]), empty=not found[1].message.strip())
                misses += found[0] is not self.primary
            elif (
                rows.lane is None
                and "\r" not in originals[number]
                and not (objects and line[:1] == "{")
                and grouper.joins(line)
            ):
                rows.joined(traceback=grouper.traceback)
                silent += 1
                continue
            elif rows.open or line.strip():
                rows.begin(number, None, PLAIN_HEADER, blanks=blanks_before(lines, number) if dies(line) else 0)
                grouper.begin(line, headed=False)
                rows.joined(traceback=grouper.traceback)
            silent = 0
        self._reconsider(misses, len(rows.rows), lines)
        return rows.done()

    def _before(self, lines: Sequence[str], number: int) -> int:
        """How many lines before that with the header belong to its record."""
        if self._shape.outline:
            return outlined(lines, number, self._shape.outline)
        if self._shape.rule:
            return int(number > 0 and lines[number - 1] == self._shape.rule)
        # what stands before a record's own blank line is that of the record before
        return min(blanks_before(lines, number), self._own_blanks(lines[number]))

    def _wrapped(self, number: int, fmt: Format, header: Header, rows: Builder, grouper: Grouper) -> None:
        """A line of another program in a wrapping: it begins a record or goes on with one, as it would without."""
        line = header.message
        if rows.resume(number, header):
            return
        if rows.lane == header.lane and rows.partial:
            rows.join(header)
            return
        found = self._inner(line)
        if found is None and rows.lane == header.lane and grouper.joins(line):
            rows.join(header)
            rows.joined(traceback=grouper.traceback)
            return
        if found is not None:
            header = unwrapped(header, *found, stamped=isinstance(fmt, StampedFormat))
        rows.begin(number, fmt, header)
        grouper.begin(line, headed=found is not None, calm=found is not None and calm(found[1]))
        rows.joined(traceback=grouper.traceback)

    def _starting(
        self, lines: Sequence[str], number: int, last_header: int, *, announced: bool
    ) -> tuple[Format, Header] | None:
        """The header of a line, where it may begin a record between its neighbours; the one before may have `announced` that more follows."""
        found = self._header_of(lines[number], self.primary)
        if found is None and isinstance(self.primary, ReportFormat):
            amid = self.primary.amid(lines, number)
            return (self.primary, amid) if amid is not None else None
        if found is None or (self._shape.two_lines and found[1].ts is None and last_header == number - 1):
            return None
        if announced and self._foreign(*found):
            return None
        if self._is_printed(found[0]) and not found[0].speaks(lines, number, self.times):
            return None
        return found

    def _foreign(self, fmt: Format, header: Header) -> bool:
        return self._shape.headed and foreign(fmt, header, self.primary, self._learned)

    def _is_printed(self, fmt: Format) -> TypeGuard[IndentedJsonFormat]:
        """Whether a line that reads so may belong to the record before it: an object over several lines, in a file whose records have headers."""
        return isinstance(fmt, IndentedJsonFormat) and fmt is not self.primary and self._shape.headed

    def _changed(self, lines: Sequence[str]) -> Shape | None:
        """How lines read that had no header for long, where they have headers of another kind; None where they have none."""
        if self._forced is not None or len(lines) % _SILENT:
            return None
        shape = shape_of(lines[-_SILENT:], self._registry, self.times, self.order_said)
        dated = shape.layouts and shape.layouts[0].shape is not None
        return shape if shape.headed and dated and shape != self._shape else None

    def _reconsider(self, misses: int, records: int, lines: list[str]) -> None:
        """Other formats read most of the last lines: the file has changed its format."""
        if self._forced is None and misses * 2 > records:
            self._misses += misses
            self._recent = [*self._recent, *lines[-_RECENT:]][-_RECENT:]
            if (self._misses >= 20 and len(self._recent) >= 20) or self.primary is None:
                shape = shape_of(self._recent, self._registry, self.times, self.order_said)
                if shape.layouts or shape.place >= 0:
                    self._use(shape)
                self._misses = 0
        else:
            self._misses, self._recent = 0, []
