"""`watchkeeper ps`, `doctor`, `query` and `engines`: looking at the machine and at the watch."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor import paths
from monitor.cli_out import DIM, GREEN, RED, YELLOW, clean, paint, print_json, print_table, size
from monitor.errors import AgentUnreachable, ConfigError

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Where everything is kept (WATCHKEEPER_DATA_DIR).")
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
SORTS = {
    "cpu": "cpu_pct",
    "mem": "rss",
    "pid": "pid",
    "name": "name",
    "start": "start_ts",
    "read": "read_bps",
    "write": "write_bps",
}


def add_look_commands(app: typer.Typer) -> None:
    """Add them to the command line."""
    for command in (ps, doctor, query, engines):
        app.command()(command)


def ps(
    text: Annotated[
        str | None, typer.Argument(help="Only processes whose name, user or command line holds this.")
    ] = None,
    sort: Annotated[str, typer.Option("--sort", help=f"By {', '.join(SORTS)}.")] = "cpu",
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="So many at most.")] = None,
    tree: Annotated[bool, typer.Option("--tree", help="Children below their parents.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only your own.")] = False,
    kernel: Annotated[bool, typer.Option("--kernel", help="Kernel threads too.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Running processes: from the watch, or by a look of its own when none runs (CPU over half a second)."""
    from monitor.ps import arrange, look
    from monitor.settings import load_settings

    if sort not in SORTS:
        raise ConfigError(f"there is no order {sort!r}", hint=f"orders are {', '.join(SORTS)}")

    def patterns() -> list[str]:
        return load_settings(paths.config_path(None, os.environ)).masking.extra

    found = look(paths.data_dir(data_dir, os.environ), patterns)
    rows = arrange(found["processes"], text=text, by=SORTS[sort], tree=tree, mine=mine, kernel=kernel)
    rows = rows[:limit]
    if as_json:
        print_json({"ts": found["ts"], "processes": [row for _, row in rows]})
        return
    titles = ("pid", "user", "cpu %", "memory", "threads", "status", "command")
    table = [
        (
            str(row["pid"]),
            row["user"] or "-",
            "-" if row["cpu_pct"] is None else f"{row['cpu_pct']:.1f}",
            size(row["rss"]),
            "-" if row["threads"] is None else str(row["threads"]),
            row["status"] or "-",
            "  " * depth + _short(row["cmdline"] or f"[{row['name']}]"),
        )
        for depth, row in rows
    ]
    print_table(titles, table, right=frozenset({0, 2, 3, 4}))


def _short(command: str) -> str:
    width = max(40, os.get_terminal_size().columns - 60) if sys.stdout.isatty() else 200
    return command if len(command) <= width else command[: width - 1] + "…"


def doctor(
    data_dir: DataDir = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="The file of settings.")] = None,
    as_json: Json = False,
) -> None:
    """What works here, and what to do about the rest. Exit code 1 when something that is needed does not work."""
    from monitor.doctor import examine

    checks = examine(paths.data_dir(data_dir, os.environ), paths.config_path(config, os.environ))
    worst = any(check.state == "fail" for check in checks)
    if as_json:
        print_json({"ok": not worst, "checks": [check.json() for check in checks]})
    else:
        colours = {"ok": GREEN, "warn": YELLOW, "fail": RED}
        for check in checks:
            print(f"{paint(f'{check.state:<5}', colours[check.state])} {check.name:<12} {clean(check.detail)}")
            if check.remedy:
                print(f"{'':<18} {paint('→ ' + clean(check.remedy), DIM)}")
    if worst:
        raise typer.Exit(1)


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT; - reads it from standard input.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="So many rows at most.")] = 1000,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Read-only SQL over the store, with no reach to files or network."""
    from monitor.client import Client

    text = sys.stdin.read() if sql == "-" else sql
    with Client.of(paths.data_dir(data_dir, os.environ), timeout_s=40) as client:
        answer = client.query(text, limit=limit)
    if as_json:
        print_json(answer.model_dump())
        return
    rows = [["NULL" if value is None else str(value) for value in row] for row in answer.rows]
    print_table(answer.columns, rows)
    if answer.truncated:
        print(f"… more than {limit} rows; --limit takes more", file=sys.stderr)


def engines(
    refresh: Annotated[bool, typer.Option("--refresh", help="Look now instead of showing the last look.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """The model engines found here: from the watch, or by a look of its own when none runs."""
    from monitor.client import Client

    try:
        with Client.of(paths.data_dir(data_dir, os.environ)) as client:
            found = client.engines()
            found = client.refresh_engines() if refresh or found.checked is None else found
        rows: list[dict[str, Any]] = [engine.model_dump() for engine in found.engines]
    except AgentUnreachable:
        import asyncio

        from monitor.agent import look_at_engines
        from monitor.settings import load_settings

        settings = load_settings(paths.config_path(None, os.environ))
        rows = asyncio.run(look_at_engines(settings.engines, settings.ai.model_paths))
    if as_json:
        print_json({"engines": rows})
        return
    colours = {"ready": GREEN, "idle": GREEN, "error": RED}
    for engine in rows:
        where = f" at {clean(engine['address'])}" if engine["address"] else ""
        state = paint(engine["state"].ljust(8), colours.get(engine["state"], YELLOW))
        print(f"{state} {engine['label']}{where}")
        print(f"         {clean(engine['detail'])}")
        for model in engine["models"]:
            print(f"         · {clean(model['name'])} {size(model['size']) if model['size'] else ''}")
        if engine["remedy"]:
            print(f"         → {clean(engine['remedy'])}")
