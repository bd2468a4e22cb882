"""What storing costs: CPU a tick at 500 processes, alone and five ticks a transaction, and bytes a reading afterwards.

python tests/bench/store_write.py [--quick]
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from array import array
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from monitor.metrics import catalogue, messages
from monitor.store.duckdb import open_store
from monitor.store.interface import Change
from monitor.store.rows import tick_changes

PROCESSES = 500
START = 1_700_000_000_000_000


class Machine:
    """500 processes of which 15 % are active, as an idle desktop's are."""

    def __init__(self) -> None:
        self.noise = random.Random(1)
        self.columns = {name: array(code, [0] * PROCESSES) for name, code in catalogue.RUN_COLUMNS.items()}
        self.columns["run"] = array("q", [self.noise.getrandbits(63) for _ in range(PROCESSES)])
        self.columns["rss"] = array("q", [self.noise.randrange(2**30) // 4096 * 4096 for _ in range(PROCESSES)])

    def tick(self, seq: int) -> messages.Tick:
        """The next sweep."""
        columns, noise = self.columns, self.noise
        for index in range(PROCESSES):
            columns["cpu_pct"][index] = 0.0
        for index in noise.sample(range(PROCESSES), PROCESSES * 15 // 100):
            columns["cpu_pct"][index] = noise.randrange(1, 40)
            columns["cpu_user_s"][index] += 0.01
            columns["rss"][index] += 4096 * noise.randrange(-3, 4)
            columns["read_bytes"][index] += noise.randrange(9000)
            columns["ctx_voluntary"][index] += noise.randrange(50)
            columns["minor_faults"][index] += noise.randrange(20)
        host = catalogue.HostReading(
            cpu_pct=noise.random() * 100, mem_used=noise.randrange(2**34), load1=noise.random()
        )
        gpu = messages.GpuState("none", "no driver", 0.0, [], [])
        runs = catalogue.RunColumns(**{name: values.tobytes() for name, values in columns.items()})
        quality = messages.Quality(seq, seq, 0.1, 2.4, 0.0, 1, {})
        return messages.Tick(seq, START + seq * 1_000_000, 0, host, runs, [], [], gpu, quality)


def measure(ticks: int, together: int) -> dict[str, float]:
    """CPU and wall milliseconds a tick, and bytes on disk a reading."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder), limit_bytes=4 << 30, now=lambda: START)
        machine = Machine()
        cpu = rows_cpu = wall = 0.0
        waiting: list[Change] = []
        for seq in range(ticks):
            tick = machine.tick(seq)
            cpu_before, wall_before = time.process_time(), time.perf_counter()
            waiting += tick_changes("h", "b", tick)
            rows_cpu += time.process_time() - cpu_before
            if (seq + 1) % together == 0:
                store.write(waiting)
                waiting = []
            cpu += time.process_time() - cpu_before
            wall += time.perf_counter() - wall_before
        store.close()
        size = (Path(folder) / "watchkeeper.duckdb").stat().st_size
    readings = ticks * PROCESSES * (len(catalogue.RUN_COLUMNS) - 2)
    return {
        "cpu_ms_per_tick": round(cpu / ticks * 1e3, 2),
        "rows_cpu_ms_per_tick": round(rows_cpu / ticks * 1e3, 2),
        "wall_ms_per_tick": round(wall / ticks * 1e3, 2),
        "bytes_per_reading": round(size / readings, 3),
        "bytes": size,
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    ticks = 300 if parser.parse_args().quick else 3600
    result = {
        "bench": "store_write", "cores": os.cpu_count(), "processes": PROCESSES, "ticks": ticks, "method": "process CPU time, 15 % of processes active",
        "one_tick_a_transaction": measure(ticks, 1), "five_ticks_a_transaction": measure(ticks, 5),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
