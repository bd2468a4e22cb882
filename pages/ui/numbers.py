"""Formats numbers, times and errors for pages, like `assets/core/format.js` does for components. A missing value is a dash."""

from datetime import datetime, tzinfo
from typing import Final

NONE: Final = "\N{EN DASH}"
_SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(value: float | None) -> str:
    """Bytes in powers of 1024: `41.2 GiB`."""
    if value is None:
        return NONE
    number, unit = abs(float(value)), 0
    while number >= 1024 * 0.9995 and unit < len(_SIZES) - 1:
        number, unit = number / 1024, unit + 1
    digits = 0 if unit == 0 or number >= 99.95 else 1
    return f"{'-' if value < 0 else ''}{number:.{digits}f} {_SIZES[unit]}"


def count(value: int | None) -> str:
    """A whole number with grouped thousands: `40,441`."""
    return NONE if value is None else f"{value:,}"


def duration(seconds: float | None) -> str:
    """A duration in at most two units: `3 h 12`, `6 d 4 h`."""
    if seconds is None:
        return NONE
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02}"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def took(seconds: float | None) -> str:
    """How long something took that is over, as exactly as it may matter: `43 ms`, `2.7 s`, `12 min 05 s`, then as `duration`. Nothing is rounded to more than
    its unit has.
    """
    if seconds is None or seconds >= 3600:
        return duration(seconds)
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = min(3599, round(seconds))
    return f"{whole // 60} min {whole % 60:02} s"


def clock(us: int) -> str:
    """A time in µs as local time of day: `14:02:11`."""
    return f"{datetime.fromtimestamp(us / 1e6).astimezone():%H:%M:%S}"


def spoken(us: int, now: datetime | None = None) -> str:
    """A time in µs as a person says it: `yesterday 03:00`, `today 18:00`, `tomorrow 06:00`, `Mon 2026-12-07 06:00`."""
    now = now or datetime.now().astimezone()
    then = datetime.fromtimestamp(us / 1e6, now.tzinfo)
    days = (then.date() - now.date()).days
    return then.strftime({-1: "yesterday %H:%M", 0: "today %H:%M", 1: "tomorrow %H:%M"}.get(days, "%a %Y-%m-%d %H:%M"))


def moment(us: int | None, zone: tzinfo | None = None) -> str:
    """A time in µs as date and clock of `zone` (this machine's when None)."""
    if us is None:
        return NONE
    return datetime.fromtimestamp(us / 1e6, zone).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
