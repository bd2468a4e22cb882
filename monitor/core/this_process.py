"""What a process does to itself: end together with its parent or by a signal, open more files, leave out a module that it can do without, and
import without collecting garbage.
"""

import functools
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Final

USUAL: Final = gc.get_threshold()[0]
LOADING: Final = 50_000
"""Objects after which the young ones are looked over: some MB, if all of them were garbage."""
MOST_FILES: Final = 1 << 16
AHEAD: Final = 10
"""By how much a thread is nicer to itself while somebody waits for it."""


def end_with_parent(parent: int, end: Callable[[], None], *, interval_s: float = 0.2) -> threading.Thread:
    """Call `end` once, from another thread, when the process `parent` is no longer our parent.

    With pidfds the thread sleeps until then. On systems without them it checks a few times a second.
    """
    thread = threading.Thread(target=_watch, args=(parent, end, interval_s), name="parent", daemon=True)
    thread.start()
    return thread


def _watch(parent: int, end: Callable[[], None], interval_s: float) -> None:
    if hasattr(os, "pidfd_open"):
        import select

        try:
            descriptor = os.pidfd_open(parent)
        except OSError:  # the parent has ended already, or this kernel is too old
            descriptor = -1
        if descriptor >= 0:
            if os.getppid() == parent:
                select.select([descriptor], [], [])
            os.close(descriptor)
            end()
            return
    while os.getppid() == parent:
        time.sleep(interval_s)
    end()


def boot_id() -> str:
    """The kernel's name for this boot; empty where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def pid_namespace() -> int | None:
    """The number of the PID namespace that this process counts in; None where there is none."""
    try:
        return int(os.readlink("/proc/self/ns/pid").strip("pid:[]"))  # noqa: PTH115 - no path
    except (OSError, ValueError):
        return None


def keep_standard_streams() -> None:
    """Give a process that was started without standard streams (`<&- >&- 2>&-`) ones that lead nowhere.

    The next file that it opens would get their number, and the store would get what is meant for a terminal.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - they are there until the end
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def open_more_files() -> int | None:
    """Raise the limit of open files as far as that is allowed; answers the limit before, which programs of others are to be given. None where there is none.

    A program that waits with `select` breaks with descriptors above 1,024, so a higher limit is for those who know what they do.
    """
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return soft


@contextmanager
def ahead() -> Iterator[None]:
    """What this thread does here is short, and somebody waits for it: where that is allowed, it goes before programs of usual priority."""
    if sys.platform != "linux" or not _may_go_ahead():
        yield
        return
    thread = threading.get_native_id()
    before = os.getpriority(os.PRIO_PROCESS, thread)
    os.setpriority(os.PRIO_PROCESS, thread, before - AHEAD)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, thread, before)


@functools.cache
def _may_go_ahead() -> bool:
    """Whether this process may raise priorities: root, and whom a limit allows it."""
    thread = threading.get_native_id()
    before = os.getpriority(os.PRIO_PROCESS, thread)
    try:
        os.setpriority(os.PRIO_PROCESS, thread, before - AHEAD)
    except PermissionError:
        return False
    os.setpriority(os.PRIO_PROCESS, thread, before)
    return True


def begin_loading() -> None:
    """Collect garbage seldom from now on, until `end_loading`.

    Imports make hundreds of thousands of objects that all stay. To look them over again and again took a sixth of an agent's start.
    """
    gc.set_threshold(LOADING, *gc.get_threshold()[1:])


def end_loading() -> None:
    """Collect garbage as usual again, without looking at what is loaded: that stays until the end of the process."""
    gc.freeze()
    gc.set_threshold(USUAL, *gc.get_threshold()[1:])


class _Without(MetaPathFinder):
    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """Refuse the one module."""
        if fullname == self._name:
            raise ModuleNotFoundError(f"{fullname} is left out of this process", name=fullname)
        return None


def without(module: str) -> None:
    """Make `import module` fail in this process.

    pyarrow, for example, imports pandas when it converts its first list, if pandas is installed. That takes a second and 60 MB,
    and pyarrow works as well without it.
    """
    if module not in sys.modules:
        sys.meta_path.insert(0, _Without(module))


def ending_signals() -> list[signal.Signals]:
    """The signals that stop a program: SIGTERM, Ctrl-C, and the end of the terminal unless it is ignored (`nohup`)."""
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:
        return [signal.SIGTERM, signal.SIGINT]
    return [signal.SIGTERM, signal.SIGINT, hangup]
