"""What the views of patterns compute: order, marked values, bars, rates in words, and the way to the records."""

from tests.doubles.node import run_script

MODEL = 'const { bars, commonLevel, lasting, mostlyErrors, parts, perHour, queryOf, recordsOf, sorted, times } = await load("logs/pattern_model");\n'


def test_each_order_puts_its_own_first() -> None:
    """Most frequent, new before bursting before the rest, most errors, last seen; equal ones stay as they were."""
    patterns = [
        {"number": 1, "count": 9, "errors": 0, "last": 5, "new": False, "bursting": False},
        {"number": 2, "count": 3, "errors": 3, "last": 9, "new": False, "bursting": True},
        {"number": 3, "count": 3, "errors": 0, "last": 7, "new": True, "bursting": False},
    ]
    body = (
        MODEL
        + 'return ["count", "new", "errors", "last", "nonsense"].map((sort) => sorted(given, sort).map((one) => one.number))'
    )
    assert run_script(body, patterns) == [[1, 2, 3], [3, 2, 1], [2, 1, 3], [2, 3, 1], [1, 2, 3]]


def test_a_pattern_has_the_level_of_most_of_its_records() -> None:
    """A single error among thousands makes it no error; of equally many levels the higher one counts."""
    given = [{"fatal": 1, "info": 900}, {"error": 5, "info": 5}, {"unknown": 3, "debug": 2}, {}]
    assert run_script(MODEL + "return given.map(commonLevel)", given) == ["info", "error", None, None]
    counted = [{"errors": 1, "count": 901}, {"errors": 5, "count": 10}, {"errors": 0, "count": 0}]
    assert run_script(MODEL + "return given.map(mostlyErrors)", counted) == [False, True, False]


def test_values_of_a_text_are_parts_of_their_own() -> None:
    """The parts put together are the text, with a sign for each value; markup is text like any other."""
    given = ["took <*> ms", "<*>", "plain", "", "<b>x</b> <*><*>"]
    assert run_script(MODEL + "return given.map(parts)", given) == [
        [["took ", False], ["*", True], [" ms", False]],
        [["*", True]],
        [["plain", False]],
        [],
        [["<b>x</b> ", False], ["*", True], ["*", True]],
    ]


def test_a_bar_is_seen_where_there_is_a_record_and_nowhere_else() -> None:
    """One record beside a thousand is a pixel tall, none is nothing, and an empty trend is no path."""
    found = run_script(MODEL + "return given.map((trend) => bars(trend, 40, 20))", [[0, 1, 1000, 0], [], [0, 0]])
    assert found == ["M10.0 20v-1.0h9.4V20zM20.0 20v-20.0h9.4V20z", "", ""]


def test_rates_and_changes_are_short_words() -> None:
    """Few digits; less is said in percent, more in times, and nothing where nothing was."""
    assert run_script(MODEL + "return given.map(perHour)", [0, 0.04, 1.23, 45.6, 12345.6]) == [
        "0",
        "0.04",
        "1.2",
        "46",
        "12,346",
    ]
    assert run_script(MODEL + "return given.map(times)", [None, 0, 0.4, 1.5, 250]) == [
        "",
        "",
        "−60 %",
        "1.5 ×",
        "250 ×",
    ]


def test_durations_have_the_unit_that_suits_them() -> None:
    """Seconds as people say them."""
    given = [0.0004, 0.0034, 0.034, 1.25]
    assert run_script(MODEL + "return given.map(lasting)", given) == ["400 µs", "3.4 ms", "34 ms", "1.3 s"]


def test_a_pattern_leads_to_its_records_in_the_same_view() -> None:
    """The filter and the range go along; records from before there were patterns have no such address."""
    body = (
        MODEL
        + 'return given.map((number) => recordsOf({ number }, { query: "level>=warn", source: "web" }, { range: "24h" }))'
    )
    assert run_script(body, [17, -1]) == [{"query": "level>=warn pattern:17", "source": "web", "range": "24h"}, None]


def test_a_view_of_logs_becomes_a_query() -> None:
    """Its query, text or expression, process and levels all hold; alternatives stand in brackets beside others."""
    given = [
        [{}, []],
        [{"query": "a OR b", "source": "web"}, []],
        [{"query": "a OR b", "pid": 42}, ["fatal", "error", "unknown"]],
        [{"q": 'say "no"'}, []],
        [{"q": "time.?out/x", "regex": 1}, ["warn"]],
    ]
    assert run_script(MODEL + "return given.map(([filters, levels]) => queryOf(filters, levels))", given) == [
        "",
        "a OR b",
        "(a OR b) pid:42 level:fatal,error,unknown",
        '"say \\"no\\""',
        "/time.?out\\/x/i level:warn",
    ]
    body = MODEL + 'return recordsOf({ number: 3 }, { query: "a OR b", level: "warn" }, {}).query'
    assert run_script(body) == "(a OR b) level>=warn pattern:3"
