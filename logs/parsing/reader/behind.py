"""What stands behind a time, or at the beginning of lines without one: the level, the logger, the pid, and what closes the header."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import structs

from logs.core import levels
from logs.parsing.reader.fields import (
    CLOSES,
    UNIT,
    WORD,
    Field,
    Slot,
    field_pattern,
    fields,
    gap_pattern,
    letters_tell,
    level_pattern,
    own_ends,
    signs_tell,
    slot_of,
)
from logs.parsing.reader.layout import DETAIL, Layout
from logs.parsing.reader.numbers import pid_columns

FIELDS: Final = 8
"""In how many fields a level is looked for."""
_GAP_LENGTH: Final = 8
OTHERS: Final = {"upper": "[A-Z]{3,12}", "lower": "[a-z]{3,12}", "title": "[A-Z][a-z]{2,12}"}
"""Words that stand where other lines have their level, and are none: what sort of an ordinary record it is."""
_END = re.compile(r"[\u3011\uff3d\u300d]?\s*(?:[:|>\-\u2013\u2014=~#*/.,;]+\s+|[:|>,;]|\s*)")
_CLOSING = re.compile(r"[\])>}\u3011\uff3d\u300d]*\s*(?:[:|>\-\u2013\u2014=~#*/.,;]{1,3}(?=\s|$)|[:|>,;])?\s*")
_PIDS: Final = (
    r"(?i:\bpid|\bprocess|\bp)\s?[=: ]\s?(\d{1,8})\b",
    r"[\w.)\-]\[(\d{2,8})(?::\d{1,3})?\]",
    r"(?i:process|worker)[\w\-]*(?:\(|:(?=\d{3}))(\d{2,8})\b",
    r"(?i:thread)[\w\-]*:(\d{2,8})\b",
    r"[\[(](\d{2,7})[:/](?=(?i:[\w\-]*thread)|\d{5,})",
    r"[\[(](\d{3,7}):(?=[A-Za-z])",
    r"[\])] ?(\d{3,7}) +- ",
    r"^ *(\d{2,7}):(?=(?:19|20)\d{6}:)",
    r" #(\d{2,8})\]",
    r"(?:^|[\s|])[\[(](\d{2,7})[\])](?=[\s:|]|$)",
)
"""How a pid is written in a header, from the plainest to the least plain."""
_CLOSERS = re.compile(r"[\])>}\u3011\uff3d\u300d\"']*")
_PROSE = re.compile(r"[A-Z]?[a-z]+$")
_DENIALS: Final = "(?:[Nn](?:o|ot|either|ever)|NOT?|[Ww]ithout|[Zz]ero|[Aa]ny)"
"""Words of a sentence behind which no level stands: `No FATAL problems were found`."""
_DENIES = re.compile(_DENIALS)
"""A word of a sentence."""
_COUNTS: Final = r"\d{1,6}[ \t][A-Za-z]+(?:[,;.](?:[ \t]|$)|[ \t]*$)"
"""How many there were: `0 ERROR, 3 WARN`."""
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.$/@\-]*$")
_DOTTED = re.compile(r"[A-Za-z_][\w\-]*(?:\.[\w$\-]+)+$")


def _matched(shape: re.Pattern[str], text: str) -> str:
    """What of the beginning of `text` has this shape."""
    match = shape.match(text)
    return match[0] if match is not None else ""


def with_pid(layout: Layout, lines: list[str]) -> Layout:
    """The layout with the way in which its headers say their pid, where most of them do."""
    regex = re.compile(layout.header, re.ASCII)
    if "pid" in regex.groupindex:
        return layout
    prefixes = [match.group() for line in lines if (match := regex.match(line))]
    for pattern in _PIDS:
        hits = sum(1 for prefix in prefixes if re.search(pattern, prefix))
        if prefixes and hits * 10 >= len(prefixes) * 8:
            return structs.replace(layout, pid=pattern)
    return layout


def tail_patterns(tails: Sequence[str], *, with_level: bool) -> tuple[str, str, str | None]:
    """The expression for what closes the time's brackets, that for what follows (fields up to the level, the level, what closes the header), and that for
    the whole line where its level stands at the end.
    """
    closers = Counter(_matched(_CLOSERS, tail) for tail in tails)
    closer = closers.most_common(1)[0][0]
    tails = [tail.removeprefix(closer) for tail in tails]
    close = f"(?:{re.escape(closer)})?" if len(closers) > 1 else re.escape(closer)
    rows = [fields(tail, 0, FIELDS) for tail in tails]
    if with_level:
        level, last = level_column(rows, len(tails)), _last_level(tails)
        if level is not None and not (last and level.reach and (level.place[0] or _column_beyond(tails, last))):
            return close, to_level(tails, rows, level), None
        if last is not None:
            return close, _closing(tails), last
    return close, _named(tails, rows), None


class Level(NamedTuple):
    """In which slot lines have their level, in which styles, and the number of the last field that it may be."""

    place: tuple[str, bool, bool]
    styles: tuple[str, ...]
    reach: int


def level_column(rows: Sequence[Sequence[Field]], whole: int) -> Level | None:
    """Where the lines have their level: the slot that most of them have, and the last field it may be."""
    same, mostly = _same(rows), _same(rows, 8)
    # the name of a program may be spelt like a level (`error`, `uvicorn.error`); it is none where another word changes from line to line
    names = frozenset(
        field.text
        for row in rows
        for field in row
        if field.text in mostly
        and (slot := slot_of(field)) is not None
        and (any(slot.place[1:]) or slot.style in {"title", "lower"})
    )
    # and so is a letter that all lines have, where another column tells them apart
    letters = frozenset(text for text in _same(rows, 10) if levels.style(text) == "letter")
    other = _column(rows, whole, mostly, names | letters) if letters else None
    if other is not None and changes(rows, other):
        return other
    return (_column(rows, whole, mostly, names) if names else None) or _column(rows, whole, same, frozenset())


def changes(rows: Sequence[Sequence[Field]], level: Level | None) -> bool:
    """Whether the levels in this column are not all the same."""
    found = {
        field.text
        for row in rows
        if level is not None
        for field in row[: level.reach + 1]
        if (slot := slot_of(field)) is not None and slot.place == level.place and slot.style in level.styles
    }
    return len(found) > 1


def _column(rows: Sequence[Sequence[Field]], whole: int, same: frozenset[str], names: frozenset[str]) -> Level | None:
    """The same; `names` are words that are no levels here."""
    hits: dict[tuple[tuple[str, bool, bool], str], list[tuple[int, str]]] = {}
    numbered, signed, lettered = _numbered(rows), signs_tell(rows), letters_tell(rows)
    for row in rows:
        seen = set[tuple[tuple[str, bool, bool], str]]()
        for index, field in enumerate(row):
            slot = slot_of(field)
            if (
                slot is None
                or field.text in names
                or (slot.style == "sign" and not (signed or lettered))
                or (slot.place, kind := "letter" if lettered and slot.style == "sign" else slot.kind) in seen
                or not _standing(row, index, slot, same, numbered=index - 1 in numbered and field.text not in same)
            ):
                continue
            seen.add((slot.place, kind))
            hits.setdefault((slot.place, kind), []).append((index, slot.style))
    best: Level | None = None
    score = 0.0
    for (place, _), found in hits.items():
        indices = Counter(index for index, _ in found)
        main, count = indices.most_common(1)[0]
        usual = {style for index, style in found if index == main}
        also = Counter(index for index, style in found if style in usual)
        reach = max(index for index, number in also.items() if index == main or number * 5 >= len(found))
        total = sum(number for index, number in indices.items() if index <= reach)
        bare = not place[0] and reach > 0
        if usual == {"upper"}:
            cut = sum(
                1 for row in rows if len(row) > main and row[main].opens == place[0] and row[main].text in levels.CUT
            )
            count, total = count + cut, total + cut
        half = total * 10 >= whole * 5 and total > 4 and not (bare and usual == {"lower"} and _in_prose(rows, main))
        few = total * 10 < whole * (8 if bare else 6) and not half
        if not place[0] and "small" in usual and (main or not _all_small(rows, whole)):
            continue
        marked = _alike(rows, main, place, usual) or (not main and _announced(rows, place))
        if few and not (total * 4 >= whole and total > 1 and marked):
            continue
        if count * 2 < total:
            continue
        styles = Counter(style for index, style in found if index <= reach)
        common = tuple(sorted(style for style, n in styles.items() if n * 3 > total or (n > 1 and n * 20 >= total)))
        weight = total * (0.7 if set(styles) <= {"mark", "letter", "small"} else 1) - reach * 0.01 * whole
        if weight > score:
            score, best = weight, Level(place, common or tuple(sorted(styles)), reach)
    return best


def _all_small(rows: Sequence[Sequence[Field]], whole: int) -> bool:
    """Whether nearly all lines have a small letter for a level right behind the time, and not always the same."""
    letters = Counter(row[0].text for row in rows if row and not row[0].opens and row[0].text in levels.SMALL)
    return len(letters) > 1 and letters.total() > 3 and letters.total() * 10 >= whole * 9


def _in_prose(rows: Sequence[Sequence[Field]], index: int) -> bool:
    """Whether a level in this field stands behind a word of a sentence in most lines: `mean error: low`."""
    found = [row for row in rows if len(row) > index and (slot := slot_of(row[index])) and slot.style == "lower"]
    return 2 * sum(
        1 for row in found if row[index].gap == " " and not row[index - 1].opens and _PROSE.match(row[index - 1].text)
    ) > len(found)


def _alike(rows: Sequence[Sequence[Field]], index: int, place: tuple[str, bool, bool], styles: set[str]) -> bool:
    """Whether nearly all lines have in one place a word that is written as their levels are, and is closed as those are."""
    pattern = OTHERS.get(next(iter(styles))) if len(styles) == 1 and not any(place[1:]) else None
    if pattern is None or _steady(rows, index) is None:
        return False
    column = [(row[index], row[index + 1].gap if len(row) > index + 1 else ":") for row in rows if len(row) > index]
    alike = sum(
        1
        for field, gap in column
        if field.opens == place[0] and re.fullmatch(pattern, field.text.strip()) and (place[0] or gap.startswith(":"))
    )
    return alike * 10 >= len(rows) * 9


def _announced(rows: Sequence[Sequence[Field]], place: tuple[str, bool, bool]) -> bool:
    """Whether lines begin with several levels, each before a colon, where ordinary ones have none: `debug: …`, `error: …`."""
    firsts = [row[0] for row in rows if len(row) > 1 and row[1].gap.startswith(":")]
    found = {levels.of_word(field.text) for field in firsts if (slot := slot_of(field)) and slot.place == place}
    return place == ("", False, False) and len(found) > 2


def _same(rows: Sequence[Sequence[Field]], tenths: int = 9) -> frozenset[str]:
    """The words that nearly all lines have in one place: a host or a program, no words of a sentence."""
    counts = Counter((index, field.text) for row in rows for index, field in enumerate(row))
    return frozenset(text for (_, text), count in counts.items() if len(rows) > 2 and count * 10 >= len(rows) * tenths)


def _numbered(rows: Sequence[Sequence[Field]]) -> frozenset[int]:
    """The fields in which nearly all lines have a number without brackets: that of a thread, not how many of something there were."""
    counts = Counter(
        index for row in rows for index, field in enumerate(row) if field.text.isdigit() and not field.opens
    )
    return frozenset(index for index, count in counts.items() if len(rows) > 2 and count * 10 >= len(rows) * 9)


def _standing(row: Sequence[Field], index: int, slot: Slot, same: frozenset[str], *, numbered: bool) -> bool:
    """Whether a level in this field could be one: a bare letter, or a word in small letters, is one only near the beginning.

    `numbered`: all lines have a number before it.
    """
    if slot.opens or slot.style == "number":
        return True
    if row[index].gap.endswith("/") and row[index].gap.strip(' \t"') == "/" and row[index].gap[0] in ' \t"':
        return False  # a path: "GET /err"
    before = row[:index]
    closed = index + 1 < len(row) and row[index + 1].gap.startswith(":")
    words = zip(before, row[1 : index + 1], strict=True)
    if sum(
        1
        for f, following in words
        if not f.opens and f.text not in same and _PROSE.match(f.text) and following.gap not in {"\t", "::"}
    ) > (2 if closed else 1):
        return False
    plainly = before and not before[-1].opens and row[index].gap.isspace()
    if plainly and (
        _DENIES.fullmatch(before[-1].text) or (not numbered and _counts(before[-1], row[index : index + 2]))
    ):
        return False
    return index < {"letter": 4, "upper": FIELDS}.get(slot.style, 6)


def _counts(number: Field, behind: Sequence[Field]) -> bool:
    """Whether a number says how many of the levels behind it there were: `done with 0 ERROR`, `0 ERROR, 3 WARN`."""
    if not number.text.isdigit() or behind[0].gap != " ":
        return False
    return (len(number.text) < 3 and number.gap.isspace()) or (len(behind) > 1 and behind[1].gap[0] in ",;.")


def to_level(tails: Sequence[str], rows: Sequence[Sequence[Field]], level: Level, *, ends_with_it: bool = False) -> str:
    """The expression from the time to behind the level; all of it may be missing in a line."""
    gaps = Counter(row[0].gap for row in rows if row)
    ends: Counter[str] = Counter()
    joined = 0
    for tail, row in zip(tails, rows, strict=True):
        for index, field in enumerate(row[: level.reach + 1]):
            slot = slot_of(field)
            if slot is not None and slot.place == level.place and (slot.kind == "word" or slot.style in level.styles):
                following = row[index + 1].gap if index + 1 < len(row) else tail[field.end :][:_GAP_LENGTH]
                ends[_end(following)] += 1
                joined += index > 0 and not field.gap and not row[index - 1].opens
                break
    pattern = level_pattern(level.place, level.styles)
    if not level.place[0] and ends and ends.most_common(1)[0][0].strip() == "|" and _detailed(tails, level.styles):
        pattern = pattern.replace("(?P<level>", f"(?P<level>{DETAIL}", 1)
    # `file.py[INFO]`: no field ends before the level's bracket
    glued = joined * 2 > sum(ends.values())
    denied = "" if level.place[0] else rf"(?!{_DENIALS}[ \t]|{_COUNTS})"
    skip = f"(?:{denied}{UNIT}){{0,{level.reach - glued}}}?{WORD * glued}" if level.reach else ""
    first = _gap_of(gaps)
    closing = "" if ends_with_it else _end_pattern(ends)
    behind = "" if skip else _logger(rows, level)
    plain = f"{first}{skip}{pattern}{closing}{behind}"
    closed = bool(level.place[0]) or (bool(ends) and ends.most_common(1)[0][0].strip() == ":")
    if closed and not any(level.place[1:]) and not glued:
        ahead = _steady(rows, level.reach)
        other = OTHERS.get(level.styles[0]) if len(level.styles) == 1 else None
        if ahead is not None and other is not None:
            word = re.sub(r"(\(\?P<level>(?:[^()]|\(\?![^()]*\))*\))", rf"(?:\1|(?P<other>{other}))", pattern, count=1)
            wide = f"{first}{ahead}{word}{closing}{behind}"
            few = sum(ends.values()) * 2 < len(tails)  # who has mostly no level has words before colons, too
            if _says_more(plain, wide, tails, least=len(tails) * 8 // 10 if few else 0):
                plain = wide
    return f"(?:{plain})?"


def _detailed(tails: Sequence[str], styles: tuple[str, ...]) -> bool:
    """Whether lines without a level have a number in its column: how much of the detail they are."""
    number = re.compile(rf"[^|]*[ \t]{DETAIL[:-1]}")
    known = re.compile(rf"[^|]*[ \t](?:{levels.alternatives(styles)})[ \t]*\|")
    numbers = [match.end() for tail in tails if (match := number.match(tail))]
    return bool(numbers) and all(number.match(tail) or known.match(tail) for tail in tails)


def _steady(rows: Sequence[Sequence[Field]], reach: int) -> str | None:
    """The expression for the fields before the level, where all lines have the same number of them and none could be a word of a sentence; else None."""
    parts: list[str] = []
    for index in range(reach):
        column = [row[index] for row in rows if len(row) > index]
        opens = {field.opens for field in column}
        if len(opens) != 1 or not all(field.opens or re.search(r"\d", field.text) for field in column):
            return None
        parts.append(field_pattern(column[0]) if column[0].opens else rf"(?=\S*\d){WORD}")
        gaps = Counter(gap_pattern(row[index + 1].gap) for row in rows if len(row) > index + 1)
        parts.append(f"(?:{'|'.join(sorted(gaps, key=len, reverse=True)[:4])})")
    return "".join(parts)


def _says_more(plain: str, wide: str, tails: Sequence[str], *, least: int) -> bool:
    """Whether what also takes words that are no levels finds some, in so many lines at least, and all levels where they were found without."""
    narrow, wider = re.compile(plain, re.ASCII), re.compile(wide, re.ASCII)
    more, read = False, 0
    for tail in tails:
        known, match = narrow.match(tail), wider.match(tail)
        if known is not None and (match is None or match.span("level") != known.span("level")):
            return False
        more = more or (known is None and match is not None)
        read += match is not None
    return more and read >= least


def _end(gap: str) -> str:
    """What of a gap belongs to the header: up to its first blanks behind a separator."""
    return _matched(_END, gap)


def _end_pattern(ends: Counter[str]) -> str:
    """An expression for what most levels are followed by; where it is not there, no separator at all may be."""
    kinds = Counter[str]()
    for end, count in own_ends(ends.elements()).items():
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
    closings = own_ends(_matched(_CLOSING, tail) for tail in tails)
    kinds = Counter[str]()
    for closing, count in closings.items():
        kinds[gap_pattern(closing)] += count
    kind, _ = kinds.most_common(1)[0]
    one = r"| (?=\S)" if kind.startswith(r"[ \t]+") and len(kinds) > 1 else ""
    return f"(?:{kind}{one})?" if kind else ""


_LAST: Final = (
    *(
        (opens, before, behind, "")
        for opens in "[(<"
        for before, behind in ((False, False), (False, True), (True, False))
    ),
    ("", False, False, r"[\-|]\s"),
)
"""In which brackets a level at the end of a line stands, whether something stands before or behind it there, and what stands before it without brackets."""
_PLACE: Final = r"(?:[\[(][^\[\]()\s]{1,60}[\])]\s*)?"
"""Where a record comes from, behind its level: `… (INFO) [main.py:10]`."""
_LAST_COLUMN: Final = r".*[;|\t]\s*{}\s*(?:[;|\t]\s*[\w.\-$/:]*\s*){{0,2}}$"
"""A level among the last columns of a table."""


def _last_level(tails: Sequence[str]) -> str | None:
    """The expression for a line with its level at the end: in brackets, behind a dash or a bar, or in one of the last columns."""
    if len(tails) < 2:
        return None
    endings = [
        rf".*{ahead}{level_pattern((opens, before, behind), ('upper', 'lower', 'title') if opens and not before else ('upper',))}\s*{_PLACE if opens else ''}$"
        for opens, before, behind, ahead in _LAST
    ]
    endings += [
        _LAST_COLUMN.format(level_pattern(("", False, False), (style,))) for style in ("upper", "lower", "title")
    ]
    for ending in endings:
        if _matching(tails, ending) * 10 >= len(tails) * 6:
            return ending
    return None


def _column_beyond(tails: Sequence[str], last: str) -> bool:
    """Whether nearly all lines have a level in one of the last columns of a table."""
    return last.startswith(_LAST_COLUMN[:8]) and _matching(tails, last) * 10 >= len(tails) * 9


def _matching(texts: Sequence[str], pattern: str) -> int:
    regex = re.compile(pattern, re.ASCII)
    return sum(1 for text in texts if regex.match(text))


def _logger(rows: Sequence[Sequence[Field]], level: Level) -> str:
    """An expression for the logger behind the level, or for a process id with it, where most lines have one."""
    numbered = pid_columns(rows, level.reach + 1, _end)
    if numbered is not None:
        return numbered
    behind = [row[level.reach + 1 : level.reach + 3] for row in rows]
    for count in (1, 2):
        texts = [
            "".join(
                field.gap * (number > 0) + field.opens + field.text + CLOSES[field.opens]
                for number, field in enumerate(row[:count])
            )
            for row in behind
        ]
        if sum(1 for text in texts if any(re.search(shape, text) for shape in _PIDS[:7])) * 10 >= len(rows) * 8:
            kinds = Counter(
                "".join(
                    gap_pattern(field.gap) * (number > 0) + field_pattern(field)
                    for number, field in enumerate(row[:count])
                )
                for row in behind
            )
            name = _name_at(rows, level.reach + 1 + count)
            return rf"(?:{kinds.most_common(1)[0][0]}(?:[ \t]*[:|>,\-]+[ \t]+|:?[ \t]*){name})?"
    return _name_at(rows, level.reach + 1)


def _name_at(rows: Sequence[Sequence[Field]], index: int) -> str:
    """An expression for the logger, where it is this field."""
    names = [(row[index].opens + row[index].text, row[index + 1].gap) for row in rows if len(row) > index + 1]
    return _name_pattern(names, len(rows))


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
    numbered = pid_columns(rows, 0, lambda gap: _matched(_CLOSING, gap))
    if numbered is not None:
        return closing + numbered
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
            return rf"(?:{kind}(?:[ \t]*[:|,\-]+[ \t]+|:?[ \t]+|[ \t]*))?"
    return closing
