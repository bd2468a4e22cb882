"""The outer middleware: checks `Host` and `Origin`, and adds security headers to every answer.

Pure ASGI, because a WebSocket never passes `BaseHTTPMiddleware`. The `Host` check is against DNS rebinding (a strange name
that resolves to 127.0.0.1); the `Origin` check against pages of other sites that would open the sockets from a visitor's browser.
"""

import base64
import functools
import hashlib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.core.endpoint import is_loopback
from pages.server.assets import preloads
from pages.server.boot import SCRIPT
from pages.server.dashboard import Dashboard

LIVE: Final = "/wk/live"
HOST: Final = re.compile(r"(?:([A-Za-z0-9][A-Za-z0-9._-]{0,252})|\[([0-9A-Fa-f:.]{2,45})\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection is refused: HTTP status, kind of error, message, hint."""

    status: int
    kind: str
    message: str
    hint: str


class Gate:
    """Refuses unknown hosts and origins, and adds the security headers.

    Args:
        app: the wrapped application.
        dashboard: its host names and sign-in.
    """

    def __init__(self, app: ASGIApp, dashboard: Dashboard) -> None:
        self._app, self._dashboard = app, dashboard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        problem = self._problem(scope)
        if problem is not None:
            await refuse(scope, receive, send, problem)
            return
        await self._app(scope, receive, _with_headers(send, scope["path"]))

    def _problem(self, scope: Scope) -> Refusal | None:
        """Why the connection is refused, or None."""
        headers = Headers(scope=scope)
        server = (scope.get("server") or ("", 0))[0] or ""
        if not self._dashboard.sign_in and not is_loopback(server):
            hint = "bind 127.0.0.1, or set auth.mode in the settings"
            return Refusal(403, "Forbidden", "without a sign-in only this machine may look", hint)
        host = headers.get("host", "")
        if not self._host_allowed(host, server) or len(headers.getlist("host")) != 1:
            hint = "add the name to dashboard.allowed_hosts in the settings when it is yours"
            return Refusal(400, "WrongHost", "this dashboard is not served under that host name", hint)
        origin = headers.get("origin")
        wants_origin = scope["type"] == "websocket" and scope["path"] == LIVE
        if (origin is None and wants_origin) or (origin is not None and not same_origin(origin, host)):
            return Refusal(403, "Forbidden", "requests from other sites are refused", "open the dashboard itself")
        return None

    def _host_allowed(self, host: str, server: str) -> bool:
        name = host_name(host)
        if name is None:
            return False
        if any(_matches(name, pattern) for pattern in self._dashboard.host_names):
            return True
        return _is_address(name) and name == server  # an address cannot be rebound, and the request arrived at this one


async def refuse(scope: Scope, receive: Receive, send: Send, why: Refusal) -> None:
    """Refuse a connection with an error. A WebSocket gets it as the answer to its handshake."""
    body = {"error": {"kind": why.kind, "message": why.message, "hint": why.hint}}
    response = JSONResponse(body, status_code=why.status, headers={"Cache-Control": "no-store", **HEADERS})
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": why.message})
        return
    await response(scope, receive, send)


def host_name(host: str) -> str | None:
    """The name in a `Host` header, in lower case and without port, or None when it is not valid."""
    found = HOST.fullmatch(host)
    return (found[1] or found[2]).lower().rstrip(".") if found else None


def same_origin(origin: str, host: str) -> bool:
    """Whether `origin` is this dashboard. TLS may end at a proxy, so the scheme is not compared."""
    try:
        parts = urlsplit(origin)
    except ValueError:  # a bracket that is not closed, a sign that no host name has
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower() and not parts.path.strip("/")


def _matches(name: str, pattern: str) -> bool:
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def content_security_policy(inline_scripts: Sequence[str]) -> str:
    """The content security policy: own files only; inline scripts by hash, scripts of components as blobs.

    Styles must be allowed inline: Streamlit's own style sheet is made in the browser.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in inline_scripts
    )
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' blob: 'wasm-unsafe-eval' {hashes}".rstrip(),
            "style-src 'self' 'unsafe-inline' blob:",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' blob:",
            "connect-src 'self' blob: data:",
            "worker-src 'self' blob:",
            "frame-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


@functools.cache
def page_policy() -> str:
    """The policy for the inline scripts of the installed Streamlit's index page and of the dashboard."""
    import streamlit

    index = Path(streamlit.__file__).parent / "static" / "index.html"
    text = index.read_text("utf-8") if index.is_file() else ""
    return content_security_policy([*re.findall(r"<script>(.*?)</script>", text, re.DOTALL), SCRIPT])


HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


def _with_headers(send: Send, path: str) -> Send:
    """Add the headers to an answer. A policy that the answer already has stays."""

    async def _send(message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if "content-security-policy" not in headers:
                headers["Content-Security-Policy"] = page_policy()
                if headers.get("content-type", "").startswith("text/html") and "link" not in headers:
                    headers["Link"] = preloads(path)  # the sign-in page has its own policy and loads no script
        await send(message)

    return _send
