"""Numbers with units: `2s`, `1m30s`, `250 ms`, `1.5GiB`, `90%`. Seconds and bytes are the base units."""

import math
import re
from typing import Final, Literal, NamedTuple

Dimension = Literal["", "time", "bytes"]
TIME_UNITS: Final = {
    "ns": 1e-9,
    **dict.fromkeys(("us", "µs", "μs"), 1e-6),
    "ms": 1e-3,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
BYTE_UNITS: Final = {
    "B": 1.0,
    **dict.fromkeys(("kB", "KB", "kb"), 1e3),
    **dict.fromkeys(("MB", "mb"), 1e6),
    **dict.fromkeys(("GB", "gb"), 1e9),
    **dict.fromkeys(("TB", "tb"), 1e12),
    **dict.fromkeys(("KiB", "K"), 1024.0),
    **dict.fromkeys(("MiB", "M"), 1024.0**2),
    **dict.fromkeys(("GiB", "G"), 1024.0**3),
    **dict.fromkeys(("TiB", "T"), 1024.0**4),
}
AMOUNT: Final = r"([-+]?[0-9]+(?:[.][0-9]+)?(?:[eE][-+]?[0-9]{1,3})?) ?([A-Za-zµμ]{1,7}|%)?"
"""A number and its unit, for RE2 and Python."""
PART: Final = r"([0-9]+(?:[.][0-9]+)?)(ns|us|µs|μs|ms|s|m|h|d)"
COMPOUND: Final = r"(?:[0-9]+(?:[.][0-9]+)?(?:ns|us|µs|μs|ms|s|m|h|d)){2,8}"
"""Times such as Go writes: `1h2m3.5s`."""
_amount: Final = re.compile(AMOUNT)
_plain: Final = re.compile(r"([-+]?)0*([0-9]+)(?:[.]([0-9]*))?%?")
_compound: Final = re.compile(COMPOUND)
_part: Final = re.compile(PART)
_PLAIN: Final = frozenset({"", "%"})
_UNITS: Final[dict[str, tuple[float, Dimension]]] = {
    **{unit: (factor, "time") for unit, factor in TIME_UNITS.items()},
    **{unit: (factor, "bytes") for unit, factor in BYTE_UNITS.items()},
}
_ANY_UNIT: Final = "|".join(_UNITS)
_SUFFIX: Final = re.compile(r"(?:_|(?<=[a-z])(?=[A-Z]))([A-Za-z]{1,7})$")
_SUFFIX_UNITS: Final[dict[str, tuple[Dimension, float]]] = {
    **dict.fromkeys(("ns", "nanos"), ("time", 1e-9)),
    **dict.fromkeys(("us", "micros"), ("time", 1e-6)),
    **dict.fromkeys(("ms", "millis", "msec"), ("time", 1e-3)),
    **dict.fromkeys(("s", "sec", "secs", "seconds"), ("time", 1.0)),
    **dict.fromkeys(("min", "mins", "minutes"), ("time", 60.0)),
    **dict.fromkeys(("bytes",), ("bytes", 1.0)),
    **dict.fromkeys(("kb",), ("bytes", 1e3)),
    **dict.fromkeys(("mb",), ("bytes", 1e6)),
    **dict.fromkeys(("gb",), ("bytes", 1e9)),
    **dict.fromkeys(("kib",), ("bytes", 1024.0)),
    **dict.fromkeys(("mib",), ("bytes", 1024.0**2)),
    **dict.fromkeys(("gib",), ("bytes", 1024.0**3)),
}


class Quantity(NamedTuple):
    """A number in its base unit; without a unit `dimension` is empty."""

    number: float
    dimension: Dimension


def amount(text: str, *, written: bool = False) -> Quantity | None:
    """How every value is read: a number with its own unit, in the base unit of that; None when it is none. It may be too large, and infinite then.

    With `written` it is the number that stands there, whatever its unit; of several parts (`1m30s`) it is their sum in seconds.
    """
    found = _amount.fullmatch(text)
    if found is None:
        whole = _compound.fullmatch(text)
        return (
            Quantity(sum(float(part[1]) * TIME_UNITS[part[2]] for part in _part.finditer(text)), "time")
            if whole
            else None
        )
    unit, number = found[2] or "", float(found[1])
    if unit in _PLAIN:
        return Quantity(number, "")
    known = _UNITS.get(unit)
    return None if known is None else Quantity(number * (1.0 if written else known[0]), known[1])


def quantity(text: str) -> Quantity | None:
    """What a query compares with; None when it is no number."""
    found = amount(text)
    return found if found is not None and math.isfinite(found.number) else None


def value_of(text: str, dimension: Dimension, bare: float) -> float | None:
    """A record's value as it compares: in the base unit of what it is compared with, where a number without a unit counts `bare`. What has no
    unit compares with the number that stands there, whatever its unit: `took>100` finds `took=120ms`.
    """
    found = amount(text, written=not dimension)
    if found is None or (dimension and found.dimension not in {"", dimension}):
        return None
    number = found.number if found.dimension else found.number * bare
    return number if math.isfinite(number) else None


def digits_of(text: str) -> str | None:
    """The digits that every way to write this number has (`42` of `042.0`); None for one with a unit or an exponent."""
    found = _plain.fullmatch(text)
    if found is None:
        return None
    fraction = (found[3] or "").rstrip("0")
    return f"{found[2]}.{fraction}" if fraction else found[2]


def same_number(text: str) -> str:
    """An RE2 expression of the ways to write a number that has `digits_of`, whatever its unit."""
    digits = digits_of(text)
    if digits is None:
        raise ValueError(text)
    whole, _, fraction = digits.partition(".")
    behind = rf"[.]{fraction}0*" if fraction else r"(?:[.]0*)?"
    return rf"^{'-' if text.startswith('-') else '[+]?'}0*{whole}{behind}(?: ?(?:%|{_ANY_UNIT}))?$"


def bare_factor(name: str, dimension: Dimension) -> float:
    """What a number without a unit counts in a field of this name: `latency_ms` holds milliseconds."""
    unit = unit_of_name(name)
    return unit[1] if unit is not None and unit[0] == dimension else 1.0


def unit_of_name(name: str) -> tuple[Dimension, float] | None:
    """What a field of this name measures, and what a number counts in it, in the base unit: `latency_ms`; None where the name says nothing."""
    found = _SUFFIX.search(name)
    return _SUFFIX_UNITS.get(found[1].lower()) if found else None
