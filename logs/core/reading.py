"""How a file is read, as it is shown to people."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["time", "level", "logger", "pid"]


@dataclass(frozen=True, slots=True)
class LinePart:
    """A part of a line, from character `begin` to `end`."""

    kind: Kind
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class MarkedLine:
    """A line as it is stored, and what is read in it; `ts` is ISO 8601. A line that is not the first of a record has no parts."""

    line: str
    parts: tuple[LinePart, ...]
    ts: str | None
    level: str | None
    logger: str | None
    pid: int | None
    message: str
    first: bool


@dataclass(frozen=True, slots=True)
class Fact:
    """Something about how a file is read: `name` in a word, `text` in a sentence."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read.

    `by` says who decided: `known` (its lines are those of a known format), `learned` (its own lines show where their parts stand), `said` (a person named the
    format), `plain` (no line shows a time or a level). `order` is which of a date's numbers is the day, empty where the dates say it themselves; `orders` are those
    that could be said of them. Of the newest `lines` lines, `headers` have a header.
    """

    format: str
    by: Literal["known", "learned", "said", "plain"]
    facts: tuple[Fact, ...]
    order: str
    orders: tuple[str, ...]
    lines: int
    headers: int
    examples: tuple[MarkedLine, ...]


@dataclass(frozen=True, slots=True)
class FileReading:
    """How one file is read. `setting` is the line of `logs.formats` that says it, None where nobody did; `named` is the path by which a setting names the
    file and its rotated generations. `reading` is None where the file cannot be read, and `error` says why.
    """

    path: str
    named: str
    followed: bool
    setting: str | None
    reading: Reading | None
    error: str | None
