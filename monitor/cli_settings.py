"""`watchkeeper settings …` and `watchkeeper password`."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor import paths
from monitor.cli_out import print_json, print_table
from monitor.errors import AgentUnreachable, ConfigError

Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The file of settings (WATCHKEEPER_CONFIG).")
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Where everything is kept (WATCHKEEPER_DATA_DIR).")
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
settings_app = typer.Typer(help="Show and change the settings.", rich_markup_mode=None, invoke_without_command=True)


def add_settings_commands(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.add_typer(settings_app, name="settings")
    app.command()(password)


@settings_app.callback()
def settings(context: typer.Context, config: Config = None, as_json: Json = False) -> None:
    """Show and change the settings; without a command, all of them."""
    if context.invoked_subcommand is None:
        get(None, config, as_json)


@settings_app.command()
def get(
    key: Annotated[str | None, typer.Argument(help="As in store.limit_mb; without it, all.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What is in force, and where it came from."""
    from monitor.settings import load_settings

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


@settings_app.command(name="set")
def set_value(
    key: Annotated[str, typer.Argument(help="As in store.limit_mb.")],
    value: Annotated[str, typer.Argument(help="The value; lists separated by commas or as JSON; `default` goes back.")],
    config: Config = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Change a setting in the file; a running watch applies it at once where it can."""
    from logs import check_forced
    from monitor.client import Client
    from monitor.settings import load_settings, parse_list

    file = paths.config_path(config, os.environ)
    found = load_settings(file)
    plain: Any = None if value == "default" else parse_list(value) if isinstance(found.get(key), list) else value
    where = "the running watch"
    try:
        with Client.of(paths.data_dir(data_dir, os.environ), timeout_s=15) as client:
            answer = client.save_settings({key: plain}) if client.settings().path == str(file) else None
    except AgentUnreachable:
        answer = None
    if answer is None:
        if key == "logs.formats" and isinstance(plain, list):
            check_forced(plain)
        found.save({key: plain})
        where = "the file"
    waits = answer is not None and key in answer.restart_needed
    now = load_settings(file).get(key)
    if as_json:
        print_json({"key": key, "value": now, "path": str(file), "restart_needed": waits})
    else:
        again = " again, the default," if plain is None else ""
        print(f"{key} = {_shown(now)}{again} in {where} ({file}){'; takes effect at the next start' if waits else ''}")


@settings_app.command()
def path(config: Config = None, as_json: Json = False) -> None:
    """Where the file of settings lies."""
    file = paths.config_path(config, os.environ)
    print_json({"path": str(file), "exists": file.exists()}) if as_json else print(file)


def password(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: Annotated[str, typer.Option("--role", help="viewer or operator.")] = "viewer",
    as_json: Json = False,
) -> None:
    """Make an entry of auth.users: asks for a password, or reads one line from standard input."""
    import sys

    from argon2 import PasswordHasher

    if role not in {"viewer", "operator"}:
        raise ConfigError(f"there is no role {role!r}", hint="roles are viewer and operator")
    if sys.stdin.isatty():
        import getpass

        first = getpass.getpass("Password: ")
        if first != getpass.getpass("Once more: "):
            raise ConfigError("the two passwords differ", hint="type the same one twice")
    else:
        first = sys.stdin.readline().rstrip("\n")
    if len(first) < 8:
        raise ConfigError("the password is shorter than 8 characters", hint="take a longer one")
    entry = {"name": name, "password_hash": PasswordHasher().hash(first), "role": role}
    if as_json:
        print_json(entry)
        return
    print('# add this to the file that `watchkeeper settings path` names:\n[auth]\nmode = "password"\n\n[[auth.users]]')
    for key, text in entry.items():
        print(f"{key} = {json.dumps(text)}")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)
