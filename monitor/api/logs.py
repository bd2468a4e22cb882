"""Log records: search, counts, neighbours, sources, and files to read in."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from logs import LogFilter, LogsError, record_json, search
from monitor import models
from monitor.api.answers import asked, blocking, json_answer, rows_answer
from monitor.api.context import Context
from monitor.api.errors import NotFound
from monitor.errors import ConfigError, StoreError

FLAG = {"description": "0 or 1."}
READY_S = 10.0
STORED_S = 3.0
"""How long one waits for a record that was told but is not stored yet."""
STORED_EVERY_S = 0.1
Found = TypeVar("Found")
FILTER_KEYS = ("q", "regex", "raw", "case", "level", "levels", "source", "pid", "run", "since", "until")


def parse_filter(given: Mapping[str, Any], now: int) -> LogFilter:
    """A filter of the API from parameters of any JSON type; those that are no filters are left out.

    Raises:
        LogsError: naming what is wrong.
    """
    params = {}
    for key in FILTER_KEYS:
        value = given.get(key)
        if value is None or value == "":
            continue
        if isinstance(value, list | tuple):
            value = ",".join(str(part) for part in value)
        params[key] = str(int(value)) if isinstance(value, bool) else str(value)
    return LogFilter.parse(params, now)


def filter_parameters(  # noqa: PLR0917 - every filter is documented as a parameter of its own
    q: Annotated[str | None, Query(description="Text, or an RE2 regular expression.", max_length=10_000)] = None,
    regex: Annotated[str | None, Query(description="1: `q` is an expression.", max_length=5)] = None,
    raw: Annotated[str | None, Query(description="1: match the whole original, not the message.", max_length=5)] = None,
    case: Annotated[str | None, Query(description="1: regard upper and lower case.", max_length=5)] = None,
    level: Annotated[str | None, Query(description="Least level, a word.", max_length=20)] = None,
    levels: Annotated[str | None, Query(description="Levels, separated by commas.", max_length=100)] = None,
    source: Annotated[str | None, Query(description="Sources, separated by commas; `*` allowed.")] = None,
    pid: Annotated[str | None, Query(description="Process id.", max_length=20)] = None,
    run: Annotated[str | None, Query(description="Run, a decimal number.", max_length=20)] = None,
    since: Annotated[str | None, Query(description="µs, ISO 8601, or `15m`, `2h`, `7d` ago.", max_length=60)] = None,
    until: Annotated[str | None, Query(description="As `since`; exclusive.", max_length=60)] = None,
) -> dict[str, Any]:
    """The filters given."""
    return {
        "q": q,
        "regex": regex,
        "raw": raw,
        "case": case,
        "level": level,
        "levels": levels,
        "source": source,
        "pid": pid,
        "run": run,
        "since": since,
        "until": until,
    }


Filters = Annotated[dict[str, Any], Depends(filter_parameters)]
Cursor = Annotated[str | None, Query(description="A cursor of an earlier page.", max_length=200)]


def routes(context: Context) -> APIRouter:
    """`/v1/logs/*`."""
    router = APIRouter(prefix="/v1/logs", tags=["logs"])
    _searches(router, context)
    _records(router, context)
    _sources(router, context)
    return router


def _searches(router: APIRouter, context: Context) -> None:
    stored = context.store

    @router.get("/records", response_model=models.LogPage, summary="The newest records of a filter (Arrow too)")
    async def records(
        request: Request,
        filters: Filters,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
        before: Cursor = None,
        after: Cursor = None,
    ) -> Response:
        """Oldest first; `older` and `newer` lead on as `before` and `after`."""
        wanted = parse_filter(filters, context.now())
        page = await asked(
            request, stored, lambda store: search.search(store, wanted, limit=limit, before=before, after=after).json()
        )
        return rows_answer(request, page, page["records"])

    @router.get("/count", response_model=models.LogCount, summary="How many records match")
    async def count(request: Request, filters: Filters) -> Response:
        """Counts all of the store."""
        wanted = parse_filter(filters, context.now())
        return json_answer(await asked(request, stored, lambda store: search.count(store, wanted)))

    @router.get("/histogram", response_model=models.LogHistogram, summary="Matching records over time by level")
    async def histogram(
        request: Request, filters: Filters, buckets: Annotated[int, Query(ge=1, le=2000)] = 120
    ) -> Response:
        """Buckets of equal width over the filter's range, or over the records'."""
        wanted = parse_filter(filters, context.now())
        return json_answer(await asked(request, stored, lambda store: search.histogram(store, wanted, buckets)))

    @router.get("/facets", response_model=models.LogFacets, summary="Matching records by level and source")
    async def facets(request: Request, filters: Filters) -> Response:
        """For the pills and the list of sources."""
        wanted = parse_filter(filters, context.now())
        return json_answer(await asked(request, stored, lambda store: search.facets(store, wanted)))

    @router.get("/errors", response_model=models.LogErrors, summary="Errors a minute, and the newest")
    async def errors(request: Request) -> Response:
        """Of the last ten minutes."""
        return json_answer(await asked(request, stored, lambda store: search.errors(store, context.now())))


def _records(router: APIRouter, context: Context) -> None:
    async def stored(record: str, look: Callable[[], Awaitable[Found]]) -> Found:
        """What `look` finds; a record is on the screens before it is in the store, so one that is on its way is waited for."""
        deadline = time.monotonic() + STORED_S
        found = await look()
        file_id, _, pos = record.partition(":")
        while not found and time.monotonic() < deadline and (service := context.logs()) is not None:
            if not await asyncio.to_thread(service.awaits, int(file_id), int(pos)):
                return await look()
            await asyncio.sleep(STORED_EVERY_S)
            found = await look()
        return found

    @router.get("/records/{record}", response_model=models.RecordDetail, summary="One record, whole")
    async def one(request: Request, record: str) -> Response:
        """With its fields, its original and its file."""
        found = await stored(record, lambda: asked(request, context.store, lambda store: search.record(store, record)))
        if found is None:
            raise _no_record(record)
        return json_answer(found)

    @router.get("/records/{record}/context", response_model=models.LogContext, summary="A record's neighbours")
    async def neighbours(
        request: Request,
        record: str,
        before: Annotated[int, Query(ge=0, le=1000)] = 20,
        after: Annotated[int, Query(ge=0, le=1000)] = 20,
    ) -> Response:
        """In the same file, in its order."""
        found = await stored(
            record, lambda: asked(request, context.store, lambda store: search.context(store, record, before, after))
        )
        if not found:
            raise _no_record(record)
        return json_answer({"records": [record_json(item) for item in found]})


def _sources(router: APIRouter, context: Context) -> None:
    async def service() -> Any:
        """The log service; it begins a moment after the agent, once the sampler has said which machine this is."""
        for _ in range(int(READY_S / 0.05)):
            found = context.logs()
            if found is not None:
                return found
            await asyncio.sleep(0.05)
        raise StoreError("log files are not followed yet", hint="`watchkeeper status` says why")

    @router.get("/sources", response_model=models.LogSources, summary="Where records come from")
    async def sources(request: Request) -> Response:
        """And how far each is read."""
        found = context.logs()
        rows = [] if found is None else [s.json() for s in await blocking(request, found.sources)]
        return json_answer({"sources": rows})

    @router.post("/ingest", response_model=models.IngestStarted, summary="Read files into the store")
    async def ingest(request: Request, wanted: models.IngestRequest) -> Response:
        """Begins a job; ask for it until it is done."""
        for path in wanted.paths:
            if not Path(path).is_absolute():
                raise ConfigError(
                    f"{path} is not an absolute path", hint="the agent has another working directory than you"
                )
        reader = await service()
        job = await blocking(request, lambda: reader.ingest(wanted.paths, wanted.format))
        return json_answer({"job": str(job)})

    @router.get("/ingest/{job}", response_model=models.IngestJob, summary="How far a job is")
    async def ingest_job(job: str) -> Response:
        """Lines, records, bytes and seconds so far."""
        try:
            return json_answer((await service()).ingest_state(job))
        except LogsError as error:
            raise NotFound(error.message, hint="jobs are forgotten when the agent ends") from error


def _no_record(record: str) -> NotFound:
    return NotFound(
        f"there is no record {record[:60]!r}", hint="it may have been removed to keep the store within its limit"
    )
