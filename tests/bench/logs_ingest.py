"""How fast log files come into the searchable store, beside `lnav` on the same file where it is installed.

    python tests/bench/logs_ingest.py [--quick]

Prints one JSON object. A file of synthetic service logs is ingested through `LogService` into a new DuckDB store; then a line is appended to followed
files again and again, and the time from the write to the live callback is measured, with the CPU time of following idle files.
"""

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import logs
from logs.redaction.masker import Masker
from monitor.core.this_process import without
from monitor.store.duckdb.opening import open_store
from monitor.store.interface import Store
from tests.doubles.log_watch import LogWatch

WORDS = ["cache", "worker", "request", "batch", "model", "queue", "retry", "loaded", "stored", "page", "shard", "index"]


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def write_log(path: Path, lines: int) -> None:
    """A log of Python services, one record in two hundred with a traceback."""
    rng = random.Random(1)
    began = 1_760_000_000
    with path.open("w") as file:
        number = 0
        while number < lines:
            second = began + number // 50
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            level = rng.choices(["INFO", "DEBUG", "WARNING", "ERROR"], [80, 12, 6, 2])[0]
            words = " ".join(rng.choices(WORDS, k=8))
            file.write(
                f"{stamp},{rng.randrange(1000):03d} - app.{rng.choice(WORDS)} - {level} - {words} id={rng.randrange(10**9)}\n"
            )
            number += 1
            if rng.random() < 0.005:
                file.write(
                    'Traceback (most recent call last):\n  File "app.py", line 7, in run\n    step()\nValueError: no\n'
                )
                number += 4


def service(
    store: Store, settings: logs.LogSettings, show: Callable[[list[logs.LogRecord]], None], mask: Callable[[str], str]
) -> LogWatch:
    """A service on the store."""
    return LogWatch(store, settings, host="bench", linger_s=0.25, mask=mask, now=now, on_records=show)


def children_cpu() -> float:
    """Seconds that ended children took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ingest(folder: Path, path: Path, name: str, mask: Callable[[str], str]) -> dict[str, Any]:
    """Ingest the file into a new store."""
    (folder / name).mkdir()
    store = open_store(folder / name, limit_bytes=1 << 36, now=now)
    watch = service(store, logs.LogSettings(discover=False, journal=False), lambda _: None, mask)
    watch.start()
    cpu, workers = time.process_time(), children_cpu()
    job = watch.ingest([str(path)])
    while watch.ingest_state(job)["state"] == "running":
        time.sleep(0.01)
    state = watch.ingest_state(job)
    cpu = time.process_time() - cpu
    watch.stop()
    workers = children_cpu() - workers
    size = store.info().size_bytes
    store.close()
    return {
        "lines": state["lines"], "records": state["records"], "bytes": state["bytes"], "seconds": round(state["seconds"], 3),
        "lines_per_s": round(state["lines"] / state["seconds"]), "agent_cpu_us_per_line": round(cpu / state["lines"] * 1e6, 2),
        "workers_cpu_us_per_line": round(workers / state["lines"] * 1e6, 2), "store_bytes": size,
    }  # fmt: skip


def follow(folder: Path, files: int, rounds: int) -> dict[str, Any]:
    """Latency from a write to the callback, and the cost of idle files."""
    (folder / "live").mkdir()
    (folder / "follow").mkdir()
    store = open_store(folder / "follow", limit_bytes=1 << 36, now=now)
    seen = threading.Event()
    arrived: list[float] = []

    def show(_: list[logs.LogRecord]) -> None:
        arrived.append(time.perf_counter())
        seen.set()

    paths = [folder / "live" / f"f{number}.log" for number in range(files)]
    for path in paths:
        path.write_text("2026-03-01 10:00:00,000 - app - INFO - first\n")
    watch = service(store, logs.LogSettings(discover=False, journal=False, globs=(f"{folder}/live/*.log",)), show, str)
    watch.start()
    while watch.health()["records"] < files:
        time.sleep(0.05)
    time.sleep(1)
    cpu, wall = time.process_time(), time.perf_counter()
    time.sleep(3)
    idle = (time.process_time() - cpu) / (time.perf_counter() - wall) * 100
    latencies = []
    for number in range(rounds):
        seen.clear()
        arrived.clear()
        began = time.perf_counter()
        with paths[number % files].open("a") as file:
            file.write(f"2026-03-01 10:00:01,000 - app - INFO - line {number}\n")
        if seen.wait(5):
            latencies.append((arrived[0] - began) * 1000)
        time.sleep(random.random() * 0.05)
    watch.stop()
    store.close()
    latencies.sort()
    return {
        "files": files, "idle_cpu_pct": round(idle, 2), "write_to_callback_ms": {"p50": round(statistics.median(latencies), 1), "p95": round(latencies[int(len(latencies) * 0.95)], 1)},
    }  # fmt: skip


def lnav(path: Path) -> dict[str, Any] | None:
    """The same file indexed by lnav (which keeps nothing)."""
    program = shutil.which("lnav")
    if program is None:
        return None
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        subprocess.run(
            [program, "-n", "-c", ";SELECT count(*) FROM all_logs", str(path)],
            check=False,
            capture_output=True,
            timeout=600,
            env={**os.environ, "HOME": home},
        )
    seconds = time.perf_counter() - began
    lines = path.read_bytes().count(b"\n")
    return {"seconds": round(seconds, 3), "lines_per_s": round(lines / seconds)}


def main() -> None:
    """Measure and print."""
    without("pandas")  # as in the agent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "app.log"
        write_log(path, 300_000 if quick else 3_000_000)
        result = {
            "bench": "logs_ingest",
            "cpus": os.cpu_count(),
            "method": "LogService.ingest of one file into a new DuckDB store, wall clock; peers in the same run",
            "load": os.getloadavg(),
            "ingest_unmasked_in_this_process": ingest(folder, path, "plain", str),
            "ingest_masked": ingest(folder, path, "masked", Masker().mask_text),
            "lnav": lnav(path),
            "follow": follow(folder, 50 if quick else 200, 60 if quick else 300),
            "max_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
