"""Log formats that people described: try, keep and forget them."""

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

import logs
from monitor.api.http.answers import json_answer
from monitor.api.http.context import Context
from monitor.api_models.logs import FormatSaving, FormatTrial, FormatTried, LineParts, OwnFormat, OwnFormats

Name = Annotated[str, Path(description="Name of the format.", max_length=40)]
_TRIED = "draft"
_LONGEST = 4000


def routes(context: Context) -> APIRouter:
    """`/v1/logs/formats`."""
    router = APIRouter(prefix="/v1/logs/formats", tags=["logs"])
    own = context.log_formats

    def read() -> OwnFormats:
        specs, errors = own.read()
        lines = context.settings().logs.formats
        return OwnFormats(
            folder=str(own.folder), formats=[_described(spec, own.text(spec.name), lines) for spec in specs], errors=errors, known=logs.Registry().names(),
        )  # fmt: skip

    async def assign(name: str, files: list[str]) -> None:
        """Give these files, and no others, to the format."""
        before = context.settings().logs.formats
        after = [line for line in before if line.rpartition("=")[2].strip() != name] + [f"{f}={name}" for f in files]
        if after != before:
            await context.save_settings({"logs.formats": after})
        await context.reread_formats()

    @router.get("", response_model=OwnFormats, summary="The log formats that people described")
    async def listed() -> Response:
        """With what is wrong with their samples."""
        return json_answer(await asyncio.to_thread(read))

    @router.post("/try", response_model=FormatTried, summary="Read lines by a format, or draft one from them")
    async def tried(trial: FormatTrial) -> Response:
        """Nothing is kept."""
        return json_answer(await asyncio.to_thread(_tried, trial))

    @router.put("/{name}", response_model=OwnFormats, summary="Keep a format and name the files it reads")
    async def keep(name: Name, saving: FormatSaving) -> Response:
        """Records that are stored already stay as they are."""
        await asyncio.to_thread(own.save, name, saving.toml)
        await assign(name, saving.files)
        return json_answer(await asyncio.to_thread(read))

    @router.delete("/{name}", response_model=OwnFormats, summary="Forget a format")
    async def forget(name: Name) -> Response:
        """Its files are read by what is found out about them."""
        await asyncio.to_thread(own.text, name)  # says so where there is none, before anything changes
        await assign(name, [])
        await asyncio.to_thread(own.remove, name)
        await context.reread_formats()
        return json_answer(await asyncio.to_thread(read))

    return router


def _described(spec: logs.FormatSpec, toml: str, lines: list[str]) -> OwnFormat:
    return OwnFormat(
        name=spec.name, toml=toml, samples=len(spec.sample), wrong=_wrong(spec), files=logs.files_of_format(lines, spec.name)
    )  # fmt: skip


def _wrong(spec: logs.FormatSpec) -> list[str]:
    results = logs.check_samples(spec, logs.TimeReader(lambda: time.time_ns() // 1000))
    return [f"{', '.join(result.wrong)} in {result.line!r}" for result in results if result.wrong]


def _tried(trial: FormatTrial) -> FormatTried:
    lines = [line[:_LONGEST] for line in trial.lines]
    if trial.toml is None:
        spec = logs.draft_format(lines, _TRIED)
        toml = logs.format_toml(spec)
    else:
        spec, toml = logs.read_format(trial.toml, _TRIED), trial.toml
    parts = [LineParts.model_validate(found) for found in logs.preview_format(spec, lines)]
    return FormatTried(toml=toml, lines=parts, wrong=_wrong(spec))
