"""Loggers that write their header on each line of a record, and say only at its end that it is over."""

from pathlib import Path

import pytest

import logs
from tests.doubles.written_log import parsed

pytestmark = pytest.mark.usefixtures("utc")

HEAD = "  app:web up +0ms\n  app:db slow +39ms\n  app:web down +1s\n"
TRACE = "  app:web failed Error: gone\n  app:web     at run (/a.js:1:2)\n  app:web   [cause]: TypeError: x\n  app:web } +40ms\n"


def seen(tmp_path: Path, text: str) -> list[tuple[str | None, str, int]]:
    """Logger, message and lines of each record."""
    return [(row["logger"], row["body"], row["lines"]) for row in parsed(tmp_path, text)]


def test_a_record_goes_on_until_it_is_closed(tmp_path: Path) -> None:
    """Its header is said once; a line of another name never belongs to it."""
    text = f"{HEAD}  app:web report:\n  app:web   second line +64ms\n{TRACE}  app:web cut off\n  app:db up +2m\n"
    assert seen(tmp_path, text) == [
        ("app:web", "up +0ms", 1),
        ("app:db", "slow +39ms", 1),
        ("app:web", "down +1s", 1),
        ("app:web", "report:\n  second line +64ms", 2),
        (
            "app:web",
            "failed Error: gone\n    at run (/a.js:1:2)\n  [cause]: TypeError: x\n} +40ms",
            4,
        ),
        ("app:web", "cut off", 1),
        ("app:db", "up +2m", 1),
    ]


def test_words_that_come_again_are_no_header(tmp_path: Path) -> None:
    """Lines that happen to begin alike are records where none is closed by a time."""
    text = "  cache hit 1\n  cache hit 2\n  cache hit 3\n  cache took +4ms\n"
    assert [lines for _, _, lines in seen(tmp_path, text)] == [1, 1, 1, 1]


def test_no_record_is_cut_where_a_block_ends(tmp_path: Path) -> None:
    """A file of many blocks has as many records as were written, each whole."""
    path = tmp_path / "big.log"
    path.write_text(HEAD + TRACE * 12_000)
    rows = list(logs.parse_file(path))
    assert [row["lines"] for row in rows] == [1, 1, 1] + [4] * 12_000


def test_a_line_of_terminal_codes_alone_belongs_to_the_record_before(tmp_path: Path) -> None:
    """What sets a terminal back is a line of its record and none of its text; without a line end it is no line: the next record would begin with it."""
    line = "\x1b[31m2026-03-20 22:11:12 ERROR gone\x1b[39m\n\x1b[0m"
    assert [(lines, text) for _, text, lines in seen(tmp_path, f"{line}\n\n{line}\n")] == [(2, "gone")] * 2
    assert [lines for _, _, lines in seen(tmp_path, line * 3)] == [1, 1, 1]
