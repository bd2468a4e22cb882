"""The sweep over all processes of a Linux machine: kept-open files, parsed only when their bytes changed.

Two descriptors a process (`stat`, `io`) stay open from its birth to its end. The kernel ties them to that one life:
once the process is gone they answer ESRCH, however soon its pid is given to another. So a pid that comes back is
a new run in the very sweep that finds it. A process for which no descriptor is left is read by path, and told
from its successor by the start tick.

Measured (500 processes): see `tests/bench/sampler_cost.py`.
"""

import errno
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from monitor.lifecycle.exits import Exit, ExitSource
from monitor.lifecycle.taskstats import UsageSource
from monitor.metrics.messages import RunInfo
from monitor.sampling.core.columns import NAN, Columns
from monitor.sampling.core.reader import Soon, Sweep, nothing_waits
from monitor.sampling.linux.describe import Describer
from monitor.sampling.linux.ends import Ends
from monitor.sampling.linux.parse import Stat, Status, parse_cpu_limit, parse_io, parse_stat, parse_status
from monitor.sampling.linux.procfiles import KeptFiles, is_gone, read_file, reason

STAT_SIZE: Final = 1_024
IO_SIZE: Final = 512
_OVER: Final = (b"Z", b"X")
SLOW_ROUND: Final = 5
"""Number of sweeps between readings of context switches, user and open files of an idle process."""
DENIED_ROUND: Final = 10
"""Number of sweeps between attempts to read an unreadable process."""
EARLY_CHECKS: Final = 2
"""A fork that becomes another program with the same name usually does so within its first sweeps."""
LIMITS_FROM: Final = 10
"""A process's limits are read when it has used this part of a second of CPU time."""
BY_PATH: Final = -2
"""Marks a file for which no descriptor is left; -1 means that the file is unreadable."""


class _Slot:
    """A run and its last readings."""

    __slots__ = (
        "argv_hash",
        "cpu_limit_s",
        "dirty",
        "entry",
        "exit",
        "head",
        "index",
        "info",
        "io",
        "io_fd",
        "limits_at",
        "pid",
        "read",
        "stat",
        "stat_fd",
        "sweeps",
        "ticks",
        "write",
    )

    def __init__(self, entry: str, stat_fd: int, stat: bytes, info: RunInfo, cmdline: bytes) -> None:
        self.entry = entry
        self.pid = info.pid
        self.stat_fd = stat_fd
        self.io_fd = -1
        self.index = -1
        self.stat = stat
        self.head = stat[: stat.rindex(b")")]
        self.io = b""
        self.ticks = 0
        self.cpu_limit_s: int | None = None
        self.limits_at = 0
        """The CPU time, in ticks, from which on its limits are read again."""
        self.read = 0
        self.write = 0
        self.info = info
        self.exit: Exit | None = None
        self.argv_hash = hash(cmdline)
        self.dirty = True
        self.sweeps = 0


class ProcTable:
    """All processes, kept from sweep to sweep.

    Args:
        describer: reads what seldom changes.
        errors: counts what could not be read.
        files: keeps descriptors open.
        root: the directory of process tables.
        exits: tells how processes end.
        used: tells what they used in their lives.
    """

    def __init__(
        self,
        describer: Describer,
        errors: Counter[str],
        files: KeptFiles,
        *,
        root: str = "/proc",
        exits: ExitSource | None = None,
        used: UsageSource | None = None,
    ) -> None:
        self._describer = describer
        self._errors = errors
        self._files = files
        self._root = root
        self._hz = describer.host.clock_tick_hz
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._counts_fds = _directory_size_counts_files()
        self._columns = Columns()
        self._slots: list[_Slot] = []
        self._by_entry: dict[str, _Slot] = {}
        self._by_pid: dict[int, int] = {}
        self._others: set[str] = set()
        self._denied: dict[str, int] = {}
        self._moving: list[_Slot] = []
        self._young: list[_Slot] = []
        self._ends = Ends(exits, describer, errors, used=used, root=root)
        self._dead: list[_Slot] = []
        self._born: dict[int, RunInfo] = {}
        """What a sweep that goes on has found, and nobody was told yet."""
        self._sweeps = 0
        self._last_ns: int | None = None
        self._last_boot_tick = 0.0

    def sweep(self, mono_ns: int, give_way: Callable[[], None] = nothing_waits, /) -> Sweep:
        """Read every process once; see `Reader.sweep`."""
        boot_tick = time.clock_gettime(time.CLOCK_BOOTTIME) * self._hz
        elapsed_s = NAN if self._last_ns is None else max((mono_ns - self._last_ns) / 1e9, 1e-6)
        self._settle()
        born = self._born = {}
        self._dead = self._read_known(elapsed_s, born)
        for slot in self._dead:
            self._remove(slot)
        give_way()
        self._find_new(elapsed_s, born, give_way)
        dead, self._dead = self._dead, []
        brief, ends, named = self._ends.settle(dead, self._by_entry)
        gone = [slot.info.run for slot in dead]
        born |= {info.run: info for info in named}
        self._read_slow(born)
        self._born = {}
        self._sweeps += 1
        self._last_ns, self._last_boot_tick = mono_ns, boot_tick
        short = self._ends.short_cpu_s
        return Sweep(
            self._columns.pack(), len(self._slots), list(born.values()), gone, self._by_pid, brief, ends, short
        )

    def listen(self, on_end: Callable[[], None]) -> None:
        """See `Reader.listen`."""
        self._ends.listen(on_end)

    def ended(self) -> Soon:
        """Forget the runs that are gone since the last sweep, and tell of those that a sweep which goes on found gone; see `Reader.ended`."""
        dead, self._dead = self._dead, []
        named, exited = self._ends.hear(self._by_entry, dead)
        for slot in [slot for pid in exited if self._is_gone(slot := self._by_entry[str(pid)])]:
            self._remove(slot)
            dead.append(slot)
        brief, ends, named = self._ends.settle_soon(dead, named)
        born = {info.run: info for info in named}
        for slot in dead:
            if self._born.pop(slot.info.run, None) is not None:  # what the sweep that goes on would have told
                born[slot.info.run] = slot.info
        return Soon(list(born.values()), [slot.info.run for slot in dead], brief, ends, self._ends.unsettled)

    def close(self) -> None:
        """Close every kept file."""
        self._ends.close()
        for slot in self._slots:
            self._files.close(slot.stat_fd)
            self._files.close(slot.io_fd)
        self._slots.clear()

    @property
    def by_pid(self) -> Mapping[int, int]:
        """Run of each living pid."""
        return self._by_pid

    def _settle(self) -> None:
        """Reset the rates that changed in the last sweep to zero: most processes do nothing in this one."""
        cpu, read_bps, write_bps = (self._columns.arrays[name] for name in ("cpu_pct", "read_bps", "write_bps"))
        for slot in self._moving:
            if (index := slot.index) >= 0:
                cpu[index] = 0.0
                if slot.io_fd != -1:
                    read_bps[index] = write_bps[index] = 0.0
        self._moving.clear()

    def _read_known(self, elapsed_s: float, born: dict[int, RunInfo]) -> list[_Slot]:
        """Read the known processes; returns those that have ended."""
        dead: list[_Slot] = []
        pread = os.pread
        for slot in self._slots:
            try:
                raw = pread(slot.stat_fd, STAT_SIZE, 0) if slot.stat_fd >= 0 else self._read_path(slot, "stat")
            except OSError as error:
                if is_gone(error):
                    dead.append(slot)
                else:
                    self._errors[reason("stat", error)] += 1
                continue
            if raw != slot.stat and not self._note_stat(slot, raw, elapsed_s, born):
                dead.append(slot)
                continue
            if slot.io_fd != -1:
                try:
                    raw = pread(slot.io_fd, IO_SIZE, 0) if slot.io_fd >= 0 else self._read_path(slot, "io")
                except OSError as error:
                    self._lose_io(slot, error)
                    continue
                if raw != slot.io:
                    self._note_io(slot, raw, elapsed_s)
        return dead

    def _read_path(self, slot: _Slot, name: str) -> bytes:
        return read_file(f"{self._root}/{slot.entry}/{name}", STAT_SIZE)

    def _note_stat(self, slot: _Slot, raw: bytes, elapsed_s: float, born: dict[int, RunInfo]) -> bool:
        """Write a changed stat line into the row; False if it belongs to another run with the same pid.

        This is `parse.parse_stat` spelled out, since a record for each line would double the cost of a busy sweep.
        """
        end = raw.rfind(b")")
        field = raw[end + 2 :].split(b" ", 22)
        if slot.stat_fd < 0 and int(field[19]) != slot.info.start_tick:
            return False
        arrays, index = self._columns.arrays, slot.index
        user, system = int(field[11]), int(field[12])
        ticks = user + system
        if ticks != slot.ticks:
            arrays["cpu_user_s"][index] = user / self._hz
            arrays["cpu_system_s"][index] = system / self._hz
            arrays["cpu_pct"][index] = max(ticks - slot.ticks, 0) * 100.0 / (self._hz * elapsed_s)
            slot.ticks = ticks
            self._moving.append(slot)
        arrays["status"][index] = field[0][0]
        arrays["ppid"][index] = int(field[1])
        arrays["minor_faults"][index] = int(field[7])
        arrays["major_faults"][index] = int(field[9])
        arrays["nice"][index] = int(field[16])
        arrays["threads"][index] = int(field[17])
        vms = int(field[20])
        if _gave_back(field[0], vms, kernel_thread=slot.info.kernel_thread):  # what it had stays the last reading
            arrays["vms"][index] = arrays["rss"][index] = arrays["fds"][index] = -1
        else:
            arrays["vms"][index] = vms
            arrays["rss"][index] = int(field[21]) * self._page
        slot.stat = raw
        slot.dirty = True
        if raw[:end] != slot.head:
            slot.head = raw[:end]
            self._describe_again(slot, born, force=True)
        return True

    def _note_io(self, slot: _Slot, raw: bytes, elapsed_s: float) -> None:
        """Write changed I/O counters into the row."""
        slot.io = raw
        read, write = parse_io(raw)
        if read == slot.read and write == slot.write:
            return
        arrays, index = self._columns.arrays, slot.index
        arrays["read_bytes"][index] = read
        arrays["write_bytes"][index] = write
        arrays["read_bps"][index] = max(read - slot.read, 0) / elapsed_s
        arrays["write_bps"][index] = max(write - slot.write, 0) / elapsed_s
        slot.read, slot.write = read, write
        self._moving.append(slot)

    def _lose_io(self, slot: _Slot, error: OSError) -> None:
        """Handle unreadable I/O counters. A dead process answers EACCES, and so does one that changed its user."""
        if error.errno != errno.EACCES or self._is_dead(slot):
            return
        self._errors[reason("io", error)] += 1
        self._files.close(slot.io_fd)
        slot.io_fd = -1
        for name in ("read_bytes", "write_bytes"):
            self._columns.arrays[name][slot.index] = -1
        for name in ("read_bps", "write_bps"):
            self._columns.arrays[name][slot.index] = NAN

    def _is_dead(self, slot: _Slot) -> bool:
        try:
            raw = os.pread(slot.stat_fd, STAT_SIZE, 0) if slot.stat_fd >= 0 else self._read_path(slot, "stat")
        except OSError:
            return True
        return raw[raw.rindex(b")") + 2] in b"ZX"

    def _is_gone(self, slot: _Slot) -> bool:
        """Whether nothing is left of a run, not even a zombie."""
        try:
            if slot.stat_fd >= 0:
                os.pread(slot.stat_fd, STAT_SIZE, 0)
                return False
            return parse_stat(self._read_path(slot, "stat")).start_tick != slot.info.start_tick
        except OSError as error:
            return is_gone(error)

    def _find_new(self, elapsed_s: float, born: dict[int, RunInfo], give_way: Callable[[], None]) -> None:
        """Add every listed pid that is not known. Each costs as much as reading twenty known ones."""
        known, others = self._by_entry, self._others
        for entry in os.listdir(self._root):  # noqa: PTH208 - a sweep has no time for Path objects
            if entry in known or entry in others:
                continue
            if not entry.isdigit():
                others.add(entry)
            elif self._denied.get(entry, 0) <= self._sweeps:
                self._add(entry, elapsed_s, born)
                give_way()
        if self._sweeps % 300 == 0:
            self._denied = {entry: due for entry, due in self._denied.items() if due > self._sweeps}

    def _add(self, entry: str, elapsed_s: float, born: dict[int, RunInfo]) -> None:
        """Add one process. One that ends meanwhile is counted and forgotten."""
        base = f"{self._root}/{entry}"
        stat_fd = -1
        try:
            stat_fd = self._files.open(f"{base}/stat")
            raw = os.pread(stat_fd, STAT_SIZE, 0) if stat_fd >= 0 else read_file(f"{base}/stat", STAT_SIZE)
            stat = parse_stat(raw)
            status = parse_status(read_file(f"{base}/status", 8_192))
        except OSError as error:
            self._files.close(stat_fd)
            if is_gone(error):
                self._errors["vanished"] += 1
            else:
                self._errors[reason("stat", error)] += 1
                self._denied[entry] = self._sweeps + DENIED_ROUND
            return
        pid = int(entry)
        cmdline = self._describer.read_cmdline(pid)
        info = self._describer.describe(pid, stat, status.uid, cmdline)
        slot = _Slot(entry, stat_fd, raw, info, cmdline)
        self._slots.append(slot)
        slot.index = self._columns.append()
        self._by_entry[entry] = slot
        self._by_pid[pid] = info.run
        self._ends.watch(pid)
        fresh = stat.start_tick >= self._last_boot_tick - 1
        self._first_row(slot, stat, status, elapsed_s if fresh else NAN)
        self._open_io(slot, elapsed_s if fresh else NAN)
        self._moving.append(slot)
        self._young.append(slot)
        born[info.run] = info

    def _first_row(self, slot: _Slot, stat: Stat, status: Status, elapsed_s: float) -> None:
        """Fill the row of a new run. One born since the last sweep used all its CPU time in this interval."""
        arrays, index = self._columns.arrays, slot.index
        slot.ticks = stat.utime + stat.stime
        over = _gave_back(bytes([stat.state]), stat.vms, kernel_thread=slot.info.kernel_thread)
        row: dict[str, float] = {
            "run": slot.info.run,
            "pid": slot.pid,
            "ppid": stat.ppid,
            "status": stat.state,
            "cpu_pct": slot.ticks * 100.0 / (self._hz * elapsed_s),
            "cpu_user_s": stat.utime / self._hz,
            "cpu_system_s": stat.stime / self._hz,
            "rss": -1 if over else stat.rss_pages * self._page,
            "vms": -1 if over else stat.vms,
            "nice": stat.nice,
            "threads": stat.threads,
            "ctx_voluntary": status.ctx_voluntary,
            "ctx_involuntary": status.ctx_involuntary,
            "minor_faults": stat.minor_faults,
            "major_faults": stat.major_faults,
        }
        for name, value in row.items():
            arrays[name][index] = value

    def _open_io(self, slot: _Slot, elapsed_s: float) -> None:
        try:
            slot.io_fd = self._files.open(f"{self._root}/{slot.entry}/io")
            if slot.io_fd >= 0:
                slot.io = os.pread(slot.io_fd, IO_SIZE, 0)
            else:
                slot.io = self._read_path(slot, "io")
                slot.io_fd = BY_PATH
        except OSError as error:
            self._files.close(slot.io_fd)
            slot.io_fd = -1
            if not is_gone(error) and not self._is_dead(slot):
                self._errors[reason("io", error)] += 1
            return
        slot.read, slot.write = parse_io(slot.io)
        arrays, index = self._columns.arrays, slot.index
        arrays["read_bytes"][index], arrays["write_bytes"][index] = slot.read, slot.write
        arrays["read_bps"][index], arrays["write_bps"][index] = slot.read / elapsed_s, slot.write / elapsed_s

    def _read_slow(self, born: dict[int, RunInfo]) -> None:
        """Read what is expensive: in turn for each process, and the open files of those that were just active."""
        arrays = self._columns.arrays
        fds, voluntary, involuntary = arrays["fds"], arrays["ctx_voluntary"], arrays["ctx_involuntary"]
        young, self._young = self._young, []
        for slot in young:
            if slot.index >= 0:
                slot.sweeps += 1
                if slot.sweeps > 1:
                    self._describe_again(slot, born)
                if slot.sweeps <= EARLY_CHECKS:
                    self._young.append(slot)
        for slot in self._moving:
            if slot.index < 0:  # it ended while this sweep gave way
                continue
            fds[slot.index] = self._count_fds(slot)
            if slot.ticks >= slot.limits_at:
                self._read_limits(slot)
        for slot in self._slots[self._sweeps % SLOW_ROUND :: SLOW_ROUND]:
            fds[slot.index] = self._count_fds(slot)
            try:
                status = parse_status(read_file(f"{self._root}/{slot.entry}/status", 8_192))
            except OSError:  # gone: the next sweep's stat says so
                continue
            voluntary[slot.index], involuntary[slot.index] = status.ctx_voluntary, status.ctx_involuntary
            self._describe_again(slot, born, uid=status.uid)

    def _read_limits(self, slot: _Slot) -> None:
        """Read how much CPU time it may use: once it used some, and again at each doubling, for a program may set its limits itself."""
        if slot.ticks * LIMITS_FROM < self._hz:
            return
        slot.limits_at = 2 * slot.ticks
        try:
            slot.cpu_limit_s = parse_cpu_limit(read_file(f"{self._root}/{slot.entry}/limits", 2_048))
        except OSError as error:
            if not is_gone(error):
                self._errors[reason("limits", error)] += 1

    def _describe_again(self, slot: _Slot, born: dict[int, RunInfo], *, uid: int = -1, force: bool = False) -> None:
        """Check whether the process changed its program, user or title, and report that.

        A process in uninterruptible sleep is left alone: reading its command line may wait for its memory lock.
        """
        uid = slot.info.uid if uid < 0 else uid
        renamed = uid != slot.info.uid or slot.info.user != self._describer.users.name(uid)
        if not (force or renamed or slot.dirty) or slot.info.kernel_thread:
            return
        stat = parse_stat(slot.stat)
        if stat.state in b"DZX":
            return
        slot.dirty = False
        cmdline = self._describer.read_cmdline(slot.pid)
        if not (force or renamed) and hash(cmdline) == slot.argv_hash:
            return
        info = self._describer.describe(slot.pid, stat, uid, cmdline)
        # One that gives itself a title writes over its environment
        if info.member is None and info.exe == slot.info.exe:
            info = msgspec.structs.replace(info, member=slot.info.member)
        slot.argv_hash = hash(cmdline)
        if info != slot.info:
            slot.info = info
            born[info.run] = info

    def _count_fds(self, slot: _Slot) -> int:
        """Number of open files; -1 if unreadable, and of one that is about to be gone."""
        if self._columns.arrays["vms"][slot.index] < 0:
            return -1
        path = f"{self._root}/{slot.entry}/fd"
        try:
            return os.stat(path).st_size if self._counts_fds else len(os.listdir(path))  # noqa: PTH116, PTH208 - see _find_new
        except OSError as error:
            if not is_gone(error):
                self._errors[reason("fd", error)] += 1
            return -1

    def _remove(self, slot: _Slot) -> None:
        """Forget a run that ended."""
        self._files.close(slot.stat_fd)
        self._files.close(slot.io_fd)
        last = self._slots.pop()
        if last is not slot:
            self._slots[slot.index] = last
            last.index = slot.index
        self._columns.remove(slot.index)
        slot.index = -1
        del self._by_entry[slot.entry]
        del self._by_pid[slot.pid]


def _gave_back(state: bytes, vms: int, *, kernel_thread: bool) -> bool:
    """Whether a process has no memory and no files any more: a zombie, or one that the kernel is just ending, which may take seconds where it had
    much.
    """
    return state in _OVER or (vms == 0 and not kernel_thread)


def _directory_size_counts_files() -> bool:
    """Whether `stat` of `/proc/<pid>/fd` gives the number of open files (Linux 6.2 and newer)."""
    return Path("/proc/self/fd").stat().st_size > 0
