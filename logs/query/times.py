"""Times as people type them."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from logs.core.errors import LogsError
from logs.core.timestamps import SECOND

_AGO: Final = re.compile(
    r"([-+]?)(\d+(?:\.\d+)?)\s*(ms|s|secs?|seconds?|m|mins?|minutes?|h|hr|hrs|hours?|d|days?|w|weeks?)(?:\s+ago)?",
    re.IGNORECASE,
)
_DAY: Final = re.compile(r"(?:(today|yesterday)(?:[ T]+(?:at )?)?)?((\d{1,2}):(\d\d)(?::(\d\d))?)?", re.IGNORECASE)
"""A day in words, a time of day, or both; a time alone is the last one that there was: records are of the past."""
_UNITS: Final = {
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86400 * SECOND,
    "w": 7 * 86400 * SECOND,
}
"""By the first letter; `ms` is apart."""
AHEAD: Final = 86_400 * SECOND
"""A record that is further ahead of now has its time from a wrong clock: no time zone explains it."""
_LONGEST: Final = 9999 * 365 * 86400 * SECOND
"""No time lies so long ago. Beyond it the store has no numbers."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SIZES: Final = {10: 1_000_000, 13: 1000}
"""Microseconds of a unit by the digits that a time of our days has in it."""


def parse_time(text: str, now: int, zone: tzinfo | None = None, *, after: int | None = None) -> int:
    """Microseconds since the epoch of `text`: seconds, milliseconds or microseconds by their digits (10, 13, 16), ISO 8601 (local without a zone), `15m`, `-2h`, `7d` or
    `3 days` ago, `+1d` from now, `now`, `today`, `yesterday` (from midnight), `yesterday 14:00`, or `14:00` (today, or yesterday as long as it is still to come).

    Args:
        text: see above.
        now: the present, µs since the epoch.
        zone: of times without a zone; None is that of this process.
        after: where a range begins that this ends: a clock is not of yesterday if that would be before it.

    Raises:
        LogsError: it is none of these.
    """
    text = text.strip()
    if text == "now":
        return now
    if re.fullmatch(r"-?\d{1,18}", text):
        return int(text) * _SIZES.get(len(text), 1)
    ago = _AGO.fullmatch(text)
    if ago is not None:
        unit = ago.group(3).lower()
        length = float(ago.group(2)) * (1000 if unit == "ms" else _UNITS[unit[0]])
        if length > _LONGEST:
            raise LogsError(f"{text!r} lies before all time.", hint="Leave it out to begin with the first record.")
        return now + int(length) * (1 if ago.group(1) == "+" else -1)
    day = _DAY.fullmatch(text)
    if day is not None and text:
        found = _of_day(day, now, zone)
        if found > now and day[1] is None:
            before = parse_time(f"yesterday {day[2]}", now, zone)
            return found if after is not None and before <= after else before
        return found
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+") if re.search(r"T.* \d\d:?\d\d$", text) else text)
        return (_zoned(moment, zone) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError) as error:
        raise LogsError(
            f"{text!r} is no time.",
            hint="Write 15m, 2h or 7d (ago), today, yesterday 14:00, 2026-01-31T10:00, or seconds since the epoch.",
        ) from error


def parse_past(text: str, now: int, zone: tzinfo | None = None) -> int:
    """A moment that has been, like `parse_time`.

    Raises:
        LogsError: it is no time, or lies in the future.
    """
    found = parse_time(text, now, zone)
    if found > now:
        raise LogsError(f"{text.strip()!r} lies in the future.", hint="Give a time that has been, such as 03:12 or 2h.")
    return found


def _of_day(day: re.Match[str], now: int, zone: tzinfo | None) -> int:
    """A time of today or yesterday.

    Raises:
        LogsError: there is no such time of day.
    """
    today = (
        datetime.fromtimestamp(now / 1e6, UTC)
        .astimezone(zone)
        .replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    )
    date = today - timedelta(days=(day[1] or "today").lower() == "yesterday")
    try:
        moment = date.replace(hour=int(day[3] or 0), minute=int(day[4] or 0), second=int(day[5] or 0))
    except ValueError as error:
        raise LogsError(f"{day[2]!r} is no time of day.", hint="Write hours and minutes, such as 14:00.") from error
    return (_zoned(moment, zone) - _EPOCH) // _MICROSECOND


def _zoned(moment: datetime, zone: tzinfo | None) -> datetime:
    """The moment with a zone: its own, the one given, or that of this process."""
    if moment.tzinfo is not None or zone is None:
        return moment.astimezone()
    return moment.replace(tzinfo=zone)


def parse_range(
    since: str | None, until: str | None, now: int, zone: tzinfo | None = None
) -> tuple[int | None, int | None]:
    """Both ends of a range as `parse_time` reads them; None for one that is not given.

    Raises:
        LogsError: one of them is no time, or the range ends before it begins.
    """
    first = parse_time(since, now, zone) if since else None
    last = parse_time(until, now, zone, after=first) if until else None
    if first is not None and last is not None and first > last:
        raise LogsError("The time range ends before it begins.", hint="Swap its two ends, or leave one out.")
    return first, last
