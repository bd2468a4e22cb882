"""The SQL files and their sections; and that they speak only the shared dialect."""

import re
from pathlib import Path

import pytest

from monitor.core.errors import QueryError, StoreError
from monitor.store.duckdb.sql_templates import QUERIES, Statements

SCHEMA = QUERIES.parent / "schema"
STANDARD = {
    "count", "sum", "min", "max", "avg", "coalesce", "nullif", "cast", "lag", "lead", "row_number", "rank", "lower", "upper", "abs",
    "floor", "ceil", "round", "concat", "trim", "length", "least", "greatest", "exists", "values", "over", "in", "and", "or",
    "not", "as", "with", "from", "select", "where", "join", "on", "using", "then", "else", "when", "by", "union", "all", "any", "filter",
    "case", "between", "like", "substring", "replace", "distinct", "limit", "offset", "having", "partition", "sets",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one statement that has every kind of section."""
    (tmp_path / "one.sql").write_text(
        "SELECT a -- $ignored\nFROM t\nWHERE TRUE\n-- :if low is given\nAND a >= $low\n-- :else\nAND a IS NOT NULL\n-- :endif\n"
        "-- :if flag is given\nAND b\n-- :endif\n-- :for name in some | names\nAND {{ name }} > 0\n-- :endfor\n"
    )
    return tmp_path


def test_sections_follow_the_parameters(folder: Path) -> None:
    """A section stays when its parameter is given and neither None nor False; the else part stays otherwise."""
    statements = Statements(folder)
    sql, bound = statements.render("one", {"low": 3, "flag": None})
    assert "a >= $low" in sql
    assert "IS NOT NULL" not in sql
    assert "AND b" not in sql
    assert bound == {"low": 3}
    sql, bound = statements.render("one", {"flag": True, "low": None})
    assert "IS NOT NULL" in sql
    assert "AND b" in sql
    assert bound == {}
    assert "a >= $low" in statements.render("one", {"low": 0})[0]


def test_each_repeats_for_names_only(folder: Path) -> None:
    """A list repeats its section; anything that is not a plain name is refused before it reaches the SQL."""
    statements = Statements(folder)
    assert "AND x1 > 0\nAND y_z > 0" in statements.render("one", {"some": ["x1", "y_z"]})[0]
    for bad in (["x; DROP TABLE runs"], ["X"], [""], ["a b"], [1], "x1", 1):
        with pytest.raises(QueryError):
            statements.render("one", {"some": bad})


def test_wrong_names_are_told(folder: Path) -> None:
    """An unknown query, an unknown parameter and a path as a name are refused with what there is."""
    statements = Statements(folder)
    for name in ("two", "../one", "one.sql", ""):
        with pytest.raises(QueryError):
            statements.render(name, {})
    with pytest.raises(QueryError, match="surprise") as caught:
        statements.render("one", {"surprise": 1})
    assert "low" in caught.value.hint
    assert "ignored" not in statements.parameters("one")


def test_a_part_stands_where_it_is_used(folder: Path) -> None:
    """What several queries share is written once: its sections and parameters are theirs, and it is no query itself."""
    (folder / "parts").mkdir()
    (folder / "parts" / "shared.sql").write_text("-- :if low is given\nAND a >= $low\n-- :endif\n")
    (folder / "two.sql").write_text(
        'SELECT 1\n-- :if flag is given\n-- :include "parts/shared.sql"\n-- :endif\nLIMIT 1\n'
    )
    statements = Statements(folder)
    assert statements.names() == ["one", "two"]
    assert statements.parameters("two") == {"flag", "low"}
    assert statements.render("two", {"flag": True, "low": 3}) == ("SELECT 1\nAND a >= $low\nLIMIT 1", {"low": 3})
    assert statements.render("two", {"low": 3}) == ("SELECT 1\nLIMIT 1", {})


@pytest.mark.parametrize(
    "text",
    [
        '-- :include "parts/nothing.sql"\n',
        "-- :endif\n",
        "-- :if a is given\n",
        "-- :else\n",
        "-- :if\n-- :endif\n",
        "-- :if a is wrong\n-- :endif\n",
        "{{ a\n",
    ],
)
def test_misplaced_markers_are_errors(tmp_path: Path, text: str) -> None:
    """A file whose sections do not close properly fails when loaded, not at some user's query."""
    (tmp_path / "bad.sql").write_text(text)
    with pytest.raises(StoreError):
        Statements(tmp_path).render("bad", {})


def shared() -> set[str]:
    """The functions of ours."""
    return set(re.findall(r"MACRO\s+(wk_\w+)", (SCHEMA / "functions_duckdb.sql").read_text()))


@pytest.mark.parametrize("path", sorted(QUERIES.rglob("*.sql")), ids=lambda path: path.stem)
def test_queries_speak_the_shared_dialect(path: Path) -> None:
    """A query file calls shared `wk_` functions and standard SQL, nothing of one engine."""
    sql = re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--.*", "", path.read_text()))
    ctes = set(re.findall(r"(\w+)\s*(?:\([\w, ]*\)\s*)?AS\s*\(", sql))
    called = {name.lower() for name in re.findall(r"\b([A-Za-z_]\w*)\s*\(", sql)} - {name.lower() for name in ctes}
    assert called - shared() - STANDARD == set()
    assert "::" not in sql
    assert not re.search(r"\b(QUALIFY|ILIKE|PIVOT|EXCLUDE|ASOF|COLUMNS)\b", sql)
