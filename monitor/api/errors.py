"""Every error in one shape: `{"error": {"kind", "message", "hint"}}`, with a status that tells its kind apart."""

import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from monitor import models
from monitor.api.answers import json_answer
from monitor.errors import AgentError, ConfigError, MonitorError, QueryError, StoreError
from monitor.settings import SettingsError

log = logging.getLogger("watchkeeper.api")


class NotFound(AgentError):
    """What was asked for is not there."""


class DeadlinePassed(AgentError):
    """The answer took too long and was given up."""


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": models.ErrorAnswer, "description": "Wrong input: a parameter, a filter, SQL, a setting."},
    404: {"model": models.ErrorAnswer, "description": "There is no such thing."},
    503: {"model": models.ErrorAnswer, "description": "The store cannot be used now."},
    504: {"model": models.ErrorAnswer, "description": "The deadline passed."},
}


def error_answer(
    status: int, kind: str, message: str, hint: str = "", problems: dict[str, str] | None = None
) -> Response:
    """An error in its one shape."""
    body: dict[str, Any] = {"kind": kind, "message": message, "hint": hint}
    if problems:
        body["problems"] = problems
    return json_answer({"error": body}, status=status)


def status_of(error: MonitorError) -> int:
    """The HTTP status that an error leads to."""
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, DeadlinePassed):
        return 504
    if isinstance(error, QueryError):
        return 504 if "deadline" in error.message or "too long" in error.message else 400
    if isinstance(error, StoreError):
        return 503
    if isinstance(error, ConfigError):
        return 400
    return 400 if error.exit_code == 2 else 500


def install(app: FastAPI) -> None:
    """Teach the application to answer errors."""

    @app.exception_handler(MonitorError)
    async def _known(_: Request, error: MonitorError) -> Response:
        problems = error.problems if isinstance(error, SettingsError) else None
        return error_answer(status_of(error), type(error).__name__, error.message, error.hint, problems)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        problems = {".".join(str(p) for p in e["loc"][1:]) or "body": str(e["msg"]).lower() for e in error.errors()}
        message = "; ".join(f"{key}: {problem}" for key, problem in problems.items())
        return error_answer(400, "InvalidRequest", message, "the OpenAPI description lists what is allowed", problems)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return error_answer(404, "NotFound", f"there is no {request.url.path}", "/openapi.json lists the requests")
        return error_answer(error.status_code, "HTTPError", str(error.detail))

    @app.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return error_answer(500, type(error).__name__, "the agent failed at this request", "agent.log says more")
