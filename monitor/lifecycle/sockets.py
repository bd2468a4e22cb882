"""The connections and listening ports of one process, read when somebody asks.

On Linux the sockets that the process holds are found among its descriptors, and in the tables of its own network namespace, so a container's
are right too. Bytes of open TCP connections come from the kernel's socket diagnosis, which needs no rights but answers for our own namespace
only. Elsewhere psutil tells the same without bytes.
"""

import errno
import ipaddress
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from monitor.core.endpoint import start_tick_of

TABLES: Final = ("tcp", "tcp6", "udp", "udp6")
STATES: Final = (
    "",
    *("established", "connecting", "accepting", "closing", "closing", "waiting", "closed", "waiting for close"),
    *("closing", "listening", "closing", "accepting"),
)
"""The kernel's numbers of the states of TCP, in words."""
LISTENING: Final = "listening"
_NETLINK_DIAG: Final = 4
_DIAG_BY_FAMILY: Final = 20
_DUMP: Final = 0x301
_DONE, _ERROR, _INFO = 3, 2, 2
_HEADER: Final = struct.Struct("=IHHII")
_REQUEST: Final = struct.Struct("=BBBxI48s")
_MESSAGE: Final = struct.Struct("=4s48sIIIII")
_BYTES: Final = struct.Struct("=128xQ64xQQ")
"""Of `struct tcp_info`, since Linux 4.19: bytes received, sent, and of these sent again."""
_ROWS_A_LOOK: Final = 512
"""Rows between two looks at the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """One socket. `protocol` is tcp or udp; an address is `10.0.0.1:80` or `[::1]:80`; bytes are None where they are not known."""

    protocol: str
    local: str
    remote: str | None
    state: str
    sent_bytes: int | None = None
    received_bytes: int | None = None


@dataclass(slots=True, kw_only=True)
class Sockets:
    """What was found. `refused`: the system did not let us look; `late`: the time was over before all were read."""

    found: list[Socket] = field(default_factory=list)
    local_sockets: int = 0
    refused: bool = False
    late: bool = False
    bytes_known: bool = False


def sockets_of(pid: int, start_tick: int, *, seconds: float) -> Sockets | None:
    """The sockets of a process; None if it has ended, or another one has its pid.

    Args:
        pid: the process.
        start_tick: when it began, in clock ticks since the boot.
        seconds: at most so long.
    """
    deadline = time.monotonic() + seconds
    read = _linux if sys.platform == "linux" else _portable
    try:
        found = read(pid, deadline)
    except (ProcessLookupError, FileNotFoundError, psutil.NoSuchProcess):
        return None
    if sys.platform == "linux" and start_tick_of(pid) != start_tick:
        return None
    return found


def _linux(pid: int, deadline: float) -> Sockets:
    try:
        inodes = _held(pid)
    except PermissionError:
        return Sockets(refused=True)
    found = Sockets()
    if not inodes:
        return found
    moved = _moved(deadline) if _same_network(pid) else None
    found.bytes_known = moved is not None
    seen = 0
    for table in TABLES:
        for inode, one in _rows(pid, table):
            seen += 1
            if seen % _ROWS_A_LOOK == 0 and time.monotonic() > deadline:
                found.late = True
                return found
            if inode in inodes:
                inodes.discard(inode)
                sent, received = (moved or {}).get(inode, (None, None))
                known = (
                    one
                    if sent is None
                    else Socket(
                        protocol=one.protocol,
                        local=one.local,
                        remote=one.remote,
                        state=one.state,
                        sent_bytes=sent,
                        received_bytes=received,
                    )
                )
                found.found.append(known)
    found.local_sockets = len(inodes)
    return found


def _held(pid: int) -> set[int]:
    """The sockets among the descriptors of a process.

    Raises:
        PermissionError: we may not look at them.
        ProcessLookupError, FileNotFoundError: it has ended.
    """
    inodes = set()
    with os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            try:
                target = os.readlink(entry.path)  # noqa: PTH115 - thousands of them
            except OSError as error:
                if error.errno in {errno.ENOENT, errno.ESRCH}:  # it was closed meanwhile
                    continue
                raise
            if target.startswith("socket:["):
                inodes.add(int(target[8:-1]))
    return inodes


def _same_network(pid: int) -> bool:
    """Whether the process is in our network namespace."""
    try:
        return Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
    except OSError:
        return False


def _rows(pid: int, table: str) -> Iterator[tuple[int, Socket]]:
    """The rows of a table of the network namespace of a process, each with its inode. A kernel without IPv6 has fewer tables."""
    try:
        lines = Path(f"/proc/{pid}/net/{table}").open("rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        if not Path(f"/proc/{pid}").exists():
            raise
        return
    with lines:
        next(lines, None)
        for line in lines:
            words = line.split(None, 10)
            state = int(words[3], 16)
            protocol = table[:3]
            local, remote = _address(words[1]), _address(words[2])
            connected = not remote.endswith(":0")
            word = (
                STATES[state] if protocol == "tcp" and state < len(STATES) else "connected" if connected else LISTENING
            )
            yield (
                int(words[9]),
                Socket(protocol=protocol, local=local, remote=remote if connected else None, state=word),
            )


def _address(word: bytes) -> str:
    """`0100007F:1F90` as `127.0.0.1:8080`: words of 32 bits in the order of the machine."""
    digits, _, port = word.partition(b":")
    raw = bytes.fromhex(digits.decode())
    swapped = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4)) if sys.byteorder == "little" else raw
    ip = ipaddress.ip_address(swapped)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return f"[{ip}]:{int(port, 16)}" if isinstance(ip, ipaddress.IPv6Address) else f"{ip}:{int(port, 16)}"


def _moved(deadline: float) -> dict[int, tuple[int, int]] | None:
    """By inode, the bytes that each TCP connection of our namespace sent and received; None if the kernel does not tell."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_DIAG) as link:
            return {
                inode: moved
                for family in (socket.AF_INET, socket.AF_INET6)
                for inode, moved in _dump(link, family, deadline)
            }
    except OSError:
        return None


def _dump(link: socket.socket, family: int, deadline: float) -> Iterator[tuple[int, tuple[int, int]]]:
    """All TCP sockets of a family.

    Raises:
        OSError: the kernel refuses, or does not answer in time.
    """
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0xFFF, b"")
    link.send(_HEADER.pack(_HEADER.size + len(body), _DIAG_BY_FAMILY, _DUMP, 0, 0) + body)
    while True:
        link.settimeout(max(0.01, deadline - time.monotonic()))
        data = memoryview(link.recv(1 << 16))
        while len(data) >= _HEADER.size:
            length, kind, *_ = _HEADER.unpack_from(data)
            if kind == _DONE:
                return
            if kind == _ERROR:
                raise OSError(errno.EOPNOTSUPP, "no socket diagnosis")
            yield from _told(data[_HEADER.size : length])
            data = data[(length + 3) & ~3 :]


def _told(message: memoryview) -> Iterator[tuple[int, tuple[int, int]]]:
    """The inode of a socket and its bytes, if the message has them."""
    inode = _MESSAGE.unpack_from(message)[-1]
    rest = message[_MESSAGE.size :]
    while len(rest) >= 4:
        length, kind = struct.unpack_from("=HH", rest)
        if kind == _INFO and length >= 4 + _BYTES.size:
            received, sent, again = _BYTES.unpack_from(rest, 4)
            yield inode, (sent - again, received)
        rest = rest[max(4, (length + 3) & ~3) :]


def _portable(pid: int, deadline: float) -> Sockets:  # noqa: ARG001 - one call that cannot be cut short
    try:
        rows = psutil.Process(pid).net_connections("inet")
    except psutil.AccessDenied:
        return Sockets(refused=True)
    return Sockets(
        found=[
            Socket(
                protocol="tcp" if row.type == socket.SOCK_STREAM else "udp",
                local=_pair(row.laddr) or "",
                remote=_pair(row.raddr),
                state=LISTENING if row.status == psutil.CONN_LISTEN or not _pair(row.raddr) else row.status.lower(),
            )
            for row in rows
        ]
    )


def _pair(address: tuple[object, ...]) -> str | None:
    """An address of psutil, which is empty where there is none."""
    return f"{address[0]}:{address[1]}" if address else None
