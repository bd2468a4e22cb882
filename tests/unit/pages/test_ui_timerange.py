"""The time range in the address."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.ui.timerange import WINDOWS, from_address, life_of, parse_moment

MINUTE_US = 60_000_000


def test_no_range_means_live() -> None:
    """An address without a range shows live, and asks the logs for the newest records however old."""
    when = from_address(None, None, None)
    assert when.live
    assert not when.fixed
    assert when.log_filters() == {}


@pytest.mark.parametrize("name", [name for name in WINDOWS if name != "live"])
def test_named_ranges_end_now_and_move(name: str) -> None:
    """A named range is a window up to now, for the charts in seconds, for the logs by name."""
    when = from_address(name, None, None)
    assert when.bounds is None
    assert when.log_filters() == {"since": name}
    assert when.span(now_us=10**15) == (10**15 - WINDOWS[name] * 1_000_000, 10**15)


def test_a_custom_range_stands_still() -> None:
    """From and to are times with an offset, or UTC without one."""
    when = from_address("custom", "2026-11-23T02:00:00+01:00", "2026-11-23T01:01:00")
    assert when.fixed
    assert when.bounds is not None
    assert when.bounds[1] - when.bounds[0] == MINUTE_US
    assert when.log_filters() == {"since": when.bounds[0], "until": when.bounds[1]}
    assert when.window_s == 60


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("custom", None, None),
        ("custom", "2026-11-23T02:00:00Z", None),
        ("custom", "2026-11-23T02:00:00Z", "2026-11-23T01:00:00Z"),
        ("custom", "2026-11-23T02:00:00Z", "2026-11-23T02:00:00Z"),
        ("custom", "yesterday", "now"),
        ("custom", "0001-01-01", "2026-11-23"),
        ("custom", "2026-11-23", "9999-12-31"),
        ("9y", None, None),
    ],
)
def test_an_impossible_address_is_refused(name: str, start: str | None, end: str | None) -> None:
    """What names no range is said, not guessed."""
    with pytest.raises(ValueError, match=r".+"):
        from_address(name, start, end)


@given(st.integers(min_value=10**12, max_value=4 * 10**15))
def test_microseconds_are_read_exactly(at: int) -> None:
    """A count of microseconds comes back as it was written."""
    assert parse_moment(str(at)) == at


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001 - as written, without offset
def test_iso_times_are_read_to_the_microsecond(moment: datetime) -> None:
    """A time without offset is UTC, to the microsecond."""
    found = parse_moment(moment.isoformat())
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=found) == moment.replace(tzinfo=UTC)


@given(st.integers(min_value=10**15, max_value=2 * 10**15), st.integers(min_value=-(10**6), max_value=10**12))
def test_a_whole_run_is_seen_with_its_ends_and_with_all_its_records(start: int, lived: int) -> None:
    """The range stands still around the life, also of one that a clock says ended before it began; its records are not cut."""
    when = life_of(start, start + lived)
    assert when.bounds is not None
    assert when.bounds[0] < start
    assert when.bounds[1] > max(start, start + lived)
    assert when.fixed
    assert not when.live
    assert when.log_filters() == {}
