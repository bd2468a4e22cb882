"""Where a header says the process that wrote it, found by its numbers; and numbers that say something else."""

from pathlib import Path
from typing import Any

import pytest

import logs


def parsed(tmp_path: Path, form: str, numbers: list[int]) -> list[dict[str, Any]]:
    """The records of a file whose lines have this form, one for each number."""
    path = tmp_path / "a.log"
    path.write_text(
        "".join(
            form.format(t=f"2026-03-01 10:11:{12 + i},345", n=number, i=i, level=("INFO", "WARNING", "ERROR")[i % 3])
            + "\n"
            for i, number in enumerate(numbers)
        )
    )
    return list(logs.parse_file(path))


NAMED = [
    "{t} {level} etl.loader [{n}] item {i}",
    "{t} {level} [{n}] etl.loader: item {i}",
    "{t} {level} etl.loader[{n}]: item {i}",
    "{t} {level} {n} etl.loader item {i}",
    "{t} {level} etl.loader ({n}) item {i}",
    "{t} {level} etl.loader <{n}> item {i}",
    "{t} {level} etl.loader [{n}] - item {i}",
    "{t} {level} etl.loader - {n} - item {i}",
    "{t} | {level} | {n} | etl.loader | item {i}",
    "{t} | {level} | etl.loader | {n} | item {i}",
    "{t} [{level}] [{n}] [etl.loader] item {i}",
    "{t} [{level}] [etl.loader] [{n}] item {i}",
    "{t} {level} [{n}:MainThread] etl.loader: item {i}",
    "{t} {level} [{n}/140204] etl.loader: item {i}",
    "{level} {t} etl.loader [{n}] item {i}",
]
ALONE = [
    "{t} {level} [{n}] item {i}",
    "{t} {level} #{n} item {i}",
    "{t} {level} [MainProcess:{n}] item {i}",
    "{t} {level} ForkPoolWorker-3({n}) item {i}",
    "[{level}] {t} [{n}] item {i}",
]


@pytest.mark.parametrize("numbers", [[28738] * 9, [28738, 28739] * 6, [4242, 4242]], ids=["one", "two", "short"])
@pytest.mark.parametrize("form", NAMED + ALONE)
def test_a_number_that_stays_is_the_process(tmp_path: Path, form: str, numbers: list[int]) -> None:
    """Behind the level or the time, in brackets or in a column of its own, of one writer or of two; the text begins behind it."""
    rows = parsed(tmp_path, form, numbers)
    assert [row["pid"] for row in rows] == numbers
    assert [row["body"] for row in rows] == [f"item {i}" for i in range(len(numbers))]
    assert {row["level"] for row in rows} <= {"info", "warn", "error"}
    if form in NAMED:
        assert {row["logger"] for row in rows} == {"etl.loader"}


OTHERS = {
    "status": ("{t} {level} [{n}] page served {i}", [200, 404, 200, 301, 200, 500, 404, 204, 201, 302]),
    "status of two": ("{t} {level} [{n}] page served {i}", [200, 404]),
    "line of the text": ("{t} {level} views.py:{n} page {i}", [1120] * 9),
    "line behind its file": ("{t} {level} views.py {n} page {i}", [1120] * 9),
    "numbers in turn": ("{t} {level} [{n}] done", list(range(1000, 1010))),
    "thread": ("{t} {level} [{n}] Shop.Orders - item {i}", [12] * 9),
    "count in a sentence": ("{t} {level} loaded {n} rows in {i} ms", [100000] * 9),
    "count before a word": ("{t} {level} {n} rows loaded {i}", [1000] * 9),
    "share": ("{t} {level} epoch [{n}/5000] loss {i}", [1200] * 9),
    "year": ("{t} {level} {n} budget.plan made {i}", [2026] * 9),
}


@pytest.mark.parametrize("form", OTHERS)
def test_other_numbers_are_no_process(tmp_path: Path, form: str) -> None:
    """What changes with the line, counts, or stands in a sentence."""
    rows = parsed(tmp_path, *OTHERS[form])
    assert [row["pid"] for row in rows] == [None] * len(rows)
