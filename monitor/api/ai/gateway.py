"""Routes about the gateway: its state, its keys, the calls that passed it."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Query
from starlette.responses import Response

from ai.gateway.link.budgets import Budget, Ledger
from monitor.api.http.answers import json_answer
from monitor.api.http.context import Context
from monitor.api_models import gateway as models

DAY_S: Final = 86_400
_USAGE: Final = 200
T = TypeVar("T")


def add_gateway(router: APIRouter, context: Context) -> None:
    """`/v1/ai/gateway` and what is below it."""

    @router.get("/gateway", response_model=models.GatewayStatus, summary="The gateway: state, keys, engines, calls now")
    async def state() -> Response:
        """Switch it on with the setting `gateway.enabled`."""
        keys, kept = await asyncio.to_thread(lambda: (_keys(context), context.gateway_texts.kept()))
        return json_answer(_status(context, keys, kept))

    @router.get("/gateway/calls", response_model=models.GatewayCalls, summary="The newest calls, and who used what")
    async def calls(
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        since_s: Annotated[int, Query(ge=1, le=366 * DAY_S, description="Age of what usage covers.")] = DAY_S,
        run: Annotated[str | None, Query(pattern=r"^\d{1,19}$", description="Calls of one process.")] = None,
    ) -> Response:
        """Who asked whom, how much and how fast; what was asked and answered is `/gateway/texts`, where it is kept."""
        since = context.now() - since_s * 1_000_000

        def read() -> models.GatewayCalls:
            store, host = context.store, context.host()
            of = int(run) if run is not None else None
            newest = store.query("gateway_calls", host=host, limit=limit, run=of).to_pylist()
            usage = store.query("gateway_usage", host=host, since=since, limit=_USAGE).to_pylist()
            rows = {"calls": [_named(row) for row in newest], "usage": [_named(row) for row in usage]}
            return models.GatewayCalls.model_validate({"since": since, **rows})

        return json_answer(await asyncio.to_thread(read))

    @router.post("/gateway/keys", response_model=models.MadeKey, summary="Make a key for a program")
    async def add_key(wanted: models.NewKey) -> Response:
        """The key is told here and never again."""
        key = await asyncio.to_thread(context.gateway.keys.add, wanted.name)
        context.gateway.wake()
        return json_answer(models.MadeKey(name=wanted.name, key=key))

    @router.put("/gateway/keys/{name}/budget", response_model=models.KeyBudget, summary="Give a key a budget")
    async def set_budget(name: str, wanted: Budget) -> Response:
        """Calls and tokens a day and a month. A limit that is left out is none; an empty budget takes all away."""
        await asyncio.to_thread(context.gateway.keys.set_budget, name, wanted)
        context.gateway.wake()
        return json_answer(models.KeyBudget(name=name, budget=wanted))

    @router.delete("/gateway/keys/{name}", response_model=models.RemovedKey, summary="Remove a key")
    async def remove_key(name: str) -> Response:
        """It opens nothing any more."""
        await asyncio.to_thread(context.gateway.keys.remove, name)
        context.gateway.wake()
        return json_answer(models.RemovedKey(name=name))

    _add_texts(router, context)


def _add_texts(router: APIRouter, context: Context) -> None:
    """What was asked and answered, where that is kept."""
    texts: Any = context.gateway_texts

    @router.get("/gateway/texts", response_model=models.GatewayTexts, summary="Calls whose prompt and answer are kept")
    async def listed(limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> Response:
        """Newest first. Nothing is kept unless `gateway.keep_texts` is on."""
        return json_answer(models.GatewayTexts(texts=await asyncio.to_thread(texts.heads, limit)))

    @router.get("/gateway/texts/{call}", response_model=models.GatewayText, summary="Prompt and answer of a call")
    async def text(call: str) -> Response:
        """Secrets are masked."""
        return json_answer(await asyncio.to_thread(texts.read, call))

    @router.delete("/gateway/texts", response_model=models.DeletedTexts, summary="Delete all prompts and answers")
    async def delete_all() -> Response:
        """They are overwritten."""
        return json_answer(models.DeletedTexts(calls=await asyncio.to_thread(texts.delete, None)))

    @router.delete(
        "/gateway/texts/{call}", response_model=models.DeletedTexts, summary="Delete prompt and answer of a call"
    )
    async def delete_one(call: str) -> Response:
        """The record of the call stays."""
        return json_answer(models.DeletedTexts(calls=await asyncio.to_thread(texts.delete, call)))


def _keys(context: Context) -> list[models.GatewayKey]:
    """The keys, with when each was used last. Asks the store."""
    used = {row["key_name"]: row for row in context.store.query("gateway_keys", host=context.host()).to_pylist()}
    ledger = Ledger()
    ledger.budgets = context.gateway.keys.budgets()
    ledger.restore(context.gateway.used)
    counted = ledger.used()
    found = []
    for name, created in context.gateway.keys.listed():
        row, spent = used.get(name), ledger.spent(name)
        found.append(
            models.GatewayKey(
                name=name, created=created, last_used=row and row["last_ts"], calls=row["calls"] if row else 0,
                budget=ledger.budgets.get(name, Budget()), used=counted.get(name), spent=spent.message if spent else "",
            )
        )  # fmt: skip
    return found


def _status(context: Context, keys: list[models.GatewayKey], texts: models.GatewayTextsKept) -> models.GatewayStatus:
    gateway, settings = context.gateway, context.settings().gateway
    now, table = gateway.state if gateway.port is not None else None, gateway.table

    def of_now(read: Callable[[Any], T], otherwise: T) -> T:
        return otherwise if now is None else read(now)

    resting: dict[str, str] = of_now(lambda state: state.resting, {})
    calls: tuple[Any, ...] = of_now(lambda state: state.calls, ())
    return models.GatewayStatus(
        enabled=settings.enabled, state=gateway.process_state, message=gateway.message, port=settings.port,
        address=f"http://127.0.0.1:{gateway.port}" if gateway.port is not None else None, pid=gateway.pid,
        rss=of_now(lambda state: state.rss or None, None), restarts=gateway.restarts, active=of_now(lambda state: state.active, 0),
        waiting=of_now(lambda state: state.waiting, 0), connections=of_now(lambda state: state.connections, 0),
        answered=of_now(lambda state: state.answered, 0), refused=of_now(lambda state: state.refused, 0),
        lost=of_now(lambda state: state.lost, 0) + context.gateway_records.lost, require_key=settings.require_key, keys=keys,
        engines=[
            models.GatewayEngine(name=e.name, label=e.label, model=e.model, models=[m.name for m in e.models], resting=resting.get(e.name, ""))
            for e in (table.engines if table is not None else ())
        ],
        excluded=dict(table.excluded) if table is not None else {}, sentence=table.sentence if table is not None else "",
        calls=[_current(context, call) for call in calls],
        texts=texts.model_copy(update={"lost": texts.lost + of_now(lambda state: state.texts_lost, 0)}),
    )  # fmt: skip


def _current(context: Context, call: Any) -> models.GatewayCurrent:
    run, program = context.gateway_records.program(call.program)
    return models.GatewayCurrent(
        call=call.call, since=call.since, phase=call.phase, program=program, run=None if run is None else str(run), key=call.key,
        wanted=call.wanted, backend=call.backend, model=call.model,
    )  # fmt: skip


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """JavaScript loses integers beyond 2^53: a run is a string."""
    return {**row, "run": None if row["run"] is None else str(row["run"])}
