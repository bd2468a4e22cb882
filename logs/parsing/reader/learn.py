"""Learns the layout of a file from its first lines."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, NamedTuple

from msgspec import structs

from logs.core.moments import SHAPES, MomentShape, Order, order_of
from logs.core.timestamps import ISO as ISO_PATTERN
from logs.core.timestamps import SECOND, TimeReader
from logs.parsing.reader.fields import (
    CLOSES,
    UNIT,
    WORD,
    Field,
    Slot,
    field_pattern,
    fields,
    gap_pattern,
    level_pattern,
    slot_of,
)
from logs.parsing.reader.layout import ISO, Layout

_REACH: Final = 80
"""In how many characters of a line its time is looked for."""
_FIELDS: Final = 8
_LINE: Final = 400
_GAP_LENGTH: Final = 8
_ISO = re.compile(ISO_PATTERN, re.ASCII)
_PLAIN_ISO = re.compile(
    r"\d{4}[-/.]\d\d[-/.]\d\d[T _]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d|UTC|GMT))?"
)
_END = re.compile(r"\s*(?:[:|>\-\u2013\u2014=~#*/.,;]+\s+|[:|>,;]|\s*)")
_CLOSING = re.compile(r"[\])>}]*\s*(?:[:|>\-\u2013\u2014=~#*/.,;]{1,3}(?=\s)|[:|>,;])?\s*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_COUNTER = re.compile(r"[ \t]*\[?\d+(?:\.\d+)?(?: ?m?s)?\]?[ \t]")
_PIDS: Final = (
    r"(?i:\bpid|\bprocess|\bp)\s?[=: ]\s?(\d{1,8})\b",
    r"[\w.)\-]\[(\d{2,8})\]",
    r"(?i:process|worker)[\w\-]*\((\d{2,8})\)",
    r"(?i:thread)[\w\-]*:(\d{2,8})\b",
    r" #(\d{2,8})\]",
    r"(?:^|[\s|])[\[(](\d{2,7})[\])](?=[\s:|]|$)",
)
"""How a pid is written in a header, from the plainest to the least plain."""


_OPENERS: Final = "[({<"
_CLOSERS = re.compile(r"[\])>}\"']*")
_PROSE = re.compile(r"[A-Z]?[a-z]+$")
"""A word of a sentence."""


def _matched(shape: re.Pattern[str], text: str) -> str:
    """What of the beginning of `text` has this shape."""
    match = shape.match(text)
    return match[0] if match is not None else ""


class Found(NamedTuple):
    """A time in a line."""

    line: str
    begin: int
    end: int


def layouts(lines: Sequence[str], times: TimeReader, said: Order = "") -> list[Layout]:
    """The layouts of the lines, the one that reads most of them first; none when they have nothing in common.

    `said`: which of a date's numbers is the day, where somebody knows it.
    """
    left = [line[:_LINE] for line in lines if line.strip()]
    result: list[Layout] = []
    whole = len(left)
    while left and len(result) < _MOST:
        layout = _dated(left, times, whole, said) or _levelled(left, whole) or _counted(left, whole)
        if layout is None:
            break
        regex = re.compile(layout.header, re.ASCII)
        rest = [line for line in left if regex.match(line) is None]
        if len(rest) == len(left):
            break
        result.append(layout)
        left = rest
    return result


_MOST: Final = 3


def _dated(lines: list[str], times: TimeReader, whole: int, said: Order) -> Layout | None:
    """The layout of the lines that have a time."""
    chosen: tuple[float, MomentShape, str | None, list[Found]] | None = None
    for shape in SHAPES.values():
        found = [hit for line in lines if (hit := _find(shape, line))]
        if not found:
            continue
        signatures = Counter(_signature(hit) for hit in found)
        signature, count = signatures.most_common(1)[0]
        together = [hit for hit in found if _signature(hit) == signature] if signature is not None else []
        if signature is None or count * 2 < len(found):
            if not shape.days or len(found) * 10 < len(lines) * 8 or shape.name == "epoch":
                continue
            signature, together, count = None, found, len(found)
        elif len(together) * 4 < whole:
            count += _blanked(together, lines)
        if chosen is None or count > chosen[0] * 1.2:
            chosen = (float(count), shape, signature, together)
    if chosen is None:
        return None
    support, shape, signature, found = chosen
    if support * 12 < whole or (support == 1 and whole > 6):
        return None
    texts = [hit.line[hit.begin : hit.end] for hit in found]
    near = datetime.fromtimestamp(times.reference / SECOND, UTC)
    order = said if said and shape.ambiguous else order_of(shape, texts, (near.year, near.month, near.day))
    return _built(shape, order, found, lines, led=signature is not None)


def _find(shape: MomentShape, line: str) -> Found | None:
    """The first time of this shape in the line."""
    match = shape.finder.search(line, 0, _REACH + 40)
    if match is None or match.start() > _REACH:
        return None
    text = match.group()
    orders: tuple[Order, ...] = ("mdy", "dmy", "ymd") if shape.ambiguous else ("",)
    if all(shape.read(text, order) is None for order in orders):
        return None
    return Found(line, match.start(), match.end())


def _lead(hit: Found) -> tuple[list[Field], str] | None:
    """The fields before the time and what stands between the last of them and the time; None when that is more than a header has."""
    before = hit.line[: hit.begin]
    found = fields(before, 0, _FIELDS)
    end = found[-1].end if found else 0
    rest = before[end:]
    if re.search(r"\w", rest) or sum(1 for field in found if not field.opens) > 4:
        return None
    return found, rest


def _signature(hit: Found) -> str | None:
    """The expression that describes what stands before the time; None when it is too much."""
    lead = _lead(hit)
    if lead is None:
        return None
    parts: list[str] = []
    levelled = False
    for field in lead[0]:
        slot = slot_of(field)
        parts.append(gap_pattern(field.gap))
        if slot is not None and not levelled:
            levelled = True
            parts.append(f"<{slot.place}>")
        else:
            parts.append(field_pattern(field))
    return "".join(parts) + gap_pattern(lead[1])


_CATEGORY: Final = "|[A-Z]{3,12})"


def _lead_pattern(hits: list[Found]) -> tuple[str, bool]:
    """The expression before the time, and whether it has the level."""
    first = _lead(hits[0]) or ([], "")
    parts: list[str] = []
    levelled = False
    for number, field in enumerate(first[0]):
        slot = slot_of(field)
        gap = gap_pattern(field.gap)
        parts.append(gap if number else r"[ \t]*" if gap == r"[ \t]+" else gap)
        if slot is not None and not levelled:
            levelled = True
            styles = {other.style for hit in hits if (lead := _lead(hit)) and (other := slot_of(lead[0][number]))}
            known = level_pattern(slot.place, tuple(sorted(styles)))
            parts.append(f"(?:{known}{_CATEGORY}" if styles == {"upper"} and not slot.opens else known)
        else:
            parts.append(field_pattern(field))
    return "".join(parts) + gap_pattern(first[1]), levelled


def _built(shape: MomentShape, order: Order, found: list[Found], lines: list[str], *, led: bool) -> Layout | None:
    texts = [hit.line[hit.begin : hit.end] for hit in found]
    name, pattern = shape.name, shape.pattern
    if name == "ymd" and all(_PLAIN_ISO.fullmatch(text) for text in texts):
        name, pattern = ISO, ISO_PATTERN
    stamp = f"(?P<ts>{pattern})"
    if not led:
        return _behind(name, order, stamp, found)
    lead, levelled = _lead_pattern(found)
    tails = [hit.line[hit.end :] for hit in found]
    inside, inner_level = _inside(found, tails, with_level=not levelled)
    if inside:
        levelled = levelled or inner_level
        stamp += inside
        matches = [re.match(inside, tail) for tail in tails]
        tails = [tail[match.end() :] if match else tail for tail, match in zip(tails, matches, strict=True)]
    close, tail, ending = _tail(tails, with_level=not levelled)
    header = lead + stamp + close + tail + (f"(?={ending}|)" if ending else "")
    if not levelled and tail and "(?P<level>" in tail:
        width = _blank_width(found, tails, lines)
        if width:
            blank = tail.removesuffix(")?").replace(r"(?:[ \t]+)", r"[ \t]*", 1) + ")"
            header = rf"(?:{lead}{stamp}{close}|[ ]{{{width[0]},{width[1]}}}){blank}"
            return Layout(header, name, order, blanks=True)
    layout = Layout(header, name, order, categories=_CATEGORY in lead, ending=ending)
    return _with_pid(layout, [hit.line for hit in found])


def _unclosed(text: str) -> str:
    """The bracket that is still open at the end of `text`; empty when none is."""
    opened: list[str] = []
    for char in text:
        if char in _OPENERS:
            opened.append(char)
        elif opened and char == CLOSES[opened[-1]]:
            opened.pop()
    return opened[-1] if opened else ""


def _inside(found: list[Found], tails: list[str], *, with_level: bool) -> tuple[str, bool]:
    """The expression for the rest of the bracket in which the time stands with other things, and whether the level is among them."""
    opened = _unclosed(found[0].line[: found[0].begin])
    if not opened:
        return "", False
    closer = CLOSES[opened]
    parts = [tail.partition(closer)[0] for tail in tails if closer in tail[:_REACH] and not tail.startswith(closer)]
    if not parts or len(parts) * 10 < len(tails) * 8:
        return "", False
    rest = rf"[^{re.escape(closer)}\n]*{re.escape(closer)}"
    if with_level:
        rows = [fields(part, 0, _FIELDS) for part in parts]
        level = _level_column(rows, len(parts))
        if level is not None:
            to_level = _to_level(parts, rows, level, ends_with_it=True).removeprefix("(?:").removesuffix(")?")
            return f"(?:{to_level}{rest}|{rest})", True
    return rest, False


def _with_pid(layout: Layout, lines: list[str]) -> Layout:
    """The layout with the way in which its headers say their pid, where most of them do."""
    regex = re.compile(layout.header, re.ASCII)
    prefixes = [match.group() for line in lines if (match := regex.match(line))]
    for pattern in _PIDS:
        hits = sum(1 for prefix in prefixes if re.search(pattern, prefix))
        if prefixes and hits * 10 >= len(prefixes) * 8:
            return structs.replace(layout, pid=pattern)
    return layout


def _blanked(found: list[Found], lines: list[str]) -> int:
    """How many lines begin with a level where others have their time before it."""
    width = _blank_width(found, [hit.line[hit.end :] for hit in found], lines)
    if width is None:
        return 0
    return sum(1 for line in lines if width[0] <= len(line) - len(line.lstrip(" ")) <= width[1] and _first_level(line))


def _first_level(line: str) -> bool:
    first = fields(line, 0, 1)
    return bool(first) and slot_of(first[0]) is not None


def _blank_width(found: list[Found], tails: list[str], lines: list[str]) -> tuple[int, int] | None:
    """How many blanks stand for a time that is the same as before, where the file writes it so."""
    widths = {len(hit.line) - len(tail) + 1 for hit, tail in zip(found, tails, strict=True)}
    closing = {len(tail) - len(tail.lstrip("])>} ")) for tail in tails}
    least, most = min(widths) + min(closing) - 2, max(widths) + max(closing) + 1
    for line in lines:
        blank = len(line) - len(line.lstrip(" "))
        if least <= blank <= most and _first_level(line):
            return max(least - 1, 1), most
    return None


def _tail(tails: Sequence[str], *, with_level: bool) -> tuple[str, str, str | None]:
    """The expression for what closes the time's brackets, that for what follows (fields up to the level, the level, what closes the header), and that for
    the whole line where its level stands at the end.
    """
    closers = Counter(_matched(_CLOSERS, tail) for tail in tails)
    closer = closers.most_common(1)[0][0]
    tails = [tail.removeprefix(closer) for tail in tails]
    close = f"(?:{re.escape(closer)})?" if len(closers) > 1 else re.escape(closer)
    rows = [fields(tail, 0, _FIELDS) for tail in tails]
    if with_level:
        level, last = _level_column(rows, len(tails)), _last_level(tails)
        if level is not None and not (last and level.place[0] and level.reach):
            return close, _to_level(tails, rows, level), None
        if last is not None:
            return close, _closing(tails), last
    return close, _named(tails, rows), None


class _Level(NamedTuple):
    place: tuple[str, bool, bool]
    styles: tuple[str, ...]
    reach: int


def _level_column(rows: Sequence[Sequence[Field]], whole: int) -> _Level | None:
    """Where the lines have their level: the slot that most of them have, and the last field it may be."""
    hits: dict[tuple[tuple[str, bool, bool], str], list[tuple[int, str]]] = {}
    for row in rows:
        seen = set[tuple[tuple[str, bool, bool], str]]()
        for index, field in enumerate(row):
            slot = slot_of(field)
            if slot is None or (slot.place, slot.kind) in seen or not _standing(row, index, slot):
                continue
            seen.add((slot.place, slot.kind))
            hits.setdefault((slot.place, slot.kind), []).append((index, slot.style))
    best: _Level | None = None
    score = 0.0
    for (place, _), found in hits.items():
        indices = Counter(index for index, _ in found)
        main, count = indices.most_common(1)[0]
        usual = {style for index, style in found if index == main}
        also = Counter(index for index, style in found if style in usual)
        reach = max(index for index, number in also.items() if index == main or number * 5 >= len(found))
        total = sum(number for index, number in indices.items() if index <= reach)
        bare = not place[0] and reach > 0
        if total * 10 < whole * (8 if bare else 6) and not (total * 10 >= whole * 5 and total > 4):
            continue
        if count * 2 < total:
            continue
        styles = Counter(style for index, style in found if index <= reach)
        common = tuple(sorted(style for style, n in styles.items() if n * 3 > total or (n > 1 and n * 20 >= total)))
        weight = total * (0.7 if set(styles) <= {"mark", "letter"} else 1) - reach * 0.01 * whole
        if weight > score:
            score, best = weight, _Level(place, common or tuple(sorted(styles)), reach)
    return best


def _standing(row: Sequence[Field], index: int, slot: Slot) -> bool:
    """Whether a level in this field could be one: a bare letter, or a word in small letters, is one only near the beginning."""
    if slot.opens or slot.style == "number":
        return True
    before = row[:index]
    closed = index + 1 < len(row) and row[index + 1].gap.startswith(":")
    if sum(1 for field in before if not field.opens and _PROSE.match(field.text)) > (2 if closed else 1):
        return False
    if (
        before
        and before[-1].text.isdigit()
        and len(before[-1].text) < 3
        and row[index].gap == " "
        and before[-1].gap.isspace()
        and not before[-1].opens
    ):
        return False  # "0 ERROR"
    return index < {"letter": 4, "upper": _FIELDS}.get(slot.style, 6)


def _to_level(
    tails: Sequence[str], rows: Sequence[Sequence[Field]], level: _Level, *, ends_with_it: bool = False
) -> str:
    """The expression from the time to behind the level; all of it may be missing in a line."""
    gaps = Counter(row[0].gap for row in rows if row)
    ends: Counter[str] = Counter()
    joined = 0
    for tail, row in zip(tails, rows, strict=True):
        for index, field in enumerate(row[: level.reach + 1]):
            slot = slot_of(field)
            if slot is not None and slot.place == level.place:
                following = row[index + 1].gap if index + 1 < len(row) else tail[field.end :][:_GAP_LENGTH]
                ends[_end(following)] += 1
                joined += index > 0 and not field.gap and not row[index - 1].opens
                break
    pattern = level_pattern(level.place, level.styles)
    # `file.py[INFO]`: no field ends before the level's bracket
    glued = joined * 2 > sum(ends.values())
    skip = f"(?:{UNIT}){{0,{level.reach - glued}}}?{WORD * glued}" if level.reach else ""
    first = _gap_of(gaps)
    closing = "" if ends_with_it else _end_pattern(ends)
    return (
        f"(?:{first}{skip}{pattern}{closing}{_logger(rows, level)})?"
        if not skip
        else f"(?:{first}{skip}{pattern}{closing})?"
    )


def _end(gap: str) -> str:
    """What of a gap belongs to the header: up to its first blanks behind a separator."""
    return _matched(_END, gap)


def _end_pattern(ends: Counter[str]) -> str:
    """An expression for what most levels are followed by; where it is not there, no separator at all may be."""
    kinds = Counter[str]()
    for end, count in ends.items():
        padded = end.lstrip()
        # `error:Error: …` where others have `info: …`
        behind = gap_pattern(padded.rstrip()) + r"[ \t]*" if padded.rstrip() in {":", "|"} else gap_pattern(padded)
        number = r"(?: \d{1,2})?" if padded.startswith(":") else ""  # `debug 1: …`
        kinds[rf"{number}[ \t]*{behind}" if padded else gap_pattern(end)] += count
    if not kinds:
        return r"[ \t]*"
    kind, count = kinds.most_common(1)[0]
    if count * 10 < sum(kinds.values()) * 6:
        kind = "|".join(sorted((one for one in kinds if one), key=len, reverse=True)[:4])
    return f"(?:{kind})" if kind else ""


def _gap_of(gaps: Counter[str]) -> str:
    """An expression for what stands before the first field behind the time."""
    patterns = sorted({gap_pattern(gap) for gap in gaps}, key=len, reverse=True)
    if len(patterns) <= 4:
        return f"(?:{'|'.join(patterns)})" if patterns != [""] else ""
    return r"[ \t:|;,\-\u2013\u2014>#*=~/.\"\u203a»\])]*"


def _closing(tails: Sequence[str]) -> str:
    """An expression for what closes a time: brackets, a separator, blanks."""
    closings = Counter(_matched(_CLOSING, tail) for tail in tails)
    kinds = Counter[str]()
    for closing, count in closings.items():
        kinds[gap_pattern(closing)] += count
    kind, _ = kinds.most_common(1)[0]
    return f"(?:{kind})?" if kind else ""


def _last_level(tails: Sequence[str]) -> str | None:
    """The expression for a line with its level at the end: in brackets, or behind a dash or a bar."""
    if len(tails) < 2:
        return None
    for opens, before in (("[", ""), ("(", ""), ("<", ""), ("", r"[\-|]\s")):
        styles = ("upper", "lower", "title") if opens else ("upper",)
        ending = rf".*{before}{level_pattern((opens, False, False), styles)}\s*$"
        regex = re.compile(ending, re.ASCII)
        if sum(1 for tail in tails if regex.match(tail)) * 10 >= len(tails) * 6:
            return ending
    return None


def _logger(rows: Sequence[Sequence[Field]], level: _Level) -> str:
    """An expression for the logger behind the level, where most lines have one."""
    behind = [row[level.reach + 1 : level.reach + 3] for row in rows]
    for count in (1, 2):
        texts = [
            "".join(field.gap * (number > 0) + field.text for number, field in enumerate(row[:count])) for row in behind
        ]
        if sum(1 for text in texts if any(re.search(shape, text) for shape in _PIDS[:4])) * 10 >= len(rows) * 8:
            kinds = Counter(
                "".join(
                    gap_pattern(field.gap) * (number > 0) + field_pattern(field)
                    for number, field in enumerate(row[:count])
                )
                for row in behind
            )
            return f"(?:{kinds.most_common(1)[0][0]}[ \\t]*)?"
    names: list[tuple[str, str]] = []
    for row in rows:
        if len(row) > level.reach + 2:
            name, following = row[level.reach + 1], row[level.reach + 2]
            names.append((name.text if not name.opens else f"{name.opens}{name.text}", following.gap))
    return _name_pattern(names, len(rows))


_IDENTIFIER = re.compile(r"[A-Za-z_][\w.$/@\-]*$")
_DOTTED = re.compile(r"[A-Za-z_][\w\-]*(?:\.[\w$\-]+)+$")


def _name_pattern(names: list[tuple[str, str]], whole: int) -> str:
    """An expression for a name with the gap behind it, where the lines agree."""
    known = [(name, gap) for name, gap in names if _IDENTIFIER.match(name)]
    if whole < 2 or len(known) * 10 < whole * 8:
        return ""
    gap, count = Counter(gap for _, gap in known).most_common(1)[0]
    if count * 10 < whole * 8:
        return ""
    dotted = sum(1 for name, _ in known if _DOTTED.match(name)) * 10 >= whole * 8
    hard = gap in {": ", " - ", " | ", ":", "] ", " -- ", "\t", " > "}
    if not (dotted or hard) or (gap.isspace() and not (dotted or gap == "\t")):
        return ""
    return rf"(?:(?P<logger>[A-Za-z_][\w.$/@\-]*){gap_pattern(gap)})?"


def _named(tails: Sequence[str], rows: Sequence[Sequence[Field]]) -> str:
    """The expression behind the time where no level stands: what closes it, and the fields up to one that says a pid."""
    closing = _closing(tails)
    for index in range(3):
        kinds = Counter(
            "".join(gap_pattern(field.gap) + field_pattern(field) for field in row[: index + 1])
            for row in rows
            if len(row) > index + 1
        )
        if not kinds:
            break
        kind, count = kinds.most_common(1)[0]
        if count * 10 < len(rows) * 8:
            break
        regex = re.compile(kind, re.ASCII)
        prefixes = [match.group() for tail in tails if (match := regex.match(tail))]
        if any(
            sum(1 for prefix in prefixes if re.search(pattern, prefix)) * 10 >= len(prefixes) * 8 for pattern in _PIDS
        ):
            return rf"(?:{kind}(?:[ \t]*[:|\-]+[ \t]+|:?[ \t]+|[ \t]*))?"
    return closing


def _behind(shape: str, order: Order, stamp: str, found: list[Found]) -> Layout:
    """The layout of lines whose time stands behind their message."""
    level = _level_column([fields(hit.line, 0, 3) for hit in found], len(found))
    start = ""
    if level is not None and level.reach == 0:
        start = rf"{level_pattern(level.place, level.styles)}[ \t:|\-]*"
    return Layout(rf"{start}(?=.{{0,{_REACH}}}?{stamp})", shape, order)


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
    depth = 0 if depths[0] * 10 >= whole * 3 else depths.most_common(1)[0][0]
    return [line for line in lines if len(line) - len(line.lstrip()) == depth]


def _levelled(lines: list[str], whole: int) -> Layout | None:
    """The layout of lines that have a level and no time."""
    standing = _aligned(lines, whole)
    rows = [fields(line, 0, 4) for line in standing]
    level = _level_column(rows, len(standing))
    if level is None:
        return None
    if not level.place[0] and level.reach > 0 and (len(standing) < 3 or level.reach > 2):
        return None
    tail = _to_level(standing, rows, level)
    header = tail.removesuffix(")?").removeprefix("(?:")
    starts = {
        line[: row[level.reach].begin] for line, row in zip(standing, rows, strict=True) if len(row) > level.reach
    }
    if level.reach == 1 and len(starts) == 1 and not level.place[0]:
        start = re.escape(starts.pop())
        header = rf"{start}(?:{level_pattern(level.place, level.styles)}|[A-Za-z!]+)[ \t:]"
    if level.reach and not level.place[0]:
        header = f"(?={header})"  # what stands before a bare word may belong to the message
    regex = re.compile(header, re.ASCII)
    hits = sum(1 for line in lines if regex.match(line))
    if hits * 10 < whole * 3 or (level.styles == ("letter",) and not level.place[0] and hits < 3):
        return None
    return _with_pid(Layout(header, None), standing)


def _counted(lines: list[str], whole: int) -> Layout | None:
    """The layout of lines that begin with a number that grows: milliseconds since the start, or their own number."""
    matches = [match for line in lines if (match := _COUNTER.match(line))]
    if len(matches) < 3 or len(matches) * 10 < whole * 3:
        return None
    numbers = [float(found[0]) for match in matches if (found := _NUMBER.search(match[0]))]
    rising = sum(1 for before, after in pairwise(numbers) if after >= before)
    widths = {len(match.group()) for match in matches}
    if rising * 10 < (len(numbers) - 1) * 8 and len(widths) > 1:
        return None
    return Layout(_COUNTER.pattern, None)
