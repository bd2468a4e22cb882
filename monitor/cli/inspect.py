"""`watchkeeper ps`, `query`, `engines` and `doctor`: one look at the machine or at the store."""

import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli.core.options import ConfigFile, DataDir, Json
from monitor.cli.core.output import DIM, GREEN, RED, YELLOW, clean, clock, paint, print_json, print_table, size
from monitor.core import paths
from monitor.core.errors import AgentUnreachable, ConfigError

_DAY_US = 86_400_000_000
WHICH = re.compile(r" \([^()]+\)$")
SORTS = {
    "cpu": "cpu_pct",
    "mem": "rss",
    "pid": "pid",
    "name": "name",
    "start": "start_ts",
    "read": "read_bps",
    "write": "write_bps",
    "growth": "growth_10m",
    "growth-1h": "growth_1h",
}


def ps(
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT", help="Show processes with TEXT in name, user, command line, container or unit, or as PID."
        ),
    ] = None,
    sort: Annotated[str, typer.Option("--sort", metavar="FIELD", help=f"Sort by {', '.join(SORTS)}.")] = "cpu",
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", metavar="COUNT", min=1, help="Show at most COUNT processes.")
    ] = None,
    tree: Annotated[
        bool, typer.Option("--tree", help="Show children below their parents, with the sums of each branch.")
    ] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Show your own processes only.")] = False,
    kernel: Annotated[bool, typer.Option("--kernel", help="Include kernel threads.")] = False,
    ended: Annotated[
        bool, typer.Option("--ended", help="List processes that have ended, the newest end first.")
    ] = False,
    failed: Annotated[
        bool,
        typer.Option(
            "--failed",
            help="With --ended: only failures: an exit code other than 0 or a signal, and nobody asked for it.",
        ),
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="With --ended: ended at or after TIME, such as 2h or 09:30. With --history: lived since then.",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="With --ended and --history: end of the range.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="List all that lived in the last 24 hours, running or ended.")
    ] = False,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Include kernel threads, and with --ended and --history lives shorter than a second."
        ),
    ] = False,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="TIME", help="List the processes of a past second: 03:12, -2h or 'yesterday 14:00'."
        ),
    ] = None,
    groups: Annotated[
        bool, typer.Option("--groups", help="List containers, units and sessions with their limits instead.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List processes: running, of a past moment, or all of a day.

    The values are the agent's latest sample. Without an agent, the command takes two samples half a second apart.
    """
    if groups:
        _print_groups(paths.data_dir(data_dir, os.environ), text, as_json)
        return
    _only_one_of({"--at": at, "--history": history, "--ended": ended or ((since or until) and not history) or failed})
    if history:
        filters = {"q": text, "mine": mine, "lived_s": None if every else 1, "limit": limit or 50}
        _print_history(paths.data_dir(data_dir, os.environ), filters, since, until, as_json)
        return
    if ended or failed or since or until:
        from monitor.cli.logs import ends

        filters = {"q": text, "failed": failed, "mine": mine, "lived_s": None if every or text else 1}
        _print_ended(paths.data_dir(data_dir, os.environ), {**filters, **ends(since, until)}, limit or 50, as_json)
        return
    from monitor.cli.processes import arrange, look, without_asker
    from monitor.config.settings import load_settings

    if sort not in SORTS:
        raise ConfigError(f"cannot sort by {sort!r}", hint=f"sort by {', '.join(SORTS)}")

    def patterns() -> list[str]:
        return load_settings(paths.config_path(None, os.environ)).masking.extra

    directory = paths.data_dir(data_dir, os.environ)
    found = look(directory, patterns) if at is None else _at_moment(directory, at)
    others = without_asker(found["processes"], sys.argv[1:] if text else None)
    rows = arrange(others, text=text, by=SORTS[sort], tree=tree, mine=mine, kernel=kernel or every)
    rows = rows[:limit]
    if as_json:
        print_json({**found, "processes": [_named(row) for _, row in rows]})
        return
    if at is not None:
        print(_said_of(found), file=sys.stderr)
    growth = ("a minute, 10 min", "a minute, 1 h") if sort.startswith("growth") else ()
    sums = ("processes", "cpu %, all", "memory, all") if tree else ()
    titles = ("pid", "user", *sums, "cpu %", "memory", *growth, "threads", "status", "command")
    table = [
        (
            str(row["pid"]),
            row["user"] or "-",
            *(_summed(row["subtree"]) if tree else ()),
            "-" if row["cpu_pct"] is None else f"{row['cpu_pct']:.1f}",
            size(row["rss"]),
            *(_grown(row[name]) for name in ("growth_10m", "growth_1h")[: len(growth)]),
            "-" if row["threads"] is None else str(row["threads"]),
            row["status"] or "-",
            "  " * depth
            + short_command(row["cmdline"] or f"[{row['name']}]", row.get("title") or "", row.get("member")),
        )
        for depth, row in rows
    ]
    print_table(titles, table, right=frozenset({0, *range(2, 5 + len(sums) + len(growth))}))
    if (outlook := found.get("outlook")) is not None and growth:
        print(f"{clean(outlook['title'])} ({outlook['pid']}) {clean(outlook['told'])}.")
    if text and at is None:
        _say_ended(directory, text, found=bool(rows))


def _say_ended(data_dir: Path, text: str, *, found: bool) -> None:
    """Whether what has ended matches a search too: who looks for a process that is over must not think that it never was."""
    from monitor.cli.processes import ended_matches

    ended = ended_matches(data_dir, text, sys.argv[1:])
    if not found:
        print("No running process matches.", file=sys.stderr)
    if ended:
        words = "1 that has ended matches" if ended == 1 else f"{ended:,} that have ended match"
        print(f"… {words}; --ended lists {'it' if ended == 1 else 'them'}", file=sys.stderr)


def _only_one_of(options: Mapping[str, object]) -> None:
    """Refuse options that answer different questions.

    Raises:
        ConfigError: more than one is given.
    """
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise ConfigError(f"{given[0]} cannot be combined with {given[1]} or its options", hint="give one of them")


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """With its begin and end as `--ended` and `--history` call them."""
    return row | {"started": row["start_ts"]} | ({"ended": row["end_ts"]} if "end_ts" in row else {})


def _summed(sums: dict[str, Any]) -> tuple[str, str, str]:
    """How many processes a branch of the tree has, and their CPU and memory together."""
    cpu = "-" if sums["cpu_pct"] is None else f"{sums['cpu_pct']:.1f}"
    return str(sums["processes"]), cpu, size(sums["rss"])


def _grown(per_minute: int | None) -> str:
    """The growth of memory a minute, with its sign."""
    return "not yet" if per_minute is None else f"{'+' if per_minute > 0 else ''}{size(per_minute)}"


def _print_groups(data_dir: Path, text: str | None, as_json: bool) -> None:
    """Containers, units and sessions."""
    from monitor.client.client import Client

    with Client.of(data_dir) as client:
        found = client.groups()
    wanted = (text or "").casefold()
    kept = [one for one in found.groups if wanted in f"{one.name} {one.cgroup or ''}".casefold()]
    if as_json:
        print_json({"ts": found.ts, "groups": [asdict(one) for one in kept]})
        return
    rows = [
        (
            clean(one.name) or "(none)",
            one.kind or "-",
            str(one.processes),
            f"{one.cpu_pct:.1f}",
            size(one.rss if one.memory is None else one.memory),
            "-" if one.memory_limit is None else size(one.memory_limit),
            "-" if one.memory_limit is None or one.memory_limit_hits is None else str(one.memory_limit_hits),
            "-" if one.cpu_limit is None else cpu_limit(one.cpu_limit, one.throttled_pct),
        )
        for one in kept
    ]
    print_table(
        ("group", "kind", "processes", "cpu %", "memory", "limit", "times hit", "cpu limit"),
        rows,
        right=frozenset(range(2, 8)),
    )


def _at_moment(data_dir: Path, at: str) -> dict[str, Any]:
    """`PastProcesses` of a time as people type it."""
    from monitor.cli.logs import moment
    from monitor.client.client import Client

    with Client.of(data_dir) as client:
        found: dict[str, Any] = client.get_json("/v1/processes/at", {"at": moment(at, past=True)})
    return found


def _said_of(found: dict[str, Any]) -> str:
    """What is known of a past moment, in a sentence."""
    asked, seen = clock(found["asked"]), clock(found["ts"])
    if found["resolution"] == "none":
        return f"Nothing is known of {asked}: Watchkeeper did not run then, or its data was removed."
    if found["resolution"] == "lives":
        return f"At {asked}, without readings: no sample of that time is stored."
    if found["resolution"] == "minute":
        return f"At {asked}, means of that minute, of the processes that used most: no sample of that time is stored."
    missing = f"; no sample was taken at {asked}" if found["gap"] else ""
    return f"At {seen}{missing}"


def _print_ended(data_dir: Path, filters: Mapping[str, Any], limit: int, as_json: bool) -> None:
    """The newest ends. Without a text, as on the page, those that lived for a second: the others are mostly the work of scripts."""
    from monitor.client.client import Client

    with Client.of(data_dir) as client:
        found = client.ended_runs({name: value for name, value in filters.items() if value}, limit=limit)
    if as_json:
        print_json(found.model_dump())
        return
    table = [
        (
            str(run.pid),
            run.user or "-",
            clock(run.ended),
            "-" if run.started is None else f"{(run.ended - run.started) / 1e6:,.1f} s",
            size(run.peak_rss),
            paint(run.outcome, RED) if run.failed else run.outcome,
            short_command(run.cmdline or f"[{run.name}]", run.title, run.member),
        )
        for run in found.runs
    ]
    print_table(("pid", "user", "ended", "lived", "peak", "outcome", "command"), table, right=frozenset({0, 3, 4}))
    if found.total > len(found.runs):
        print(f"… {found.total - len(found.runs)} more; raise --limit to see them", file=sys.stderr)
    if found.shorter:
        print(f"… {found.shorter:,} that lived for less than a second; --all shows them", file=sys.stderr)


def _print_history(
    data_dir: Path, filters: Mapping[str, Any], since: str | None, until: str | None, as_json: bool
) -> None:
    """What lived in a range of time, of the last 24 hours if none is given, those that lived longest in it first."""
    from monitor.cli.logs import ends
    from monitor.cli.processes import asks
    from monitor.client.client import Client

    given = ends(since, until)
    last = int(given["until"] or time.time_ns() // 1000)
    first = int(given["since"] or last - _DAY_US)
    with Client.of(data_dir) as client:
        found = client.lives(first, last, {name: value for name, value in filters.items() if value})
    others = [run for run in found.runs if not (filters["q"] and run.ended is None and asks(run.cmdline, sys.argv[1:]))]
    found = found.model_copy(update={"runs": others, "total": found.total - len(found.runs) + len(others)})
    if as_json:
        print_json(found.model_dump(by_alias=True))
        return
    table = [
        (
            str(run.pid),
            run.user or "-",
            clock(run.started),
            clock(run.ended),
            "still runs" if run.outcome is None else paint(run.outcome, RED) if run.failed else run.outcome,
            short_command(run.cmdline or f"[{run.title}]", run.title, run.member),
        )
        for run in found.runs
    ]
    print_table(("pid", "user", "started", "ended", "outcome", "command"), table, right=frozenset({0}))
    if found.total > len(found.runs):
        print(f"… {found.total - len(found.runs)} more; raise --limit to see them", file=sys.stderr)


def cpu_limit(cores: float, waits_pct: float | None) -> str:
    """The cores that a group may use, and in how many of its periods it had to wait for more."""
    waits = f", waits {waits_pct:.0f} %" if waits_pct else ""
    return f"{cores:g} {'core' if cores == 1 else 'cores'}{waits}"


def short_command(command: str, title: str, member: str | None) -> str:
    """A command, and which of several equal ones it is: its number, or the folder that its title names."""
    named = WHICH.search(title)
    which = f" ({member})" if member else named[0] if named and named[0].strip() not in command else ""
    width = max(40, os.get_terminal_size().columns - 60) if sys.stdout.isatty() else 200
    width -= len(which)
    return (command if len(command) <= width else command[: width - 1] + "…") + which


def doctor(
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Check this machine and suggest fixes.

    Needs no running agent. The exit code is 1 if a check fails.
    """
    from monitor.cli.doctor import examine

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
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT statement; - reads it from standard input.")],
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="COUNT", min=1, max=100_000, help="Print at most COUNT rows.")
    ] = 1000,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Run a read-only SQL query on the store.

    The query cannot reach files or the network.
    """
    from monitor.client.client import Client

    text = sys.stdin.read() if sql == "-" else sql
    with Client.of(paths.data_dir(data_dir, os.environ), timeout_s=40) as client:
        answer = client.query(text, limit=limit)
    if as_json:
        print_json(answer.model_dump())
        return
    rows = [["NULL" if value is None else str(value) for value in row] for row in answer.rows]
    print_table(answer.columns, rows)
    if answer.truncated:
        print(f"… more than {limit} rows; raise --limit to see more", file=sys.stderr)


def engines(
    refresh: Annotated[bool, typer.Option("--refresh", help="Check the engines now.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List the model engines on this machine.

    Shows the agent's last check. Without an agent, the command checks the engines itself.
    """
    from monitor.client.client import Client

    try:
        with Client.of(paths.data_dir(data_dir, os.environ)) as client:
            found = client.engines()
            found = client.refresh_engines() if refresh or found.checked is None else found
        rows: list[dict[str, Any]] = [engine.model_dump() for engine in found.engines]
    except AgentUnreachable:
        import asyncio

        from monitor.agent.engine_watch import check_engines
        from monitor.config.settings import load_settings

        settings = load_settings(paths.config_path(None, os.environ))
        rows = asyncio.run(check_engines(settings.engines, settings.ai))
    if as_json:
        print_json({"engines": rows})
        return
    colours = {"ready": GREEN, "idle": GREEN, "error": RED}
    for engine in rows:
        where = f" at {clean(engine['address'])}" if engine["address"] else ""
        state = paint(engine["state"].ljust(8), colours.get(engine["state"], YELLOW))
        print(f"{state} {engine['label']}{where}")
        print(f"         {clean(engine['detail'])}")
        if engine.get("process"):
            process = engine["process"]
            started = ", ".join(f"{key} {value}" for key, value in list(process["settings"].items())[:12])
            print(
                f"         process {process['pid']} {clean(process['name'])}{f', started with {clean(started)}' if started else ''}"
            )
        if engine.get("ended"):
            end = engine["ended"]
            print(f"         its process {clean(end['said'])} at {clock(end['ts'])}; run {end['run']}")
        for model in engine["models"]:
            print(f"         · {clean(model['name'])} {size(model['size']) if model['size'] else ''}")
        if engine["remedy"]:
            print(f"         → {clean(engine['remedy'])}")
