"""What an HTTP answer that is no answer means: one class of error for each thing a caller would do."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import httpx

from ai.backends.openai.told_errors import WORDS, status_told, words_of
from ai.backends.openai.waits import bounded, limits_reset, retry_after, spans
from ai.core.errors import (
    BackendDown,
    BackendError,
    BackendLoading,
    BackendOutOfMemory,
    BackendOverloaded,
    BackendTimeout,
    BadRequest,
    ContextOverflow,
    Filtered,
    ModelMissing,
    StreamCut,
)
from ai.core.words import foreign_words, page_words, place_of, plain_words, tls_words
from ai.discovery.http import is_loading

_MAX_MESSAGE: Final = 300
_SILENT: Final = "no reason given."
_LATER: Final = "Try again later, or allow fewer requests at once."
_SUCCESS: Final = frozenset({0, 200})
_VAGUE: Final = frozenset({0, 200, 400, 500})
"""Statuses under which some servers say that they are busy."""
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_AUTH: Final = frozenset({401, 403})
_OUT_OF_MEMORY: Final = re.compile(
    r"out of memory|outofmemory|cannot allocate|failed to allocate|unable to allocate|requires more system memory|bad_alloc|\boom\b",
    re.IGNORECASE,
)
_CONTEXT: Final = re.compile(
    r"exceed_context_size|context_(length|window)_exceeded|exceeds? the (available )?context|maximum context length|context (length|window|size) exceeded"
    r"|longer than the (model's )?(maximum )?context|input length exceeds|prompt is too long"
    r"|is greater than max_seq_len|requires \d+ pages \(only \d+ available\)"  # TabbyAPI; ExLlama's own generators
    r"|inputs?`? tokens\b.{0,60}\bmust be|context length of only|token count.{0,40}exceeds|number of (input )?tokens\b.{0,60}\b(exceed|cannot)"  # TGI, LM Studio, others
    r"|reduce the length of the (messages|prompt|input)|(prompt|input|request|text) ((is|are|has) )?(too long|too many tokens)",
    re.IGNORECASE,
)
_MODEL: Final = re.compile(
    r"(model|deployment)[^.]{0,200}(not found|does not exist|not exist|unknown|no such)|model_not_found|deploymentnotfound|(invalid|unknown) model( name)?\b"
    r"|no models? (is |are )?(currently )?loaded|\bmodel\b.{0,40}\b(not loaded|unloaded)\b",
    re.IGNORECASE,
)
_BUSY: Final = re.compile(
    r"overloaded|rate.?limit|too many (concurrent )?requests|server (is )?busy|at capacity|resource_exhausted|queue is full|quota",
    re.IGNORECASE,
)
_NO_CREDIT: Final = re.compile(
    r"insufficient[_ ](quota|credits?|balance|funds)|exceeded your current quota|billing|out of credits?|no credits?\b|payment required",
    re.IGNORECASE,
)
_KEY: Final = re.compile(
    r"\b(api[ _-]?)?keys?\b|\btokens?\b|auth|credential|permission|permitted|sign.?in|log.?in|forbidden|access|bearer",
    re.IGNORECASE,
)
_BAD_KEY: Final = re.compile(r"(invalid|incorrect|missing|no|wrong) (api[ _-]?)?key\b|authentication|unauthori[sz]ed|invalid_api_key", re.IGNORECASE)  # fmt: skip
_FILTERED: Final = re.compile(r"content[_ ](filter|management|policy)|responsibleai|prohibited_content|\b(filtered|flagged|blocked)\b.{0,40}\b(safety|moderation|policy)|moderation_blocked", re.IGNORECASE)  # fmt: skip
"""How servers say that a filter lets a question, or its answer, not through."""
_DELAYS: Final = re.compile(r"retry_?-?(after|delay)(_?(?:s|secs?|seconds|ms|milliseconds))?", re.IGNORECASE)
_CRASHED: Final = re.compile(r"\bcrash(ed)?\b|terminated unexpectedly|unexpectedly (stopped|terminated)|process (has )?(died|exited)", re.IGNORECASE)  # fmt: skip
_WAIT: Final = re.compile(r"(?:try again|retry|retrying|wait|available|reset)\D{0,20}?((?:\d+(?:\.\d+)?\s?(?:ms|s|m|h|seconds?|secs?|minutes?|mins?|hours?)(?![a-z])\s?)+)", re.IGNORECASE)  # fmt: skip
_NO_ANSWER: Final = frozenset({202, 204, 205})
"""Statuses of success that bring no answer."""


def error_of(name: str, status: int, body: bytes | str, headers: Mapping[str, str] | None = None) -> BackendError:
    """The error for an HTTP status, its body and its headers (of an error in the middle of a stream: status 0)."""
    data = _object(body)
    inner = data.get("error")
    detail: dict[str, Any] = inner if isinstance(inner, dict) else data
    said = _said(body, inner, detail)
    code = detail.get("code")
    status = status_told(code) if status == 0 else status
    everything = f"{said} {detail.get('type', '')} {code}"
    if 300 <= status < 400 and headers is not None and headers.get("location"):
        return _moved(name, headers["location"])
    error = _by_words(name, status, said, everything, detail) or _by_status(name, status, said)
    error.retry_after_s = retry_after(headers) if headers is not None else None
    if error.retry_after_s is None and isinstance(error, BackendOverloaded):
        error.retry_after_s = (
            _delay_in(data) or _wait_told(said) or (limits_reset(headers) if headers is not None else None)
        )
    return error


def gives_answer(status: int) -> bool:
    """Whether an answer may follow this status."""
    return 200 <= status < 300 and status not in _NO_ANSWER


def _delay_in(value: object, deep: int = 5) -> float | None:
    """Seconds to wait, from a field of an error such as `retryDelay` or `retry_after_ms`; None where it has none."""
    if isinstance(value, list):
        return next((found for one in value[:20] if (found := _delay_in(one, deep - 1))), None) if deep else None
    if not isinstance(value, dict) or not deep:
        return None
    for key, said in value.items():
        if (named := _DELAYS.fullmatch(key)) and isinstance(said, int | float | str) and not isinstance(said, bool):
            try:
                number = float(said) / (1e3 if (named.group(2) or "").strip("_").lower().startswith("m") else 1)
            except ValueError:
                number = 0.0
            if found := bounded(number) or spans(str(said)):
                return found
    return next((found for one in value.values() if (found := _delay_in(one, deep - 1))), None)


def _wait_told(said: str) -> float | None:
    """Seconds to wait, from words such as "try again in 6m0s"; None where they do not say."""
    found = _WAIT.search(said)
    return spans(found.group(1)) if found else None


def _by_words(name: str, status: int, said: str, everything: str, detail: dict[str, Any]) -> BackendError | None:
    """The error that the words of a server tell, whatever the status."""
    limited = status == httpx.codes.TOO_MANY_REQUESTS
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE or (not limited and _CONTEXT.search(everything)):
        what = (
            said if status != httpx.codes.REQUEST_ENTITY_TOO_LARGE else f"the request is too large (HTTP 413): {said}"
        )
        return ContextOverflow(
            f"{name}: {what}",
            backend=name,
            prompt_tokens=_whole(detail.get("n_prompt_tokens")),
            context=_whole(detail.get("n_ctx")),
            hint="Shorten the text, or load the model with a longer context.",
        )
    signed_in = status not in _AUTH
    rules: tuple[tuple[object, type[BackendError], str, str], ...] = (
        (_OUT_OF_MEMORY.search(everything), BackendOutOfMemory, "{}: {}", "Use a shorter context, a smaller cache type, or a smaller model."),
        (is_loading(status, everything), BackendLoading, "{} is loading its model: {}", "Wait until it is loaded."),
        (signed_in and status != httpx.codes.SERVICE_UNAVAILABLE and _MODEL.search(everything), ModelMissing, "{}: {}", "Fetch the model, or name another one in the settings."),
        (signed_in and status < httpx.codes.INTERNAL_SERVER_ERROR and _FILTERED.search(everything), Filtered, "{} did not let this pass: {}", "Its content filter refuses it: change the text, or use another engine."),
        (_NO_CREDIT.search(everything), BackendOverloaded, "{} refuses: {}", "Its account has no credit left: add some, or use another engine."),
        (signed_in and status < httpx.codes.INTERNAL_SERVER_ERROR and _CRASHED.search(said), BackendError, "{} failed: {}", "Look at the engine's own log."),
        (status in _VAGUE and _BUSY.search(everything), BackendOverloaded, "{} is busy: {}", _LATER),
    )  # fmt: skip
    for applies, kind, words, hint in rules:
        if applies:
            return kind(words.format(name, said), backend=name, hint=hint)
    return _without_key(name, said) if status in _SUCCESS and _BAD_KEY.search(everything) else None


def _moved(name: str, location: str) -> BackendError:
    return BadRequest(
        f"{name} redirects to {place_of(location)}, which is not followed.", backend=name, hint="If that is the server you want, set its address."
    )  # fmt: skip


def _by_status(name: str, status: int, said: str) -> BackendError:
    match status:
        case 401 | 403:
            return _not_allowed(name, said) if status == 403 else _without_key(name, said)
        case 408 | 425 | 429 | 503 | 529:
            return BackendOverloaded(f"{name} is busy: {said}", backend=name, hint=_LATER)
        case 502 | 504 | 520 | 521 | 522 | 523 | 524 | 525 | 526 | 527 | 530:
            return BackendDown(f"{name} is behind a gateway that does not reach it: {said}", backend=name)
        case 404 | 405:
            return BadRequest(
                f"{name} does not know this route: {said}", backend=name, hint="Check its address in the settings."
            )
        case _ if 300 <= status < 500:
            moved = status in _MOVED
            what = (
                f"redirects to another address (HTTP {status}), which is not followed."
                if moved
                else f"refused the request (HTTP {status}): {said}"
            )
            return BadRequest(f"{name} {what}", backend=name, hint="If that is the server you want, set its address." if moved else "")  # fmt: skip
        case _:
            silent = 200 <= status < 300
            failed = f"failed (HTTP {status})" if said == _SILENT and status else "failed"
            what = f"took the request (HTTP {status}) and gave no answer" if silent else failed
            return BackendError(f"{name} {what}: {said}", backend=name, hint="Check its address in the settings." if silent else "Look at the engine's own log.")  # fmt: skip


def _without_key(name: str, said: str) -> BackendError:
    return BadRequest(
        f"{name} asks for a key ({said.rstrip('.')}).",
        backend=name,
        hint="Give its API key: watchkeeper ai key ADDRESS (setting engines.api_keys).",
    )


def _not_allowed(name: str, said: str) -> BackendError:
    """403 is said for a wrong key, but also by what stands before a server, and for what its rules do not allow."""
    if said == _SILENT or _KEY.search(said):
        return _without_key(name, said)
    return BadRequest(
        f"{name} refused the request (HTTP 403): {said}", backend=name,
        hint="Its rules, or what stands before it, do not allow this: open its address in a browser, or ask who runs it.",
    )  # fmt: skip


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
    if isinstance(error, httpx.RemoteProtocolError) and (foreign := foreign_words(why)):
        return BackendDown(
            f"{name} gives no answer that can be read: {foreign}.", backend=name, hint="Correct its address in the settings; one that expects TLS begins with https://."
        )  # fmt: skip
    if wrong := tls_words(str(error)):
        return BackendDown(
            f"{name} cannot be asked: {wrong}.", backend=name, hint="Correct its address in the settings."
        )
    return BackendDown(
        f"{name} does not answer ({why}).", backend=name, hint="Start it, or correct its address in the settings."
    )


def _object(body: bytes | str) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    while isinstance(value, list) and value:  # some servers wrap the error in a list
        value = value[0]
    return value if isinstance(value, dict) else {}


def _said(body: bytes | str, inner: object, detail: dict[str, Any]) -> str:
    raw = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    found = inner if isinstance(inner, str) else next((detail[key] for key in WORDS if detail.get(key)), None)
    if isinstance(found, dict):
        found = words_of(found) or str(found)
    if isinstance(found, list):
        found = "; ".join(_complaint(item) for item in found[:5])
    text = (
        (page_words(str(found)) or str(found))
        if found
        else page_words(raw) or ("" if detail or raw.strip() in {"{}", "[]"} else raw)
    )
    return (plain_words(text)[:_MAX_MESSAGE] or _SILENT).rstrip(".") + "."


def _complaint(item: object) -> str:
    """One entry of FastAPI's list of what is wrong with a request."""
    if not isinstance(item, dict):
        return str(item)
    where = item.get("loc")
    place = ".".join(str(part) for part in where if part != "body") if isinstance(where, list) else ""
    return f"{place}: {item.get('msg', '')}" if place else str(item.get("msg") or item.get("message") or item)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
