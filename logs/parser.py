"""From a block of a file to its records."""

from collections.abc import Callable, Sequence

from logs import levels
from logs.assembly import FROM_LINES, PLAIN_HEADER, Block, Builder, ReadState, Undated, segments
from logs.charset import UTF8
from logs.formats import PLAIN, Format, Header, RegexFormat, Registry
from logs.grouping import Grouper, surely_begins
from logs.rows import Rows
from logs.text import HOLE, last_progress, plain_text, without_codes
from logs.times import TimeReader

__all__ = ["BlockParser", "ReadState", "Undated"]


class BlockParser:
    """Parses the blocks of one file.

    Each line is read by the file's format first and by all others if that fails, so that its fate depends on no other line; see `Grouper` for
    the rest. `formats` forces formats: nothing else is tried.

    Args:
        mask: hides secrets in a text; it must keep a text's number of lines where it can.
    """

    def __init__(
        self, registry: Registry, times: TimeReader, mask: Callable[[str], str], formats: Sequence[Format] | None = None
    ) -> None:
        self._registry = registry
        self._times = times
        self._mask = mask
        self._forced = formats
        self.forced_name = None if formats is None else (formats[0].name if formats else PLAIN)
        self._misses = 0
        self._detection = registry.detection()
        self._wanting = True
        self._inside: Format | None = None
        self.primary: Format | None = formats[0] if formats else None
        self.settled = formats is not None
        self.charset = UTF8
        """Of the file; whoever opens it says it."""

    @property
    def format_name(self) -> str | None:
        """The name of the file's format; None before it is known."""
        if not self.settled:
            return None
        return self.primary.name if self.primary else PLAIN

    def learn(self, data: bytes) -> None:
        """Choose the file's format by lines of it; the choice may change while there were few lines."""
        if self._forced is None:
            lines = without_codes(plain_text(self.charset.utf8(data))).split("\n")
            if len(lines) > 1:
                lines.pop()  # the last one is cut off, or empty
            self._sample(lines)

    def _sample(self, lines: Sequence[str]) -> None:
        self._detection.add(lines, self._times)
        self.primary = self._detection.best()
        self.settled = True

    @property
    def place(self) -> int:
        """Where the file's format stands in the registry; -1 for plain text."""
        return self._registry.place(self.primary)

    def at(self, place: int) -> Format | None:
        """The format in this place of the registry; None for plain text."""
        return self._registry.at(place)

    def take(self, primary: Format | None) -> None:
        """Choose the file's format, one of the registry; None: plain text."""
        if self._forced is None:
            self.primary, self.settled, self._wanting = primary, True, False

    def prefer(self, name: str) -> None:
        """Choose the file's format by name, as a checkpoint remembers it, when there is one of this name only."""
        found = [] if name == PLAIN else self._registry.named(name)
        if len(found) == 1 and self._forced is None:
            self.primary, self.settled, self._wanting = found[0], True, False

    def parse(self, data: bytes, base: int, state: ReadState, undated: Undated) -> Rows:
        """The records of `data`, whole lines that begin at offset `base` at a record's start.

        `state` moves on. A last line without line end is taken as it is.
        """
        if not data:
            return Rows()
        original = self._mask(plain_text(self.charset.utf8(data)))
        original = original.removesuffix("\n")
        text = last_progress(without_codes(original))
        if self._forced is None and self._wanting and self._detection.wants > 0:
            self._sample(text[:65536].split("\n"))
        starts = self._starts(data, base)
        rows = self._by_segment(text, starts, base + len(data), state, undated) if text is original else None
        if rows is None:
            rows = self.by_line(text, original, starts, base + len(data), state, undated)
        state.line_no += len(starts)
        if rows.ts and rows.ts_from[-1] in FROM_LINES:
            state.previous_ts = rows.ts[-1]
        return rows

    def begins_dated(self, line: bytes) -> bool:
        """Whether `line` begins a record that has a time of its own, whatever stands before it."""
        found = self._beginning(self._line_text(line))
        return found is not None and found.ts is not None

    def begins(self, line: bytes) -> bool:
        """Whether `line` begins a record, whatever stands before it."""
        return self._beginning(self._line_text(line)) is not None

    def starts_alone(self, line: bytes) -> bool:
        """Like `begins`; in plain text also a line that could not belong to any record before it."""
        text = self._line_text(line)
        return self._beginning(text) is not None or (self.primary is None and surely_begins(text))

    def _starts(self, data: bytes, base: int) -> list[int]:
        """Where the lines begin; behind the hole, where one begins with a hole."""
        starts = self.charset.starts(data, base)
        if self.charset is UTF8 and HOLE in data:
            for number, start in enumerate(starts):
                if data.startswith(HOLE, start - base):
                    starts[number] = start + len(data[start - base :]) - len(data[start - base :].lstrip(b"\0"))
        return starts

    def _line_text(self, line: bytes) -> str:
        return last_progress(without_codes(plain_text(self.charset.utf8(line)))).rstrip("\n")

    def _beginning(self, line: str) -> Header | None:
        """The header of a line that surely begins a record."""
        found = self._header(line)
        if found is None:
            return None
        fmt, header = found
        primary = self.primary
        if primary is not None and fmt is not primary and primary.follows is not None and primary.follows.match(line):
            return None
        if fmt.wraps and self._inner(header.message) is None and not surely_begins(header.message):
            return None
        return header

    def _inner(self, line: str) -> tuple[Format, Header] | None:
        """How the line of another program reads, that a format wraps."""
        last = self._inside
        header = last.read(line, self._times) if last is not None else None
        if last is not None and header is not None:
            return last, header
        if not line or line[0] in " \t":
            return None
        found = self._registry.first(line, self._times, but=last)
        self._inside = found[0] if found is not None else last
        return found

    def _by_segment(self, text: str, starts: list[int], end: int, state: ReadState, undated: Undated) -> Rows | None:
        """Runs of one-line records of the file's format at once, only what lies between them line by line; None when that would not pay."""
        if not isinstance(self.primary, RegexFormat) or not self.primary.alone:
            return None
        columns = self.primary.columns(text, self._times)
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

    def _header(self, line: str) -> tuple[Format, Header] | None:
        primary = self.primary
        if primary is not None:
            header = primary.read(line, self._times)
            if header is not None:
                return primary, header
        if self._forced is not None:
            for fmt in self._forced[1:]:
                header = fmt.read(line, self._times)
                if header is not None:
                    return fmt, header
            return None
        if not line or line[0] in " \t":
            return None
        return self._registry.first(line, self._times, but=primary)

    def by_line(  # noqa: PLR0917 - one block and where it stands in its file
        self, text: str, original: str, starts: list[int], end: int, state: ReadState, undated: Undated
    ) -> Rows:
        """The records of `text`, read line by line; `original` has the same lines as they were written, secrets hidden. `state` stays."""
        lines = text.split("\n")
        originals = lines if text is original else original.split("\n")
        dated = bool(self.primary and self.primary.dated)
        rows = Builder(starts, end, lines, originals, state, undated, self._times, dated=dated)
        grouper, misses = Grouper(), 0
        for number, line in enumerate(lines):
            found = self._header(line)
            if rows.continues(line, found):
                grouper.take(line)
            elif found is not None and found[0].wraps:
                self._wrapped(number, *found, rows, grouper)
                misses += found[0] is not self.primary
            elif found is not None:
                rows.begin(number, *found)
                grouper.begin(line, headed=True, calm=_calm(found[1]))
                misses += found[0] is not self.primary
            elif rows.lane is None and grouper.joins(line):
                rows.joined(traceback=grouper.traceback)
            elif rows.open or line.strip():
                rows.begin(number, None, PLAIN_HEADER)
                grouper.begin(line, headed=False)
                rows.joined(traceback=grouper.traceback)
        self._reconsider(misses, len(rows.rows), lines)
        return rows.done()

    def _wrapped(self, number: int, fmt: Format, header: Header, rows: Builder, grouper: Grouper) -> None:
        """A line of another program in a wrapping: it begins a record or goes on with one, as it would without."""
        line = header.message
        if rows.lane == header.lane and rows.partial:
            rows.join(header)
            return
        found = self._inner(line)
        if found is None and rows.lane == header.lane and grouper.joins(line):
            rows.join(header)
            rows.joined(traceback=grouper.traceback)
            return
        rows.begin(number, fmt, _unwrapped(header, *found) if found is not None else header)
        grouper.begin(line, headed=found is not None, calm=found is not None and _calm(found[1]))
        rows.joined(traceback=grouper.traceback)

    def _reconsider(self, misses: int, records: int, lines: list[str]) -> None:
        """Other formats read most of the last lines: the file has changed its format."""
        if self._forced is None and misses * 2 > records:
            self._misses += misses
            if self._misses >= 20 or self.primary is None:
                again = self._registry.detection()
                again.add(lines[-100:], self._times)
                self.primary, self._misses = again.best() or self.primary, 0
        else:
            self._misses = 0


def _calm(header: Header) -> bool:
    return levels.UNKNOWN < header.level < levels.WARN


def _unwrapped(header: Header, fmt: Format, inner: Header) -> Header:
    """The header of a wrapped line with what the line itself says. A pid in it is one of another name space; a line without a time keeps its text."""
    level, logger = inner.level or header.level, inner.logger or header.logger
    if header.ts is None:
        header = header._replace(ts=inner.ts)
    if inner.whole:
        fields = inner.fields if header.fields is None else header.fields
        return header._replace(level=level, logger=logger, prefix="", message=inner.message, fields=fields, whole=True)
    if fmt.dated and not header.whole:
        return header._replace(level=level, logger=logger, prefix=header.prefix + inner.prefix, message=inner.message)
    if fmt.dated:
        return header._replace(level=level, logger=logger, message=inner.message)
    return header._replace(level=level, logger=logger)
