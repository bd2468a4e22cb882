"""Ingest, sources, pages of a search, and the journal."""

import gzip
import json
import os
import resource
import stat
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import logs
from logs import LogFilter, LogsError
from logs.following.journal import Journal
from logs.query import search
from monitor.store.duckdb.opening import open_store
from monitor.store.interface import Store
from monitor.store.log_records import LogRecords
from tests.doubles.log_watch import LogWatch, now_us
from tests.integration.logs.conftest import QUICK, Watch
from tests.waiting import wait_until

Start = Callable[..., Any]


def lines(first: int, last: int) -> bytes:
    """Numbered lines."""
    return b"".join(
        b"2026-03-01 10:%02d:%02d,000 - app - %s - n=%d\n"
        % (n // 60 % 60, n % 60, b"ERROR" if n % 10 == 0 else b"INFO", n)
        for n in range(first, last)
    )


def test_ingest_reports_what_it_read(start: Start, tmp_path: Path) -> None:
    """Lines, records, bytes and seconds; the source is called ingested."""
    path = tmp_path / "old.log"
    path.write_bytes(lines(0, 1001) + b"Traceback (most recent call last):\n  File x\nValueError: y\n")
    watch = start()
    state = watch.ingest(path)
    assert (state["state"], state["lines"], state["records"], state["bytes"], state["progress"]) == (
        "done",
        1004,
        1001,
        path.stat().st_size,
        1.0,
    )
    assert len(watch.records()) == 1001
    source = next(source for source in watch.service.sources() if source.source == "old")
    assert (source.kind, source.state, source.records, source.format) == ("ingested", "done", 1001, "python")


def test_ingesting_again_adds_only_what_is_new(start: Start, tmp_path: Path) -> None:
    """An unchanged file adds nothing; a grown one its new part, also after a restart of the watch."""
    path = tmp_path / "old.log"
    path.write_bytes(lines(0, 100))
    watch = start()
    watch.ingest(path)
    again = watch.ingest(path)
    assert (again["lines"], again["records"], again["added"]) == (100, 100, 0)
    with path.open("ab") as file:
        file.write(lines(100, 150))
    grown = watch.ingest(path)
    assert (grown["lines"], grown["records"], grown["added"]) == (150, 150, 50)
    assert [record.line_no for record in watch.in_file_order()] == list(range(1, 151))


def test_ingest_refuses_what_it_cannot_read(start: Start, tmp_path: Path) -> None:
    """A missing file, a directory, an unknown format and an unknown job are errors with hints."""
    watch = start()
    (tmp_path / "a.log").touch()
    for wrong in (lambda: watch.service.ingest([str(tmp_path / "none")]), lambda: watch.service.ingest([str(tmp_path)]), lambda: watch.service.ingest([]),
                  lambda: watch.service.ingest([str(tmp_path / "a.log")], "cobol"), lambda: watch.service.ingest_state("nope")):  # fmt: skip
        with pytest.raises(LogsError) as caught:
            wrong()
        assert caught.value.hint


def test_pages_cover_all_records_once(start: Start, tmp_path: Path) -> None:
    """Going back page by page, and forth again, gives each record once in order, equal times included."""
    path = tmp_path / "old.log"
    path.write_bytes(lines(0, 200) + lines(0, 200))
    watch = start()
    watch.ingest(path)
    back: list[str] = []
    page = search.search(watch.store, logs.LogFilter(), limit=37)
    assert page.newer is not None
    while True:
        back[:0] = [record.id for record in page.records]
        if page.older is None:
            break
        page = search.search(watch.store, logs.LogFilter(), limit=37, before=page.older)
    assert len(back) == len(set(back)) == 400
    forth = [record.id for record in page.records]
    cursor = page.newer
    while (page := search.search(watch.store, logs.LogFilter(), limit=41, after=cursor)).records:
        forth += [record.id for record in page.records]
        cursor = page.newer
    assert forth == back
    with pytest.raises(LogsError):
        search.search(watch.store, logs.LogFilter(), before="nonsense")


def test_histogram_facets_and_count_agree(start: Start, tmp_path: Path) -> None:
    """Each way of counting gives the same sums."""
    path = tmp_path / "old.log"
    path.write_bytes(lines(0, 600))
    watch = start()
    watch.ingest(path)
    wanted = logs.LogFilter.parse({"q": "n="}, 0)
    drawn = search.histogram(watch.store, wanted, 20)
    assert (
        drawn["total"] == sum(map(sum, drawn["levels"].values())) == search.count(watch.store, wanted)["count"] == 600
    )
    assert len(drawn["ts"]) <= 21
    assert search.facets(watch.store, wanted) == {
        "levels": {"info": 540, "error": 60},
        "sources": [{"source": "old", "count": 600}],
        "archived": False,
    }


def test_a_record_has_its_neighbours(start: Start, tmp_path: Path) -> None:
    """A record is found by its id, with original, path and neighbours of its file."""
    path = tmp_path / "old.log"
    path.write_bytes(lines(0, 20))
    watch = start()
    watch.ingest(path)
    middle = watch.records()[10]
    detail = search.record(watch.store, middle.id)
    assert detail is not None
    assert (detail["raw"], detail["path"]) == (lines(10, 11).decode().strip(), str(path))
    assert [record.message for record in search.context(watch.store, middle.id, 2, 1)] == ["n=8", "n=9", "n=10", "n=11"]
    assert search.record(watch.store, "1:1") is None
    with pytest.raises(LogsError):
        search.record(watch.store, "x")


def test_errors_are_counted_by_the_minute(start: Start, tmp_path: Path) -> None:
    """Recent errors: by minute, the newest, and each kind once."""
    path = tmp_path / "now.log"
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    path.write_text(
        "".join(f"{stamp},{n:03d} - app - ERROR - failed {n}\n" for n in range(5))
        + f"{stamp},900 - app - ERROR - other\n2033-01-01 00:00:00,000 - app - ERROR - of a wrong clock\n"
    )
    watch = start()
    watch.ingest(path)
    found = search.errors(watch.store, time.time_ns() // 1000)
    assert found["last_10_min"] == sum(found["per_minute"]) == 6
    assert [one["count"] for one in found["sources"]] == [6]
    assert found["newest"]["message"] == "other"
    assert [record["message"] for record in found["recent"]] == ["other", "failed 4"]


def test_the_trend_of_errors_tells_when_they_came(start: Start, tmp_path: Path) -> None:
    """Before they came there were none, from then on the mean of ten minutes holds them; it ends with what is counted now."""
    minute = int(time.time()) // 60 * 60
    path = tmp_path / "past.log"
    stamp = datetime.fromtimestamp(minute - 185, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    path.write_text("".join(f"{stamp}.{n:03d}Z ERROR app: failed {n}\n" for n in range(20)))
    watch = start()
    watch.ingest(path)
    found = search.errors(watch.store, (minute + 25) * 1_000_000)
    trend = found["trend"]
    rates = {
        trend["from"] // 1_000_000 + i * trend["step_us"] // 1_000_000 - minute: rate
        for i, rate in enumerate(trend["per_minute"])
    }
    assert min(rates) <= 25 - 330
    assert max(rates) == 20
    assert {rate for at, rate in rates.items() if at < -190} == {0.0}
    assert {rate for at, rate in rates.items() if at >= -190} == {2.0} == {found["last_10_min"] / 10}


def test_the_journal_goes_on_at_its_cursor(start: Start, tmp_path: Path) -> None:
    """Entries of the journal are stored once, and a restart asks for what is behind the last one."""
    entries = [
        {
            "__CURSOR": f"s=ab;i={n:x};b=1",
            "__REALTIME_TIMESTAMP": str(1_700_000_000_000_000 + n),
            "MESSAGE": f"entry {n}",
            "PRIORITY": "3",
            "_PID": "7",
            "SYSLOG_IDENTIFIER": "svc",
        }
        for n in range(1, 6)
    ]
    program = tmp_path / "journalctl"
    program.write_text(
        f"#!{sys.executable}\nimport sys, time\nopen({str(tmp_path / 'args')!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\nprint({chr(10).join(map(json.dumps, entries))!r}, flush=True)\ntime.sleep(60)\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    watch = start()
    shown: list[Any] = []
    sink = LogRecords(watch.store, watch.service.writer, "testhost", lambda: 1)
    journal = Journal(
        sink=sink,
        host="testhost",
        now=lambda: time.time_ns() // 1000,
        mask=str,
        run_of_pid=lambda _: None,
        show=shown.extend,
        remembered=None,
        command=[str(program)],
    )
    journal.start()
    wait_until(lambda: len(watch.messages(source="journal")) >= 5, "the journal is stored")
    journal.stop(5)
    assert [(r.message, r.level, r.pid, r.logger) for r in watch.records(source="journal")] == [
        (f"entry {n}", 40, 7, "svc") for n in range(1, 6)
    ]
    assert [record.message for record in shown] == [f"entry {n}" for n in range(1, 6)]
    again = Journal(
        sink=sink,
        host="testhost",
        now=lambda: 1,
        mask=str,
        run_of_pid=lambda _: None,
        show=shown.extend,
        remembered=journal.state,
        command=[str(program)],
    )
    again.start()
    wait_until(lambda: len((tmp_path / "args").read_text().splitlines()) >= 2, "the journal is asked again")
    again.stop(5)
    assert "--after-cursor=s=ab;i=5;b=1" in (tmp_path / "args").read_text()
    assert watch.service.health()["errors"] == []


@pytest.mark.parametrize("followed", [False, True])
def test_an_enormous_line_takes_little_memory(start: Start, tmp_path: Path, *, followed: bool) -> None:
    """A line of 64 MB is cut, what is cut off is counted, and memory grows by a part of it only."""
    whole, path, small = tmp_path / "whole", tmp_path / "long.log", tmp_path / "small.log"
    with whole.open("wb") as file:
        file.write(lines(0, 1))
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + lines(1, 2))
    small.write_bytes(lines(7, 8))
    watch = start((str(tmp_path / "*.log"),), big_file_bytes=1 << 40) if followed else start()
    if not followed:
        watch.ingest(small)
    wait_until(watch.records, "a small file is stored, with all that this loads")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    whole.rename(path)
    if not followed:
        assert watch.ingest(path)["state"] == "done"
    records = wait_until(lambda: len(found := watch.in_file_order()) >= 4 and found, "all is stored", seconds=60)
    assert sorted(len(record.message) for record in records) == [3, 3, 3, 1 << 20]
    assert watch.service.health()["missed_bytes"] in {63 << 20, (63 << 20) + 1}
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10 < 48


@pytest.mark.parametrize(
    ("content", "counted", "stored"),
    [
        (b"", 0, []),
        (b"\n\n", 2, 1),
        (lines(0, 3).rstrip(b"\n"), 3, ["n=0", "n=1", "n=2"]),
        (lines(0, 3).replace(b"\n", b"\r\n"), 3, ["n=0", "n=1", "n=2"]),
        (lines(0, 2).replace(b"n=1", b"n\0\0=1"), 2, ["n=0", "n\ufffd\ufffd=1"]),
        (b"\0" * 4096 + b"\n" + lines(0, 1), 2, None),
    ],
    ids=["empty", "blank", "no end", "crlf", "nul", "hole"],
)
def test_ingest_counts_odd_files(start: Start, tmp_path: Path, content: bytes, counted: int, stored: Any) -> None:
    """Lines, records and bytes are those of the file, whatever stands in it."""
    path = tmp_path / "odd.log"
    path.write_bytes(content)
    watch = start()
    state = watch.ingest(path)
    assert (state["state"], state["error"], state["lines"], state["bytes"], state["progress"]) == (
        "done", None, counted, len(content), 1.0,
    )  # fmt: skip
    assert state["records"] == len(watch.records())
    if isinstance(stored, list):
        assert watch.messages() == stored


def test_ingest_refuses_what_holds_no_lines(start: Start, tmp_path: Path) -> None:
    """A missing file, a directory, a FIFO (without waiting for its writer) and compressed files are named, with what to do; nothing is stored."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(lines(0, 10)))
    (tmp_path / "a.log.zst").write_bytes(b"\x28\xb5\x2f\xfd and so on")
    watch = start()
    for name in ("none.log", "fifo", "folder", "a.log.gz", "a.log.zst"):
        with pytest.raises(LogsError, match=name) as refused:
            watch.service.ingest([str(tmp_path / name)])
        assert refused.value.hint
    assert watch.records() == []


def test_ingest_of_one_file_again_and_again(start: Start, tmp_path: Path) -> None:
    """Named twice, under a second name, while it is followed, and while it grows: each line is stored once."""
    path = tmp_path / "app.log"
    path.write_bytes(lines(0, 100))
    (tmp_path / "link.log").symlink_to(path)
    watch = start()
    state = watch.ingest(path, path, tmp_path / "link.log")
    assert (state["lines"], state["added"], state["progress"]) == (100, 100, 1.0)
    more = lines(100, 2000)

    def grow() -> None:
        """As a program that flushes its buffer when it is full: in the middle of a line."""
        with path.open("ab", buffering=0) as file:
            for at in range(0, len(more), 500):
                file.write(more[at : at + 500])
                threading.Event().wait(0.002)

    writer = threading.Thread(target=grow)
    writer.start()
    while writer.is_alive():
        watch.ingest(path)
    writer.join()
    watch.ingest(path)
    assert watch.messages() == [f"n={n}" for n in range(2000)]
    followed = tmp_path / "live" / "b.log"
    followed.parent.mkdir()
    followed.write_bytes(lines(2000, 2010))
    other = start(globs=(str(followed),), name="other")
    wait_until(lambda: len(other.records()) == 10)
    state = other.ingest(followed)
    assert (state["lines"], state["records"], state["added"]) == (10, 10, 0)
    assert len(other.records()) == 10


@pytest.mark.parametrize("end", [b"", b"2026-03-01 12:00:00,000 - app - INFO - no line end"])
def test_ingest_of_a_followed_file_waits_for_all_of_it(start: Start, tmp_path: Path, end: bytes) -> None:
    """A big file that is followed newest first is whole in the store when its ingest ends, and reported as it is."""
    path = tmp_path / "app.log"
    path.write_bytes(lines(0, 20_000) + end)
    watch = start(globs=(str(path),), big_file_bytes=50_000, first_bytes=10_000)
    wait_until(watch.records)
    state = watch.ingest(path)
    count = 20_000 + bool(end)
    assert (state["state"], state["lines"], state["records"], state["added"]) == ("done", count, count, 0)
    assert state["bytes"] == path.stat().st_size
    assert len(watch.records()) == count


def test_ingest_of_a_followed_file_that_never_rests_ends(start: Start, tmp_path: Path) -> None:
    """A file that is written to all the time is waited for as far as it went when it was looked at, not until it is quiet."""
    path, stop = tmp_path / "busy.log", threading.Event()
    path.write_bytes(lines(0, 100))

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            number = 100
            while not stop.wait(0.01):
                file.write(lines(number, number + 1))
                number += 1

    watch = start(globs=(str(path),))
    wait_until(lambda: len(watch.records()) >= 99)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        state = watch.ingest(path)
    finally:
        stop.set()
        writer.join()
    assert state["state"] == "done"
    assert state["lines"] >= 100


def test_ingest_of_a_followed_file_with_space_taken_in_advance_ends(start: Start, tmp_path: Path) -> None:
    """The zeros behind the last line are nothing to wait for."""
    path = tmp_path / "taken.log"
    path.write_bytes(lines(0, 100) + bytes(5000))
    watch = start(globs=(str(path),))
    wait_until(lambda: len(watch.records()) == 100)
    state = watch.ingest(path)
    assert (state["state"], state["lines"], state["records"]) == ("done", 100, 100)


def test_ingest_of_a_followed_file_that_cannot_be_followed_any_more_fails(store: Store, tmp_path: Path) -> None:
    """What breaks its reader while the ingest waits is told of by the ingest; no success is reported."""
    path = tmp_path / "app.log"
    path.write_bytes(lines(0, 10))

    def mask(text: str) -> str:
        if "poison" in text:
            raise ValueError("cannot mask this")
        return text

    service = LogWatch(store, replace(QUICK, globs=(str(path),), poll_s=0.5), mask=mask)
    service.start()
    try:
        wait_until(lambda: search.search(store, LogFilter.parse({}, now_us()), limit=100).records)
        with path.open("ab") as file:
            file.write(b"2026-03-01 12:00:00,000 - app - INFO - poison\n")
        job = service.ingest([str(path)])
        wait_until(lambda: service.ingest_state(job)["state"] != "running")
        state = service.ingest_state(job)
    finally:
        service.stop()
    assert state["state"] == "failed"
    assert "cannot be followed" in state["error"] or "error of the program" in state["error"]


def test_what_was_ingested_and_is_followed_now_is_found_again_under_its_new_name(
    start: Start, stop: Callable[[Any], None], tmp_path: Path
) -> None:
    """A file renamed while nobody watched is read to its end, although an ingest read it before it was followed."""
    path = tmp_path / "app.log"
    path.write_bytes(lines(0, 100))
    first = start()
    first.ingest(path)
    stop(first)
    second = start(globs=(str(path),))
    with path.open("ab") as file:
        file.write(lines(100, 110))
    wait_until(lambda: len(second.records()) == 110)
    stop(second)
    with path.open("ab") as file:
        file.write(lines(110, 120))
    path.rename(tmp_path / "kept-for-the-audit")
    path.write_bytes(lines(120, 125))
    third = start(globs=(str(path),))
    wait_until(lambda: len(third.records()) == 125)
    assert third.messages() == [f"n={n}" for n in range(125)]


def test_ingest_reads_the_older_part_of_what_is_not_followed_any_more(
    start: Start, stop: Callable[[Any], None], tmp_path: Path
) -> None:
    """A file whose newest part alone was read before the watch ended, and that is followed no more, is completed by an ingest."""
    path = tmp_path / "app.log"
    path.write_bytes(lines(0, 8_000))
    watch = start(globs=(str(path),), big_file_bytes=50_000, first_bytes=10_000)
    watch.service.end_bulk()  # nothing is backfilled
    wait_until(watch.records)
    stop(watch)
    again = start()
    assert again.ingest(path)["records"] == 8_000
    assert [record.line_no for record in again.in_file_order()] == list(range(1, 8_001))


def test_a_store_with_little_memory_takes_long_lines_in_smaller_parts(tmp_path: Path) -> None:
    """What is too much for the store's memory at once is handed over in parts: the ingest ends, with every line once."""
    path, text = tmp_path / "long.log", "some long text " * 14_000
    with path.open("w") as file:
        for number in range(250):
            file.write(f"2026-03-01 10:00:00,000 - app - INFO - n={number} {text}\n")
    (tmp_path / "small").mkdir()
    watch = Watch(open_store(tmp_path / "small", limit_bytes=1 << 32, now=now_us, memory_limit_mb=64), QUICK)
    watch.service.start()
    try:
        state = watch.ingest(path)
        found = watch.store.select("SELECT line_no FROM log_records ORDER BY line_no").column("line_no")
    finally:
        watch.service.stop()
        watch.store.close()
    assert (state["state"], state["lines"], state["error"]) == ("done", 250, None)
    assert found.to_pylist() == list(range(1, 251))
