"""The two readers tell the same about the same processes and the same machine."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from logs.redaction.masker import Masker
from monitor.metrics.catalogue import RUN_COLUMNS, HostReading
from monitor.sampling.linux.reader import ProcfsReader
from monitor.sampling.portable.reader import PortableReader
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has both readers")

SCRIPT = """
import os, sys, threading, time
kind = sys.argv[1]
if kind == "threads":
    for _ in range(3): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
if kind == "memory":
    held = bytearray(os.urandom(1) * 30_000_000)
if kind == "files":
    held = [open("/dev/null") for _ in range(20)]
if kind == "cpu":
    end = time.process_time() + 0.1
    while time.process_time() < end: pass
if kind == "writes":
    with open(sys.argv[2], "wb") as f: f.write(b"x" * 2_000_000); f.flush(); os.fsync(f.fileno())
print("ready", flush=True)
time.sleep(600)
"""
NOT_TOLD_BY_PSUTIL = {"minor_faults", "major_faults"}
TOLERANCE = {"rss": 2_000_000, "ctx_voluntary": 20, "ctx_involuntary": 20, "cpu_user_s": 0.02, "cpu_system_s": 0.02}


@pytest.fixture
def both() -> Any:
    """One reader of each kind."""
    readers = ProcfsReader(Masker()), PortableReader(Masker())
    yield readers
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("kind", ["plain", "threads", "memory", "files", "cpu", "writes"])
def test_processes_field_by_field(
    both: Any, spawn: Any, sweep_once: Any, row: Any, *, kind: str, tmp_path: Path
) -> None:
    """Every column and every description of a live process agrees, within what changes between two readings."""
    child = spawn([sys.executable, "-c", SCRIPT, kind, str(tmp_path / "out")], stdout=subprocess.PIPE)
    child.stdout.readline()
    for reader in both:
        sweep_once(reader)
    sweeps = [sweep_once(reader) for reader in both]
    fast, portable = (row(sweep.columns, child.pid) for sweep in sweeps)
    assert fast is not None
    assert portable is not None
    for name in RUN_COLUMNS:
        if name in NOT_TOLD_BY_PSUTIL:
            assert portable[name] == -1
            continue
        if math.isnan(portable[name]):
            pytest.fail(f"{name} is not available")
        assert fast[name] == pytest.approx(portable[name], abs=TOLERANCE.get(name, 0)), name


def test_descriptions_agree(both: Any, spawn: Any, sweep_once: Any) -> None:
    """Identity, user, name, command line, program, group and start are the same, for strange names too."""
    child = spawn(
        [b"odd \xff\n(name) --token=abc12345def", b"-c", b"echo; read x", b"--password", b"p"],
        executable="/bin/sh",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child.stdout.readline()
    found = [next(info for info in sweep_once(reader).born if info.pid == child.pid) for reader in both]
    fast, portable = (msgspec.structs.asdict(info) for info in found)
    assert abs(fast.pop("start_ts") - portable.pop("start_ts")) <= 1_100_000  # psutil knows the boot's second only
    assert fast == portable


def test_both_see_the_same_processes(both: Any, sweep_once: Any) -> None:
    """But for what comes and goes between them, both list the same runs, kernel threads included."""
    for _ in range(20):
        fast, portable = (sweep_once(reader) for reader in both)
        again = sweep_once(both[0])
        steady = set(fast.by_pid.items()) & set(again.by_pid.items())
        if steady <= set(portable.by_pid.items()):
            return
    assert steady == set(portable.by_pid.items()) & steady


def test_host_field_by_field(both: Any) -> None:
    """Every reading of the machine agrees, except pressure, the run queue and forks, which psutil does not tell."""
    start = time.monotonic_ns()
    for reader in both:
        reader.read_host(start)
    end = time.process_time() + 0.4
    while time.process_time() < end:
        os.getppid()
    now = time.monotonic_ns()
    fast, portable = (reader.read_host(now) for reader in both)
    alone = {name for name in HostReading.__dataclass_fields__ if name.startswith("psi_")} | {"procs_running", "forks"}
    slow = {"space", "temperatures", "procs_total"}
    percent = {"cpu_pct", "cpu_user", "cpu_system", "cpu_iowait", "cpu_steal"}
    for name in set(HostReading.__dataclass_fields__) - alone - slow - {"per_core", "disks", "nics"}:
        one, other = getattr(fast, name), getattr(portable, name)
        assert (one is None) == (other is None), name
        if one is not None:
            tolerance = 12 if name in percent else 0.02 * abs(other) + 20_000_000 if name.startswith("mem") else None
            expected = pytest.approx(other, abs=tolerance) if tolerance else pytest.approx(other, rel=0.5, abs=300_000)
            assert one == expected, name
    assert [rate.name for rate in fast.nics] == [rate.name for rate in portable.nics]
    assert {rate.name for rate in fast.disks} == {rate.name for rate in portable.disks}
    assert len(fast.per_core) == len(portable.per_core)


def test_space_agrees(both: Any) -> None:
    """Both tell the same room on the root's file system."""
    found = []
    for reader in both:
        step = iter(range(10**6))
        space = wait_until(lambda reader=reader, step=step: reader.read_host(next(step) * 10**6 + 1).space)
        found.append({item.mount: item for item in space}["/"])
    fast, portable = found
    assert (fast.device, fast.fstype, fast.total) == (portable.device, portable.fstype, portable.total)
    assert fast.free == pytest.approx(portable.free, abs=200_000_000)
    assert fast.used == pytest.approx(portable.used, abs=200_000_000)


def test_portable_tells_births_ends_and_reuse(spawn: Any, sweep_once: Any) -> None:
    """The portable reader tells births and ends once, and notices another name."""
    reader = PortableReader(Masker())
    sweep_once(reader)
    child = spawn(["/bin/sh", "-c", "read x; exec sleep 600"], stdin=subprocess.PIPE)
    [info] = [info for info in sweep_once(reader).born if info.pid == child.pid]
    child.stdin.write(b"\n")
    child.stdin.flush()
    again = wait_until(lambda: [i for i in sweep_once(reader).born if i.pid == child.pid and i.name == "sleep"])
    assert again[0].run == info.run
    child.kill()
    child.wait()
    assert info.run in sweep_once(reader).gone
    reader.close()
