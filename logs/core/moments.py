"""How people and programs write a moment: every layout of date and clock that the reader knows, as a shape that can be found in a line and read.

A shape says which characters are the year, the month and so on. Which of two numbers is the day is decided once for a file (`Order`), not line by line.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final, Literal, NamedTuple

Order = Literal["", "mdy", "dmy", "ymd"]
"""How the three (or two) numbers of a date follow each other; empty where the shape itself says it."""

ZONES: Final[dict[str, int]] = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "BST": 3600, "CET": 3600, "WEST": 3600, "MET": 3600, "CEST": 7200, "EET": 7200, "MEST": 7200,
    "EEST": 10800, "MSK": 10800, "IST": 19800, "SGT": 28800, "HKT": 28800, "JST": 32400, "KST": 32400, "AEST": 36000, "AEDT": 39600,
    "EDT": -14400, "EST": -18000, "CDT": -18000, "CST": -21600, "MDT": -21600, "MST": -25200, "PDT": -25200, "PST": -28800,
}  # fmt: skip
"""Zone abbreviation → seconds east of Greenwich; ambiguous ones as PostgreSQL's default list has them."""

_MONTH_NAMES: Final = (
    "jan ene gen sty янв oca",
    "feb fév fev lut фев şub",
    "mar mär mrt мар mrz",
    "apr avr abr kwi апр nis",
    "may mai mag maj mei май мая",
    "jun juin giu cze июн haz",
    "jul juil lug lip июл tem",
    "aug aoû aou ago sie авг ağu",
    "sep set wrz сен eyl",
    "oct okt ott out paź окт eki",
    "nov lis ноя kas",
    "dec déc dez dic des gru дек ara",
)
MONTHS: Final[dict[str, int]] = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
"""How the name of a month begins, in the languages of the libraries' own locales → its number."""


def month_number(name: str) -> int:
    """The number of a month's name, short or in full, in any of the known languages; 0 when it is none."""
    name = name.lower()
    return MONTHS.get(name[:4]) or MONTHS.get(name[:3], 0)


def _any_case(word: str) -> str:
    return f"[{word[0].upper()}{word[0]}](?:{word[1:]}|{word[1:].upper()})"


_LETTERS: Final = "[A-Za-zà-ÿćłńśźżğşа-я]"
_MONTH: Final = rf"(?P<b>(?:{'|'.join(_any_case(name) for name in MONTHS)}){_LETTERS}{{0,7}})"
_WEEKDAY: Final = (
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Mo|Di|Mi|Do|Fr|Sa|So|lun|mar|mer|jeu|ven|sam|dim)[a-zé]{0,6}\.?,? {1,2})?"
)
_BLANK: Final = "[ \u00a0\u202f]"
_HALF: Final = rf"(?:{_BLANK}?(?P<p>[AaPp]\.?[Mm]\b\.?|午前|午後|上午|下午|오전|오후))?"
_NAMED: Final = "|".join(sorted((name for name in ZONES if name != "Z"), key=len, reverse=True))
_ZONE: Final = rf"(?: ?(?P<z>Z\b|(?:UTC|GMT)[+-]\d{{1,2}}(?::?\d\d)?\b|[+-]\d\d:?\d\d\b|(?:{_NAMED})\b)|(?P<short>[+-]\d\d)\b)?(?: \([A-Z][A-Za-z]+(?: [A-Za-z]+)* (?:Time|Zeit)\))?"
_FRACTION: Final = r"(?:,(?P<f>\d{3})\.(?P<g>\d{3})|[.,](?P<h>\d{1,9})|:(?P<t>\d{9}|\d{6}|\d{3}))?"
"""Behind a colon it is one only where it has as many digits as a fraction has: `10:11:12:0 errors`."""
_SECONDS: Final = rf"(?P<H>\d{{1,2}}):(?P<M>\d\d):(?P<S>\d\d){_FRACTION}{_HALF}(?: Uhr\b)?{_ZONE}"
_MINUTES: Final = rf"(?P<H>\d{{1,2}}):(?P<M>\d\d){_HALF}(?: Uhr\b)?{_ZONE}"
_UNPADDED: Final = rf"(?P<H>\d{{1,2}}):(?P<M>\d{{1,2}}):(?P<S>\d{{1,2}}){_FRACTION}{_HALF}{_ZONE}"
"""A clock put together from numbers as they are: `9:5:3`."""
_AT: Final = r"(?:at|@|um|om|alle|ore|kl\.?|klo|[àa]|às|a las|o|в)"
"""What people write between a day and a clock."""
_JOIN: Final = rf"(?:T|_|@|/|::?|;|,? {{1,2}}|,|\||-| - | \| |\t|\] \[|,? {_AT} )"
_JOINED: Final = (
    rf"(?P<H>[0-2]?\d)[.\-_hH时時]?(?P<M>[0-5]\d)[.\-_mM分]?(?P<S>[0-6]\d)[s秒]?(?:[.,_:](?P<h>\d{{1,9}}))?{_ZONE}"
)
"""A clock with other signs than colons, or none, as file names and some countries have it."""
_YEAR: Final = r"(?P<y>(?:19|20)\d\d)"
_YMD: Final = rf"{_YEAR}(?:[-/._年]|\. )(?P<n>\d{{1,2}})(?:[-/._月]|\. )(?P<d>\d{{1,2}})(?:日|\.)?"
_D: Final = r"(?P<d>[ \d]?\d)"
_MDY_NAMES: Final = rf"{_WEEKDAY}{_MONTH}\.? {{1,2}}(?P<d>\d{{1,2}}),?"
_MDY_YEAR: Final = rf"{_WEEKDAY}{_MONTH}\.?[ \-/.]{{1,2}}(?P<d>\d{{1,2}})(?:, ?|[ \-/.]{{1,2}}){_YEAR}"
_YEAR_FIRST: Final = rf"{_YEAR}[ \-/.]{_MONTH}\.?[ \-/.]{{1,2}}{_D}"
_DMY_NAMES: Final = rf"{_WEEKDAY}(?P<d>\d{{1,2}})\.?[ /.\-]?{_MONTH}[ /.,\-]{{0,2}}(?P<y>(?:19|20)\d\d|\d\d\b)"
_NUMBERS: Final = r"(?P<i>\d{1,2})(?P<sep>[/.\-])(?P<j>\d{1,2})[/.\-](?P<k>(?:19|20)\d\d|\d\d)"
_COMPACT: Final = r"(?P<y>(?:19|20)\d\d)(?P<n>[01]\d)(?P<d>[0-3]\d)"
_TIGHT: Final = (
    rf"(?P<H>[0-2]\d):?(?P<M>[0-5]\d):?(?P<S>[0-6]\d)(?:[.,]?(?P<h>\d{{1,9}})|:(?P<t>\d{{9}}|\d{{6}}|\d{{3}}))?{_ZONE}"
)

_APART: Final = r" us=(?P<u>\d{1,6})"
"""Microseconds by themselves, as OpenVPN has them: a number, and no digits behind a point."""

_SHAPES: Final[tuple[tuple[str, str], ...]] = (
    ("ymd-named", rf"{_YMD}{_JOIN}(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d){_APART}"),
    ("ctime-named", rf"{_MDY_NAMES} (?P<H>\d{{1,2}}):(?P<M>\d\d):(?P<S>\d\d) {_YEAR}{_APART}"),
    ("ymd", rf"{_YMD}{_JOIN}(?:(?P<q>午前|午後|上午|下午|오전|오후) ?)?{_SECONDS}"),
    ("ymd-apart", rf"{_YMD}{_JOIN}(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)(?: (?P<h>\d{{6}}))?"),
    ("ymd-dotted", rf"{_YMD} (?P<H>\d\d):(?P<M>\d\d)\.(?P<S>\d\d)(?:[.,](?P<h>\d{{1,9}}))?\b"),
    ("ymd-joined", rf"{_YMD}(?:{_JOIN}|-){_JOINED}"),
    ("ymd-minutes", rf"{_YMD}{_JOIN}{_MINUTES}"),
    ("ymd-unpadded", rf"{_YMD}{_JOIN}{_UNPADDED}"),
    ("ordinal", rf"{_YEAR}[-.](?P<o>[0-3]\d\d)(?:T|[ :_-]){_SECONDS}"),
    ("compact", rf"{_COMPACT}(?:{_JOIN}|\.)?{_TIGHT}"),
    ("dmy-names", rf"{_DMY_NAMES}{_JOIN}{_SECONDS}"),
    ("dmy-names-minutes", rf"{_DMY_NAMES}(?:T|_|@|/|;|,|\||,? {{1,2}}| - |-| \| |\] \[|,? {_AT} ){_MINUTES}"),
    ("clf-minutes", rf"(?P<d>\d{{1,2}})/{_MONTH}/{_YEAR}:{_MINUTES}"),
    ("mdy-names", rf"{_MDY_YEAR}(?:{_JOIN}| {_AT} {{1,2}}| {{3}}){_SECONDS}"),
    ("mdy-names-minutes", rf"{_MDY_YEAR}{_JOIN}{_MINUTES}"),
    ("ctime", rf"{_MDY_NAMES} (?P<H>\d{{1,2}}):(?P<M>\d\d):(?P<S>\d\d){_FRACTION}(?: (?P<z>[A-Z]{{2,5}}))? {_YEAR}"),
    (
        "ymd-spaced",
        rf"{_YEAR} {{1,2}}(?P<n>[ \d]?\d) {{1,2}}(?P<d>[ \d]?\d) {{1,2}}(?P<H>\d{{1,2}})[ :](?P<M>\d\d)[ :](?P<S>\d\d)(?:[.,](?P<h>\d{{1,9}}))?",
    ),
    ("year-first", rf"{_YEAR_FIRST}(?:{_JOIN}| {{3}}){_SECONDS}"),
    ("year-first-minutes", rf"{_YEAR_FIRST}{_JOIN}{_MINUTES}"),
    ("dmy-names-joined", rf"{_DMY_NAMES}{_JOIN}{_JOINED}"),
    ("mdy-names-joined", rf"{_MDY_YEAR}{_JOIN}{_JOINED}"),
    ("year-first-joined", rf"{_YEAR_FIRST}{_JOIN}{_JOINED}"),
    ("compact-joined", rf"{_COMPACT}{_JOIN}{_JOINED}"),
    ("compact-minutes", rf"{_COMPACT}{_JOIN}{_MINUTES}"),
    ("numbers", rf"{_NUMBERS}{_JOIN}{_SECONDS}"),
    ("numbers-joined", rf"{_NUMBERS}(?:{_JOIN}| (?:klo |kl\. )){_JOINED}"),
    ("numbers-dotted", rf"{_NUMBERS} (?P<H>\d\d):(?P<M>\d\d)\.(?P<S>\d\d)(?:[.,](?P<h>\d{{1,9}}))?\b"),
    ("numbers-unpadded", rf"{_NUMBERS}{_JOIN}{_UNPADDED}"),
    ("numbers-minutes", rf"{_NUMBERS}{_JOIN}{_MINUTES}"),
    ("names", rf"{_MDY_NAMES} {{1,2}}{_SECONDS}"),
    ("names-reversed", rf"{_WEEKDAY}(?P<d>\d{{1,2}})\.? {_MONTH}\.?,? {{1,2}}{_SECONDS}"),
    (
        "short",
        rf"(?P<y>\d\d)(?P<n>[01]\d)(?P<d>[0-3]\d) (?P<H>[0-2]\d):?(?P<M>[0-5]\d):?(?P<S>[0-6]\d){_FRACTION}{_ZONE}",
    ),
    (
        "short-joined",
        rf"(?P<y>\d\d)(?P<n>[01]\d)(?P<d>[0-3]\d)[T_\-](?P<H>[0-2]\d):?(?P<M>[0-5]\d):?(?P<S>[0-6]\d){_FRACTION}{_ZONE}",
    ),
    ("month-day", rf"(?P<n>[01]\d)(?P<d>[0-3]\d) {_SECONDS}"),
    ("two-numbers", rf"(?P<i>\d{{1,2}})(?P<sep>[/.\-])(?P<j>\d{{1,2}})(?:\.?[ T]{{1,2}}|-){_SECONDS}"),
    ("two-numbers-minutes", rf"(?P<i>\d{{1,2}})(?P<sep>[/.\-])(?P<j>\d{{1,2}})\.?[ T]{{1,2}}{_MINUTES}"),
    ("epoch", r"(?P<e>1\d{9}(?:\d{9}|\d{6}|\d{3})?(?:\.\d{1,9})?|1\.\d{6,}[eE]\+?0?9)"),
    ("epoch-hex", r"(?P<e>[67][0-9a-f]{7}\.[0-3][0-9a-f]{7})"),
    ("tai64n", r"(?P<e>@4[0-9a-f]{23})"),
    ("clock", _SECONDS),
    ("clock-joined", r"(?P<H>\d{1,2})[hH時时](?P<M>\d\d)[mM分](?P<S>\d\d)[s秒]?(?:[.,](?P<h>\d{1,9}))?"),
    ("clock-dotted", r"(?P<H>\d{1,2})\.(?P<M>\d\d)\.(?P<S>\d\d)(?:,(?P<h>\d{1,9}))?"),
    ("clock-half", rf"(?P<H>\d{{1,2}}):(?P<M>\d\d){_BLANK}?(?P<p>[AaPp]\.?[Mm]\b\.?){_ZONE}"),
)


ELAPSED: Final = r"\d{1,4}:[0-5]\d:[0-5]\d(?:\.\d{3},\d{3}|[.,]\d{1,9})?"
"""A clock that counts from a start: its hours are those since then."""
MINUTES: Final = r"\d{1,4}:[0-5]\d"
"""The same without hours."""


def elapsed_us(text: str) -> int:
    """How long after the start a clock of the form `ELAPSED` or `MINUTES` is, µs."""
    head, *fraction = re.split(r"[.,]", text)
    seconds = 0
    for part in head.split(":"):
        seconds = seconds * 60 + int(part)
    return seconds * 1_000_000 + int(("".join(fraction) + "000000")[:6])


class Moment(NamedTuple):
    """What a text says about a moment. A part that it does not say is None; `epoch` says everything."""

    year: int | None
    month: int | None
    day: int | None
    hour: int
    minute: int
    second: int
    micros: int
    offset: int | None
    """Seconds east of Greenwich."""
    epoch: str | None = None


@dataclass(frozen=True)
class MomentShape:
    """One layout.

    `pattern` has no named groups and no look-around, so that it can stand in a larger expression and run in RE2.
    """

    name: str
    named: str

    @cached_property
    def pattern(self) -> str:
        """The layout, without names."""
        return re.sub(r"\(\?P<\w+>", "(?:", self.named)

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The layout, with its parts as groups."""
        return re.compile(self.named, re.ASCII)

    @cached_property
    def finder(self) -> re.Pattern[str]:
        """Finds the layout in a line: never inside a longer number or word, but behind a letter that stands for a level (`I0301 10:11:12`)."""
        return re.compile(
            rf"(?:(?<![\w.:/\-])|(?<=\b[A-Z])|(?<=[_T:]))(?:{self.pattern})(?![\w]|[:/\-]\d|\.\d)", re.ASCII
        )

    @cached_property
    def ambiguous(self) -> bool:
        """Whether the file must tell day from month."""
        return "(?P<i>" in self.named

    @cached_property
    def days(self) -> bool:
        """Whether it has a date."""
        return not self.name.startswith("clock")

    @cached_property
    def years(self) -> bool:
        """Whether it says the year."""
        return any(group in self.named for group in ("(?P<y>", "(?P<k>", "(?P<e>"))

    def read(self, text: str, order: Order) -> Moment | None:
        """What `text` says; None when it is not of this shape or says what cannot be (month 13, hour 25)."""
        match = self.regex.fullmatch(text)
        return None if match is None else _moment(match.groupdict(), order)

    def split(self, text: str) -> tuple[str, int]:
        """The text without its fraction of a second, and that fraction in microseconds."""
        match = self.regex.fullmatch(text)
        if match is None:
            return text, 0
        parts = match.groupdict()
        first = last = "h" if parts.get("h") else "t" if parts.get("t") else "u"
        if parts.get("f"):
            first, last = "f", "g"
        if not parts.get(first):
            return text, 0
        begin = match.start(first)
        if first == "u":
            return f"{text[:begin]}0", _micros(parts)
        begin -= not text[begin - 1].isdigit()
        return text[:begin] + text[match.end(last) :], _micros(parts)


SHAPES: Final[dict[str, MomentShape]] = {name: MomentShape(name, pattern) for name, pattern in _SHAPES}
"""Name → shape, from those that say most to those that say least."""


def _moment(parts: dict[str, str | None], order: Order) -> Moment | None:
    if parts.get("e"):
        return Moment(None, None, None, 0, 0, 0, 0, 0, parts["e"])
    date = _date(parts, order)
    if date is None:
        return None
    hour, minute = int(parts["H"] or 0), int(parts["M"] or 0)
    second = min(int(parts.get("S") or 0), 60)
    half = parts.get("p") or parts.get("q")
    if half:
        if not 1 <= hour <= 12:
            return None if hour > 23 else Moment(*date, hour, minute, min(second, 59), _micros(parts), _offset(parts))
        late = half[0] in "Pp" or half in {"午後", "下午", "오후"}
        hour = hour % 12 + 12 * late
    if hour == 24:
        hour = 0  # how browsers and Node write the first hour of a day: `12/2/2026, 24:30:21`
    if hour > 23 or minute > 59:
        return None
    return Moment(*date, hour, minute, min(second, 59), _micros(parts), _offset(parts))


def _date(parts: dict[str, str | None], order: Order) -> tuple[int | None, int | None, int | None] | None:
    year: str | None = parts.get("y")
    if parts.get("i") is not None:
        numbers = [parts["i"], parts["j"], parts.get("k")]
        names: str = order or "mdy"
        if parts.get("k") is None:
            names = names.replace("y", "")
        found = dict(zip(names, numbers, strict=False))
        year, month, day = found.get("y"), int(found["m"] or 0), int(found["d"] or 0)
    elif parts.get("b"):
        month, day = month_number(parts["b"] or ""), int(parts["d"] or 0)
    elif parts.get("n"):
        month, day = int(parts["n"] or 0), int(parts["d"] or 0)
    elif parts.get("o"):
        return _of_ordinal(int(year or 0), int(parts["o"] or 0))
    else:
        return None, None, None
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    if year is None:
        return None, month, day
    number = int(year)
    if number < 100:
        number += 2000 if number < 70 else 1900
    return number, month, day


def _of_ordinal(year: int, number: int) -> tuple[int, int, int] | None:
    """The date of a year's day by its number."""
    if not 1 <= number <= 366:
        return None
    day = datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=number - 1)
    return (year, day.month, day.day) if day.year == year else None


def _micros(parts: dict[str, str | None]) -> int:
    if parts.get("u"):
        return int(parts["u"] or 0)
    digits = (parts.get("f") or "") + (parts.get("g") or "") or parts.get("h") or parts.get("t")
    return int((digits + "000000")[:6]) if digits else 0


_AHEAD: Final = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d\d)?")


def _offset(parts: dict[str, str | None]) -> int | None:
    text = parts.get("z") or parts.get("short")
    if not text:
        return None
    named = ZONES.get(text)
    if named is not None:
        return named
    found = _AHEAD.fullmatch(text)
    if found is None:
        return None
    seconds = int(found[2]) * 3600 + int(found[3] or 0) * 60
    return -seconds if found[1] == "-" else seconds


def order_of(shape: MomentShape, texts: Sequence[str], near: tuple[int, int, int]) -> Order:
    """Which of a file's numbers is the day: what makes all its dates possible; of several, what brings the last of them nearest to `near`
    (year, month, day, when the file was written), then what the separator stands for: a dot and a dash for the day first, a slash for the month.
    """
    if not shape.ambiguous or not texts:
        return ""
    separator = next((match["sep"] for text in texts if (match := shape.regex.fullmatch(text))), "/")
    usual: tuple[Order, ...] = ("mdy", "dmy", "ymd") if separator == "/" else ("dmy", "mdy", "ymd")
    possible = [order for order in usual if _possible(shape, texts, order)]
    if not possible:
        return usual[0]
    here = _day_number(near)
    distances = {order: min(abs(here - day) for day in _ends(shape, texts, order, near[0])) for order in possible}
    closest = min(distances.values())
    return next(order for order in possible if distances[order] <= closest + 2)


def _possible(shape: MomentShape, texts: Iterable[str], order: Order) -> bool:
    if order == "ymd" and not any(
        len(match["k"] or "") == 2
        for t in texts
        if "k" in shape.regex.groupindex and (match := shape.regex.fullmatch(t))
    ):
        return False
    return all(shape.read(text, order) is not None for text in texts)


def _ends(shape: MomentShape, texts: Sequence[str], order: Order, year: int) -> list[int]:
    """The days of the first and the last date."""
    found = [moment for text in (texts[0], texts[-1]) if (moment := shape.read(text, order)) is not None]
    return [_day_number((moment.year or year, moment.month or 1, moment.day or 1)) for moment in found]


def _day_number(date: tuple[int, int, int]) -> int:
    return date[0] * 372 + date[1] * 31 + date[2]
