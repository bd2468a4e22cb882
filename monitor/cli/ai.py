"""`watchkeeper ai …`: engines, benchmarks, analyses, models and memory plans. Most of it works without a running agent too."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, cast

import typer

from ai.core.errors import BackendError
from monitor.cli.ai_benchmark import Teller, benchmark, reset, tune, use
from monitor.cli.core.options import DataDir, Group, Json, client_of, command, example, own_answer
from monitor.cli.core.output import DIM, GREEN, RED, YELLOW, clean, clock, paint, print_json, print_table, size
from monitor.cli.services import whoami
from monitor.cli.settings import key
from monitor.core import paths
from monitor.core.errors import AgentUnreachable, ConfigError

if TYPE_CHECKING:
    from ai.service.service import AiService
    from ai.shapes import shelf as ai_shapes
    from ai.shapes.posting import JobAnalysisResult
    from monitor.client.client import Client

T = TypeVar("T")
FOLLOW_S: Final = 0.3
ai_app = typer.Typer(
    name="ai",
    cls=Group,
    epilog=example("watchkeeper ai backends"),
    help="Compare, use and configure model engines.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
models_app = typer.Typer(
    name="models",
    cls=Group,
    epilog=example("watchkeeper ai models list"),
    help="List, fetch, load, delete and try models.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model, such as llama3.2:3b.")]
Server = Annotated[
    str, typer.Option("--server", "-s", metavar="SERVER", help="Name or address of the server, if there are several.")
]
POLL_S: Final = 0.5
READ_S: Final = 0.2


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


def list_models(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the models of each Ollama, and what is in memory.

    With the settings that each server was started with.
    """
    try:
        with client_of(data_dir) as client:
            found: ai_shapes.Shelves = client.ai.models.all()
    except AgentUnreachable:
        found = own_answer(data_dir, lambda service: service.shelf.listed())
    if as_json:
        print_json(found.model_dump())
        return
    if not found.shelves:
        print("No Ollama answers here. Start one: ollama serve")
    for shelf in found.shelves:
        print(f"{paint(clean(shelf.label), GREEN)} at {clean(shelf.address)}")
        print(paint(f"  {clean(shelf.settings.sentence())}", DIM))
        if shelf.problem:
            print(clean(f"  {shelf.problem} {shelf.remedy}"))
        elif not shelf.models:
            print("  no model yet. Fetch one: watchkeeper ai models pull llama3.2")
        else:
            titles = ("model", "size", "quantisation", "context", "can", "state")
            print_table(titles, [_model_row(model) for model in shelf.models], right=frozenset({1, 3}))
    for pull in found.pulls:
        print(clean(f"{pull.state}: {pull.model} {_arrived(pull)}{pull.error}"))


def _model_row(model: "ai_shapes.ShelfModel") -> tuple[str, ...]:
    state = "chosen" if model.chosen else ""
    if model.loaded:
        left = "for ever" if model.for_ever or model.expires is None else f"until {clock(model.expires)[11:]}"
        state = f"in memory {left}, context {model.context or '-'}, {size(model.memory)}{', ' + state if state else ''}"
    if model.refused:
        state = f"on another machine{f' ({model.remote_host})' if model.remote_host else ''}: ai.allow_remote is off"
    able = ", ".join(model.capabilities) or "-"
    return model.name, size(model.size), model.quantization or "-", f"{model.trained_context or '-'}", able, state


def pull(model: ModelName, server: Server = "", data_dir: DataDir = None, as_json: Json = False) -> None:
    """Have Ollama fetch a model from its registry.

    Ctrl-C stops it. Fetching it again goes on where it broke off.
    """
    tell = Teller(words=_pulling)

    def show(now: "ai_shapes.Pull") -> bool:
        if now.state == "running":
            tell.tell(now.model_dump())
        return now.state == "running"

    def one(pulls: "list[ai_shapes.Pull]", pull: str) -> "ai_shapes.Pull":
        return next(found for found in pulls if found.id == pull)

    async def own(service: "AiService") -> "ai_shapes.Pull":
        begun = await service.shelf.pull(server, model)
        return await _followed(lambda: one(service.shelf.pulls(), begun.id), show, POLL_S)

    try:
        with client_of(data_dir) as client:
            begun = client.ai.models.pull(model, server=server, by=whoami())
            try:
                done = asyncio.run(_followed(lambda: one(client.ai.models.pulls(), begun.id), show, POLL_S))
            except KeyboardInterrupt:
                client.ai.models.cancel_pull(begun.id, by=whoami())
                done = one(client.ai.models.pulls(), begun.id)
            client.refresh_engines()
    except AgentUnreachable:
        done = own_answer(data_dir, own)
    tell.end()
    if not as_json and done.state == "done":
        print(f"{clean(done.model)} is here ({size(done.total)}).")
    _end(done, as_json=as_json)


def _end(done: "ai_shapes.Pull | ai_shapes.Trial", *, as_json: bool) -> None:
    """The exit code says what became of it."""
    if as_json:
        print_json(done.model_dump())
    if done.state == "failed":
        raise BackendError(done.error, hint=done.hint)
    if done.state == "cancelled":
        raise typer.Exit(130)


async def _followed(look: Callable[[], T], show: Callable[[T], bool], every_s: float) -> T:
    """Look again and show what is found, until `show` says that it was the last."""
    while show(now := look()):  # noqa: ASYNC110 - another process is asked
        await asyncio.sleep(every_s)
    return now


def _pulling(now: dict[str, Any]) -> str:
    left = f", about {now['left_s']:.0f} s left" if now["left_s"] is not None else ""
    return clean(f"{now['model']}: {now['status']} {_arrived(now)}{left}")


def _arrived(pull: Any) -> str:
    done, total = (pull["done"], pull["total"]) if isinstance(pull, dict) else (pull.done, pull.total)
    return f"{size(done)} of {size(total)} " if total else ""


def load(
    model: ModelName,
    server: Server = "",
    context: Annotated[
        int | None, typer.Option("--context", "-c", metavar="TOKENS", min=16, help="Context. Default: the server's.")
    ] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="TIME", help="Time in memory: 30m, 2h, -1 for ever.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Load a model of Ollama into memory."""
    try:
        with client_of(data_dir) as client:
            found = client.ai.models.load(model, server=server, context=context, keep_alive=keep, by=whoami())
    except AgentUnreachable:
        found = own_answer(data_dir, lambda s: s.shelf.load(server, model, context=context, keep_alive=keep))
    _print_model(found, as_json=as_json)


def unload(model: ModelName, server: Server = "", data_dir: DataDir = None, as_json: Json = False) -> None:
    """Free the memory of a model of Ollama."""
    try:
        with client_of(data_dir) as client:
            found = client.ai.models.unload(model, server=server, by=whoami())
    except AgentUnreachable:
        found = own_answer(data_dir, lambda service: service.shelf.unload(server, model))
    _print_model(found, as_json=as_json)


def _print_model(found: "ai_shapes.ShelfModel", *, as_json: bool) -> None:
    if as_json:
        print_json(found.model_dump())
    else:
        print(f"{clean(found.name)}: {_model_row(found)[-1] if found.loaded else 'not in memory'}")


def delete(
    model: ModelName,
    server: Server = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Delete a model of Ollama from disk, after a question."""
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Delete {model} from disk?")):
        raise ConfigError(f"{model} was not deleted", hint="answer y, or give --yes")
    try:
        with client_of(data_dir) as client:
            freed = client.ai.models.delete(model, server=server, by=whoami()).freed
    except AgentUnreachable:
        freed = own_answer(data_dir, lambda service: service.shelf.delete(server, model))
    if as_json:
        print_json({"model": model, "freed": freed})
    else:
        then = f"; {size(freed)} are free again" if freed else ", and another name of it remains" if freed == 0 else ""
        print(f"{clean(model)} is deleted{then}.")


def try_model(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask; - reads standard input.")],
    engine: Annotated[
        str, typer.Option("--engine", "-e", metavar="ENGINE", help="Engine name. Default: the one that answers.")
    ] = "",
    model: Annotated[str, typer.Option("--model", "-m", metavar="MODEL", help="Default: the one it uses.")] = "",
    tokens: Annotated[
        int, typer.Option("--tokens", metavar="COUNT", min=1, max=32_768, help="Length of the answer at most.")
    ] = 512,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Ask a model, and show how fast it answered.

    Nothing of it is stored. Ctrl-C stops the answer.
    """
    from ai.shapes.shelf import Turn

    turns, told = [Turn(role="user", content=sys.stdin.read() if question == "-" else question)], 0

    def show(now: "ai_shapes.Trial") -> bool:
        nonlocal told
        if not as_json:
            print(clean(now.text[told:], newlines=True), end="", flush=True)
            told = len(now.text)
        return now.state in {"loading", "answering"}

    async def own(service: "AiService") -> "ai_shapes.Trial":
        begun = await service.trials.start(engine, model, turns, max_tokens=tokens)
        return await _followed(lambda: service.trials.state(begun.id) or begun, show, READ_S)

    try:
        with client_of(data_dir) as client:
            begun = client.ai.models.ask(turns, backend=engine, model=model, max_tokens=tokens)
            try:
                done = asyncio.run(_followed(lambda: client.ai.models.answer(begun.id), show, READ_S))
            except KeyboardInterrupt:
                client.ai.models.stop(begun.id)
                done = client.ai.models.answer(begun.id)
    except AgentUnreachable:
        done = own_answer(data_dir, own)
    if not as_json and done.figures is not None:
        print(paint(f"\n{clean(done.backend)}, {clean(done.model)}: {done.figures.sentence()}", DIM))
    _end(done, as_json=as_json)


for parent, name, function, line in (
    (ai_app, "backends", backends, "watchkeeper ai backends"),
    (ai_app, "benchmark", benchmark, "watchkeeper ai benchmark --depth quick --backend ollama --backend llamacpp"),
    (ai_app, "use", use, "watchkeeper ai use 3f9c2a71b8d0"),
    (ai_app, "tune", tune, "watchkeeper ai tune"),
    (ai_app, "reset", reset, "watchkeeper ai reset llamacpp"),
    (ai_app, "analyze", analyze, "watchkeeper ai analyze posting.txt"),
    (ai_app, "fit", fit, "watchkeeper ai fit ~/models/llama-3.1-8b-q4.gguf --context 8192"),
    (ai_app, "fetch", fetch, "watchkeeper ai fetch"),
    (ai_app, "key", key, "watchkeeper ai key http://10.0.0.5:8000/v1"),
    (models_app, "list", list_models, "watchkeeper ai models list"),
    (models_app, "pull", pull, "watchkeeper ai models pull llama3.2:3b"),
    (models_app, "load", load, "watchkeeper ai models load llama3.2:3b --keep 30m"),
    (models_app, "unload", unload, "watchkeeper ai models unload llama3.2:3b"),
    (models_app, "delete", delete, "watchkeeper ai models delete llama3.2:3b"),
    (models_app, "try", try_model, 'watchkeeper ai models try "Why is the sky blue?" --engine ollama'),
):
    command(parent, line, name=name)(cast("Callable[..., Any]", function))
ai_app.add_typer(models_app, name="models")
