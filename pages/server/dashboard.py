"""The dashboard process: its address, data directory and settings, and the options for Streamlit.

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

from monitor.config.settings import Settings, load_settings
from monitor.config.sign_in import secrets_files
from monitor.core import paths
from monitor.core.endpoint import is_loopback

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "::1")
DATA_DIR: Final = "WATCHKEEPER_DATA_DIR"
CONFIG: Final = "WATCHKEEPER_CONFIG"
PROXIES: Final = "FORWARDED_ALLOW_IPS"
"""uvicorn believes `X-Forwarded-For` and `X-Forwarded-Proto` of these addresses; without the variable, of this machine."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard process.

    Attributes:
        settings: the settings, with host and port from the command line.
        data_dir: has the address of the agent and the key of the sign-in.
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
        """Allowed names in the `Host` header, in lower case and without ports."""
        own = () if self.loopback else (self.host, socket.gethostname())
        names = (*LOOPBACK_NAMES, *own, *self.settings.dashboard.allowed_hosts)
        return tuple(dict.fromkeys(name.strip().lower().rstrip(".") for name in names if name.strip()))

    @property
    def secrets_files(self) -> tuple[Path, ...]:
        """Files with the OIDC client, the last one wins: Streamlit's usual places, and the folder of the settings file."""
        return secrets_files(self.settings.path)

    def check(self) -> None:
        """Refuse to start when others could reach the dashboard without signing in.

        Raises:
            ConfigError: the address is reachable from elsewhere and nobody has to sign in.
        """
        self.settings.check_sign_in()

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
    """Read the command line, and write the two paths to `environ` for the pages, and the trusted proxies for uvicorn.

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
    environ[PROXIES] = ",".join(settings.dashboard.trusted_proxies)
    return Dashboard(settings, data_dir, options.parent)


def data_dir() -> Path:
    """The data directory of this process."""
    return paths.data_dir(None, os.environ)


def is_wildcard(host: str) -> bool:
    """Whether an address means all interfaces."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False
