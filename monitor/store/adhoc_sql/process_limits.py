"""Limits of this process, held by the kernel: they hold inside a single call of the engine, which nothing can interrupt."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Final

NICE: Final = 5
"""Lower priority than the agent: a query must not delay a sample."""


def limit_process() -> None:
    """Write no file and no core dump, and let others go first."""
    if sys.platform == "win32":
        return
    import resource

    for what in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(what, (0, 0))
    with contextlib.suppress(OSError):  # some containers do not allow it
        os.nice(NICE)


def limit_data(most_bytes: int) -> None:
    """Let this process allocate `most_bytes` in all. Linux holds it to that; elsewhere the parent watches."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, resource.RLIM_INFINITY))


def data_bytes() -> int:
    """What this process has allocated, bytes, as the kernel counts it for its limit; 0 where it does not say."""
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_bytes().split()[5]) * os.sysconf("SC_PAGE_SIZE")
