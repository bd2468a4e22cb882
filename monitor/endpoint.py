"""How to reach the running agent of a data directory: `agent.json`, written by the agent and read by everyone else."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from monitor.errors import AgentUnreachable
from monitor.paths import DataFiles, socket_path


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An agent's address: a Unix socket, or (where the platform has none) a loopback port and the token it asks for."""

    pid: int | None
    socket: str | None
    url: str | None = None
    token: str | None = None

    @property
    def name(self) -> str:
        """The address as a person reads it."""
        return self.socket or self.url or "nowhere"

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def read_endpoint(data_dir: Path, environ: Mapping[str, str] | None = None) -> Endpoint:
    """The address of the agent of `data_dir`; where none is written, the usual one.

    Raises:
        AgentUnreachable: the file cannot be read.
    """
    try:
        found = json.loads(DataFiles(data_dir).endpoint.read_text("utf-8"))
        return Endpoint(found.get("pid"), found.get("socket"), found.get("url"), found.get("token"))
    except FileNotFoundError:
        return Endpoint(None, str(socket_path(data_dir, os.environ if environ is None else environ)))
    except (OSError, ValueError, AttributeError) as error:
        raise AgentUnreachable(
            f"{DataFiles(data_dir).endpoint} cannot be read: {error}", hint="is the data directory yours?"
        ) from error


def write_private(path: Path, value: Mapping[str, object]) -> None:
    """Replace a small JSON file in one step; its mode is 0600 from the start."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(value, out)
    temporary.replace(path)


def write_endpoint(data_dir: Path, endpoint: Endpoint) -> None:
    """Say where the agent is."""
    write_private(DataFiles(data_dir).endpoint, asdict(endpoint))
