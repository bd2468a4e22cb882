"""Actions that race: a stop while the pid is given to another process, and a hundred clicks on start at once (MEASURES W6).

    python tests/bench/actions.py [--quick] [--races 10000] [--rounds 1000]

As root on Linux. In a race a process ends, another is started under the very same pid (`/proc/sys/kernel/ns_last_pid`), and meanwhile,
at a random moment, the first one is stopped: `innocent` counts the others that were hit. In the same races, beside it: a `kill` by pid, aimed
at a third process. A round starts a service by a hundred calls at once, and counts its processes. Prints one JSON object.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from monitor.config.settings import load_settings
from monitor.core.errors import ActionRefused
from monitor.lifecycle.acting import send_signal
from monitor.services.folder import FOLDER, ServiceFolder
from monitor.services.supervisor import Supervisor
from tests.doubles.pids import PROGRAMS, can_be_forced, end, spawn_as, start_tick, wait_for_next_tick
from tests.waiting import wait_until_async

CLICKS = 100
KILL_EVERY = 20
SPREAD_S = 0.004
"""About as long as a process takes to end, and another to start."""


def stop_races(races: int, noise: random.Random) -> Counter[str]:
    """What became of the stops: `stopped` (it was hit before it ended), `refused`, `innocent` (the other one was hit)."""
    told: Counter[str] = Counter()
    hz = os.sysconf("SC_CLK_TCK")
    while told["races"] < races:
        pid = spawn_as(None, PROGRAMS[0])
        tick = start_tick(pid)
        wait_for_next_tick(tick, hz)
        asked = threading.Thread(target=_stop, args=(pid, tick, noise.random() * SPREAD_S, told))
        by_pid = told["races"] % KILL_EVERY == 0
        if not by_pid:
            asked.start()
        end(pid)
        try:
            other = spawn_as(pid, PROGRAMS[1])
        except ProcessLookupError:  # another program has it now
            told["taken_by_others"] += 1
            if not by_pid:
                asked.join()
            continue
        told["races"] += 1
        if by_pid:
            os.kill(pid, signal.SIGKILL)
            told["kill_by_pid"] += 1
        else:
            asked.join()
        told["kill_by_pid_innocent" if by_pid else "innocent"] += _was_hit(other)
    return told


def _stop(pid: int, tick: int, after_s: float, told: Counter[str]) -> None:
    time.sleep(after_s)
    try:
        send_signal(pid, tick, "KILL")
        told["stopped"] += 1
    except ActionRefused:
        told["refused"] += 1


def _was_hit(pid: int) -> bool:
    """Whether SIGKILL ended a child; without it, our SIGTERM does. The signal that came first is the one that it ends by."""
    os.kill(pid, signal.SIGTERM)
    return os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL


async def start_clicks(rounds: int, place: Path) -> dict[str, int]:
    """How many processes a hundred starts at once made, in each round."""
    file = place / "w.toml"
    command = f"{sys.executable} -S -c 'import time; time.sleep(1000)'"
    load_settings(file, None, {}).save_service("web", {"name": "web", "command": command, "autostart": False})
    one = Supervisor(
        place / "data", load_settings(file, None, {}), environ=os.environ, run_of=lambda _pid, _tick: None, mask=" ".join,
        changed=lambda: None, happened=lambda _before, _now: None, clock=time.time, look_s=0.05,
    )  # fmt: skip
    keeping = asyncio.create_task(one.keep_services())
    made, several = 0, 0
    try:
        await wait_until_async(lambda: any(service.name == "web" for service in one.services()))
        seen = 0
        for _ in range(rounds):
            answers = await asyncio.gather(*(one.start("web") for _ in range(CLICKS)))
            several += len({answer.pid for answer in answers} - {None}) > 1
            await one.stop("web")
            events = list(ServiceFolder(place / "data" / FOLDER / "web").events(seen))
            begun = sum(event["event"] == "running" for event in events)
            seen = max((event["seq"] for event in events), default=seen)
            made += begun
            several += begun > 1
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
    return {"rounds": rounds, "clicks": rounds * CLICKS, "processes": made, "rounds_with_several": several}


def main() -> None:
    """Race, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="300 races, 20 rounds")
    parser.add_argument("--races", type=int)
    parser.add_argument("--rounds", type=int)
    options = parser.parse_args()
    if not can_be_forced():
        raise SystemExit("pids can be forced only by root on Linux")
    races = options.races or (300 if options.quick else 10_000)
    rounds = options.rounds or (20 if options.quick else 1_000)
    began = time.monotonic()
    told = stop_races(races, random.Random(1))
    with tempfile.TemporaryDirectory() as folder:
        started = asyncio.run(start_clicks(rounds, Path(folder)))
    result = {
        "bench": "actions",
        "machine": {"kernel": platform.release(), "load1": os.getloadavg()[0]},
        "method": f"{races} stops beside a forced reuse of the pid; {CLICKS} starts of a service at once, {rounds} times",
        "seconds": round(time.monotonic() - began, 1),
        "stop": {name: told[name] for name in ("races", "stopped", "refused", "innocent", "taken_by_others")},
        "kill_by_pid": {"races": told["kill_by_pid"], "innocent": told["kill_by_pid_innocent"]},
        "start": started,
        "targets": {"innocent": 0, "rounds_with_several": 0},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
