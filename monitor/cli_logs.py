"""`watchkeeper logs …`: search, follow, read in and parse log records."""

import json
import os
import re
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor import paths
from monitor.cli_out import DIM, RED, YELLOW, clean, iso, paint, print_json, print_table, size
from monitor.errors import ConfigError, MonitorError

logs_app = typer.Typer(
    help="Search, follow, read in and parse log records.", rich_markup_mode=None, no_args_is_help=True
)
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Where everything is kept (WATCHKEEPER_DATA_DIR).")
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, one object a record.")]
Text = Annotated[str | None, typer.Argument(help="Text that the record holds.", show_default=False)]
Regex = Annotated[bool, typer.Option("--regex", "-e", help="TEXT is a regular expression (RE2).")]
Raw = Annotated[bool, typer.Option("--raw", help="Match the whole original, not the message.")]
Case = Annotated[
    bool, typer.Option("--case", help="Regard upper and lower case, as --regex does; `(?i)` in it does not.")
]
LevelOption = Annotated[
    str | None, typer.Option("--level", help="Least level: trace, debug, info, warn, error, fatal.")
]
Source = Annotated[list[str] | None, typer.Option("--source", help="Only this source; `*` allowed; may be repeated.")]
Pid = Annotated[int | None, typer.Option("--pid", help="Only records of this process id.")]
Run = Annotated[str | None, typer.Option("--run", help="Only records of this run.")]
LEVEL_COLOURS = {"warn": YELLOW, "error": RED, "fatal": RED, "debug": DIM, "trace": DIM}


def filters(
    text: str | None,
    regex: bool,
    raw: bool,
    case: bool,
    level: str | None,
    source: list[str] | None,
    pid: int | None = None,
    run: str | None = None,
) -> dict[str, Any]:
    """The filters of the API that the options stand for."""
    given = {
        "q": text,
        "regex": 1 if regex else None,
        "raw": 1 if raw else None,
        "case": 1 if case else None,
        "level": level,
        "source": ",".join(source) if source else None,
        "pid": pid,
        "run": run,
    }
    return {key: value for key, value in given.items() if value is not None}


def moment(text: str) -> str:
    """A time as the agent takes it: without a zone it is of the zone here, which need not be the agent's; a plain number is a count of seconds, as of `date +%s`, or of ms or µs where it is so long."""
    text = text.strip()
    if re.fullmatch(r"\d{10}(\d{3}){0,2}", text):
        return text.ljust(16, "0")
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return text
    return given.astimezone().isoformat() if given.tzinfo is None else text


@logs_app.command()
def search(
    text: Text = None,
    regex: Regex = False,
    raw: Raw = False,
    case: Case = False,
    level: LevelOption = None,
    source: Source = None,
    pid: Pid = None,
    run: Run = None,
    since: Annotated[
        str | None, typer.Option("--since", help="From: ISO 8601, or 15m, 2h, 7d ago, or seconds since the epoch.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Until, as --since.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 200,
    count: Annotated[bool, typer.Option("--count", help="Only how many there are.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Records in the store, oldest first."""
    from monitor.client import Client

    wanted = filters(text, regex, raw, case, level, source, pid, run) | {
        "since": moment(since) if since else None,
        "until": moment(until) if until else None,
    }
    with Client.of(paths.data_dir(data_dir, os.environ)) as client:
        if count:
            number = client.log_count(wanted).count
            print_json({"count": number}) if as_json else print(number)
            return
        pages: list[list[dict[str, Any]]] = []
        left, before = limit, None
        while left > 0:
            params = wanted | {"limit": min(left, 5000), "before": before}
            page = client.get_json("/v1/logs/records", params)
            pages.append(page["records"])
            left, before = left - len(page["records"]), page["older"]
            if not page["records"] or before is None:
                break
    for page_records in reversed(pages):
        for record in page_records:
            print_record(record, as_json=as_json)


@logs_app.command()
def tail(
    text: Text = None,
    regex: Regex = False,
    raw: Raw = False,
    case: Case = False,
    level: LevelOption = None,
    source: Source = None,
    pid: Pid = None,
    run: Run = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=5000, help="Begin with the newest so many.")] = 10,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Follow new records until Ctrl-C."""
    from monitor.client import Client
    from monitor.models import Subscription

    wanted = filters(text, regex, raw, case, level, source, pid, run)
    wish = Subscription(host=False, processes=False, status=False, logs=wanted, history_s=0)
    with Client.of(paths.data_dir(data_dir, os.environ)) as client, client.live(wish) as live:
        shown: set[str] = set()
        for record in client.get_json("/v1/logs/records", wanted | {"limit": lines})["records"] if lines else ():
            shown.add(record["id"])
            print_record(record, as_json=as_json)
        for frame in live:
            if frame["t"] == "error":
                raise ConfigError(frame["error"]["message"], hint=frame["error"]["hint"])
            for record in frame.get("records", ()) if frame["t"] == "logs" else ():
                if record["id"] not in shown:
                    print_record(record, as_json=as_json)
            lost = frame.get("dropped", 0) if frame["t"] == "logs" else frame.get("frames", 0)
            if lost:
                print(f"… {lost} more were not shown: they come too fast", file=sys.stderr)
            sys.stdout.flush()


@logs_app.command()
def ingest(
    files: Annotated[list[Path], typer.Argument(help="Files to read into the store.")],
    form: Annotated[str | None, typer.Option("--format", help="Force a format instead of finding it.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Read files into the store, and wait until they are in."""
    from monitor.client import Client

    absolute = [path.expanduser().absolute() for path in files]
    for path in absolute:
        if not path.is_file():
            raise ConfigError(f"{path} is no file", hint="name regular files that you may read")
    with Client.of(paths.data_dir(data_dir, os.environ)) as client:
        job = client.ingest(absolute, format=form)
        pause = 0.02
        while True:
            state = client.ingest_job(job)
            if state.state != "running":
                break
            if sys.stderr.isatty() and not as_json:
                print(f"\r{100 * (state.progress or 0):3.0f} %  {state.records} records", end="", file=sys.stderr)
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)
    if sys.stderr.isatty() and not as_json:
        print("\r", end="", file=sys.stderr)
    if state.state == "failed":
        raise MonitorError(state.error or "the files could not be read", hint="`watchkeeper logs sources` says more")
    done = {
        "lines": state.lines,
        "records": state.records,
        "added": state.added,
        "bytes": state.bytes,
        "seconds": state.seconds,
    }
    if as_json:
        print_json(done)
        return
    new = "" if state.added == state.records else f", {state.added or 'none'} of them new"
    print(f"{state.lines} lines, {state.records} records{new}, {size(state.bytes)} in {state.seconds:.2f} s")


@logs_app.command()
def parse(
    file: Annotated[Path, typer.Argument(help="The file to parse; - is standard input.")],
    form: Annotated[str | None, typer.Option("--format", help="Force a format instead of finding it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Accepted for likeness: the answer is JSON lines.")] = True,  # noqa: ARG001
) -> None:
    """What would be understood of a file: one JSON object a record. Needs no agent and stores nothing."""
    from logs import parse_file

    path = Path("/dev/stdin") if str(file) == "-" else file
    out = sys.stdout
    try:
        for record in parse_file(path, form):
            out.write(json.dumps(parsed_json(record), ensure_ascii=False) + "\n")
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror or error}", hint="name a file that you may read"
        ) from error


def parsed_json(record: Any) -> dict[str, Any]:
    """A parsed record as `logs parse` writes it."""
    return dict(record) if isinstance(record, dict) else dict(record._asdict())


@logs_app.command()
def sources(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Where records come from, and how far each is read."""
    from monitor.client import Client

    with Client.of(paths.data_dir(data_dir, os.environ)) as client:
        found = client.get_json("/v1/logs/sources")
    if as_json:
        print_json(found)
        return
    if not found["sources"]:
        print("no log source yet: `watchkeeper logs ingest FILE`, or set logs.globs")
        return
    rows = [
        (
            s["source"],
            s["state"],
            "-" if s["progress"] is None else f"{100 * s['progress']:.0f} %",
            str(s["records"]),
            size(s["size"]),
            s["format"] or "-",
            s["error"] or s["path"] or "",
        )
        for s in found["sources"]
    ]
    print_table(("source", "state", "read", "records", "size", "format", "path"), rows, right=frozenset({2, 3, 4}))


def print_record(record: dict[str, Any], *, as_json: bool) -> None:
    """One record: a JSON line with ISO times, or a line as in a terminal."""
    if as_json:
        print(json.dumps({**record, "ts": iso(record["ts"])}, ensure_ascii=False))
        return
    level = record["level"] or "-"
    word = paint(f"{level:<5}", LEVEL_COLOURS.get(level, "0"))
    when = paint((iso(record["ts"]) or "")[:23].replace("T", " "), DIM)
    print(f"{when} {word} {clean(record['source'])}: {clean(record['message'], newlines=True)}")
