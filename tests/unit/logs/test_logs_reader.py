"""Logs of programs that nobody has seen: what a file's own lines say about its times, its levels, and where its records begin."""

import itertools
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import logs
from logs.core import levels
from logs.core.moments import SHAPES, order_of
from logs.core.timestamps import TimeReader
from tests.doubles.written_log import parsed
from tests.examples import examples

pytestmark = pytest.mark.usefixtures("utc")


def seen(rows: list[dict[str, Any]]) -> list[tuple[str | None, str | None, int]]:
    """Time of day, level and number of lines of each record."""
    return [(row["ts"] and row["ts"][5:19], row["level"], row["lines"]) for row in rows]


FIRST, SECOND = ("03-20T22:11:12", "warn", 1), ("03-21T09:12:13", "error", 1)
TIMES = {
    "iso, dashes": ("2026-03-20-22:11:12", "2026-03-21-09:12:13"),
    "iso, no zeros": ("2026/3/20 22:11:12", "2026/3/21 9:12:13"),
    "half days": ("2026-03-20 10:11:12 PM", "2026-03-21 09:12:13 AM"),
    "american half days": ("3/20/2026, 10:11:12 PM", "3/21/2026, 9:12:13 AM"),
    "day first": ("20/03/2026 22:11:12", "21/03/2026 09:12:13"),
    "dots": ("20.03.26 22:11:12", "21.03.26 09:12:13"),
    "two columns": ("20.03.2026;22:11:12", "21.03.2026;09:12:13"),
    "two brackets": ("20.03.2026] [22:11:12", "21.03.2026] [09:12:13"),
    "month name": ("20 Mar 2026 22:11:12", "21 Mar 2026 09:12:13"),
    "short month name": ("20-Mar-26 22:11:12", "21-Mar-26 09:12:13"),
    "french": ("20 mars 2026 22:11:12", "21 mars 2026 09:12:13"),
    "mail": ("Fri, 20 Mar 2026 22:11:12 +0000", "Sat, 21 Mar 2026 09:12:13 +0000"),
    "javascript": ("Fri Mar 20 2026 23:11:12 GMT+0100 (Central European Standard Time)", "Sat Mar 21 2026 10:12:13 GMT+0100 (Central European Standard Time)"),
    "no year": ("Mar 20 22:11:12", "Mar 21 09:12:13"),
    "numbers, no year": ("03/20 22:11:12", "03/21 09:12:13"),
    "colon before milliseconds": ("2026-03-20 22:11:12:345", "2026-03-21 09:12:13:001"),
    "milliseconds and microseconds": ("03/20/26 22:11:12,345.678", "03/21/26 09:12:13,001.002"),
    "seconds behind a dot": ("2026-03-20 22:11.12", "2026-03-21 09:12.13"),
    "dashed clock": ("2026-03-20 22-11-12", "2026-03-21 09-12-13"),
    "dotted clock": ("2026/03/20-22.11.12.345", "2026/03/21-09.12.13.001"),
    "finnish": ("20.3.2026 klo 22.11.12", "21.3.2026 klo 9.12.13"),
    "compact": ("20260320T221112345", "20260321T091213001"),
    "epoch": ("1774044672", "1774084333"),
    "epoch in hexadecimal": ("69bdc600.0c5f4b00 0x7f01", "69be60ed.0c5f4b00 0x7f01"),
    "epoch as a float": ("1.774044672345e+09", "1.774084333001e+09"),
    "a zone of whole hours": ("2026-03-21 03:11:12 GMT+5", "2026-03-21 14:12:13 GMT+5"),
    "a zone of hours and minutes": ("2026-03-20 18:41:12 UTC-3:30", "2026-03-21 05:42:13 UTC-3:30"),
    "named zone": ("2026-03-20 23:11:12 CET", "2026-03-21 10:12:13 CET"),
}  # fmt: skip
PLACES = {
    "joined by an at sign": "{l}@{t}: slow",
    "in front": "{t} {l} slow",
    "brackets": "[{t}] [{l}] slow",
    "angles": "<{t}> <{l}> slow",
    "host": "node07 {t} {l} slow",
    "thread": "[worker 3] {t} {l} slow",
    "label with a colon": "MainThread: {t} {l} slow",
    "picture": "🚀 {t} {l} slow",
    "pipes": "{t} | {l} | app | slow",
    "level in front": "{l}: {t}: slow",
    "source between": "{t} app/pump.c:17 {l} slow",
    "level behind a name": "[{t}] [main/{l}]: slow",
    "stars": "*** {t} *** {l} slow",
    "level and time in one": "[{l} {t} pump] slow",
}
LEVELS = {
    "capitals": ("WARNING", "ERROR"),
    "four letters": ("WARN", "EROR"),
    "three letters": ("WRN", "ERR"),
    "letters": ("W", "E"),
    "cut after five": ("WARNI", "ERROR"),
    "small": ("warn", "error"),
    "titles": ("Warning", "Error"),
    "german": ("WARNUNG", "FEHLER"),
}


@pytest.mark.parametrize("clock", TIMES)
def test_any_way_to_write_a_time(tmp_path: Path, clock: str) -> None:
    """The time stands before a level and a message, in whatever layout."""
    first, second = TIMES[clock]
    assert seen(parsed(tmp_path, f"[{first}] WARN slow\n[{second}] ERROR stuck\n")) == [FIRST, SECOND]


COULD_BE_ANYTHING = {("level behind a name", "letters"), ("source between", "letters")}
"""A single letter behind words."""


@pytest.mark.parametrize(("place", "style"), sorted(set(itertools.product(PLACES, LEVELS)) - COULD_BE_ANYTHING))
def test_time_and_level_stand_anywhere(tmp_path: Path, place: str, style: str) -> None:
    """Behind hosts, threads, labels and pictures; in brackets and without."""
    first, second = LEVELS[style]
    text = "".join(
        PLACES[place].format(t=stamp, l=level) + "\n"
        for stamp, level in (("2026-03-20 22:11:12", first), ("2026-03-21 09:12:13", second))
    )
    assert seen(parsed(tmp_path, text)) == [FIRST, SECOND]


def test_a_word_behind_the_time_says_more_than_a_picture_before_it(tmp_path: Path) -> None:
    """The same picture stands for several levels; where there is no word, it is the level."""
    lines = [("✅", "INFO"), ("🔥", "ERROR"), ("✅", "DEBUG"), ("✅", "INFO")]
    worded = "".join(f"{mark} 2026-03-21 09:00:0{i} [{word}] a\n" for i, (mark, word) in enumerate(lines))
    bare = "".join(f"{mark} 2026-03-21 09:00:0{i} a\n" for i, (mark, _) in enumerate(lines))
    assert [row["level"] for row in parsed(tmp_path, worded)] == ["info", "error", "debug", "info"]
    assert [row["level"] for row in parsed(tmp_path, bare)] == ["info", "error", "info", "info"]


def test_a_word_in_a_message_is_no_level(tmp_path: Path) -> None:
    """Only what stands where levels stand is one: a report about errors is none."""
    rows = parsed(
        tmp_path,
        "2026-03-21 09:00:00 job done, 0 ERROR\n2026-03-21 09:00:01 No FATAL problems\n2026-03-21 09:00:02 all CRITICAL parts fit\n",
    )
    assert [row["level"] for row in rows] == [None, None, None]
    rows = parsed(tmp_path, "2026-03-21 09:00:00 INFO 0 ERROR\n2026-03-21 09:00:01 WARN No FATAL problems\n")
    assert [row["level"] for row in rows] == ["info", "warn"]
    assert parsed(tmp_path, "Report: 3 ERROR, 0 FATAL\n")[0]["level"] is None


@pytest.mark.parametrize("time", ["", "2026-03-21 09:00:00 "])
@pytest.mark.parametrize(
    ("levels", "denied"),
    [
        (["INFO a", "INFO b"], "No FATAL problems were found"),
        (["app INFO a", "app ERROR b"], "without ERROR today"),
        ([], "Zero CRITICAL parts"),
        (["ERROR a", "WARNING b"], "no ERROR at all"),
        (["INFO a", "ERROR b"], "ERROR count: 0"),
        (["app INFO a", "app ERROR b"], "0 ERROR, 3 WARN"),
        (["INFO a", "WARNING b"], "ERROR rate: 0.2 %"),
        ([], "WARNING: 0"),
        ([], "3 ERROR, 0 FATAL"),
    ],
)
def test_a_level_that_is_denied_or_counted_is_none(tmp_path: Path, time: str, levels: list[str], denied: str) -> None:
    """Wherever other lines of the file have their level, and however many are denied or counted."""
    lines = [*levels * 4, denied, "No ERROR found", *levels, denied]
    rows = parsed(tmp_path, "".join(f"{time}{line}\n" for line in lines))
    known = {"INFO": "info", "ERROR": "error", "WARNING": "warn"}
    wanted = [known[line.split()[-2]] for line in levels * 5]
    assert [row["level"] for row in rows if row["level"]] == wanted


def test_day_and_month_are_told_apart_once(tmp_path: Path) -> None:
    """One line that can be read in one way only decides for all others, wherever it stands."""
    for days in (("13/02/2026", "01/03/2026", "02/03/2026"), ("01/03/2026", "02/03/2026", "13/03/2026")):
        rows = parsed(tmp_path, "".join(f"{day} 10:00:00 INFO a\n" for day in days))
        assert [row["ts"][5:10] for row in rows] == [f"{day[3:5]}-{day[:2]}" for day in days]


def test_lines_without_a_header_belong_to_the_record_before(tmp_path: Path) -> None:
    """In a file whose records have headers: tables, queries, blank lines, stacks of any language."""
    text = """2026-03-21 09:00:00 [INFO] query
SELECT *
FROM t

WHERE x
2026-03-21 09:00:01 [ERROR] crashed
** (RuntimeError) no
    (app 0.1) lib/a.ex:1
2026-03-21 09:00:02 [ERROR] failed
main.open
\t/src/a.go:1
main.main
\t/src/a.go:9
2026-03-21 09:00:03 [ERROR] failed
╭──── Traceback (most recent call last) ────╮
│ a.py:1 in <module>                        │
╰───────────────────────────────────────────╯
ZeroDivisionError: division by zero
2026-03-21 09:00:04 [INFO] on
"""
    assert [(row["level"], row["lines"]) for row in parsed(tmp_path, text)] == [
        ("info", 5), ("error", 3), ("error", 5), ("error", 5), ("info", 1)
    ]  # fmt: skip


def test_prints_between_rare_headers_stay_apart(tmp_path: Path) -> None:
    """Where most lines have no header, each is a record."""
    text = "".join(f"loss {n}\nacc {n}\nsaved {n}\nnext {n}\n" for n in range(9)) + "2026-03-21 09:00:00 INFO end\n"
    assert {row["lines"] for row in parsed(tmp_path, text)} == {1}


def test_a_repeated_time_may_be_left_out(tmp_path: Path) -> None:
    """Rich leaves a second blank that is the same as before: each line is a record with its level and that time."""
    text = (
        "[09:12:13] INFO     open\n           ERROR    stuck\n                    for long\n           WARNING  slow\n"
    )
    assert seen(parsed(tmp_path, text)) == [
        ("03-21T09:12:13", "info", 1), ("03-21T09:12:13", "error", 2), ("03-21T09:12:13", "warn", 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "header",
    ["pid=4711", "(pid 4711)", "[PID 4711]", "pump[4711]", "MainProcess(4711)", "[4711]", "Thread-3:4711"],
)
def test_a_pid_is_found_where_the_header_says_it(tmp_path: Path, header: str) -> None:
    """Whatever it is written like."""
    text = f"2026-03-21 09:00:00 {header} INFO a 12\n2026-03-21 09:00:01 {header} ERROR b [99]\n"
    assert [row["pid"] for row in parsed(tmp_path, text)] == [4711, 4711]


def test_a_carriage_return_forges_no_record(tmp_path: Path) -> None:
    """What follows it stays in the record's message."""
    rows = parsed(
        tmp_path,
        "2026-03-21 09:00:00,000 ERROR app: x\r2026-03-21 08:00:00,000 INFO evil: y\n2026-03-21 09:00:01,000 INFO app: z\n",
    )
    assert seen(rows) == [("03-21T09:00:00", "error", 1), ("03-21T09:00:01", "info", 1)]
    assert "evil" in rows[0]["body"]


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark(tmp_path: Path, charset: str) -> None:
    """Every second byte is 0."""
    rows = parsed(tmp_path, "2026-03-21 09:00:00 INFO Größe\r\n2026-03-21 09:00:01 ERROR gone\r\n".encode(charset))
    assert [(row["level"], row["body"]) for row in rows] == [("info", "Größe"), ("error", "gone")]


def test_each_line_of_a_stack_behind_a_header(tmp_path: Path) -> None:
    """Syslog and the journal put their header before each line of a traceback: it is one record of its program."""
    head = "2026-03-21T09:00:00+0000 host python3[42]: "
    text = "".join(
        head + line + "\n"
        for line in (
            "ERROR:app:gone",
            "Traceback (most recent call last):",
            '  File "a.py", line 1',
            "KeyError: 1",
            "on",
        )
    )
    rows = parsed(tmp_path, text)
    assert [(row["lines"], row["level"], row["pid"]) for row in rows] == [(4, "error", 42), (1, None, 42)]


def test_cut_lines_of_two_streams(tmp_path: Path) -> None:
    """The parts of a long line come together with those of their own stream."""
    text = "".join(
        f"2026-03-21T09:00:0{n}.5Z {stream} {flag} {part}\n"
        for n, (stream, flag, part) in enumerate(
            (("stdout", "P", "a"), ("stderr", "P", "x"), ("stdout", "F", "b"), ("stderr", "F", "y"))
        )
    )
    assert [(row["body"], row["lines"]) for row in parsed(tmp_path, text)] == [("ab", 2), ("xy", 2)]


def test_json_over_several_lines(tmp_path: Path) -> None:
    """An indented object is one record."""
    text = '{\n  "time": "2026-03-20T22:11:12Z",\n  "level": "warn",\n  "msg": "slow"\n}\n' * 2
    assert seen(parsed(tmp_path, text)) == [("03-20T22:11:12", "warn", 5)] * 2


@settings(max_examples=examples(100), deadline=None)
@given(st.datetimes(datetime(2001, 10, 1), datetime(2060, 1, 1)), st.sampled_from(sorted(TIMES)))  # noqa: DTZ001 - hypothesis adds none
def test_every_layout_reads_what_it_says(moment: datetime, name: str) -> None:
    """A moment written in a layout is found in a line, and read to the second."""
    formats = {
        "dots": "%d.%m.%y %H:%M:%S", "american half days": "%m/%d/%Y, %I:%M:%S %p", "month name": "%d %b %Y %H:%M:%S",
        "two columns": "%d.%m.%Y;%H:%M:%S", "compact": "%Y%m%dT%H%M%S", "mail": "%a, %d %b %Y %H:%M:%S +0000",
    }  # fmt: skip
    text = moment.strftime(formats.get(name, "%Y-%m-%d %H:%M:%S"))
    found = next((shape, match) for shape in SHAPES.values() if (match := shape.finder.search(f"a [{text}] b")))
    order = order_of(found[0], [found[1].group()], (moment.year, moment.month, moment.day))
    ts = TimeReader(lambda: 0).moment(found[0], order, found[1].group())
    assert ts is not None
    assert datetime.fromtimestamp(ts // 1_000_000, UTC).replace(tzinfo=None) == moment.replace(microsecond=0)


PARTS = ["2026-03-21 09:00:00", "10:11:12", "[", "]", "ERROR", "info", "E", "-", "|", "(x)", "msg 7", "\t", "  ", "{", "é", "1774044672", "\r", ":"]  # fmt: skip


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from(PARTS), max_size=7).map(" ".join), max_size=12))
@example(["2026-03-21 09:00:00", "\r"])
def test_any_lines_are_read_once(tmp_path: Path, lines: list[str]) -> None:
    """Whatever is learned from them, no line is lost, none is read twice, and nothing fails."""
    text = "\n".join(lines)
    rows = parsed(tmp_path, text)
    numbers = [row["line_no"] for row in rows]
    assert numbers == sorted(set(numbers))
    covered = {number for row in rows for number in range(row["line_no"], row["line_no"] + row["lines"])}
    assert {number for number, line in enumerate(lines, 1) if line.split("\r")[-1].strip()} <= covered
    assert all(row["level"] in {None, *levels.NAMES.values()} for row in rows)


def test_clocks_pass_midnight_any_number_of_times(tmp_path: Path) -> None:
    """The last record is of the day on which the file was written; each step back of the clock is a day."""
    text = "".join(f"{clock} INFO a\n" for clock in ("09:00:00", "18:00:00", "09:00:00", "18:00:00", "09:00:00"))
    rows = parsed(tmp_path, text)
    assert [row["ts"][8:13] for row in rows] == ["19T09", "19T18", "20T09", "20T18", "21T09"]


def test_a_clock_without_zeros(tmp_path: Path) -> None:
    """Put together from numbers as they are."""
    text = "".join(f"2026-3-{at} INFO a\n" for at in ("7 1:3:5", "7 13:10:5", "17 9:0:44"))
    assert [row["ts"][8:19] for row in parsed(tmp_path, text)] == ["07T01:03:05", "07T13:10:05", "17T09:00:44"]


def test_a_clock_that_the_file_had_not_reached_is_of_the_day_before(tmp_path: Path) -> None:
    """Also where it is ahead of the next one by less than lines of several threads may be."""
    text = "".join(f"{clock} INFO a\n" for clock in ("09:00:00", "17:00:00", "11:00:00", "10:14:00"))
    assert [row["ts"][8:13] for row in parsed(tmp_path, text)] == ["19T09", "19T17", "20T11", "21T10"]


def test_dates_without_a_year_pass_new_year(tmp_path: Path) -> None:
    """A file that holds more than a year has its first records in the years before."""
    text = "".join(f"{date} 01:00:00 host app[7]: a\n" for date in ("Mar 20", "Jun  1", "Jan 10", "Dec  1", "Mar 20"))
    assert [row["ts"][:7] for row in parsed(tmp_path, text)] == ["2024-03", "2024-06", "2025-01", "2025-12", "2026-03"]


@pytest.mark.parametrize(
    "case",
    [
        ("Europe/Berlin", datetime(2025, 10, 26, 1, 1, tzinfo=UTC), ("02:59:59", "02:00:00", "02:00:01"), ("00:59:59", "01:00:00", "01:00:01")),
        ("Europe/Berlin", datetime(2025, 10, 26, 2, 31, tzinfo=UTC), ("01:50:00", "02:20:00", "02:50:00", "02:10:00", "03:30:00"), ("23:50:00", "00:20:00", "00:50:00", "01:10:00", "02:30:00")),
        ("America/New_York", datetime(2025, 10, 26, 2, 1, tzinfo=UTC), ("01:59:00", "02:00:59"), ("01:59:00", "02:00:59")),
        ("America/New_York", datetime(2025, 10, 26, 6, 1, tzinfo=UTC), ("01:59:00", "02:00:59"), ("05:59:00", "06:00:59")),
    ],
    ids=["an hour that comes twice", "the same, half an hour apart", "a clock in UTC", "a local clock"],
)  # fmt: skip
def test_what_the_hour_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: tuple[str, datetime, tuple[str, ...], tuple[str, ...]]
) -> None:
    """The order of the lines says which of two hours it is, the file's own time whether its clock was in UTC."""
    zone, written, lines, right = case
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    rows = parsed(tmp_path, "".join(f"2025-10-26 {line} INFO a\n" for line in lines), written)
    assert [row["ts"][11:19] for row in rows] == list(right)


def test_a_level_in_the_second_line(tmp_path: Path) -> None:
    """Where each record has two lines, the second one with the level, that is its level, in any language."""
    text = "".join(
        f"2026-03-21 09:0{n}:00 com.app.Main run\n{level}: pump {n}\n"
        for n, level in enumerate(("INFORMATION", "WARNUNG", "SCHWERWIEGEND"))
    )
    assert [(row["level"], row["lines"]) for row in parsed(tmp_path, text)] == [("info", 2), ("warn", 2), ("error", 2)]


def test_a_category_in_the_place_of_a_level(tmp_path: Path) -> None:
    """A word that is no level, where the others have theirs, is of an ordinary record."""
    text = "".join(
        f"{word:9} Mar 21 09:00:0{n}.123 [4711]: a\n"
        for n, word in enumerate(("NOTICE", "WARNING", "CONNECT", "ERROR"))
    )
    assert [row["level"] for row in parsed(tmp_path, text)] == ["info", "warn", "info", "error"]


def test_streams_keep_their_own_time(tmp_path: Path) -> None:
    """A line without a time has that of the line before of its own service."""
    text = "web-1 | 2026-03-21 09:00:00 INFO a\ndb-1  | 2026-03-21 09:00:05 INFO b\nweb-1 | Traceback (most recent call last):\nweb-1 |   x\nweb-1 | KeyError: 1\n"
    assert seen(parsed(tmp_path, text))[-1] == ("03-21T09:00:00", "error", 3)


ENDS = {
    "node, a rejected promise": "node:internal/process/promises:288\n            trigger(err);\n            ^\n\nError: x\n    at load (/srv/a.js:3:9)\n\nNode.js v20.1.0",
    "node, one line": "Uncaught Error: x\n    at load (/srv/a.js:3:9)",
    "python, a thread": 'Exception in thread Thread-1 (run):\nTraceback (most recent call last):\n  File "a.py", line 1, in run\nValueError: x',
    "python, ignored": 'Exception ignored in: <function A.__del__>\nTraceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: x',
    "python, logging": '--- Logging error ---\nTraceback (most recent call last):\n  File "a.py", line 1, in emit\nTypeError: x\nCall stack:\n  File "a.py", line 9\nMessage: \'x %s\'\nArguments: ()',
    "python, a warning": "/srv/a.py:3: UserWarning: x\n  warn('x')",
    "ruby": "/srv/a.rb:3:in `load': no such (RuntimeError)\n\tfrom /srv/a.rb:9:in `<main>'",
    "php": "PHP Fatal error:  Uncaught Exception: x in /srv/a.php:3\nStack trace:\n#0 {main}\n  thrown in /srv/a.php on line 3",
    "c#": "Unhandled exception. System.Exception: x\n   at App.Main() in /srv/a.cs:line 3",
    "dart": "Unhandled exception:\nException: x\n#0      main (file:///a.dart:3:3)",
    "ocaml": 'Fatal error: exception Failure("x")\nRaised at Stdlib.failwith in file "stdlib.ml", line 29',
    "lua": "lua: a.lua:3: x\nstack traceback:\n\t[C]: in function 'error'",
    "r": "Error in load() : x\nCalls: load\nExecution halted",
    "julia": "ERROR: LoadError: x\nStacktrace:\n [1] load()\n   @ Main a.jl:3\nin expression starting at /srv/a.jl:9",
    "zig": 'thread 1234 panic: x\n/srv/a.zig:3:5: 0x1 in main (a)\n    @panic("x");',
    "a sanitizer": "=================================================================\n==42==ERROR: AddressSanitizer: heap-use-after-free on address 0x1\nREAD of size 4 at 0x1 thread T0\n    #0 0x1 in main /srv/a.c:3\n\nSUMMARY: AddressSanitizer: heap-use-after-free /srv/a.c:3\n==42==ABORTING",
    "elixir": "** (RuntimeError) x\n    a.exs:3: (file)",
    "rust": "thread 'main' (4711) panicked at src/main.rs:3:5:\nx\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
}


@pytest.mark.parametrize("kind", ENDS)
def test_what_a_program_writes_when_it_ends_is_a_record(tmp_path: Path, kind: str) -> None:
    """Behind records with headers and behind prints, whole, and an error (or a warning)."""
    end, lines = ENDS[kind], ENDS[kind].count("\n") + 1
    heads = [f"2026-03-21 09:00:0{n} INFO step {n}\n" for n in range(5)]
    rows = parsed(tmp_path, "".join(heads[:3]) + end + "\n" + "".join(heads[3:]))
    assert [row["lines"] for row in rows] == [1, 1, 1, lines, 1, 1]
    assert rows[3]["level"] in {"warn", "error", "fatal"}
    rows = parsed(tmp_path, f"starting up\n{end}\n")
    assert [row["lines"] for row in rows] == [1, lines]


def test_a_file_may_change_the_way_it_is_written(tmp_path: Path) -> None:
    """After a restart with another layout, records begin where they do, and are not taken for the tail of the last one before."""
    old = "".join(f"2026-03-20 09:00:{n % 60:02d} INFO step {n}\n" for n in range(600))
    new = "".join(f"#{n} at 21.03.2026;09:00:{n % 60:02d};E;pump;stuck\n" for n in range(120))
    rows = parsed(tmp_path, old + new)
    assert [row["lines"] for row in rows] == [1] * 720
    assert {row["ts"][:10] for row in rows[600:]} == {"2026-03-21"}


def test_levels_that_are_cut(tmp_path: Path) -> None:
    """`%(levelname).5s` and its like cut every level at the same place."""
    rows = parsed(tmp_path, "INFO  [app] a\nDEBUG [app] b\nWARNI [app] c\nCRITI [app] d\nERROR [app] e\n")
    assert [row["level"] for row in rows] == ["info", "debug", "warn", "fatal", "error"]


def test_a_message_may_follow_its_level_at_once(tmp_path: Path) -> None:
    """Where others have blanks behind the colon, an error's own text may have none."""
    rows = parsed(tmp_path, "".join(f"[2026-03-21 09:12:1{n}] {level}\n" for n, level in enumerate(
        ("info:    up", "warn:    slow", "error:   stuck", "error:Error: lost"))))  # fmt: skip
    assert [(row["level"], row["body"]) for row in rows] == [
        ("info", "up"), ("warn", "slow"), ("error", "stuck"), ("error", "Error: lost"),
    ]  # fmt: skip


def test_objects_as_node_prints_them(tmp_path: Path) -> None:
    """`util.inspect` over several lines: names without quotes, texts in single ones."""
    one = "{{\n  level: '{}',\n  message: '{}',\n  user_id: 42,\n  timestamp: '2026-03-2{}T09:12:13.001Z'\n}}\n"
    rows = parsed(tmp_path, one.format("warn", "slow", 0) + one.format("error", "stuck", 1))
    assert [(row["line_no"], row["lines"], row["ts"][:19], row["level"]) for row in rows] == [
        (1, 6, "2026-03-20T09:12:13", "warn"), (7, 6, "2026-03-21T09:12:13", "error"),
    ]  # fmt: skip
    assert rows[0]["body"] == "slow"


def test_an_object_that_a_record_prints_is_its_own(tmp_path: Path) -> None:
    """An object over several lines goes on with the record that prints it, wherever the file is cut; one with a time or a level of its own is a record."""
    head = "2026-01-02 10:00:0{},123 - app - INFO - {}\n"
    printed = '{\n  "a": {\n    "level": "error"\n  },\n  "b": [\n    1\n  ]\n}'
    spoken = '{\n  "level": "error",\n  "msg": "alone"\n}'
    text = (
        head.format(0, "one")
        + head.format(1, "config:")
        + printed
        + "\n"
        + head.format(2, "x")
        + spoken
        + "\n"
        + head.format(3, "y")
    )
    path = tmp_path / "app.log"
    path.write_text(text)
    found = list(logs.parse_file(path))
    assert [record["body"] for record in found] == ["one", f"config:\n{printed}", "x", "alone", "y"]
    assert [record["level"] for record in found] == ["info", "info", "info", "error", "info"]
    assert [record["lines"] for record in found] == [1, 9, 1, 4, 1]


def test_an_object_without_a_message_is_its_own_text_once(tmp_path: Path) -> None:
    """A file of indented objects without a message shows each as it stands."""
    path = tmp_path / "app.json"
    path.write_text('{\n  "a": 1\n}\n{\n  "a": 2\n}\n')
    assert [record["body"] for record in logs.parse_file(path)] == ['{\n  "a": 1\n}', '{\n  "a": 2\n}']


@pytest.mark.parametrize("between", ["at", "um", "à", "às", "kl.", "a las", "в", "@"])
@pytest.mark.parametrize("day", ["31/12/2025", "31.12.2025", "2025-12-31", "31 December 2025", "December 31, 2025"])
def test_a_word_between_day_and_clock_hides_no_day(tmp_path: Path, between: str, day: str) -> None:
    """The day that a line says is never taken for that of the file, however people join it with the clock."""
    path = tmp_path / "app.log"
    path.write_text("".join(f"{day} {between} 23:59:{number:02} INFO line {number}\n" for number in range(5)))
    assert [record["ts"][:19] for record in logs.parse_file(path)] == [
        f"2025-12-31T23:59:{number:02}" for number in range(5)
    ]


@pytest.mark.parametrize(
    "line",
    ["Error count: 0", "error rate 0.1%", "ERROR: 0", "Warnings total = 12", "warning count: 3", "Error: 0.0234", "error ratio is 1e-3", "FATAL: 0", "Error budget: 43 min/30d"],
)  # fmt: skip
def test_a_figure_of_errors_is_no_error(line: str) -> None:
    """How many errors there were, or how large one is, says no level."""
    assert levels.in_text(line) == levels.UNKNOWN


@pytest.mark.parametrize(
    "line",
    [
        "Error: 5 files lost",
        "error code 13",
        "ERROR: disk full",
        "Error rate exceeded 5% at host a",
        "error: 12",
        "FATAL: 3 nodes down",
    ],
)
def test_an_error_with_a_number_is_one(line: str) -> None:
    """What says more than a figure is what it says."""
    assert levels.in_text(line) >= levels.ERROR


def test_line_ends_that_were_translated_twice_leave_nothing(tmp_path: Path) -> None:
    """Carriage returns at the end of a line are no part of the message."""
    path = tmp_path / "app.log"
    path.write_bytes(b"2026-01-02 10:00:00 INFO a\r\r\n2026-01-02 10:00:01 INFO b\r\r\n")
    assert [record["body"] for record in logs.parse_file(path)] == ["a", "b"]
