"""RE2 expressions: compiled for live records, and written so that the store takes them alike."""

import re
from typing import Any, Final

import re2

from logs.core.errors import LogsError

_EMPTY_PART: Final = re.compile(r"\((?:\?(?:[a-zA-Z-]*:|P?<\w+>))?\)|\{0")
_NEVER: Final = r"[^\x00-\x{10FFFF}]"


def compiled(pattern: str, *, case: bool) -> Any:
    """The expression; `.` goes over line ends.

    Raises:
        LogsError: it is wrong, or needs too much memory.
    """
    options = re2.Options()
    options.dot_nl = True
    options.case_sensitive = case
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        return re2.compile(pattern.encode("utf-8", "replace"), options)
    except re2.error as error:
        reason = (
            error.args[0].decode("utf-8", "replace") if error.args and isinstance(error.args[0], bytes) else str(error)
        )
        raise LogsError(f"The regular expression is wrong: {reason}.", hint=_remedy(reason)) from error


def _remedy(reason: str) -> str:
    """What to do about what RE2 says of an expression."""
    if "perl operator" in reason or "escape sequence" in reason:
        return "RE2 syntax has no look-around and no back-references; search for plain text instead."
    return "Correct the expression, or search for it as text, in quotes."


def for_store(pattern: str) -> str:
    """The expression for the store. DuckDB turns some expressions with empty parts into a wrong comparison: with an alternative that never matches it does not."""
    if compiled(pattern, case=True).search(b"") is not None or _EMPTY_PART.search(pattern):
        return f"(?:{pattern})|{_NEVER}"
    return pattern


def lowered(text: str) -> str:
    """Lower case, one character for one, as the store's `lower` does it."""
    if text.isascii():
        return text.lower()
    return "".join(char.lower()[0] if char != "\u1e9e" else "\u00df" for char in text)
