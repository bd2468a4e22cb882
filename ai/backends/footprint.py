"""What an engine's processes hold in memory, measured; and which process serves an address on this machine."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

import psutil

from ai.types import Figure, MemoryReport

_PEAK: Final = "VmHWM:"


def is_local(url: str) -> bool:
    """Whether the address is this machine's loopback."""
    host = urlsplit(url).hostname or ""
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
