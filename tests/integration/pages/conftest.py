"""A dashboard process, and a scripted neighbour that speaks the agent's contract on a Unix socket."""

import asyncio
import contextlib
import functools
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from logs import OwnFormats
from monitor.api import log_formats
from monitor.api.http import errors
from monitor.config.saved_searches import SavedSearches
from monitor.config.settings import SettingsError, load_settings
from monitor.core.errors import MonitorError
from monitor.core.paths import socket_path
from monitor.launcher.running import healthy
from tests.doubles.forked import DASHBOARDS
from tests.waiting import patient, wait_until

if TYPE_CHECKING:
    from monitor.api.http.context import Context

ROOT = Path(__file__).resolve().parents[3]
NOW = 1_790_000_000_000_000
OLLAMA = {
    "name": "ollama",
    "label": "Ollama",
    "kind": "server",
    "state": "ready",
    "address": "http://127.0.0.1:11434",
    "version": "0.13.0",
    "models": [
        {"name": "llama3.1:8b", "size": 4_920_000_000, "loaded": True, "quantization": "Q4_K_M", "context": 8192},
        {"name": "<script>alert(1)</script>", "size": None, "loaded": False, "quantization": None, "context": None},
    ],
    "detail": "answers in 3 ms; 2 models",
    "remedy": "",
    "checked": NOW,
    "latency_ms": 3.2,
}
EXLLAMA = {
    "name": "exllamav2",
    "label": "ExLlamaV2",
    "kind": "package",
    "state": "missing",
    "address": "",
    "version": "",
    "models": [],
    "detail": "the package is not installed",
    "remedy": "run pip install exllamav2; it needs an NVIDIA GPU",
    "checked": NOW,
    "latency_ms": None,
}


class ScriptedAgent:
    """A double of the agent: the few answers the shell's pages ask for, with real settings behind them."""

    def __init__(self, data_dir: Path, config: Path) -> None:
        self.data_dir, self.config = data_dir, config
        self.engines: list[dict[str, Any]] = [OLLAMA, EXLLAMA]
        self.gpu: dict[str, Any] = {"state": "none", "message": "No NVIDIA GPU was found.", "age_s": 1.0, "count": 0}
        self.refusal: dict[str, str] = {}
        self.refreshed = 0
        self.received: list[str] = []
        self.live: list[WebSocket] = []
        self.more_routes: list[Route] = []
        self._unblock = threading.Event()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Listen."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._unblock.clear()
        routes = [
            Route("/v1/status", self._status),
            Route("/v1/engines", self._engines),
            Route("/v1/engines/refresh", self._refresh, methods=["POST"]),
            Route("/v1/settings", self._settings, methods=["GET", "PUT"]),
            Route("/v1/processes", self._echo),
            Route("/v1/logs/records", self._echo),
            WebSocketRoute("/v1/live", self._live),
            *self.more_routes,
            Mount("/", self._log_formats()),
        ]
        path = socket_path(self.data_dir, os.environ)
        config = uvicorn.Config(
            Starlette(routes=routes), uds=str(path), log_level="error", ws="websockets-sansio", lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server is not None and self._server.started, "the scripted agent listens")

    def _log_formats(self) -> FastAPI:
        """The agent's own routes of log formats, on this data directory and these settings."""

        async def save(changes: Any) -> None:
            load_settings(self.config, {}, {}).save(changes)

        async def reread() -> None:
            return None

        context = SimpleNamespace(
            log_formats=OwnFormats(self.data_dir / "formats"), settings=lambda: load_settings(self.config, {}, {}), save_settings=save, reread_formats=reread,
            searches=SavedSearches(self.data_dir / "searches.toml"),
        )  # fmt: skip
        app = FastAPI()
        errors.install(app)
        app.include_router(log_formats.routes(cast("Context", context)))
        return app

    def stop(self) -> None:
        """Be gone, at once."""
        if self._server is None or self._thread is None:
            return
        self._unblock.set()
        self._server.should_exit = True
        self._thread.join(patient(10))
        assert not self._thread.is_alive()
        socket_path(self.data_dir, os.environ).unlink(missing_ok=True)
        self._server = self._thread = None
        self.live.clear()

    def send(self, text: str) -> None:
        """Send one frame to every live subscriber."""
        loop = self._loop
        assert loop is not None
        for peer in list(self.live):
            asyncio.run_coroutine_threadsafe(peer.send_text(text), loop).result(patient(5))

    def hang(self, seconds: float) -> None:
        """Block the event loop, as a stuck agent would; sockets stay open."""
        loop = self._loop
        assert loop is not None
        loop.call_soon_threadsafe(self._unblock.wait, seconds)

    def _run(self) -> None:
        assert self._server is not None
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._server.serve())

    async def _status(self, _request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "version": "0.1.0",
                "now": NOW,
                "started": NOW - 3_600_000_000,
                "host": {
                    "host": "rigel",
                    "boot_id": "b",
                    "boot_ts": NOW - 9_000_000_000,
                    "kernel": "6.1",
                    "platform": "Linux",
                    "cpu_count": 16,
                    "mem_total": 64 * 2**30,
                    "clock_tick_hz": 100,
                },
                "agent": {"pid": 1, "rss": 80_000_000, "cpu_pct": 0.6},
                "sampler": {
                    "pid": 2,
                    "state": "running",
                    "reader": "procfs",
                    "rss": 30_000_000,
                    "cpu_pct": 0.3,
                    "restarts": 0,
                },
                "socket": "agent.sock",
                "data_dir": str(self.data_dir),
                "store": {
                    "engine": "duckdb",
                    "schema_version": 1,
                    "size_bytes": 1_000_000,
                    "limit_bytes": 2_000_000_000,
                    "state": "ok",
                    "message": "",
                    "notices": [],
                },
                "samples": {
                    "expected": 3600,
                    "received": 3600,
                    "missed": 0,
                    "stored": 3600,
                    "dropped": 0,
                    "last_ts": NOW,
                    "lag_ms": 2.0,
                    "interval_s": 1.0,
                },
                "logs": {
                    "sources": 1,
                    "files": 1,
                    "records": 10,
                    "backfilling": 0,
                    "missed_bytes": 0,
                    "errors": [],
                },
                "gpu": self.gpu,
                "live": {"subscribers": 0, "dropped": 0},
            }
        )

    async def _engines(self, _request: Request) -> JSONResponse:
        return JSONResponse({"checked": NOW, "engines": self.engines})

    async def _refresh(self, request: Request) -> JSONResponse:
        self.refreshed += 1
        return await self._engines(request)

    async def _settings(self, request: Request) -> JSONResponse:
        try:
            self._refuse(request.method)
            settings = load_settings(self.config, {}, {})
            if request.method == "PUT":
                settings = settings.save(await request.json())
        except SettingsError as error:
            return _problem(error, error.problems)
        except MonitorError as error:
            return _problem(error, {})
        return JSONResponse({"path": str(self.config), "settings": settings.describe()})

    def _refuse(self, method: str) -> None:
        if method == "PUT" and self.refusal:
            raise SettingsError(self.refusal, hint="choose another")

    async def _echo(self, request: Request) -> JSONResponse:
        return JSONResponse({"path": request.url.path, "query": request.url.query})

    async def _live(self, peer: WebSocket) -> None:
        await peer.accept()
        try:
            self.received.append(await peer.receive_text())
            self.live.append(peer)
            while True:
                self.received.append(await peer.receive_text())
        except WebSocketDisconnect:
            if peer in self.live:
                self.live.remove(peer)


def _problem(error: MonitorError, problems: dict[str, str]) -> JSONResponse:
    body = {"kind": type(error).__name__, "message": error.message, "hint": error.hint, "problems": problems}
    return JSONResponse({"error": body}, status_code=400)


class DashboardProcess:
    """`python app.py` as a process of its own."""

    def __init__(self, data_dir: Path, config: Path, port: int, extra: list[str]) -> None:
        self.port = port
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("WATCHKEEPER_", "STREAMLIT_"))}
        self.log = data_dir / "dashboard-stderr.log"
        data_dir.mkdir(parents=True, exist_ok=True)
        where = ["--port", str(port), "--data-dir", str(data_dir), "--config", str(config)]
        self.process = DASHBOARDS.start([*where, *extra], environ, [Path(os.devnull), self.log, self.log])

    @property
    def address(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The dashboard's address in a browser."""
        return f"http://{self.address}"

    def wait_until_up(self) -> None:
        """Wait for `/healthz`."""

        def _up() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return healthy(self.url)

        wait_until(_up, "the dashboard is up", seconds=40)

    def end(self) -> None:
        """End it, and wait for that."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except AssertionError:
                self.process.kill()
                self.process.wait(10)


def close_code(tab: ClientConnection) -> int | None:
    """Read a socket to its end, and answer the code it was closed with."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            tab.recv(patient(10))
    return tab.close_code


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_config(path: Path, text: str) -> Path:
    """A file of settings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(scope="session", autouse=True)
def components_are_looked_for_once() -> Iterator[None]:
    """Those of Streamlit among the installed packages: to look for them, at the first run of each page, takes more than the page."""
    from streamlit.components.v2 import manifest_scanner as scanner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "scan_component_manifests", functools.cache(scanner.scan_component_manifests))
        yield


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data directory and a file of settings of our own, as the environment names them."""
    import streamlit as st

    monkeypatch.setenv("WATCHKEEPER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WATCHKEEPER_CONFIG", str(tmp_path / "watchkeeper.toml"))
    yield tmp_path
    st.cache_resource.clear()  # closes the clients of the agent


@pytest.fixture
def agent(place: Path) -> Iterator[ScriptedAgent]:
    """A scripted agent that answers."""
    scripted = ScriptedAgent(place / "data", place / "watchkeeper.toml")
    scripted.start()
    yield scripted
    scripted.stop()


def frames_of(text: str) -> dict[str, Any]:
    """A frame of the live socket."""
    frame: dict[str, Any] = json.loads(text)
    return frame
