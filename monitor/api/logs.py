"""Log records: search, counts, context, sources, and import of files."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from logs import LogRecord, LogsError, record_json
from logs.analytics.nothing import explain
from logs.analytics.vocabulary import field_names
from logs.core.levels import BY_NAME
from logs.query import search
from logs.query.language import Options, QueryWrong, parse_query
from monitor.api.http.answers import asked, blocking, json_answer, rows_answer
from monitor.api.http.context import Context
from monitor.api.http.errors import NotFound
from monitor.api.http.parameters import Zone, parse_filter, zone_of
from monitor.api.http.turns import Turns
from monitor.api_models.logs import (
    BroadcastDone,
    FieldNames,
    IngestJob,
    IngestRequest,
    IngestStarted,
    LogContext,
    LogCount,
    LogEntry,
    LogErrors,
    LogFacets,
    LogHistogram,
    LogPage,
    LogSources,
    QueryCheck,
    QueryProblem,
    RecordDetail,
    WhyNothing,
)
from monitor.core.errors import ConfigError, StoreError

FLAG = {"description": "0 or 1."}
READY_S = 10.0
STORED_S = 3.0
"""How long to wait for a record that was published but is not stored yet."""
STORED_EVERY_S = 0.1
_SEARCHES: Final = 4
"""A search uses two cores; with more at a time each takes longer, and none ends earlier."""
_SEARCHES_WAITING: Final = 80
_READINGS: Final = 2
Found = TypeVar("Found")


def filter_parameters(  # noqa: PLR0917 - every filter is documented as a parameter of its own
    q: Annotated[str | None, Query(description="Text, or an RE2 regular expression.", max_length=10_000)] = None,
    regex: Annotated[str | None, Query(description="1: `q` is an expression.", max_length=5)] = None,
    raw: Annotated[str | None, Query(description="1: match the whole original, not the message.", max_length=5)] = None,
    case: Annotated[str | None, Query(description="1: regard upper and lower case.", max_length=5)] = None,
    query: Annotated[
        str | None, Query(description="A query: `level>=warn -heartbeat user_id=42`.", max_length=10_000)
    ] = None,
    level: Annotated[str | None, Query(description="Least level, a word.", max_length=20)] = None,
    levels: Annotated[str | None, Query(description="Levels, separated by commas.", max_length=100)] = None,
    source: Annotated[str | None, Query(description="Sources, separated by commas; `*` allowed.")] = None,
    pid: Annotated[str | None, Query(description="Process id.", max_length=20)] = None,
    run: Annotated[
        str | None, Query(description="Run, a decimal number; several separated by commas.", max_length=500)
    ] = None,
    since: Annotated[str | None, Query(description="µs, ISO 8601, or `15m`, `2h`, `7d` ago.", max_length=60)] = None,
    until: Annotated[str | None, Query(description="As `since`; exclusive.", max_length=60)] = None,
    zone: Annotated[str | None, Query(description="Time zone of times without one.", max_length=60)] = None,
) -> dict[str, Any]:
    """The filters of the request."""
    return {
        "q": q,
        "regex": regex,
        "raw": raw,
        "case": case,
        "query": query,
        "level": level,
        "levels": levels,
        "source": source,
        "pid": pid,
        "run": run,
        "since": since,
        "until": until,
        "zone": zone,
    }


MOST_COLUMNS: Final = 12
Filters = Annotated[dict[str, Any], Depends(filter_parameters)]
Cursor = Annotated[str | None, Query(description="A cursor of an earlier page.", max_length=200)]


def routes(context: Context) -> APIRouter:
    """`/v1/logs/*`."""
    router = APIRouter(prefix="/v1/logs", tags=["logs"])
    _searches(router, context)
    _queries(router, context)
    _records(router, context)
    _sources(router, context)
    _broadcast(router, context)
    return router


def _broadcast(router: APIRouter, context: Context) -> None:
    told = itertools.count(1)

    @router.post(
        "/broadcast", response_model=BroadcastDone, summary="Show a record to all who watch, without storing it"
    )
    async def broadcast(entry: LogEntry) -> Response:
        """Secrets are masked as in records of files."""
        message = context.events.masked(entry.message)
        record = LogRecord(
            file_id=0, pos=next(told), line_no=None, ts=entry.ts or context.now(), ts_from="line",
            level=BY_NAME.get(entry.level or "", 0), source=entry.source, logger=entry.logger, pid=entry.pid, run=None,
            prefix=None, message=message, raw=None, lines=message.count("\n") + 1, fields=None, format="broadcast",
        )  # fmt: skip
        return json_answer(BroadcastDone(streams=context.hub.publish_records([record])))


def _searches(router: APIRouter, context: Context) -> None:
    stored = context.store
    turns = Turns("searches", running=_SEARCHES, waiting=_SEARCHES_WAITING)

    @router.get("/records", response_model=LogPage, summary="The newest records of a filter (Arrow too)")
    async def records(
        request: Request,
        filters: Filters,
        *,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
        before: Cursor = None,
        after: Cursor = None,
        columns: Annotated[
            str | None, Query(description="Fields whose values to add, separated by commas.", max_length=400)
        ] = None,
    ) -> Response:
        """Oldest first. Pass `older` as `before`, or `newer` as `after`, to get the next page. Fields are named as in a query. `marks` are the texts that were searched."""
        wanted = parse_filter(filters, context.now(), context.snapshot)
        fields = [name for name in (columns or "").split(",") if name][:MOST_COLUMNS]
        page = await asked(
            request,
            stored,
            lambda store: search.search(store, wanted, limit=limit, before=before, after=after).json(fields),
            turns,
        )
        page |= {"marks": wanted.marks(), "streams": wanted.streams}
        return rows_answer(request, page, page["records"])

    @router.get("/count", response_model=LogCount, summary="Number of matching records")
    async def count(request: Request, filters: Filters) -> Response:
        """Counts all stored records."""
        wanted = parse_filter(filters, context.now(), context.snapshot)
        return json_answer(await asked(request, stored, lambda store: search.count(store, wanted), turns))

    @router.get("/histogram", response_model=LogHistogram, summary="Matching records over time by level")
    async def histogram(
        request: Request, filters: Filters, buckets: Annotated[int, Query(ge=1, le=2000)] = 120
    ) -> Response:
        """Buckets of equal width over the range of the filter or, without one, of the records."""
        wanted = parse_filter(filters, context.now(), context.snapshot)
        return json_answer(await asked(request, stored, lambda store: search.histogram(store, wanted, buckets), turns))

    @router.get("/facets", response_model=LogFacets, summary="Matching records by level and source")
    async def facets(request: Request, filters: Filters) -> Response:
        """Counts per level and per source."""
        wanted = parse_filter(filters, context.now(), context.snapshot)
        return json_answer(await asked(request, stored, lambda store: search.facets(store, wanted), turns))

    @router.get("/errors", response_model=LogErrors, summary="Errors per minute, and the newest")
    async def errors(request: Request) -> Response:
        """Covers the last ten minutes."""
        return json_answer(await asked(request, stored, lambda store: search.errors(store, context.now()), turns))


def _queries(router: APIRouter, context: Context) -> None:
    """What helps to write a query."""
    turns = Turns("questions about fields", running=1, waiting=_SEARCHES_WAITING)

    @router.get("/query", response_model=QueryCheck, summary="Whether a query can be read")
    async def check(query: Annotated[str, Query(max_length=10_000)] = "", zone: Zone = "") -> Response:
        """With the place of what is wrong."""
        try:
            parse_query(query, Options(context.now(), zone_of(zone)))
        except QueryWrong as wrong:
            problem = QueryProblem(column=wrong.column, end=wrong.end, message=wrong.message, hint=wrong.hint)
            return json_answer(QueryCheck(problem=problem))
        return json_answer(QueryCheck(problem=None))

    @router.get("/nothing", response_model=WhyNothing, summary="Why a filter finds nothing")
    async def nothing(request: Request, filters: Filters) -> Response:
        """Names and conditions that no record has; else what around the query to leave out to find something, and the newest record that is found then."""
        wanted = parse_filter(filters, context.now(), context.snapshot)
        return json_answer(await asked(request, context.store, lambda store: explain(store, wanted), turns))

    @router.get("/fields", response_model=FieldNames, summary="Fields that recent records have")
    async def fields(request: Request) -> Response:
        """With values that they often have, to complete a query."""
        return json_answer({"fields": await asked(request, context.store, field_names, turns)})


def _records(router: APIRouter, context: Context) -> None:
    turns = Turns("readings of records", running=_READINGS, waiting=_SEARCHES_WAITING)

    async def stored(record: str, look: Callable[[], Awaitable[Found]]) -> Found:
        """The result of `look`. Pages show a record before it is stored, so this waits for one that is about to be."""
        deadline = time.monotonic() + STORED_S
        found = await look()
        file_id, _, pos = record.partition(":")
        while not found and time.monotonic() < deadline and (service := context.logs()) is not None:
            if not await asyncio.to_thread(service.awaits, int(file_id), int(pos)):
                return await look()
            await asyncio.sleep(STORED_EVERY_S)
            found = await look()
        return found

    @router.get("/records/{record}", response_model=RecordDetail, summary="One record")
    async def one(request: Request, record: str) -> Response:
        """With its fields, its original text and its file."""
        found = await stored(
            record, lambda: asked(request, context.store, lambda store: search.record(store, record), turns)
        )
        if found is None:
            raise _no_record(record)
        return json_answer(found)

    @router.get("/records/{record}/context", response_model=LogContext, summary="The context of a record")
    async def neighbours(
        request: Request,
        record: str,
        before: Annotated[int, Query(ge=0, le=1000)] = 20,
        after: Annotated[int, Query(ge=0, le=1000)] = 20,
    ) -> Response:
        """Neighbouring records of the same file, in file order."""
        found = await stored(
            record,
            lambda: asked(request, context.store, lambda store: search.context(store, record, before, after), turns),
        )
        if not found:
            raise _no_record(record)
        return json_answer({"records": [record_json(item) for item in found]})


def _sources(router: APIRouter, context: Context) -> None:
    async def service() -> Any:
        """The log service. It starts shortly after the agent, with the first message of the sampler."""
        for _ in range(int(READY_S / 0.05)):
            found = context.logs()
            if found is not None:
                return found
            await asyncio.sleep(0.05)
        raise StoreError("log files are not followed yet", hint="run `watchkeeper status`")

    @router.get("/sources", response_model=LogSources, summary="Log sources")
    async def sources(request: Request) -> Response:
        """Each with its state, and how far it has been read."""
        found = context.logs()
        return json_answer(LogSources(sources=[] if found is None else await blocking(request, found.sources)))

    @router.post("/ingest", response_model=IngestStarted, summary="Read log files into the store")
    async def ingest(request: Request, wanted: IngestRequest) -> Response:
        """Starts a job. Poll it until it is done."""
        for path in wanted.paths:
            if not Path(path).is_absolute():
                raise ConfigError(
                    f"{path} is not an absolute path",
                    hint="give absolute paths: the agent has another working directory",
                )
        reader = await service()
        job = await blocking(request, lambda: reader.ingest(wanted.paths, wanted.format))
        return json_answer(IngestStarted(job=str(job)))

    @router.get("/ingest/{job}", response_model=IngestJob, summary="Progress of a job")
    async def ingest_job(job: str) -> Response:
        """Lines, records, bytes and seconds so far."""
        try:
            return json_answer((await service()).ingest_state(job))
        except LogsError as error:
            raise NotFound(error.message, hint="jobs are forgotten when the agent stops") from error


def _no_record(record: str) -> NotFound:
    return NotFound(
        f"there is no record {record[:60]!r}", hint="it may have been removed to keep the store within its limit"
    )
