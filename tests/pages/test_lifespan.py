"""What the dashboard's process does once at its beginning."""

import socket
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
from starlette.applications import Starlette

from monitor.settings import Settings
from pages._dashboard import Dashboard
from pages._lifespan import send_at_once
from pages._routes import Doors
from tests.pages.conftest import ROOT


def test_connections_of_a_socket_that_was_handed_over_do_not_wait() -> None:
    """A connection that a listening socket accepts sends small messages at once, whoever bound that socket."""
    with socket.socket(socket.AF_INET) as listening:  # as Streamlit makes it: without the protocol's number
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        send_at_once()
        with socket.create_connection(listening.getsockname(), timeout=5):
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_a_dashboard_is_ready_when_its_pages_are_loaded(tmp_path: Path) -> None:
    """Who waits for `/healthz` before opening a browser gets a page that need not load anything more."""
    doors = Doors(Dashboard(Settings(), tmp_path))
    app = Starlette(routes=doors.routes())

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.get("/healthz")

    before = anyio.run(asked)
    assert (before.status_code, before.json()) == (503, {"status": "starting"})
    doors.ready()
    assert anyio.run(asked).status_code == 200


def test_everything_is_loaded_before_it_is_said() -> None:
    """The word comes after the last of the modules."""
    program = (
        "import sys\nfrom pages import _lifespan\n"
        "_lifespan._load(lambda: print(all(name in sys.modules for name in _lifespan.NEEDED_BY_THE_FIRST_PAGE)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "True"
