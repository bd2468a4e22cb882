"""Human languages by name, in any of the languages known here."""

import re
from typing import Final

LANGUAGES: Final[tuple[tuple[str, str], ...]] = (
    ("English", r"English|Englisch\w*|ingl[eé]s[ae]?s?|anglais\w*|Engels\w*|inglese|inglês|engelska|angielsk\w*"),
    ("German", r"German|Deutsch\w*|alem[aá]n(?:a)?|allemand\w*|Duits\w*|tedesc[oa]|alemão|tyska|niemieck\w*"),
    ("Spanish", r"Spanish|Spanisch\w*|español|castellano|espagnol\w*|Spaans\w*|spagnol[oa]|espanhol|spanska"),
    ("French", r"French|Französisch\w*|franc[eé]s|français\w*|Frans(?:e)?|francese|francês|franska"),
    ("Italian", r"Italian|Italienisch\w*|italiano|italiana|italien(?:ne)?|Italiaans"),
    ("Portuguese", r"Portuguese|Portugiesisch\w*|portugu[eé]s|portugais\w*|português|portoghese|Portugees"),
    ("Dutch", r"Dutch|Niederländisch\w*|neerland[eé]s|holandés|néerlandais\w*|Nederlands\w*|olandese|holandês"),
    ("Polish", r"Polish|Polnisch\w*|polaco|polonais\w*|polacco|Pools|język polski"),
    ("Czech", r"Czech|Tschechisch\w*|checo|tchèque"),
    ("Swedish", r"Swedish|Schwedisch\w*|sueco|suédois\w*|Zweeds|svenska"),
    ("Norwegian", r"Norwegian|Norwegisch\w*|noruego|norvégien\w*|norsk"),
    ("Danish", r"Danish|Dänisch\w*|danés|danois\w*|dansk"),
    ("Finnish", r"Finnish|Finnisch\w*|finlandés|finnois"),
    ("Arabic", r"Arabic|Arabisch\w*|árabe|arabe|arabo"),
    ("Mandarin", r"Mandarin|Chinese|Chinesisch\w*|chino|chinois\w*|cinese|chinês|mandarín"),
    ("Cantonese", r"Cantonese|Kantonesisch"),
    ("Japanese", r"Japanese|Japanisch\w*|japonés|japonais\w*|giapponese|Japans"),
    ("Korean", r"Korean|Koreanisch\w*|coreano|coréen"),
    ("Russian", r"Russian|Russisch\w*|ruso|russe|russo"),
    ("Ukrainian", r"Ukrainian|Ukrainisch\w*|ucraniano|ukrainien\w*"),
    ("Romanian", r"Romanian|Rumänisch\w*|rumano|roumain\w*"),
    ("Hungarian", r"Hungarian|Ungarisch\w*|húngaro|hongrois"),
    ("Greek", r"Greek|Griechisch\w*|griego|grec(?:que)?"),
    ("Turkish", r"Turkish|Türkisch\w*|turco|turc|Turks"),
    ("Hebrew", r"Hebrew|Hebräisch"),
    ("Estonian", r"Estonian|Estnisch\w*|eesti keel\w*"), ("Latvian", r"Latvian|Lettisch\w*"), ("Lithuanian", r"Lithuanian|Litauisch\w*"),
    ("Bulgarian", r"Bulgarian|Bulgarisch\w*"), ("Croatian", r"Croatian|Kroatisch\w*"), ("Slovak", r"Slovak|Slowakisch\w*"), ("Slovenian", r"Slovene|Slovenian|Slowenisch\w*"),
    ("Hindi", r"Hindi"), ("Urdu", r"Urdu"), ("Bengali", r"Bengali"), ("Tamil", r"Tamil"), ("Somali", r"Somali"), ("Vietnamese", r"Vietnamese|Vietnamesisch"),
    ("Thai", r"Thai"), ("Tagalog", r"Tagalog"), ("Malay", r"Bahasa Malaysia|Malay"), ("Indonesian", r"Bahasa Indonesia|Indonesian"),
    ("Catalan", r"Catalan|Katalanisch\w*|catalán|català"), ("Basque", r"Basque|euskera"), ("Galician", r"gallego|galego"), ("Welsh", r"Welsh"), ("Irish", r"Irish|Gaeilge"),
)  # fmt: skip
LANGUAGE: Final = tuple(
    (name, re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)) for name, pattern in LANGUAGES
)


def language_pattern(name: str) -> re.Pattern[str] | None:
    """The pattern of a human language given by its name in any of the languages known."""
    return next(
        (p for canonical, p in LANGUAGE if canonical.casefold() == name.casefold() or p.fullmatch(name.strip())), None
    )


def canonical_language(name: str) -> str:
    """The English name of a human language; unchanged when it is not known."""
    first = re.split(r"[\s(,:/-]", name.strip())[0]
    return next((c for c, p in LANGUAGE if p.fullmatch(first) or c.casefold() == first.casefold()), name.strip())
