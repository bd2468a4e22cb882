"""`watchkeeper logs …`: search, follow, import and parse logs."""

import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.core.options import DataDir, Group, Json, command, example
from monitor.cli.core.output import DIM, RED, YELLOW, clean, clock, iso, meant, paint, print_json, print_table, size
from monitor.core import paths
from monitor.core.errors import ConfigError, MonitorError

if TYPE_CHECKING:
    from monitor.api_models.logs import SavedSearch
    from monitor.client.client import Client

logs_app = typer.Typer(
    cls=Group,
    epilog=example("watchkeeper logs tail"),
    help="Search, follow, import and parse logs.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
Query = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="QUERY...",
        help='What to find: words, "a text", /regex/, -word, level>=warn, user_id=42, duration>2s, run:train, since:yesterday, OR, NOT, brackets.',
        show_default=False,
    ),
]
PlainText = Annotated[
    bool, typer.Option("--text", "-F", help="Treat QUERY as one text, with its spaces and signs, like `grep -F`.")
]
Regex = Annotated[bool, typer.Option("--regex", "-e", help="Treat QUERY as one regular expression (RE2 syntax).")]
Raw = Annotated[bool, typer.Option("--raw", help="Match the whole original line, not only the message.")]
Case = Annotated[
    bool, typer.Option("--case", help="Match case. --regex always does, unless the expression begins with `(?i)`.")
]
LevelOption = Annotated[
    str | None,
    typer.Option("--level", metavar="LEVEL", help="Minimum level: trace, debug, info, warn, error or fatal."),
]
Source = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAME", help="Show this source only; `*` matches any text. Repeatable."),
]
Pid = Annotated[int | None, typer.Option("--pid", metavar="PID", help="Show records of this process ID only.")]
Run = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="Show records of this run only (`run` in `ps --json`).")
]
Format = Annotated[
    str | None, typer.Option("--format", metavar="FORMAT", help="Use this log format instead of detecting it.")
]
LEVEL_COLOURS = {"warn": YELLOW, "error": RED, "fatal": RED, "debug": DIM, "trace": DIM}


def filters(
    query: list[str] | None,
    text: bool,
    regex: bool,
    raw: bool,
    case: bool,
    level: str | None,
    source: list[str] | None,
    pid: int | None = None,
    run: str | None = None,
    *,
    live: bool = False,
) -> dict[str, Any]:
    """The options as parameters of the API.

    Raises:
        LogsError: the query is wrong.
        ConfigError: it is to be a text and an expression.
    """
    if text and regex:
        raise ConfigError("--text and --regex exclude each other", hint="give one of them")
    words = " ".join(query or ())
    given = {
        "q": words if text or regex else None,
        "query": None if text or regex else resolved(words, case=case, raw=raw, live=live),
        "regex": 1 if regex else None,
        "raw": 1 if raw else None,
        "case": 1 if case else None,
        "level": level,
        "source": ",".join(source) if source else None,
        "pid": pid,
        "run": run,
    }
    return {key: value for key, value in given.items() if value is not None}


def resolved(query: str, *, case: bool, raw: bool, live: bool) -> str | None:
    """The query with its times in the caller's zone, which may differ from the agent's; None when it is empty.

    Raises:
        LogsError: it is wrong.
        ConfigError: it asks of live records what only stored ones have.
    """
    from logs.query.language import Options, parse_query
    from logs.query.tree import needs_store

    found = parse_query(query, Options(time.time_ns() // 1000, None, case, "raw" if raw else "message"))
    if live and found is not None and needs_store(found):
        raise ConfigError(
            "a record has no pattern before it is stored",
            hint="use `watchkeeper logs search` for queries with pattern:",
        )
    return None if found is None else str(found)


def moment(text: str, *, past: bool = False, after: str | None = None) -> str:
    """A time in the form the agent reads. With `past`, one that is still to come is refused; `after` is where a range begins that it ends.

    A time without a zone is in the caller's zone, which may differ from the agent's.
    """
    from logs import parse_past, parse_time

    now = time.time_ns() // 1000
    return str(parse_past(text, now) if past else parse_time(text, now, after=int(after) if after else None))


def ends(since: str | None, until: str | None) -> dict[str, str | None]:
    """The filters `since` and `until` of a range."""
    first = moment(since) if since else None
    return {"since": first, "until": moment(until, after=first) if until else None}


@command(logs_app, "watchkeeper logs search 'level>=warn source:worker -heartbeat since:2h'")
def search(
    query: Query = None,
    text: PlainText = False,
    regex: Regex = False,
    raw: Raw = False,
    case: Case = False,
    level: LevelOption = None,
    source: Source = None,
    pid: Pid = None,
    run: Run = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Start: an age (15m, 2h, 7d), today, yesterday 14:00, an ISO 8601 time or seconds since the epoch.",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="End, in the same forms as --since.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="COUNT", min=1, help="Show the newest COUNT records.")
    ] = 200,
    count: Annotated[bool, typer.Option("--count", help="Print only the number of matches.")] = False,
    saved: Annotated[
        str | None,
        typer.Option(
            "--saved",
            metavar="NAME",
            help="Use the search saved under this name. QUERY and options narrow it; of --level, --source, --pid and --run those given here hold.",
        ),
    ] = None,
    save_as: Annotated[
        str | None, typer.Option("--save-as", metavar="NAME", help="Save this search under a name, without its times.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Search stored records and print them, oldest first."""
    from monitor.client.client import Client

    wanted = filters(query, text, regex, raw, case, level, source, pid, run)
    with Client.of(paths.data_dir(data_dir, os.environ)) as client:
        wanted = by_name(client, wanted, query, saved, save_as) | ends(since, until)
        if count:
            number = client.log_count(wanted).count
            print_json({"count": number}) if as_json else print(number)
            return
        pages: list[list[dict[str, Any]]] = []
        why: dict[str, Any] = {}
        left, before = limit, None
        while left > 0:
            params = wanted | {"limit": min(left, 5000), "before": before}
            page = client.get_json("/v1/logs/records", params)
            pages.append(page["records"])
            left, before = left - len(page["records"]), page["older"]
            if not page["records"] or before is None:
                break
        if not any(pages) and any(wanted.values()) and not as_json:
            with suppress(MonitorError):  # a busy agent need not say why nothing was found
                why = client.get_json("/v1/logs/nothing", wanted)
    for page_records in reversed(pages):
        for record in page_records:
            print_record(record, as_json=as_json)
    if not any(pages) and not as_json:
        print("No stored record matches. `watchkeeper logs sources` lists what is read, by name.", file=sys.stderr)
        _say_why(why)


def by_name(
    client: "Client", wanted: dict[str, Any], query: list[str] | None, saved: str | None, save_as: str | None
) -> dict[str, Any]:
    """What is wanted, within the search that is `saved` under this name if one is given; it is kept under the name `save_as` if that is.

    Raises:
        ConfigError: both are given, there is no such search, or it cannot be saved.
    """
    if saved is not None and save_as is not None:
        raise ConfigError(
            "--saved cannot be combined with --save-as", hint="`watchkeeper logs saved --rename` renames a search"
        )
    if save_as is not None:
        client.save_search(search_to_save(save_as, query, wanted))
    return wanted if saved is None else narrowed(saved_search(client.saved_searches().searches, saved), wanted)


def search_to_save(name: str, query: list[str] | None, wanted: Mapping[str, Any]) -> "SavedSearch":
    """What these options ask for as a search under a name; its query is as it was typed, so that `since:2h` means two hours at each use.

    Raises:
        ConfigError: a text or an expression is asked for.
    """
    from monitor.api_models import logs as shapes

    if "q" in wanted:
        raise ConfigError(
            "--save-as takes queries, not --text or --regex", hint='write "a text" or /regex/ in the query instead'
        )
    level = wanted.get("level")
    typed = " ".join(query or ())
    return shapes.SavedSearch(
        name=name,
        query=" ".join(
            part for part in (f"({typed})" if typed and level else typed, f"level>={level}" if level else "") if part
        ),
        case="case" in wanted,
        raw="raw" in wanted,
        sources=wanted["source"].split(",") if "source" in wanted else [],
        process=str(wanted.get("run") or wanted.get("pid") or ""),
    )


def narrowed(saved: "SavedSearch", wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The filters of a saved search, with what else is wanted."""
    found = saved.params()
    query = resolved(str(found.pop("query", "")), case="case" in found, raw="raw" in found, live=False)
    both = [one for one in (query, wanted.get("query")) if one]
    if "pid" in wanted or "run" in wanted:
        found = {key: value for key, value in found.items() if key not in {"pid", "run"}}
    joined = {"query": " ".join(f"({one})" for one in both) if len(both) > 1 else both[0]} if both else {}
    return {**found, **wanted, **joined}


def saved_search(searches: "Sequence[SavedSearch]", name: str) -> "SavedSearch":
    """The search of this name, without regard to case.

    Raises:
        ConfigError: there is none.
    """
    for one in searches:
        if one.name.casefold() == name.casefold():
            return one
    hint = meant(name, (one.name for one in searches), "`watchkeeper logs saved` lists them")
    raise ConfigError(f"there is no saved search named {name!r}", hint=hint)


def _say_why(why: Mapping[str, Any]) -> None:
    """What kept a search from finding anything, as `/v1/logs/nothing` has it; empty when it is not known."""
    for one in why.get("unknown", ()):
        meant = f" Did you mean {', '.join(one['nearest'])}?" if one["nearest"] else ""
        print(f"No record has {one['name']}.{meant}", file=sys.stderr)
    if why.get("newest"):
        left_out = {"range": "the time range", "levels": "levels", "sources": "sources", "process": "the process"}
        without = " and ".join(left_out[name] for name in why["without"])
        print(f"Without {without} there are matches, the newest of {clock(why['newest']['ts'])}.", file=sys.stderr)


@command(logs_app, "watchkeeper logs saved")
def saved(
    rename: Annotated[
        tuple[str, str] | None, typer.Option("--rename", metavar="OLD NEW", help="Give a saved search another name.")
    ] = None,
    delete: Annotated[str | None, typer.Option("--delete", metavar="NAME", help="Delete a saved search.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List, rename or delete the searches saved under names."""
    from monitor.client.client import Client

    with Client.of(paths.data_dir(data_dir, os.environ)) as client:
        found = client.saved_searches()
        if rename is not None:
            old = saved_search(found.searches, rename[0])
            found = client.save_search(old.model_copy(update={"name": rename[1]}), was=old.name)
        if delete is not None:
            found = client.remove_search(delete)
    if as_json:
        print_json([one.model_dump(exclude_defaults=True) for one in found.searches])
        return
    for wrong in found.wrong:
        print(f"{found.file}: {clean(wrong)}", file=sys.stderr)
    if found.searches:
        print_table(("NAME", "SEARCH"), [(clean(one.name), clean(one.said)) for one in found.searches])
    else:
        print("No search is saved. `watchkeeper logs search QUERY --save-as NAME` saves one.", file=sys.stderr)


@command(logs_app, "watchkeeper logs tail 'level>=warn source:train/*'")
def tail(
    query: Query = None,
    text: PlainText = False,
    regex: Regex = False,
    raw: Raw = False,
    case: Case = False,
    level: LevelOption = None,
    source: Source = None,
    pid: Pid = None,
    run: Run = None,
    lines: Annotated[
        int,
        typer.Option("--lines", "-n", metavar="COUNT", min=0, max=5000, help="Start with the newest COUNT records."),
    ] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="What this command does anyway.")] = True,  # noqa: ARG001 - habit
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Print new records as they arrive, until Ctrl-C."""
    from monitor.api_models.status import Subscription
    from monitor.client.client import Client

    wanted = filters(query, text, regex, raw, case, level, source, pid, run, live=True)
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
                print(f"… {lost} records skipped: they arrive too fast to print", file=sys.stderr)
            sys.stdout.flush()


@command(logs_app, "watchkeeper logs ingest /var/log/nginx/access.log.1")
def ingest(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Log files to read into the store.")],
    form: Format = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Read log files into the store and wait until they are stored."""
    from monitor.client.client import Client

    absolute = [path.expanduser().absolute() for path in files]
    for path in absolute:
        if not path.is_file():
            raise ConfigError(f"{path} is not a file", hint="give regular files that you can read")
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
        raise MonitorError(
            state.error or "the files could not be read", hint="`watchkeeper logs sources` shows the state of each file"
        )
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


@command(logs_app, "watchkeeper logs parse app.log --format logfmt")
def parse(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Log file to parse; - reads standard input.")],
    form: Format = None,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines. This is always on.")] = True,  # noqa: ARG001 - every command that answers takes --json
) -> None:
    """Parse a log file and print one JSON object per record.

    Needs no running agent and stores nothing. Secrets are masked as in the store.
    """
    from logs import OwnFormats, parse_file
    from logs.redaction.line_mask import mask_of
    from monitor.config.settings import load_settings

    mask = mask_of(load_settings(paths.config_path(None, os.environ)).masking.extra)
    own, _ = OwnFormats(paths.DataFiles(paths.data_dir(data_dir, os.environ)).formats).read() if form else ([], {})
    with readable(file) as path:
        try:
            for record in parse_file(path, form, own):
                masked = {
                    key: mask(value) if isinstance(value, str) else value for key, value in parsed_json(record).items()
                }
                sys.stdout.write(json.dumps(masked, ensure_ascii=False) + "\n")
        except OSError as error:
            raise ConfigError(
                f"{file} cannot be read: {error.strerror or error}", hint="give a file that you can read"
            ) from error


@contextmanager
def readable(file: Path) -> Iterator[Path]:
    """The file; for `-` one with what standard input gives, be it a file, a pipe or a terminal."""
    if str(file) != "-":
        yield file
        return
    with tempfile.NamedTemporaryFile(prefix="watchkeeper-") as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        kept.flush()
        yield Path(kept.name)


def parsed_json(record: Any) -> dict[str, Any]:
    """A parsed record as `logs parse` prints it."""
    return dict(record) if isinstance(record, dict) else dict(record._asdict())


def print_record(record: dict[str, Any], *, as_json: bool) -> None:
    """Print one record: as a JSON line with ISO times, or as a line for a terminal."""
    if as_json:
        print(json.dumps({**record, "ts": iso(record["ts"])}, ensure_ascii=False))
        return
    level = record["level"] or "-"
    word = paint(f"{level:<5}", LEVEL_COLOURS.get(level, "0"))
    when = paint(clock(record["ts"], until="millisecond"), DIM)
    said, below = pairs(record)
    print(f"{when} {word} {clean(record['source'])}: {clean(record['message'], newlines=True)}{paint(said, DIM)}")
    if below:
        print(clean(below, newlines=True))


def pairs(record: dict[str, Any]) -> tuple[str, str]:
    """What the fields of a structured record say beside its message: ` name=value` of each, and texts of several lines, such as the stack of an exception."""
    said, below = "", ""
    for name, value in _flat(record.get("fields") or {}):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if "\n" in text:
            below += text.rstrip("\n") if not below else "\n" + text.rstrip("\n")
        elif text and text not in record["message"]:
            bare = re.fullmatch(r'[^\s"=]+', text) is not None or not isinstance(value, str)
            said += clean(f" {name}={text if bare else json.dumps(text, ensure_ascii=False)}")
    return said, below


def _flat(fields: dict[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Names as a query has them, with their values."""
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{within}{name}.")
        elif value is not None:
            yield f"{within}{name}", value
