"""What the commands share: common options, a `--help` that lists commands in the order of use with an example each, and whom they ask:
the running agent's client, or without an agent the AI service in this process.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from monitor.core import paths

if TYPE_CHECKING:
    from ai.service.service import AiService
    from monitor.client.client import Client

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Data directory. Environment: WATCHKEEPER_DATA_DIR."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file. Environment: WATCHKEEPER_CONFIG."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

ORDER = (
    *("up", "status", "down"),
    *("ps", "run", "events", "logs", "jobs", "track", "service", "alerts", "query", "engines", "ai", "gateway"),
    *("settings", "password", "doctor", "agent", "dashboard"),
)
"""The commands as somebody new needs them: start, look, set up, repair, run as a service."""


T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Any])


class Command(TyperCommand):
    """A command whose help names arguments as manual pages do: `FILE...`, not `{FILE}... <list[Path]>`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """The parts of the usage line."""
        return ["[OPTIONS]", *(_usage(p) for p in self.params if isinstance(p, TyperArgument))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The tables of arguments and options."""
        _write_parameters(self, ctx, formatter)


class Group(TyperGroup):
    """A command with commands below it, listed in the order of use. Typer lists single commands first and groups last.

    Without a command, a group that can `list` does that, with the options that are given.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the words that follow; what they leave is for the command below."""
        own = {*ctx.help_option_names, *(name for param in self.params for name in param.opts)}
        if "list" in self.commands and (not args or (args[0].startswith("-") and args[0].partition("=")[0] not in own)):
            args = ["list", *args]
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """The names of the commands."""
        return sorted(self.commands, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The tables of options and commands."""
        _write_parameters(self, ctx, formatter)
        self.format_commands(ctx, formatter)


def example(line: str) -> str:
    """The epilog of a help page. Its first character tells the formatter to keep the lines as they are."""
    return f"\b\nExample:\n  {line}"


def command(app: typer.Typer, line: str, **more: Any) -> Callable[[Function], Function]:
    """Decorator: add a function to the command line, with `line` as its example."""
    return app.command(cls=Command, epilog=example(line), **more)


@contextlib.asynccontextmanager
async def own_service(data: Path) -> AsyncIterator["AiService"]:
    """The service in this process, for use without an agent. Its workers end with it."""
    from ai.service.context.records import NoRecords
    from ai.service.service import AiService
    from logs.redaction.masker import Masker
    from monitor.agent.ai_runtime import MODELS, ai_config
    from monitor.agent.engine_watch import check_engines
    from monitor.config.settings import load_settings

    settings = load_settings(paths.config_path(None, os.environ))
    engines = await check_engines(settings.engines, settings.ai, [data / MODELS])

    async def found() -> list[dict[str, Any]]:
        return engines

    mask = Masker(settings.masking.extra).mask_text
    service = AiService(
        lambda: ai_config(settings, data if data.is_dir() else None), found, records=NoRecords(), mask=mask
    )
    try:
        yield service
    finally:
        await service.close()


def own_answer(data_dir: Path | None, question: "Callable[[AiService], Awaitable[T]]") -> T:
    """What the service in this process answers."""

    async def ask() -> T:
        async with own_service(paths.data_dir(data_dir, os.environ)) as service:
            return await question(service)

    return asyncio.run(ask())


def client_of(data_dir: Path | None) -> "Client":
    """The client of the agent of a data directory."""
    from monitor.client.client import Client

    return Client.of(paths.data_dir(data_dir, os.environ))


def _usage(argument: TyperArgument) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _write_parameters(page: TyperCommand | TyperGroup, ctx: Any, formatter: Any) -> None:
    for title, kind in (("Arguments", "argument"), ("Options", "option")):
        rows = list(_rows(page, ctx, kind))
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def _rows(page: TyperCommand | TyperGroup, ctx: Any, kind: str) -> Iterator[tuple[str, str]]:
    """Name and help of each parameter. Of typer's own remarks only the default stays; ranges are told when they are broken."""
    for parameter in page.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is None or parameter.param_type_name != kind:
            continue
        name = parameter.metavar or record[0] if isinstance(parameter, TyperArgument) else record[0]
        text, _, remarks = record[1].partition("  [")
        default = next((part for part in remarks.rstrip("]").split("; ") if part.startswith("default:")), "")
        yield name, f"{text} [{default}]" if default else text
