"""How steady the samples come while two Python processes keep both cores busy (MEASURES W2).

    python tests/bench/sampler_jitter.py [--quick] [--seconds 60] [--busy 2]
    python tests/bench/sampler_jitter.py --seconds 3600 --viewers 5 --busy-pages 2

Prints one JSON object: the deviation of each sample's time from `start + n x 1.000 s` (absolute, as no drift is allowed),
the deviation of the distance between neighbours from 1.000 s, and the samples missed. In the same run, in one of the
busy processes: a sampling thread with the same reader, which is what an application would do without a process of its own.

With `--viewers` (0 for nobody) the whole watch is measured by what its store holds at the end: the error of the distances
between stored readings, and the seconds without one, while that many live sockets are served through the dashboard and
`--busy-pages` of its pages run their script again and again.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from monitor.metrics.messages import Tick, read_messages
from tests.bench.watched import interval_errors_ms, look_on, started, stored_times

SPIN = "while True: sum(range(1000))"
THREAD = """
import json, sys, threading, time
from logs.redaction.masker import Masker
from monitor.sampling.linux.reader import ProcfsReader
count = int(sys.argv[1]); times = []; sweeps = []
def sample():
    reader = ProcfsReader(Masker()); start = time.monotonic()
    for n in range(count):
        time.sleep(max(start + n - time.monotonic(), 0))
        began = time.monotonic(); reader.sweep(time.monotonic_ns())
        times.append(abs(began - start - n) * 1000); sweeps.append((time.monotonic() - began) * 1000)
thread = threading.Thread(target=sample); thread.start()
while thread.is_alive(): sum(range(1000))
print(json.dumps({"late_ms": times, "sweep_ms": sweeps}))
"""


def spread(values: list[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return {
        "p50": round(ordered[last // 2], 3),
        "p99": round(ordered[min(round(last * 0.99), last)], 3),
        "max": round(ordered[-1], 3),
    }


def sampler(seconds: int) -> dict[str, object]:
    """The sampler process: lateness and distances of its ticks."""
    child = subprocess.Popen(
        [sys.executable, "-m", "monitor.sampling"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    ticks: list[Tick] = []
    for message in read_messages(child.stdout):
        if isinstance(message, Tick):
            ticks.append(message)
            if message.seq >= seconds:
                break
    child.stdin.close()
    child.stdout.close()
    child.wait(10)
    ticks = ticks[1:]  # the first one opens every file
    distances = [
        abs((after.mono_ns - before.mono_ns) / 1e6 - 1000 * (after.seq - before.seq))
        for before, after in pairwise(ticks)
    ]
    return {
        "lag_ms": spread([tick.quality.lag_ms for tick in ticks]),
        "interval_error_ms": spread(distances),
        "sweep_ms": spread([tick.quality.sweep_ms for tick in ticks]),
        "samples": len(ticks),
        "missed": ticks[-1].seq - ticks[0].seq + 1 - len(ticks),
        "processes": ticks[-1].host.procs_total,
    }


def thread_in_a_busy_program(seconds: int) -> dict[str, object]:
    """A sampling thread beside busy Python code in one process."""
    done = subprocess.run(
        [sys.executable, "-c", THREAD, str(seconds)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=seconds * 10 + 60,
    )
    found = json.loads(done.stdout)
    return {"lag_ms": spread(found["late_ms"]), "sweep_ms": spread(found["sweep_ms"]), "samples": seconds}


def watched(seconds: int, viewers: int, pages: int) -> dict[str, object]:
    """The whole watch with its viewers: what the store holds."""
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        with started(data) as url:
            began = time.time_ns() // 1000
            served = asyncio.run(look_on(url, seconds, viewers, pages))
            load = os.getloadavg()
            times, sample_counter = stored_times(data)
    times = [at for at in times if began <= at <= began + seconds * 1_000_000]
    errors, missing = interval_errors_ms(times)
    return {
        "interval_error_ms": spread(errors),
        "stored": len(times),
        "missing": missing,
        "account": sample_counter,
        "viewers": viewers,
        **served,
        "load_at_the_end": load,
    }


def beside_busy_processes(seconds: int, count: int) -> dict[str, object]:
    """The sampler alone, and a thread in a busy program, beside processes that never rest."""
    busy = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        return {
            "sampler": sampler(seconds),
            "thread_in_a_busy_program": thread_in_a_busy_program(min(seconds, 10)),
        }
    finally:
        for child in busy:
            child.kill()
        for child in busy:
            child.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 seconds instead of 60")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--busy", type=int, default=2, help="how many busy Python processes")
    parser.add_argument("--viewers", type=int, help="measure the whole watch, with this many live sockets")
    parser.add_argument("--busy-pages", type=int, default=0, help="how many pages rerun without a pause")
    options = parser.parse_args()
    seconds = options.seconds or (10 if options.quick else 60)
    machine = {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load1": os.getloadavg()[0],
    }
    if options.viewers is None:
        method = f"{options.busy} busy Python processes, {seconds} samples at 1 Hz, monotonic clock"
        found = beside_busy_processes(seconds, options.busy)
    else:
        method = f"{options.viewers} viewers, {options.busy_pages} busy pages, {seconds} s, times as stored"
        found = watched(seconds, options.viewers, options.busy_pages)
    targets = {"interval_error_ms_p99": 25, "missed": 0}
    print(json.dumps({"bench": "sampler_jitter", "machine": machine, "method": method, **found, "targets": targets}))


if __name__ == "__main__":
    main()
