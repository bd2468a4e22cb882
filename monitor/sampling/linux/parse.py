"""Pure parsers of Linux's text tables: bytes in, numbers out.

Sources: proc(5); Documentation/filesystems/proc.rst, admin-guide/iostats.rst and accounting/psi.rst of the kernel.
"""

import re
from dataclasses import dataclass
from typing import Final

from monitor.sampling.core.rates import CpuTimes, DeviceCounters

PF_KTHREAD: Final = 0x0020_0000
_OCTAL: Final = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Stat:
    """The start of `/proc/<pid>/stat`. Times in clock ticks, `vms` bytes, `rss_pages` pages."""

    comm: bytes
    state: int
    ppid: int
    flags: int
    minor_faults: int
    major_faults: int
    utime: int
    stime: int
    nice: int
    threads: int
    start_tick: int
    vms: int
    rss_pages: int


def parse_stat(raw: bytes) -> Stat:
    """`/proc/<pid>/stat`; the name stands between the first `(` and the last `)` and may hold anything.

    Raises:
        ValueError: not a stat line.
    """
    end = raw.rindex(b")")
    field = raw[end + 2 :].split(b" ", 22)
    if len(field) < 22:
        msg = f"a stat line of {len(field)} fields"
        raise ValueError(msg)
    return Stat(
        comm=raw[raw.index(b"(") + 1 : end],
        state=field[0][0],
        ppid=int(field[1]),
        flags=int(field[6]),
        minor_faults=int(field[7]),
        major_faults=int(field[9]),
        utime=int(field[11]),
        stime=int(field[12]),
        nice=int(field[16]),
        threads=int(field[17]),
        start_tick=int(field[19]),
        vms=int(field[20]),
        rss_pages=int(field[21]),
    )


def parse_io(raw: bytes) -> tuple[int, int]:
    """`/proc/<pid>/io`: bytes read from and written to storage.

    Raises:
        ValueError, IndexError: not such a table.
    """
    field = raw.split(None, 12)
    return int(field[9]), int(field[11])


@dataclass(frozen=True, slots=True)
class Status:
    """The part of `/proc/<pid>/status` that stat lacks; -1 where the kernel does not say."""

    uid: int
    ctx_voluntary: int
    ctx_involuntary: int


def parse_status(raw: bytes) -> Status:
    """`/proc/<pid>/status`. The name's newlines are escaped there by the kernel, so a line's start is a line's start."""
    return Status(
        _after(raw, b"\nUid:\t"),
        _after(raw, b"\nvoluntary_ctxt_switches:\t"),
        _after(raw, b"\nnonvoluntary_ctxt_switches:\t"),
    )


def parse_cpu_limit(raw: bytes) -> int | None:
    """The seconds of CPU time after which the kernel kills it, of `/proc/<pid>/limits`; None if it is not limited."""
    hard = raw.partition(b"\nMax cpu time ")[2].split(b"\n", 1)[0].split()[1:2]
    return int(hard[0]) if hard and hard[0].isdigit() else None


def _after(raw: bytes, key: bytes) -> int:
    """The number behind a key, up to white space; -1 without it."""
    start = raw.find(key)
    if start < 0:
        return -1
    start += len(key)
    word = raw[start : start + 20].split(None, 1)
    return int(word[0]) if word and word[0].isdigit() else -1


def parse_cgroup(raw: bytes) -> str | None:
    """`/proc/<pid>/cgroup`: the unified path, else the longest of the old controllers' paths; None for the root."""
    best = b""
    for line in raw.splitlines():
        _, _, rest = line.partition(b":")
        controllers, _, path = rest.partition(b":")
        if not controllers and path not in (b"", b"/"):
            return decode(path)
        if len(path) > max(len(best), 1):
            best = path
    return decode(best) or None


def parse_keyed(raw: bytes) -> dict[bytes, int]:
    """Lines of `key: number kB` as in `/proc/meminfo`, in bytes where the unit is kB."""
    table = {}
    for line in raw.splitlines():
        key, _, rest = line.partition(b":")
        words = rest.split()
        if words and words[0].isdigit():
            table[key] = int(words[0]) * (1024 if words[-1] == b"kB" else 1)
    return table


def parse_pressure(raw: bytes) -> dict[bytes, int]:
    """`/proc/pressure/*`: total stall in microseconds, by `some` and `full`."""
    table = {}
    for line in raw.splitlines():
        kind, _, rest = line.partition(b" ")
        _, found, total = rest.rpartition(b"total=")
        if found and total.isdigit():
            table[kind] = int(total)
    return table


@dataclass(frozen=True, slots=True)
class ProcStat:
    """`/proc/stat`: CPU times of all cores together and of each, and its lines of one number (`ctxt`, `procs_running`, …) by name."""

    total: CpuTimes
    cores: list[CpuTimes]
    numbers: dict[bytes, int]


def parse_proc_stat(raw: bytes) -> ProcStat:
    """`/proc/stat`.

    Raises:
        ValueError: no line for all cores together.
    """
    total: CpuTimes | None = None
    cores: list[CpuTimes] = []
    numbers: dict[bytes, int] = {}
    for line in raw.splitlines():
        key, _, rest = line.partition(b" ")
        if key.startswith(b"cpu"):
            values = [int(word) for word in rest.split()[:8]]
            times = CpuTimes(*values, *[0] * (8 - len(values)))
            if key == b"cpu":
                total = times
            else:
                cores.append(times)
        elif rest.isdigit():
            numbers[key] = int(rest)
    if total is None:
        raise ValueError("/proc/stat without a cpu line")
    return ProcStat(total, cores, numbers)


def parse_diskstats(raw: bytes) -> dict[str, DeviceCounters]:
    """`/proc/diskstats`, by device name; a sector there is always 512 bytes."""
    table = {}
    for line in raw.splitlines():
        field = line.split()
        if len(field) >= 13:
            table[decode(field[2])] = DeviceCounters(
                int(field[5]) * 512, int(field[9]) * 512, int(field[3]), int(field[7]), busy_ms=int(field[12])
            )
    return table


def parse_net_dev(raw: bytes) -> dict[str, DeviceCounters]:
    """`/proc/net/dev`, by interface name: received counts as read, sent as written, packets as operations."""
    table = {}
    for line in raw.splitlines():
        name, found, rest = line.rpartition(b":")
        field = rest.split()
        if found and len(field) >= 11:
            received, packets_in, errors_in = (int(word) for word in field[:3])
            sent, packets_out, errors_out = (int(word) for word in field[8:11])
            table[decode(name.strip())] = DeviceCounters(
                received, sent, packets_in, packets_out, errors=errors_in + errors_out
            )
    return table


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of `/proc/self/mounts`."""

    device: str
    path: str
    fstype: str


def parse_mounts(raw: bytes) -> list[Mount]:
    """`/proc/self/mounts`, with the kernel's octal escapes (a space is 040) undone."""
    mounts = []
    for line in raw.splitlines():
        field = [_OCTAL.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), word) for word in line.split(b" ")]
        if len(field) >= 3:
            mounts.append(Mount(decode(field[0]), field[1].decode("utf-8", "surrogateescape"), decode(field[2])))
    return mounts


def decode(raw: bytes) -> str:
    """Text of unknown origin; what is not UTF-8 becomes U+FFFD."""
    return raw.decode("utf-8", "replace")
