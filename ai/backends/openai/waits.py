"""For how long a server wants to be left alone."""

import math
import re
import time
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

_A_TIME: Final = 1e9
"""Seconds that are no span but a moment, since 1970."""
_LONGEST_WAIT_S: Final = 86_400.0
_ONLY_SPANS: Final = re.compile(
    r"(?:\d+(?:\.\d+)?\s?(?:ms|s|m|h|seconds?|secs?|minutes?|mins?|hours?)(?![a-z])\s?)+", re.IGNORECASE
)
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s?(ms|s|m|h)", re.IGNORECASE)
_ONE_LIMIT: Final = re.compile(r"(?:[^,]|,\s*(?:remaining|reset)\s*=)+", re.IGNORECASE)
_GIVEN: Final = re.compile(r"[;,\s](r|t|remaining|reset)\s*=\s*\"?(\d{1,9}(?:\.\d+)?)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server wants to be left alone, from `Retry-After` (seconds, or a date) or `retry-after-ms`; None when it does not say.

    A date is read against the server's own clock where it tells it.
    """
    exact, said = headers.get("retry-after-ms", "").strip(), headers.get("retry-after", "").strip()
    try:
        if exact:
            return bounded(float(exact) / 1e3)
    except ValueError:
        pass
    return _moment(said, headers)


def limits_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until the last of the limits that are used up begins anew, as a server that refuses for too many requests tells it: in
    `x-ratelimit-reset-tokens: 1m30s`, `anthropic-ratelimit-requests-reset: 2026-…`, `RateLimit-Reset: 30` or `RateLimit: "burst";r=0;t=30`.

    A limit counts where the header beside it does not say that something remains.
    """
    found: list[float] = []
    for name, said in headers.items():
        low = name.lower()
        if low == "ratelimit":
            for one in _ONE_LIMIT.findall(said):
                given: dict[str, str] = dict(_GIVEN.findall(one.lower()))
                left, wait = given.get("r", given.get("remaining", "0")), given.get("t", given.get("reset", "0"))
                found += [float(wait)] if float(left) == 0 else []
        elif "ratelimit" in low and "reset" in low and not _remains(headers.get(low.replace("reset", "remaining"), "")):
            found.append(_moment(said.strip(), headers) or 0.0)
    return bounded(max(found, default=0.0))


def _remains(said: str) -> bool:
    try:
        return float(said) > 0
    except ValueError:
        return False


def _moment(said: str, headers: Mapping[str, str]) -> float | None:
    """Seconds until then: a number of them, a span, a date, or seconds or milliseconds since 1970."""
    try:
        seconds = float(said) if said else 0.0
    except ValueError:
        pass
    else:
        since = seconds / 1e3 if seconds > _A_TIME * 1e2 else seconds
        return bounded(since - time.time() if seconds > _A_TIME else seconds)
    if (span := spans(said)) is not None:
        return span
    until, now = _date(said), _date(headers.get("date", ""))
    return None if until is None else bounded(until - (time.time() if now is None else now))


def bounded(seconds: float) -> float | None:
    """A wait that can be meant; at most a day."""
    return min(seconds, _LONGEST_WAIT_S) if math.isfinite(seconds) and seconds > 0 else None


def _date(text: str) -> float | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            return read(text).timestamp()
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None


def spans(said: str) -> float | None:
    """Seconds, as in "1h2m3s"; None where they are not written so."""
    if not _ONLY_SPANS.fullmatch(said):
        return None
    return bounded(sum(float(number) * _UNITS[unit.lower()] for number, unit in _SPAN.findall(said)))
