"""The skeleton of a message: its words, with everything that is a value by its form taken out.

What counts as a value wherever it stands: a word with a digit in it, a path, an address or a file, what follows a key and `=`, a date in words beside a number,
a unit behind a number, what languages print for nothing and for yes and no, an object as Python prints it. Values side by side, and lists of them, are one.
What cannot be told from one message alone is left to the miner.
"""

import re
from typing import Final, NamedTuple

VALUE: Final = "*"
"""Stands for a value in a skeleton."""
Skeleton = tuple[str, ...]

_CHUNK: Final = re.compile(r"\S+")
_STOPS: Final = r"\s()\[\]{}<>\"'`,;|="
_PLACE: Final = re.compile(r"(?:[A-Za-z][\w+.-]*://|~?/|[A-Za-z]:\\)[^\s\"'<>|,;()\[\]]+")
_PIECE: Final = re.compile(rf"[()\[\]{{}}<>\"'`,;|=]|[^{_STOPS}]+?(?=:?(?:[{_STOPS}]|$))|:")
_ASSIGNED: Final = re.compile(rf"[^{_STOPS}]+")
_HOST: Final = re.compile(
    r"(?:[a-z0-9-]+\.)+(?:com|net|org|edu|gov|mil|info|io|dev|local|localdomain|internal|lan|arpa)|(?:[a-z0-9-]+\.){2,}[a-z]{2}"
)  # fmt: skip
_BEFORE_A_PLACE: Final = frozenset("([{<\"'=,:;|`")
_AFTER_A_NAME: Final = frozenset("\"'`)]}")
_UNIT: Final = re.compile(
    r"(?:[KMGTP]i?B|[kmgt]?[bB]|bytes?|[KMG]i?B/s|[nmuµ]?s|ms|secs?|seconds?|mins?|minutes?|hours?|h|days?|[kMG]?Hz|%)", re.IGNORECASE
)  # fmt: skip
_DATED: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
)
_LIST: Final = frozenset({",", ":", "/", "|", ";"})
_OPEN: Final = {")": "(", "]": "[", "}": "{"}
_BRACKETS: Final = frozenset(_OPEN.values())
_QUOTES: Final = frozenset("'\"`")
_ENDS: Final = frozenset(")]}>,;:|")
_BEFORE_A_VALUE: Final = frozenset({"=", ":"})
_MOST_QUOTED: Final = 40
"""Pieces that a quoted value may have."""
_KINDS: Final = frozenset({"bound", "function", "built-in", "module"})
"""How Python begins to print what else than an object it prints in angle brackets."""
_NOTHING: Final = frozenset({"None", "True", "False", "true", "false", "null", "nil", "undefined", "NaN", "nan"})
"""What languages print for a value that is not there, or is one of two."""
_FILE: Final = re.compile(
    r"[\w.@+-]*\w\.(?:py|js|ts|html?|css|md|rst|txt|log|json|ya?ml|toml|ini|cfg|conf|xml|csv|tsv|sql|db|sqlite|png|jpe?g|gif|svg|pdf|zip|gz|tar|whl|jar|so|dll|exe|sh|lock|pid|sock|tmp|bak)"
)
_CLASS: Final = re.compile(r"[A-Z][\w.$]*[a-z][\w.$]*|[a-z][\w$]*(?:\.[\w$]+)*\.[A-Z][\w.$]*")
"""The name of a class, as an object begins with that a program prints with its fields: `Lease{id=7, owner=ada}`."""
LONGEST: Final = 4000
"""Characters of a message that are looked at."""


class Piece(NamedTuple):
    """A word, a sign or a value of a message, from `begin` to `end`."""

    text: str
    begin: int
    end: int


def pieces_of(message: str) -> list[Piece]:
    """The pieces of a message in order; those with the text `VALUE` are values."""
    found: list[Piece] = []
    for chunk in _CHUNK.finditer(message[:LONGEST]):
        text = chunk[0]
        if text.isalpha() and text not in _NOTHING:
            found.append(Piece(text, chunk.start(), chunk.end()))
        else:
            _split(message, chunk.start(), chunk.end(), found)
    return _joined(found)


def skeleton_of(message: str) -> Skeleton:
    """The texts of the pieces alone."""
    return tuple(piece.text for piece in pieces_of(message))


def _split(message: str, at: int, end: int, found: list[Piece]) -> None:
    """The pieces of what stands between two blanks."""
    begin = at
    while at < end:
        if at == begin or message[at - 1] in _BEFORE_A_PLACE:
            place = _PLACE.match(message, at, end)
            if place:
                found.append(Piece(VALUE, at, place.end()))
                at = place.end()
                continue
        names = message[at] == ":" and at > begin and message[at - 1] in _AFTER_A_NAME
        piece = None if names else _PIECE.match(message, at, end)
        stop = piece.end() if piece else at + 1
        text = message[at:stop]
        has_key = text == "=" and at > begin and found and found[-1].end == at
        found.append(Piece(VALUE if _is_value(text) else text, at, stop))
        at = stop
        if has_key and (value := _ASSIGNED.match(message, at, end)):
            found.append(Piece(VALUE, at, value.end()))
            at = value.end()


def _is_value(word: str) -> bool:
    return (
        any(sign.isdigit() for sign in word)
        or word in _NOTHING
        or ("." in word and (_HOST.fullmatch(word) is not None or _FILE.fullmatch(word) is not None))
        or ("@" in word[1:-1])
    )


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Values side by side as one, with their units and the dates they belong to; lists of values, and objects as Python prints them, as one value; empty brackets hold one, too."""
    found: list[Piece] = []
    at = 0
    while at < len(pieces):
        text, begin, end = pieces[at]
        before = found[-1] if found else None
        if text in _QUOTES and before is not None and (close := _closing(pieces, at, before)):
            found.append(Piece(VALUE, end, pieces[close].begin))
            at = close + 1
            continue
        at += 1
        if before is not None and before.text == VALUE and _UNIT.fullmatch(text):
            found[-1] = Piece(VALUE, before.begin, end)
            continue
        if text == VALUE:
            while found and (found[-1].text == VALUE or _DATED.fullmatch(found[-1].text)):
                begin = found.pop().begin
            if len(found) > 1 and found[-1].text in _LIST and found[-2].text == VALUE:
                found.pop()
                begin = found.pop().begin
        elif text == ">" and (opened := _object(found, begin)) is not None:
            begin, text = found[opened].begin, VALUE
            del found[opened:]
        elif before is not None and text in _OPEN and before.text == _OPEN[text]:
            found.append(Piece(VALUE, begin, begin))
        found.append(Piece(text, begin, end))
        if text in _OPEN:
            _enclosed(found)
    return found


def lists_as_one(words: Skeleton) -> Skeleton:
    """A skeleton some words of which have become values: lists of them as one value."""
    if not any(word in _OPEN for word in words):
        return words
    found: list[Piece] = []
    for word in words:
        found.append(Piece(word, 0, 0))
        if word in _OPEN:
            _enclosed(found)
    return tuple(piece.text for piece in found)


def without_fields(words: Skeleton, *, names: bool) -> Skeleton:
    """A skeleton that has one value in place of the fields of each object that it prints: `Lease{id=7, owner=ada}`, `Lease@1f3a[id=7]`; with `names` in place of each such object."""
    if "=" not in words or not any(word in _OPEN for word in words):
        return words
    found: list[str] = []
    opened: list[tuple[int, bool]] = []
    """Where a bracket is open, and whether a field stands in it."""
    for word in words:
        found.append(word)
        if word in _BRACKETS:
            opened.append((len(found) - 1, False))
        elif word == "=" and opened:
            opened[-1] = opened[-1][0], True
        elif opened and _OPEN.get(word) == found[opened[-1][0]]:
            begin, fields = opened.pop()
            name = found[begin - 1] if begin else ""
            if fields and (name == VALUE or _CLASS.fullmatch(name)):
                whole = names and (begin > 1 or name == VALUE)  # what begins a message says what it is about
                found[begin - whole :] = [VALUE] if whole else [found[begin], VALUE, word]
    return lists_as_one(tuple(word for at, word in enumerate(found) if word != VALUE or found[at - 1 : at] != [VALUE]))


def _closing(pieces: list[Piece], at: int, before: Piece) -> int | None:
    """Where a quoted value ends that begins behind `=`, or behind `:` if it is more than one word, which may be a state; None if none does."""
    quote, begin, _ = pieces[at]
    assigned = before.text == "=" and before.end == begin
    if not assigned and not (before.text == ":" and begin - before.end <= 1):
        return None
    for number in range(at + 1, min(at + _MOST_QUOTED, len(pieces))):
        if pieces[number].text == quote:
            behind = pieces[number + 1] if number + 1 < len(pieces) else None
            if behind is None or behind.begin > pieces[number].end or behind.text in _ENDS:
                return number if assigned or number != at + 2 else None
    return None


def _object(found: list[Piece], end: int) -> int | None:
    """Where an object begins that `>` ends here, as Python prints it: `<Task at 0x7f31>`, `<bound method Task.run of Task(7)>`; None if it is none."""
    if not found or found[-1].end != end:
        return None
    depth = 0
    for number in range(len(found) - 1, max(-1, len(found) - _MOST_QUOTED), -1):
        if found[number].text == ">":
            depth += 1
        elif found[number].text == "<":
            if not depth:
                inner = found[number + 1 :]
                is_one = inner[:1] and (
                    inner[0].text in _KINDS or [piece.text for piece in inner[-2:]] == ["at", VALUE]
                )
                return number if is_one and inner[0].begin == found[number].end else None
            depth -= 1
    return None


def _enclosed(found: list[Piece]) -> None:
    """What stands in brackets that end here is one value if it is nothing but values: `['a1', 'a2']`, `(7,)`. Behind `=` or `:` the brackets are a part of it, as `None`, `[]` and `['a1']` stand in the same place."""
    opened = _opening(found)
    if opened is None or opened == len(found) - 2:
        return
    value = Piece(VALUE, found[opened + 1].begin, found[-2].end)
    if opened and found[opened - 1].text in _BEFORE_A_VALUE:
        found[opened:] = [value]
    else:
        found[opened + 1 : -1] = [value]


def _opening(found: list[Piece]) -> int | None:
    """Where brackets begin that end here, if values, texts in quotes and commas are all that is in them; None if there is more, or a text that is alone in parentheses."""
    at, values, commas, words = len(found) - 2, 0, 0, 0
    while at >= 0:
        text = found[at].text
        if text in _QUOTES:
            last = at
            at = next((n for n in range(at - 1, max(-1, at - _MOST_QUOTED), -1) if found[n].text == text), -1)
            values, words = values + 1, words + any(piece.text != VALUE for piece in found[at + 1 : last])
        elif text == VALUE:
            values += 1
        elif text == ",":
            commas += 1
        else:
            break
        at -= 1
    if at < 0 or not values or found[at].text != _OPEN[found[-1].text]:
        return None
    return None if words and not commas and found[at].text == "(" else at
