"""Alerts: what fires, what fired, and the rules."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from logs import LogFilter, parse_range
from monitor.api.acting.gate import acting
from monitor.api.http.answers import blocking, json_answer
from monitor.api.http.context import Context
from monitor.api.http.errors import NotFound
from monitor.api.http.parameters import run_number
from monitor.api_models.actions import Asked
from monitor.api_models.events import Alert, AlertRuleChange, AlertRules, Alerts, Notifications
from monitor.config.alerts import BUILT_IN, AlertRule
from monitor.core.errors import ActionRefused
from monitor.health.history import stored_alerts
from monitor.health.notify import NotSent

Name = Annotated[str, Path(description="The rule's name.", max_length=100)]
Id = Annotated[str, Path(description="The alert.", max_length=40)]
TEST = {"message": "Watchkeeper: this is a test of notifications", "state": "test"}


class AlertFilter(BaseModel):
    """Which alerts."""

    firing: bool = Field(default=False, description="Only those that fire now.")
    rule: str | None = Field(None, description="Of this rule.", max_length=100)
    run: str | None = Field(None, description="About this run, or with it among those that had most.", max_length=30)
    since: str | None = Field(None, description="Not over before; a time as for log records.", max_length=60)
    until: str | None = Field(None, description="Began before.", max_length=60)
    limit: int = Field(100, description="Alerts at most.", ge=1, le=5_000)


def routes(context: Context) -> APIRouter:
    """`/v1/alerts`."""
    router = APIRouter(prefix="/v1/alerts", tags=["alerts"])
    _readings(router, context)
    _actions(router, context)
    return router


def _readings(router: APIRouter, context: Context) -> None:
    kept = context.alerts

    def rules() -> AlertRules:
        settings = context.settings()
        return kept.rules(settings.alert, read_only=settings.actions.read_only)

    @router.get("", response_model=Alerts, summary="Alerts, those that fire first, then the newest")
    async def alerts(request: Request, wanted: Annotated[AlertFilter, Query()]) -> Response:
        """An alert is here within a moment; the live status has it at once."""
        now = context.now()
        since, until = parse_range(wanted.since, wanted.until, now)
        filters = {
            "open": wanted.firing or None,
            "rule": wanted.rule or None,
            "run": run_number(wanted.run) if wanted.run else None,
            "since": since,
            "until": until,
        }
        host = context.host()
        total, found = await blocking(request, lambda: stored_alerts(context.store, host, filters, limit=wanted.limit))
        shown = kept.present([alert for _, alert in found], filters)
        more = max(0, len(shown) - len(found))
        return json_answer(Alerts(total=total + more, firing=len(kept.firing()), alerts=shown[: wanted.limit]))

    @router.get("/rules", response_model=AlertRules, summary="The rules, how they stand, and what they can watch")
    async def every_rule() -> Response:
        """Those of the settings, then those that come with Watchkeeper."""
        return json_answer(rules())


def _actions(router: APIRouter, context: Context) -> None:
    kept = context.alerts

    def known(name: str) -> AlertRule | None:
        return next((rule for rule in context.settings().alert if rule.name == name), None)

    @router.put(
        "/rules/{name:path}",
        response_model=AlertRules,
        summary="Add a rule, or change its settings",
        dependencies=[acting(context, "alert change", "{name}")],
    )
    async def change(name: Name, asked: Annotated[AlertRuleChange, Body()]) -> Response:
        """Keys that are not given stay as they are; null is the default. What fires by a rule that now watches something else is over."""
        name = (
            name if known(name) else name.strip()
        )  # a space at its end, which nobody sees, would make it another rule
        before = known(name) or next((rule for rule in BUILT_IN if rule.name == name), None)
        table: dict[str, Any] = {"name": name, **(before.model_dump(exclude_unset=True) if before else {})}
        table = {key: value for key, value in {**table, **asked.settings}.items() if value is not None}
        _check_query(table, context)
        await context.save_alert(name, table)
        context.audit.record(f"alert {'change' if before else 'add'}", str(table["name"]), actor=asked.by)
        settings = context.settings()
        return json_answer(kept.rules(settings.alert, read_only=settings.actions.read_only))

    @router.delete(
        "/rules/{name:path}",
        summary="Remove a rule from the settings",
        dependencies=[acting(context, "alert remove", "{name}")],
    )
    async def remove(name: Name, asked: Asked) -> Response:
        """One that comes with Watchkeeper is there again afterwards; `enabled` switches it off."""
        if known(name) is None:
            built_in = any(rule.name == name for rule in BUILT_IN)
            hint = "change its key `enabled` to switch it off" if built_in else "`watchkeeper alerts rules` lists them"
            raise NotFound(f"the settings have no alert {name[:60]!r}", hint=hint)
        await context.save_alert(name, None)
        context.audit.record("alert remove", name, actor=asked.by)
        return json_answer({})

    @router.post(
        "/test",
        response_model=Notifications,
        summary="Send a notification as a test",
        dependencies=[acting(context, "alert test")],
    )
    async def test(asked: Asked) -> Response:
        """Answers once it was taken, or with the reason why it was not."""
        if not kept.notifier.wanted:
            raise ActionRefused(
                "nobody is to be notified",
                hint="set alerts.webhook or alerts.command, on the Settings page for instance",
            )
        try:
            await asyncio.to_thread(kept.notifier.deliver, {**TEST, "host": context.host(), "by": asked.by})
        except NotSent as error:
            raise ActionRefused(
                f"the notification was not sent: {error.message}", hint="correct alerts.webhook or alerts.command"
            ) from error
        return json_answer(kept.notifier.about())

    @router.post(
        "/{id}/acknowledge",
        response_model=Alert,
        summary="Take note of an alert that fires",
        dependencies=[acting(context, "alert acknowledge", "{id}")],
    )
    async def acknowledge(id: Id, asked: Asked) -> Response:  # noqa: A002 - the field's name
        """It leaves the status strip until it fires anew."""
        alert = kept.acknowledge(id, asked.by)
        if alert is None:
            raise NotFound(f"no alert {id[:40]!r} fires now", hint="it may be over; `watchkeeper alerts list` shows it")
        context.audit.record("alert acknowledge", alert.rule, actor=asked.by)
        return json_answer(alert)


def _check_query(table: Mapping[str, Any], context: Context) -> None:
    """Refuse a log query that is wrong, before it is saved.

    Raises:
        LogsError: naming what is wrong.
    """
    if isinstance(query := table.get("records"), str):
        LogFilter.parse({"query": query}, context.now(), context.snapshot.name_of)
