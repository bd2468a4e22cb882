"""The patterns of a filter: how often each occurs, when, at which level, and which are new or bursting."""

import time
from typing import Any, Final

from logs.analytics.counting import count, known_patterns
from logs.analytics.statistics import is_bursting
from logs.query.filters import LogFilter
from logs.query.search import Questions

TREND_POINTS: Final = 48


def patterns(
    store: Questions,
    wanted: LogFilter,
    now: int,
    *,
    limit: int = 200,
    points: int = TREND_POINTS,
    deadline_s: float = 30.0,
) -> dict[str, Any]:
    """The most frequent patterns of a filter's records, and how many patterns and records there are in all (`found`, `total`).

    A filter without a beginning counts all records, one without an end those until `now` (µs).

    Raises:
        QueryError: the deadline passed.
    """
    began = time.monotonic()
    oldest = store.query("log_bounds").to_pylist()[0]["oldest"]
    until = now + 1 if wanted.until is None else wanted.until
    since = wanted.since if wanted.since is not None else min(until - 1, now if oldest is None else oldest)
    counted = count(store, wanted, since, until, buckets=points, deadline_s=deadline_s)
    known = known_patterns(store)
    found = counted.by_pattern(known)
    return {
        "patterns": [
            {
                **one.json(),
                "new": wanted.since is not None and known.is_new(one.pattern, since),
                "bursting": is_bursting(one.trend, found.slot_of(known.began_of(one.sources))),
            }
            for one in found.patterns[:limit]
        ],
        "found": len(found.patterns),
        "total": found.total,
        "from": since,
        "to": until,
        "bucket_us": found.width,
        "ts": found.ts,
        "elapsed_ms": round((time.monotonic() - began) * 1000, 3),
    }
