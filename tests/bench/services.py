"""How soon a service runs again after `kill -9`, what keeping it costs in memory, and what becomes of it when its supervisor is killed, beside Supervisor and
PM2 in one run.

    uv run python tests/bench/services.py [--quick] [--supervisord PATH] [--pm2 PATH]

Peers are measured where they are found (`pip install supervisor`, `npm install pm2`). Each keeps the same small Python programs, which append a
line to a file when they begin. A kill is of one of them at a time; the time ends when the next process's own code runs, so it holds the start of an
interpreter, which is measured alone, too. Memory is the proportional set size (PSS) of all processes of the supervisor, without the services. Then the supervisor (of ours: the agent) is killed with
`kill -9` and started again: `same` services are the same process as before under its control, `twice` run a second time beside it.
Prints one JSON object.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from monitor.client.client import Client
from monitor.config.services import ServiceSettings
from monitor.config.settings import load_settings
from monitor.core.errors import AgentError
from monitor.services.folder import ServiceFolder
from monitor.services.link import start_shims
from monitor.services.shim import tree

JOB = "import os, sys, time\nos.write(os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT), f'{time.monotonic_ns()} {os.getpid()} {sys.argv[2]}\\n'.encode())\ntime.sleep(100000)\n"  # fmt: skip
START_S, RUN_AGAIN_S, GAP_S = 60.0, 20.0, 0.3


class Starts:
    """The file to which each program appends a line when it begins."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[tuple[int, int, str]]:
        """`(monotonic ns, pid, name)` of each start."""
        if not self.path.exists():
            return []
        found = [line.split() for line in self.path.read_text("ascii").splitlines()]
        return [(int(at), int(pid), name) for at, pid, name in found]

    def newest(self) -> dict[str, int]:
        """The pid of each program."""
        return {name: pid for _, pid, name in self.lines()}

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True


def pss_kib(pids: set[int]) -> int:
    """Proportional set size of these processes."""
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def measure(starts: Starts, names: list[str], kills: int, keepers: Callable[[], set[int]]) -> dict[str, Any]:
    """Kill one after the other, and wait until each runs again."""
    if not starts.wait(lambda: len(starts.newest()) == len(names), START_S):
        return {"error": f"{len(starts.newest())} of {len(names)} services started"}
    time.sleep(2)  # those that count a start as good after a second
    taken: list[float] = []
    missed = 0
    for number in range(kills):
        name, count = names[number % len(names)], len(starts.lines())
        before = time.monotonic_ns()
        os.kill(starts.newest()[name], signal.SIGKILL)
        if starts.wait(lambda count=count: len(starts.lines()) > count, RUN_AGAIN_S):  # type: ignore[misc]
            taken.append((starts.lines()[-1][0] - before) / 1e6)
        else:
            missed += 1
        time.sleep(GAP_S)
    kept = keepers()
    cut = statistics.quantiles(taken, n=100, method="inclusive") if len(taken) > 1 else [taken[0]] * 99
    figures = {"p50": cut[49], "p99": cut[98], "least": min(taken), "most": max(taken)}
    return {
        "again_ms": {key: round(value, 1) for key, value in figures.items()},
        "kills": kills,
        "not_again": missed,
        "processes": len(kept),
        "pss_kib_a_service": round(pss_kib(kept) / len(names)),
    }


def survivors(starts: Starts, before: dict[str, int], controlled: Callable[[], dict[str, int]]) -> dict[str, int]:
    """What became of services whose supervisor was killed and started again."""
    now = controlled()
    alive = {name for name, pid in before.items() if tree.start_tick(pid) is not None}
    again = {name for _, pid, name in starts.lines() if pid != before[name] and tree.start_tick(pid) is not None}
    return {
        "same": sum(now.get(name) == pid for name, pid in before.items()),
        "twice": len(alive & again),
        "left_alone": len(alive - {name for name in before if now.get(name) == before[name]} - again),
    }


def adopted(base: Path, names: list[str], kills: int) -> dict[str, Any]:
    """Our agent, killed again and again."""
    starts, config, data = Starts(base / "starts"), base / "w.toml", base / "d"
    config.write_text("[logs]\ndiscover = false\njournal = false\n", "utf-8")
    settings = load_settings(config, None, {})
    for name in names:
        command = [sys.executable, "-S", "-c", JOB, str(starts.path), name]
        settings = settings.save_service(name, {"name": name, "command": command, "restart": "always"})
    words = [sys.executable, "-m", "monitor", "agent", "--quiet", "--data-dir", str(data), "--config", str(config)]
    found, taken = [], []

    def running(wanted: dict[str, int]) -> dict[str, int]:
        """The processes of the services, once all are as wanted or it takes too long."""
        known: dict[str, int] = {}

        def all_there() -> bool:
            nonlocal known
            with contextlib.suppress(AgentError), Client.of(data, timeout_s=10) as client:
                known = {one.name: one.pid for one in client.services.all().services if one.pid is not None}
            return len(known) == len(names) and (not wanted or known == wanted)

        starts.wait(all_there, START_S)
        return known

    agent = subprocess.Popen(words, cwd=ROOT)
    try:
        before = running({})
        for _ in range(kills):
            agent.kill()
            agent.wait()
            began = time.monotonic()
            agent = subprocess.Popen(words, cwd=ROOT)
            found.append(survivors(starts, before, lambda: running(before)))
            taken.append(time.monotonic() - began)
    finally:
        with contextlib.suppress(AgentError), Client.of(data, timeout_s=60) as client:
            for name in names:
                client.services.stop(name)
        agent.terminate()
        agent.wait(60)
    total = {key: sum(one[key] for one in found) for key in found[0]}
    return {"kills": kills, **total, "until_known_s": [round(statistics.median(taken), 2), round(max(taken), 2)]}


def watchkeeper(base: Path, names: list[str], kills: int) -> dict[str, Any]:
    """Our shims; the agent has no part in a restart."""
    starts = Starts(base / "starts")
    folders = [ServiceFolder(base / "services" / name) for name in names]
    for folder in folders:
        command = [sys.executable, "-S", "-c", JOB, str(starts.path), folder.name]
        folder.write_spec(ServiceSettings(name=folder.name, command=command, restart="always", crash_limit=1000))
    troubles = asyncio.run(start_shims([folder.path for folder in folders], os.environ))
    assert not troubles, troubles
    shims = {int((folder.state() or {})["shim"]) for folder in folders}
    try:
        return measure(starts, names, kills, lambda: shims)
    finally:
        for pid in shims:
            os.kill(pid, signal.SIGTERM)
        starts.wait(lambda: all(tree.start_tick(pid) is None for pid in shims), 20)


def supervisor(base: Path, names: list[str], kills: int, program: str) -> dict[str, Any]:
    """Supervisor, with its defaults."""
    starts, script, config = Starts(base / "starts"), base / "job.py", base / "supervisord.conf"
    script.write_text(JOB, "utf-8")
    head = f"[supervisord]\nnodaemon=true\nlogfile={base}/log\npidfile={base}/pid\nchildlogdir={base}\n"
    each = [f"[program:{n}]\ncommand={sys.executable} -S {script} {starts.path} {n}\nautorestart=true\n" for n in names]
    config.write_text(head + "".join(each), "utf-8")
    words = [program, "-c", str(config)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    left: dict[str, int] = {}
    try:
        found = measure(starts, names, kills, lambda: {process.pid})
        left = starts.newest()
        process.kill()
        process.wait()
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        starts.wait(lambda: all(starts.newest()[name] != left[name] for name in names), RUN_AGAIN_S)
        return {**found, "supervisor_killed": survivors(starts, left, starts.newest)}
    finally:
        end(left)
        process.terminate()
        process.wait(60)


def pm2(base: Path, names: list[str], kills: int, program: str) -> dict[str, Any]:
    """PM2, with its defaults."""
    starts, script = Starts(base / "starts"), base / "job.py"
    script.write_text(JOB, "utf-8")
    environ = {**os.environ, "PM2_HOME": str(base / "home"), "PM2_NO_UPDATE_NOTIFIER": "1"}
    app = {"script": str(script), "interpreter": sys.executable, "interpreter_args": "-S", "exec_mode": "fork"}
    apps = [{**app, "name": name, "args": [str(starts.path), name]} for name in names]
    (base / "apps.json").write_text(json.dumps(apps), "utf-8")

    def say(*words: str) -> None:
        subprocess.run([program, *words], env=environ, check=True, timeout=120, stdout=subprocess.DEVNULL)

    def daemon() -> int:
        return int((base / "home" / "pm2.pid").read_text("ascii"))

    left: dict[str, int] = {}
    try:
        say("start", str(base / "apps.json"))
        found = measure(starts, names, kills, lambda: {daemon()})
        say("save")
        left = starts.newest()
        os.kill(killed := daemon(), signal.SIGKILL)
        starts.wait(lambda: tree.start_tick(killed) is None, START_S)
        say("resurrect")
        starts.wait(lambda: all(starts.newest()[name] != left[name] for name in names), RUN_AGAIN_S)
        return {**found, "supervisor_killed": survivors(starts, left, starts.newest)}
    finally:
        end(left)
        say("kill")


def end(left: dict[str, int]) -> None:
    """End the processes that a supervisor left behind."""
    for pid in left.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def bare_ms(tries: int) -> float:
    """How long the start of such a program takes by itself, median."""
    found = []
    for _ in range(tries):
        before = time.monotonic_ns()
        words = [sys.executable, "-S", "-c", "import time; print(time.monotonic_ns())"]
        found.append((int(subprocess.run(words, capture_output=True, check=True).stdout) - before) / 1e6)
    return round(statistics.median(found), 1)


def main() -> None:
    """Measure what is there, and print it."""
    given = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    given.add_argument("--quick", action="store_true", help="12 services, under a minute")
    given.add_argument("--supervisord", default=shutil.which("supervisord"))
    given.add_argument("--pm2", default=shutil.which("pm2"))
    options = given.parse_args()
    count = kills = (
        12 if options.quick else 20
    )  # each once: a second kill soon after would meet the pause of the back-off
    names = [f"job{number}" for number in range(count)]
    found: dict[str, Any] = {"services": count, "bare_start_ms": bare_ms(15), "load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(prefix="services-") as place:
        for name, work in (
            ("watchkeeper", lambda base: watchkeeper(base, names, kills)),
            ("supervisor", options.supervisord and (lambda base: supervisor(base, names, kills, options.supervisord))),
            ("pm2", options.pm2 and (lambda base: pm2(base, names, kills, options.pm2))),
        ):
            base = Path(place, name)
            base.mkdir()
            found[name] = work(base) if work else "not installed"
        (base := Path(place, "agent")).mkdir()
        found["watchkeeper"]["supervisor_killed"] = adopted(base, names, 3 if options.quick else 10)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
