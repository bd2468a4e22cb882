"""What archiving older log records costs and saves, and how fast searches over the archive are, beside the same searches over the store.

    python tests/bench/logs_archive.py [--lines 1000000]

Prints one JSON object. Synthetic service logs are ingested twice; in one store, all records are then old enough for the archive.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import pyarrow as pa

import logs
from logs import LogFilter
from logs.query import search
from logs.redaction.masker import Masker
from monitor.core.this_process import without
from monitor.store.duckdb.opening import open_store
from monitor.store.interface import Append, ArchiveRule, Store
from tests.bench import logs_ingest

DAY = 86_400_000_000
ASKED: dict[str, dict[str, str]] = {
    "rare word": {"q": "id=77777"},
    "regex with a literal": {"q": "shard .* id=1234[0-9]", "regex": "1"},
    "level": {"level": "error"},
    "text that is not there": {"q": "no such text"},
}


def filled(folder: Path, path: Path, clock: list[int]) -> Store:
    """A store with the records of the file."""
    store = open_store(
        folder, limit_bytes=1 << 36, now=lambda: clock[0], log_days=1, archive=ArchiveRule(keep=True, days=36_500)
    )
    watch = logs_ingest.service(
        store, logs.LogSettings(discover=False, journal=False), lambda _: None, Masker().mask_text
    )
    watch.start()
    job = watch.ingest([str(path)])
    while watch.ingest_state(job)["state"] == "running":
        time.sleep(0.05)
    watch.stop()
    while store.tidy():
        pass
    return store


def asked(store: Store) -> dict[str, Any]:
    """Milliseconds of the newest 200 and of the count of each question, and the count."""
    found = {}
    for name, params in ASKED.items():
        wanted = LogFilter.parse(params, 0)
        found[name] = {
            "newest_200_ms": min(search.search(store, wanted, limit=200).elapsed_ms for _ in range(3)),
            "count_ms": min(search.count(store, wanted)["elapsed_ms"] for _ in range(3)),
            "count": search.count(store, wanted)["count"],
        }
    return found


def main() -> None:
    """Measure and print."""
    without("pandas")  # as in the agent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "app.log"
        logs_ingest.write_log(path, lines)
        clock = [logs_ingest.now()]
        store = filled(folder / "data", path, clock)
        before = asked(store)
        stored = store.info().size_bytes
        clock[0] += 3 * DAY
        seen = pa.array([clock[0] - DAY], pa.int64()).view(pa.timestamp("us"))
        store.write([Append("host_samples", pa.table({"host": ["bench"], "ts": seen}))])
        cpu, began, longest = time.process_time(), time.perf_counter(), 0.0
        more = True
        store.enforce_limit()
        while more:
            piece = time.perf_counter()
            more = store.tidy()
            longest = max(longest, time.perf_counter() - piece)
        spent = time.perf_counter() - began
        archive = store.info().archive
        result = {
            "bench": "logs_archive",
            "lines": lines,
            "load": os.getloadavg(),
            "file_bytes": path.stat().st_size,
            "store_bytes": stored,
            "archive_bytes": archive.size_bytes,
            "archive_files": archive.files,
            "archived": archive.records,
            "records_per_s": round(archive.records / spent),
            "cpu_us_per_record": round((time.process_time() - cpu) / archive.records * 1e6, 2),
            "longest_piece_s": round(longest, 2),
            "store": before,
            "archive": asked(store),
        }
        store.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
