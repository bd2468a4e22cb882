"""What the original line, the message, the fields or the source, logger or format of every record that a query finds must contain."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from logs.core import access
from logs.index.numbers import BEHIND_REQUEST
from logs.index.required import Literal, Need, Number, every, required, some
from logs.query import tree
from logs.query.quantities import bare_factor, digits_of
from logs.query.tree import Node

Valued = tree.Holds | tree.Equals | tree.Glob | tree.Matches | tree.Compares


def need_of(node: Node) -> Need | None:
    """What a query needs; None where it can find records without any certain text.

    >>> need_of(tree.And((tree.Text("refused"), tree.Not(tree.Text("again")))))
    Literal(text='refused', case=False)
    """
    match node:
        case tree.And(parts):
            return every([need for part in parts if (need := need_of(part)) is not None])
        case tree.Or(parts):
            return some([need_of(part) for part in parts])
        case tree.Text(text, _, case):
            return Literal(text, case)
        case tree.Regex(pattern, _, case):
            return required(pattern, case=case)
        case tree.Holds() | tree.Equals() | tree.Glob() | tree.Matches() | tree.Compares():
            return _need_of_name(node) if node.field.column else _need_of_value(node)
        case _:
            return None


def _need_of_value(node: Valued) -> Need | None:
    named = every([*parts_of_value(node), *_numbers_of(node)])
    return some([named, _need_of_access(node)]) if node.field.name in access.NAMES else named


def _numbers_of(node: Valued) -> Iterator[Number]:
    """The number that a value must be, or compare with."""
    match node:
        case tree.Compares(field, sign, number, dimension):
            yield Number(field.name, sign, number, bool(dimension), bare_factor(field.name, dimension))
        case tree.Equals(field, _, _, number, "") if (
            number is not None
        ):  # with a unit, the same text in another case is found too: `5S`
            yield Number(field.name, "=", number)


def value_in_line(node: Valued) -> Literal | None:
    """A text that the line or the JSON of the fields has where the value stands in a line of an access log, without its name."""
    return None if node.field.name == "duration" else _part_of_value(node)  # a unit may be put behind that


def _need_of_access(node: Valued) -> Need | None:
    """What stands in a line of an access log with such a value."""
    value, numbers = (
        value_in_line(node),
        [replace(one, name=f"{BEHIND_REQUEST}{one.name}") for one in _numbers_of(node)],
    )
    if node.field.name in {"status", "bytes", "duration"} and numbers:
        others = ("[GIN] ", '" from ', *(f" {method} /" for method in access.METHODS))
    else:
        numbers, others = [], tuple(f"{method} " for method in (*access.METHODS, *access.OTHERS))
    need = some([*numbers, *(Literal(text, case=True) for text in others)])
    return every([one for one in (value, need) if one is not None])


NAMES: Final = ("source", "logger", "format")
"""Columns whose texts stand in filters as `source=app`: with what they are called, so that the beginning of a short name tells enough."""


def need_of_sources(globs: Sequence[str]) -> Need | None:
    """What the names of blocks have that hold a record of one of these sources; `*` stands for anything, brackets hold single signs."""
    return some([_need_of_glob("source", re.split(r"\*|\[.\]", glob), case=True) for glob in globs])


def _need_of_name(node: Valued) -> Need | None:
    """What the names of a block have where one of them is asked for; nothing is known where a file may be meant."""
    if tree.of_path(node) is not None:
        return None
    match node:
        case tree.Equals(field, text, case, None):
            return _need_of_glob(field.name, [text], case=case)
        case tree.Glob(field, pattern, case):
            return _need_of_glob(field.name, pattern.split("*"), case=case)
        case tree.Holds(_, text, case):
            return Literal(text, case) if _as_written(text) else None
        case _:
            return None


def _need_of_glob(name: str, parts: Sequence[str], *, case: bool) -> Need | None:
    """A name that begins with the first of these and has the longest."""
    found = [f"{name}={parts[0]}", max(parts, key=len)]
    return every([Literal(part, case) for part in dict.fromkeys(found) if _as_written(part)])


def parts_of_value(node: Valued) -> Iterator[Literal]:
    """Texts that the message or the JSON of the fields has, whatever the form of the value: what tells most is first. The name of the field is
    written as it is asked for, or its steps are.
    """
    value = _part_of_value(node)
    if value is not None:
        yield value
    steps = sorted(node.field.name.split("."), key=len, reverse=True)
    yield from (Literal(step, case=True) for step in steps if _as_written(step))


def _as_written(text: str) -> bool:
    return bool(text) and text.isprintable() and not {'"', "\\"} & set(text)


def _part_of_value(node: Valued) -> Literal | None:
    match node:
        case tree.Equals(_, text, _, number, dimension) if number is not None:
            needed, case = ("" if dimension else digits_of(text) or ""), True
        case tree.Equals(_, text, case) | tree.Holds(_, text, case):
            needed = text
        case tree.Glob(_, pattern, case):
            needed = max(pattern.split("*"), key=len)
            if not case and (not needed.isascii() or "s" in needed.lower()):
                return None  # expressions fold these letters otherwise than lower case does
        case _:
            return None
    if not _as_written(needed):
        return None
    return Literal(needed, case or not needed.upper().isupper())
