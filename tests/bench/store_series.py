"""How fast any line of a chart is, over a simulated week of host samples: p95 of random metric, range and number of points; and a process's line from the
minutes of 60 processes over 30 days, which are written by hours as the watch writes them.

python tests/bench/store_series.py [--quick]
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[2]))

from monitor.metrics.catalogue import HOST, names
from monitor.store.duckdb import open_store
from monitor.store.interface import Append
from monitor.store.series import host_series, run_series
from monitor.store.tiers import DAY, HOUR, MINUTE, SECOND, columns

HOST_NAMES = names(HOST)
START = 1_700_000_000_000_000
US = pa.timestamp("us")
RANGES = (5 * 60 * SECOND, HOUR, DAY, 7 * DAY)


PROCESSES = 60
MINUTES_ASKED = 30


def lines_of_processes(days: int) -> dict[int, float]:
    """CPU time of a process's line from minutes, p95 in ms, by its range in days. Two thirds of the minutes are busy at random."""
    numbers, noise = np.random.default_rng(1), random.Random(1)
    begin = START - START % DAY
    end = begin + days * DAY
    runs = np.sort(numbers.integers(1, 1 << 62, PROCESSES))
    count = 60 * PROCESSES
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder), limit_bytes=8 << 30, now=lambda: end)
        names_of = columns()["run_samples_1m"]
        about = {
            "run": pa.array(runs),
            "host": ["h"] * PROCESSES,
            "boot_id": ["b"] * PROCESSES,
            "start_ts": pa.array([begin] * PROCESSES).view(US),
        }
        store.write([Append("runs", pa.table(about | {"pid": pa.array(range(PROCESSES), pa.int32())}))])
        for hour in range(days * 24):
            times = begin + hour * HOUR + np.arange(60) * MINUTE
            rows = {
                "host": ["h"] * count,
                "ts": pa.array(np.tile(times, PROCESSES)).view(US),
                "run": pa.array(np.repeat(runs, 60)),
            }
            rows["n"] = pa.array([60] * count, pa.int32())
            for name, kind in names_of.items():
                values = numbers.normal(50, 8, count).round(1) * (np.arange(count) % 3 > 0)
                rows[name] = pa.array(values if kind in {"DOUBLE", "FLOAT"} else (values * 1e6).astype(np.int64))
            host = {"host": ["h"] * 60, "ts": pa.array(times).view(US), "n": pa.array([60] * 60, pa.int32())}
            store.write([Append("run_samples_1m", pa.table(rows)), Append("host_samples_1m", pa.table(host))])
        found = {}
        for span in (1, 7, days):
            took = []
            for _ in range(MINUTES_ASKED):
                used = time.process_time()
                run_series(
                    store, run=int(noise.choice(runs)), metrics=["cpu_pct"], start=end - span * DAY, end=end, points=600
                )
                took.append((time.process_time() - used) * 1e3)
            found[span] = round(sorted(took)[int(MINUTES_ASKED * 0.95)], 1)
        store.close()
    return found


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    days, asked = (1, 40) if quick else (7, 400)
    noise, numbers = random.Random(1), np.random.default_rng(1)
    end = START + days * DAY
    now = START
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder), limit_bytes=8 << 30, now=lambda: now)
        for hour in range(days * 24):
            times = START + hour * HOUR + np.arange(3600) * SECOND
            table = {"host": ["h"] * 3600, "ts": pa.array(times).view(pa.timestamp("us"))}
            table |= {
                name: pa.array(numbers.normal(50, 5, 3600).round(1), pa.float64()).cast(pa.float64())
                for name in HOST_NAMES
            }
            store.write([Append("host_samples", pa.table(table))])
            now = int(times[-1]) + SECOND
            if hour % 6 == 5:
                store.enforce_limit()
        took: dict[int, list[float]] = {span: [] for span in RANGES}
        cpu: dict[int, list[float]] = {span: [] for span in RANGES}
        for _ in range(asked):
            span = noise.choice(RANGES)
            until = noise.randrange(START + min(span, days * DAY), end + 1)
            metrics = noise.sample(HOST_NAMES, 2)
            before, used = time.perf_counter(), time.process_time()
            host_series(store, host="h", metrics=metrics, start=until - span, end=until, points=600)
            took[span].append((time.perf_counter() - before) * 1e3)
            cpu[span].append((time.process_time() - used) * 1e3)
        size = store.info().size_bytes
        store.close()
    everything = sorted(value for values in took.values() for value in values)
    result = {
        "bench": "store_series", "cores": os.cpu_count(), "days": days, "asked": asked, "method": "wall ms, 2 metrics, 600 points, random end",
        "p50_ms": round(everything[len(everything) // 2], 1), "p95_ms": round(everything[int(len(everything) * 0.95)], 1),
        "p95_ms_by_range_s": {span // SECOND: round(sorted(v)[int(len(v) * 0.95)], 1) for span, v in took.items() if v},
        "p95_cpu_ms_by_range_s": {span // SECOND: round(sorted(v)[int(len(v) * 0.95)], 1) for span, v in cpu.items() if v},
        "p95_cpu_ms_of_minutes_by_days": lines_of_processes(7 if quick else 30),
        "load1": os.getloadavg()[0],
        "bytes_per_reading": round(size / (days * 86_400 * len(HOST_NAMES)), 3),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
