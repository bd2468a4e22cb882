"""Jobs: µs an event in the worker, and whether a million events with duplicates, reordering and kills are counted exactly.

python tests/bench/jobs.py [--quick]
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from monitor.jobs import track
from monitor.jobs.service import job_service
from monitor.store.duckdb import open_store
from monitor.store.interface import Change
from monitor.store.writer import StoreWriter

WORKER = """
import sys, time
from track import track
jobs, stop = int(sys.argv[1]), int(sys.argv[2])
w = track("bench")
with w:
    cpu, began = time.process_time(), time.perf_counter()
    for i in range(jobs):
        if i == stop:
            w.begin("open")
            print((time.perf_counter() - began) / (2 * i) * 1e6, (time.process_time() - cpu) / (2 * i) * 1e6, flush=True)
            sys.stdin.read()
        job = w.begin(i)
        job.failed("no such page") if i % 10 == 0 else job.done()
"""


def work(folder: Path, workers: int, jobs: int) -> tuple[list[float], list[float]]:
    """Run workers, each killed in the middle of a job after `jobs` others; µs an event by the clock and of CPU."""
    (folder / "track.py").write_bytes(Path(track.__file__).read_bytes())
    wall, cpu = [], []
    for _ in range(workers):
        command = [sys.executable, "-c", WORKER, str(jobs + 1), str(jobs)]
        environ = {"WATCHKEEPER_JOBS": str(folder / "jobs")}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=folder, env=environ, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdout is not None
            took = process.stdout.readline().split()
            process.send_signal(signal.SIGKILL)
        wall.append(float(took[0]))
        cpu.append(float(took[1]))
    return wall, cpu


def spoil(folder: Path) -> None:
    """Write 1 % of the lines twice, and swap 1 % with a line some places further on."""
    noise = random.Random(1)
    for path in sorted(folder.glob("*.jsonl")):
        first, *lines = path.read_bytes().splitlines()
        for place in noise.sample(range(len(lines)), len(lines) // 100):
            other = min(len(lines) - 1, place + noise.randrange(1, 500))
            lines[place], lines[other] = lines[other], lines[place]
        lines += noise.sample(lines, len(lines) // 100)
        path.write_bytes(b"\n".join([first, *lines, b""]))


def read(folder: Path) -> None:
    """Read the spool as an agent does; run in a process of its own, which is killed now and then."""
    store = open_store(folder, limit_bytes=4 << 30, now=lambda: time.time_ns() // 1000)
    writer = StoreWriter(store, data_dir=folder)
    writer.start()
    began = time.process_time()

    def commit(changes: Sequence[Change]) -> None:
        writer.commit(changes)
        print("committed", flush=True)

    service = job_service(
        folder,
        store,
        commit,
        host="h",
        run_of_pid=lambda _pid: None,
        mask=str,
        patterns=list,
        now=lambda: time.time_ns() // 1000,
    )
    service.round()
    took = time.process_time() - began
    while store.query("jobs_open", host="h").num_rows:
        time.sleep(0.5)
        service.round()
    writer.stop()
    store.close()
    print(took, flush=True)


def count(folder: Path, kills: int) -> float:
    """Read everything, with the reader killed `kills` times after some commits; CPU seconds of the last, undisturbed reading."""
    noise = random.Random(2)
    command = [sys.executable, __file__, "--read", str(folder)]
    for _ in range(kills):
        last = noise.randrange(1, 12)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout is not None
            for _ in range(last):
                reader.stdout.readline()
            time.sleep(noise.random() * 0.1)
            reader.send_signal(signal.SIGKILL)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="two kills of the reader instead of eight")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        read(given.read)
        return
    workers = 4
    jobs = given.events // 2 // workers
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        load = os.getloadavg()[0]
        wall, cpu = work(folder, workers, jobs)
        size = sum(path.stat().st_size for path in (folder / "jobs").iterdir())
        spoil(folder / "jobs")
        took = count(folder, 2 if given.quick else 8)
        store = open_store(folder, limit_bytes=4 << 30, now=lambda: 0)
        sql = "SELECT sum(done), sum(failed), sum(interrupted), sum(repeated), (SELECT count(*) FROM jobs), (SELECT count(DISTINCT (worker_run, seq)) FROM jobs), (SELECT count(*) FROM jobs_open) FROM job_workers"
        (row,) = store.select(sql).to_pylist()
        store.close()
        done, failed, interrupted, repeated, rows, different, left = (int(value) for value in row.values())
        failures = workers * len(range(0, jobs, 10))
        truth = (workers * jobs - failures, failures, workers)
        print(
            json.dumps(
                {
                    "events": 2 * workers * jobs,
                    "us_an_event": round(sorted(wall)[len(wall) // 2], 2),
                    "us_an_event_worst_worker": round(max(wall), 2),
                    "cpu_us_an_event": round(sorted(cpu)[len(cpu) // 2], 2),
                    "bytes_an_event": round(size / (2 * workers * jobs), 1),
                    "counted": {"done": done, "failed": failed, "interrupted": interrupted, "repeated": repeated},
                    "truth": {"done": truth[0], "failed": truth[1], "interrupted": truth[2]},
                    "exact": (done, failed, interrupted) == truth and rows == different == sum(truth) and left == 0,
                    "reader_cpu_s_last_turn": round(took, 2),
                    "load": round(load, 1),
                }
            )
        )


if __name__ == "__main__":
    main()
