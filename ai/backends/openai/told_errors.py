"""Objects that servers send in place of an answer, whatever the status: whether one is an error, which status it names, and its words."""

from typing import Any, Final

ERROR_KEYS: Final = (
    "errors",
    "detail",
    "error_message",
    "error_msg",
    "errorMessage",
    "error_description",
    "exception",
    "fault",
)
"""Besides `error`, fields that only an error has."""
WORDS: Final = ("message", "detail", "msg", "errors", "error", "error_message", "error_msg", "errorMessage", "error_description", "exception", "faultstring", "fault", "title", "reason")  # fmt: skip
"""Where servers put the words of an error, the likeliest first."""
_OF_ANSWERS: Final = frozenset({"id", "model", "object", "usage", "created", "type"})
"""What a piece of an answer without choices still has, and a message that is nothing but an error has not."""
_DEEPEST: Final = 4


def tells_error(message: dict[str, Any]) -> bool:
    """Whether an object, which may be a piece of an answer, is an error."""
    if message.get("error") or message.get("object") == "error":
        return True
    if "choices" in message:
        return False
    said = message.get("message") or message.get("msg")
    failed = status_told(message.get("code", message.get("status"))) >= 400
    alone = isinstance(said, str) and not message.keys() & _OF_ANSWERS
    return any(message.get(key) for key in ERROR_KEYS) or bool(said and (failed or alone))


def status_told(code: object) -> int:
    """The status that an error names, as a number or in digits; 0 where it names none."""
    digits = str(code) if isinstance(code, int | str) and not isinstance(code, bool) else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) == 3 else 0


def words_of(found: object) -> object:
    """The innermost of what is in an error's fields."""
    for _ in range(_DEEPEST):
        if isinstance(found, list) and found:
            found = found[0]
        if not isinstance(found, dict):
            break
        found = _next(found)
    return found


def _next(found: dict[str, Any]) -> object:
    """The likeliest of its fields; `true` says nothing."""
    return next((found[key] for key in WORDS if found.get(key) and found[key] is not True), "")
