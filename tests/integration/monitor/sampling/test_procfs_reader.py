"""The Linux reader on live processes."""

import math
import os
import subprocess
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logs.redaction.masker import Masker
from monitor.metrics.catalogue import RUN_COLUMNS, HostReading
from monitor.metrics.messages import run_key
from monitor.sampling.linux.host import HostTable
from monitor.sampling.linux.procfiles import KeptFiles
from monitor.sampling.linux.reader import ProcfsReader
from tests.waiting import patient, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
SLEEP = ["/bin/sleep", "600"]


def test_this_very_process_is_seen_as_it_is(reader: ProcfsReader, sweep_once: Any, row: Any) -> None:
    """Identity, names and readings of a known process are right."""
    sweep = sweep_once(reader)
    [me] = [info for info in sweep.born if info.pid == os.getpid()]
    assert me.run == run_key(reader.info.host, reader.info.boot_id, me.pid, me.start_tick)
    assert (me.ppid, me.uid, me.kernel_thread) == (os.getppid(), os.getuid(), False)
    assert me.exe == str(Path("/proc/self/exe").readlink())
    assert me.cmdline.startswith(Path("/proc/self/cmdline").read_bytes().split(b"\0")[0].decode())
    assert abs(me.start_ts / 1e6 - time.time()) < 3600
    mine = row(sweep.columns, os.getpid())
    assert mine is not None
    assert mine["run"] == me.run
    assert mine["rss"] > 10_000_000
    assert mine["threads"] >= 1
    assert mine["fds"] > 0
    assert mine["ctx_voluntary"] >= 0
    assert math.isnan(mine["cpu_pct"])


def test_columns_are_of_equal_length(reader: ProcfsReader, sweep_once: Any) -> None:
    """Every column holds one value a process, and every pid is there once."""
    sweep = sweep_once(reader)
    lengths = {name: len(array(code, getattr(sweep.columns, name))) for name, code in RUN_COLUMNS.items()}
    assert set(lengths.values()) == {sweep.count}
    assert len(set(array("i", sweep.columns.pid))) == sweep.count == len(sweep.by_pid)


def test_birth_and_end_are_told_once(reader: ProcfsReader, sweep_once: Any, spawn: Any, row: Any) -> None:
    """A process is born in one sweep, silent in the next, and gone after its end."""
    sweep_once(reader)
    child = spawn(SLEEP)
    [info] = [info for info in sweep_once(reader).born if info.pid == child.pid]
    for _ in range(3):
        assert [again for again in sweep_once(reader).born if again.pid == child.pid and again.name == "sleep"] in (
            [],
            [info],
        )
    child.kill()
    child.wait()
    last = sweep_once(reader)
    assert info.run in last.gone
    assert row(last.columns, child.pid) is None
    assert info.run not in sweep_once(reader).gone


def test_cpu_and_io_rates_follow_the_work(
    reader: ProcfsReader, sweep_once: Any, spawn: Any, row: Any, tmp_path: Path
) -> None:
    """A process that works has CPU and write rates; after it rests they are zero, and its totals stay."""
    script = (
        "import os,sys,time\n"
        "f=open(sys.argv[1],'wb'); sys.stdin.readline()\n"
        "end=time.process_time()+0.15\n"
        "while time.process_time()<end: pass\n"
        "f.write(b'x'*3_000_000); f.flush(); os.fsync(f.fileno())\n"
        "print('done',flush=True); sys.stdin.readline()\n"
    )
    child = spawn([sys.executable, "-c", script, str(tmp_path / "out")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    sweep_once(reader)
    child.stdin.write(b"\n")
    child.stdin.flush()
    child.stdout.readline()
    busy = row(sweep_once(reader).columns, child.pid)
    assert busy["cpu_pct"] > 1
    assert busy["cpu_user_s"] + busy["cpu_system_s"] >= 0.1
    assert busy["write_bytes"] >= 3_000_000
    assert busy["write_bps"] > 0
    for _ in range(20):
        calm = row(sweep_once(reader).columns, child.pid)
        if calm["cpu_pct"] == 0 and calm["write_bps"] == 0:
            break
    assert (calm["cpu_pct"], calm["write_bps"], calm["read_bps"]) == (0, 0, 0)
    assert calm["write_bytes"] == busy["write_bytes"]


def test_newborn_work_belongs_to_its_first_interval(
    reader: ProcfsReader, sweep_once: Any, spawn: Any, row: Any
) -> None:
    """CPU time used before the first sweep that sees a process is not lost."""
    sweep_once(reader)
    script = "import time\nwhile time.process_time()<0.1: pass\nprint(flush=True); time.sleep(600)"
    child = spawn([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    assert row(sweep_once(reader).columns, child.pid)["cpu_pct"] > 0


def test_exec_under_the_same_pid_keeps_the_run(reader: ProcfsReader, sweep_once: Any, spawn: Any) -> None:
    """A process that becomes another program is told again, with the same run."""
    child = spawn(["/bin/sh", "-c", "read line; exec sleep 600"], stdin=subprocess.PIPE)
    [before] = [info for info in sweep_once(reader).born if info.pid == child.pid]
    assert child.stdin is not None
    child.stdin.write(b"\n")
    child.stdin.flush()
    told = []

    def is_told() -> bool:  # the kernel changes its name and its command line one after the other
        told.extend(info for info in sweep_once(reader).born if info.pid == child.pid)
        return bool(told) and (told[-1].name, told[-1].cmdline) == ("sleep", "sleep 600")

    wait_until(is_told, lambda: f"told are {told}")
    assert {info.run for info in told} == {before.run}


def test_exec_under_the_same_name_is_noticed(reader: ProcfsReader, sweep_once: Any, spawn: Any) -> None:
    """The command line is looked at again even when the name did not change."""
    script = "import os,sys; sys.stdin.readline(); os.execv(sys.executable,[sys.executable,'-c','import time;time.sleep(600)','second'])"
    child = spawn([sys.executable, "-c", script], stdin=subprocess.PIPE)
    sweep_once(reader)
    assert child.stdin is not None
    child.stdin.write(b"\n")
    child.stdin.flush()
    wait_until(
        lambda: any(i.pid == child.pid and i.cmdline.endswith("second") for i in sweep_once(reader).born),
        "the second program is noticed",
    )


def test_zombie_is_shown_as_such(reader: ProcfsReader, sweep_once: Any, spawn: Any, row: Any) -> None:
    """A process that ended and was not waited for has the state Z and still its name."""
    child = spawn(["/bin/true"])
    state = Path(f"/proc/{child.pid}/stat")
    wait_until(lambda: state.read_bytes().rpartition(b")")[2].split()[0] == b"Z")
    assert chr(int(row(sweep_once(reader).columns, child.pid)["status"])) == "Z"


@pytest.mark.parametrize("seen", [True, False], ids=["seen before", "first seen as a zombie"])
def test_a_zombie_has_no_readings_of_what_it_gave_back(
    reader: ProcfsReader, sweep_once: Any, spawn: Any, row: Any, *, seen: bool
) -> None:
    """Memory and files of one that only waits to be asked for are unknown, not 0: the last readings of its life stay the last."""
    child = spawn(["sleep", "600"])
    if seen:  # a program that has only begun has no memory yet

        def held() -> float:
            now = row(sweep_once(reader).columns, child.pid)
            return float(min(now["rss"], now["vms"]))

        wait_until(lambda: held() > 0)
    child.kill()
    wait_until(lambda: Path(f"/proc/{child.pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z")
    for _ in range(6):  # open files are counted in turn
        after = row(sweep_once(reader).columns, child.pid)
        assert (after["rss"], after["vms"], after["fds"]) == (-1, -1, -1)


@pytest.mark.parametrize(
    "name", [b"a) S (b", b"new\nline", b"\x1b[31mred", b"\xff\xfe", b"<script>", b"sp ace", b"()", b"((((((((((((((("]
)
def test_hostile_names(reader: ProcfsReader, sweep_once: Any, spawn: Any, row: Any, name: bytes) -> None:
    """A name chosen to confuse the parser is shown as it is and moves no field."""
    script = f"import ctypes,time; ctypes.CDLL(None).prctl(15,{name!r},0,0,0); print(flush=True); time.sleep(600)"
    child = spawn([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    sweep = sweep_once(reader)
    [info] = [info for info in sweep.born if info.pid == child.pid]
    assert info.name == name[:15].decode("utf-8", "replace")
    mine = row(sweep.columns, child.pid)
    assert (mine["ppid"], mine["threads"]) == (os.getpid(), 1)


def test_hostile_command_lines(reader: ProcfsReader, sweep_once: Any, spawn: Any) -> None:
    """Broken UTF-8, escapes and a long title are text; secrets in them are hidden."""
    child = spawn(
        [b"\x1b[2J<b>\xff\n", b"-c", b"read x; exit", b"--password", b"hunter2"],
        executable="/bin/sh",
        stdin=subprocess.PIPE,
    )
    [info] = [info for info in sweep_once(reader).born if info.pid == child.pid]
    assert info.cmdline == "\x1b[2J<b>\ufffd\n -c read x; exit --password ***"


def test_megabyte_command_line_is_cut(reader: ProcfsReader, sweep_once: Any, spawn: Any) -> None:
    """At most 4096 characters of a command line are kept, and that is said."""
    words = ["x" * 100_000] * 10
    child = spawn(["/bin/sh", "-c", "read x", *words], stdin=subprocess.PIPE)
    [info] = [info for info in sweep_once(reader).born if info.pid == child.pid]
    assert len(info.cmdline) == 4096
    assert info.cmdline_truncated


def _process_of(descriptor: Path) -> int | None:
    """The process whose file in /proc it holds open."""
    try:
        parts = descriptor.readlink().parts
    except FileNotFoundError:
        return None  # closed meanwhile
    return int(parts[2]) if parts[1:2] == ("proc",) and len(parts) > 3 and parts[2].isdigit() else None


def test_many_short_lives_leave_nothing_behind(reader: ProcfsReader, sweep_once: Any) -> None:
    """Processes that come and go by the hundred are told in pairs, and no descriptor stays open."""
    sweep_once(reader)
    born: set[int] = set()
    gone: set[int] = set()
    spawned: set[int] = set()
    for _ in range(20):
        pids = [os.posix_spawn("/bin/true", ["true"], {}) for _ in range(50)]
        spawned |= set(pids)
        sweep = sweep_once(reader)
        born |= {info.run for info in sweep.born}
        gone |= set(sweep.gone)
        for pid in pids:
            os.waitpid(pid, 0)
    sweep = sweep_once(reader)
    gone |= set(sweep.gone)
    assert len(born) >= 900
    still = {run for run in born if run in set(sweep.by_pid.values())}
    assert born - still == gone & born
    # Only theirs: what else runs on this machine comes and goes, too.
    kept = {pid for name in Path("/proc/self/fd").iterdir() if (pid := _process_of(name)) is not None}
    assert kept
    assert not kept & (spawned - set(sweep.by_pid))


def test_readings_go_on_when_descriptors_run_out(sweep_once: Any, spawn: Any, row: Any) -> None:
    """With hardly any file to keep open, the same processes are read by path, reuse of the reader included."""
    poor = ProcfsReader(Masker(), max_files=3)
    try:
        sweep_once(poor)
        child = spawn(SLEEP)
        # A kernel's count of the pages of a program that just began may still be 0.
        sweep = wait_until(
            lambda: seen if row((seen := sweep_once(poor)).columns, child.pid)["rss"] > 0 else None,
            "memory of the child",
        )
        mine = row(sweep.columns, child.pid)
        assert mine["read_bytes"] >= 0
        assert mine["threads"] == 1
        child.kill()
        child.wait()
        assert sweep.by_pid[child.pid] in sweep_once(poor).gone
    finally:
        poor.close()


def test_denied_readings_are_not_available() -> None:
    """What another user may not read is -1 or NaN, never zero, and counted."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user for this test")
    script = (
        "import os,sys,time,math\n"
        "from array import array\n"
        "from logs.redaction.masker import Masker\n"
        "from monitor.sampling.linux.reader import ProcfsReader\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "r=ProcfsReader(Masker()); s=r.sweep(time.monotonic_ns()); s=r.sweep(time.monotonic_ns())\n"
        "i=array('i',s.columns.pid).index(1)\n"
        "assert array('q',s.columns.read_bytes)[i]==-1\n"
        "assert math.isnan(array('f',s.columns.read_bps)[i])\n"
        "assert array('q',s.columns.rss)[i]>0\n"
        "assert r.errors['io:EACCES']>0\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, timeout=patient(30))
    assert done.returncode == 0, done.stderr.decode()


def test_host_readings_are_plausible(reader: ProcfsReader) -> None:
    """CPU, memory, load and per-device readings of this machine lie where they must."""
    first = reader.read_host(time.monotonic_ns())
    assert first.cpu_pct is None
    end = time.process_time() + 0.15
    while time.process_time() < end:
        pass
    host = reader.read_host(time.monotonic_ns())
    assert 0 < host.cpu_pct <= 100
    assert len(host.per_core) == os.cpu_count()
    assert max(host.per_core) > 20
    assert host.cpu_user + host.cpu_system <= host.cpu_pct + 0.01
    assert 0 < host.mem_used < host.mem_total
    assert host.mem_available + host.mem_used == host.mem_total
    assert host.load1 >= 0
    assert host.procs_running >= 1
    assert "lo" in {nic.name for nic in host.nics}
    assert host.ctx_switches > 0


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Callable[..., HostReading]]:
    """Readings of a machine whose counters a test sets: `counted(seconds, slept=0, ctxt=…)`."""
    (tmp_path / "proc").mkdir()
    asleep = 0
    now = 0

    def read(at_s: int, *, slept: int = 0, **counters: int) -> HostReading:
        nonlocal asleep, now
        asleep, now = asleep + slept * 10**9, at_s * 10**9
        lines = "".join(f"{name} {value}\n" for name, value in counters.items())
        (tmp_path / "proc" / "stat").write_text(f"cpu {at_s} 0 0 {at_s} 0 0 0 0\n{lines}")
        return table.read(now)

    table = HostTable(
        KeptFiles(50), Counter(), root=str(tmp_path / "proc"), sys=str(tmp_path), boot_ns=lambda: now + asleep
    )
    yield read
    table.close()


def test_a_counter_is_a_rate_between_two_sweeps(counted: Callable[..., HostReading]) -> None:
    """No rate at first, none where the counter went back, and none over a sleep of the machine; a gap, never zero."""
    rates = [
        counted(1, ctxt=100).ctx_switches,
        counted(3, ctxt=160).ctx_switches,
        counted(4, ctxt=5).ctx_switches,
        counted(5, ctxt=15).ctx_switches,
        counted(6, slept=3600, ctxt=900).ctx_switches,
        counted(7, ctxt=920).ctx_switches,
    ]
    assert rates == [None, 30.0, None, 10.0, None, 20.0]
    forks = [counted(at, ctxt=1, processes=processes).forks for at, processes in ((8, 7), (9, 12), (10, 3))]
    assert forks == [None, 5.0, None]


def test_a_proc_without_pressure_is_no_error_storm(reader: ProcfsReader, tmp_path: Path) -> None:
    """Files that do not exist are asked for once, counted once, and their readings are not available."""
    root = tmp_path / "proc"
    for name in ("stat", "meminfo", "loadavg"):
        target = root / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(Path(f"/proc/{name}").read_bytes())
    errors: Counter[str] = Counter()
    table = HostTable(KeptFiles(50), errors, root=str(root), sys=str(tmp_path))
    for step in range(5):
        reading = table.read(step * 10**9)
    table.close()
    assert reading.psi_cpu_some is None
    assert reading.disk_read_bps is None
    assert reading.mem_total > 0
    assert errors["pressure/cpu:ENOENT"] == 1
