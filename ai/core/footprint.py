"""What an engine's processes hold in memory, measured; and which process serves an address on this machine."""

import asyncio
import ipaddress
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import psutil

from ai.core.types import Figure, MemoryReport

_PEAK: Final = "VmHWM:"


def is_local(url: str) -> bool:
    """Whether the address is this machine's loopback; what is no address is not."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening_pid(url: str) -> int | None:
    """The process that listens at a loopback address, as far as this user may know; else None."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if not is_local(url):
        return None
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return None
    found = [
        c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port and c.pid
    ]
    return found[0] if found else None


def memory_of(pid: int | None, note: str = "") -> MemoryReport:
    """Measured memory of a process and all it started; Ollama's runner, for example, is a child.

    Resident memory counts pages that two processes share twice. The peak is the sum of each process's own.
    """
    if pid is None:
        return MemoryReport(note=note or "Its processes cannot be seen from here.")
    rss = peak = 0
    pids = []
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return MemoryReport(note=note or "Its process is gone.")
    for process in family:
        try:
            own = process.memory_info().rss
        except psutil.Error:
            continue  # it ended meanwhile
        rss += own
        peak += max(_peak(process.pid), own)
        pids.append(process.pid)
    return MemoryReport(rss=Figure(rss, "measured"), peak=Figure(peak, "measured"), pids=tuple(pids), note=note)


def _peak(pid: int) -> int:
    """The most a process held so far, bytes; 0 where the platform does not say."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123
            for line in status:
                if line.startswith(_PEAK):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return 0
    return 0


async def is_working(pid_of: Callable[[], int | None], over_s: float = 0.5) -> bool:
    """Whether an engine's processes compute: more than half of a core over `over_s`. False where they cannot be seen.

    An engine that reads a long prompt is silent and busy; one that hangs is silent and idle.
    """

    def look(pid: int | None) -> tuple[int | None, float]:
        found = pid_of() if pid is None else pid
        return found, _cpu_s(found) if found is not None else 0.0

    pid, before = await asyncio.to_thread(look, None)
    if pid is None:
        return False
    begun = time.perf_counter()
    await asyncio.sleep(over_s)
    _, after = await asyncio.to_thread(look, pid)
    return after - before > 0.5 * (time.perf_counter() - begun)


def _cpu_s(pid: int) -> float:
    """CPU time of a process and all it started, seconds."""
    spent = 0.0
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return spent
    for process in family:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue  # it ended meanwhile
        spent += times.user + times.system
    return spent
