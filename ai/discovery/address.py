"""Addresses of servers, as people write and paste them."""

import base64
import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

_AROUND: Final = " \t\r\n\"'`<>,;"
"""What clings to an address that is copied out of a sentence, a list or a file of settings."""
_ROUTES: Final = re.compile(
    r"/chat/completions$|(?<=/v1)/(completions|embeddings|models|responses)$|/api/(chat|generate|tags|version|ps)$"
    r"|/(docs|redoc|openapi\.json|health|metrics|props|slots)$"
)
"""Routes that people paste with the address."""
_LISTING: Final = re.compile(r"/(models|tags)/?$")
_OF_PAGES: Final = frozenset({"limit", "after", "before", "after_id", "before_id", "order", "page", "page_size", "pagesize", "pagetoken", "per_page", "offset", "cursor", "sort", "search", "q"})  # fmt: skip
"""Parameters of a listing, lower case, that say which part of it is wanted, and nothing to other routes."""
_SCHEME: Final = re.compile(r"(https?):/+", re.IGNORECASE)
_PORT_ONLY: Final = re.compile(r"\*?(:\d+)(?![\d:])")
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}  # noqa: S104 - what is listened on, made what to connect to
_BLANK: Final = re.compile(r"[\s\\]")
_NO_HOST: Final = re.compile(r"^$|\*|^[.-]|\.\.")
_SECRET: Final = re.compile(
    r"key|token|secret|passw|pwd|auth|credential|(?<![a-z])(sig|signature|code|pass)(?![a-z])", re.IGNORECASE
)
"""Names of parameters that hold a key. Addresses are shown; keys have a setting of their own."""
_BASIC: Final = "Basic "
"""What a name and password begin with in a header; a key has no blank."""
_API_VERSION: Final = "api-version"
_VERSION: Final = re.compile(r"/v\d+[a-z]*\d*(?=/|$)")


def api_places(path: str) -> tuple[str, ...]:
    """What may stand between the path of an address and the routes of OpenAI's API, most likely first.

    Nothing where the path ends in a version (`/v1beta`, `/api/v3`); where one stands before its end, as in `/v1beta/openai`, nothing too, most likely.
    """
    bare = path.rstrip("/")
    versions = list(_VERSION.finditer(bare))
    if versions and versions[-1].end() == len(bare):
        return ("",)
    return ("", "/v1") if versions else ("/v1", "")


def parse_models(lines: tuple[str, ...]) -> dict[str, str]:
    """`("ollama=llama3.1:8b",)` → `{"ollama": "llama3.1:8b"}`; lines without a sign of equality are left out."""
    return {name.strip(): model.strip() for name, sign, model in (line.partition("=") for line in lines) if sign}


def model_named(models: Mapping[str, str], engine: str, address: str) -> str:
    """The model that the settings name for an engine: by its kind, or by the address of a server, with or without `/v1`; empty where they name none."""

    def bare(url: str) -> str:
        try:
            return bare_address(normal_url(url))
        except ValueError:
            return url

    if engine in models or not address:
        return models.get(engine, "")
    return next((model for name, model in models.items() if bare(name) == bare(address)), "")


def server_root(url: str) -> str:
    """An address without `/v1` at the end of its path; its query stays."""
    base, sign, query = url.partition("?")
    return base.removesuffix("/v1") + sign + query


def without_query(url: str) -> str:
    """An address up to its query."""
    return url.partition("?")[0]


def bare_address(url: str) -> str:
    """An address without `/v1` and without a query: what keys are filed under, and where Ollama's own API is."""
    return without_query(server_root(url))


def basic_key(url: str) -> str:
    """The name and password in an address, as the header of a request has them; empty without."""
    try:
        user = urlsplit(normal_url(url)).netloc.rpartition("@")[0]
    except ValueError:
        return ""
    return f"{_BASIC}{base64.b64encode(unquote(user).encode()).decode()}" if user else ""


def key_header(query: str, key: str) -> dict[str, str]:
    """The header that takes a key: a bearer token, but at Azure, whose addresses tell the version of the API, one of its own; a token that was signed in for is a bearer there too."""
    if not key or key.startswith(_BASIC):
        return {"Authorization": key} if key else {}
    azure = any(name == _API_VERSION for name, _ in parse_qsl(query, keep_blank_values=True))
    return {"api-key": key} if azure and not key.startswith("eyJ") else {"Authorization": f"Bearer {key}"}


def normal_url(text: str, default_port: int | None = None) -> str:
    """An address as people write it (`OLLAMA_HOST` forms and pasted routes included), as a base URL without a trailing slash.

    A query is kept, since a server may want it with each request (`?api-version=…`), but for keys in it; Ollama has none.

    Args:
        text: the address.
        default_port: of one without a scheme and a port; Ollama's address has one.

    Raises:
        ValueError: it is no http or https address; the message says what is wrong with it.
    """
    bare = text.strip(_AROUND)
    stripped = _SCHEME.sub(r"\1://", bare, count=1) if _SCHEME.match(bare) else bare.removeprefix("//")
    parts = _split(stripped if "://" in stripped else f"http://{_host_first(stripped)}", text)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or _BLANK.search(parts.netloc) or (host != "*" and _NO_HOST.search(host)):
        msg = f"{text!r} is no http:// or https:// address"
        raise ValueError(msg)
    host = _ANY.get(host, host)
    host = f"[{host}]" if ":" in host else host
    port = _port(parts, text) or (default_port if "://" not in stripped else None)
    user = parts.netloc.rpartition("@")[0]
    netloc = f"{user}@{host}" if user else host
    path = _ROUTES.sub("", parts.path.rstrip("/")).rstrip("/")
    unwanted = _OF_PAGES if _LISTING.search(parts.path) else frozenset[str]()
    query = _open_query(parts.query, unwanted) if default_port is None else ""
    return urlunsplit((parts.scheme, f"{netloc}:{port}" if port else netloc, path, query, ""))


def _open_query(query: str, unwanted: frozenset[str]) -> str:
    named = [(name, value) for name, value in parse_qsl(query) if name.lower() not in unwanted]
    return urlencode([(name, value) for name, value in named if not _SECRET.search(name)])


def _split(url: str, text: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        msg = f"{text!r} is no http:// or https:// address"
        raise ValueError(msg) from error


def _host_first(text: str) -> str:
    """A port alone is one of this machine; an IPv6 address alone needs its brackets."""
    if _PORT_ONLY.match(text):
        return f"127.0.0.1{text.removeprefix('*')}"
    try:
        return f"[{text}]" if ipaddress.ip_address(text).version == 6 else text
    except ValueError:
        return text


def _port(parts: SplitResult, text: str) -> int | None:
    """The port; None without one.

    Raises:
        ValueError: it is none from 1 to 65535.
    """
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        msg = f"{text!r} has no valid port: write http://HOST:PORT with a port from 1 to 65535"
        raise ValueError(msg)
    return port
