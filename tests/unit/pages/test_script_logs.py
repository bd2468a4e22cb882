"""The records a log view holds: order, no record twice, bounds and the cursor that leads on; and what a search marks."""

from typing import Any

import pytest

from tests.doubles.node import run_script

MODEL = """
const { cursorOf, LogModel, MOST } = await load("logs/model");
const model = new LogModel();
const record = (pos, message = `m${pos}`, file = "1") => ({ id: `${file}:${pos}`, ts: pos * 1e6, file_id: file, pos, message, lines: 1 });
const records = (from, to) => Array.from({ length: to - from }, (_, i) => record(from + i));
const held = () => model.records.map((one) => one.gap ?? one.message);
"""


def test_a_record_is_held_once_and_grows_in_its_place() -> None:
    """A traceback that comes again with more lines takes its own place; the same text again changes nothing."""
    answers, held = run_script(
        MODEL
        + """
        const answers = [model.append(records(0, 3)), model.append([record(1)]), model.append([record(1, "grown"), record(3)])];
        return [answers, held()]"""
    )
    assert answers == [[3, 0, False], [0, 0, False], [1, 0, True]]
    assert held == ["m0", "grown", "m2", "m3"]


def test_a_record_from_before_what_is_held_waits_for_its_page() -> None:
    """A late answer with older records of a file is not appended at the end; scrolling back brings it in its place."""
    appended, held = run_script(
        MODEL
        + """
        model.append(records(5, 8));
        const [appended] = model.append([record(2), record(9), record(1, "other file", "2")]);
        model.prepend(records(2, 6));
        return [appended, held()]"""
    )
    assert appended == 2
    assert held == ["m2", "m3", "m4", "m5", "m6", "m7", "m9", "other file"]


def test_once_everything_is_held_any_record_may_come() -> None:
    """Without older pages there is no other place for a record that stands early in its file."""
    assert run_script(
        MODEL + "model.append(records(5, 6)); model.complete = true; model.append([record(2)]); return held()"
    ) == ["m5", "m2"]


def test_a_gap_is_a_line_but_no_record() -> None:
    """It is shown between the records, and neither the first nor the last of them."""
    first, last, held = run_script(
        MODEL
        + 'model.gap("some are missing", 0); model.append(records(0, 2)); model.gap("more are missing", 9); return [model.first.pos, model.last.pos, held()]'
    )
    assert (first, last) == (0, 1)
    assert held == ["some are missing", "m0", "m1", "more are missing"]


def test_what_is_let_go_can_be_fetched_again() -> None:
    """Memory is bounded at either end, and the cursor or the mark that leads on is kept."""
    most, live, back = run_script(
        MODEL
        + """
        const answer = model.append(records(0, MOST + 6000));
        const back = new LogModel();
        back.append(records(6000, MOST + 6000));
        const [added, dropped] = back.prepend(records(0, 6000));
        return [MOST,
          [answer, model.length, model.records[0].pos, model.older, model.complete, model.detached, model.ids.size],
          [added, dropped, back.length, back.last.pos, back.detached, back.ids.size]]"""
    )
    assert live == [[most + 6000, 6000, False], most, 6000, "6000000000.1.6000", False, False, most]
    assert back == [6000, 6000, most, most - 1, True, most]


@pytest.mark.parametrize(
    ("q", "regex", "sensitive", "text", "marked"),
    [
        ("error", False, False, "An ERROR, an error", ["ERROR", "error"]),
        ("error", False, True, "An ERROR, an error", ["error"]),
        ("a.c", False, False, "abc a.c", ["a.c"]),
        ("job 00[0-3]", True, True, "job 001 job 009", ["job 001"]),
        ("(?i)job", True, True, "Job job", ["Job", "job"]),
        ("x*", True, True, "axxa", ["xx"]),
    ],
)
def test_matches_are_marked(q: str, regex: bool, sensitive: bool, text: str, marked: list[str]) -> None:  # noqa: FBT001 - parameters of the case
    """Text is searched as it is, an expression by its meaning; the parts make up the whole line."""
    parts: list[list[Any]] = run_script(
        'const { highlighter } = await load("logs/highlight"); return highlighter(...given.search)(given.text)',
        {"search": [q, regex, sensitive], "text": text},
    )
    assert "".join(part for part, _ in parts) == text
    assert [part for part, match in parts if match] == marked


def test_an_expression_that_could_run_long_marks_nothing() -> None:
    """The browser has no limit on a search, so nested repetitions, mistakes and long lines stay unmarked."""
    nothing, long = run_script(
        'const { highlighter } = await load("logs/highlight");'
        'return [["", "(a+)+b", "("].map((q) => highlighter(q, true, true)), highlighter("a", false, true)("a".repeat(3000)).map(([, match]) => match)]'
    )
    assert nothing == [None, None, None]
    assert long == [False]


@pytest.mark.parametrize("how", ["append", "prepend"])
def test_a_time_that_is_still_to_come_makes_no_other_record_late(how: str) -> None:
    """One wrong clock among the sources: what comes after it is in time, what is late is told, and all have their dates."""
    late, days = run_script(
        MODEL
        + f"""
        const now = Date.now() * 1000, day = (us) => Math.floor(us / 86_400e6);
        const at = (seconds, pos) => ({{ ...record(pos), ts: now + seconds * 1e6 }});
        model.{how}([at(-20, 0), at(-10, 1)]);
        const before = model.spansDays("a day", () => "a day");
        model.{how}([at(200 * 86_400, 2)]);
        model.append([at(-9, 3), at(-15, 4)]);
        return [model.records.filter((one) => one.late).map((one) => one.message), [before, model.spansDays(day(now), day)]]"""
    )
    assert (late, days) == (["m4"], [False, True])


def test_a_list_goes_on_from_what_its_clock_has_reached() -> None:
    """One record of 2033 at its end, and all that comes between now and then would be passed over."""
    front, last = run_script(
        MODEL
        + """
        const now = Date.now() * 1000, at = (seconds, pos) => ({ ...record(pos), ts: now + seconds * 1e6 });
        model.append([at(-20, 0), at(-10, 1), at(200 * 86_400, 2)]);
        return [model.front.pos, model.last.pos]"""
    )
    assert (front, last) == (1, 2)


def test_records_of_several_files_stand_in_the_order_of_time() -> None:
    """Those that come together do; while one follows, so do those of the last moments, except behind a gap and where one came late."""
    script = """
        const at = (...times) => times.map((ms) => ({ ...record(ms), id: `${ms}`, ts: ms * 1000 }));
        const shown = () => model.records.map((one) => one.gap ?? one.pos);
        model.prepend(at(0, 5000));
        model.append(at(5300, 5100, 5200));
        model.append(at(5150));
        const apart = shown();
        model.append(at(5160, 2000, 5050, 5400), { place: true });
        const placed = shown();
        model.gap("gap", 5400);
        model.append(at(5350), { place: true });
        return [apart, placed, shown().slice(-2)]"""
    assert run_script(MODEL + script) == [
        [0, 5000, 5100, 5200, 5300, 5150],
        [0, 5000, 5050, 5100, 5160, 5200, 5300, 5150, 5400, 2000],
        ["gap", 5350],
    ]


def test_a_record_that_came_late_is_marked() -> None:
    """Where a record's time is before that of those above it, it says so, also once it has grown; a little disorder is usual."""
    script = """
        model.prepend(records(0, 3));
        model.append([record(10), record(9), record(4, "late"), record(11)]);
        model.append([record(4, "late and grown")]);
        return model.records.filter((one) => one.late).map((one) => one.message)"""
    assert run_script(MODEL + script) == ["late and grown"]


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("job 7 failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 'missing'", ["KeyError: 'missing'", "job 7 failed"]),
        (
            "failed\nTraceback (most recent call last):\n  File\nKeyError: 1\n\nDuring handling\n\nTraceback (most recent call last):\n  File\napp.errors.RowError: bad row",
            ["app.errors.RowError: bad row", "failed"],
        ),
        ("could not load\njava.lang.IllegalStateException: order 77\n\tat a.B.c(B.java:1)\nCaused by: java.io.IOException: gone", ["java.lang.IllegalStateException: order 77", "could not load"]),
        ("Error: worker crashed\n    at run (/a.js:1:2)", ["", "Error: worker crashed"]),
        ("report:\n  second line", ["", "report:"]),
        ("one line", ["", "one line"]),
        ("list\nValueError: not raised here", ["", "list"]),
    ],
)  # fmt: skip
def test_the_exception_stands_before_the_message(message: str, cause: list[str]) -> None:
    """What was raised last in Python, first in Java; a message that says it itself is not repeated."""
    assert (
        run_script('const { causeOf } = await load("logs/cause"); return causeOf(given.message)', {"message": message})
        == cause
    )


@pytest.mark.parametrize(
    ("message", "fields", "shown"),
    [
        ("job done", {"job": 7, "took": "1.5s", "http": {"status": 200, "path": "/a b"}, "ok": True, "tags": ["a"], "none": None}, ["", "job done", ' job=7 took=1.5s http.status=200 http.path="/a b" ok=true tags=["a"]']),
        ("job 7 failed", {"job": 7, "exc_info": "Traceback (most recent call last):\n  File\nKeyError: 1"}, ["KeyError: 1", "job 7 failed", ""]),
        ("failed", {"error": {"stack": "Error: gone\n    at run (/a.js:1:2)"}}, ["Error: gone", "failed", ""]),
        ("gone", {"note": "a\n  b"}, ["", "gone", ""]),
        ("plain", None, ["", "plain", ""]),
    ],
)  # fmt: skip
def test_fields_stand_behind_the_message_and_their_exception_before_it(
    message: str, fields: dict[str, Any] | None, shown: list[str]
) -> None:
    """Values that the message has already, and texts of several lines, are left out."""
    script = """const { causeIn } = await load("logs/cause"); const { pairsOf } = await load("logs/pairs");
        return [...causeIn(given), pairsOf(given)]"""
    assert run_script(script, {"message": message, "fields": fields}) == shown
