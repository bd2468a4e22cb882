"""What rarely changes about a process, read from `/proc` when it starts and after an exec."""

import os
from collections import Counter
from dataclasses import dataclass
from typing import Final

from logs.redaction.masker import Masker
from monitor.core.member import ENVIRONMENT_READ, member_of
from monitor.lifecycle.exits import Program
from monitor.metrics.messages import HostInfo, RunInfo, run_key
from monitor.sampling.linux.parse import PF_KTHREAD, Stat, decode, parse_cgroup, parse_stat
from monitor.sampling.linux.procfiles import is_gone, read_file, reason
from monitor.sampling.linux.users import Users

CMDLINE_READ: Final = 65_536
CMDLINE_KEPT: Final = 4_096


def show_cmdline(raw: bytes, masker: Masker) -> tuple[str, bool]:
    """A NUL-separated command line as masked text of at most `CMDLINE_KEPT` characters, and whether it was cut.

    Secrets are masked before the cut, so that none is left half visible at its end.
    """
    cut = len(raw) >= CMDLINE_READ
    words = decode(raw.rstrip(b"\0 ")).split("\0")
    text = masker.mask_cmdline(words)
    return text[:CMDLINE_KEPT], cut or len(text) > CMDLINE_KEPT


@dataclass(frozen=True, slots=True)
class Describer:
    """Creates the `RunInfo` of a process from its files.

    Args:
        root: the directory of process tables, `/proc`.
        host: the machine and boot all runs belong to.
        users: names of users.
        masker: hides secrets of command lines.
        errors: counts what could not be read.
    """

    root: str
    host: HostInfo
    users: Users
    masker: Masker
    errors: Counter[str]

    def key(self, pid: int, start_tick: int) -> int:
        """The run's number."""
        return run_key(self.host.host, self.host.boot_id, pid, start_tick)

    def read_cmdline(self, pid: int) -> bytes:
        """The raw command line; empty for kernel threads, zombies and unreadable processes."""
        try:
            return read_file(f"{self.root}/{pid}/cmdline", CMDLINE_READ)
        except OSError as error:
            self._count("cmdline", error)
            return b""

    def now(self, pid: int) -> RunInfo | None:
        """A process of which nothing is known yet; None when it is gone, or a zombie."""
        try:
            stat = parse_stat(read_file(f"{self.root}/{pid}/stat", 1_024))
            uid = os.stat(f"{self.root}/{pid}").st_uid  # noqa: PTH116 - as in the sweep
        except (OSError, ValueError, IndexError):
            return None
        return None if stat.state in b"ZX" else self.describe(pid, stat, uid, self.read_cmdline(pid))

    def describe(self, pid: int, stat: Stat, uid: int, cmdline: bytes, *, gone: Program | None = None) -> RunInfo:
        """The run as it is now. Unreadable fields are None or empty, and so are those to be read of one that is gone.

        Args:
            pid: its number.
            stat: its stat line.
            uid: its user.
            cmdline: its command line, raw.
            gone: what was read of it before it was gone: nothing more can be.
        """
        text, cut = show_cmdline(cmdline, self.masker) if cmdline else ("", False)
        kernel = bool(stat.flags & PF_KTHREAD)
        started = self.host.boot_ts + stat.start_tick * 1_000_000 // self.host.clock_tick_hz
        return RunInfo(
            run=self.key(pid, stat.start_tick),
            pid=pid,
            start_tick=stat.start_tick,
            ppid=stat.ppid,
            uid=uid,
            user=self.users.name(uid),
            name=decode(stat.comm),
            cmdline=text,
            exe=None if kernel or gone else self._link(pid, "exe"),
            cgroup=parse_cgroup(gone.cgroup) if gone else self._cgroup(pid),
            start_ts=started,
            kernel_thread=kernel,
            cmdline_truncated=cut,
            cwd=None if kernel else (decode(gone.cwd) or None) if gone else self._link(pid, "cwd"),
            member=None if kernel else gone.member if gone else self._member(pid, stat.ppid),
        )

    def _member(self, pid: int, parent: int) -> str | None:
        return member_of(self._environment(pid), lambda: self._environment(parent))

    def _environment(self, pid: int) -> bytes:
        """Empty where it may not be read, as that of other users' processes: that is no fault."""
        try:
            return read_file(f"{self.root}/{pid}/environ", ENVIRONMENT_READ)
        except OSError:
            return b""

    def _link(self, pid: int, name: str) -> str | None:
        try:
            return decode(os.readlink(f"{self.root}/{pid}/{name}".encode()))  # noqa: PTH115 - bytes: a path may be any
        except OSError as error:
            self._count(name, error)
            return None

    def _cgroup(self, pid: int) -> str | None:
        try:
            return parse_cgroup(read_file(f"{self.root}/{pid}/cgroup", 8_192))
        except OSError as error:
            self._count("cgroup", error)
            return None

    def _count(self, what: str, error: OSError) -> None:
        if not is_gone(error):
            self.errors[reason(what, error)] += 1
