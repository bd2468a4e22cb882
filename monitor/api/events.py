"""Events of processes."""

from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from logs import parse_range
from logs.core import levels
from monitor.api.http.answers import blocking, json_answer
from monitor.api.http.context import Context
from monitor.api.http.parameters import run_number
from monitor.api_models.events import EventAccepted, EventType, ProcessEvent, ProcessEvents
from monitor.core.errors import QueryError
from monitor.store.process_events import stored_events

TYPES = get_args(EventType)
MOST_BYTES = 16_384


class EventFilter(BaseModel):
    """Which events."""

    q: str | None = Field(None, description="Text in name, message or details.", max_length=500)
    types: str | None = Field(None, description=f"Of {', '.join(TYPES)}, separated by commas.", max_length=100)
    pattern_level: str | None = Field(
        None, description="Of new log patterns only those of this level, or a graver one.", max_length=20
    )
    since: str | None = Field(None, description="At or after; a time as for log records.", max_length=60)
    until: str | None = Field(None, description="Before.", max_length=60)
    run: str | None = Field(None, description="Of this run.", max_length=30)
    limit: int = Field(200, description="Events at most.", ge=1, le=10_000)


def routes(context: Context) -> APIRouter:
    """`/v1/events`."""
    router = APIRouter(prefix="/v1", tags=["events"])

    @router.get("/events", response_model=ProcessEvents, summary="Events of processes, the newest first")
    async def events(request: Request, wanted: Annotated[EventFilter, Query()]) -> Response:
        """An event is here within a moment; the live socket has it at once."""
        now, host = context.now(), context.host()
        since, until = parse_range(wanted.since, wanted.until, now)
        filters = {
            "q": wanted.q or None,
            "kinds": _types(wanted.types) if wanted.types else None,
            "pattern_levels": _from_level(wanted.pattern_level) if wanted.pattern_level else None,
            "since": since,
            "until": until,
            "run": run_number(wanted.run) if wanted.run else None,
        }
        total, found = await blocking(
            request,
            lambda: context.with_ends(
                lambda: stored_events(context.store, host, filters, limit=wanted.limit), short=True
            ),
        )
        return json_answer(ProcessEvents(total=total, left_out=context.events.left_out, events=found))

    @router.post("/events", response_model=EventAccepted, summary="Record an event that a program tells")
    async def tell(event: ProcessEvent) -> Response:
        """The agent adds the run and the readings of the process, as far as it knows them."""
        if len(event.model_dump_json()) > MOST_BYTES:
            raise QueryError(f"the event is larger than {MOST_BYTES} bytes", hint="leave out some of its details")
        return json_answer(EventAccepted(event=context.events.accept(event)))

    return router


def _types(text: str) -> list[str]:
    """The types in a list.

    Raises:
        QueryError: one of them is none.
    """
    found = [word.strip().upper() for word in text.split(",") if word.strip()]
    if unknown := [word for word in found if word not in TYPES]:
        raise QueryError(f"there is no type of event {', '.join(unknown)}", hint=f"types are {', '.join(TYPES)}")
    return found


def _from_level(text: str) -> list[str]:
    """The names of a level and of those above it.

    Raises:
        QueryError: there is no such level.
    """
    least = levels.BY_NAME.get(text.strip().lower())
    if least is None:
        raise QueryError(f"there is no level {text!r}", hint=f"levels are {', '.join(levels.NAMES.values())}")
    return [name for number, name in levels.NAMES.items() if number >= least]
