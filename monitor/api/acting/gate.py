"""The gate of all routes that act on services, processes and models. Whether a visitor may act is decided where the visitor is known, by the pages;
the agent's socket belongs to one user. The settings can forbid all actions, whoever asks. What is refused, here or later, is in the audit table.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import Depends, Request

from monitor.api.http.answers import blocking
from monitor.api.http.context import Context
from monitor.api.http.errors import NotFound, status_of
from monitor.api.http.parameters import run_number
from monitor.api.runs.detail import stored_run
from monitor.api_models.actions import REFUSED
from monitor.core.errors import ReadOnly, Reported, StoreError
from monitor.core.process_title import title_of

_PART: Final = re.compile(r"\{(\w+)\}")
_FAILED: Final = 500
_MOST: Final = 200
"""Characters of what a request says that are kept."""


def acting(context: Context, action: str, target: str = "") -> Any:
    """The dependency that such a route needs: `dependencies=[acting(context, "service stop", "{name}")]`.

    Args:
        context: the agent.
        action: what the audit table calls it; `{part}` stands for a part of the path or the body.
        target: the same of what it is done to; `{run}` is the title of that process.
    """
    return Depends(gate_of(context, action, target))


def gate_of(context: Context, action: str, target: str = "") -> Callable[[Request], Awaitable[None]]:
    """Refuses while `actions.read_only` is set."""

    async def gate(request: Request) -> None:
        if (error := read_only(context)) is None:
            return
        said = {**await _said(request), **request.path_params}
        about: dict[str, Any] = {"target": _filled(target, said)}
        if "run" in request.path_params:
            about = await process_of(context, request, said["run"])
        undone(context, error, _filled(action, said), str(said.get("by") or ""), **about)
        raise error

    return gate


def read_only(context: Context) -> ReadOnly | None:
    """The refusal of all actions while `actions.read_only` is set."""
    if not context.settings().actions.read_only:
        return None
    return ReadOnly(
        "actions on services, processes and models are switched off",
        hint="the setting actions.read_only switches them on",
    )


def undone(context: Context, error: Reported, action: str, by: str, *, target: str, **about: Any) -> None:
    """Record that an action was refused, or that it failed."""
    outcome = f"{REFUSED if _is_refusal(error) else ''}{error.message}"
    context.audit.undone(action, target, actor=by[:_MOST], outcome=outcome, **about)


async def process_of(context: Context, request: Request, run: str) -> dict[str, Any]:
    """What the audit says of a process: title, PID and run, as far as they are known."""
    try:
        number = run_number(run)
    except NotFound:
        return {"target": f"run {run[:_MOST]}"}
    info = context.snapshot.runs.get(number)
    if info is None:  # it may have ended a moment ago, and the store may not have it yet
        info = next((ended for ended, _ in context.unstored.ended() if ended.run == number), None)
    if info is not None:
        return {"target": title_of(info.name, info.cmdline, info.member), "pid": info.pid, "run": number}
    try:
        row = await blocking(request, lambda: stored_run(context.store, number))
    except StoreError:
        row = None
    if row is None:
        return {"target": f"run {number}", "run": number}
    return {"target": title_of(row["name"], row["cmdline"], row["member"]), "pid": row["pid"], "run": number}


def _is_refusal(error: Reported) -> bool:
    """Whether it was not tried at all; else it was, and failed."""
    return status_of(error) < _FAILED


async def _said(request: Request) -> Mapping[str, Any]:
    try:
        said = await request.json()
    except ValueError:  # no JSON: who asks is not said
        return {}
    return said if isinstance(said, dict) else {}


def _filled(words: str, parts: Mapping[str, Any]) -> str:
    return _PART.sub(lambda part: str(parts.get(part[1], ""))[:_MOST], words).strip()
