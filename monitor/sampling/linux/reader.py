"""The reader for Linux. It reads `/proc` and `/sys` directly, with files that stay open."""

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from logs.redaction.masker import Masker
from monitor.core.cgroups import own_limits, whose_totals
from monitor.core.units import unit_of
from monitor.lifecycle.choose import open_exits, open_usage
from monitor.metrics.catalogue import HostReading
from monitor.metrics.messages import HostInfo
from monitor.sampling.core.reader import Soon, Sweep, nothing_waits
from monitor.sampling.linux.describe import Describer
from monitor.sampling.linux.host import HostTable
from monitor.sampling.linux.parse import decode, parse_cgroup, parse_keyed
from monitor.sampling.linux.processes import ProcTable
from monitor.sampling.linux.procfiles import KeptFiles, read_file
from monitor.sampling.linux.users import Users

_USERS_EVERY = 10
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
"""Files that Docker and Podman put into their containers."""


def host_info(root: str = "/proc") -> HostInfo:
    """This machine and this boot of it.

    The boot's time is the wall clock less `CLOCK_BOOTTIME` at this moment: it is exact where `btime` is whole seconds.
    """
    system = os.uname()
    boot_id = decode(read_file(f"{root}/sys/kernel/random/boot_id", 128)).strip()
    memory = parse_keyed(read_file(f"{root}/meminfo"))
    mem_total, cpu_count = memory.get(b"MemTotal", 0), os.cpu_count() or 1
    cgroup = _own_cgroup(root)
    unit = unit_of(cgroup)
    container = (unit is not None and unit.kind == "container") or any(Path(mark).exists() for mark in _CONTAINER_MARKS)
    return HostInfo(
        host=system.nodename,
        boot_id=boot_id,
        boot_ts=(time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 1000,
        kernel=system.release,
        platform=f"{system.sysname} {system.machine}",
        cpu_count=cpu_count,
        mem_total=mem_total,
        clock_tick_hz=os.sysconf("SC_CLK_TCK"),
        totals=whose_totals(own_limits(cgroup), container=container, mem_total=mem_total, cpu_count=cpu_count),
    )


def _own_cgroup(root: str) -> str | None:
    """The control group that we are in; None where the kernel has none."""
    try:
        return parse_cgroup(read_file(f"{root}/self/cgroup", 8_192))
    except OSError:
        return None


class ProcfsReader:
    """Implements `reader.Reader` on `/proc` and `/sys`.

    Args:
        masker: hides secrets of command lines.
        max_files: descriptors to keep open at most; None takes what the system allows.
        root: where process tables are; another directory only in tests.
        sys: where devices are.
    """

    name = "procfs"

    def __init__(self, masker: Masker, *, max_files: int | None = None, root: str = "/proc", sys: str = "/sys") -> None:
        self.errors: Counter[str] = Counter()
        self.info = host_info(root)
        files = KeptFiles(max_files)
        self._users = Users()
        self._host = HostTable(files, self.errors, root=root, sys=sys)
        describer = Describer(root, self.info, self._users, masker, self.errors)
        exits = open_exits(files.reserve) if root == "/proc" else None
        self.exits = "poll" if exits is None else exits.name
        used = open_usage() if root == "/proc" else None
        self.usage = "sweep" if used is None else used.name
        self._processes = ProcTable(describer, self.errors, files, root=root, exits=exits, used=used)
        self._sweeps = 0

    def read_host(self, mono_ns: int) -> HostReading:
        """See `reader.Reader`."""
        return self._host.read(mono_ns)

    def sweep(self, mono_ns: int, give_way: Callable[[], None] = nothing_waits, /) -> Sweep:
        """See `reader.Reader`."""
        self._sweeps += 1
        if self._sweeps % _USERS_EVERY == 0:
            self._users.refresh()
        return self._processes.sweep(mono_ns, give_way)

    def listen(self, on_end: Callable[[], None]) -> None:
        """See `reader.Reader`."""
        self._processes.listen(on_end)

    def ended(self) -> Soon:
        """See `reader.Reader`."""
        return self._processes.ended()

    def close(self) -> None:
        """See `reader.Reader`."""
        self._host.close()
        self._processes.close()
