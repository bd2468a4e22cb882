"""From what rules found, or a model said, to a result in which every value has its place in the posting."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from ai.analysis.evidence import Searchable, Span, fold
from ai.analysis.posting.model_answer import ModelAnswer
from ai.analysis.posting.text import PlainText
from ai.analysis.rules import Draft, Hit, PayHit
from ai.analysis.rules.abilities import canonical_skill
from ai.analysis.rules.conditions import EMPLOYMENT, REMOTE, SENIORITY
from ai.analysis.rules.lexicon.languages import canonical_language
from ai.shapes.posting import FIELDS, Evidence, Salary

LIMITS: Final = {"locations": 10, "skills_required": 40, "skills_preferred": 30, "languages": 10, "red_flags": 12}


@dataclass(slots=True)
class Assembly:
    """Values with their evidence, being put together. Spans are of the original posting."""

    plain: PlainText
    values: dict[str, Any] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)
    source: dict[str, str] = field(default_factory=dict)
    unsupported: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Whether the field is filled."""
        return bool(self.values.get(name)) or self.values.get(name) == 0

    def put(self, name: str, value: Any, span: tuple[int, int] | None, source: str, *, exact: bool = True) -> None:
        """Set a field (or add to a list) with its place in the readable text."""
        if name in LIMITS:
            held: list[Any] = self.values.setdefault(name, [])
            if len(held) >= LIMITS[name] or fold(str(value)) in {fold(str(v)) for v in held}:
                return
            held.append(value)
        else:
            self.values[name] = value
        self.source[name] = source
        if span is not None and span[1] > span[0]:
            start, end = self.plain.original_span(*span)
            shown = value if not isinstance(value, Salary) else self.plain.text[slice(*span)]
            self.evidence.append(
                Evidence(
                    field=name,
                    value=str(shown)[:400],
                    start=start,
                    end=end,
                    text=self.plain.original[start:end][:400],
                    exact=exact,
                )
            )

    def doubt(self, name: str, value: object) -> None:
        """Note a value that the posting does not say."""
        if len(self.unsupported) < 60:
            self.unsupported.append(f"{name}: {str(value)[:150]}")

    def result_fields(self) -> dict[str, Any]:
        """Field values and evidence, in the order of the schema."""
        order = {name: at for at, name in enumerate(FIELDS)}
        kept = sorted(self.evidence[:200], key=lambda e: order[e.field])
        return {**{n: self.values[n] for n in FIELDS if self.has(n)}, "evidence": kept}


def add_assembly(assembly: Assembly, other: Assembly, names: Sequence[str]) -> None:
    """Put what another assembly of the same posting holds into these fields when they are empty."""
    for name in names:
        if other.has(name) and not assembly.has(name):
            assembly.values[name] = other.values[name]
            assembly.source[name] = other.source[name]
            assembly.evidence.extend(e for e in other.evidence if e.field == name)


def add_rules(assembly: Assembly, draft: Draft, *, only_missing: bool = False) -> None:
    """Put what the rules found; with `only_missing`, only into fields that are empty."""
    filled = {name for name in FIELDS if assembly.has(name)} if only_missing else set[str]()
    if "salary" in filled and isinstance(draft.salary, PayHit):
        assembly.values["salary"] = _completed(assembly.values["salary"], draft.salary.salary)
    for name in FIELDS:
        if name in filled or (name == "skills_preferred" and "skills_required" in filled):
            continue
        found: Any = getattr(draft, name)
        hits: Sequence[Hit] = found if isinstance(found, list) else [found] if isinstance(found, Hit) else []
        for hit in hits:
            assembly.put(name, hit.value, (hit.start, hit.end), "rules", exact=hit.exact)
        if isinstance(found, PayHit):
            assembly.put(name, found.salary, (found.start, found.end), "rules")


def _completed(said: Salary, found: Salary) -> Salary:
    """Pay as a model said it, with what it left out, where the rules found the same amounts."""
    if said.minimum not in {None, found.minimum} or said.maximum not in {None, found.maximum}:
        return said
    missing = {name: value for name, value in found if getattr(said, name) is None}
    return said.model_copy(update=missing)


def add_answer(assembly: Assembly, answer: ModelAnswer, search: Searchable, source: str) -> None:
    """Put what a model said, each value only where the posting says it too; the rest is listed as unsupported."""
    locate: dict[str, Callable[[str], Span | None]] = {
        "title": search.find_loosely,
        "company": search.find_loosely,
        "education": search.find_loosely,
        "locations": search.find,
        "skills_required": search.find_skill,
        "skills_preferred": search.find_skill,
        "languages": search.find_language,
        "red_flags": search.find_loosely,
    }
    said = answer.model_dump()
    for name, find in locate.items():
        given = said[name] if isinstance(said[name], list) else [said[name]]
        for raw in given:
            value = _tidy(raw)
            if value is None or (name == "skills_preferred" and _known(assembly, "skills_required", value)):
                continue
            span = find(value)
            if span is None:
                assembly.doubt(name, value)
                continue
            exact = span.exact
            if name == "languages":
                value = canonical_language(value)
            elif name.startswith("skills"):
                value = canonical_skill(value)
            assembly.put(name, value, (span.start, span.end), source, exact=exact)
    _add_choices(assembly, said, search, source)
    _add_numbers(assembly, answer, search, source)
    summary = _tidy(answer.summary)
    if summary is not None and not assembly.has("summary"):
        if search.share_of_words(summary) >= 0.5:
            assembly.put("summary", summary, None, source)
        else:
            assembly.doubt("summary", summary)


def _add_choices(assembly: Assembly, said: dict[str, Any], search: Searchable, source: str) -> None:
    for name, table in (("remote_policy", REMOTE), ("employment_type", EMPLOYMENT), ("seniority", SENIORITY)):
        value = cast("str | None", said[name])
        if value is None or assembly.has(name):
            continue
        span = cue_of(table, value, search.text)
        if span is None:
            assembly.doubt(name, value)
        else:
            assembly.put(name, value, span, source, exact=False)


def cue_of(table: Sequence[tuple[str, str]], value: str, text: str) -> tuple[int, int] | None:
    """The first words of the text that speak for a choice."""
    for choice, pattern in table:
        if choice == value and (match := re.search(rf"(?<!\w)(?:{pattern})", text, re.IGNORECASE)):
            return match.span()
    return None


def _add_numbers(assembly: Assembly, answer: ModelAnswer, search: Searchable, source: str) -> None:
    years = answer.years_experience
    if years is not None and not assembly.has("years_experience"):
        span = search.find_number(years) if years > 0 else None
        if span is None:
            assembly.doubt("years_experience", years)
        else:
            assembly.put("years_experience", float(years), (span.start, span.end), source)
    bounds = [b for b in (answer.salary_min, answer.salary_max) if b]
    if not bounds or assembly.has("salary"):
        return
    spans = [search.find_number(b) for b in bounds]
    currency = (answer.salary_currency or "").upper()
    if any(span is None for span in spans) or (len(bounds) == 2 and bounds[0] > bounds[1]):
        assembly.doubt("salary", " - ".join(map(str, bounds)))
        return
    salary = Salary(
        minimum=answer.salary_min or None,
        maximum=answer.salary_max or None,
        currency=currency if re.fullmatch(r"[A-Z]{3}", currency) else None,
        period=answer.salary_period,
    )
    places = [s for s in spans if s is not None]
    assembly.put("salary", salary, (min(s.start for s in places), max(s.end for s in places)), source)


def _known(assembly: Assembly, name: str, value: str) -> bool:
    return canonical_skill(value).casefold() in {str(v).casefold() for v in assembly.values.get(name, [])}


def _tidy(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    text = " ".join(value.split()).strip(" .,;:")
    return None if text.casefold() in {"", "null", "none", "n/a", "unknown", "not specified", "not stated"} else text
