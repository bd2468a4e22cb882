"""The application: routes, errors, and the token where the agent listens on a port."""

import hmac

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.api import (
    agent,
    alerts,
    events,
    groups,
    jobs,
    live,
    log_formats,
    log_patterns,
    logs,
    machine,
    processes,
    settings,
)
from monitor.api.acting import actions, services
from monitor.api.ai import routes as ai
from monitor.api.http import errors
from monitor.api.http.answers import ClientGone
from monitor.api.http.context import Context

DESCRIPTION = """The Watchkeeper agent of one machine. Times are microseconds since the epoch (UTC), sizes bytes, rates per second;
`null` means *not available*. Live samples and log records come over the WebSocket `/v1/live`."""


def create_app(context: Context, version: str) -> ASGIApp:
    """The agent's application."""
    app = FastAPI(
        title="Watchkeeper agent",
        version=version,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        responses=errors.RESPONSES,
    )
    errors.install(app)
    for noun in (
        agent,
        machine,
        processes,
        events,
        alerts,
        groups,
        jobs,
        log_formats,
        log_patterns,
        logs,
        ai,
        settings,
        services,
        actions,
        live,
    ):
        app.include_router(noun.routes(context))

    @app.exception_handler(ClientGone)
    async def _gone(_: Request, __: ClientGone) -> Response:
        return Response(status_code=499)

    return TokenGate(app, context.token) if context.token else app


class TokenGate:
    """Lets only those in who know the token; used where the agent listens on a loopback port, which every user of the machine reaches."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] in {"http", "websocket"}:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 4403})
                    return
                refusal = errors.error_answer(
                    403, "Forbidden", "the token is missing or wrong", "read it from agent.json"
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
