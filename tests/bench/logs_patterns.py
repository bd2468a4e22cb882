"""How fast patterns of messages are found, and how right they are.

    python tests/bench/logs_patterns.py [--quick] [--data FOLDER]

Prints one JSON object. `FOLDER` holds systems in the shape of Loghub (`*_structured_corrected.csv` with the columns Content and EventTemplate): for each the
grouping accuracy (share of messages whose group is exactly the true one) and the F1 of groups (FGA), all with one configuration. Drain3, where it is installed
(`uv run --with drain3`), gets the same messages in the same run.
"""

import argparse
import csv
import json
import os
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from logs.patterns.miner import PatternMiner

Miner = Callable[[Sequence[str]], list[Any]]


def by_us(messages: Sequence[str]) -> list[Any]:
    """The pattern of each message."""
    miner = PatternMiner()
    numbers = miner.add(messages)
    _, of = miner.patterns()
    found: list[Any] = of[numbers].tolist()
    return found


def by_drain(messages: Sequence[str]) -> list[Any]:
    """As Drain3 groups them, without masks."""
    from drain3 import TemplateMiner  # type: ignore[import-not-found]

    miner = TemplateMiner()
    return [miner.add_log_message(message)["cluster_id"] for message in messages]


def accuracy(found: Sequence[Any], true: Sequence[str]) -> tuple[float, float]:
    """Grouping accuracy and FGA."""
    ours, theirs = defaultdict(set), defaultdict(set)
    for number, (group, template) in enumerate(zip(found, true, strict=True)):
        ours[group].add(number)
        theirs[template].add(number)
    right = [members for members in ours.values() if theirs[true[min(members)]] == members]
    return sum(map(len, right)) / len(found), 2 * len(right) / (len(ours) + len(theirs))


def written(lines: int) -> list[str]:
    """Messages as programs write them: few forms, many values."""
    rng = random.Random(4)
    names = [f"user{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(400)]
    forms: list[Callable[[], str]] = [
        lambda: f"job {rng.randrange(10**6)} took {rng.random() * 9:.2f} s on engine ollama",
        lambda: f"GET /api/v1/runs/{rng.randrange(10**9)}?points={rng.randrange(999)} 200 in {rng.randrange(99)} ms",
        lambda: f"session opened for {rng.choice(names)} by root(uid=0)",
        lambda: f"connection from 10.0.{rng.randrange(255)}.{rng.randrange(255)}:{rng.randrange(65535)} closed",
        lambda: f"cache miss key=user:{rng.randrange(10**6)} size={rng.randrange(10**5)} shard={rng.randrange(16)}",
        lambda: "heartbeat",
    ]
    return [rng.choice(forms)() for _ in range(lines)]


def rate(miner: Miner, messages: Sequence[str], times: int) -> float:
    """Messages a second of processor time: the median of a few runs."""
    found = []
    for _ in range(times):
        began = time.process_time()
        miner(messages)
        found.append(len(messages) / (time.process_time() - began))
    return statistics.median(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    messages = written(100_000 if options.quick else 1_000_000)
    miners: dict[str, Miner] = {"ours": by_us}
    try:
        import drain3  # noqa: F401
    except ImportError:
        pass
    else:
        miners["drain3"] = by_drain
    result: dict[str, Any] = {"bench": "logs_patterns", "load": os.getloadavg(), "messages": len(messages)}
    for name, miner in miners.items():
        result[name] = {"per_cpu_s": round(rate(miner, messages, 3 if options.quick else 5)), "systems": {}}
    for path in sorted(options.data.rglob("*_structured_corrected.csv")) if options.data else ():
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for name, miner in miners.items():
            both = accuracy(miner([row["Content"] for row in rows]), [row["EventTemplate"] for row in rows])
            result[name]["systems"][path.parent.name] = [round(value, 3) for value in both]
    for name in miners:
        if systems := result[name]["systems"]:
            columns = list(zip(*systems.values(), strict=True))
            result[name] |= {
                "mean": [round(statistics.mean(column), 3) for column in columns],
                "least": [min(column) for column in columns],
            }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
