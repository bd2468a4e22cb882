"""How real processes end, told by each source that this machine grants."""

import os
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logs.redaction.masker import Masker
from monitor.lifecycle.connector import ProcConnector
from monitor.lifecycle.exits import Exit, ExitSource
from monitor.lifecycle.pidfd import PidfdWatch, exit_status
from monitor.lifecycle.taskstats import Taskstats
from monitor.sampling.linux import reader as reader_module
from monitor.sampling.linux.reader import ProcfsReader
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes of Linux")
SHELL = ["sh", "-c"]


def connector() -> ProcConnector:
    """The connector, where this machine grants it."""
    try:
        return ProcConnector()
    except OSError as error:
        pytest.skip(f"no process events here: {error}")


def pidfd() -> PidfdWatch:
    """Descriptors, where they tell exit codes."""
    child = subprocess.Popen(["true"])
    fd = os.pidfd_open(child.pid)
    child.wait()
    try:
        exit_status(fd)
    except OSError:
        pytest.skip("this kernel tells no exit codes of descriptors")
    finally:
        os.close(fd)
    return PidfdWatch(1000)


@pytest.fixture(params=[connector, pidfd], ids=["connector", "pidfd"])
def source(request: pytest.FixtureRequest) -> Iterator[ExitSource]:
    """Each source in turn."""
    made = request.param()
    yield made
    made.close()
    made.close()


@pytest.fixture
def reader(source: ExitSource, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcfsReader]:
    """A reader with that source."""
    monkeypatch.setattr(reader_module, "open_exits", lambda _: source)
    made = ProcfsReader(Masker())
    yield made
    made.close()


def ended(reader: ProcfsReader, run: int, sweep_once: Callable[[Any], Any]) -> Any:
    """How a run ended, from the sweep that finds it gone."""

    def found() -> Any:
        sweep = sweep_once(reader)
        return run in sweep.gone and [end for end in sweep.ends if end.run == run]

    [end] = wait_until(found)
    return end


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("no-such-program-anywhere", 127)]
)
def test_exit_codes(reader: ProcfsReader, sweep_once: Any, spawn: Any, script: str, code: int) -> None:
    """A process that the watch is no parent of has the code that its parent gets, at the time of its end."""
    child = spawn([*SHELL, f"read x; {script}"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    run = sweep_once(reader).by_pid[child.pid]
    before = time.monotonic_ns()
    child.stdin.close()
    assert child.wait() == code
    after = time.monotonic_ns()
    end = ended(reader, run, sweep_once)
    assert end.status == code << 8
    assert before <= end.mono_ns <= after or reader_is_late(end.mono_ns, after)


def reader_is_late(told_ns: int, after_ns: int) -> bool:
    """Whether a thread that waits for descriptors was merely slow."""
    return 0 <= told_ns - after_ns < 5_000_000_000


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV])
def test_signals(reader: ProcfsReader, sweep_once: Any, spawn: Any, number: signal.Signals) -> None:
    """A process that is killed has the signal."""
    # Tests that were started with nohup have it ignored, and so would what they start
    child = spawn(["sleep", "60"], preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    run = sweep_once(reader).by_pid[child.pid]
    child.send_signal(number)
    child.wait()
    assert ended(reader, run, sweep_once).status & 0x7F == number


def test_a_zombie_and_an_orphan(reader: ProcfsReader, sweep_once: Any, spawn: Any) -> None:
    """The code of one that nobody asked for yet, and of one whose parent is gone."""
    child = spawn(
        [*SHELL, "exec 3<&0; (read x <&3; exit 5) & echo $!; exec sleep 60 3<&-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    zombie = int(child.stdout.readline())
    run = sweep_once(reader).by_pid[zombie]
    child.stdin.close()
    wait_until(lambda: b") Z " in Path(f"/proc/{zombie}/stat").read_bytes())
    assert run not in sweep_once(reader).gone
    child.kill()
    child.wait()
    assert ended(reader, run, sweep_once).status == 5 << 8


def test_lives_between_two_sweeps(sweep_once: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of a millisecond are told, each once, with their codes, and none of them as living."""
    source = connector()
    monkeypatch.setattr(reader_module, "open_exits", lambda _: source)
    reader = ProcfsReader(Masker())
    try:
        sweep_once(reader)
        codes = {}
        for n in range(40):
            child = subprocess.Popen([*SHELL, f"exit {n % 3}"])
            codes[child.pid] = child.wait() << 8
        sweep = sweep_once(reader)
        brief = {info.pid: info for info in sweep.brief if info.pid in codes}
        ends = {end.run: end for end in sweep.ends}
        assert brief.keys() == codes.keys()
        assert {pid: ends[info.run].status for pid, info in brief.items()} == codes
        assert not {info.run for info in brief.values()} & set(sweep.by_pid.values())
        assert not {info.pid for info in sweep_once(reader).brief} & codes.keys()
        seen = [info for info in brief.values() if info.name == "sh"]
        assert {info.ppid for info in seen} == {os.getpid()}
        assert {info.cmdline[:11] for info in seen} <= {"sh -c exit ", ""}
        assert seen
    finally:
        reader.close()


def test_threads_are_no_processes() -> None:
    """The end of a thread is nothing to tell."""
    source = connector()
    try:
        script = "import threading, sys\nfor _ in range(5):\n t = threading.Thread(target=int)\n t.start()\n t.join()\nsys.exit(4)"
        child = subprocess.Popen([sys.executable, "-c", script])
        assert child.wait() == 4
        mine: list[Exit] = [
            one for one in source.drain() if one.pid == child.pid or (one.program and one.parent == child.pid)
        ]
        assert [(one.pid, one.status) for one in mine] == [(child.pid, 4 << 8)]
    finally:
        source.close()


BUSY = """
import os, sys, threading, time
def burn():
    began = time.thread_time()
    while time.thread_time() - began < 0.15:
        pass
threads = [threading.Thread(target=burn) for _ in range(int(sys.argv[1]))]
for one in threads:
    one.start()
for one in threads:
    one.join()
burn()
held = bytearray(60 << 20)
with open(sys.argv[2], "wb") as file:
    file.write(bytes(3 << 20))
with open("/proc/self/status") as file:
    peak = next(line.split()[1] for line in file if line.startswith("VmHWM"))
with open(sys.argv[2] + ".peak", "w") as file:
    file.write(peak)
"""


def wait_and_usage(child: "subprocess.Popen[bytes]") -> Any:
    """What the system says that a child used; it is over then."""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage


@pytest.mark.parametrize("threads", [0, 3])
def test_what_a_short_life_used_is_told(sweep_once: Any, tmp_path: Path, threads: int) -> None:
    """CPU time of all threads, peak memory, and what was written: of a process that no sweep saw."""
    try:
        Taskstats().close()
    except OSError as error:
        pytest.skip(f"no records of usage here: {error}")
    reader = ProcfsReader(Masker())
    try:
        sweep_once(reader)
        child = subprocess.Popen([sys.executable, "-c", BUSY, str(threads), str(tmp_path / "written")])
        truth = wait_and_usage(child)
        sweep = sweep_once(reader)
    finally:
        reader.close()
    [run] = [info.run for info in sweep.brief if info.pid == child.pid]
    [end] = [one for one in sweep.ends if one.run == run]
    cpu_s = truth.ru_utime + truth.ru_stime
    assert end.cpu_s == pytest.approx(cpu_s, rel=0.1)
    assert end.cpu_s >= 0.15 * (threads + 1)
    assert end.peak_rss == pytest.approx(int((tmp_path / "written.peak").read_text("ascii")) << 10, rel=0.05)
    assert end.write_bytes == (None if threads else pytest.approx(3 << 20, rel=0.2))
    assert sweep.short_cpu_s >= end.cpu_s


def test_the_last_moments_of_a_known_run_count(sweep_once: Any, spawn: Any) -> None:
    """What it used after the last sweep that saw it is in what it used in all."""
    try:
        Taskstats().close()
    except OSError as error:
        pytest.skip(f"no records of usage here: {error}")
    reader = ProcfsReader(Masker())
    script = "import sys, time; sys.stdin.readline()\nwhile time.process_time() < 0.4: pass"
    try:
        child = spawn([sys.executable, "-c", script], stdin=subprocess.PIPE)
        wait_until(lambda: child.pid in sweep_once(reader).by_pid, "it is seen")
        run = reader.sweep(time.monotonic_ns()).by_pid[child.pid]
        child.communicate(b"\n")
        end = ended(reader, run, sweep_once)
    finally:
        reader.close()
    assert end.cpu_s >= 0.39


def test_ends_are_told_in_the_middle_of_a_sweep(
    reader: ProcfsReader, source: ExitSource, spawn: Any, sweep_once: Any
) -> None:
    """Of processes that end while a sweep goes on (known ones, those that it has just found, one that it has yet to find) each is told once, with its
    code, and never as one that lives on.
    """
    children = [spawn([*SHELL, f"read x; exit {code}"], stdin=subprocess.PIPE) for code in range(20, 24)]
    first = wait_until(lambda: all_of(children, sweep_once(reader).by_pid), "they are seen")
    children += [spawn([*SHELL, f"read x; exit {code}"], stdin=subprocess.PIPE) for code in range(24, 54)]
    pids = {run: pid for pid, run in first.items()}
    unseen = children[-1:] if source.name == "connector" else []  # nobody else tells of what no sweep saw
    waiting = [children[1], *unseen, *children[4:9], children[2], *children[9:20], children[3]]
    children[0].communicate(b"\n")  # gone before the sweep begins
    told: list[Any] = []

    def give_way() -> None:
        if waiting:
            waiting.pop(0).communicate(b"\n")
        told.append(reader.ended())

    sweep = reader.sweep(time.monotonic_ns(), give_way)
    assert not waiting
    assert {pid for pid in sweep.by_pid if pid in first} == set()
    assert sorted(array("i", sweep.columns.pid)) == sorted(sweep.by_pid)
    told.append(sweep)
    for child in children[20:]:
        if child.returncode is None:
            child.communicate(b"\n")

    def ends() -> dict[int, list[int | None]]:
        told.append(sweep_once(reader))
        pids.update({info.run: info.pid for one in told for info in (*one.born, *one.brief)})
        found: dict[int, list[int | None]] = {}
        for end in (end for one in told for end in one.ends):
            found.setdefault(pids.get(end.run, 0), []).append(end.status)
        return found

    # Where others begin much, the sweep gives way before it has seen these: then only the kernel's word tells of one that ended before
    seen = {info.pid for one in told for info in (*one.born, *one.brief)} | set(first)
    overlooked = set() if source.name == "connector" else {child.pid for child in children[4:20]} - seen
    wanted = {child.pid: [code << 8] for code, child in enumerate(children, 20) if child.pid not in overlooked}
    wait_until(lambda: wanted.keys() <= ends().keys(), lambda: f"not told yet are {wanted.keys() - ends().keys()}")
    found = ends()
    assert {pid: found[pid] for pid in wanted} == wanted
    gone = [run for one in told for run in one.gone]
    assert len(gone) == len(set(gone))


def all_of(children: list[Any], by_pid: Any) -> dict[int, int]:
    """The runs of these, by pid; empty if one is not there."""
    found = {child.pid: by_pid[child.pid] for child in children if child.pid in by_pid}
    return found if len(found) == len(children) else {}
