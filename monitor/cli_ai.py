"""`watchkeeper ai …`: the engines, a benchmark, an analysis, a plan of memory. All of it works without a running agent too."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor import paths
from monitor.cli_ai_benchmark import benchmark, reset, use
from monitor.cli_ai_desk import DataDir, Json, client_of, own_desk
from monitor.cli_ai_key import key
from monitor.cli_out import DIM, GREEN, RED, YELLOW, clean, paint, print_json, print_table, size
from monitor.errors import AgentUnreachable, ConfigError

ai_app = typer.Typer(
    name="ai", help="Model engines: which are here, which is fastest, and what they are good for.", no_args_is_help=True
)


@ai_app.command()
def backends(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Every engine with its state, model, memory and what to do about it, and which one would answer."""
    try:
        with client_of(data_dir) as client:
            whole: dict[str, Any] = client.get_json("/v1/ai/backends")
    except AgentUnreachable:
        whole = asyncio.run(_own_backends(paths.data_dir(data_dir, os.environ)))
    if as_json:
        print_json(whole)
        return
    colours = {"ready": GREEN, "idle": GREEN, "error": RED}
    for row in whole["backends"]:
        where = f" at {clean(row['address'])}" if row["address"] else ""
        print(f"{paint(row['state'].ljust(8), colours.get(row['state'], YELLOW))} {row['label']}{where}")
        print(f"         {clean(row['detail'])}")
        if row["usable"]:
            held = (row["memory"] or {}).get("rss")
            holder = (
                "the server's processes hold" if row["kind"] == "server" else "holds"
            )  # loaded or not: `detail` says
            memory = (
                f"{holder} {size(held['value'])}"
                if held
                else "its memory cannot be seen"
                if row["kind"] == "server"
                else "not loaded"
            )
            predicted = ""
            if row["memory_predicted"]:
                reckoned = row["memory_predicted_for"]
                predicted = f", predicted {size(row['memory_predicted'])} for {_requests(reckoned)}"
            print(f"         model {clean(row['model'])}, {memory}{predicted}")
        if row["remedy"]:
            print(f"         → {clean(row['remedy'])}")
    print(clean(whole["choice"]["sentence"]))


async def _own_backends(data: Path) -> dict[str, Any]:
    async with own_desk(data) as desk:
        return await desk.backends()


@ai_app.command()
def analyze(
    file: Annotated[str, typer.Argument(help="A file with a job posting; - reads it from standard input.")],
    rules: Annotated[bool, typer.Option("--rules", help="Ask no engine: rules alone.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """What a job posting says. An engine answers where one can, else rules do; `backend` says who did."""
    text, notes = _posting(file)
    if rules:
        from ai.analysis import analyze_job_content

        result = analyze_job_content(text).model_dump(mode="json")
    else:
        try:
            with client_of(data_dir) as client:
                result = client.ai.analyze(text).model_dump(mode="json")
        except AgentUnreachable:
            result = asyncio.run(_own_analysis(text, paths.data_dir(data_dir, os.environ)))
    result["provenance"]["notes"] = [*notes, *result["provenance"]["notes"]]
    if as_json:
        print_json(result)
    else:
        _print_analysis(result)


async def _own_analysis(text: str, data: Path) -> dict[str, Any]:
    async with own_desk(data) as desk:
        return (await desk.analyze(text)).model_dump(mode="json")


def _posting(file: str) -> tuple[str, list[str]]:
    """The text to analyse, and what was done to make one of what was given.

    Raises:
        ConfigError: it cannot be read.
    """
    from ai.analysis.given import MAX_BYTES, text_of

    try:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1) if file == "-" else _read(Path(file), MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}", hint="name a text file, or - for standard input"
        ) from error
    return text_of(raw)


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as source:
        return source.read(most)


def _print_analysis(result: dict[str, Any]) -> None:
    from ai.analysis import FIELDS

    rows = []
    for field in FIELDS:
        value = result[field]
        if value is None or value == []:
            continue
        if isinstance(value, dict):
            value = " ".join(
                f"{key} {part:g}" if isinstance(part, float) else str(part)
                for key, part in value.items()
                if part is not None
            )
        rows.append((field.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    if rows:
        print_table(("field", "value"), rows)
    else:
        print("Nothing that a job posting says was found.")
    how = "" if result["backend"] == "rules" else f" ({result['provenance']['how']})"
    print(paint(f"by {result['backend']}{how} in {result['timing']['total_s']:.1f} s", DIM))
    for note in result["provenance"]["notes"]:
        print(paint(f"  {clean(note)}", DIM))
    for attempt in result["provenance"]["attempts"]:
        if attempt["outcome"] not in {"answered", "repaired"}:
            print(paint(f"  {attempt['backend']}: {attempt['outcome']} {clean(attempt['detail'])}", DIM))


@ai_app.command()
def fit(
    model: Annotated[
        str, typer.Argument(help="A GGUF file, a model folder, or an engine's name; nothing: the model in use.")
    ] = "",
    context: Annotated[
        int | None,
        typer.Option("--context", "-c", min=1, help="Tokens of context a request; else as it would be loaded."),
    ] = None,
    parallel: Annotated[
        int | None,
        typer.Option("--parallel", "-p", min=1, help="Requests at the same time; else as it would be loaded."),
    ] = None,
    kv_type: Annotated[
        str | None, typer.Option("--kv-type", help="Type of the cache: f16, q8_0, q4_0, …; else as it would be loaded.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """What a model would take before it is loaded, and whether that fits. Exit code 1 when it does not."""
    named = str(Path(model).expanduser().absolute()) if model and Path(model).expanduser().exists() else model
    try:
        with client_of(data_dir) as client:
            plan = client.ai.fit(named, context=context, parallel=parallel, kv_type=kv_type).model_dump()
    except AgentUnreachable:
        plan = asyncio.run(_own_plan(named, context, parallel, kv_type, paths.data_dir(data_dir, os.environ)))
    if as_json:
        print_json(plan)
    else:
        word = paint("fits", GREEN) if plan["fits"] else paint("does not fit", RED)
        print(
            f"{plan['model']} {word} for {_requests(plan)}: "
            f"{size(plan['total'])} of {size(plan['available'])} that can be had"
        )
        exact = "" if plan["cache_exact"] else " (at least)"
        rows = [
            ("weights", plan["weights"]),
            (f"cache {plan['kv_type']}{exact}", plan["cache"]),
            ("compute", plan["compute"]),
            ("overhead", plan["overhead"]),
        ]
        print_table(("part", "size"), [(name, size(value)) for name, value in rows], right=frozenset({1}))
        for line in [*plan["notes"], *([plan["remedy"]] if plan["remedy"] else [])]:
            print(clean(line))
    if not plan["fits"]:
        raise typer.Exit(1)


def _requests(reckoned: dict[str, Any]) -> str:
    """What a prediction of memory reckons with."""
    count = reckoned["parallel"]
    return f"{count} request{'s' if count > 1 else ''} of {reckoned['context']} tokens"


async def _own_plan(
    model: str, context: int | None, parallel: int | None, kv_type: str | None, data: Path
) -> dict[str, Any]:
    async with own_desk(data) as desk:
        return await desk.memory_plan(model, context=context, parallel=parallel, kv_type=kv_type)


@ai_app.command()
def fetch(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Fetch the demonstration model (98 MB) where the installation came without it; checked by its hash."""
    data = paths.data_dir(data_dir, os.environ)
    try:
        with client_of(data_dir) as client:
            found = client.ai.fetch_demo().model_dump()
    except AgentUnreachable:
        paths.make_data_dir(data)
        found = asyncio.run(_own_fetch(data))
    if as_json:
        print_json(found)
    else:
        print(f"{clean(found['path'])} ({size(found['size'])})")


async def _own_fetch(data: Path) -> dict[str, Any]:
    async with own_desk(data) as desk:
        return await desk.fetch_demo()


for command in (benchmark, use, reset, key):
    ai_app.command()(command)
