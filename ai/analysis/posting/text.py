"""The readable text of a posting, with the place of each character in the original.

Postings come as plain text or as HTML; tags, scripts and entities are noise for rules and models alike, but evidence
must point into what the user gave.
"""

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ai.core.errors import InputError
from ai.shapes.posting import MAX_POSTING

_TAG: Final = re.compile(
    r"<!--.*?-->|<![a-zA-Z][^>]*>|<(script|style|head|noscript|nav|footer|svg|button|template)\b[^>]*>.*?</\1\s*>|</?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?/?>",
    re.DOTALL | re.IGNORECASE,
)
_BREAKS: Final = re.compile(
    r"</?(?:p|br|li|ul|ol|div|tr|td|th|h[1-6]|section|article|header|footer|table)\b", re.IGNORECASE
)
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_FIRST_MARK: Final = "\u0300"
_BLANK: Final = {
    "\u00a0": " ",
    "\u202f": " ",
    "\u2009": " ",
    "\t": " ",
    "\r": "\n",
    "\u200b": "",
    "\ufeff": "",
    "\u00ad": "",
    **dict.fromkeys(map(chr, (*range(9), 11, 12, *range(14, 32), 127)), ""),
    **dict.fromkeys("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", ""),
}
"""Blanks of other kinds, and signs that are no text: control characters, and those that turn the direction of what follows."""


@dataclass(frozen=True, slots=True)
class PlainText:
    """Readable text; `origin[i]` is where character i stands in `original` (one more entry marks the end)."""

    text: str
    original: str
    origin: tuple[int, ...]

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The span in the original for a span of the readable text; empty spans stay empty."""
        if end <= start:
            return self.origin[start], self.origin[start]
        first = self.origin[start]
        last = self.origin[end - 1]
        after = next((o for o in self.origin[end:] if o > last), len(self.original))
        return first, self._end_of(last, after)

    def _end_of(self, last: int, after: int) -> int:
        entity = _ENTITY.match(self.original, last)
        if entity is not None and entity.end() <= after:
            return entity.end()
        end = last + 1
        while end < after and unicodedata.combining(self.original[end]):
            end += 1
        return end


def plain_text(posting: str) -> PlainText:
    """The readable text of a posting.

    Raises:
        InputError: the posting is longer than `MAX_POSTING` characters.
    """
    if len(posting) > MAX_POSTING:
        msg = f"The posting has {len(posting):,} characters; {MAX_POSTING:,} are accepted."
        raise InputError(msg, hint="Give one posting at a time, without attachments.")
    chars: list[str] = []
    origin: list[int] = []
    markup = _looks_like_html(posting)
    at = 0
    while at < len(posting):
        char = posting[at]
        if markup and char == "<" and (tag := _TAG.match(posting, at)):
            _push(chars, origin, "\n" if _BREAKS.match(tag.group()) else " ", at)
            at = tag.end()
            continue
        if markup and char == "&" and (entity := _ENTITY.match(posting, at)):
            for piece in html.unescape(entity.group()):
                _push(chars, origin, _BLANK.get(piece, piece), at)
            at = entity.end()
            continue
        _push(chars, origin, _BLANK.get(char, char), at)
        at += 1
    return PlainText("".join(chars), posting, (*origin, len(posting)))


def _push(chars: list[str], origin: list[int], piece: str, at: int) -> None:
    for char in piece:
        if char in " \n" and chars and chars[-1] == char == " ":
            continue
        if (
            char >= _FIRST_MARK and chars and unicodedata.combining(char)
        ):  # a letter and its accent, as some systems write them
            whole = unicodedata.normalize("NFC", chars[-1] + char)
            if len(whole) == 1:
                chars[-1] = whole
                continue
        chars.append(char)
        origin.append(at)


def _looks_like_html(posting: str) -> bool:
    return bool(
        re.search(r"<(?:p|br|li|ul|div|h[1-6]|b|strong|span|html|body|script|td|em|a)\b[^<>]*>", posting, re.IGNORECASE)
    )


_STOP_WORDS: Final[dict[str, frozenset[str]]] = {
    "en": frozenset(
        ["the", "and", "of", "to", "in", "for", "with", "you", "we", "our", "are", "is", "your", "will", "as"]
    ),
    "de": frozenset(
        [
            "und",
            "der",
            "die",
            "das",
            "mit",
            "für",
            "wir",
            "sie",
            "ein",
            "eine",
            "von",
            "zu",
            "du",
            "deine",
            "ihre",
            "bei",
            "als",
        ]
    ),
    "es": frozenset(
        ["de", "la", "el", "y", "en", "con", "para", "los", "las", "un", "una", "que", "tu", "nuestro", "por", "como"]
    ),
    "fr": frozenset(
        [
            "de",
            "la",
            "le",
            "et",
            "les",
            "des",
            "en",
            "pour",
            "vous",
            "nous",
            "un",
            "une",
            "du",
            "est",
            "avec",
            "votre",
            "dans",
            "au",
        ]
    ),
    "nl": frozenset(["de", "het", "een", "en", "van", "met", "voor", "wij", "je", "jij", "op", "bij", "als", "onze"]),
    "it": frozenset(
        ["di", "il", "la", "e", "per", "con", "una", "un", "che", "del", "della", "nel", "siamo", "cerchiamo"]
    ),
    "pt": frozenset(["de", "o", "a", "e", "com", "para", "os", "as", "um", "uma", "que", "em", "no", "na", "do", "da"]),
}


KNOWN_SMALL_WORDS: Final = frozenset().union(*_STOP_WORDS.values())


def language_shares(words: Sequence[str]) -> dict[str, float]:
    """The part of the words (lower case, at least one) that are small words of each language."""
    return {code: sum(word in stop for word in words) / len(words) for code, stop in _STOP_WORDS.items()}


def guess_language(text: str) -> str | None:
    """The language by its small words (`en de es fr nl it pt`); None when too little or nothing fits."""
    words = re.findall(r"[^\W\d_]+", text.lower())[:2000]
    if len(words) < 8:
        return None
    scores = language_shares(words)
    best = max(scores, key=lambda code: scores[code])
    return best if scores[best] >= 0.06 else None
