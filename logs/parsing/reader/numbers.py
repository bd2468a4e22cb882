"""Which column of numbers behind a level or a time is the id of the process, and how a header with it is written."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from logs.parsing.reader.fields import CLOSES, Field, field_pattern, gap_pattern, own_ends

_REACH: Final = 3
"""In how many fields a number is looked for."""
_FEW: Final = 4
"""Of fewer lines than these, equal numbers say little."""
_YEARS: Final = range(1900, 2101)
_NUMBER: Final = re.compile(r"[1-9]\d{2,6}")
_NAME: Final = r"[A-Za-z_][\w.$/@\-]*"
_IDENTIFIER: Final = re.compile(_NAME)
_PARTED: Final = re.compile(r"\s(?:[|>]|--?|\u2013|\u2014)\s")
_SOURCE: Final = re.compile(r"\.[A-Za-z]{1,4}$")
"""A file of a program's text: the number behind it is a line of that."""


def pid_columns(rows: Sequence[Sequence[Field]], start: int, end_of: Callable[[str], str]) -> str | None:
    """The expression from the field `start` to behind the process id, with the groups `pid` and perhaps `logger`; None where no column is one.

    A process id is the same in many lines, whatever they say; a line's number, a count or a status is not.

    Args:
        rows: the fields of each line.
        start: the first field that may be part of it.
        end_of: what of a gap closes a header.
    """
    place = _place(rows, start)
    if place is None:
        return None
    whole = [row for row in rows if len(row) > place + 1]
    parts: list[str] = []
    named = False
    for index in range(start, place):
        column = [row[index] for row in whole]
        first = index == start
        parts.append(_common(gap_pattern(f.gap[len(end_of(f.gap)) if first else 0 :]) for f in column))
        name = None if named else _name(column)
        parts.append(name or _common(field_pattern(field) for field in column))
        named = named or name is not None
    column = [row[place] for row in whole]
    parts.append(_common(gap_pattern(f.gap[len(end_of(f.gap)) if place == start else 0 :]) for f in column))
    opens = column[0].opens
    parts.append(rf"{re.escape(opens)}[ \t]*(?P<pid>\d{{1,8}})[ \t]*{re.escape(CLOSES[opens])}")
    parts.append(_common(map(gap_pattern, own_ends(end_of(row[place + 1].gap) for row in whole).elements())))
    behind = None if named else _name_behind(whole, place, end_of)
    return f"(?:{''.join(parts)}{behind or ''})?"


def _place(rows: Sequence[Sequence[Field]], start: int) -> int | None:
    """Which field is the process id of nearly every line; all before it are such as headers have."""
    for index in range(start, start + _REACH):
        column = [(row[index], row[index + 1]) for row in rows if len(row) > index + 1]
        if len(column) < 2 or len(column) * 10 < len(rows) * 9:
            return None
        if _is_pid(column):
            return index
        if not all(_in_header(field, behind, few=len(column) < _FEW) for field, behind in column):
            return None
    return None


def _is_pid(column: Sequence[tuple[Field, Field]]) -> bool:
    """Whether a column of fields, each with the next, is a process id by its numbers and by what stands around them."""
    fields = [field for field, _ in column]
    if len({field.opens for field in fields}) > 1 or not all(_NUMBER.fullmatch(field.text.strip()) for field in fields):
        return False
    if any(field.gap.endswith((":", ".", "/", "=")) for field in fields):
        return False  # `name:12` is a line of it
    values = Counter(field.text for field in fields)
    marked = bool(fields[0].opens) or all("#" in field.gap for field in fields)
    least = min(len(field.text.strip()) for field in fields)
    few = len(fields) < _FEW
    alike = (len(values) == 1 or marked) if few else len(values) * 3 <= len(fields)
    if not alike or least < (4 if few or not marked else 3):
        return False
    if marked:
        return True
    if any(int(field.text) in _YEARS for field in fields):
        return False
    return all(
        (_PARTED.search(field.gap) and _PARTED.search(behind.gap))
        or (not field.gap.strip() and _IDENTIFIER.fullmatch(behind.text) and ("." in behind.text or behind.opens))
        for field, behind in column
    )


def _in_header(field: Field, behind: Field, *, few: bool) -> bool:
    """Whether something before the number belongs to a header too: a group in brackets, or a name."""
    if field.opens:
        return len(field.text) <= 60
    if not _IDENTIFIER.fullmatch(field.text) or (_SOURCE.search(field.text) and not behind.opens):
        return False
    return not few or "." in field.text or bool(_PARTED.search(behind.gap)) or not behind.gap


def _name(column: Sequence[Field]) -> str | None:
    """The expression for a name with the group `logger`; None where the column has something else."""
    if not all(_IDENTIFIER.fullmatch(field.text) for field in column) or len({field.opens for field in column}) > 1:
        return None
    opens = column[0].opens
    return rf"{re.escape(opens)}(?P<logger>{_NAME}){re.escape(CLOSES[opens])}"


def _name_behind(rows: Sequence[Sequence[Field]], place: int, end_of: Callable[[str], str]) -> str | None:
    """The expression for a name behind the number, where nearly all lines have one there that no word of a sentence could be."""
    column = [(row[place + 1], row[place + 2].gap) for row in rows if len(row) > place + 2]
    if len(column) * 10 < len(rows) * 8:
        return None
    ends = Counter(gap for _, gap in column)
    gap, count = ends.most_common(1)[0]
    name = _name([field for field, _ in column])
    dotted = all("." in field.text or field.opens for field, _ in column)
    if name is None or count * 10 < len(column) * 8 or not (dotted or gap.strip()):
        return None
    return f"(?:{name}{gap_pattern(end_of(gap))})?"


def _common(patterns: Iterable[str]) -> str:
    """The expression that most have; any of them where several are usual."""
    kinds = [kind for kind, _ in Counter(patterns).most_common(3)]
    return kinds[0] if len(kinds) == 1 else f"(?:{'|'.join(sorted(kinds, key=len, reverse=True))})"
