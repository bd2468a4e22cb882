"""Sizes, ages and times as a person reads them."""

from datetime import datetime

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(count: float | None) -> str:
    """Bytes in binary units with three figures; a dash when unknown.

    >>> size(4_920_000_000)
    '4.58 GiB'
    """
    if count is None:
        return "-"
    value, unit = float(count), 0
    while value >= 1000 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    if unit == 0:
        return f"{value:.0f} B"
    return f"{value:.{max(0, 2 if value < 10 else 1 if value < 100 else 0)}f} {UNITS[unit]}"


def age(seconds: float) -> str:
    """How long ago, in one unit.

    >>> age(3.2), age(250)
    ('3 s', '4 min')
    """
    if seconds < 60:
        return f"{max(0, int(seconds))} s"
    if seconds < 3600:
        return f"{int(seconds / 60)} min"
    if seconds < 172_800:
        return f"{int(seconds / 3600)} h"
    return f"{int(seconds / 86_400)} days"


def clock(us: int) -> str:
    """The local time of day of microseconds since the epoch."""
    return f"{datetime.fromtimestamp(us / 1e6).astimezone():%H:%M:%S}"
