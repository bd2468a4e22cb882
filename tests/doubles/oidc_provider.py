"""A small OpenID provider: discovery, authorization code with PKCE and nonce, keys, and the end of a session.

It is strict, so that a sign-in that succeeds has really sent what it must: a code works once, for the client, the address and the verifier
it was given for. What it hands out can be spoilt (`spoil`), so that a sign-in that must fail can be tried as well.
"""

import base64
import hashlib
import secrets
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.waiting import patient, wait_until

CLIENT_ID = "watchkeeper-tests"
CLIENT_SECRET = "a secret of the tests alone"


@dataclass
class Grant:
    """What a code stands for."""

    redirect_uri: str
    challenge: str
    nonce: str
    email: str


class Provider:
    """The provider on a port of its own; `people` may sign in, by a click on their address."""

    def __init__(self, port: int, people: list[str]) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.people = people
        self.spoil = ""
        self.tokens = 0
        self.ended: list[str] = []
        self._key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
        self._stranger = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
        self._codes: dict[str, Grant] = {}
        routes = [
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/keys", self._keys),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/end", self._end),
        ]
        config = uvicorn.Config(Starlette(routes=routes), port=port, log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        wait_until(lambda: self._server.started, "the provider listens")

    def stop(self) -> None:
        """Be gone."""
        self._server.should_exit = True
        self._thread.join(patient(10))

    async def _discovery(self, _request: Request) -> JSONResponse:
        where = self.issuer
        return JSONResponse(
            {
                "issuer": where,
                "authorization_endpoint": f"{where}/authorize",
                "token_endpoint": f"{where}/token",
                "jwks_uri": f"{where}/keys",
                "end_session_endpoint": f"{where}/end",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            }
        )

    async def _keys(self, _request: Request) -> JSONResponse:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    async def _authorize(self, request: Request) -> Response:
        """The page where one chooses who one is; `as` in the query has chosen."""
        asked = request.query_params
        right = (
            asked.get("client_id") == CLIENT_ID
            and asked.get("response_type") == "code"
            and asked.get("code_challenge_method") == "S256"
            and "openid" in asked.get("scope", "").split()
            and asked.get("nonce")
            and asked.get("state")
        )
        if not right:
            return JSONResponse({"error": "invalid_request"}, status_code=400)
        email = asked.get("as")
        if email is None:
            links = (f'<p><a href="{request.url.include_query_params(**{"as": who})}">{who}</a>' for who in self.people)
            return HTMLResponse("<!doctype html><title>Who are you?</title>" + "".join(links))
        assert email in self.people
        code = secrets.token_urlsafe(16)
        self._codes[code] = Grant(asked["redirect_uri"], asked["code_challenge"], asked["nonce"], email)
        back = urlencode({"code": code, "state": asked["state"] if self.spoil != "state" else "another"})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}", status_code=302)

    async def _token(self, request: Request) -> JSONResponse:
        """Exchange a code for a token, once."""
        form = await request.form()
        grant = self._codes.pop(str(form.get("code")), None)
        verifier = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        if (
            grant is None
            or not _is_client(request.headers.get("authorization", ""))
            or form.get("redirect_uri") != grant.redirect_uri
            or base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() != grant.challenge
        ):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        self.tokens += 1
        now = int(time.time())
        claims = {
            "iss": self.issuer if self.spoil != "issuer" else "http://127.0.0.1:1",
            "aud": CLIENT_ID if self.spoil != "audience" else "another",
            "sub": grant.email,
            "email": grant.email,
            "email_verified": self.spoil != "unverified",
            "nonce": grant.nonce if self.spoil != "nonce" else "another",
            "iat": now,
            "exp": now + 600 if self.spoil != "time" else now - 7200,
        }
        key = self._key if self.spoil != "signature" else self._stranger
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, key)
        return JSONResponse({"access_token": secrets.token_urlsafe(8), "token_type": "Bearer", "id_token": token})

    async def _end(self, request: Request) -> Response:
        self.ended.append(request.query_params.get("id_token_hint", ""))
        return RedirectResponse(request.query_params["post_logout_redirect_uri"], status_code=302)


def _is_client(header: str) -> bool:
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return False
    return base64.b64decode(value) == f"{CLIENT_ID}:{CLIENT_SECRET}".encode()


def secrets_file(issuer: str, dashboard: str) -> str:
    """What a person writes into `secrets.toml`."""
    return (
        "[auth]\n"
        f'redirect_uri = "{dashboard}/oauth2callback"\n'
        f'cookie_secret = "{secrets.token_hex(32)}"\n'
        f'client_id = "{CLIENT_ID}"\n'
        f'client_secret = "{CLIENT_SECRET}"\n'
        f'server_metadata_url = "{issuer}/.well-known/openid-configuration"\n'
    )
