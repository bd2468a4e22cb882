"""The watch killed with -9 while it reads logs: nothing is lost, nothing is stored twice."""

import math
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from monitor.store.duckdb.opening import open_store
from tests.doubles.stored import stored
from tests.examples import sizes
from tests.waiting import patient

ROOT = Path(__file__).parents[3]
CHILD = """
import sys, time
from pathlib import Path
from monitor.core.this_process import without
without("pandas")
import logs
from monitor.store.duckdb.opening import open_store
from tests.doubles.log_watch import LogWatch
def now(): return time.time_ns() // 1000
store = open_store(Path(sys.argv[1]), limit_bytes=1 << 32, now=now)
settings = logs.LogSettings(discover=False, journal=False, globs=(sys.argv[2],), poll_s=0.01, scan_s=0.05, big_file_bytes=400_000, first_bytes=50_000)
service = LogWatch(store, settings, linger_s=0.02)
service.start()
print("ready", flush=True)
if len(sys.argv) > 3:
    from tests.waiting import wait_until
    def all_stored():
        service.flush(5)
        return logs.search.count(store, logs.LogFilter())["count"] >= int(sys.argv[3]) and not service.health()["backfilling"]
    wait_until(all_stored, "every line is stored", seconds=60)
    service.stop()
    store.close()
else:
    time.sleep(600)
"""


def watch(data: Path, glob: str, *more: str) -> "subprocess.Popen[str]":
    """A watch in a process of its own."""
    command = [sys.executable, "-c", CHILD, str(data), glob, *more]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


@pytest.mark.parametrize("kills", sizes(1, 6))
def test_killed_at_random_nothing_is_lost_or_doubled(tmp_path: Path, kills: int) -> None:
    """Three files grow, one of them rotates, one is big at first; the watch is killed again and again; at the end each line is stored once."""
    rng = random.Random(7)
    data = tmp_path / "data"
    folder = tmp_path / "logs"
    data.mkdir()
    folder.mkdir()
    written = [0, 0, 0]
    lines = 0

    def write(which: int, count: int) -> None:
        nonlocal lines
        with (folder / f"app{which}.log").open("a") as file:
            for _ in range(count):
                number = written[which]
                file.write(
                    f"2026-03-01 10:00:00,{number % 1000:03d} INFO w{which}: n={number} {'x' * rng.randrange(60)}\n"
                )
                if number % 7 == 0:
                    file.write(f"  and more of {number}\n")
                written[which] += 1
                lines += 1

    write(0, 12_000)
    for _ in range(kills):
        child = watch(data, str(folder / "*.log*"))
        end = time.monotonic() + rng.uniform(0.02, 0.7)
        while time.monotonic() < end:
            for which in range(3):
                write(which, rng.randrange(1, 80))
            time.sleep(0.005)
        if rng.random() < 0.5:
            rotated = folder / f"app1.log.{rng.randrange(10**6)}"
            (folder / "app1.log").rename(rotated)
            write(1, 5)
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
    write(2, 3)
    child = watch(data, str(folder / "*.log*"), str(lines))
    assert child.wait(patient(90)) == 0
    if child.stdout is not None:
        child.stdout.close()
    store = open_store(data, limit_bytes=1 << 32, now=lambda: time.time_ns() // 1000)
    try:
        rows = stored(store, "SELECT logger, message, lines FROM log_records")
    finally:
        store.close()
    seen = Counter((row["logger"], int(row["message"].split()[0][2:])) for row in rows)
    expected = {(f"w{which}", number) for which in range(3) for number in range(written[which])}
    assert {key: count for key, count in seen.items() if count != 1} == {}
    assert expected - set(seen) == set()
    assert all(row["lines"] == (2 if int(row["message"].split()[0][2:]) % 7 == 0 else 1) for row in rows)


INGEST = """
import sys, time
from pathlib import Path
from monitor.core.this_process import without
without("pandas")
import logs
from logs.redaction.masker import Masker
from monitor.store.duckdb.opening import open_store
from tests.doubles.log_watch import LogWatch
def now(): return time.time_ns() // 1000
store = open_store(Path(sys.argv[1]), limit_bytes=1 << 32, now=now)
settings = logs.LogSettings(discover=False, journal=False, pool_bytes=1, piece_bytes=100_000)
service = LogWatch(store, settings, linger_s=0.25, rows_a_commit=2_000, mask=Masker().mask_text)
service.start()
job = service.ingest([sys.argv[2]])
while service.ingest_state(job)["state"] == "running":
    print(service.ingest_state(job)["bytes"], flush=True)
    time.sleep(0.005)
print(service.ingest_state(job)["state"], flush=True)
service.stop()
store.close()
"""


@pytest.mark.parametrize(("kills", "count"), sizes((1, 12_000), (4, 40_000)))
def test_an_ingest_killed_at_random_loses_and_doubles_nothing(tmp_path: Path, kills: int, count: int) -> None:
    """A file read by several processes, in batches cut in the middle of pieces, killed again and again: every line is stored once, with its number."""
    rng = random.Random(5)
    data, path = tmp_path / "data", tmp_path / "app.log"
    data.mkdir()
    with path.open("w") as file:
        for number in range(count):
            file.write(
                f"2026-03-01 10:00:00,{number % 1000:03d} - app.w - INFO - n={number} {'x' * rng.randrange(60)}\n"
            )
            if number % 50 == 0:
                file.write("  and more\n")
    for attempt in range(kills + 1):
        command = [sys.executable, "-c", INGEST, str(data), str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            until = path.stat().st_size * (attempt + rng.random()) / (kills + 1) if attempt < kills else math.inf
            said = "0"
            while said.strip().isdigit() and int(said) < until:
                said = child.stdout.readline()
            if attempt < kills:
                child.kill()
            else:
                assert said == "done\n"
    store = open_store(data, limit_bytes=1 << 32, now=lambda: time.time_ns() // 1000)
    try:
        rows = stored(store, "SELECT message, line_no, lines FROM log_records ORDER BY pos")
    finally:
        store.close()
    assert [int(row["message"].split()[0][2:]) for row in rows] == list(range(count))
    assert [row["line_no"] for row in rows] == [1 + number + -(-number // 50) for number in range(count)]
    assert sum(row["lines"] for row in rows) == count + count // 50
