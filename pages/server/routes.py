"""The routes of the dashboard beside Streamlit's, and the middleware of all routes."""

from typing import Final

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute

from pages.server.assets import serve_asset
from pages.server.auth import AuthGate, SignIn
from pages.server.boot import Boot
from pages.server.dashboard import Dashboard
from pages.server.gate import Gate
from pages.server.login import Login
from pages.server.relay import ApiRelay, LiveRelay
from pages.server.static import Static, streamlits_folder
from pages.server.throttle import Throttle

OTHER_NAMES: Final = {"/overview": "/", "/ai_backend": "/ai"}
"""Names that people type, from the title or the script of a page → its path."""


async def other_name(request: Request) -> RedirectResponse:
    """Redirect `/overview` and the like to the page, with the query."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(
        f"{OTHER_NAMES[request.url.path]}{query}", status_code=307, headers={"Cache-Control": "no-store"}
    )


class DashboardRoutes:
    """The routes and middleware of one dashboard.

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
        """Report readiness in `/healthz` from now on: the imports of the pages are done."""
        self._ready = True

    def routes(self) -> list[BaseRoute]:
        """The routes beside Streamlit's."""
        found: list[BaseRoute] = [
            Route("/healthz", self._health),
            *(Route(name, other_name) for name in OTHER_NAMES),
            Route("/wk/assets/{name:path}", serve_asset),
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
        """The middleware, outermost first."""
        gates = [Middleware(Gate, dashboard=self._dashboard)]
        if self._dashboard.sign_in:
            oidc = self._dashboard.settings.auth.mode == "oidc"
            gates.append(Middleware(AuthGate, sign_in=self._sign_in, login_page=self._login.needed, oidc=oidc))
        kept = Middleware(Static, folder=streamlits_folder(), compress=not self._dashboard.loopback)
        return [*gates, kept, Middleware(Boot)]

    async def _health(self, _request: Request) -> JSONResponse:
        """Answer `GET /healthz`: whether pages can be opened. It says nothing about the agent or the machine."""
        status, word = (200, "ok") if self._ready else (503, "starting")
        return JSONResponse({"status": word}, status_code=status, headers={"Cache-Control": "no-store"})

    async def close(self) -> None:
        """Close the connections to the agent."""
        await self._api.close()
