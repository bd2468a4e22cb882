"""Netlink's process connector: the kernel tells of every program that begins and every process that ends.

A life of a millisecond is seen whole: its program when it begins (what `/proc` says at that moment), its exit code when it
ends. Needs the machine's own name spaces, and on older kernels the right to administer the network.

Sources: linux/cn_proc.h, linux/connector.h; Documentation/driver-api/connector.rst and networking/filter.rst.
"""

import errno
import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from monitor.core.member import ENVIRONMENT_READ, member_of
from monitor.lifecycle.exits import Exit, Program, nobody_listens
from monitor.lifecycle.netlink import attach_filter, make_room

_NETLINK_CONNECTOR: Final = 11
_CN_IDX_PROC: Final = 1
_LISTEN: Final = 1
_ANSWER: Final = 0x0
_EXEC: Final = 0x2
_EXIT: Final = 0x8000_0000
_HEADER: Final = struct.Struct("=IIQ")
_HEADER_AT: Final = 36
"""Behind the headers of netlink (16 bytes) and of the connector (20): kind, CPU, monotonic nanoseconds."""
_PID: Final = struct.Struct("=II")
_ENDED: Final = struct.Struct("=IIIIII")
_DATA_AT: Final = 52
_ANSWER_S: Final = 0.5
_BATCH: Final = 4_096
_SHARE: Final = 0.03
_BURST_S: Final = 0.1
_REST_S: Final = 0.005
"""The reader answers at once while it has CPU time left: a share of a core, saved up for a burst of some hundred processes.
In a longer storm it rests between batches; then it still tells every exit, but may come too late to see a program."""
MOST_WAITING: Final = 100_000
CMDLINE_READ: Final = 65_536


class ProcConnector:
    """Reads the connector in a thread of its own.

    Raises:
        OSError: this kernel, name space or user gets no process events.
    """

    name = "connector"
    pending = False

    def __init__(self) -> None:
        self.lost = 0
        self.on_exit: Callable[[], None] = nobody_listens
        self._told = False
        self._lock = threading.Lock()
        self._programs: dict[int, Program] = {}
        self._exits: deque[Exit] = deque(maxlen=MOST_WAITING)
        self._closed = False
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_CONNECTOR)
        try:
            self._listen()
        except OSError:
            self._socket.close()
            raise
        threading.Thread(target=self._run, name="exits", daemon=True).start()

    def watch(self, pid: int) -> None:
        """Nothing to do: every process is told."""

    def drain(self) -> list[Exit]:
        """See `ExitSource`. The kernel queues an exit about when the process disappears from `/proc`, mostly before: `Ends` looks again."""
        with self._lock:
            if not self._closed:
                self._read()
            found = list(self._exits)
            self._exits.clear()
            self._told = False
        return found

    def close(self) -> None:
        """See `ExitSource`."""
        with self._lock:
            self._closed = True
            self._socket.close()

    def _listen(self) -> None:
        make_room(self._socket)
        self._socket.bind((0, _CN_IDX_PROC))
        _only_what_counts(self._socket)
        wish = struct.pack("=I", _LISTEN)
        message = struct.pack("=IIIIHH", _CN_IDX_PROC, 1, 0, 0, len(wish), 0) + wish
        self._socket.send(struct.pack("=IHHII", 16 + len(message), 3, 0, 0, os.getpid()) + message)
        self._socket.setblocking(False)
        if not select.select([self._socket], [], [], _ANSWER_S)[0]:  # in another name space nobody answers
            raise OSError(errno.EOPNOTSUPP, "no process events")

    def _run(self) -> None:
        saved, counted, used = _BURST_S, time.monotonic(), time.thread_time()
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        while not self._closed:
            try:
                waiting.poll(1_000)
                with self._lock:
                    if self._closed:
                        return
                    self._read()
                    news = bool(self._exits) and not self._told
                    self._told = self._told or news
            except (OSError, ValueError):  # closed meanwhile
                return
            if news:
                self.on_exit()
            now, spent = time.monotonic(), time.thread_time()
            saved = min(saved + (now - counted) * _SHARE, _BURST_S) - (spent - used)
            counted, used = now, spent
            if saved <= 0:
                time.sleep(_REST_S)

    def _read(self) -> None:
        """Take what waits in the socket. The lock is held."""
        receive = self._socket.recv
        for _ in range(_BATCH):
            try:
                message = receive(4_096)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost += 1
                continue
            if len(message) >= _DATA_AT + _PID.size:
                self._note(message)

    def _note(self, message: bytes) -> None:
        kind, _, at = _HEADER.unpack_from(message, _HEADER_AT)
        if kind == _EXIT and len(message) >= _DATA_AT + _ENDED.size:
            pid, group, status, _, _, parent = _ENDED.unpack_from(message, _DATA_AT)
            if pid == group:  # not of a thread
                program = self._programs.pop(pid, None) or _program(pid, at)
                self._exits.append(Exit(pid, at, status, program, parent))
        elif kind == _EXEC:
            pid = _PID.unpack_from(message, _DATA_AT)[1]
            self._programs[pid] = _program(pid, at) or Program(at)


def _only_what_counts(to: socket.socket) -> None:
    """Let the kernel drop what is of no use before it wakes the reader: births of processes, and the ends of threads.

    Raises:
        OSError: this kernel has no socket filters.
    """
    swapped = [struct.unpack(">I", struct.pack("=I", kind))[0] for kind in (_ANSWER, _EXEC, _EXIT)]
    load, equal, equal_x, to_x, end = 0x20, 0x15, 0x1D, 0x07, 0x06  # BPF_LD|W|ABS, JMP|JEQ|K, JMP|JEQ|X, MISC|TAX, RET
    program = [
        (load, 0, 0, _HEADER_AT),
        (equal, 7, 0, swapped[0]),
        (equal, 6, 0, swapped[1]),
        (equal, 0, 4, swapped[2]),
        (load, 0, 0, _DATA_AT),
        (to_x, 0, 0, 0),
        (load, 0, 0, _DATA_AT + 4),
        (equal_x, 1, 0, 0),
        (end, 0, 0, 0),
        (end, 0, 0, 0xFFFF_FFFF),
    ]
    attach_filter(to, program)


def _program(pid: int, at: int) -> Program | None:
    """The process as it is now; None if it is gone."""
    try:
        stat = _file(f"/proc/{pid}/stat", 1_024)
        cmdline = _file(f"/proc/{pid}/cmdline", CMDLINE_READ)
        cgroup = _file(f"/proc/{pid}/cgroup", 4_096)
        cwd = os.readlink(f"/proc/{pid}/cwd".encode())  # noqa: PTH115 - bytes: a path may be any
        uid = os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116 - two objects less for each process of the machine
    except OSError:
        return None
    member = member_of(_environment(pid), lambda: _environment(int(stat[stat.rindex(b")") + 4 :].split(b" ", 1)[0])))
    return Program(at, stat, cmdline, uid, cgroup, cwd, member)


def _environment(pid: int) -> bytes:
    """What it began its program with; empty where that may not be read."""
    try:
        return _file(f"/proc/{pid}/environ", ENVIRONMENT_READ)
    except OSError:
        return b""


def _file(path: str, limit: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, limit)
    finally:
        os.close(fd)
