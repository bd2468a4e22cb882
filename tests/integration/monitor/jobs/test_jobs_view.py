"""What is said of jobs and workers: counts, rate, durations, stuck and slowest ones."""

import json
from collections.abc import Iterable
from zlib import crc32

import pyarrow as pa
import pytest

from monitor.jobs.view import JobView
from monitor.store.interface import Append
from tests.integration.monitor.jobs.conftest import NOW, Scene

MINUTE = 60_000_000


@pytest.fixture
def view(scene: Scene) -> JobView:
    """A view with the usual limits."""
    return JobView(scene.store, lambda: scene.host, lambda: (3.0, 10.0))


def report(scene: Scene, name: str, events: Iterable[dict[str, object]]) -> None:
    """Append events of a run to its file, and count them."""
    scene.spool.mkdir(exist_ok=True)
    with (scene.spool / f"{name}.jsonl").open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)
    scene.service.round()


def some_jobs(*, slow: float = 4.0) -> list[dict[str, object]]:
    """A run of 40 jobs in the last 40 minutes: one takes longer, the last fails, and two are at work."""
    events: list[dict[str, object]] = [{"e": "start", "n": 0, "worker": "scraper", "run": "r1", "t": NOW - 50 * MINUTE}]
    for i in range(1, 41):
        took = slow if i == 7 else 2.0
        error = {"error": "Timeout: 30 s"} if i == 40 else {}
        end = {
            "e": "failed" if error else "done",
            "n": i,
            "job": f"page {i}",
            "s": took,
            "t": NOW - (40 - i) * MINUTE - MINUTE // 2,
        }
        events.append({**end, **error})
    events += [
        {"e": "begin", "n": 100, "job": "old", "t": NOW - 13_000_000},
        {"e": "begin", "n": 101, "job": "young", "t": NOW - 11_000_000},
    ]
    return events


def test_a_worker_in_one_row(scene: Scene, view: JobView) -> None:
    """Counters of all time and since a time, five minutes' rate, percentiles, the slowest, and what is stuck."""
    report(scene, "s", some_jobs())
    (row,) = view.workers(NOW, NOW - 20 * MINUTE)
    assert (row.worker, row.living, row.runs, row.in_flight) == ("scraper", 1, 1, 2)
    assert (row.counts.done, row.counts.failed, row.counts.interrupted) == (39, 1, 0)
    assert (row.recent.done, row.recent.failed) == (19, 1)
    assert row.per_minute == 1.0
    assert row.p50_s == 2.0
    assert row.stuck_after_s == 10.0
    assert row.stuck == 2
    assert row.slowest is not None
    assert row.slowest.seconds == 2.0
    (row,) = view.workers(NOW, NOW - 60 * MINUTE)
    assert row.slowest is not None
    assert (row.slowest.job, row.slowest.seconds) == ("page 7", 4.0)
    assert row.reason is None


def test_the_rate_of_a_young_worker_is_that_of_its_life(scene: Scene, view: JobView) -> None:
    """A minute's jobs are not spread over five."""
    began = {"e": "start", "n": 0, "worker": "scraper", "run": "r1", "t": NOW - MINUTE}
    done = [{"e": "done", "n": i, "job": f"page {i}", "s": 1.0, "t": NOW - i * 1_000_000} for i in range(1, 41)]
    report(scene, "s", [began, *done])
    assert [row.per_minute for row in view.workers(NOW, NOW - 20 * MINUTE)] == [40.0]


def test_stuck_needs_history_and_time(scene: Scene, view: JobView) -> None:
    """A job is stuck above three times the 99th percentile of a day's jobs, after ten seconds at least, and never where few are known."""
    report(scene, "s", some_jobs(slow=5.0))
    jobs = view.running(NOW, limit=10).jobs
    (row,) = view.workers(NOW, NOW)
    limit = row.stuck_after_s
    assert limit is not None
    assert 10 < limit < 13
    assert [(job.job, job.seconds, job.stuck) for job in jobs] == [("old", 13.0, True), ("young", 11.0, limit < 11)]
    report(scene, "few", [{"e": "begin", "n": 1, "worker": "rare", "job": "x", "t": NOW - 3600_000_000}])
    assert [job.stuck for job in view.running(NOW, worker="rare", limit=10).jobs] == [False]


def test_filters(scene: Scene, view: JobView) -> None:
    """By worker, outcome, text and time; the newest or the slowest first; the total counts what the limit hides."""
    report(scene, "s", some_jobs())
    report(scene, "t", [{"e": "done", "worker": "mail", "job": "to page 1", "t": NOW}])
    found = view.over(limit=2)
    assert (found.total, [job.job for job in found.jobs]) == (41, ["to page 1", "page 40"])
    assert [(job.job, job.state, job.error) for job in view.over(failed=1, limit=9).jobs] == [
        ("page 40", "failed", "Timeout: 30 s")
    ]
    assert [job.job for job in view.over(q="TIMEOUT", limit=9).jobs] == ["page 40"]
    assert view.over(worker="mail", limit=9).total == 1
    assert [job.job for job in view.over(slowest=1, limit=1).jobs] == ["page 7"]
    assert view.over(since=NOW - 10 * MINUTE, until=NOW - 5 * MINUTE, limit=99).total == 5
    assert [row.worker for row in view.workers(NOW, 0)] == ["mail", "scraper"]


def test_one_job_with_what_was_logged_in_it(scene: Scene, view: JobView) -> None:
    """Running or over, by its run and number; another is unknown."""
    events = [
        {"e": "begin", "n": 1, "job": "a"},
        {"e": "log", "n": 2, "of": 1, "level": "error", "logger": "net", "text": "refused"},
    ]
    report(scene, "s", [{"e": "start", "n": 0, "worker": "w", "run": "r9"}, *events])
    found = view.one("r9", 1, NOW)
    assert found is not None
    assert (found.job.state, [record.message for record in found.records]) == ("running", ["refused"])
    report(scene, "s", [{"e": "failed", "n": 3, "of": 1, "error": "no"}])
    found = view.one("r9", 1, NOW)
    assert found is not None
    assert (found.job.state, found.job.error, found.records[0].logger) == ("failed", "no", "net")
    assert view.one("r9", 2, NOW) is None


@pytest.mark.parametrize(
    ("end", "asked", "said"),
    [
        (None, "stopped by Ada", "stopped by Ada; the worker stopped"),
        ({"e": "failed", "error": "KeyboardInterrupt"}, "stopped by Ada", "stopped by Ada; KeyboardInterrupt"),
        ({"e": "failed", "error": "SystemExit: 0"}, "stopped by Ada", "stopped by Ada; SystemExit: 0"),
        ({"e": "failed", "error": "ValueError: no"}, "stopped by Ada", None),
        (None, None, None),
        ({"e": "done"}, "stopped by Ada", None),
        ({"e": "failed", "error": "SystemExit: 0", "t": NOW - MINUTE}, "stopped by Ada", None),
    ],
)
def test_what_an_end_that_was_asked_for_broke_off_is_no_failure(
    scene: Scene, view: JobView, end: dict[str, object] | None, asked: str | None, said: str | None
) -> None:
    """It is interrupted, with who asked; what failed before, or was done, stays what it is. So does the worker not seem to have died."""
    run, over = crc32(scene.host.encode()), pa.array([NOW], pa.int64()).view(pa.timestamp("us"))
    row = {"run": run, "host": scene.host, "boot_id": "b", "pid": 7, "start_tick": 1, "name": "w", "cmdline": "w"}
    ends = {"end_ts": over, "asked": pa.array([asked], pa.string())}
    scene.store.write([Append("runs", pa.table({name: [value] for name, value in row.items()} | ends))])
    scene.pids[7] = run
    events: list[dict[str, object]] = [{"e": "begin", "n": 1, "job": "a", "t": NOW - 2 * MINUTE}]
    events += [{"t": NOW, **end, "n": 2, "of": 1}] if end else []
    start = {"e": "start", "n": 0, "worker": "w", "run": "r", "pid": 7, "t": NOW - 3 * MINUTE}
    report(scene, "w", [start, *events, {"e": "stop", "n": 3, "t": NOW}])
    (job,) = view.over(limit=9).jobs
    (worker,) = view.workers(NOW, NOW - 60 * MINUTE)
    assert job.asked == (asked if said else None)
    assert (job.state == "interrupted") == (end is None or said is not None)
    assert view.over(failed=1, limit=9).total == (job.state != "done" and not said)
    assert worker.asked == asked
    assert worker.recent.asked == (said is not None)
    assert worker.recent.failed == (job.state == "failed")
    assert said is None or job.error == said
    assert (asked or "") in (worker.reason or "")


def test_errors_that_differ_in_values_only_count_together(scene: Scene, view: JobView) -> None:
    """Each error with its number of jobs and its newest one; the error that is told finds exactly these jobs."""
    told = [
        *[f"Timeout: no answer from /shop/{i} after {i} s" for i in range(30)],
        *["HTTP 404: gone"] * 5,
        "HTTP 500: broken",
        *[f"KeyError: 'price of {name}'\nTraceback {name}" for name in ("a", "b", "c", "d", "e")],
        "",
    ]
    events: list[dict[str, object]] = [{"e": "start", "n": 0, "worker": "scraper", "run": "r1", "t": NOW - 50 * MINUTE}]
    events += [
        {"e": "failed", "n": i, "job": f"page {i}", "s": 1.0, "t": NOW - MINUTE + i, "error": error}
        for i, error in enumerate(told, 1)
    ]
    events.append({"e": "done", "n": 900, "job": "well", "s": 1.0, "t": NOW - MINUTE})
    report(scene, "s", events)
    found = view.errors(100, failed=True)
    assert found.total == len(told)
    assert [(one.error, one.jobs) for one in found.errors[:3]] == [
        ("Timeout: no answer from … after … s", 30),
        ("KeyError: …", 5),
        ("HTTP 404: gone", 5),
    ]
    assert {(one.error, one.jobs) for one in found.errors[3:]} == {("", 1), ("HTTP 500: broken", 1)}
    first = found.errors[0]
    assert (first.newest.job, first.newest.state, first.first, first.last) == (
        "page 30",
        "failed",
        NOW - MINUTE + 1,
        NOW - MINUTE + 30,
    )
    for one in found.errors:
        if one.error:
            assert view.over(failed=True, error=one.error, limit=100).total == one.jobs, one.error
    assert view.errors(1, failed=True).errors == found.errors[:1]
