"""The agent's store, killed while it writes."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.store.duckdb import open_store
from tests.doubles.stored import stored
from tests.examples import sizes

CHILD = """
import os, pathlib, sys
from monitor.core.this_process import without
without("pandas")
import pyarrow as pa
from monitor.store.interface import Append, Upsert
from monitor.store.duckdb import open_store

def write(first):
    store = open_store(pathlib.Path(sys.argv[1]), limit_bytes=1 << 28, now=lambda: 0)
    ts = pa.array([0] * 200, pa.timestamp("us"))
    for batch in range(first, first + 100_000):
        pos = pa.array(range(batch * 200, batch * 200 + 200), pa.int64())
        records = {"host": ["h"] * 200, "file_id": [1] * 200, "pos": pos, "ts": ts, "ingested": ts, "level": [20] * 200, "source": ["s"] * 200,
                   "message": [f"batch {batch} " + "x" * 100] * 200, "lines": [1] * 200}
        mark = {"file_id": [1], "host": ["h"], "source": ["s"], "path": ["p"], "stored_to": pa.array([batch], pa.int64())}
        store.write([Append("log_records", pa.table(records)), Upsert("log_files", pa.table(mark), ("file_id",))])
        if batch % 40 == 39:
            store.enforce_limit()
        print(batch, flush=True)

while line := sys.stdin.readline():
    pid = os.fork()  # before anything of the engine runs here: only the imports are shared
    if not pid:
        print("pid", os.getpid(), flush=True)
        write(int(line))
    os.waitpid(pid, 0)
    print("end", flush=True)
"""


@pytest.mark.parametrize("rounds", sizes(2, 25))
def test_kill_9_loses_nothing_acknowledged_and_repeats_nothing(tmp_path: Path, rounds: int) -> None:
    """Killed many times at random moments: every acknowledged batch is there whole and once, the mark agrees with the rows."""
    noise = random.Random(7)
    first = 0
    acknowledged = -1
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        for _ in range(rounds):
            acknowledged = killed_at_random(parent, first, acknowledged, noise)
            first = check(tmp_path, acknowledged)


def killed_at_random(parent: "subprocess.Popen[str]", first: int, acknowledged: int, noise: random.Random) -> int:
    """One round of the writer; returns the last batch it acknowledged."""
    assert parent.stdin is not None
    assert parent.stdout is not None
    print(first, file=parent.stdin, flush=True)
    word, pid = parent.stdout.readline().split()
    assert word == "pid"
    wanted = noise.randint(1, 30)
    while (line := parent.stdout.readline()) != "end\n":
        acknowledged = int(line)
        wanted -= 1
        if not wanted:
            os.kill(int(pid), signal.SIGKILL)
    assert wanted <= 0, "the writer ended by itself"
    return acknowledged


def check(folder: Path, acknowledged: int) -> int:
    """Compare the store with what was acknowledged; returns how many batches it has."""
    store = open_store(folder, limit_bytes=1 << 28, now=lambda: 0)
    try:
        sql = "SELECT count(*) AS n, count(DISTINCT pos) AS d, max(pos) AS last FROM log_records"
        (row,) = stored(store, sql)
        (mark,) = stored(store, "SELECT stored_to FROM log_files")
        notices = store.info().notices
    finally:
        store.close()
    batches = int(row["n"]) // 200
    assert row == {"n": batches * 200, "d": batches * 200, "last": batches * 200 - 1}
    assert mark["stored_to"] == batches - 1
    assert batches - 1 in {acknowledged, acknowledged + 1}
    assert not any("set aside" in notice for notice in notices)
    return batches
