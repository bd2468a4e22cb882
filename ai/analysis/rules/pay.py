"""Pay in a posting: an amount or a range, with currency and, when it is said, the period.

Every amount of money in the text is a candidate; a label, a word of pay, a period and a range speak for it, what else money is spent on
speaks against it. A number without a currency counts only behind a label of pay.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ai.analysis.rules.layout import Hit, Layout, lay_out
from ai.shapes.posting import Period, Salary

_CURRENCIES: Final[tuple[tuple[str, str], ...]] = (
    ("CAD", r"CA\$|C\$|CAD\b|\$\s?CA\b"),
    ("AUD", r"AU\$|A\$|AUD\b"),
    ("NZD", r"NZ\$|NZD\b"),
    ("SGD", r"S\$|SGD\b"),
    ("HKD", r"HK\$|HKD\b"),
    ("MXN", r"MX\$|MXN\b"),
    ("BRL", r"R\$|BRL\b|[Rr]eais\b"),
    ("COP", r"COP\b"),
    ("ARS", r"ARS\b|AR\$"),
    ("CLP", r"CLP\b"),
    ("EUR", r"€|EUR\b|[Ee]uros?\b"),
    ("GBP", r"£|GBP\b"),
    ("CHF", r"CHF\b|SFr\.?|Fr\.(?=\s?\d)"),
    ("NOK", r"NOK\b"),
    ("SEK", r"SEK\b"),
    ("DKK", r"DKK\b"),
    ("PLN", r"PLN\b|zł"),
    ("CZK", r"CZK\b|Kč"),
    ("INR", r"₹|INR\b|Rs\.?(?=\s?\d)"),
    ("JPY", r"¥|JPY\b"),
    ("AED", r"AED\b"),
    ("ZAR", r"ZAR\b|R(?=\d{2,3}[ ,]?\d{3}\b)"),
    ("USD", r"US\$|USD\b|\$"),
)
_ANY: Final = "|".join(f"(?:{pattern})" for _, pattern in _CURRENCIES)
_NUMBER: Final = (
    r"\d{1,2}(?:,\d{2})+,\d{3}(?!\d)|\d{1,3}(?:[.,'\u2019 ]\d{3})+(?:[.,]\d{2})?(?!\d)|\d{1,7}(?:[.,]\d{1,2})?(?!\d)"
)
_THOUSAND: Final = r"\s?[kK](?![\w&])|\s?[kK](?=€)|\s?Tsd\.?|\s?mil\b|\s?mila\b|(?<=\d)mila\b|\s?T(?=€|\sEUR)|\s?TEUR\b|\s?thousand\b|\s?tausend\b"
_LAKH: Final = r"\s?(?:LPA\b|[Ll]akhs?\b|[Ll]acs?\b)"
_MIDDLE: Final = r"\s?(?:-|–|—|to|bis|until|a|à|y|e|et|and|und|or|hasta|até|tot|en|jusqu['’]à)\s?(?:zu\s)?"
_GAP: Final = r"\s?(?:brutto|bruto|gross|bruts?|brut)?\s?"
_AMOUNT: Final = re.compile(
    rf"(?P<c1>{_ANY})?\s?(?<![\w.,])(?P<n1>{_NUMBER})(?P<k1>{_THOUSAND}|{_LAKH})?(?:\s?(?P<c2>{_ANY}))?"
    rf"(?:{_MIDDLE}(?P<c3>{_ANY})?\s?(?P<n2>{_NUMBER})(?P<k2>{_THOUSAND}|{_LAKH})?{_GAP}(?P<c4>{_ANY})?)?"
)
_PER: Final = r"(?:per|an?|/|pro|por|par|la|al|por|le|je|im|in der|die|der|all['’]|l['’]|de l['’]|each|every|for every|cada|chaque|om|i|w)\s?"
_PERIODS: Final[tuple[tuple[Period, str], ...]] = (
    ("hour", rf"{_PER}(?:hour|hr\b|h\b|Stunden?\b|Std\b|hora|heure|uur\b|ora\b|timme|godz)|hourly|stündlich|Stundenlohn|horaire\w*|\bp\.?/?h\b|\bph\b|\s/\s?h(?:eure|our)?\b|orari[ao]"),
    ("day", rf"{_PER}(?:day|Tag\b|día|dia\b|jour\b|dag\b|giorno)|daily rate|day rate|daily|Tagessatz|TJM|diarios?|\bp/?d\b"),
    ("week", rf"{_PER}(?:week|Woche|semana|semaine|settimana)\b|weekly|wöchentlich|semanal\w*"),
    ("month", rf"{_PER}(?:month|mo\b|Monat|mes\b|mês|mois|maand|mese|månad|mnd|miesiąc)|monthly|monatlich\w*|Monatslohn|Monatsgehalt|mensual\w*|mensuel\w*|mensa(?:l|is)\b|mensil\w*|/\s?mtl|p/m\b|\bpcm\b|maandelijks|miesięcznie|kr/mån"),
    ("year", rf"{_PER}(?:year|yr\b|annum|Jahr\b|año|ano\b|an\b|année|a\.|jaar|anno|år)|annual\w*|annuel\w*|annum|yearly|jährlich\w*|Jahres\w+|anual\w*|annu[aei]\w*|p\.\s?a\.|\bp\.?a\.?\b|\bRAL\b|\bLPA\b|\bCTC\b|\bOTE\b"),
)  # fmt: skip
_PAY: Final = re.compile(
    r"salar|pay\b|paying|paid|compensation|comp\b|wage|\brate\b|remunerat|gehalt|vergütung|lohn|verdien|entgelt|sueldo|retribu|remunerac|remuneraç|rémunér|salaire|traitement|brut|gross|\bnet[ot]?s?\b|\bTJM|OTE|base\b|"
    r"package|salaris|stipend|gratific|\bRAL\b|vencimento|\bCTC\b|earn\b|reward|betalen|wynagrodz|\blön\b|rimborso|limpios",
    re.IGNORECASE,
)
_NOT_PAY: Final = re.compile(
    r"budget|bonus|allowance|zuschuss|zulage|prämie|prima\b|prime\b|signing|referral|voucher|fund(?:ing|ed)|raised|revenue|umsatz|turnover|factur|chiffre|\bCA\b|invest|ticket|fee\b|gebühr|kaution|deposit|tasa|cuota|frais|worth|customers|"
    r"kunden|clientes|learning|weiterbildung|formación\b|formation\b|equity|market\b|assets|series [a-d]|processed|volume|subsídio|benefícios|\bVR\b|\bVA\b|reiskosten|car\b|desk\b|home office|equipment|starter|paket|fatur|round|ronda|levée|"
    r"claims|training\b|pension|mileage|per kilomet|relocation",
    re.IGNORECASE,
)
_BIG: Final = re.compile(
    r"\s?(?:million|mio|mrd|m€|bn|billion|millones|millions|milliard|miljoen|milioni|milhões|M\b|m\b|M€)", re.IGNORECASE
)
_YEARLY: Final[dict[str, float]] = {
    "EUR": 14_000,
    "GBP": 14_000,
    "USD": 18_000,
    "CHF": 30_000,
    "CAD": 20_000,
    "AUD": 20_000,
}
"""From this amount on nobody is paid so much a month in an ordinary job: without a word of period it is a year's pay."""


@dataclass(frozen=True, slots=True)
class PayHit:
    """A salary and where it stands; `score` says how much speaks for it."""

    salary: Salary
    start: int
    end: int
    score: float


def parse_number(text: str) -> float:
    """A number as people write it: three digits after a sign are thousands, fewer are decimals.

    Raises:
        ValueError: it is no number.
    """
    text = re.sub(r"['\u2019 ]", "", text)
    text = re.sub(r"[.,](?=\d{2}(?:,\d{2})*,\d{3}$)", "", text)
    text = re.sub(r"[.,](?=\d{3}(?:\D|$))", "", text)
    return float(text.replace(",", "."))


def find_pay(text: str, ignore: Sequence[Hit] = (), layout: Layout | None = None) -> PayHit | None:
    """The most likely pay in the text outside of the spans to ignore, or None; the first of those equally likely."""
    layout = layout or lay_out(text)
    best: PayHit | None = None
    for hit in _candidates(text, layout):
        if any(other.start <= hit.start < other.end for other in ignore):
            continue
        if best is None or hit.score > best.score:
            best = hit
    return best


def _candidates(text: str, layout: Layout) -> Iterator[PayHit]:
    labelled = list(layout.values("salary"))
    for match in _AMOUNT.finditer(text):
        behind = next((v for v in labelled if v.start <= match.start("n1") < v.end), None)
        currency = next((c for c in (match["c1"], match["c2"], match["c3"], match["c4"]) if c), None)
        if currency is None and behind is not None:
            currency = _currency_in(text[behind.label : behind.end])
        if currency is None and "lpa" in (match["k1"] or match["k2"] or "").lower():
            currency = "INR"
        if (
            currency is None
            or _BIG.match(text, match.end("n2") if match["n2"] else match.end("n1"))
            or _BIG.match(text, match.end())
        ):
            continue
        hit = _pay_hit(text, match, _code(currency, text), labelled=behind is not None)
        if hit is not None:
            yield hit


def _currency_in(text: str) -> str | None:
    found = re.search(_ANY, text)
    return None if found is None else found.group()


def _times(mark: str | None) -> float:
    if not mark:
        return 1.0
    return 100_000.0 if re.match(_LAKH, mark) else 1000.0


def _pay_hit(text: str, match: re.Match[str], currency: str, *, labelled: bool) -> PayHit | None:
    low = parse_number(match["n1"]) * _times(match["k1"])
    high = None if match["n2"] is None else parse_number(match["n2"]) * _times(match["k2"])
    if high is not None and match["k2"] and not match["k1"] and low < 1000:
        low *= _times(match["k2"])
    if low < 5 or max(low, high or 0) > 99_999_999 or (high is not None and high < low):
        return None
    start, end = _trimmed(match)
    before, after = _context(text, start, end)
    against = _NOT_PAY.search(before[-35:]) or _NOT_PAY.search(after[:28])
    if against and not (labelled and not _NOT_PAY.search(after[:28])):
        return None
    wide_before, wide_after = _line_around(text, start, end)
    lakhs = any(mark and re.match(_LAKH, mark) for mark in (match["k1"], match["k2"]))
    period: Period | None = (
        "year"
        if lakhs
        else _period(before, after)
        or (_period(wide_before, wide_after) if labelled or _PAY.search(before + after) else None)
    )
    score = (
        2.5 * labelled
        + (2.0 if _PAY.search(before + after) else 0.0)
        + (1.5 if period else 0.0)
        + (1.0 if high is not None else 0.0)
    )
    if period is None and score > 0 and low >= _YEARLY.get(currency, 1e9):
        period = "year"
    if score == 0 and low >= _YEARLY.get(currency, 1e9) and _alone(text, start, end):
        period, score = "year", 0.5
    if score == 0 or (period is None and score < 2):
        return None
    minimum, maximum = _bounds(low, high, before, after)
    if max(minimum or 0, maximum or 0) > 9_999_999:
        return None
    return PayHit(Salary(minimum=minimum, maximum=maximum, currency=currency, period=period), start, end, score)


def _context(text: str, start: int, end: int) -> tuple[str, str]:
    """The words before and after an amount that belong to it: its clause, at most some sixty characters."""
    line_start = text.rfind("\n", 0, start) + 1
    before = re.split(r"[.;!?](?:\s|$)|\s\+\s|\s\|\s", text[max(line_start, start - 60) : start])[-1]
    line_end = text.find("\n", end)
    after = text[end : min(end + 50, len(text) if line_end < 0 else line_end)]
    after = re.split(
        r"(?<!p\.)(?<!p\. a)(?<!Std)[.;](?:\s|$)|\s(?:plus|sowie|más|and a)\s|\s?\+|,\s(?:plus|car|bonus|equity|stock|shares|options|\d[\d.,–-]*\s?%)",
        after,
    )[0]
    return before, after


def _line_around(text: str, start: int, end: int) -> tuple[str, str]:
    line_start = max(text.rfind("\n", 0, start) + 1, start - 90)
    line_end = text.find("\n", end)
    return text[line_start:start], text[end : min(end + 60, len(text) if line_end < 0 else line_end)]


def _alone(text: str, start: int, end: int) -> bool:
    """Whether the amount is a line or a cell of its own."""
    before = text[text.rfind("\n", 0, start) + 1 : start]
    after = text[end:].split("\n", 1)[0]
    return not re.search(r"\w", re.split(r"[|·•,]", before)[-1]) and not re.search(
        r"\w{3}", re.split(r"[|·•,+]", after)[0]
    )


def _bounds(low: float, high: float | None, before: str, after: str) -> tuple[float | None, float | None]:
    if high is not None:
        return low, high
    upper = re.search(
        r"(?:up to|bis zu|bis|hasta|até|jusqu['’]à|max(?:imum)?\.?|tot|fino a|upto)\s*$", before, re.IGNORECASE
    )
    lower = re.search(
        r"(?:from|ab|desde|à partir de|starting at|mindestens|at least|vanaf|minimum|mind\.|da|a partir de|min\.)\s*$",
        before,
        re.IGNORECASE,
    )
    open_end = after.startswith("+") or re.match(r"\s*(?:\w+\.?\s)?upwards", after)
    return (None if upper else low), (None if lower or open_end else low)


def _trimmed(match: re.Match[str]) -> tuple[int, int]:
    piece = match.group()
    return match.start() + len(piece) - len(piece.lstrip()), match.end() - (len(piece) - len(piece.rstrip()))


def _code(symbol: str, text: str) -> str:
    """The ISO code of a sign; a bare dollar is the one the rest of the text speaks of, not a name within it ("CAD software")."""
    if symbol == "$":
        others = {
            code
            for code, pattern in _CURRENCIES
            if code in {"CAD", "AUD", "MXN", "COP", "ARS", "CLP", "NZD", "SGD"}
            and re.search(
                rf"(?<!\w)(?:{pattern})(?=\W{{0,2}}\d|[^\S\n]*(?:[.,;)\n/]|$|per |a ))|\d[\dk]*\s?(?:{pattern})", text
            )
        }
        if len(others) == 1:
            return others.pop()
        for code, words in _DOLLAR_PLACES:
            if re.search(words, text):
                return code
        return "USD"
    return next(code for code, pattern in _CURRENCIES if re.fullmatch(pattern, symbol))


_DOLLAR_PLACES: Final = (
    ("CAD", r"\bQuébec\b|\bCanada\b|\bOntario\b|\bAlberta\b|\bMontréal\b|\bToronto\b|\bVancouver\b|\bDEC\b|\bcégep\b"),
    ("AUD", r"\bAustralia\b|\bNSW\b|\bQueensland\b|\bPty Ltd\b|\bMelbourne\b|\bSydney\b"),
    ("MXN", r"\bMéxico\b|\bCDMX\b|\bJalisco\b|\bMonterrey\b"),
    ("NZD", r"\bNew Zealand\b|\bAuckland\b"),
)


def _period(before: str, after: str) -> Period | None:
    """The period nearest to the amount: after it first."""
    for context, place in ((after, "first"), (before, "last")):
        found: list[tuple[int, Period]] = []
        for period, pattern in _PERIODS:
            found.extend(
                (m.start(), period)
                for m in re.finditer(rf"(?:(?<![A-Za-zÀ-ÿ])|(?=/))(?:{pattern})", context, re.IGNORECASE)
            )
        if found:
            return (min(found) if place == "first" else max(found))[1]
    return None
