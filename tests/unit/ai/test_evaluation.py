"""The labelled postings, the scores, the baselines and the comparison of backends."""

import asyncio
import json
from collections import Counter

import pytest
from hypothesis import settings

from ai.analysis import BackendAsker
from ai.core.errors import InputError
from ai.core.types import LoadSpec
from ai.evaluation import (
    Quality,
    baselines,
    evaluate,
    load_postings,
    majority_baseline,
    quality_check,
    unseen_postings,
)
from ai.evaluation.labelled import LabelledPosting, parse_marked, parse_pay
from ai.evaluation.score import Counts, score, score_values
from ai.shapes.posting import JobAnalysisResult, Provenance, Timing
from ai.statistics.paired import PairedComparison, compare_paired
from tests.doubles.scripted_backend import Script, ScriptedBackend


@pytest.fixture(scope="module")
def postings() -> list[LabelledPosting]:
    """All of them."""
    return load_postings()


def test_there_are_enough_postings_of_all_kinds(postings: list[LabelledPosting]) -> None:
    """At least 60 postings in each split, four languages and more, and every trap that is promised."""
    held_out = load_postings(split="held-out")
    assert min(len(held_out), len(load_postings(split="development"))) >= 60
    assert len({p.language for p in held_out}) >= 7
    assert len({p.id for p in postings}) == len(postings)
    languages = Counter(p.language for p in postings)
    assert all(languages[code] >= 10 for code in ("en", "de", "es", "fr"))
    traps = {trap for p in postings for trap in p.traps}
    assert traps >= {
        "no_salary",
        "two_locations",
        "html",
        "injection",
        "very_long",
        "duplicate",
        "red_flags",
        "no_company",
        "no_remote_trap",
        "multi_jobs",
        "emoji",
        "table",
    }


def test_quality_is_measured_on_postings_that_nothing_was_made_with() -> None:
    """The benchmark's postings are all held-out, no posting is in both splits, and the first few speak several languages."""
    unseen = unseen_postings()
    assert {p.split for p in unseen} == {"held-out"}
    assert not {p.text for p in unseen} & {p.text for p in load_postings(split="development")}
    assert len({p.language for p in unseen[:8]}) >= 5
    assert unseen_postings(3) == unseen[:3]


def test_the_baselines_name_the_postings_they_were_measured_on() -> None:
    """The sentence for a benchmark quotes the held-out split with its interval."""
    said = baselines(12)
    assert "12 held-out postings" in said
    assert "95 % between" in said


def test_every_label_stands_in_its_posting(postings: list[LabelledPosting]) -> None:
    """The evidence of each label is a span of the text, and the traps are as they say."""
    for posting in postings:
        _is_true(posting)


def _is_true(posting: LabelledPosting) -> None:
    assert posting.labels
    assert "{{" not in posting.text
    assert "@@" not in posting.text
    for label in posting.labels:
        assert posting.text[label.start : label.end].strip()
    if "no_salary" in posting.traps:
        assert posting.salary() is None
    if "two_locations" in posting.traps:
        assert len(posting.values("locations")) == 2
    if "no_company" in posting.traps:
        assert posting.value("company") is None
    if "very_long" in posting.traps:
        assert len(posting.text) > 15_000
    if "html" in posting.traps:
        assert "<" in posting.text
    if posting.values("salary"):
        assert posting.salary() is not None
    for name, allowed in (
        ("remote_policy", {"onsite", "hybrid", "remote"}),
        ("seniority", {"intern", "junior", "mid", "senior", "lead", "executive"}),
    ):
        assert posting.value(name) is None or posting.value(name) in allowed


def test_marks_may_nest_and_errors_are_told() -> None:
    """A mark inside of another labels both; an unknown or open mark is an error."""
    text, labels = parse_marked("{{t|{{sen senior|Senior}} Cook}} in {{l|Bonn}}")
    assert text == "Senior Cook in Bonn"
    assert [(label.field, label.value) for label in labels] == [
        ("title", "Senior Cook"),
        ("seniority", "senior"),
        ("locations", "Bonn"),
    ]
    for bad in ("{{zz|x}}", "{{t|x"):
        with pytest.raises(InputError):
            parse_marked(bad)
    with pytest.raises(InputError):
        parse_pay("lots")


def _posting() -> LabelledPosting:
    text, labels = parse_marked(
        "{{t|Cook}} at {{c|Bistro Ltd}}, {{l|Bonn}}. {{s|HACCP}}, {{s|Excel}}. {{pay 2000-2400 EUR month|2000-2400 EUR per month}}"
    )
    return LabelledPosting("x", "en", (), text, labels)


def _result(**values: object) -> JobAnalysisResult:
    given = {
        "backend": "b",
        "timing": Timing(total_s=0),
        "provenance": Provenance(how="model", text_sha256="", text_chars=1),
    } | values
    return JobAnalysisResult.model_validate(given)


def test_a_perfect_answer_scores_one_and_an_empty_one_zero() -> None:
    """All labels found gives F1 1; nothing found gives 0 but leaves absent fields rightly empty."""
    right = {"title": "Cook", "company": "Bistro Ltd", "locations": ["Bonn"], "skills_required": ["haccp", "Excel"]}
    right |= {"salary": {"minimum": 2000, "maximum": 2400, "currency": "EUR", "period": "month"}}
    perfect, empty = score(_posting(), _result(**right)), score(_posting(), _result())
    assert (perfect.f1, empty.f1) == (1.0, 0.0)
    assert empty.absent == empty.absent_left_empty == 8


def test_mistakes_cost_what_they_should() -> None:
    """A wrong period, a missing skill, an invented skill and a title with a word too many are each felt."""
    wrong_pay = score(
        _posting(), _result(salary={"minimum": 2000, "maximum": 2400, "currency": "EUR", "period": "year"})
    )
    assert (wrong_pay.fields["salary"].right, wrong_pay.fields["salary"].wrong) == (0, 1)
    skills = score(_posting(), _result(skills_required=["Excel", "COBOL"])).fields["skills_required"]
    assert (skills.right, skills.wrong, skills.missed) == (1, 1, 1)
    title = score(_posting(), _result(title="Cook Wanted")).fields["title"]
    assert 0 < title.right < 1
    invented = score_values(_posting(), {"remote_policy": "remote"})
    assert invented.absent_left_empty == invented.absent - 1


def test_rules_hold_on_postings_they_were_not_made_with() -> None:
    """On the held-out split the rules are right more often than the aim of 0.75, and more precise than complete fields would allow."""
    rules = asyncio.run(evaluate(None, load_postings(split="held-out")))
    total = sum((c for item in rules.items for c in item.fields.values()), Counts())
    assert rules.f1_micro >= 0.8
    assert rules.f1_by_item.low >= 0.75
    assert total.right / (total.right + total.wrong) >= 0.8, "a wrong value is worse than none"
    assert rules.null_when_absent.estimate >= 0.95


def compared(first: Quality, second: Quality) -> PairedComparison:
    """Two backends on the same postings."""
    return compare_paired([i.f1 for i in first.items], [i.f1 for i in second.items])


def test_rules_beat_the_majority_and_are_stable(postings: list[LabelledPosting]) -> None:
    """The rules find most, say nothing that is not there, and give the same answer twice; the majority has no skill."""
    some = postings[:: 1 if settings.get_current_profile_name() == "full" else 4]
    rules = asyncio.run(evaluate(None, some, repeats=2))
    majority = majority_baseline(some)
    assert rules.stability == 1
    assert rules.null_when_absent.estimate > 0.9
    assert majority.f1_micro < 0.3
    comparison = compared(rules, majority)
    assert comparison.shown
    assert comparison.difference.estimate > 0


def test_too_few_postings_tell_nothing(postings: list[LabelledPosting]) -> None:
    """Five postings cannot show any difference, whatever the answers; six can."""
    for count, too_few in ((5, True), (6, False)):
        rules = asyncio.run(evaluate(None, postings[:count]))
        silent = asyncio.run(evaluate(_model(_SILENT), postings[:count]))
        comparison = compared(rules, silent)
        assert (comparison.too_few, comparison.shown) == (too_few, not too_few)


def _model(answer: dict[str, object] | str) -> BackendAsker:
    said = answer if isinstance(answer, str) else json.dumps(answer)
    return BackendAsker(ScriptedBackend("m", Script(ttft=0, per_token=0, answer=said)), LoadSpec("m"))


_SILENT = dict.fromkeys(
    ("title", "company", "remote_policy", "employment_type", "seniority", "salary_min", "salary_max", "salary_currency", "salary_period", "years_experience", "education", "summary")
) | {"locations": [], "skills_required": [], "skills_preferred": [], "languages": [], "red_flags": []}  # fmt: skip


def test_a_model_is_measured_by_its_own_answers_alone(postings: list[LabelledPosting]) -> None:
    """Rules do not help a model's score: one that says nothing scores nothing, one that breaks the form is not valid."""
    short = postings[:6]
    silent = asyncio.run(evaluate(_model(_SILENT), short))
    assert (silent.valid.estimate, silent.f1_micro, silent.null_when_absent.estimate) == (1, 0, 1)
    broken = asyncio.run(evaluate(_model("no"), short))
    assert (broken.parse.estimate, broken.f1_micro) == (0, 0)
    liar = asyncio.run(evaluate(_model(_SILENT | {"company": "Globex", "skills_required": ["COBOL"]}), short))
    assert liar.evidence.estimate == 0
    assert not compared(silent, broken).shown


def test_the_benchmark_can_check_quality() -> None:
    """The check yields the row of the report, on as many postings as asked."""
    backend = ScriptedBackend("m", Script(ttft=0, per_token=0, answer=json.dumps(_SILENT)))
    row = asyncio.run(quality_check(8)(backend, LoadSpec("m")))
    assert row is not None
    assert (row.items, row.schema_valid_rate, len(row.per_item)) == (8, 1, 8)
