"""Which language a posting is in, and whether the rules know it. They know English, German, French, Spanish, Dutch, Italian and Portuguese."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from ai.analysis.posting.text import KNOWN_SMALL_WORDS, language_shares

_SCRIPTS: Final = (
    ("Korean", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("Japanese", re.compile(r"[\u3040-\u30ff]")),
    ("Chinese", re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")),
    ("a language in Cyrillic letters", re.compile(r"[\u0400-\u052f]")),
    ("Greek", re.compile(r"[\u0370-\u03ff]")),
    ("a language in Arabic letters", re.compile(r"[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff]")),
    ("Hebrew", re.compile(r"[\u0590-\u05ff]")),
    ("a language of India", re.compile(r"[\u0900-\u0dff]")),
    ("Thai", re.compile(r"[\u0e00-\u0e7f]")),
)
_LETTER: Final = re.compile(r"[^\W\d_]")
_FOREIGN: Final = 0.2
"""From this part of the letters on a text is not in Latin letters; names of products in it are."""
_KANA: Final = 0.05
"""Japanese is told from Chinese by this part of kana."""
_SMALL_WORDS: Final = {
    "Swedish": "och att det som för med är på av till vi du en ett den inom hos eller om har dig vår",
    "Danish": "og at det som for med er på af til vi du en et den inden hos eller om har dig vores",
    "Norwegian": "og å det som for med er på av til vi du en et den innen hos eller om har deg vår",
    "Polish": "i w na z do się oraz jest nie dla od po za to ze jak przy lub poszukujemy pracy",
    "Czech": "a v na se je do pro s že o k od za jako nebo práce naše hledáme jsme",
    "Finnish": "ja on ei että se tai sekä kun mutta työ haemme meillä sinulla olet voit",
    "Hungarian": "és a az egy hogy nem is meg van vagy keresünk munka mint csak ha",
    "Romanian": "și de la cu în pentru pe un o din este sau care mai sunt căutăm",
    "Turkish": "ve bir için ile bu da de olarak en veya olan iş arıyoruz gibi çok",
    "Vietnamese": "và của có các cho là trong được với không người công việc",
    "Indonesian": "dan yang di untuk dengan dari pada ini kami adalah atau akan dapat kerja",
}  # fmt: skip
_OTHERS: Final = {name: frozenset(words.split()) - KNOWN_SMALL_WORDS for name, words in _SMALL_WORDS.items()}
"""Small words that none of the known languages has."""
_DIFFERENT: Final = 3
"""So many different small words a text must have to be taken for a language."""
_LEAST: Final = 0.06


@dataclass(frozen=True, slots=True)
class Unread:
    """A language that the rules do not know. `letters`: it is not even written in letters that they read."""

    name: str
    letters: bool

    def note(self) -> str:
        """What a reader must know."""
        if self.letters:
            return f"The posting is in {self.name}, which the rules do not know: they read nothing of it. Only a model's values are given."
        return f"The posting seems to be in {self.name}, which the rules hardly know: check what they found."


def unread_language(text: str) -> Unread | None:
    """The language of a text that the rules do not know; None where they know it, or too little is there to tell."""
    letters = len(_LETTER.findall(text))
    counts = Counter({name: len(pattern.findall(text)) for name, pattern in _SCRIPTS})
    foreign = sum(counts.values())
    if letters and foreign >= max(_FOREIGN * letters, 8):
        japanese = counts["Japanese"] >= _KANA * foreign and counts["Korean"] < counts["Japanese"]
        return Unread("Japanese" if japanese else counts.most_common(1)[0][0], letters=True)
    words = re.findall(r"[^\W\d_]+", text.lower())[:2000]
    if len(words) < 20:
        return None
    shares = {name: sum(word in stop for word in words) / len(words) for name, stop in _OTHERS.items()}
    best = max(shares, key=lambda name: shares[name])
    if len(_OTHERS[best].intersection(words)) < _DIFFERENT:
        return None
    known = max(language_shares(words).values())
    return Unread(best, letters=False) if shares[best] >= _LEAST and shares[best] > known / 2 else None
