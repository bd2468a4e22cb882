"""Addresses: how to reach the agent of a data directory (`agent.json`, which the agent writes), and what counts as loopback."""

import ipaddress
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from monitor.core.errors import AgentUnreachable
from monitor.core.paths import DataFiles, socket_path


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An agent's address: a Unix socket or, on platforms without them, a loopback port and a token."""

    pid: int | None
    socket: str | None
    url: str | None = None
    token: str | None = None
    launcher: int | None = None
    """The process that starts the agent again when it ends; None without one."""
    started: int | None = None
    """When the process `pid` began, in clock ticks since the boot: another one may have its number later. None where nobody can tell."""
    launcher_started: int | None = None

    @property
    def name(self) -> str:
        """The address as a person reads it."""
        return self.socket or self.url or "nowhere"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that every request needs."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def read_endpoint(data_dir: Path, environ: Mapping[str, str] | None = None) -> Endpoint:
    """The address of the agent of `data_dir`; without an `agent.json` that says it, the default one.

    Raises:
        AgentUnreachable: the file cannot be read.
    """
    known = None
    try:
        found = json.loads(DataFiles(data_dir).endpoint.read_text("utf-8"))
        own = {name: found.get(name) for name in ("pid", "socket", "url", "token", "started")}
        launcher, launcher_started = _launcher(data_dir)
        known = Endpoint(**own, launcher=launcher, launcher_started=launcher_started)
    except (FileNotFoundError, ValueError, AttributeError):  # none, or what a crash or another program left of it
        pass
    except OSError as error:
        raise AgentUnreachable(
            f"{DataFiles(data_dir).endpoint} cannot be read: {error}",
            hint="check that the data directory belongs to you",
        ) from error
    if known is not None and (known.socket or known.url):
        return known
    return Endpoint(None, str(socket_path(data_dir, os.environ if environ is None else environ)))


def _launcher(data_dir: Path) -> tuple[int | None, int | None]:
    """The launcher that restarts the agent of this data directory, and when it began; None without one."""
    try:
        board = json.loads(DataFiles(data_dir).dashboard.read_text("utf-8"))
        found = board.get("launcher") if board.get("restarts_agent") else None
    except (OSError, ValueError, AttributeError):  # no dashboard, or one that is just being started
        return None, None
    return (found, board.get("launcher_started")) if isinstance(found, int) else (None, None)


def start_tick_of(pid: int) -> int | None:
    """When a process began, in clock ticks since the boot; None if it is gone or a zombie, or where nobody can tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if not fields or fields[0] in {b"X", b"Z"} else int(fields[19])


def alive(pid: int, started: int | None = None) -> bool:
    """Whether a process with this pid exists and is no zombie; with `started` (see `start_tick_of`) whether it is the one that began then."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    if not Path("/proc/self").exists():
        return True
    at = start_tick_of(pid)
    return at is not None and started in {None, at}


def write_private(path: Path, value: Mapping[str, object]) -> None:
    """Replace a small JSON file in one step, with mode 0600 from the start. Of threads that write it at once one comes last."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            json.dump(value, out)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def write_endpoint(data_dir: Path, endpoint: Endpoint) -> None:
    """Write the agent's address."""
    write_private(DataFiles(data_dir).endpoint, asdict(endpoint))


def is_loopback(host: str) -> bool:
    """True for 127.0.0.0/8, ::1 and localhost. Any other name counts as reachable from other machines."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
