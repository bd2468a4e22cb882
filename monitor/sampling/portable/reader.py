"""The reader for every system that psutil supports. Tests run it on Linux too, to compare both readers."""

import math
import platform
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TypeVar

import psutil

from logs.redaction.masker import Masker
from monitor.core.member import member_of
from monitor.metrics.catalogue import HostReading
from monitor.metrics.messages import HostInfo, RunInfo, run_key
from monitor.sampling.core.columns import NAN, Columns
from monitor.sampling.core.reader import Sweep, nothing_waits
from monitor.sampling.linux.describe import CMDLINE_KEPT
from monitor.sampling.linux.parse import parse_cgroup
from monitor.sampling.linux.procfiles import read_file
from monitor.sampling.portable.host import PortableHost

T = TypeVar("T")
TICK_HZ: Final = 100
"""Start times are kept in hundredths of a second, the finest that all systems provide."""
_STATUS: Final = {
    psutil.STATUS_RUNNING: "R",
    psutil.STATUS_SLEEPING: "S",
    psutil.STATUS_DISK_SLEEP: "D",
    psutil.STATUS_STOPPED: "T",
    psutil.STATUS_TRACING_STOP: "t",
    psutil.STATUS_ZOMBIE: "Z",
    psutil.STATUS_DEAD: "X",
    psutil.STATUS_IDLE: "I",
    psutil.STATUS_LOCKED: "L",
    psutil.STATUS_WAITING: "W",
}
_ASKED: Final = (
    "ppid",
    "status",
    "cpu_times",
    "memory_info",
    "num_threads",
    *(() if sys.platform == "win32" else ("nice",)),
    "io_counters",
    "num_fds",
    "num_handles",
    "num_ctx_switches",
)


def boot_id() -> str:
    """The ID of this boot: the kernel's if it has one, else the time of the boot."""
    if sys.platform == "linux":
        return read_file("/proc/sys/kernel/random/boot_id", 128).decode("ascii", "replace").strip()
    return f"boot-{int(psutil.boot_time())}"


class _Known:
    """One run and its last counters."""

    __slots__ = ("cpu_s", "info", "process", "read", "write")

    def __init__(self, process: psutil.Process, info: RunInfo) -> None:
        self.process = process
        self.info = info
        self.cpu_s = self.read = self.write = NAN


class PortableReader:
    """Implements `Reader` with psutil. A field that the system lacks is not available, never an error.

    Args:
        masker: hides secrets of command lines.
    """

    name = "portable"
    exits = "poll"
    usage = "sweep"

    def __init__(self, masker: Masker) -> None:
        self.errors: Counter[str] = Counter()
        self._masker = masker
        self._boot_s = psutil.boot_time()
        self.info = HostInfo(
            host=platform.node(),
            boot_id=boot_id(),
            boot_ts=int(self._boot_s * 1e6),
            kernel=platform.release(),
            platform=f"{platform.system()} {platform.machine()}",
            cpu_count=psutil.cpu_count() or 1,
            mem_total=psutil.virtual_memory().total,
            clock_tick_hz=TICK_HZ,
        )
        self._known: dict[int, _Known] = {}
        self._host = PortableHost(self.errors)
        self._last_ns: int | None = None

    def read_host(self, mono_ns: int) -> HostReading:
        """See `reader.Reader`."""
        return self._host.read(mono_ns)

    def sweep(self, mono_ns: int, _give_way: Callable[[], None] = nothing_waits, /) -> Sweep:
        """See `reader.Reader`; there is nothing to give way to."""
        if sys.platform == "linux":  # psutil adds the boot's second of this moment to every start
            self._boot_s = psutil.boot_time()
        elapsed_s = NAN if self._last_ns is None else max((mono_ns - self._last_ns) / 1e9, 1e-6)
        self._last_ns = mono_ns
        columns = Columns()
        born: list[RunInfo] = []
        before = {known.info.run for known in self._known.values()}
        alive: dict[int, _Known] = {}
        for pid in psutil.pids():
            try:
                known = self._identify(pid, born)
                self._row(columns, known, elapsed_s)
            except psutil.NoSuchProcess:
                self.errors["vanished"] += 1
            except psutil.AccessDenied:
                self.errors["process:EACCES"] += 1
            else:
                alive[pid] = known
        self._known = alive
        runs = {pid: known.info.run for pid, known in alive.items()}
        living = set(runs.values())
        born = [info for info in born if info.run in living]
        return Sweep(columns.pack(), len(alive), born, sorted(before - living), runs)

    def listen(self, on_end: Callable[[], None]) -> None:
        """See `reader.Reader`; nobody tells of ends."""

    def ended(self) -> None:
        """See `reader.Reader`."""
        return

    def close(self) -> None:
        """See `reader.Reader`; nothing is held."""
        self._known.clear()

    def _identify(self, pid: int, born: list[RunInfo]) -> _Known:
        """The run that has this pid now. Never trusts a cached identity (psutil #2601)."""
        process = psutil.Process(pid)
        tick = round((process.create_time() - self._boot_s) * TICK_HZ)
        known = self._known.get(pid)
        if known is not None and known.info.start_tick == tick:
            if _safely(process.name, known.info.name) != known.info.name:
                known.info = self._describe(process, tick)
                born.append(known.info)
            return known
        known = _Known(process, self._describe(process, tick))
        born.append(known.info)
        return known

    def _describe(self, process: psutil.Process, tick: int) -> RunInfo:
        with process.oneshot():
            words: list[str] = _safely(process.cmdline, [])
            text = self._masker.mask_cmdline([_clean(word) for word in words])
            exe = _safely(process.exe, None)
            uids = _safely(process.uids, None) if hasattr(process, "uids") else None
            ppid = _safely(process.ppid, -1)
            return RunInfo(
                run=run_key(self.info.host, self.info.boot_id, process.pid, tick),
                pid=process.pid,
                start_tick=tick,
                ppid=ppid,
                uid=-1 if uids is None else uids.real,
                user=_clean(_safely(process.username, "")),
                name=_clean(process.name()),
                cmdline=text[:CMDLINE_KEPT],
                exe=_clean(exe) if exe else None,
                cgroup=_cgroup(process.pid),
                start_ts=self.info.boot_ts + tick * 1_000_000 // TICK_HZ,
                kernel_thread=sys.platform == "linux" and (process.pid == 2 or ppid == 2),
                cmdline_truncated=len(text) > CMDLINE_KEPT,
                cwd=_clean(cwd) if (cwd := _safely(process.cwd, None)) else None,
                member=member_of(_environment(process.pid), lambda: _environment(ppid)),
            )

    def _row(self, columns: Columns, known: _Known, elapsed_s: float) -> None:
        """Add one row.

        Raises:
            psutil.NoSuchProcess: it ended meanwhile; no row was added.
        """
        process = known.process
        with process.oneshot():
            found = {name: _safely(getattr(process, name), None) for name in _ASKED if hasattr(process, name)}
        if all(value is None for value in found.values()):
            raise psutil.NoSuchProcess(process.pid)
        values = {"run": known.info.run, "pid": process.pid, **_fields(found)}
        cpu_s = values.get("cpu_user_s", NAN) + values.get("cpu_system_s", NAN)
        values["cpu_pct"] = max((cpu_s - known.cpu_s) * 100.0 / elapsed_s, 0.0) if not math.isnan(known.cpu_s) else NAN
        for rate, total in (("read_bps", "read_bytes"), ("write_bps", "write_bytes")):
            now = float(values.get(total, NAN))
            last = known.read if total == "read_bytes" else known.write
            values[rate] = (now - last) / elapsed_s
        known.cpu_s = cpu_s
        known.read, known.write = float(values.get("read_bytes", NAN)), float(values.get("write_bytes", NAN))
        index = columns.append()
        for name, value in values.items():
            columns.arrays[name][index] = value


def _environment(pid: int) -> bytes:
    """As Linux has it; empty where it may not be read."""
    try:
        variables = psutil.Process(pid).environ()
    except (psutil.Error, OSError, ValueError):  # ValueError: the parent is not known
        return b""
    return "".join(f"{name}={value}\0" for name, value in variables.items()).encode("utf-8", "replace")


def _fields(found: dict[str, Any]) -> dict[str, Any]:
    """The records of psutil as columns; what is None there is left out here."""
    names = {"ppid": "ppid", "num_threads": "threads", "num_fds": "fds", "num_handles": "fds"}
    values: dict[str, Any] = {names[key]: value for key, value in found.items() if key in names and value is not None}
    if found.get("nice") is not None:
        values["nice"] = found["nice"]
    if found.get("status") is not None:
        values["status"] = ord(_STATUS.get(found["status"], "?"))
    if (cpu := found.get("cpu_times")) is not None:
        values |= {"cpu_user_s": cpu.user, "cpu_system_s": cpu.system}
    if (memory := found.get("memory_info")) is not None:
        values |= {"rss": memory.rss, "vms": memory.vms}
        if hasattr(memory, "pageins"):  # macOS; psutil tells no page faults on Linux
            values |= {"minor_faults": memory.pfaults - memory.pageins, "major_faults": memory.pageins}
        elif hasattr(memory, "num_page_faults"):  # Windows does not tell the two kinds apart
            values["minor_faults"] = memory.num_page_faults
    if (io := found.get("io_counters")) is not None:
        values |= {"read_bytes": io.read_bytes, "write_bytes": io.write_bytes}
    if (switches := found.get("num_ctx_switches")) is not None:
        values |= {"ctx_voluntary": switches.voluntary, "ctx_involuntary": switches.involuntary}
    return values


def _safely(ask: Callable[[], T], otherwise: T) -> T:
    """What psutil answers, or `otherwise` where the answer is refused or not implemented.

    Raises:
        psutil.NoSuchProcess: the process is gone (a zombie is not).
    """
    try:
        return ask()
    except (psutil.AccessDenied, psutil.ZombieProcess, NotImplementedError, OSError):
        return otherwise


def _clean(text: str) -> str:
    """Text without the lone surrogates that stand for bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _cgroup(pid: int) -> str | None:
    if sys.platform != "linux":
        return None
    try:
        return parse_cgroup(read_file(f"/proc/{pid}/cgroup", 8_192))
    except OSError:  # gone, or refused
        return None
