"""From a block of a file to its records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from logs import levels
from logs.formats import PLAIN, Format, Header, LineColumns, RegexFormat, Registry
from logs.grouping import Grouper, surely_begins
from logs.rows import Rows
from logs.text import last_progress, plain_text, without_codes
from logs.times import TimeReader

_PLAIN_HEADER = Header(None, levels.UNKNOWN, None, None, "", "")


@dataclass(slots=True)
class ReadState:
    """What parsing carries from one block of a file to the next."""

    line_no: int = 1
    previous_ts: int | None = None


@dataclass(frozen=True, slots=True)
class Undated:
    """The time of a line without one: when it was read (`ingest`) or when its file was last written (`mtime`)."""

    ts: int
    origin: str
    stale_us: int | None = None
    """How old the record before may be to lend its time; None: any age."""


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
        self.primary: Format | None = formats[0] if formats else None
        self.settled = formats is not None

    @property
    def format_name(self) -> str | None:
        """The name of the file's format; None before it is known."""
        if not self.settled:
            return None
        return self.primary.name if self.primary else PLAIN

    def learn(self, data: bytes) -> None:
        """Choose the file's format by lines of it."""
        if self._forced is None:
            lines = without_codes(plain_text(data)).split("\n")
            self.primary = self._registry.detect(lines, self._times)
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
            self.primary, self.settled = primary, True

    def prefer(self, name: str) -> None:
        """Choose the file's format by name, as a checkpoint remembers it, when there is one of this name only."""
        found = [] if name == PLAIN else self._registry.named(name)
        if len(found) == 1 and self._forced is None:
            self.primary, self.settled = found[0], True

    def parse(self, data: bytes, base: int, state: ReadState, undated: Undated) -> Rows:
        """The records of `data`, whole lines that begin at offset `base` at a record's start.

        `state` moves on. A last line without line end is taken as it is.
        """
        if not data:
            return Rows()
        if not self.settled:
            self.learn(data[:65536])
        original = self._mask(plain_text(data))
        original = original.removesuffix("\n")
        text = last_progress(without_codes(original))
        starts = _line_starts(data, base)
        rows = self._by_segment(text, starts, base + len(data), state, undated) if text is original else None
        if rows is None:
            rows = self._by_line(text, original, starts, base + len(data), state, undated)
        state.line_no += len(starts)
        if rows.ts:
            state.previous_ts = rows.ts[-1]
        return rows

    def begins_dated(self, line: bytes) -> bool:
        """Whether `line` begins a record that has a time of its own, whatever stands before it."""
        text = last_progress(without_codes(plain_text(line))).rstrip("\n")
        found = self._header(text)
        return found is not None and found[1].ts is not None

    def begins(self, line: bytes) -> bool:
        """Whether `line` begins a record, whatever stands before it."""
        return self._header(last_progress(without_codes(plain_text(line))).rstrip("\n")) is not None

    def starts_alone(self, line: bytes) -> bool:
        """Like `begins`; in plain text also a line that could not belong to any record before it."""
        text = last_progress(without_codes(plain_text(line))).rstrip("\n")
        return self._header(text) is not None or (self.primary is None and surely_begins(text))

    def _by_segment(self, text: str, starts: list[int], end: int, state: ReadState, undated: Undated) -> Rows | None:
        """Runs of one-line records of the file's format at once, only what lies between them line by line; None when that would not pay."""
        if not isinstance(self.primary, RegexFormat) or not self.primary.dated:
            return None
        columns = self.primary.columns(text, self._times)
        if columns is None or len(columns.others) * 4 > len(starts):
            return None
        block = _Block(starts, end, state.line_no, self.primary.name, columns)
        if not columns.others:
            return block.rows(0, len(starts))
        lines = text.split("\n")
        rows, at = Rows(), 0
        for first, last in _segments(columns.others):
            rows.extend(block.rows(at, first))
            read = ReadState(state.line_no + first, rows.ts[-1] if rows.ts else state.previous_ts)
            part = "\n".join(lines[first:last])
            rows.extend(self._by_line(part, part, starts[first:last], block.start(last), read, undated))
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

    def _by_line(  # noqa: PLR0913, PLR0917 - collaborators and settings, named at the call
        self, text: str, original: str, starts: list[int], end: int, state: ReadState, undated: Undated
    ) -> Rows:
        lines = text.split("\n")
        originals = lines if text is original else original.split("\n")
        rows, grouper = (
            _Builder(starts, end, lines, originals, state, undated, dated=bool(self.primary and self.primary.dated)),
            Grouper(),
        )
        misses = 0
        for number, line in enumerate(lines):
            found = self._header(line)
            if found is not None:
                rows.begin(number, found[0].name, found[1])
                grouper.begin(line, headed=True)
                misses += found[0] is not self.primary
            elif grouper.joins(line):
                rows.joined(traceback=grouper.traceback)
            else:
                rows.begin(number, PLAIN, _PLAIN_HEADER)
                grouper.begin(line, headed=False)
                rows.joined(traceback=grouper.traceback)
        self._reconsider(misses, len(rows.rows), lines)
        return rows.done()

    def _reconsider(self, misses: int, records: int, lines: list[str]) -> None:
        """Other formats read most of the last lines: the file has changed its format."""
        if self._forced is None and misses * 2 > records:
            self._misses += misses
            if self._misses >= 20 or self.primary is None:
                self.primary, self._misses = self._registry.detect(lines[-100:], self._times) or self.primary, 0
        else:
            self._misses = 0


class _Builder:
    """Collects the rows of a block line by line."""

    def __init__(  # noqa: PLR0913, PLR0917 - collaborators and settings, named at the call
        self,
        starts: list[int],
        end: int,
        lines: list[str],
        originals: list[str],
        state: ReadState,
        undated: Undated,
        *,
        dated: bool,
    ) -> None:
        self.rows = Rows()
        self._starts, self._end, self._lines, self._originals = starts, end, lines, originals
        self._line_no, self._previous, self._undated, self._dated = state.line_no, state.previous_ts, undated, dated
        self._first = -1
        self._header = _PLAIN_HEADER
        self._format = PLAIN
        self._traceback = False

    def begin(self, number: int, name: str, header: Header) -> None:
        """A record begins at line `number`."""
        self._close(number)
        self._first, self._format, self._header, self._traceback = number, name, header, False

    def joined(self, *, traceback: bool) -> None:
        """The record goes on; `traceback` when it has turned out to be one."""
        self._traceback = self._traceback or traceback

    def done(self) -> Rows:
        """All records, the last one closed."""
        self._close(len(self._lines))
        return self.rows

    def _close(self, last: int) -> None:
        first = self._first
        if first < 0:
            return
        header, rows, lines = self._header, self.rows, self._lines
        until = last
        while until > first + 1 and not lines[until - 1].strip():
            until -= 1
        message = header.message if self._format != PLAIN or header is not _PLAIN_HEADER else lines[first]
        if until > first + 1:
            message = "\n".join((message, *lines[first + 1 : until]))
        level = header.level
        if not level:
            level = levels.ERROR if self._traceback else (levels.in_text(lines[first]) if self._format == PLAIN else 0)
        elif self._traceback and self._format == PLAIN:
            level = levels.ERROR
        raw = None
        if header.whole or (self._originals is not lines and self._originals[first:until] != lines[first:until]):
            raw = "\n".join(self._originals[first:until])
        ts, ts_from = (header.ts, "line") if header.ts is not None else self._borrowed()
        self._previous = ts
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
        rows.lines.append(until - first)
        rows.fields.append(header.fields)
        rows.format.append(self._format)

    def _borrowed(self) -> tuple[int, str]:
        """The time of a record without one."""
        previous, undated = self._previous, self._undated
        if (
            previous is None
            or not self._dated
            or (undated.stale_us is not None and undated.ts - previous > undated.stale_us)
        ):
            return undated.ts, undated.origin
        return previous, "previous"


@dataclass(frozen=True, slots=True)
class _Block:
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


def _segments(others: list[int]) -> list[tuple[int, int]]:
    """Where lines that are no headers stand: from the header before them to the next header."""
    result: list[tuple[int, int]] = []
    for number in others:
        first = max(0, number - 1)
        if result and result[-1][1] >= number:
            result[-1] = (result[-1][0], number + 1)
        else:
            result.append((first, number + 1))
    return result


def _line_starts(data: bytes, base: int) -> list[int]:
    """The offsets in the file at which the lines of `data` begin."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    starts = np.empty(len(ends) + 1, np.int64)
    starts[0] = base
    np.add(ends, base + 1, out=starts[1:])
    if data.endswith(b"\n"):
        starts = starts[:-1]
    result: list[int] = starts.tolist()
    return result
