"""The extractor that needs no model: it always answers, in milliseconds, and only says what the text says."""

import re
from dataclasses import dataclass, field
from typing import Final

from ai.analysis.rules.abilities import find_skills
from ai.analysis.rules.asked import find_education, find_languages, find_years
from ai.analysis.rules.conditions import find_employment, find_remote, find_seniority
from ai.analysis.rules.employers import find_company
from ai.analysis.rules.layout import Hit, lay_out
from ai.analysis.rules.locations import find_locations
from ai.analysis.rules.pay import PayHit, find_pay
from ai.analysis.rules.titles import find_title
from ai.analysis.rules.warnings import find_red_flags, without_orders


@dataclass(frozen=True, slots=True)
class Draft:
    """What was found in the readable text; spans are of that text."""

    title: Hit | None = None
    company: Hit | None = None
    locations: list[Hit] = field(default_factory=list)
    remote_policy: Hit | None = None
    employment_type: Hit | None = None
    seniority: Hit | None = None
    salary: PayHit | None = None
    skills_required: list[Hit] = field(default_factory=list)
    skills_preferred: list[Hit] = field(default_factory=list)
    years_experience: Hit | None = None
    languages: list[Hit] = field(default_factory=list)
    education: Hit | None = None
    summary: Hit | None = None
    red_flags: list[Hit] = field(default_factory=list)


_LINE: Final = 800
_WORD: Final = re.compile(r"\S{121,}")


def in_lines(text: str) -> str:
    """The text (same length) with endless lines broken at a sentence or a space, and with words too long to be any blanked.

    Patterns look within lines, so that their cost is bounded by the line, not by the text.
    """
    text = _WORD.sub(lambda match: " " * len(match.group()), text)
    if all(len(line) <= 2 * _LINE for line in text.split("\n")):
        return text
    broken = list(text)
    at = 0
    for line in text.split("\n"):
        start = at
        while at + len(line) - start > 2 * _LINE:
            cut = text.rfind(". ", start + _LINE // 2, start + 2 * _LINE)
            cut = cut + 1 if cut >= 0 else text.rfind(" ", start + _LINE // 2, start + 2 * _LINE)
            if cut < 0:
                break
            broken[cut] = "\n"
            start = cut + 1
        at += len(line) + 1
    return "".join(broken)


def extract(text: str) -> Draft:
    """Everything the rules find in a readable text; never raises for what the text is, and takes time in proportion to it."""
    text = in_lines(text)
    red_flags = find_red_flags(text)
    text = without_orders(text)
    layout = lay_out(text)
    title = find_title(text, layout)
    locations = find_locations(text, layout, title)
    company = find_company(text, layout, title, frozenset(str(hit.value).casefold() for hit in locations))
    education = find_education(text, layout, title)
    years = find_years(text, layout)
    others = [title, company, education, years, *locations, *red_flags]
    required, preferred = find_skills(text, layout, [(hit.start, hit.end) for hit in others if hit is not None])
    return Draft(
        title=title,
        company=company,
        locations=locations,
        remote_policy=find_remote(text, layout),
        employment_type=find_employment(text, layout, title),
        seniority=find_seniority(text, layout, title),
        salary=find_pay(text, red_flags, layout),
        skills_required=required,
        skills_preferred=preferred,
        years_experience=years,
        languages=find_languages(text, layout),
        education=education,
        summary=find_summary(text),
        red_flags=red_flags,
    )


_CUE: Final = re.compile(
    r"you will|you['’]ll|your job|looking for|seek|hiring|du |deine Aufgabe|suchen|sucht|buscamos|busca|recherch|mission|vous |te encargarás|aufgaben|zoek|procura|contrata|cerca",
    re.IGNORECASE,
)


def find_summary(text: str) -> Hit | None:
    """A sentence near the beginning that speaks of the work; the first line when there is no sentence."""
    sentences = [
        m
        for m in re.finditer(r"[^.!?\n][^.!?\n]{0,600}(?:[.](?=\S)[^.!?\n]{0,200}){0,6}[.!?]", text[:20_000])
        if 6 <= len(m.group().split()) <= 45
    ]
    if not sentences:
        first = re.search(r"\S[^\n]*", text)
        if first is None:
            return None
        value = first.group().strip()[:400].rstrip()
        return Hit(value, first.start(), first.start() + len(value))
    best = next((m for m in sentences[:12] if _CUE.search(m.group())), sentences[0])
    value = best.group().strip()[:400].rstrip()
    start = best.start() + best.group().find(value[0])
    return Hit(value, start, start + len(value))
