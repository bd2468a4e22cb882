"""Questions to the stored records. Times are microseconds; pages run oldest first, as in a terminal."""

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pyarrow as pa

from logs.core import levels
from logs.core.errors import LogsError
from logs.core.record import LogRecord, record_detail, record_json
from logs.core.timestamps import SECOND
from logs.query.filters import LogFilter, ParamValue
from logs.query.matching import column_readers
from logs.query.times import AHEAD

TREND_US: Final = 340 * SECOND
"""How far back the trend of errors goes: as far as a card compares with, and a little."""
TREND_STEP_US: Final = 10 * SECOND
ARCHIVED: Final = "archived_files"
"""In the metadata of a query's rows: how many files of the archive were read for them; absent if none was."""
_FIRST_WINDOW: Final = 10 * SECOND
_WIDEN: Final = 8
_ID = re.compile(r"(\d{1,19}):(\d{1,19})")
_CURSOR = re.compile(r"(-?\d{1,19})\.(\d{1,19})\.(\d{1,19})")
_FIELDS: Final = LogRecord._fields


class Questions(Protocol):
    """Answers named questions about stored records; safe from any thread."""

    def query(self, name: str, *, deadline_s: float = 10.0, **params: ParamValue) -> pa.Table:
        """The rows of a named query; the store's own errors pass through."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """Records of a filter, oldest first. `older` and `newer` are cursors for `before` and `after`; None when there is nothing there (yet).

    `scanned` counts the time windows that were asked; `archived` says whether the archive of older records was read.
    """

    records: list[LogRecord]
    older: str | None
    newer: str | None
    elapsed_ms: float
    scanned: int
    archived: bool = False

    def json(self, columns: Sequence[str] = ()) -> dict[str, Any]:
        """As the API gives it, with the values of the fields that are `columns`."""
        records = list(map(record_rows(columns), self.records))
        return {
            "records": records,
            "older": self.older,
            "newer": self.newer,
            "elapsed_ms": self.elapsed_ms,
            "scanned": self.scanned,
            "archived": self.archived,
        }


def record_rows(columns: Sequence[str]) -> Callable[[LogRecord], dict[str, Any]]:
    """What makes a record a row of a list: as `record_json`, and `columns` with the values of these fields where there are any."""
    readers = column_readers(columns)
    if not readers:
        return record_json

    def row(record: LogRecord) -> dict[str, Any]:
        values = ((name, value(record)) for name, value in readers.items())
        return record_json(record) | {"columns": {name: value for name, value in values if value is not None}}

    return row


def cursor_of(record: LogRecord) -> str:
    """Where the record stands in the order of all records."""
    return f"{record.ts}.{record.file_id}.{record.pos}"


def search(
    store: Questions,
    filter: LogFilter,  # noqa: A002 - the API's word
    *,
    limit: int = 200,
    before: str | None = None,
    after: str | None = None,
    deadline_s: float = 30.0,
    stored_only: bool = False,
) -> Page:
    """The newest `limit` records, or the newest before a cursor, or the first after one.

    Time is searched in windows that widen: the newest records of a filter are found without looking at all records. With `stored_only`
    the archive of older records is left out.

    Raises:
        LogsError: a wrong cursor.
        QueryError: the deadline passed.
    """
    began = time.monotonic()
    cursor = _cursor(after if after is not None else before)
    upward = after is not None
    found: list[LogRecord] = []
    windows, archived = 0, False
    for since, until in _windows(store, filter, cursor[0] if cursor else None, stored_only=stored_only, upward=upward):
        params: dict[str, ParamValue] = {
            **filter.params(),
            "stored_only": stored_only,
            "since": since,
            "until": until,
            "limit": limit + 1 - len(found),
        }
        if cursor:
            params |= {"cursor_ts": cursor[0], "cursor_file": cursor[1], "cursor_pos": cursor[2]}
        if upward:
            params["upward"] = True
        left = deadline_s - (time.monotonic() - began)
        rows = store.query("log_search", deadline_s=max(0.05, left), **params)
        found += records_of(rows)
        windows, archived = windows + 1, archived or is_archived(rows)
        if len(found) > limit:
            break
    more = len(found) > limit
    del found[limit:]
    if not upward:
        found.reverse()
    older, newer = _ends(found, more=more, upward=upward, before=before, after=after)
    return Page(found, older, newer, _elapsed(began), windows, archived)


def _ends(
    found: list[LogRecord], *, more: bool, upward: bool, before: str | None, after: str | None
) -> tuple[str | None, str | None]:
    if not found:
        return (None, before) if not upward else (after, after)
    older = cursor_of(found[0]) if more or upward else None
    return older, cursor_of(found[-1])


def _windows(
    store: Questions,
    filter: LogFilter,  # noqa: A002 - the API's word
    cursor_ts: int | None,
    *,
    stored_only: bool,
    upward: bool,
) -> list[tuple[int, int]]:
    """Disjoint windows [since, until), the nearest first, that cover the filter's time."""
    row = store.query("log_bounds", stored_only=stored_only).to_pylist()
    if not row or row[0]["newest"] is None:
        return []
    low, high = row[0]["oldest"], row[0]["newest"] + 1
    low = low if filter.since is None else max(low, filter.since)
    high = high if filter.until is None else min(high, filter.until)
    if cursor_ts is not None:
        low, high = (max(low, cursor_ts), high) if upward else (low, min(high, cursor_ts + 1))
    result, width = [], _FIRST_WINDOW
    while low < high:
        if upward:
            edge = min(high, low + width)
            result.append((low, edge))
            low = edge
        else:
            edge = max(low, high - width)
            result.append((edge, high))
            high = edge
        width *= _WIDEN
    return result


def count(store: Questions, filter: LogFilter, *, deadline_s: float = 30.0) -> dict[str, Any]:  # noqa: A002
    """`{"count", "archived", "elapsed_ms"}`."""
    began = time.monotonic()
    rows = store.query("log_count", deadline_s=deadline_s, **filter.params())
    return {"count": rows.column("n")[0].as_py(), "archived": is_archived(rows), "elapsed_ms": _elapsed(began)}


def is_archived(rows: pa.Table) -> bool:
    """Whether the archive was read for the rows of a query."""
    return ARCHIVED.encode() in (rows.schema.metadata or {})


def histogram(store: Questions, filter: LogFilter, buckets: int = 120, *, deadline_s: float = 30.0) -> dict[str, Any]:  # noqa: A002
    """Counts by time and level: at most `buckets` (+1) buckets of equal width over the filter's range, or over the data's."""
    began = time.monotonic()
    buckets = max(1, min(buckets, 2000))
    params = filter.params()
    low, high = filter.since, filter.until
    if low is None or high is None:
        span = store.query("log_span", deadline_s=deadline_s, **params).to_pylist()[0]
        if span["oldest"] is None:
            return {
                "bucket_us": 0,
                "from": low,
                "to": high,
                "ts": [],
                "levels": {},
                "total": 0,
                "archived": False,
                "elapsed_ms": _elapsed(began),
            }
        low = span["oldest"] if low is None else low
        high = span["newest"] + 1 if high is None else high
    width = _nice(-(-max(1, high - low) // buckets))
    answer = store.query("log_histogram", deadline_s=deadline_s, **params, width=width)
    rows = answer.to_pylist()
    first = low - low % width
    number = max(1, -(-(high - first) // width))
    names = {row["level"]: levels.NAMES.get(row["level"], "unknown") for row in rows}
    series = {name: [0] * number for name in names.values()}
    for row in rows:
        slot = (row["bucket"] - first) // width
        if 0 <= slot < number:
            series[names[row["level"]]][slot] += row["n"]
    ts = [first + slot * width for slot in range(number)]
    total = sum(row["n"] for row in rows)
    return {
        "bucket_us": width,
        "from": low,
        "to": high,
        "ts": ts,
        "levels": series,
        "total": total,
        "archived": is_archived(answer),
        "elapsed_ms": _elapsed(began),
    }


def facets(store: Questions, filter: LogFilter, *, deadline_s: float = 30.0) -> dict[str, Any]:  # noqa: A002
    """Counts by level word and by source."""
    params = filter.params()
    by_level = store.query("log_levels", deadline_s=deadline_s, **params)
    by_source = store.query("log_source_counts", deadline_s=deadline_s, **params).to_pylist()
    counts: Counter[str] = Counter()
    for row in by_level.to_pylist():
        counts[levels.NAMES.get(row["level"], "unknown")] += row["n"]
    return {
        "levels": dict(counts),
        "sources": [{"source": row["source"], "count": row["n"]} for row in by_source],
        "archived": is_archived(by_level),
    }


def record(store: Questions, id: str) -> dict[str, Any] | None:  # noqa: A002 - the API's word
    """One record with its fields, original and path; None when there is none.

    Raises:
        LogsError: the id has not the form of one.
    """
    file_id, pos = _identity(id)
    found, _ = _one(store, file_id, pos)
    if not found:
        return None
    files = store.query("log_file", file_id=file_id).to_pylist()
    return record_detail(found[0], files[0]["path"] if files else None)


def context(store: Questions, id: str, before: int = 20, after: int = 20) -> list[LogRecord]:  # noqa: A002
    """The record and its neighbours in the same file, in file order; empty when there is no such record.

    Raises:
        LogsError: the id has not the form of one.
    """
    file_id, pos = _identity(id)
    this, archived = _one(store, file_id, pos)
    if not this:
        return []

    def beside(number: int, *, upward: bool, archived: bool) -> list[LogRecord]:
        number = max(0, min(number, 1000))
        return records_of(
            store.query("log_context", file_id=file_id, pos=pos, limit=number, upward=upward, stored_only=not archived)
        )

    earlier = beside(before, upward=False, archived=archived)
    if len(earlier) < before and not archived:  # the rest may be archived
        earlier = beside(before, upward=False, archived=True)
    later = beside(after, upward=True, archived=archived)
    return [*reversed(earlier), *this, *later]


def _one(store: Questions, file_id: int, pos: int) -> tuple[list[LogRecord], bool]:
    """A record, and whether it is archived; none where there is no such record. The archive has no index: it is asked last."""
    found = records_of(store.query("log_record", file_id=file_id, pos=pos, stored_only=True))
    if found:
        return found, False
    return records_of(store.query("log_record", file_id=file_id, pos=pos)), True


def errors(store: Questions, now: int) -> dict[str, Any]:
    """Errors of the last ten minutes: a count a minute (oldest first), their sum, where most came from, the newest error of all, and the recent ones without repetitions.

    `sources` has up to three, the one with most errors first: `{"source", "count"}`. `fatal_10_min` says how many of them are fatal, `fatal_sources` whose those are, `trend` how the mean of ten minutes became what it is: `{"from": µs, "step_us", "per_minute": […]}`.
    """
    minute, begin = 60 * SECOND, now - TREND_US - (now - TREND_US) % TREND_STEP_US
    first = _ten_minutes_before(now)
    found = store.query(
        "log_errors", since=_ten_minutes_before(begin), until=now - now % minute + minute, width=TREND_STEP_US
    )
    counted: dict[int, int] = {row["bucket"]: row["n"] for row in found.to_pylist()}
    fatal = sum(row["fatal"] for row in found.to_pylist() if row["bucket"] >= first)
    counts = [0] * 10
    for bucket, n in counted.items():
        if bucket >= first:
            counts[(bucket - first) // minute] += n
    trend = [
        sum(n for bucket, n in counted.items() if _ten_minutes_before(at) <= bucket <= at) / 10
        for at in range(begin, now + 1, TREND_STEP_US)
    ]

    def from_where(least: int) -> list[dict[str, Any]]:
        """Up to three sources, the one with most first."""
        wanted = LogFilter(least=least, since=first, until=now - now % minute + minute)
        rows = store.query("log_source_counts", deadline_s=30.0, stored_only=True, **wanted.params()).to_pylist()[:3]
        return [{"source": row["source"], "count": row["n"]} for row in rows]

    page = search(store, LogFilter(least=levels.ERROR, until=now + AHEAD), limit=200, stored_only=True)
    distinct: dict[tuple[str, str], LogRecord] = {}
    for one in reversed(page.records):
        distinct.setdefault((one.source, re.sub(r"\d+", "#", one.message[:200])), one)
    recent = [record_json(one) for one in list(distinct.values())[:10]]
    return {
        "per_minute": counts,
        "last_10_min": sum(counts),
        "fatal_10_min": fatal,
        "fatal_sources": from_where(levels.FATAL) if fatal else [],
        "sources": from_where(levels.ERROR) if any(counts) else [],
        "trend": {"from": begin, "step_us": TREND_STEP_US, "per_minute": trend},
        "newest": recent[0] if recent else None,
        "recent": recent,
    }


def _ten_minutes_before(at: int) -> int:
    """Where the ten minutes begin that are counted at a moment: with a whole minute."""
    return at - at % (60 * SECOND) - 540 * SECOND


def records_of(table: pa.Table) -> list[LogRecord]:
    """The rows of a record query as records, in their order."""
    columns = [table.column(name).to_pylist() for name in _FIELDS]
    return list(map(LogRecord._make, zip(*columns, strict=True)))


def _identity(text: str) -> tuple[int, int]:
    match = _ID.fullmatch(text)
    if match is None or int(match.group(1)) >> 63 or int(match.group(2)) >> 63:
        raise LogsError(
            f"{text!r} is no id of a record.", hint="An id is <file_id>:<pos>, as the list of records gives it."
        )
    return int(match.group(1)), int(match.group(2))


def _cursor(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None or any(abs(int(part)) >> 63 for part in match.groups()):
        raise LogsError(f"{text!r} is no cursor.", hint="Use `older` or `newer` of a page.")
    return int(match.group(1)), int(match.group(2)), int(match.group(3))


def _elapsed(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 3)


def _nice(width: int) -> int:
    """The next width that a person would choose for a bucket."""
    for unit in (SECOND // 1000, SECOND // 100, SECOND // 10, SECOND, 60 * SECOND, 3600 * SECOND):
        for factor in (1, 2, 5, 10, 15, 20, 30):
            if unit * factor >= width and (unit >= SECOND or factor < 10):
                return unit * factor
    day = 86_400 * SECOND
    return -(-width // day) * day if width > day // 2 else day
