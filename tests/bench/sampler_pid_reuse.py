"""Pids that are given again at once, thousands of times (MEASURES W5).

    python tests/bench/sampler_pid_reuse.py [--quick] [--rounds 10000]

As root on Linux. Each round ends a process, starts another under the very same pid (`/proc/sys/kernel/ns_last_pid`), and sweeps once.
Prints one JSON object: rounds in which the new process was taken for the old one (`merged`), was not in the sweep (`missed`), or had
another's name, start or command line (`wrong`), and in which the end of the old one was not told (`untold`). In the same rounds, beside it:
what psutil's `process_iter` says of the same pid.
"""

import argparse
import itertools
import json
import os
import platform
import sys
import time
from collections import Counter
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from logs.redaction.masker import Masker
from monitor.sampling.linux.reader import ProcfsReader
from tests.doubles.pids import (
    PROGRAMS,
    can_be_forced,
    end,
    spawn_as,
    start_tick,
    wait_for_next_tick,
)

PSUTIL_EVERY = 20


def force(rounds: int) -> tuple[Counter[str], Counter[str]]:
    """The rounds: what went wrong in our reader, and in psutil's cache."""
    reader = ProcfsReader(Masker())
    pid = spawn_as(None, PROGRAMS[0])
    ours: Counter[str] = Counter()
    theirs: Counter[str] = Counter()
    runs: set[int] = set()
    try:
        after = reader.sweep(time.monotonic_ns()).by_pid[pid]
        for number in itertools.count():
            if ours["rounds"] >= rounds:
                break
            before, tick, program = after, start_tick(pid), PROGRAMS[number % 2]
            compared = number % PSUTIL_EVERY == 0
            if compared:
                _psutil_sees(pid)
            end(pid)
            wait_for_next_tick(tick, reader.info.clock_tick_hz)
            try:
                spawn_as(pid, program)
            except ProcessLookupError:  # another program has it now
                ours["taken_by_others"] += 1
                pid = spawn_as(None, program)
                after = reader.sweep(time.monotonic_ns()).by_pid[pid]
                continue
            ours["rounds"] += 1
            sweep = reader.sweep(time.monotonic_ns())
            found = sweep.by_pid.get(pid)
            ours["missed"] += found is None
            if found is None:
                continue
            after = found
            ours["merged"] += after == before or after in runs
            ours["untold"] += before not in sweep.gone
            born = [info for info in sweep.born if info.run == after]
            ours["wrong"] += [(i.start_tick, i.cmdline) for i in born] != [(start_tick(pid), " ".join(program))]
            runs.add(after)
            if compared:
                theirs["rounds"] += 1
                theirs["missed_or_stale"] += abs((_psutil_sees(pid) or 0) - psutil.Process(pid).create_time()) > 0.005
    finally:
        end(pid)
        reader.close()
    return ours, theirs


def _psutil_sees(pid: int) -> float | None:
    """The start of the process with this pid, as `process_iter` keeps it."""
    return next((process.create_time() for process in psutil.process_iter() if process.pid == pid), None)


def main() -> None:
    """Force, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="500 rounds")
    parser.add_argument("--rounds", type=int)
    options = parser.parse_args()
    if not can_be_forced():
        raise SystemExit("pids can be forced only by root on Linux")
    rounds = options.rounds or (500 if options.quick else 10_000)
    began = time.monotonic()
    ours, theirs = force(rounds)
    result = {
        "bench": "sampler_pid_reuse",
        "machine": {"kernel": platform.release(), "load1": os.getloadavg()[0], "processes": len(psutil.pids())},
        "method": f"{rounds} forced reuses of one pid, a sweep after each",
        "rounds": ours["rounds"],
        "taken_by_others": ours["taken_by_others"],
        "seconds": round(time.monotonic() - began, 1),
        "ours": {name: ours[name] for name in ("merged", "missed", "wrong", "untold")},
        "psutil_process_iter": dict(theirs),
        "targets": {"merged": 0, "missed": 0, "wrong": 0, "untold": 0},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
