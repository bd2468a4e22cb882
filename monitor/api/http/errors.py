"""Every error in one shape: `{"error": {"kind", "message", "hint"}}`, with a status that tells its kind apart."""

import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from monitor.api.http.answers import json_answer
from monitor.api_models.base import ErrorAnswer, ErrorBody
from monitor.config.settings import SettingsError
from monitor.core.errors import (
    REPORTED,
    ActionRefused,
    AgentError,
    Busy,
    ConfigError,
    QueryError,
    ReadOnly,
    Reported,
    StoreError,
)
from monitor.services.units import UnknownService

log = logging.getLogger("watchkeeper.api")


class NotFound(AgentError):
    """What was asked for is not there."""


class DeadlinePassed(AgentError):
    """The answer took too long and was given up."""


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": ErrorAnswer, "description": "Wrong input: a parameter, a filter, SQL, a setting."},
    403: {"model": ErrorAnswer, "description": "The settings forbid actions."},
    404: {"model": ErrorAnswer, "description": "There is no such thing."},
    409: {"model": ErrorAnswer, "description": "The action is not possible now, or not on this process."},
    503: {"model": ErrorAnswer, "description": "The store cannot be used now, or too many requests wait already."},
    504: {"model": ErrorAnswer, "description": "The deadline passed."},
}
_LISTED: Final = "`GET /openapi.json` on the agent's socket lists what is allowed"


def error_answer(
    status: int, kind: str, message: str, hint: str = "", problems: dict[str, str] | None = None
) -> Response:
    """An error in its one shape."""
    body = ErrorBody(kind=kind, message=message, hint=hint, problems=problems or {})
    return json_answer(ErrorAnswer(error=body), status=status)


def status_of(error: Reported) -> int:
    """The HTTP status that an error leads to."""
    if isinstance(error, NotFound | UnknownService):
        return 404
    if isinstance(error, ActionRefused):
        return 403 if isinstance(error, ReadOnly) else 409
    if isinstance(error, DeadlinePassed) or (isinstance(error, QueryError) and "longer than" in error.message):
        return 504
    if isinstance(error, Busy | StoreError) and not isinstance(error, QueryError):
        return 503
    if isinstance(error, QueryError | ConfigError) or error.exit_code == ConfigError.exit_code:
        return 400
    return 503 if error.exit_code == StoreError.exit_code else 500


def install(app: FastAPI) -> None:
    """Teach the application to answer errors."""

    async def known(_: Request, error: Reported) -> Response:
        problems = error.problems if isinstance(error, SettingsError) else None
        return error_answer(status_of(error), type(error).__name__, error.message, error.hint, problems)

    for base in REPORTED:
        app.add_exception_handler(base, known)  # type: ignore[arg-type] # the handler of each is given its own kind

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        problems = {".".join(str(p) for p in e["loc"][1:]) or "body": str(e["msg"]).lower() for e in error.errors()}
        message = "; ".join(f"{key}: {problem}" for key, problem in problems.items())
        return error_answer(400, "InvalidRequest", message, _LISTED, problems)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return error_answer(
                404,
                "NotFound",
                f"there is no {request.url.path}",
                "`GET /openapi.json` on the agent's socket lists the requests",
            )
        if error.status_code == 405:
            allowed = (error.headers or {}).get("allow", "")
            message = f"{request.method} is no method of {request.url.path}"
            return error_answer(405, "HTTPError", message, f"use {allowed}" if allowed else _LISTED)
        return error_answer(error.status_code, "HTTPError", str(error.detail), _LISTED)

    @app.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return error_answer(500, type(error).__name__, "the agent failed at this request", "agent.log says more")
