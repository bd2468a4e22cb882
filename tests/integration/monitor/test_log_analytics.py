"""`LogAnalytics` with a real agent: what it says of records that were written for it."""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.client.log_analytics import LogAnalytics
from tests.waiting import wait_until

DAY = datetime(2026, 11, 2, tzinfo=UTC)
"""A Monday."""
SOURCE = "okapi"


@pytest.fixture(scope="module")
def analytics(running_agent: Any, tmp_path_factory: pytest.TempPathFactory) -> LogAnalytics:
    """Over a file of two days: an error each hour, three in the tenth of each day, and an info each minute of one hour."""
    path: Path = tmp_path_factory.mktemp("analytics") / f"{SOURCE}.log"
    rows = [(DAY + timedelta(minutes=n), "INFO", f"tick {n}") for n in range(60)]
    rows += [
        (DAY + timedelta(hours=hour, minutes=20 + n), "ERROR", f"lost {n + hour} of 9")
        for hour in range(48)
        for n in range(3 if hour % 24 == 10 else 1)
    ]
    rows += [(DAY + timedelta(hours=5, minutes=n), "ERROR", "disk full") for n in (1, 2)]
    lines = [f"{at:%Y-%m-%dT%H:%M:%S}.000Z - app - {level} - {text}\n" for at, level, text in sorted(rows)]
    path.write_text("".join(lines))
    api = running_agent.api
    job = api.ingest([path])
    wait_until(lambda: api.ingest_job(job).state == "done", "the file is stored")
    return LogAnalytics(api)


def test_search_takes_a_query_a_range_and_sources(analytics: LogAnalytics) -> None:
    """Records oldest first, the newest where there are more than asked for; moments are datetimes or texts."""
    span = (DAY, DAY + timedelta(minutes=30))
    found = analytics.search_logs("tick", span, [SOURCE])
    assert [one.message for one in found] == [f"tick {n}" for n in range(30)]
    assert [one.message for one in analytics.search_logs("tick", span, [SOURCE], limit=2)] == ["tick 28", "tick 29"]
    assert len(analytics.search_logs("level>=error", ("2026-11-02T00:00Z", "2026-11-03T00:00Z"), [SOURCE])) == 28
    assert analytics.search_logs("tick", span, ["nobody"]) == []


def test_errors_have_a_rate_buckets_and_patterns(analytics: LogAnalytics) -> None:
    """Whole hours with their counts; the rates are records an hour; shares add up; hours of the day and weekdays are local."""
    found = analytics.analyze_error_patterns((DAY + timedelta(minutes=7), DAY + timedelta(hours=48)), [SOURCE])
    assert (found.errors, found.bucket_us, len(found.counts), found.start) == (
        54,
        3_600_000_000,
        48,
        int(DAY.timestamp() * 1e6),
    )
    assert [found.counts[hour] for hour in (0, 5, 10, 34, 47)] == [1, 3, 3, 3, 1]
    assert found.per_hour == pytest.approx(54 / 48)
    assert [(one.pattern.text, one.pattern.count, one.per_hour) for one in found.patterns] == [
        ("lost <*> of <*>", 52, pytest.approx(52 / 48)),
        ("disk full", 2, pytest.approx(2 / 48)),
    ]
    assert sum(one.share for one in found.patterns) == pytest.approx(1)
    assert found.patterns[1].pattern.trend[5] == 2
    assert sum(found.by_hour_of_day) == sum(found.by_weekday) == 54
    ten = (DAY + timedelta(hours=10)).astimezone()
    assert found.by_hour_of_day[ten.hour] == 6
    minutes = analytics.analyze_error_patterns((DAY, DAY + timedelta(hours=2)), [SOURCE])
    assert (minutes.bucket_us, minutes.errors, len(minutes.ts)) == (60_000_000, 2, 120)
    nothing = analytics.analyze_error_patterns((DAY - timedelta(days=9), DAY - timedelta(days=8)), [SOURCE])
    assert (nothing.errors, nothing.per_hour, nothing.patterns) == (0, 0.0, [])


def test_the_timeline_of_a_process_has_its_events_and_its_records(analytics: LogAnalytics, running_agent: Any) -> None:
    """What was told of a process and nothing else, in the order of time."""
    from monitor.client.client import Client

    client: Client = running_agent.api
    now = time.time_ns() // 1000
    for at, kind in ((now - 2_000_000, "START"), (now - 1_000_000, "ERROR")):
        event = {
            "timestamp": at,
            "process_name": "okapi-import",
            "event_type": kind,
            "details": {"message": f"says {kind}"},
        }
        client.request("POST", "/v1/events", body=event)
    wait_until(lambda: len(client.events({"q": "okapi-import"}).events) == 2, "the events are stored")
    found = analytics.generate_process_timeline("okapi-import", "1h")
    assert [(one.kind, one.text) for one in found] == [("START", "says START"), ("ERROR", "says ERROR")]
    assert analytics.generate_process_timeline('no "such\\ process', "1h") == []


def test_readings_are_compared_with_records_in_the_same_buckets(analytics: LogAnalytics) -> None:
    """Every reading of the machine is named, with the buckets that have one; a metric that does not exist is refused with a hint."""
    found = analytics.correlate_performance_logs("10m")
    assert {"cpu_pct", "mem_used"} <= {one.metric for one in found}
    assert all(one.strength is None or -1 <= one.strength <= 1 for one in found)
    assert max(one.buckets for one in found) >= 1


def test_it_is_public() -> None:
    """Programs import it by the name of the package."""
    import importlib

    library = importlib.import_module("monitor.library")
    assert library.load("LogAnalytics") is LogAnalytics
    assert sys.modules["monitor.client.log_analytics"].LogAnalytics is LogAnalytics
