"""The query language: what a text means, how it is written again, and where it is wrong."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logs.core.errors import LogsError
from logs.query.language import Options, QueryWrong, parse_query
from logs.query.quantities import bare_factor, quantity, same_number, value_of
from logs.query.times import parse_range, parse_time
from logs.query.tree import Node
from tests.examples import examples

NOW = 1_800_000_000_000_000
OPTIONS = Options(NOW)
PIECES = [
    "(", ")", "-", "NOT ", " OR ", " AND ", " ", '"', "\\", "/", "level", ">=", "<", ":", "=", "!=", "warn", "since:", "yesterday", "-2h", "user_id", "=42", "2s",
    "duration>", "*", "run:", "fields.", "é日", "\n", "\0", "a", "b.c", ",", "[", "pid", "source:", "'", " = ", "&&", "||", "status:", "5xx", ">5", "severity:", "_exists_:", "+", "in", "..", "today",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'level>=warn source:worker -heartbeat "out of memory" /time(d)? ?out/ user_id=42 duration>2s run:train pattern:17',
            'level>=warn source:worker NOT heartbeat "out of memory" /time(d)? ?out/ user_id=42 duration>2s run:"train" pattern:17',
        ),
        ("a b", "a b"),
        ("a AND b", "a b"),
        ("a OR b c", "a OR b c"),
        ("(a OR b) c", "(a OR b) c"),
        ("-(a b)", "NOT (a b)"),
        ("a (b (c d))", "a b c d"),
        ("level:warn,error", "level=warn OR level=error"),
        ("level!=debug", "NOT level=debug"),
        ("x!=3", "NOT x=3"),
        ("x:*", "x=*"),
        ('x="a*"', 'x="a*"'),
        ("fields.level=3", "fields.level=3"),
        ("msg:gone", 'message:"gone"'),
        ("raw:/^2026/i", "raw:/^2026/i"),
        ("a && b || c", "a b OR c"),
        ("status:5xx", 'status="5xx" OR status>=500 status<600'),
        ("status:>=500", "status>=500"),
        ("severity:error a", "(severity=error OR level=error) a"),
        ("_exists_:user", "user=*"),
        ("loss = 0.5", 'loss "=" 0.5'),
        ("upload : done", 'upload ":" done'),
        ("status:404,500", "status=404 OR status=500"),
        ("user:bo*,al", "user=bo* OR user:al"),
        ('x="a,b" y=1,2 path:/a,b', 'x="a,b" y="1,2" path:"/a,b"'),
        ("path=/a/b /x/", 'path="/a/b" /x/'),
        ("path=/a b/ x:/a/b/", "path:/a b/ x:/a/b/"),
        ("   ", "None"),
    ],
)
def test_a_query_is_read_as_the_language_says(text: str, expected: str) -> None:
    """Terms beside each other must all hold and bind closer than OR; what is written again means the same."""
    assert str(parse_query(text, OPTIONS)) == expected


@pytest.mark.parametrize(
    "text",
    ["http://x:8080/a", "C:\\temp", "12:30:45", "a==b", "a=>b", "fe80::1", "HEAD~3", "cwd=~/a", "took>", "std::map<a,b>", "f(x)", "/usr/bin", "ValueError:", "--force", "it's", "a->b", "OR", "x=", "-", "50%", "{json}", "[y]", "vector<int>"],
)  # fmt: skip
def test_a_word_of_a_log_is_searched_as_it_stands(text: str) -> None:
    """Addresses, paths, times, calls and code need no quotes."""
    quoted = text.replace("\\", "\\\\")
    assert parse_query(text, OPTIONS) == parse_query(f'"{quoted}"', OPTIONS)


@pytest.mark.parametrize(
    ("text", "column", "remedy"),
    [
        ('a "b', 3, "Add a quote"),
        ("a (b", 3, "closing bracket"),
        ("a )", 3, "quotes"),
        ("a OR", 5, "Write what to find"),
        ("NOT", 4, "Write what to find"),
        ("()", 2, "Write what to find"),
        ("level>=loud", 8, "Levels are"),
        ("level>unknown", 7, "level:unknown"),
        ("level>warning!", 7, "Write level>warn."),
        ("a level>=", 3, "level>=warn"),
        ("a since:someday", 9, "15m"),
        ("a /(b/", 3, "Correct the expression"),
        (r"a /(x)\1/", 3, "look-around"),
        ("pid:x", 5, "pid:42"),
        ("source>3", 1, "source:3"),
        ('duration>"fast"', 10, "duration>2s"),
        ('a ""', 3, "quotes"),
        ("x " + "(" * 200 + "a" + ")" * 200, 1, "Leave terms out"),
        ("NOT " * 900 + "a", 1, "Leave terms out"),
        (" ".join(["a"] * 300), 1, "Leave terms out"),
        ("a" * 5000, 4097, "Leave terms out"),
    ],
)
def test_an_error_points_at_its_column(text: str, column: int, remedy: str) -> None:
    """What is wrong is said with its place and with what would be right."""
    with pytest.raises(QueryWrong) as caught:
        parse_query(text, OPTIONS)
    assert caught.value.column == column
    assert caught.value.message.startswith(f"Column {column}: ")
    assert remedy in caught.value.hint
    query, mark = caught.value.pointer
    assert len(query) <= 122  # near of what is wrong, in a line of a terminal
    left = 1 if query.startswith("…") else 0
    begin = mark.index("^")
    shown = query.removeprefix("…").removesuffix("…")
    assert text[column - 1 - (begin - left) :].startswith(shown)
    assert left == (shown != text[: len(shown)] or column > 41)
    assert mark.rstrip("^").strip() == ""


@pytest.mark.parametrize(
    ("text", "column", "right"),
    [
        ("level = ERROR", 1, "level=ERROR"),
        ("a status >= 500", 3, "status>=500"),
        ("user <> 42", 1, "user!=42"),
        ("level: error", 1, "level:error"),
        ("path =~ /a/", 1, "path:/a/"),
        ("a level=>warn", 3, "level>=warn"),
        ("-level:>=warn", 1, "-level>=warn"),
        ("level=<warn", 1, "level<=warn"),
        ("level==warn", 1, "level=warn"),
        ("level~warn", 1, "level:warn"),
        ('msg=>"a b"', 1, 'msg:"a b"'),
        ("since=>2h", 1, "since:2h"),
        ("took=>5ms", 1, "took>=5ms"),
        ("status!==500", 1, "status!=500"),
        ("user=~bo.*", 1, "user:/bo.*/"),
        ('|= "x y"', 1, '"x y"'),
        ('a != "x"', 1, 'a!="x"'),
        ('{app="web"}', 1, 'app="web"'),
        ("a | wc -l", 3, "the terms alone"),
        ("grep -i a", 1, "the text alone"),
        ("select * from a", 1, "watchkeeper query"),
        ("a since 1h", 3, "since:1h"),
        ("last 15m", 1, "since:15m"),
        ("2026-11-30..2026-12-01", 1, "since:2026-11-30 until:2026-12-01"),
        ("@timestamp>now-1h", 1, "since:1h"),
        ("status:[500 TO 599]", 1, "status>=500 status<=599"),
        ("status:404..499", 1, "status>=404 status<=499"),
        ("status:(500 OR 502)", 1, "status:500,502"),
        ("level in (warn, error)", 1, "level:warn,error"),
        ("level:warn|error", 1, "level:warn,error"),
        ("timeout*", 1, "timeout,"),
        ("a +b", 3, "b,"),
        ("!a", 1, "-a"),
        ('"a b"~2', 6, '"a b"'),
        ("'a b'", 1, '"a b"'),
        ("key='a b'", 5, 'key="a b"'),
    ],
)
def test_what_is_of_another_language_is_said_with_what_to_type(text: str, column: int, right: str) -> None:
    """Lucene, LogQL, KQL, SQL and grep are not searched as text, which would find nothing."""
    with pytest.raises(QueryWrong) as caught:
        parse_query(text, OPTIONS)
    assert (caught.value.column, right in caught.value.hint) == (column, True), caught.value.hint


def read(text: str) -> Node | QueryWrong | None:
    """What the text means, or why it means nothing."""
    try:
        return parse_query(text, OPTIONS)
    except QueryWrong as wrong:
        return wrong


@settings(max_examples=examples(2000), deadline=None)
@example("fields.0:0")
@example("@:>*")
@example("@=///")
@example("fields.fields.a:b")
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=14).map("".join)))
def test_any_text_is_read_or_refused_at_a_place(text: str) -> None:
    """There is no text that fails otherwise; and what is read, written and read again is the same."""
    found = read(text)
    if isinstance(found, QueryWrong):
        assert 1 <= found.column <= len(text) + 1
        assert found.end > found.column
        assert found.message
        assert found.hint
        return
    if found is not None:
        assert parse_query(str(found), OPTIONS) == found


@pytest.mark.parametrize(
    ("text", "number", "dimension"),
    [
        ("42", 42, ""),
        ("-1.5e2", -150, ""),
        ("90%", 90, ""),
        ("2s", 2, "time"),
        ("250 ms", 0.25, "time"),
        ("1h2m3.5s", 3723.5, "time"),
        ("1.5GiB", 1.5 * 1024**3, "bytes"),
        ("10MB", 1e7, "bytes"),
    ],
)
def test_numbers_are_read_with_their_units(text: str, number: float, dimension: str) -> None:
    """Seconds and bytes are the base units."""
    assert quantity(text) == (number, dimension)


def test_a_number_that_is_none_compares_with_nothing() -> None:
    """Words, two numbers, unknown units and what exceeds floating point are no quantities; units of another kind do not compare."""
    assert [quantity(text) for text in ("fast", "1 2", "3 parsecs", "1e999", "", "1h2x")] == [None] * 6
    assert value_of("5MB", "time", 1.0) is None
    assert value_of("2500ms", "time", 1.0) == 2.5


def test_a_bare_number_compares_with_the_number_that_stands_there() -> None:
    """`took>100` finds `took 120ms` and `size>1` finds `1.5GiB`, whatever the unit; a number of several parts counts seconds."""
    texts = ("2500ms", "1.5GiB", "90%", "42", "1m30s", "fast")
    assert [value_of(text, "", 1.0) for text in texts] == [2500, 1.5, 90, 42, 90, None]
    same = re.compile(same_number("42"))
    assert [bool(same.search(text)) for text in ("42ms", "42 s", "42.0%", "420ms", "42x", "4.2s")] == [True] * 3 + [
        False
    ] * 3


def test_a_name_tells_the_unit_of_a_plain_number() -> None:
    """`latency_ms` holds milliseconds, whatever it is compared with."""
    assert [bare_factor(name, "time") for name in ("latency_ms", "durationMs", "duration", "elapsed_us")] == [
        1e-3,
        1e-3,
        1,
        1e-6,
    ]
    assert bare_factor("latency_ms", "bytes") == 1


def test_times_are_those_of_the_zone_that_is_named() -> None:
    """A time without a zone is the reader's, wherever the store is."""
    zone = ZoneInfo("Asia/Tokyo")
    expected = datetime(2027, 1, 14, 14, 5, tzinfo=zone).astimezone(UTC).timestamp() * 1e6
    assert parse_time("yesterday 14:05", NOW, zone) == parse_time("2027-01-14 14:05", NOW, zone) == expected
    begun = parse_time("-1m", NOW, zone)
    later = (datetime.fromtimestamp(NOW / 1e6, zone) + timedelta(minutes=5)).strftime("%H:%M")
    assert begun < parse_time(later, NOW, zone, after=begun) > NOW
    assert parse_time(later, NOW, zone) < begun
    assert parse_time("-2h", NOW) == NOW - 7_200_000_000
    assert parse_range("-1m", later, NOW, zone) == (begun, parse_time(later, NOW, zone, after=begun))
    assert parse_range(None, "", NOW) == (None, None)
    with pytest.raises(LogsError, match="ends before it begins"):
        parse_range("1h", "2h", NOW)
    assert parse_time("+1d", NOW) == NOW + 86_400_000_000


@pytest.mark.parametrize("ago", ["99999999999h", "9" * 400 + "w", "9" * 30 + " ms"])
def test_a_time_before_all_time_is_refused(ago: str) -> None:
    """Its microseconds are more than the store has numbers for."""
    assert parse_time("9000w", NOW) < NOW
    with pytest.raises(LogsError, match="before all time"):
        parse_time(ago, NOW)
