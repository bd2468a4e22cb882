"""The parameters of a pattern: what its records have in place of each value, as columns that can be counted and charted.

A duration inside a message (`took 12 ms`) becomes a curve with median and 95th percentile; a pattern whose durations grow is slowing.
"""

import math
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from logs.analytics.statistics import are_greater
from logs.core.errors import LogsError
from logs.patterns.forms import heads_of
from logs.patterns.miner import HOLE, values_of
from logs.patterns.skeleton import Skeleton
from logs.query import tree
from logs.query.filters import LogFilter
from logs.query.quantities import Dimension, quantity, unit_of_name
from logs.query.search import Questions

Kind = Literal["time", "bytes", "number", "text"]
Floats = npt.NDArray[np.float64]
MOST: Final = 10_000
"""Records that are looked at for the columns of a pattern; of more, an even part."""
POINTS: Final = 48
_TOP: Final = 10
_WORD: Final = re.compile(r"[^\W\d](?:[\w.\-]*\w)?")
_MOSTLY: Final = 0.9
"""The share of values that must be numbers for a column of numbers."""
_SLOWING_LOOKED_AT: Final = 2_000
_SLOWING_PATTERNS: Final = 12
_SLOWER: Final = 1.5
"""A smaller growth of a median is no news, however certain it is."""
_PRIMES: Final = (1, 3, 7, 11, 17, 29, 53, 97, 193, 389, 769, 1543, 3079, 6151, 12289, 24593, 49157, 98317)


@dataclass(frozen=True, slots=True)
class _Known:
    """A pattern and the numbers of the templates that belong to it."""

    number: int
    text: str
    words: Skeleton


@dataclass(frozen=True, slots=True)
class _Column:
    """What records have in one place: `numbers` in base units (NaN where the text is none), for texts `texts`."""

    place: int
    name: str
    kind: Kind
    texts: list[str]
    numbers: Floats


def parameters(
    store: Questions,
    wanted: LogFilter,
    number: int,
    now: int,
    *,
    points: int = POINTS,
    most: int = MOST,
    deadline_s: float = 30.0,
) -> dict[str, Any]:
    """The columns of a pattern in the records of a filter: of numbers least, median, 95th and 99th percentile, greatest, and median and 95th percentile over time; of
    texts the most frequent. Seconds and bytes are the units.

    Raises:
        LogsError: there is no such pattern.
        QueryError: the deadline passed.
    """
    began = time.monotonic()
    known = _known(store, number)
    of = _of_pattern(wanted, number)
    total = _count(store, of, deadline_s)
    ts, messages = _sample(store, of, total, most, deadline_s)
    since = wanted.since if wanted.since is not None else int(ts[0]) if len(ts) else now
    until = wanted.until if wanted.until is not None else now + 1
    width = max(1, -(-(until - since) // max(1, points)))
    slots = (ts - since) // width
    return {
        "number": known.number,
        "text": known.text,
        "total": total,
        "looked_at": len(messages),
        "from": since,
        "to": until,
        "bucket_us": width,
        "ts": [since + slot * width for slot in range(points)],
        "columns": [_described(column, slots, points) for column in _columns(known, messages)],
        "elapsed_ms": round((time.monotonic() - began) * 1000, 3),
    }


def slowing(
    store: Questions, wanted: LogFilter, counts: Sequence[tuple[int, int]], *, deadline_s: float = 30.0
) -> list[dict[str, Any]]:
    """Which of the patterns with these (number, count) have a duration that grew in the newest quarter of a filter's records, by more than chance and by half at least.

    Only the most frequent ones with a duration are looked at. Each has `number`, `name` of the duration, the medians `before` and `after` (seconds), and their `ratio`.

    Raises:
        QueryError: the deadline passed.
    """
    ends = time.monotonic() + deadline_s
    rows = {row["number"]: row for row in store.query("log_templates").to_pylist()}
    found: list[dict[str, Any]] = []
    looked_at = 0
    for number, count in counts:
        if number not in rows or looked_at == _SLOWING_PATTERNS or time.monotonic() > ends:
            continue
        known = _known_of(rows[number])
        if not any(column.kind == "time" for column in _columns(known, [rows[number]["example"]])):
            continue
        looked_at += 1
        _, messages = _sample(
            store, _of_pattern(wanted, number), count, _SLOWING_LOOKED_AT, max(1.0, ends - time.monotonic())
        )
        slower = [one for column in _columns(known, messages) if column.kind == "time" and (one := _slower(column))]
        if slower:
            found.append({"number": number, **max(slower, key=lambda one: float(one["ratio"]))})
    return found


def _slower(column: _Column) -> dict[str, Any] | None:
    """How much longer the newest quarter of durations is; None where that may be chance, or is little."""
    values = column.numbers[np.isfinite(column.numbers)]
    cut = len(values) - len(values) // 4
    before, after = values[:cut].tolist(), values[cut:].tolist()
    if not are_greater(before, after):
        return None
    medians = float(np.median(before)), float(np.median(after))
    if not 0 < medians[0] * _SLOWER <= medians[1]:
        return None
    return {"name": column.name, "before": medians[0], "after": medians[1], "ratio": medians[1] / medians[0]}


# --- records of a pattern


def _known(store: Questions, number: int) -> _Known:
    rows = {row["number"]: row for row in store.query("log_templates").to_pylist()}
    row = rows.get(number)
    if row is None:
        raise LogsError(f"there is no pattern {number}", hint="`watchkeeper logs patterns --json` lists their numbers.")
    return _known_of(rows[row["pattern"]])


def _known_of(row: dict[str, Any]) -> _Known:
    return _Known(row["number"], row["text"], tuple(msgspec.json.decode(row["words"], type=list[str])))


def _of_pattern(wanted: LogFilter, number: int) -> LogFilter:
    """The records of a filter that have a pattern."""
    of = tree.Pattern(str(number), number)
    return replace(wanted, query=of if wanted.query is None else tree.And((wanted.query, of)))


def _count(store: Questions, wanted: LogFilter, deadline_s: float) -> int:
    found: int = store.query("log_count", deadline_s=deadline_s, **wanted.params()).to_pylist()[0]["n"]
    return found


def _sample(
    store: Questions, wanted: LogFilter, total: int, most: int, deadline_s: float
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Times (ascending) and heads of records, all of them or, of more than `most`, an even part by their times in µs."""
    step = next((prime for prime in _PRIMES if total <= most * prime), _PRIMES[-1])
    rows = store.query("log_pattern_messages", deadline_s=deadline_s, step=step, limit=most * 2, **wanted.params())
    heads = heads_of(rows.column("message")).to_pylist()
    ts = rows.column("ts").to_numpy()
    return ts[::-1].astype(np.int64), heads[::-1]


# --- columns


def _columns(known: _Known, messages: Sequence[str]) -> list[_Column]:
    """The values of all messages, by place; what a message lacks is empty."""
    names = names_of(known.text)
    rows = [values_of(message, known.words) for message in messages]
    return [
        _column(place, name, [row[place] if place < len(row) else "" for row in rows])
        for place, name in enumerate(names)
    ]


def names_of(text: str) -> list[str]:
    """What each value is called: the word before it."""
    parts = text.split(HOLE)[:-1]
    words = [_WORD.findall(part) for part in parts]
    return [found[-1] if found else f"value {place}" for place, found in enumerate(words, 1)]


def _column(place: int, name: str, texts: list[str]) -> _Column:
    given = [text for text in texts if text]
    read = {text: quantity(text) for text in set(given)}
    kinds = Counter(found.dimension if (found := read[text]) is not None else None for text in given)
    if not given or kinds[None] > (1 - _MOSTLY) * len(given):
        return _Column(place, name, "text", texts, np.empty(0))
    dimension, bare = _unit(name, kinds)
    numbers = [
        math.nan if (found := read.get(text)) is None else found.number * (1.0 if found.dimension else bare)
        for text in texts
    ]
    return _Column(place, name, dimension or "number", texts, np.array(numbers))


def _unit(name: str, kinds: Counter[Dimension | None]) -> tuple[Dimension, float]:
    """What a column measures, and what a number without a unit counts in it: as most values say, else as its name does (`took_ms`)."""
    named = unit_of_name(name)
    dimensions: tuple[Dimension, Dimension] = ("time", "bytes")
    written = max(dimensions, key=lambda one: kinds[one])
    if kinds[written]:
        return written, named[1] if named is not None and named[0] == written else 1.0
    return named or ("", 1.0)


def _described(column: _Column, slots: npt.NDArray[np.int64], points: int) -> dict[str, Any]:
    about: dict[str, Any] = {"place": column.place, "name": column.name, "kind": column.kind}
    if column.kind == "text":
        counted = Counter(text for text in column.texts if text)
        top = [{"value": value[:200], "count": number} for value, number in counted.most_common(_TOP)]
        return about | {
            "count": counted.total(),
            "different": len(counted),
            "top": top,
            "stats": None,
            "p50": [],
            "p95": [],
        }
    known = np.isfinite(column.numbers)
    values, at = column.numbers[known], slots[known]
    cuts = [values[at == slot] for slot in range(points)]
    return about | {
        "count": len(values),
        "different": len(np.unique(values)),
        "top": [],
        "stats": {
            "min": float(values.min()), "p50": _percentile(values, 50), "p95": _percentile(values, 95), "p99": _percentile(values, 99), "max": float(values.max()),
        } if len(values) else None,
        "p50": [_percentile(cut, 50) for cut in cuts],
        "p95": [_percentile(cut, 95) for cut in cuts],
    }  # fmt: skip


def _percentile(values: Floats, percent: int) -> float | None:
    return float(np.percentile(values, percent)) if len(values) else None
