"""How near the tuned settings of the embedded engine come to the best threads that a sweep finds, and what Tune gains over the settings before.

The sweep and the tuned settings are measured in turn, so that what else the machine does touches all of them alike. Run it with `taskset -c 0`, `-c 0,1`
and so on for each kind of cores. Threads wait for each other as those of a worker do, unless `--spin library` leaves that to the library. Prints one JSON object; `generate_of_best` and `read_of_best` are parts of the best rate of the sweep.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ai.backends.llamacpp_embedded import chosen_threads, default_threads
from ai.core.types import LoadSpec
from ai.discovery.files import demo_model
from ai.worker.engines.tune_probe import Model, Tried
from ai.worker.engines.turns import in_turn
from ai.worker.process import own_environment
from ai.worker.tuning import TunedSettings, tune

PROMPT = 256


def sweep(path: Path, tuned: Tried, seconds: float) -> dict[str, float]:
    """The tuned settings as parts of the best threads, each from 1 to the CPUs that may be used."""
    counts = range(1, len(os.sched_getaffinity(0)) + 1)
    model = Model(str(path))
    plain = Tried(1, 1)
    tries = [tuned, *(replace(plain, threads=n, prompt_threads=n) for n in counts)]
    for one in tries:
        model.read_s(one, 32)
    read = in_turn(tries, lambda one: model.read_s(one, PROMPT), seconds, surely=len(tries))
    token = in_turn(tries, model.token_s, seconds, surely=len(tries))
    others = tries[1:]
    return {
        "generate_of_best": min(token[one] for one in others) / token[tuned],
        "read_of_best": min(read[one] for one in others) / read[tuned],
        **{f"generate_{one.threads}": 1 / token[one] for one in others}, **{f"read_{one.threads}": PROMPT / read[one] for one in others},
    }  # fmt: skip


def work(seconds: float) -> dict[str, Any]:
    """All figures."""
    path = demo_model()
    if path is None:
        raise SystemExit("The demonstration model is not installed.")
    threads, prompts = chosen_threads(path, LoadSpec("demo"), measure=True)
    found = tune(path, TunedSettings(threads=threads, prompt_threads=prompts), default_threads())
    best = Tried(**found.best.model_dump())
    return {
        "cpus": sorted(os.sched_getaffinity(0)), "at_first_load": [threads, prompts], "tuned": found.best.model_dump(), "seconds": found.seconds,
        "neighbours": found.neighbours, "before": found.before.model_dump(), "after": found.after.model_dump(), **sweep(path, best, seconds),
    }  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spin", choices=("worker", "library"), default="worker", help="how threads of the sweep wait")
    parser.add_argument("--seconds", type=float, default=20.0, help="time of each half of the sweep")
    given = parser.parse_args()
    if given.spin == "worker":  # read by the library when it is loaded
        os.environ.update(own_environment())
    figures = work(given.seconds)
    machine = {"load1": os.getloadavg()[0], "python": platform.python_version()}
    print(json.dumps({"name": "ai_tune", "machine": machine, **figures}, indent=2))
    sys.stdout.flush()
    os._exit(0)  # the library's threads and memory go with the process


if __name__ == "__main__":
    main()
