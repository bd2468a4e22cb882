"""The processes below one: found by the kernel's lists of children, signalled so that no other process is hit."""

import os
import signal


def start_tick(pid: int, *, ended: bool = False) -> int | None:
    """When a process began, in clock ticks since the boot; None if it is gone or, unless `ended` ones count, a zombie. With the pid it names one process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if not fields or (fields[0] in {b"X", b"Z"} and not ended) else int(fields[19])


def descendants(root: int, *, without: int = 0) -> list[int]:
    """All processes below `root`, parents before their children, without zombies, and without the process `without` and those below it."""
    found: list[int] = []
    waiting = [root]
    while waiting:
        for child in _children(waiting.pop()):
            if child == without:
                continue  # in one walk: what it starts meanwhile is never seen
            if start_tick(child) is not None:
                found.append(child)
            waiting.append(child)
    return found


def send(pid: int, number: int) -> bool:
    """Send a signal to a process that is below this one; returns whether it was there.

    A direct child that has ended stays a zombie until this process asks for it, so its pid names no other. For all others the parents are looked at
    again once a descriptor holds the process.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not _is_below(pid, os.getpid()):
            return False
        signal.pidfd_send_signal(descriptor, number)
    except (ProcessLookupError, PermissionError):  # a process with more rights is not ours to end
        return False
    finally:
        os.close(descriptor)
    return True


def _is_below(pid: int, root: int) -> bool:
    for _ in range(1000):
        parent = _parent(pid)
        if parent in {0, root}:
            return parent == root
        pid = parent
    return False


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _children(pid: int) -> list[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found = []
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children", "rb") as children:
                found += [int(child) for child in children.read().split()]
        except FileNotFoundError:
            if os.path.exists("/proc/self/task") and not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
                return _children_by_parent(pid)  # a kernel without these lists
        except OSError:
            continue
    return found


def _children_by_parent(pid: int) -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(int(name)) == pid]
