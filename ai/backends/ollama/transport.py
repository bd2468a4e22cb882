"""What is added to the official client: every option in each request, refusing silent truncation, and fields that it drops.

The client builds the request and reads the answer; this transport adds two switches to the body of a chat on its way out, and keeps
the last line of the answer on its way in. All of Ollama's options are sent always, since the model's own file and the server's environment may
set others.
"""

import contextvars
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx

from ai.core.coding import Unpacker, codings_of
from ai.core.errors import BadOutput
from ai.core.types import GenRequest, LoadSpec
from ai.discovery.http import authorities

_MAX_KEPT: Final = 256 * 1024
_MAX_LINE: Final = 8 * 1024 * 1024
_ASKING: Final = ("/api/chat", "/api/generate")


class Tap:
    """The end of one answer as the server sent it. `answered`: its headers had arrived; `connect_s`: the call's own deadline."""

    def __init__(self, connect_s: float = 2.0) -> None:
        self.connect_s = connect_s
        self.answered = False
        self._tail = bytearray()
        self._since_newline = 0

    def keep(self, part: bytes) -> None:
        """Remember the last bytes.

        Raises:
            httpx.DecodingError: a line that is too long to be a line of an answer.
        """
        cut = part.rfind(b"\n")
        self._since_newline = len(part) - cut - 1 if cut >= 0 else self._since_newline + len(part)
        if self._since_newline > _MAX_LINE:
            raise httpx.DecodingError(f"a line of the answer is longer than {_MAX_LINE // 1024**2} MiB")
        self._tail += part
        del self._tail[:-_MAX_KEPT]

    def last(self) -> dict[str, Any]:
        """The last complete line as an object; empty when it is none."""
        lines = bytes(self._tail).strip().rsplit(b"\n", 1)
        try:
            value = json.loads(lines[-1])
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


CURRENT_TAP: contextvars.ContextVar[Tap | None] = contextvars.ContextVar("ollama_tap", default=None)
"""The tap of the call that this task is making; the official client has no argument to carry it."""


class NativeTransport(httpx.AsyncBaseTransport):
    """An HTTP transport for questions to the Ollama at `url`; everything else passes unchanged."""

    def __init__(self, url: str) -> None:
        self._inner = httpx.AsyncHTTPTransport(
            verify=authorities(url), trust_env=False, limits=httpx.Limits(max_connections=None, keepalive_expiry=2.0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        tap = CURRENT_TAP.get()
        if not request.url.path.endswith(_ASKING):
            return await self._inner.handle_async_request(request)
        body = json.loads(await request.aread())
        if not body.get("messages") and not body.get("prompt"):  # loads a model, or lets it go
            return await self._inner.handle_async_request(request)
        body |= {"truncate": False, "shift": False}
        changed = httpx.Request(
            request.method, request.url, json=body, extensions=request.extensions,
            headers=[(k, v) for k, v in request.headers.raw if k.lower() not in {b"content-length", b"transfer-encoding"}],
        )  # fmt: skip
        if tap is None:
            return await self._inner.handle_async_request(changed)
        changed.extensions = {
            **changed.extensions,
            "timeout": {**changed.extensions.get("timeout", {}), "connect": tap.connect_s},
        }
        response = await self._inner.handle_async_request(changed)
        tap.answered = True
        stream, headers = response.stream, response.headers
        codings = codings_of(headers.get("content-encoding", ""))
        unpacker = _unpacker(codings) if codings else None
        headers.pop("content-encoding", None)
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - an asynchronous transport gives nothing else
        return httpx.Response(
            response.status_code, headers=headers, stream=_Tapped(stream, tap, unpacker), extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class _Tapped(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, tap: Tap, unpacker: Unpacker | None) -> None:
        self._inner = inner
        self._tap = tap
        self._unpacker = unpacker

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            plain = part if self._unpacker is None else _unpacked(self._unpacker, part)
            self._tap.keep(plain)
            yield plain

    async def aclose(self) -> None:
        await self._inner.aclose()


def _unpacker(codings: list[str]) -> Unpacker:
    try:
        return Unpacker(codings)
    except BadOutput as error:
        raise httpx.DecodingError(error.message) from error


def _unpacked(unpacker: Unpacker, part: bytes) -> bytes:
    try:
        return unpacker.feed(part)
    except BadOutput as error:
        raise httpx.DecodingError(error.message) from error


def load_options(spec: LoadSpec) -> dict[str, Any]:
    """What decides how a model is loaded, but its context."""
    options: dict[str, Any] = {}
    if spec.threads is not None:
        options["num_thread"] = spec.threads
    if spec.gpu_layers is not None:
        options["num_gpu"] = spec.gpu_layers
    return options


def request_options(request: GenRequest, load: LoadSpec | None, context: int | None) -> dict[str, Any]:
    """Those of one request; with `load` also those that a model is loaded with.

    Where a model is in memory, `context` is the one it has: a server loads it anew for any other, and may take a missing one for its own default.
    """
    sampling = request.sampling
    options = load_options(load) if load is not None else {}
    if context is not None:
        options["num_ctx"] = context
    options |= {
        "num_predict": request.max_tokens,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repeat_penalty,
        "seed": sampling.seed,
    }
    if request.stop:
        options["stop"] = list(request.stop)
    return options
