"""What a person must bring apart from skills: years, languages, schooling."""

import re
from collections.abc import Sequence
from typing import Final

from ai.analysis.rules.layout import Hit, Layout
from ai.analysis.rules.lexicon.languages import LANGUAGE

_NUMBER_WORDS: Final = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15,
    "ein": 1, "einem": 1, "eine": 1, "zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "sieben": 7, "acht": 8, "neun": 9, "zehn": 10,
    "un": 1, "une": 1, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "sept": 7, "huit": 8, "dix": 10,
    "uno": 1, "una": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "siete": 7, "ocho": 8, "diez": 10,
    "um": 1, "uma": 1, "dois": 2, "duas": 2, "três": 3, "quatro": 4, "sete": 7, "oito": 8, "dez": 10,
    "een": 1, "één": 1, "twee": 2, "drie": 3, "vijf": 5, "zes": 6, "zeven": 7, "negen": 9, "tien": 10,
    "due": 2, "tre": 3, "quattro": 4, "cinque": 5, "sei": 6, "sette": 7, "otto": 8, "dieci": 10,
}  # fmt: skip
_N: Final = r"\d{1,2}(?:[.,]5)?|" + "|".join(sorted(_NUMBER_WORDS, key=len, reverse=True))
_UNIT: Final = r"(?:years?|yrs?\b\.?|Jahren?\b|Jahre\b|Jahr\b|años?|ans?\b|années?|jaar\b|anni\b|anno\b|anos?\b|Winter\b|winters|seasons?|temporadas|lat\b|års?\b)"
_YEARS: Final = re.compile(
    rf"(?<![\w.,/])(?P<n>{_N})(?:\s*\(\d{{1,2}}\))?\s*(?P<plus>\+|plus\b|or more\b|oder mehr\b)?\s*(?:(?:-|–|to|bis|a|à|or|oder|y|e)\s*(?:\d{{1,2}}|{'|'.join(_NUMBER_WORDS)})\s*\+?\s*)?(?:full |volle |complete )?{_UNIT}[’']?(?P<more>\s+(?:or|and|und|oder|ou|o|e) (?:more|above|mehr|plus|más|mais|over))?",
    re.IGNORECASE,
)  # fmt: skip
_EXPERIENCE: Final = re.compile(
    r"experience|exp\b|erfahrung|praxis|experiencia|expérience|ervaring|esperienza|experiência|\bXP\b|practice|background|track record|post-qualification|building|working|in (?:a|the|an) (?:similar|field|role|same|regulated)|similar|commercial|"
    r"im (?:\w+en )?(?:umfeld|bereich|beruf)|métier|puesto similar|poste similaire|en poste|na área|nel ruolo|in the field|teaching|managing|writing|developing|trade|oficio|on (?:a|the) ward|post-doc|clinical|leading|seat\b|done this|entwicklung\w*|als\b|en (?:un|el) |werk\w*",
    re.IGNORECASE,
)
_LEAST: Final = re.compile(
    r"(?:at least|minimum(?: of)?|min\.?|mindestens|mind\.|wenigstens|al menos|mínim[oa](?: de)?|au moins|minimum de|à partir de|over|more than|mehr als|über|más de|plus de|pelo menos|no mínimo|mais de|minimaal|ten minste|meer dan|almeno|minimo|circa|with|has|justifiez d['’]|you have)\s*(?:an?\s)?$",
    re.IGNORECASE,
)  # fmt: skip
_OTHER_YEARS: Final = re.compile(
    r"(?:we have|we(?:'|’)ve|with our|our|founded|seit|since|depuis|for over|for more than|contract|unsere\w*|nuestros|company|wir haben|tenemos|desde hace|há|over the (?:last|past|next)|last|past|next|first|in den (?:letzten|nächsten)|befristet auf|for the|every|alle|aged?|celebrat\w+|after|history of|established)\s*(?:\w+\s*){0,2}$",
    re.IGNORECASE,
)
_AFTER_OTHER: Final = re.compile(
    r"\s*(?:old|ago|alt\b|d['’]âge|de edad|de idade|of history|history|warranty|in the first instance|contract\b|fixed|of age|or older|jung|oud|in (?:business|a row)|on the market|am Markt|of growth|befristet|in Folge|of (?:funding|runway)|initial|and \d+ months|anniversary|nach (?:der|dem))",
    re.IGNORECASE,
)

_LANGUAGE_CUE: Final = re.compile(
    r"(?<!\w)(?:fluen\w*|spoken|written|writing|speak\w*|native|proficien\w+|business[- ]level|working (?:knowledge|level)|languages?|command|conversational|bilingual|level|oral|skills in|"
    r"flie(?:ß|ss)end\w*|verhandlungssicher\w*|Kenntnisse\w*|Muttersprach\w*|sprich\w*|sprech\w*|sprache\w*|Niveau|sehr gut\w*|gut\w*|in Wort und Schrift|sicher\w*|stilsicher|mündlich|Grundkenntnisse\w*|"
    r"fluid[oa]|nivel|idiomas?|hablad[oa]|hablar|habla|nativ[oa]|avanzado|avançado|intermedio|intermediário|alto|medio|bilingüe|"
    r"courante?|parlée?|parler|maîtris\w*|langues?|natif|bilingue|professionnel|lu, écrit|écrit|oral|fonctionnel|"
    r"[ABC][12]\b|vloeiend|spreekt|taal\w*|beheers\w*|fluente|lingua|conoscenza|buon[oa]|ottim[oa]|madrelingua|inglese|tecnico|scritto|domínio|domina\w*|fala\w*|goed|scrift|tal och skrift)(?!\w)",
    re.IGNORECASE,
)
_CULTURE: Final = re.compile(
    r"\s+(?:market|customers?|clients?|team|company|office|payroll|law|tax|food|cuisine|restaurant|government|citizen\w*|speaking countries|literature|GAAP|HR\b|labou?r|Markt|Kunden|Recht|Unternehmen|GmbH|Council|Heritage|Sea\b|Red Cross|Railways|Bank\b)",
)
_NEGATED: Final = re.compile(
    r"(?:\bno|\bnot|n['’]t (?:need|have|require)|\bwithout|\bkeine?n?|\bohne|\bsin|\bpas d['’e]|\baucune?|\bgeen|\bsenza|\bsem)\s*(?:\w+\s+){0,2}$",
    re.IGNORECASE,
)
_NOT_NEEDED: Final = re.compile(
    r"[^.;\n]{0,20}?\s(?:is |are |ist |est |n['’]est )?(?:not|nicht|pas|no es|non è|niet) (?:required|needed|necessary|nötig|erforderlich|necesario|nécessaire|richiesto|nodig)|\s+(?:lernst|learn\w*|kannst du lernen)",
    re.IGNORECASE,
)

_DEGREE: Final = re.compile(
    r"(?<!\w)(?:"
    r"(?:an? |the )?(?:relevant |recognised |technical |completed |good |university |college |advanced |first |honours )?(?:(?:Bachelor|Master)(?:['’]?s)?|BSc|MSc|BEng|MEng|B\.?Sc\.?|M\.?Sc\.?|B\.?A\.?(?= (?:in|or|degree))|MBA|PhD|Ph\.\s?D\.|Ph\.?D|B\.?S\.?(?= (?:in|or|degree))|M\.?S\.?(?= (?:in|or|degree))|Doctorate|HND|HNC|B\.?E\.?\s?/\s?B\.?Tech\.?|B\.Tech|M\.Tech|MEd|PGCE|LLB|undergraduate degree|postgraduate degree|associate degree|degree|diploma|Diploma|Certificate (?:I{1,3}V?|IV|\d)|NVQ|apprenticeship|A[- ]levels?|GCSEs?|high[- ]school diploma|GED|qualified (?:accountant|teacher|nurse|social worker|electrician)|Level \d (?:qualification|diploma|certificate)|chartered (?:accountant|engineer))"
    r"|(?:an? )?(?:[Aa]bgeschlossene[sr]?|[Ee]in(?:e)? (?:abgeschlossene[sr]? )?|[Ee]rfolgreiche[sr]? )?\s?(?:[\w-]+e[sr]? )?(?:(?:Fach)?[Hh]ochschul\w*|[Uu]niversitäts\w*|[Ss]tudium|(?:Berufs|Fach|technische )?[Aa]usbildung(?! zu[mr]\b)|\w+lehre\b|[Ll]ehrabschluss|Meisterbrief|Gesellenbrief|Facharzt\w*|Abitur|Fachabitur|Mittlere Reife|(?:Bachelor|Master|Diplom)(?:abschluss|studium)?|Staatsexamen|Approbation|Lehre als|Höhere Fachschule|Fachhochschulabschluss)"
    r"|(?:FP de Grado \w+|FP\b|[Gg]rado|[Ll]icenciatura|[Ii]ngeniería (?:en|de)|[Tt]itulación|[Tt]ítulo|[Ff]ormación profesional|[Mm]áster|[Dd]octorado|[Bb]achillerato|[Dd]iplomado|[Tt]écnico [Ss]uperior|[Cc]iclo [Ff]ormativo)"
    r"|(?:[Bb]ac\s?\+\s?\d|[Dd]iplôme|[Ll]icence\b(?= (?:en|de|pro))|[Mm]aster\b|[Dd]octorat|BTS|BUT\b|DUT|DEC\b|DEP\b|CAP\b|BEP\b|[Bb]revet|[Éé]cole d['’]ingénieurs?|[Ff]ormation (?:en|de niveau|supérieure|type)|[Bb]accalauréat|[Bb]ac pro\w*|[Bb]achelor)"
    r"|(?:[Ll]aurea|[Dd]iploma di|[Dd]iploma\b|[Aa]ttestato|[Tt]itolo di studio|[Qq]ualifica (?:di|professionale))"
    r"|(?:[Ee]nsino (?:médio|superior|fundamental)|[Ss]uperior (?:completo|em)|[Gg]raduação|[Ll]icenciatura|[Cc]urso (?:técnico|superior|profissional)|[Mm]estrado|1[02]\.?º ano|[Tt]écnico em)"
    r"|(?:(?:[Hh][Bb][Oo]|[Mm][Bb][Oo]|[Ww][Oo]|HBO|MBO|WO)(?:[- ]?\d)?(?:[- ](?:diploma|opleiding|bachelor|master|werk))|mbo \d|hbo\b|[Aa]fgeronde opleiding|[Oo]pleiding (?:tot|in))"
    r"|(?:\w+utbildning|gymnasieexamen|wykształcenie \w+)"
    r")(?!\w)"
)
_EDUCATION_END: Final = re.compile(
    r"\s*(?:,?\s+z\.\s?B\.|,?\s+e\.g\.|[.;\n•|!]|,(?![^.;\n•|!]*\b(?:or|oder|ou|of|similar|related|vergleichbar\w*|ähnlich\w*)\b)|\s[–—-]\s|,\s*(?:and |et |und |y |e )?(?:at least|minimum|min\.|mindestens|know|evidence|experience|erfahrung|sicher|fluent|strong|you|vous|du\b|sie\b|con |mit |skill|with \w+ years|\d|have|kenn\w*|knowledge|ideal\w*|idéal\w*|proven|several|erste|mehr\w*|gute?n?\b|vijf|drie|twee|due|tre|tres|deux|trois|ervaring|padronanza|exp\w+|justifi\w*|avec|bist|has|verfügst|een\b|almeno|minimaal|minimum)"
    r"|\s+(?:and|und|et|y|e|en|with|mit|plus|sowie|as well as)\s+(?:at least|\d|know\w*|experience|equivalent|fluent|strong|erste|mehrere|good|first|mindestens|minimum|Freude|Erfahrung|Lust|have|are|like|kenntnisse|a (?:valid|current|driving)|several|justifi\w*|een\b|deux|trois|un an|una?o? año|un año|dos|tres|two|three|four|five|un anno|um ano|dois|proven|solid|Du\b|du\b)"
    r"|\s+(?:is|are|ist|wird|es|est|è|required|preferred|would|will|wäre|erforderlich|obligatoire|exigé\w*|requis\w*|requerid[oa]|needed|essential|helps|is a|solltest|voraus|vorausgesetzt|souhaité\w*|obligatori\w+|minimum|necessari\w+|richiest\w+|vereist|setzen|bring\w*|mit\s+Erfahrung)\b)"
)
_EQUIVALENT: Final = re.compile(
    r"\s*,?\s+(?:or|oder|o|ou|of)\s+(?:an?\s+|eine\s+)?(?:\w+\s+)?(?:similar|equivalent|vergleichbar\w*|ähnlich\w*|équivalent\w*|related(?: \w+)?|comparable|vergelijkbaar|equivalente|simil\w+).*$",
    re.IGNORECASE,
)


def find_years(text: str, layout: Layout) -> Hit | None:
    """Years of experience asked for, the lower end of a range; the likeliest of all years named."""
    best: tuple[float, Hit] | None = None
    for match in _YEARS.finditer(text):
        value = _number(match["n"])
        before, after = (
            text[max(0, match.start() - 45) : match.start()],
            text[match.end() : match.end() + 70].split("\n", maxsplit=1)[0],
        )
        before = before.rsplit("\n", 1)[-1]
        if not 0 < value <= 40 or _OTHER_YEARS.search(before) or _AFTER_OTHER.match(after):
            continue
        kind = layout.kind_at(match.start())
        if kind in {"about", "offer"} and not _EXPERIENCE.search(after):
            continue
        score = 2.0 * bool(
            _EXPERIENCE.search(re.split(r"[.;]\s", after)[0])
            or re.search(
                r"(?:experience|erfahrung|experiencia|expérience|ervaring|esperienza|experiência|\bexp)\W{0,3}(?:\w+\W+){0,4}$",
                before,
                re.IGNORECASE,
            )
        )
        score += (
            1.5 * (kind in {"required", "preferred"})
            + 1.0 * bool(_LEAST.search(before))
            + 1.0 * bool(match["plus"] or match["more"])
        )
        score += 2.0 * any(v.start <= match.start() < v.end for v in layout.values("years_experience"))
        score -= 1.0 * bool(re.search(r"of which|dont|davon|including|de los cuales", before[-14:], re.IGNORECASE))
        if score >= 1.0 and (best is None or score > best[0]):
            best = (score, Hit(value, match.start(), match.end()))
    return None if best is None else best[1]


def _number(word: str) -> float:
    return float(_NUMBER_WORDS[word.lower()]) if word.lower() in _NUMBER_WORDS else float(word.replace(",", "."))


def find_languages(text: str, layout: Layout) -> list[Hit]:
    """Human languages the posting asks for or welcomes: near a word of mastery, behind a label, or listed beside one that is."""
    hits: list[Hit] = []
    spots = [(name, m) for name, pattern in LANGUAGE for m in pattern.finditer(text)]
    asked = [(name, m) for name, m in spots if _is_asked(text, m, layout)]
    for name, match in [
        *asked,
        *(spot for spot in spots if spot not in asked and _beside(text, spot[1], [m for _, m in asked])),
    ]:
        if name not in {hit.value for hit in hits}:
            hits.append(Hit(name, match.start(), match.end(), exact=match.group() == name))
    return sorted(hits, key=lambda h: h.start)[:10]


def _clear(text: str, match: re.Match[str]) -> bool:
    before, after = text[max(0, match.start() - 30) : match.start()], text[match.end() : match.end() + 60]
    lower_name = match.group()[0].islower() and re.search(r"(?:ish|erman|ench|utch|rabic|inese)$", match.group())
    return not (lower_name or _NEGATED.search(before) or _NOT_NEEDED.match(after) or _CULTURE.match(after))


def _is_asked(text: str, match: re.Match[str], layout: Layout) -> bool:
    if not _clear(text, match):
        return False
    if any(v.start <= match.start() < v.end for v in layout.values("languages")):
        return True
    line = layout.line_at(match.start())
    around = (
        text[max(line.start, match.start() - 45) : match.start()]
        + " ~ "
        + text[match.end() : min(line.end, match.end() + 45)]
    )
    if _LANGUAGE_CUE.search(around) or _LANGUAGE_CUE.search(match.group()) is not None:
        return layout.kind_at(match.start()) != "about"
    return layout.kind_at(match.start()) in {"required", "preferred"} and len(text[line.lead : line.end].split()) <= 8


def _beside(text: str, match: re.Match[str], asked: Sequence[re.Match[str]]) -> bool:
    return _clear(text, match) and any(
        re.fullmatch(
            r"\s?[\w.()-]*\s?(?:,|/|and|und|y|e|et|ou|o|or|oder|en|;)\s?(?:\w+\s){0,2}",
            text[min(match.end(), other.end()) : max(match.start(), other.start())],
        )
        for other in asked
    )


def find_education(text: str, layout: Layout, title: Hit | None = None) -> Hit | None:
    """The schooling asked for, as the posting words it: behind a label, in what is required, else the first mention."""
    best: tuple[float, Hit] | None = None
    for item in layout.values("education"):
        value = _EQUIVALENT.sub("", re.split(r"[;\n]|\.(?:\s|$)|\s\|", text[item.start : item.end])[0])
        if _DEGREE.search(value) or len(value.split()) <= 8:
            return _education(text, item.start, item.start + len(value))
    for match in _DEGREE.finditer(text):
        if (title is not None and title.start <= match.start() < title.end) or _NEGATED.search(
            text[max(0, match.start() - 30) : match.start()]
        ):
            continue
        if (
            re.match(
                r"\s*(?:student|team\b|of (?:the )?company|['’]?s? (?:office|programme))|\s+of\s+(?!science|arts|education|engineering)",
                text[match.end() :],
            )
            and "degree" not in match.group()
        ):
            continue
        end = _EDUCATION_END.search(text, match.end(), min(len(text), match.end() + 110))
        stop = end.start() if end is not None else min(len(text), match.end() + 60)
        score = {"required": 2.0, "preferred": 1.0, "about": -2.0, "offer": -1.0}.get(
            layout.kind_at(match.start()) or "", 0.5
        )
        if score > 0 and (best is None or score > best[0]):
            best = (score, _education(text, match.start(), stop))
    return None if best is None else best[1]


def _education(text: str, start: int, end: int) -> Hit:
    value = _EQUIVALENT.sub("", text[start:end]).rstrip(" ,(:")
    if value.count("(") > value.count(")"):
        value = value[: value.rindex("(")].rstrip()
    value = value[:160]
    skip = len(value) - len(value.lstrip(" "))
    return Hit(value.strip(), start + skip, start + len(value))
