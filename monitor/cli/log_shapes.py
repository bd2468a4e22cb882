"""How log lines look: `watchkeeper logs sources` says how they are read, `logs formats` tries formats on them, `logs patterns` and `logs changes` count what they
have in common.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from monitor.cli.core.options import ConfigFile, DataDir, Json
from monitor.cli.core.output import BOLD, DIM, archive_line, clean, clock, iso, paint, print_json, print_table, size
from monitor.cli.logs import Format, LevelOption, Source, ends, filters, moment, readable
from monitor.config.settings import Settings, load_settings
from monitor.core import paths
from monitor.core.errors import ConfigError

if TYPE_CHECKING:
    from logs import FormatSpec, OwnFormats
    from logs.core.reading import MarkedLine, Reading

_BARS: Final = "▁▂▃▄▅▆▇█"
_KINDS: Final = {"time": "36", "level": "33", "logger": "35", "pid": "34"}
"""How a part of a line is coloured."""
_TREND_POINTS: Final = 24
_TIMES: Final = "an age (15m, 2h, 7d), today, yesterday 14:00, or an ISO 8601 time"
Limit = Annotated[int, typer.Option("--limit", metavar="COUNT", min=1, help="Print at most this many patterns.")]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help=f"Start: {_TIMES}.")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="End, in the same forms as --since.")]


def sources(
    source: Annotated[
        str | None,
        typer.Argument(metavar="SOURCE", help="Show how the files of this source are read.", show_default=False),
    ] = None,
    read_as: Annotated[
        str | None,
        typer.Option(
            "--read-as",
            metavar="HOW",
            help="Read the files of SOURCE in this way from now on: a format, day-first, month-first, or detect.",
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List log sources, or show how one of them is read."""
    from monitor.client.client import Client

    if read_as is not None and source is None:
        raise ConfigError("--read-as needs a SOURCE", hint="`watchkeeper logs sources` lists them")
    with Client.of(paths.data_dir(data_dir, os.environ)) as client:
        if source is None:
            archive = client.get_json("/v1/status")["store"]["archive"]
            _list_sources({**client.get_json("/v1/logs/sources"), "archive": archive}, as_json=as_json)
            return
        found = client.log_readings(source)
        if read_as is not None:
            for path in dict.fromkeys(file.named for file in found.files):
                found = client.correct_reading(source, path, read_as)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    for file in found.files:
        print(paint(clean(file.path), BOLD))
        if file.setting is not None:
            print(f"  setting      {clean(file.setting)}")
        if file.reading is None:
            print(f"  {clean(file.error or 'It cannot be read.')}")
        else:
            print_reading(file.reading)


def _list_sources(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    if not found["sources"]:
        print("No log sources yet. Read a file with `watchkeeper logs ingest FILE`, or follow files with logs.globs.")
        return
    kept = archive_line(found["archive"])
    missed = any(s["missed_bytes"] or s["gaps"] for s in found["sources"])
    rows = [
        (
            s["source"],
            s["state"],
            "-" if s["progress"] is None else f"{100 * s['progress']:.0f} %",
            str(s["records"]),
            size(s["size"]),
            s["format"] or "-",
            *([_missed(s)] if missed else []),
            s["error"] or s["path"] or "",
        )
        for s in found["sources"]
    ]
    titles = ("source", "state", "read", "records", "size", "format", *(["missed"] if missed else []), "path")
    print_table(titles, rows, right=frozenset({2, 3, 4}))
    if kept:
        print(f"Archive: {kept}")


def _missed(source: dict[str, Any]) -> str:
    """What is known not to be stored of a source, and why."""
    emptied, rotated, gaps = source["emptied_bytes"], source["rotated_bytes"], source["gaps"]
    parts = {
        "rotated away before it was read": rotated,
        "emptied before it was read": emptied,
        "records too long": source["missed_bytes"] - emptied - rotated,
    }
    known = [f"{size(number)} {why}" for why, number in parts.items() if number]
    times = f"{gaps} times" if gaps > 1 else "once"
    return ", ".join([*known, *([f"unknown how much {times}, rotated away unseen"] if gaps else [])]) or "-"


def print_reading(reading: "Reading") -> None:
    """How a file is read, in words, with lines in which the parts are coloured."""
    for fact in reading.facts:
        print(f"  {fact.name.lower():<12} {clean(fact.text)}")
    if len(reading.orders) > 1:
        print(
            f"  {'dates':<12} {reading.order}; could also be {', '.join(o for o in reading.orders if o != reading.order)}"
        )
    print(f"  {'lines':<12} {reading.headers} of the newest {reading.lines} begin a record")
    for one in reading.examples:
        print(f"  | {_coloured(one)}")
        if one.first and one.ts is not None:
            print(paint(f"  = {one.ts}", DIM))


def _coloured(one: "MarkedLine") -> str:
    parts, at = [], 0
    for part in one.parts:
        parts += [clean(one.line[at : part.begin]), paint(clean(one.line[part.begin : part.end]), _KINDS[part.kind])]
        at = part.end
    return "".join([*parts, clean(one.line[at:])])


def formats(
    test: Annotated[
        str | None, typer.Option("--test", metavar="LINE", help="Show how each format reads this line.")
    ] = None,
    learn: Annotated[
        Path | None,
        typer.Option(
            "--learn",
            metavar="FILE",
            help="Draft a format from the first lines of FILE (- for standard input) and print it.",
        ),
    ] = None,
    how: Annotated[
        Path | None, typer.Option("--how", metavar="FILE", help="Show how FILE is read, and with which lines of it.")
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List your own log formats and check their samples.

    A format is a file NAME.toml in the directory `formats` of the data directory. The setting logs.formats says which
    files it reads.
    """
    from logs import OwnFormats

    own = OwnFormats(paths.DataFiles(paths.data_dir(data_dir, os.environ)).formats)
    if len([one for one in (test, learn, how) if one is not None]) > 1:
        raise ConfigError("--test, --learn and --how cannot be combined", hint="give one of them")
    if how is not None:
        _how(how, own, load_settings(paths.config_path(config, os.environ)), as_json=as_json)
    elif learn is not None:
        _learn(learn, as_json=as_json)
    elif test is not None:
        _test(own, test, as_json=as_json)
    else:
        _list(own, load_settings(paths.config_path(config, os.environ)).logs.formats, as_json=as_json)


def _how(file: Path, own: "OwnFormats", settings: Settings, *, as_json: bool) -> None:
    from dataclasses import asdict

    from logs import reading_of_file
    from logs.redaction.line_mask import mask_of

    mask = mask_of(settings.masking.extra)
    with readable(file) as path:
        reading = reading_of_file(path, settings.logs.formats, own.read()[0], mask)
    print_json(asdict(reading)) if as_json else print_reading(reading)


def _learn(file: Path, *, as_json: bool) -> None:
    from logs import draft_format, format_toml

    try:
        with sys.stdin if str(file) == "-" else file.open(encoding="utf-8", errors="replace") as stream:
            lines = [line.rstrip("\n") for line, _ in zip(stream, range(200), strict=False)]
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}", hint="give a file that you can read") from error
    text = format_toml(draft_format(lines, "draft"))
    print_json({"toml": text}) if as_json else sys.stdout.write(text)


def _test(own: "OwnFormats", line: str, *, as_json: bool) -> None:
    from logs import Registry, TimeReader, header_alone, line_shown

    specs, _ = own.read()
    registry, times = Registry(specs), TimeReader(lambda: time.time_ns() // 1000)
    found = []
    for name in dict.fromkeys([*(spec.name for spec in specs), *registry.names()]):
        header = next((h for fmt in registry.named(name) if (h := fmt.read(line, times))), None)
        if header is not None:
            found.append({"format": name, **line_shown(line, header)})
    if not found and (header := header_alone(line, specs)) is not None:
        found.append({"format": "learned", **line_shown(line, header)})
    if as_json:
        print_json({"line": line, "formats": found})
        return
    if not found:
        print("No format reads this line. Draft one with `watchkeeper logs formats --learn FILE`.")
        return
    for one in found:
        print(one["format"])
        for key in ("ts", "level", "logger", "pid", "message", "fields"):
            if one[key] is not None:
                print(f"  {key:<8} {clean(str(one[key]))}")


def _list(own: "OwnFormats", lines: list[str], *, as_json: bool) -> None:
    from logs import Registry

    specs, errors = own.read()
    rows = [_row(spec, lines) for spec in specs]
    if as_json:
        print_json({"folder": str(own.folder), "formats": rows, "errors": errors, "known": Registry().names()})
        return
    for name, error in errors.items():
        print(f"{own.folder / name}: {error}")
    if not rows:
        print(f"No formats of your own. Put one into {own.folder}/NAME.toml, or draft one with --learn FILE.")
        return
    print_table(
        ("format", "samples", "files"),
        [(r["name"], _samples(r), ", ".join(r["files"]) or "none: name it in logs.formats") for r in rows],
    )
    for row in rows:
        for wrong in row["wrong"]:
            print(f"{row['name']}: {clean(wrong)}")


def _row(spec: "FormatSpec", lines: list[str]) -> dict[str, Any]:
    from logs import TimeReader, check_samples, files_of_format

    results = check_samples(spec, TimeReader(lambda: time.time_ns() // 1000))
    wrong = [f"{', '.join(result.wrong)} in {result.line!r}" for result in results if result.wrong]
    return {"name": spec.name, "samples": len(results), "wrong": wrong, "files": files_of_format(lines, spec.name)}


def _samples(row: dict[str, Any]) -> str:
    if not row["samples"]:
        return "none"
    return f"{row['samples'] - len(row['wrong'])} of {row['samples']} right"


def patterns(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE...", help="Log files to read; - reads standard input.")
    ] = None,
    since: Since = None,
    until: Until = None,
    query: Annotated[
        str | None,
        typer.Option("--query", metavar="QUERY", help="Count matching records only, as `logs search` finds them."),
    ] = None,
    level: LevelOption = None,
    source: Source = None,
    form: Format = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Print one JSON object per record of FILE with the ID of its pattern.")
    ] = False,
    values: Annotated[
        int | None,
        typer.Option(
            "--values", metavar="NUMBER", help="Show what the records of this pattern have in place of its values."
        ),
    ] = None,
    limit: Limit = 50,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what stored records, or log files, have in common.

    Each pattern is listed with how often it occurs. Numbers, names and other values are left out of a pattern. With FILE, no agent is needed and nothing is stored; secrets
    are masked.
    """
    if files:
        if since or until or query or level or source or values is not None:
            raise ConfigError(
                "--since, --until, --query, --level, --source and --values are about stored records",
                hint="leave them out, or leave FILE out",
            )
        _of_files(files, form, lines=lines, limit=limit, as_json=as_json)
        return
    if lines or form:
        raise ConfigError("--lines and --format belong to files", hint="give a FILE, or leave them out")
    wanted = _wanted(query, level, source, since, until)
    if values is not None:
        _values(wanted, values, data_dir, as_json=as_json)
        return
    _of_the_store(wanted, data_dir, limit=limit, as_json=as_json)


def changes(
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help=f"Start of the second range: {_TIMES}.")
    ] = "24h",
    until: Until = None,
    before: Annotated[
        str | None,
        typer.Option(
            "--before", metavar="TIME", help="Start of the first range, which ends at --since. Default: as long."
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option("--query", metavar="QUERY", help="Compare matching records only, as `logs search` finds them."),
    ] = None,
    level: LevelOption = None,
    source: Source = None,
    limit: Limit = 50,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show which patterns of log records changed between two ranges.

    A pattern is new, gone, more or less frequent. Rates per hour are compared, and what chance explains is left out.
    """
    from monitor.client.client import Client

    wanted = _wanted(query, level, source, since, until) | {
        "limit": limit,
        "before": moment(before) if before else None,
    }
    with Client.of(paths.data_dir(data_dir, os.environ)) as client:
        found = client.get_json("/v1/logs/changes", wanted)
    if as_json:
        print_json(found)
        return
    for name in ("before", "after"):
        one = found[name]
        print(
            f"{name:6}  {_minute(one['from'])} to {_minute(one['to'])}  {one['records']} records, {_rate(one['per_hour'])} an hour"
        )
    for title in ("levels", "sources"):
        for one in (row for row in found[title] if row["changed"]):
            print(
                f"{title[:-1]:6}  {clean(one['name'])}: {_rate(one['before_per_hour'])} → {_rate(one['after_per_hour'])} an hour"
            )
    rows = [
        (
            one["kind"],
            one["level"] or "-",
            _rate(one["before_per_hour"]),
            _rate(one["after_per_hour"]),
            ", ".join(source["source"] for source in one["sources"][:2]),
            one["text"],
        )
        for one in found["changes"]
    ]
    if not rows:
        print("No pattern changed by more than chance.")
        return
    print_table(("CHANGE", "LEVEL", "BEFORE/H", "AFTER/H", "SOURCE", "PATTERN"), rows, right=frozenset({2, 3}))
    if found["found"] > len(rows):
        print(f"{found['found']} patterns changed; the first {len(rows)} are shown")


def _wanted(
    query: str | None, level: str | None, source: list[str] | None, since: str | None, until: str | None
) -> dict[str, Any]:
    words = [query] if query else None
    chosen = filters(words, text=False, regex=False, raw=False, case=False, level=level, source=source)
    return chosen | ends(since, until)


def _values(wanted: dict[str, Any], number: int, data_dir: Path | None, *, as_json: bool) -> None:
    from monitor.client.client import Client

    with Client.of(paths.data_dir(data_dir, os.environ)) as client:
        found = client.get_json(f"/v1/logs/patterns/{number}/values", wanted | {"points": _TREND_POINTS})
    if as_json:
        print_json(found)
        return
    print(clean(found["text"]))
    part = f", an even part of {found['total']}" if found["looked_at"] < found["total"] else ""
    print(f"{found['looked_at']} records{part}; times in seconds, sizes in bytes")
    rows = []
    for column in found["columns"]:
        stats = column["stats"]
        if stats is None:
            most = ", ".join(f"{clean(one['value'])} ({one['count']})" for one in column["top"][:3])
            rows.append((clean(column["name"]), column["kind"], str(column["count"]), "", "", "", "", most))
        else:
            figures = [f"{stats[name]:.4g}" for name in ("p50", "p95", "p99", "max")]
            curve = [value or 0.0 for value in column["p95"]]
            rows.append((clean(column["name"]), column["kind"], str(column["count"]), *figures, _bars(curve)))
    print_table(
        ("VALUE", "KIND", "COUNT", "P50", "P95", "P99", "MAX", "P95 OVER TIME, OR MOST"),
        rows,
        right=frozenset({2, 3, 4, 5, 6}),
    )


def _of_the_store(wanted: dict[str, Any], data_dir: Path | None, *, limit: int, as_json: bool) -> None:
    from monitor.client.client import Client

    with Client.of(paths.data_dir(data_dir, os.environ)) as client:
        found = client.get_json("/v1/logs/patterns", wanted | {"limit": limit, "points": _TREND_POINTS})
        slower = {one.number for one in client.slowing_patterns(wanted).patterns}
    found["patterns"] = [one | {"slowing": one["number"] in slower} for one in found["patterns"]]
    if as_json:
        print_json(found)
        return
    if not found["patterns"]:
        print("No records. `watchkeeper logs sources` lists what is read; without --since all of it is counted.")
        return
    total = found["total"]
    rows = [
        (
            str(one["count"]),
            f"{100 * one['count'] / total:.1f} %",
            str(one["errors"] or "-"),
            _minute(one["last"]),
            _bars(one["trend"]),
            "new" if one["new"] else "burst" if one["bursting"] else "slowing" if one["slowing"] else "",
            clean(one["text"]),
        )
        for one in found["patterns"]
    ]
    print_table(("COUNT", "SHARE", "ERRORS", "LAST", "TREND", "", "PATTERN"), rows, right=frozenset({0, 1, 2}))
    more = f"; the {limit} most frequent are shown" if found["found"] > limit else ""
    print(f"{_counted(total, found['found'])}{more}")


def _of_files(files: Sequence[Path], form: str | None, *, lines: bool, limit: int, as_json: bool) -> None:
    from logs import FilePatterns
    from logs.redaction.line_mask import mask_of

    mask = mask_of(load_settings(paths.config_path(None, os.environ)).masking.extra)
    found = FilePatterns()
    for file in files:
        with readable(file) as path:
            found.read(path, form, name=str(file))
    if lines:
        for name, line_no, pattern in found.lines():
            sys.stdout.write(json.dumps({"file": name, "line_no": line_no, "template_id": pattern}) + "\n")
        return
    counts = found.counts()
    total = sum(one.count for one in counts)
    shown: list[dict[str, Any]] = [
        {
            "template_id": one.pattern.id,
            "template": mask(one.pattern.template),
            "count": one.count,
            "errors": one.errors,
            "first": None if one.first is None else iso(one.first),
            "last": None if one.last is None else iso(one.last),
        }
        for one in counts[:limit]
    ]
    if as_json:
        print_json({"records": total, "patterns": len(counts), "shown": shown})
        return
    rows = [
        (
            str(one["count"]),
            f"{100 * one['count'] / total:.1f} %",
            str(one["errors"] or "-"),
            "-" if last is None else _minute(last),
            clean(one["template"]),
        )
        for one, last in zip(shown, (one.last for one in counts), strict=False)
    ]
    print_table(("COUNT", "SHARE", "ERRORS", "LAST", "PATTERN"), rows, right=frozenset({0, 1, 2}))
    more = f"; the {limit} most frequent are shown" if len(counts) > limit else ""
    print(f"{_counted(total, len(counts))}{more}")


def _counted(records: int, patterns: int) -> str:
    return f"{records} record{'' if records == 1 else 's'}, {patterns} pattern{'' if patterns == 1 else 's'}"


def _bars(trend: Sequence[float]) -> str:
    """A trend as a row of bars; a blank where there is nothing."""
    most = max(trend, default=0)
    return "".join(" " if not count else _BARS[int(-(-count * len(_BARS) // most)) - 1] for count in trend)


def _minute(us: int) -> str:
    return clock(us, until="minute")


def _rate(per_hour: float) -> str:
    return f"{per_hour:.0f}" if per_hour >= 10 or not per_hour else f"{per_hour:.2g}"
