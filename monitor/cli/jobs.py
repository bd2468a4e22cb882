"""Jobs on the command line: `watchkeeper jobs`, and the module for workers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.core.options import DataDir, Json
from monitor.cli.core.output import clock, meant, print_json, print_table
from monitor.core.errors import ConfigError

if TYPE_CHECKING:
    from monitor.api_models.jobs import JobErrors, Jobs, Workers

PLACE = 'SPOOL = ""'
"""The line of the module that names the spool folder."""
OWN = "from monitor.jobs.track import"
QUEUES = ("celery", "rq")


def track(
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write the module to FILE, usually track.py.")
    ] = None,
    queue: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="QUEUE", help="Write track_QUEUE.py beside FILE too: celery or rq."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write the module with which a worker reports its jobs.

    It is one file that needs only Python's standard library. Without --write it is printed.
    """
    import os

    from monitor.core import paths

    chosen = paths.data_dir(data_dir, os.environ)
    if unknown := sorted(set(queue or []) - set(QUEUES)):
        raise ConfigError(f"there is no module for {unknown[0]}", hint=f"there are those for {' and '.join(QUEUES)}")
    if write is None:
        if as_json:
            print_json({"module": module_text(chosen), "spool": str(paths.DataFiles(chosen).jobs)})
        else:
            sys.stdout.write(module_text(chosen))
        return
    _write(write, module_text(chosen), force=force)
    beside = [write.with_name(f"track_{name}.py") for name in queue or []]
    for name, file in zip(queue or [], beside, strict=True):
        _write(file, source_of(f"track_{name}").replace(OWN, f"from {write.stem} import"), force=force)
    spool = paths.DataFiles(chosen).jobs
    if as_json:
        print_json({"file": str(write), "spool": str(spool), "beside": [str(file) for file in beside]})
        return
    print(f"wrote {write}. In a worker:\n\n{example(write.stem)}\n\nIt reports to {spool}.")
    for file in beside:
        print(f"wrote {file}; its first lines say how to use it.")


def _write(file: Path, text: str, *, force: bool) -> None:
    try:
        with file.open("w" if force else "x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{file} exists already", hint="choose another file, or replace it with --force") from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}", hint="choose another file") from error


def source_of(module: str) -> str:
    """The source of a module of `monitor.jobs`; it is read, not imported."""
    import importlib.util

    spec = importlib.util.find_spec(f"monitor.jobs.{module}")
    if spec is None or spec.origin is None:
        raise ConfigError(f"the module {module} is missing", hint="install Watchkeeper again")
    return Path(spec.origin).read_text("utf-8")


def module_text(data_dir: Path) -> str:
    """The module's source; a data directory that is not the usual one is written into it."""
    from monitor.core import paths

    source = source_of("track")
    if data_dir == paths.data_dir(None, {}):
        return source
    return source.replace(PLACE, f"SPOOL = {str(paths.DataFiles(data_dir).jobs)!r}", 1)


def example(module: str) -> str:
    """The three lines to add to a worker."""
    return f'    from {module} import track\n\n    with track("scraper") as worker:\n        with worker.job(id): …'


def jobs(
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="List jobs with TEXT in their name or error; `list` lists all."),
    ] = None,
    worker: Annotated[str | None, typer.Option("--worker", metavar="NAME", help="List jobs of this worker.")] = None,
    failed: Annotated[
        bool,
        typer.Option(
            "--failed",
            help="Count jobs that failed or were interrupted by their error; with `list` or TEXT, list them.",
        ),
    ] = False,
    running: Annotated[bool, typer.Option("--running", help="List jobs in flight, the longest first.")] = False,
    slowest: Annotated[bool, typer.Option("--slowest", help="List the slowest jobs first.")] = False,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Count what ended at or after TIME, such as 2h or 09:30.")
    ] = "1h",
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="COUNT", min=1, max=10_000, help="Jobs at most.")] = 50,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show the workers that report jobs, or list their jobs.

    Without a filter it shows each worker with its counts since --since, its rate and what is in flight. With one, or with `list`, it lists jobs.
    Jobs that somebody had stopped have not failed.
    """
    import os

    from monitor.cli.logs import moment
    from monitor.client.client import Client
    from monitor.core import paths

    if running and (failed or slowest):
        raise ConfigError("--running cannot be combined with --failed or --slowest", hint="give one of them")
    start = moment(since, past=True)
    words = text or []
    sought = " ".join(words[1:] if words[:1] == ["list"] else words) or None
    listed = bool(words or worker or failed or running or slowest)
    filters = {"q": sought, "worker": worker, "failed": failed, "running": running, "slowest": slowest, "since": start}
    with Client.of(paths.data_dir(data_dir, os.environ)) as client:
        summary = client.jobs.workers(start)
        found = client.jobs.found(filters, limit=limit) if listed or as_json else None
        known = [one.worker for one in summary.workers]
        if worker and worker not in known and not (found and found.total):
            hint = meant(worker, known, "`watchkeeper jobs` lists the workers")
            raise ConfigError(f"no worker {worker} has reported a job", hint=hint)
        counted = {name: filters[name] for name in ("worker", "since")}
        errors = client.jobs.errors(counted, limit=limit) if failed and not (words or slowest) else None
    if as_json:
        parts = [summary, *(one for one in (found, errors) if one is not None)]
        print_json({name: value for one in reversed(parts) for name, value in one.model_dump(mode="json").items()})
    elif errors is not None and errors.total > len(errors.errors):  # else each job has an error of its own
        _print_errors(errors)
    elif found is not None:
        _print_jobs(found)
    elif summary.workers:
        _print_workers(summary)
    else:
        print(f"no worker has reported a job to {summary.spool}. Write a module for yours with")
        print("\n    watchkeeper track --write track.py\n\nand add to the worker:\n")
        print(example("track"))
    if summary.trouble:
        print(summary.trouble, file=sys.stderr)


def _print_workers(summary: "Workers") -> None:
    rows = [
        (
            row.worker,
            "running" if row.living else "ended",
            str(row.in_flight),
            str(row.stuck),
            str(row.recent.done),
            str(row.recent.failed + row.recent.interrupted - row.recent.asked),
            f"{row.per_minute:g}",
            _seconds(row.p50_s),
            _seconds(row.p99_s),
            str(row.counts.done + row.counts.failed + row.counts.interrupted),
        )
        for row in summary.workers
    ]
    titles = ("worker", "state", "in flight", "stuck", "done", "failed", "per min", "p50", "p99", "ever")
    print_table(titles, rows, right=frozenset(range(2, 10)))


def _print_jobs(found: "Jobs") -> None:
    rows = [
        (
            clock(job.ended or job.started),
            job.worker,
            job.job or f"#{job.seq}",
            "stuck" if job.stuck else job.state,
            _seconds(job.seconds),
            "-" if job.pid is None else str(job.pid),
            (job.error or "").partition("\n")[0],
        )
        for job in found.jobs
    ]
    print_table(("time", "worker", "job", "state", "took", "pid", "error"), rows, right=frozenset({4, 5}))
    if found.total > len(found.jobs):
        print(f"{found.total - len(found.jobs)} more; raise --limit", file=sys.stderr)


def _print_errors(found: "JobErrors") -> None:
    rows = [
        (
            str(one.jobs),
            clock(one.first),
            clock(one.last),
            one.newest.worker if one.workers == 1 else f"{one.workers} workers",
            one.newest.job or f"#{one.newest.seq}",
            one.error or "no error was told",
        )
        for one in found.errors
    ]
    print_table(("jobs", "first", "last", "worker", "newest", "error"), rows, right=frozenset({0}))
    if more := found.total - sum(one.jobs for one in found.errors):
        print(f"{more} more jobs; raise --limit", file=sys.stderr)
    print("`watchkeeper jobs list --failed` lists them.", file=sys.stderr)


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.1f} s"
