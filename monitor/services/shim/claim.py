"""The claim of a shim on its service: two agents with one settings file, and a data directory each, would else run every service twice.

It is a socket in the kernel's own name space of them: whoever binds the name first has it, and it is free when that process is gone, however it ended.
"""

import contextlib
import errno
import os
import socket
import struct
import time

PREFIX = "\0watchkeeper-service-"
ELSEWHERE = "it runs already"
"""How the reason begins."""
ENDING_S = 2.0
"""How long a shim of the same folder may take to be gone: its lock is free a moment before its sockets are."""
PAUSE_S = 0.01
CREDENTIALS = struct.Struct("3i")


class Elsewhere(Exception):
    """A shim of another data directory runs this service; says so in words."""


class Claim:
    """The claim of this process on a service.

    Args:
        name: of the service, its settings file and its user; empty: nothing is claimed.
        folder: the service's folder.

    Raises:
        Elsewhere: another folder's shim has it.
    """

    def __init__(self, name: str, folder: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) if name else None
        deadline = time.monotonic() + ENDING_S
        while self._socket is not None and not self._bound(PREFIX + name):
            pid, user = _holder(PREFIX + name)
            if pid and user != os.getuid():
                self.close()  # somebody took the name to keep this user's service from running; the lock of the folder still holds
                return
            other = _folder_of(pid)
            if (other != folder and other) or time.monotonic() > deadline:
                self.close()
                raise Elsewhere(_words(pid, other))
            time.sleep(PAUSE_S)

    def _bound(self, address: str) -> bool:
        """Whether nobody else has it."""
        if self._socket is None:
            return True
        try:
            self._socket.bind(address)
            self._socket.listen()
            self._socket.setblocking(False)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            self.close()  # a system without such names; the lock of the folder still holds
        return True

    def fileno(self) -> int:
        """To be waited for; -1 without a claim."""
        return -1 if self._socket is None else self._socket.fileno()

    def asked(self) -> None:
        """Somebody asks whose this is, which the kernel tells."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.accept()[0].close()

    def close(self) -> None:
        """Give the service free."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _holder(address: str) -> tuple[int, int]:
    """The process that has a name, and its user; a process of 0 if it is gone meanwhile, or cannot be asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(address)
            told = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        except OSError:
            return 0, 0
    pid, user, _group = CREDENTIALS.unpack(told)
    return pid, user


def _folder_of(pid: int) -> str:
    """The folder that a shim works in; empty if that cannot be known."""
    try:
        return os.readlink(f"/proc/{pid}/cwd") if pid else ""
    except OSError:
        return ""


def _words(pid: int, folder: str) -> str:
    """Who has it, and what to do."""
    where = f" for the data directory {os.path.dirname(os.path.dirname(folder))}" if folder else ""
    who = f", kept by process {pid}{where}" if pid else ""
    return f"{ELSEWHERE}{who}. Stop it there first, or give this agent a settings file of its own (--config)"
