"""Layouts of further kinds of programs: clocks that count from a start, devices, build tools, stacks with a header on each line."""

from datetime import datetime
from pathlib import Path

import pytest

from logs.core import levels
from tests.doubles.written_log import parsed

pytestmark = pytest.mark.usefixtures("utc")


@pytest.mark.parametrize(
    "text",
    [
        "0:00:01 open\n0:00:31 read\n0:01:02 done\n",
        "[0:00:01] open\n[0:00:31] read\n[0:01:02] done\n",
        "[00:00:01.000,000] <inf> fs: open\n[00:00:31.000,000] <wrn> fs: read\n[00:01:02.000,000] <err> fs: done\n",
        "00:00:00 INFO start\n00:00:30 INFO read\n00:01:01 INFO done\n",
    ],
    ids=["one digit of hours", "in brackets", "microseconds in two groups", "no clock of the day when it was written"],
)
def test_a_clock_may_count_from_a_start(tmp_path: Path, text: str) -> None:
    """The last line of a clock that began at zero is of when the file was written, the others as much before it as they say."""
    rows = parsed(tmp_path, text)
    assert [row["ts"][:19] for row in rows] == ["2026-03-21T10:13:59", "2026-03-21T10:14:29", "2026-03-21T10:15:00"]


def test_hours_of_a_count_go_on_past_a_day(tmp_path: Path) -> None:
    """What counts from a start has no midnight."""
    rows = parsed(tmp_path, "0:00:10 open\n23:59:59 read\n24:00:10 done\n")
    assert [row["ts"][:19] for row in rows] == ["2026-03-20T10:15:00", "2026-03-21T10:14:49", "2026-03-21T10:15:00"]


@pytest.mark.parametrize("last", ["00:14:59", "10:14:59"])
def test_a_clock_after_midnight_is_one_of_the_day(tmp_path: Path, last: str) -> None:
    """A file that began at midnight, and whose last line is of when it was written, counts nothing."""
    written = datetime.fromisoformat(f"2026-03-21T{last}+00:00")
    rows = parsed(tmp_path, f"00:00:00 INFO start\n00:00:30 INFO read\n{last} INFO done\n", written)
    assert [row["ts"][:19] for row in rows] == [f"2026-03-21T{clock}" for clock in ("00:00:00", "00:00:30", last)]


def test_two_digits_of_a_year_joined_with_the_clock(tmp_path: Path) -> None:
    """`260321-09:12:13` is a day and a clock."""
    rows = parsed(tmp_path, "[INFO 260321-09:12:13 a.py:1] one\n[WARN 260321-09:12:14 a.py:1] two\n")
    assert [(row["ts"][:19], row["level"], row["body"]) for row in rows] == [
        ("2026-03-21T09:12:13", "info", "one"),
        ("2026-03-21T09:12:14", "warn", "two"),
    ]


def test_a_time_behind_the_message_beside_stack_traces(tmp_path: Path) -> None:
    """How many lines have a time at their end is asked of those that begin a record."""
    stack = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nValueError: x\n'
    text = f"INFO one (2026-03-21 09:12:13,123)\nERROR two (2026-03-21 09:12:14,123)\n{stack}"
    rows = parsed(tmp_path, text)
    assert [(row["ts"][:19], row["level"], row["lines"]) for row in rows] == [
        ("2026-03-21T09:12:13", "info", 1),
        ("2026-03-21T09:12:14", "error", 5),
    ]


def test_a_sign_that_is_unknown_among_those_of_levels(tmp_path: Path) -> None:
    """What stands where other lines have the sign of their level begins a record too."""
    text = "".join(f"{sign} 21.03.2026 09:12:1{n} a\n" for n, sign in enumerate("✅❌🐞🦄☠"))
    assert [row["level"] for row in parsed(tmp_path, text)] == ["info", "error", "debug", None, "fatal"]


def test_a_chain_of_exceptions_with_a_header_on_each_line(tmp_path: Path) -> None:
    """As OpenStack writes them: all lines of the chain are one record, blank ones among them."""
    head = "2026-03-21 09:12:13.848 221 ERROR nova.compute"
    stack = (
        "Traceback (most recent call last):",
        '  File "a.py", line 1, in f',
        "    g()",
        "KeyError: 'x'",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        '  File "a.py", line 3, in h',
        "    f()",
        "ValueError: y",
    )
    around = "2026-03-21 09:12:1{}.000 221 INFO nova.compute [-] {}\n"
    text = "".join(around.format(n, "before") for n in range(3)) + f"{head} [-] crashed: y\n"
    text += "".join(f"{head} {line}\n" for line in stack) + "".join(around.format(4, f"after {n}") for n in range(40))
    rows = parsed(tmp_path, text)
    assert [(row["level"], row["lines"]) for row in rows[:5]] == [*[("info", 1)] * 3, ("error", 12), ("info", 1)]
    assert rows[3]["body"] == "crashed: y\n" + "\n".join(stack)


def test_lines_that_begin_with_their_number(tmp_path: Path) -> None:
    """As npm writes them: each is a record, also where the word behind the number is one of its own levels."""
    text = "0 verbose cli npm\n1 info using node\n2 http fetch GET 200\n3 silly config x\n4 timing npm:load 12ms\n5 warn old x\n6 error code X\n"
    rows = parsed(tmp_path, text)
    assert [(row["level"], row["lines"]) for row in rows] == [
        (level, 1) for level in ("trace", "info", "info", "trace", "info", "warn", "error")
    ]


@pytest.mark.parametrize("key", ["_logLevel", "log-level", "app.severity", "event_level", "sev", "L", "prio", "type"])
def test_whatever_an_object_calls_its_level(tmp_path: Path, key: str) -> None:
    """A value that is a level's word, under a name that ends like one."""
    rows = parsed(tmp_path, f'{{"{key}": "warn", "msg": "a"}}\n{{"{key}": "high", "msg": "b"}}\n')
    assert [row["level"] for row in rows] == ["warn", None]


@pytest.mark.parametrize("key", ["when", "T", "logTime", "ts_ms", "log_timestamp", "at"])
def test_whatever_an_object_calls_its_time(tmp_path: Path, key: str) -> None:
    """Under a name that is one of times, as text or as a number, or as a date among the first values; no other moment than its own."""
    rows = parsed(
        tmp_path,
        f'{{"msg": "a", "{key}": "2026-03-20 22:11:12,345"}}\n{{"msg": "b", "{key}": 1774044672345}}\n{{"msg": "c", "{key}": 7}}\n'
        '{"msg": "d", "x": "2026-03-20T22:11:12Z"}\n{"msg": "e", "expires_at": "2030-03-20T22:11:12Z", "a": 1, "b": 2, "c": 3}\n',
    )
    assert [row["ts"] and row["ts"][:19] for row in rows[:2]] == ["2026-03-20T22:11:12"] * 2
    assert rows[3]["ts"] == "2026-03-20T22:11:12.000000+00:00"


@pytest.mark.parametrize("value", ["hello there", "e", "1e", "12e3e4", "nan", "inf", "6553f1.1234567", "0x1", "-1"])
def test_what_is_called_a_time_and_is_none(tmp_path: Path, value: str) -> None:
    """A word where others have the time leaves the record without one."""
    (row,) = parsed(tmp_path, f'{{"time": "{value}", "level": "warn", "msg": "a"}}\n')
    assert (row["ts"], row["level"], row["body"]) == (None, "warn", "a")


def test_numbers_of_node_levels(tmp_path: Path) -> None:
    """They count from 10 as Python's do, one step lower."""
    rows = parsed(
        tmp_path, "".join(f'{{"level":{n},"time":"2026-03-20T22:11:12Z","msg":"a"}}\n' for n in (20, 30, 40, 50, 60))
    )
    assert [row["level"] for row in rows] == ["debug", "info", "warn", "error", "fatal"]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("%LINK-3-UPDOWN: Interface Gi0/1, changed state to down", levels.ERROR),
        ("fw01 : %ASA-4-106023: Deny tcp src a dst b", levels.WARN),
        ("%%01IFNET/6/LINK_STATE(l)[1]: up", levels.INFO),
        ('10.0.0.1 f b/s "GET /x HTTP/1.1" 503 217', levels.ERROR),
        ('"GET /x?a=1 HTTP/2" 404 -', levels.WARN),
        ('"POST /x HTTP/1.1" 201 7', levels.INFO),
        ("[ALPM] warning: /etc/x installed as /etc/x.new", levels.WARN),
        ("[ 12]LogStreaming: Warning: slow", levels.WARN),
        ("TLS Error: handshake failed", levels.ERROR),
        ("us=123456 WARNING: key is readable", levels.WARN),
        ("INFO: WARNING: that was all", levels.INFO),
        ("shop: DEBUG: ERROR: of another", levels.DEBUG),
        ("❌ upload failed", levels.ERROR),
        ("⚠️ disk nearly full", levels.WARN),
        ("No Error: all is well", levels.UNKNOWN),
        ("Validation error: 0.0234 at step 5", levels.UNKNOWN),
        ("Mean error 0.01", levels.UNKNOWN),
        ("[eval] error rate: 0.1%", levels.UNKNOWN),
        ("worker: error count: 0", levels.UNKNOWN),
        ("50%-3-way split", levels.UNKNOWN),
        ("🔥 hot reload is on", levels.UNKNOWN),
        ("all ❌ are gone", levels.UNKNOWN),
    ],
)
def test_levels_that_messages_show(line: str, level: int) -> None:
    """Devices' codes, the status of an answer, signs and words at the beginning."""
    assert levels.in_text(line) == level
    assert levels.in_texts(["a", line, "b"]) == [levels.UNKNOWN, level, levels.UNKNOWN]
