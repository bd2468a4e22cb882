"""A worker and all it started: what they hold, whether it is stopped, and their end."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Final

import psutil

MARK: Final = "WATCHKEEPER_WORKER"
"""A variable in the environment of a worker, and so of all its descendants."""


def tree_rss(pid: int) -> int:
    """Resident bytes of a process and its descendants, 0 when it is gone."""
    total = 0
    for member in _family(pid):
        try:
            total += psutil.Process(member).memory_info().rss
        except psutil.Error:
            continue  # it ended meanwhile
    return total


def _family(pid: int) -> list[int]:
    """A process and its descendants. The kernel's own lists are read where it keeps them: psutil looks at every process of the machine."""
    if not Path(f"/proc/{pid}/task/{pid}/children").exists():
        try:
            return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        except psutil.Error:
            return [pid]
    found = [pid]
    for member in found:  # it grows meanwhile
        found += [child for child in _children(member) if child not in found]
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        with os.scandir(f"/proc/{pid}/task") as tasks:
            for task in tasks:
                children += map(int, Path(task.path, "children").read_text(encoding="ascii").split())
    except OSError:
        return children  # it ended meanwhile
    return children


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
