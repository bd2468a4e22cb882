"""A line cut into fields: words and bracketed groups, with what stands between them; and which field holds a level, and how."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from logs.core import levels

CLOSES: Final = {"[": "]", "(": ")", "<": ">", "{": "}", "": ""}
WIDE: Final = "\u3010\u3011\uff3b\uff3d\u300c\u300d"
"""Brackets of East Asian texts; they count as what stands between fields."""
_FIRST: Final = rf"[^\s\[\](){{}}<>|,;:\"\-\u2013\u2014#*=~/.\u203a»{WIDE}]"
WORD: Final = rf"{_FIRST}[^\s\[\](){{}}<>|,;:\"{WIDE}]*"
_SEPARATORS: Final = frozenset({"", ":", "-", "--", "|", "\u2013", "\u2014", ",", ";", ">"})
"""What often stands between a header and its message."""
GAP: Final = rf"[ \t:|;,\-\u2013\u2014>#*=~/.\"\u203a»{WIDE}]*"
"""What may stand between a group and the next field."""
_STEP: Final = rf"[ \t:|;,>\"{WIDE}]{GAP}"
"""What stands between a word and the next field: it begins with what is in no word."""
_GROUP: Final = r"(?:\[[^\[\]\n]*\]|\([^()\n]*\)|<[^<>\n]*>|\{[^{}\n]*\})"
UNIT: Final = rf"(?:{WORD}{_GROUP}*{_STEP}|{_GROUP}{GAP})"
"""One field and what follows it; at most one way to match a text."""
_FIELD = re.compile(
    rf"(?P<gap>{GAP}(?:[\[({{<]{GAP})??)(?:\[(?P<square>[^\[\]]*)\]|\((?P<round>[^()]*)\)|<(?P<angle>[^<>]*)>|\{{(?P<curly>[^{{}}]*)\}}|(?P<word>{WORD}))"
)
_OPENS: Final = {"square": "[", "round": "(", "angle": "<", "curly": "{", "word": ""}
_LAST = re.compile(r"(?s)(.*[\W_])([^\W_]+!?)\W*$")
_INITIAL = re.compile(r"([^\W_]+!?)([\W_].*)$")
_INNER = re.compile(r"[^/|@]+[/|@]([\w!]+)[/|@].+$")
_GRADE = re.compile(r"(?<=[A-Z]{3})[-_]L?\d{1,2}$")
_DECORATED = re.compile(r"[\-*_~=.+|^%$& «]+([\w!]+)[\-*_~=.+|^%$& »]+$")


_FACILITY = re.compile(
    r"(?:kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|ntp|security|console|local[0-7])\.$"
)
"""Where syslog says what a line is of, in front of its level: `daemon.info`."""


class Field(NamedTuple):
    """A word, or a group in brackets; `gap` is what stands before it."""

    begin: int
    end: int
    gap: str
    opens: str
    text: str


class Slot(NamedTuple):
    """How a field holds a level: in which brackets, with something before or behind it in the same field, and in which style."""

    opens: str
    before: bool
    behind: bool
    style: str

    @property
    def place(self) -> tuple[str, bool, bool]:
        """The slot whatever the style: one file may write `INFO` and `ERR!`."""
        return self.opens, self.before, self.behind

    @property
    def kind(self) -> str:
        """Word, letter, mark, or sign: one file may have a mark and a word side by side."""
        return "letter" if self.style == "small" else self.style if self.style in {"letter", "mark", "sign"} else "word"


def fields(text: str, begin: int, limit: int) -> list[Field]:
    """The first fields of `text` from `begin` on, at most `limit`."""
    result: list[Field] = []
    while len(result) < limit:
        match = _FIELD.match(text, begin)
        if match is None:
            break
        kind = match.lastgroup or "word"
        result.append(Field(match.start(kind) - (kind != "word"), match.end(), match["gap"], _OPENS[kind], match[kind]))
        begin = match.end()
    return result


def slot_of(field: Field) -> Slot | None:
    """How the field holds a level; None when it holds none."""
    text = field.text.strip()
    style = levels.style(text)
    if field.opens in {"[", ""} and text in levels.SMALL:
        style = "small"
    elif field.opens == "[" and text in levels.SIGNS:
        style = "sign"
    if style is not None:
        return Slot(field.opens, before=False, behind=False, style=style)
    decorated = _DECORATED.match(text)
    if decorated and (style := levels.style(decorated[1])):
        return Slot(field.opens, before=True, behind=True, style=style)
    text = _GRADE.sub("", text)
    last = _LAST.match(text)
    if (
        last
        and (style := levels.style(last[2]))
        and (_allows(field, last[1][-1], style) or (style == "lower" and _FACILITY.match(last[1])))
    ):
        return Slot(field.opens, before=True, behind=False, style=style)
    inner = _INNER.match(text)
    if inner and (style := levels.style(inner[1])) == "upper":
        return Slot(field.opens, before=True, behind=True, style=style)
    first = _INITIAL.match(text)
    if (
        first
        and (style := levels.style(first[1]))
        and (_allows(field, first[2][0], style) or first[2] == "@" or _framed(field.gap, first[2]))
    ):
        return Slot(field.opens, before=False, behind=True, style=style)
    return None


def _framed(gap: str, rest: str) -> bool:
    """Whether the signs behind a level are those before it: `*INFO*`."""
    return rest[0] in "*~=+" and not rest.strip(rest[0]) and gap.endswith(rest)


def _allows(field: Field, between: str, style: str) -> bool:
    """Whether what joins a level to its neighbour is no part of a word: brackets hold any, outside of them only few signs join."""
    if style == "letter":
        return between in "/ |:" if field.opens else between in "/|"
    return between in "/ #:.|,=@-_" if field.opens else between in "/#=" or (between in ".-_" and style == "upper")


def level_pattern(place: tuple[str, bool, bool], styles: tuple[str, ...]) -> str:
    """An expression for a field that holds a level in this place (see `Slot`), with the group `level`."""
    opens, before, behind = place
    word = f"(?P<level>{levels.alternatives(styles)})"
    if "upper" in styles and not behind:
        word += r"(?:[\-_]L?\d{1,2}|\[\d{1,2}\])?"  # how much of it: `VERBOSE-2`, `TRACE_L1`, `VLOG[2]`
    if not opens:
        ahead = r"(?:[^\s\[\](){}<>|,;]{0,64}[^A-Za-z0-9\s\[\](){}<>|,;])" if before else ""
        rest = r"[^\w\s\[\](){}<>|,;:][^\s\[\](){}<>|,;:]*" if behind else ""
        return ahead + (levels.NO_FIGURE if not before else "") + word + rest
    closes = re.escape(CLOSES[opens])
    inside = rf"[^{re.escape(opens)}{closes}\n]*"
    ahead = rf"(?:{inside}[^A-Za-z0-9{re.escape(opens)}{closes}\n])" if before else r"[ \t]*"
    rest = rf"(?:[^\w{closes}\n]{inside})?" if behind else r"[ \t]*"
    return rf"{re.escape(opens)}{ahead}{word}{rest}{closes}"


def gap_pattern(gap: str) -> str:
    """An expression for what stands between two fields, however many blanks it has."""
    return "".join(r"[ \t]+" if part.isspace() else re.escape(part) for part in re.split(r"(\s+)", gap) if part)


def own_ends(ends: Iterable[str]) -> Counter[str]:
    """How often each end closes a header. Signs that stand behind an end which many lines have begin a message: `*** done ***`, `--- a/file.py`."""
    counts = Counter(ends)
    plain = [end for end, count in counts.items() if count * 4 >= counts.total() and end.strip() in _SEPARATORS]
    plain.sort(key=len, reverse=True)
    found = Counter[str]()
    for end, count in counts.items():
        own = (one for one in plain if end.startswith(one) and end[len(one) :].strip() not in _SEPARATORS)
        found[next(own, end)] += count
    return found


def field_pattern(field: Field) -> str:
    """An expression for any field of this kind."""
    if field.opens:
        closes = re.escape(CLOSES[field.opens])
        return rf"{re.escape(field.opens)}[^{re.escape(field.opens)}{closes}\n]*{closes}"
    return r"\d+" if field.text.isdigit() else WORD


def signs_tell(rows: Sequence[Sequence[Field]]) -> bool:
    """Whether signs between brackets tell of success and of trouble; a dash alone is there for want of a name."""
    signs = {field.text for row in rows for field in row if field.opens == "[" and field.text in levels.SIGNS}
    return bool(signs & {"*", "+"}) and len(signs) > 1


def letters_tell(rows: Sequence[Sequence[Field]]) -> bool:
    """Whether an asterisk stands between brackets where other lines begin with letters for levels: `[*]` beside `[W]`."""
    firsts = [row[0].text for row in rows if row and row[0].opens == "["]
    letters = {text for text in firsts if levels.style(text) == "letter"}
    return "*" in firsts and len(letters) > 1
