"""A model's opinion on log records, or on what the machine did in a time."""

import asyncio
from collections.abc import Callable

from fastapi import APIRouter
from starlette.responses import Response

from ai.core.errors import BackendError
from monitor.api.ai.asking import Asking, refused
from monitor.api.ai.evidence import Evidence, bounds, filtered, named
from monitor.api.ai.questions import ExplainService, TooManyAsked
from monitor.api.ai.readings import spike
from monitor.api.http.answers import json_answer
from monitor.api.http.context import Context
from monitor.api.http.errors import NotFound
from monitor.api.http.parameters import parse_filter
from monitor.api_models import ai as ai_models
from monitor.core.errors import ConfigError


def add_opinions(router: APIRouter, context: Context, asking: Asking) -> None:
    """Questions, asked and waited for, or followed by their id."""

    async def ask(evidence: Evidence, question: str = "") -> ai_models.Opinion:
        return await _opinion(asking, evidence, question)

    service = ExplainService(context.now, ask)

    @router.post("/explain", response_model=ai_models.Opinion | ai_models.OpinionAsked, summary="A model's opinion")
    async def opinion(wanted: ai_models.ExplainRequest) -> Response:
        """On records, or on what the machine did in a time. Secrets are masked first; what is cited exists; engines on other machines are not
        asked unless that is allowed. With `"wait": false` 202 and an id to follow.
        """
        gather = _gathering(context, wanted)
        try:
            if not wanted.wait:
                begun = service.begin(gather, asking.answer_s(), wanted.question)
                return json_answer(ai_models.OpinionAsked(id=begun.id), status=202)
            return json_answer(await ask(await asyncio.to_thread(gather), wanted.question))
        except TooManyAsked as error:
            return refused(error, 409)
        except BackendError as error:
            return refused(error, 503)

    @router.get("/explain/{question}", response_model=ai_models.OpinionState, summary="State of a question")
    async def state(question: str) -> Response:
        """Its phase while it runs, then its answer or error. The newest fifty are kept until the agent stops."""
        found = service.find(question)
        if found is None:
            raise NotFound(f"there is no question {question[:40]!r}", hint="its answer is no longer kept; ask again")
        return json_answer(found.state_at(context.now()))

    @router.post("/explain/{question}/cancel", response_model=ai_models.Cancelled, summary="Cancel a question")
    async def cancel(question: str) -> Response:
        """Frees the engine at once."""
        return json_answer(ai_models.Cancelled(cancelled=service.cancel(question)))


def _gathering(context: Context, wanted: ai_models.ExplainRequest) -> Callable[[], Evidence]:
    """What reads the evidence that is wanted.

    Raises:
        ConfigError: neither records, a filter nor a time was given.
        LogsError: the filter is wrong.
    """
    store, now = context.store, context.now()
    if wanted.records:
        return lambda: named(store, wanted.records, wanted.around)
    if wanted.readings:
        given = parse_filter({"since": wanted.since, "until": wanted.until}, now, context.snapshot)
        start, end = bounds(given, now)
        return lambda: spike(store, host=context.host(), start=start, end=end)
    if wanted.filters is not None:
        chosen = parse_filter(wanted.filters, now, context.snapshot)
    elif wanted.since or wanted.until:
        chosen = parse_filter(
            {"since": wanted.since, "until": wanted.until, "level": wanted.level or "warn"}, now, context.snapshot
        )
    else:
        raise ConfigError("records, a filter or a time range is missing", hint='{"records": ["…"]} or {"since": "15m"}')
    return lambda: filtered(store, chosen)


async def _opinion(asking: Asking, evidence: Evidence, question: str) -> ai_models.Opinion:
    """The model's answer, with what it cites in words."""
    from ai.explain import EvidenceRecord

    given = [
        EvidenceRecord(id=item.id, text=item.text, ts=item.clock, level=item.level or "", counted=item.kind == "record")
        for item in evidence.items
    ]
    asked = question.strip() or evidence.question
    found = await asking.ask(lambda service: service.explain(given, asked), asking.answer_s())
    places = {item.id: place for place, item in enumerate(evidence.items)}
    cited = [places[name] for name in found.cited if name in places]
    return ai_models.Opinion(
        **dict(found),
        matched=evidence.matched,
        records=evidence.records,
        citations=[evidence.items[place].cited(place - found.omitted + 1) for place in cited],
    )
