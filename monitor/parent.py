"""Children that do not outlive the process that started them, however it ended."""

import os
import threading
import time
from collections.abc import Callable


def end_with_parent(parent: int, end: Callable[[], None], *, interval_s: float = 0.2) -> threading.Thread:
    """Call `end` once when the process `parent` is no longer our parent; from a thread of its own.

    Where the system has pidfds the thread sleeps until then; elsewhere it looks a few times a second.
    """
    thread = threading.Thread(target=_watch, args=(parent, end, interval_s), name="parent", daemon=True)
    thread.start()
    return thread


def _watch(parent: int, end: Callable[[], None], interval_s: float) -> None:
    if hasattr(os, "pidfd_open"):
        import select

        try:
            descriptor = os.pidfd_open(parent)
        except OSError:  # it is gone already, or this kernel is too old to tell
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
