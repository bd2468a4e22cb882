# ruff: noqa: RUF001 - dashes, quotes and signs of typeset text are what is meant
"""Title, company and places of a posting, by labels, shapes and word lists."""

import re
from collections.abc import Iterator
from typing import Final

from ai.analysis.rules.hits import Hit
from ai.analysis.rules.places import ORDINARY, PLACES
from ai.analysis.rules.words import ROLE

_ROLE: Final = re.compile(
    rf"(?<!\w)(?:{ROLE}|\w+(?:entwickler|ingenieur|berater|leiter|manager|techniker|pfleger|kaufmann|fahrer|assistent|lehrer)(?:in)?)(?!\w)",
    re.IGNORECASE,
)
_TITLE_LABEL: Final = re.compile(
    r"^[\s*#_-]*(?:job title|title|position|role|vacancy|stelle|stellenbezeichnung|puesto|vacante|cargo|poste|intitulé du poste|offre|functie|posizione)\**\s*:\**\s*(?P<v>[^\n|]{3,120})",
    re.IGNORECASE | re.MULTILINE,
)
_SOUGHT: Final = re.compile(
    r"(?:looking for|hiring|seeks?|seeking|searching for|recruiting|need|we want|join us as|apply (?:now )?as|work as|suchen(?:\s+\w+)?|sucht|gesucht:?|buscamos|busca|necesitamos|incorporar|selecciona(?:mos)?|recherch(?:e|ons)|recrut(?:e|ons)|cherch(?:e|ons)|zoekt|zoeken|cerca|cerchiamo|procura)"
    r"[^\S\n]+(?:(?:wir|ab sofort|zum nächstmöglichen Zeitpunkt|for our team|actuellement|currently|now|einen?|eine[nr]?|an?|the|our|un[ae]?|une?|una|een|una|um|uma|unseren?|zwei|two|deux|dos|several|neue[nr]?|new|experienced|motivierte[nr]?)[^\S\n]+){0,4}"
    r"(?P<v>[^\n.,;:!?]{3,90})",
    re.IGNORECASE,
)
_GENDER: Final = re.compile(
    r"\s*[(\[/]?\s*(?:[mwfdxhnMWFDXHN]\s?[/|,*]\s?[mwfdxhnMWFDXHN](?:\s?[/|,*]\s?[mwfdxhnMWFDXHN])?|all genders|alle Geschlechter|gn)\s*[)\]]?\s*$"
)
_WANTED: Final = re.compile(
    r"\s+(?:wanted|needed|required|gesucht|sought|urgently|se busca|recherchée?)\b.*$", re.IGNORECASE
)
_TITLE_END: Final = re.compile(
    r"\s+(?:at|bei|beim|en|chez|@|in|for|für|to|who|with|mit|para|pour|als Verstärkung|für unser\w*|to join|based|op|presso|a tiempo|à temps|am Standort|zur Verstärkung|que|qui|con|avec|voor|per|from|on a|on-site|in unserem|zum nächstmöglichen|ab sofort|près|afin|sur)\s.*$|\s*[–—|(\[•].*$|\s+-\s+.*$|,.*$"
)
_LEGAL: Final = r"GmbH(?:\s&\sCo\.\sKG)?|gGmbH|AG|SE|KG|UG|e\.\s?V\.|eG|Ltd\.?|Limited|LLP|Inc\.?|LLC|Corp\.?|PLC|plc|S\.\s?L\.(?:U\.)?|S\.\s?A\.(?:U\.)?|S\.\s?Coop\.?|SAS|SARL|SA|SCOP|S\.p\.A\.|S\.r\.l\.|B\.V\.|BV|N\.V\.|AS|AB|A/S|ApS|Oy|Sp\. z o\.o\.|Co-op|Lda"
_WORD: Final = r"[A-ZÄÖÜÉÈÀÁÍÓÚÑÇØÅÆŁŚ0-9][\w&'’\-äöüßéèêàáíóúñçøåæłś]*(?:\.(?:io|ai|com))?"
_JOIN: Final = r"(?:\s(?:&|and|und|y|et|de|del|la|du|des|of|von|van|für|der|&amp;|i|e)(?=\s))?"
_COMPANY: Final = rf"{_WORD}(?:{_JOIN}[^\S\n]{_WORD}){{0,4}}"
_COMPANY_LABEL: Final = re.compile(
    r"^[\s*#_-]*(?:company|employer|organi[sz]ation|unternehmen|arbeitgeber|firma|empresa|compañía|entreprise|société|employeur|bedrijf|azienda)\**\s*:\**\s*(?P<v>[^\n|,;(]{2,100})",
    re.IGNORECASE | re.MULTILINE,
)
_COMPANY_SHAPES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<v>{_WORD}(?:{_JOIN}[^\S\n]{_WORD}){{0,4}}[^\S\n](?:{_LEGAL}))(?![\w])",
        rf"(?P<v>{_COMPANY})[^\S\n]+(?:is|are)\s+(?:hiring|looking|seeking|recruiting|searching|a|an|the|growing|on a mission)\b",
        rf"(?P<v>{_COMPANY})[^\S\n]+(?:seeks|needs|builds|makes|runs|operates|sucht|baut|entwickelt|busca|necesita|desarrolla|recherche|recrute|développe|conçoit|zoekt|cerca|procura|ist ein|est une?|es una?)\b",
        rf"(?:[Aa]bout|Über|Sobre|[ÀA] propos de|Acerca de|Over)[^\S\n]+(?!us\b|uns\b|nous\b|nosotros\b|the\b|you\b)(?P<v>{_COMPANY})",
        rf"(?:\bat|\bbei(?: der| dem)?|\bchez|\bJoin|\bjoin|\b[Rr]ejoignez|\b[ÚU]nete a|\bWir von|\bWir bei|\bWe at|@|\bEn|\ben|\bHere at|\bbij)[^\S\n]+(?!our\b|the\b|least\b|home\b|us\b)(?P<v>{_COMPANY})",
    )
)
_NO_COMPANY: Final = frozenset(
    [
        "we",
        "our",
        "the",
        "you",
        "this",
        "that",
        "it",
        "job",
        "location",
        "salary",
        "senior",
        "junior",
        "about",
        "requirements",
        "role",
        "position",
        "company",
        "remote",
        "hybrid",
        "full",
        "part",
        "their",
        "there",
        "wir",
        "sie",
        "unser",
        "unsere",
        "das",
        "die",
        "der",
        "stelle",
        "standort",
        "gehalt",
        "über",
        "uns",
        "aufgaben",
        "profil",
        "nosotros",
        "ubicación",
        "salario",
        "requisitos",
        "puesto",
        "oferta",
        "nous",
        "vous",
        "lieu",
        "salaire",
        "profil",
        "poste",
        "notre",
        "june",
        "july",
        "january",
        "february",
        "march",
        "april",
        "may",
        "august",
        "september",
        "october",
        "november",
        "december",
        "monday",
        "friday",
        "english",
        "german",
        "french",
        "spanish",
    ]
)
_PLACE_LABEL: Final = re.compile(
    r"^[\s*#_-]*(?:locations?|place|office|city|standorte?|ort|arbeitsort|einsatzort|ubicación|lugar|localidad|ciudad|centro de trabajo|lieux?|lieu de travail|localisation|ville|locatie|sede|local|where)\**\s*:\**\s*(?P<v>[^\n]{2,120})",
    re.IGNORECASE | re.MULTILINE,
)
_PLACE_WORD: Final = re.compile(
    r"(?:\b(?:in|near|at|from|around|to|nach|bei|Standort|Raum|en|a|à|de|près de|cerca de|te|nabij|em|di)|[(,|/])\s*$"
)
_PLACES: Final = re.compile(
    r"(?<![\w-])(?:" + "|".join(re.escape(p) for p in sorted(PLACES, key=len, reverse=True)) + r")(?![\w])"
)
_SPLIT: Final = re.compile(r"\s*(?:/|\||;|,|\bor\b|\band\b|\boder\b|\bund\b|\bo\b|\by\b|\bou\b|\bet\b|&)\s*")
_NOT_PLACE: Final = re.compile(
    r"remote|hybrid|híbrid|office|büro|home|on-?site|presencial|télétravail|teletrabajo|days?|tage|germany|deutschland|españa|spain|france|uk$|usa$|anywhere|europe|eu\b|vor ort|sur place|d-?\d{5}|\d|possible|möglich",
    re.IGNORECASE,
)


def find_title(text: str) -> Hit | None:
    """The job's title: a labelled one, the first heading that names a role, or what is sought."""
    labelled = _TITLE_LABEL.search(text)
    if labelled is not None and (hit := _as_title(text, labelled.start("v"), labelled.end("v"), need_role=False)):
        return hit
    for line in list(re.finditer(r"[^\n]+", text))[:4]:
        heading = len(line.group().split()) <= 14 and not line.group().rstrip().endswith((".", "!", "?"))
        if (
            heading
            and not _SOUGHT.search(line.group())
            and (hit := _as_title(text, line.start(), line.end(), need_role=True))
        ):
            return hit
    for match in _SOUGHT.finditer(text):
        if hit := _as_title(text, match.start("v"), match.end("v"), need_role=True):
            return hit
    for line in list(re.finditer(r"[^\n.!?]+", text))[:6]:
        if len(line.group().split()) <= 16 and (hit := _as_title(text, line.start(), line.end(), need_role=True)):
            return hit
    return _short_heading(text)


def _short_heading(text: str) -> Hit | None:
    """A first line of a few words over a longer text is a title, even when its role is not known here."""
    first = re.match(r"\s*(?P<v>[^\n]{3,80})\n\s*\S", text)
    if first is None or len(first["v"].split()) > 6 or first["v"].rstrip().endswith((".", "!", "?", ":")):
        return None
    return _as_title(text, first.start("v"), first.end("v"), need_role=False)


def _as_title(text: str, start: int, end: int, *, need_role: bool) -> Hit | None:
    value = text[start:end]
    lead = re.match(
        r"[\s*#_>•-]*(?:(?:job|stellenangebot|stellenanzeige|oferta(?: de empleo)?|offre(?: d['’]emploi)?|vacature|now hiring|urgent|hiring|wir suchen|gesucht)\s*[:!–-]+\s*)?",
        value,
        re.IGNORECASE,
    )
    start += lead.end() if lead else 0
    value = text[start:end]
    for _ in range(3):
        shorter = _WANTED.sub("", _GENDER.sub("", _TITLE_END.sub("", value))).strip(" *#_-:•·/")
        if shorter == value:
            break
        value = shorter
    if not 3 <= len(value) <= 120 or (need_role and not _ROLE.search(value)):
        return None
    offset = text.find(value, start)
    return Hit(value, offset, offset + len(value))


def find_company(text: str) -> Hit | None:
    """Who hires: labelled, with a legal form, or as the subject of "is hiring"."""
    labelled = _COMPANY_LABEL.search(text)
    if labelled is not None:
        value = labelled["v"].strip(" *_.")
        if value:
            start = text.find(value, labelled.start("v"))
            return Hit(value, start, start + len(value))
    for shape in _COMPANY_SHAPES:
        for match in shape.finditer(text):
            if hit := _as_company(text, match.start("v"), match["v"]):
                return hit
    return None


def _as_company(text: str, start: int, value: str) -> Hit | None:
    words = value.split()
    while words and words[0].lower() in {
        "the",
        "bei",
        "at",
        "die",
        "der",
        "das",
        "la",
        "le",
        "el",
        "about",
        "join",
        "wir",
        "en",
        "chez",
        "über",
        "job",
        "jobs",
        "willkommen",
    }:
        words = words[1:]
    value = text[start : start + len(value)]
    if not words:
        return None
    cut = value.find(words[0])
    value, start = value[cut:], start + cut
    first = words[0].lower()
    if first in _NO_COMPANY or value in PLACES or (_ROLE.search(value) and not re.search(_LEGAL, value)):
        return None
    return Hit(value, start, start + len(value)) if 2 <= len(value) <= 100 else None


def find_locations(text: str) -> list[Hit]:
    """The places of work: labelled ones first, else known cities in a context of place."""
    hits: list[Hit] = []
    for match in _PLACE_LABEL.finditer(text):
        hits.extend(_labelled(match))
    if not hits:
        hits.extend(_known(text))
    seen: dict[str, Hit] = {}
    for hit in hits:
        seen.setdefault(str(hit.value).casefold(), hit)
    return list(seen.values())[:10]


def _labelled(match: re.Match[str]) -> Iterator[Hit]:
    at = match.start("v")
    value = re.split(r"[.(]|\s[-–—]\s", match["v"])[0]
    known = list(_PLACES.finditer(value))
    if known:
        for place in known:
            yield Hit(place.group(), at + place.start(), at + place.end())
        return
    position = 0
    for piece in _SPLIT.split(value):
        name = piece.strip(" *_.")
        position = value.find(piece, position)
        if 2 <= len(name) <= 60 and not _NOT_PLACE.search(name) and name[0].isupper():
            start = at + value.find(name, position)
            yield Hit(name, start, start + len(name))
            return


def _known(text: str) -> Iterator[Hit]:
    for place in _PLACES.finditer(text):
        before = text[max(0, place.start() - 14) : place.start()].rsplit("\n", maxsplit=1)[-1]
        if place.group() in ORDINARY and not _PLACE_WORD.search(before):
            continue
        following = text[place.end() : place.end() + 24]
        if re.match(r"\s+(?:University|Universität|Institute|[A-Z][\w-]+\s+(?:GmbH|AG|Ltd|Inc))", following):
            continue
        yield Hit(place.group(), place.start(), place.end())
