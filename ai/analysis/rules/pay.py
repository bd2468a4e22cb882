# ruff: noqa: RUF001 - dashes, quotes and signs of typeset text are what is meant
"""Pay in a posting: an amount or a range, with currency and, when it is said, the period."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ai.analysis.rules.hits import Hit
from ai.analysis.schema import Period, Salary

_CURRENCIES: Final[tuple[tuple[str, str], ...]] = (
    ("USD", r"US\$|USD|\$(?!\s?CA)"),
    ("CAD", r"CA\$|C\$|CAD"),
    ("AUD", r"AU\$|A\$|AUD"),
    ("MXN", r"MX\$|MXN"),
    ("BRL", r"R\$|BRL"),
    ("EUR", r"€|EUR\b|[Ee]uros?\b"),
    ("GBP", r"£|GBP"),
    ("CHF", r"CHF|SFr\.?"),
    ("NOK", r"NOK"),
    ("SEK", r"SEK"),
    ("DKK", r"DKK"),
    ("PLN", r"PLN|zł"),
    ("CZK", r"CZK|Kč"),
    ("INR", r"₹|INR"),
    ("JPY", r"¥|JPY"),
)
_ANY: Final = "|".join(f"(?:{pattern})" for _, pattern in (*_CURRENCIES[1:5], _CURRENCIES[0], *_CURRENCIES[5:]))
_NUMBER: Final = r"\d{1,3}(?:[.,'\u2019 ]\d{3})+(?:[.,]\d{2})?(?!\d)|\d{1,7}(?:[.,]\d{1,2})?(?!\d)"
_THOUSAND: Final = r"\s?[kK]\b|\s?[kK](?=€)|\s?Tsd\.?|\s?mil\b|\s?T(?=€)"
_AMOUNT: Final = re.compile(
    rf"(?P<c1>{_ANY})?\s?(?<![\d.,])(?P<n1>{_NUMBER})(?P<k1>{_THOUSAND})?\s?(?P<c2>{_ANY})?"
    rf"(?:\s?(?:-|–|—|to|bis|until|a|à|y|et|and|und|hasta|jusqu['’]à)\s?(?:zu\s)?(?P<c3>{_ANY})?\s?(?P<n2>{_NUMBER})(?P<k2>{_THOUSAND})?\s?(?P<c4>{_ANY})?)?"
)
_PERIODS: Final[tuple[tuple[Period, str], ...]] = (
    ("hour", r"(?:per|an|a|/|pro|por|par|la|je|de l['’]|l['’])\s?(?:hour|hr|h\b|Stunde|Std|hora|heure|uur)|hourly|stündlich|Stundenlohn|horaire|p/h|/\s?h\b"),
    ("day", r"(?:per|a|/|pro|por|par|al|le)\s?(?:day|Tag|día|jour)\b|daily rate|day rate|Tagessatz|TJM|diarios?"),
    ("week", r"(?:per|a|/|pro|por|par)\s?(?:week|Woche|semana|semaine)\b(?!\w)|weekly|wöchentlich"),
    ("month", r"(?:per|a|/|pro|im|por|par|al|je|por)\s?(?:month|mo\b|Monat|mes\b|mois|maand)|monthly|monatlich\w*|mensual\w*|mensuel\w*|/\s?mtl"),
    ("year", r"(?:per|a|an|/|pro|im|por|par|al|je|p\.?)\s?(?:year|yr\b|annum|Jahr|año|an\b|a\.|jaar)|annual\w*|annuel\w*|yearly|jährlich\w*|Jahresgehalt|Jahresbrutto|anual\w*|p\.\s?a\.|\bpa\b|per annum|bruts? annuels?"),
)  # fmt: skip
_PAY: Final = re.compile(
    r"salar|pay\b|paying|compensation|wage|rate\b|remunerat|gehalt|vergütung|lohn|verdien|entgelt|sueldo|retribuc|remunerac|rémunér|salaire|brut|gross|TJM|OTE|base\b|package|salaris|stipend|gratificación|gratification",
    re.IGNORECASE,
)
_NOT_PAY: Final = re.compile(
    r"budget|bonus|allowance|zuschuss|prämie|prima\b|prime\b|signing|referral|voucher|fund(?:ing|ed)|raised|revenue|umsatz|facturación|chiffre|invest|ticket|fee\b|gebühr|kaution|deposit|tasa|cuota|frais|worth|customers|kunden|clientes|"
    r"learning|weiterbildung|formación\b|equity|market|assets|series [a-d]|processed|volume",
    re.IGNORECASE,
)
_BIG: Final = re.compile(r"\s?(?:million|m\b|mn\b|mio|mrd|bn\b|billion|millones|millions|milliard)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PayHit:
    """A salary and where it stands."""

    salary: Salary
    start: int
    end: int
    score: float


def parse_number(text: str) -> float:
    """`70.000`, `70,000`, `70 000`, `1.234,50`, `12.50` as numbers: three digits after a sign are thousands."""
    text = text.replace(" ", "").replace("'", "").replace("’", "")
    text = re.sub(r"[.,](?=\d{3}(?:\D|$))", "", text)
    return float(text.replace(",", "."))


def find_pay(text: str, ignore: Sequence[Hit] = ()) -> PayHit | None:
    """The most likely pay in the text outside of the spans to ignore, or None."""
    best: PayHit | None = None
    for hit in _candidates(text):
        if any(other.start <= hit.start < other.end for other in ignore):
            continue
        if best is None or hit.score > best.score:
            best = hit
    return best


def _candidates(text: str) -> Iterator[PayHit]:
    for match in _AMOUNT.finditer(text):
        currency = next((c for c in (match["c1"], match["c2"], match["c3"], match["c4"]) if c), None)
        if currency is None or _BIG.match(text, match.end()):
            continue
        hit = _pay_hit(text, match, _code(currency))
        if hit is not None:
            yield hit


def _pay_hit(text: str, match: re.Match[str], currency: str) -> PayHit | None:
    low = parse_number(match["n1"]) * (1000 if match["k1"] else 1)
    high = None if match["n2"] is None else parse_number(match["n2"]) * (1000 if match["k2"] else 1)
    if high is not None and match["k2"] and not match["k1"] and low < 1000:
        low *= 1000
    if low < 5 or max(low, high or 0) > 9_999_999 or (high is not None and high < low):
        return None
    start, end = _trimmed(match)
    line_start = text.rfind("\n", 0, start) + 1
    before = text[max(line_start, start - 60) : start]
    line_end = text.find("\n", end)
    after = text[end : min(end + 45, len(text) if line_end < 0 else line_end)]
    after = re.split(r"[.;](?:\s|$)|\s(?:plus|sowie|más|and a)\s|\s\+", after)[0]
    if _NOT_PAY.search(before[-35:]) or _NOT_PAY.search(after[:28]):
        return None
    period = _period(before, after)
    score = (
        (2.0 if _PAY.search(before + after) else 0.0) + (1.5 if period else 0.0) + (1.0 if high is not None else 0.0)
    )
    if score == 0:
        return None
    maximum = high
    minimum: float | None = low
    if high is None:
        upper = re.search(r"(?:up to|bis zu|hasta|jusqu['’]à|max(?:imum)?\.?|tot)\s*$", before, re.IGNORECASE)
        lower = re.search(
            r"(?:from|ab|desde|à partir de|from|starting at|mindestens|at least|vanaf|minimum)\s*$",
            before,
            re.IGNORECASE,
        )
        plus = after.startswith("+")
        minimum = None if upper else low
        maximum = None if lower or plus else low
    return PayHit(Salary(minimum=minimum, maximum=maximum, currency=currency, period=period), start, end, score)


def _trimmed(match: re.Match[str]) -> tuple[int, int]:
    piece = match.group()
    return match.start() + len(piece) - len(piece.lstrip()), match.end() - (len(piece) - len(piece.rstrip()))


def _code(symbol: str) -> str:
    return next(code for code, pattern in (*_CURRENCIES[1:], _CURRENCIES[0]) if re.fullmatch(pattern, symbol))


def _period(before: str, after: str) -> Period | None:
    """The period nearest to the amount: after it first."""
    for context, place in ((after, "first"), (before, "last")):
        found: list[tuple[int, Period]] = []
        for period, pattern in _PERIODS:
            found.extend(
                (m.start(), period) for m in re.finditer(rf"(?<![A-Za-z])(?:{pattern})", context, re.IGNORECASE)
            )
        if found:
            return (min(found) if place == "first" else max(found))[1]
    return None
