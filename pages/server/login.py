"""`/wk/login` and `/wk/logout`: the sign-in page and its form, and signing out."""

import asyncio
import base64
import hashlib
import hmac
import html
import logging
import secrets
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from pages.server.auth import SignIn
from pages.server.dashboard import Dashboard
from pages.server.gate import same_origin
from pages.server.throttle import Throttle

LOG: Final = logging.getLogger("watchkeeper.dashboard")
MAX_BODY: Final = 8 * 1024
FORM_HOLDS_S: Final = 3600
CHECK_DEADLINE_S: Final = 10.0
WRONG: Final = "Wrong name or password."
BUSY: Final = "Too many people are signing in. Try again in a few seconds."
STALE: Final = "The form has expired, or cookies are disabled. Try again."

STYLE: Final = """
:root{--bg:#f6f8fa;--surface:#fff;--line:#8a95a3;--text:#1b2430;--muted:#5c6877;--go:#1f6feb;--bad:#cf222e;color-scheme:light}
@media(prefers-color-scheme:dark){:root{--bg:#0f1318;--surface:#161b22;--line:#66727f;--text:#e7ebf0;--muted:#8d98a7;--go:#2f74d0;--bad:#ff6f6f;color-scheme:dark}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:16px;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{width:100%;max-width:360px;background:var(--surface);border:1px solid var(--line);border-radius:10px;padding:24px}
h1{font-size:20px;margin:0 0 2px}p{margin:0 0 16px;color:var(--muted)}
label{display:block;font-weight:600;margin:12px 0 4px}
input{width:100%;font:inherit;color:inherit;background:var(--bg);border:1px solid var(--line);border-radius:8px;padding:8px 10px}
button,a.go{display:block;width:100%;margin-top:20px;padding:9px;font:inherit;font-weight:600;text-align:center;text-decoration:none;color:#fff;background:var(--go);border:0;border-radius:8px;cursor:pointer}
:focus-visible{outline:3px solid var(--go);outline-offset:2px}
[role=alert]{color:var(--bad);font-weight:600;margin:8px 0 0}
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class Login:
    """The routes of the sign-in.

    Args:
        dashboard: its settings.
        sign_in: issues the cookies.
        throttle: slows down guessing.
        checks: how many passwords are checked at once (each takes 64 MB while it is).
    """

    def __init__(self, dashboard: Dashboard, sign_in: SignIn, throttle: Throttle, *, checks: int = 2) -> None:
        self._dashboard, self._sign_in, self._throttle = dashboard, sign_in, throttle
        self._mode = dashboard.settings.auth.mode
        self._forms = URLSafeTimedSerializer(secrets.token_hex(32), salt="watchkeeper.form")
        self._hasher = PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_hex(16))
        self._slots = asyncio.Semaphore(checks)
        self._form_cookie = f"{sign_in.cookie}_form"

    async def needed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a navigation without a session with the form and status 401. The form leads back to the page."""
        query = scope.get("query_string", b"").decode("latin-1")
        way_back = scope["path"] + (f"?{query}" if query else "")
        await self._page(HTTPConnection(scope), way_back, status=401)(scope, receive, send)

    async def show(self, request: Request) -> Response:
        """Answer `GET /wk/login?next=…`."""
        way_back = safe_next(request.query_params.get("next", "/"))
        if self._sign_in.visitor(request.cookies, request.headers.get("host", "")) is not None:
            return RedirectResponse(way_back, status_code=303)
        return self._page(request, way_back)

    async def enter(self, request: Request) -> Response:
        """Answer `POST /wk/login` with name, password, the token of the form, and the page to go to."""
        form = await _form(request)
        way_back = safe_next(form.get("next", "/"))
        if self._mode != "password":
            return self._page(request, way_back, status=404, problem="Password sign-in is not enabled.")
        if not self._is_our_form(request, form.get("token", "")):
            return self._page(request, way_back, status=403, problem=STALE)
        name, address = form.get("name", "")[:200], request.client.host if request.client else ""
        wait = self._throttle.wait_s(address, name)
        if wait > 0:
            seconds = int(wait) + 1
            problem = f"Too many failed attempts. Try again in {seconds} s."
            answer = self._page(request, way_back, status=429, problem=problem, name=name)
            answer.headers["Retry-After"] = str(seconds)
            return answer
        self._throttle.failed(address, name)  # it counts from now on: many at once must not pass together
        user = self._sign_in.user(name)
        right = await self._is_right(user.password_hash if user else self._nobody, form.get("password", ""))
        if right is None:
            answer = self._page(request, way_back, status=503, problem=BUSY, name=name)
            answer.headers["Retry-After"] = "5"
            return answer
        if user is None or not right:
            LOG.warning("a sign-in from %s was refused", address)
            return self._page(request, way_back, status=401, problem=WRONG, name=name)
        self._throttle.succeeded(address, name)
        answer = RedirectResponse(way_back, status_code=303, headers={"Cache-Control": "no-store"})
        answer.set_cookie(
            self._sign_in.cookie,
            self._sign_in.issue(user),
            max_age=self._sign_in.lifetime_s,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        answer.delete_cookie(self._form_cookie, path="/wk/")
        return answer

    async def leave(self, request: Request) -> Response:
        """Answer `/wk/logout`. A form or a link of the dashboard signs out; a link of another site must be confirmed."""
        host = request.headers.get("host", "")
        if self._mode == "oidc":
            return RedirectResponse("/auth/logout", status_code=303)
        ours = request.headers.get("sec-fetch-site", "none") in {"same-origin", "none"}
        if request.method == "POST":
            ours = ours and same_origin(request.headers.get("origin", f"http://{host}"), host)
        if not ours:
            return self._document("Sign out?", '<form method="post"><button>Sign out</button></form>')
        visitor = self._sign_in.visitor(request.cookies, host)
        if visitor is not None:
            await asyncio.to_thread(self._sign_in.end, visitor)
        answer = RedirectResponse("/wk/login", status_code=303, headers={"Cache-Control": "no-store"})
        answer.delete_cookie(self._sign_in.cookie)
        return answer

    async def _is_right(self, password_hash: str, password: str) -> bool | None:
        """Whether the password matches the hash; None if too many others are checked. Takes as long for an unknown name."""

        def _verify() -> bool:
            try:
                return self._hasher.verify(password_hash, password)
            except (Argon2Error, InvalidHashError):
                return False

        try:
            async with asyncio.timeout(CHECK_DEADLINE_S):
                await self._slots.acquire()
        except TimeoutError:
            return None
        try:
            return await asyncio.to_thread(_verify)
        finally:
            self._slots.release()

    def _is_our_form(self, request: Request, token: str) -> bool:
        """Whether the form came from this browser and page (double submit of a signed token)."""
        origin = request.headers.get("origin")
        if origin is not None and not same_origin(origin, request.headers.get("host", "")):
            return False
        if not hmac.compare_digest(token.encode(), request.cookies.get(self._form_cookie, "").encode()):
            return False
        try:
            self._forms.loads(token, max_age=FORM_HOLDS_S)
        except BadSignature:
            return False
        return True

    def _token(self, old: str) -> str:
        """The token of a form. While the browser has a valid one it is used again, so that two open forms both work."""
        try:
            self._forms.loads(old, max_age=FORM_HOLDS_S // 2)
        except BadSignature:
            return self._forms.dumps(secrets.token_urlsafe(16))
        return old

    def _page(
        self, connection: HTTPConnection, way_back: str, *, status: int = 200, problem: str = "", name: str = ""
    ) -> Response:
        if self._mode == "oidc":
            return self._document("Sign in", oidc_body(), status)
        token = self._token(connection.cookies.get(self._form_cookie, ""))
        answer = self._document("Sign in", _form_body(token, way_back, problem, name), status)
        answer.set_cookie(
            self._form_cookie,
            token,
            max_age=FORM_HOLDS_S,
            path="/wk/",
            httponly=True,
            samesite="strict",
            secure=connection.url.scheme == "https",
        )
        return answer

    def _document(self, title: str, body: str, status: int = 200) -> HTMLResponse:
        page = (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f'<link rel="icon" href="data:,"><title>{title} · Watchkeeper</title><style>{STYLE}</style>'
            f"<main><h1>{title}</h1>{body}</main></html>"
        )
        return HTMLResponse(page, status, {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})


def _form_body(token: str, way_back: str, problem: str, name: str) -> str:
    """The form. All input is escaped."""
    alert = f'<p role="alert" id="problem">{html.escape(problem)}</p>' if problem else ""
    described = ' aria-describedby="problem" aria-invalid="true"' if problem else ""
    focus_name, focus_password = ("", " autofocus") if name else (" autofocus", "")
    return (
        "<p>Watchkeeper monitors this machine.</p>"
        f'<form method="post" action="/wk/login">{alert}'
        f'<input type="hidden" name="token" value="{html.escape(token)}">'
        f'<input type="hidden" name="next" value="{html.escape(way_back)}">'
        f'<label for="name">Name</label><input id="name" name="name" autocomplete="username" autocapitalize="none" '
        f'spellcheck="false" required maxlength="200" value="{html.escape(name)}"{focus_name}>'
        f'<label for="password">Password</label><input id="password" name="password" type="password" '
        f'autocomplete="current-password" required maxlength="1000"{described}{focus_password}>'
        "<button>Sign in</button></form>"
    )


def oidc_body() -> str:
    """A link for each provider in Streamlit's secrets, or what is missing."""
    from streamlit.auth_util import encode_provider_token, get_secrets_auth_section, is_authlib_installed

    section = get_secrets_auth_section()
    missing = []
    if not is_authlib_installed():
        missing.append("the package Authlib (<code>pip install 'streamlit[auth]'</code>)")
    if not section:
        missing.append("a section <code>[auth]</code> in <code>secrets.toml</code> beside the settings")
    elif not section.get("cookie_secret") or not section.get("redirect_uri"):
        missing.append("<code>cookie_secret</code> and <code>redirect_uri</code> in <code>[auth]</code>")
    if missing:
        return f'<p role="alert">Sign-in by OIDC is not configured: {" and ".join(missing)} is missing.</p>'
    named = [name for name, value in section.items() if hasattr(value, "get") and value.get("client_id")]
    links = []
    for name in named or ["default"]:
        label = f"Sign in with {name}" if name != "default" else "Sign in"
        links.append(
            f'<a class="go" href="/auth/login?provider={quote(encode_provider_token(name))}">{html.escape(label)}</a>'
        )
    return "<p>Watchkeeper monitors this machine.</p>" + "".join(links)


def safe_next(target: str) -> str:
    """The page to open after the sign-in: always a path of this dashboard."""
    try:
        parts = urlsplit(target) if target.isprintable() else None
    except ValueError:
        return "/"
    if (
        parts is None
        or parts.scheme
        or parts.netloc
        or not target.startswith("/")
        or target.startswith(("//", "/wk/", "/_stcore/", "/auth/"))
        or "\\" in target
    ):
        return "/"
    return target


async def _form(request: Request) -> dict[str, str]:
    """The fields of a URL-encoded form. A body above `MAX_BODY`, or with more fields than any form of ours, counts as empty."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return {}
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in fields.items()}
