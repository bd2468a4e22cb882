"""Ollama servers that run on this machine, found by their processes and listening sockets, on whatever port.

A server of another user (a system service) hides its sockets; the kernel still lists which user listens where, and the ports of
that user are asked. Nothing but loopback is ever asked.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil

_NAME: Final = "ollama"
_NOT_SERVERS: Final = frozenset(
    {"runner", "run", "pull", "push", "show", "list", "ls", "ps", "cp", "rm", "create", "stop"}
)
_LISTENING: Final = "0A"
_MOST_PORTS: Final = 8
_NET: Final = Path("/proc/net")


def ollama_addresses(net: Path = _NET) -> list[str]:
    """The loopback addresses of Ollama servers here, most likely first. Reads `/proc`: some tens of milliseconds."""
    found: dict[str, None] = {}
    hidden: set[int] = set()
    for process in _servers():
        try:
            sockets = process.net_connections("tcp")
        except psutil.Error:
            hidden |= _user_of(process)
            continue
        found |= {
            f"http://{reachable(c.laddr.ip)}:{c.laddr.port}": None
            for c in sockets
            if c.status == psutil.CONN_LISTEN and c.laddr
        }
    ports = sorted(port for uid, port in listening(net) if uid in hidden)[:_MOST_PORTS]
    return list(found | {f"http://127.0.0.1:{port}": None for port in ports})


def _servers() -> Iterator[psutil.Process]:
    """Processes that may be such a server: neither its command line client nor the children that run its models."""
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                name = process.name()
                if not name.lower().startswith(_NAME) or not is_ollama(name, process.cmdline()):
                    continue
        except psutil.Error:
            continue  # it ended meanwhile
        yield process


def is_ollama(name: str, words: Sequence[str]) -> bool:
    """Whether a process may be such a server, by the kernel's name of it and its command line."""
    if words[1:2] and words[1] in _NOT_SERVERS:
        return False
    if name.lower().removesuffix(".exe") == _NAME:
        return True
    # a service may run under a longer name, such as ollama-linux-amd64
    return name.lower().startswith(_NAME) and bool(words) and Path(words[0]).name.lower().startswith(_NAME)


def _user_of(process: psutil.Process) -> set[int]:
    """The user of a process that hides its sockets; the superuser listens for too many to be asked about all."""
    try:
        return {process.uids().effective} - {0, os.getuid() if hasattr(os, "getuid") else 0}
    except psutil.Error:
        return set()


def listening(net: Path = _NET) -> Iterator[tuple[int, int]]:
    """(user, port) of every listening TCP socket that loopback reaches, as Linux lists them; nothing elsewhere."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (net / name).read_text(encoding="ascii").splitlines()[1:]
        except (OSError, UnicodeDecodeError):
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 7 and fields[3] == _LISTENING and ":" in fields[1] and fields[7].isdigit():
                address, _, port = fields[1].rpartition(":")
                if _is_loopback(address):
                    yield int(fields[7]), int(port, 16)


def _is_loopback(address: str) -> bool:
    """Of the kernel's hexadecimal addresses: loopback, or any; one of IPv4 within IPv6 too."""
    if not address.strip("0") or address == "00000000000000000000000001000000":
        return True
    return address.removeprefix("0000000000000000FFFF0000")[8:] == "" and address.endswith("7F")


def reachable(ip: str) -> str:
    """The address to connect to for one that is listened on."""
    if ip in {"0.0.0.0", "::", ""}:  # noqa: S104 - what is listened on, made what to connect to
        return "127.0.0.1"
    bare = ip.removeprefix("::ffff:")
    return f"[{bare}]" if ":" in bare else bare
