"""The agent's store, killed while it writes."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.store import open_store

ROUNDS = 25
CHILD = """
import pathlib, sys
import pyarrow as pa
from monitor.store import Append, Upsert, open_store

store = open_store(pathlib.Path(sys.argv[1]), limit_bytes=1 << 28, now=lambda: 0)
first = int(sys.argv[2])
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
"""


@pytest.mark.timeout(300)
def test_kill_9_loses_nothing_acknowledged_and_repeats_nothing(tmp_path: Path) -> None:
    """Killed 25 times at random moments: every acknowledged batch is there whole and once, the mark agrees with the rows."""
    noise = random.Random(7)
    first = 0
    acknowledged = -1
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            wanted = noise.randint(1, 30)
            for _ in range(wanted):
                line = child.stdout.readline()
                assert line, "the writer ended by itself"
                acknowledged = int(line)
            noise.random()
            child.kill()
            for line in child.stdout:
                acknowledged = int(line) if line.endswith("\n") else acknowledged
        store = open_store(tmp_path, limit_bytes=1 << 28, now=lambda: 0)
        try:
            (row,) = store.select(
                "SELECT count(*) AS n, count(DISTINCT pos) AS d, max(pos) AS last FROM log_records"
            ).to_pylist()
            (mark,) = store.select("SELECT stored_to FROM log_files").to_pylist()
        finally:
            store.close()
        batches = row["n"] // 200
        assert row == {"n": batches * 200, "d": batches * 200, "last": batches * 200 - 1}
        assert mark["stored_to"] == batches - 1
        assert batches - 1 in {acknowledged, acknowledged + 1}
        first = batches
