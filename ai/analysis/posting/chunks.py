"""Pieces of a long text that each fit the context, and together hold all of it."""

from typing import Final

CHARS_PER_TOKEN: Final = 2.5
"""Characters of a token at the least that is likely for European prose: fewer tokens than estimated, never more."""
OVERLAP: Final = 240
"""Characters at the end of a piece that begin the next one too, so that nothing is cut in two unseen."""


def room_for_text(context: int, prompt_overhead: int, max_tokens: int) -> int:
    """Characters of a posting that fit into a context of so many tokens beside the instructions and the answer."""
    return max(int((context - prompt_overhead - max_tokens) * CHARS_PER_TOKEN), 400)


def split(text: str, size: int) -> list[str]:
    """Pieces of at most `size` characters that cover the text; cut at paragraphs, sentences or words where possible.

    Raises:
        ValueError: the size leaves no room beside the overlap.
    """
    overlap = min(OVERLAP, size // 4)
    if size < 8:
        msg = f"a piece of {size} characters is too small"
        raise ValueError(msg)
    pieces: list[str] = []
    start = 0
    while len(text) - start > size:
        end = _cut(text, start + size // 2, start + size)
        pieces.append(text[start:end])
        back = text.find(" ", end - overlap, end)
        start = back + 1 if back >= 0 else end - overlap
    pieces.append(text[start:])
    return pieces


def _cut(text: str, earliest: int, latest: int) -> int:
    for mark in ("\n\n", "\n", ". ", " "):
        at = text.rfind(mark, earliest, latest)
        if at >= 0:
            return at + len(mark)
    return latest
