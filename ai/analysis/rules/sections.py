# ruff: noqa: RUF001 - dashes, quotes and signs of typeset text are what is meant
"""Where a posting speaks of what is required and where of what would be nice."""

import re
from dataclasses import dataclass
from typing import Final

from ai.analysis.rules.words import PREFERRED, REQUIRED

_PREFERRED: Final = re.compile(rf"(?<!\w)(?:{PREFERRED})", re.IGNORECASE)
_REQUIRED: Final = re.compile(rf"(?<!\w)(?:{REQUIRED})", re.IGNORECASE)
_HEADING: Final = re.compile(r"^\s*(?:[#*\-•]+\s*)?(?P<name>[^\n:]{2,60}):?\s*\**\s*$")


@dataclass(frozen=True, slots=True)
class Sections:
    """Spans (start, end) of a text that are about what is preferred; the rest is about what is required."""

    preferred: tuple[tuple[int, int], ...]

    def is_preferred(self, position: int) -> bool:
        """Whether the place belongs to a preferred part."""
        return any(start <= position < end for start, end in self.preferred)


def find_sections(text: str) -> Sections:
    """Preferred parts: the lines under a heading that says so, and single sentences and clauses that say so."""
    spans: list[tuple[int, int]] = []
    under_heading = False
    at = 0
    for line in text.split("\n"):
        end = at + len(line)
        heading = _HEADING.match(line)
        is_heading = (
            heading is not None
            and not line.rstrip().endswith((".", "!"))
            and (line.rstrip().rstrip("*").endswith(":") or len(line.split()) <= 4)
        )
        bullet = re.match(r"\s*[-*•·–+]\s", line) is not None
        if is_heading and not bullet and line.strip():
            under_heading = bool(_PREFERRED.search(line))
        elif under_heading and line.strip():
            spans.append((at, end + 1))
        else:
            spans.extend(_clauses(text, at, end))
        at = end + 1
    return Sections(tuple(spans))


def _clauses(text: str, start: int, end: int) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for sentence in re.finditer(r"[^.;!?\n]+(?:\.(?=\w)[^.;!?\n]*)*[.;!?]?", text[start:end]):
        first = start + sentence.start()
        preferred = _PREFERRED.search(sentence.group())
        if preferred is None:
            continue
        required = _REQUIRED.search(sentence.group())
        if required is not None and required.start() < preferred.start():
            comma = sentence.group().rfind(",", 0, preferred.start())
            first += comma + 1 if comma > 0 else 0
        out.append((first, start + sentence.end()))
    return out
