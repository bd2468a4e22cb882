"""Processes on the command line: the newest sample for `ps` (the agent's or, without one, two samples half a second apart), `watchkeeper events`,
and `watchkeeper run show`.

What is slow to import is imported where it is needed: `watchkeeper --help` loads this module.
"""

import dataclasses
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.core.options import DataDir, Group, Json, command, example
from monitor.cli.core.output import DIM, GREEN, RED, YELLOW, clean, clock, iso, paint, print_json, size
from monitor.cli.logs import ends
from monitor.core import paths
from monitor.core.errors import AgentUnreachable, ConfigError
from monitor.core.process_title import title_of
from monitor.core.units import unit_pattern
from monitor.lifecycle.senders import SENDERS

if TYPE_CHECKING:
    from monitor.api_models.activity import Activity
    from monitor.api_models.endings import RunEnding
    from monitor.api_models.processes import Connections, Run
    from monitor.client.client import Client

INTERVAL_S = 0.5
DEADLINE_S = 15.0
NOT_FOUND = 404
WHOSE = {"user", "unit", "parent", "ancestors", "children", "log_files"}
"""What `run show --json` has of a run beside its end."""
ASKED_BEFORE = 50
"""Of so many newest ends that match a search, those that are such a search themselves are left out."""
PID_DIGITS = 7
"""A longer number is no process ID: the kernel has at most 4,194,304."""
SUMMED = (
    "cpu_pct",
    "cpu_seconds",
    "rss",
    "growth_10m",
    "growth_1h",
    "gpu_mem",
    "read_bps",
    "write_bps",
    "threads",
    "fds",
)
"""Readings that are summed up over a process and its descendants."""
COLOURS = {
    "START": GREEN,
    "COMPLETE": GREEN,
    "ERROR": RED,
    "STATUS_CHANGE": YELLOW,
    "STOP": DIM,
    "NEW_PATTERN": YELLOW,
    "ALERT": RED,
}
GRAVE = ("warn", "error", "fatal")
LEAST_LEVEL = GRAVE[0]
"""Most new log patterns only say that a program is new: among all events they would hide what failed."""


def look(data_dir: Path, patterns: Callable[[], Sequence[str]]) -> dict[str, Any]:
    """`{"ts", "processes"}`, as in `GET /v1/processes`.

    Args:
        data_dir: the data directory of the agent.
        patterns: returns additional patterns of secrets; called only without an agent.

    Raises:
        AgentUnreachable: no agent is running, and sampling here failed too.
    """
    from monitor.client.client import Client

    try:
        with Client.of(data_dir, timeout_s=10) as client:
            found: dict[str, Any] = client.get_json("/v1/processes")
    except AgentUnreachable:
        return sweep(patterns())
    return found if found["ts"] is not None else sweep(patterns())


def sweep(patterns: Sequence[str] = ()) -> dict[str, Any]:
    """Run a sampler for two samples. CPU percentages are for the time between them."""
    import queue

    from monitor.live.snapshot import Snapshot, process_rows
    from monitor.metrics.messages import Hello, Message, Tick
    from monitor.sampling.process import SamplerProcess

    messages: queue.Queue[Message] = queue.Queue()
    snapshot = Snapshot()
    sampler = SamplerProcess(messages.put, lambda _state, _message: None, interval_s=INTERVAL_S, mask=patterns)
    sampler.start()
    ticks, deadline = 0, time.monotonic() + DEADLINE_S
    try:
        while ticks < 2:
            message = messages.get(timeout=max(0.1, deadline - time.monotonic()))
            if isinstance(message, Hello):
                snapshot.greet(message)
            elif isinstance(message, Tick):
                snapshot.accept(message)
                ticks += 1
    except queue.Empty as error:
        raise AgentUnreachable("the processes could not be read in time", hint="run `watchkeeper doctor`") from error
    finally:
        sampler.stop(1.0)
    rows = [dataclasses.asdict(row) for row in process_rows(snapshot) if row.pid != os.getpid()]
    return {"ts": snapshot.tick.ts if snapshot.tick else None, "processes": rows, "outlook": None}


def without_asker(rows: list[dict[str, Any]], words: Sequence[str] | None) -> list[dict[str, Any]]:
    """The rows without the command that asks, and those above it that only carry it (`uv run watchkeeper ps text`): they would match every search.

    Args:
        rows: the processes.
        words: what follows `watchkeeper` on the command line; None: nothing is searched, so all are shown.
    """
    if words is None:
        return rows
    by_pid = {row["pid"]: row for row in rows}
    asking, pid = {os.getpid()}, os.getppid()
    while pid not in asking and (row := by_pid.get(pid)) is not None:
        if asks(row["cmdline"], words):
            asking.add(pid)
        pid = row["ppid"]
    return [row for row in rows if row["pid"] not in asking]


def ended_matches(data_dir: Path, text: str, words: Sequence[str]) -> int:
    """How many processes that have ended match a search; 0 without an agent. The same question asked before does not count."""
    from monitor.client.client import Client

    try:
        with Client.of(data_dir) as client:
            found = client.ended_runs({"q": text}, limit=ASKED_BEFORE)
    except AgentUnreachable:
        return 0
    return found.total - sum(asks(run.cmdline, words) for run in found.runs)


def asks(command: str | None, words: Sequence[str]) -> bool:
    """Whether a command line is, or carries, this very question."""
    return " ".join(words) in (command or "")


def arrange(
    rows: list[dict[str, Any]], *, text: str | None, by: str, tree: bool, mine: bool, kernel: bool
) -> list[tuple[int, dict[str, Any]]]:
    """The rows, filtered and sorted, each with its depth in the tree (0 without a tree)."""
    wanted = _wanted(text) if text else None
    kept = [
        row
        for row in rows
        if (kernel or not row["kernel_thread"]) and (not mine or row["mine"]) and (wanted is None or wanted(row))
    ]
    rising = by in {"pid", "name"}
    if tree:
        add_subtrees(rows)

    def place(row: dict[str, Any]) -> tuple[bool, Any]:
        value = row["subtree"].get(by, row[by]) if tree else row[by]
        return value is None, value if rising else -(value or 0)

    kept.sort(key=place)
    return list(_tree(kept)) if tree else [(0, row) for row in kept]


def _wanted(text: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a process has the text in its name, user, command line or unit, or as its PID."""
    part, unit = text.casefold(), re.compile(unit_pattern(text))
    return lambda row: (
        str(row["pid"]) == text
        or any(part in (row.get(name) or "").casefold() for name in ("name", "title", "user", "cmdline", "member"))
        or unit.search((row.get("unit") or "").lower()) is not None
    )


def add_subtrees(rows: list[dict[str, Any]]) -> None:
    """Give each row `subtree`: the sums of `SUMMED` over it and all its descendants, and their number as `processes`."""
    by_pid = {row["pid"]: row for row in rows}
    for row in rows:
        row["subtree"] = {"processes": 0} | dict.fromkeys(SUMMED)
    for row in rows:
        above: set[int] = set()  # a pid that was given anew can lead in a circle
        at: dict[str, Any] | None = row
        while at is not None and at["pid"] not in above:
            above.add(at["pid"])
            sums = at["subtree"]
            sums["processes"] += 1
            for name in SUMMED:
                if row.get(name) is not None:
                    sums[name] = round((sums[name] or 0) + row[name], 2)
            at = by_pid.get(at["ppid"])


def _tree(rows: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Children below their parents. A process whose parent is not shown becomes a root."""
    pids = {row["pid"] for row in rows}
    children: dict[int, list[dict[str, Any]]] = {}
    roots = []
    for row in rows:
        if row["ppid"] in pids and row["ppid"] != row["pid"]:
            children.setdefault(row["ppid"], []).append(row)
        else:
            roots.append(row)
    waiting = [(0, row) for row in reversed(roots)]
    while waiting:
        depth, row = waiting.pop()
        yield depth, row
        waiting += [(depth + 1, child) for child in reversed(children.pop(row["pid"], []))]


def events(
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="Show events with TEXT in name, message or details.", show_default=False),
    ] = None,
    types: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="TYPES",
            help="Only START, STOP, STATUS_CHANGE, ERROR, COMPLETE, NEW_PATTERN or ALERT; several with commas.",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Start: 2h, 09:30, 'yesterday 14:00' or ISO 8601.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="End, in the same forms as --since.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="COUNT", min=0, max=10_000, help="Show the newest COUNT events.")
    ] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new events as they come, until Ctrl-C.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show when processes began, failed, ended, and new log patterns.

    `events.patterns` and `events.exclude` say of which processes. New log patterns below a warning are shown with --type
    NEW_PATTERN only. With --json, each event is one line.
    """
    from monitor.api_models.status import Subscription
    from monitor.client.client import Client

    if follow and until:
        raise ConfigError("--until does not go with --follow", hint="leave one of them out")
    filters = {"q": text, "types": types, "pattern_level": None if types else LEAST_LEVEL, **ends(since, until)}
    wish = Subscription(host=False, processes=False, status=False, events=True, history_s=0)
    with Client.of(paths.data_dir(data_dir, os.environ)) as client:
        if not follow:
            _print_stored(client.get_json("/v1/events", {**filters, "limit": max(1, limit)}), limit, as_json=as_json)
            return
        with client.live(wish) as live:
            found = client.get_json("/v1/events", {**filters, "limit": max(1, limit)})
            shown = _print_stored(found, limit, as_json=as_json)
            for frame in live:
                fresh = [event for event in frame.get("events", ()) if frame["t"] == "events"]
                for event in fresh:
                    if _key(event) not in shown and _matches(event, text, types):
                        _print(event, as_json=as_json)
                sys.stdout.flush()


def _print_stored(found: dict[str, Any], limit: int, *, as_json: bool) -> set[str]:
    """Print the events, the oldest first; returns what tells them from others."""
    rows = found["events"][:limit]
    for event in reversed(rows):
        _print(event, as_json=as_json)
    sys.stdout.flush()
    if found["left_out"]:
        print(f"… {found['left_out']} events came too fast to be recorded", file=sys.stderr)
    if not rows and limit and sys.stdout.isatty():
        print("No events. A process is listed once it has lived for events.least_s seconds.", file=sys.stderr)
    return {_key(event) for event in found["events"]}


def _key(event: dict[str, Any]) -> str:
    return f"{event['timestamp']} {event['event_type']} {event['run']} {event['process_name']}"


def _matches(event: dict[str, Any], text: str | None, types: str | None) -> bool:
    """As the agent filters stored events."""
    if types and event["event_type"] not in {word.strip().upper() for word in types.split(",")}:
        return False
    if not types and event["event_type"] == "NEW_PATTERN" and event["details"].get("level") not in GRAVE:
        return False
    told = f"{event['process_name']} {json.dumps(event['details'], default=str)}"
    return not text or text.casefold() in told.casefold()


def _print(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**event, "timestamp": iso(event["timestamp"])}, ensure_ascii=False))
        return
    when = paint(clock(event["timestamp"], until="millisecond"), DIM)
    word = paint(f"{event['event_type']:<13}", COLOURS.get(event["event_type"], "0"))
    pid = f" ({event['pid']})" if event["pid"] else ""
    print(f"{when} {word} {clean(event['process_name'])}{pid}: {clean(str(event['details'].get('message', '')))}")


run_app = typer.Typer(
    cls=Group,
    epilog=example("watchkeeper run show 4711"),
    help="Show one life of one process.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@command(run_app, "watchkeeper run show 4711")
def show(
    process: Annotated[str, typer.Argument(metavar="PROCESS", help="Process ID, or a run (`run` in `ps --json`).")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show a process's life, how it ended and why, or its connections.

    Of a running process its connections and listening ports are listed. A process ID stands for the process that has it now, else for the last one that had it.
    """
    from pydantic import TypeAdapter

    from monitor.api_models.processes import Run
    from monitor.client.client import Client

    with Client.of(paths.data_dir(data_dir, os.environ)) as client:
        run = _run_of(client, process.strip())
        found, whole = client.run_ending(run), client.run(run)
        connections = _connections(client, run) if found.cause == "running" else None
        begin, end = found.started or found.ended or 0, (found.ended or time.time_ns() // 1000) + 1_000_000
        lived = client.activity(min(begin, end - 1), end, {"run": run, "limit": 10, "records": 0})
    if as_json:
        activity = lived.model_dump(by_alias=True, include={"start", "end", "records", "events", "jobs", "actions"})
        more = {"connections": connections and connections.model_dump(), "activity": activity}
        who = TypeAdapter(Run).dump_python(whole, include=WHOSE)
        print_json({**found.model_dump(), **who, **more})
        return
    for name, value in [*_told(found), *_whose(whole), *_connected(connections), *_lived(lived)]:
        print(f"{paint(f'{name:<14}', DIM)} {clean(value)}")


def _lived(found: "Activity") -> Iterator[tuple[str, str]]:
    """What happened in a life: counts, then the newest events and actions."""
    levels = found.records.histogram.levels
    bad = sum(sum(levels.get(level, ())) for level in ("error", "fatal"))
    yield "log records", f"{found.records.histogram.total:,}, {bad:,} of them errors"
    yield "jobs", f"{found.jobs.total:,}"
    for name, total, rows in (
        ("events", found.events.total, [(e.timestamp, e.event_type, e.details.get("message")) for e in found.events.events]),
        ("actions", found.actions.total, [(a.ts, a.action, f"{a.outcome}, by {a.actor or 'somebody'}") for a in found.actions.actions]),
    ):  # fmt: skip
        yield name, f"{total:,}"
        for at, what, text in rows:
            yield "", f"{clock(at)} {what}: {text or ''}"


def _run_of(client: "Client", process: str) -> str:
    """The run of a process ID; a longer number is a run itself.

    Raises:
        ConfigError: there is none.
    """
    if not process.isascii() or not process.isdigit():
        raise ConfigError(
            f"{process!r} is no process ID", hint="`watchkeeper ps` and `watchkeeper ps --ended` list them"
        )
    if len(process) > PID_DIGITS:
        return process
    running = [one.run for one in client.processes().processes if one.pid == int(process)]
    ended = [] if running else [one.run for one in client.ended_runs({"q": process}).runs if one.pid == int(process)]
    for run in [*running, *ended]:
        return run
    raise ConfigError(f"no process {process} is known", hint="`watchkeeper ps --ended` lists what has ended")


def _connections(client: "Client", run: str) -> "Connections | None":
    """What the process is connected to; None if it ended meanwhile."""
    from monitor.client.client import Refused

    try:
        return client.run_connections(run)
    except Refused as error:
        if error.status != NOT_FOUND:
            raise
        return None


def _connected(found: "Connections | None") -> Iterator[tuple[str, str]]:
    """Its connections, name by name."""
    if found is None:
        return
    for one in found.listening:
        yield "listens on", f"{one.protocol} {one.local}"
    for one in found.connections:
        moved = "" if one.sent_bytes is None else f", sent {size(one.sent_bytes)}, received {size(one.received_bytes)}"
        yield "connected to", f"{one.remote} from {one.local} ({one.protocol}, {one.state}){moved}"
    if found.note is not None:
        yield "connections", found.note
    if found.connections:
        yield "bytes", found.traffic


def _told(found: "RunEnding") -> Iterator[tuple[str, str]]:
    """What is known, name by name."""
    at_least = "at least until " if found.at_least else ""
    yield "process", f"{found.title} ({found.pid})"
    yield "why", found.why
    yield "command", found.command
    if found.directory is not None:
        yield "directory", found.directory
    yield "started", clock(found.started)
    if found.ended is not None:
        yield "ended", f"{at_least}{clock(found.ended)}"
    if found.sender is not None:
        end_of = "the end of " if found.cause == "parent_gone" else ""
        named = f"{found.sender.name}, process" if found.sender.name in SENDERS else "its parent, process"
        yield "ended by", f"{end_of}{named} {found.sender.pid}"
    if (last := found.last_error or found.last_line) is not None:
        yield "last error" if found.last_error else "last line", last.text
    yield "peak memory", size(found.peak_rss)
    if found.cpu_seconds is not None:
        yield "CPU time", f"{found.cpu_seconds:,.2f} s"
    if found.bytes_read or found.bytes_written:
        yield "disk", f"{size(found.bytes_read)} read, {size(found.bytes_written)} written"
    if (minute := found.final) is not None:
        cpu = "unknown" if minute.cpu_pct is None else f"{minute.cpu_pct:.1f} % of a core"
        yield "final minute", f"CPU {cpu}, memory {size(minute.rss_first)} → {size(minute.rss_last)}"
    if found.earlier_24h:
        yield "earlier runs", f"{found.earlier_24h} in the 24 hours before"
    for one in found.earlier:
        yield "", f"{clock(one.ended)} {one.outcome}"


def _whose(whole: "Run") -> Iterator[tuple[str, str]]:
    """Whose it is, what is above it, and the log files that it wrote."""
    yield "user", whole.user or "unknown"
    if whole.unit:
        yield "unit", whole.unit
    above = [*([whole.parent] if whole.parent else []), *whole.ancestors]
    for i, one in enumerate(above):
        yield "" if i else "parent", f"{title_of(one.name, one.cmdline, one.member)} ({one.pid})"
    for file in whole.log_files:
        yield "log file", f"{file.path} ({size(file.size)})"
