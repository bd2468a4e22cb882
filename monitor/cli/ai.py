"""`watchkeeper ai …`: engines, benchmarks, analyses and memory plans. Most of it works without a running agent too."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from monitor.cli.ai_benchmark import benchmark, reset, tune, use
from monitor.cli.ai_models import models_app
from monitor.cli.core.options import DataDir, Group, Json, client_of, command, example, own_answer
from monitor.cli.core.output import DIM, GREEN, RED, YELLOW, clean, paint, print_json, print_table, size
from monitor.cli.settings import key
from monitor.core import paths
from monitor.core.errors import AgentUnreachable, ConfigError

if TYPE_CHECKING:
    from ai.shapes.posting import JobAnalysisResult
    from monitor.client.client import Client

FOLLOW_S: Final = 0.3
"""How often an analysis is looked at."""
ai_app = typer.Typer(
    name="ai",
    cls=Group,
    epilog=example("watchkeeper ai backends"),
    help="Compare, use and configure model engines.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


def backends(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show each engine with its state, model and memory.

    The last line says which engine would answer now.
    """
    try:
        with client_of(data_dir) as client:
            whole: dict[str, Any] = client.get_json("/v1/ai/backends")
    except AgentUnreachable:
        whole = own_answer(data_dir, lambda service: service.backends()).model_dump(mode="json")
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
            if row.get("in_use"):
                print(f"         {clean(row['in_use']['sentence'])}")
        if row["remedy"]:
            print(f"         → {clean(row['remedy'])}")
    print(clean(whole["choice"]["sentence"]))


def analyze(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Job posting as text; - reads standard input.")],
    rules: Annotated[bool, typer.Option("--rules", help="Use rules only, no model.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Extract title, salary, skills and more from a job posting.

    The best available engine answers; without one, rules do. `backend` in the answer says which.
    """
    text, notes = _posting(file)
    if rules:
        from ai.analysis import analyze_job_content

        result = analyze_job_content(text).model_dump(mode="json")
    else:
        try:
            with client_of(data_dir) as client:
                live = sys.stdout.isatty() and not as_json
                found = _analysed(client, text, notes) if live else client.ai.analyze(text)
                result = found.model_dump(mode="json")
        except AgentUnreachable:
            result = own_answer(data_dir, lambda service: service.analyze(text)).model_dump(mode="json")
    result["provenance"]["notes"] = [*notes, *result["provenance"]["notes"]]
    if as_json:
        print_json(result)
    else:
        _print_analysis(result)


def _analysed(client: "Client", text: str, notes: list[str]) -> "JobAnalysisResult":
    """The engine's answer; on the way to it, what the rules find is printed. Ctrl-C asks no further."""
    now = client.ai.follow_analysis(text)
    try:
        if now.state == "asking":
            found = now.rules.model_dump(mode="json")
            _print_analysis(found | {"provenance": found["provenance"] | {"notes": notes}})
            print(paint(f"{now.asked} is being asked; Ctrl-C stops it", DIM), end="\n\n", flush=True)
        while now.state == "asking":
            time.sleep(FOLLOW_S)
            now = client.ai.analysis(now.id)
    except KeyboardInterrupt:
        client.ai.cancel_analysis(now.id)
        print()
    return now.best()


def _posting(file: str) -> tuple[str, list[str]]:
    """The text to analyse, and what was done to make one of what was given.

    Raises:
        ConfigError: it cannot be read.
    """
    from ai.analysis.posting.input_text import MAX_BYTES, text_of

    try:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1) if file == "-" else _read(Path(file), MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}", hint="give a text file, or - for standard input"
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
        print("No facts of a job posting were found.")
    how = "" if result["backend"] == "rules" else f" ({result['provenance']['how']})"
    print(paint(f"by {result['backend']}{how} in {result['timing']['total_s']:.1f} s", DIM))
    for note in result["provenance"]["notes"]:
        print(paint(f"  {clean(note)}", DIM))
    for attempt in result["provenance"]["attempts"]:
        if attempt["outcome"] not in {"answered", "repaired"}:
            print(paint(f"  {attempt['backend']}: {attempt['outcome']} {clean(attempt['detail'])}", DIM))


def fit(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="GGUF file, model folder or engine name. Default: the model in use."),
    ] = "",
    context: Annotated[
        int | None,
        typer.Option(
            "--context", "-c", metavar="TOKENS", min=1, help="Context per request. Default: the engine's setting."
        ),
    ] = None,
    parallel: Annotated[
        int | None,
        typer.Option(
            "--parallel", "-p", metavar="COUNT", min=1, help="Requests at the same time. Default: the engine's setting."
        ),
    ] = None,
    kv_type: Annotated[
        str | None,
        typer.Option(
            "--kv-type", metavar="TYPE", help="Cache type, such as f16, q8_0 or q4_0. Default: the engine's setting."
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Predict whether a model fits in memory before loading it.

    The exit code is 1 if it does not fit.
    """
    named = str(Path(model).expanduser().absolute()) if model and Path(model).expanduser().exists() else model
    try:
        with client_of(data_dir) as client:
            plan = client.ai.fit(named, context=context, parallel=parallel, kv_type=kv_type).model_dump()
    except AgentUnreachable:
        plan = own_answer(
            data_dir,
            lambda service: service.memory_plan(named, context=context, parallel=parallel, kv_type=kv_type),
        ).model_dump()
    if as_json:
        print_json(plan)
    else:
        word = paint("fits", GREEN) if plan["fits"] else paint("does not fit", RED)
        print(
            f"{plan['model']} {word} for {_requests(plan)}: "
            f"{size(plan['total'])} of {size(plan['available'])} available"
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
    """The number and size of the requests that a prediction assumes."""
    count = reckoned["parallel"]
    return f"{count} request{'s' if count > 1 else ''} of {reckoned['context']} tokens"


def fetch(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Download the small default model (98 MB).

    The download is checked by its hash. Nothing is downloaded if the model is already installed.
    """
    data = paths.data_dir(data_dir, os.environ)
    try:
        with client_of(data_dir) as client:
            found = client.ai.fetch_demo().model_dump()
    except AgentUnreachable:
        paths.make_data_dir(data)
        found = own_answer(data_dir, lambda service: service.fetch_demo()).model_dump()
    if as_json:
        print_json(found)
    else:
        print(f"{clean(found['path'])} ({size(found['size'])})")


for name, function, line in (
    ("backends", backends, "watchkeeper ai backends"),
    ("benchmark", benchmark, "watchkeeper ai benchmark --depth quick --backend ollama --backend llamacpp"),
    ("use", use, "watchkeeper ai use 3f9c2a71b8d0"),
    ("tune", tune, "watchkeeper ai tune"),
    ("reset", reset, "watchkeeper ai reset llamacpp"),
    ("analyze", analyze, "watchkeeper ai analyze posting.txt"),
    ("fit", fit, "watchkeeper ai fit ~/models/llama-3.1-8b-q4.gguf --context 8192"),
    ("fetch", fetch, "watchkeeper ai fetch"),
    ("key", key, "watchkeeper ai key http://10.0.0.5:8000/v1"),
):
    command(ai_app, line, name=name)(cast("Callable[..., Any]", function))
ai_app.add_typer(models_app, name="models")
