"""What is running here: the agent and the dashboard of a data directory, and which port is free. Nothing here starts or stops anything."""

import errno
import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from monitor.client.client import Client
from monitor.core.endpoint import alive
from monitor.core.errors import AgentError, AgentUnreachable, ConfigError
from monitor.core.paths import DataFiles


def agent_pid(data_dir: Path) -> int | None:
    """The pid of the agent that answers for this data directory; None if none does."""
    try:
        with Client.of(data_dir, timeout_s=2) as client:
            pid = client.get_json("/v1/status")["agent"]["pid"]
    except (AgentUnreachable, AgentError):
        return None
    return int(pid)


def read_dashboard(data_dir: Path) -> dict[str, Any] | None:
    """`{"pid", "started", "url"}` of the running dashboard; None if there is none. `started` is that of `start_tick_of`."""
    board = read_json(DataFiles(data_dir).dashboard)
    if board is None or not isinstance(board.get("pid"), int) or not alive(board["pid"], board.get("started")):
        return None
    return {name: board.get(name) for name in ("pid", "started", "url")}


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None if there is none, or no object in it."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def healthy(url: str) -> bool:
    """Whether a dashboard answers at `url`."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def free_port(host: str, port: int) -> int:
    """The port to use: the given one, or a free one for 0.

    Raises:
        ConfigError: the port is in use, or the address does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"port {port} of {host} is in use by another program",
                    hint=f"choose another port: watchkeeper --port {port + 1 if port < 65535 else 0} (0 picks a free one)",
                ) from error
            raise ConfigError(
                f"cannot listen on {host}:{port}: {error.strerror or error}", hint="use 127.0.0.1, or a port above 1023"
            ) from error
        return int(probe.getsockname()[1])
