"""The causes of death: each is really produced, and an agent tells it right.

One of the twelve cannot be produced in a test: the machine without memory would take the tests along.
"""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.client.client import Refused
from tests.doubles.alone import ENGINES, elsewhere
from tests.doubles.forked import COMMANDS
from tests.waiting import patient, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, limits and control groups of Linux")
ROOT = Path(__file__).resolve().parents[3]
WAIT = "sys.stdin.readline(); "
DEATHS: dict[str, tuple[str, int | None]] = {
    "exit_code": ("sys.exit(3)", None),
    "exception": ("{}['missing']", None),
    "terminated": ("time.sleep(300)", signal.SIGTERM),
    "killed": ("time.sleep(300)", signal.SIGKILL),
    "segfault": ("import ctypes; ctypes.string_at(0)", None),
    "aborted": ("os.abort()", None),
    "cpu_limit": ("import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 9))\nwhile True: pass", None),
    "cpu_limit at once": ("import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass", None),
    "completed": ("pass", None),
    "stopped": ("time.sleep(300)", None),
    "parent_gone": (
        "import subprocess; subprocess.Popen([sys.executable, '-c', sys.argv[2], 'orphan']); time.sleep(1.5)",
        None,
    ),
}
"""Cause → what the program does once it is told to, and the signal that it gets then."""
ORPHAN = "import ctypes, signal, time; ctypes.CDLL(None).prctl(1, signal.SIGTERM); time.sleep(300)"
"""A child that asked the kernel to be ended with its parent."""
EATS = "x = []\nwhile True: x.append(bytearray(1 << 20))"


@pytest.fixture
def memory_group() -> Iterator[Path | None]:
    """A control group with 64 MB of memory and no swap; None where none can be made."""
    name = f"watchkeeper-test-{os.getpid()}"
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        made = Path(root) / name
        try:
            made.mkdir()
        except OSError:
            continue
        try:
            (made / limit).write_text(str(64 << 20))
        except OSError:  # this controller is not there
            made.rmdir()
            continue
        yield made
        wait_until(lambda folder=made: _removed(folder), "the group is empty")
        return
    yield None


def _removed(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()


@pytest.fixture
def agent(make_agent: Callable[..., Any], tmp_path: Path) -> Any:
    """An agent that finds the errors of these programs, and does not read the machine's other logs."""
    excluded = json.dumps(elsewhere(tmp_path.resolve()))
    return make_agent(f"[logs]\njournal = false\nexclude = {excluded}\n{ENGINES}")


def run_of(agent: Any, pid: int) -> str | None:
    """The run of a process that is running."""
    return next((one.run for one in agent.api.processes().processes if one.pid == pid), None)


def ending(agent: Any, run: str) -> Any:
    """Its end, once it is stored."""

    def found() -> Any:
        try:
            end = agent.api.run_ending(run)
        except Refused:
            return None
        return end if end.ended is not None else None

    return wait_until(found, "its end is stored")


def test_each_cause_of_death_is_told(agent: Any, tmp_path: Path, memory_group: Path | None) -> None:
    """Exit code, exception, signals, crashes, limits of CPU and memory, a person, the end of the parent, and an end that nobody saw."""
    jobs: dict[str, subprocess.Popen[bytes]] = {}
    with contextlib.ExitStack() as stack:

        def start(cause: str, code: str) -> subprocess.Popen[bytes]:
            program = f"import os, sys, time; print('2026-11-30 10:00:00 INFO began', file=sys.stderr); {WAIT}{code}"
            command = [sys.executable, "-u", "-c", program, cause, ORPHAN]
            with (tmp_path / f"{cause}{os.getpid()}.err.log").open("wb") as errors:  # then only the program has it open
                job = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors)
            assert job.stdin is not None
            stack.callback(job.stdin.close)
            stack.callback(job.wait, patient(20))
            stack.callback(job.kill)
            return job

        for cause, (code, _) in DEATHS.items():
            jobs[cause] = start(cause, code)
        jobs["unknown"] = start("unknown", "time.sleep(300)")
        if memory_group is not None:
            jobs["memory_group"] = start("memory_group", EATS)
            (memory_group / "cgroup.procs").write_text(str(jobs["memory_group"].pid))
        runs = {cause: wait_until(lambda pid=job.pid: run_of(agent, pid), "it is seen") for cause, job in jobs.items()}
        source = f"exception{os.getpid()}.*"
        wait_until(lambda: agent.api.log_count({"source": source}).count, "its log is followed", seconds=40)
        for cause, job in jobs.items():
            assert job.stdin is not None
            job.stdin.write(b"\n")
            job.stdin.close()
            number = DEATHS.get(cause, ("", None))[1]
            if number is not None:
                job.send_signal(number)
        agent.api.request("POST", f"/v1/runs/{runs['stopped']}/act", body={"action": "stop", "by": "ada"})
        orphan = wait_until(
            lambda: next((one for one in agent.api.processes().processes if one.cmdline.endswith(" orphan")), None)
        )
        runs["parent_gone"] = orphan.run
        for job in (job for cause, job in jobs.items() if cause != "unknown"):
            job.wait(patient(60))
        found = {cause: ending(agent, run) for cause, run in runs.items() if cause != "unknown"}
        wait_until(lambda: agent.api.run_ending(runs["exception"]).last_error, "its traceback is stored", seconds=60)
        found["exception"] = agent.api.run_ending(runs["exception"])
        if memory_group is not None:
            of_a_service(agent, memory_group)
        agent.kill()
        jobs["unknown"].kill()
        jobs["unknown"].wait(patient(5))
        agent.start()
        found["unknown"] = ending(agent, runs["unknown"])
    check(agent, found, jobs, memory_group)


def of_a_service(agent: Any, memory_group: Path) -> None:
    """A service whose memory ran out says so, and not only by which signal it ended."""
    joins = f"echo $$ > {memory_group}/cgroup.procs; exec {sys.executable} -c '{EATS}'"
    agent.api.services.save("eater", {"command": ["sh", "-c", joins], "restart": "never"}, by="ada")
    wait_until(
        lambda: "64 MiB" in (agent.api.services.one("eater").service.ended_with or ""),
        lambda: agent.api.services.one("eater").service,
        seconds=30,
    )
    assert "64 MiB" in (agent.api.services.all().services[0].ended_with or "")
    agent.api.services.remove("eater", by="ada")


def check(
    agent: Any, found: dict[str, Any], jobs: dict[str, subprocess.Popen[bytes]], memory_group: Path | None
) -> None:
    """Each end has its cause and what goes with it; where the machine tells no exit codes, all are unknown."""
    if agent.api.status().sampler.exits == "poll":
        assert {end.cause for end in found.values()} == {"unknown"}
        return
    assert {cause: end.cause for cause, end in found.items()} == {
        cause: cause.removesuffix(" at once") for cause in found
    }
    assert "the 1 s of CPU time" in found["cpu_limit at once"].why
    assert "KeyError: 'missing'" in found["exception"].why
    assert found["exception"].last_error.text == "KeyError: 'missing'"
    assert "exit code 3" in found["exit_code"].why
    assert "stopped by ada" in found["stopped"].why
    well = {"completed", "stopped"}
    assert {cause for cause, end in found.items() if not end.failed} == well | {"unknown"}
    listed = {run.run for run in agent.api.ended_runs({"failed": True}, limit=10_000).runs}
    assert {cause for cause, end in found.items() if end.run not in listed} == well | {"unknown"}
    assert found["parent_gone"].sender.pid == jobs["parent_gone"].pid
    assert found["unknown"].at_least
    assert found["terminated"].final.rss_last > 0
    assert found["terminated"].peak_rss >= found["terminated"].final.rss_last
    if memory_group is not None:
        assert found["memory_group"].memory_group.endswith(memory_group.name)
        assert found["memory_group"].memory_limit == 64 << 20
        assert "64 MiB" in found["memory_group"].why


def test_earlier_runs_of_a_command_are_counted(running_agent: Any) -> None:
    """The command line of `run show` finds a process by its number, and says how the same command ended before."""
    command = [sys.executable, "-c", "import sys, time; time.sleep(1.3); sys.exit(4)", f"again{os.getpid()}"]
    pids = []
    for _ in range(2):
        with subprocess.Popen(command) as job:
            pids.append(job.pid)
    options = ["--data-dir", str(running_agent.data_dir)]

    def shown(*more: str) -> subprocess.CompletedProcess[str]:
        return COMMANDS.run(["run", "show", *more, *options], os.environ)

    wait_until(lambda: running_agent.api.ended_runs({"q": str(pids[1])}).total, "its end is stored")
    time_of = json.loads(shown(str(pids[1]), "--json").stdout)
    assert (time_of["pid"], time_of["earlier_24h"], [one["pid"] for one in time_of["earlier"]]) == (
        pids[1],
        1,
        [pids[0]],
    )
    assert [one["pid"] for one in (time_of["parent"], *time_of["ancestors"])][:2] == [os.getpid(), os.getppid()]
    words = shown(time_of["run"]).stdout
    assert "1 in the 24 hours before" in words
    assert f"({os.getpid()})\n" in words
    assert f"({os.getppid()})\n" in words
    assert str(pids[1]) in words
    for wrong in ("x", "99999999999999", "4194303"):
        refused = shown(wrong)
        assert refused.returncode in {2, 3}, wrong
        assert "hint" in refused.stderr
    assert time.time() - time_of["ended"] / 1e6 < patient(60)


def test_who_sent_it_and_what_a_script_said_are_told(agent: Any, tmp_path: Path) -> None:
    """A command that kills by name, `timeout` that kills, the words of `sys.exit` behind a record, and the last line of a script's file."""
    mark = f"sender{os.getpid()}"
    begins = "import sys, time; print(time.strftime('%Y-%m-%d %H:%M:%S'), 'INFO begins', flush=True); "
    python = [sys.executable, "-u", "-c"]
    commands = {
        "pkill": [*python, begins + "time.sleep(300)", mark],
        "timeout": ["timeout", "-s", "KILL", "2", *python, begins + "time.sleep(300)", "timed"],
        "text": [*python, begins + "sys.stdin.readline(); sys.exit('no settings there')"],
        "script": ["bash", "-c", "sleep 1; read x; nosuchcommand; exit 4"],
    }
    with contextlib.ExitStack() as stack:
        jobs: dict[str, subprocess.Popen[bytes]] = {}

        def below(one: Any) -> bool:
            return bool(one.cmdline.endswith(" timed") and one.ppid == jobs["timeout"].pid)

        for name, command in commands.items():
            with (tmp_path / f"{name}{mark}.log").open("wb") as out:
                jobs[name] = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True
                )
            job = jobs[name]
            assert job.stdin is not None
            stack.callback(job.wait, patient(20))
            stack.callback(job.kill)
            stack.callback(job.stdin.close)
        runs = {name: wait_until(lambda pid=job.pid: run_of(agent, pid), "it is seen") for name, job in jobs.items()}
        timed = wait_until(lambda: next((one for one in agent.api.processes().processes if below(one)), None))
        wait_until(lambda: agent.api.log_count({"source": f"text{mark}*"}).count, "its log is followed", seconds=40)
        subprocess.run(["pkill", "-9", "-f", mark], check=True, timeout=patient(20))
        for name in ("text", "script"):
            job = jobs[name]
            assert job.stdin is not None
            job.stdin.write(b"\n")
            job.stdin.close()
        for job in jobs.values():
            job.wait(patient(20))
        if agent.api.status().sampler.exits == "poll":
            return
        killed = ending(agent, runs["pkill"])
        assert (killed.cause, killed.sender.name) == ("killed", "pkill")
        assert f"pkill -9 -f {mark}" in killed.why
        wait_until(lambda: ending(agent, timed.run).sender, "the end of timeout itself is stored")
        over = ending(agent, timed.run)
        assert (over.cause, over.sender.pid) == ("killed", jobs["timeout"].pid)
        own = ending(agent, over.sender.run)
        assert own.why == "Its time of 2 s was over: it killed what it ran, and itself (SIGKILL, signal 9)."
        assert "its time was over" in over.why

        def told(name: str, text: str) -> bool:
            line = ending(agent, runs[name]).last_line
            return line is not None and text in line.text

        wait_until(lambda: told("text", "no settings there"), lambda: ending(agent, runs["text"]), seconds=40)
        wait_until(lambda: told("script", "nosuchcommand"), lambda: ending(agent, runs["script"]), seconds=40)


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_traceback_that_is_all_of_its_file_stays_with_its_process(
    make_agent: Callable[..., Any],
    tmp_path: Path,
    kill: bool,  # noqa: FBT001 - a parameter
) -> None:
    """The next agent reads the record once more, as its end was not sure: it is still of the process that wrote it, and why that failed."""
    agent = make_agent("[logs]\njournal = false\n")
    wait_until(lambda: agent.api.status().samples.received, "ends are told from now on")
    log = tmp_path / "crash.log"
    crash = [sys.executable, "-c", "input(); 1/0"]
    with log.open("wb") as out, subprocess.Popen(crash, stdin=subprocess.PIPE, stderr=out) as job:
        wait_until(lambda: any(one.pid == job.pid for one in agent.api.processes().processes), "it is seen", seconds=30)
        seen = agent.api.status().samples.received
        wait_until(
            lambda: agent.api.status().samples.received > seen + 2, "who holds its file was looked up", seconds=30
        )
        job.communicate(b"\n", timeout=patient(20))

    def why() -> str:
        found = agent.api.ended_runs({"q": str(job.pid)}).runs
        return next((agent.api.run_ending(one.run).why for one in found if one.pid == job.pid), "")

    def stored(text: str) -> bool:
        return any(text in one.message for one in agent.api.log_records().records)

    wait_until(lambda: "ZeroDivisionError" in why(), "its record is stored with its run", seconds=30)
    for other in ("early", "late"):
        if kill:
            agent.kill()
        else:
            agent.stop()
        agent.start()
        wait_until(
            lambda: any(s.path == str(log) and s.records for s in agent.api.log_sources().sources),
            "the file is followed again",
            seconds=30,
        )
        wait_until(lambda: agent.api.status().logs.backfilling == 0, "all is read")
        with log.open("ab") as out:  # what comes now is stored after what was read once more
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + 60))  # the process had ended by then
            out.write(f"{at},000 INFO app: the {other} word of somebody else\n".encode())
        wait_until(functools.partial(stored, f"the {other} word"), "it is stored", seconds=30)
        assert "ZeroDivisionError" in why()
        (run,) = [one.run for one in agent.api.ended_runs({"q": str(job.pid)}).runs if one.pid == job.pid]
        assert [one.level for one in agent.api.log_records({"run": run}).records] in (["error"], ["fatal"])
