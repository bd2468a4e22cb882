"""What of a model's prose may be shown: whole sentences, each once, that speak of what it was given.

A small model repeats itself, breaks off, and makes up figures and causes. Nothing is rewritten: a sentence stands or goes.
"""

import re
from dataclasses import dataclass
from typing import Final

_END: Final = re.compile(r"(?<=[.!?])[\"”’)]*\s+")
_NUMBER: Final = re.compile(r"\d+(?:[.,:]\d+)*")
_CITED: Final = re.compile(r"\b(?:records?|numbers?|lines?|and|to|,)\s*#?(\d+)\b|\[(\d+)\]", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W\d_]{4,}")
_LISTED: Final = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s")
_LOOP: Final = re.compile(r"(\b\w[^.]{14,}?)[ ,]+\1", re.IGNORECASE)
_COMMON: Final = frozenset(
    [
        "about",
        "after",
        "again",
        "also",
        "although",
        "another",
        "any",
        "are",
        "because",
        "been",
        "before",
        "being",
        "both",
        "but",
        "can",
        "cannot",
        "caused",
        "cause",
        "causes",
        "could",
        "does",
        "down",
        "during",
        "each",
        "either",
        "error",
        "errors",
        "every",
        "failed",
        "fails",
        "failing",
        "failure",
        "from",
        "happened",
        "happens",
        "have",
        "having",
        "here",
        "however",
        "indicates",
        "into",
        "just",
        "likely",
        "look",
        "looks",
        "means",
        "might",
        "more",
        "most",
        "must",
        "name",
        "named",
        "need",
        "needed",
        "needs",
        "next",
        "only",
        "other",
        "over",
        "perhaps",
        "person",
        "please",
        "possibly",
        "probably",
        "problem",
        "process",
        "record",
        "records",
        "result",
        "same",
        "see",
        "seems",
        "should",
        "show",
        "shows",
        "since",
        "some",
        "something",
        "step",
        "steps",
        "such",
        "than",
        "that",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "through",
        "time",
        "times",
        "unable",
        "under",
        "until",
        "were",
        "what",
        "when",
        "where",
        "whether",
        "which",
        "while",
        "will",
        "with",
        "without",
        "would",
        "check",
        "checks",
    ]
)
STRICT: Final = 0.8
"""Share of the telling words that must stand in the material, where the prose shows that its writer is not in command of it."""
_STEM: Final = 5


@dataclass(frozen=True, slots=True)
class Prose:
    """The sentences that stand, and how many went."""

    text: str
    dropped: int


def babbles(said: str) -> bool:
    """Whether prose repeats a sentence or a phrase, or breaks off: then its writer is not to be believed where it leaves the records."""
    sentences = _sentences(said)
    shapes = [_NUMBER.sub("#", sentence.casefold()) for sentence in sentences]
    return len(set(shapes)) < len(shapes) or any(not _ended(s) or _LOOP.search(s) for s in sentences)


def held(said: str, material: str, *, share: float, numbered: int = 0, most: int = 2) -> Prose:
    """The first `most` sentences of what was said that stand on `material`; records up to `numbered` may be cited by their number.

    A sentence goes when it is not ended, repeats itself or one before, is a copied line of a list, holds a number that stands nowhere in
    the material, or when less than this `share` of its telling words do.
    """
    words, numbers = _stems(material), set(_NUMBER.findall(material))
    kept: list[str] = []
    seen: set[str] = set()
    sentences = _sentences(said)
    for sentence in sentences:
        shape = _NUMBER.sub("#", sentence.casefold())
        if len(kept) < most and shape not in seen and _stands(sentence, words, numbers, numbered, share):
            kept.append(sentence)
        seen.add(shape)
    return Prose(" ".join(kept), len(sentences) - len(kept))


def _stands(sentence: str, words: set[str], numbers: set[str], numbered: int, share: float) -> bool:
    if not _ended(sentence) or not sentence[0].isalnum() or _LISTED.match(sentence) or _LOOP.search(sentence):
        return False
    cited = {a or b for a, b in _CITED.findall(sentence)}
    if any(n not in numbers and not (n in cited and 1 <= int(n) <= numbered) for n in _NUMBER.findall(sentence)):
        return False
    telling = _stems(sentence)
    return len(telling & words) >= share * max(len(telling), 1)


def _sentences(said: str) -> list[str]:
    return [part for part in _END.split(" ".join(said.split())) if part]


def _ended(sentence: str) -> bool:
    return sentence.rstrip('"”’)').endswith((".", "!", "?"))


def _stems(text: str) -> set[str]:
    """Beginnings of words of four letters and more that say something: "connection" and "connect" are one."""
    return {word[:_STEM] for word in _WORD.findall(text.casefold()) if word not in _COMMON}
