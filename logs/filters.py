"""Log filters: read from a request, asked of the store, and tried on live records, with the same answer."""

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import re2

from logs import levels
from logs.errors import LogsError
from logs.record import LogRecord
from logs.times import SECOND
from monitor.store.interface import ParamValue

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|m|min|h|d|w)(?: ago)?")
_UNITS: Final = {
    "ms": 1000,
    "s": SECOND,
    "sec": SECOND,
    "m": 60 * SECOND,
    "min": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86400 * SECOND,
    "w": 7 * 86400 * SECOND,
}
_MAX_TEXT: Final = 4096
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})
_KNOWN: Final = frozenset({"q", "regex", "raw", "case", "level", "levels", "source", "pid", "run", "since", "until"})
_MAX_RUN: Final = 1 << 63
_EMPTY_PART: Final = re.compile(r"\((?:\?(?:[a-zA-Z-]*:|P?<\w+>))?\)|\{0")
_NEVER: Final = r"[^\x00-\x{10FFFF}]"


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which records: all conditions hold. `text` is a substring, or an RE2 expression when `regex`."""

    text: str = ""
    regex: bool = False
    raw: bool = False
    case: bool = False
    least: int = 0
    levels: frozenset[int] = frozenset()
    sources: tuple[str, ...] = ()
    pid: int | None = None
    run: int | None = None
    since: int | None = None
    until: int | None = None
    _pattern: Any = field(default=None, repr=False, compare=False)
    _needle: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.text and self.regex:
            object.__setattr__(self, "_pattern", _compiled(self.text, case=self.case))
        elif self._folded:
            object.__setattr__(self, "_pattern", _compiled(_literal(self.text), case=False))
        elif self.text:
            object.__setattr__(self, "_needle", self.text if self.case else lowered(self.text))

    @classmethod
    def parse(cls, params: Mapping[str, str], now: int) -> "LogFilter":
        """Read a request's parameters; others than the filter's own are left alone.

        A substring is matched without regard to case unless `case=1`, a regular expression with regard to it unless `case=0`.

        Raises:
            LogsError: an expression, a time, a level or a number is wrong.
        """
        given = {key: value for key, value in params.items() if key in _KNOWN and value is not None}
        text = given.get("q", "")
        if len(text) > _MAX_TEXT:
            raise LogsError(
                f"The text to search is longer than {_MAX_TEXT} characters.", hint="Search for a part of it."
            )
        regex = _flag(given, "regex")
        since = parse_time(given["since"], now) if given.get("since") else None
        until = parse_time(given["until"], now) if given.get("until") else None
        if since is not None and until is not None and since > until:
            raise LogsError("The time range ends before it begins.", hint="Swap its two ends, or leave one out.")
        return cls(
            text=text.replace("\0", "\ufffd"),
            regex=regex,
            raw=_flag(given, "raw"),
            case=_flag(given, "case") if given.get("case", "") != "" else regex,
            least=_level(given["level"]) if given.get("level") else 0,
            levels=frozenset(_level(word, unknown=True) for word in given.get("levels", "").split(",") if word.strip()),
            sources=tuple(name.strip() for name in given.get("source", "").split(",") if name.strip()),
            pid=_number(given, "pid", 1 << 31),
            run=_number(given, "run", _MAX_RUN),
            since=since,
            until=until,
        )

    def matches(self, record: LogRecord) -> bool:  # noqa: PLR0911 - one rule a line
        """Whether a live record passes; as the store would say."""
        if record.level < self.least or (self.levels and record.level not in self.levels):
            return False
        if (self.since is not None and record.ts < self.since) or (self.until is not None and record.ts >= self.until):
            return False
        if (self.pid is not None and record.pid != self.pid) or (self.run is not None and record.run != self.run):
            return False
        if self.sources and not any(fnmatch.fnmatchcase(record.source, glob) for glob in self._globs()):
            return False
        if not self.text:
            return True
        body = record.original() if self.raw else record.message
        if self._pattern is not None:
            return self._pattern.search(body.encode("utf-8", "replace")) is not None
        return self._needle in (body if self.case else lowered(body))

    def params(self) -> dict[str, ParamValue]:
        """The parameters of the log queries; those that do not apply are absent."""
        values: dict[str, ParamValue] = {}
        if self.text:
            name = ("" if self.case else "i") + ("regex" if self.regex or self._folded else "text")
            values[name] = self._asked()
            if self.raw:
                values["raw"] = True
        if self.least:
            values["least"] = self.least
        if self.levels:
            values["levels"] = sorted(self.levels)
        if len(self.sources) == 1 and "*" not in self.sources[0]:
            values["source"] = self.sources[0]
        elif self.sources:
            values["sources"] = self._globs()
        numbers = {"pid": self.pid, "run": self.run, "since": self.since, "until": self.until}
        return values | {name: number for name, number in numbers.items() if number is not None}

    @property
    def _folded(self) -> bool:
        """Whether the text has letters of which lower case is not enough (Greek has two small letters for one capital): then it is matched as an expression."""
        return bool(self.text) and not (self.regex or self.case or self.text.isascii())

    def _asked(self) -> str:
        """The text for the store. DuckDB turns some expressions with empty parts into a wrong comparison: with an alternative that never matches it does not."""
        if self._folded:
            return _literal(self.text)
        if self._pattern is not None and (self._pattern.search(b"") is not None or _EMPTY_PART.search(self.text)):
            return f"(?:{self.text})|{_NEVER}"
        return self.text

    def _globs(self) -> list[str]:
        """The source patterns with `*` alone special."""
        return [name.replace("[", "[[]").replace("?", "[?]") for name in self.sources]


def _literal(text: str) -> str:
    """The expression that matches just this text."""
    return re.sub(r"[^\w\s]", lambda found: f"\\x{{{ord(found[0]):X}}}", text)


def lowered(text: str) -> str:
    """Lower case, one character for one, as the store's `lower` does it."""
    if text.isascii():
        return text.lower()
    return "".join(char.lower()[0] if char != "\u1e9e" else "\u00df" for char in text)


def parse_time(text: str, now: int) -> int:
    """Microseconds since the epoch of `text`: microseconds, ISO 8601 (local without a zone), or `15m`, `2h`, `7d` ago, or `now`.

    Raises:
        LogsError: it is none of these.
    """
    text = text.strip()
    if text == "now":
        return now
    if re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now - int(float(ago.group(1)) * _UNITS[ago.group(2)])
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+") if re.search(r"T.* \d\d:?\d\d$", text) else text)
        micros = (moment.astimezone() - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND
    except (ValueError, OverflowError) as error:
        raise LogsError(
            f"{text!r} is no time.",
            hint="Write 15m, 2h or 7d (ago), 2026-01-31T10:00, or microseconds since the epoch.",
        ) from error
    return micros


_MICROSECOND: Final = datetime(1970, 1, 1, 0, 0, 0, 1) - datetime(1970, 1, 1)  # noqa: DTZ001 - only their difference counts


def _compiled(pattern: str, *, case: bool) -> Any:
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
        raise LogsError(
            f"The regular expression is wrong: {reason}.",
            hint="RE2 syntax has no look-around and no back-references; search for plain text without `regex`.",
        ) from error


def _flag(params: Mapping[str, str], name: str) -> bool:
    value = str(params.get(name, "")).lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise LogsError(f"{name}={value!r} is neither 0 nor 1.", hint=f"Write {name}=1 or leave it out.")


def _level(word: str, *, unknown: bool = False) -> int:
    name = word.strip().lower()
    if unknown and name in {"unknown", "none", "null"}:
        return levels.UNKNOWN
    number = levels.BY_NAME.get(name)
    if number is None:
        raise LogsError(f"There is no level {word!r}.", hint="Levels are trace, debug, info, warn, error, fatal.")
    return number


def _number(params: Mapping[str, str], name: str, limit: int) -> int | None:
    value = params.get(name, "")
    if value == "":
        return None
    if not str(value).isdecimal() or int(value) >= limit:
        raise LogsError(f"{name}={value!r} is no {name}.", hint=f"Give {name} as a number.")
    return int(value)
