"""Every life is told with its right end, and CPU seconds belong to named runs (MEASURES W3 and W4), beside psutil's polling in the same run.

    python tests/bench/lives.py [--quick] [--seconds 60] [--rate 1000] [--atop PATH]

A real agent on a directory of its own. First a spawner starts processes that live from a millisecond to two seconds, as fast as asked or as the
machine allows, and keeps the exit code or signal of each; then as many runs with the same pid, code and signal must be stored. Then jobs of 80 ms
CPU time run one after the other, and what the kernel charged to them is compared with what the store says of their runs. atop, if it is there, looks
on once a second, too. Prints one JSON object.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
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
GIVE_UP_S = 10.0
STORM = r"""
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static void rest(double s) { struct timespec t = {(time_t)s, (long)((s - (time_t)s) * 1e9)}; nanosleep(&t, 0); }
static int reap(FILE *out, int flags) {
    int status, n = 0, pid;
    while ((pid = waitpid(-1, &status, flags)) > 0) { fprintf(out, "%d %d\n", pid, status); n++; }
    return n;
}
int main(int argc, char **argv) {
    if (argc == 4 && !strcmp(argv[1], "live")) {  /* live SECONDS CODE: a code below 0 is a signal */
        int code = atoi(argv[3]);
        rest(atof(argv[2]));
        if (code >= 0) return code;
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        kill(getpid(), -code);
        pause();
    }
    double seconds = atof(argv[2]), rate = atof(argv[3]), began = now();  /* storm SECONDS RATE OUT */
    FILE *out = fopen(argv[4], "w");
    fprintf(out, "%20s\n", "");
    long started = 0;
    int signals[] = {-9, -15, -11};
    srand(1);
    while (now() - began < seconds) {
        reap(out, WNOHANG);
        if (started > (now() - began) * rate) { rest(0.0005); continue; }
        char lasts[32], code[16];
        double kind = rand() / (RAND_MAX + 1.0), share = rand() / (RAND_MAX + 1.0);
        snprintf(lasts, sizeof lasts, "%.4f", kind < 0.7 ? 0.001 + 0.02 * share : 0.02 + 1.98 * share);
        snprintf(code, sizeof code, "%d", started % 10 < 2 ? signals[started % 3] : (int)(started % 7));
        char *words[] = {argv[0], "live", lasts, code, 0}, *none[] = {0};
        int pid = vfork();
        if (pid == 0) { execve(argv[0], words, none); _exit(126); }
        started++;
    }
    double reached = started / (now() - began);
    reap(out, 0);
    rewind(out);
    fprintf(out, "%20.1f", reached);
    return fclose(out);
}
"""
BURN = "int main(void){volatile unsigned long n=0; struct timespec t; do { for (int i=0;i<20000;i++) n++; clock_gettime(CLOCK_PROCESS_CPUTIME_ID,&t);} while (t.tv_sec*1000000000L+t.tv_nsec < 80000000L); return 0;}"  # fmt: skip


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


def compiled(place: Path, name: str, source: str) -> str:
    """A small C program. The spawner and what it starts must cost little, or they and not the watch are measured."""
    compiler = shutil.which("cc")
    if compiler is None:
        sys.exit("this bench needs a C compiler (Debian: apt-get install gcc libc6-dev)")
    (place / f"{name}.c").write_text(source, "utf-8")
    subprocess.run([compiler, "-O1", "-static", "-o", place / name, place / f"{name}.c"], check=True)
    return str(place / name)


Truth = list[tuple[int, int, int]]
"""(pid, exit code, signal) of each life."""


def spawn_storm(program: str, place: Path, seconds: float, rate: float) -> tuple[Truth, int, float]:
    """Start processes at that rate; answers them, their parent, and the rate that was reached."""
    out = place / "truth"
    with subprocess.Popen([program, "storm", str(seconds), str(rate), str(out)]) as spawner:
        spawner.wait()
    reached, *lines = out.read_text("ascii").splitlines()
    lives = []
    for line in lines:
        pid, status = map(int, line.split())
        code = os.waitstatus_to_exitcode(status)
        lives.append((pid, max(code, 0), max(-code, 0)))
    return lives, spawner.pid, float(reached)


class Beside:
    """Something that goes on for the length of a with block, on a thread of its own."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        raise NotImplementedError


class Poller(Beside):
    """Looks at all processes once a second with psutil, as a monitor does; keeps those of a program, and their CPU time."""

    def __init__(self, program: str) -> None:
        self._program = program
        self.cpu_s: dict[tuple[int, float], float] = {}
        super().__init__()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += 1
            for one in psutil.process_iter(["cmdline", "cpu_times", "create_time"]):
                if one.info["cmdline"] and one.info["cmdline"][0] == self._program and one.info["cpu_times"]:
                    times = one.info["cpu_times"]
                    key = (one.pid, one.info["create_time"])
                    self.cpu_s[key] = max(self.cpu_s.get(key, 0.0), times.user + times.system)


def stored(client: Client, since_us: int, parent: int) -> list[dict[str, Any]]:
    """The runs of a parent's children since then."""
    rows: list[dict[str, Any]] = []
    last = 0
    while True:
        sql = (
            "SELECT run, pid, exit_code, exit_signal, cpu_seconds, name, cmdline <> '' AS command FROM runs "
            f"WHERE ppid = {parent} AND epoch_us(start_ts) >= {since_us - 50_000} AND run > {last} ORDER BY run"
        )
        found = client.query(sql, limit=ROWS_A_QUERY)
        rows += [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        if len(found.rows) < ROWS_A_QUERY:
            return rows
        last = rows[-1]["run"]


def ends(client: Client, place: Path, seconds: float, rate: float, atop_path: str | None) -> dict[str, Any]:
    """W3."""
    errors_before, since = client.status().sampler, time.time_ns() // 1000
    program = compiled(place, "life", STORM)
    rows = Rows(client)
    with rows, Poller(program) as poller, atop(atop_path, place) as raw:
        lives, parent, reached = spawn_storm(program, place, seconds, rate)
    time.sleep(SETTLED_S)
    truth, found = Counter(lives), stored(client, since, parent)
    told = Counter((row["pid"], row["exit_code"] or 0, row["exit_signal"] or 0) for row in found if row["exit_code"] is not None or row["exit_signal"] is not None)  # fmt: skip
    started, seen = Counter(pid for pid, _, _ in lives), Counter(row["pid"] for row in found)
    after = client.status().sampler
    return {
        "lives": len(lives),
        "spawns_per_s": round(reached),
        "stored": sum((started & seen).values()),
        "end_right": sum((truth & told).values()),
        "named": sum(row["name"] == "life" for row in found),
        "command_known": sum(row["command"] for row in found),
        "usage_known": sum(row["cpu_seconds"] is not None for row in found),
        "exit_to_row_ms": rows.took(),
        "psutil_1hz_saw": len(poller.cpu_s),
        "atop_1s_saw": seen_by_atop(atop_path, raw, "life", but=parent)["lives"]
        if atop_path and raw is not None
        else None,
        "exits": errors_before.exits,
        "sampler_cpu_pct": after.cpu_pct,
        "losses": {
            name: count
            for name, count in client.get_json("/v1/host/latest")["quality"]["errors"].items()
            if "lost" in name or "dropped" in name
        },
    }


class Rows(Beside):
    """Ends a process five times a second, and asks the agent until it has the row of it."""

    def __init__(self, client: Client) -> None:
        self._client, self._ms, self._missed = client, list[float](), 0
        super().__init__()

    def took(self) -> dict[str, float]:
        """From the end of a process to its row, as a client of the agent sees it; an answer that takes long counts whole."""
        return {
            "tries": len(self._ms),
            "missed": self._missed,
            "p50": percentile(self._ms, 0.5),
            "p99": percentile(self._ms, 0.99),
            "most": round(max(self._ms), 1),
        }

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            since = time.time_ns() // 1000
            with subprocess.Popen(["/bin/sh", "-c", "exit 3"]) as child:
                child.wait()
            ended = time.monotonic()
            wanted = {"q": str(child.pid), "since": str(since), "limit": 50}
            while not any(run["pid"] == child.pid for run in self._client.get_json("/v1/runs", wanted)["runs"]):
                if time.monotonic() - ended > GIVE_UP_S:
                    self._missed += 1
                    break
                time.sleep(0.002)
            self._ms.append((time.monotonic() - ended) * 1000)


def attribution(client: Client, seconds: float, job: list[str]) -> dict[str, Any]:
    """W4."""
    since = time.time_ns() // 1000
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs, began = 0, time.monotonic()
    with Poller(job[0]) as poller:
        while time.monotonic() - began < seconds:
            os.waitpid(os.posix_spawn(job[0], job, os.environ), 0)
            jobs += 1
            time.sleep(0.05)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    time.sleep(SETTLED_S)
    truth = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows = [row for row in stored(client, since, os.getpid()) if row["name"] == Path(job[0]).name]
    known = sum(row["cpu_seconds"] or 0.0 for row in rows)
    return {
        "jobs": jobs,
        "cpu_s": round(truth, 2),
        "stored_jobs": len(rows),
        "attributed_pct": round(100 * known / truth, 1),
        "psutil_1hz": {"jobs": len(poller.cpu_s), "attributed_pct": round(100 * sum(poller.cpu_s.values()) / truth, 1)},
    }


@contextlib.contextmanager
def atop(path: str | None, place: Path) -> Iterator[Path | None]:
    """Atop writes what it sees, once a second."""
    if path is None:
        yield None
        return
    raw = Path(tempfile.mkdtemp(dir=place), "atop.raw")
    process = subprocess.Popen([path, "-w", str(raw), "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield raw
    finally:
        process.terminate()
        process.wait(20)


def seen_by_atop(path: str, raw: Path, name: str, but: int = 0) -> dict[str, Any]:
    """Processes of that name, but for one, in what atop wrote, and the CPU seconds that it says they used in each interval."""
    out = subprocess.run([path, "-r", str(raw), "-P", "PRC"], capture_output=True, text=True, check=False).stdout
    lines = [line.split() for line in out.splitlines() if f" ({name}) " in line]
    used = sum((int(line[10]) + int(line[11])) / int(line[9]) for line in lines)
    ended = [line[6] for line in lines if line[8] == "E"]  # told once each; a pid may be one of several
    alive = {line[6] for line in lines}.difference(ended, {str(but)})
    return {"lines": len(lines), "lives": len(ended) + len(alive), "cpu_s": round(used, 2)}


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
        with Rows(client) as calm:
            time.sleep(seconds / 4)
        found: dict[str, Any] = {"calm_exit_to_row_ms": calm.took()}
        found["ends"] = ends(client, Path(folder), seconds, options.rate, options.atop)
        job = [compiled(Path(folder), "burnjob", "#include <time.h>\n" + BURN)]
        with atop(options.atop, Path(folder)) as raw:
            found["attribution"] = attribution(client, min(seconds, 15.0), job)
        if raw is not None and raw.exists():
            found["attribution"]["atop_1s"] = seen_by_atop(options.atop, raw, Path(job[0]).name)
    machine = {"cores": os.cpu_count(), "load": os.getloadavg(), "kernel": platform.release()}
    method = f"{options.rate:.0f} spawns a second asked for {seconds:.0f} s; then jobs of 80 ms CPU time"
    print(json.dumps({"bench": "lives", **found, "machine": machine, "method": method, "targets": {"end_right": "lives", "exit_to_row_ms.p99": 100, "attributed_pct": 99}}))  # fmt: skip


if __name__ == "__main__":
    main()
