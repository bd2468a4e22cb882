"""The routes beside Streamlit's own: health, assets, the live socket, and the relay of the agent's answers."""

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute

from pages._assets import serve_asset
from pages._dashboard import Dashboard
from pages._relay import ApiRelay, LiveRelay


async def health(_request: Request) -> JSONResponse:
    """`GET /healthz`: this process answers; says nothing about the agent or the machine."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """All own routes of a dashboard."""
    return [
        Route("/healthz", health),
        Route("/wk/assets/{name}", serve_asset),
        Route("/wk/api/v1/{path:path}", ApiRelay(dashboard.data_dir).answer),
        WebSocketRoute("/wk/live", LiveRelay(dashboard.data_dir).serve),
    ]
