"""How real processes end, told by each source that this machine grants."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logs.redaction.masker import Masker
from monitor.lifecycle.connector import ProcConnector
from monitor.lifecycle.exits import Exit, ExitSource
from monitor.lifecycle.pidfd import PidfdWatch, exit_status
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
    child = spawn(["sleep", "60"])
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
