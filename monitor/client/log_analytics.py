"""`LogAnalytics`: questions about the logs of a machine that Watchkeeper watches.

    from watchkeeper import LogAnalytics

    logs = LogAnalytics()
    for record in logs.search_logs("level>=warn -heartbeat", "2h", ["worker"]):
        print(record.ts, record.message)
    for one in logs.analyze_error_patterns("24h").patterns:
        print(f"{one.per_hour:.1f} an hour: {one.pattern.text}")

The running agent answers. A time range is an age (`"24h"`), a pair of moments, or None for all records; a moment is a `datetime`, µs since the epoch, or a
text such as `"yesterday 14:00"`.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from monitor.api_models.log_patterns import LogPattern
from monitor.api_models.logs import LogHistogram, Record
from monitor.client.client import Client
from monitor.client.correlation import Correlation, correlate
from monitor.core import paths
from monitor.metrics.catalogue import HOST
from monitor.metrics.history import Series

When = datetime | int | str
TimeRange = str | tuple[When, When] | None
_MINUTE: Final = 60_000_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_PAGE: Final = 5_000
_MOST_BUCKETS: Final = 480
_POINTS: Final = 240
_FINE: Final = 2_000
METRICS: Final = tuple(metric.name for metric in HOST)
"""All readings of the machine."""


@dataclass(frozen=True, slots=True)
class ErrorPattern:
    """A pattern of errors: how often it occurs an hour, and its share of all errors. `pattern.trend` has its records in the buckets of the analysis."""

    pattern: LogPattern
    per_hour: float
    share: float


@dataclass(frozen=True, slots=True)
class ErrorAnalysis:
    """Errors from `start` to `end`, in buckets of `bucket_us` that begin at `ts` (µs; whole minutes, hours or days).

    `by_hour_of_day` and `by_weekday` (Monday first) count them in local time. `patterns`: the most frequent first.
    """

    start: int
    end: int
    errors: int
    per_hour: float
    bucket_us: int
    ts: list[int]
    counts: list[int]
    by_hour_of_day: list[int]
    by_weekday: list[int]
    patterns: list[ErrorPattern]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened to a process, or that it wrote. `kind`: START, STOP, STATUS_CHANGE, ERROR, COMPLETE, or LOG with the record's `level` and `source`."""

    ts: int
    kind: str
    name: str
    text: str
    run: str | None
    level: str | None = None
    source: str | None = None
    record: str | None = None


class LogAnalytics:
    """Asks the agent about its logs.

    Args:
        client: of the agent; without it, of the agent of the data directory (`WATCHKEEPER_DATA_DIR`, or the default).

    Every method raises `AgentError` when the agent is away or refuses what it is asked, with a hint.
    """

    def __init__(self, client: Client | None = None) -> None:
        self._client = client or Client.of(paths.data_dir(None, os.environ))

    def search_logs(
        self, query: str = "", time_range: TimeRange = None, sources: Sequence[str] = (), *, limit: int = 1_000
    ) -> list[Record]:
        """The newest `limit` records that match a query (`docs/queries.md`), oldest first."""
        filters = _filters(query, time_range, sources)
        found: list[Record] = []
        before = None
        while len(found) < limit:
            page = self._client.log_records(filters, limit=min(_PAGE, limit - len(found)), before=before)
            found[:0] = page.records
            before = page.older
            if before is None or not page.records:
                break
        return found

    def analyze_error_patterns(
        self, time_range: TimeRange = "24h", sources: Sequence[str] = (), *, query: str = "", limit: int = 100
    ) -> ErrorAnalysis:
        """How often errors occur an hour, when, and what they have in common.

        The buckets are minutes for a few hours, hours for some weeks, then days. The first begins with a whole one, so the range may be a little longer.
        """
        start, end = self._bounds(time_range)
        width = next((w for w in (_MINUTE, _HOUR) if (end - start) / w <= _MOST_BUCKETS), _DAY)
        start -= start % width
        end += -end % width
        filters = {**_filters(query, (start, end), sources), "level": "error"}
        found = self._client.log_patterns(filters, limit=limit, points=min(_MOST_BUCKETS + 1, (end - start) // width))
        counts = self._histogram(filters, (end - start) // width, found.ts, found.bucket_us)
        hours = (min(end, self._now()) - start) / _HOUR
        by_hour, by_weekday = _by_clock(found.ts, counts, found.bucket_us)
        return ErrorAnalysis(
            start=start,
            end=end,
            errors=found.total,
            per_hour=found.total / hours,
            bucket_us=found.bucket_us,
            ts=found.ts,
            counts=counts,
            by_hour_of_day=by_hour,
            by_weekday=by_weekday,
            patterns=[ErrorPattern(one, one.count / hours, one.count / found.total) for one in found.patterns],
        )

    def generate_process_timeline(
        self, process_name: str, time_range: TimeRange = "24h", *, level: str = "warn", limit: int = 500
    ) -> list[TimelineEntry]:
        """What happened to processes of a name, and what they wrote of a level or above: the newest `limit` of each, oldest first."""
        since, until = _ends(time_range)
        events = self._client.events({"q": process_name, "since": since, "until": until}, limit=limit).events
        entries = [
            TimelineEntry(one.timestamp, one.event_type, one.process_name, str(one.details.get("message", "")), one.run)
            for one in events
            if process_name.lower() in one.process_name.lower()
        ]
        quoted = process_name.replace("\\", "\\\\").replace('"', '\\"')
        records = self.search_logs(f'run:"{quoted}" level>={level}', time_range, limit=limit)
        entries += [
            TimelineEntry(one.ts, "LOG", process_name, one.message, one.run, one.level, one.source, one.id)
            for one in records
        ]
        return sorted(entries, key=lambda entry: entry.ts)

    def correlate_performance_logs(
        self,
        time_range: TimeRange = "24h",
        metrics: Sequence[str] = METRICS,
        sources: Sequence[str] = (),
        *,
        query: str = "level>=error",
    ) -> list[Correlation]:
        """How the machine's readings go with the number of records that match a query, the strongest first.

        Both are compared in the same buckets of time. `p_value` says how often series that have nothing to do with each other go together as well: one of them
        is shifted in time for that, since neighbouring readings are alike.
        """
        start, end = self._bounds(time_range)
        wanted: dict[str, Any] = {"metrics": ",".join(metrics), "from": start, "to": end, "points": _POINTS}
        series = self._client.get(Series, "/v1/host/series", wanted)
        filters = _filters(query, (start, end), sources)
        counts = self._histogram(filters, _FINE, series.ts, series.bucket_us)
        found = [correlate(name, one.avg, counts) for name, one in series.series.items()]
        return sorted(found, key=lambda one: -abs(one.strength or 0.0))

    def _histogram(self, filters: dict[str, Any], buckets: int, ts: Sequence[int], width: int) -> list[int]:
        """How many records lie in each bucket of `width` µs that begins at one of `ts`."""
        buckets = max(1, min(_FINE, buckets))
        found = self._client.get(LogHistogram, "/v1/logs/histogram", {**filters, "buckets": buckets})
        counts = [0] * len(ts)
        for at, *numbers in zip(found.ts, *found.levels.values(), strict=True):
            place = (max(at, ts[0]) - ts[0]) // width if ts else 0
            if 0 <= place < len(counts):
                counts[place] += sum(numbers)
        return counts

    def _bounds(self, time_range: TimeRange) -> tuple[int, int]:
        """Begin and end in µs. None is the time since the first record."""
        since, until = _ends(time_range)
        end = self._now() if until is None else self._client.moment(str(until))
        if since is None:
            return self._client.log_patterns({"until": end}, limit=1).start, end
        return self._client.moment(str(since)), end

    def _now(self) -> int:
        return self._client.moment("now")


def _ends(time_range: TimeRange) -> tuple[str | int | None, str | int | None]:
    if time_range is None or isinstance(time_range, str):
        return time_range, None
    return _moment(time_range[0]), _moment(time_range[1])


def _moment(when: When) -> str | int:
    """A moment for the API; a `datetime` without a zone is local."""
    return round(when.astimezone().timestamp() * 1e6) if isinstance(when, datetime) else when


def _filters(query: str, time_range: TimeRange, sources: Sequence[str]) -> dict[str, Any]:
    since, until = _ends(time_range)
    return {"query": query or None, "since": since, "until": until, "source": ",".join(sources) or None}


def _by_clock(ts: Sequence[int], counts: Sequence[int], width: int) -> tuple[list[int], list[int]]:
    """Counts by local hour of the day and by weekday; buckets of days say nothing about hours."""
    by_hour, by_weekday = [0] * 24, [0] * 7
    for at, number in zip(ts, counts, strict=True):
        moment = datetime.fromtimestamp(at / 1e6).astimezone()
        by_hour[moment.hour] += number if width <= _HOUR else 0
        by_weekday[moment.weekday()] += number
    return by_hour, by_weekday
