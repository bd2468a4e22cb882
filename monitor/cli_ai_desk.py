"""What the `ai` commands share: the running agent's client, or the service in this process for want of one."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor import paths

if TYPE_CHECKING:
    from ai.service.desk import AiDesk
    from monitor.client import Client

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Where everything is kept (WATCHKEEPER_DATA_DIR).")
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


@contextlib.asynccontextmanager
async def own_desk(data: Path) -> AsyncIterator["AiDesk"]:
    """The service in this process, for want of an agent; its workers end with it."""
    from ai.service.desk import AiDesk
    from ai.service.records import NoRecords
    from monitor.agent import look_at_engines
    from monitor.api.ai_desk import MODELS, ai_config
    from monitor.settings import load_settings

    settings = load_settings(paths.config_path(None, os.environ))
    engines = await look_at_engines(settings.engines, [*settings.ai.model_paths, str(data / MODELS)])

    async def found() -> list[dict[str, Any]]:
        return engines

    desk = AiDesk(lambda: ai_config(settings, data if data.is_dir() else None), found, records=NoRecords())
    try:
        yield desk
    finally:
        await desk.close()


def client_of(data_dir: Path | None) -> "Client":
    """The client of the agent of a data directory."""
    from monitor.client import Client

    return Client.of(paths.data_dir(data_dir, os.environ))
