"""Addresses of servers, as people write and paste them."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

_AROUND: Final = " \t\r\n\"'`<>,;"
"""What clings to an address that is copied out of a sentence, a list or a file of settings."""
_ROUTES: Final = re.compile(
    r"/chat/completions$|(?<=/v1)/(completions|embeddings|models|responses)$|/api/(chat|generate|tags|version|ps)$"
    r"|/(docs|redoc|openapi\.json|health|metrics|props|slots)$"
)
"""Routes that people paste with the address."""
_SCHEME: Final = re.compile(r"(https?):/+", re.IGNORECASE)
_PORT_ONLY: Final = re.compile(r"\*?(:\d+)(?![\d:])")
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}  # noqa: S104 - what is listened on, made what to connect to
_BLANK: Final = re.compile(r"[\s\\]")
_NO_HOST: Final = re.compile(r"^$|\*|^[.-]|\.\.")


def normal_url(text: str, default_port: int | None = None) -> str:
    """An address as people write it (`OLLAMA_HOST` forms and pasted routes included), as a base URL without a trailing slash.

    Args:
        text: the address.
        default_port: of one without a scheme and a port.

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
    return urlunsplit((parts.scheme, f"{netloc}:{port}" if port else netloc, path, "", ""))


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
