"""What Streamlit's page is told before its own scripts begin: where its server is, and what that server would answer first.

Left to itself the front end guesses below which path it is served: at `/logs` it first asks `/logs/_stcore/health` and
`/logs/_stcore/host-config`, which are not there, so every deep link begins with two errors in the console and a lost round
trip. Told so, it opens its socket at once. Our own live socket does not wait for any of that: `early.js` opens it while Streamlit's
scripts are still on their way.
"""

import json
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages._assets import asset_url

HOST_CONFIG: Final = {
    "useExternalAuthToken": False,
    "enableCustomParentMessages": False,
    "enforceDownloadInNewTab": False,
    "metricsUrl": "",
    "blockErrorDialogs": False,
}
"""As `/_stcore/host-config` says it; pages of other origins that may speak with ours are none (see `SCRIPT`)."""
SCRIPT: Final = (
    f"window.__streamlit={{BACKEND_BASE_URL:location.origin,HOST_CONFIG:{{allowedOrigins:[location.origin],"
    f"{json.dumps(HOST_CONFIG, separators=(',', ':'))[1:-1]}}}}}"
)
STYLE: Final = (
    "[data-testid=stMain] [data-testid=stMarkdownContainer]:has(table){overflow-x:auto}"
    ".st-key-history td:first-child{white-space:nowrap}"
)
"""On a narrow screen a wide table scrolls by itself, not the page, and a time stays in its line; from the first frame on, which a style among the elements is too late for."""
HEAD: Final = b"<head>"
TITLE: Final = (b"<title>Streamlit</title>", b"<title>Watchkeeper</title>")


def inserted() -> bytes:
    """What a page's head begins with. The script of the live socket holds up nothing, and waits for nothing but its own imports."""
    early = f'<script type="module" async fetchpriority="high" src="{asset_url("early.js")}"></script>'
    return f"<script>{SCRIPT}</script>{early}<style>{STYLE}</style>".encode()


class Boot:
    """Puts `inserted` into every page that passes; all else goes through untouched.

    Args:
        app: what lies behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if (
            scope["type"] != "http"
            or scope["method"] != "GET"
            or "text/html" not in Headers(scope=scope).get("accept", "")
        ):
            await self._app(scope, receive, send)
            return
        plain = [
            (name, value) for name, value in scope["headers"] if name != b"accept-encoding"
        ]  # 8 kB, to be read here
        await self._app({**scope, "headers": plain}, receive, _Page(send))


class _Page:
    """Passes an answer on; one that is a page is held until it is whole."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begin: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self._begin = message
        elif self._begin is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._begin)

    async def _finish(self, begin: Message) -> None:
        body = self._body.replace(HEAD, HEAD + inserted(), 1).replace(*TITLE, 1)
        headers = MutableHeaders(scope=begin)
        headers["content-length"] = str(len(body))
        for of_the_file in ("etag", "last-modified"):
            del headers[of_the_file]
        await self._send(begin)
        await self._send({"type": "http.response.body", "body": body})


def _is_page(begin: Message) -> bool:
    headers = Headers(raw=begin["headers"])
    return begin["status"] == 200 and headers.get("content-type", "").startswith("text/html")
