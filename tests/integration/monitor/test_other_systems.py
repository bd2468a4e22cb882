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


QUERY_ON = """
import contextlib, sys
from pathlib import Path
import duckdb, psutil, pyarrow  # they have ways of their own to tell systems apart
sys.platform = sys.argv[1]
from monitor.core.errors import StoreError
from monitor.store.adhoc_sql.processes import SqlProcesses
path = Path(sys.argv[2])
keeper = duckdb.connect(str(path))
keeper.execute("CREATE TABLE t AS SELECT 42 AS x; CHECKPOINT")
processes = SqlProcesses(path, 64, lambda deadline_s, end: contextlib.nullcontext())
try:
    for sql in sys.argv[3:]:
        print(b"".join(processes.ask(sql, 10, "json", 30.0).chunks()).decode())
except StoreError as error:
    print(f"{error.message} | {error.hint}")
processes.close()
"""


def _query_on(system: str, path: Path, *sql: str) -> list[str]:
    command = [sys.executable, "-c", QUERY_ON, system, str(path), *sql]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patient(60), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_query_on_windows_says_that_it_cannot_be(tmp_path: Path) -> None:
    """No person is told to try again what can never work."""
    (said,) = _query_on("win32", tmp_path / "a.duckdb", "SELECT x FROM t")
    assert "Windows" in said
    assert "logs search" in said
    assert "again" not in said


def test_a_query_on_macos_runs_and_is_ended_by_the_agents_watch(tmp_path: Path) -> None:
    """Where the kernel holds no process to a limit, the one who asked ends it."""
    sql = ("SELECT x FROM t", "SELECT length(repeat('a', 4000000000))")
    answer, refused = _query_on("darwin", tmp_path / "a.duckdb", *sql)
    assert answer == '{"columns":["x"],"rows":[[42]],"truncated":false}'
    assert "more memory" in refused


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
