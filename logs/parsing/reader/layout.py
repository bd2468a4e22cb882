"""What was learned about a file, and the format that it makes."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from logs.core import levels
from logs.core.moments import SHAPES, Order, elapsed_us
from logs.core.timestamps import Lacking, TimeReader
from logs.parsing.formats.base import Header, LineColumns, RegexFormat, TimeMethod, pid_number

NAME: Final = "learned"
"""What such a format is called."""
ISO: Final = "iso"
"""The shape of times that `TimeReader.iso` reads, faster than a general one."""


_JAVA: Final = {"S": levels.ERROR, "C": levels.DEBUG, "F": levels.DEBUG}
"""Letters of java.util.logging's levels, where others mean something else by them."""
DETAIL: Final = r"[1-9](?=[ \t]*\|)|"
"""A number in the place of a level: of how much detail a line is."""
_DIGITS: Final = frozenset("01234567")


class Layout(msgspec.Struct, frozen=True):
    """How the headers of a file are written: `header` is the expression of a `RegexFormat`, `shape` names how its time is written (None: it has none)."""

    header: str
    shape: str | None
    order: Order = ""
    pid: str | None = None
    """An expression whose group 1 is the pid, for the text of the header."""
    categories: bool = False
    """Whether words that are no levels may stand in the level's place: categories of ordinary records."""
    blanks: bool = False
    """Whether a repeated time may be left blank."""
    unit: int = 0
    """How many nanoseconds one of the numbers stands for that are in the place of times and count from the program's start; 0: there are none."""
    elapsed: bool = False
    """Whether its clocks count from the program's start: `0:01:02`."""
    ending: str | None = None
    """An expression for the last line of a record with its level at the end; the header has the same for records of one line."""
    fine: bool = False
    """Whether its letters are levels of java.util.logging, of which `F` is fine and `C` configuration."""
    foot: str | None = None
    """An expression for the last line of a message with the record's time at its end, where headers without a time begin such records."""
    closing: str | None = None
    """An expression for the end of a record's last line, where each of its lines has the header."""


class LearnedFormat(RegexFormat):
    """The format of one file, as its own lines say it."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(
            NAME,
            layout.header,
            time_method(layout),
            default=default_level(layout),
            level_of=_fine if layout.fine else _detail if DETAIL in layout.header else level_of,
        )
        self.layout = layout
        self.pid_in_header = re.compile(layout.pid) if layout.pid is not None else None
        self._ending = re.compile(layout.ending, re.ASCII) if layout.ending is not None else None
        self._foot = re.compile(layout.foot, re.ASCII) if layout.foot is not None else None
        self._closing = re.compile(layout.closing, re.ASCII) if layout.closing is not None else None

    @property
    def lacks(self) -> Lacking:
        """What its times do not say."""
        if self.layout.unit or self.layout.elapsed:
            return "start"
        shape = SHAPES.get(self.layout.shape or "")
        if shape is None or shape.years:
            return ""
        return "year" if shape.days else "day"

    def read(self, line: str, times: TimeReader) -> Header | None:
        """See `Format.read`."""
        header = super().read(line, times)
        if header is None:
            return None
        if self._closing is not None:
            header = header._replace(partial=self._closing.search(line) is None)
        if self.pid_in_header is None:
            return header
        return header._replace(pid=self.pid_of(header.prefix))

    def columns(self, text: str, times: TimeReader) -> LineColumns | None:
        """See `RegexFormat.columns`."""
        columns = super().columns(text, times)
        if columns is None or self.pid_in_header is None:
            return columns
        return columns._replace(pid=[self.pid_of(prefix) for prefix in columns.prefix])

    def level_behind(self, line: str) -> int:
        """The level at the end of a record's last line; 0 where the file has none there."""
        match = self._ending.match(line) if self._ending is not None else None
        return self.level(match["level"]) if match is not None else levels.UNKNOWN

    def time_behind(self, lines: Sequence[str], times: TimeReader) -> int | None:
        """The time at the end of the first of a record's further lines that has one; None where the file has none there."""
        match = next((match for line in lines if (match := self._foot.match(line))), None) if self._foot else None
        return self.time(times, match["ts"]) if match is not None and self.time is not None else None

    def pid_of(self, prefix: str) -> int | None:
        """The pid that a header says."""
        match = self.pid_in_header.search(prefix) if self.pid_in_header is not None else None
        return pid_number(match[1]) if match is not None else None


def default_level(layout: Layout) -> int | None:
    """The level of a header that shows none; None: its message may."""
    return levels.INFO if layout.categories else None


def level_of(word: str) -> int:
    """The stored number of a level as a learned header shows it."""
    return levels.of_syslog(int(word)) if word in _DIGITS else levels.SIGNS.get(word) or levels.of_word(word)


def _detail(word: str) -> int:
    return levels.DEBUG if word.isdigit() else level_of(word)


def _fine(letter: str) -> int:
    return _JAVA.get(letter) or levels.of_word(letter)


def time_method(layout: Layout) -> TimeMethod | None:
    """What reads the times of a layout."""
    if layout.unit:
        return partial(_count, layout.unit)
    if layout.elapsed:
        return _elapsed
    if layout.shape is None:
        return None
    if layout.shape == ISO:
        return TimeReader.iso
    return partial(_read, layout.shape, layout.order)


def _count(unit: int, times: TimeReader, text: str) -> int | None:  # noqa: ARG001 - as all that read times
    return round(float(text) * unit / 1000)


def _elapsed(times: TimeReader, text: str) -> int | None:  # noqa: ARG001 - as all that read times
    return elapsed_us(text)


def _read(shape: str, order: Order, times: TimeReader, text: str) -> int | None:
    return times.moment(SHAPES[shape], order, text)
