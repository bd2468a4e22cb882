"""What each process used in its whole life, told by the kernel at its end (taskstats): also of one that lived for a millisecond.

Needs the machine's own name spaces and the right to administer the network, and Linux 5.19. Without it, what the last sweep read is
all that is known. The record of a process is queued before its end is told by the process connector, so that reading both in turn
misses none.

Sources: linux/taskstats.h, kernel/taskstats.c, kernel/tsacct.c; Documentation/accounting/taskstats.rst.
"""

import errno
import os
import socket
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from monitor.lifecycle.netlink import attach_filter, make_room

_NETLINK_GENERIC: Final = 16
_HEADER: Final = struct.Struct("=IHHII")
_GENERIC: Final = struct.Struct("=BBH")
_ATTRIBUTE: Final = struct.Struct("=HH")
_BODY_AT: Final = _HEADER.size + _GENERIC.size
_CONTROL: Final = 0x10
_GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 3, 1, 2
_GET, _ASK_PID, _REGISTER = 1, 1, 3
_STATS, _OF_TASK, _OF_PROCESS = 3, 4, 5
_REQUEST, _REQUEST_ACK, _ERROR = 1, 5, 2
_LEAST_VERSION: Final = 12
"""The first that says which record is that of a process's last thread."""
_LAST_OF_PROCESS: Final = 0x20
_FLAG_AT: Final = 8
_CPU_NS: Final = struct.Struct("=72xQ")
_NAME: Final = struct.Struct("=80x32s")
_UID: Final = struct.Struct("=120xI")
_PID: Final = struct.Struct("=128xI")
_TIMES: Final = struct.Struct("=152xQQ")
_PEAK_KIB: Final = struct.Struct("=200xQ")
_IO: Final = struct.Struct("=248xQQ")
_PROCESS: Final = struct.Struct("=368xIxxxxQ")
_NEEDED: Final = 384
_STATS_AT: Final = _BODY_AT + 16
"""Where the record of a task begins, where nothing is inserted to align it."""
_MOST_READ: Final = 20_000
MOST_KEPT: Final = 20_000
"""Records of processes whose end nobody has told yet."""
NEAR_S: Final = 1.0
"""A record is that of a life if both lasted equally long, give or take this: the pid may have had other lives."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process used in its life. `read_bytes` and `write_bytes` are None of one with several threads: the kernel tells only the last one's.

    Attributes:
        cpu_s: CPU time of all its threads.
        peak_rss: its greatest resident memory, bytes.
        read_bytes: from block devices.
        write_bytes: to block devices.
        lived_s: how long it lived, not counting the machine's sleep.
        name: of its program at its end, as in `stat`.
        uid: its user; -1 if unknown.
    """

    cpu_s: float
    peak_rss: int
    read_bytes: int | None
    write_bytes: int | None
    lived_s: float
    name: bytes = b""
    uid: int = -1


class UsageSource(Protocol):
    """Tells what processes used in their lives."""

    lost: int
    """How often the kernel had to drop records because they were not read in time."""

    def take(self, pid: int, lived_s: float) -> Usage | None:
        """The record of a life that is over, once; None without one.

        Args:
            pid: its number.
            lived_s: how long it lived: a record of another life of that number is left.
        """
        ...

    def read(self) -> None:
        """Take all records that wait."""
        ...

    def close(self) -> None:
        """Stop; idempotent."""
        ...


class Taskstats:
    """Reads the records when asked. Use it on one thread.

    Raises:
        OSError: this kernel, name space or user gets none.
    """

    name = "taskstats"

    def __init__(self) -> None:
        self.lost = 0
        self._kept: OrderedDict[int, list[Usage]] = OrderedDict()
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_GENERIC)
        try:
            self._listen()
        except OSError:
            self._socket.close()
            raise

    def take(self, pid: int, lived_s: float) -> Usage | None:
        """See `UsageSource`."""
        kept = self._kept.get(pid, [])
        near = min(kept, key=lambda one: abs(one.lived_s - lived_s), default=None)
        if near is None or abs(near.lived_s - lived_s) > NEAR_S:
            return None
        kept.remove(near)
        if not kept:
            del self._kept[pid]
        return near

    def read(self) -> None:
        """See `UsageSource`."""
        for _ in range(_MOST_READ):
            try:
                message = self._socket.recv(8_192)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost += 1
                continue
            self._note(message)

    def close(self) -> None:
        """See `UsageSource`."""
        self._socket.close()

    def _listen(self) -> None:
        make_room(self._socket)
        self._socket.bind((0, 0))
        self._socket.settimeout(1.0)
        name = self._asked(_CONTROL, _GET_FAMILY, _attribute(_FAMILY_NAME, b"TASKSTATS\0"))
        family = next((struct.unpack_from("=H", name, at)[0] for kind, at, _ in _attributes(name, _BODY_AT, len(name)) if kind == _FAMILY_ID), None)  # fmt: skip
        if family is None:
            raise OSError(errno.EOPNOTSUPP, "no taskstats")
        own = self._asked(family, _GET, _attribute(_ASK_PID, struct.pack("=I", os.getpid())))
        at = _stats_in(own, _OF_TASK)
        if at is None or struct.unpack_from("=H", own, at)[0] < _LEAST_VERSION:
            raise OSError(errno.EOPNOTSUPP, "taskstats of an older kernel")
        _only_processes(self._socket)
        cpus = Path("/sys/devices/system/cpu/possible").read_text("ascii").strip().encode() + b"\0"
        self._asked(family, _GET, _attribute(_REGISTER, cpus), _REQUEST_ACK)
        self._socket.setblocking(False)

    def _asked(self, family: int, command: int, attributes: bytes, flags: int = _REQUEST) -> bytes:
        """The kernel's answer.

        Raises:
            OSError: it refused.
        """
        body = _GENERIC.pack(command, 1, 0) + attributes
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), family, flags, 1, 0) + body)
        answer = self._socket.recv(8_192)
        if _HEADER.unpack_from(answer)[1] == _ERROR:
            code = -struct.unpack_from("=i", answer, _HEADER.size)[0]
            if code:
                raise OSError(code, os.strerror(code))
        return answer

    def _note(self, message: bytes) -> None:
        at = _stats_in(message, _OF_TASK)
        if at is None or len(message) < at + _NEEDED or not message[at + _FLAG_AT] & _LAST_OF_PROCESS:
            return
        whole = _stats_in(message, _OF_PROCESS)
        group, lived_us = _PROCESS.unpack_from(message, at)
        pid = group or _PID.unpack_from(message, at)[0]
        read, written = _IO.unpack_from(message, at) if whole is None else (None, None)
        usage = Usage(
            cpu_s=_cpu_s(message, at if whole is None else whole),
            peak_rss=_PEAK_KIB.unpack_from(message, at)[0] << 10,
            read_bytes=read,
            write_bytes=written,
            lived_s=lived_us / 1e6,
            name=_NAME.unpack_from(message, at)[0].partition(b"\0")[0],
            uid=_UID.unpack_from(message, at)[0],
        )
        self._kept.setdefault(pid, []).append(usage)
        self._kept.move_to_end(pid)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def _cpu_s(message: bytes, at: int) -> float:
    """The time that the scheduler measured; without that, what the ticks of the clock counted."""
    exact: int = _CPU_NS.unpack_from(message, at)[0]
    user, system = _TIMES.unpack_from(message, at)
    return exact / 1e9 if exact else float(user + system) / 1e6


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _attributes(message: bytes, begin: int, end: int) -> list[tuple[int, int, int]]:
    """Kind, begin and end of the value of each attribute between two places of a message."""
    found: list[tuple[int, int, int]] = []
    while begin + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(message, begin)
        if length < _ATTRIBUTE.size or begin + length > end:
            break
        found.append((kind & 0x3FFF, begin + _ATTRIBUTE.size, begin + length))
        begin += (length + 3) & ~3
    return found


def _stats_in(message: bytes, wanted: int) -> int | None:
    """Where the figures of a task, or of a whole process, begin."""
    for kind, begin, end in _attributes(message, _BODY_AT, len(message)):
        if kind == wanted:
            return next((at for inner, at, _ in _attributes(message, begin, end) if inner == _STATS), None)
    return None


def _only_processes(to: socket.socket) -> None:
    """Let the kernel drop the records of threads, unless its messages are laid out in another way: then they are dropped here.

    Raises:
        OSError: this kernel has no socket filters.
    """
    half, byte, equal, any_of, end = 0x28, 0x30, 0x15, 0x45, 0x06  # BPF_LD|H|ABS, LD|B|ABS, JMP|JEQ|K, JMP|JSET|K, RET
    stats = struct.unpack(">H", struct.pack("=H", _STATS))[0]
    program = [
        (half, 0, 0, _STATS_AT - 2),
        (equal, 0, 2, stats),
        (byte, 0, 0, _STATS_AT + _FLAG_AT),
        (any_of, 0, 1, _LAST_OF_PROCESS),
        (end, 0, 0, 0xFFFF_FFFF),
        (end, 0, 0, 0),
    ]
    attach_filter(to, program)
