"""The tree of a parsed query: conditions on one record, and how they are written.

Every condition is true or false of a record; one on a field that the record lacks is false. `str(node)` is the query that gives the same
tree.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from logs.core import levels
from logs.query.quantities import Dimension

Place = Literal["message", "raw"]
Operator = Literal["<", "<=", ">", ">="]
_BARE: Final = re.compile(r"(?!AND$|OR$|NOT$|\d+[a-z]+$|today$|yesterday$|now\b)\w[\w.\-]*")


@dataclass(frozen=True, slots=True)
class And:
    """All of the parts."""

    parts: "tuple[Node, ...]"

    def __str__(self) -> str:
        return " ".join(_within(part, Or) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of the parts."""

    parts: "tuple[Node, ...]"

    def __str__(self) -> str:
        return " OR ".join(str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """Not the part."""

    part: "Node"

    def __str__(self) -> str:
        return f"NOT {_within(self.part, And, Or)}"


@dataclass(frozen=True, slots=True)
class Text:
    """The text stands in the message, or in the whole original."""

    text: str
    place: Place = "message"
    case: bool = False
    named: bool = False
    """Whether the query names the place (`raw:text`)."""

    def __str__(self) -> str:
        return f"{self.place}:{_quoted(self.text)}" if self.named else written(self.text)


@dataclass(frozen=True, slots=True)
class Regex:
    """An RE2 expression matches the message, or the whole original."""

    pattern: str
    place: Place = "message"
    case: bool = True
    named: bool = False

    def __str__(self) -> str:
        return f"{self.place}:{_slashed(self)}" if self.named else _slashed(self)


@dataclass(frozen=True, slots=True)
class Level:
    """The level compares with a stored number; an unknown level is neither below nor above any."""

    operator: Literal["=", "<", "<=", ">", ">="]
    number: int

    def __str__(self) -> str:
        return f"level{self.operator}{levels.NAMES.get(self.number, 'unknown')}"


@dataclass(frozen=True, slots=True)
class Time:
    """The record's time is at or after (`since`) or before (`until`) a moment, µs."""

    name: Literal["since", "until"]
    at: int

    def __str__(self) -> str:
        return f"{self.name}:{self.at}"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number of the record compares with one: `pid`, `lines`, `line`."""

    name: Literal["pid", "lines", "line"]
    operator: Literal["=", "<", "<=", ">", ">="]
    number: int

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{self.number}"


@dataclass(frozen=True, slots=True)
class Run:
    """The process that wrote it: `number` is its run or PID; else `text` stands in its name or command line."""

    text: str
    number: int | None

    def __str__(self) -> str:
        return f"run:{self.text if self.number is not None else _quoted(self.text)}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Its pattern, by public identity or, where `number` is given, by number. Only stored records have one."""

    text: str
    number: int | None

    def __str__(self) -> str:
        return f"pattern:{self.text if self.number is not None else _quoted(self.text)}"


@dataclass(frozen=True, slots=True)
class Field:
    """A value of the record by name: `column` is `source`, `logger` or `format`; else it is a field, or a pair `name=value` in the message."""

    name: str
    column: bool = False

    def __str__(self) -> str:
        bare = self.column or (
            self.name not in RESERVED
            and not self.name.startswith("fields.")
            and (self.name[:1].isalpha() or self.name[:1] in {"_", "@"})
        )
        return self.name if bare else f"fields.{self.name}"


@dataclass(frozen=True, slots=True)
class Holds:
    """The value contains the text."""

    field: Field
    text: str
    case: bool = False

    def __str__(self) -> str:
        return f"{self.field}:{_value(self.text)}"


@dataclass(frozen=True, slots=True)
class Equals:
    """The value is the text or, where `number` is given, the same number or quantity."""

    field: Field
    text: str
    case: bool = False
    number: float | None = None
    dimension: Dimension = ""

    def __str__(self) -> str:
        return f"{self.field}={self.text if self.number is not None else _value(self.text)}"


@dataclass(frozen=True, slots=True)
class Glob:
    """The whole value matches the text, in which `*` is any text."""

    field: Field
    pattern: str
    case: bool = False

    def __str__(self) -> str:
        sign = ":" if self.pattern[0] in "<=>" else "="
        return f"{self.field}{sign}{self.pattern}"

    @property
    def expression(self) -> str:
        """The same as an RE2 expression."""
        return "^" + ".*".join(literal(part) for part in self.pattern.split("*")) + "$"


@dataclass(frozen=True, slots=True)
class Matches:
    """An RE2 expression matches the value."""

    field: Field
    pattern: str
    case: bool = True

    def __str__(self) -> str:
        sign = "=" if self.pattern.startswith("/") else ":"  # `name://` begins an address
        return f"{self.field}{sign}{_slashed(self)}"


@dataclass(frozen=True, slots=True)
class Compares:
    """The value compares with a number, in seconds or bytes where it has a unit; `text` is how it is written."""

    field: Field
    operator: Operator
    number: float
    dimension: Dimension
    text: str

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{self.text if _NUMBER.fullmatch(self.text) else _quoted(self.text)}"


Node = And | Or | Not | Text | Regex | Level | Time | Whole | Run | Pattern | Holds | Equals | Glob | Matches | Compares


_NUMBER: Final = re.compile(r"[+-]?\d[\w.]*", re.ASCII)
_COMPARED: Final = re.compile(r"([A-Za-z_][\w.\-]*)[<>]=?[\w.\-]+$")
_OF_FIELDS: Final = (Holds, Equals, Glob, Matches, Compares)


def of_path(node: Node) -> str | None:
    """The RE2 expression, without regard to case, of the files that a condition on `source` names: `source:run.out`, `source:train/run.out`,
    `source:*.out`, `source=/srv/train/run.out`. None of all others: there the name of the source decides alone.
    """
    match node:
        case Holds(Field("source", column=True), text) if "." in text or "/" in text:
            return f"(?:^|/){literal(text.removeprefix('/'))}$"
        case Equals(Field("source", column=True), text) if text.startswith("/"):
            return f"^{literal(text)}$"
        case Glob(Field("source", column=True), pattern) if "." in pattern or pattern.startswith("/"):
            return node.expression
    return None


ALIASES: Final = {"msg": "message"}
WHOLE: Final = ("pid", "lines", "line")
COLUMNS: Final = ("source", "logger", "format")
RESERVED: Final = frozenset({"level", "since", "until", "run", "pattern", "message", "raw", *WHOLE, *COLUMNS, *ALIASES})
"""Names with a meaning of their own. A field of a record with such a name is `fields.NAME`."""


def literal(text: str) -> str:
    """The expression that matches just this text."""
    return re.sub(r"[^\w\s]", lambda found: f"\\x{{{ord(found[0]):X}}}", text)


def written(text: str) -> str:
    """The text as a term of a query."""
    return text if _BARE.fullmatch(text) else _quoted(text)


def _value(text: str) -> str:
    """The text as a value behind a field: in quotes where it would be taken for a number or a pattern else."""
    return text if _BARE.fullmatch(text) and not text[0].isdecimal() else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _slashed(node: Regex | Matches) -> str:
    return f"/{node.pattern}/{'' if node.case else 'i'}"


def _within(part: "Node", *looser: type) -> str:
    return f"({part})" if isinstance(part, looser) else str(part)


def needs_store(node: Node) -> bool:
    """Whether it asks for something that only stored records have: their pattern."""
    if isinstance(node, And | Or):
        return any(needs_store(part) for part in node.parts)
    return needs_store(node.part) if isinstance(node, Not) else isinstance(node, Pattern)


def terms(node: Node) -> int:
    """How many conditions it has."""
    if isinstance(node, And | Or):
        return sum(terms(part) for part in node.parts)
    return terms(node.part) if isinstance(node, Not) else 1


def fields(node: Node) -> list[Field]:
    """The fields that it names, each once; without `source`, `logger` and what else each record has. What compares a name with no number is a text, but meant as one of a field."""
    if isinstance(node, And | Or):
        return list(dict.fromkeys(field for part in node.parts for field in fields(part)))
    if isinstance(node, Not):
        return fields(node.part)
    if isinstance(node, Text):
        return [Field(found[1])] if (found := _COMPARED.match(node.text)) and found[1] not in RESERVED else []
    return [node.field] if isinstance(node, _OF_FIELDS) and not node.field.column else []
