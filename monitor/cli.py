"""The command line: `watchkeeper …`.

Exit codes: 0 done · 1 failed · 2 wrong option, setting or query · 3 no agent answers, or it refused · 4 the store cannot be used ·
5 another agent owns the data directory · 6 a model engine failed. Errors go to standard error with a hint; with `--json` they are one
JSON object. Heavy imports wait until a command needs them.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor import paths
from monitor.cli_ai import ai_app
from monitor.cli_logs import logs_app
from monitor.cli_look import add_look_commands
from monitor.cli_out import GREEN, RED, YELLOW, clean, iso, paint, print_json, say_error, size
from monitor.cli_settings import add_settings_commands
from monitor.errors import ConfigError, MonitorError
from monitor.lean import without

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Where everything is kept (WATCHKEEPER_DATA_DIR).")
]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The file of settings (WATCHKEEPER_CONFIG).")
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Host = Annotated[str | None, typer.Option("--host", help="Address to bind; other than loopback needs a sign-in.")]
Port = Annotated[
    int | None, typer.Option("--port", min=0, max=65535, help="Port of the dashboard; 0 takes a free one.")
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Open no browser.")]
Detach = Annotated[bool, typer.Option("--detach", help="Go on in the background; `watchkeeper down` ends it.")]

CLICK_ERROR: type[BaseException] = typer.BadParameter.__mro__[2]
"""Every wrong use of the command line; typer does not export the class."""

app = typer.Typer(
    name="watchkeeper",
    help="Stand watch over this machine: processes, logs, performance, model engines, in the browser.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(logs_app, name="logs")
app.add_typer(ai_app, name="ai")
add_look_commands(app)
add_settings_commands(app)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    host: Host = None,
    port: Port = None,
    no_browser: NoBrowser = False,
    data_dir: DataDir = None,
    config: Config = None,
    detach: Detach = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
    as_json: Json = False,
) -> None:
    """Without a command: start the watch and open the dashboard (`watchkeeper up`)."""
    if version:
        import importlib.metadata

        print(importlib.metadata.version("watchkeeper"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(_up(host, port, no_browser, data_dir, config, detach, as_json))
    if data_dir is not None:
        os.environ["WATCHKEEPER_DATA_DIR"] = str(data_dir.expanduser().absolute())
    if config is not None:
        os.environ["WATCHKEEPER_CONFIG"] = str(config.expanduser().absolute())


@app.command()
def up(
    host: Host = None,
    port: Port = None,
    no_browser: NoBrowser = False,
    data_dir: DataDir = None,
    config: Config = None,
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Start the watch and the dashboard, or the dashboard of a watch that runs; Ctrl-C ends what was started."""
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
    from monitor.launcher import Launcher, detached
    from monitor.settings import load_settings

    data, file = paths.data_dir(data_dir, os.environ), paths.config_path(config, os.environ)
    if config is not None and not file.exists():
        raise ConfigError(f"there is no file {file}", hint="`watchkeeper settings set` writes one")
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


@app.command()
def agent(
    data_dir: DataDir = None,
    config: Config = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log to agent.log only.")] = False,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
    sampler_command: Annotated[str | None, typer.Option("--sampler-command", hidden=True)] = None,
) -> None:
    """Run the watch alone, without a dashboard, until Ctrl-C or `watchkeeper down`."""
    import logging
    import shlex
    import time

    began = time.monotonic()
    without("pandas")
    from monitor.agent import Agent
    from monitor.agent_log import configure_logging
    from monitor.settings import load_settings

    loaded = time.monotonic() - began

    data, file = paths.data_dir(data_dir, os.environ), paths.config_path(config, os.environ)
    settings = load_settings(file)
    paths.make_data_dir(data)
    configure_logging(data, foreground=not quiet)
    used = time.process_time()
    logging.getLogger("watchkeeper.agent").info("code loaded in %.2f s; %.2f s of CPU so far", loaded, used)
    command = shlex.split(sampler_command) if sampler_command else None
    code = 0
    try:
        Agent(settings, data, environ=os.environ, sampler_command=command, parent=parent).run()
    except MonitorError as error:
        say_error(error, as_json=False)
        code = error.exit_code
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)  # all is written and closed; taking the interpreter apart would take up to a second more


@app.command(hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def dashboard(context: typer.Context) -> None:
    """Run the dashboard process alone; takes the options of `app.py`."""
    import runpy

    script = paths.ROOT / "app.py"
    sys.argv = [str(script), *context.args]
    runpy.run_path(str(script), run_name="__main__")


@app.command()
def down(data_dir: DataDir = None, as_json: Json = False) -> None:
    """End the running watch, and the dashboard that `watchkeeper` started with it."""
    from monitor.launcher import end_watch

    ended = end_watch(paths.data_dir(data_dir, os.environ))
    if as_json:
        print_json(ended)
    else:
        print(f"the watch has ended (agent {ended['agent']['pid']})")


@app.command()
def status(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Whether the watch runs and how it does."""
    from monitor.client import Client
    from monitor.launcher import read_dashboard

    data = paths.data_dir(data_dir, os.environ)
    with Client.of(data, timeout_s=10) as client:
        whole = client.get_json("/v1/status")
    whole["dashboard"] = read_dashboard(data) or {"pid": None, "url": None}
    if as_json:
        print_json(whole)
    else:
        _print_status(whole)


def _print_status(whole: dict[str, Any]) -> None:
    samples, store, sampler, logs = whole["samples"], whole["store"], whole["sampler"], whole["logs"]
    stored = store["state"] == "ok" and not logs["waiting"]
    well = sampler["state"] == "running" and stored
    word = paint("well", GREEN) if well else paint("in trouble", RED)
    board = whole["dashboard"]
    lines = [
        (
            "watch",
            f"{word}, agent {whole['agent']['pid']} since {(iso(whole['started']) or '?')[:19].replace('T', ' ')}",
        ),
        ("dashboard", f"{board['url']} (process {board['pid']})" if board["pid"] else "not running"),
        ("sampler", f"{sampler['state']}, process {sampler['pid']}, {sampler['restarts']} restarts"),
        (
            "samples",
            f"{samples['received']} of {samples['expected']} expected, {samples['stored']} stored, {samples['missed']} missed, {samples['dropped']} dropped",
        ),
        ("store", f"{store['state']}, {size(store['size_bytes'])} of {size(store['limit_bytes'])}, {store['engine']}"),
        ("logs", f"{logs['records']} records of {logs['sources']} sources, {logs['backfilling']} still being read"),
        ("gpu", f"{whole['gpu']['count']} · {whole['gpu']['message']}"),
        ("socket", whole["socket"]),
        ("data", whole["data_dir"]),
    ]
    for name, text in lines:
        print(f"{name:<10} {text if name == 'watch' else clean(text)}")
    for warning in [*whole["warnings"], *store["notices"]]:
        print(f"{paint('warning', YELLOW):<10} {clean(warning)}")


def main() -> None:
    """Run the command line; the console command's entry point."""
    if hasattr(signal, "SIGPIPE") and _writes_to_a_pipe():
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    without("httpx._main")  # its own command line, which imports a good deal
    as_json = "--json" in sys.argv
    try:
        code = app(standalone_mode=False, prog_name="watchkeeper")
        sys.stdout.flush()
    except MonitorError as error:
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
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else the interpreter complains when it flushes at its end
        code = 141
    sys.exit(code if isinstance(code, int) else 0)


def _writes_to_a_pipe() -> bool:
    """Whether this is a short command whose reader may stop early (`watchkeeper ps | head`), not a server or a benchmark, which have something to end."""
    given = sys.argv[1:]
    while given and given[0].startswith("-"):  # options of all commands may stand before it
        given = given[2 if given[0] in {"--data-dir", "--config"} else 1 :]
    short = {"ps", "logs", "query", "status", "doctor", "settings", "engines"}
    return bool(given) and (given[0] in short or given[:2] in (["ai", "backends"], ["ai", "fit"]))


def _usage(error: BaseException) -> MonitorError:
    """A wrong option as an error of ours."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "watchkeeper"
    return ConfigError(message[:1].lower() + message[1:].rstrip("."), hint=f"`{path} --help` lists what it takes")
