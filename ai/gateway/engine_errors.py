"""What an engine's answer that is none says about the engine, whatever status and form it has."""

import json
import re
from typing import Any, Final

from ai.backends.openai.sse import SseParser
from ai.backends.openai.told_errors import status_told, tells_error
from ai.backends.openai.waits import limits_reset, retry_after
from ai.core.errors import (
    BackendDown,
    BackendError,
    BackendLoading,
    BackendOverloaded,
    BadOutput,
    BadRequest,
    ContextOverflow,
    ModelMissing,
)
from ai.core.words import page_words, place_of, plain_words
from ai.gateway.http.upstream import Head

_READ: Final = 4000
_LOADING: Final = re.compile(rb"\bloading\b|not ready|warming up|starting up", re.IGNORECASE)
_TOO_LONG: Final = re.compile(
    rb"exceed_context_size|context_length_exceeded|exceeds? the (available )?context|maximum context length|context (length|window|size) exceeded"
    rb"|prompt is too long|input length exceeds",
    re.IGNORECASE,
)
_MESSAGE: Final = re.compile(
    rb'"(?:message|error|detail|msg|error_message|error_msg|errorMessage|exception|faultstring)":\s*("(?:[^"\\]|\\.){1,400}")'
)
_CHOICES: Final = b'"choices"'
_NOTHING: Final = frozenset({202, 204, 205})
"""Statuses of success that bring no answer."""
_LOADS: Final = frozenset({425, 500, 503})
_TOO_LARGE: Final = 413
_TOO_MANY: Final = 429
_BUSY: Final = frozenset({402, 429, 503, 529})
_LACKS: Final = frozenset({404, 405, 410, 501})
"""It has not got the model, or the route: that says nothing against its health."""
_NOT_ALLOWED: Final = frozenset({401, 403, 407, 408})


def error_of(head: Head, body: bytes) -> BackendError:
    """What an answer that is an error says about its engine."""
    status, error = head.status, _error_of(head, body)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
    error.retry_after_s = retry_after(headers) if status >= 400 else None
    if error.retry_after_s is None and isinstance(error, BackendOverloaded):
        error.retry_after_s = limits_reset(headers)
    return error


def _error_of(head: Head, body: bytes) -> BackendError:
    status, location = head.status, head.get(b"location")
    if 300 <= status < 400 and location:
        return BackendDown(f"it redirects to {place_of(location)}, which is not followed")
    words = _words(body)
    said = f"HTTP {status}" + (f": {words}" if words else "")
    begin = body[:_READ]
    kinds: tuple[tuple[bool, type[BackendError]], ...] = (
        (status in _LOADS and bool(_LOADING.search(begin)), BackendLoading),
        (status == _TOO_LARGE or (status != _TOO_MANY and bool(_TOO_LONG.search(begin))), ContextOverflow),
        (status in _BUSY, BackendOverloaded),
        (status in _LACKS, ModelMissing),
        (status >= 500 or status < 400 or status in _NOT_ALLOWED, BackendDown),
    )
    kind = next((kind for applies, kind in kinds if applies), BadRequest)
    return kind(said)


def _words(body: bytes) -> str:
    found = _MESSAGE.search(body)
    if not found:
        return page_words(body[:_READ].decode("utf-8", "replace")) or ""
    try:
        said = json.loads(found.group(1), strict=False)
    except ValueError:
        said = found.group(1)[1:-1].decode("utf-8", "replace")
    return plain_words(str(said)).rstrip(".")


def no_answer(head: Head, begin: bytes) -> BackendError | None:
    """Why what begins so, under a status of success, is no answer; None where it may be one. An empty beginning is the end, too."""
    if head.status in _NOTHING:
        return BadOutput(f"it took the request (HTTP {head.status}) and gave no answer")
    if not begin:
        return BadOutput("its answer is empty")
    page = page_words(begin[:_READ].decode("utf-8", "replace")) if begin.lstrip()[:1] == b"<" else None
    return BadOutput(f"it answers with {page}") if page else None


def told_error(head: Head, begin: bytes) -> tuple[Head, bytes] | None:
    """The error that an engine tells under a status of success, as if it had come with a status of its own; None where there is none."""
    if _CHOICES in begin:
        return None
    events = SseParser()
    try:
        found = [*events.feed(begin), *events.end()]
        told = json.loads(found[0].data, strict=False) if found else None
    except (ValueError, RecursionError, BadOutput):
        return None
    if not isinstance(told, dict) or not (tells_error(told) or found[0].name == "error"):
        return None
    return Head(_status_of(told), head.headers), json.dumps(told).encode("ascii")


def _status_of(told: dict[str, Any]) -> int:
    inner = told["error"] if isinstance(told.get("error"), dict) else told
    codes = (
        status_told(code) for code in (inner.get("code"), inner.get("status"), told.get("code"), told.get("status"))
    )
    return next((code for code in codes if 400 <= code < 600), 500)
