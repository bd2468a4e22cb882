"""What an HTTP answer that is no answer means: one class of error for each thing a caller would do."""

import json
import re
from typing import Any, Final

import httpx

from ai.errors import (
    BackendDown,
    BackendError,
    BackendOutOfMemory,
    BackendOverloaded,
    BackendTimeout,
    BadRequest,
    ContextOverflow,
    ModelMissing,
    StreamCut,
)

_MAX_MESSAGE: Final = 300
_OUT_OF_MEMORY: Final = re.compile(
    r"out of memory|outofmemory|cannot allocate|failed to allocate|unable to allocate|requires more system memory|bad_alloc|\boom\b",
    re.IGNORECASE,
)
_CONTEXT: Final = re.compile(
    r"exceed_context_size|exceeds? the (available )?context|maximum context length|context (length|window|size) exceeded"
    r"|longer than the (model's )?(maximum )?context|input length exceeds|prompt is too long"
    r"|is greater than max_seq_len|requires \d+ pages \(only \d+ available\)",  # TabbyAPI; ExLlama's own generators
    re.IGNORECASE,
)
_MODEL: Final = re.compile(
    r"model[^.]{0,200}(not found|does not exist|not exist|unknown|no such)|model_not_found|no models? loaded",
    re.IGNORECASE,
)


def error_of(name: str, status: int, body: bytes | str) -> BackendError:
    """The error for an HTTP status and its body (of an error in the middle of a stream: status 0)."""
    data = _object(body)
    inner = data.get("error")
    detail: dict[str, Any] = inner if isinstance(inner, dict) else data
    said = _said(body, inner, detail)
    code = detail.get("code")
    status = code if status == 0 and isinstance(code, int) else status
    everything = f"{said} {detail.get('type', '')} {code}"
    if _CONTEXT.search(everything):
        return ContextOverflow(
            f"{name}: {said}",
            backend=name,
            prompt_tokens=_whole(detail.get("n_prompt_tokens")),
            context=_whole(detail.get("n_ctx")),
            hint="Shorten the text, or load the model with a longer context.",
        )
    if _OUT_OF_MEMORY.search(everything):
        return BackendOutOfMemory(
            f"{name}: {said}", backend=name, hint="Use a shorter context, a smaller cache type, or a smaller model."
        )
    if _MODEL.search(everything):
        return ModelMissing(
            f"{name}: {said}", backend=name, hint="Fetch the model, or name another one in the settings."
        )
    return _by_status(name, status, said)


def _by_status(name: str, status: int, said: str) -> BackendError:
    match status:
        case 401 | 403:
            return BadRequest(
                f"{name} asks for a key ({said}).",
                backend=name,
                hint="Give its API key: watchkeeper ai key ADDRESS (setting engines.api_keys).",
            )
        case 429 | 503 | 529:
            return BackendOverloaded(
                f"{name} is busy: {said}", backend=name, hint="Try again later, or allow fewer requests at once."
            )
        case 502 | 504:
            return BackendDown(f"{name} is behind a gateway that does not reach it: {said}", backend=name)
        case 404:
            return BadRequest(
                f"{name} does not know this route: {said}", backend=name, hint="Check its address in the settings."
            )
        case _ if 300 <= status < 500:
            return BadRequest(f"{name} refused the request (HTTP {status}): {said}", backend=name)
        case _:
            return BackendError(f"{name} failed: {said}", backend=name, hint="Look at the engine's own log.")


def error_of_transport(name: str, error: httpx.TransportError, *, begun: bool, connect_s: float) -> BackendError:
    """The error for a connection that failed; `begun`: a part of the answer had arrived."""
    why = (str(error) or type(error).__name__)[:_MAX_MESSAGE]
    if isinstance(error, httpx.ConnectTimeout):
        return BackendTimeout(
            f"{name} could not be reached within {connect_s:g} s.", backend=name, phase="connect", waited_s=connect_s,
            hint="Check its address, and whether its machine is on.",
        )  # fmt: skip
    if begun:
        return StreamCut(
            f"{name} broke off in the middle of its answer ({why}).",
            backend=name,
            hint="It may have crashed: look at its log.",
        )
    return BackendDown(
        f"{name} does not answer ({why}).", backend=name, hint="Start it, or correct its address in the settings."
    )


def _object(body: bytes | str) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _said(body: bytes | str, inner: object, detail: dict[str, Any]) -> str:
    raw = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    found = inner if isinstance(inner, str) else detail.get("message") or detail.get("detail") or raw
    words = " ".join(str(found).split())
    return (words[:_MAX_MESSAGE] or "no reason given").rstrip(".") + "."


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
