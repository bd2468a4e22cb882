"""Which process a connection comes from: its address → the kernel's socket number → the process that holds it.

The kernel is asked for the socket by netlink (some microseconds), or by `/proc/net/tcp`. The process is looked for on a thread: first among those that asked
before, then among all of the socket's user, the youngest first. Sockets of another user can be seen, the process that holds them cannot.
"""

import asyncio
import contextlib
import os
import socket
import struct
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

from ai.gateway.link.messages import Program

_SOCK_DIAG: Final = 4
_BY_FAMILY: Final = 20
_ALL_STATES: Final = 0xFFFFFFFF
_REMEMBERED: Final = 32
_MOST_WORDS: Final = 2048
_FEW_WORDS: Final = 6
_LONG_WORD: Final = 200
Address = tuple[str, int]
UNKNOWN: Final = Program()


class Peers:
    """Finds the processes behind connections. `close` ends its thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._netlink = _netlink()
        self._wanted: list[tuple[int, int, asyncio.Future[Program]]] = []
        self._recent: OrderedDict[int, None] = OrderedDict()
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def find(self, peer: Address, here: Address) -> "asyncio.Future[Program]":
        """The process at the other end of a connection on this machine; the future's program says as much as can be seen.

        Args:
            peer: its end.
            here: our end.
        """
        future: asyncio.Future[Program] = self._loop.create_future()
        found = self._socket(peer, here)
        if found is None or found[1] == 0 or not self._sees(found[0]):
            future.set_result(UNKNOWN if found is None else Program(uid=found[0]))
            return future
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="peers", daemon=True)
                self._thread.start()
            self._wanted.append((*found, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """End."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._netlink is not None:
            self._netlink.close()

    def _socket(self, peer: Address, here: Address) -> tuple[int, int] | None:
        """User and number of the socket at the other end."""
        try:
            if self._netlink is not None:
                return _ask_kernel(self._netlink, peer, here)
            return _read_table(peer, here)
        except (OSError, struct.error, ValueError):
            return None

    @staticmethod
    def _sees(uid: int) -> bool:
        """Whether this process may look into those of a user."""
        return os.geteuid() in {0, uid}

    def _look(self) -> None:
        """On a thread of its own: one search answers all that wait."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted or self._closing)
                if self._closing:
                    return
                wanted, self._wanted = self._wanted, []
            sockets = {f"socket:[{inode}]": uid for uid, inode, _ in wanted}
            found = self._holders(sockets)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(_tell, wanted, found)

    def _holders(self, sockets: dict[str, int]) -> dict[str, Program]:
        """The process that holds each of these sockets."""
        found: dict[str, Program] = {}
        for pid in self._candidates():
            if len(found) == len(sockets):
                break
            try:
                uid = os.stat(f"/proc/{pid}").st_uid
                if uid not in sockets.values():
                    continue
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(OSError):  # closed meanwhile
                        name = os.readlink(f"/proc/{pid}/fd/{fd}")
                        if name in sockets and name not in found and (program := _program(pid, uid)) is not None:
                            found[name] = program
                            self._remember(pid)
            except OSError:
                continue  # it ended, or is another user's
        return found

    def _candidates(self) -> list[int]:
        recent = [pid for pid in reversed(self._recent) if pid != os.getpid()]
        others = sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True)
        return [*recent, *(pid for pid in others if pid not in self._recent and pid != os.getpid())]

    def _remember(self, pid: int) -> None:
        self._recent[pid] = None
        self._recent.move_to_end(pid)
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)


def _tell(wanted: "list[tuple[int, int, asyncio.Future[Program]]]", found: dict[str, Program]) -> None:
    for uid, inode, future in wanted:
        if not future.done():
            future.set_result(found.get(f"socket:[{inode}]", Program(uid=uid)))


def _program(pid: int, uid: int) -> Program | None:
    """Name and start of a process; None when it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = _first_words(file.read(_MOST_WORDS))
    except OSError:
        return None
    name, _, rest = stat.partition(b"(")[2].rpartition(b") ")
    return Program(pid, int(rest.split()[19]), name.decode("utf-8", "replace"), words, uid)


def _first_words(cmdline: bytes) -> str:
    """The words that name a program: what it is given to work on comes behind them, and code or text among them ends them."""
    found: list[str] = []
    for word in cmdline.decode("utf-8", "replace").split("\0")[:_FEW_WORDS]:
        if len(word) > _LONG_WORD or any(c.isspace() or c in "{}" for c in word):
            break
        found.append(word)
    return " ".join(found)


def _netlink() -> socket.socket | None:
    """A socket that answers which user and number a TCP socket has; None where the kernel does not offer that."""
    if sys.platform != "linux":
        return None
    try:
        found = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _SOCK_DIAG)
        found.settimeout(0.2)
    except OSError:
        return None
    return found


def _ask_kernel(netlink: socket.socket, peer: Address, here: Address) -> tuple[int, int] | None:
    """`inet_diag` for exactly one socket: the other end's, whose own address is `peer`.

    Raises:
        OSError: the kernel does not answer.
    """
    source, target = (socket.inet_aton(ip) + bytes(12) for ip, _ in (peer, here))
    identity = struct.pack("!HH16s16s", peer[1], here[1], source, target) + struct.pack(
        "=III", 0, 0xFFFFFFFF, 0xFFFFFFFF
    )
    asked = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ALL_STATES) + identity
    netlink.send(struct.pack("=IHHII", 16 + len(asked), _BY_FAMILY, 1, 1, 0) + asked)
    answer = netlink.recv(4096)
    kind = struct.unpack_from("=H", answer, 4)[0]
    if kind != _BY_FAMILY:
        return None
    uid, inode = struct.unpack_from("=II", answer, 16 + 4 + 48 + 12)
    return uid, inode


def _read_table(peer: Address, here: Address) -> tuple[int, int] | None:
    """The same from `/proc/net/tcp`.

    Raises:
        OSError: there is none.
    """
    source, target = (
        f"{int.from_bytes(socket.inet_aton(ip), sys.byteorder):08X}:{port:04X}" for ip, port in (peer, here)
    )
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1:3] == [source, target]:
            return int(fields[7]), int(fields[9])
    return None
