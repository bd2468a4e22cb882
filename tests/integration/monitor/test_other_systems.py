"""Where there is no `/proc` and no POSIX: the code loads, and the watch runs on what psutil reads."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.waiting import patient, wait_until

ROOT = Path(__file__).resolve().parents[3]
LIKE_WINDOWS = """
import asyncio, getpass, importlib, multiprocessing, os, pkgutil, shutil, signal, subprocess, sys, tempfile
import duckdb, fastapi, httpx, psutil, pyarrow, rich.console, typer, uvicorn  # they have ways of their own to tell systems apart

MISSING = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog"}

class Without:
    def find_spec(self, name, path=None, target=None):
        if name in MISSING:
            raise ModuleNotFoundError(name, name=name)

for name in MISSING:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Without())
for name in ("getuid geteuid getgid uname getloadavg sysconf pidfd_open fork setsid killpg statvfs pread sched_setscheduler "
             "SCHED_RR O_NOFOLLOW O_CLOEXEC O_NONBLOCK O_NOCTTY posix_spawn").split():
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGPIPE"):
    delattr(signal, name)
sys.platform = "win32"
for package in ("monitor", "logs"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.endswith(("__main__", ".track_celery", ".track_rq")):  # these are for programs that have the queue's library
            importlib.import_module(module.name)
print("loaded")
"""


def test_the_code_loads_without_posix() -> None:
    """Every module of `monitor` and `logs` can be imported where POSIX's modules and functions are missing."""
    command = [sys.executable, "-c", LIKE_WINDOWS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patient(120), check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["loaded"]


def test_the_watch_runs_on_what_psutil_reads(make_agent: Callable[..., Any]) -> None:
    """With the portable reader samples and processes come, and the status says where they come from."""
    agent = make_agent(options=["--sampler-command", f"{sys.executable} -m monitor.sampling --reader portable"])
    status = agent.api.status()
    assert status.sampler.reader == "portable"
    assert [text for text in status.warnings if "psutil" in text]
    found = wait_until(lambda: [p for p in agent.api.processes().processes if p.pid == agent.pid])
    assert found[0].mine
    assert found[0].rss > 10_000_000
    wait_until(lambda: agent.api.query("SELECT count(*) FROM host_samples WHERE cpu_pct IS NOT NULL").rows[0][0] >= 1)
    agent.stop()
