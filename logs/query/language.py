"""The query language: text comes in, a tree of conditions goes out, or an error that points at a column.

    level>=warn source:worker -heartbeat "out of memory" /time(d)? ?out/ user_id=42 duration>2s run:train since:yesterday

Terms beside each other must all hold; `OR`, `NOT` (or `-`) and brackets combine them.
"""

import functools
import re
from datetime import tzinfo
from functools import partial
from typing import Any, Final, NamedTuple, NoReturn, cast

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, VisitError

from logs.core import levels
from logs.core.errors import LogsError
from logs.query import tree
from logs.query.expressions import compiled
from logs.query.habits import habit_in
from logs.query.quantities import digits_of, quantity
from logs.query.times import parse_time
from logs.query.tree import Field, Node, Place

MOST_TEXT: Final = 4096
"""Characters of a query."""
_MOST_TERMS: Final = 200
_DEEPEST: Final = 120
"""Levels of the tree: a pair of brackets adds one to three."""
_BIGGEST: Final = 1 << 63
_GRAMMAR: Final = r"""
?start: any
?any: all (OR all)*
?all: one (AND? one)*
?one: (NOT | MINUS) one -> negated
    | OPEN any CLOSE    -> group
    | STRING            -> text
    | REGEX             -> regex
    | WORD              -> text
    | (NAME | RANGE) (STRING | ENTIRE | VALUE) -> field

STRING.6: /"(?:[^"\\]|\\.)*"/s
REGEX.5: /\/(?:[^\\]|\\.)+?\/i?(?=[\s)]|$)/s
ENTIRE.5: /\/(?:(?:[^\\\/]|\\.)+?|(?:[^\\\s]|\\.)+?)\/i?(?=[\s)]|$)/s
AND.4: /(?:AND|&&)(?=[\s()]|$)/
OR.4: /(?:OR|\|\|)(?=[\s()]|$)/
NOT.4: /NOT(?=[\s()]|$)/
NAME.3: /[A-Za-z_@](?:[A-Za-z0-9_.@\/\-]*[A-Za-z0-9_])?(?:(?:!=|=)(?![\s=>~]|$)|:(?![\s:=\\)]|\/\/|$)|[<>]=?(?=[0-9"+.\-]))/
RANGE.4: /(?:level|pid|lines|line|pattern|since|until|run|source|logger|format|message|raw)[<>]=?(?=[A-Za-z])/
MINUS.2: /-(?=[\w"\/(@])/
OPEN.2: "("
CLOSE.2: ")"
WORD.1: /[^\s()"](?:[^\s()]|\((?:[^\s()]|\([^\s()]*\))*\))*/
VALUE.1: /(?:[^\s()"]|\((?:[^\s()]|\([^\s()]*\))*\))(?:[^\s()]|\((?:[^\s()]|\([^\s()]*\))*\))*/
SPACE: /\s+/
%ignore SPACE
"""

_SHOWN: Final = 40
"""Characters shown before and behind what is wrong, and of what is wrong itself."""


class QueryWrong(LogsError):
    """A query cannot be read; `column` (from 1) is where, `end` is behind the part that is wrong."""

    def __init__(self, message: str, *, hint: str, start: int, end: int) -> None:
        super().__init__(f"Column {start + 1}: {message}", hint=hint)
        self.column = start + 1
        self.end = max(end, start + 1) + 1
        self.query = ""
        """The whole query."""

    @property
    def pointer(self) -> tuple[str, ...]:
        """The query, or what stands near of a long one, and a line that points at what is wrong; nothing for one of several lines."""
        if "\n" in self.query:
            return ()
        first, last = self.column - 1, min(self.end - 1, self.column - 1 + _SHOWN)
        before, behind = max(0, first - _SHOWN), last + _SHOWN
        left, right = "…" * (before > 0), "…" * (behind < len(self.query))
        return f"{left}{self.query[before:behind]}{right}", " " * (len(left) + first - before) + "^" * (last - first)


class Options(NamedTuple):
    """How a query is read: the present (µs), the zone of times without one, whether upper and lower case differ, where text is searched."""

    now: int
    zone: tzinfo | None = None
    case: bool = False
    place: Place = "message"


def parse_query(text: str, options: Options) -> Node | None:
    """The conditions of a query; None when it is empty.

    Raises:
        QueryWrong: it cannot be read.
    """
    text = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    try:
        return _read(text, options) if text.strip() else None
    except QueryWrong as wrong:
        wrong.query = text
        raise


def _read(text: str, options: Options) -> Node:
    whole = partial(QueryWrong, hint="Leave terms out.", start=0, end=len(text))
    if len(text) > MOST_TEXT:
        raise QueryWrong(
            f"the query is longer than {MOST_TEXT} characters.", hint="Leave terms out.", start=MOST_TEXT, end=len(text)
        )
    habit = habit_in(text)
    if habit is not None:
        raise QueryWrong(habit.message, hint=habit.hint, start=habit.start, end=habit.end)
    try:
        parsed = _parser().parse(text)
        if _depth(parsed) > _DEEPEST:
            raise whole("brackets and NOT stand too deep in each other.")
        found: Node = _Build(options).transform(parsed)
    except UnexpectedInput as error:
        _explain(error, text)
    except VisitError as error:
        if isinstance(error.orig_exc, QueryWrong):
            raise error.orig_exc from None
        raise
    if tree.terms(found) > _MOST_TERMS:
        raise whole(f"there are more than {_MOST_TERMS} terms.")
    return found


def _explain(error: UnexpectedInput, text: str) -> NoReturn:
    """Say what is wrong with the form of the query, and what would be right."""
    start = getattr(error, "pos_in_stream", None)
    at_end = isinstance(error, UnexpectedEOF) or start is None or start < 0 or getattr(error, "token", None) == ""
    start = len(text.rstrip()) if at_end or start is None else start
    opened = _unclosed(text)
    if isinstance(error, UnexpectedCharacters) and text[start : start + 1] == '"':
        message, hint = "this quote is never closed.", 'Add a quote behind the text, or write \\" for a quote in it.'
    elif text[start : start + 1] == ")" and opened is None and text.count(")") > text.count("("):
        message, hint = "this bracket closes nothing.", 'Leave it out, or put the text in quotes: "f(x)".'
    elif at_end and opened is not None:
        start, message = opened, "this bracket is never closed."
        hint = 'Add a closing bracket, or put the text in quotes: "f(x".'
    else:
        word = text[start:].split(maxsplit=1)[0] if text[start:].strip() else ""
        message = f"a term is missing before {word[:20]}." if word else "a term is missing at the end."
        hint = 'Write what to find there, or put AND, OR and NOT in quotes to search for them: "OR".'
    raise QueryWrong(message, hint=hint, start=start, end=start + 1) from None


def _unclosed(text: str) -> int | None:
    """Where the innermost bracket stands that is never closed."""
    opened: list[int] = []
    try:
        for token in _parser().lex(text):
            if token.type == "OPEN":
                opened.append(token.start_pos or 0)
            elif token.type == "CLOSE" and opened:
                opened.pop()
    except UnexpectedInput:
        pass  # what was read until here counts
    return opened[-1] if opened else None


def _depth(parsed: Any) -> int:
    """How many levels the parsed tree has."""
    deepest, level = 0, [parsed]
    while level := [child for one in level for child in getattr(one, "children", ())]:
        deepest += 1
    return deepest


@functools.lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", maybe_placeholders=False)


class _Build(Transformer[Token, Node]):
    """Makes nodes of what the parser finds."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self._options = options
        self._since: int | None = None

    def any(self, parts: list[Any]) -> Node:
        """Terms between `OR`."""
        return tree.Or(_flat(tree.Or, parts))

    def all(self, parts: list[Any]) -> Node:
        """Terms beside each other."""
        return tree.And(_flat(tree.And, parts))

    def negated(self, parts: list[Any]) -> Node:
        """`NOT term`."""
        return tree.Not(parts[-1])

    def group(self, parts: list[Any]) -> Node:
        """`( … )`."""
        return cast("Node", parts[1])

    @v_args(inline=True)
    def text(self, token: Token) -> Node:
        """A word, or text in quotes."""
        found = _unquoted(token)
        if not found:
            raise _wrong(token, "there is nothing between the quotes.", "Write what to find, or leave the quotes out.")
        return tree.Text(found, self._options.place, self._options.case)

    @v_args(inline=True)
    def regex(self, token: Token) -> Node:
        """`/expression/`."""
        pattern, case = _expression(token)
        return tree.Regex(pattern, self._options.place, case)

    @v_args(inline=True)
    def field(self, head: Token, value: Token) -> Node:
        """`name=value`, and the other ways to compare."""
        name = str(head).rstrip("!=<>:")
        sign = str(head)[len(name) :]
        if (
            value.type == "ENTIRE"
        ):  # an expression, in which either a blank or a slash may stand: `path=/a/b /x/` are two terms
            value = value.update(type="REGEX")
        forced = name.startswith("fields.") and len(name) > len("fields.")
        name = name[len("fields.") :] if forced else tree.ALIASES.get(name, name)
        node = self._of_name(_Term(head, name, "=" if sign == "!=" else sign, value), forced=forced)
        return tree.Not(node) if sign == "!=" else node

    def _of_name(self, term: "_Term", *, forced: bool) -> Node:  # noqa: PLR0911 - one kind of name a case
        match term.name:
            case _ if forced:
                return self._value(Field(term.name), term)
            case "level":
                return _level(term)
            case "since" | "until":
                return self._time(term)
            case "run":
                return _each(term, partial(_numbered, tree.Run))
            case "pattern":
                return _each(term, partial(_numbered, tree.Pattern))
            case "message" | "raw":
                return self._placed(term)
            case "pid" | "lines" | "line":
                return _each(term, _whole) if term.sign in {":", "="} else _whole(term, str(term.value))
            case "source" | "logger" | "format":
                term.only_equal()
                return _each(term, lambda one, part: self._value(Field(one.name, column=True), one, part))
            case _:
                return self._either(term)

    def _either(self, term: "_Term") -> Node:
        """The value of a field, or one of several words: `status:404,5xx`."""
        several = term.sign == ":" and term.value.type == "VALUE" and _WORDS.fullmatch(term.value)
        words = str(term.value).split(",") if several else [str(term.value)]
        found: list[Node] = []
        for word in words:
            one = term._replace(value=term.value.update(value=word))
            found.append(_widened(Field(term.name), one) or self._value(Field(term.name), one))
        return found[0] if len(found) == 1 else tree.Or(tuple(dict.fromkeys(found)))

    def _time(self, term: "_Term") -> Node:
        term.only_equal()
        try:
            after = self._since if term.name == "until" else None
            at = parse_time(_unquoted(term.value), self._options.now, self._options.zone, after=after)
        except LogsError as error:
            raise _wrong(term.value, error.message, error.hint) from error
        if term.name == "since":
            self._since = at
        return tree.Time(cast("Any", term.name), at)

    def _placed(self, term: "_Term") -> Node:
        term.only_equal()
        place = cast("Place", term.name)
        if term.value.type == "REGEX":
            pattern, case = _expression(term.value)
            return tree.Regex(pattern, place, case, named=True)
        found = _unquoted(term.value)
        if not found:
            raise _wrong(term.value, "there is nothing between the quotes.", "Write what to find.")
        return tree.Text(found, place, self._options.case, named=True)

    def _value(self, field: Field, term: "_Term", part: str | None = None) -> Node:
        """A condition on the value of a field."""
        if term.value.type == "REGEX":
            term.only_equal()
            return tree.Matches(field, *_expression(term.value))
        text = _unquoted(term.value) if part is None else part
        measured = quantity(text)
        if term.sign not in {":", "="}:
            if measured is None:
                raise _wrong(
                    term.value,
                    f"{text[:40]!r} is no number to compare with.",
                    f'Write a number, with a unit where it has one, such as {field.name}>2s, or search for the text: "{term.head}{text[:40]}".',
                )
            return tree.Compares(field, cast("Any", term.sign), *measured, text)
        quoted = term.value.type == "STRING"
        if "*" in text and not quoted:
            return tree.Glob(field, text, self._options.case)
        number = measured is not None and not quoted and not field.column
        if measured is not None and number and (measured.dimension or digits_of(text) is not None):
            return tree.Equals(field, text, self._options.case, *measured)
        if term.sign == "=" or (measured is not None and not field.column):
            return tree.Equals(field, text, self._options.case)
        if not text:
            raise _wrong(
                term.value, "there is nothing between the quotes.", f'Write {field.name}="" with = for an empty value.'
            )
        return tree.Holds(field, text, self._options.case)


_CLASS: Final = re.compile(r"([1-5])(?:xx|XX|\?\?)")
_WORDS: Final = re.compile(r"[\w.*\-]+(?:,[\w.*\-]+)+")
_SIGNED: Final = re.compile(r"([<>]=?)([+-]?[0-9]\S*)")
_FIELD: Final = re.compile(r"[A-Za-z_@](?:[\w.@/\-]*\w)?", re.ASCII)
_LEVEL_NAMES: Final = frozenset({"severity", "lvl", "loglevel", "log_level", "levelname"})


def _widened(field: Field, term: "_Term") -> Node | None:
    """What some values mean beside their text: `status:5xx`, `status:>=500`, `severity:error`, `_exists_:user`; None for all others."""
    value = _unquoted(term.value)
    if term.sign != ":" or field.column or term.value.type == "REGEX":
        return None
    if field.name == "_exists_" and _FIELD.fullmatch(value):
        return tree.Glob(Field(value), "*")
    equal = tree.Equals(field, value)
    if field.name in _LEVEL_NAMES and (number := levels.BY_NAME.get(value.lower())):
        return tree.Or((equal, tree.Level("=", number)))
    return _between(field, value) if term.value.type == "VALUE" else None


def _between(field: Field, value: str) -> Node | None:
    """The numbers that `5xx` or `>=500` means."""
    kind, signed = _CLASS.fullmatch(value), _SIGNED.fullmatch(value)
    if kind is not None:
        least, below = int(kind[1]) * 100, int(kind[1]) * 100 + 100
        high = tree.Compares(field, "<", below, "", str(below))
        numbers = tree.And((tree.Compares(field, ">=", least, "", str(least)), high))
        return tree.Or((tree.Equals(field, value), numbers))
    measured = quantity(signed[2]) if signed is not None else None
    return tree.Compares(field, cast("Any", signed[1]), *measured, signed[2]) if signed and measured else None


class _Term(NamedTuple):
    head: Token
    name: str
    sign: str
    value: Token

    def only_equal(self) -> None:
        """Refuse a comparison.

        Raises:
            QueryWrong: it is one.
        """
        if self.sign not in {":", "="}:
            raise _wrong(
                self.head, f"{self.name} cannot be compared with {self.sign}.", f"Write {self.name}:{self.value}."
            )


def _level(term: _Term) -> Node:
    if term.sign in {":", "="}:
        return _each(term, lambda one, part: tree.Level("=", _level_number(one, part)))
    number = _level_number(term, _unquoted(term.value))
    if number == levels.UNKNOWN:
        raise _wrong(term.value, "an unknown level is neither above nor below another.", "Write level:unknown.")
    return tree.Level(cast("Any", term.sign), number)


def _level_number(term: _Term, word: str) -> int:
    if word.lower() in {"unknown", "none", "null"}:
        return levels.UNKNOWN
    number = levels.BY_NAME.get(word.lower()) or levels.of_word(word)
    if not number or not word.isalnum():
        near = f"Write level{term.sign}{levels.NAMES[number]}. " if number else ""
        raise _wrong(
            term.value,
            f"there is no level {word[:40]!r}.",
            f"{near}Levels are trace, debug, info, warn, error, fatal and unknown.",
        )
    return number


def _numbered(kind: type[tree.Run] | type[tree.Pattern], term: _Term, text: str) -> Node:
    """What is named by a number or by a text."""
    term.only_equal()
    number = int(text) if text.isascii() and text.isdigit() and int(text) < _BIGGEST else None
    return kind(text if number is None else str(number), number)


def _whole(term: _Term, text: str) -> Node:
    text = text.strip('"')
    if not (text.isascii() and text.isdigit() and int(text) < _BIGGEST):
        raise _wrong(term.value, f"{text[:40]!r} is no whole number.", f"Write {term.name}{term.sign}42.")
    sign = "=" if term.sign == ":" else term.sign
    return tree.Whole(cast("Any", term.name), cast("Any", sign), int(text))


def _each(term: _Term, one: Any) -> Node:
    """`name:a,b` as one of both."""
    if term.value.type != "VALUE":
        return cast("Node", one(term, _unquoted(term.value)))
    parts = tuple(dict.fromkeys(one(term, part) for part in str(term.value).split(",") if part))
    if not parts:
        raise _wrong(term.value, f"a value is missing for {term.name}.", f"Write {term.name}:VALUE.")
    return cast("Node", parts[0]) if len(parts) == 1 else tree.Or(parts)


def _expression(token: Token) -> tuple[str, bool]:
    """The expression and whether it regards case.

    Raises:
        QueryWrong: it is wrong.
    """
    case = token.endswith("/")
    pattern = str(token)[1 : -1 if case else -2]
    try:
        compiled(pattern, case=case)
    except LogsError as error:
        raise _wrong(token, error.message[0].lower() + error.message[1:], error.hint) from error
    return pattern, case


def _unquoted(token: Token) -> str:
    """What the term stands for: without quotes, and with an escaped quote or backslash as one character."""
    if token.type != "STRING":
        return str(token)
    parts = str(token)[1:-1].split("\\\\")
    return "\\".join(part.replace('\\"', '"') for part in parts)


def _flat(kind: type[tree.And] | type[tree.Or], parts: list[Any]) -> tuple[Node, ...]:
    found: list[Node] = []
    for part in parts:
        if isinstance(part, Token):
            continue
        found.extend(part.parts if isinstance(part, kind) else [part])
    return tuple(found)


def _wrong(token: Token, message: str, hint: str) -> QueryWrong:
    start = token.start_pos or 0
    return QueryWrong(message, hint=hint, start=start, end=start + len(token))
