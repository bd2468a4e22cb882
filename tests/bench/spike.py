"""A spike is chosen in a chart: how fast are the metrics, records, events, jobs and actions of the runs involved there, beside a million records?

python tests/bench/spike.py [--quick]
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

from monitor.api.runs.activity import Wanted, activity
from monitor.api_models.actions import Action
from monitor.api_models.events import ProcessEvent
from monitor.jobs.view import JobView
from monitor.metrics.catalogue import RUN
from monitor.store.actions import action_rows
from monitor.store.duckdb import open_store
from monitor.store.interface import Append, Store
from monitor.store.process_events import event_rows
from monitor.store.tiers import HOUR, MINUTE, SECOND

START = 1_700_000_000_000_000
PROCESSES, EVENTS, JOBS, ACTIONS = 120, 5_000, 50_000, 300
PART = 122_880
SPANS = (5 * SECOND, 30 * SECOND, 5 * MINUTE, HOUR)


def times(values: np.ndarray) -> pa.Array:
    """Microseconds as timestamps of the store."""
    return pa.array(np.asarray(values, np.int64)).view(pa.timestamp("us"))


def fill(store: Store, records: int, hours: int, numbers: np.random.Generator) -> None:
    """Processes that are busy by turns, and what they logged, did and suffered, in a store."""
    span = hours * HOUR
    runs = np.arange(1, PROCESSES + 1)
    born = {"run": runs, "host": ["h"] * PROCESSES, "boot_id": ["b"] * PROCESSES, "pid": runs.astype(np.int32), "name": [f"worker{n}" for n in runs],
            "cmdline": [f"python worker{n}.py" for n in runs], "start_ts": times(np.full(PROCESSES, START))}  # fmt: skip
    store.write([Append("runs", pa.table(born))])
    for hour in range(hours):
        ts = np.repeat(START + hour * HOUR + np.arange(3600) * SECOND, PROCESSES)
        table = {"host": ["h"] * len(ts), "ts": times(ts), "run": np.tile(runs, 3600)}
        table |= {metric.name: numbers.random(len(ts)) * 50 for metric in RUN if not metric.counter}
        seconds = (ts - START) / 1e6 * (np.tile(runs, 3600) % 7) / 10
        table |= {metric.name: seconds for metric in RUN if metric.counter}
        store.write([Append("run_samples", pa.table(table))])
    at = np.sort(numbers.integers(0, span, records)) + START
    for first in range(0, records, PART):
        part = at[first : first + PART]
        n = len(part)
        table = {"host": ["h"] * n, "file_id": numbers.integers(1, 60, n), "pos": np.arange(first, first + n) * 90, "ts": times(part), "ingested": times(part),
                 "level": numbers.choice([10, 20, 30, 40], n, p=[0.3, 0.6, 0.07, 0.03]).astype(np.uint8), "source": ["app"] * n,
                 "run": numbers.integers(1, PROCESSES + 1, n), "message": [f"request {k} took {k % 997} ms" for k in range(first, first + n)], "lines": [1] * n}  # fmt: skip
        store.write([Append("log_records", pa.table(table))])
    moments = [int(moment) + START for moment in numbers.integers(0, span, EVENTS + ACTIONS)]
    events = [
        ProcessEvent(
            timestamp=ts, process_name="worker", event_type="ERROR", details={"message": "failed"}, pid=1, run=str(k % 120 + 1)
        )
        for k, ts in enumerate(moments[:EVENTS])
    ]  # fmt: skip
    asked = [Action(ts=ts, actor="ada", action="process stop", target="worker", run=str(k % 120 + 1), outcome="done") for k, ts in enumerate(moments[EVENTS:])]  # fmt: skip
    store.write([event_rows("h", events), *(action_rows("h", one) for one in asked)])
    ended = numbers.integers(0, span, JOBS) + START
    jobs = {"host": ["h"] * JOBS, "ts": times(ended), "worker": ["worker"] * JOBS, "worker_run": ["w"] * JOBS, "seq": np.arange(JOBS), "job": ["page"] * JOBS,
            "started": times(ended - 2 * SECOND), "seconds": [2.0] * JOBS, "outcome": ["done"] * JOBS, "run": numbers.integers(1, PROCESSES + 1, JOBS)}  # fmt: skip
    store.write([Append("jobs", pa.table(jobs))])


def at(values: list[float], share: float) -> float:
    """The value below which so much of them lies."""
    return round(sorted(values)[int((len(values) - 1) * share)], 1)


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    hours, asked = (1, 30) if quick else (4, 200)
    noise, numbers = random.Random(1), np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder), limit_bytes=8 << 30, now=lambda: START + hours * HOUR)
        fill(store, 1_000_000, hours, numbers)
        view = JobView(store, lambda: "h", lambda: (3.0, 1.0))
        took: dict[str, list[float]] = {"runs involved": [], "one run": []}
        cpu: dict[str, list[float]] = {name: [] for name in took}
        found = 0
        for k in range(asked):
            span = noise.choice(SPANS)
            begin = noise.randrange(START, START + hours * HOUR - span + 1)
            one = k % 2 == 1
            name = "one run" if one else "runs involved"
            wanted = Wanted(begin, begin + span, (noise.randint(1, PROCESSES),) if one else ())
            began, used = time.perf_counter(), time.process_time()
            answer = activity(store, "h", wanted, view, START + hours * HOUR)
            answer.model_dump_json(by_alias=True)
            took[name].append((time.perf_counter() - began) * 1e3)
            cpu[name].append((time.process_time() - used) * 1e3)
            found += answer.records.histogram.total
        store.close()
    figures = {
        name: {"p50_ms": at(values, 0.5), "p95_ms": at(values, 0.95), "p50_cpu_ms": at(cpu[name], 0.5), "p95_cpu_ms": at(cpu[name], 0.95)}
        for name, values in took.items()
    }  # fmt: skip
    method = "ms by the clock and of CPU (all threads) of one answer with its JSON, random ranges of 5 s to 1 h"
    counts = {"records": 1_000_000, "processes": PROCESSES, "events": EVENTS, "jobs": JOBS, "asked": asked}
    print(
        json.dumps(
            {
                "bench": "spike", "cores": os.cpu_count(), "method": method, **counts, **figures, "records_found": found, "load1": os.getloadavg()[0],
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
