"""Who employs: of all names that stand where an employer's name stands, the likeliest."""

import re
from collections.abc import Iterator
from typing import Final

from ai.analysis.rules.abilities import is_known_skill
from ai.analysis.rules.layout import Hit, Layout, heading_kind, label_field
from ai.analysis.rules.lexicon.places import PLACES
from ai.analysis.rules.lexicon.roles import ROLE

LEGAL: Final = (
    r"GmbH(?:\s&\sCo\.\s?KG(?:aA)?)?|gGmbH|mbH|AG|SE|KG|UG|OHG|e\.\s?V\.|e\.\s?G\.|eG|a\.\s?G\.|Ltd\.?|Limited|LLP|Inc\.?|LLC|Corp\.?|PLC|plc|Pty Ltd|Pvt\.? Ltd\.?|Private Limited|Pte Ltd|S\.\s?L\.(?:\s?U\.)?|S\.\s?A\.(?:\s?U\.)?|S\.\s?Coop\.?|"
    r"SAS|SARL|SA|SCOP|SASU|S\.\s?p\.\s?A\.|S\.\s?r\.\s?l\.|Srl|SpA|B\.V\.|BV|N\.V\.|NV|VOF|AS|AB|A/S|ApS|Oyj?|Sp\.\sz\s?o\.\s?o\.|Co-op|Coop|Lda\.?|Ltda\.?|S\.\s?A\.\s?de\s?C\.\s?V\.|Co\."
)
_CAPITAL: Final = r"[A-ZÄÖÜÉÈÀÁÍÓÚÑÇØÅÆŁŚÊÎÔ0-9]"
_WORD: Final = rf"(?:'[a-z] |(?:St|Dr|Mt|Ste)\. )?{_CAPITAL}[\w&'’+\-]*(?:\.(?:io|ai|com|de|fr))?"
_JOIN: Final = r"(?:&|and|und|y|et|de|del|la|las|los|le|les|du|des|da|do|dos|das|of|for|von|van|für|der|e|i|di|della|’t|'t|à|en|-|the)"
_NAME: Final = rf"{_WORD}(?:[^\S\n](?:{_JOIN}[^\S\n]){{0,2}}{_WORD}){{0,5}}"
_ORGANISATION: Final = re.compile(
    r"(?<!\w)(?:University|College|School|Academy|Institute|Hospital|Clinic|Medical Cent(?:er|re)|Health|Council|Trust|Foundation|Charity|Society|Association|Museum|Theatre|Library|Church|Centre|Ministry|Department of|City of|Town of|County of|State of|University of|Police|"
    r"Universität|Hochschule|Klinikum|Krankenhaus|Klinik|Stadtwerke|Stadt|Gemeinde|Landkreis|Landesamt|Bundesamt|Amt für|Stiftung|Verein|Verband|Schule|Praxis|Kanzlei|Bäckerei|Bank|Sparkasse|Spital\w*|Verlag|Werkstatt|Apotheke|Rösterei|Hotel|"
    r"Université|Hôpital|Clinique|Mairie|Ville de|Commune de|commune de|Communauté|Département|Association|Fondation|Lycée|École|Théâtre|Cabinet|Mutuelle|Coopérative|Résidence|Maison|Groupe|Domaine|Vergers|"
    r"Universidad|Hospital|Clínica|Ayuntamiento|Fundación|Colegio|Instituto|Grupo|Editorial|Astilleros|Cooperativa|Bodegas|Universidade|Câmara|Fundação|Padaria|Clínica|Cerâmica|"
    r"Gemeente|Stichting|Ziekenhuis|Zorggroep|Hogeschool|Provincie|Brasserie|Restaurant|Bistro|Café|Studio|Labs?|Group|Partners|Bank|Insurance|Software|Systems|Technologies|Solutions|Energy|Foods?|Logistics|Capital|Robotics|Analytics|Consulting|Brewing|Bakery|Nursery|Farm|Works|"
    r"Comune|Ospedale|Fondazione|Azienda|Officine|Cooperativa|Kommun|Region|Urząd)(?!\w)"
)
_HIRES: Final = (
    r"(?:is|are|was|were)\s+(?!an? (?:\w+ )?(?:bonus|plus|must|asset|advantage)\b)(?:hiring|looking|seeking|recruiting|searching|growing|expanding|on a mission|an?|the|one of|where|restoring|founded)\b|(?:seeks?|needs?|builds?|makes?|runs?|operates?|wants?|offers?|invites?|requires?|serves?|develops?|insures?|has|have|provides|helps|would love|delivers|supplies|designs|moves|raised)\b|"
    r"(?:sucht|suchen|baut|entwickelt|betreut|beschäftigt|stellt|ist ein\w*|sind ein\w*|braucht|betreibt|vertreibt|produziert|wartet auf)\b|(?:busca|buscan|necesita|desarrolla|incorpora|diseña|procesa|selecciona|es una?|ofrece|solicita|precisa|cuenta con)\b|"
    r"(?:recherche|recrute|développe|conçoit|est une?|embauche|embauchent|protège|emploie|accompagne|cherche|propose)\b|(?:zoekt|levert|ontwikkelt|is een|biedt)\b|(?:cerca|ricerca|è una?|seleziona|assume|produce|offre|è alla ricerca)\b|"
    r"(?:contrata|procura|admite|está contratando|é uma?|desenvolve|oferece)\b|(?:söker|zatrudni|poszukuje)\b"
)
_SHAPES: Final[tuple[tuple[float, re.Pattern[str]], ...]] = tuple(
    (score, re.compile(pattern))
    for score, pattern in (
        (4.0, rf"(?P<v>{_NAME},?[^\S\n](?:{LEGAL}))(?![\w])"),
        (3.6, rf"(?<![\w’'-])(?P<v>{_NAME})(?:[^\S\n]?\([^)\n]{{1,40}}\))?,?(?:[^\S\n]+(?:in|à|en|from|em|te|aus|im)[^\S\n]+{_NAME})?[^\S\n]+(?:{_HIRES})"),
        (3.4, rf"(?P<v>{_NAME}),\s(?:an?|one|azienda|une?|eine?|empresa|acteur|uno|una|inhabergeführt)\s[^.\n]{{3,90}}?[,.]"),
        (3.2, rf"(?:\b[Aa]bout|\bÜber|\bSobre|\b[ÀA] propos de|\bAcerca de|\bOver|\bJoin|\bjoin|\b[Rr]ejoignez|\b[ÚU]nete a|\b[Ss]umate a|\bWir von(?: der)?|\bWir bei|\bWe at|\bHere at|\bWir sind|\bWe are|\bOn est|\bSomos|\bteam at|\bteam bei|\bWir,)[^\S\n]+(?P<v>{_NAME})"),
        (3.0, rf"\b(?:studio|company|agency|shop|business|firm|practice|start-?up|charity|workshop|bakery|restaurant|farm|Firma|Agentur|Betrieb|Studio|entreprise|agence|atelier|empresa|estudio|bedrijf|bureau|azienda)(?: called| named)?,?[^\S\n](?P<v>{_NAME})(?=,[^\S\n]|[^\S\n](?:in|à|en|from)[^\S\n])"),
        (1.6, rf"(?:\bpara(?: la| el)?|\bfor|\bpour)[^\S\n]+(?P<v>{_NAME})"),
        (3.3, rf"(?:\bcalled|\bnamed|\bnamens|\bllamad[oa]|\bappelée?|\bnommée?|\bgenaamd|\bchiamat[oa])[^\S\n]+(?P<v>{_NAME})"),
        (2.8, rf"(?:\bat|\bbei(?: der| dem)?|\bBei|\bchez|\bChez|@|\bEn|\bbij|\bBij|\bpresso|\bPresso)[^\S\n]+(?P<v>{_NAME})"),
    )
)  # fmt: skip
_DOTTED: Final = r"(?:[A-Za-z]\.\s?[A-Za-z]|\b(?:Ltd|Inc|Corp|Co|Bros|a\. ?G))\.$"
"""Ends of names whose full stop is theirs."""
_COMMON_NOUN: Final = re.compile(
    r"(?<!\w)(?:unser\w*|euer|eure\w*|dein\w*|ihre?\w*|eine[mnrs]?|kein\w*|jede\w*|our|your|my|notre|nos|nuestr\w+|un|una|une)\s$",
    re.IGNORECASE,
)
"""What stands before a noun, and before no name."""
_WHERE: Final = re.compile(r"(?<!\w)(?:in|im|aus|near|from|nahe)\s$", re.IGNORECASE)
AGENCY: Final = re.compile(
    r"recruit|employment agency|employment business|personalberatung|zeitarbeit|staffing agency|talent partners|search partners|headhunt|cabinet de recrutement|consultora de selección|agence de \w+ :|acting as an? ",
    re.IGNORECASE,
)
_FIRST: Final = frozenset(
    ["the", "a", "an", "at", "in", "on", "for", "to", "bei", "die", "der", "das", "dem", "den", "la", "le", "les", "el", "los", "las", "about", "join", "wir", "en", "chez", "über", "job", "jobs", "willkommen", "our", "my", "we", "il", "lo", "gli", "het", "de", "o", "os", "um", "uma", "una", "un", "une", "se", "si", "bij", "presso", "and", "und", "et", "y", "e", "para", "por", "with", "from", "as", "if", "please", "this", "that", "these", "those", "no", "all", "you", "your", "they", "their", "there", "it", "its", "im", "am", "zum", "zur", "als", "ein", "eine", "einen", "einer", "eines", "du", "dein", "deine", "sie", "ihr", "ihre", "nous", "vous", "notre", "nos", "votre", "vos", "tu", "tes", "ton", "toi", "nuestro", "nuestra", "somos", "on", "who", "what", "where", "when", "why", "how"]
)  # fmt: skip
_NO_COMPANY: Final = frozenset(
    ["dear", "hello", "hi", "hey", "hallo", "liebe", "lieber", "bonjour", "hola", "regards", "thanks", "season", "seasonal", "job", "location", "salary", "senior", "junior", "requirements", "role", "position", "company", "remote", "hybrid", "full", "part", "stelle", "standort", "gehalt", "uns", "aufgaben", "profil", "ubicación", "salario", "requisitos", "puesto", "oferta", "lieu", "salaire", "poste", "june", "july", "january", "february", "march", "april", "may", "august", "september", "october", "november", "december", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "english", "german", "french", "spanish", "dutch", "italian", "sql", "excel", "python", "java", "start", "post", "grade", "ref", "hours", "pay", "city", "employer", "organization", "contract", "type", "benefits", "responsibilities", "qualifications", "essential", "desirable", "applicants", "candidates", "applications", "experience", "knowledge", "contrat", "missions", "conditions", "contratto", "funciones", "homeoffice", "vollzeit", "teilzeit", "wo", "wer", "was", "wie"]
)  # fmt: skip


CLOSING: Final = re.compile(
    r"(?:best|cheers|yours|thanks|sincerely|warmly|regards|(?:best|kind|warm|many|all the) (?:wishes|regards|thanks|best)|(?:viele|liebe|beste|herzliche|freundliche) Grüße|"
    r"(?:bien )?(?:cordialement|à vous)|(?:un |muchos )?saludos?|(?:cordiali )?saluti|(?:met vriendelijke )?groet(?:en|jes)?|cumprimentos)\s*(?:[,!.–-]\s*(?:[A-ZÀ-Þ]\S*){0,1}(?: [A-ZÀ-Þ]\S*){0,2})?\s*$",
    re.IGNORECASE,
)
"""The end of a letter: "Best, Aoife"."""
_TOWN_OF: Final = re.compile(r"([^\s,]+(?: [^\s,]+)?)[^\S\n]+(?:di|de|of|von|van|da|do|du|des)[^\S\n]+(?=\S)")
"""A town before the name: "the office in Turin of Acme"."""


def find_company(
    text: str, layout: Layout, title: Hit | None = None, places: frozenset[str] = frozenset()
) -> Hit | None:
    """The likeliest employer; None when no name reads like one. An agency that only places people is none."""
    ranked = company_candidates(text, layout, title, places)
    return ranked[0] if ranked else None


def company_candidates(
    text: str,
    layout: Layout,
    title: Hit | None = None,
    places: frozenset[str] = frozenset(),
    *,
    least: float = 2.0,
) -> list[Hit]:
    """All names that at least so much speaks for, the likeliest first, each value once."""
    scored: dict[str, tuple[float, Hit]] = {}
    for score, hit in _candidates(text, layout, title, places):
        key = str(hit.value).casefold()
        if key in scored:
            old, first = scored[key]
            scored[key] = (max(old, score) + 0.4, first)
        elif title is None or not (title.start < hit.end and hit.start < title.end):
            scored[key] = (score, hit)
    return [hit for score, hit in sorted(scored.values(), key=lambda pair: -pair[0]) if score >= least]


def _candidates(text: str, layout: Layout, title: Hit | None, places: frozenset[str]) -> Iterator[tuple[float, Hit]]:
    for item in layout.values("company"):
        value = re.split(
            rf"[|;]|\((?![^()]*\)\s(?:{LEGAL})(?!\w))|\s[–—]\s|\s-\s|,(?!\s?(?:S\.|Inc|Ltd|LLC))|(?<!\bSt)(?<!\bDr)(?<!\bCo)\.\s",
            text[item.start : item.end],
        )[0].strip(" *_")
        if value.endswith(".") and not re.search(_DOTTED, value):
            value = value[:-1]
        if value.strip("."):
            yield 7.0, _hit(text, item.start, value)
    for score, shape in _SHAPES:
        for match in shape.finditer(text):
            hit = _as_company(match.start("v"), match["v"], places)
            if hit is None or _near_agency(text, hit):
                continue
            before = text[max(0, hit.start - 12) : hit.start]
            if score != 4.0 and (_COMMON_NOUN.search(before) or (_WHERE.search(before) and " " not in str(hit.value))):
                continue
            line = layout.line_at(hit.start)
            early = 0.8 if hit.start < 600 else 0.0
            start_of_line = 0.4 if hit.start - line.lead < 12 else 0.0
            organised = 0.6 if _ORGANISATION.search(str(hit.value)) else 0.0
            listed = 0.8 * bool(
                re.match(r"(?:School|Department|Faculty|Division|Fakultät|Facultad|Faculté) ", str(hit.value))
            ) + (
                1.5
                if layout.kind_at(hit.start) in {"required", "preferred", "offer"}
                or (line.bullet and layout.kind_at(hit.start) == "tasks")
                else 0.0
            )
            yield (
                score
                + early
                + start_of_line
                + organised
                - listed
                - ((0.3 if " " in str(hit.value) else 1.4) if score == 2.8 and not organised else 0.0),
                hit,
            )
    yield from _in_lines(text, layout, title, places)
    for match in re.finditer(_NAME, text):
        if (
            (
                _ORGANISATION.search(match.group())
                and len(match.group().split()) >= 2
                and (hit := _as_company(match.start(), match.group(), places))
            )
            and not _near_agency(text, hit)
            and layout.kind_at(hit.start) not in {"required", "preferred"}
        ):
            yield 2.2 + (0.6 if hit.start < 500 else 0.0), hit


def _in_lines(text: str, layout: Layout, title: Hit | None, places: frozenset[str]) -> Iterator[tuple[float, Hit]]:
    """A name that is a line or a cell of its own near the title, such as "Tern Ltd · Oslo · hybrid"."""
    spoken = [line for line in layout.lines if line.lead < line.end]
    near = next((i for i, line in enumerate(spoken) if title is not None and line.start <= title.start <= line.end), 0)
    for index, line in enumerate(spoken[: max(near + 4, 8)]):
        whole = text[line.lead : line.end]
        if (
            CLOSING.match(whole)
            or (heading_kind(whole.rstrip(":")) is not None and len(whole.split()) <= 4)
            or layout.kind_at(line.start) in {"required", "preferred", "offer"}
            or (line.bullet and layout.kind_at(line.start))
        ):
            continue
        cells = [m.span() for m in re.finditer(r"(?:(?!\s*[|·•@]\s*|\s[–—-]\s|,\s|(?<!\bSt)\.\s|\s?\().)+", whole)]
        alone = len(cells) <= 3 and len(whole.split()) <= 14
        for place, (begin, end) in enumerate(cells[:5]):
            piece = whole[begin:end].strip(" .!*_-–—|·•@")
            listed = place > 0 and whole[:begin].rstrip().endswith(",") and re.search(_NAME + r",\s*$", whole[:begin])
            if listed or not piece or ":" in piece or label_field(piece) or not re.fullmatch(_NAME, piece):
                continue
            hit = _as_company(line.lead + begin + whole[begin:end].find(piece), piece, places)
            if hit is None or ROLE.search(piece):
                continue
            distance = 0.3 * (index - near) if index > near else 0.1 * (near - index)
            yield (
                2.6
                - distance
                - 0.35 * place
                + 0.8 * alone
                + 0.8 * bool(_ORGANISATION.search(piece))
                - 0.8 * line.bullet
                - (1.0 if len(whole.split()) > 20 else 0.0),
                hit,
            )


def _near_agency(text: str, hit: Hit) -> bool:
    return bool(AGENCY.search(text[max(0, hit.start - 30) : hit.end + 45]))


def _hit(text: str, start: int, value: str) -> Hit:
    at = text.find(value, start)
    return Hit(value[:100], at, at + len(value[:100]))


def _as_company(start: int, value: str, places: frozenset[str]) -> Hit | None:
    while (lead := re.match(r"(\S+)\s+", value)) is not None and lead[1].lower().rstrip(",:") in _FIRST:
        value, start = value[lead.end() :], start + lead.end()
    town = _TOWN_OF.match(value)
    if town is not None and (town[1] in PLACES or town[1].casefold() in places):
        value, start = value[town.end() :], start + town.end()
    first = re.split(r"['’\s]", value, maxsplit=1)[0].lower().rstrip(",:.")
    legal = re.search(rf"\s(?:{LEGAL})$", value)
    if (
        (first in _NO_COMPANY and not value.startswith(("City of ", "Town of ")))
        or first in _FIRST
        or value in PLACES
        or is_known_skill(value)
        or value.casefold() in places
        or value.isdigit()
        or not re.search(r"[^\W\d]{2}", value)
    ):
        return None
    if (
        legal is None
        and not _ORGANISATION.search(value)
        and (ROLE.search(value) or (value.isupper() and len(value) <= 4))
    ):
        return None
    if legal is None and re.search(rf"(?:{ROLE.pattern})$", value, re.IGNORECASE):
        return None  # "Software Engineer" is no software house
    return Hit(value, start, start + len(value)) if 2 <= len(value) <= 100 else None
