"""A search finds what ripgrep finds in the same file."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import logs
from logs.query.search import records_of
from logs.query.tree import Regex
from tests.doubles.rg_patterns import as_query, by_rg, by_store, lines, question
from tests.examples import sizes

Start = Callable[..., Any]


@pytest.mark.skipif(shutil.which("rg") is None, reason="ripgrep is not installed")
@pytest.mark.parametrize("number", sizes(1000, 10_000))
def test_counts_equal_those_of_ripgrep(start: Start, tmp_path: Path, number: int) -> None:
    """Literals with special characters, cases, Unicode, classes, anchors, empty matches: the same number, also in the query language;
    the live filter agrees record by record.
    """
    rng = random.Random(11)
    written = lines(rng, 300)
    path = tmp_path / "app.log"
    path.write_text("\n".join(written) + "\n", "utf-8")
    watch = start()
    assert watch.ingest(path)["records"] == len(written)
    records = watch.records()
    empty = [
        {"q": text, "regex": "1", "raw": "1", "case": "1"}
        for text in ("(?:(?:))$", "^(?:)", "x?", "^", "()|a", "$", "(?:id(?:))", "(?:(?:)日)$", r"(?:\.\[(?:))")
    ]
    for asked in [*empty, *(question(rng, written) for _ in range(number))]:
        counted = by_store(watch.store, asked)
        assert counted == by_rg(path, asked), asked
        if asked["q"].strip():
            assert counted == by_store(watch.store, as_query(asked)), asked
        wanted = logs.LogFilter.parse(asked, 0)
        assert counted == sum(wanted.matches(record) for record in records), asked


def test_a_record_of_many_lines_counts_once(start: Start, tmp_path: Path) -> None:
    """A traceback is searched as one text: it counts once, `.` goes over its line ends, `^` and `$` are its own ends, not its lines'."""
    path = tmp_path / "app.log"
    stamp = "2026-03-01 10:00:00,000 - app - ERROR - it broke"
    path.write_text(
        f"{stamp}\nTraceback (most recent call last):\n  File a\nValueError: needle needle\n{stamp}\n", "utf-8"
    )
    watch = start()
    watch.ingest(path)

    def count(pattern: str) -> int:
        return by_store(watch.store, {"q": pattern, "regex": "1", "raw": "1", "case": "1"})

    assert [
        count(p) for p in ("needle", "broke.*needle", "^ValueError", "needle$", "^2026", "broke$", "broke\nTrace")
    ] == [1, 1, 0, 1, 2, 1, 1]
    assert records_of(watch.store.query("log_search", where=Regex("needle"), limit=5))[0].lines == 4
