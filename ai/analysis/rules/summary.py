"""One sentence of the posting that says what the work is."""

import re
from typing import Final

from ai.analysis.rules.hits import Hit

_CUE: Final = re.compile(
    r"you will|you['’]ll|your job|looking for|seek|hiring|du |deine Aufgabe|suchen|sucht|buscamos|busca|recherch|mission|vous |te encargarás|aufgaben|zoek|procura|contrata|cerca",
    re.IGNORECASE,
)


def find_summary(text: str) -> Hit | None:
    """A sentence near the beginning that speaks of the work; the first line when there is no sentence."""
    sentences = [
        m
        for m in re.finditer(r"[^.!?\n][^.!?\n]{0,600}(?:[.](?=\S)[^.!?\n]{0,200}){0,6}[.!?]", text[:20_000])
        if 6 <= len(m.group().split()) <= 45
    ]
    if not sentences:
        first = re.search(r"\S[^\n]*", text)
        if first is None:
            return None
        value = first.group().strip()[:400].rstrip()
        return Hit(value, first.start(), first.start() + len(value))
    best = next((m for m in sentences[:12] if _CUE.search(m.group())), sentences[0])
    value = best.group().strip()[:400].rstrip()
    start = best.start() + best.group().find(value[0])
    return Hit(value, start, start + len(value))
