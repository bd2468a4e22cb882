"""What the dashboard's process does once at its beginning."""

import socket
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
from starlette.applications import Starlette

from monitor.config.settings import Settings
from pages.server.dashboard import Dashboard
from pages.server.lifespan import send_at_once
from pages.server.routes import DashboardRoutes
from tests.integration.pages.conftest import ROOT
from tests.waiting import patient


def test_connections_of_a_socket_that_was_handed_over_do_not_wait() -> None:
    """A connection that a listening socket accepts sends small messages at once, whoever bound that socket."""
    with socket.socket(socket.AF_INET) as listening:  # as Streamlit makes it: without the protocol's number
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        send_at_once()
        with socket.create_connection(listening.getsockname(), timeout=patient(5)):
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_a_dashboard_is_ready_when_its_pages_are_loaded(tmp_path: Path) -> None:
    """Who waits for `/healthz` before opening a browser gets a page that need not load anything more."""
    routes = DashboardRoutes(Dashboard(Settings(), tmp_path))
    app = Starlette(routes=routes.routes())

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.get("/healthz")

    before = anyio.run(asked)
    assert (before.status_code, before.json()) == (503, {"status": "starting"})
    routes.ready()
    assert anyio.run(asked).status_code == 200


def test_the_dashboard_is_ready_only_after_the_last_import() -> None:
    """`ready` is called once every module of the first page is imported."""
    program = (
        "import sys\nfrom pages.server import lifespan\n"
        "lifespan.load_pages(lambda: print(all(name in sys.modules for name in lifespan.NEEDED_BY_THE_FIRST_PAGE)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=patient(60), check=True
    )
    assert done.stdout.strip() == "True"
