"""How many lines are lost or stored twice while files are rotated under load.

    python tests/bench/logs_rotation.py [--quick] [--rate LINES_A_SECOND] [--seconds S]

Prints one JSON object. A process writes numbered lines, another one rotates the files as `logrotate` does, this one follows them into a new DuckDB store;
none knows of the others. `rename`: many files, the writer opens its path anew when it leads elsewhere (as `WatchedFileHandler` does). `copytruncate`: one file
is copied, then emptied; what was written in between is in no copy, and stored only when it was read before.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import logs_ingest

import logs
from monitor.core.this_process import without
from monitor.store.duckdb.opening import open_store
from monitor.store.interface import Store

WRITER: Final = """
import os, sys, time
folder, files, rate, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
paths = [f"{folder}/w{k}.log" for k in range(files)]
def opened(path):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    return fd, os.fstat(fd).st_ino
fds = [opened(path) for path in paths]
numbers = [0] * files
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
while (now := time.monotonic()) - began < seconds:
    for k in range(files):
        due = int((time.monotonic() - began) * rate / files)
        if numbers[k] >= due:
            continue
        try:
            moved = os.stat(paths[k]).st_ino != fds[k][1]
        except FileNotFoundError:
            moved = True
        if moved:
            os.close(fds[k][0])
            fds[k] = opened(paths[k])
        while numbers[k] < due:
            last = min(due, numbers[k] + 16)
            text = b"".join(b"2026-03-01 10:00:00,000 INFO w%d: n=%d some text of a worker\\n" % (k, n) for n in range(numbers[k], last))
            os.write(fds[k][0], text)
            numbers[k] = last
    time.sleep(0.001)
print(*numbers, flush=True)
"""
ROTATOR: Final = """
import os, shutil, sys, time
folder, files, period, mode = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
turn, next_at = 0, time.monotonic() + period
print("ready", flush=True)
while os.getppid() == int(sys.argv[5]):
    time.sleep(max(0.0, next_at - time.monotonic()))
    next_at = max(next_at + period, time.monotonic())
    path = f"{folder}/w{turn % files}.log"
    turn += 1
    if mode == "rename":
        os.rename(path, f"{path}.{turn}")
    else:
        shutil.copyfile(path, f"{path}.{turn}")
        os.truncate(path, 0)
"""
QUIET_S: Final = 20.0
"""Nothing new for so long: all that will be stored is. On a busy machine one transaction may take seconds."""
DRAIN_S: Final = 120.0


def line_of(text: str) -> tuple[int, int] | None:
    """File and number of a line that is whole; None for what the copying cut."""
    words = text.split()
    try:
        return int(words[-7][1:-1]), int(words[-6][2:])
    except (IndexError, ValueError):
        return None


def archived(folder: Path) -> set[tuple[int, int]]:
    """The lines that are in the files and their rotated forms."""
    found = set()
    for path in folder.iterdir():
        for line in path.read_text(errors="replace").splitlines():
            if (key := line_of(line)) is not None:
                found.add(key)
    return found


def stored(store: Store) -> Iterator[tuple[int, int, int, int]]:
    """(file id, position, file, number) of each line of the store."""
    step, begin = 200_000, 0
    while True:
        sql = f"SELECT file_id, pos, message, logger FROM log_records ORDER BY file_id, pos LIMIT {step} OFFSET {begin}"
        rows = store.select(sql, limit=step)
        columns = (rows.column(name).to_pylist() for name in ("file_id", "pos", "logger", "message"))
        for file_id, pos, logger, message in zip(*columns, strict=True):
            if (key := line_of(f"{logger}: {message}")) is not None:
                yield file_id, pos, *key
        if rows.num_rows < step:
            return
        begin += step


def settled(store: Store, lines: int) -> None:
    """Wait until so many lines are stored, or nothing more is."""
    count, since, end = -1, time.monotonic(), time.monotonic() + DRAIN_S
    while time.monotonic() - since < QUIET_S and time.monotonic() < end:
        found = logs.search.count(store, logs.LogFilter())["count"]
        if found >= lines:
            return
        if found != count:
            count, since = found, time.monotonic()
        time.sleep(0.2)


def torture(base: Path, mode: str, files: int, rate: int, seconds: float, per_s: float) -> dict[str, Any]:  # noqa: PLR0917 - one row of the table
    """Write, rotate and follow; what came of it."""
    folder, data = base / mode, base / f"{mode}-store"
    folder.mkdir()
    data.mkdir()
    store = open_store(data, limit_bytes=1 << 36, now=logs_ingest.now)
    settings = logs.LogSettings(discover=False, journal=False, globs=(f"{folder}/w*.log",))
    watch = logs_ingest.service(store, settings, lambda _: None, str)
    common = {"stdout": subprocess.PIPE, "text": True}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(files), str(rate), str(seconds)], stdin=subprocess.PIPE, **common
    )  # fmt: skip
    assert writer.stdout is not None
    writer.stdout.readline()
    watch.start()
    while len(watch.sources()) < files:
        time.sleep(0.05)
    rotator = subprocess.Popen(
        [sys.executable, "-c", ROTATOR, str(folder), str(files), str(1 / per_s), mode, str(os.getpid())], **common
    )
    load, cpu = os.getloadavg(), time.process_time()
    answer, _ = writer.communicate("go\n", timeout=10 * seconds + 60)
    cpu = time.process_time() - cpu
    rotator.terminate()
    rotator.wait(10)
    settled(store, sum(map(int, answer.split())))
    watch.stop()
    written = {(which, number) for which, count in enumerate(map(int, answer.split())) for number in range(count)}
    found: dict[tuple[int, int], int] = {}
    disordered, before = 0, (0, -1, -1)
    for file_id, _, which, number in stored(store):
        found[which, number] = found.get((which, number), 0) + 1
        disordered += (file_id, which) == before[:2] and number <= before[2]
        before = (file_id, which, number)
    copies = archived(folder)
    events = store.select("SELECT count(*) AS n FROM events WHERE kind = 'LOST'").column("n")[0].as_py()
    store.close()
    lost, gone = written - found.keys(), written - copies
    return {
        "files": files, "lines": len(written), "lines_per_s": round(len(written) / seconds), "rotations": len(list(folder.glob("*.log.*"))), "lost": len(lost),
        "lost_pct": round(100 * len(lost) / len(written), 4), "twice": sum(count - 1 for count in found.values()), "out_of_order": disordered,
        "in_no_file": len(gone), "in_no_file_pct": round(100 * len(gone) / len(written), 4), "lost_though_in_a_file": len(lost & copies), "truncations_told": events,
        "agent_cpu_us_per_line": round(cpu / len(written) * 1e6, 1), "load": load[0],
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    without("pandas")  # as in the agent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rate", type=int, help="lines a second instead of 100,000 and 50,000")
    parser.add_argument("--seconds", type=float)
    asked = parser.parse_args()
    seconds = asked.seconds or (5.0 if asked.quick else 30.0)
    many = asked.rate or (20_000 if asked.quick else 100_000)
    one = asked.rate or (10_000 if asked.quick else 50_000)
    base = Path(tempfile.mkdtemp(prefix="rotation-"))
    try:
        result = {
            "bench": "logs_rotation",
            "cpus": os.cpu_count(),
            "method": "numbered lines, written, rotated and followed by three processes, compared line by line",
            "rename": torture(base, "rename", 200 if asked.quick else 1000, many, seconds, 10),
            "copytruncate": torture(base, "copytruncate", 1, one, seconds, 4),
        }
    finally:
        shutil.rmtree(base)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
