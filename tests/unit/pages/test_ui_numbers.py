"""Numbers as people read them."""

import asyncio
import traceback
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.error_words import cause_of
from pages.ui.numbers import NONE, count, duration, moment, size, spoken, took


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, NONE), (0, "0 B"), (512, "512 B"), (1536, "1.5 KiB"), (44_238_012_416, "41.2 GiB"), (1024**4, "1.0 TiB")],
)
def test_sizes_have_one_unit_and_at_most_one_decimal(value: int | None, expected: str) -> None:
    """Bytes are said in powers of 1024; what is not available is a dash, never 0."""
    assert expected == size(value)


@given(st.integers(min_value=0, max_value=2**59))
def test_a_size_never_shows_1024_of_a_unit(value: int) -> None:
    """The number before the unit stays below 1024."""
    assert float(size(value).split()[0]) < 1024


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, NONE), (-3, "0 s"), (59.9, "59 s"), (61, "1 min"), (11_520, "3 h 12"), (360_000, "4 d 4 h")],
)
def test_durations_have_two_units_at_most(seconds: float | None, expected: str) -> None:
    """Spans of time are short."""
    assert expected == duration(seconds)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, NONE), (-0.2, "0 ms"), (0.0432, "43 ms"), (0.9996, "1.0 s"), (2.7, "2.7 s"), (59.96, "1 min 00 s"), (725, "12 min 05 s"),
        (3599.7, "59 min 59 s"), (11_520, "3 h 12"),
    ],
)  # fmt: skip
def test_what_is_over_took_so_long_as_exactly_as_it_may_matter(seconds: float | None, expected: str) -> None:
    """A job of 2.7 s did not take 2 s."""
    assert expected == took(seconds)


def test_counts_are_grouped() -> None:
    """Thousands are set apart."""
    assert count(40_441) == "40,441"
    assert count(None) == NONE
    assert moment(None) == NONE


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("plain words", "plain words"),
        ("began\nsecond line", "began"),
        ("job 7 failed\nTraceback (most recent call last):\n  File \"a.py\", line 3, in f\nKeyError: 'x'", "KeyError: 'x'"),
        ('lost\nTraceback (most recent call last):\n  File "a.py", line 3\npsycopg.OperationalError', "psycopg.OperationalError"),
        ("no\njava.lang.IllegalStateException: x\n\tat a.B.c(B.java:1)\nCaused by: java.io.IOException: disk\n\t... 3 more", "java.lang.IllegalStateException: x, caused by java.io.IOException: disk"),
        ('in thread "main" java.lang.RuntimeException: no orders\n\tat a.B.c(B.java:1)\nCaused by: a.Mid: y\n\tat a.B.d(B.java:2)\nCaused by: java.sql.SQLException: down\n\t... 3 more', "java.lang.RuntimeException: no orders, caused by java.sql.SQLException: down"),
        ("no\njava.lang.RuntimeException: java.io.IOException: gone\n\tat a.B.c(B.java:1)\nCaused by: java.io.IOException: gone\n\t... 3 more", "java.lang.RuntimeException: java.io.IOException: gone"),
        ('in thread "main" java.lang.OutOfMemoryError: Java heap space\n\tat Oom.main(Oom.java:2)', "java.lang.OutOfMemoryError: Java heap space"),
        ("terminate called after throwing an instance of 'std::runtime_error'\n  what():  no config", "std::runtime_error: no config"),
    ],
)  # fmt: skip
def test_the_cause_of_an_error_is_its_exception(message: str, expected: str) -> None:
    """Of a record with a traceback the line that names the exception, of a chain of Java's also the innermost; else the first line."""
    assert cause_of(message) == expected


async def _two() -> None:
    async def fails(error: Exception) -> None:
        raise error

    async with asyncio.TaskGroup() as group:
        group.create_task(fails(ValueError("one")))
        group.create_task(fails(KeyError("two")))


def test_a_group_of_exceptions_names_what_is_in_it() -> None:
    """As Python prints one: the group, and what was raised in it."""
    try:
        asyncio.run(_two())
    except ExceptionGroup:
        printed = traceback.format_exc().rstrip()
    expected = "ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions): ValueError: one; KeyError: 'two'"
    assert cause_of(printed) == expected
    assert cause_of(f"it broke\n{printed}") == expected


def test_a_time_is_said_as_a_person_says_it() -> None:
    """By the days of the calendar, not by 24 hours."""
    now = datetime(2026, 12, 1, 23, 50, tzinfo=UTC)
    said = [spoken(int(then.timestamp() * 1e6), now) for then in (
        datetime(2026, 11, 29, 3, 0, tzinfo=UTC), datetime(2026, 11, 30, 23, 55, tzinfo=UTC), datetime(2026, 12, 1, 23, 59, tzinfo=UTC), datetime(2026, 12, 2, 0, 5, tzinfo=UTC), datetime(2026, 12, 7, 6, 0, tzinfo=UTC),
    )]  # fmt: skip
    assert said == ["Sun 2026-11-29 03:00", "yesterday 23:55", "today 23:59", "tomorrow 00:05", "Mon 2026-12-07 06:00"]
