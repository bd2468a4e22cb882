"""The routes beside Streamlit's own, and what every connection passes before it reaches any of them."""

from typing import Final

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute

from pages._assets import serve_asset
from pages._auth import AuthGate, SignIn
from pages._boot import Boot
from pages._dashboard import Dashboard
from pages._gate import Gate
from pages._login import Login
from pages._relay import ApiRelay, LiveRelay
from pages._static import Static, streamlits_folder
from pages._throttle import Throttle

OTHER_NAMES: Final = {"/overview": "/", "/ai_backend": "/ai"}
"""Names of pages as somebody would type them, after the title or the script, and where the page is."""


async def other_name(request: Request) -> RedirectResponse:
    """`GET /overview` and the like: on to the page, with the query kept."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(
        f"{OTHER_NAMES[request.url.path]}{query}", status_code=307, headers={"Cache-Control": "no-store"}
    )


class Doors:
    """The routes of one dashboard and the gates before them.

    Args:
        dashboard: what it was started with.

    Raises:
        ConfigError: the key of the sign-in cannot be used.
    """

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard
        self._sign_in = SignIn(dashboard)
        self._login = Login(dashboard, self._sign_in, Throttle())
        self._api = ApiRelay(dashboard.data_dir)
        self._live = LiveRelay(dashboard.data_dir)
        self._ready = False

    def ready(self) -> None:
        """What the pages need is loaded: from now on `/healthz` says so."""
        self._ready = True

    def routes(self) -> list[BaseRoute]:
        """All own routes."""
        found: list[BaseRoute] = [
            Route("/healthz", self._health),
            *(Route(name, other_name) for name in OTHER_NAMES),
            Route("/wk/assets/{name}", serve_asset),
            Route("/wk/api/v1/{path:path}", self._api.answer),
            WebSocketRoute("/wk/live", self._live.serve),
        ]
        if self._dashboard.sign_in:
            found += [
                Route("/wk/login", self._login.show),
                Route("/wk/login", self._login.enter, methods=["POST"]),
                Route("/wk/logout", self._login.leave, methods=["GET", "POST"]),
            ]
        return found

    def middleware(self) -> list[Middleware]:
        """The gates, outermost first, and what completes the page behind them."""
        gates = [Middleware(Gate, dashboard=self._dashboard)]
        if self._dashboard.sign_in:
            oidc = self._dashboard.settings.auth.mode == "oidc"
            gates.append(Middleware(AuthGate, sign_in=self._sign_in, login_page=self._login.needed, oidc=oidc))
        kept = Middleware(Static, folder=streamlits_folder(), compress=not self._dashboard.loopback)
        return [*gates, kept, Middleware(Boot)]

    async def _health(self, _request: Request) -> JSONResponse:
        """`GET /healthz`: pages can be opened, and at once; says nothing about the agent or the machine."""
        status, word = (200, "ok") if self._ready else (503, "starting")
        return JSONResponse({"status": word}, status_code=status, headers={"Cache-Control": "no-store"})

    async def close(self) -> None:
        """Close the connections to the agent."""
        await self._api.close()
