"""What a log format is: something that recognises the first line of a record and takes it apart."""

import re
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, Protocol

from logs.core import levels
from logs.core.timestamps import LACKING, Lacking, TimeReader

TimeMethod = Callable[[TimeReader, str], int | None]


class Header(NamedTuple):
    """The first line of a record, taken apart. `prefix + message` is the line, unless `whole` says that the line must be kept beside them.

    Of a format that wraps other programs' lines: `lane` tells its streams apart, and a `partial` line goes on in the next one of its lane.
    """

    ts: int | None
    level: int
    logger: str | None
    pid: int | None
    prefix: str
    message: str
    fields: str | None = None
    whole: bool = False
    lane: str = ""
    partial: bool = False
    counted: bool = False
    """Whether `ts` counts from a start that the line does not say."""


class Format(Protocol):
    """One way of writing log lines."""

    @property
    def name(self) -> str:
        """The word that stands in `format` and forces it."""
        ...

    @property
    def dated(self) -> bool:
        """Whether its lines carry a time."""
        ...

    @property
    def wraps(self) -> bool:
        """Whether the message is a line that some other program wrote, in a format of its own."""
        ...

    @property
    def follows(self) -> re.Pattern[str] | None:
        """What further lines of a record look like, although other formats would read them."""
        ...

    @property
    def starts(self) -> str | None:
        """The characters with one of which its lines begin; None: any may be the first."""
        ...

    def read(self, line: str, times: TimeReader) -> Header | None:
        """The line's parts, or None when the line is not of this format. `line` has no line end."""
        ...


_STARTS = (
    (r"(?P<ts>\d", "0123456789"),
    (r"(?P<ts>1\d", "1"),
    (r"(?P<pid>\d", "0123456789"),
    (r"\d", "0123456789"),
    (r"\[?(?P<ts>\d", "[0123456789"),
    (r"\[?(?P<ts>1\d", "[1"),
    (r"\[(", "["),
    (r"\[[", "["),
    (r"\[ *\d", "["),
    (r"\[ *(?P<ts>\d", "["),
    (r"(?:[<\[(] ?)?(?P<ts>\d", "<[(0123456789"),
    (r"\[P", "["),
    (r"\[G", "["),
    (r"\[p", "["),
)
"""How a regular expression begins (none here has alternatives on its highest level), and what therefore its lines begin with."""


class RegexFormat:
    """A format that one regular expression describes.

    Args:
        name: see `Format`.
        header: matches the start of a record; the groups `ts`, `level`, `other` (a word in the level's place that is none), `logger` and `pid` may be absent. What it matches is the prefix, from
            `msg` (or its end) on is the message.
        time: the method of `TimeReader` that reads `ts`.
        level_of: how the group `level` becomes a number.
        default: the level of a line that names none; None asks the text for one.
        follows: see `Format`.
        heads_each: whether the header stands before each line of a message of several, as where syslog takes a program's output.
        unnamed: the same format without a logger, for files whose headers may have one, and have none.
    """

    wraps = False

    def __init__(
        self,
        name: str,
        header: str,
        time: TimeMethod | None,
        *,
        level_of: Callable[[str], int] = levels.of_word,
        default: int | None = levels.UNKNOWN,
        follows: str | None = None,
        heads_each: bool = False,
        unnamed: "RegexFormat | None" = None,
    ) -> None:
        self.name = name
        self.unnamed = unnamed
        self.heads_each = heads_each
        self.follows = re.compile(follows) if follows is not None else None
        self.starts = next((first for begin, first in _STARTS if header.startswith(begin)), None)
        self.header = header
        self.time = time
        self._level_of = level_of
        self.default = default
        self._levels: dict[str, int] = {}

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The header; compiled when a line asks for it, as most programs never meet most formats."""
        return re.compile(self.header, re.ASCII)

    @cached_property
    def _lines(self) -> re.Pattern[str]:
        return re.compile(rf"^(?:({self.header})(.*)|(.*))$", re.ASCII | re.MULTILINE)

    @cached_property
    def _ts(self) -> int:
        return self.regex.groupindex.get("ts", 0)

    @cached_property
    def _level(self) -> int:
        return self.regex.groupindex.get("level", 0)

    @cached_property
    def _other(self) -> int:
        return self.regex.groupindex.get("other", 0)

    @cached_property
    def _logger(self) -> int:
        return self.regex.groupindex.get("logger", 0)

    @cached_property
    def _pid(self) -> int:
        return self.regex.groupindex.get("pid", 0)

    @property
    def dated(self) -> bool:
        """Whether its lines carry a time."""
        return self.time is not None

    @property
    def alone(self) -> bool:
        """Whether a dated header, between two others, is a record whatever stands before it: many lines can be read at once."""
        return self.dated and not self.wraps and self.follows is None and self.lacks != "start"

    @property
    def lacks(self) -> Lacking:
        """What its times do not say."""
        return LACKING.get(self.time, "") if self.time is not None else ""

    def read(self, line: str, times: TimeReader) -> Header | None:
        """See `Format.read`."""
        match = self.regex.match(line)
        if match is None:
            return None
        ts = None
        if self.time is not None and self._ts:
            text = match.group(self._ts)
            if text is not None:
                ts = self.time(times, text)
                if ts is None:
                    return None
        end = match.end()
        word = match.group(self._level) if self._level else None
        level = self.level(word) if word is not None else levels.UNKNOWN
        if not level:
            level = self.fallback(line, end)
            if not level and self._other and match.group(self._other) is not None:
                level = levels.INFO
        pid_text = match.group(self._pid) if self._pid else None
        logger = match.group(self._logger) if self._logger else None
        counted = ts is not None and self.lacks == "start"
        return Header(ts, level, logger or None, pid_number(pid_text), line[:end], line[end:], counted=counted)

    def level(self, word: str) -> int:
        """The number of a level word, remembered."""
        number = self._levels.get(word)
        if number is None:
            if len(self._levels) > 512:
                self._levels.clear()
            number = self._levels[word] = self._level_of(word)
        return number

    def fallback(self, line: str, end: int) -> int:
        """The level of a line that names none."""
        return levels.in_text(line[end:]) if self.default is None else self.default

    def columns(self, text: str, times: TimeReader) -> "LineColumns | None":
        """All lines of `text` at once; None when a header has a time that is none."""
        parts = list(zip(*self._lines.findall(text), strict=True))
        prefixes, messages = parts[0], parts[-2]
        stamps = parts[self._ts] if self.time is not None else prefixes
        others = [number for number, stamp in enumerate(stamps) if not stamp]
        if self.heads_each or _TRACEBACK in text:
            deep = {
                number
                for number, message in enumerate(messages)
                if not message or message[:1] in _DEEP or _TRACEBACK in message
            }
            around = {number + step for number in deep for step in (-1, 0, 1)}
            others = sorted(around.union(others) & set(range(len(stamps))))
        ts: list[int] = []
        if self.time is not None:
            time = self.time
            read = [time(times, value) if value else 0 for value in parts[self._ts]]
            ts = [value for value in read if value is not None]
            if len(ts) != len(read):
                return None
        return LineColumns(
            ts,
            self._level_column(parts, messages),
            self._text_column(parts),
            self._pid_column(parts),
            prefixes,
            messages,
            others,
        )

    def _level_column(self, parts: "list[tuple[str, ...]]", messages: tuple[str, ...]) -> list[int]:
        if not self._level:
            return levels.in_texts(messages) if self.default is None else [self.default] * len(messages)
        words = parts[self._level]
        known = {word: self.level(word) if word else levels.UNKNOWN for word in set(words)}
        column = [known[word] for word in words]
        if 0 in known.values() and self.default != levels.UNKNOWN:
            shown = levels.in_texts(messages) if self.default is None else [self.default] * len(messages)
            column = [number or other for number, other in zip(column, shown, strict=True)]
            if self._other:
                return [
                    number or (levels.INFO if word else 0)
                    for number, word in zip(column, parts[self._other], strict=True)
                ]
        return column

    def _text_column(self, parts: "list[tuple[str, ...]]") -> list[str | None]:
        return [value or None for value in parts[self._logger]] if self._logger else [None] * len(parts[0])

    def _pid_column(self, parts: "list[tuple[str, ...]]") -> list[int | None]:
        if not self._pid:
            return [None] * len(parts[0])
        known = {word: pid_number(word) for word in set(parts[self._pid])}
        return [known[word] for word in parts[self._pid]]


_TRACEBACK = "Traceback (most recent call last)"
_DEEP = frozenset(" \t")


class LineColumns(NamedTuple):
    """Many lines as columns, one entry a line. `others` are the numbers of the lines that are no headers, whose entries mean nothing."""

    ts: list[int]
    level: list[int]
    logger: list[str | None]
    pid: list[int | None]
    prefix: tuple[str, ...]
    message: tuple[str, ...]
    others: list[int]


def pid_number(text: str | None) -> int | None:
    """A pid as written, None when it is none (threads of Java are numbers past any pid)."""
    if not text or not text.isdigit() or len(text) > 9:
        return None
    return int(text) or None
