# ruff: noqa: RUF001 - dashes, quotes and signs of typeset text are what is meant
"""The fields that word lists tell: remote policy, employment, seniority, skills, years, languages, education, red flags."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from ai.analysis.rules.hits import Hit
from ai.analysis.rules.sections import Sections
from ai.analysis.rules.skills import CASE_MATTERS, RISKY, SKILLS
from ai.analysis.rules.words import (
    EDUCATION,
    EMPLOYMENT,
    LANGUAGE_CUES,
    LANGUAGES,
    RED_FLAGS,
    REMOTE,
    SENIORITY,
)

_NUMBER_WORDS: Final = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "ten": 10, "ein": 1, "zwei": 2, "drei": 3, "vier": 4,
    "fünf": 5, "sechs": 6, "zehn": 10, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "einem": 1, "un": 1,
}  # fmt: skip
_N: Final = r"\d{1,2}(?:[.,]5)?|" + "|".join(_NUMBER_WORDS)
_UNIT: Final = r"(?:\+|plus)?\s*(?:-\s*)?(?:years?|yrs?\.?|Jahren?|años?|ans|jaar|anni|anos)"
_YEARS: Final = (
    re.compile(rf"(?<![\w.])(?P<n>{_N})\s*(?:\+|plus)?\s*(?:(?:-|–|to|bis|a|à|or|oder)\s*\d{{1,2}}\s*)?{_UNIT}[’']?(?:\s+\w+){{0,6}}?\s+(?:d[’\']|of\s+)?(?:experience|Erfahrung|Berufserfahrung|experiencia|expérience|ervaring|esperienza)", re.IGNORECASE),
    re.compile(rf"(?:experience|Berufserfahrung|Erfahrung|experiencia|expérience|ervaring)(?:\s*[:(]?\s*(?:of|von|de|mínima|mínimo|minimum|at least|mindestens|al menos|d['’]au moins|requise|previa|profesional)?\s*){{1,4}}(?P<n>{_N})\s*(?:\+|(?:-|–|to|bis|a|à)\s*\d{{1,2}}\s*)?{_UNIT}", re.IGNORECASE),
    re.compile(rf"(?:at least|minimum(?: of)?|mindestens|al menos|mínimo(?: de)?|au moins|over|more than|mehr als|más de|plus de)\s+(?P<n>{_N})\s*{_UNIT}(?!\s+(?:old|alt|de edad|contract|ago|history))", re.IGNORECASE),
    re.compile(r"(?<![\w.])(?P<n>\d{1,2})\s?\+\s*(?:years?|yrs|Jahre|años|ans)(?!\s+(?:old|ago|history|of history))", re.IGNORECASE),
    re.compile(rf"(?<![\w.])(?P<n>{_N})\s*{_UNIT}\s+(?:in|with|as|of|im|als|mit|como|en|con)\s+(?!business|the market|a row)", re.IGNORECASE),
)  # fmt: skip
_LANGUAGE: Final = tuple(
    (name, re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)) for name, pattern in LANGUAGES
)
_CUE: Final = re.compile(rf"(?<!\w)(?:{LANGUAGE_CUES})(?!\w)", re.IGNORECASE)
_EDUCATION_END: Final = re.compile(
    r"\s+(?:(?:or|oder|o|ou)\s+(?:an?\s+)?(?:similar|equivalent|vergleichbar\w*|ähnlich\w*|équivalent\w*|related|comparable)|exigé|minimum|requis|requerid[oa]|und\s+(?:Freude|Erfahrung|Lust)|and\s+(?:know|have|are|like)|mit\s+Erfahrung).*$",
    re.IGNORECASE,
)
_NEGATED: Final = re.compile(
    r"(?:\bno|\bnot|\bwithout|\bkeine?|\bohne|\bsin|\bpas de|\baucune?|\bno need for|\bnot need)\s+(?:\w+\s+){0,2}$",
    re.IGNORECASE,
)


def find_remote(text: str) -> Hit | None:
    """Where the work is done: an explicit "no remote" first, then hybrid before fully remote before on site."""
    return _first(REMOTE, text)


def find_employment(text: str, title: Hit | None) -> Hit | None:
    """The kind of employment; the title speaks first."""
    in_title = _within(EMPLOYMENT, text, title)
    return in_title or _first(EMPLOYMENT, text)


def find_seniority(text: str, title: Hit | None) -> Hit | None:
    """The level: from the title, else from where the text says what it looks for."""
    in_title = _within(SENIORITY, text, title)
    if in_title is not None:
        return in_title
    for value, pattern in SENIORITY:
        if value in {"lead", "executive"}:
            continue
        match = re.search(rf"(?<!\w)(?:{pattern})", text, re.IGNORECASE)
        if match is not None and not re.search(
            r"(?:report\w* to|with our|our|work with|mentor\w*|unsere\w*|nuestr\w+|nos)\s+(?:\w+\s+)?$",
            text[: match.start()][-30:],
            re.IGNORECASE,
        ):
            return Hit(value, match.start(), match.end())
    return None


def find_skills(text: str, sections: Sections) -> tuple[list[Hit], list[Hit]]:
    """Skills required and preferred, each once, in order of appearance; a skill named as required is not also preferred."""
    required: dict[str, Hit] = {}
    preferred: dict[str, Hit] = {}
    taken: list[Hit] = []
    for name, pattern in _skill_patterns():
        for match in pattern.finditer(text):
            if _NEGATED.search(text[max(0, match.start() - 30) : match.start()]) or _inside(taken, match):
                continue
            hit = Hit(name, match.start(), match.end(), exact=match.group() == name)
            taken.append(hit)
            place = preferred if sections.is_preferred(match.start()) else required
            if name not in place:
                place[name] = hit
    for name in RISKY:
        for match in re.finditer(
            rf"(?<=[,/(:.]\s){name}(?=\s?[,/)]|\s(?:and|und|y|et|or)\s)|(?<=[,/(]){name}(?=[,/)])", text
        ):
            place = preferred if sections.is_preferred(match.start()) else required
            place.setdefault(name, Hit(name, match.start(), match.end()))
    wanted = sorted(required.values(), key=lambda h: h.start)
    nice = sorted((h for n, h in preferred.items() if n not in required), key=lambda h: h.start)
    return wanted[:40], nice[:30]


def find_years(text: str) -> Hit | None:
    """Years of experience asked for, the lower end of a range."""
    for pattern in _YEARS:
        for match in pattern.finditer(text):
            number = match["n"].lower()
            value = (
                float(_NUMBER_WORDS.get(number, 0)) or float(number.replace(",", "."))
                if not number.isalpha()
                else float(_NUMBER_WORDS[number])
            )
            before = text[max(0, match.start() - 45) : match.start()]
            if 0 < value <= 40 and not re.search(
                r"(?:we have|with our|our|founded|seit|for over|since|depuis|contract|unsere\w*|nuestros|company|wir haben|tenemos)\s*(?:\w+\s*){0,2}$",
                before,
                re.IGNORECASE,
            ):
                return Hit(value, match.start(), match.end())
    return None


def find_languages(text: str) -> list[Hit]:
    """Human languages the posting speaks of as something to master."""
    hits: list[Hit] = []
    for name, pattern in _LANGUAGE:
        for match in pattern.finditer(text):
            around = text[max(0, match.start() - 45) : match.start()] + " " + text[match.end() : match.end() + 45]
            line_start = text.rfind("\n", 0, match.start()) + 1
            if not match.group()[0].isupper() and name in {"English", "German"} and "lish" in match.group():
                continue
            label = re.search(
                r"(?:languages?|sprachen?|idiomas?|langues?|talen)\s*:", text[line_start : match.start()], re.IGNORECASE
            )
            negated = _NEGATED.search(text[max(0, match.start() - 30) : match.start()]) or re.match(
                r"\s+(?:\w+\s+)?(?:is )?not (?:required|needed|necessary)", text[match.end() :][:40]
            )
            if (label or _CUE.search(around)) and not negated:
                hits.append(Hit(name, match.start(), match.end(), exact=match.group() == name))
                break
    return sorted(hits, key=lambda h: h.start)[:10]


def find_education(text: str, title: Hit | None = None) -> Hit | None:
    """The schooling asked for, as the posting words it: the earliest mention."""
    found: list[re.Match[str]] = []
    for pattern in EDUCATION:
        found.extend(
            m
            for m in re.finditer(rf"(?<!\w)(?:{pattern})", text)
            if not _NEGATED.search(text[max(0, m.start() - 30) : m.start()])
        )
    if title is not None:
        found = [m for m in found if not title.start <= m.start() < title.end]
    found = [m for m in found if not re.match(r"\s*(?:student|team|of (?:the )?company)", text[m.end() :])]
    if not found:
        return None
    match = min(found, key=lambda m: (m.start(), -m.end()))
    value = re.split(
        r"\s+(?:and|und|y|et|with|mit|oder eine vergleichbare|or equivalent|o similar|ou équivalent)\s+(?=\d|at least|mindestens|experience|equivalent|fluent|strong|erste|mehrere|good|first)",
        match.group(),
    )[0]
    value = _EDUCATION_END.sub("", value)
    value = re.sub(
        r"\s+(?:is|are|ist|wird|es|est|required|preferred|oder|or|o|ou|and|und|y|et)$",
        "",
        re.sub(r"\s+(?:is|ist|wird|would|will|wäre|required|preferred|erforderlich)\b.*$", "", value),
    ).strip(" ,")
    return Hit(value[:160], match.start(), match.start() + len(value[:160]))


def find_red_flags(text: str) -> list[Hit]:
    """What should make a reader careful, in the posting's own words."""
    hits: list[Hit] = []
    for pattern in RED_FLAGS:
        match = re.search(rf"(?<!\w)(?:{pattern})", text, re.IGNORECASE)
        if match is not None and not re.search(
            r"(?:\bno|\bnot|\bnever|\bkeine?|\bsin|\bpas d['’e]?|don['’]t|ohne)\s+(?:\w+\s+){0,2}$",
            text[: match.start()][-24:],
            re.IGNORECASE,
        ):
            value = match.group().strip()[:160]
            hits.append(Hit(value, match.start(), match.start() + len(value)))
    return sorted(hits, key=lambda h: h.start)[:12]


def find_summary(text: str) -> Hit | None:
    """One or two sentences of the posting that say what the work is."""
    sentences = [
        m
        for m in re.finditer(r"[^.!?\n][^.!?\n]*(?:[.](?=\S)[^.!?\n]*)*[.!?]", text)
        if 6 <= len(m.group().split()) <= 45
    ]
    if not sentences:
        lines = [m for m in re.finditer(r"[^\n]+", text) if m.group().strip()]
        if not lines:
            return None
        value = lines[0].group().strip()[:400]
        return Hit(
            value,
            lines[0].start() + lines[0].group().find(value[:1]),
            lines[0].start() + lines[0].group().find(value[:1]) + len(value),
        )
    cue = re.compile(
        r"you will|you['’]ll|your job|looking for|seek|hiring|du |deine Aufgabe|suchen|sucht|buscamos|busca|recherch|mission|vous |te encargarás|aufgaben",
        re.IGNORECASE,
    )
    best = next((m for m in sentences[:12] if cue.search(m.group())), sentences[0])
    value = best.group().strip()[:400]
    start = best.start() + best.group().find(value[0])
    return Hit(value, start, start + len(value))


def canonical_skill(name: str) -> str:
    """The name under which a skill is known here; its own name, trimmed, when it is not."""
    return _aliases().get(" ".join(name.casefold().split()), name.strip())


def skill_spellings(name: str) -> Sequence[str]:
    """All spellings of a skill, its own first."""
    canonical = canonical_skill(name)
    return next((names for names in SKILLS if names[0] == canonical), (name,))


def language_pattern(name: str) -> re.Pattern[str] | None:
    """The pattern of a human language given by its name in any of the languages known."""
    for canonical, pattern in _LANGUAGE:
        if canonical.casefold() == name.casefold() or pattern.fullmatch(name.strip()):
            return pattern
    return None


def canonical_language(name: str) -> str:
    """The English name of a human language; unchanged when it is not known."""
    first = re.split(r"[\s(,:/-]", name.strip())[0]
    for canonical, pattern in _LANGUAGE:
        if pattern.fullmatch(first) or canonical.casefold() == first.casefold():
            return canonical
    return name.strip()


@lru_cache(maxsize=1)
def _aliases() -> dict[str, str]:
    return {name.casefold(): names[0] for names in SKILLS for name in names}


@lru_cache(maxsize=1)
def _skill_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    spelled = [(names[0], name) for names in SKILLS for name in names]
    spelled.sort(key=lambda pair: len(pair[1]), reverse=True)
    return tuple(
        (
            canonical,
            re.compile(
                rf"(?<![\w#.+@/-]){re.escape(name)}(?![\w#+]|\.\w|-(?!\w*(?:kenntnis|erfahr|entwickl|api))\w)",
                0 if name in CASE_MATTERS or name.isupper() else re.IGNORECASE,
            ),
        )
        for canonical, name in spelled
    )


def _first(table: Sequence[tuple[str, str]], text: str) -> Hit | None:
    for value, pattern in table:
        match = re.search(rf"(?<!\w)(?:{pattern})", text, re.IGNORECASE)
        if match is not None:
            return Hit(value, match.start(), match.end())
    return None


def _within(table: Sequence[tuple[str, str]], text: str, span: Hit | None) -> Hit | None:
    if span is None:
        return None
    hit = _first(table, text[span.start : span.end])
    return None if hit is None else Hit(hit.value, span.start + hit.start, span.start + hit.end)


def _inside(taken: Sequence[Hit], match: re.Match[str]) -> bool:
    return any(h.start <= match.start() and match.end() <= h.end for h in taken)
