"""Descriptors of processes: they become readable at the end of a process, and tell how it ended (since Linux 6.15).

Works without rights and in containers, for the processes that were known before they ended.

Source: linux/pidfd.h.
"""

import os
import select
import struct
import threading
import time
from collections.abc import Callable
from typing import Final

from monitor.lifecycle.exits import Exit, nobody_listens

_GET_INFO: Final = 0xC040_FF0B
"""`PIDFD_GET_INFO` with the first size of its struct, which holds the exit code at its end."""
_INFO: Final = struct.Struct("=QQIIIIIIIIIIIi")
_WANTED: Final = 0x1 | 0x8
"""The pid and the exit code."""
_HAS_EXIT: Final = 0x8
_SOON_NS: Final = 1_000_000_000
"""Most parents ask for a child within this time."""


def exit_status(fd: int) -> int | None:
    """The wait status of the process behind a descriptor; None until its parent has asked for it.

    Raises:
        OSError: this kernel does not tell, or kept nothing.
    """
    import fcntl  # not on Windows

    info = bytearray(_INFO.size)
    struct.pack_into("=Q", info, 0, _WANTED)
    fcntl.ioctl(fd, _GET_INFO, info)
    mask, *_, status = _INFO.unpack(info)
    return int(status) if mask & _HAS_EXIT else None


class PidfdWatch:
    """Keeps a descriptor for each process, and waits for all of them in a thread.

    Args:
        limit: how many descriptors to keep at most; processes beyond are not watched.

    Raises:
        OSError: this kernel has no such descriptors.
    """

    name = "pidfd"

    def __init__(self, limit: int) -> None:
        self.lost = 0
        self.on_exit: Callable[[], None] = nobody_listens
        self._told = False
        self._limit = limit
        self._lock = threading.Lock()
        self._pids: dict[int, int] = {}
        self._ended: dict[int, tuple[int, int]] = {}
        self._closed = False
        os.close(os.pidfd_open(os.getpid()))
        self._ready = select.epoll()
        threading.Thread(target=self._run, name="exits", daemon=True).start()

    @property
    def pending(self) -> bool:
        """See `ExitSource`."""
        since = time.monotonic_ns() - _SOON_NS
        with self._lock:
            return any(at >= since for _, at in self._ended.values())

    def watch(self, pid: int) -> None:
        """See `ExitSource`."""
        if len(self._pids) + len(self._ended) >= self._limit:
            return
        try:
            fd = os.pidfd_open(pid)
        except OSError:  # it is gone, or there are too many files: the sweep sees its end
            return
        with self._lock:
            if self._closed:
                os.close(fd)
                return
            self._pids[fd] = pid
            self._ready.register(fd, select.EPOLLIN)

    def drain(self) -> list[Exit]:
        """See `ExitSource`. A zombie is told once its parent has asked for it: only then the kernel tells its code."""
        found: list[Exit] = []
        with self._lock:
            if self._closed:
                return found
            self._take()
            self._told = False
            for fd, (pid, at) in list(self._ended.items()):
                try:
                    status = exit_status(fd)
                    if status is None:
                        continue
                except OSError:  # an older kernel: the time is known, and the code perhaps from its last stat
                    status = None
                found.append(Exit(pid, at, status))
                del self._ended[fd]
                os.close(fd)
        return found

    def close(self) -> None:
        """See `ExitSource`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for fd in (*self._pids, *self._ended):
                os.close(fd)
            self._pids.clear()
            self._ended.clear()
            self._ready.close()

    def _run(self) -> None:
        while not self._closed:
            try:
                self._ready.poll(1.0)
                with self._lock:
                    if self._closed:
                        return
                    news = self._take() and not self._told
                    self._told = self._told or news
            except (OSError, ValueError):  # closed meanwhile
                return
            if news:
                self.on_exit()

    def _take(self) -> bool:
        """Note the processes that ended; answers whether there are any. The lock is held."""
        now, ended = time.monotonic_ns(), self._ready.poll(0.0)
        for fd, _ in ended:
            self._ready.unregister(fd)
            self._ended[fd] = (self._pids.pop(fd), now)
        return bool(ended)
