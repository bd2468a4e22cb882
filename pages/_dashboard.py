"""What the dashboard was started with: its address, its data directory, its settings, and what Streamlit is told.

Pages are scripts and get no arguments, so the process's environment carries the two paths that everything follows from:
`WATCHKEEPER_DATA_DIR` and `WATCHKEEPER_CONFIG`. `App.run` ignores Streamlit's own variables, therefore every setting that
safety rests on is handed over explicitly.
"""

import argparse
import ipaddress
import os
import socket
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from monitor import paths
from monitor.errors import ConfigError
from monitor.loopback import is_loopback
from monitor.settings import Settings, load_settings

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "::1")
DATA_DIR: Final = "WATCHKEEPER_DATA_DIR"
CONFIG: Final = "WATCHKEEPER_CONFIG"


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard process.

    Attributes:
        settings: what is in force, with host and port of the command line laid over it.
        data_dir: where the agent's address and the key of the sign-in lie.
        parent: the launcher's pid, whose end ends the dashboard; None when started by hand.
    """

    settings: Settings
    data_dir: Path
    parent: int | None = None

    @property
    def host(self) -> str:
        """The address it binds."""
        return self.settings.dashboard.host

    @property
    def port(self) -> int:
        """The port it binds."""
        return self.settings.dashboard.port

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def sign_in(self) -> bool:
        """Whether visitors must sign in."""
        return self.settings.auth.mode != "none"

    @property
    def host_names(self) -> tuple[str, ...]:
        """Names in the `Host` header under which it may be asked for, lower case, without ports."""
        own = () if self.loopback else (self.host, socket.gethostname())
        names = (*LOOPBACK_NAMES, *own, *self.settings.dashboard.allowed_hosts)
        return tuple(dict.fromkeys(name.strip().lower().rstrip(".") for name in names if name.strip()))

    @property
    def secrets_files(self) -> tuple[Path, ...]:
        """Where an OIDC provider's client is written, the last one winning: Streamlit's own places, and beside our settings."""
        usual = (Path("~/.streamlit/secrets.toml").expanduser(), paths.ROOT / ".streamlit" / "secrets.toml")
        ours = self.settings.path
        return usual if ours is None else (*usual, ours.with_name("secrets.toml"))

    def check(self) -> None:
        """Refuse what would open the machine to strangers.

        Raises:
            ConfigError: the address is reachable from elsewhere and nobody has to sign in.
        """
        if not self.loopback and not self.sign_in:
            raise ConfigError(
                f"{self.host} can be reached from other machines, and no sign-in is configured",
                hint="set auth.mode to password or oidc in the settings, or keep dashboard.host = 127.0.0.1",
            )

    def streamlit_options(self) -> dict[str, Any]:
        """The options for `App.run`."""
        return {
            "server.address": self.host,
            "server.port": self.port,
            "server.headless": True,
            "server.allowedHosts": ["*"] if is_wildcard(self.host) else list(self.host_names),
            "server.enableCORS": True,
            "server.enableXsrfProtection": True,
            "server.enableStaticServing": False,
            "server.enableAgentApi": False,
            "server.enableWebsocketCompression": not self.loopback,
            "server.fileWatcherType": "none",
            "server.runOnSave": False,
            "server.maxUploadSize": 1,
            "server.showEmailPrompt": False,
            "browser.gatherUsageStats": False,
            "runner.magicEnabled": False,  # a docstring below a constant of a page would be shown on it
            "browser.serverAddress": "127.0.0.1" if is_wildcard(self.host) else self.host,
            "client.toolbarMode": "viewer",
            "client.showErrorDetails": "full" if self.loopback else "none",
            "client.showErrorLinks": False,
            "logger.hideWelcomeMessage": True,
            "secrets.files": [str(path) for path in self.secrets_files],
            "global.developmentMode": False,
        }


def from_arguments(arguments: Sequence[str], environ: MutableMapping[str, str]) -> Dashboard:
    """Read the command line, and leave the two paths in `environ` for the pages.

    Raises:
        ConfigError: a setting is wrong.
    """
    parser = argparse.ArgumentParser(prog="app.py", description="The dashboard of Watchkeeper.")
    parser.add_argument("--host", help="address to bind (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to bind (8501)")
    parser.add_argument("--data-dir", type=Path, help="the agent's data directory")
    parser.add_argument("--config", type=Path, help="the file of settings")
    parser.add_argument("--parent", type=int, help="end when this process, which started us, ends")
    options = parser.parse_args(arguments)
    data_dir = paths.data_dir(options.data_dir, environ)
    config = paths.config_path(options.config, environ)
    environ[DATA_DIR], environ[CONFIG] = str(data_dir), str(config)
    settings = load_settings(config, {"dashboard.host": options.host, "dashboard.port": options.port}, environ)
    return Dashboard(settings, data_dir, options.parent)


def data_dir() -> Path:
    """The data directory of this process."""
    return paths.data_dir(None, os.environ)


def is_wildcard(host: str) -> bool:
    """Whether an address stands for every interface."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False
