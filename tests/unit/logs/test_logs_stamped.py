"""Runners that write a time or a label before each line of a program, and not before each of its records."""

from collections.abc import Callable
from pathlib import Path

import pytest

import logs
from tests.doubles.written_log import parsed

pytestmark = pytest.mark.usefixtures("utc")

PROGRAM = (
    ("info", ["INFO up"]),
    ("debug", ["DEBUG miss"]),
    ("info", ["INFO report:", "  second line"]),
    ("warn", ["WARNING slow"]),
    (
        "error",
        [
            "ERROR failed",
            "Traceback (most recent call last):",
            '  File "a.py", line 3, in f',
            "    raise ValueError(3)",
            "ValueError: 3",
            "",
            "The above exception was the direct cause of the following exception:",
            "",
            "Traceback (most recent call last):",
            '  File "a.py", line 5, in g',
            "RuntimeError: gone",
        ],
    ),
    ("info", ["INFO 0 errors, 0 warnings found"]),
    ("info", ["INFO done"]),
)
STAMPS: dict[str, Callable[[int], str]] = {
    "a container's times": lambda n: f"2026-03-20T22:11:12.{n:03}048221Z ",
    "a build's times": lambda n: f"2026-03-20T22:11:12.{n:03}0482Z ",
    "multilog's times": lambda n: f"@{(1 << 62) + 10 + 1_774_044_672:016x}{n * 1_000_048:08x} ",
    "syslog's times": lambda _: "Mar 20 22:11:12 ",
    "a clock and a name": lambda _: "22:11:12 web.1     | ",
    "a time and a name": lambda n: f"2026-03-20T22:11:12.{n:03}048+00:00 app[web.1]: ",
    "a time since the start": lambda n: f"0:00:0{n // 10} ",
    "a number, a name and a time": lambda _: "0|api  | 2026-03-20T22:11:12: ",
    "a time and a rank": lambda _: "Fri Mar 20 22:11:12 2026[0]<stderr>:",
    "a name": lambda _: "api:dev: ",
    "a service beside others": lambda n: f"{('web', 'db')[n > 3]:7} | ",
    "a rank": lambda _: "[1,0]<stdout>:",
    "a number": lambda _: "[3] ",
    "a time and the stream": lambda n: f"2026-03-20T22:11:12.{n:03}048Z 01O ",
    "a time, names and one level for all": lambda _: "2026-03-20T22:11:12Z app[148e] ams [info]",
}


def written(stamp: Callable[[int], str], times: int = 1) -> str:
    """What the program writes, each line behind a stamp; blank ones as some runners leave them."""
    lines = [line for _, lines in PROGRAM * times for line in lines]
    return "".join(f"{stamp(n % 1000)}{line}\n" for n, line in enumerate(lines))


@pytest.mark.parametrize("stamp", STAMPS.values(), ids=STAMPS)
def test_records_are_those_of_the_program(tmp_path: Path, stamp: Callable[[int], str]) -> None:
    """A second line and a stack belong to their record, as they would without stamps, and no stamp stands in a message."""
    rows = parsed(tmp_path, written(stamp))
    assert [(row["level"], row["lines"]) for row in rows] == [(level, len(lines)) for level, lines in PROGRAM]
    assert [row["body"].split("\n")[1:] for row in rows] == [lines[1:] for _, lines in PROGRAM]


def test_levels_behind_a_container_s_times_are_learned(tmp_path: Path) -> None:
    """What is wrapped in lines of a known form may be written as nobody knows it."""
    said = (("INFO", "info"), ("WARNING", "warn"), ("ERROR", "error"), ("CRITICAL", "fatal"), ("DEBUG", "debug"))
    lines = [f"2026-03-20T22:11:12.{n:03}048221Z stdout F MainThread {word}: up\n" for n, (word, _) in enumerate(said)]
    assert [row["level"] for row in parsed(tmp_path, "".join(lines))] == [level for _, level in said]


def test_times_since_the_start_behind_a_name(tmp_path: Path) -> None:
    """They count from a start also where a runner writes something before them."""
    rows = parsed(
        tmp_path,
        "main    0.004s  INFO up\nmain    0.105s  WARN slow:\nmain      3 s\nmain    1.500s  INFO up\nmain    2.004s ERROR gone\n",
    )
    assert [(row["ts"][11:23], row["level"], row["lines"]) for row in rows] == [
        ("10:14:58.000", "info", 1),
        ("10:14:58.101", "warn", 2),
        ("10:14:59.496", "info", 1),
        ("10:15:00.000", "error", 1),
    ]


def test_two_programs_that_write_in_turn(tmp_path: Path) -> None:
    """A line goes on with the record before it only where both are of one program."""
    lines = [f"22:11:1{n % 10} {name} | INFO {n}" for n in range(9) for name in ("web.1   ", "worker.1")]
    text = "\n".join([*lines, "22:11:19 web.1    | INFO a:", "22:11:19 web.1    |   b", "22:11:19 worker.1 |   c"])
    rows = parsed(tmp_path, text + "\n")
    assert [(row["body"], row["lines"]) for row in rows[-2:]] == [("a:\n  b", 2), ("  c", 1)]


def test_a_stack_that_comes_late_shows_the_stamps(tmp_path: Path) -> None:
    """Hours of ordinary lines look like those of a program that writes the time itself; its first stack tells, to whoever reads the file."""
    stamp = STAMPS["a container's times"]
    text = "".join(f"{stamp(n % 1000)}INFO number {n}\n" for n in range(1000)) + written(stamp)
    rows = parsed(tmp_path, text)
    assert [(row["level"], row["lines"]) for row in rows[1000:]] == [(level, len(lines)) for level, lines in PROGRAM]


def test_no_stack_is_cut_where_a_block_ends(tmp_path: Path) -> None:
    """A file of many blocks has as many records as were written, each whole."""
    path = tmp_path / "big.log"
    path.write_text(written(STAMPS["a container's times"], 1200))
    rows = list(logs.parse_file(path))
    assert [(row["level"], row["lines"]) for row in rows] == [(level, len(lines)) for level, lines in PROGRAM * 1200]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-20 22:11:12 Looking for a\n2026-03-20 22:11:12   Found b\n2026-03-20 22:11:12   Took c\n2026-03-20 22:11:12 Made d\n" * 3,
        "[    0.000000] Zone ranges:\n[    0.000000]   DMA\n[    0.000000]   Normal\n[    0.000000] Movable zone\n" * 3,
        "2026-03-20 22:11:12  INFO up\n2026-03-20 22:11:12 ERROR gone\n2026-03-20 22:11:12  WARN slow\n2026-03-20 22:11:12 DEBUG miss\n" * 3,
        "web: up\nweb:   down\nweb: up\nweb: up\n" * 3,
    ],
)  # fmt: skip
def test_lines_that_are_records_stay_apart(tmp_path: Path, text: str) -> None:
    """Blanks behind a time are no sign of a stack where nothing shows that lines in between begin a record."""
    assert {row["lines"] for row in parsed(tmp_path, text)} == {1}


def test_a_header_in_a_line_of_its_own(tmp_path: Path) -> None:
    """.NET's console writes the level and the name, and then what there is to say, deeper; a long stack makes its headers few."""
    stack = "".join(f"         at Shop.Orders.Step{n}() in /src/Orders.cs:line {n}\n" for n in range(25))
    text = (
        "info: Shop.Server[0]\n      up\ndbug: Shop.Server[0]\n      miss\nwarn: Shop.Server[14]\n      slow\n"
        f"fail: Shop.Server[0]\n      failed\n      System.IO.IOException: gone\n{stack}crit: Shop.Server[0]\n      dead\n"
    )
    rows = parsed(tmp_path, text)
    assert [(row["level"], row["logger"], row["lines"]) for row in rows] == [
        (level, "Shop.Server", lines)
        for level, lines in (("info", 2), ("debug", 2), ("warn", 2), ("error", 28), ("fatal", 2))
    ]
