"""`watchkeeper settings …`, `watchkeeper password`, and the keys of servers."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from monitor.cli.core.options import ConfigFile, DataDir, Group, Json, client_of, command, example
from monitor.cli.core.output import clean, print_json, print_table
from monitor.core import paths
from monitor.core.errors import AgentUnreachable, ConfigError

if TYPE_CHECKING:
    from monitor.config.settings import Settings

KEYS: Final = "keys"
_SETTING: Final = "engines.api_keys"
_LONGEST: Final = 8192

settings_app = typer.Typer(
    cls=Group, help="Show and change settings.", rich_markup_mode=None, invoke_without_command=True
)


@settings_app.callback(epilog=example("watchkeeper settings set store.limit_mb 4096"))
def settings(context: typer.Context, config: ConfigFile = None, as_json: Json = False) -> None:
    """Show and change settings. Without a command, all settings are listed."""
    if context.invoked_subcommand is None:
        get(None, config, as_json)


@command(settings_app, "watchkeeper settings get store.limit_mb")
def get(
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="Name of a setting, such as store.limit_mb. Default: all.")
    ] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show current values and where each one comes from."""
    from monitor.config.settings import load_settings

    found = load_settings(paths.config_path(config, os.environ))
    rows = found.describe()
    if key is not None:
        value = found.get(key)
        row = next(r for r in rows if r["key"] == key)
        print_json(row) if as_json else print(value if isinstance(value, str) else json.dumps(row["value"]))
    elif as_json:
        print_json({"path": str(found.path), "settings": rows})
    else:
        shown = [(r["key"], _shown(r["value"]), r["unit"], r["origin"], r["description"]) for r in rows]
        print_table(("setting", "value", "unit", "from", "meaning"), shown)


@command(settings_app, "watchkeeper settings set logs.globs '/srv/app/*.log,/var/log/nginx/*'", name="set")
def set_value(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Name of a setting, such as store.limit_mb.")],
    value: Annotated[
        str,
        typer.Argument(
            metavar="VALUE", help="New value. Separate list items by commas. `default` restores the default."
        ),
    ],
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Change a setting in the settings file.

    A running agent applies the change at once, unless the setting takes effect at the next start.
    """
    from logs import OwnFormats, check_forced
    from monitor.client.client import Client
    from monitor.config.settings import load_settings, parse_list

    file = paths.config_path(config, os.environ)
    found = load_settings(file)
    plain: Any = None if value == "default" else parse_list(value) if isinstance(found.get(key), list) else value
    where = "in the running agent"
    try:
        with Client.of(paths.data_dir(data_dir, os.environ), timeout_s=15) as client:
            answer = client.save_settings({key: plain}) if client.settings().path == str(file) else None
    except AgentUnreachable:
        answer = None
    if answer is None:
        if key == "logs.formats" and isinstance(plain, list):
            check_forced(plain, OwnFormats(paths.DataFiles(paths.data_dir(data_dir, os.environ)).formats).read()[0])
        found.save({key: plain})
        where = "in the file"
    waits = answer is not None and key in answer.restart_needed
    now = load_settings(file).get(key)
    if as_json:
        print_json({"key": key, "value": now, "path": str(file), "restart_needed": waits})
    else:
        again = ", the default," if plain is None else ""
        print(f"{key} = {_shown(now)}{again} {where} ({file}){'; takes effect at the next start' if waits else ''}")


@command(settings_app, "watchkeeper settings path")
def path(config: ConfigFile = None, as_json: Json = False) -> None:
    """Print the path of the settings file."""
    file = paths.config_path(config, os.environ)
    print_json({"path": str(file), "exists": file.exists()}) if as_json else print(file)


def password(
    name: Annotated[str, typer.Argument(metavar="NAME", help="User name for the sign-in.")],
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="Either viewer or operator.")] = "viewer",
    as_json: Json = False,
) -> None:
    """Create a dashboard user.

    Asks for a password, or reads one line from standard input, and prints the entry to add to auth.users.
    """
    from argon2 import PasswordHasher

    if role not in {"viewer", "operator"}:
        raise ConfigError(f"there is no role {role!r}", hint="choose viewer or operator")
    if sys.stdin.isatty():
        import getpass

        first = getpass.getpass("Password: ")
        if first != getpass.getpass("Repeat password: "):
            raise ConfigError("the passwords do not match", hint="type the same password twice")
    else:
        first = sys.stdin.readline().rstrip("\n")
    if len(first) < 8:
        raise ConfigError("the password is shorter than 8 characters", hint="choose a longer one")
    entry = {"name": name, "password_hash": PasswordHasher().hash(first), "role": role}
    if as_json:
        print_json(entry)
        return
    print(
        '# add this to the settings file (see `watchkeeper settings path`):\n[auth]\nmode = "password"\n\n[[auth.users]]'
    )
    for key, text in entry.items():
        print(f"{key} = {json.dumps(text)}")


def key(
    address: Annotated[
        str, typer.Argument(metavar="URL", help="Address of the server, such as http://10.0.0.5:8000/v1.")
    ],
    remove: Annotated[bool, typer.Option("--remove", help="Remove the key of this server.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Store the API key of a server.

    The key is asked for without echo, or read from standard input. It is stored in a file that only you can read.
    """
    from monitor.config.api_keys import address_of

    data = paths.data_dir(data_dir, os.environ)
    wanted = address_of(address)
    lines = [line for line in _now(data_dir) if address_of(line.partition("=")[0]) != wanted]
    if not remove:
        lines.append(_kept(data, address))
    _save(data_dir, {_SETTING: lines or None})
    print(f"{clean(address)}: {'key removed' if remove else 'key stored in ' + str(data / KEYS)}")


def _kept(data: Path, address: str) -> str:
    """Write the key to its file; returns the line for the setting.

    Raises:
        ConfigError: no key was given, or it cannot be written.
    """
    from monitor.config.api_keys import write_key

    text = typer.prompt("API key", hide_input=True) if sys.stdin.isatty() else sys.stdin.read(_LONGEST)
    paths.make_data_dir(data)
    try:
        return write_key(data / KEYS, address, str(text))
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"the key was not stored: {reason}", hint="give it on one line of standard input") from error


def _now(data_dir: Path | None) -> list[str]:
    try:
        with client_of(data_dir) as client:
            found = next(row.value for row in client.settings().settings if row.key == _SETTING)
    except AgentUnreachable:
        found = _own_settings().engines.api_keys
    return list(found)


def _save(data_dir: Path | None, changes: Mapping[str, Any]) -> None:
    """Save through the agent, so that the change applies at once; without an agent, save to the file."""
    try:
        with client_of(data_dir) as client:
            client.save_settings(changes)
    except AgentUnreachable:
        _own_settings().save(changes)


def _own_settings() -> "Settings":
    from monitor.config.settings import load_settings

    return load_settings(paths.config_path(None, os.environ))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)
