"""Every life is told with its right end, and CPU seconds belong to named runs (MEASURES W3 and W4), beside psutil's polling in the same run.

    python tests/bench/lives.py [--quick] [--seconds 60] [--rate 1000] [--atop PATH]

A real agent on a directory of its own. First a spawner starts processes that live from a millisecond to two seconds, as fast as asked or as the
machine allows, and keeps the exit code or signal of each; then as many runs with the same pid, code and signal must be stored. Then jobs of 80 ms
CPU time run one after the other, and what the kernel charged to them is compared with what the store says of their runs. atop, if it is there, looks
on once a second. Prints one JSON object.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from monitor.client.client import Client
from tests.bench.agent_cost import percentile, wait_until_ready

ROWS_A_QUERY = 5_000
SETTLED_S = 6.0
BURN = "int main(void){volatile unsigned long n=0; struct timespec t; do { for (int i=0;i<20000;i++) n++; clock_gettime(CLOCK_PROCESS_CPUTIME_ID,&t);} while (t.tv_sec*1000000000L+t.tv_nsec < 80000000L); return 0;}"  # fmt: skip
BURN_PY = "import time\nwhile time.process_time() < 0.08: pass"


@contextlib.contextmanager
def agent(place: Path) -> Iterator[Client]:
    """A real agent on its own directory."""
    config = place / "w.toml"
    config.write_text("[logs]\ndiscover = false\njournal = false\n", "utf-8")
    words = [sys.executable, "-m", "monitor", "agent", "--quiet", "--data-dir", str(place / "d"), "--config", str(config)]  # fmt: skip
    process = subprocess.Popen(words, cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while not (place / "d/agent.json").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        with Client.of(place / "d", timeout_s=120) as client:
            wait_until_ready(client)
            yield client
    finally:
        process.terminate()
        process.wait(30)


def spawn_storm(seconds: float, rate: float, noise: random.Random) -> tuple[Counter[tuple[int, int, int]], float]:
    """Start processes at that rate; answers (pid, exit code, signal) of each with how often, and the rate that was reached."""
    ended: Counter[tuple[int, int, int]] = Counter()
    waiting: dict[int, int] = {}
    poll = select.poll()

    def reap(block_ms: int) -> None:
        for fd, _ in poll.poll(block_ms):
            pid = waiting.pop(fd)
            poll.unregister(fd)
            os.close(fd)
            status = os.waitpid(pid, 0)[1]
            code = os.waitstatus_to_exitcode(status)
            ended[pid, max(code, 0), max(-code, 0)] += 1

    began, started = time.monotonic(), 0
    while (now := time.monotonic()) - began < seconds:
        if started > (now - began) * rate:
            reap(1)
            continue
        kind = noise.random()
        if kind < 0.5:
            words = ["/bin/sh", "-c", f"exit {started % 7}"]
        elif kind < 0.7:
            words = ["/bin/true"]
        elif kind < 0.8:
            words = ["/bin/sh", "-c", f"kill -{noise.choice((9, 15, 11))} $$"]
        else:
            words = ["/bin/sleep", f"{noise.random() * 2:.3f}"]
        pid = os.posix_spawn(words[0], words, {})
        fd = os.pidfd_open(pid)
        waiting[fd] = pid
        poll.register(fd, select.POLLIN)
        started += 1
        reap(0)
    reached = started / (time.monotonic() - began)
    while waiting:
        reap(100)
    return ended, reached


class Poller:
    """Looks at all processes once a second with psutil, as a monitor does; keeps our children, but for those there are, and their CPU time."""

    def __init__(self) -> None:
        self._before = {one.pid for one in psutil.Process().children()}
        self.cpu_s: dict[tuple[int, float], float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        me, due = os.getpid(), time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += 1
            for one in psutil.process_iter(["ppid", "cpu_times", "create_time"]):
                if one.info["ppid"] == me and one.pid not in self._before and one.info["cpu_times"]:
                    times = one.info["cpu_times"]
                    key = (one.pid, one.info["create_time"])
                    self.cpu_s[key] = max(self.cpu_s.get(key, 0.0), times.user + times.system)


def stored(client: Client, since_us: int) -> list[dict[str, Any]]:
    """The runs of our children since then."""
    rows: list[dict[str, Any]] = []
    last = 0
    while True:
        sql = (
            "SELECT run, pid, exit_code, exit_signal, cpu_seconds, name FROM runs "
            f"WHERE ppid = {os.getpid()} AND epoch_us(start_ts) >= {since_us - 50_000} AND run > {last} ORDER BY run"
        )
        found = client.query(sql, limit=ROWS_A_QUERY)
        rows += [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        if len(found.rows) < ROWS_A_QUERY:
            return rows
        last = rows[-1]["run"]


def ends(client: Client, seconds: float, rate: float) -> dict[str, Any]:
    """W3."""
    errors_before, since = client.status().sampler, time.time_ns() // 1000
    with Poller() as poller:
        truth, reached = spawn_storm(seconds, rate, random.Random(1))
    time.sleep(SETTLED_S)
    rows = stored(client, since)
    told = Counter((row["pid"], row["exit_code"] or 0, row["exit_signal"] or 0) for row in rows if row["exit_code"] is not None or row["exit_signal"] is not None)  # fmt: skip
    right = sum((truth & told).values())
    seen = Counter(row["pid"] for row in rows)
    started = Counter[int]()
    for (pid, _, _), count in truth.items():
        started[pid] += count
    return {
        "lives": sum(truth.values()),
        "spawns_per_s": round(reached),
        "stored": sum((started & seen).values()),
        "end_right": right,
        "named": sum(row["name"] != "(not seen)" for row in rows),
        "usage_known": sum(row["cpu_seconds"] is not None for row in rows),
        "psutil_1hz_saw": len(poller.cpu_s),
        "exits": errors_before.exits,
        "losses": {
            name: count
            for name, count in client.get_json("/v1/host/latest")["quality"]["errors"].items()
            if "lost" in name or "dropped" in name
        },
    }


def until_stored_ms(client: Client, tries: int) -> dict[str, float]:
    """From the end of a process to its row, as a client of the agent sees it."""
    took = []
    for _ in range(tries):
        with subprocess.Popen(["/bin/sh", "-c", "exit 3"]) as child:
            child.wait()
        ended = time.monotonic()
        sql = f"SELECT 1 FROM runs WHERE ppid = {os.getpid()} AND pid = {child.pid} AND end_ts IS NOT NULL"
        while not client.query(sql, limit=1).rows:
            time.sleep(0.02)
        took.append((time.monotonic() - ended) * 1000)
    return {"p50": percentile(took, 0.5), "most": round(max(took), 1)}


def attribution(client: Client, seconds: float, job: list[str]) -> dict[str, Any]:
    """W4."""
    since = time.time_ns() // 1000
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs, began = 0, time.monotonic()
    with Poller() as poller:
        while time.monotonic() - began < seconds:
            os.waitpid(os.posix_spawn(job[0], job, os.environ), 0)
            jobs += 1
            time.sleep(0.05)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    time.sleep(SETTLED_S)
    truth = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows = [row for row in stored(client, since) if row["name"] == Path(job[0]).name]
    known = sum(row["cpu_seconds"] or 0.0 for row in rows)
    return {
        "jobs": jobs,
        "cpu_s": round(truth, 2),
        "stored_jobs": len(rows),
        "attributed_pct": round(100 * known / truth, 1),
        "psutil_1hz": {"jobs": len(poller.cpu_s), "attributed_pct": round(100 * sum(poller.cpu_s.values()) / truth, 1)},
    }


def burner(place: Path) -> list[str]:
    """A program that uses 80 ms of CPU time."""
    compiler = shutil.which("cc")
    if compiler is None:
        return [sys.executable, "-S", "-c", BURN_PY]
    (place / "burn.c").write_text("#include <time.h>\n" + BURN, "utf-8")
    subprocess.run([compiler, "-O1", "-o", place / "burnjob", place / "burn.c"], check=True)
    return [str(place / "burnjob")]


@contextlib.contextmanager
def atop(path: str | None, place: Path) -> Iterator[Path | None]:
    """Atop writes what it sees, once a second."""
    if path is None:
        yield None
        return
    raw = place / "atop.raw"
    process = subprocess.Popen([path, "-w", str(raw), "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield raw
    finally:
        process.terminate()
        process.wait(20)


def seen_by_atop(path: str, raw: Path, name: str) -> dict[str, Any]:
    """Processes of that name in what atop wrote, and the CPU seconds that it says they used in each interval."""
    out = subprocess.run([path, "-r", str(raw), "-P", "PRC"], capture_output=True, text=True, check=False).stdout
    lines = [line.split() for line in out.splitlines() if f" ({name}) " in line]
    used = sum((int(line[10]) + int(line[11])) / int(line[9]) for line in lines)
    return {"lines": len(lines), "processes": len({line[6] for line in lines}), "cpu_s": round(used, 2)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 s instead of 60 s")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rate", type=float, default=1_000)
    parser.add_argument("--atop", default=shutil.which("atop"))
    options = parser.parse_args()
    seconds = options.seconds or (8.0 if options.quick else 60.0)
    with tempfile.TemporaryDirectory() as folder, agent(Path(folder)) as client:
        found: dict[str, Any] = {"ends": ends(client, seconds, options.rate)}
        found["until_stored_ms"] = until_stored_ms(client, 10)
        job = burner(Path(folder))
        with atop(options.atop, Path(folder)) as raw:
            found["attribution"] = attribution(client, min(seconds, 15.0), job)
        if raw is not None and raw.exists():
            found["attribution"]["atop_1s"] = seen_by_atop(options.atop, raw, Path(job[0]).name)
    machine = {"cores": os.cpu_count(), "load": os.getloadavg(), "kernel": platform.release()}
    method = f"{options.rate:.0f} spawns a second asked for {seconds:.0f} s; then jobs of 80 ms CPU time"
    print(json.dumps({"bench": "lives", **found, "machine": machine, "method": method, "targets": {"end_right": "lives", "attributed_pct": 99}}))  # fmt: skip


if __name__ == "__main__":
    main()
