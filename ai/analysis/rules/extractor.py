"""The extractor that needs no model: it always answers, in milliseconds, and only says what the text says."""

import re
from dataclasses import dataclass, field
from typing import Final

from ai.analysis.rules.fields import (
    find_education,
    find_employment,
    find_languages,
    find_red_flags,
    find_remote,
    find_seniority,
    find_skills,
    find_summary,
    find_years,
)
from ai.analysis.rules.hits import Hit
from ai.analysis.rules.names import find_company, find_locations, find_title
from ai.analysis.rules.pay import PayHit, find_pay
from ai.analysis.rules.sections import find_sections


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


_ORDER: Final = re.compile(
    r"[^.!?\n]*\b(?:(?:ignore|disregard|forget)\s+(?:all\s+|any\s+)?(?:previous|prior|above|earlier)|(?:ignoriere|vergiss)\s+(?:alle\s+)?(?:vorherigen|bisherigen)"
    r"|ignora\s+(?:todas\s+)?las\s+instrucciones|ignore[zr]?\s+(?:toutes\s+)?les\s+instructions|system\s*:|assistant\s*:|<\|im_)[^\n]*",
    re.IGNORECASE,
)


def _without_orders(text: str) -> str:
    """The text with orders to a model blanked out (same length): they are no part of what the job is."""
    return _ORDER.sub(lambda match: " " * len(match.group()), text)


def extract(text: str) -> Draft:
    """Everything the rules find in a readable text; never raises for what the text is."""
    red_flags = find_red_flags(text)
    text = _without_orders(text)
    title = find_title(text)
    required, preferred = find_skills(text, find_sections(text))
    company = find_company(text)
    return Draft(
        title=title,
        company=company,
        locations=find_locations(text),
        remote_policy=find_remote(text),
        employment_type=find_employment(text, title),
        seniority=find_seniority(text, title),
        salary=find_pay(text, red_flags),
        skills_required=required,
        skills_preferred=preferred,
        years_experience=find_years(text),
        languages=find_languages(text),
        education=find_education(text, title),
        summary=find_summary(text),
        red_flags=red_flags,
    )
