"""The command line: `watchkeeper …`.

Exit codes: 0 success · 1 failure · 2 wrong option, setting or query · 3 no agent answers, or it refused · 4 the store cannot be used ·
5 another agent owns the data directory · 6 a model engine failed. Errors go to standard error with a hint; with `--json` they are one
JSON object. Each command imports what it needs when it runs, so that `--help` stays quick.
"""

import os
import signal
import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperArgument

from monitor.cli.ai import ai_app
from monitor.cli.alerts import alerts_app
from monitor.cli.core.options import ConfigFile, DataDir, Group, Json, command, example
from monitor.cli.core.output import GREEN, RED, YELLOW, archive_line, clean, clock, paint, print_json, say_error, size
from monitor.cli.gateway import gateway_app
from monitor.cli.inspect import doctor, engines, ps, query
from monitor.cli.jobs import jobs, track
from monitor.cli.log_shapes import changes, formats, patterns, sources
from monitor.cli.logs import logs_app
from monitor.cli.processes import events, run_app
from monitor.cli.services import service_app
from monitor.cli.settings import password, settings_app
from monitor.core import paths
from monitor.core.errors import REPORTED, ConfigError, Reported
from monitor.core.this_process import keep_standard_streams, open_more_files, without

Host = Annotated[
    str | None,
    typer.Option("--host", metavar="ADDRESS", help="Address to listen on. Anything but loopback needs a sign-in."),
]
Port = Annotated[
    int | None,
    typer.Option("--port", metavar="PORT", min=0, max=65535, help="Dashboard port; 0 picks a free one."),
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]
Detach = Annotated[bool, typer.Option("--detach", help="Run in the background. Stop with `watchkeeper down`.")]

CLICK_ERROR: type[BaseException] = typer.BadParameter.__mro__[2]
"""Base class of usage errors; typer does not export it."""

app = typer.Typer(
    name="watchkeeper",
    cls=Group,
    help="Monitor this machine in your browser: processes, logs, performance and model engines.\n\n"
    "Without a command, `watchkeeper` starts the agent and opens the dashboard, as `watchkeeper up` does.",
    epilog=example("watchkeeper --port 8600"),
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
command(logs_app, "watchkeeper logs sources")(sources)
command(logs_app, "watchkeeper logs patterns --since 24h --level warn")(patterns)
command(logs_app, "watchkeeper logs changes --since 24h")(changes)
command(logs_app, "watchkeeper logs formats --learn app.log")(formats)
app.add_typer(logs_app, name="logs")
app.add_typer(service_app, name="service")
app.add_typer(alerts_app, name="alerts")
app.add_typer(ai_app, name="ai")
app.add_typer(gateway_app, name="gateway")
app.add_typer(settings_app, name="settings")
command(app, "watchkeeper ps python --sort mem --limit 10")(ps)
command(app, "watchkeeper query 'SELECT name, start_ts FROM runs ORDER BY start_ts DESC LIMIT 5'")(query)
command(app, "watchkeeper jobs --failed --since 1d")(jobs)
command(app, "watchkeeper track --write track.py")(track)
command(app, "watchkeeper events --type ERROR --since 24h")(events)
app.add_typer(run_app, name="run")
command(app, "watchkeeper engines --refresh")(engines)
command(app, "watchkeeper password alice --role operator")(password)
command(app, "watchkeeper doctor")(doctor)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    host: Host = None,
    port: Port = None,
    no_browser: NoBrowser = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    detach: Detach = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    as_json: Json = False,
) -> None:
    """Run `watchkeeper up` when there is no command; else pass the common options on."""
    if version:
        import importlib.metadata

        print(importlib.metadata.version("watchkeeper"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(_up(host, port, no_browser, data_dir, config, detach, as_json))
    given = {"host": host, "port": port, "no_browser": no_browser or None, "detach": detach or None}
    named = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    if context.invoked_subcommand == "up":
        context.default_map = {"up": {k: v for k, v in (given | {"as_json": as_json}).items() if v is not None}}
    elif named:
        raise ConfigError(
            f"{named[0]} is an option of `watchkeeper up`, not of `watchkeeper {context.invoked_subcommand}`",
            hint=f"leave {named[0]} out",
        )
    if data_dir is not None:
        os.environ["WATCHKEEPER_DATA_DIR"] = str(data_dir.expanduser().absolute())
    if config is not None:
        os.environ["WATCHKEEPER_CONFIG"] = str(config.expanduser().absolute())


@command(app, "watchkeeper up --port 8600 --no-browser")
def up(
    host: Host = None,
    port: Port = None,
    no_browser: NoBrowser = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Start the agent and open the dashboard.

    If an agent is already running, only the dashboard starts. Ctrl-C stops what this command started.
    """
    raise typer.Exit(_up(host, port, no_browser, data_dir, config, detach, as_json))


def _up(
    host: str | None,
    port: int | None,
    no_browser: bool,
    data_dir: Path | None,
    config: Path | None,
    detach: bool,
    as_json: bool,
) -> int:
    from monitor.config.settings import load_settings
    from monitor.launcher.launcher import Launcher, detached

    data, file = paths.data_dir(data_dir, os.environ), paths.config_path(config, os.environ)
    if config is not None and not file.exists():
        raise ConfigError(f"there is no settings file {file}", hint="`watchkeeper settings set` creates one")
    overrides: dict[str, Any] = {"dashboard.host": host, "dashboard.port": port}
    settings = load_settings(file, overrides | ({"dashboard.open_browser": False} if no_browser else {}))
    paths.make_data_dir(data)

    def say(event: str, text: str, **facts: Any) -> None:
        if as_json:
            print_json({"event": event, **facts})
        elif event in {"warning", "error"}:
            print(f"{paint('!', YELLOW, sys.stderr)} {text}", file=sys.stderr, flush=True)
        else:
            print(text, flush=True)
        sys.stdout.flush()

    launcher = Launcher(settings, data_dir=data, config=file, say=say)
    return detached(launcher) if detach else launcher.run()


@command(app, "watchkeeper agent --quiet")
def agent(
    data_dir: DataDir = None,
    config: ConfigFile = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Write the log to agent.log only.")] = False,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
    sampler_command: Annotated[str | None, typer.Option("--sampler-command", hidden=True)] = None,
) -> None:
    """Run the agent without a dashboard.

    It runs in the foreground until Ctrl-C or `watchkeeper down`, which suits a service manager such as systemd.
    """
    import logging
    import shlex
    import time

    began = time.monotonic()
    without("pandas")
    from monitor.agent.agent import Agent
    from monitor.agent.log_config import configure_logging
    from monitor.config.settings import load_settings

    loaded = time.monotonic() - began

    data, file = paths.data_dir(data_dir, os.environ), paths.config_path(config, os.environ)
    settings = load_settings(file)
    paths.make_data_dir(data)
    os.umask(0o077)  # what the agent and its children write is for its owner only
    configure_logging(data, foreground=not quiet)
    used = time.process_time()
    logging.getLogger("watchkeeper.agent").info("code loaded in %.2f s; %.2f s of CPU so far", loaded, used)
    command = shlex.split(sampler_command) if sampler_command else None
    code = 0
    try:
        files = open_more_files()
        Agent(settings, data, environ=os.environ, sampler_command=command, parent=parent, open_files=files).run()
    except REPORTED as error:
        say_error(error, as_json=False)
        code = error.exit_code
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)  # everything is written and closed; a normal exit would take up to a second longer


@app.command(hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def dashboard(context: typer.Context) -> None:
    """Run the dashboard process alone, with the options of `app.py`."""
    import runpy

    script = paths.ROOT / "app.py"
    sys.argv = [str(script), *context.args]
    runpy.run_path(str(script), run_name="__main__")


@command(app, "watchkeeper down")
def down(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Stop the agent and the dashboard.

    Services go on: `watchkeeper service stop NAME` stops one, before.
    """
    from monitor.launcher.launcher import end_watch

    ended = end_watch(paths.data_dir(data_dir, os.environ))
    if as_json:
        print_json(ended)
    else:
        print(f"stopped the agent (process {ended['agent']['pid']})")


@command(app, "watchkeeper status --json")
def status(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show whether the agent is running and healthy."""
    from monitor.client.client import Client
    from monitor.launcher.running import read_dashboard

    data = paths.data_dir(data_dir, os.environ)
    with Client.of(data, timeout_s=10) as client:
        whole = client.get_json("/v1/status")
    whole["dashboard"] = read_dashboard(data) or {"pid": None, "url": None}
    if as_json:
        print_json(whole)
    else:
        _print_status(whole)


def _print_status(whole: dict[str, Any]) -> None:
    samples, store, sampler, logs, gpu = (whole[part] for part in ("samples", "store", "sampler", "logs", "gpu"))
    stored = store["state"] == "ok" and not logs["waiting"]
    healthy = sampler["state"] == "running" and stored
    word = paint("healthy", GREEN) if healthy else paint("unhealthy", RED)
    since = clock(whole["started"])
    board = whole["dashboard"]
    lines = [
        ("agent", f"{word}, process {whole['agent']['pid']}, running since {since}"),
        ("dashboard", f"{board['url']} (process {board['pid']})" if board["pid"] else "not running"),
        ("sampler", f"{sampler['state']}, process {sampler['pid']}, {sampler['restarts']} restarts"),
        (
            "samples",
            f"{samples['received']} of {samples['expected']} received, {samples['stored']} stored, {samples['missed']} missed, {samples['dropped']} dropped",
        ),
        ("store", f"{store['state']}, {size(store['size_bytes'])} of {size(store['limit_bytes'])}, {store['engine']}"),
        ("archive", archive_line(store["archive"])),
        *(("disk", one["told"]) for one in whole.get("filling", [])),
        ("logs", f"{logs['records']} records from {logs['sources']} sources, {logs['backfilling']} still being read"),
        ("gpu", "; ".join(filter(None, (f"{gpu['count']} found" if gpu["count"] else "", gpu["message"])))),
        ("socket", whole["socket"]),
        ("data", whole["data_dir"]),
    ]
    for name, text in lines:
        if text:
            print(f"{name:<10} {text if name == 'agent' else clean(text)}")
    for warning in [*whole["warnings"], *store["notices"]]:
        print(f"{paint('warning', YELLOW):<10} {clean(warning)}")


@cache
def parser() -> Any:
    """All commands and their options, read from the functions once: this takes a tenth of a second."""
    return typer.main.get_command(app)


def main() -> None:
    """Run the command line. This is the entry point of the console command."""
    keep_standard_streams()
    if hasattr(signal, "SIGPIPE") and _writes_to_a_pipe():
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    without("httpx._main")  # httpx's own command line: slow to import and never used here
    as_json = "--json" in sys.argv
    try:
        code = parser()(standalone_mode=False, prog_name="watchkeeper")
        sys.stdout.flush()
    except REPORTED as error:
        say_error(error, as_json=as_json)
        code = error.exit_code
    except CLICK_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # `watchkeeper logs`: its message is the help
            print(error, file=sys.stderr)
        else:
            say_error(_usage(error), as_json=as_json)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else the interpreter complains at exit, when it flushes
        code = 141
    sys.exit(code if isinstance(code, int) else 0)


def _writes_to_a_pipe() -> bool:
    """Whether a closed pipe may end this command at once (`watchkeeper ps | head`). Servers and benchmarks have to clean up first."""
    given = sys.argv[1:]
    while given and given[0].startswith("-"):  # common options may come before the command
        given = given[2 if given[0] in {"--data-dir", "--config"} else 1 :]
    short = {
        "ps",
        "jobs",
        "logs",
        "query",
        "status",
        "doctor",
        "settings",
        "engines",
        "events",
        "run",
        "service",
        "alerts",
    }
    return bool(given) and (given[0] in short or given[:2] in (["ai", "backends"], ["ai", "fit"]))


def _usage(error: BaseException) -> Reported:
    """A usage error of the parser as an error with a hint."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context: Any = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "watchkeeper"
    hint = f"`{path} --help` lists the options"
    if type(error).__name__ == "NoSuchOption" and any(isinstance(one, TyperArgument) for one in context.command.params):
        hint += f"; an argument that begins with - goes behind --: `{path} -- -WORD`"
    return ConfigError(message[:1].lower() + message[1:].rstrip("."), hint=hint)
