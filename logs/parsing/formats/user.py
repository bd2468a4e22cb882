"""Formats that a person describes: one TOML file each, with lines that are its tests. Text comes in, something that reads lines goes out."""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
import re2

from logs.core import levels
from logs.core.errors import LogsError
from logs.core.format_spec import FormatSpec, Sample
from logs.core.moments import SHAPES, Moment, Order
from logs.core.timestamps import SECOND, TimeReader, iso_text
from logs.parsing.formats.base import Header, pid_number

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_GROUPS: Final = frozenset({"time", "level", "logger", "pid", "message"})
_LONGEST: Final = 4000
_CACHE: Final = 8192
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,9})?")
_DATED: Final = ("%j", "%d", "%D", "%x", "%c", "%F")
_YEARS: Final = ("%Y", "%y", "%D", "%x", "%c", "%F", "%G", "%s")


class UserFormat:
    """Reads lines as a `FormatSpec` says, in linear time whatever its expression is.

    Raises:
        LogsError: the spec says nothing usable.
    """

    wraps = False
    follows = None
    starts = None

    def __init__(self, spec: FormatSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self._regex = _compiled(spec.pattern)
        names = set(self._regex.groupindex)
        self._message = self._regex.groupindex.get("message", 0)
        self.dated = "time" in names
        self._fields = sorted(names - _GROUPS)
        self._levels = _level_map(spec.levels)
        self._shape = ""
        self._times: dict[str, tuple[int, int | None]] = {}

    def read(self, line: str, times: TimeReader) -> Header | None:
        """See `Format.read`."""
        match = self._regex.match(line)
        if match is None:
            return None
        said: dict[str, str | None] = match.groupdict()
        ts = None
        if said.get("time"):
            ts = self._moment(said["time"] or "", times)
            if ts is None:
                return None
        begin, end = match.span(self._message) if said.get("message") is not None else (match.end(), len(line))
        if not self._message and not line[begin:].strip():
            begin = 0
        word = said.get("level")
        level = levels.UNKNOWN if word is None else self._levels.get(word.upper()) or levels.of_word(word)
        fields = {name: _value(text) for name in self._fields if (text := said[name]) is not None}
        whole = end != len(line)
        return Header(
            ts,
            level,
            said.get("logger") or None,
            pid_number(said.get("pid")),
            "" if whole else line[:begin],
            line[begin:end],
            json.dumps(fields, ensure_ascii=False) if fields else None,
            whole=whole,
        )

    def spans(self, line: str) -> dict[str, tuple[int, int]] | None:
        """Where the named groups stand in a line of this format; None for another line."""
        match = self._regex.match(line)
        return None if match is None else {name: match.span(name) for name in self._regex.groupindex}

    def _moment(self, text: str, times: TimeReader) -> int | None:
        layout = self.spec.time_layout
        if layout is None:
            return self._any_moment(text, times)
        age = times.reference // (60 * SECOND) if not _says(layout, _YEARS) else 0
        known = self._times.get(text)
        if known is None or known[0] != age:
            if len(self._times) > _CACHE:
                self._times.clear()
            known = self._times[text] = (age, _by_layout(layout, text, times))
        return known[1]

    def _any_moment(self, text: str, times: TimeReader) -> int | None:
        """A time in any layout; the layout of the last line is tried first."""
        for name in (self._shape, *SHAPES) if self._shape else SHAPES:
            shape = SHAPES[name]
            if shape.regex.fullmatch(text) is None:
                continue
            order: Order = "" if not shape.ambiguous else "dmy" if self.spec.day_first else "mdy"
            ts = times.moment(shape, order, text)
            if ts is not None:
                self._shape = name
                return ts
        return None


class SampleResult(NamedTuple):
    """What a format reads in one of its samples, and what of it is not as the sample says; empty where all is."""

    line: str
    header: Header | None
    wrong: tuple[str, ...]


def read_format(text: str, name: str) -> FormatSpec:
    """The format that a TOML text describes.

    Raises:
        LogsError: the text is no TOML, or does not describe a format; the message says what is wrong.
    """
    try:
        spec = msgspec.convert({**tomllib.loads(text), "name": name}, FormatSpec)
    except tomllib.TOMLDecodeError as error:
        raise LogsError(
            f"this is not TOML: {error}", hint="Put the pattern into single quotes: pattern = '…'."
        ) from error
    except msgspec.ValidationError as error:
        raise LogsError(
            f"this is no log format: {error}",
            hint="Known keys: pattern, time_layout, day_first, levels and [[sample]].",
        ) from error
    if NAME.fullmatch(name) is None:
        raise LogsError(
            f"{name!r} cannot be the name of a format",
            hint="Use small letters, digits, - and _; begin with a letter.",
        )
    UserFormat(spec)
    return spec


def format_toml(spec: FormatSpec) -> str:
    """A spec as the text of its file."""
    lines = [f"pattern = {_quoted(spec.pattern)}"]
    if spec.time_layout is not None:
        lines.append(f"time_layout = {_quoted(spec.time_layout)}")
    if spec.day_first:
        lines.append("day_first = true")
    if spec.levels:
        lines += ["", "[levels]", *(f"{json.dumps(word, ensure_ascii=False)} = {_quoted(level)}" for word, level in spec.levels.items())]  # fmt: skip
    for sample in spec.sample:
        lines += ["", "[[sample]]"]
        lines += [
            f"{key} = {value if isinstance(value, int) else _quoted(value)}"
            for key, value in msgspec.structs.asdict(sample).items()
            if value is not None
        ]
    return "\n".join(lines) + "\n"


def check_samples(spec: FormatSpec, times: TimeReader) -> list[SampleResult]:
    """What the format makes of its own samples.

    Raises:
        LogsError: the spec says nothing usable.
    """
    fmt = UserFormat(spec)
    return [_checked(sample, fmt.read(sample.line, times)) for sample in spec.sample]


def _checked(sample: Sample, header: Header | None) -> SampleResult:
    if header is None:
        return SampleResult(sample.line, None, ("the pattern does not match, or its time is none",))
    found = {
        "time": iso_text(header.ts) if header.ts is not None else None,
        "level": levels.NAMES.get(header.level),
        "logger": header.logger,
        "pid": header.pid,
        "message": header.message,
    }
    wrong = []
    for key, is_ in found.items():
        wanted = getattr(sample, key)
        if wanted is not None and not _same(key, wanted, is_):
            wrong.append(f"{key} is {is_!r}, not {wanted!r}")
    return SampleResult(sample.line, header, tuple(wrong))


def _same(key: str, wanted: object, found: object) -> bool:
    if key != "time" or found is None:
        return wanted == found
    try:
        return datetime.fromisoformat(str(wanted)).astimezone() == datetime.fromisoformat(str(found)).astimezone()
    except ValueError:
        return False


def _compiled(pattern: str) -> "re2._Regexp[str]":
    if not pattern or len(pattern) > _LONGEST:
        raise LogsError(f"a pattern has 1 to {_LONGEST} characters", hint="Describe the first line of a record.")
    options = re2.Options()
    options.log_errors = False
    try:
        regex = re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else error
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise LogsError(
            f"the pattern is no regular expression: {said}",
            hint="RE2 syntax is used, which has no look-ahead, look-behind or references.",
        ) from error
    if not regex.groupindex:
        raise LogsError(
            "the pattern has no named group",
            hint="Name what it finds, such as (?P<time>…), (?P<level>…) and (?P<message>.*).",
        )
    if regex.match("") is not None:
        raise LogsError("the pattern matches an empty line", hint="Describe what every first line of a record has.")
    return regex


def _level_map(words: Mapping[str, str]) -> dict[str, int]:
    known = {word.upper(): levels.of_word(level) for word, level in words.items()}
    wrong = [words[word] for word in words if not known[word.upper()]]
    if wrong:
        raise LogsError(f"there is no level {wrong[0]!r}", hint=f"Levels are {', '.join(levels.NAMES.values())}.")
    return known


def _says(layout: str, parts: Iterable[str]) -> bool:
    return any(part in layout for part in parts)


def _by_layout(layout: str, text: str, times: TimeReader) -> int | None:
    try:
        # A year is given where the layout has none: without one, the 29th of February would be no date.
        text, whole = (text, layout) if _says(layout, _YEARS) else (f"2000 {text}", f"%Y {layout}")
        read = datetime.strptime(text, whole)  # noqa: DTZ007 - it has the zone that the text says, or is local
    except ValueError:
        return None
    dated = _says(layout, _DATED) or "%m" in layout or "%b" in layout or "%B" in layout
    offset = read.utcoffset()
    return times.instant(
        Moment(
            read.year if _says(layout, _YEARS) else None,
            read.month if dated else None,
            read.day if dated else None,
            read.hour,
            read.minute,
            read.second,
            0,
            None if offset is None else round(offset.total_seconds()),
        ),
        read.microsecond,
    )


def _value(text: str) -> str | int | float:
    """A field's text, as a number where it is written as one."""
    if _NUMBER.fullmatch(text) is None:
        return text
    return float(text) if "." in text else int(text)


def _quoted(text: str) -> str:
    """A TOML string, without escapes where that is possible."""
    return f"'{text}'" if "'" not in text and text.isprintable() else json.dumps(text, ensure_ascii=False)
