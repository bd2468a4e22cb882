"""Kinds of files whose records are not a line with a date each: counted times, pages, reports of tests."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from logs.core.timestamps import TimeReader
from logs.parsing.formats import Registry
from logs.parsing.parser import BlockParser, ReadState, Undated
from tests.doubles.written_log import WRITTEN, parsed


def before(row: dict[str, Any]) -> int:
    """How many milliseconds before the file was last written a record was, as it is read."""
    return round((WRITTEN - datetime.fromisoformat(row["ts"])) / timedelta(milliseconds=1))


COUNTED = {
    "milliseconds": "{ms} [main] {level} shop.Orders - item {n}",
    "padded": "{ms:>7} MainThread {level} item {n}",
    "seconds": "[{s:12.6f}] {level} item {n}",
    "seconds with their unit": "  {s:.9f}s {level} shop: item {n}",
    "behind the level": "{level} ({ms}) wifi: item {n}",
    "no level": "{ms} item {n}",
}


@pytest.mark.parametrize("line", COUNTED.values(), ids=COUNTED)
def test_a_time_since_the_start_ends_when_the_file_was_written(tmp_path: Path, line: str) -> None:
    """The last record is of when the file was written; a count that begins anew ended where the next one began."""
    counts = [40, 95, 300, 1200, 1900, 4000]
    text = "".join(line.format(ms=ms, s=ms / 1000, level="INFO", n=n) + "\n" for n, ms in enumerate(counts * 2))
    rows = parsed(tmp_path, text)
    first = [4000 - ms for ms in counts]
    assert [before(row) for row in rows] == [ms + 4000 for ms in first] + first


def test_a_number_of_lines_is_no_time(tmp_path: Path) -> None:
    """What grows by one a line counts lines, what a search puts before a colon too; what falls counts nothing, and two numbers are of two processes."""
    assert {row["ts"] for row in parsed(tmp_path, "".join(f"{n * n}:INFO item\n" for n in range(9)))} == {None}
    assert {row["ts"] for row in parsed(tmp_path, "".join(f"{41 + n // 5 * 9} INFO item\n" for n in range(9)))} == {
        None
    }
    assert {row["ts"] for row in parsed(tmp_path, "".join(f"{n} info item\n" for n in range(9)))} == {None}
    assert {row["ts"] for row in parsed(tmp_path, "".join(f"{n * 7 % 9} INFO item\n" for n in range(9)))} == {None}


def test_times_that_messages_speak_of_are_not_those_of_the_records(tmp_path: Path) -> None:
    """Records begin with a level and have no time; some messages end with one, or name one."""
    said = [
        ("DEBUG", "Looking for jobs to run"),
        ("DEBUG", "Next wakeup is due at 2026-12-02 23:29:03.732069+00:00 (in 0.99 seconds)"),
        ("INFO", 'Running job "tidy (trigger: interval[0:00:01])" (scheduled at 2026-12-02 23:29:03.732069+00:00)'),
        ("INFO", 'Job "tidy (trigger: interval[0:00:01], next run at: 2026-12-02 23:29:04 UTC)" executed'),
        ("ERROR", "cannot reach the store"),
    ]
    for begin, logger in (("{level}:jobs:", "jobs"), ("[{level}] ", None)):
        lines = [f"{begin.format(level=level)}{text}\n" for level, text in said * 4]
        rows = parsed(tmp_path, "".join(lines))
        assert [row["body"] for row in rows] == [text for _, text in said * 4]
        assert {(row["ts"], row["logger"]) for row in rows} == {(None, logger)}


def test_a_time_since_the_start_of_a_program_that_runs_is_when_it_was_read() -> None:
    """Nobody knows when it started: each line has the time at which it was read, and says so."""
    parser = BlockParser(Registry(), TimeReader(lambda: 0), str)
    data = b"".join(b"%d [main] INFO item\n" % ms for ms in (40, 95, 300, 1200)) + b"  more\n"
    parser.learn(data)
    rows = parser.parse(data, 0, ReadState(), Undated(77, "ingest"))
    assert (rows.ts, rows.ts_from, rows.lines) == ([77] * 4, ["ingest"] * 4, [1, 1, 1, 2])


def test_a_page_of_log4j(tmp_path: Path) -> None:
    """A row is a record, with the blank line before it; its first cell counts milliseconds."""
    row = '\n<tr>\n<td>{}</td>\n<td title="main thread">main</td>\n<td title="Level">{}</td>\n<td title="Message">{}</td>\n</tr>\n'
    head = "<html>\n<table>\n<tr>\n<th>Time</th>\n<th>Level</th>\n</tr>\n"
    text = head + row.format(40, "INFO", "up") + row.format(95, "ERROR", "a &lt; b")
    rows = parsed(tmp_path, text)[-2:]
    assert [(before(row), row["level"], row["body"], row["lines"]) for row in rows] == [
        (55, "info", "up", 7),
        (0, "error", "a < b", 7),
    ]


def test_rare_words_for_a_level(tmp_path: Path) -> None:
    """Capitals in the place of a level; a letter that stands for no known level is one of the file's, too."""
    rows = parsed(
        tmp_path,
        "".join(
            f"2026-03-21 10:11:1{n} {word} gone\n" for n, word in enumerate(["INFO", "FAT", "SHOUT", "SPAM", "ERROR"])
        ),
    )
    assert [row["level"] for row in rows] == ["info", "fatal", "fatal", "trace", "error"]
    rows = parsed(tmp_path, "".join(f"{word} [21/Mar/2026:10:11:12 +0000] gone\n" for word in "IEXDW"))
    assert [row["level"] for row in rows] == ["info", "error", None, "debug", "warn"]


def test_the_first_word_is_no_host(tmp_path: Path) -> None:
    """Lines with a time put before them have no host: their first word is their own."""
    text = "Mar 21 10:11:12 service started\nMar 21 10:11:13 cache is cold\nMar 21 10:11:14 done\n"
    assert [row["body"] for row in parsed(tmp_path, text)] == ["service started", "cache is cold", "done"]


def test_a_chain_of_php(tmp_path: Path) -> None:
    """The exception that an exception led to belongs to its record, behind a blank line."""
    text = "PHP Fatal error:  Uncaught LogicException: in /a.php:4\nStack trace:\n#0 {main}\n\nNext RuntimeException: bad in /a.php:5\nStack trace:\n#0 {main}\n  thrown in /a.php on line 5\nup\n"
    assert [row["lines"] for row in parsed(tmp_path, text)] == [8, 1]


REPORTS = {
    "marks": (
        "\n\n  carts\n    ✔ opens\n    1) adds\n    - moves\n\n\n  1 passing (8ms)\n  1 failing\n\n  1) carts\n       adds:\n\n      AssertionError: not equal:\n\n{\n  a: 1\n}\n\n      at b.js:8\n",
        [(None, 1), ("info", 1), ("error", 1), ("info", 1), ("info", 1), ("error", 1), ("error", 10)],
    ),
    "marks, details behind a dot": (
        "FAIL ./a.test.js\n  carts\n    ✓ opens (2 ms)\n    ✕ adds\n\n  ● carts › adds\n\n    Expected: 2\n\n      at a.js:2\n\nTests:       1 failed, 1 passed, 2 total\n",
        [("error", 1), (None, 1), ("info", 1), ("error", 1), ("error", 5), ("error", 1)],
    ),
    "marks, details behind the name": (
        "\n  ✔ opens\n  ✘ [fail]: adds\n  ✘ [fail]: moves\n  ─\n\n  adds\n\n  Difference:\n\n  - 1\n\n  moves\n\n  Error: gone\n\n  2 tests failed\n",
        [("info", 1), ("error", 1), ("error", 2), ("error", 5), ("error", 3), ("error", 1)],
    ),
    "words behind": (
        "t.py::test_opens PASSED  [ 50%]\nt.py::test_adds FAILED  [100%]\n\n____ test_adds ____\n\n>   assert 1 == 2\nE   assert 1 == 2\n\nt.py:6: AssertionError\n==== 1 failed, 1 passed in 0.08s ====\n",
        [("info", 1), ("error", 1), ("error", 6), (None, 1)],
    ),
    "words behind dots": (
        "test carts::opens ... ok\ntest carts::adds ... FAILED\n\nfailures:\n\n---- carts::adds stdout ----\nleft: 1\n\ntest result: FAILED. 1 passed; 1 failed\n",
        [("info", 1), ("error", 3), ("error", 2), ("error", 1)],
    ),
    "words in front": (
        "=== RUN   TestOpens\n--- PASS: TestOpens (0.00s)\n=== RUN   TestAdds\n    a_test.go:12: gone\n--- FAIL: TestAdds (0.00s)\nFAIL\tshop/carts\t0.002s\n",
        [(None, 1), ("info", 1), (None, 2), ("error", 1), ("error", 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REPORTS)
def test_a_result_of_a_test_is_a_record(tmp_path: Path, kind: str) -> None:
    """One record a result, however deep; what is printed about a failure belongs to it, whatever it looks like."""
    text, records = REPORTS[kind]
    assert [(row["level"], row["lines"]) for row in parsed(tmp_path, text)] == records


def test_a_few_marks_are_no_report(tmp_path: Path) -> None:
    """Prints among which some say that a thing is done stay records of their own."""
    text = "".join(f"step {n}\n" for n in range(9)) + "✓ one\n✓ two\n✓ three\nlast\n"
    assert len(parsed(tmp_path, text)) == 13


def test_lines_that_say_what_records_belong_to(tmp_path: Path) -> None:
    """An outline stands before the record that it is of, also where a part of it changes."""
    text = "version: 0.5\n worker: 1\n  Mar 21 10:11:12.684 INFO up\n  Mar 21 10:11:13.684 WARN slow\n worker: 2\n  Mar 21 10:11:14.684 INFO up\n"
    assert [(row["level"], row["lines"]) for row in parsed(tmp_path, text)] == [("info", 3), ("warn", 1), ("info", 2)]


def test_marks_and_badges(tmp_path: Path) -> None:
    """Signs for ordinary records; what is worse has a word between blanks, and blank lines around it."""
    text = "ℹ up\n⚙ look\n\n WARN  slow\n\n\n ERROR  gone\n\n    at a.js:3\n\nℹ more\nℹ done\n"
    assert [(row["level"], row["lines"], row["body"].split("\n")[0]) for row in parsed(tmp_path, text)] == [
        ("info", 1, "up"), ("debug", 1, "look"), ("warn", 2, "slow"), ("error", 4, "gone"), ("info", 1, "more"), ("info", 1, "done"),
    ]  # fmt: skip


def test_microseconds_behind_a_blank(tmp_path: Path) -> None:
    """Six digits that change with each line are a part of its time; those that stay are a thread."""
    lines = ["2026/03/21 10:11:12 {} INFO up\n"] * 4
    rows = parsed(tmp_path, "".join(line.format(f"{n * 237_019 % 1_000_000:06}") for n, line in enumerate(lines)))
    assert [row["ts"][20:26] for row in rows] == ["000000", "237019", "474038", "711057"]
    rows = parsed(tmp_path, "".join(line.format("237019") for line in lines))
    assert {row["ts"][20:26] for row in rows} == {"000000"}
