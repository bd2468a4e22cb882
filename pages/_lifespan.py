"""What happens once when the dashboard's process begins and ends."""

import asyncio
import gc
import importlib
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from monitor.parent import end_with_parent
from pages._dashboard import Dashboard
from pages._gate import page_policy
from pages._routes import Doors

FREEZE_AFTER_S: Final = (0.0, 10.0, 60.0)
NEEDED_BY_THE_FIRST_PAGE: Final = (
    "pandas",
    "pyarrow",
    "PIL.Image",
    "streamlit.components.v2.bidi_component",
    "monitor.client",
    "pages._agent",
    "pages._healing",
    "pages._visitor",
    "pages.ui.charts",
    "pages.ui.components",
    "pages.ui.header",
    "pages.ui.strip",
)
"""Streamlit loads the first three when it draws a page's first component: 0.7 s of a core that nobody should wait for."""


def lifespan(dashboard: Dashboard, doors: Doors) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """The lifespan of one dashboard and its doors, for `st.App`."""

    @asynccontextmanager
    async def _lifespan(_app: Any) -> AsyncIterator[None]:
        if dashboard.parent is not None:
            end_with_parent(dashboard.parent, lambda: os.kill(os.getpid(), signal.SIGTERM))
        send_at_once()
        threading.Thread(
            target=_load, args=(doors.ready,), name="load", daemon=True
        ).start()  # so that an early end need not wait for it
        freezing = asyncio.create_task(_freeze(), name="freeze")
        try:
            yield
        finally:
            await doors.close()
            freezing.cancel()

    return _lifespan


def send_at_once() -> None:
    """Let no small message wait for the acknowledgement of the one before (Nagle's rule), on every socket that listens here.

    asyncio takes care of that for sockets that it binds itself, but not for the one that Streamlit binds and hands over: there
    each answer of two writes, and each frame that followed another, came 40 ms late. Accepted connections inherit it.
    """
    for entry in Path("/dev/fd").glob("*"):
        with suppress(OSError):  # a number that is no socket, or was closed meanwhile
            one = socket.socket(fileno=os.dup(int(entry.name)))
            with one:
                if one.family in {socket.AF_INET, socket.AF_INET6} and one.getsockopt(
                    socket.SOL_SOCKET, socket.SO_ACCEPTCONN
                ):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def _freeze() -> None:
    """Take what is loaded out of the garbage collector's sight: at the start, and once the first pages have been drawn.

    Streamlit collects garbage after every run of a script or fragment; this cuts a run from about 110 ms to 20-50 ms of
    processor time.
    """
    for pause_s in FREEZE_AFTER_S:
        await asyncio.sleep(pause_s)
        gc.collect()
        gc.freeze()


def _load(ready: Callable[[], None]) -> None:
    """Load what the first page needs; a visitor who came meanwhile would wait for it beside the loading of everything else."""
    for name in NEEDED_BY_THE_FIRST_PAGE:
        importlib.import_module(name)
    page_policy()
    ready()
