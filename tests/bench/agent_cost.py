"""What the whole watch costs at rest: agent and sampler beside 500 sleepers, and how fast requests are answered.

    python tests/bench/agent_cost.py [--quick]

Prints one JSON object. CPU is user and system time of the two processes over the span, percent of one core; requests are sequential, through
`monitor.client.client`.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from monitor.client.client import Client
from monitor.core.errors import AgentError


def cpu_s(pid: int) -> float:
    """CPU seconds a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss(pid: int) -> int:
    """Resident bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


def timed(request: Callable[[], Any], times: int) -> dict[str, float]:
    """Milliseconds of repeated requests."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        request()
        took.append((time.perf_counter() - began) * 1000)
    return {"p50_ms": percentile(took, 0.5), "p95_ms": percentile(took, 0.95)}


def wait_until_ready(client: Client) -> Any:
    """The status, once samples come."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            status = client.status()
        except AgentError:
            time.sleep(0.1)
            continue
        if status.samples.received >= 5:
            return status
        time.sleep(0.1)
    raise SystemExit("the agent did not come up")


def measure(base: Path, *, span_s: float, sleepers: int, times: int) -> dict[str, Any]:
    """Run it."""
    config = base / "w.toml"
    config.write_text("[logs]\ndiscover = true\njournal = false\n", "utf-8")
    command = [
        sys.executable,
        "-m",
        "monitor",
        "agent",
        "--quiet",
        "--data-dir",
        str(base / "d"),
        "--config",
        str(config),
    ]
    crowd = [subprocess.Popen(["sleep", "600"]) for _ in range(sleepers)]
    agent = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while not (base / "d/agent.json").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        with Client.of(base / "d") as client:
            status = wait_until_ready(client)
            pids = {"agent": agent.pid, "sampler": status.sampler.pid}
            before, began = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
            time.sleep(span_s)
            span = time.monotonic() - began
            cost = {
                name: {
                    "cpu_pct": round(100 * (cpu_s(pid) - before[name]) / span, 2),
                    "rss_mb": round(rss(pid) / 1e6, 1),
                }
                for name, pid in pids.items()
            }
            now = time.time_ns() // 1000
            requests = {
                "status": timed(client.status, times),
                "processes": timed(client.processes, times),
                "host_series_5min": timed(
                    lambda: client.get_json(
                        "/v1/host/series",
                        {"metrics": "cpu_pct,mem_used", "from": now - 300_000_000, "to": now, "points": 300},
                    ),
                    times,
                ),
                "log_records": timed(lambda: client.log_records({"level": "error"}), times),
            }
            samples = client.status().samples
        return {
            "cost": cost,
            "requests": requests,
            "samples": {"expected": samples.expected, "received": samples.received, "stored": samples.stored},
        }
    finally:
        agent.terminate()
        agent.wait(20)
        for one in crowd:
            one.kill()
            one.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="20 s instead of 60 s")
    parser.add_argument("--sleepers", type=int, default=500)
    options = parser.parse_args()
    span = 20.0 if options.quick else 60.0
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), span_s=span, sleepers=options.sleepers, times=50 if options.quick else 200)
    machine = {
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }
    method = f"CPU time from /proc over {span:.0f} s beside {options.sleepers} sleepers; log discovery on; one client"
    print(json.dumps({"benchmark": "agent_cost", **found, "machine": machine, "method": method}))


if __name__ == "__main__":
    main()
