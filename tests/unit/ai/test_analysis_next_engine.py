"""Answers of no use: what can be read of them is read, the next engine is asked, and an engine that never helps is left alone."""

import asyncio
import json
from typing import Any

import pytest

from ai.analysis import BackendAsker, JobAnalyzer
from ai.analysis.posting.model_answer import model_schema, read_answer
from ai.analysis.prompt import parse_object
from ai.core.types import LoadSpec
from ai.router import HybridAIBackend, Member, Policy
from ai.router.hybrid import ROUTER_DEADLINES
from tests.doubles.scripted_backend import Script, ScriptedBackend

POSTING = "Data Engineer\n\nAcme Robotics is looking for a Data Engineer in Berlin. You know Python and SQL."
GOOD: dict[str, Any] = {name: [] if "array" in str(p) else None for name, p in model_schema()["properties"].items()} | {
    "title": "Data Engineer", "company": "Acme Robotics", "locations": ["Berlin"], "skills_required": ["Python", "SQL"],
}  # fmt: skip
INVENTED = GOOD | {
    "title": "Head Chef",
    "company": "Blue Whale Diner",
    "locations": ["Quito"],
    "skills_required": ["Baking"],
}
WORDS = "We're small. " * 20


def engine(name: str, answer: object, model: str = "m") -> tuple[ScriptedBackend, Member]:
    """An engine that always says this."""
    said = answer if isinstance(answer, str) else json.dumps(answer)
    backend = ScriptedBackend(name, Script(ttft=0, per_token=0, answer=said, context=100_000))
    return backend, Member(backend, LoadSpec(model, context=8192))


def over(*members: Member) -> HybridAIBackend:
    """A router over these, in this order."""
    return HybridAIBackend(members, policy=Policy(preferred=tuple(m.backend.name for m in members)))


@pytest.mark.parametrize("answer", [WORDS, '{"other": 1}', "[1, 2]", INVENTED])
def test_an_answer_of_no_use_moves_on_to_the_next_engine(answer: object) -> None:
    """No object, another one, or values of which the posting has none."""
    (bad, first), (_, second) = engine("bad", answer), engine("good", GOOD)
    result = asyncio.run(JobAnalyzer(over(first, second)).analyze(POSTING))
    assert bad.calls > 0
    assert result.title == "Data Engineer"
    assert result.provenance.fields["company"] == "scripted"
    assert [a.backend for a in result.provenance.attempts][-1] == "good"


def test_without_another_engine_the_rules_answer_and_it_is_said() -> None:
    """Nobody is asked for ever."""
    backend, _ = engine("only", INVENTED)
    result = asyncio.run(JobAnalyzer(BackendAsker(backend, LoadSpec("m", context=8192))).analyze(POSTING))
    assert result.backend == "rules"
    assert backend.calls == 1
    assert any("supports none" in note for note in result.provenance.notes)


def test_an_engine_that_never_helps_is_not_asked_until_its_model_changes() -> None:
    """Four answers of no use in a row; then the rules answer at once."""

    async def run() -> None:
        backend, member = engine("only", WORDS)
        router = over(member)
        analyzer = JobAnalyzer(router)
        for _ in range(4):
            await analyzer.analyze(POSTING)
        asked = backend.calls
        result = await analyzer.analyze(POSTING)
        assert backend.calls == asked
        assert any("until its model changes" in note for note in result.provenance.notes)
        changed, other = engine("only", GOOD, model="another")
        router.adopt([other], policy=Policy(preferred=("only",)), deadlines=ROUTER_DEADLINES)
        assert (await analyzer.analyze(POSTING)).backend == "scripted"
        assert changed.calls == 1
        await router.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "said",
    [
        '<think>\nThey want {"title": "no"}, I guess.\n</think>\n```json\n{"title": "yes", "n": 1}\n```',
        'Reasoning without a beginning {"title": "no, not at all, surely"}</think>{"title": "yes"}',
        '[THINK]{"title": "no"}[/THINK]{"title": "yes"}',
        'First {"a": 1}, then {"title": "yes"} and that is all.',
        '{broken {"title": "yes"}',
        '{"title": "yes", "summary": "two\nlines"}',
    ],
)
def test_an_object_is_found_among_thoughts_and_words(said: str) -> None:
    """Thoughts are skipped; the longest object that can be read counts."""
    found = parse_object(said)
    assert isinstance(found, dict)
    assert found["title"] == "yes"


def test_an_answer_keeps_what_is_right_in_it() -> None:
    """A key that is missing, unknown or of the wrong kind costs that key alone, and is told."""
    partial = {k: v for k, v in GOOD.items() if k != "education"} | {"seniority": "wizard", "salary_min": -5, "mood": 1}
    answer, problems = read_answer(partial)
    assert (answer.title, answer.seniority, answer.salary_min, answer.education) == ("Data Engineer", None, None, None)
    assert any("seniority" in p for p in problems)
    assert any("Missing: education" in p for p in problems)
    assert read_answer(GOOD)[1] == []
    for nothing in ([], {}, {"mood": 1}, {"title": 5}):
        with pytest.raises(ValueError, match=r"\w"):
            read_answer(nothing)


@pytest.mark.parametrize(
    "said",
    [
        {"result": GOOD}, {"name": "report", "arguments": GOOD}, {key.title(): value for key, value in GOOD.items()}, {key.replace("_", " "): value for key, value in GOOD.items()},
        {"title": GOOD["title"], "skillsRequired": GOOD["skills_required"], "company": GOOD["company"], "locations": GOOD["locations"]},
    ],
)  # fmt: skip
def test_an_answer_is_found_in_another_object_and_under_names_written_otherwise(said: dict[str, Any]) -> None:
    """As small models and tools write it."""
    answer, _ = read_answer(said)
    assert (answer.title, answer.skills_required) == ("Data Engineer", ["Python", "SQL"])


@pytest.mark.parametrize(
    ("answer", "salary"),
    [
        ({"salary_min": 70_000, "salary_max": 80_000}, (70_000, 80_000, "EUR", "year")), ({"salary_min": 70_000}, (70_000, 80_000, "EUR", "year")),
        ({"salary_max": 70_000}, (None, 70_000, None, None)), ({"salary_min": 2026}, (2026, None, None, None)),
    ],
)  # fmt: skip
def test_what_a_model_leaves_out_of_the_pay_is_what_the_rules_found(
    answer: dict[str, int], salary: tuple[object, ...]
) -> None:
    """Where both mean the same amounts."""
    text = f"{POSTING} Salary 70,000 - 80,000 EUR per year. Start in 2026."
    _, member = engine("only", GOOD | answer)
    found = asyncio.run(JobAnalyzer(over(member)).analyze(text)).salary
    assert found is not None
    assert (found.minimum, found.maximum, found.currency, found.period) == salary
