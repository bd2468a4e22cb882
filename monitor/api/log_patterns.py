"""Patterns of log records: counts, and what changed between two ranges."""

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from logs import parse_time
from logs.analytics.changes import changes, ranges
from logs.analytics.parameters import POINTS, parameters, slowing
from logs.analytics.patterns import TREND_POINTS, patterns
from monitor.api.http.answers import asked, json_answer, rows_answer
from monitor.api.http.context import Context
from monitor.api.http.parameters import parse_filter, zone_of
from monitor.api.http.turns import Turns
from monitor.api.logs import Filters
from monitor.api_models.log_patterns import LogChanges, LogPatterns, PatternValues, SlowingPatterns
from monitor.store.interface import Store

_RUNNING: Final = 2
_WAITING: Final = 40
_DAY: Final = "24h"
Limit = Annotated[int, Query(ge=1, le=10_000)]


def routes(context: Context) -> APIRouter:
    """`/v1/logs/patterns`, `/v1/logs/slowing`, `/v1/logs/changes`."""
    router = APIRouter(prefix="/v1/logs", tags=["logs"])
    turns = Turns("counts of patterns", running=_RUNNING, waiting=_WAITING)

    @router.get("/patterns", response_model=LogPatterns, summary="The patterns of matching records (Arrow too)")
    async def found(
        request: Request,
        filters: Filters,
        limit: Limit = 200,
        points: Annotated[int, Query(ge=1, le=500, description="Buckets of a trend.")] = TREND_POINTS,
    ) -> Response:
        """The most frequent first. The counts of all patterns add up to the records of the filter."""
        now = context.now()
        wanted = parse_filter(filters, now, context.snapshot)
        answer = await asked(
            request, context.store, lambda store: patterns(store, wanted, now, limit=limit, points=points), turns
        )
        return rows_answer(request, answer, answer["patterns"])

    @router.get(
        "/patterns/{number}/values", response_model=PatternValues, summary="The parameters of a pattern, as columns"
    )
    async def values(
        request: Request, filters: Filters, number: int, points: Annotated[int, Query(ge=1, le=500)] = POINTS
    ) -> Response:
        """Numbers with percentiles, also over time; texts with the most frequent ones. Of many records, an even part is looked at."""
        now = context.now()
        wanted = parse_filter(filters, now, context.snapshot)
        return json_answer(
            await asked(
                request, context.store, lambda store: parameters(store, wanted, number, now, points=points), turns
            )
        )

    @router.get("/slowing", response_model=SlowingPatterns, summary="Patterns whose durations grow")
    async def slower(request: Request, filters: Filters) -> Response:
        """Those in whose newest records a duration is at least half as long again as before, by more than chance."""
        now = context.now()
        wanted = parse_filter(filters, now, context.snapshot)

        def look(store: Store) -> dict[str, Any]:
            found = patterns(store, wanted, now, points=1)["patterns"]
            return {"patterns": slowing(store, wanted, [(one["number"], one["count"]) for one in found])}

        return json_answer(await asked(request, context.store, look, turns))

    @router.get("/changes", response_model=LogChanges, summary="What changed between two ranges")
    async def changed(
        request: Request,
        filters: Filters,
        before: Annotated[
            str | None, Query(description="Where the range before `since` begins; else it is as long.", max_length=60)
        ] = None,
        limit: Limit = 200,
    ) -> Response:
        """From `since` (24 hours ago) to `until` (now), compared with the time before. Rates are records an hour; what chance explains is left out."""
        now = context.now()
        wanted = parse_filter(filters, now, context.snapshot)
        since = parse_time(_DAY, now) if wanted.since is None else wanted.since
        until = now + 1 if wanted.until is None else wanted.until
        both = ranges(since, until, None if before is None else parse_time(before, now, zone_of(filters["zone"] or "")))
        rest = replace(wanted, since=None, until=None)
        return json_answer(
            await asked(request, context.store, lambda store: changes(store, rest, *both, limit=limit), turns)
        )

    return router
