"""What a running process is connected to, in the shape of the API."""

from dataclasses import asdict
from typing import Final

from monitor.api_models.processes import Connection, Connections
from monitor.core.paths import own_uid
from monitor.lifecycle.sockets import LISTENING, Sockets, sockets_of

SECONDS: Final = 2.0
"""A machine may have a hundred thousand connections; what is not read by then is said to be missing."""
MOST: Final = 500
BY_CONNECTION: Final = (
    "Bytes are those of open TCP connections. What UDP and closed connections moved cannot be known for one process without the"
    " right to trace the kernel."
)
UNKNOWN: Final = (
    "Bytes of the network cannot be known for this process: the kernel counts them by connection in Watchkeeper's own network"
    " only, and by process only for those who may trace it."
)
REFUSED: Final = "The connections of this process may be read by its user and by root only. Run Watchkeeper as one of them to see them."
REFUSED_TO_ROOT: Final = "The kernel shows the connections of this process to nobody here: it has rights that Watchkeeper, though root, does not have."
LATE: Final = "There are so many connections on this machine that not all could be read in time."


def connections_of(pid: int, start_tick: int) -> Connections | None:
    """The connections of a process; None if it has ended."""
    sockets = sockets_of(pid, start_tick, seconds=SECONDS)
    return None if sockets is None else shaped(sockets, own_uid())


def shaped(sockets: Sockets, uid: int) -> Connections:
    """The sockets of a process as the API tells them to this user."""
    rows = [Connection(**asdict(one)) for one in sorted(sockets.found, key=lambda one: (one.remote or "", one.local))]
    listening = [one for one in rows if one.remote is None and one.state == LISTENING]
    connected = [one for one in rows if one.remote is not None]
    return Connections(
        listening=listening[:MOST],
        connections=connected[:MOST],
        total=len(listening) + len(connected),
        local_sockets=sockets.local_sockets,
        note=(REFUSED if uid else REFUSED_TO_ROOT) if sockets.refused else LATE if sockets.late else None,
        traffic=BY_CONNECTION if sockets.bytes_known else UNKNOWN,
    )
