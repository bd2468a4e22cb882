"""How fast records are found in the store, beside `rg` over the raw file where it is installed.

    python tests/bench/logs_search.py [--quick] [--lines N]

Prints one JSON object. Each search is timed several times; `rg` counts the same lines in the file, without times, levels or order. Before, every block of
records gets its filter: `filters` says what they cost.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import logs_ingest

import logs
from logs.query import search
from monitor.store.duckdb.opening import open_store
from monitor.store.interface import Store

CASES = {
    "rare_word": {"q": "needle"},
    "common_word": {"q": "request"},
    "regex_with_literal": {"q": "shard id=\\d*77\\d*", "regex": "1"},
    "regex_without_literal": {"q": "[a-f]{4,}", "regex": "1"},
    "regex_of_two_words": {"q": "needle|haystack \\d+", "regex": "1"},
    "identity": {"q": "1234567890123"},
    "field": {"query": "user_id=1234567890123"},
    "rare_number": {"query": "id>1000000000"},
    "unknown_source": {"source": "nowhere*"},
    "errors": {"level": "error"},
    "nothing": {"q": "no such text"},
    "all": {},
}


def timed(work: Callable[[], Any], times: int) -> dict[str, float]:
    """Median and worst milliseconds of some calls."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append((time.perf_counter() - began) * 1000)
    return {"p50_ms": round(statistics.median(spent), 1), "max_ms": round(max(spent), 1)}


def measure(store: Store, path: Path, times: int) -> dict[str, Any]:
    """Each case: newest page, count, histogram; the same pattern by `rg`."""
    program = shutil.which("rg")
    result: dict[str, Any] = {}
    for name, params in CASES.items():
        wanted = logs.LogFilter.parse(params, logs_ingest.now())
        case: dict[str, Any] = {
            "newest_200": timed(lambda wanted=wanted: search.search(store, wanted, limit=200), times),
            "count": timed(lambda wanted=wanted: search.count(store, wanted), times),
            "histogram": timed(lambda wanted=wanted: search.histogram(store, wanted, 120), times),
            "found": search.count(store, wanted)["count"],
        }
        if program and "q" in params:
            pattern = ["-e", params["q"]] if "regex" in params else ["-F", "-i", "-e", params["q"]]
            case["rg_count"] = timed(
                lambda pattern=pattern: subprocess.run(
                    [program, "-c", *pattern, str(path)], check=False, capture_output=True
                ),
                times,
            )
        result[name] = case
    return result


def made_filters(store: Store, path: Path) -> dict[str, float]:
    """Make the filters that are missing: their processor time and size."""
    began, before = time.process_time(), _blocks(store)["n"]
    while store.tidy():
        pass
    spent, made = time.process_time() - began, _blocks(store)
    made_now = made["n"] - before
    share = made["bytes"] / path.stat().st_size
    return {
        "blocks": made["n"],
        "cpu_ms_a_block": round(spent / made_now * 1000) if made_now else 0,
        "share_of_file_pct": round(share * 100, 2),
    }


def _blocks(store: Store) -> dict[str, Any]:
    sql = "SELECT count(*) AS n, coalesce(sum(octet_length(bits)), 0)::BIGINT AS bytes FROM log_blocks"
    row: dict[str, Any] = store.select(sql).to_pylist()[0]
    return row


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--lines", type=int, help="of the file: 3,000,000, with --quick 300,000")
    options = parser.parse_args()
    quick = options.quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "app.log"
        logs_ingest.write_log(path, options.lines or (300_000 if quick else 3_000_000))
        with path.open("r+") as file:
            file.seek(0, os.SEEK_END)
            file.write("2025-10-09 10:00:00,000 - app - INFO - a needle id=4000000000\n")
        (folder / "data").mkdir()
        store = open_store(folder / "data", limit_bytes=1 << 36, now=logs_ingest.now)
        watch = logs_ingest.service(store, logs.LogSettings(discover=False, journal=False), lambda _: None, str)
        watch.start()
        job = watch.ingest([str(path)])
        while watch.ingest_state(job)["state"] == "running":
            time.sleep(0.05)
        watch.stop()
        filters = made_filters(store, path)
        cases = measure(store, path, 5 if quick else 15)
        records = search.count(store, logs.LogFilter())["count"]
        store.close()
    print(
        json.dumps(
            {
                "bench": "logs_search",
                "cpus": os.cpu_count(),
                "method": "in-process queries of one DuckDB store; rg -c on the raw file",
                "load": os.getloadavg(),
                "records": records,
                "filters": filters,
                "max_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "cases": cases,
            }
        )
    )


if __name__ == "__main__":
    main()
