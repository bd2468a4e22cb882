"""Actions on processes: signals and priorities, never for another process than the one that was meant.

A process is named by its pid and the tick of its start. A descriptor holds the process before its tick is looked at, and takes the signal:
if the pid belongs to another process by then, nothing is sent.
"""

import os
import select
import signal
from pathlib import Path
from typing import Final

from monitor.core.endpoint import start_tick_of
from monitor.core.errors import ActionRefused

SIGNALS: Final = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "STOP", "CONT", "WINCH", "KILL")
"""Signals that a person may send."""
LOWEST, HIGHEST = -20, 19
_GONE: Final = "has ended meanwhile"


def send_signal(pid: int, start_tick: int, name: str) -> None:
    """Send a signal, such as `TERM`, to one process.

    Raises:
        ActionRefused: the process has ended, belongs to another user, or this system has no descriptors of processes.
    """
    number = signal.Signals[f"SIG{name}"]
    descriptor = _held(pid, start_tick)
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError as error:
        raise ActionRefused(f"process {pid} {_GONE}") from error
    except PermissionError as error:
        raise _not_ours(pid) from error
    finally:
        os.close(descriptor)


def renice(pid: int, start_tick: int, nice: int) -> None:
    """Set the priority of one process: -20 (the most CPU time) to 19.

    The kernel sets priorities by pid only, so the descriptor is asked afterwards whether the process was still there.

    Raises:
        ActionRefused: as `send_signal`; or a higher priority needs rights that the agent has not.
    """
    descriptor = _held(pid, start_tick)
    try:
        os.setpriority(os.PRIO_PROCESS, pid, nice)
        ended, _, _ = select.select([descriptor], [], [], 0)
        if ended:
            raise ActionRefused(f"process {pid} {_GONE}")
    except ProcessLookupError as error:
        raise ActionRefused(f"process {pid} {_GONE}") from error
    except PermissionError as error:
        if _uid(pid) == os.geteuid():
            raise ActionRefused(
                "a higher priority than before needs more rights",
                hint="choose a larger number, or run the agent as root",
            ) from error
        raise _not_ours(pid) from error
    finally:
        os.close(descriptor)


def _held(pid: int, start_tick: int) -> int:
    """A descriptor of the process."""
    if not hasattr(os, "pidfd_open"):
        raise ActionRefused("actions on processes need Linux", hint="use the task manager of this system")
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError as error:
        raise ActionRefused(f"process {pid} {_GONE}") from error
    except OSError as error:
        raise ActionRefused(f"process {pid} cannot be reached: {error.strerror}", hint="Linux 5.3 is needed") from error
    if start_tick_of(pid) != start_tick:
        os.close(descriptor)
        raise ActionRefused(f"process {pid} {_GONE}")
    return descriptor


def _not_ours(pid: int) -> ActionRefused:
    return ActionRefused(
        f"process {pid} belongs to another user",
        hint="the agent may act on processes of its own user only, unless it is root",
    )


def _uid(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None
