"""`watchkeeper service …`: commands that are kept running."""

import getpass
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.api_models.services import OVER, Service
from monitor.cli.core.options import DataDir, Group, Json, client_of, command, example
from monitor.cli.core.output import GREEN, RED, YELLOW, clean, clock, paint, print_json, print_table
from monitor.core import paths
from monitor.core.errors import ConfigError, MonitorError

if TYPE_CHECKING:
    from monitor.client.client import Client

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="The services, by name.")]
SETTLES_S = 3.0
"""How long it waits until a new service is up."""
LIVES_S = 0.4
"""What has run for so long has not failed at once."""
COLOURS = {"running": GREEN, "exited": GREEN, "failed": RED, "backoff": RED}

service_app = typer.Typer(
    cls=Group,
    help="List, start, stop, add, remove services (commands kept running).\n\nWithout a command, they are listed.",
    epilog=example("watchkeeper service restart api"),
    rich_markup_mode=None,
    no_args_is_help=True,
)


def whoami() -> str:
    """The account that asks, for the audit table."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return str(paths.own_uid())


@command(service_app, "watchkeeper service list", name="list")
def show(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List all services and their states."""
    with client_of(data_dir) as client:
        found = client.services.all()
    if as_json:
        print_json(found.model_dump())
        return
    if found.trouble:
        print(f"{paint('warning', YELLOW, sys.stderr)} {clean(found.trouble)}", file=sys.stderr)
    if not found.services:
        print("There are no services. Add one: watchkeeper service add NAME -- COMMAND")
        return
    rows = [
        (one.name, one.state, str(one.pid or "-"), up(one), str(one.restarts), one.ended_with or "-", told(one))
        for one in found.services
    ]
    print_table(("service", "state", "pid", "up", "restarts", "last end", ""), rows, right=frozenset({2, 3, 4}))


def up(service: Service) -> str:
    """How long it has been running, in words."""
    if service.pid is None or service.started is None:
        return "-"
    seconds = max(0, time.time() - service.started / 1e6)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def told(service: Service) -> str:
    """What else is worth knowing of its state."""
    soon = service.next_run if service.state == "scheduled" else service.next_start
    parts = [service.reason, service.last_error or ""]
    if service.state == "scheduled" and service.started and service.ended_with:
        parts.append(f"last run {clock(service.started)}")
    elif service.state in OVER and service.started and service.since:
        parts.append(f"since {clock(service.since)}")
    parts += [f"next {clock(soon)}" if soon else ""]
    checks = "check" if service.unanswered == 1 else "checks in a row"
    parts += [f"{service.unanswered} liveness {checks} failed" if service.unanswered else ""]
    parts += ["settings changed; restart to apply" if service.changed else ""]
    parts += ["" if service.configured else "no longer in the settings"]
    parts += [f"{service.output_lost:,} bytes of its output could not be written" if service.output_lost else ""]
    return "; ".join(part for part in parts if part)


def _act(action: str, names: list[str], data_dir: Path | None, *, as_json: bool) -> None:
    """Do the same to several services; the exit code is 1 if one does not become what it should."""
    with client_of(data_dir) as client:
        results = [getattr(client.services, action)(name, by=whoami()) for name in names]
        if action != "stop":
            results = [_settled(client, one) for one in results]
    if as_json:
        print_json({"services": [one.model_dump() for one in results]})
    else:
        for one in results:
            why = ": ".join(part for part in (one.reason, one.last_error) if part)
            reason = f": {clean(why)}" if why else ""
            print(f"{one.name} {paint(one.state, COLOURS.get(one.state, YELLOW))}{reason}")
    good = {"stopped", "exited", "failed", "scheduled"} if action == "stop" else {"running", "exited", "starting"}
    if any(one.state not in good for one in results):
        raise typer.Exit(1)


@command(service_app, "watchkeeper service start api")
def start(names: Names, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Start services, and what they depend on."""
    _act("start", names, data_dir, as_json=as_json)


@command(service_app, "watchkeeper service stop api worker")
def stop(names: Names, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Stop services with all processes below them.

    They stay stopped until somebody starts them, also when the agent starts again.
    """
    _act("stop", names, data_dir, as_json=as_json)


@command(service_app, "watchkeeper service restart api")
def restart(names: Names, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Restart services, with their settings as they are now."""
    _act("restart", names, data_dir, as_json=as_json)


@command(service_app, "watchkeeper service logs api --limit 50")
def logs(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The service.")],
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="COUNT", min=1, max=10_000, help="Print at most COUNT records.")
    ] = 100,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Print the newest records of a service's output."""
    with client_of(data_dir) as client:
        source = client.services.one(name).service.source
        page = client.log_records({"source": source}, limit=limit)
    if as_json:
        print_json(page.model_dump())
        return
    for record in page.records:
        print(f"{clock(record.ts, until='millisecond')} {clean(record.message, newlines=True)}")


@command(service_app, "watchkeeper service add web --restart always -- python -m http.server 8000")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, also of its log source.")],
    words: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="Program and arguments, after --.")],
    directory: Annotated[
        str | None, typer.Option("--directory", metavar="DIR", help="Working directory. Default: this one.")
    ] = None,
    environment: Annotated[
        list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="An environment variable. Repeatable.")
    ] = None,
    rule: Annotated[
        str | None, typer.Option("--restart", metavar="RULE", help="Rule: never, on-failure or always.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option("--schedule", metavar="CRON", help="Run it at these times, such as '0 3 * * *'.")
    ] = None,
    needs: Annotated[
        list[str] | None, typer.Option("--after", metavar="SERVICE", help="Start after this service. Repeatable.")
    ] = None,
    ready: Annotated[
        str | None,
        typer.Option("--ready", metavar="CHECK", help="Ready when: port=8000, http=URL, command=…, or log=REGEX."),
    ] = None,
    liveness: Annotated[
        str | None,
        typer.Option("--liveness", metavar="CHECK", help="Restart unless alive: port=8000, http=URL, or command=…."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Change the service of this name; what is not given stays as it is.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Add a service to the settings, and start it.

    No shell reads the command; `sh -c '…'` is one. A name that is taken is refused.
    """
    settings: dict[str, Any] = {
        "command": words if len(words) > 1 else shlex.split(words[0]),
        "directory": os.path.abspath(directory or "."),  # noqa: PTH100 - links are kept as the person wrote them
        "restart": rule,
        "schedule": schedule,
        "depends_on": needs or None,
        "ready": _check("--ready", ready) if ready else None,
        "liveness": _check("--liveness", liveness) if liveness else None,
        "environment": dict(next(iter(_pair("--env", one, "HOME=/srv").items())) for one in environment)
        if environment
        else None,
    }
    with client_of(data_dir) as client:
        there = next((one for one in client.services.all().services if one.name == name), None)
        if there is not None and there.configured and not replace:
            raise ConfigError(
                f"there is a service {name} already: {there.command}",
                hint="choose another name, or change it with --replace",
            )
        given = {key: value for key, value in settings.items() if value is not None}
        client.services.save(name, given, by=whoami(), new=not replace)
        found = client.services.all().services
        service = next((one for one in found if one.name == name), None)
        if service is None:
            raise MonitorError(f"service {name} was added, but is not there", hint="run `watchkeeper service list`")
        service = _up(client, service, known=there is not None)
    if as_json:
        print_json(service.model_dump())
    else:
        print(f"{name} {paint(service.state, COLOURS.get(service.state, YELLOW))}{_tail(told(service))}")
    if service.state in {"failed", "backoff"}:
        raise typer.Exit(1)


def _up(client: "Client", service: Service, *, known: bool) -> Service:
    """A service that was just saved, once it is up with these settings. A new one starts by itself: asking it too would end its pauses."""
    if service.schedule:
        return service
    if known:
        act = client.services.restart if service.changed else client.services.start
        return _settled(client, act(service.name, by=whoami()))
    deadline = time.monotonic() + SETTLES_S
    while service.state in {"waiting", "starting"} and time.monotonic() < deadline:
        time.sleep(0.05)
        service = client.services.one(service.name).service
    return _settled(client, service)


def _settled(client: "Client", service: Service) -> Service:
    """A service that was just started, once it has run for a moment: a command that fails at once has failed by then."""
    deadline = time.monotonic() + SETTLES_S
    while service.state == "running" and time.monotonic() < deadline:
        rest = LIVES_S - (time.time() - (service.started or 0) / 1e6)
        if rest <= 0:
            break
        time.sleep(min(rest, LIVES_S))
        service = client.services.one(service.name).service
    return service


@command(service_app, "watchkeeper service remove web")
def remove(names: Names, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Stop services, and remove them from the settings."""
    with client_of(data_dir) as client:
        needed_by = {one.name: one.needed_by for one in client.services.all().services}
        for name in needed_last(names, needed_by):
            client.services.remove(name, by=whoami())
    if as_json:
        print_json({"removed": names})
    else:
        print("\n".join(f"{name} removed" for name in names))


def needed_last(names: Sequence[str], needed_by: Mapping[str, Sequence[str]]) -> list[str]:
    """The services in an order in which each comes after those of them that depend on it.

    >>> needed_last(["db", "web", "top"], {"db": ["web"], "web": []})
    ['web', 'top', 'db']
    """
    left, found = list(dict.fromkeys(names)), list[str]()
    while left:
        free = [name for name in left if not set(needed_by.get(name, ())) & set(left)] or left
        found += free
        left = [name for name in left if name not in free]
    return found


def _tail(text: str) -> str:
    return f": {clean(text)}" if text else ""


def _pair(option: str, text: str, example: str) -> dict[str, str]:
    """`NAME=VALUE` as a dictionary, of which one may be the `example`.

    Raises:
        ConfigError: there is no `=`.
    """
    name, sign, value = text.partition("=")
    if not (sign and name):
        hint = f"as in {option} {example}; `watchkeeper service add --help` says more"
        raise ConfigError(f"{option} {text!r} is not of the form NAME=VALUE", hint=hint)
    return {name: value}


def _check(option: str, text: str) -> dict[str, str | int]:
    """A check as the settings file has it: a port is a number there."""
    ((kind, what),) = _pair(option, text, "port=8080").items()
    return {kind: int(what) if kind == "port" and what.isascii() and what.isdigit() else what}
