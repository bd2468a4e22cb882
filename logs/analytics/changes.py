"""What changed between two ranges of time: patterns that are new, gone, more or fewer, and levels and sources that write more or less."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from logs.analytics.counting import HOUR, Known, Pattern, Tallies, Tally, count, known_patterns
from logs.analytics.statistics import dispersion, not_by_chance, p_value
from logs.core import levels
from logs.core.errors import LogsError
from logs.query.filters import LogFilter
from logs.query.search import Questions

Kind = Literal["new", "gone", "more", "fewer"]
_BUCKETS: Final = 24
"""Parts of a range in which its counts are compared with each other, to know how they spread."""
_LEAST_TIMES: Final = 1.5
"""A smaller change of a rate is no news, however certain it is."""
_KINDS: Final[dict[Kind, int]] = {"new": 0, "gone": 1, "more": 2, "fewer": 3}


@dataclass(frozen=True, slots=True)
class Range:
    """A time from `since` up to `until`, µs."""

    since: int
    until: int

    @property
    def hours(self) -> float:
        """Its length."""
        return (self.until - self.since) / HOUR


def ranges(since: int, until: int, before: int | None = None) -> tuple[Range, Range]:
    """The range from `before` up to `since`, and the one from there to `until`. Without `before` both are equally long.

    Raises:
        LogsError: one of them would be empty.
    """
    begin = since - (until - since) if before is None else before
    if not begin < since < until:
        raise LogsError(
            "Two ranges are compared, and one of them is empty.",
            hint="`before` lies before `since`, and `since` before `until`.",
        )
    return Range(begin, since), Range(since, until)


def changes(
    store: Questions, wanted: LogFilter, before: Range, after: Range, *, limit: int = 200, deadline_s: float = 30.0
) -> dict[str, Any]:
    """What differs between two ranges, by more than chance, in the records of a filter (its own times do not count).

    Rates are records an hour. A pattern is `new` when it never occurred before the second range, `gone` when it occurred too often in the first for its
    absence to be chance.

    Raises:
        QueryError: the deadline passed.
    """
    began = time.monotonic()
    both = [
        count(store, wanted, one.since, one.until, buckets=_BUCKETS, deadline_s=deadline_s) for one in (before, after)
    ]
    known = known_patterns(store)
    first, second = (counted.by_pattern(known) for counted in both)
    found = _patterns(first, second, known)
    return {
        "before": {"from": before.since, "to": before.until, "records": first.total, "per_hour": first.total / before.hours},
        "after": {"from": after.since, "to": after.until, "records": second.total, "per_hour": second.total / after.hours},
        "changes": found[:limit],
        "found": len(found),
        "levels": _compared(first, second, lambda one: one.levels, _level_word),
        "sources": _compared(first, second, lambda one: one.sources, str),
        "elapsed_ms": round((time.monotonic() - began) * 1000, 3),
    }  # fmt: skip


def _level_word(level: Any) -> str:
    return levels.NAMES.get(level, "unknown")


@dataclass(frozen=True, slots=True)
class _Pair:
    """One pattern in both ranges; None where it has no records. `shown`: in the newer range that has some."""

    shown: Tally
    before: Tally | None
    after: Tally | None

    @property
    def pattern(self) -> Pattern:
        """Which it is."""
        return self.shown.pattern

    def likelihood(self, first: Tallies, second: Tallies) -> float:
        """How likely the counts are if nothing changed."""
        spread = max(dispersion(one.trend) if one is not None else 1.0 for one in (self.before, self.after))
        return p_value(_number(self.before), _number(self.after), first.hours, second.hours, spread)

    def kind(self, first: Tallies, second: Tallies, known: Known) -> Kind:
        """What happened to it."""
        if known.is_new(self.pattern, second.since):
            return "new"
        if self.after is None:
            return "gone"
        return "more" if self.after.count / second.hours > _number(self.before) / first.hours else "fewer"


def _number(tally: Tally | None) -> int:
    return 0 if tally is None else tally.count


def _patterns(first: Tallies, second: Tallies, known: Known) -> list[dict[str, Any]]:
    earlier = {one.pattern.number: one for one in first.patterns}
    later = {one.pattern.number: one for one in second.patterns}
    pairs = [
        _Pair(shown, earlier.get(number), later.get(number)) for number, shown in sorted((earlier | later).items())
    ]
    certain = not_by_chance([pair.likelihood(first, second) for pair in pairs])
    found = []
    for pair, sure in zip(pairs, certain, strict=True):
        kind = pair.kind(first, second, known)
        rates = _rates(_number(pair.before), _number(pair.after), first.hours, second.hours)
        if kind == "new" or (sure and _is_news(rates["ratio"])):
            found.append(_change(pair, kind, rates))
    return sorted(found, key=lambda one: (_KINDS[one["kind"]], -one["errors"], -abs(one["after"] - one["before"])))


def _change(pair: _Pair, kind: Kind, rates: Mapping[str, Any]) -> dict[str, Any]:
    about = pair.shown.json()
    return {
        "kind": kind,
        **{
            name: about[name] for name in ("number", "id", "text", "example", "level", "errors", "sources", "last_seen")
        },
        **rates,
    }


def _rates(before: int, after: int, hours_before: float, hours_after: float) -> dict[str, Any]:
    """Counts and rates; `ratio` is None where there was nothing before."""
    rates = before / hours_before, after / hours_after
    return {
        "before": before,
        "after": after,
        "before_per_hour": rates[0],
        "after_per_hour": rates[1],
        "ratio": rates[1] / rates[0] if before else None,
    }


def _is_news(ratio: float | None) -> bool:
    return not ratio or abs(math.log(ratio)) >= math.log(_LEAST_TIMES)


def _compared(
    first: Tallies, second: Tallies, counted: Callable[[Tally], Counter[Any]], name: Callable[[Any], str]
) -> list[dict[str, Any]]:
    """Levels or sources in both ranges, each with whether it `changed`; those with most records first."""
    sums = [sum((counted(one) for one in tallies.patterns), Counter()) for tallies in (first, second)]
    keys = sorted(sums[0] | sums[1], key=lambda key: (-(sums[0][key] + sums[1][key]), name(key)))
    spread = max(
        dispersion([sum(slot) for slot in zip(*(one.trend for one in tallies.patterns), strict=True)])
        for tallies in (first, second)
    )
    certain = not_by_chance([p_value(sums[0][key], sums[1][key], first.hours, second.hours, spread) for key in keys])
    rows = [_rates(sums[0][key], sums[1][key], first.hours, second.hours) for key in keys]
    return [
        {"name": name(key), **row, "changed": sure and _is_news(row["ratio"])}
        for key, row, sure in zip(keys, rows, certain, strict=True)
    ]
