"""What the watch costs: CPU and memory of the sampler process beside 500 sleeping processes (MEASURES W1).

    python tests/bench/sampler_cost.py [--quick] [--processes 500] [--seconds 60] [--glances PYTHON]

Prints one JSON object. In the same run: a raw sweep of the Linux reader, the sweep of psutil (`process_iter` with ten
attributes), and Glances' web server with one client at 2 s, when a Python that has Glances is given or found.
CPU is that of the process itself (user and system), percent of one core.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import psutil

from logs.redaction.masker import Masker
from monitor.metrics.messages import Tick, read_messages
from monitor.sampling.linux.reader import ProcfsReader

ATTRIBUTES = (
    "pid name cmdline cpu_times memory_info io_counters num_threads status create_time username".split()  # noqa: SIM905
)
PORT = 61_991


def best_us(sweep: Callable[[], int], rounds: int) -> float:
    """CPU microseconds a process of the best of some sweeps."""
    sweep()
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        count = sweep()
        best = min(best, (time.process_time() - began) * 1e6 / count)
    return round(best, 2)


def raw_sweeps(rounds: int) -> dict[str, float]:
    """Microseconds a process: our sweep (with columns packed) and that of psutil."""
    reader = ProcfsReader(Masker())
    sweeps = {
        "ours": best_us(lambda: reader.sweep(time.monotonic_ns()).count, rounds),
        "psutil_process_iter": best_us(
            lambda: sum(1 for process in psutil.process_iter(ATTRIBUTES) if process.info), max(rounds // 4, 3)
        ),
    }
    reader.close()
    return sweeps


def sampler(seconds: float) -> dict[str, object]:
    """The sampler process at 1 Hz: CPU between its third tick and the end, memory, lateness."""
    child = subprocess.Popen(
        [sys.executable, "-m", "monitor.sampling"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    ticks: list[Tick] = []
    for message in read_messages(child.stdout):
        if isinstance(message, Tick):
            ticks.append(message)
            if len(ticks) >= seconds + 3:
                break
    memory = psutil.Process(child.pid).memory_full_info()
    child.stdin.close()
    child.stdout.close()
    child.wait(10)
    first, last = ticks[2], ticks[-1]
    elapsed = (last.mono_ns - first.mono_ns) / 1e9
    sweeps = sorted(tick.quality.sweep_ms for tick in ticks[3:])
    return {
        "cpu_pct": round((last.quality.cpu_s - first.quality.cpu_s) * 100 / elapsed, 3),
        "rss_mb": round(max(tick.quality.rss for tick in ticks) / 1e6, 1),
        "uss_mb": round(memory.uss / 1e6, 1),
        "processes": last.host.procs_total,
        "fields": 19,
        "sweep_ms_p50": round(sweeps[len(sweeps) // 2], 2),
        "sweep_ms_max": round(sweeps[-1], 2),
        "missed": last.seq - first.seq + 1 - len(ticks[2:]),
        "seconds": round(elapsed, 1),
    }


def glances(python: str | None, seconds: float) -> dict[str, object]:
    """Glances' web server at 2 s with one client that asks for everything every 2 s."""
    command = [python or sys.executable, "-m", "glances"]
    probe = subprocess.run([*command, "--version"], check=False, capture_output=True, timeout=60)
    if probe.returncode != 0:
        return {"cpu_pct": None, "reason": "Glances is not installed (dependency group `bench`)"}
    child = subprocess.Popen(
        [*command, "-w", "-t", "2", "-B", "127.0.0.1", "-p", str(PORT), "--disable-autodiscover"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        if not _ask_until(time.monotonic() + 30):
            return {"cpu_pct": None, "reason": "Glances did not answer within 30 s"}
        process = psutil.Process(child.pid)
        began, before = time.monotonic(), process.cpu_times()
        while time.monotonic() - began < seconds:
            _ask()
            time.sleep(2)
        after = process.cpu_times()
        spent = after.user + after.system - before.user - before.system
        return {
            "version": probe.stdout.decode().split("\n", 1)[0].rpartition(":")[2].strip(),
            "cpu_pct": round(spent * 100 / (time.monotonic() - began), 2),
            "rss_mb": round(process.memory_info().rss / 1e6, 1),
            "interval_s": 2,
        }
    finally:
        child.terminate()
        child.wait(20)


def _ask() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/4/all", timeout=10) as answer:
            answer.read()
    except (urllib.error.URLError, OSError):
        return False
    return True


def _ask_until(end: float) -> bool:
    while time.monotonic() < end:
        if _ask():
            return True
        time.sleep(0.2)
    return False


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 seconds instead of 60")
    parser.add_argument("--processes", type=int, default=500)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--glances", metavar="PYTHON", help="a Python that has Glances")
    options = parser.parse_args()
    seconds = options.seconds or (10.0 if options.quick else 60.0)
    sleepers = [os.posix_spawn("/bin/sleep", ["sleep", "900"], os.environ) for _ in range(options.processes)]
    try:
        result = {
            "bench": "sampler_cost",
            "machine": {
                "cpus": os.cpu_count(),
                "kernel": platform.release(),
                "python": platform.python_version(),
                "load1": os.getloadavg()[0],
            },
            "method": f"{options.processes} sleepers; CPU time of the process over {seconds:.0f} s; best of several sweeps",
            "raw_sweep_us_per_process": raw_sweeps(8 if options.quick else 40),
            "sampler": sampler(seconds),
            "glances": glances(options.glances, min(seconds, 30.0)),
            "targets": {"cpu_pct": 1.5, "rss_mb": 45, "raw_sweep_us_per_process": 12},
        }
    finally:
        for pid in sleepers:
            os.kill(pid, 9)
        for pid in sleepers:
            os.waitpid(pid, 0)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
