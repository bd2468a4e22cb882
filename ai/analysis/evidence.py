"""Where in a posting a value is said; a value that is not said there is not believed."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from ai.analysis.rules.abilities import skill_spellings
from ai.analysis.rules.lexicon.languages import language_pattern

_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Span:
    """A place in the readable text; `exact` when the value stands there letter for letter."""

    start: int
    end: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Searchable:
    """A text prepared for searching: letter case, accents' forms and white space do not matter."""

    text: str
    folded: str
    places: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> "Searchable":
        """Prepare a text."""
        folded: list[str] = []
        places: list[int] = []
        for index, char in enumerate(text):
            for piece in _fold_char(char):
                if piece == " " and folded and folded[-1] == " ":
                    continue
                folded.append(piece)
                places.append(index)
        return cls(text, "".join(folded), (*places, len(text)))

    def find(self, value: str) -> Span | None:
        """The first place the value stands as whole words; None when it does not."""
        exact = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", self.text) if value else None
        if exact is not None:
            return Span(exact.start(), exact.end(), exact=True)
        folded = fold(value)
        if not folded:
            return None
        match = re.search(rf"(?<!\w){re.escape(folded)}(?!\w)", self.folded)
        if match is None:
            return None
        return Span(self.places[match.start()], self.places[match.end() - 1] + 1, exact=False)

    def find_loosely(self, value: str) -> Span | None:
        """As `find`, else the shortest stretch that holds all its words in their order, at most twice as long."""
        span = self.find(value)
        words = _WORD.findall(fold(value))
        if span is not None or not 2 <= len(words) <= 15:
            return span
        gap = r"(?:\W+\w+){0,3}?\W+"
        match = re.search(r"(?<!\w)" + gap.join(re.escape(w) for w in words) + r"(?!\w)", self.folded)
        if match is None or len(match.group()) > 2 * len(value) + 10:
            return None
        return Span(self.places[match.start()], self.places[match.end() - 1] + 1, exact=False)

    def find_number(self, value: float) -> Span | None:
        """A place where the number stands, with any thousands sign, or as thousands ("70k")."""
        whole = int(value)
        if value != whole:
            return self._first(rf"(?<![\d.,])0*{whole}[.,]{str(round(value % 1, 2))[2:]}0?(?!\d)")
        digits = f"{whole:,}".replace(",", r"[.,'’\s]?")
        span = self._first(rf"(?<![\d.,]){digits}(?:[.,]00?)?(?!\d|[.,]\d)")
        if span is None and whole >= 1000 and whole % 500 == 0:
            thousands = f"{whole / 1000:g}".replace(".", "[.,]")
            mark = r"\s?(?:k\b|tsd|mil\b|t€)"
            span = self._first(rf"(?<![\d.,]){thousands}(?:{mark}|(?=\s?(?:-|–|to|bis|a)\s?\S?\d+{mark}))")
        return span

    def find_skill(self, value: str) -> Span | None:
        """A place where the skill stands under any of its spellings."""
        return self.find(value) or next((s for name in skill_spellings(value) if (s := self.find(name))), None)

    def find_language(self, value: str) -> Span | None:
        """A place where the human language is named, in any language known here."""
        pattern = language_pattern(re.split(r"[\s(,:/-]", value.strip())[0])
        if pattern is None:
            return self.find(value)
        match = pattern.search(self.text)
        return None if match is None else Span(match.start(), match.end(), match.group() == value)

    def share_of_words(self, value: str) -> float:
        """Which part of the longer words of a sentence also stands in the text, 0 to 1."""
        words = [w for w in _WORD.findall(fold(value)) if len(w) > 3]
        if not words:
            return 0.0
        known = set(_WORD.findall(self.folded))
        return sum(w in known for w in words) / len(words)

    def _first(self, pattern: str) -> Span | None:
        match = re.search(pattern, self.folded)
        return None if match is None else Span(self.places[match.start()], self.places[match.end() - 1] + 1, exact=True)


def fold(value: str) -> str:
    """A text for comparing: compatible forms, case folded, white space single, quotes and dashes plain."""
    return " ".join("".join(piece for char in value for piece in _fold_char(char)).split())


def _fold_char(char: str) -> str:
    if char.isspace():
        return " "
    if char in "‘’`´":
        return "'"
    if char in "‐‑‒–—":
        return "-"
    return unicodedata.normalize("NFKC", char).casefold()
