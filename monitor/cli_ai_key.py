"""`watchkeeper ai key`: keep the key of a server where only this user can read it, and say so in the settings."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from monitor import paths
from monitor.api_keys import address_of, write_key
from monitor.cli_ai_desk import DataDir, client_of
from monitor.cli_out import clean
from monitor.errors import AgentUnreachable, ConfigError
from monitor.settings import Settings, load_settings

KEYS: Final = "keys"
_SETTING: Final = "engines.api_keys"
_LONGEST: Final = 8192


def key(
    address: Annotated[str, typer.Argument(help="The server's address, such as http://10.0.0.5:8000/v1.")],
    remove: Annotated[bool, typer.Option("--remove", help="Forget the key of this server.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Give the API key of a server: asked for without echo, or read from standard input. It is kept in a file that only you can read."""
    data = paths.data_dir(data_dir, os.environ)
    wanted = address_of(address)
    lines = [line for line in _now(data_dir) if address_of(line.partition("=")[0]) != wanted]
    if not remove:
        lines.append(_kept(data, address))
    _save(data_dir, {_SETTING: lines or None})
    print(f"{clean(address)}: {'its key is forgotten' if remove else 'its key is kept in ' + str(data / KEYS)}")


def _kept(data: Path, address: str) -> str:
    """Write the key; the line of the setting.

    Raises:
        ConfigError: no key was given, or it cannot be written.
    """
    text = typer.prompt("API key", hide_input=True) if sys.stdin.isatty() else sys.stdin.read(_LONGEST)
    paths.make_data_dir(data)
    try:
        return write_key(data / KEYS, address, str(text))
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"the key was not kept: {reason}", hint="give it on one line of standard input") from error


def _now(data_dir: Path | None) -> list[str]:
    try:
        with client_of(data_dir) as client:
            found = next(row.value for row in client.settings().settings if row.key == _SETTING)
    except AgentUnreachable:
        found = _own_settings().engines.api_keys
    return list(found)


def _save(data_dir: Path | None, changes: Mapping[str, Any]) -> None:
    """Through the agent, so that it holds at once; into the file when none runs."""
    try:
        with client_of(data_dir) as client:
            client.save_settings(changes)
    except AgentUnreachable:
        _own_settings().save(changes)


def _own_settings() -> Settings:
    return load_settings(paths.config_path(None, os.environ))
