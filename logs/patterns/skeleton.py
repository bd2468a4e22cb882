"""The skeleton of a message: its words, with everything that is a value by its form taken out.

What counts as a value wherever it stands: a word with a digit in it, a path or an address, what follows a key and `=`, a date in words beside a number, a
unit behind a number. Values side by side, and lists of them, are one. What cannot be told from one message alone is left to the miner.
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
_UNIT: Final = re.compile(
    r"(?:[KMGTP]i?B|[kmgt]?[bB]|bytes?|[KMG]i?B/s|[nmuµ]?s|ms|secs?|seconds?|mins?|minutes?|hours?|h|days?|[kMG]?Hz|%)", re.IGNORECASE
)  # fmt: skip
_DATED: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
)
_LIST: Final = frozenset({",", ":", "/", "|", ";"})
_OPEN: Final = {")": "(", "]": "[", "}": "{"}
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
        if text.isalpha():
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
        piece = _PIECE.match(message, at, end)
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
        or ("." in word and _HOST.fullmatch(word) is not None)
        or ("@" in word[1:-1])
    )


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Values side by side as one, with their units and the dates they belong to; lists of values as one value; empty brackets hold one, too."""
    found: list[Piece] = []
    for piece in pieces:
        text, begin, end = piece
        before = found[-1] if found else None
        if before is not None and before.text == VALUE and _UNIT.fullmatch(text):
            found[-1] = Piece(VALUE, before.begin, end)
            continue
        if text == VALUE:
            while found and (found[-1].text == VALUE or _DATED.fullmatch(found[-1].text)):
                begin = found.pop().begin
            if len(found) > 1 and found[-1].text in _LIST and found[-2].text == VALUE:
                found.pop()
                begin = found.pop().begin
        elif before is not None and text in _OPEN and before.text == _OPEN[text]:
            found.append(Piece(VALUE, begin, begin))
        found.append(Piece(text, begin, end))
    return found
