"""The text of a log query on the page: terms that are added, and what may follow where one writes."""

from typing import Any

import pytest

from logs.query.language import Options, parse_query
from pages.ui.components import query_of_text
from tests.doubles.node import run_script

KNOWN = {
    "sources": ["train/worker.log", "web", "a b"],
    "fields": [{"name": "user_id", "values": ["42", "bob"]}, {"name": "url", "values": []}],
}


def called(name: str, *arguments: Any) -> Any:
    """What a function of the script answers."""
    return run_script(f'const terms = await load("logs/terms"); return terms.{name}(...given)', list(arguments))


@pytest.mark.parametrize(
    ("query", "term", "out", "expected"),
    [
        ("", "level:error", False, "level:error"),
        ("worker", "user=42", False, "worker user=42"),
        ("worker", "user=42", True, "worker -user=42"),
        ("a OR b", "user=42", False, "(a OR b) user=42"),
        ('"a OR b"', "user=42", False, '"a OR b" user=42'),
        ("(a OR b) c", "user=42", False, "(a OR b) c user=42"),
        ("x -user=42 y", "user=42", False, "x user=42 y"),
        ("x user=42 y", "user=42", True, "x -user=42 y"),
        ("x user=42", "user=42", False, "x user=42"),
        ('m="a \\" OR b"', "y=1", True, 'm="a \\" OR b" -y=1'),
    ],
)
def test_a_click_adds_a_term(query: str, term: str, out: bool, expected: str) -> None:  # noqa: FBT001 - a case of the table
    """A value is filtered for or out; what was asked before still holds, and the opposite is replaced."""
    answer = called("withTerm", query, term, {"out": out})
    assert answer == expected
    assert parse_query(answer, Options(0)) is not None


@pytest.mark.parametrize(
    ("name", "value", "term"),
    [
        ("user", "bob", "user=bob"),
        ("user", "42", 'user="42"'),
        ("user", 42, "user=42"),
        ("user", 'a "b" \\', 'user="a \\"b\\" \\\\"'),
        ("ok", True, "ok=true"),
        ("level", "x", "fields.level=x"),
        ("a b", "x", None),
        ("user", None, None),
        ("user", {"a": 1}, None),
    ],
)
def test_a_value_has_its_term(name: str, value: Any, term: str | None) -> None:
    """The term finds exactly this value; what cannot be asked for has none."""
    assert called("fieldTerm", name, value) == term
    if term is not None:
        assert parse_query(term, Options(0)) is not None


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("lev", ["level:"]),
        ("worker us", ["user_id="]),
        ("-u", ["until:", "user_id=", "url="]),
        ("level>=w", ["warn"]),
        ("(source:work", ["train/worker.log"]),
        ("source:", ["train/worker.log", "web", "a b"]),
        ("user_id=b", ["bob"]),
        ("since:yes", ["yesterday", "yesterday 14:00"]),
        ('"lev', []),
        ("/lev", []),
    ],
)
def test_names_and_values_are_completed(query: str, labels: list[str]) -> None:
    """Names of terms and of fields, and values of levels, sources, times and fields, begin as what stands before the caret."""
    found = called("suggestions", query, len(query), KNOWN)
    assert [one["label"] for one in found] == labels
    for one in found:
        completed = (
            query[: one["from"]]
            + one["text"]
            + ("x" if one["text"][-1] in ":=" else "")
            + (")" if "(" in query else "")
        )
        if not completed.startswith(("-until", "level:x")):
            assert parse_query(completed, Options(0)) is not None


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", ""),
        ("  word ", "word"),
        ("two words", '"two words"'),
        ("id=7", '"id=7"'),
        ("OR", '"OR"'),
        ("/a|b/", "/a|b/"),
        ("/a|b/i", "/a|b/i"),
        ("/a/ b\\/c/", "/a\\/ b\\/c/"),
        ("/usr/bin", '"/usr/bin"'),
        ("//", '"//"'),
        ('say "x" \\', '"say \\"x\\" \\\\"'),
    ],
)
def test_a_link_of_an_earlier_version_means_what_it_meant(text: str, query: str) -> None:
    """What stood between slashes was an expression; anything else was one text."""
    assert query_of_text(text) == query
    assert len(str(parse_query(query, Options(0))).split("OR")) <= 2


def test_all_searched_texts_are_marked() -> None:
    """Each text and expression of a query is marked, and none inside another's mark."""
    marks = [
        {"text": "a.b", "regex": False, "case": False},
        {"text": "[0-9]+", "regex": True, "case": True},
        {"text": "b", "regex": False, "case": True},
    ]
    body = 'const { highlighterOf } = await load("logs/highlight"); return [highlighterOf(given)("A.b 12 b"), highlighterOf([])]'
    assert run_script(body, marks) == [[["A.b", True], [" ", False], ["12", True], [" ", False], ["b", True]], None]


def test_saved_searches_are_suggested() -> None:
    """An empty box lists all of them, with those that this browser kept before they had names; words find them by name."""
    body = """
    const { keptSearches, suggestedSearches, paramsOfSearch } = await load("logs/saved");
    const kept = new Map([["watchkeeper.searches", '["a OR b", 7, ""]']]);
    const storage = { getItem: (key) => kept.get(key) ?? null };
    const named = [{ name: "Slow jobs", detail: "took>1s", params: { query: "took>1s", case: "1" } }];
    const labels = (written) => suggestedSearches(named, keptSearches(storage), written).map((one) => one.label);
    const answers = [labels(""), labels("slow"), labels("fast"), paramsOfSearch(named[0].params).source, paramsOfSearch(named[0].params).case];
    kept.set("watchkeeper.searches", "{broken");
    return [...answers, keptSearches(storage), keptSearches(null)];
    """
    assert run_script(body) == [["Slow jobs", "a OR b"], ["Slow jobs"], [], None, "1", [], []]


@pytest.mark.parametrize(
    ("record", "query"),
    [
        (
            {"source": "worker", "level": "error", "message": "job 17 failed: disk quota exceeded at 10:03\nTraceback"},
            'level>=error source=worker "failed: disk quota exceeded at"',
        ),
        ({"source": "a b", "level": "info", "message": 'took 3 ms "x"'}, 'source="a b" "ms \\"x\\""'),
        ({"source": "web", "level": None, "message": "17"}, "source=web"),
    ],
)
def test_records_like_one_are_found_by_its_words(record: dict[str, Any], query: str) -> None:
    """Of the same source, without numbers; and the agent understands it."""
    assert called("queryAlike", record) == query
    parse_query(query, Options(0, None, case=False, place="message"))
