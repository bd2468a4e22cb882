"""The reader for Linux. It reads `/proc` and `/sys` directly, with files that stay open."""

import os
import time
from collections import Counter

from logs.redaction.masker import Masker
from monitor.lifecycle.choose import open_exits
from monitor.metrics.catalogue import HostReading
from monitor.metrics.messages import HostInfo
from monitor.sampling.core.reader import Sweep
from monitor.sampling.linux.describe import Describer
from monitor.sampling.linux.host import HostTable
from monitor.sampling.linux.parse import decode, parse_keyed
from monitor.sampling.linux.processes import ProcTable
from monitor.sampling.linux.procfiles import KeptFiles, read_file
from monitor.sampling.linux.users import Users

_USERS_EVERY = 10


def host_info(root: str = "/proc") -> HostInfo:
    """This machine and this boot of it.

    The boot's time is the wall clock less `CLOCK_BOOTTIME` at this moment: it is exact where `btime` is whole seconds.
    """
    system = os.uname()
    boot_id = decode(read_file(f"{root}/sys/kernel/random/boot_id", 128)).strip()
    memory = parse_keyed(read_file(f"{root}/meminfo"))
    return HostInfo(
        host=system.nodename,
        boot_id=boot_id,
        boot_ts=(time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 1000,
        kernel=system.release,
        platform=f"{system.sysname} {system.machine}",
        cpu_count=os.cpu_count() or 1,
        mem_total=memory.get(b"MemTotal", 0),
        clock_tick_hz=os.sysconf("SC_CLK_TCK"),
    )


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
        self._processes = ProcTable(describer, self.errors, files, root=root, exits=exits)
        self._sweeps = 0

    def read_host(self, mono_ns: int) -> HostReading:
        """See `reader.Reader`."""
        return self._host.read(mono_ns)

    def sweep(self, mono_ns: int) -> Sweep:
        """See `reader.Reader`."""
        self._sweeps += 1
        if self._sweeps % _USERS_EVERY == 0:
            self._users.refresh()
        return self._processes.sweep(mono_ns)

    def close(self) -> None:
        """See `reader.Reader`."""
        self._host.close()
        self._processes.close()
