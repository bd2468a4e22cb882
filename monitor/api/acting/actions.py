"""Actions on processes, and the audit table of what people did to services and processes."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from logs import parse_range
from monitor.api.acting.gate import acting, process_of, read_only, undone
from monitor.api.http.answers import blocking, json_answer
from monitor.api.http.context import Context
from monitor.api.http.parameters import RunPart, run_number
from monitor.api_models.actions import REFUSED, Actions, ProcessActed, ProcessAction, Recorded, RefusedAction
from monitor.core.errors import REPORTED, ActionRefused, ConfigError
from monitor.core.process_title import title_of
from monitor.lifecycle.acting import SIGNALS, renice, send_signal
from monitor.lifecycle.interest import is_watchkeeper
from monitor.live.asked import ENDING
from monitor.metrics.messages import RunInfo
from monitor.store.actions import stored_actions

_DONE: Final = {"TERM": "stopped", "KILL": "killed"}


class ActionFilter(BaseModel):
    """Which actions."""

    since: str | None = Field(None, description="At or after; a time as for log records.", max_length=60)
    until: str | None = Field(None, description="Before.", max_length=60)
    run: str | None = Field(None, description="On this run.", max_length=30)
    target: str | None = Field(None, description="On this service, or on processes of this name.", max_length=200)
    limit: int = Field(200, description="Actions at most.", ge=1, le=10_000)


def routes(context: Context) -> APIRouter:
    """`/v1/actions` and `/v1/runs/{run}/act`."""
    router = APIRouter(prefix="/v1", tags=["actions"])

    @router.post(
        "/runs/{run}/act",
        response_model=ProcessActed,
        summary="Stop, kill, signal or renice a process",
        dependencies=[acting(context, "process {action}")],
    )
    async def act(request: Request, run: RunPart, asked: ProcessAction) -> Response:
        """Never another process than this run: it is held by a descriptor, and known by the tick of its start."""
        action = f"process {asked.action}"
        try:
            number = run_number(run)
            info = context.snapshot.runs.get(number)
            if info is None:
                raise ActionRefused(f"run {run} is not running", hint="it may have ended")
            refuse_protected(info, context.own_pids())
            said = perform(info, asked)
        except REPORTED as error:
            undone(context, error, action, asked.by, **await process_of(context, request, run))
            raise
        note_asked(context, info.run, asked)
        title, command = title_of(info.name, info.cmdline, info.member), info.cmdline[:500]
        context.audit.record(action, title, actor=asked.by, pid=info.pid, run=number, said=said, command=command)
        return json_answer(ProcessActed(run=run, pid=info.pid, said=said))

    @router.post("/actions/refused", response_model=Recorded, summary="Record that an action was refused")
    async def refused(request: Request, told: RefusedAction) -> Response:
        """For who refuses it before the agent is asked, as the dashboard does to viewers. Nothing is done."""
        about: dict[str, Any] = {"target": told.target}
        if told.run is not None:
            about = await process_of(context, request, told.run)
        context.audit.undone(told.action, actor=told.by, outcome=f"{REFUSED}{told.why}", **about)
        return json_answer(Recorded())

    @router.get(
        "/actions", response_model=Actions, summary="What people did to services and processes, the newest first"
    )
    async def actions(request: Request, wanted: Annotated[ActionFilter, Query()]) -> Response:
        """An action is here once it is stored, a moment after it."""
        now, host = context.now(), context.host()
        since, until = parse_range(wanted.since, wanted.until, now)
        filters = {
            "since": since,
            "until": until,
            "run": run_number(wanted.run) if wanted.run else None,
            "target": wanted.target,
        }
        total, found = await blocking(request, lambda: stored_actions(context.store, host, filters, limit=wanted.limit))
        return json_answer(Actions(total=total, actions=found))

    return router


def refuse_protected(info: RunInfo, own: set[int]) -> None:
    """Refuse what nobody should act on: Watchkeeper itself, and what the system cannot do without.

    Raises:
        ActionRefused: the process is one of these.
    """
    if info.pid in own or is_watchkeeper(info):
        raise ActionRefused(
            f"process {info.pid} is part of Watchkeeper",
            hint="`watchkeeper down` stops it; stop a service on the Services page",
        )
    if info.pid == 1 or info.kernel_thread:
        raise ActionRefused(f"process {info.pid} belongs to the system", hint="nobody can act on it here")


def note_asked(context: Context, run: int, done: ProcessAction) -> None:
    """Know whose wish it is if the process ends now."""
    name = signal_of(done)
    if name in ENDING:
        context.asked.note(run, f"{_DONE.get(name, 'ended')} by {done.by or 'hand'}")


def signal_of(asked: ProcessAction) -> str:
    """The signal that an action sends, such as `TERM`; empty for none."""
    return {"stop": "TERM", "kill": "KILL", "renice": ""}.get(
        asked.action, (asked.signal or "").upper().removeprefix("SIG")
    )


def untouchable(context: Context, info: RunInfo) -> str | None:
    """Why nobody may act on a process now, in words; None if operators may."""
    error: ActionRefused | None = read_only(context)
    if error is None:
        try:
            refuse_protected(info, context.own_pids())
        except ActionRefused as caught:
            error = caught
    return None if error is None else error.message


def perform(info: RunInfo, asked: ProcessAction) -> str:
    """Do it; answers what was done, in words.

    Raises:
        ActionRefused: the process has ended, or is another user's.
        ConfigError: a signal or a priority is missing, or is not one that may be sent.
    """
    if asked.action == "renice":
        if asked.nice is None:
            raise ConfigError("renice needs a priority", hint="give `nice`, from -20 to 19")
        renice(info.pid, info.start_tick, asked.nice)
        return f"priority set to {asked.nice}"
    name = signal_of(asked)
    if name not in SIGNALS:
        raise ConfigError(f"there is no signal {name or 'given'}", hint=f"signals are {', '.join(SIGNALS)}")
    send_signal(info.pid, info.start_tick, name)
    return f"SIG{name} sent"
