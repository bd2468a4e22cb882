"""Runs that are asked for before a sample has told of them, and after their end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest

from logs.redaction.masker import Masker
from monitor.live.newcomers import PATIENCE, Newcomers
from monitor.live.snapshot import Snapshot
from monitor.metrics.messages import Hello, HostInfo, Lives, RunInfo, run_key
from monitor.services.shim.tree import start_tick
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the processes of Linux")
HELLO = Hello(1, 1, 1.0, "procfs", HostInfo("h", "boot", 1, "kernel", "platform", 2, 3, 100))


@pytest.fixture
def snapshot() -> Snapshot:
    """One that knows no process yet."""
    return Snapshot()


@pytest.fixture
def newcomers(snapshot: Snapshot) -> Newcomers:
    """Of a machine whose sampler has started."""
    found = Newcomers(snapshot, Masker())
    snapshot.greet(HELLO)
    found.greet(HELLO)
    return found


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process of which no sample has told."""
    with subprocess.Popen(["sleep", "60"]) as one:
        wait_until(lambda: start_tick(one.pid))
        yield one
        one.kill()


def info_of(pid: int, tick: int, run: int) -> RunInfo:
    """What a sample says of a process."""
    return RunInfo(run, pid, tick, 1, 0, "root", "sleep", "sleep 60", None, None, 1, kernel_thread=False)


def told(newcomers: Newcomers, snapshot: Snapshot, lives: Lives) -> None:
    """The sampler tells something."""
    newcomers.take(lives)
    snapshot.accept_early(lives)


def test_a_process_has_the_run_that_a_sample_will_tell(newcomers: Newcomers, process: subprocess.Popen[bytes]) -> None:
    """Its run is known at once, by its start."""
    tick = start_tick(process.pid)
    assert tick is not None
    assert newcomers.run_of_pid(process.pid) == run_key("h", "boot", process.pid, tick)


def test_a_pid_that_is_another_process_by_now(
    newcomers: Newcomers, snapshot: Snapshot, process: subprocess.Popen[bytes]
) -> None:
    """While the sample still has the process before, the pid is the new one's."""
    tick = start_tick(process.pid)
    assert tick is not None
    told(newcomers, snapshot, Lives(1, [info_of(process.pid, tick - 100, 5)], [], [], []))
    assert snapshot.run_of_pid(process.pid) == 5
    assert newcomers.run_of_pid(process.pid) == run_key("h", "boot", process.pid, tick)


def test_what_no_sample_tells_of_is_stored_once(newcomers: Newcomers, process: subprocess.Popen[bytes]) -> None:
    """A process that was met, and of which the samples after its end know nothing, is told of once: it was over by the first of them."""
    run = newcomers.run_of_pid(process.pid)
    assert [newcomers.untold(ts) for ts in range(PATIENCE + 2)] == [[]] * (PATIENCE + 2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    found = [(info.run, over) for ts in range(100, 100 + 2 * PATIENCE) for info, over in newcomers.untold(ts)]
    assert found == [(run, 100)]


def test_what_a_sample_tells_of_is_not_stored_again(
    newcomers: Newcomers, snapshot: Snapshot, process: subprocess.Popen[bytes]
) -> None:
    """One that was met and then told is the sample's."""
    run, tick = newcomers.run_of_pid(process.pid), start_tick(process.pid)
    assert run is not None
    assert tick is not None
    told(newcomers, snapshot, Lives(1, [], [], [info_of(process.pid, tick, run)], []))
    process.kill()
    process.wait()
    assert [info for ts in range(2 * PATIENCE) for info, _ in newcomers.untold(ts)] == []


def test_a_process_is_found_for_a_minute_after_its_end(newcomers: Newcomers, snapshot: Snapshot) -> None:
    """Lines are read after the end of who wrote them; later the pid says nothing."""
    gone = 4_194_305  # no pid is that high
    told(newcomers, snapshot, Lives(1_000_000, [info_of(gone, 7, 9)], [], [], []))
    told(newcomers, snapshot, Lives(2_000_000, [], [9], [], []))
    assert (newcomers.run_of_pid(gone), newcomers.run_that_had(gone)) == (None, 9)
    told(newcomers, snapshot, Lives(70_000_000, [], [], [], []))
    assert newcomers.run_that_had(gone) is None


def test_a_reader_that_counts_no_ticks_knows_what_samples_tell(
    snapshot: Snapshot, process: subprocess.Popen[bytes]
) -> None:
    """Where processes are read otherwise, their numbers are not to be computed here."""
    newcomers = Newcomers(snapshot, Masker())
    newcomers.greet(msgspec.structs.replace(HELLO, reader="psutil"))
    assert newcomers.run_of_pid(process.pid) is None
