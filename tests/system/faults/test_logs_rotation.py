"""Rotation under load, by a writer in a process of its own that numbers its lines."""

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import logs
from monitor.store.duckdb.opening import open_store
from monitor.store.interface import Store
from tests.doubles.log_watch import LogWatch
from tests.doubles.stored import stored
from tests.examples import sizes
from tests.waiting import patient, wait_until

WRITER = """
import os, sys, time
folder, files, rate, seconds, period, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]), sys.argv[6]
def path(k): return f"{folder}/w{k}.log"
def opened(k): return os.open(path(k), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
fds = [opened(k) for k in range(files)]
numbers, rotations = [0] * files, [0] * files
began = time.monotonic()
rotated = began
turn = 0
while (now := time.monotonic()) - began < seconds:
    due = int((now - began) * rate / files)
    for k in range(files):
        while numbers[k] < due:
            os.write(fds[k], b"2026-03-01 10:00:00,000 INFO w%d: n=%d some text of a worker\\n" % (k, numbers[k]))
            numbers[k] += 1
    if now - rotated > period:
        rotated = now
        k = turn % files
        turn += 1
        rotations[k] += 1
        if mode == "rename":
            os.rename(path(k), f"{path(k)}.{rotations[k]}")
            os.close(fds[k])
            fds[k] = opened(k)
        else:
            with open(path(k), "rb") as source, open(f"{path(k)}.{rotations[k]}", "wb") as copy:
                copy.write(source.read())
            os.truncate(path(k), 0)
    time.sleep(0.002)
print(*numbers, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    (tmp_path / "data").mkdir()
    opened = open_store(tmp_path / "data", limit_bytes=1 << 32, now=lambda: time.time_ns() // 1000)
    yield opened
    opened.close()


# A file that is emptied or renamed twice between two looks has a generation nobody saw; 4 a second over ten files leave 2.5 s for a look, even on a busy
# machine. In the full run files are renamed 10 times a second.
@pytest.mark.parametrize(("every_s", "seconds"), sizes(("0.25", "1.5"), ("0.1", "4")))
@pytest.mark.parametrize("mode", ["rename", "copytruncate"])
def test_rotation_under_load(store: Store, tmp_path: Path, mode: str, every_s: str, seconds: str) -> None:
    """Ten files, many rotations a second, thousands of lines a second: each line is stored once, in order within its file."""
    folder = tmp_path / "logs"
    folder.mkdir()
    settings = logs.LogSettings(discover=False, journal=False, globs=(f"{folder}/*.log",), poll_s=0.02, scan_s=0.05)
    service = LogWatch(store, settings)
    service.start()
    try:
        period = every_s if mode == "rename" else "0.25"
        command = [sys.executable, "-c", WRITER, str(folder), "10", "3000", seconds, period, mode]
        done = subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=True)
        written = [int(number) for number in done.stdout.split()]
        wait_until(lambda: logs.search.count(store, logs.LogFilter())["count"] >= sum(written), "every line is stored")
    finally:
        service.stop()
    rows = stored(store, "SELECT file_id, pos, logger, message FROM log_records")
    seen = Counter((row["logger"], int(row["message"].split()[0][2:])) for row in rows)
    assert [key for key, count in seen.items() if count > 1] == []
    lost = {(f"w{which}", number) for which, count in enumerate(written) for number in range(count)} - set(seen)
    assert lost == set()
    rows.sort(key=lambda row: (row["file_id"], row["pos"]))
    for one, next_one in itertools.pairwise(rows):
        if one["file_id"] == next_one["file_id"]:
            assert int(one["message"].split()[0][2:]) < int(next_one["message"].split()[0][2:])


def test_a_file_is_emptied_while_it_is_read(store: Store, tmp_path: Path) -> None:
    """Copied and emptied between reading and storing: the copy is known as one, and what only it has is read there, once."""
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "app.log"

    def write(first: int, last: int) -> None:
        with path.open("a") as file:
            file.writelines(f"{stamp} INFO app: n={number}\n" for number in range(first, last))

    stamp = time.strftime("%Y-%m-%d %H:%M:%S,000")  # only what is new is shown
    emptied: list[bool] = []

    def show(_records: list[logs.LogRecord]) -> None:
        if not emptied:
            emptied.append(True)
            write(10, 20)
            shutil.copyfile(path, f"{path}.1")
            os.truncate(path, 0)
            write(20, 23)

    write(0, 10)
    settings = logs.LogSettings(discover=False, journal=False, globs=(f"{folder}/*.log",), poll_s=0.02, scan_s=0.05)
    service = LogWatch(store, settings, on_records=show)
    service.start()
    try:
        wait_until(lambda: logs.search.count(store, logs.LogFilter())["count"] >= 23, "every line is stored")
    finally:
        service.stop()
    rows = [row["message"] for row in stored(store, "SELECT message FROM log_records")]
    assert sorted(int(text[2:]) for text in rows) == list(range(23))
