"""What a whole file says about its times, and no line of it does: how often midnight or New Year passed, whether its clock was UTC, which of the two
hours it was when clocks were put back.
"""

import re
import sys
import time
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from logs.core.moments import ZONES
from logs.core.timestamps import DAY, SECOND, Lacking
from logs.parsing.rows import Rows

HOUR: Final = 3600 * SECOND
_BACK: Final = {"day": 2 * HOUR, "year": 100 * DAY}
"""So far back a time goes only where midnight, or New Year, has passed; less is disorder."""
_MOST: Final = {"day": 3660, "year": 30}
_FRESH: Final = 90 * SECOND
_ZONED = re.compile(r"\d:\d\d(?::\d\d)?(?:[.,:]\d+)?\s?(?:Z|[+-]\d\d|(?:" + "|".join(ZONES) + r")\b)|\b1\d{9}")


def says_zone(text: str) -> bool:
    """Whether a time says its zone."""
    return _ZONED.search(text) is not None


class Chronology(msgspec.Struct, frozen=True):
    """Puts right the times of a file's records, in whatever order they are read.

    Args:
        unit: what its times lack; empty where they say everything.
        rolls: the offsets of the records before which midnight, or New Year, had passed, or what they count from had begun anew; ascending.
        starts: what the times before each of these count from, and those behind the last, µs.
        utc: whether times without a zone are UTC, not local ones.
        last: the time of its last record, as it is read by itself, µs.
        end: how far the file was looked through; what stands behind is of today and stays as it is.
    """

    unit: Lacking = ""
    rolls: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    utc: bool = False
    last: int = 0
    end: int = sys.maxsize

    def apply(self, rows: Rows) -> None:
        """Put right the times of these records."""
        for number, (ts, origin, pos) in enumerate(zip(rows.ts, rows.ts_from, rows.pos, strict=True)):
            if pos >= self.end:
                break
            if origin == "previous" and number:
                rows.ts[number] = rows.ts[number - 1]
            elif origin == "start" and self.starts:
                rows.ts[number] = ts + self.starts[bisect_right(self.rolls, pos)]
            elif origin == "line":
                rows.ts[number] = self._right(ts, rows.prefix[number], pos)

    def _right(self, ts: int, prefix: str, pos: int) -> int:
        if self.unit in _BACK:
            ts = _earlier(ts, self.unit, len(self.rolls) - bisect_right(self.rolls, pos), self.last)
        if self.utc and _ZONED.search(prefix) is None:
            ts += local_offset(ts)
        return ts


def first_of_two(ts: int, prefix: str, previous: int | None) -> int:
    """Of a local time that there were two of, as clocks were put back: the one that goes on with the record before, else the first."""
    earlier = ts - HOUR
    if not _twice(ts) or _ZONED.search(prefix) is not None:
        return ts
    return earlier if previous is None or earlier >= previous - 2 * 60 * SECOND else ts


def put_back(rows: Rows, previous: int | None) -> None:
    """`first_of_two` for all records, where any may need it."""
    if not rows.ts or not any(_folds(year) for year in {_year(min(rows.ts)), _year(max(rows.ts))}):
        return
    for number, (ts, origin) in enumerate(zip(rows.ts, rows.ts_from, strict=True)):
        if origin == "line":
            rows.ts[number] = first_of_two(ts, rows.prefix[number], previous)
        elif origin == "previous" and previous is not None:
            rows.ts[number] = previous
        previous = rows.ts[number]


def may_be_twice(first: int, last: int) -> bool:
    """Whether clocks were put back between two times."""
    return any(
        first <= begin + HOUR and begin <= last for year in {_year(first), _year(last)} for begin in _folds(year)
    )


class Stamps:
    """The times of a file's records in their order, as they are read by themselves; collects where they go back.

    Args:
        unit: what they lack; empty where they say everything.
    """

    def __init__(self, unit: Lacking) -> None:
        self._unit: Lacking = unit
        self._rolls: list[int] = []
        self._ends: list[int] = []
        self._count: int | None = None
        self._place: int | None = None
        self._last: int | None = None

    def add(self, rows: Rows) -> None:
        """Look at the records that follow."""
        for ts, origin, pos in zip(rows.ts, rows.ts_from, rows.pos, strict=True):
            if origin == "start":
                if self._count is not None and ts < self._count // 2 - SECOND // 10:
                    self._rolls.append(pos)
                    self._ends.append(self._count)
                    self._count = ts
                self._count = max(ts, self._count or 0)
            if origin != "line":
                continue
            before, self._last = self._last, ts
            if self._unit in _BACK:
                place = _place(ts, self._unit)
                if self._place is not None and self._rolled(place - self._place, ts - (before or ts)):
                    self._rolls.append(pos)
                self._place = place

    def _rolled(self, by_clock: int, apart: int) -> bool:
        """Whether midnight, or New Year, passed before a record: its clock goes back far, or at all where by itself it is read as a later day, as
        the other one's clock was not yet reached when the file was written.
        """
        return by_clock < -_BACK[self._unit] or (self._unit == "day" and by_clock < 0 and apart > DAY // 2)

    def chronology(self, written: int, end: int = sys.maxsize, *, zones: bool = True) -> Chronology | None:
        """What they say of a file that was last written at `written` (µs); None where there is nothing to put right.

        Args:
            written: see above.
            end: how far the file was looked through.
            zones: whether its clock may be UTC.
        """
        if self._count is not None:
            return self._counted(written, end)
        if self._last is None:
            return None
        rolls = tuple(self._rolls)
        if len(rolls) > _MOST.get(self._unit, 0):
            rolls = ()  # lines of several sources, not in order
        utc = zones and in_utc(self._last, written)
        if not rolls and not utc:
            return None
        return Chronology(self._unit if rolls else "", rolls, utc=utc, last=self._last, end=end)

    def _counted(self, written: int, end: int) -> Chronology:
        """The newest count ended when the file was last written, each other one when the next began."""
        starts = [written - (self._count or 0)]
        for last in reversed(self._ends):
            starts.append(starts[-1] - last)
        return Chronology("start", tuple(self._rolls), tuple(reversed(starts)), last=written, end=end)


def in_utc(last: int, written: int) -> bool:
    """Whether the last time of a file, read as a local one, can only be UTC: then, and only then, it is when the file was written."""
    offset = local_offset(last)
    return abs(offset) >= HOUR // 4 and abs(last + offset - written) <= _FRESH and abs(last - written) > HOUR // 6


def local_offset(ts: int) -> int:
    """How far local clocks are ahead of UTC at a time, µs."""
    return time.localtime(ts // SECOND).tm_gmtoff * SECOND


def _place(ts: int, unit: str) -> int:
    """Where in its day, or its year, a time lies, µs."""
    local = time.localtime(ts // SECOND)
    clock = (local.tm_hour * 60 + local.tm_min) * 60 + local.tm_sec
    return (clock + (local.tm_yday * 86_400 if unit == "year" else 0)) * SECOND


def _earlier(ts: int, unit: str, count: int, last: int) -> int:
    """The same clock (and day) `count` days (or years) before those of `last`."""
    moment, end = (datetime.fromtimestamp(value / SECOND).astimezone() for value in (ts, last))
    if unit == "day":
        there = (end - timedelta(days=count)).timetuple()[:3]
    else:
        there = (end.year - count, moment.month, moment.day)
    noon = (12, 0, 0, 0, 0, -1)
    step = time.mktime((*moment.timetuple()[:3], *noon)) - time.mktime((there[0], there[1], there[2], *noon))
    return ts - round(step) * SECOND


def _twice(ts: int) -> bool:
    return any(begin <= ts < begin + HOUR for begin in _folds(_year(ts)))


def _year(ts: int) -> int:
    return datetime.fromtimestamp(ts / SECOND, UTC).year


@lru_cache(maxsize=64)
def _folds_in(year: int, zone: tuple[str, str]) -> tuple[int, ...]:  # noqa: ARG001 - the zone is part of the key
    """When an hour begins for the second time in a year, µs."""
    begin = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    offsets = [time.localtime(begin + hour * 3600).tm_gmtoff for hour in range(-1, 8785)]
    return tuple(
        (begin + (number - 1) * 3600) * SECOND
        for number in range(1, len(offsets))
        if offsets[number] == offsets[number - 1] - 3600
    )


def _folds(year: int) -> tuple[int, ...]:
    return _folds_in(year, time.tzname)
