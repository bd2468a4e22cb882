"""What people said about logs: how files are read, the formats that they described, and the searches that they saved."""

import asyncio
import time
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

import logs
from monitor.api.http.answers import blocking, json_answer
from monitor.api.http.context import Context
from monitor.api.http.errors import NotFound
from monitor.api_models.logs import (
    FormatSaving,
    FormatTrial,
    FormatTried,
    LineParts,
    LogReadings,
    OwnFormat,
    OwnFormats,
    ReadingCorrection,
    SavedSearches,
    SearchSaving,
)

Name = Annotated[str, Path(description="Name of the format.", max_length=40)]
_TRIED = "draft"
_LONGEST = 4000


def routes(context: Context) -> APIRouter:
    """`/v1/logs/formats`, `/v1/logs/readings`, `/v1/logs/searches`."""
    router = APIRouter(prefix="/v1/logs", tags=["logs"])
    _own_formats(router, context)
    _readings(router, context)
    _saved_searches(router, context)
    return router


def _readings(router: APIRouter, context: Context) -> None:
    async def found(request: Request, source: str) -> Response:
        service = context.logs()
        if service is None:
            raise NotFound("log files are not followed yet", hint="ask again in a moment")
        try:
            files = await blocking(request, lambda: service.readings(source))
        except logs.LogsError as error:
            raise NotFound(error.message, hint=error.hint) from error
        specs, _ = await asyncio.to_thread(context.log_formats.read)
        return json_answer(LogReadings(source=source, files=files, formats=logs.Registry(specs).names()))

    @router.get("/readings", response_model=LogReadings, summary="How the files of a log source are read")
    async def readings(request: Request, source: Annotated[str, Query(max_length=1000)]) -> Response:
        """Where time, level, logger and pid stand, and what is done with other lines, with lines that stand in the files now."""
        return await found(request, source)

    @router.put("/readings", response_model=LogReadings, summary="Read a log file in another way")
    async def correct(request: Request, wanted: ReadingCorrection) -> Response:
        """Writes `logs.formats`. Records that are stored already stay as they are."""
        specs, _ = await asyncio.to_thread(context.log_formats.read)
        lines = context.settings().logs.formats
        after = logs.corrected(lines, wanted.path, wanted.read_as, logs.Registry(specs))
        if after != lines:
            await context.save_settings({"logs.formats": after})
        return await found(request, wanted.source)


def _own_formats(router: APIRouter, context: Context) -> None:
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
        after = [line for line in before if name not in line.rpartition("=")[2].split()] + [
            f"{f}={name}" for f in files
        ]
        if after != before:
            await context.save_settings({"logs.formats": after})
        await context.reread_formats()

    @router.get("/formats", response_model=OwnFormats, summary="The log formats that people described")
    async def listed() -> Response:
        """With what is wrong with their samples."""
        return json_answer(await asyncio.to_thread(read))

    @router.post("/formats/try", response_model=FormatTried, summary="Read lines by a format, or draft one from them")
    async def tried(trial: FormatTrial) -> Response:
        """Nothing is kept."""
        return json_answer(await asyncio.to_thread(_tried, trial))

    @router.put("/formats/{name}", response_model=OwnFormats, summary="Keep a format and name the files it reads")
    async def keep(name: Name, saving: FormatSaving) -> Response:
        """Records that are stored already stay as they are."""
        await asyncio.to_thread(own.save, name, saving.toml)
        await assign(name, saving.files)
        return json_answer(await asyncio.to_thread(read))

    @router.delete("/formats/{name}", response_model=OwnFormats, summary="Forget a format")
    async def forget(name: Name) -> Response:
        """Its files are read by what is found out about them."""
        await asyncio.to_thread(own.text, name)  # says so where there is none, before anything changes
        await assign(name, [])
        await asyncio.to_thread(own.remove, name)
        await context.reread_formats()
        return json_answer(await asyncio.to_thread(read))


def _saved_searches(router: APIRouter, context: Context) -> None:
    saved = context.searches

    def read() -> SavedSearches:
        found, wrong = saved.read()
        return SavedSearches(file=str(saved.path), searches=found, wrong=wrong)

    @router.get("/searches", response_model=SavedSearches, summary="The searches that people saved")
    async def searches() -> Response:
        """By name, with what is wrong with those that cannot be used."""
        return json_answer(await asyncio.to_thread(read))

    @router.put("/searches", response_model=SavedSearches, summary="Save a search under a name, change or rename one")
    async def save_search(wanted: SearchSaving) -> Response:
        """All people who use this agent find it."""
        await asyncio.to_thread(partial(saved.save, wanted.search, was=wanted.was, replace=wanted.replace))
        return json_answer(await asyncio.to_thread(read))

    @router.delete("/searches", response_model=SavedSearches, summary="Forget a saved search")
    async def forget_search(name: Annotated[str, Query(max_length=200)]) -> Response:
        """Its name is free again."""
        await asyncio.to_thread(saved.remove, name)
        return json_answer(await asyncio.to_thread(read))


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
