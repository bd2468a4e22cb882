"""`watchkeeper ai models …`: the models of each Ollama, and trying one. Most of it works without a running agent too."""

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, cast

import typer

from ai.core.errors import BackendError
from monitor.cli.ai_benchmark import Teller
from monitor.cli.core.options import DataDir, Group, Json, client_of, command, example, own_answer
from monitor.cli.core.output import DIM, GREEN, clean, clock, paint, print_json, print_table, size
from monitor.cli.services import whoami
from monitor.core.errors import AgentUnreachable, ConfigError

if TYPE_CHECKING:
    from ai.service.service import AiService
    from ai.shapes import shelf as ai_shapes

T = TypeVar("T")
POLL_S: Final = 0.5
READ_S: Final = 0.2
models_app = typer.Typer(
    name="models",
    cls=Group,
    epilog=example("watchkeeper ai models list"),
    help="List, fetch, load, delete and try models.\n\nWithout a command, they are listed.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model, such as llama3.2:3b.")]
Server = Annotated[
    str, typer.Option("--server", "-s", metavar="SERVER", help="Name or address of the server, if there are several.")
]


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
    if not as_json and done.instead:
        print(f"\n{clean(done.instead)}" if done.text else clean(done.instead), end="")
    if not as_json and done.figures is not None:
        print(paint(f"\n{clean(done.backend)}, {clean(done.model)}: {done.figures.sentence()}", DIM))
    _end(done, as_json=as_json)


for name, function, line in (
    ("list", list_models, "watchkeeper ai models list"),
    ("pull", pull, "watchkeeper ai models pull llama3.2:3b"),
    ("load", load, "watchkeeper ai models load llama3.2:3b --keep 30m"),
    ("unload", unload, "watchkeeper ai models unload llama3.2:3b"),
    ("delete", delete, "watchkeeper ai models delete llama3.2:3b"),
    ("try", try_model, 'watchkeeper ai models try "Why is the sky blue?" --engine ollama'),
):
    command(models_app, line, name=name)(cast("Callable[..., Any]", function))
