"""Where the time from the end of a process to its row goes: an agent whose steps are timed, by the clock and in CPU time of their thread.

    python tests/bench/lives_steps.py [--quick] [--seconds 30] [--rate 1000]

As `lives.py`: a process ends five times a second, and a client asks until it has the row; first with nothing else ending, then beside a storm. Prints
one JSON object: for each step p50 and p99 by the clock (ms) and its CPU time (ms, mean).
"""

import argparse
import functools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from monitor.api.runs import detail
from monitor.cli.app import main as command_line
from monitor.client.client import Client
from monitor.live.ingest import Ingest
from monitor.metrics.messages import Lives
from monitor.store.duckdb.store import DuckStore
from monitor.store.writer import StoreWriter
from tests.bench.agent_cost import percentile, wait_until_ready
from tests.bench.lives import STORM, Rows, compiled, spawn_storm

Steps = dict[str, list[tuple[float, float, float]]]
"""By step: when it ended (s since the epoch), ms by the clock, ms of CPU time."""


def timed(steps: Steps, name: Callable[..., str | None], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which notes how long it took."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        began, used = time.monotonic(), time.thread_time()
        try:
            return function(*args, **options)
        finally:
            if (step := name(*args, **options)) is not None:
                taken = (time.monotonic() - began) * 1000, (time.thread_time() - used) * 1000
                steps[step].append((time.time(), *taken))

    return call


def timed_agent(out: Path, words: list[str]) -> None:
    """Be an agent; at its end the steps are written."""
    steps: Steps = defaultdict(list)
    heard = Ingest.accept

    def accept(self: Ingest, message: Any) -> None:
        now = time.time()
        steps["end until the agent heard"] += [
            (now, now * 1000 - end.ts / 1000, 0.0) for end in getattr(message, "ends", ())
        ]
        if isinstance(message, Lives):
            steps["end until the sampler told"] += [(now, (message.ts - end.ts) / 1000, 0.0) for end in message.ends]
            steps["told until the agent heard"].append((now, now * 1000 - message.ts / 1000, 0.0))
        heard(self, message)

    Ingest.accept = timed(steps, lambda _self, message: f"agent takes {type(message).__name__}", accept)  # type: ignore[method-assign]
    StoreWriter.hurry = timed(steps, lambda *_: "request waits for the writer", StoreWriter.hurry)  # type: ignore[method-assign]
    for name in ("_write_samples", "_write_together"):
        setattr(StoreWriter, name, timed(steps, lambda *_: "writer's transaction", getattr(StoreWriter, name)))
    DuckStore.query = timed(
        steps, lambda _self, name, **_: f"query {name}" if name == "runs_ended" else None, DuckStore.query
    )  # type: ignore[method-assign]
    detail.ended_runs = timed(steps, lambda *_a, **_k: "answer, query included", detail.ended_runs)
    sys.argv = ["watchkeeper", "agent", *words]
    leave = os._exit

    def write_and_leave(code: int) -> NoReturn:
        out.write_text(json.dumps(steps), "utf-8")
        leave(code)

    os._exit = write_and_leave
    command_line()


def told(steps: Steps, since: float, until: float) -> dict[str, dict[str, float]]:
    """The steps of a stretch of time."""
    found = {}
    for step, all_of_it in sorted(steps.items()):
        part = [(wall, cpu) for at, wall, cpu in all_of_it if since <= at < until]
        if part:
            walls = [wall for wall, _ in part]
            found[step] = {
                "times": len(part),
                "p50_ms": percentile(walls, 0.5),
                "p99_ms": percentile(walls, 0.99),
                "cpu_ms": round(sum(cpu for _, cpu in part) / len(part), 2),
            }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 s instead of 30 s")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rate", type=float, default=1_000)
    options = parser.parse_args()
    seconds = options.seconds or (8.0 if options.quick else 30.0)
    with tempfile.TemporaryDirectory() as folder:
        place, steps = Path(folder), Path(folder) / "steps.json"
        (place / "w.toml").write_text("[logs]\ndiscover = false\njournal = false\n", "utf-8")
        words = ["--quiet", "--data-dir", str(place / "d"), "--config", str(place / "w.toml")]
        agent = subprocess.Popen([sys.executable, __file__, "--agent", str(steps), *words], cwd=ROOT)
        try:
            while not (place / "d/agent.json").exists() and agent.poll() is None:
                time.sleep(0.1)
            with Client.of(place / "d", timeout_s=120) as client:
                wait_until_ready(client)
                program = compiled(place, "life", STORM)
                marks = [time.time()]
                with Rows(client) as calm:
                    time.sleep(seconds)
                marks.append(time.time())
                with Rows(client) as busy:
                    lives, _, reached = spawn_storm(program, place, seconds, options.rate)
                marks.append(time.time())
        finally:
            agent.terminate()
            agent.wait(60)
        known: Steps = json.loads(steps.read_text("utf-8"))
    found = {
        "calm": {"exit_to_row_ms": calm.took(), "steps": told(known, *marks[:2])},
        "storm": {"lives": len(lives), "reached": reached, "exit_to_row_ms": busy.took(), "steps": told(known, *marks[1:])},
    }  # fmt: skip
    machine = {"cores": os.cpu_count(), "load": os.getloadavg(), "kernel": platform.release()}
    print(json.dumps({"bench": "lives_steps", **found, "machine": machine}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--agent"]:
        timed_agent(Path(sys.argv[2]), sys.argv[3:])
    else:
        main()
