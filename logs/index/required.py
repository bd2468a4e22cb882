"""The texts that must stand in whatever an RE2 expression matches."""

import re
from dataclasses import dataclass
from typing import Final

_DEEPEST: Final = 60
_FLAGS: Final = re.compile(r"\(\?(?P<on>[imsU]*)(?:-(?P<off>[imsU]+))?(?P<end>[:)])")
_NAMED: Final = re.compile(r"\(\?P?<[^>]+>")
_REPEATED: Final = re.compile(r"(?:[*?+]|\{(?P<least>\d+)(?:,\d*)?\})")
_LEAST: Final = {"*": 0, "?": 0, "+": 1}
_CODE: Final = re.compile(r"\\x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})")
_PROPERTY: Final = re.compile(r"\\[pP](?:\{[^}]*\}|[A-Za-z])")
_NAMED_CLASS: Final = re.compile(r"\[:\^?[a-z]+:\]")
_KINDS: Final = frozenset("dDwWsSC")
_NO_WIDTH: Final = frozenset("bBAz")
_CONTROLS: Final = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Literal:
    """This text; `case`: as it is written, else in any case."""

    text: str
    case: bool


@dataclass(frozen=True, slots=True)
class Every:
    """All of the parts."""

    parts: "tuple[Need, ...]"


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of the parts."""

    parts: "tuple[Need, ...]"


@dataclass(frozen=True, slots=True)
class Number:
    """A number behind this name compares so (`<`, `<=`, `>`, `>=`, `=`) with `number`: as it stands there or, where that is `measured`, in a base unit, where one without a unit counts `bare`."""

    name: str
    operator: str
    number: float
    measured: bool = False
    bare: float = 1.0


Need = Literal | Number | Every | Some
"""What a text must contain."""


def every(parts: "list[Need]") -> Need | None:
    """All of these; None where there are none."""
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def some(parts: "list[Need | None]") -> Need | None:
    """One of these; None (nothing is needed) if one of them needs nothing."""
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    return known[0] if len(known) == 1 else Some(tuple(known))


def required(pattern: str, *, case: bool) -> Need | None:
    r"""What every text must contain in which the expression finds something; None where that cannot be told.

    Args:
        pattern: an RE2 expression that compiles.
        case: whether case counts where the expression does not say so.

    >>> required(r"shard id=\d+", case=True)
    Literal(text='shard id=', case=True)
    >>> required(r"a?b*|c", case=True) is None
    True
    """
    reader = _Reader(pattern)
    try:
        return reader.read(case=case)
    except _Unclear:
        return None


class _Unclear(Exception):
    """Something whose meaning is not certain here."""


class _Nothing:
    """A part that takes no characters: an anchor, or flags, after which `case` holds."""

    def __init__(self, *, case: bool) -> None:
        self.case = case


_Part = str | _Nothing | Need | None
"""One part of a sequence: a single character, nothing, or what is needed of something else."""


class _Run:
    """Characters side by side, and what was needed before them."""

    def __init__(self) -> None:
        self.parts: list[Need] = []
        self._text = ""
        self._case = True

    def add(self, char: str, *, case: bool) -> None:
        if case != self._case:
            self.end()
        self._text, self._case = self._text + char, case

    def end(self) -> None:
        if self._text:
            self.parts.append(Literal(self._text, self._case))
        self._text = ""


class _Reader:
    """Reads one expression from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0

    def read(self, *, case: bool) -> Need | None:
        found = self._alternatives(case=case)
        if self._at < len(self._pattern):
            raise _Unclear
        return found

    def _alternatives(self, *, case: bool) -> Need | None:
        branches = []
        while True:
            branch, case = self._sequence(case=case)
            branches.append(branch)
            if self._next() != "|":
                return some(branches)
            self._at += 1

    def _sequence(self, *, case: bool) -> tuple[Need | None, bool]:
        """What a sequence needs, and whether case counts after it."""
        run = _Run()
        while self._next() not in {"", "|", ")"}:
            part = self._part(case=case)
            least = self._least()
            if isinstance(part, _Nothing):
                case = part.case
            elif isinstance(part, str):
                if least != 0:
                    run.add(part, case=case)
                if least is not None:  # repeated: something else may stand between this one and the next
                    run.end()
                if least:
                    run.add(part, case=case)
            else:
                run.end()
                if part is not None and least != 0:
                    run.parts.append(part)
        run.end()
        return every(run.parts), case

    def _part(self, *, case: bool) -> _Part:
        char = self._next()
        if char == "(":
            return self._group(case=case)
        if char == "[":
            return self._class()
        if char == "\\":
            return self._escape(case=case)
        if char in "*+?":
            raise _Unclear
        self._at += 1
        if char == ".":
            return None
        return _Nothing(case=case) if char in "^$" else char

    def _least(self) -> int | None:
        """How often the part before must occur at least; None if exactly once."""
        found = _REPEATED.match(self._pattern, self._at)
        if found is None:
            return None
        self._at = found.end()
        if self._next() == "?":
            self._at += 1
        if _REPEATED.match(self._pattern, self._at):
            raise _Unclear
        return _LEAST[found[0]] if found["least"] is None else int(found["least"])

    def _group(self, *, case: bool) -> _Part:
        inner = case
        if flags := _FLAGS.match(self._pattern, self._at):
            inner = ("i" not in flags["on"] and case) or "i" in (flags["off"] or "")
            self._at = flags.end()
            if flags["end"] == ")":
                return _Nothing(case=inner)
        elif named := _NAMED.match(self._pattern, self._at):
            self._at = named.end()
        elif self._pattern.startswith("(?", self._at):
            raise _Unclear
        else:
            self._at += 1
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Unclear
        found = self._alternatives(case=inner)
        self._depth -= 1
        if self._next() != ")":
            raise _Unclear
        self._at += 1
        return found

    def _class(self) -> _Part:
        """One of several characters; a class of one is this one."""
        begin = self._at + 1
        at = begin + (self._pattern[begin : begin + 1] == "^")
        first = True
        while first or self._pattern[at : at + 1] != "]":
            if at >= len(self._pattern):
                raise _Unclear
            named = _NAMED_CLASS.match(self._pattern, at)
            at = named.end() if named else at + (2 if self._pattern[at] == "\\" else 1)
            first = False
        self._at = at + 1
        inside = self._pattern[begin:at]
        return inside if len(inside) == 1 and inside not in "^\\" else None

    def _escape(self, *, case: bool) -> _Part:
        kind = self._pattern[self._at + 1 : self._at + 2]
        if code := _CODE.match(self._pattern, self._at):
            self._at = code.end()
            return chr(int(code[1] or code[2], 16))
        if known := _PROPERTY.match(self._pattern, self._at):
            self._at = known.end()
            return None
        self._at += 2
        if kind in _KINDS:
            return None
        if kind in _NO_WIDTH:
            return _Nothing(case=case)
        if kind in _CONTROLS:
            return _CONTROLS[kind]
        if not kind or kind.isalnum():
            raise _Unclear
        return kind

    def _next(self) -> str:
        """The next character; empty at the end."""
        return self._pattern[self._at : self._at + 1]
