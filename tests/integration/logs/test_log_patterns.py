"""Patterns of stored records: of every way in, once in the life of a store, and right when a write fails."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from logs import LogFilter, LogsError
from logs.analytics.changes import changes, ranges
from logs.analytics.parameters import parameters, slowing
from logs.analytics.patterns import patterns as patterns_of
from logs.analytics.vocabulary import field_names
from logs.patterns.files import FilePatterns
from logs.query import search
from logs.query.language import Options, parse_query
from monitor.store.duckdb import open_store
from monitor.store.interface import Append, Delete, Store, Upsert
from monitor.store.tiers import DAY
from tests.doubles.gated_store import GatedStore
from tests.integration.logs.conftest import Watch
from tests.waiting import wait_until

Start = Callable[..., Any]


def lines(first: int, last: int, what: str = "took") -> str:
    """Records with a time, half of them errors."""
    return "".join(
        f"2026-03-01 10:{n // 60 % 60:02d}:{n % 60:02d},000 - app - {'ERROR' if n % 2 else 'INFO'} - {what} {n} ms\n"
        for n in range(first, last)
    )


def templates(store: Store) -> dict[int, dict[str, Any]]:
    """The templates that are stored, by number."""
    return {row["number"]: row for row in store.query("log_templates", host="testhost").to_pylist()}


def patterns(store: Store) -> Counter[str]:
    """How many stored records each pattern has."""
    rows = store.select("SELECT template_id, count(*) AS n FROM log_records GROUP BY template_id").to_pylist()
    known = templates(store)
    counted: Counter[str] = Counter()
    for row in rows:
        counted[known[known[row["template_id"]]["pattern"]]["text"]] += row["n"]
    return counted


def test_followed_and_ingested_records_have_their_patterns(start: Start, tmp_path: Path) -> None:
    """A line that is written now and a file of old ones get the same numbers, with ids as `FilePatterns` gives them; a restart changes none."""
    old, live = tmp_path / "old.log", tmp_path / "live.log"
    old.write_text(lines(0, 200) + lines(0, 50, "waited"))
    live.write_text(lines(0, 3))
    watch: Watch = start(globs=(str(live),))
    watch.ingest(old)
    with live.open("a") as file:
        file.write(
            lines(3, 5)
            + "2026-03-01 10:00:06,000 - app - ERROR - broken\nTraceback (most recent call last):\nValueError: 7\n"
        )
    wait_until(lambda: sum(patterns(watch.store).values()) == 256, "all is stored")
    assert patterns(watch.store) == {"took <*>": 205, "waited <*>": 50, "broken": 1}
    counted = FilePatterns()
    counted.read(old)
    known = templates(watch.store)
    assert {one.pattern.id for one in counted.counts()} <= {row["id"] for row in known.values()}
    took = next(row for row in known.values() if row["text"] == "took <*>")
    assert (took["level"], took["example"]) == (40, "took 0 ms")
    watch.stop()
    again: Watch = start(globs=(str(live),))
    with live.open("a") as file:
        file.write(lines(7, 8) + lines(8, 9, "lost"))
    wait_until(lambda: patterns(again.store)["lost <*>"] == 1, "the new lines are stored")
    assert patterns(again.store)["took <*>"] == 206
    after = templates(again.store)
    assert {number: row["noticed"] for number, row in after.items() if number in known} == {
        number: row["noticed"] for number, row in known.items()
    }, "what is known is not noticed again"
    assert [row["text"] for number, row in after.items() if number not in known] == ["lost <*>"]


def test_records_that_wait_for_a_full_store_bring_their_patterns(start: Start, tmp_path: Path) -> None:
    """Templates are stored with the records that first have them, also when these were refused before."""
    live = tmp_path / "live.log"
    live.write_text("")
    watch: Watch = start(globs=(str(live),), in_store=GatedStore)
    watch.store.full = True
    live.write_text(lines(0, 20))
    wait_until(lambda: watch.service.health()["waiting"], "the store refuses")
    assert templates(watch.store) == {}
    watch.store.full = False
    wait_until(lambda: patterns(watch.store) == {"took <*>": 20}, "all is stored")


HOUR = 3_600_000_000
NOON = 1_772_366_400_000_000
"""2026-03-01 12:00 UTC."""


def written(at: int, message: str, level: str = "INFO") -> str:
    """A line at a time (µs)."""
    moment = datetime.fromtimestamp(at / 1e6, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at // 1000 % 1000:03d}Z - app - {level} - {message}\n"


@pytest.fixture
def history(start: Start, tmp_path: Path) -> Store:
    """Two files of 24 hours: a steady pattern, one that ends at noon, one that begins in the last hour, and one that tripled then."""
    lines_of: dict[str, list[str]] = {"web": [], "job": []}
    for minute in range(24 * 60):
        at = NOON - 12 * HOUR + minute * HOUR // 60
        lines_of["web"].append(written(at, f"GET /item/{minute} 200"))
        if minute < 12 * 60 and minute % 3 == 0:
            lines_of["web"].append(written(at, "heartbeat"))
        if minute % 10 == 0 or (minute >= 23 * 60 and minute % 2):
            lines_of["job"].append(written(at, f"retry {minute}", "WARNING"))
        if minute >= 23 * 60 and minute % 4 == 0:
            lines_of["job"].append(written(at, f"database lost after {minute} s", "ERROR"))
    watch: Watch = start()
    for name, texts in lines_of.items():
        path = tmp_path / f"{name}.log"
        path.write_text("".join(texts))
        watch.ingest(path)
    return watch.store


@pytest.mark.parametrize(
    "given", [{}, {"since": str(NOON)}, {"level": "warn"}, {"source": "web"}, {"q": "lost"}, {"query": "-heartbeat"}]
)
def test_counts_add_up_to_the_records_of_any_filter(history: Store, given: dict[str, str]) -> None:
    """Patterns, levels, sources, trend: each adds up to what the search counts."""
    wanted = LogFilter.parse(given, NOON + 13 * HOUR)
    found = patterns_of(history, wanted, NOON + 13 * HOUR)
    number = search.count(history, wanted)["count"]
    assert found["total"] == number == sum(one["count"] for one in found["patterns"])
    assert found["found"] == len(found["patterns"])
    for one in found["patterns"]:
        assert one["count"] == sum(one["trend"]) == sum(one["levels"].values())
        assert one["count"] == sum(source["count"] for source in one["sources"])
        assert found["from"] <= one["first"] <= one["last"] < found["to"]
        assert one["errors"] == one["levels"].get("error", 0)
        same = LogFilter.parse(
            {**given, "query": f"{given.get('query', '')} pattern:{one['number']}"}, NOON + 13 * HOUR
        )
        assert search.count(history, same)["count"] == one["count"], "the records of a pattern can be searched"


def test_new_and_bursting_patterns_are_marked(history: Store) -> None:
    """New is what occurred first in the range, in a source that was there before; over all times nothing is new."""
    now = NOON + 12 * HOUR
    marks = {
        one["text"]: (one["new"], one["bursting"], one["level"])
        for one in patterns_of(history, LogFilter(since=now - 12 * HOUR), now)["patterns"]
    }
    assert marks == {
        "GET <*>": (False, False, "info"),
        "retry <*>": (False, True, "warn"),
        "database lost after <*>": (True, True, "error"),
    }
    assert not any(one["new"] for one in patterns_of(history, LogFilter(), now)["patterns"])


def test_what_a_source_says_at_its_beginning_is_no_burst(start: Start, tmp_path: Path) -> None:
    """The silence before a source wrote its first record is no time to compare with; that of one that was there before is."""
    texts = {
        "old": [written(NOON, "up"), *(written(NOON + 11 * HOUR + n * HOUR // 600, f"retry {n}") for n in range(600))],
        "fresh": [written(NOON + 11 * HOUR + n * HOUR // 600, f"loaded {n} rows") for n in range(600)],
    }
    watch: Watch = start()
    for name, found in texts.items():
        path = tmp_path / f"{name}.log"
        path.write_text("".join(found))
        watch.ingest(path)
    now = NOON + 12 * HOUR
    marks = {
        one["text"]: one["bursting"]
        for one in patterns_of(watch.store, LogFilter(since=now - 12 * HOUR), now)["patterns"]
    }
    assert marks == {"up": False, "retry <*>": True, "loaded <*> rows": False}


def test_what_changed_between_two_ranges(history: Store) -> None:
    """The last hour against the 23 before it, and the second half of the day against the first: what is new, gone, more; the steady pattern is not named."""
    now = NOON + 12 * HOUR
    found = changes(history, LogFilter(), *ranges(now - HOUR, now, now - 24 * HOUR))
    assert [(one["kind"], one["text"]) for one in found["changes"]] == [
        ("new", "database lost after <*>"),
        ("more", "retry <*>"),
    ]
    halves = changes(history, LogFilter(), *ranges(NOON, now))
    assert [(one["kind"], one["text"]) for one in halves["changes"]] == [
        ("new", "database lost after <*>"),
        ("gone", "heartbeat"),
    ]
    retry = found["changes"][-1]
    assert (retry["before"], retry["after"]) == (138, 36)
    assert (retry["before_per_hour"], retry["after_per_hour"]) == (6.0, 36.0)
    assert {one["name"] for one in found["levels"] if one["changed"]} == {"error", "warn"}
    assert {one["name"] for one in found["sources"] if one["changed"]} == {"job"}
    same = changes(history, LogFilter(sources=("job",)), *ranges(now - 2 * HOUR, now - HOUR))
    assert (same["changes"], same["found"]) == ([], 0)
    with pytest.raises(LogsError, match="empty"):
        ranges(now, now - 1)


def test_records_from_before_patterns_are_counted_as_such(history: Store) -> None:
    """Records of an older store have no number; they are a row of their own, so that the sum is right."""
    rows = pa.table({"file_id": pa.array([1], pa.int64()), "pos": pa.array([1], pa.int64())})
    for name, value in {"host": "h", "source": "old", "message": "x", "lines": 1, "level": 20}.items():
        rows = rows.append_column(name, pa.array([value]))
    for name in ("ts", "ingested"):
        rows = rows.append_column(name, pa.array([NOON], pa.timestamp("us")))
    before = patterns_of(history, LogFilter(), NOON + 12 * HOUR)["total"]
    history.write([Append("log_records", rows)])
    found = patterns_of(history, LogFilter(), NOON + 12 * HOUR)
    assert found["total"] == before + 1
    assert [(one["id"], one["count"], one["first_seen"]) for one in found["patterns"] if one["number"] < 0] == [
        ("none", 1, None)
    ]


def test_a_number_from_before_a_merge_leads_to_the_whole_pattern(start: Start, tmp_path: Path) -> None:
    """A link with the number of what is part of a larger pattern by now shows all of that pattern."""
    path = tmp_path / "a.log"
    names = ["ada", "grace", "linus", "barbara", "ken", "dennis", "margaret"]
    path.write_text("".join(written(NOON, f"login of {name} refused") for name in names) + written(NOON, "other words"))
    watch: Watch = start()
    watch.ingest(path)
    for number in (row["number"] for row in templates(watch.store).values() if row["text"].startswith("login")):
        assert search.count(watch.store, LogFilter.parse({"query": f"pattern:{number}"}, NOON))["count"] == len(names)


@pytest.fixture
def requests(start: Start, tmp_path: Path) -> Store:
    """A file of requests with a duration that triples in the last tenth, a size, a name, and a duration that stays."""
    path = tmp_path / "web.log"
    texts: list[str] = []
    for n in range(600):
        took = (40 + n % 7) * (3 if n >= 540 else 1)
        texts += [
            written(
                NOON + n * 1_000_000, f"request of {('ada', 'bob')[n % 2]}{n % 3} took {took} ms size={100 + n % 50}"
            ),
            written(NOON + n * 1_000_000, f"pause_ms={20 + n % 5} over"),
        ]
    path.write_text("".join(texts))
    watch: Watch = start()
    watch.ingest(path)
    return watch.store


def test_the_values_of_a_pattern_are_columns(requests: Store) -> None:
    """A duration in a message is a curve of percentiles in seconds; numbers and texts are what they are; a unit in a name counts."""
    now, since = NOON + HOUR, LogFilter(since=NOON, until=NOON + 600 * 1_000_000)
    numbers = {row["text"]: number for number, row in templates(requests).items()}
    found = parameters(requests, since, numbers["request of <*> took <*> size=<*>"], now, points=10)
    assert (found["total"], found["looked_at"], len(found["ts"])) == (600, 600, 10)
    who, took, size = found["columns"]
    assert (who["kind"], who["different"], {one["count"] for one in who["top"]}) == ("text", 6, {100})
    assert (took["kind"], took["name"], took["stats"]["min"], took["stats"]["max"]) == ("time", "took", 0.040, 0.138)
    assert took["p50"] == pytest.approx([0.043] * 9 + [0.129])
    assert all(p95 >= p50 for p50, p95 in zip(took["p50"], took["p95"], strict=True))
    assert (size["kind"], size["name"], size["stats"]["p50"]) == ("number", "size", pytest.approx(124.5))
    (pause,) = parameters(requests, since, numbers["pause_ms=<*> over"], now)["columns"]
    assert (pause["kind"], pause["stats"]["max"]) == ("time", pytest.approx(0.024))
    part = parameters(
        requests,
        LogFilter(since=NOON, query=parse_query("size=100", Options(now))),
        numbers["request of <*> took <*> size=<*>"],
        now,
    )
    assert part["total"] == 12, "the filter holds"
    with pytest.raises(LogsError, match="no pattern"):
        parameters(requests, since, 999, now)
    named = sorted(one["name"] for one in field_names(requests))
    assert named == ["pause_ms", "size", "took"], (
        "those that a query can compare are completed; `of` has names of people"
    )


def test_of_many_records_an_even_part_is_looked_at(requests: Store) -> None:
    """The answer says so, and its figures are near those of all."""
    number = next(number for number, row in templates(requests).items() if row["text"].startswith("request"))
    some = parameters(requests, LogFilter(), number, NOON + HOUR, most=100)
    assert some["total"] == 600
    assert 20 <= some["looked_at"] <= 200
    assert some["columns"][1]["stats"]["p50"] == pytest.approx(0.043, rel=0.1)


def test_a_duration_that_grows_is_slowing(requests: Store) -> None:
    """In the newest quarter of the range: the tripled one is, by its median; the steady one is not, nor is either in the time before."""
    numbers = {row["text"]: number for number, row in templates(requests).items()}
    counts = [(number, 600) for number in numbers.values()]
    late = LogFilter(since=NOON + 400 * 1_000_000)
    (one,) = slowing(requests, late, counts)
    assert (one["number"], one["name"]) == (numbers["request of <*> took <*> size=<*>"], "took")
    assert one["ratio"] == pytest.approx(3, rel=0.1)
    assert slowing(requests, LogFilter(until=NOON + 500 * 1_000_000), counts) == []


def events(store: Store) -> list[dict[str, Any]]:
    """The events of new patterns, the oldest first."""
    return store.query("process_events", host="testhost", kinds=["NEW_PATTERN"], limit=1_000).to_pylist()[::-1]


def test_a_pattern_that_was_never_seen_is_an_event_once(start: Start, tmp_path: Path) -> None:
    """A line of a new pattern is told with its source; the next of it, and all after a restart, are not; an import is one sentence."""
    live, old = tmp_path / "live.log", tmp_path / "old.log"
    live.write_text(lines(0, 3))
    watch: Watch = start(globs=(str(live),))
    wait_until(lambda: len(events(watch.store)) == 1)
    with live.open("a") as file:
        file.write("2026-03-01 10:00:06,000 - app - ERROR - database lost after 3 s\n")
    found = wait_until(lambda: got if len(got := events(watch.store)) == 2 else None)
    assert (found[1]["name"], found[1]["message"]) == ("live", "new log pattern: database lost after <*>")
    with live.open("a") as file:
        file.write("2026-03-01 10:00:07,000 - app - ERROR - database lost after 4 s\n")
    wait_until(lambda: patterns(watch.store)["database lost after <*>"] == 2)
    watch.stop()
    again: Watch = start(globs=(str(live),))
    old.write_text(
        "".join(lines(n, n + 1, f"{word} kind") for n, word in enumerate(["alpha", "beta", "gamma", "delta"]))
    )
    with live.open("a") as file:
        file.write("2026-03-01 10:00:08,000 - app - ERROR - database lost after 5 s\n")
    wait_until(lambda: patterns(again.store)["database lost after <*>"] == 3)
    assert len(events(again.store)) == 2
    again.ingest(old)
    assert [one["message"] for one in events(again.store)][2:] == ["4 new log patterns, such as: beta kind <*>"], (
        "the gravest"
    )


def test_patterns_that_no_record_has_any_more_go(start: Start, tmp_path: Path) -> None:
    """After three months without a record a template is dropped, unless it stands for one that stays; what is still known is not told again."""
    live = tmp_path / "live.log"
    live.write_text(lines(0, 3, "waited") + lines(3, 6))
    watch: Watch = start(globs=(str(live),))
    wait_until(lambda: patterns(watch.store) == {"took <*>": 3, "waited <*>": 3})
    watch.stop()
    folder, now = tmp_path / "data", time.time_ns() // 1000
    with closing(open_store(folder, limit_bytes=1 << 32, now=lambda: now)) as store:
        known = {row["text"]: number for number, row in templates(store).items()}
        old = pa.array([now - 100 * DAY], pa.int64()).view(pa.timestamp("us"))
        for number in known.values():
            row = pa.table({"host": ["testhost"], "number": [number], "last_seen": old, "noticed": old})
            store.write([Upsert("log_templates", row, ("host", "number"))])
        gone = store.select(f"SELECT file_id, pos FROM log_records WHERE template_id = {known['waited <*>']}")
        sampled = pa.array([now - 12 * HOUR], pa.int64()).view(pa.timestamp("us"))
        store.write(
            [
                Delete("log_records", gone, ("file_id", "pos")),
                Append("host_samples", pa.table({"host": ["testhost"], "ts": sampled})),
            ]
        )
    again: Watch = start(globs=(str(live),))
    with live.open("a") as file:
        file.write(lines(7, 8))
    wait_until(lambda: set(templates(again.store)) == {known["took <*>"]}, "the other one is gone")
    with live.open("a") as file:
        file.write(lines(8, 9, "waited") + lines(9, 10))
    wait_until(lambda: patterns(again.store)["waited <*>"] == 1)
    wait_until(lambda: len(events(again.store)) == 3)
    assert [one["message"] for one in events(again.store)][2:] == ["new log pattern: waited <*>"]
