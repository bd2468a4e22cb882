"""Skills: names that are known, and what the text itself shows to be a skill by where and how it is named."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from ai.analysis.rules.layout import Hit, Layout, Line
from ai.analysis.rules.lexicon.languages import LANGUAGE
from ai.analysis.rules.lexicon.roles import ROLE
from ai.analysis.rules.lexicon.skills import CASE_MATTERS, RISKY, SKILLS

Span = tuple[int, int]
_KNOW: Final = (
    r"(?:(?:hands[- ]on |working |good |deep |strong |solid |sound |in-depth |thorough |some |basic |proven |practical |previous )*(?:experience|knowledge|understanding|grasp|command|proficien\w+|familiarity|familiar|expertise|skills?|background|exposure|fluency|competen\w+|comfortable|proficient|skilled|versed|user|use|evidence|training|trained)"
    r"(?:\s+(?:of|with|in|using|on|to))"
    r"|(?:know|knows|master|love|speak|write|use|using|via)\b"
    r"|(?:[\wäöü]+e[nr]?\s+)?(?:Kenntnisse?|Erfahrung(?:en)?|Umgang|Praxis|Know-how|Grundkenntnisse|Routine|Wissen|Fachwissen)\s+(?:in|mit|im|der|des|von|zu|über)(?:\s+(?:der|den|dem|die|das))?|vertraut mit|sicher in|kennst dich (?:gut )?(?:aus )?(?:mit|in)|beherrschst|kennst"
    r"|(?:maîtrise[zr]?|connaissances?|expérience|pratique|notions|compétences?|connaissez|utilisation|habilitation)\s*(?:professionnelle |approfondie |solide |parfaite )?(?:de la|de l['’]|de|d['’]|du|des|en|avec|sur|dans|les|le|la|l['’])"
    r"|(?:conocimientos?|manejo|dominio|experiencia|uso|nociones|formación|domina|maneja)\s+(?:avanzad[oa]s? |sólid[oa]s? )?(?:de|en|con|del|las?|los)"
    r"|(?:conhecimentos?|domínio|experiência|vivência|noções|curso)\s+(?:avançad[oa] |sólid[oa]s? )?(?:de|em|com|do|da|no|na)"
    r"|(?:ervaring|kennis|bekend|affiniteit|vaardig\w*|overweg)\s+(?:met|van|in)"
    r"|(?:conoscenza|esperienza|padronanza|uso|competenz[ae]|utilizzo)\s+(?:di|del|della|dei|in|con|dell['’]|nell['’]uso di))"
)
_CUE: Final = re.compile(rf"(?<!\w){_KNOW}\s*", re.IGNORECASE)
_STRIP: Final = re.compile(
    rf"^(?:[\s,;:•*\-–—]+|(?:{_KNOW})\s+|(?:hands[- ]on|working|good|deep|strong|solid|sound|in-depth|thorough|some|basic|proven|practical|advanced|excellent|current|valid|full|clean|manual|an?|the|your|our|own|any|least|other|such as|like|e\.g\.|z\. ?B\.|including|ideally|also|and|or|und|oder|et|ou|y|o|e|en|of|with|in|mit|von|der|die|das|den|dem|eine?[nrms]?|"
    r"gute?[nrs]?|sehr|fundierte|sichere[rn]?|erste|idealerweise|routinierter|de|des|du|la|le|les|un|une|bonne|la|el|los|las|una|avec|con|com|os|as|um|uma|het|een|goede|buona|ottima|il|lo|i|gli|del|della|experience|knowledge|expert|excellent|proficient|comfortable|competent|you can|you know|you have|you hold|must have|have|has|hold|we use|ability to use|think|a bit of|a|stack|you|already|du|schon|bereits|even|maybe|perhaps|further|both|either|either of|modern|related)\b\.?|[\"“«'])+\s*",
    re.IGNORECASE,
)
_TAIL: Final = re.compile(
    r"(?:-?kenntnisse|\s+(?:is|are|a must|a plus|would|will|preferred|required|needed|necessary|essential|desirable|helps?|experience|knowledge|skills|certificates?|certification|level|or similar|or equivalent|etc|environment|software|systems?|tools?|ist|sind|wäre|von Vorteil|wünschenswert|erforderlich|zwingend|Kenntnisse|est|sont|kennst|kannst|un plus|un atout|exigé\w*|indispensable\w*|obligatoire\w*|souhaité\w*|es|será|imprescindible|obligatorio|deseable|avanzado|avançado|intermedio|è|gradit[oa]|richiest[oa]|is een|een pré|vereist|trained|needed|pls|please|you|at|for|to|from|with|in|on|of|and|und|et|y|e|or|nötig|pre|as|that|which|who|when|because)\b.*|\s*[(\[].*|[\s.,;:!?)\]\"”»'*]+)$",
    re.IGNORECASE,
)
_SPLIT: Final = re.compile(
    r"\s*(?:,|;|•|·|\s\+\s|\s/\s|(?<=[A-Za-z#+]{2})/(?=[A-Z])|\s(?:and|or|und|oder|sowie|et|ou|y|e|o|en|of|as well as|&)\s(?!$))\s*"
)
_SOFT: Final = re.compile(
    r"(?<!\w)(?:teams?\b|teamwork|teamf|team[- ]?(?:player|spirit|geist)|communicat|kommunik|motivat|flexib|reliab|zuverläss|calm|friendly|organi[sz]|attitude|passion|self-|creativ|analytic|problem|curious|portfolio|experience|\w*erfahrung|menschen|kindern?\b|kunden\b|gästen?\b|year|jahr|ans\b|años|shift|schicht|weekend|customer-|interpersonal|leadership|detail|attention|diligen|sorgfalt|genauigkeit|willing|ability|able|bereit|freude|spaß|lust|disponib|available|autonom|rigueur|sens d|aisance|proactiv|compromiso|dinâm|"
    r"discr[eé]|positiv|energ|hunger|driven|mindset|degree|diploma|bachelor|master\b|schrift\b|wort\b|tagen\b|days ago|professional|collaborat|parts?\b|practical|equivalent|berufs|zuverl|arbeitsweise|strukturiert|graduate|subject|discipline|practice|time\b|studium|ausbildung|grado|licenciatura|laurea|salary|gehalt|€|£|\$|\d{4}|hours|stunden|heures|benefit|remote|office\b|homeoffice|german|english|interest|understand|candidate|applicant|people|someone|ideal|what|who\b|your\b|that\b|this\b|we\b|du\b|dich|sie\b|vous|nous|tú\b|você|"
    r"references|referenzen|travel|reise|work permit|eligib|citizen|clearance|physical|lift|stand|age\b|old\b|CV\b|resume|imprescindible|cookies|leave\b|responsib|enthus|patient\b|empath|punctual|hands-on|commut|start\b|love|similar|related|field|environment|umfeld|role\b|position|company|industry|branche|secteur|sector|area|áreas|diseases?|stress|pressure|drive\b|véhicul|mobil|idiom|sprache|language|langue|lingua|taal)",
    re.IGNORECASE,
)
_NO_SKILL: Final = re.compile(
    r"(?:no|not|(?:do|does|need|have)n['’]t|without|non|kein\w*|nicht|ohne|sans|pas|aucune?|sin|senza|nessun\w*|geen|zonder|sem|nenhum\w*|"
    r"apply|applications?|send|submit|email|contact|visit|call|join|closing|deadline|interviews?|"
    r"bewerb\w*|bewirb\w*|bewerbung\w*|postul\w*|candidat\w*|envía\w*|envi[ae]\w*|envoy\w*|solicit\w*|inviar?e?|invia|stuur|solliciteer)(?!\w)",
    re.IGNORECASE,
)
"""What a list of requirements may hold that is none: what is not needed, and what to do next."""
_DATE: Final = re.compile(
    r"\b\d{1,2}(?:st|nd|rd|th|\.|º|er)?\s+(?:de\s+)?(?:jan|feb|mar|mär|apr|avr|abr|may|mai|mayo|mag|jun|juin|giu|jul|juil|lug|aug|août|ago|sep|set|oct|okt|oct|ott|nov|dec|dez|déc|dic)\w*|\b(?:january|february|march|april|june|july|august|september|october|november|december)\s+\d{1,2}\b",
    re.IGNORECASE,
)
_NEGATED: Final = re.compile(
    r"(?:\bno|\bnot|n['’]t (?:need|have|require)|\bwithout|\bkeine?[nr]?|\bohne|\bsin|\bpas de|\baucune?|\bno need for|\bnot need|\bgeen)\s+(?:\w+\s+){0,3}$",
    re.IGNORECASE,
)
_NOT_NEEDED: Final = re.compile(
    r"(?:[^\S\n]+\w+){0,2}[^\S\n]+(?:is |are |ist |sind |est |n['’]est |es |è |wird |werden )?(?:not|nicht|pas|no es|non è|niet) (?:required|needed|necessary|nötig|notwendig|erforderlich|vorausgesetzt|necesario|nécessaire|richiesto|nodig)",
    re.IGNORECASE,
)
_ELSEWHERE: Final = frozenset({"offer", "about", "unasked"})
"""Sections that name what is not asked for: what the employer offers, is, or does not need."""
_TOOL: Final = re.compile(
    r"(?<![\w.@/-])(?:[A-Z][a-z]+[A-Z]\w*|[A-Z]{2,}[a-z]+[A-Z]\w*)(?![\w-]*\s(?:GmbH|AG|Ltd|Inc|SAS|plc))"
)
_WITH: Final = re.compile(
    r"(?:\b(?:in|with|using|via|through|on|update|into|mittels|mit|über|avec|sous|en|con|mediante|com|met|tramite|use|uses|run|runs|from|and|und|et|y|e)\s|,\s|/\s?)$",
    re.IGNORECASE,
)
_NAMED_BEFORE: Final = "|".join(
    rf"(?<=\b{word}\s)"
    for word in (
        "write",
        "writes",
        "know",
        "knows",
        "use",
        "of",
        "with",
        "in",
        "di",
        "de",
        "en",
        "von",
        "mit",
        "met",
        "con",
    )
)
"""Words after which a single letter is the name of a language."""
_CAPITALISED: Final = r"[A-Z][\w+#.-]*"
_SUBJECT: Final = re.compile(
    rf"(?:^|(?<=[.;:!?,]\s)|(?<=\n))(?P<v>{_CAPITALISED}(?:(?:,\s|\s(?:or|and|und|oder|et|ou|y|o|e|of|en)\s|\s){_CAPITALISED}){{0,6}})"
    r"\s(?:would be|is|are|wäre|wären|ist|sind|serait|seraient|est|sont|sería|serían|es|son|è|sono|is|zijn)\s"
    r"(?:an?\s|ein\s|une?\s|een\s)?(?:\w+\s)?(?:bonus|plus|advantage|asset|great|nice|lovely|ideal|helpful|useful|toll|super|schön|welcome|desirable|required|essential|must|Vorteil|Pluspunkt|wünschenswert|willkommen|erforderlich|atouts?|appréciée?s?|deseables?|valorables?|imprescindibles?|requeridos?|gradit[oaie]|richiest[oaie]|pré|welkom|vereist)\b"
)
_PROPER: Final = re.compile(r"[A-Z]{2}|[a-z][A-Z]|\d|[+#]|\.(?:js|NET|io)")
_TOKEN: Final = re.compile(r"\w+")
_NO_TOOL: Final = frozenset(
    {
        "linkedin",
        "whatsapp",
        "youtube",
        "facebook",
        "homeoffice",
        "jobticket",
        "paypal",
        "iphone",
        "ipad",
        "macbook",
        "github",
        "wework",
        "glassdoor",
    }
)


def find_skills(text: str, layout: Layout, taken: Sequence[Span] = ()) -> tuple[list[Hit], list[Hit]]:
    """Skills required and preferred, each once, in order of appearance; a skill named as required is not also preferred.

    `taken` are spans that are something else: title, company, places, schooling.
    """
    required: dict[str, Hit] = {}
    preferred: dict[str, Hit] = {}
    for hit in sorted(_all(text, layout, list(taken)), key=lambda h: h.start):
        place = preferred if layout.is_preferred(hit.start) else required
        place.setdefault(str(hit.value), hit)
    folded = {name.casefold() for name in required}
    nice = [hit for name, hit in preferred.items() if name.casefold() not in folded]
    return list(required.values())[:40], nice[:30]


def _all(text: str, layout: Layout, taken: list[Span]) -> Iterator[Hit]:
    used = bytearray(
        len(text)
    )  # a mark for each character, so that a text of nothing but skills takes no longer for each of them
    for start, end in taken:
        used[start:end] = b"\1" * (end - start)
    for finder in (_known(text, layout), _named(text, layout), _tools(text, layout), _subjects(text, layout)):
        for hit in finder:
            if not any(used[hit.start : hit.end]):
                used[hit.start : hit.end] = b"\1" * (hit.end - hit.start)
                yield hit


def _known(text: str, layout: Layout) -> Iterator[Hit]:
    """Skills that are known by name, longer names first; not in what the company says of itself or offers."""
    words = set(_TOKEN.findall(text.casefold()))
    for name, pattern, token in _patterns():
        for match in pattern.finditer(text) if token in words else ():
            if (
                layout.kind_at(match.start()) not in _ELSEWHERE
                and not _labelled_otherwise(layout, match.start())
                and not _unasked(text, match.start(), match.end())
            ):
                yield Hit(name, match.start(), match.end(), exact=match.group() == name)
    for name in RISKY:
        for match in re.finditer(
            rf"(?:(?<=[,/(:.•*-]\s)|^|{_NAMED_BEFORE}){name}(?=\s?[,/)]|\.(?:\s|$)|\s(?:and|und|y|et|or|e|en|o|ou|oder)\s|[^\S\n]*$)|(?<=[,/(]){name}(?=[,/)])",
            text,
            re.MULTILINE,
        ):
            kind, line = layout.kind_at(match.start()), layout.line_at(match.start())
            whole = (match.start(), match.end()) == (line.lead, len(text[: line.end].rstrip()))
            if kind in {"required", "preferred"} if whole else kind not in _ELSEWHERE:
                yield Hit(name, match.start(), match.end())


def _subjects(text: str, layout: Layout) -> Iterator[Hit]:
    """What a sentence says to be a bonus, or a must: "Kafka or Pulsar would be a bonus"."""
    for match in _SUBJECT.finditer(text):
        if layout.kind_at(match.start("v")) in _ELSEWHERE:
            continue
        position = match.start("v")
        for piece in _SPLIT.split(match["v"]):
            at = text.find(piece, position, match.end("v")) if piece else -1
            if at < 0:
                continue
            position = at + len(piece)
            hit = _as_skill(text, (at, position), listed=True, first=False, german=False)
            if hit is not None:
                yield hit


def _unasked(text: str, start: int, end: int) -> bool:
    """Whether the clause around a name says that it is not needed."""
    before = text[max(0, start - 70) : start]
    return _NEGATED.search(before) is not None or _NOT_NEEDED.match(text, end, end + 60) is not None


def _labelled_otherwise(layout: Layout, position: int) -> bool:
    return any(item.label <= position < item.end and item.field != "title" for item in layout.labelled)


def _named(text: str, layout: Layout) -> Iterator[Hit]:
    """What stands where skills are listed, or behind "knowledge of", and looks like the name of one."""
    german = len(re.findall(r"\b(?:und|der|die|das|mit|für|wir)\b", text)) > 4
    for line in layout.lines:
        for start, end, listed in _stretches(text, layout, line):
            position = start
            for piece in _SPLIT.split(text[start:end]):
                at = text.find(piece, position, end) if piece else -1
                if at < 0:
                    continue
                position = at + len(piece)
                hit = _as_skill(text, (at, at + len(piece)), listed=listed, first=at == start, german=german)
                if hit is not None:
                    yield hit
                elif not listed:
                    break


def _stretches(text: str, layout: Layout, line: Line) -> Iterator[tuple[int, int, bool]]:
    """Stretches of a line that may list skills: (start, end, whether it is a list in a section of requirements)."""
    body = text[line.lead : line.end]
    for sentence in re.finditer(r"[^.;!?|:]+(?:[.:](?=\w)[^.;!?|:]*)*", body):
        start, end = line.lead + sentence.start(), line.lead + sentence.end()
        cue = _CUE.search(text, start, end)
        kind = layout.kind_at(start + 1)
        if kind in _ELSEWHERE or any(v.start <= start < v.end or v.label <= start < v.start for v in layout.labelled):
            continue
        if cue is not None:
            yield cue.end(), end, False
        if kind in {"required", "preferred"} and (cue is None or cue.start() - start > 25):
            yield start, end if cue is None else cue.start(), True


def _as_skill(text: str, span: Span, *, listed: bool, first: bool, german: bool) -> Hit | None:
    """The piece without lead-in and tail when it looks like the name of a skill."""
    start, end = span
    value = text[start:end]
    for _ in range(3):
        lead = _STRIP.match(value)
        cut = lead.end() if lead is not None else 0
        start += cut
        value = _TAIL.sub("", value[cut:])
    words = value.split()
    if (
        _NO_SKILL.match(value)
        or _DATE.search(value)
        or not 1 <= len(words) <= 4
        or not 2 <= len(value) <= 40
        or _SOFT.search(value)
        or _is_language(value)
        or ROLE.search(words[-1])
    ):
        return None
    capitals = [w for w in words if w[0].isupper() or _PROPER.search(w)]
    noun = bool(capitals) or not german or is_known_skill(value)  # German nouns are capitalised
    if not noun or _unasked(text, start, start + len(value)) or re.match(r"\s*(?:\d|€|£)", value):
        return None
    proper = bool(_PROPER.search(value)) or (
        not german
        and bool(capitals)
        and (len(capitals) >= len(words) / 2)
        and not (first and len(words) == 1 and words[0].istitle())
    )
    if listed and not proper:
        short = len(words) <= (2 if german else 3) and not re.search(
            r"\b(?:to|is|are|you|the|a|of|for|ist|hast|bist|de|la)\b|\w(?:ly|ing|ed)\b(?= )", value
        )
        if not (short and not first) and not (short and len(words) <= 2 and text[end : end + 1] in {",", ";"}):
            return None
    if (
        not listed
        and not proper
        and (
            len(words) > 3
            or re.search(r"\b(?:to|the|a|you|your|our|their|its|his|we|that|this|zu|it|them)\b|ing$", value)
        )
    ):
        return None
    return Hit(canonical_skill(value), start, start + len(value), exact=canonical_skill(value) == value)


def _tools(text: str, layout: Layout) -> Iterator[Hit]:
    """Names written as products are ("CargoWise"), where the text says that one works with them."""
    for match in _TOOL.finditer(text):
        kind = layout.kind_at(match.start())
        if (
            kind in _ELSEWHERE
            or match.group().lower() in _NO_TOOL
            or not _WITH.search(text[max(0, match.start() - 12) : match.start()])
        ):
            continue
        yield Hit(canonical_skill(match.group()), match.start(), match.end())


def _is_language(value: str) -> bool:
    return any(pattern.search(value) for _, pattern in LANGUAGE)


def canonical_skill(name: str) -> str:
    """The name under which a skill is known here; its own name, trimmed, when it is not."""
    return _aliases().get(" ".join(name.casefold().split()), name.strip())


def is_known_skill(name: str) -> bool:
    """Whether a skill is known under this name."""
    return " ".join(name.casefold().split()) in _aliases()


def skill_spellings(name: str) -> Sequence[str]:
    """All spellings of a skill, its own first."""
    canonical = canonical_skill(name)
    return next((names for names in SKILLS if names[0] == canonical), (name,))


@lru_cache(maxsize=1)
def _aliases() -> dict[str, str]:
    return {name.casefold(): names[0] for names in SKILLS for name in names}


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, re.Pattern[str], str], ...]:
    """Patterns of all spellings with their first word, the longest first, so that "Spring Boot" is not "Spring"."""
    spelled = sorted(
        ((names[0], name) for names in SKILLS for name in names if name not in RISKY), key=lambda pair: -len(pair[1])
    )
    return tuple(
        (
            canonical,
            re.compile(
                rf"(?<![\w+#.-]){re.escape(name)}(?![\w+#]|-\w|\s(?:der|des|von)\s)",
                0 if name in CASE_MATTERS else re.IGNORECASE,
            ),
            _TOKEN.findall(name.casefold())[0],
        )
        for canonical, name in spelled
    )
