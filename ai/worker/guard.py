"""What a worker does first, so that it can neither outlive its parent nor take the machine with it."""

import ctypes
import json
import os
import resource
import signal
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, Final

from ai.worker.messages import BEAT_S, WorkerConfig

_PR_SET_PDEATHSIG: Final = 1
_OOM_SCORE: Final = "500"
"""When the kernel must end something, a worker is the one to go: it can be started again."""


class Link:
    """The worker's side of the pipes. Messages go out whole: beats and results come from different threads."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def say(self, **message: Any) -> None:
        """One message; without a reader left, the worker ends."""
        try:
            with self._lock:
                self._out.write(json.dumps(message).encode() + b"\n")
                self._out.flush()
        except (BrokenPipeError, ValueError):
            os._exit(0)

    def beat_for_ever(self) -> None:
        """Signs of life, until the process ends."""
        while True:
            self.say(t="beat")
            time.sleep(BEAT_S)


def own_output() -> BinaryIO:
    """The pipe to the parent, out of reach of libraries that print: their standard output becomes standard error."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(pipe, "wb")


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however it ends (Linux)."""
    if not Path("/proc/self/stat").exists():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call above
        os._exit(0)


def watch_input() -> None:
    """End when standard input does: the second way to notice that the parent is gone."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(0)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


def limit(config: WorkerConfig) -> None:
    """Bounds on memory, no core dumps, first in line for the kernel's out-of-memory killer."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if config.data_limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (config.data_limit, config.data_limit))
    if config.nice:
        os.nice(config.nice)
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text(_OOM_SCORE)
