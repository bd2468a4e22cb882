"""How right an answer is on one labelled posting."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ai.analysis.evidence import fold
from ai.analysis.rules.abilities import canonical_skill
from ai.analysis.rules.lexicon.languages import canonical_language
from ai.evaluation.labelled import MANY, LabelledPosting
from ai.shapes.posting import JobAnalysisResult, Salary

SCORED: Final = (
    "title", "company", "locations", "remote_policy", "employment_type", "seniority", "salary", "skills_required", "skills_preferred",
    "years_experience", "languages", "education", "red_flags",
)  # fmt: skip
"""All fields but the summary, which has no single right value."""


@dataclass(frozen=True, slots=True)
class Counts:
    """True positives, false positives, false negatives; fractions where words are compared."""

    right: float = 0.0
    wrong: float = 0.0
    missed: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.right + other.right, self.wrong + other.wrong, self.missed + other.missed)

    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; None when there is nothing to find and nothing was said."""
        whole = 2 * self.right + self.wrong + self.missed
        return None if whole == 0 else 2 * self.right / whole


@dataclass(frozen=True, slots=True)
class ItemScore:
    """Scores of one answer: counts by field, F1 over the item's fields, and what was left empty rightly."""

    posting: str
    fields: Mapping[str, Counts]
    f1: float
    absent: int
    absent_left_empty: int


def score(posting: LabelledPosting, result: JobAnalysisResult) -> ItemScore:
    """Score one answer against its labels."""
    return score_values(posting, {name: getattr(result, name) for name in SCORED})


def score_values(posting: LabelledPosting, values: Mapping[str, Any]) -> ItemScore:
    """Score field values, however they were made (baselines are not results)."""
    fields = {name: _counts(posting, name, values.get(name)) for name in SCORED}
    absent = [name for name in SCORED if not posting.values(name)]
    empty = sum(not values.get(name) for name in absent)
    total = sum(fields.values(), Counts())
    f1 = total.f1()
    return ItemScore(posting.id, fields, 1.0 if f1 is None else f1, len(absent), empty)


def _counts(posting: LabelledPosting, name: str, value: Any) -> Counts:
    if name in MANY:
        return _sets(name, posting.values(name), list(value or []))
    if name == "salary":
        return _single(posting.salary(), value, _same_pay)
    if name in {"title", "company", "education"}:
        return _words(posting.value(name), value)
    if name == "years_experience":
        wanted = posting.value(name)
        return _single(None if wanted is None else float(wanted), value, lambda a, b: abs(a - b) < 0.01)
    return _single(posting.value(name), value, lambda a, b: a == b)


def _single(wanted: Any, given: Any, same: Callable[[Any, Any], bool]) -> Counts:
    if wanted is None:
        return Counts() if given is None else Counts(wrong=1)
    if given is None:
        return Counts(missed=1)
    return Counts(right=1) if same(wanted, given) else Counts(wrong=1, missed=1)


def _same_pay(wanted: Salary, given: Salary) -> bool:
    def close(a: float | None, b: float | None) -> bool:
        return a is not None and b is not None and abs(a - b) <= 0.01 * max(a, 1)

    bounds = close(wanted.minimum, given.minimum if given.minimum is not None else given.maximum) and close(
        wanted.maximum, given.maximum if given.maximum is not None else given.minimum
    )
    return bounds and wanted.currency == given.currency and wanted.period == given.period


def _words(wanted: str | None, given: str | None) -> Counts:
    """By words in common, so that a title with one word too many is not all wrong."""
    right = _tokens(wanted)
    said = _tokens(given)
    if not right or not said:
        return Counts(wrong=1.0 if said else 0.0, missed=1.0 if right else 0.0)
    common = len(right & said)
    return Counts(
        common / max(len(right), len(said)), (len(said) - common) / len(said), (len(right) - common) / len(right)
    )


def _tokens(value: str | None) -> set[str]:
    return set(re.findall(r"\w+", fold(value))) if value else set()


def _sets(name: str, wanted: list[str], given: list[str]) -> Counts:
    if name == "red_flags":
        return _phrases(wanted, given)
    normal: Callable[[str], str] = _normal(name)
    right = {fold(normal(v)) for v in wanted}
    said = {fold(normal(v)) for v in given}
    return Counts(len(right & said), len(said - right), len(right - said))


def _phrases(wanted: list[str], given: list[str]) -> Counts:
    """A phrase counts as found when one holds the other, or half of their words agree."""
    left = list(wanted)
    right = 0
    for phrase in given:
        match = next((w for w in left if _alike(w, phrase)), None)
        if match is not None:
            left.remove(match)
            right += 1
    return Counts(right, len(given) - right, len(left))


def _alike(a: str, b: str) -> bool:
    x, y = _tokens(a), _tokens(b)
    return bool(x and y) and (fold(a) in fold(b) or fold(b) in fold(a) or 2 * len(x & y) >= len(x | y))


def _normal(name: str) -> Callable[[str], str]:
    if name == "languages":
        return canonical_language
    return str.strip if name == "locations" else canonical_skill
