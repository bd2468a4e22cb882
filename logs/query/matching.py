"""A parsed query tried on one record: as the store would say."""

import functools
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from logs.core import access
from logs.core.record import LogRecord
from logs.query import tree
from logs.query.expressions import compiled, lowered
from logs.query.quantities import bare_factor, same_number, value_of
from logs.query.tree import Field, Node

Test = Callable[[LogRecord], bool]
Names = Callable[[int], tuple[int | None, str] | None]
"""The PID of a run, with its name and command line; None when nobody knows it."""
Paths = Callable[[str], Sequence[str]]
"""The files of a source."""
_OPERATORS: Final = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
ENDS: Final = "\"'.,;:"
"""What is no part of a value at its ends, where it stands in a text."""
_UNIT: Final = r" (?:ns|us|µs|μs|ms|s|secs?|seconds?|mins?|minutes?|hr|hours?|days?|B|[kKMGT]B|[kmgt]b|[KMGT]iB)\b"
"""A unit that a blank can stand before: other letters by themselves may be anything."""
_LETTER: Final = re.compile(r"[A-Za-z_]")
NAMED_WITHIN: Final = 3
"""A name behind which a number can stand without a sign has a letter among so many last characters: else it would be a number or a date itself."""
_PLACE: Final[dict[str, Callable[[LogRecord], str]]] = {
    "message": lambda record: record.message,
    "raw": lambda record: record.original(),
}
_WHOLE: Final[dict[str, Callable[[LogRecord], int | None]]] = {
    "pid": lambda record: record.pid,
    "lines": lambda record: record.lines,
    "line": lambda record: record.line_no,
}
_COLUMNS: Final[dict[str, Callable[[LogRecord], str | None]]] = {
    "source": lambda record: record.source,
    "logger": lambda record: record.logger,
    "format": lambda record: record.format,
}


def test_of(node: Node, names: Names, paths: Paths) -> Test:  # noqa: C901, PLR0911 - one kind of node a case
    """A function that says whether a record has what the query asks for."""
    match node:
        case tree.And(parts):
            all_of = [test_of(part, names, paths) for part in parts]
            return lambda record: all(test(record) for test in all_of)
        case tree.Or(parts):
            any_of = [test_of(part, names, paths) for part in parts]
            return lambda record: any(test(record) for test in any_of)
        case tree.Not(part):
            test = test_of(part, names, paths)
            return lambda record: not test(record)
        case tree.Text() | tree.Regex():
            found, body = _finder(node), _PLACE[node.place]
            return lambda record: found(body(record))
        case tree.Level("=", number):
            return lambda record: record.level == number
        case tree.Level(sign, number):
            compare = _OPERATORS[sign]
            return lambda record: record.level > 0 and compare(record.level, number)
        case tree.Time("since", at):
            return lambda record: record.ts >= at
        case tree.Time(_, at):
            return lambda record: record.ts < at
        case tree.Whole(name, sign, number):
            whole, compare = _WHOLE[name], _OPERATORS[sign]
            return lambda record: (value := whole(record)) is not None and compare(value, number)
        case tree.Run():
            return _of_run(node, names)
        case tree.Pattern():
            return lambda _: False  # a record gets its pattern when it is stored
        case _:
            return _of_source(node, paths) if tree.of_path(node) else _of_value(node)


def _finder(node: tree.Text | tree.Regex) -> Callable[[str], bool]:
    """Whether a text contains what the node asks for. Without regard to case this is what ripgrep finds: other letters than
    those of ASCII have small forms of their own.
    """
    if isinstance(node, tree.Regex):
        pattern = compiled(node.pattern, case=node.case)
        return lambda body: pattern.search(body.encode("utf-8", "replace")) is not None
    text = node.text
    if node.case:
        return lambda body: text in body
    folded = compiled(tree.literal(text), case=False)
    small = text.lower()
    if not text.isascii():
        return lambda body: folded.search(body.encode("utf-8", "replace")) is not None
    return lambda body: (
        small in body.lower() if body.isascii() else folded.search(body.encode("utf-8", "replace")) is not None
    )


def _of_run(node: tree.Run, names: Names) -> Test:
    known: dict[int, bool] = {}
    small = lowered(node.text)

    def belongs(run: int) -> bool:
        """Whether the run is meant. What was known while it lived is kept: its last records come after its end."""
        if run not in known:
            told = names(run)
            if told is None:
                return False
            if len(known) > _RUNS:
                known.clear()
            pid, name = told
            known[run] = pid == node.number if node.number is not None else small in lowered(name)
        return known[run]

    def test(record: LogRecord) -> bool:
        if node.number is not None and node.number in {record.run, record.pid}:
            return True
        return record.run is not None and belongs(record.run)

    return test


def _of_source(node: tree.Holds | tree.Equals | tree.Glob | tree.Matches | tree.Compares, paths: Paths) -> Test:
    """By the name of the source, or by where its files are."""
    accepts, path = _accepts(node), compiled(tree.of_path(node) or "", case=False)
    known: dict[str, bool] = {}

    def test(record: LogRecord) -> bool:
        source = record.source
        if source not in known:
            if len(known) > _RUNS:
                known.clear()
            files = (one.encode("utf-8", "replace") for one in paths(source))
            known[source] = accepts(source) or any(path.search(one) is not None for one in files)
        return known[source]

    return test


_RUNS: Final = 10_000


def _of_value(node: tree.Holds | tree.Equals | tree.Glob | tree.Matches | tree.Compares) -> Test:
    value, accepts = _reader(node.field, units=in_units(node)), _accepts(node)
    return lambda record: (found := value(record)) is not None and accepts(found)


def _accepts(node: tree.Holds | tree.Equals | tree.Glob | tree.Matches | tree.Compares) -> Callable[[str], bool]:
    """Whether a value is one that is asked for."""
    match node:
        case tree.Compares():
            compare, number, dimension = _OPERATORS[node.operator], node.number, node.dimension
            bare = bare_factor(node.field.name, dimension)
            return lambda text: (value := value_of(text, dimension, bare)) is not None and compare(value, number)
        case tree.Matches() | tree.Glob():
            pattern = compiled(node.expression if isinstance(node, tree.Glob) else node.pattern, case=node.case)
            return lambda text: pattern.search(text.encode("utf-8", "replace")) is not None
        case tree.Holds(_, wanted, case):
            small = wanted if case else lowered(wanted)
            return lambda text: small in (text if case else lowered(text))
        case tree.Equals(_, wanted, case, number, dimension):
            small, bare = wanted if case else lowered(wanted), bare_factor(node.field.name, dimension)
            if number is None:
                return lambda text: small == (text if case else lowered(text))
            if dimension:
                return lambda text: (
                    value_of(text, dimension, bare) == number or small == (text if case else lowered(text))
                )
            same = compiled(same_number(wanted), case=True)
            return lambda text: same.search(text.encode("utf-8", "replace")) is not None


def column_readers(names: Sequence[str]) -> dict[str, Callable[[LogRecord], str | None]]:
    """By name, what gives the value of a field as a query finds it: among the record's fields, at its place in a line of an access log, else as `name=value` or a number behind the name in its message."""
    return {name: _reader(Field(name.removeprefix("fields.")), units=True) for name in names}


def in_units(node: tree.Holds | tree.Equals | tree.Glob | tree.Matches | tree.Compares) -> bool:
    """Whether it asks for a number with a unit, which may then stand behind a blank."""
    return isinstance(node, tree.Compares | tree.Equals) and bool(node.dimension)


def _reader(field: Field, *, units: bool) -> Callable[[LogRecord], str | None]:
    """The value of a field as text."""
    if field.column:
        return _COLUMNS[field.name]
    name = field.name
    places = [compiled(one, case=True) for one in pair_expressions(name, units=units)]
    of_access = name in access.NAMES

    def value(record: LogRecord) -> str | None:
        if record.fields:
            found = _in_fields(record.fields, name)
            if found is not None:
                return found
        if of_access and (found := access.value(name, record.line)) is not None:
            return found
        if name not in record.message:
            return None
        body = record.message.encode("utf-8", "replace")
        for place in places:
            match = place.search(body)
            said: str = "" if match is None else match.group(1).decode("utf-8", "replace").strip(ENDS)
            if said:
                return said
        return None

    return value


def pair_expressions(name: str, *, units: bool) -> list[str]:
    """The RE2 expressions of `name=value` or `name: value` in a text, and of a number right behind the name (`took 120ms`); the first group of each is the
    value, with a unit behind a blank if there are `units`.
    """
    begin, bare = rf"(?:^|[^\w.@/\-]){re.escape(name)}", r"""[^\s,;"'()\[\]{}]"""
    unit = _UNIT if units else ""
    pair = rf"""{begin}["']?\s?[=:]\s?("[^"]*"|'[^']*'|{f"[-+]?[0-9][0-9.]*{unit}|" if unit else ""}{bare}+)"""
    if _LETTER.search(name, max(0, len(name) - NAMED_WITHIN)) is None:
        return [pair]
    return [pair, rf"{begin} ([0-9]{bare}*{f'(?:{unit})?' if unit else ''})"]


def path_of(name: str) -> list[str]:
    """The steps to a nested field: `http.status` is `status` in `http`."""
    return name.split(".")


def _in_fields(text: str, name: str) -> str | None:
    """The value of a field, by its whole name or as a path."""
    fields = _decoded(text)
    found = fields.get(name)
    if found is None and "." in name:
        found = fields
        for step in path_of(name):
            found = found.get(step) if isinstance(found, dict) else None
    if found is None:
        return None
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()


@functools.lru_cache(maxsize=4)
def _decoded(text: str) -> dict[str, Any]:
    """The fields of a record: one is asked for several of them in a row."""
    found = msgspec.json.decode(text)
    return found if isinstance(found, dict) else {}
