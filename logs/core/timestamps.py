"""Time stamps in log lines → microseconds since the epoch, UTC.

Lines of one second share all but their fraction, so the parts are cached: a repeated second costs two dictionary look-ups. A time without
a zone is local; one without a year (or a date) is the newest one not after the reference time.
"""

import re
import time
from calendar import timegm
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from logs.core.moments import SHAPES, ZONES, Moment, MomentShape, Order, month_number

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
_CACHE: Final = 8192
_LONGEST: Final = 64
_MAX_EPOCH_S: Final = 4_102_444_800  # 2100: later numbers are milliseconds and finer

_ZONE = r"(?:(?= ?(?:Z|[+-]\d|[A-Z]{3})) ?(?:Z|[+-]\d\d:?\d\d|[+-]\d\d(?!\d)|(?:UTC|GMT|WES?T|BST|CES?T|MES?T|EES?T|MSK|[ECMP][SD]T|IST|JST|KST|AE[SD]T|SGT|HKT)\b))?"
CLOCK: Final = r"\d\d:\d\d:\d\d"
FRACTION: Final = r"(?:[.,]\d{1,9})?"
ISO: Final = rf"\d{{4}}[-/.]\d\d[-/.]\d\d[T _]{CLOCK}(?:[.,]\d{{1,9}})?{_ZONE}"
"""An ISO 8601 time, and its near relations (slashes, comma, blank, zone or none)."""
SYSLOG: Final = rf"[A-Za-zéûÉ]{{3,4}}\.? [ \d]?\d {CLOCK}{FRACTION}"
"""`Nov  3 09:23:38`, no year."""
APACHE: Final = rf"\d\d/[A-Z][a-z]{{2}}/\d{{4}}:{CLOCK} [+-]\d{{4}}"
CTIME: Final = rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{{2}} [ \d]\d {CLOCK}{FRACTION}(?: [A-Z]{{2,5}})? \d{{4}}"
CTIME_LOOSE: Final = rf"[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} +\d{{1,2}} {CLOCK}(?: [A-Z]{{2,5}})? \d{{4}}"
"""The same with a day of one digit, as `date` is often written by hand."""
EPOCH: Final = r"1\d{9}(?:\d{9}|\d{6}|\d{3})?(?:\.\d{1,9})?"

_ISO = re.compile(r"(\d{4})[-/.](\d\d)[-/.](\d\d)[T _\-](\d\d):(\d\d):(\d\d)")
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)[ .T-]?(\d\d):?(\d\d):?(\d\d)")
_SHORT = re.compile(r"(\d\d)[/-]?(\d\d)[/-]?(\d\d)[ T](\d\d):?(\d\d):?(\d\d)")
_SLASHED = re.compile(r"(\d\d)[/-]([A-Z][a-z]{2})[/-](\d{4})[: ](\d\d):(\d\d):(\d\d)")
_CTIME = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d+) (\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?: ([A-Z]{2,5}))? (\d{4})"
)
_DAY_FIRST = re.compile(r"(\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d)")
_NO_YEAR = re.compile(r"(\w{3,4})\.? +(\d{1,2}) (\d\d):(\d\d):(\d\d)")
_NUM_NO_YEAR = re.compile(r"(\d{1,2}?)-?(\d\d)[ /](\d\d):?(\d\d):?(\d\d)")
_MINUTE = re.compile(r"(\d\d):(\d\d)")
_YEAR_FIRST = re.compile(r"(\d{4}) (\w{3,4}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)")
_NUMERIC = re.compile(r"(\d\d)[/.](\d\d)[/.](\d{4}|\d\d),? +(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d+))?(?: ([AP])M)?")
_NAMED = re.compile(r"([A-Z][a-z]{2}) (\d{1,2}), (\d{4}) (\d{1,2}):(\d\d):(\d\d) ([AP])M")
_TIME_ONLY = re.compile(r"(\d\d):(\d\d):(\d\d)")
_REST = re.compile(r"(?:[.,:](\d{1,9}))? ?(?:(Z|[A-Z]{2,5})|([+-])(\d\d):?(\d\d)?)?")


def fraction_us(digits: str | None) -> int:
    """Microseconds of the digits behind the decimal point."""
    return int((digits + "000000")[:6]) if digits else 0


def epoch_us(value: float | str) -> int | None:  # noqa: PLR0911 - one rule a line
    """Microseconds of a number of seconds, milliseconds, microseconds or nanoseconds since the epoch."""
    if isinstance(value, str):
        whole, _, part = value.partition(".")
        if not whole.isdigit() or len(whole) > 20:
            return None
        number = int(whole)
        if number < _MAX_EPOCH_S:
            return number * SECOND + fraction_us(part)
    else:
        if not 0 < value < 1e20:
            return None
        if value < _MAX_EPOCH_S:
            return round(value * SECOND)
        number = int(value)
    if number < _MAX_EPOCH_S * 1000:
        return number * 1000
    if number < _MAX_EPOCH_S * SECOND:
        return number
    micros = number // 1000
    return micros if micros < _MAX_EPOCH_S * SECOND else None


def _local(parts: tuple[int, int, int, int, int, int], offset: int | None) -> int | None:
    """Microseconds of a civil time, `offset` seconds east of Greenwich, local when None; None when there is no such date."""
    try:
        if offset is not None:
            datetime(*parts, tzinfo=UTC)
            return (timegm((*parts, 0, 0, 0)) - offset) * SECOND
        datetime(*parts, tzinfo=UTC)
        seconds = int(time.mktime((*parts, 0, 0, -1)))
        # of two, the C library takes the one whose offset it saw last
        return (seconds + 3600 * (time.localtime(seconds + 3600)[3:6] == parts[3:])) * SECOND
    except (ValueError, OverflowError):
        return None


def _rest(text: str) -> tuple[int, int | None]:
    """Fraction in microseconds and zone offset in seconds of what follows the seconds."""
    match = _REST.match(text)
    if match is None:
        return 0, None
    digits, zone, sign, hours, minutes = match.groups()
    offset: int | None = None
    if zone is not None:
        offset = ZONES.get(zone)
    elif sign is not None:
        offset = (int(hours) * 3600 + int(minutes or 0) * 60) * (-1 if sign == "-" else 1)
    return fraction_us(digits), offset


class TimeReader:
    """Reads the time stamps of one file.

    Args:
        reference: now, or when the file was last written (µs): what year-less and date-less times are near to.
    """

    def __init__(self, reference: Callable[[], int]) -> None:
        self._reference = reference
        self.order: Order = ""
        """Which of a date's numbers is the day, where the file decided it; empty: each text by itself."""
        self._heads: dict[tuple[str, int | None], int | None] = {}
        self._rests: dict[str, tuple[int, int | None]] = {}
        self._days: dict[str, tuple[int, int | None]] = {}
        self._noted: int | None = None
        self._moments: dict[str, tuple[int, int | None]] = {}

    @property
    def reference(self) -> int:
        """What year-less and date-less times are near to, µs."""
        return self._reference()

    def moment(self, shape: MomentShape, order: Order, text: str) -> int | None:
        """A text of a known shape; a missing year or day is that of the newest such moment not after the reference."""
        if shape.name == "epoch":
            return epoch_us(float(text)) if "e" in text or "E" in text else epoch_us(text)
        if shape.name == "tai64n":
            return self.tai64n(text)
        if shape.name == "epoch-hex":  # OpenLDAP's: seconds and nanoseconds
            return int(text[:8], 16) * SECOND + int(text[9:], 16) // 1000
        head, micros = shape.split(text)
        age = 0 if shape.years else self._reference() // (DAY if shape.days else 60 * SECOND)
        key = f"{shape.name}{order}{head}"
        known = self._moments.get(key)
        if known is None or known[0] != age:
            if len(self._moments) > _CACHE:
                self._moments.clear()
            moment = shape.read(head, order)
            known = self._moments[key] = (age, None if moment is None else self.instant(moment))
        return None if known[1] is None else known[1] + micros

    def instant(self, moment: Moment, micros: int = 0) -> int | None:
        """A moment as microseconds since the epoch; a missing year or day as in `moment`."""
        whole = self._whole_second(moment)
        return None if whole is None else whole + micros

    def _whole_second(self, moment: Moment) -> int | None:
        clock = (moment.hour, moment.minute, moment.second)
        if moment.year is not None and moment.month and moment.day:
            return _local((moment.year, moment.month, moment.day, *clock), moment.offset)
        near = datetime.fromtimestamp(self._reference() / SECOND).astimezone()
        if moment.month and moment.day:
            return _nearest(
                (near.year, moment.month, moment.day, *clock), self._reference(), years=1, offset=moment.offset
            )
        if moment.offset is not None:
            near = near.astimezone(timezone(timedelta(seconds=moment.offset)))
        date = (near.year, near.month, near.day)
        return _nearest((*date, *clock), self._reference(), years=0, offset=moment.offset)

    def iso(self, text: str) -> int | None:
        """`2026-01-31T10:11:12.345678Z` and relatives."""
        rest = self._rests.get(text[19:])
        if rest is None:
            if len(self._rests) > _CACHE:
                self._rests.clear()
            rest = self._rests[text[19:]] = _rest(text[19:])
        base = self._second(text[:19], rest[1])
        return None if base is None else base + rest[0]

    def _second(self, text: str, offset: int | None) -> int | None:
        """The time of the first 19 characters, `offset` seconds east of Greenwich."""
        key = (text, offset)
        base = self._heads.get(key)
        if base is None and key not in self._heads:
            match = _ISO.match(text)
            base = self._remember(key, _local(_six(match.groups()), offset) if match else None)
        return base

    def iso_column(self, texts: pa.StringArray) -> npt.NDArray[np.int64] | None:
        """`iso` of a column, asked once a second and once a rest; None when one of them is no time."""
        whole = texts.cast(pa.binary())
        heads = pc.binary_slice(whole, 0, 19).cast(pa.string()).dictionary_encode()
        rests = pc.binary_slice(whole, 19, _LONGEST).cast(pa.string()).dictionary_encode()
        parts = [_rest(text) for text in rests.dictionary.to_pylist()]
        places, seconds = np.asarray(rests.indices), np.asarray(heads.indices)
        micros: npt.NDArray[np.int64] = np.array([part for part, _ in parts], np.int64)[places]
        for offset in {offset for _, offset in parts}:
            bases = [self._second(text, offset) for text in heads.dictionary.to_pylist()]
            if None in bases:
                return None
            here = np.array([other == offset for _, other in parts], np.bool_)[places]
            micros[here] += np.array(bases, np.int64)[seconds[here]]
        return micros

    def compact(self, text: str) -> int | None:
        """`20260131 10:11:12`, `20260131.101112,345`, `20260131-10:11:12`."""
        return self._shaped(text, _COMPACT, _six)

    def short(self, text: str) -> int | None:
        """`26/01/31 10:11:12` (Spark) and `081109 203615` (HDFS): a year of two digits comes first."""
        return self._shaped(text, _SHORT, lambda g: (2000 + int(g[0]), *_six(g)[1:]))

    def slashed(self, text: str) -> int | None:
        """`31/Jan/2026:10:11:12 +0000` (Apache, nginx access) and `31-Jan-2026 10:11:12`."""
        return self._shaped(
            text, _SLASHED, lambda g: (int(g[2]), _month(g[1]), int(g[0]), int(g[3]), int(g[4]), int(g[5]))
        )

    def day_first(self, text: str) -> int | None:
        """`31 Jan 2026 10:11:12.345` (Redis)."""
        return self._shaped(
            text, _DAY_FIRST, lambda g: (int(g[2]), _month(g[1]), int(g[0]), int(g[3]), int(g[4]), int(g[5]))
        )

    def ctime(self, text: str) -> int | None:
        """`Sun Dec 04 04:47:44 2005`, with fraction or zone."""
        match = _CTIME.match(text)
        if match is None:
            return None
        month, day, hour, minute, second, part, zone, year = match.groups()
        key = (text if part is None else f"{month}{day}{hour}{minute}{second}{zone}{year}", None)
        base = self._heads.get(key)
        if base is None:
            offset = ZONES.get(zone) if zone else None
            base = self._remember(
                key, _local((int(year), _month(month), int(day), int(hour), int(minute), int(second)), offset)
            )
        return None if base is None else base + fraction_us(part)

    def no_year(self, text: str) -> int | None:
        """`Jan 31 10:11:12`: the newest such day not after the reference (plus a day)."""
        head, _, part = text.partition(".")
        return self._dateless(
            head,
            part,
            _NO_YEAR,
            lambda g, near: (near.year, _month(g[0]), int(g[1]), int(g[2]), int(g[3]), int(g[4])),
            years=1,
        )

    def year_first(self, text: str) -> int | None:
        """`2026 Jan 31 10:11:12.345`."""
        return self._shaped(
            text, _YEAR_FIRST, lambda g: (int(g[0]), _month(g[1]), int(g[2]), int(g[3]), int(g[4]), int(g[5]))
        )

    def numeric(self, text: str) -> int | None:
        """`01/31/2026 10:11:12`, `01/31/26 10:11:12 AM`: the month comes first, unless it cannot be one or dots stand between (`31.01.2026`)."""
        match = _NUMERIC.match(text)
        if match is None:
            return None
        first, second, year = int(match[1]), int(match[2]), int(match[3])
        day_first = first > 12 or (second <= 12 and (self.order == "dmy" if self.order else text[2] == "."))
        month, day = (second, first) if day_first else (first, second)
        hour = int(match[4]) % 12 + 12 * (match[8] == "P") if match[8] else int(match[4])
        base = _local((year + 2000 * (year < 100), month, day, hour, int(match[5]), min(int(match[6]), 59)), None)
        return None if base is None else base + fraction_us(match[7])

    def named_day(self, text: str) -> int | None:
        """`Jan 31, 2026 10:11:12 AM` (java.util.logging)."""
        match = _NAMED.match(text)
        if match is None:
            return None
        hour = int(match[4]) % 12 + 12 * (match[7] == "P")
        return _local((int(match[3]), _month(match[1]), int(match[2]), hour, int(match[5]), int(match[6])), None)

    def minute_second(self, text: str) -> int | None:
        """`47:12.345678`: in the last hour that is not after the reference."""
        match = _MINUTE.match(text)
        if match is None or int(match[1]) > 59:
            return None
        reference = self._reference()
        near = datetime.fromtimestamp(reference / SECOND).astimezone()
        base = _local((near.year, near.month, near.day, near.hour, int(match[1]), min(int(match[2]), 59)), None)
        if base is None:
            return None
        return base + fraction_us(text[6:]) - (3600 * SECOND if base > reference + SECOND else 0)

    def utc(self, text: str) -> int | None:
        """A date and a time that are UTC without saying so (W3C extended logs), quoted one by one or not."""
        return self.iso(text.replace('" "', " ") + "Z")

    def note_day(self, text: str) -> int | None:
        """A date and time in UTC, whose day `clock_of_noted_day` uses from now on; None when it is none."""
        match = re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\d\d/[A-Z][a-z]{2}/\d{4} \d\d:\d\d:\d\d", text)
        self._noted = None if match is None else self.any(match.group() + ("Z" if text[4] == "-" else " +0000"))
        return self._noted

    def clock_of_noted_day(self, text: str) -> int | None:
        """`10:11:12`, UTC, on the day noted before, or the day after when that would be earlier; None without one."""
        noted = self._noted
        if noted is None:
            return None
        clock = (int(text[:2]) * 3600 + int(text[3:5]) * 60 + int(text[6:8])) * SECOND
        ts = noted // DAY * DAY + clock
        return ts if ts >= noted - SECOND else ts + DAY

    def month_day(self, text: str) -> int | None:
        """`0131 10:11:12.345678` (glog) and `01-31 10:11:12` (vLLM, logcat)."""
        head, _, part = text.partition(".")
        return self._dateless(
            head,
            part,
            _NUM_NO_YEAR,
            lambda g, near: (near.year, int(g[0]), int(g[1]), int(g[2]), int(g[3]), int(g[4])),
            years=1,
        )

    def time_only(self, text: str) -> int | None:
        """`10:11:12,345`: on the reference's day, or the day before when that would lie ahead."""
        head, _, part = text.replace(",", ".").partition(".")
        return self._dateless(
            head,
            part,
            _TIME_ONLY,
            lambda g, near: (near.year, near.month, near.day, int(g[0]), int(g[1]), int(g[2])),
            years=0,
        )

    def epoch(self, text: str) -> int | None:
        """Seconds (with fraction), milliseconds, microseconds or nanoseconds since the epoch."""
        return epoch_us(text)

    def seconds(self, text: str) -> int | None:
        """`12.345678`: since something started, µs."""
        return round(float(text) * SECOND)

    def tai64n(self, text: str) -> int | None:
        """`@400000004332258…`: seconds of TAI and nanoseconds in hexadecimal (daemontools, runit)."""
        return (int(text[1:17], 16) - (1 << 62) - 10) * SECOND + int(text[17:25], 16) // 1000

    def any(self, text: str) -> int | None:
        """Whatever shape `text` has; for times that come as a field."""
        text = text.strip()
        if len(text) >= 19 and text[4] in "-/." and text[:4].isdigit():
            return self.iso(text)
        if text[:1].isdigit() and text.replace(".", "", 1).isdigit():
            return epoch_us(text)
        if self.order and SHAPES["numbers"].regex.fullmatch(text) is not None:
            return self._ordered(text)
        for read in (
            self.compact, self.slashed, self.ctime, self.day_first, self.named_day, self.year_first, self.no_year, self.short, self.numeric, self.time_only,
        ):  # fmt: skip
            value = read(text)
            if value is not None:
                return value
        text = text.strip("[]")
        for shape in SHAPES.values():
            if shape.regex.fullmatch(text) is None:
                continue
            value = self.moment(shape, self.order if shape.ambiguous else "", text)
            if value is not None:
                return value
        return None

    def _ordered(self, text: str) -> int | None:
        """A date of numbers in the file's order; with its year first, where that is nearer: one of two digits may be either."""
        found = [ts for ts in (self.moment(SHAPES["numbers"], self.order, text), self.short(text)) if ts is not None]
        return min(found, key=lambda ts: abs(ts - self._reference()), default=None)

    def _remember(self, key: tuple[str, int | None], value: int | None) -> int | None:
        if len(self._heads) > _CACHE:
            self._heads.clear()
        self._heads[key] = value
        return value

    def _shaped(
        self, text: str, shape: re.Pattern[str], parts: Callable[[tuple[str, ...]], tuple[int, ...]]
    ) -> int | None:
        match = shape.match(text)
        if match is None:
            return None
        fraction, offset = _rest(text[match.end() :])
        key = (match.group(), offset)
        base = self._heads.get(key)
        if base is None and key not in self._heads:
            base = self._remember(key, _local(_sixfold(parts(match.groups())), offset))
        return None if base is None else base + fraction

    def _dateless(
        self,
        head: str,
        part: str,
        shape: re.Pattern[str],
        parts: Callable[[tuple[str, ...], datetime], tuple[int, ...]],
        *,
        years: int,
    ) -> int | None:
        reference = self._reference()
        day = reference // (DAY if years else 60 * SECOND)
        known = self._days.get(head)
        if known is None or known[0] != day:
            if len(self._days) > _CACHE:
                self._days.clear()
            match = shape.match(head)
            base = None
            if match is not None:
                near = datetime.fromtimestamp(reference / SECOND).astimezone()
                base = _nearest(_sixfold(parts(match.groups(), near)), reference, years=years)
            known = self._days[head] = (day, base)
        digits = part.strip()
        return None if known[1] is None else known[1] + fraction_us(digits if digits.isdigit() else None)


def _nearest(
    parts: tuple[int, int, int, int, int, int], reference: int, *, years: int, offset: int | None = None
) -> int | None:
    """The civil time, moved back a year (or a day) when it would lie after the reference."""
    year, month, day, *clock = parts
    limit = reference + (DAY if years else 60 * SECOND)
    if not years:
        base = _local(parts, offset)
        if base is None or base <= limit:
            return base
        before = datetime(year, month, day, tzinfo=UTC) - timedelta(days=1)
        return _local((before.year, before.month, before.day, clock[0], clock[1], clock[2]), offset)
    for candidate in (year + 1, year, year - 1, year - 2, year - 3, year - 4):  # a leap day may be four years old
        base = _local((candidate, month, day, clock[0], clock[1], clock[2]), offset)
        if base is not None and base <= limit:
            return base
    return None


def _six(groups: tuple[str, ...]) -> tuple[int, int, int, int, int, int]:
    return _sixfold(tuple(int(g) for g in groups))


def _sixfold(parts: tuple[int, ...]) -> tuple[int, int, int, int, int, int]:
    year, month, day, hour, minute, second = parts
    return year, month, day, hour, minute, min(second, 59)  # a leap second is read as the one before it


def _month(name: str) -> int:
    return month_number(name)


def iso_text(micros: int) -> str:
    """ISO 8601 with offset, UTC, microseconds."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat(timespec="microseconds")


Lacking = Literal["", "day", "year", "start"]
"""What the times of a file do not say: the day (and so the year), the year, or when the program started that they count from."""
LACKING: Final[dict[Callable[[TimeReader, str], int | None], Lacking]] = {
    TimeReader.no_year: "year",
    TimeReader.month_day: "year",
    TimeReader.time_only: "day",
    TimeReader.seconds: "start",
}
"""Methods whose texts do not say everything, and what they lack."""
