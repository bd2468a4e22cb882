"""The job's title: of all places where a title may stand, the likeliest."""

import re
from collections.abc import Iterator
from typing import Final

from ai.analysis.rules.layout import Hit, Layout, Line, heading_kind, label_field
from ai.analysis.rules.lexicon.places import PLACES
from ai.analysis.rules.lexicon.roles import ROLE

_LETTERS: Final = r"[mwfdxhniMWFDXHNI]"
GENDER: Final = re.compile(
    rf"\s*(?:[(\[]\s*(?:{_LETTERS}(?:\s?[/|,*.]\s?{_LETTERS}){{1,3}}|all genders?|alle Geschlechter|gn|h\s?[-/]\s?f|f\s?[-/]\s?h)\s*[)\]]|(?<=\s){_LETTERS}(?:/{_LETTERS}){{1,3}}(?=\s|$|,))",
)
_SOUGHT: Final = re.compile(
    r"(?<!\w)(?:look(?:ing|s)? (?:for|to add)|hiring|seeks?|seeking|searching for|search for|recruit(?:ing|s)?|needs?|require[sd]?|we want|to find|opening for|vacancy for|in need of|join (?:us|our team|(?-i:[A-Z])\S*(?: (?-i:[A-Z])\S*){0,3}) as|apply (?:now )?as|work as|would love to hear from|applications for|"
    r"role of|position of|post of|invites? applications for|hope to (?:meet|find|hire)|we lack is|appoint|"
    r"suchen(?:\s+(?:wir|nach))?|sucht|gesucht:?|brauchen|braucht|stellen (?:wir )?ein:?|besetzen wir(?: folgende Position)?:?|eine Stelle als|Verstärkung als|als|Du bist|"
    r"buscamos|busca|buscan|necesitamos|necesita|precisa|incorpora(?:r|mos)?|selecciona(?:mos)?|solicita|contrata(?:mos|ndo)?|nos falta|"
    r"recherch(?:e|ons)|recrut(?:e|ons|ent)|cherch(?:e|ons)|embauch(?:e|ons|ent)|"
    r"cercasi|si cerca|se (?:busca|necesita|solicita)|zoekt|zoeken(?:\s+(?:wij|we|naar))?|cerca|cerchiamo|ricerca|ricerchiamo|assume|seleziona|procura(?:mos)?|admite|busca|söker|zatrudni|poszukuje)(?!\w)"
    r"(?:[ \t]*[:\n]\s*|[ \t]+)(?:(?:wir|ab sofort|per direct|zum nächstmöglichen Zeitpunkt|for our team|actuellement|currently|now|einen?|eine[nr]?(?:/n)?|eine:n|an?|the|our|un/a|uno/a|una/o|um/a|un\(a\)|un/una|una?/uno?|um/uma|un[ae]?|une?|un\(e\)|un/e|una|een|um|uma|unseren?|zwei|two|deux|dos|several|neue[nr]?|new|"
    r"experienced|motivierte[nr]?|talented|passionate|another|brilliant|great|notre|nos|nuestr[oa]|ons|first|second|next|erste[nr]?|futur(?:\(e\)|e)?|jemanden|add|for|person who \w+(?: \w+){0,5}: an?|dich als|Dich als|dich|mehrere|enthusiastic|skilled|qualified|für unser \w+)[ \t]+){0,4}"
    r"(?P<v>(?:[^\n.;!?:(|]|\([^()\n|]{1,40}\)){3,90})",
    re.IGNORECASE,
)  # fmt: skip
_LEADIN: Final = re.compile(
    r"(?:(?:job|stellenangebot|stellenanzeige|oferta(?: de empleo)?|offre(?: d['’]emploi)?|vacature|now hiring|urgent\w*|hiring(?: for)?|wir suchen|gesucht|intérim|alternance(?: \d{4})?|join us|we(?:'|’)?re hiring|vaga|stage(?: \w+)?|mini-?job|nebenjob|ferienjob|(?:part|full)[- ]time(?: job)?|(?:summer|weekend|student) job)\s*[:!–-]+\s*|(?:contract(?: role)?|freelance|permanent|perm|temporary|temp|fixed[- ]term)\s*:\s*|oferta [\d/]+\.?\s*|\W+|role [a-z0-9]\s*[-–:]\s*|\d+[).]\s*)+",
    re.IGNORECASE,
)
_SHOUT: Final = re.compile(
    r"(?:urgent(?:ly)?|now hiring|hiring(?: now)?|apply now|new|hot job|immediate start|dringend|ab sofort|urgente|wanted|vacancy|job|stellenangebot)",
    re.IGNORECASE,
)
_WANTED: Final = re.compile(
    r"\s+(?:wanted|needed|required|gesucht|sought|urgently|se busca|recherchée?|job (?:description|posting|ad)|Stellenbeschreibung|fiche de poste|x\s?\d+|\d+\s?[–-]\s?\d+\s?%|\d{2,3}\s?%)(?!\w).*$",
    re.IGNORECASE,
)
_IS_WANTED: Final = re.compile(
    r"(?:an? |experienced |part-time |full-time )*(?P<v>[^\W\d_][^\n.;!?:,|]{2,60}?)\s+(?:is |are |wird |werden )?(?:urgently |dringend |ab sofort )?(?:required|wanted|needed|sought|gesucht|recherchée?)(?!\w)(?=\s+(?:at|by|for|in|to|bei|für|in|von|zum|per|pour|à|chez|urgently)\b|[.!:,]|\s*$)",
    re.IGNORECASE,
)
_END: Final = re.compile(
    r"\s+(?:at|bei|beim|chez|@|to|who|with|mit|um|para|pour(?! )|als Verstärkung|für unser\w*|to join|based|op|presso|per (?:la|il|lo|le|i|gli|una?)|pour (?:la|le|les|notre|nos|une?)|a tiempo|à temps|am Standort|zur Verstärkung|que|qui|con|com|avec|per|from|on a|on-site|in unserem|zum nächstmöglichen|ab sofort|près|afin|sur|nous|where|we hope|till|til|role\b|is|are|and will|whose|while|wer|(?:der|die|das)(?! (?-i:[A-ZÄÖÜ]))|has|have|übern(?:ehmen|immst)|sind|bist|unterstütz\w+|arbeite\w+|bring\w*|sorg\w+|verantworte\w+|would|can|for (?:its|our|their|a|the|about|around|roughly|up to|at least|\d\S*)|für (?:den|die|das|unser\w*)|"
    r"à [A-ZÉ]\w+|en [A-ZÁÉ]\w+|in [A-ZÄÖÜ]\w+|a [A-Z]\w+|em [A-Z]\w+|te [A-Z]\w+|i [A-ZÅÄÖ]\w+|para [A-ZÁÉ]\w+|im (?:Raum|Café|Hotel|Restaurant|Gasthaus|Gasthof|Krankenhaus|Klinikum|Seniorenheim|Supermarkt)|voor|na [A-Z]\w+)(?:\s.*)?$"
    r"|\s+[–—-]\s+.*$|\s*(?:[—|\[•\u2600-\u27bf\U0001f300-\U0001faff]|·(?!\w)|(?<!\w)·).*$|\s*\((?!(?<=\w\()[a-zà-ÿ]{1,6}\)).*$|,.*$|:\s.*$|\s+(?:in|for|für)\s+(?:a|an|the|einem?|einer|our|its|their|one|der|dem|den)\s.*$"
)


_BRACKET: Final = re.compile(r"\s?\((?P<v>[^\W\d_][^()\n]{1,38})\)")
_TERMS: Final = re.compile(
    r"\d|%|(?<!\w)(?:remote|hybrid\w*|híbrid\w*|home|on-?site|office|full|part|fulltime|parttime|teilzeit|vollzeit|(?:un)?befristet\w*|permanent|temp\w*|contract|fixed|freelance|intern\w*|"
    r"maternity|cover|months?|hours?|std|stunden|heures|uur|ore|horas|saison\w*|season\w*|all|alle|gender\w*|divers|ab|asap|urgent|ref|id|new|neu|paid|unpaid|members?|membre|volunt\w*|minijob|praktikum|elternzeit\w*|"
    r"germany|deutschland|uk|usa?|emea|eu|europe|cdi|cdd|stage|indefinido|presencial|raum|in|bei|at|near|from|starting|start)(?!\w)",
    re.IGNORECASE,
)
"""What a bracket behind a title may say of the terms instead of the work."""
_MARKED: Final = re.compile(r"\s*[\[【]?[^\[\]【】\n]{1,40}[\]】]\s*(?=\w)")
"""A remark in square brackets before a title, such as "[Remote]"."""


def find_title(text: str, layout: Layout) -> Hit | None:
    """The likeliest title, None when nothing reads like one; the first of those equally likely."""
    best: tuple[float, Hit] | None = None
    for score, hit in _candidates(text, layout):
        if best is None or score > best[0]:
            best = (score, hit)
    return None if best is None else best[1]


def title_candidates(text: str, layout: Layout) -> list[Hit]:
    """All likely titles, the likeliest first, each value once."""
    ranked = sorted(_candidates(text, layout), key=lambda pair: -pair[0])
    return list({str(hit.value).casefold(): hit for _, hit in reversed(ranked)}.values())[::-1]


def _candidates(text: str, layout: Layout) -> Iterator[tuple[float, Hit]]:
    for index, item in enumerate(layout.values("title")):
        if hit := _as_title(text, item.start, item.end):
            yield 6.0 - min(index, 3) + bool(ROLE.search(str(hit.value))), hit
    spoken = [line for line in layout.lines if line.lead < line.end][:14]
    for index, line in enumerate(spoken):
        yield from _in_line(text, line, index, layout)
    yield from _after_seeking(text, layout)
    yield from _before_wanted(text, layout)
    if len(spoken) > 1 and (first := _bare_heading(text, spoken[0])):
        yield 1.2, first


def _after_seeking(text: str, layout: Layout) -> Iterator[tuple[float, Hit]]:
    """What is said to be sought: it must name a role, bear a gender mark, or be written as a name."""
    for match in _SOUGHT.finditer(text[:6000]):
        start = match.start("v")
        hit = _as_title(text, start, match.end("v"))
        if hit is None or (layout.kind_at(start) in {"offer", "required", "preferred"} and start > 200):
            continue
        gendered = GENDER.match(text, match.end("v")) is not None or GENDER.search(match["v"]) is not None
        role = ROLE.search(str(hit.value)) is not None
        named = str(hit.value)[0].isupper() and len(str(hit.value).split()) >= 2
        weak = re.match(r"als|du bist|require|need|precisa", match.group(), re.IGNORECASE) is not None
        if role or gendered or (named and start < 400 and not weak):
            yield 2.6 + 1.0 * role + 2.0 * gendered + 0.5 * named - min(start, 2000) / 2500 - 1.2 * weak, hit


def _before_wanted(text: str, layout: Layout) -> Iterator[tuple[float, Hit]]:
    """A role that a sentence begins with and says to be wanted: "Head Chef required at The Copper Kettle"."""
    for line in layout.lines[:40]:
        match = _IS_WANTED.match(text, line.lead, line.end)
        hit = _as_title(text, match.start("v"), match.end("v")) if match is not None else None
        if (
            hit is not None
            and ROLE.search(str(hit.value))
            and layout.kind_at(line.lead) not in {"offer", "required", "preferred"}
        ):
            yield 3.6, hit


def _bare_heading(text: str, line: Line) -> Hit | None:
    """A first line of a few words is a title even when its role is not known here."""
    whole = text[line.lead : line.end].rstrip()
    if whole.endswith((".", "!", "?", ":")) or ":" in whole or "|" in whole or _GREETING.match(whole):
        return None
    hit = _as_title(text, line.lead, line.end) if heading_kind(whole) is None else None
    return hit if hit is not None and len(str(hit.value).split()) <= 6 else None


_GREETING: Final = re.compile(
    r"(?:hi|hello|hey|hola|hallo|moin|bonjour|ciao|olá|urgent|job details|home|skip|careers?|about|über|à propos|notre|unser|our|my)\b",
    re.IGNORECASE,
)


def _in_line(text: str, line: Line, index: int, layout: Layout) -> Iterator[tuple[float, Hit]]:
    """A heading or a cell of one near the top that names a role, or one that ends in a gender mark."""
    whole = text[line.lead : line.end]
    gender = GENDER.search(whole)
    if gender is not None:
        sentence = re.split(r"[.!?:]\s+", whole[: gender.start()])[-1]
        begin = line.lead + gender.start() - len(sentence)
        sought = list(_SOUGHT.finditer(text, begin, line.lead + gender.start()))
        if sought:
            begin = sought[-1].start("v")
        if hit := _as_title(text, begin, line.lead + gender.start()):
            yield 5.0 - index * 0.1, hit
    if _SOUGHT.search(whole) and not len(whole.split()) <= 3 and (index > 0 or len(whole.split()) > 6):
        return
    cells = [
        m.span()
        for m in re.finditer(r"(?:(?!\s[|·•@–—]\s|\s-\s|\||\s?(?:\*{2,}|={2,}|~{2,}|!{2,})|(?<=[\w)])[.!]\s).)+", whole)
    ]
    for place, (begin, end) in enumerate(cells):
        piece = whole[begin:end].strip()
        if (
            not piece
            or _SHOUT.fullmatch(piece.strip(" *_!.-"))
            or (len(piece.split()) > 11 and ":" not in piece)
            or piece.endswith("?")
            or layout.kind_at(line.start) in {"required", "preferred", "offer"}
            or label_field(piece.rstrip(":"))
        ):
            continue
        hit = _as_title(text, line.lead + begin, line.lead + end)
        if hit is None:
            continue
        if piece.endswith(".") and len(str(hit.value)) > 0.7 * len(piece):
            continue
        role = ROLE.search(str(hit.value))
        if role is not None and (str(hit.value)[0].isupper() or len(whole.split()) <= 6):
            bullet = 0.8 if line.bullet and index > 1 else 0.0
            yield 4.0 - index * 0.15 - place * 0.3 - bullet - 0.12 * max(len(piece.split(": ")[0].split()) - 7, 0), hit


def _as_title(text: str, start: int, end: int) -> Hit | None:
    mark = _MARKED.match(text, start, end)
    start = mark.end() if mark is not None else start
    value = text[start:end]
    lead = _LEADIN.match(value)
    start += lead.end() if lead else 0
    value = text[start:end]
    said = _branch(value)
    for _ in range(4):
        shorter = _WANTED.sub("", GENDER.sub("", _END.sub("", value))).strip(' *#_-–:•·/!,"“”«»\t')
        if shorter == value:
            break
        value = shorter
    if (
        not 3 <= len(value) <= 90
        or len(value.split()) > 9
        or value in PLACES
        or not re.search(r"[^\W\d]{3}", value)
        or re.match(r"(?:we|you|they|wir|ihr|nous|vous|our|my)\s", value, re.IGNORECASE)
    ):
        return None
    offset = text.find(value, start)
    if offset >= 0 and said is not None and text.startswith(said, offset + len(value)):
        value += said
    return Hit(value, offset, offset + len(value)) if offset >= 0 else None


def _branch(value: str) -> str | None:
    """The first bracket of a title where it says of which branch the role is, "(Java)"; not its terms, its place or a number."""
    found = _BRACKET.search(value)
    if found is None or _TERMS.search(found["v"]) or found["v"] in PLACES or GENDER.match(found.group()):
        return None
    return found.group()
