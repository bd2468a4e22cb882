"""The towns of work: behind a label, known by name, or shown to be one by the words around."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from ai.analysis.posting.text import guess_language
from ai.analysis.rules.abilities import canonical_skill, skill_spellings
from ai.analysis.rules.employers import AGENCY, CLOSING, LEGAL
from ai.analysis.rules.layout import Hit, Layout
from ai.analysis.rules.lexicon.languages import LANGUAGE
from ai.analysis.rules.lexicon.places import ORDINARY, PLACES
from ai.analysis.rules.lexicon.roles import ROLE

_WORD: Final = r"[A-ZÄÖÜÉÈÁÍÓÚÑÅØŁŚÎ][a-zà-ÿßłśń'’]+(?:-(?:[a-z]{1,3}-)*[A-ZÄÖÜÉ][\wà-ÿ'’]+)*"
TOWN: Final = rf"(?:(?:St\.|Saint|San|Santa|São|Bad|Le|La|Les|Los|Las|El|New|Den|Port|Puerto|Villa|Vila|Sint|Santiago|Ciudad|Rio)[ -])?{_WORD}(?: (?:am|an der|im|de|del|do|da|upon|sur|sous|la|las|los)? ?{_WORD})?"
_KNOWN: Final = re.compile(
    r"(?<![\w-])(?:" + "|".join(re.escape(p) for p in sorted(PLACES, key=len, reverse=True)) + r")(?![\w])"
)
_PLACE_WORD: Final = re.compile(
    r"(?:\b(?:in|near|at|from|around|to|nach|bei|Standort|Raum|en|a|à|de|près de|cerca de|te|nabij|em|di|i|w|für|para|o|or|oder|ou|y|et|und|and)|[(,|/–—·-])\s*$"
)
_STRONG: Final = re.compile(
    r"(?:\b(?:based (?:in|at)|located in|located at|(?:office|site|plant|campus|branch|store|clinic|depot|team|studio|home|kitchen|project|job|position|role|work|roots?|shop|warehouse)\s+(?:in|near)|edge of|heart of|outside|hiring in|(?:am )?Standort|Werk|Filiale|Niederlassung|Betriebsstätte|Zweigstelle|Geschäftsstelle|City of|Town of|County of|(?:im )?Raum|Sitz in|Dienstort(?: ist)?:?|Standorte?|"
    r"bas[ée]e? à|situ[ée]e? à|poste à|basado en|sede (?:de|en|di|em)|oficina (?:de|en)|centro (?:de control )?(?:de|en)|taller en|ubicad[oa] en|localizad[oa] em|near|près de|cerca de|come to|come in to|vanuit|desde|work (?:in|from)|visit us in|aus|you would come to|to our)\b\s*|📍\s*)$",
    re.IGNORECASE,
)
_POSTCODE: Final = re.compile(
    r"(?:^|[,;|(·–—-]\s?|(?<!\w)in )(?:[A-Z]{1,2}-)?\d{5}\s$|(?:^|[,;|(·–—-]\s?|(?<!\w)in )\d{4} ?[A-Z]{2}\s$"
)
"""A postal code before a town: "99817 Eisenach", "3511 AB Utrecht"."""
_STREET: Final = re.compile(
    r"(?:^|\s)(?:Ave|Avenue|St|Street|Rd|Road|Blvd|Boulevard|Lane|Ln|Drive|Dr|Way|Court|Ct|Pkwy|Hwy|Highway|Sheriff['’]s)\b\.?(?=\s*(?:[,;\n)]|$|Office))"
)
_AFTER_NAME: Final = re.compile(
    r"(?<!\w)(?:at|bei|chez|presso|bij) (?:[Tt]he |der |dem )?[A-ZÄÖÜ][\w&'’-]*(?: [A-Z&ÄÖÜ][\w&'’-]*){0,3}, $"
)
"""An employer's name before a town: "at The Copper Kettle, Bath"."""
_HERE: Final = re.compile(r"(?<!\w)(?:in|à|en|em)\s$")
_HERE_TOO: Final = {"es": ("a", "para"), "it": ("a", "per"), "nl": ("te", "voor"), "pt": ("a", "para")}
_COMMON: Final = re.compile(
    r"(?:ung|keit|heit|schaft|nissen?|tät|zeit|arbeit|technik|bereich|betrieb|wesen|tion|sis|ics|ology|ment|ence|ance|ity|ship|graphy|ción|dad|eza|ité|zione|ing)(?:en|s)?$"
)
_TOWN_BEHIND: Final = re.compile(
    r"\s+(?:campus|office|site|branch|studio|depot|area|und Umgebung|y alrededores|et environs)\b"
)
_HIRING: Final = re.compile(
    r"looking|hiring|seek|recruit|need|sucht|suchen|gesucht|busca|incorpora|necesit|recrut|recherch|embauch|cherch|zoek|cerca|ricerca|contrata|procura|admite|require|wanted|invites|would love|braucht|brauchen|besetz|söker|bezet|vakatur|vacature",
    re.IGNORECASE,
)
_MAX_NAMES: Final = 2000
_EMPLOYER: Final = re.compile(rf"[^\S\n]?,?[^\S\n](?:{LEGAL})(?!\w)")
_SPLIT: Final = re.compile(r"\s*(?:/|\||;|,|\bor\b|\band\b|\boder\b|\bund\b|\bo\b|\by\b|\bou\b|\bet\b|\be\b|&)\s*")
_NOT_PLACE: Final = re.compile(
    r"(?<!\w)(?:remote|hybrid|híbrid|office|büro|home\b|on-?site|presencial|télétravail|teletrabajo|days?\b|tage\b|germany|deutschland|españa|spain|france|uk$|usa$|us$|anywhere|europe|europa|eu\b|vor ort|sur place|possible|möglich|modelo|civic|street|straße|road\b|rue\b|calle\b|flexible|nationwide|bundesweit|various|multiple|worldwide|global)|\d",
    re.IGNORECASE,
)
_NOT_TOWN: Final = frozenset(
    ["remote", "hybrid", "onsite", "anywhere", "worldwide", "lda", "ltda", "gmbh", "ltd", "inc", "llc", "sas", "sarl", "bv", "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "januar", "februar", "märz", "mai", "juni", "juli", "oktober", "dezember", "montag", "dienstag", "mittwoch", "donnerstag", "freitag", "vollzeit", "teilzeit", "wort", "schrift", "festanstellung", "absprache", "vereinbarung", "form", "kooperation", "zusammenarbeit", "deutschland", "österreich", "schweiz", "germany", "france", "spain", "italy", "portugal", "europe", "england", "scotland", "wales", "ireland", "uk", "usa", "canada", "australia", "india", "verstärkung", "person", "office", "home", "part", "full", "order", "addition", "our", "the", "this", "that", "your", "my", "his", "her", "their", "its", "it", "we", "you", "they", "who", "what", "all", "any", "each", "one", "two", "three", "a", "an", "no", "not", "cash", "excel", "python", "production", "research", "engineering", "design", "marketing", "sales", "finance", "human", "team", "teams", "management", "health", "science", "sciences", "maths", "physics", "statistics", "computing", "business", "education", "care", "retail", "life", "work", "line", "part-time", "full-time", "depth", "house", "wind", "europa", "contrat", "contrato", "cdi", "cdd", "telework", "télétravail", "jornada", "inglés", "english", "englisch", "anglais", "español", "deutsch", "français", "dirección", "gestión", "ventas", "formación", "puesto", "oficina", "empresa", "equipo", "casa", "unternehmen", "team", "bereich", "abteilung", "amt", "teil", "zukunft", "praxis", "vertrieb", "einkauf", "ausbildung", "studium", "homeoffice", "mode"]
)  # fmt: skip


def find_locations(text: str, layout: Layout, title: Hit | None = None) -> list[Hit]:
    """The places of work, each once: labelled ones; else those that most speaks for, with the ones listed beside them."""
    hits = [hit for item in layout.values("locations") for hit in _labelled(text, item.start, item.end)]
    if not hits:
        scored = sorted(_scored(text, layout, title), key=lambda pair: (-pair[0], pair[1].start))
        best = scored[0][0] if scored else 0.0
        hits = sorted((hit for score, hit in scored if score >= 1.5 and score >= best - 0.6), key=lambda h: h.start)
        hits = _together(text, hits)
    seen: dict[str, Hit] = {}
    for hit in hits:
        seen.setdefault(str(hit.value).casefold(), hit)
    return list(seen.values())[:10]


def place_candidates(text: str, layout: Layout) -> list[Hit]:
    """All that may be a place of work, the likeliest first."""
    labelled = [hit for item in layout.values("locations") for hit in _labelled(text, item.start, item.end)]
    scored = [hit for _, hit in sorted(_scored(text, layout, None), key=lambda pair: -pair[0])]
    return list({str(h.value).casefold(): h for h in reversed([*labelled, *scored])}.values())[::-1]


def _together(text: str, hits: list[Hit]) -> list[Hit]:
    """The first and those listed with it ("Leeds or Cardiff"); towns elsewhere in the text are offices, not the place of work."""
    if not hits:
        return []
    kept = [hits[0]]
    for hit in hits[1:]:
        between = text[kept[-1].end : hit.start]
        if re.fullmatch(
            r"(?:\s*\([^)]*\))?\s*(?:/|,|\||;|&|or|and|oder|und|o|y|ou|et|e)\s*(?:in |à |en |a )?", between
        ):
            kept.append(hit)
    return kept


def _labelled(text: str, start: int, end: int) -> Iterator[Hit]:
    value = text[start:end]
    titled = value.title()
    if value.isupper() and titled != value and len(titled) == len(value):
        for hit in _labelled(text[:start] + titled + text[end:], start, end):
            yield replace(hit, exact=False)
        return
    stop = re.search(r"[.](?=\s|$)(?<!St\.)|\s[-–—]\s|\s\(", value)
    known = list(_KNOWN.finditer(value))
    if known:
        first = known[0]
        for place in known:
            if place is first or re.fullmatch(
                r"(?:\s*\([^)]*\))?[^.\n]{0,4}\s*(?:/|,|\||;|&|or|and|oder|und|o|y|ou|et|e)\s*",
                value[known[known.index(place) - 1].end() : place.start()],
            ):
                yield Hit(place.group(), start + place.start(), start + place.end())
        return
    value = value if stop is None else value[: stop.start()]
    listed = re.split(r"\s*(?:/|\||\bor\b|\band\b|\boder\b|\bund\b|\bo\b|\by\b|\bou\b|\bet\b|&)\s*", value)
    position = 0
    for group in listed:
        pieces = [piece for piece in re.split(r"[,;]\s*", group) if piece.strip()]
        position = max(value.find(group, position), 0)
        towns = [
            p.strip(" *_.0123456789")
            for p in pieces
            if re.match(TOWN, p.strip(" *_.0123456789"))
            and not _NOT_PLACE.search(p.strip(" 0123456789"))
            and not _STREET.search(p)
        ]
        if towns:
            chosen = (
                towns[-1]
                if len(towns) > 1
                and re.search(r"(?:Centre|Center|House|Hall|Park|Building|Campus|Site|Shop|Street)\b", towns[0])
                else towns[0]
            )
            chosen = re.split(r"\s+(?:Shop|Street|City Centre|Zentrum|centre|centro|campus|Campus|office)\b", chosen)[0]
            at = start + value.find(chosen, position)
            if 2 <= len(chosen) <= 60:
                yield Hit(chosen, at, at + len(chosen))


def _scored(text: str, layout: Layout, title: Hit | None) -> Iterator[tuple[float, Hit]]:
    also = tuple(f" {word} " for word in _HERE_TOO.get(guess_language(text) or "", ()))
    for match in islice(_KNOWN.finditer(text), _MAX_NAMES):
        before = text[max(0, match.start() - 30) : match.start()].rsplit("\n", maxsplit=1)[-1]
        if match.group() in ORDINARY and not _PLACE_WORD.search(before):
            continue
        if re.match(
            r"\s+(?:University|Universität|Institute|[A-Z][\w-]+\s+(?:GmbH|AG|Ltd|Inc))|['’]s?\s+[A-Z]",
            text[match.end() : match.end() + 24],
        ):
            continue
        yield (
            2.0 + _context(text, layout, match.start(), match.end(), title),
            Hit(match.group(), match.start(), match.end()),
        )
    for match in islice(re.finditer(rf"(?<![\w-]){TOWN}", text), _MAX_NAMES):
        hit = None if _KNOWN.match(text, match.start()) else _as_town(match)
        if hit is not None and (shown := _shown(text, layout, hit, title, also)) > 0:
            yield shown, hit


def _shown(text: str, layout: Layout, hit: Hit, title: Hit | None, also: tuple[str, ...]) -> float:
    """How much speaks for a name that is not known to be a town; 0 when nothing does."""
    before = text[max(0, hit.start - 40) : hit.start].rsplit("\n", maxsplit=1)[-1]
    if _EMPLOYER.match(text, hit.end):
        return 0.0
    context = _context(text, layout, hit.start, hit.end, title)
    coded = _POSTCODE.search(before) and re.match(r"\s*(?:[.,;|)(·–—-]|\n|$)", text[hit.end : hit.end + 3])
    if coded or _STRONG.search(before) or _TOWN_BEHIND.match(text, hit.end):
        return 1.6 + context
    if (_HERE.search(before) or (also and before.endswith(also))) and not _COMMON.search(str(hit.value)):
        return 0.7 + context
    if (
        _AFTER_NAME.search(before)
        and re.match(r"[.,;!\n]|\s?[-–|(]|$", text[hit.end : hit.end + 2])
        and hit.start < 1500
    ):
        return 1.5 + context / 2
    if re.search(r"\w \($", before) and text[hit.end : hit.end + 1] == ")" and hit.start < 1500:
        return 1.5
    return 1.5 + context / 2 if _own_cell(text, layout, hit, title) else 0.0


def _context(text: str, layout: Layout, start: int, end: int, title: Hit | None) -> float:
    line = layout.line_at(start)
    begin = max(line.start, *(text.rfind(mark, line.start, start) for mark in (". ", "! ", "? ")))
    stops = [at for mark in (". ", "! ", "? ") if (at := text.find(mark, end, line.end)) >= 0]
    sentence = text[begin : min(stops, default=line.end)]
    before = text[max(line.start, start - 40) : start]
    score = (
        1.0 * bool(_STRONG.search(before))
        + 0.8 * bool(_HIRING.search(sentence))
        + 0.5 * bool(_HERE.search(before))
        + 0.5 * (start < 500)
    )
    score += 0.5 * (title is not None and line.start <= title.start <= line.end)
    short = len(text[line.lead : line.end].split()) <= 12
    score += 0.7 * (title is not None and short and 0 <= line.start - title.start < 200)
    score -= 0.7 * (layout.kind_at(start) == "about")
    score -= 2.0 * bool(AGENCY.search(text[line.start : start]))
    score -= 2.0 * bool(
        re.search(
            r"travel|reise|offices in|offices (?:across|throughout)|Standorten in|bureaux à|oficinas en|customers? in|clients? in|plants? in|also in|headquarter|HQ\b|founded in|déplacement|Niederlassungen|between|zwischen|entre",
            before,
            re.IGNORECASE,
        )
    )
    return score - 1.0 * (layout.kind_at(start) in {"required", "preferred"})


def _as_town(match: re.Match[str]) -> Hit | None:
    """The town at a match, without a second word that belongs to what follows; None when it is no town's name."""
    value = match.group()
    if _STREET.search(value) or _STREET.match(match.string, match.end()):
        return None
    parts = value.split(" ")
    for count in (len(parts), 1):
        name = " ".join(parts[:count])
        first = parts[0].casefold().rstrip(".")
        if (
            first in _NOT_TOWN
            or name.casefold() in _NOT_TOWN
            or ROLE.search(name)
            or any(p.fullmatch(parts[0]) for _, p in LANGUAGE)
        ):
            return None
        if canonical_skill(name) != name or len(skill_spellings(name)) > 1:
            return None
        if count == 1 or not any(p.casefold() in _NOT_TOWN for p in parts[1:]):
            return Hit(name, match.start(), match.start() + len(name))
    return None


def _own_cell(text: str, layout: Layout, hit: Hit, title: Hit | None) -> bool:
    """Whether the town fills a cell of a short line near the title: "Bistro, Whitby" or "Cook | Tern Ltd | Oslo"."""
    line = layout.line_at(hit.start)
    whole = text[line.lead : line.end]
    if (
        len(whole.split()) > 14
        or CLOSING.match(whole)
        or (title is not None and abs(line.start - title.start) > 260)
        or title is None
        or {layout.kind_at(line.start), layout.kind_at(hit.start)} & {"required", "preferred", "offer", "tasks"}
        or any(v.start <= hit.start < v.end and v.field != "locations" for v in layout.labelled)
    ):
        return False
    if title.start <= hit.start < title.end:
        return False
    before, after = text[line.lead : hit.start], text[hit.end : line.end]
    return bool(re.search(r"(?:[|·•,(–—]|\s-)\s*$", before)) and bool(re.match(r"\s*(?:[|·•,)–—.]|-\s|\(|$)", after))
