"""On what terms: where the work is done, the kind of employment, the level.

`REMOTE`, `EMPLOYMENT` and `SENIORITY` list what speaks for each choice, those that win before those they win over.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ai.analysis.rules.layout import Hit, Layout

_N: Final = r"(?:\d|an?|one|two|three|four|ein\w*|zwei|drei|vier|un[ao]?|une|dos|tres|cuatro|dois|duas|três|deux|trois|quatre|één|een|twee|drie|due|tre|quattro)"
_DAYS: Final = rf"{_N}(?:\s*(?:-|–|to|bis|a|à|or|oder|ou|o|of)\s*\w+)?\s+(?:home[- ]?office[- ]|remote[- ]|office[- ])?(?:days?|Tage?n?\b|días?|dias?|jours?|dagen|dag\b|giorn[oi])"
_HOME: Final = r"(?:remote|home[- ]?office|home|office|Büro|oficina|bureau|présentiel|télétravail|teletrabajo|teletrabalho|thuis\w*|kantoor|ufficio|remoto|casa|escritório|WFH|WFO|on[- ]site|vor Ort|mobil\w*|smart working|wherever|distance)"
_NO: Final = r"(?:no|not|non|kein(?:e|en|er)?|ohne|sin|pas de|aucun|senza|sem|geen|nicht)"

REMOTE: Final[tuple[tuple[str, str], ...]] = (
    ("onsite", rf"{_NO}\s+(?:\w+\s+)?(?:remote|home[- ]?office|teletrabajo|teletrabalho|télétravail|working from home|thuiswerk\w*|smart working)(?:\s+(?:work|possible|working|option\w*|arbeit))?"),
    ("onsite", r"(?:remote|hybrid|home[- ]?office|working from home)(?:\s+work(?:ing)?)?[^.\n;]{0,25}?(?:\s+is|\s+are)?\s+(?:not|nicht|never)\s+(?:possible|offered|available|an option|on offer|suitable|möglich|geeignet|vorgesehen)"),
    ("onsite", r"\boffice\b[^.\n;]{0,14}\b(?:all )?(?:5|five) days\b|\b(?:all|5|five) (?:5 |five )?days\b[^.\n;]{0,20}\b(?:in the |in )?office\b|\bwork from (?:the )?office\b(?! (?:two|three|one|\d))"),
    ("onsite", r"\b(?:on[- ]?site|vor Ort|présentiel|presencial|in sede|in presenza|op kantoor)\b[^.\n;]{0,12}\b(?:5|five|fünf|cinq|cinco|cinque|vijf) (?:full )?(?:days|Tage|jours|días|dias|giorni|dagen)\b|\b(?:5|five|fünf|cinq|cinco|cinque|vijf) (?:full )?(?:days|Tage|jours|días|dias|giorni|dagen)\b[^.\n;,]{0,20}\b(?:on[- ]?site|vor Ort|présentiel|presencial|in sede|in presenza|op kantoor)\b"),
    ("hybrid", r"\bhybrid(?:e[snmr]?|en|o|a|es|ride)?\b(?! cloud| car| vehicle)|\bhíbrid[oa]s?\b|\bibrid[oa]\b|\bblended working\b|\bagile working\b(?=[^.\n]{0,60}\boffice\b)"),
    ("hybrid", rf"\b{_DAYS}\b(?:\s*/\s*|\s+)(?:[^\s.;,]+\s+){{0,6}}?(?:[(]?){_HOME}\b"),
    ("hybrid", rf"\b{_HOME}\b[^.\n;]{{0,25}}?(?<!\w){_DAYS}\b|\b\dx? (?:por semana|a week|per week)\b[^.\n;]{{0,20}}\b{_HOME}\b|\b\d\s?j(?:ours)?\s?/\s?sem\w*|\b{_N}\s+Home[- ]?Office[- ]Tage?\b"),
    ("hybrid", r"\b(?:partly|partially|teilweise|anteilig|partiellement|parcialmente|occasional(?:ly)?|some)\s+(?:remote|home[- ]?office|mobil\w*|en télétravail|en remoto|work(?:ing)? from home)"),
    ("hybrid", r"\btélétravail (?:partiel|possible|occasionnel)\b|\bteletrabajo (?:parcial|posible)\b|\bmobile[smnr]?\s+Arbeit(?:en)?\b[^.\n;]{0,40}(?:möglich|Tag|%|Absprache|Einarbeitung)|\bHome[- ]?Office[- ](?:Anteil|Tage?|möglich|Option)\w*|\bHome[- ]?Office (?:nach|ist )?\w*\s?(?:möglich|Absprache|Vereinbarung)|\d{2} ?% (?:mobil\w*|remote|home[- ]?office|télétravail|thuis\w*)"),
    ("hybrid", r"\b(?:rest|otherwise|sonst|ansonsten|le reste|el resto) (?:of the week |der Woche )?(?:you work |working )?(?:from home|von zu ?hause|im Home[- ]?Office|depuis chez|desde casa|wherever you like|anywhere|at home)|\bmix of (?:home|remote|office)|\bflexible (?:mix|split) of\b|\boffice at least \w+ days?\b|\bwork from home (?:up to|one|two|three|\d|some)"),
    ("remote", r"\b(?:fully|100\s?%|completely|entirely|vollständig|komplett|totalmente|entièrement|full|volledig|interamente|complètement)[- ]?\s*(?:remote|remot[oa]|Home[- ]?Office|en remoto|à distance|en télétravail|télétravail|op afstand|da remoto|von zu ?hause|von überall|distributed|virtual)\b"),
    ("remote", r"\bremote[- ](?:first|only|friendly)\b|\bwork(?:ing)? from (?:anywhere|(?:your (?:own )?)?home)\b|\btélétravail (?:complet|total|intégral)\b|\bteletrabajo (?:completo|total)\b|\btrabajo (?:100 ?% )?(?:en )?remoto\b|\b(?:poste|travail) à distance\b|\bvon (?:überall|zu ?hause)\b|\bdesde (?:cualquier lugar|tu casa|casa)\b|\b(?:distributed|all[- ]remote|remote) (?:company|team)\b|\blive anywhere\b|\banywhere in the (?:world|UK|US|USA|EU)\b|\bhome[- ]based\b|\bwherever you (?:live|are)\b"),
    ("onsite", r"\bon[- ]?site\b|\bin[- ]office\b|\bin[- ]person\b|\bin person\b|\b(?:office|laboratory|lab|site|campus|clinic|shop|ward)[- ]based\b|\bvor Ort\b|\bpresencial(?:es|mente)?\b|\bsur (?:place|site)\b|\bprésentiel(?:le)?\b|\ben présence\b|\bop (?:locatie|kantoor)\b|\bin (?:sede|presenza)\b|\bPräsenz(?:arbeit|pflicht|tätigkeit|stelle)?\b|\b(?:at|in) our (?:office|clinic|store|warehouse|site|plant|shop|workshop|lab|kitchen)\b|\bwork from (?:the )?office\b|\bWFO\b|\bin the (?:yard|office|shop|clinic|warehouse|workshop|cleanroom|lab(?:oratory)?)\b(?=[^.\n]{0,20}(?:every day|daily|full[- ]time|\d days|$))|\bin[- ]store\b|\ben el (?:muelle|taller|local)\b"),
    ("remote", r"\bremote\b(?! (?:area|location|site|monitoring|sensing|team|desktop|support|control|debug|village|working is not)\w*)|\bteletrabajo\b|\btélétravail\b|\bHome[- ]?Office\b(?! budget| allowance| set)|\btelecommut\w+\b|\bremot[oa]\b|\bteletrabalho\b"),
)  # fmt: skip

_WEEK: Final = r"(?:\s*(?:a|per|pro|por|par|/|à la|in der|in de|alla|the|each|op)\s*(?:week|Woche|semana|semaine|wk|sem\b|settimana)|\s+wekelijks|\s+settimanali|\s+semanales|-hour week|-Stunden-Woche|h/sem)"
_HOURS: Final = r"(?:hours?|hrs?\b\.?|Stunden|Std\b\.?|horas|heures|uur\b|uren|ore\b|h\b|timmar)"
_LITTLE: Final = r"(?:[5-9]|1\d|2\d|30|31|32|ten|twelve|fifteen|sixteen|eighteen|twenty)"
_MUCH: Final = r"(?:3[5-9]|4[0-8])(?:[.,]\d{1,2})?"

EMPLOYMENT: Final[tuple[tuple[str, str], ...]] = (
    ("internship", r"\binternship\b|\bintern\b|\bPraktik(?:um|ant\w*)\b|\bWerkstudent\w*\b|\bprácticas\b|\bbecari[oa]\b|\bstage\b(?=\s+(?:de|en|à|\(|-|–|conventionné|retribuito|curric\w*|formativo|\d))|\bstagiaire\b|\btirocinio\b|\bestágio\b|\bestagiári[oa]\b|\bstagiair\w*\b|\bpasant[ei]\w*\b|\bpraktik\b"),
    ("apprenticeship", r"\bapprentice(?:ship)?\b|\b(?<!abgeschlossene )Ausbildung\s+(?:zum|zur)\b|\bAuszubildende\w*\b|\bAzubi\b|\balternance\b|\bapprenti(?:e|ssage)?\b|\bformación profesional dual\b|\bapprendistato\b|\bjovem aprendiz\b|\bBBL\b"),
    ("freelance", r"\bfreelanc\w+\b|\bfreiberuflich\w*\b|\bautónom[oa]s?\b(?!\s+(?:y|e)\b)|\b(?:travailleu\w+ )?indépendante?\b(?=[^.\n]{0,25}(?:statut|contrat|mission|$))|\bself[- ]employed\b|\bselbst(?:st)?ändig\w*(?=\s+(?:Basis|Handelsvertret|Tätigkeit|Mitarbeit))|\bauf Honorarbasis\b|\bzzp\b|\bpartita IVA\b|\brecibos verdes\b|\bpor cuenta propia\b"),
    ("contract", r"\b(?:\d+|six|twelve|three|nine)[- ]months?[- ](?:\w+[- ])?contract\b|\bcontractor\b|\bcontract (?:role|position|basis|to (?:hire|start|perm))\b|\bcontract\s*\(|\b(?:inside|outside) IR35\b|\bpor proyecto\b|\b1099\b|\bday[- ]rate contract\b|\bPJ\b|\bcorp[- ]to[- ]corp\b"),
    ("part_time", r"\bmini[- ]?job\w*\b"),
    ("temporary", r"\btemporary\b|\btemp\b(?!\w|\s*[°:])|\bseason(?:al\b| runs\b)|\bfixed[- ]term\b|\bbefristet\w*\b|\bElternzeitvertretung\b|\btemporal\b|\btemporada\b(?=\s+(?:de|abril|mayo|junio))|\bduración determinada\b|\bCDD\b|\bintérim\w*\b|\bintermitten\w+\b|\bmaternity cover\b|\btijdelijk\w*\b|\bsaisonni(?:er|ère)\b|\bcontrat(?:o)? à durée déterminée\b|\b(?:a|con) termo\b(?! indeterminado)|\btempo determinato\b|\bfijo discontinuo\b|\bSaison(?:kraft|arbeit|stelle)\w*|\btempor[áa]ri[oa]\b|\bstagionale\b|\bvikariat\b|\bAushilfe\b|\bZeitvertrag\b|\btijdelijk contract\b"),
    ("part_time", rf"\bpart[- ]?time\b|\bTeilzeit\b(?! (?:ist )?möglich)|\btiempo parcial\b|\bmedia jornada\b|\bjornada parcial\b|\btemps (?:partiel|non complet)\b|\bdeeltijd\b|\bmini[- ]?job\w*\b|\b450-Euro|\bmeio período\b|\btempo parcial\b|\b0[.,][1-8]\d?\s?FTE\b|(?<![\d.,\-–]){_LITTLE}(?:\s*(?:-|–|to|bis|à)\s*(?:[12]\d|3[0-2]))?\s*{_HOURS}(?:{_WEEK}|\s+over \w+ days)|(?<![\d.,]){_LITTLE}\s*(?:-|–)\s*(?:[12]\d|3[0-2])\s?{_HOURS}|\bhalbtags\b|\bdeltid\b|\bweekends only\b"),
    ("full_time", rf"\bfull[- ]?time\b|(?<!\w)(?-i:FT)(?!\w|SE)|\bVollzeit\b|\btiempo completo\b|\bjornada completa\b|\btemps (?:plein|complet)\b|\bvoltijd\b|\bfulltime\b|\btempo (?:pieno|integral|inteiro)\b|\bunbefristet\w*\b|\bFestanstellung\b|\bpermanent(?:e|er)?\b(?! residen| make)|\bCDI\b|\bdurée indéterminée\b|\bindefinid[oa]\b|\bcontrato fijo\b|\btempo indeterminato\b|\bsem termo\b|\bCLT\b|\bvast (?:contract|dienstverband)\b|\bheltid\b|\bpełny etat\b|\bunlimited contract\b|(?<![\d.,\-–]){_MUCH}(?:\s?-\s?{_MUCH})?\s*{_HOURS}(?!\w)(?:{_WEEK})?(?!\s*(?:a|per)\s*month)"),
)  # fmt: skip

SENIORITY: Final[tuple[tuple[str, str], ...]] = (
    ("intern", r"\bintern(?:ship)?\b|\bPraktik(?:um|ant\w*)\b|\bWerkstudent\w*\b|\bbecari[oa]\b|\bstagiaire\b|\btrainee\b|\bestagiári[oa]\b|\bstagiair\w*\b"),
    ("executive", r"\b(?:CTO|CEO|CFO|COO|CMO|CIO|CPO|CISO|VP|Vice President|Chief \w+ Officer|Managing Director|Geschäftsführ\w+|Director of \w+|Head of \w+|Directeur\w*|Directrice|Director\w* (?:de|general)\b|Direktor\w*|Bereichsleit\w+|Head(?!\s+(?:chef|cook|\w+er|\w+or)\b)|Direttore|Diretor\w*)\b"),
    ("lead", r"\b(?:lead|head (?:chef|cook|\w+er|\w+or)|tech lead|team lead\w*|principal|staff|Teamleit\w*|\w*leiter(?:in)?|Leitung|jefe de (?:equipo|\w+)|jefa de \w+|responsable\b|líder|chef d['’]équipe|chef de service|leading|Leitende\w*|supervisor\w*|encargad[oa]|Vorarbeiter\w*|foreman|coordinatore|capo\w*|coordenador\w*|(?:store|shop|assistant store|restaurant|office|branch|engineering|plant) manager|teamleider)\b"),
    ("senior", r"\b(?:senior|sr\.?(?=\s)|sénior|sênior|confirmée?)\b"),
    ("junior", r"\b(?:junior|júnior|jr\.?(?=\s)|entry[- ]level|graduate(?= \w+(?:er|ist|or|ant|yst)\b)|Berufseinsteiger\w*|Berufsanfänger\w*|recién (?:graduad|titulad)[oa]s?|débutante?|Absolvent\w*|new grad)\b"),
    ("mid", r"\b(?:mid[- ]?level|mid[- ]senior|semi[- ]?senior|intermediate(?= \w+(?:er|ist|or|ant|yst)\b)|medior|pleno|nivel medio|intermédiaire)\b|\bmid\b(?=\s*[-/,)])"),
)  # fmt: skip
_OTHERS: Final = re.compile(
    r"(?:report\w* to|with (?:our|the)|our|work with|mentor\w*|coach\w*|support\w*|under|unsere\w*|nuestr\w+|nos|notre|directeur|manage\w*|by (?:a|the)|train\w*|former|supervise\w*)\s+(?:\w+\s+)?$",
    re.IGNORECASE,
)
_NEGATED: Final = re.compile(
    r"(?:\bno|\bnot|\bwithout|\bkeine?|\bohne|\bsin|\bpas de|\bneither|\bnor)\s+(?:\w+\s+)?$", re.IGNORECASE
)


def _matches(
    table: Sequence[tuple[str, str]], text: str, start: int = 0, end: int | None = None
) -> Iterator[tuple[str, re.Match[str]]]:
    """What speaks for each choice in a stretch of the text, the stronger first."""
    limit = len(text) if end is None else end
    for value, pattern in table:
        for match in re.compile(rf"(?<!\w)(?:{pattern})", re.IGNORECASE).finditer(text, start, limit):
            yield value, match


def _first(table: Sequence[tuple[str, str]], text: str, start: int = 0, end: int | None = None) -> Hit | None:
    return next((Hit(value, m.start(), m.end()) for value, m in _matches(table, text, start, end)), None)


def find_remote(text: str, layout: Layout) -> Hit | None:
    """Where the work is done: behind a label first; a "no" before what it denies, hybrid before fully remote before on site."""
    for item in layout.values("remote_policy"):
        if hit := _first(REMOTE, text, item.label, item.end):
            return hit
        if re.search(rf"{_N}\s+(?:day|Tag|día|dia|jour|dag|giorn)", text[item.start : item.end], re.IGNORECASE):
            return Hit("hybrid", item.start, item.end)
    for value, match in _matches(REMOTE, text):
        if not _NEGATED.search(text[max(0, match.start() - 20) : match.start()]) or value == "onsite":
            return Hit(value, match.start(), match.end())
    return None


def find_employment(text: str, layout: Layout, title: Hit | None) -> Hit | None:
    """The kind of employment; the title speaks first, then labels, then the text outside of what the company says of itself."""
    if title is not None and (hit := _first(EMPLOYMENT, text, title.start, title.end)):
        return hit
    for item in layout.values("employment_type"):
        if (hit := _first(EMPLOYMENT, text, item.label, item.end)) and not _is_loose(hit, text):
            return hit
        hours = re.search(
            r"(?:^|\()(\d{1,2})(?:[.,]\d+)?(?:\s*[-–]\s*(\d{1,2}))?\s*(?:hours|hrs|h\b|Std|Stunden|heures|horas|uur|ore)",
            text[item.start : item.end],
        )
        if hours is not None:
            return Hit("full_time" if int(hours[2] or hours[1]) >= 35 else "part_time", item.start, item.end)
    for value, match in _matches(EMPLOYMENT, text):
        around = text[max(0, match.start() - 25) : match.start()]
        if value in {"internship", "apprenticeship"} and not _speaks_of_the_job(text, match, layout):
            continue
        if not _OTHERS.search(around) and not _NEGATED.search(around):
            return Hit(value, match.start(), match.end())
    return None


def _is_loose(hit: Hit, text: str) -> bool:
    return hit.value == "contract" and text[hit.start : hit.end].lower() == "contract"


def _speaks_of_the_job(text: str, match: re.Match[str], layout: Layout) -> bool:
    """Whether an internship or an apprenticeship is what is offered: named early, not among what one must have."""
    return layout.kind_at(match.start()) not in {"required", "preferred", "about"} and match.start() < max(
        400, len(text) // 3
    )


def find_seniority(text: str, layout: Layout, title: Hit | None) -> Hit | None:
    """The level: from the title, else from where the text says what it looks for."""
    if title is not None:
        line = layout.line_at(title.start)
        if hit := _first(SENIORITY, text, title.start, title.end):
            return hit
        if (
            hit := _first([row for row in SENIORITY if row[0] not in {"lead", "intern"}], text, line.start, title.start)
        ) and title.start - hit.end <= 12:
            return hit
    for value, match in _matches(
        [row for row in SENIORITY if row[0] in {"senior", "junior", "mid", "intern"}], text, 0, 400
    ):
        if not _OTHERS.search(text[max(0, match.start() - 30) : match.start()]) and layout.kind_at(match.start()) in {
            None,
            "tasks",
            "other",
        }:
            return Hit(value, match.start(), match.end())
    return None
