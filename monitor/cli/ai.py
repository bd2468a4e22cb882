"""`watchkeeper ai …`: engines, benchmarks, analyses and memory plans. Most of it works without a running agent too."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from monitor.cli.ai_benchmark import benchmark, reset, use
from monitor.cli.options import DataDir, Group, Json, client_of, command, example, own_service
from monitor.cli.output import DIM, GREEN, RED, YELLOW, clean, paint, print_json, print_table, size
from monitor.core import paths
from monitor.core.errors import AgentUnreachable, ConfigError

if TYPE_CHECKING:
    from monitor.config.settings import Settings

KEYS: Final = "keys"
_SETTING: Final = "engines.api_keys"
_LONGEST: Final = 8192


ai_app = typer.Typer(
    name="ai",
    cls=Group,
    epilog=example("watchkeeper ai backends"),
    help="Compare, use and configure model engines.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


def key(
    address: Annotated[
        str, typer.Argument(metavar="URL", help="Address of the server, such as http://10.0.0.5:8000/v1.")
    ],
    remove: Annotated[bool, typer.Option("--remove", help="Remove the key of this server.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Store the API key of a server.

    The key is asked for without echo, or read from standard input. It is stored in a file that only you can read.
    """
    from monitor.config.api_keys import address_of

    data = paths.data_dir(data_dir, os.environ)
    wanted = address_of(address)
    lines = [line for line in _now(data_dir) if address_of(line.partition("=")[0]) != wanted]
    if not remove:
        lines.append(_kept(data, address))
    _save(data_dir, {_SETTING: lines or None})
    print(f"{clean(address)}: {'key removed' if remove else 'key stored in ' + str(data / KEYS)}")


def _kept(data: Path, address: str) -> str:
    """Write the key to its file; returns the line for the setting.

    Raises:
        ConfigError: no key was given, or it cannot be written.
    """
    from monitor.config.api_keys import write_key

    text = typer.prompt("API key", hide_input=True) if sys.stdin.isatty() else sys.stdin.read(_LONGEST)
    paths.make_data_dir(data)
    try:
        return write_key(data / KEYS, address, str(text))
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"the key was not stored: {reason}", hint="give it on one line of standard input") from error


def _now(data_dir: Path | None) -> list[str]:
    try:
        with client_of(data_dir) as client:
            found = next(row.value for row in client.settings().settings if row.key == _SETTING)
    except AgentUnreachable:
        found = _own_settings().engines.api_keys
    return list(found)


def _save(data_dir: Path | None, changes: Mapping[str, Any]) -> None:
    """Save through the agent, so that the change applies at once; without an agent, save to the file."""
    try:
        with client_of(data_dir) as client:
            client.save_settings(changes)
    except AgentUnreachable:
        _own_settings().save(changes)


def _own_settings() -> "Settings":
    from monitor.config.settings import load_settings

    return load_settings(paths.config_path(None, os.environ))


def backends(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show each engine with its state, model and memory.

    The last line says which engine would answer now.
    """
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
            if row.get("in_use"):
                print(f"         {clean(row['in_use']['sentence'])}")
        if row["remedy"]:
            print(f"         → {clean(row['remedy'])}")
    print(clean(whole["choice"]["sentence"]))


async def _own_backends(data: Path) -> dict[str, Any]:
    async with own_service(data) as service:
        return (await service.backends()).model_dump(mode="json")


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
                result = client.ai.analyze(text).model_dump(mode="json")
        except AgentUnreachable:
            result = asyncio.run(_own_analysis(text, paths.data_dir(data_dir, os.environ)))
    result["provenance"]["notes"] = [*notes, *result["provenance"]["notes"]]
    if as_json:
        print_json(result)
    else:
        _print_analysis(result)


async def _own_analysis(text: str, data: Path) -> dict[str, Any]:
    async with own_service(data) as service:
        return (await service.analyze(text)).model_dump(mode="json")


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
        plan = asyncio.run(_own_plan(named, context, parallel, kv_type, paths.data_dir(data_dir, os.environ)))
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


async def _own_plan(
    model: str, context: int | None, parallel: int | None, kv_type: str | None, data: Path
) -> dict[str, Any]:
    async with own_service(data) as service:
        return (await service.memory_plan(model, context=context, parallel=parallel, kv_type=kv_type)).model_dump()


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
        found = asyncio.run(_own_fetch(data))
    if as_json:
        print_json(found)
    else:
        print(f"{clean(found['path'])} ({size(found['size'])})")


async def _own_fetch(data: Path) -> dict[str, Any]:
    async with own_service(data) as service:
        return (await service.fetch_demo()).model_dump()


for function, line in (
    (backends, "watchkeeper ai backends"),
    (benchmark, "watchkeeper ai benchmark --depth quick --backend ollama --backend llamacpp"),
    (use, "watchkeeper ai use 3f9c2a71b8d0"),
    (reset, "watchkeeper ai reset llamacpp"),
    (analyze, "watchkeeper ai analyze posting.txt"),
    (fit, "watchkeeper ai fit ~/models/llama-3.1-8b-q4.gguf --context 8192"),
    (fetch, "watchkeeper ai fetch"),
    (key, "watchkeeper ai key http://10.0.0.5:8000/v1"),
):
    command(ai_app, line)(function)
