"""Learns the layout of lines that have no time: they begin with a level, or with a number that grows."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from msgspec import structs

from logs.core import levels
from logs.core.moments import MINUTES, elapsed_us
from logs.parsing.reader.behind import FIELDS, Level, level_column, to_level, with_pid
from logs.parsing.reader.fields import Field, fields, level_pattern, slot_of
from logs.parsing.reader.layout import Layout

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_COUNTER = re.compile(r"[ \t]*\[?\d+(?:\.\d+)?(?: ?m?s)?\]?[ \t]")
_OWN_ID: Final = re.compile(r"[\[(](?P<pid>\d{3,8})(?::(?P<level>[0-7])(?: +\d+)?)?[\])]:? ")
_UNITS: Final = {"": 0, "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "µs": 1_000, "ns": 1}
_SINCE_START: Final = (
    r"[ \t]*[\[(<]{0,2}[ +]*(?P<ts>\d{1,9}(?:\.\d+)?)(?P<unit> ?(?:ns|us|µs|ms|s))?[\])>]{0,2}(?=[\s|,]|: )",
    r"[ \t]*[\[(<]?[A-Za-z!]{1,9}[\])>]?:?[ \t]*[\[(<][ +]*(?P<ts>\d{1,9}(?:\.\d+)?)(?P<unit> ?(?:ns|us|µs|ms|s))?[\])>](?=[\s|,]|: )",
)
"""A number in front, or in brackets behind the level."""
_CLOCKED: Final = re.compile(rf"[ \t]*[\[(]?(?P<ts>{MINUTES})[\])]?(?=[ \t])")
_FRACTION: Final = r"(?:\.\d+)?"
_LABELS: Final = (":", "]", ")", ">", "|")
"""How the name of a program ends that it writes before all that it says."""
_BADGE: Final = re.compile(r" ([A-Z]{4,8}) {2}(?=\S)")
_NAME: Final = r"(?P<logger>[A-Za-z_@*][\w.:/@*\-]*)"
_CLOSING: Final = r" \+\d{1,9}(?:ms|s|m|h|d)$"
"""How long after the one before a record was written, at its end: `+39ms`."""
_SIGN: Final = "[\u2022\u2023\u2190-\u23ff\u25a0-\u27bf\u2900-\u2bff\U0001f300-\U0001faff]\ufe0f?"
"""A sign that is no letter and no line of a drawing."""
_INFORMS: Final = "\N{INFORMATION SOURCE}"
"""The sign for which a terminal that has none shows an `i`."""
_ITEMS: Final = ("* ", "- ", "+ ")
"""How the items of a list begin, most often within a message."""
_SURE: Final = 4
"""So many lines that begin alike are no chance."""
_FEW: Final = 4
"""So few numbers do not tell what they count."""
_LONGEST: Final = 366 * 86_400
"""Seconds that a program may have been running."""


def levelled(lines: list[str], whole: int, begins: Callable[[str], bool]) -> Layout | None:
    """The layout of lines that have a level and no time; of the others count those that may begin a record."""
    lines = [line for line in lines if not levels.is_figure(line)]
    if not (any(line.startswith("i ") for line in lines) and _marked(lines)):
        return _levelled(lines, whole, begins)
    layout = _levelled([f"{_INFORMS}{line[1:]}" if line.startswith("i ") else line for line in lines], whole, begins)
    return layout and structs.replace(layout, header=layout.header.replace("(?P<level>", "(?P<level>i(?= )|"))


def _levelled(lines: list[str], whole: int, begins: Callable[[str], bool]) -> Layout | None:
    aligned = [(line, fields(line, 0, 4)) for line in _aligned(lines, whole)] if lines else []
    firm = [(line, row) for line, row in aligned if _graded(row) or line[:1] == " " or (begins(line) and line[:2] not in _ITEMS)]  # fmt: skip
    firm = _without_marks(firm)
    standing, rows = [line for line, _ in firm], [row for _, row in firm]
    level = level_column(rows, len(standing))
    if level is None or (level.styles == ("small",) and not level.place[0]):
        return None
    if not level.place[0] and level.reach > 0 and (len(standing) < 3 or level.reach > 2 or _says_one(rows, level)):
        return None
    tail = to_level(standing, rows, level)
    header = tail.removesuffix(")?").removeprefix("(?:")
    starts = {
        line[: row[level.reach].begin] for line, row in zip(standing, rows, strict=True) if len(row) > level.reach
    }
    if level.reach == 1 and len(starts) == 1 and not level.place[0]:
        begin = starts.pop()
        known = level_pattern(level.place, ("upper", "lower", "title", *level.styles))
        if _names_each(begin, lines, whole):
            return Layout(rf"{re.escape(begin)}(?:{known}{_close(standing, rows)}[ \t]*)?", None)
        header = rf"{re.escape(begin)}(?:{known}|[A-Za-z!]+)[ \t:]"
    elif level.reach == 1 and not level.place[0] and _numbered(standing):
        header = rf"\d+ (?:{level_pattern(level.place, level.styles)}|[a-z]+) "
        return Layout(header, None)
    if level.reach and not level.place[0]:
        header = f"(?={header})"  # what stands before a bare word may belong to the message
    if level.styles == ("mark",) and not level.reach and not level.place[0]:
        depths = {len(line) - len(line.lstrip(" ")) for line in standing}
        header = (
            f"(?:{header}|[ ]{{{min(depths)},{max(depths)}}}{_SIGN}[ \\t]+)"  # signs of other kinds begin records, too
        )
    if level.styles == ("mark",) and not level.reach and any(badge(line) for line in lines):
        header = rf" ?(?P<level>{levels.alternatives(level.styles)}|(?:{levels.alternatives(('upper',))})(?= {{2}}))(?:[ \t]+)"
    regex = re.compile(header, re.ASCII)
    hits = sum(1 for line in lines if regex.match(line))
    deep = sum(1 for line in lines if line.startswith("  ")) if hits >= _SURE else 0  # they belong to records
    if hits * 10 < (whole - deep) * 3 or (level.styles == ("letter",) and not level.place[0] and hits < 3):
        return None
    return with_pid(_since_start(Layout(header, None), standing), standing)


def _without_marks(firm: list[tuple[str, list[Field]]]) -> list[tuple[str, list[Field]]]:
    """The lines without those that begin with other signs than most before a level, as `-debug = True` of a patch does."""
    gaps = Counter(row[0].gap.strip() for _, row in firm if _graded(row))
    usual = {gap for gap, count in gaps.items() if not gap or count * 5 >= gaps.total()}
    return [(line, row) for line, row in firm if not _graded(row) or row[0].gap.strip() in usual]


def _graded(row: Sequence[Field]) -> bool:
    """Whether one of the first two fields may be a level, or one behind a number: `py: 423 D …`."""
    return any(map(slot_of, row[:2])) or (len(row) > 2 and row[1].text.isdigit() and slot_of(row[2]) is not None)


def _says_one(rows: Sequence[Sequence[Field]], level: Level) -> bool:
    """Whether the level of all lines is one word that is not in capitals: a name, as in `Debug:Log(…)`."""
    said = {
        field.text
        for row in rows
        for field in row[: level.reach + 1]
        if (slot := slot_of(field)) and slot.place == level.place and slot.style in level.styles
    }
    return len(said) == 1 and "upper" not in level.styles


def _marked(lines: Sequence[str]) -> bool:
    """Whether several lines begin with signs that stand for levels."""
    return sum(1 for line in lines if line.partition(" ")[0] in levels.MARKS) > 1


def _names_each(begin: str, lines: list[str], whole: int) -> bool:
    """Whether `begin` is the program's name that begins each record, whether a level stands behind it or none."""
    named = sum(1 for line in lines if line.startswith(begin))
    return begin.rstrip(" \t").endswith(_LABELS) and named * 10 >= whole * 9


def _close(lines: list[str], rows: Sequence[Sequence[Field]]) -> str:
    """What closes the levels behind the first field."""
    closing = {
        line[row[1].end :][:1] for line, row in zip(lines, rows, strict=True) if len(row) > 1 and slot_of(row[1])
    }
    return ":" if closing == {":"} else r"[ \t:]"


def _numbered(lines: list[str]) -> bool:
    """Whether each line begins with its own number, the one behind that of the line before."""
    matches = [re.match(r"(\d+) [a-zA-Z]", line) for line in lines]
    numbers = [int(match[1]) for match in matches if match is not None]
    return len(numbers) == len(lines) and all(after == before + 1 for before, after in pairwise(numbers))


def closed(lines: list[str]) -> Layout | None:
    """The layout of lines with a name in front, of which the last one of each record ends with the time since the record before."""
    ends = [re.search(_CLOSING, line) is not None for line in lines]
    depths = {len(line) - len(line.lstrip(" ")) for line, end in zip(lines, ends, strict=True) if end}
    if sum(ends) < 3 or len(depths) > 1:
        return None
    header = rf"[ ]{{{depths.pop()}}}{_NAME} "
    names = [match["logger"] if (match := re.match(header, line)) else None for line in lines]
    if any(name is not None and levels.style(name) for name in names):
        return None
    # a line without an end goes on in the next one, which has the same name
    steps = zip(names, ends, [*names[1:], names[-1]], strict=True)
    right = sum(1 for name, end, following in steps if name is not None and (end or following == name))
    return Layout(header, None, closing=_CLOSING) if right * 10 >= len(lines) * 9 else None


def counted(lines: list[str], whole: int) -> Layout | None:
    """The layout of lines that begin with a number that grows: milliseconds since the start, or their own number."""
    matches = [match for line in lines if (match := _COUNTER.match(line))]
    if len(matches) < 3 or len(matches) * 10 < whole * 3:
        return None
    numbers = [float(found[0]) for match in matches if (found := _NUMBER.search(match[0]))]
    rising = sum(1 for before, after in pairwise(numbers) if after >= before)
    widths = {len(match.group()) for match in matches}
    if rising * 10 < (len(numbers) - 1) * 8 and len(widths) > 1:
        return None
    layout = Layout(_column(matches) + _COUNTER.pattern, None)
    if len(matches) <= _FEW:
        return layout
    counting = _since_start(layout, [match.string for match in matches])
    if not counting.unit:
        return counting
    tails = [match.string[match.end() :] for match in matches]
    rows = [fields(tail, 0, FIELDS) for tail in tails]
    level = level_column(rows, len(tails))
    if level is None:
        return counting
    return with_pid(structs.replace(counting, header=counting.header + to_level(tails, rows, level)), lines)


def numbered(lines: list[str], whole: int) -> Layout | None:
    """The layout of lines that begin with the program's id in brackets, the same in most; behind it there may be how bad a line is, as syslog counts it."""
    matches = [match for line in lines if (match := _OWN_ID.match(line))]
    if len(matches) < 3 or len(matches) * 10 < whole * 3:
        return None
    ids = Counter(match["pid"] for match in matches)
    grades = [match["level"] for match in matches]
    if ids.most_common(1)[0][1] * 10 < len(matches) * 6 or (None in grades and any(grades)):
        return None
    graded = len(set(grades)) > 1
    return Layout(_OWN_ID.pattern if graded else _OWN_ID.pattern.replace("?P<level>", "?:"), None)


def _column(matches: Sequence[re.Match[str]]) -> str:
    """The expression for how far the numbers of nearly all lines reach at least, where blanks fill their column: `  3 of 4 passed` is no record."""
    (width, count), *_ = Counter(match.end() for match in matches).most_common(1)
    filled = any(match[0].startswith(" ") for match in matches if match.end() == width)
    return rf"(?=[ \t\[\]\d.ms]{{{width - 1},}}[ \t])" if filled and count * 10 >= len(matches) * 9 else ""


def badge(line: str) -> bool:
    """Whether a line begins with a level between blanks, as where a terminal gives it a background: for what is worse than the rest, a mark."""
    match = _BADGE.match(line)
    return match is not None and levels.style(match[1]) == "upper"


def _since_start(layout: Layout, lines: list[str]) -> Layout:
    """The layout with the time since the program's start, where its lines have a number that says it: one that grows, and not by one a line."""
    for number, pattern in enumerate(_SINCE_START):
        regex = re.compile(pattern)
        found = [
            match for line in lines if (match := regex.match(line)) and (not number or slot_of(fields(line, 0, 1)[0]))
        ]
        if len(found) < 3 or len(found) * 2 < len(lines):
            continue
        unit = _unit({(match["unit"] or "").strip() for match in found}, [match["ts"] for match in found])
        if unit:
            ahead = pattern.replace("?P<unit>", "?:")
            if sum(1 for match in found if "." in match["ts"]) * 10 >= len(found) * 8:
                ahead = ahead.replace(_FRACTION, _FRACTION.removesuffix("?"))
            return structs.replace(layout, header=f"(?={ahead}){layout.header}", unit=unit)
    clocks = [elapsed_us(match["ts"]) for line in lines if (match := _CLOCKED.match(line))]
    rising = all(after >= before for before, after in pairwise(clocks))
    if (
        len(clocks) > 2
        and len(clocks) * 2 >= len(lines)
        and clocks[0] < 60_000_000
        and clocks[0] < clocks[-1]
        and rising
    ):
        return structs.replace(layout, header=f"(?={_CLOCKED.pattern}){layout.header}", elapsed=True)
    return layout


def _unit(written: set[str], texts: list[str]) -> int:
    """How many nanoseconds one of these numbers stands for; 0 where they count something else."""
    numbers = [float(text) for text in texts]
    steps = [after - before for before, after in pairwise(numbers)]
    fractions = sum(1 for text in texts if "." in text)
    if len(written) > 1 or numbers[-1] <= numbers[0] or sum(1 for step in steps if step < 0) * 5 > len(steps):
        return 0
    if fractions * 2 < len(texts) and (max(steps) <= 1 or steps.count(0) * 2 > len(steps)):
        return 0  # numbers of lines, or of a few processes
    unit = _UNITS[next(iter(written))] or (1_000_000_000 if fractions * 2 > len(texts) else 1_000_000)
    return unit if max(numbers) * unit < _LONGEST * 1_000_000_000 else 0


def _aligned(lines: list[str], whole: int) -> list[str]:
    """The lines that begin as deep as most records do; or, where the levels that they begin with end in one column, those of all depths."""
    firsts = [(line, first[0]) for line in lines if (first := fields(line, 0, 1)) and slot_of(first[0]) is not None]
    columns = Counter(field.end for _, field in firsts if not field.opens)
    if columns:
        column, count = columns.most_common(1)[0]
        aligned = [line for line, field in firsts if field.end == column]
        if count * 10 >= whole * 3 and len({field.begin for _, field in firsts if field.end == column}) > 1:
            return aligned
    depths = Counter(len(line) - len(line.lstrip()) for line in lines)
    graded = [line[:1] not in " \t" for line in lines if _graded(fields(line, 0, 3))]
    begins = depths[0] * 10 >= whole * 3 or (sum(graded) >= _SURE and sum(graded) * 10 >= len(graded) * 8)
    depth = 0 if begins else depths.most_common(1)[0][0]
    return [line for line in lines if len(line) - len(line.lstrip()) == depth]
