"""Learns the layout of a file from its first lines."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from msgspec import structs

from logs.core.moments import ELAPSED, SHAPES, MomentShape, Order, elapsed_us, order_of
from logs.core.timestamps import ISO as ISO_PATTERN
from logs.core.timestamps import SECOND, TimeReader
from logs.parsing.reader.behind import FIELDS, level_column, tail_patterns, to_level, with_pid
from logs.parsing.reader.fields import (
    CLOSES,
    Field,
    fields,
    gap_pattern,
    level_pattern,
    slot_of,
)
from logs.parsing.reader.layout import ISO, Layout
from logs.parsing.reader.lead import CATEGORY, OPENERS, Found, lead_pattern, signature_of, signed
from logs.parsing.reader.timeless import closed, counted, levelled, numbered

REACH: Final = 80
"""In how many characters of a line its time is looked for."""
_LINE: Final = 400
_ISO = re.compile(ISO_PATTERN, re.ASCII)
_PLAIN_ISO = re.compile(
    r"\d{4}[-/.]\d\d[-/.]\d\d[T _]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d|UTC|GMT))?"
)
_CLOSERS: Final = "])>}\"' \t"
_MOST: Final = 3
MOST: Final = 400
"""How many of a file's first lines are looked at."""
_NEAR: Final = 600
"""Seconds by which a clock that was written last may be before its file's time."""
_SIX: Final = re.compile(r" (\d{6})(?=\s)")
_ELAPSED: Final = re.compile(ELAPSED, re.ASCII)
_BLANK: Final = r"(?:(?<=\S) (?=\S))?"
"""Between a time and the message of a line that has no level where others have theirs."""


def layouts(lines: Sequence[str], times: TimeReader, begins: Callable[[str], bool], said: Order = "") -> list[Layout]:
    """The layouts of the lines, the one that reads most of them first; none when they have nothing in common.

    Args:
        lines: a file's first lines.
        times: reads their times.
        begins: whether a line could be the first of a record.
        said: which of a date's numbers is the day, where somebody knows it.
    """
    left = [line[:_LINE] for line in lines if line.strip()]
    result: list[Layout] = []
    leads: set[str] = set()
    whole = len(left)
    while left and len(result) < _MOST:
        layout = (
            _dated(left, times, begins, whole, said, leads=leads)
            or closed(left)
            or levelled(left, whole, begins)
            or numbered(left, whole)
            or (None if result and result[0].shape is not None else counted(left, whole))
        )
        if layout is None:
            break
        regex = re.compile(layout.header, re.ASCII)
        rest = [line for line in left if regex.match(line) is None]
        if len(rest) == len(left):
            break
        read = [line for line in left if regex.match(line)]
        split = _split(layout, read, times, begins, said)
        result.extend(split or [layout])
        deepest = max(map(_depth, read)) if layout.shape is not None else _LINE
        left = [line for line in rest if _depth(line) <= deepest]  # what is deeper belongs to those records
    return [_finer(layout, lines) for layout in result]


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _finer(layout: Layout, lines: Sequence[str]) -> Layout:
    """The layout with Java's meaning of its levels, where they are letters and `S` is one, but no `E`: `F` is what is fine, and not fatal."""
    if "(?P<level>" not in layout.header:
        return layout
    regex = re.compile(layout.header, re.ASCII)
    letters = {match["level"] for line in lines if (match := regex.match(line))} - {None}
    return structs.replace(layout, fine=True) if {"F", "S"} <= letters <= set("SWICF") else layout


def _split(
    layout: Layout, lines: list[str], times: TimeReader, begins: Callable[[str], bool], said: Order
) -> list[Layout]:
    """The layout of lines with a level, that of others which have theirs elsewhere, and that of the rest; none where there are no such others."""
    header = layout.header.removesuffix(_BLANK)
    if not header.endswith(")?") or "(?P<level>" not in header or layout.blanks:
        return []
    regex = re.compile(layout.header, re.ASCII)
    others = [line for line in lines if (match := regex.match(line)) and match["level"] is None]
    if len(others) < 3 or len(others) * 5 < len(lines):
        return []
    second = _dated(others, times, begins, len(others), said)
    if second is None or "(?P<level>" not in second.header:
        return []
    found = re.compile(second.header, re.ASCII)
    levelled = sum(1 for line in others if (match := found.match(line)) and match["level"] is not None)
    if levelled * 10 < len(others) * 6:
        return []
    return [structs.replace(layout, header=header[:-1]), second, layout]


def _dated(
    lines: list[str],
    times: TimeReader,
    begins: Callable[[str], bool],
    whole: int,
    said: Order,
    *,
    leads: set[str] | None = None,
) -> Layout | None:
    """The layout of the lines that have a time. `leads` has what stands before it in other layouts, and is filled."""
    chosen: tuple[float, MomentShape, str | None, list[Found]] | None = None
    dates: dict[int, Found] = {}
    for shape in SHAPES.values():
        found = _found(shape, lines, dates)
        if not found:
            continue
        signature, count, together = _alike(found)
        if signature is None or count * 2 < len(found):
            beginning = sum(1 for line in lines if begins(line) or _first_level(line))
            ended = _ended(shape, lines)
            found = ended if len(ended) * 10 >= beginning * 8 else found if shape.days else []
            if len(found) * 10 < beginning * 8 or shape.name == "epoch":
                continue
            signature, together, count = None, found, len(found)
        elif len(together) * 4 < whole:
            count += _blanked(together, lines)
        if chosen is None or count > chosen[0] * 1.2:
            chosen = (float(count), shape, signature, together)
        if chosen[0] * 1.2 >= len(lines):  # no other shape can have so many more
            break
    if chosen is None:
        return None
    support, shape, signature, found = chosen
    if not _enough(support, whole, signature, leads):
        return None
    shape, found = _with_microseconds(shape, found, lines)
    texts = [hit.line[hit.begin : hit.end] for hit in found]
    near = datetime.fromtimestamp(times.reference / SECOND, UTC)
    order = said if said and shape.ambiguous else order_of(shape, texts, (near.year, near.month, near.day))
    behind = _behind_messages(shape, found, lines) if signature is not None else found
    return _built(shape, order, behind or found, lines, near, led=not behind)


def _alike(found: list[Found]) -> tuple[str | None, int, list[Found]]:
    """What stands before most of the times, before how many, and those."""
    signs = signed(found)
    signatures = [signature_of(hit, signs=signs) for hit in found]
    signature, count = Counter(signatures).most_common(1)[0]
    together = [hit for hit, one in zip(found, signatures, strict=True) if one == signature]
    return signature, count, together if signature is not None else []


def _enough(support: float, whole: int, signature: str | None, leads: set[str] | None) -> bool:
    """Whether so many of the lines have their time so. One is enough where other layouts begin with the same names and level, and only its time is
    written in another way; what layouts begin with is added to `leads`.
    """
    known = signature is not None and leads is not None and signature in leads
    if not known and (support * 12 < whole or (support == 1 and whole > 6)):
        return False
    if leads is not None and signature is not None and "<(" in signature:
        leads.add(signature)
    return True


def _found(shape: MomentShape, lines: list[str], dates: dict[int, Found]) -> list[Found]:
    """The times of a shape in the lines. `dates` has what shapes with a day found in a line, by its number, and is filled: the clock of a date is no clock
    by itself, though other lines have clocks where it is.
    """
    hits = {number: hit for number, line in enumerate(lines) if (hit := _find(shape, line))}
    if shape.days:
        dates.update((number, hit) for number, hit in hits.items() if number not in dates)
        return list(hits.values())
    found = [
        hit
        for number, hit in hits.items()
        if number not in dates or not dates[number].begin < hit.begin < dates[number].end
    ]
    return found if shape.name != "clock-dotted" or _ticks(found) else []


def _ticks(found: list[Found]) -> bool:
    """Whether numbers with dots are clocks, and no dates or versions: their seconds change, and none goes back but at midnight."""
    clocks = [[int(part) for part in re.split(r"[.,]", hit.line[hit.begin : hit.end])[:3]] for hit in found]
    backward = sum(1 for before, after in pairwise(clocks) if after < before)
    return len({seconds for _, _, seconds in clocks}) > 1 and len(clocks) > 2 and backward <= 1


def _with_microseconds(shape: MomentShape, found: list[Found], lines: list[str]) -> tuple[MomentShape, list[Found]]:
    """The shape and the times with their microseconds, where a blank stands before those."""
    if shape.name != "ymd" or not _apart(found):
        return shape, found
    apart = [hit for line in lines if (hit := _find(SHAPES["ymd-apart"], line))]
    # else the times have their fraction, and six digits behind them are a number of their own
    return (SHAPES["ymd-apart"], apart) if len(apart) >= len(found) else (shape, found)


def _apart(found: list[Found]) -> bool:
    """Whether a blank stands before the microseconds: six digits behind each time, which change as no pid does."""
    digits = [match[1] for hit in found if (match := _SIX.match(hit.line, hit.end))]
    if len(digits) != len(found) or len(set(digits)) * 3 <= len(digits) * 2:
        return False
    return len(digits) > 2 or any(digit.startswith("0") for digit in digits)


def _find(shape: MomentShape, line: str) -> Found | None:
    """The first time of this shape in the line."""
    match = shape.finder.search(line, 0, REACH + 40)
    if match is None or match.start() > REACH:
        return None
    return Found(line, match.start(), match.end()) if _can_be(shape, match.group()) else None


def _can_be(shape: MomentShape, text: str) -> bool:
    """Whether the text is a time, in one order or another."""
    orders: tuple[Order, ...] = ("mdy", "dmy", "ymd") if shape.ambiguous else ("",)
    return any(shape.read(text, order) is not None for order in orders)


def _built(
    shape: MomentShape, order: Order, found: list[Found], lines: list[str], near: datetime, *, led: bool
) -> Layout | None:
    texts = [hit.line[hit.begin : hit.end] for hit in found]
    name, pattern = shape.name, shape.pattern
    if name == "ymd" and all(_PLAIN_ISO.fullmatch(text) for text in texts):
        name, pattern = ISO, ISO_PATTERN
    counted = _elapsed(found, len(lines), near) if name == "clock" else None
    elapsed, found = counted is not None, counted or found
    stamp = f"(?P<ts>{ELAPSED if elapsed else pattern})"
    if not led:
        return _behind(name, order, stamp, found, lines)
    tails = [hit.line[hit.end :] for hit in found]
    lead, levelled = lead_pattern(found, tails)
    inside, inner_level = _inside(found, tails, with_level=not levelled)
    if inside:
        levelled = levelled or inner_level
        stamp += inside
        matches = [re.match(inside, tail) for tail in tails]
        tails = [tail[match.end() :] if match else tail for tail, match in zip(tails, matches, strict=True)]
    close, tail, ending = tail_patterns(tails, with_level=not levelled)
    header = lead + stamp + close + tail + (f"(?={ending}|)" if ending else "")
    if not levelled and tail and "(?P<level>" in tail:
        width = _blank_width(found, tails, lines)
        if width:
            blank = tail.removesuffix(")?").replace(r"(?:[ \t]+)", r"[ \t]*", 1) + ")"
            header = rf"(?:{lead}{stamp}{close}|[ ]{{{width[0]},{width[1]}}}){blank}"
            return Layout(header, name, order, blanks=True)
    if tail.endswith(")?") and "(?P<level>" in tail:
        header += _BLANK
    layout = Layout(header, name, order, categories=CATEGORY[1:-1] in lead, ending=ending, elapsed=elapsed)
    return with_pid(layout, [hit.line for hit in found])


def _elapsed(found: list[Found], lines: int, near: datetime) -> list[Found] | None:
    """These clocks as ones that count from a start; None where they are of a day.

    They count where the first one is less than a minute and none goes back, if no clock of a day is written so, or none of these can be of the time
    when the file was written.

    Args:
        found: the clocks of a file's first lines.
        lines: how many lines those are.
        near: when the file was last written.
    """
    matches = [_ELAPSED.match(hit.line, hit.begin) for hit in found]
    texts = [match.group() for match in matches if match is not None]
    counts = [elapsed_us(text) for text in texts]
    if len(texts) < max(len(found), 2) or counts[0] >= 60 * SECOND or any(b < a for a, b in pairwise(counts)):
        return None
    result = [Found(hit.line, hit.begin, hit.begin + len(text)) for hit, text in zip(found, texts, strict=True)]
    if texts[0].startswith("0:") or re.search(r"\.\d{3},", texts[0]):
        return result
    if lines >= MOST // 2 or counts[0] >= SECOND:  # of what follows behind so many nobody knows here how late it is
        return None
    last = counts[-1] // SECOND
    clocks = [near.astimezone(zone) for zone in (None, UTC)]
    far = all(abs((clock.hour * 60 + clock.minute) * 60 + clock.second - last) > _NEAR for clock in clocks)
    return result if far else None


def _unclosed(text: str) -> str:
    """The bracket that is still open at the end of `text`; empty when none is."""
    opened: list[str] = []
    for char in text:
        if char in OPENERS:
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
    parts = [tail.partition(closer)[0] for tail in tails if closer in tail[:REACH] and not tail.startswith(closer)]
    if not parts or len(parts) * 10 < len(tails) * 8:
        return "", False
    rest = rf"[^{re.escape(closer)}\n]*{re.escape(closer)}"
    if with_level:
        rows = [fields(part, 0, FIELDS) for part in parts]
        level = level_column(rows, len(parts))
        if level is not None:
            inner = to_level(parts, rows, level, ends_with_it=True).removeprefix("(?:").removesuffix(")?")
            return f"(?:{inner}{rest}|{rest})", True
    return rest, False


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


def _behind(shape: str, order: Order, stamp: str, found: list[Found], around: Sequence[str]) -> Layout:
    """The layout of lines whose time stands behind their message, the level in front of that or between the two; `around` are all lines."""
    lines = [hit.line for hit in found]
    rows = [fields(line, 0, 4) for line in lines]
    level = level_column(rows, len(found))
    start = ""
    if level is not None and level.reach == 0:
        start = rf"{level_pattern(level.place, level.styles)}[ \t:|\-]*"
    elif level is not None:
        start = to_level(lines, rows, level)
    ends = [hit.line[hit.end :] for hit in found]
    last = sum(1 for end in ends if not end.strip(_CLOSERS)) * 10 >= len(ends) * 8
    close = r"[\])>}\"']*[ \t]*$" if last else ""
    far = _LINE if last else REACH
    between = _level_before(found) if not start else ""
    foot = rf".{{0,{far}}}?{stamp}{close}"
    layout = Layout(rf"{start}(?=.{{0,{far}}}?{between}{stamp}{close})", shape, order)
    if last and level is not None and level.reach == 0 and _ends_below(start, foot, around):
        layout = structs.replace(layout, header=rf"{start}(?:(?={foot})|)", foot=foot)
    return with_pid(layout, lines)


def _ends_below(start: str, foot: str, lines: Sequence[str]) -> bool:
    """Whether lines begin as records do and have no time, and other lines have one at their end."""
    kinds = {(re.match(start, line) is not None, re.match(foot, line, re.ASCII) is not None) for line in lines}
    return {(True, False), (False, True)} <= kinds


def _level_before(found: list[Found]) -> str:
    """The expression for the level and what stands behind it, where that is what the lines have before their time."""
    rows = [[field] for hit in found for field in _fields_before(hit)[-1:]]
    level = level_column(rows, len(found))
    if level is None or len(rows) < len(found):
        return ""
    gaps = Counter(gap_pattern(hit.line[row[0].end : hit.begin]) for hit, row in zip(found, rows, strict=True))
    ahead = Counter(gap_pattern(row[0].gap) for row in rows)
    return rf"{ahead.most_common(1)[0][0]}{level_pattern(level.place, level.styles)}{gaps.most_common(1)[0][0]}(?<!\d)"


def _ended(shape: MomentShape, lines: list[str]) -> list[Found]:
    """The times of this shape with which lines end."""
    hits = [(line, match) for line in lines for match in [*shape.finder.finditer(line)][-1:]]
    return [
        Found(line, match.start(), match.end())
        for line, match in hits
        if not line[match.end() :].strip(_CLOSERS) and _can_be(shape, match.group())
    ]


def _behind_messages(shape: MomentShape, found: list[Found], lines: list[str]) -> list[Found]:
    """The times of the lines, where these end with them and words stand before the level: messages, of a word or two in those `found`. Else none."""
    if found[0].line[found[0].end :].strip(_CLOSERS):
        return []
    hits = [hit for line in lines if (hit := _find(shape, line))]
    ends = sum(1 for hit in hits if not hit.line[hit.end :].strip(_CLOSERS))
    words = sum(
        1
        for hit in hits
        if len(row := _fields_before(hit)) > 1 and not row[0].opens and slot_of(row[-1]) and not slot_of(row[0])
    )
    return hits if len(hits) > 1 and min(ends, words) * 10 >= len(hits) * 8 else []


def _fields_before(hit: Found) -> list[Field]:
    """The fields before a time."""
    return fields(hit.line[: hit.begin], 0, len(hit.line))
