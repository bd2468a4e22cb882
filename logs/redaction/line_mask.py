"""Hiding secrets in blocks of lines, fast: what is a secret, another part decides; here is only asked where one could be."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from logs.redaction.late import late
from logs.redaction.masker import Masker
from logs.redaction.suspects import compiled

_KEY_BEGINS: Final = "-----BEGIN "
_KEY_ENDS: Final = "-----END "
_KEY_LINES: Final = 400
_COUNTED: Final = late(r"Private-Lines:[ \t]*(\d{1,3})\b")
"""PuTTY's files say how many lines of the key follow."""
HIDDEN: Final = "***"
_OPEN: Final = late(
    r"(?:\b(?:name|key)[\"']?:[ \t]*[\"']?[\w.-]+[\"']?,?|=>|:[ \t]*[|>][+-]?|^(?:variable|output)[ \t]+\"[\w.-]+\"[ \t]*\{|\b334[ \t]\S+|\bUSER[ \t]+\S+|\bchpasswd[\"']?:)[\\rn\"']{0,5}\s*\Z"
)
"""How a line ends whose value is below it."""
_TAIL: Final = 100
_OPEN_MARKS: Final = ("name:", 'name"', "name'", "key:", 'key"', "key'", "334 ", "USER ", "chpasswd")
_OPEN_ENDS: Final = (">", "|", "-", "+", "{")
_BELOW: Final = 6
"""So many lines are looked at for it."""


class LineMask:
    """Masks the lines of a text; their number stays.

    Args:
        mask: hides the secrets of one line; the same text when there are none.
        suspect: an RE2 expression that every line with a secret matches, so that the others need not be looked at; None: all are.
    """

    def __init__(self, mask: Callable[[str], str], suspect: str | None = None) -> None:
        self._mask = mask
        self._suspect: Any = compiled(suspect) if suspect is not None else None

    def __call__(self, text: str) -> str:
        """The text with its secrets hidden; the very same object when there are none."""
        if self._suspect is not None:
            data = text.encode("utf-8", "surrogatepass")
            found = self._suspected(data, None)
            if not found:
                return text
            lines = text.split("\n")
        else:
            lines = text.split("\n")
            found = list(range(len(lines)))
        changed = _hide_keys(lines) if _KEY_BEGINS in text or "Private-Lines:" in text else False
        for number in found:
            line = lines[number]
            masked = self._mask(line)
            if _is_open(line) and (below := self._with_next(lines, number)):
                lines[number : number + len(below)], changed = below, True
                continue
            if masked != line:
                lines[number], changed = masked.replace("\n", " "), True
        return "\n".join(lines) if changed else text

    def _with_next(self, lines: list[str], number: int) -> list[str]:
        """A line and those below it that hold its value, masked; none where nothing below is a secret."""
        block = lines[number : number + _BELOW]
        masked = self._mask("\n".join(block)).split("\n")
        return masked if len(masked) == len(block) and masked[1:] != block[1:] else []

    def suspects(self, data: bytes, ends: npt.NDArray[np.int64]) -> list[int] | None:
        """Numbers of the lines of `data` that may hold a secret, where they end at `ends`; None when any may."""
        return self._suspected(data, ends) if self._suspect is not None else None

    def _suspected(self, data: bytes, ends: npt.NDArray[np.int64] | None) -> list[int]:
        found: list[int] = []
        for match in self._suspect.finditer(data):
            if ends is None:
                ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
            number = int(np.searchsorted(ends, match.start()))
            # A match that reaches into the next lines hides what would be found in them.
            last = number + data.count(b"\n", match.start(), match.end())
            found += range(max(number, found[-1] + 1) if found else number, last + 1)
        return found


def _is_open(line: str) -> bool:
    """Whether the value of this line is below it."""
    tail = line[-_TAIL:].rstrip()
    may = tail.endswith(_OPEN_ENDS) or any(mark in tail for mark in _OPEN_MARKS)
    return may and _OPEN.search(tail) is not None


def mask_of(patterns: Sequence[str]) -> LineMask:
    """The mask of a masker with these further patterns."""
    masker = Masker(patterns)
    return LineMask(masker.mask_text, masker.suspect)


def masker_of(mask: Callable[[str], str]) -> Masker | None:
    """The masker whose method `mask` is; None when it is some other function."""
    owner = getattr(mask, "__self__", None)
    return owner if isinstance(owner, Masker) and mask == owner.mask_text else None


def suspect_of(mask: Callable[[str], str]) -> str | None:
    """What every text matches in which `mask` would hide something; None when that is not known."""
    masker = masker_of(mask)
    return masker.suspect if masker is not None else None


def _hide_keys(lines: list[str]) -> bool:
    """A private key goes over many lines: all behind its first are hidden."""
    changed, number = False, 0
    while number < len(lines):
        if _KEY_BEGINS in lines[number] and "PRIVATE KEY" in lines[number] and _KEY_ENDS not in lines[number]:
            number += 1
            last = min(len(lines), number + _KEY_LINES)
            while number < last and _KEY_ENDS not in lines[number]:
                lines[number], changed = HIDDEN, True
                number += 1
        elif (counted := _COUNTED.search(lines[number])) is not None:
            for _ in range(min(int(counted[1]), len(lines) - number - 1)):
                number += 1
                lines[number], changed = HIDDEN, True
        number += 1
    return changed
