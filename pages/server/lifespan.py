"""What the dashboard process does once when it starts and when it ends."""

import asyncio
import gc
import importlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from monitor.core.log_file import is_output, rotate_output, say_json_lines
from monitor.core.paths import DataFiles
from monitor.core.this_process import end_loading, end_with_parent
from pages.server.dashboard import Dashboard
from pages.server.gate import page_policy
from pages.server.routes import DashboardRoutes

LOG: Final = logging.getLogger("watchkeeper.dashboard")
ROTATE_EVERY_S: Final = 2.0
FREEZE_AFTER_S: Final = (0.0, 10.0, 60.0)
NEEDED_BY_THE_FIRST_PAGE: Final = (
    "pandas",
    "pyarrow",
    "PIL.Image",
    "streamlit.components.v2.bidi_component",
    "monitor.client.client",
    "pages.shared.agent",
    "pages.shared.visitor",
    "pages.ui.charts",
    "pages.ui.components",
    "pages.ui.header",
)
"""Streamlit imports the first three when it draws a page's first component, which takes 0.7 s of a core."""


def lifespan(dashboard: Dashboard, routes: DashboardRoutes) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """The lifespan of one dashboard and its routes, for `st.App`."""

    @asynccontextmanager
    async def _lifespan(_app: Any) -> AsyncIterator[None]:
        if dashboard.parent is not None:
            end_with_parent(dashboard.parent, lambda: os.kill(os.getpid(), signal.SIGTERM))
        logging.getLogger("uvicorn.error").addFilter(_is_no_refused_socket)
        send_at_once()
        threading.Thread(
            target=load_pages, args=(routes.ready,), name="load", daemon=True
        ).start()  # so that an early end need not wait for it
        tasks = [
            asyncio.create_task(_freeze(), name="freeze"),
            asyncio.create_task(_keep_log(DataFiles(dashboard.data_dir).dashboard_log), name="log"),
        ]
        try:
            yield
        finally:
            await routes.close()
            for task in tasks:
                task.cancel()

    return _lifespan


def _is_no_refused_socket(record: logging.LogRecord) -> bool:
    """Uvicorn logs an error for each socket whose handshake is answered with a refusal: a tab whose sign-in ended asks again and again."""
    return record.msg != "ASGI callable returned without completing handshake."


def send_at_once() -> None:
    """Set `TCP_NODELAY` on every listening socket of this process; accepted connections inherit it.

    asyncio sets it for sockets that it binds itself, but not for the one that Streamlit binds and hands over. There Nagle's
    algorithm delayed each answer of two writes, and each frame that followed another, by 40 ms.
    """
    for entry in Path("/dev/fd").glob("*"):
        with suppress(OSError):  # a number that is no socket, or was closed meanwhile
            one = socket.socket(fileno=os.dup(int(entry.name)))
            with one:
                if one.family in {socket.AF_INET, socket.AF_INET6} and one.getsockopt(
                    socket.SOL_SOCKET, socket.SO_ACCEPTCONN
                ):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def _keep_log(path: Path) -> None:
    """Keep the dashboard's log small, and let it have JSON lines if it is the output of this process."""
    since = time.time()
    if is_output(path):
        logging.getLogger("watchkeeper").setLevel(logging.INFO)
        say_json_lines()
        LOG.info("the dashboard has begun; pid %d", os.getpid())
    while True:
        await asyncio.sleep(ROTATE_EVERY_S)
        try:
            if is_output(path):
                say_json_lines()  # Streamlit gives a logger its handler when it first needs it
                since = time.time() if rotate_output(path, since=since) else since
        except OSError as error:
            LOG.warning("%s cannot be rotated: %s", path, error)


async def _freeze() -> None:
    """Freeze the heap, so that garbage collections skip what is loaded: at the start, and again after the first pages were drawn.

    Streamlit collects garbage after every run of a script or fragment. Freezing cuts a run from about 110 ms to 20-50 ms of
    CPU time.
    """
    for pause_s in FREEZE_AFTER_S:
        await asyncio.sleep(pause_s)
        gc.collect()
        end_loading()


def load_pages(ready: Callable[[], None]) -> None:
    """Import what the first page needs, then call `ready`. Without this the first visitor would wait for the imports."""
    for name in NEEDED_BY_THE_FIRST_PAGE:
        importlib.import_module(name)
    page_policy()
    ready()
