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
_OWN_LETTERS: Final = {
    "Polish": "łąęćżźńś",
    "Czech": "řěů",
    "Hungarian": "őű",
    "Romanian": "țșăţş",
    "Turkish": "ğış",
    "Vietnamese": "ơưđạảấầậắếềệịọốồộớờợụủứừựỳ",
    "Latvian": "āēīūķļņģ",
    "Lithuanian": "ėįųū",
    "Croatian or Serbian": "đć",
}
"""Letters that none of the known languages has."""
_SMALL_WORDS: Final = {
    "Swedish": "och att det som för med är på av till vi du en ett den inom hos eller om har dig vår",
    "Danish": "og at det som for med er på af til vi du en et den inden hos eller om har dig vores",
    "Norwegian": "og å det som for med er på av til vi du en et den innen hos eller om har deg vår",
    "Polish": "i w na z do się oraz jest nie dla od po za to ze jak przy lub poszukujemy pracy wymagania pensja zł",
    "Czech": "a v na se je do pro s že o k od za jako nebo práce naše hledáme jsme požadujeme výhodou plat kč",
    "Finnish": "ja on ei että se tai sekä kun mutta työ haemme etsimme meillä sinulla olet osaat voit palkka yritys kuukaudessa euroa",
    "Hungarian": "és a az egy hogy nem is meg van vagy keresünk munka mint csak ha elvárások előny fizetés bruttó",
    "Romanian": "și de la cu în pentru pe un o din este sau care mai sunt căutăm cerințe avantaj salariu lei",
    "Turkish": "ve bir için ile bu da de olarak en veya olan iş arıyoruz aranıyor gibi çok gerekli maaş aylık şirket",
    "Estonian": "ja on ei et või kui töö otsime meie sinu ning kes palk oled",
    "Latvian": "un ir ar par no kas vai darbs meklējam mēs alga",
    "Lithuanian": "ir yra su kad į iš ar darbas ieškome mes kaip alga",
    "Croatian or Serbian": "i je u na za se da su ili kao tražimo posao radno mjesto rad od plaća",
    "Slovak": "a v na sa je do pre so že aj alebo práca hľadáme sme mzda",
    "Catalan": "i la que és per amb una dels les som busquem feina amb anys sou",
    "Vietnamese": "và của có các cho là trong được với không người công việc",
    "Indonesian": "dan yang di untuk dengan dari pada ini kami adalah atau akan dapat kerja",
}  # fmt: skip
_OTHERS: Final = {name: frozenset(words.split()) - KNOWN_SMALL_WORDS for name, words in _SMALL_WORDS.items()}
"""Small words that none of the known languages has."""
_DIFFERENT: Final = 3
"""So many different small words a text must have to be taken for a language."""
_LEAST: Final = 0.06
_FEW_SIGNS: Final = 2
_SENTENCE: Final = 8
_STRANGE: Final = 0.1
_COMMON: Final = {
    name: frozenset(words.split())
    for name, words in {
        "English": "the and of to in for with you we our are is your will as a an on at by or be it this that have has no not can from must who us if do per more about",
        "German": "und der die das mit für wir sie ein eine einen von zu du deine ihre bei als in im den dem des ist auf oder nach am zum zur ab nicht auch es ihr unser unsere sind hat",
        "Spanish": "de la el y en con para los las un una que tu por como del se al o es su más no a sin",
        "French": "de la le et les des en pour vous nous un une du est avec votre dans au à sur ou par plus se l d qui",
        "Dutch": "de het een en van met voor wij je jij op bij als onze in te is zijn of aan om naar wordt ben",
        "Italian": "di il la e per con una un che del della nel siamo a in al si è o da le i dei gli",
        "Portuguese": "de o a e com para os as um uma que em do da ou se por no na ao é mais",
    }.items()
}
"""Small words enough that each sentence of a known language has some of them."""
_SHORT: Final = 20
"""Up to so many words, shares tell nothing."""


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
    if len(words) < _SHORT:
        return _of_few(re.findall(r"[^\W\d_]+", text))
    shares = {name: sum(word in stop for word in words) / len(words) for name, stop in _OTHERS.items()}
    best = max(shares, key=lambda name: shares[name])
    known = max(language_shares(words).values())
    if len(_OTHERS[best].intersection(words)) < _DIFFERENT:
        return Unread("another language", letters=False) if _is_strange(text) else None
    return Unread(best, letters=False) if shares[best] >= _LEAST and shares[best] > known / 2 else None


def _is_strange(text: str) -> bool:
    """Whether whole sentences do without the small words that no sentence of a known language can do without."""
    spoken = [re.findall(r"[^\W\d_]+", sentence.lower()) for sentence in re.split(r"[.!?:;\n•|]", text[:20_000])]
    words = [word for sentence in spoken if len(sentence) >= _SENTENCE for word in sentence]
    return len(words) >= _SHORT and all(
        sum(word in common for word in words) < _STRANGE * len(words) for common in _COMMON.values()
    )


def _of_few(words: list[str]) -> Unread | None:
    """The language of a notice of a few words: by its small words, and by letters of its own, which in names tell less."""
    signs = Counter(
        {
            name: sum(word.lower() in stop for word in words)
            + sum(0.5 if word[0].isupper() else 1.0 for word in words if not own.isdisjoint(word.lower()))
            for name, stop in _OTHERS.items()
            for own in (frozenset(_OWN_LETTERS.get(name, "")),)
        }
    )
    name, most = signs.most_common(1)[0]
    known = sum(word.lower() in KNOWN_SMALL_WORDS for word in words)
    return Unread(name, letters=False) if most >= max(_FEW_SIGNS, known + 1) else None
