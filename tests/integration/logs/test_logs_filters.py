"""Filters: the store and the live stream answer alike."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import logs
from logs import LogFilter, LogRecord, LogsError
from monitor.store.interface import Append, Store
from tests.examples import examples

NOW = 1_800_000_000_000_000
ALPHABET = "abAB01 .*?[](){}|\\^$+ßẞİıΣςσÄä%_'\"\n-é"


def records() -> list[LogRecord]:
    """Records of all kinds."""
    texts = [
        "Straße STRASSE",
        "ΑΣ Σας",
        "İstanbul ı",
        "a.b*c",
        "two\nlines",
        "100% _x_",
        'it\'s "quoted"',
        "[ERROR] (x)",
        "",
        "aB01",
        "ä Ä é É",
        "\\path\\to",
        "ab ab ab",
    ]
    levels = [0, 5, 10, 20, 30, 40, 50]
    result = []
    for number in range(130):
        message = texts[number % len(texts)] + (f" {number}" if number % 3 else "")
        raw = f"<{message}>" if number % 5 == 0 else None
        result.append(
            LogRecord(7 + number % 2, number * 10, number, NOW - number * 1_000_000, "line", levels[number % 7], ["app", "web/app", "a[b]", "x"][number % 4], None,
                      number % 6 or None, 1 << 62 if number % 4 == 1 else None, "PRE ", message, raw, 1, None, "python")
        )  # fmt: skip
    return result


def fill(store: Store, rows: list[LogRecord]) -> None:
    """Put records into the store as they are."""
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in LogRecord._fields}
    table = pa.table({**columns, "host": ["h"] * len(rows)})
    for name in ("ts", "ingested"):
        values = pa.array(columns["ts"], pa.int64()).view(pa.timestamp("us"))
        table = (
            table.set_column(table.column_names.index(name), name, values)
            if name in table.column_names
            else table.append_column(name, values)
        )
    store.write([Append("log_records", table)])


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with the records, some of them in blocks with a filter."""
    rows = records()
    for at in range(0, len(rows), 7):
        fill(store, rows[at : at + 7])
    while store.tidy():
        pass
    return store


def both(store: Store, wanted: LogFilter) -> tuple[set[str], set[str]]:
    """The ids that the store finds, and those that pass live."""
    live = {record.id for record in records() if wanted.matches(record)}
    found = logs.search.search(store, wanted, limit=1000).records
    assert logs.search.count(store, wanted)["count"] == len(found)
    return {record.id for record in found}, live


FLAGS = st.sampled_from(["0", "1"])


@settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    q=st.one_of(
        st.text(ALPHABET, max_size=4),
        st.sampled_from(
            [
                "strasse",
                "ΣΑΣ",
                "σ",
                "i",
                "two.lines",
                "^PRE",
                "b$",
                "(?i)AB",
                "[[:upper:]]{2}",
                r"\bab\b",
                "a|b",
                ".*",
                "\\d+$",
                "É",
            ]
        ),
    ),
    regex=FLAGS,
    case=FLAGS,
    raw=FLAGS,
    level=st.sampled_from(["", "trace", "info", "error", "fatal"]),
    levels=st.sampled_from(["", "unknown", "info,error", "warn"]),
    source=st.sampled_from(["", "app", "*app", "a[b]", "web/*,x", "*", "nothing", "a?p"]),
    pid=st.sampled_from(["", "3"]),
    run=st.sampled_from(["", str(1 << 62)]),
    since=st.sampled_from(["", "1m", str(NOW - 20_000_000)]),
    until=st.sampled_from(["", "10s", str(NOW - 40_000_000)]),
)
def test_live_and_stored_answers_agree(filled: Store, **params: str) -> None:
    """Any filter lets the same records pass live as the store finds."""
    try:
        wanted = LogFilter.parse(params, NOW)
    except LogsError:
        backwards = (params["since"], params["until"]) == (str(NOW - 20_000_000), str(NOW - 40_000_000))
        assert params["regex"] == "1" or backwards
        return
    found, live = both(filled, wanted)
    assert found == live


def test_text_ignores_case_unless_told(filled: Store) -> None:
    """A substring is matched without regard to case, with `case=1` exactly; an expression exactly unless `case=0`."""

    def count(**params: str) -> int:
        return len(both(filled, LogFilter.parse(params, NOW))[0])

    assert count(q="STRASSE") == count(q="strasse") == 10
    assert count(q="strasse", case="1") == 0
    assert count(q="strasse", regex="1") == 0
    assert count(q="strasse", regex="1", case="0") == 10


def test_a_span_begins_with_its_first_moment_and_ends_before_its_last(filled: Store) -> None:
    """A record at `since` passes and one at `until` does not, live and stored, so that spans side by side share none."""
    first, last = NOW - 9_000_000, NOW - 5_000_000
    expected = {record.id for record in records() if first <= record.ts < last}
    assert {record.ts for record in records()} >= {first, last}
    assert both(filled, LogFilter.parse({"since": str(first), "until": str(last)}, NOW)) == (expected, expected)


def test_raw_matches_the_whole_original(filled: Store) -> None:
    """`raw` looks at prefix and message, or at the original where it differs."""
    wanted = LogFilter.parse({"q": "PRE ", "raw": "1", "case": "1"}, NOW)
    expected = {record.id for record in records() if record.raw is None}
    assert both(filled, wanted) == (expected, expected)


@pytest.mark.parametrize(
    "params",
    [
        {"q": "(", "regex": "1"},
        {"q": r"(a)\1", "regex": "1"},
        {"since": "yesteryear"},
        {"since": "1h", "until": "2h"},
        {"since": "2026-03-02", "until": "2026-03-01"},
        {"level": "loud"},
        {"pid": "-1"},
        {"pid": "x"},
        {"regex": "maybe"},
        {"run": "9" * 30},
        {"q": "x" * 5000},
        {"q": "a{1000}{1000}", "regex": "1"},
    ],
)
def test_a_wrong_filter_says_what_is_wrong(params: dict[str, str]) -> None:
    """Each wrong value is refused with a message and a hint."""
    with pytest.raises(LogsError) as caught:
        LogFilter.parse(params, NOW)
    assert caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15m", NOW - 900_000_000),
        ("2h", NOW - 7_200_000_000),
        ("7d", NOW - 7 * 86_400_000_000),
        ("1.5h ago", NOW - 5_400_000_000),
        ("3 days ago", NOW - 3 * 86_400_000_000),
        ("90 Minutes", NOW - 5_400_000_000),
        ("250ms", NOW - 250_000),
        ("now", NOW),
        ("1700000000000000", 1_700_000_000_000_000),
        ("2026-01-31T10:11:12.5Z", 1_769_854_272_500_000),
        ("2026-01-31T10:11:12.5+01:00", 1_769_850_672_500_000),
        ("2026-01-31T10:11:12.5 01:00", 1_769_850_672_500_000),
    ],
)
def test_times_are_read(text: str, expected: int) -> None:
    """Microseconds, ISO 8601 and times ago; a plus sign lost in an address is put back."""
    assert logs.parse_time(text, NOW) == expected


def test_days_are_read_in_words() -> None:
    """Today and yesterday begin at midnight here; a time of day may follow, and alone is the last one that there was."""
    today = datetime.fromtimestamp(NOW / 1e6).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)

    def micros(moment: datetime) -> int:
        return int(moment.replace(tzinfo=None).astimezone().timestamp() * 1e6)

    assert logs.parse_time("today", NOW) == micros(today)
    assert logs.parse_time("Yesterday", NOW) == micros(today - timedelta(days=1))
    assert logs.parse_time("yesterday 14:05", NOW) == micros((today - timedelta(days=1)).replace(hour=14, minute=5))
    assert logs.parse_time("00:00:01", NOW) == micros(today.replace(second=1))
    assert logs.parse_time("23:59", NOW) == micros((today - timedelta(days=1)).replace(hour=23, minute=59))
    for wrong in ("25:00", "tomorrow", "yesterday 9", ""):
        with pytest.raises(LogsError) as caught:
            logs.parse_time(wrong, NOW)
        assert "yesterday" in caught.value.hint or "14:00" in caught.value.hint


def test_a_past_moment_is_read_in_the_zone_of_who_asks() -> None:
    """A clock that is still to come today was yesterday; what names no zone is of the given one, also where its clock was just put back."""
    berlin = ZoneInfo("Europe/Berlin")
    now = int(
        datetime(2026, 10, 25, 2, 30, tzinfo=UTC).timestamp() * 1e6
    )  # half past three in Berlin, the clock went back at three

    def utc(text: str) -> datetime:
        return datetime.fromtimestamp(logs.parse_past(text, now, berlin) / 1e6, UTC)

    assert utc("03:12") == datetime(2026, 10, 25, 2, 12, tzinfo=UTC)
    assert utc("23:50") == datetime(2026, 10, 24, 21, 50, tzinfo=UTC)
    assert utc("yesterday 14:00") == datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    assert utc("2026-10-24 03:12") == datetime(2026, 10, 24, 1, 12, tzinfo=UTC)
    assert utc("2026-10-24T03:12Z") == datetime(2026, 10, 24, 3, 12, tzinfo=UTC)
    assert utc("-2h") == utc("2h") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert utc("now") == datetime(2026, 10, 25, 2, 30, tzinfo=UTC)
    for future in ("2026-10-25T02:31Z", "2027-01-01", str(now + 1)):
        with pytest.raises(LogsError, match="future"):
            logs.parse_past(future, now, berlin)


def test_an_expression_takes_linear_time(filled: Store) -> None:
    """What is exponential in other engines is answered at once, live and stored."""
    long = LogRecord(1, 0, 1, NOW, "line", 20, "x", None, None, None, "", "a" * 100_000, None, 1, None, "plain")
    assert LogFilter.parse({"q": "(a+)+$", "regex": "1"}, NOW).matches(long)
    assert not LogFilter.parse({"q": "(a+)+b", "regex": "1"}, NOW).matches(long)


def test_random_expressions_agree_with_python(filled: Store) -> None:
    """Simple expressions find what Python's `re` finds."""
    for pattern in ("a.b", "[a-c]+1", "x_|_x", r"\d{2}", "^a", "lines$"):
        found = {record.id for record in records() if re.search(pattern, record.message, re.DOTALL)}
        assert both(filled, LogFilter.parse({"q": pattern, "regex": "1"}, NOW))[0] == found
