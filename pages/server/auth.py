"""Sign-in: the session cookie, the middleware that requires it, and the role of the visitor.

Modes (`auth.mode`): `none` (loopback only; everyone is operator), `password` (own page and cookie), `oidc` (Streamlit's
`st.login`, whose cookie is checked here as well, for the routes that Streamlit does not serve). The cookie names the person
and this sign-in; the role is looked up at each use, so that a person who is removed or demoted is so at the next start.
"""

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.config.sections import UserSettings
from monitor.core.endpoint import write_private
from monitor.core.errors import ConfigError
from pages.server.dashboard import Dashboard
from pages.server.gate import Refusal, refuse, same_origin

Role = Literal["viewer", "operator"]
PUBLIC: Final = ("/wk/login", "/wk/logout", "/healthz")
OIDC_LOGOUT: Final = "/auth/logout"
PUBLIC_OIDC: Final = ("/auth/login", OIDC_LOGOUT, "/oauth2callback")
ASSETS: Final = "/wk/assets/"
SIGN_IN_FIRST: Final = Refusal(401, "SignInNeeded", "sign in first", "open /wk/login in the browser")
ENDED: Final = 4401
"""Close code of a WebSocket whose sign-in ended."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in person.

    Attributes:
        name: as signed in, or the e-mail address; text of a stranger.
        role: what the person may do.
        session: identifies this sign-in; empty without one.
        expires: seconds since the epoch; None when never.
    """

    name: str
    role: Role
    session: str = ""
    expires: float | None = None


NOBODY_ASKED: Final = Visitor("", "operator")
"""The visitor when no sign-in is configured: the person at this machine."""


class SignIn:
    """Issues and reads the cookies of one dashboard.

    Args:
        dashboard: settings, and the data directory with the key and the ended sessions (mode 0600).
    """

    def __init__(self, dashboard: Dashboard) -> None:
        self._auth = dashboard.settings.auth
        self._users = {user.name: user for user in self._auth.users}
        key = _key(dashboard.data_dir / "dashboard.key") if self._auth.mode == "password" else secrets.token_hex(32)
        self._key = key
        self._serializer = URLSafeTimedSerializer(key, salt="watchkeeper.session")
        self._ended = _Ended(dashboard.data_dir / "dashboard-ended.json")
        self.cookie: Final = f"watchkeeper_{hashlib.blake2b(key.encode(), digest_size=4).hexdigest()}"
        """Name of the cookie. Cookies ignore ports, so two dashboards of one machine need different names."""

    @property
    def lifetime_s(self) -> int:
        """Lifetime of a session in seconds."""
        return int(self._auth.session_hours * 3600)

    def user(self, name: str) -> UserSettings | None:
        """The user with this name, or None."""
        return self._users.get(name)

    def issue(self, user: UserSettings) -> str:
        """A new session cookie for a user who has just entered the password."""
        return self._serializer.dumps(
            {"user": user.name, "session": secrets.token_urlsafe(16), "of": self._print(user)}
        )

    def end(self, visitor: Visitor) -> None:
        """Sign out: end the session, which makes all copies of its cookie invalid."""
        if visitor.session and visitor.expires is not None:
            self._ended.add(visitor.session, visitor.expires)

    def has_ended(self, session: str) -> bool:
        """Whether this session was ended."""
        return session in self._ended

    def visitor(self, cookies: Mapping[str, str], host: str = "") -> Visitor | None:
        """The visitor with these cookies, or None without a valid session.

        Args:
            cookies: cookies of the request.
            host: `Host` header of the request, which must match an OIDC session.
        """
        if self._auth.mode == "none":
            return NOBODY_ASKED
        if self._auth.mode == "oidc":
            return self._oidc(cookies, host)
        return self._password(cookies.get(self.cookie, ""))

    def _password(self, value: str) -> Visitor | None:
        try:
            found, signed = self._serializer.loads(value, max_age=self.lifetime_s, return_timestamp=True)
        except BadSignature:  # also too old
            return None
        if not isinstance(found, dict):
            return None
        user = self._users.get(str(found.get("user")))
        session = str(found.get("session"))
        if user is None or not hmac.compare_digest(str(found.get("of")), self._print(user)) or session in self._ended:
            return None
        return Visitor(user.name, user.role, session, signed.timestamp() + self.lifetime_s)

    def _oidc(self, cookies: Mapping[str, str], host: str) -> Visitor | None:
        claims = read_streamlit_user(cookies, self.lifetime_s)
        if claims is None or not claims.get("is_logged_in") or not same_origin(str(claims.get("origin")), host):
            return None
        email = str(claims.get("email") or "").strip().lower()
        known = email and claims.get("email_verified", True) is True
        operator = bool(known) and email in {address.strip().lower() for address in self._auth.operators}
        name = email or str(claims.get("name") or claims.get("sub") or "visitor")
        session, expires = self._oidc_session(claims)
        if session in self._ended:
            return None
        return Visitor(name, "operator" if operator else "viewer", session, expires)

    def _oidc_session(self, claims: Mapping[str, Any]) -> tuple[str, float | None]:
        """Id and end of the session. Without a time of issue two sessions could have the same id."""
        issued = claims.get("iat")
        if not isinstance(issued, int | float) or isinstance(issued, bool):
            return "", None
        content = json.dumps(claims, sort_keys=True, default=str)
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest(), float(issued) + self.lifetime_s

    def _print(self, user: UserSettings) -> str:
        """A fingerprint of the password, so that a new password ends old sessions."""
        return hmac.new(self._key.encode(), user.password_hash.encode(), hashlib.sha256).hexdigest()[:24]


def read_streamlit_user(cookies: Mapping[str, str], max_age_s: float) -> dict[str, Any] | None:
    """The claims in Streamlit's signed cookie, or None; verified like Streamlit does."""
    from streamlit.auth_util import get_cookie_with_chunks
    from streamlit.web.server.server_util import AUTH_COOKIE_NAME, get_cookie_secret
    from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value

    secret = get_cookie_secret()
    if not secret:
        return None

    def _single(name: str) -> bytes | None:
        value = cookies.get(name)
        return decode_signed_value(secret, name, value.encode("latin-1"), max_age_s / 86400) if value else None

    raw = get_cookie_with_chunks(_single, AUTH_COOKIE_NAME)
    if raw is None:
        return None
    try:
        claims = json.loads(raw)
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


class AuthGate:
    """Lets only signed-in visitors through, for HTTP and WebSockets, including Streamlit's routes.

    Args:
        app: the wrapped application.
        sign_in: reads the cookies.
        login_page: answers a navigation without a session with status 401.
        oidc: whether Streamlit's sign-in routes are public.
    """

    def __init__(self, app: ASGIApp, sign_in: SignIn, login_page: ASGIApp, *, oidc: bool = False) -> None:
        self._app, self._sign_in, self._login_page = app, sign_in, login_page
        self._public = PUBLIC + (PUBLIC_OIDC if oidc else ())
        self._sockets: dict[str, set[_Socket]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"} or scope["path"] in self._public:
            if scope.get("path") == OIDC_LOGOUT and scope["path"] in self._public:
                await self._end_oidc(HTTPConnection(scope))
            await self._app(scope, receive, send)
            if scope.get("path") in {"/wk/logout", OIDC_LOGOUT}:
                await self._close_ended()
            return
        if scope["type"] == "http" and scope["path"].startswith(ASSETS):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        visitor = self._sign_in.visitor(connection.cookies, connection.headers.get("host", ""))
        if visitor is None:
            if scope["type"] == "http" and _is_navigation(connection, scope):
                await self._login_page(scope, receive, send)
            else:
                await refuse(scope, receive, send, SIGN_IN_FIRST)
        elif scope["type"] == "websocket":
            await self._serve_socket(visitor, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _end_oidc(self, connection: HTTPConnection) -> None:
        """End the session too. Streamlit's sign-out only removes the cookie from the browser, and copies of it would stay valid."""
        visitor = self._sign_in.visitor(connection.cookies, connection.headers.get("host", ""))
        if visitor is not None:
            await asyncio.to_thread(self._sign_in.end, visitor)

    async def _serve_socket(self, visitor: Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket, and close it when its session ends."""
        socket = _Socket(send)
        ending = None
        if visitor.expires is not None:
            left = max(0.0, visitor.expires - time.time())
            ending = asyncio.create_task(_after(left, socket), name="end-of-sign-in")
        self._sockets.setdefault(visitor.session, set()).add(socket)
        try:
            await self._app(scope, receive, socket.send)
        finally:
            if ending is not None:
                ending.cancel()
            mates = self._sockets[visitor.session]
            mates.discard(socket)
            if not mates:
                del self._sockets[visitor.session]

    async def _close_ended(self) -> None:
        """Close the sockets of ended sessions."""
        for session in [s for s in self._sockets if self._sign_in.has_ended(s)]:
            for socket in list(self._sockets[session]):
                await socket.close()


async def _after(seconds: float, socket: "_Socket") -> None:
    await asyncio.sleep(seconds)
    await socket.close()


class _Socket:
    """A WebSocket that can be closed from outside the application."""

    def __init__(self, send: Send) -> None:
        self._send, self._closed = send, False

    async def send(self, message: Message) -> None:
        if self._closed:
            raise OSError("the sign-in has ended")  # as ASGI servers do when the client is gone
        self._closed = message["type"] == "websocket.close"
        await self._send(message)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": ENDED, "reason": "signed out"})


class _Ended:
    """Sessions that were ended before they expired, kept until they expire."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            found = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            found = {}
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} cannot be read: {error}", hint="move it away; sign-outs in it are lost"
            ) from error
        self._until: dict[str, float] = {str(k): float(v) for k, v in found.items()}

    def __contains__(self, session: str) -> bool:
        return self._until.get(session, 0.0) > time.time()

    def add(self, session: str, until: float) -> None:
        now = time.time()
        self._until = {s: u for s, u in self._until.items() if u > now} | {session: until}
        write_private(self._path, self._until)


def _key(path: Path) -> str:
    """The key that signs cookies, created at the first start and readable only by its owner.

    Raises:
        ConfigError: it cannot be read or written, or others could read it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(descriptor, "w", encoding="ascii") as out:
                out.write(secrets.token_hex(32))
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} can be read by others", hint=f"chmod 600 {path}, or remove it for a new one")
        key = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be used: {error}", hint="check the data directory's permissions") from error
    if len(key) < 32:
        raise ConfigError(f"{path} holds no key", hint="remove it, and a new one is made; everyone signs in again")
    return key


def _is_navigation(connection: HTTPConnection, scope: Scope) -> bool:
    """Whether the request opens a page, as opposed to one that a script makes."""
    path = scope["path"]
    return (
        scope["method"] in {"GET", "HEAD"}
        and "text/html" in connection.headers.get("accept", "")
        and not path.startswith(("/wk/", "/_stcore/", "/media/", "/static/", "/component/"))
    )
