"""Alerts: how many injected faults the rules that come with Watchkeeper tell, how many of their alerts are right, and how often they cry wolf.

python tests/bench/health_faults.py [--seeds 20]

A machine is simulated for 10 hours, a reading every 10 s, with noise, hourly bursts and the slow swing of a day. In its ninth hour something goes
wrong for 30 minutes. All rules that come with Watchkeeper are switched on. Open files and threads have no reading of the machine: a rule has to name
the process.
"""

import argparse
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from monitor.config.alerts import BUILT_IN, AlertRule
from monitor.health.states import Level
from monitor.health.usual import Usual

STEP_S, HOURS, LASTS_S, AFTER_S = 10, 10, 1800, 600
GB = 1e9
RULES = [rule for rule in BUILT_IN if rule.metric is not None]
OWN = [
    AlertRule(name="own: open files", metric="process.fds", of="worker", above=2000),
    AlertRule(name="own: threads", metric="process.threads", of="worker", above=500),
]


class Machine:
    """What a machine's readings are without a fault."""

    def __init__(self, rng: random.Random) -> None:
        self._rng, self._slow = rng, dict.fromkeys(("cpu", "mem", "disk"), 0.0)
        self._phase, self._jobs = rng.random() * math.tau, [40.0] * 30

    def at(self, second: int) -> dict[str, float]:
        """The readings of one moment."""
        rng = self._rng
        for name in self._slow:
            self._slow[name] = 0.97 * self._slow[name] + rng.gauss(0, 0.25)
        day = 1 + 0.25 * math.sin(self._phase + math.tau * second / 86_400)
        burst = second % 3600 < 180  # what cron starts every hour
        self._jobs = [*self._jobs[1:], rng.gauss(40 * day, 6.3)]
        return {
            "cpu_pct": min(100.0, max(1.0, 22 * day + 4 * self._slow["cpu"] + rng.gauss(0, 3) + 40 * burst)),
            "forks": max(0.0, rng.gauss(6, 2.5)) + 25 * burst,
            "procs_total": 320 + rng.gauss(0, 3) + 20 * burst,
            "mem_used": (8 + 0.25 * self._slow["mem"]) * GB,
            "disk_write_bps": 4e6 * math.exp(rng.gauss(0, 0.7) + 0.4 * self._slow["disk"]) * (4 if burst else 1),
            "psi_io_some": min(100.0, 2 * math.exp(rng.gauss(0, 0.8)) * (5 if burst else 1)),
            "gpu.mem_used": 10 * GB + rng.gauss(0, 0.02 * GB),
            "gpu.temp_c": 66 + rng.gauss(0, 2),
            "disk.used_pct": 61 + second / 86_400 * 0.3,
            "job.per_minute": sum(self._jobs) / len(self._jobs),
            "job.p50_s": 2.0 * math.exp(rng.gauss(0, 0.08)),
            "log.errors": float(sum(rng.random() < 0.05 for _ in range(10))),
            "log.records": max(0.0, rng.gauss(300 * day, 25)),
            "process.fds": 60 + rng.gauss(0, 2),
            "process.threads": 12.0,
        }


Fault = Callable[[dict[str, float], float], None]
"""Changes the readings; the number grows from 0 to 1 while it lasts."""


def _add(name: str, most: float, *, ramp: bool = False) -> Fault:
    def change(now: dict[str, float], part: float) -> None:
        now[name] += most * (part if ramp else 1.0)

    return change


def _times(**factors: float) -> Fault:
    def change(now: dict[str, float], _part: float) -> None:
        for name, factor in factors.items():
            now[name.replace("__", ".")] *= factor

    return change


def _drift(now: dict[str, float], part: float) -> None:
    now["job.p50_s"] *= 1 + 1.5 * part


def _storm(now: dict[str, float], _part: float) -> None:
    now["forks"] *= 30
    now["cpu_pct"] = min(100.0, now["cpu_pct"] + 40)


FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "spin": (_add("cpu_pct", 50), {"busy CPU"}),
    "fast leak": (_add("mem_used", 7.4 * GB, ramp=True), {"memory grows", "memory full"}),
    "slow leak": (_add("mem_used", 4 * GB, ramp=True), {"memory grows"}),
    "open files grow": (_add("process.fds", 4000, ramp=True), {"own: open files"}),
    "threads grow": (_add("process.threads", 1000, ramp=True), {"own: threads"}),
    "zombies grow": (_add("procs_total", 400, ramp=True), {"many processes"}),
    "fork storm": (_storm, {"many forks", "many processes", "busy CPU"}),
    "IO storm": (_times(disk_write_bps=25, psi_io_some=20), {"disks are waited for"}),
    "stall": (_times(job__per_minute=0, log__records=0.05, cpu_pct=0.3), {"fewer jobs", "silent logs"}),
    "job rate -50 %": (_times(job__per_minute=0.5), {"fewer jobs"}),
    "latency drift": (_drift, {"slower jobs"}),
    "error burst": (_add("log.errors", 30), {"many errors"}),
    "GPU memory leak": (_add("gpu.mem_used", 6 * GB, ramp=True), {"GPU memory grows"}),
    "disk fills": (_add("disk.used_pct", 38.5, ramp=True), {"disk full"}),
    "clock jump": (lambda _now, _part: None, set()),  # times of rules are monotonic: it must not be told as anything
}


def alerts(fault: Fault, seed: int) -> tuple[list[tuple[int, str]], int]:
    """What fires, with the second, and when the fault began."""
    rng = random.Random(seed)
    machine, began = Machine(rng), 8 * 3600 + rng.randrange(0, 3000, STEP_S)
    watched = [(rule, Level(rule), Usual(rule) if rule.change is not None else None) for rule in (*RULES, *OWN)]
    found = []
    for second in range(0, HOURS * 3600, STEP_S):
        now = machine.at(second)
        if began <= second < began + LASTS_S:
            fault(now, (second - began) / LASTS_S)
        now["mem.available_pct"] = max(0.0, 100 - 100 * now["mem_used"] / (16 * GB))
        for rule, level, usual in watched:
            value = now.get(rule.metric or "")
            if level.step(value if usual is None else usual.change(value, second), second) == "fires":
                found.append((second, rule.name))
    return found, began


def main() -> None:
    """Print a line for each fault, and the sums."""
    options = argparse.ArgumentParser()
    options.add_argument("--seeds", type=int, default=3)
    seeds = options.parse_args().seeds
    told = right = wrong = faults = 0
    calm_s, false = 0, list[str]()
    for name, (fault, wanted) in FAULTS.items():
        hits, delays, others = 0, list[int](), list[str]()
        for seed in range(seeds):
            found, began = alerts(fault, seed)
            during = [(at, rule) for at, rule in found if began <= at < began + LASTS_S + AFTER_S]
            fitting = [at for at, rule in during if rule in wanted]
            hits += bool(fitting)
            delays += [min(fitting) - began] if fitting else []
            others += [rule for _, rule in during if rule not in wanted]
            right += len(fitting)
            false += [rule for at, rule in found if not began <= at < began + LASTS_S + AFTER_S]
            calm_s += HOURS * 3600 - LASTS_S - AFTER_S
        wrong += len(others)
        faults, told = faults + (seeds if wanted else 0), told + hits
        delay = f"after {sorted(delays)[len(delays) // 2] / 60:.0f} min" if delays else ""
        print(f"{name:16} {hits}/{seeds if wanted else 0} {delay:14} {', '.join(sorted(set(others)))}", flush=True)
    precision = right / (right + wrong + len(false) or 1)
    print(
        f"recall {told / faults:.1%}, precision {precision:.1%}, false alarms a day {len(false) / (calm_s / 86_400):.2f}"
    )
    print(f"false alarms: { ({rule: false.count(rule) for rule in sorted(set(false))}) }")


if __name__ == "__main__":
    main()
