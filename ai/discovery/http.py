"""Small, suspicious HTTP questions: a deadline, a size limit, no redirects, no proxies."""

import asyncio
import json
import os
import re
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import certifi
import httpx

from ai.core.coding import codings_of
from ai.core.footprint import is_local
from ai.core.words import foreign_words, page_words, place_of, tls_words
from ai.discovery.address import without_query

MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of an answer that are read at most; a list of a thousand models takes about 600 kB."""
MAX_TEXT: Final = 200
_MAX_SAID: Final = 2000
_LOADING: Final = re.compile(
    r"\bloading\b|\bmodel\b[^.]{0,40}\b(initiali[sz]ing|not ready|starting)\b|warming up|starting up|is being initiali[sz]ed|\bnot ready\b",
    re.IGNORECASE,
)
_FAILED: Final = re.compile(r"\b(fail(ed|ure)?|cannot|could not|unable|error while)\b", re.IGNORECASE)
MAX_MODELS: Final = 500
_BROKEN: Final = (
    "it breaks the connection off without an answer (the address of one that expects TLS begins with https://)"
)


class ProbeFailed(Exception):
    """The question had no usable answer. `state` is the engine's state then: `down`, `loading` or `error`.

    `said` is how the body of an error begins; nothing to show, since a server may repeat a key in it.
    """

    def __init__(self, state: str, message: str, *, status: int | None = None, said: str = "") -> None:
        super().__init__(message)
        self.state = state
        self.message = message
        self.status = status
        self.said = said


def is_loading(status: int | None, said: str) -> bool:
    """Whether a server says that it is not ready yet, and will be."""
    return status in {425, 500, 503} and _LOADING.search(said) is not None and not _FAILED.search(said)


def shown_url(url: str) -> str:
    """The address without the password some people put into it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def same_endpoint(first: str, second: str) -> bool:
    """Whether two addresses lead to one server: the same port of the same host, loopback being one host under all its names."""

    def place(address: str) -> tuple[str, int | None]:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        port = parts.port or (443 if parts.scheme == "https" else 80 if "://" in address else None)
        return "loopback" if is_local(urlunsplit(parts)) else parts.hostname or "", port

    try:
        return place(first) == place(second)
    except ValueError:  # a port that is none
        return False


def authorities(url: str) -> ssl.SSLContext:
    """What a client of `url` checks certificates with: the authorities of this system (and of `SSL_CERT_FILE`, `SSL_CERT_DIR`) and those of certifi.

    Without redirects, one of plain HTTP needs none; loading the lists takes 20 ms of a core.
    """
    if url.lower().startswith("http://"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _trusted(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))


@lru_cache(maxsize=4)
def _trusted(file: str, folder: str) -> ssl.SSLContext:
    """The authorities; OpenSSL reads the two variables itself."""
    del file, folder
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.load_verify_locations(certifi.where())
    return context


def at_address(url: str) -> dict[str, Any]:
    """What makes a client ask at `url`: the base of its paths, and the address's query with each request."""
    query = httpx.URL(url).params

    async def with_query(request: httpx.Request) -> None:
        request.url = request.url.copy_merge_params(query)

    return {"base_url": without_query(url), "event_hooks": {"request": [with_query] if query else []}}


def new_client(base_url: str, timeout_s: float, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """A client that trusts nothing of the environment and asks for uncompressed answers."""
    return httpx.AsyncClient(
        **at_address(base_url),
        timeout=httpx.Timeout(timeout_s),
        verify=authorities(base_url),
        trust_env=False,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity", "Accept": "application/json", **(headers or {})},
        limits=httpx.Limits(max_connections=4, max_keepalive_connections=1),
    )


async def get_json(client: httpx.AsyncClient, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The JSON object at `path`; a `body` is posted. The whole answer has the time that the client gives one read.

    Raises:
        ProbeFailed: nobody answers, or not with a JSON object of at most `MAX_ANSWER` bytes and status 200.
    """
    value = await get_value(client, path, body)
    if not isinstance(value, dict):
        raise ProbeFailed("error", "the answer is not a JSON object")
    return value


async def get_value(client: httpx.AsyncClient, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """As `get_json`, whatever the JSON is.

    Raises:
        ProbeFailed: as there.
    """
    try:
        async with (
            asyncio.timeout(client.timeout.read),
            client.stream("GET" if body is None else "POST", path, json=body) as answer,
        ):
            said = await _limited(answer)
    except httpx.ConnectError as error:
        wrong = tls_words(str(error))
        raise ProbeFailed(
            "error" if wrong else "down",
            wrong or f"nobody answers at {client.base_url.netloc.decode() or 'its address'}",
        ) from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise ProbeFailed("down", "no answer in time") from error
    except (httpx.ReadError, httpx.RemoteProtocolError) as error:
        raise ProbeFailed("error", foreign_words(str(error)) or _BROKEN) from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        why = foreign_words(str(error)) or f"the answer is not HTTP as expected ({_short(error)})"
        raise ProbeFailed("error", why) from error
    if answer.is_redirect:
        to = place_of(answer.headers["location"])
        raise ProbeFailed("error", f"it redirects to {to}, which is not followed", status=answer.status_code)
    if is_loading(answer.status_code, said[:_MAX_SAID].decode("utf-8", "replace")):
        raise ProbeFailed("loading", "it is loading its model", status=answer.status_code)
    if answer.status_code != httpx.codes.OK:
        told = said[:_MAX_SAID].decode("utf-8", "replace")
        why = f"it answers HTTP {answer.status_code}{_reason(told)}"
        raise ProbeFailed("error", why, status=answer.status_code, said=told)
    try:
        return json.loads(said.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise ProbeFailed("error", f"the answer is {_kind_of(answer, said)}", status=answer.status_code) from error


def _reason(said: str) -> str:
    """What the body of an error says, where it is a page."""
    words = page_words(said) or ""
    return f": {words}" if words and "without a reason" not in words else ""


def _kind_of(answer: httpx.Response, said: bytes) -> str:
    """What an answer is that is no JSON."""
    codings = [one for one in codings_of(answer.headers.get("content-encoding", "")) if one not in {"gzip", "deflate"}]
    if codings:
        return f"compressed as {', '.join(codings)[:MAX_TEXT]}, which was not asked for"
    return page_words(said[:_MAX_SAID].decode("utf-8", "replace")) or "not JSON"


async def _limited(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > MAX_ANSWER:
            raise ProbeFailed("error", f"the answer is longer than {MAX_ANSWER // 1024**2} MiB")
    return bytes(body)


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:MAX_TEXT]


def text(value: object) -> str:
    """A string of at most `MAX_TEXT` printable characters from whatever a server sent."""
    if not isinstance(value, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in value[:MAX_TEXT]).strip()


def whole(value: object) -> int | None:
    """A non-negative integer that fits 63 bits, or None."""
    ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
    return value if ok and isinstance(value, int) else None


def entries(value: object) -> list[dict[str, Any]]:
    """The objects of a list, at most `MAX_MODELS`; whatever else is there is left out."""
    found = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
    return found[:MAX_MODELS]
