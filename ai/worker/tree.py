"""A worker and all it started: what they hold, whether it is stopped, and their end."""

import contextlib
import os
import signal
import sys
from typing import Final

import psutil

MARK: Final = "WATCHKEEPER_WORKER"
"""A variable in the environment of a worker, and so of all its descendants."""
_LINUX: Final = sys.platform == "linux"
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def tree_rss(pid: int) -> int:
    """Resident bytes of a process and its descendants, 0 when it is gone. Read four times a second while a worker runs, so it has to be cheap."""
    return sum(map(_rss, _family(pid)))


def _rss(pid: int) -> int:
    if not _LINUX:
        try:
            return int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return 0  # it ended meanwhile
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0


def _family(pid: int) -> list[int]:
    """A process and its descendants. The kernel's own lists are read where it keeps them: psutil looks at every process of the machine."""
    if not os.access(f"/proc/{pid}/task/{pid}/children", os.R_OK):
        try:
            return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        except psutil.Error:
            return [pid]
    found = [pid]
    for member in found:  # it grows meanwhile
        found += [child for child in _children(member) if child not in found]
    return found


def _children(pid: int) -> list[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - a Path for each of them costs more than reading it
    except OSError:
        return []  # it ended meanwhile
    return [int(child) for task in tasks for child in _read(f"/proc/{pid}/task/{task}/children").split()]


def _read(path: str) -> bytes:
    """A small file of `/proc`; empty when it is gone."""
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            return os.read(file, 65_536)
        finally:
            os.close(file)
    except OSError:
        return b""


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped (SIGSTOP, a debugger): it will not answer."""
    try:
        return psutil.Process(pid).status() in {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP}
    except psutil.Error:
        return False


def kill_tree(pid: int) -> None:
    """SIGKILL for the group and for descendants that left it. The caller knows that `pid` is not reaped yet."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        children = []
    with contextlib.suppress(
        ProcessLookupError, PermissionError
    ):  # gone, or (macOS) a zombie: both are what was wanted
        os.killpg(pid, signal.SIGKILL)
    for child in children:
        try:
            child.kill()
        except psutil.Error:
            continue


def kill_strays(mark: str) -> None:
    """Ends what a crashed worker left in sessions of its own: the mark in the environment goes to all its descendants."""
    for _ in range(3):
        strays = [process for process in psutil.process_iter() if _is_marked(process, mark)]
        for process in strays:
            with contextlib.suppress(psutil.Error):
                process.kill()  # psutil checks that it is still the same process
        if not strays:
            return


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return bool(process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, OSError):
        return False  # another user's, or gone
