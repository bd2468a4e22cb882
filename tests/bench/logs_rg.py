"""Whether the store's counts equal ripgrep's, for thousands of random patterns.

    python tests/bench/logs_rg.py [--quick] [--patterns N] [--seed N]

Prints one JSON object: how many patterns were asked, and every one whose counts differ. See `tests/doubles/rg_patterns.py` for what is defined.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import logs_ingest

import logs
from monitor.store.duckdb.opening import open_store
from tests.doubles.rg_patterns import by_rg, by_store, lines, question


def main() -> None:
    """Ask both and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--patterns", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    number = options.patterns or (500 if options.quick else 10_000)
    rng = random.Random(options.seed)
    written = lines(rng, 2000)
    differing = []
    found = 0
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "app.log"
        path.write_text("\n".join(written) + "\n", "utf-8")
        (Path(name) / "data").mkdir()
        store = open_store(Path(name) / "data", limit_bytes=1 << 36, now=logs_ingest.now)
        watch = logs_ingest.service(store, logs.LogSettings(discover=False, journal=False), lambda _: None, str)
        watch.start()
        job = watch.ingest([str(path)])
        while watch.ingest_state(job)["state"] == "running":
            time.sleep(0.01)
        for _ in range(number):
            asked = question(rng, written)
            ours, theirs = by_store(store, asked), by_rg(path, asked)
            found += bool(theirs)
            if ours != theirs:
                differing.append({**asked, "store": ours, "rg": theirs})
        watch.stop()
        store.close()
    print(
        json.dumps(
            {
                "bench": "logs_rg",
                "load": os.getloadavg(),
                "lines": len(written),
                "patterns": number,
                "with_matches": found,
                "differing": len(differing),
                "which": differing[:20],
            }
        )
    )


if __name__ == "__main__":
    main()
