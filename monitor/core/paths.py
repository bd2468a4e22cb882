"""Where things are: the data directory, the settings file, the agent's socket.

The data directory is `--data-dir`, else `WATCHKEEPER_DATA_DIR`, else the platform's default (`~/.local/share/watchkeeper` on Linux).
It contains `agent.lock`, `agent.json` (how to reach the agent), `agent.sock`, `agent.log`, `dashboard.json`,
`jobs/` (what workers report) and the store.
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from monitor.core.errors import ConfigError

APP: Final = "watchkeeper"
MAX_SOCKET_PATH: Final = 100
"""In bytes. `sockaddr_un` has room for 108 on Linux and 104 elsewhere, including a final NUL."""

ROOT: Final = Path(__file__).resolve().parents[2]
"""The folder with `monitor/`, `logs/`, `ai/`, `pages/` and `app.py`. Child processes start here."""


def data_dir(option: Path | None, environ: Mapping[str, str]) -> Path:
    """The data directory in force, absolute; it need not exist yet."""
    chosen = option or (Path(environ["WATCHKEEPER_DATA_DIR"]) if environ.get("WATCHKEEPER_DATA_DIR") else None)
    return (chosen or Path(platformdirs.user_data_dir(APP, appauthor=False))).expanduser().absolute()


def config_path(option: Path | None, environ: Mapping[str, str]) -> Path:
    """The settings file in force, absolute; it need not exist."""
    chosen = option or (Path(environ["WATCHKEEPER_CONFIG"]) if environ.get("WATCHKEEPER_CONFIG") else None)
    default = Path(platformdirs.user_config_dir(APP, appauthor=False)) / "watchkeeper.toml"
    return (chosen or default).expanduser().absolute()


def make_data_dir(path: Path) -> None:
    """Create the data directory, readable by its owner only. An existing empty one is closed to others.

    Raises:
        ConfigError: it cannot be created, is not a directory, is not writable, or others can write to it.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"the name of the data directory {str(path)!r} is not UTF-8", hint="choose another with --data-dir"
        ) from error
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the data directory {path} cannot be created: {error.strerror}",
            hint="choose another with --data-dir or WATCHKEEPER_DATA_DIR",
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigError(
            f"the data directory {path} is not writable",
            hint=f"run `chmod u+rwx {path}` as its owner, or choose another with --data-dir",
        )
    if hasattr(os, "getuid"):
        _close_to_others(path)


def _close_to_others(path: Path) -> None:
    """Whoever can write to the data directory could plant links or the address of another agent."""
    info = path.stat()
    if readable_by_others(path) and info.st_uid == os.getuid() and not any(path.iterdir()):
        path.chmod(0o700)
    elif info.st_mode & stat.S_IWOTH:
        raise ConfigError(
            f"every user can write to the data directory {path}",
            hint=f"run `chmod 700 {path}`, or choose another with --data-dir",
        )


def own_uid() -> int:
    """The ID of this user; -1 on platforms without user IDs."""
    return os.getuid() if hasattr(os, "getuid") else -1


def readable_by_others(path: Path) -> bool:
    """Whether other accounts of this machine can read or list a directory."""
    return hasattr(os, "getuid") and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


@dataclass(frozen=True, slots=True)
class DataFiles:
    """The files of one data directory."""

    data_dir: Path

    @property
    def endpoint(self) -> Path:
        """`agent.json`: the running agent's pid and address."""
        return self.data_dir / "agent.json"

    @property
    def dashboard(self) -> Path:
        """`dashboard.json`: the running dashboard's pid and address."""
        return self.data_dir / "dashboard.json"

    @property
    def jobs(self) -> Path:
        """The spool folder, where workers report their jobs."""
        return self.data_dir / "jobs"

    @property
    def gateway_used(self) -> Path:
        """`gateway_used.json`: what keys have used today and this month."""
        return self.data_dir / "gateway_used.json"

    @property
    def gateway_texts(self) -> Path:
        """`gateway_texts.sqlite`: prompts and answers, where they are kept."""
        return self.data_dir / "gateway_texts.sqlite"

    @property
    def gateway_keys(self) -> Path:
        """`gateway_keys.json`: hashes of the keys that open the gateway."""
        return self.data_dir / "gateway_keys.json"

    @property
    def agent_log(self) -> Path:
        """The agent's own log."""
        return self.data_dir / "agent.log"

    @property
    def event_log(self) -> Path:
        """Events of processes, as JSON lines."""
        return self.data_dir / "process_events.log"

    @property
    def dashboard_log(self) -> Path:
        """The dashboard's own log."""
        return self.data_dir / "dashboard.log"

    @property
    def formats(self) -> Path:
        """The folder of the log formats that people described."""
        return self.data_dir / "formats"

    @property
    def searches(self) -> Path:
        """`searches.toml`: the searches of logs that people saved."""
        return self.data_dir / "searches.toml"


def socket_path(data: Path, environ: Mapping[str, str]) -> Path:
    """Where the agent of `data` listens: in the data directory or, if that path is too long for a socket, in the user's runtime
    directory.
    """
    usual = data / "agent.sock"
    if len(os.fsencode(usual)) <= MAX_SOCKET_PATH:
        return usual
    digest = hashlib.blake2b(os.fsencode(data), digest_size=6).hexdigest()
    runtime = environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) if runtime and len(runtime) < 60 else Path(f"/tmp/watchkeeper-{os.getuid()}")  # noqa: S108 - `private_parent` checks the owner and mode
    return base / f"watchkeeper-{digest}.sock"


def private_parent(socket: Path) -> None:
    """Create the socket's directory for its owner only, and refuse one that somebody else could have planted.

    Raises:
        ConfigError: the directory is a link, belongs to somebody else, or is open to others.
    """
    parent = socket.parent
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = parent.lstat()
    if parent.name.startswith("watchkeeper-") and (
        not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077
    ):
        raise ConfigError(
            f"{parent} is not a private directory of this user",
            hint="choose a shorter --data-dir, so that the socket fits inside it",
        )
